//! How well a network estimates depth, as floats: rung 1 of the ladder of trust.

use crate::progress::Progress;
use crate::rung::Rung;
use ir::accuracy::Scenes;
use ir::diag::Diagnostic;
use ir::graph::Graph;
use serde_json::{Value, json};

/// Text and object of a report of a network on scenes.
///
/// # Errors
/// A network of other images, or one without weights.
pub fn accuracy(graph: &Graph, scenes: &Scenes) -> Result<(String, Value), Diagnostic> {
    let progress = Progress::begin("measuring depths", scenes.len() as u64);
    let figures = scenes.measure(graph, &|| progress.step())?;
    drop(progress);
    let (rung, count) = (Rung::Float, scenes.len());
    let (number, source) = (rung.number(), rung.name());
    let text = format!(
        "{:<12}{:>8}{:>9}{:>9}   rung of trust\n{:<12}{:>8.4}{:>9.4}{:>7.3} m   {number}: {source}\nmeasured on {count} scenes\n",
        "form", "AbsRel", "delta1", "RMSE", "float", figures.abs_rel, figures.delta1, figures.rmse
    );
    let form = json!({
        "form": "float",
        "abs_rel": figures.abs_rel,
        "delta1": figures.delta1,
        "rmse_metres": figures.rmse,
        "rung": number,
        "source": source,
    });
    Ok((text, json!({ "scenes": count, "results": [form] })))
}
