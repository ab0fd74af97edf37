//! `models`: what is built in.

use crate::cli::{Outcome, Report};
use crate::model;
use ir::decoder::{Decoder, Weight};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// List the built-in models
#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(_: &Args) -> Outcome {
    let mut text = String::from(
        "name              parameters  layers  hidden  heads  shared by  MLP    tokens  weights\n",
    );
    let mut all = Vec::new();
    for (name, _) in model::BUILT_IN {
        let decoder = model::decoder(name, &Default::default())?;
        let facts = facts(name, &decoder);
        let c = &decoder.config;
        text.push_str(&format!(
            "{name:<16}{:>12}{:>8}{:>8}{:>7}{:>11}{:>5}{:>10}  {}\n",
            facts["parameters"],
            decoder.layers.len(),
            c.hidden,
            c.heads,
            c.heads / c.kv_heads,
            c.intermediate,
            c.vocab,
            if facts["weights"] == true { "there" } else { "absent" }
        ));
        all.push(facts);
    }
    text.push_str("\nAn ONNX file, a config.json or a text-IR file (.tw) is a model, too.\n");
    Ok(Report::new(text, json!({ "models": all })))
}

fn facts(name: &str, decoder: &Decoder) -> Value {
    let c = &decoder.config;
    let inner = decoder.layers.iter().flat_map(|l| l.weights(c));
    let all = inner.chain(decoder.ends.iter().flat_map(|e| e.weights(c)));
    // An embedding that also makes logits is one tensor.
    let all: BTreeMap<&str, &Weight> = all.map(|(_, weight, _)| (&*weight.name, weight)).collect();
    json!({
        "name": name,
        "parameters": all.values().filter_map(|w| w.constant.ty().shape.elements()).sum::<u64>(),
        "weights": all.values().all(|w| !w.constant.is_absent()),
        "layers": decoder.layers.len(),
        "hidden": c.hidden,
        "heads": c.heads,
        "kv_heads": c.kv_heads,
        "head_dim": c.head_dim,
        "intermediate": c.intermediate,
        "vocab": c.vocab,
    })
}
