//! `schemes`: the quantisation schemes that are built in, and one to copy.

use crate::cli::{Outcome, Report};
use crate::place;
use ir::quant::Scheme;
use ir::quant::scheme::{BUILT_IN, Sparsity, WeightScheme, text};
use serde_json::{Value, json};
use std::path::Path;

/// List the quantisation schemes, or print the file of one
#[derive(clap::Args)]
pub struct Args {
    /// Print the file of this scheme (or check and print one of your own)
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    match &args.show {
        Some(name) => show(name),
        None => list(),
    }
}

fn show(name: &str) -> Outcome {
    let scheme = place::scheme(name)?;
    let file = match text(name) {
        Some(text) => text.to_string(),
        None => place::read_text(Path::new(name))?,
    };
    let mut json = facts(&scheme);
    json["file"] = file.clone().into();
    Ok(Report::new(file, json))
}

fn list() -> Outcome {
    let columns = |name: &str, hardware: &str, about: &str| format!("{name:<12}{hardware:<10}{about}\n");
    let mut text = columns("scheme", "hardware", "");
    let mut all = Vec::new();
    for (name, _) in BUILT_IN {
        let scheme = Scheme::named(name)?;
        text.push_str(&columns(name, if hardware(&scheme) { "yes" } else { "not yet" }, &scheme.about));
        all.push(facts(&scheme));
    }
    text.push_str("\n`tilewright schemes --show w4a8 > mine.toml` gives one to change; `tilewright eval --scheme mine.toml` measures it.\n");
    Ok(Report::new(text, json!({ "schemes": all })))
}

/// Whether a machine of this version computes with it.
fn hardware(scheme: &Scheme) -> bool {
    codegen::support::widths(scheme, false).is_ok()
}

fn facts(s: &Scheme) -> Value {
    let weights = |w: &WeightScheme| {
        json!({
            "bits": w.bits,
            "levels": (!w.levels.is_empty()).then_some(&w.levels),
            "group": w.group,
            "scale_bits": w.group.map(|_| w.scale_bits),
            "symmetric": w.symmetric,
            "sparsity": if w.sparsity == Sparsity::Dense { "dense" } else { "2:4" },
            "shared": w.shared,
        })
    };
    json!({
        "name": s.name,
        "about": s.about,
        "hardware": hardware(s),
        "weights": weights(&s.weights),
        "lm_head": weights(s.lm_head()),
        "activations": { "bits": s.activations.bits, "symmetric": s.activations.symmetric },
        "attention": { "bits": s.attention.bits },
        "kv_cache": { "bits": s.kv_cache.bits, "symmetric": s.kv_cache.symmetric },
        "embedding": { "bits": s.embedding.bits },
    })
}
