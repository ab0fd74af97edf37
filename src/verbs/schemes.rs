//! `schemes`: the quantisation schemes that are built in.

use crate::cli::{Outcome, Report};
use ir::quant::scheme::SCHEMES;
use serde_json::json;

/// List the quantisation schemes
#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(_: &Args) -> Outcome {
    let mut text = format!(
        "{:<12}{:>8}{:>7}  {:<16}{:>12}{:>15}{:>9}{:>8}\n",
        "bits", "weights", "group", "levels", "activations", "q, probability", "K and V", "tables"
    );
    let mut all = Vec::new();
    for s in SCHEMES {
        let w = &s.weights;
        let levels: Vec<String> = w.levels.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "{:<12}{:>8}{:>7}  {:<16}{:>12}{:>15}{:>9}{:>8}\n",
            s.name,
            w.bits,
            w.group,
            levels.join(" "),
            s.activations,
            s.attention,
            s.cache,
            s.tables
        ));
        all.push(json!({
            "name": s.name,
            "weights": { "bits": w.bits, "levels": w.levels, "group": w.group },
            "activations": { "bits": s.activations },
            "attention": { "bits": s.attention },
            "cache": { "bits": s.cache },
            "tables": { "bits": s.tables },
        }));
    }
    Ok(Report::new(text, json!({ "schemes": all })))
}
