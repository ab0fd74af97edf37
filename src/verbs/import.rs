//! `import MODEL`: the text IR of a model.

use crate::cli::{Outcome, Report};
use crate::{model, output};
use ir::diag::Diagnostic;
use ir::graph::Graph;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Print the text IR of a model
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file, a config.json, a text-IR file (.tw), or a built-in name
    model: String,
    /// Where the text goes, with all weights; without it, it is printed without them
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Number of a named dimension; of `tokens` and `past` for a config.json
    #[arg(long, value_name = "NAME=VALUE", value_parser = model::binding)]
    bind: Vec<(String, u64)>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let bindings = model::bindings(&args.bind)?;
    let graph = model::load(&args.model, &bindings)?;
    let mut json = facts(&graph);
    let Some(path) = &args.output else {
        return Ok(Report::new(
            ir::text::print_without_weights(&graph) + &omitted(&graph, &args.model)?,
            json,
        ));
    };
    output::file(path, ir::text::print(&graph).as_bytes())?;
    json["output"] = path.to_string_lossy().into();
    let text =
        format!("{}: {} operators\n{}", path.display(), graph.node_count(), omitted(&graph, &args.model)?);
    Ok(Report::new(text, json))
}

/// Constants of which the model has the type alone.
fn absent(graph: &Graph) -> usize {
    graph.values().filter(|(id, _)| graph.constant(*id).is_some_and(|c| c.is_absent())).count()
}

/// What is said of a model without weights; a comment of the text form.
fn omitted(graph: &Graph, model: &str) -> Result<String, Diagnostic> {
    let n = absent(graph);
    if n == 0 {
        return Ok(String::new());
    }
    let missing = model::missing_files(model)?;
    let files =
        if missing.is_empty() { String::new() } else { format!(" ({} is not there)", missing.join(", ")) };
    Ok(format!(
        "// {n} constants have no elements: the model came without these weights{files}, and runs on shapes only.\n"
    ))
}

fn facts(graph: &Graph) -> Value {
    let mut operators = BTreeMap::new();
    for (_, node) in graph.nodes() {
        *operators.entry(node.op.name()).or_insert(0u64) += 1;
    }
    let named = |name: &str, id| json!({ "name": name, "type": graph.ty(id).to_string() });
    let inputs: Vec<Value> =
        graph.inputs().iter().map(|id| named(graph.input_name(*id).unwrap_or(""), *id)).collect();
    let outputs: Vec<Value> = graph.outputs().iter().map(|o| named(&o.name, o.value)).collect();
    json!({
        "model": graph.name(),
        "nodes": graph.node_count(),
        "operators": operators,
        "absent_constants": absent(graph),
        "inputs": inputs,
        "outputs": outputs,
    })
}
