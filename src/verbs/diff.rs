//! `diff RUN RUN`: two results side by side.

use crate::cli::{Outcome, Report};
use crate::place;
use ir::diag::Diagnostic;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Show where two results differ
#[derive(clap::Args)]
pub struct Args {
    /// A folder of `run --out`, or a file that `--json` printed
    left: PathBuf,
    /// Another one
    right: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Keys that are no results.
const NO_RESULTS: [&str; 2] = ["rungs", "schema_version"];

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let (left, right) = (leaves(&args.left)?, leaves(&args.right)?);
    // The long lists come last.
    let long =
        |key: &str| ["by_op", "stalls"].iter().any(|list| key.starts_with(list)) || key.contains("relief");
    let keys: BTreeSet<(bool, &String)> = left.keys().chain(right.keys()).map(|k| (long(k), k)).collect();
    let mut text = format!("{:<44}{:>18}{:>18}{:>10}\n", "", "left", "right", "change");
    let (mut rows, mut equal) = (Vec::new(), 0);
    for (_, key) in keys {
        let (l, r) = (left.get(key), right.get(key));
        if l == r {
            equal += 1;
            continue;
        }
        let change = l.and_then(Value::as_f64).zip(r.and_then(Value::as_f64)).filter(|(l, _)| *l != 0.0);
        let change = change.map(|(l, r)| r / l - 1.0);
        let percent = change.map_or(String::new(), |c| format!("{:+.1} %", c * 100.0));
        text.push_str(&format!("{key:<44}{:>18}{:>18}{percent:>10}\n", shown(l), shown(r)));
        rows.push(json!({ "key": key, "left": l, "right": r, "change": change }));
    }
    text.push_str(&format!("{} figures differ, {equal} are equal\n", rows.len()));
    let (left, right) = (args.left.to_string_lossy(), args.right.to_string_lossy());
    Ok(Report::new(text, json!({ "left": left, "right": right, "equal": equal, "differences": rows })))
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "-".into(),
        Some(Value::Number(n)) if n.is_f64() => match n.as_f64().unwrap_or_default() {
            x if x != 0.0 && x.abs() < 1e-3 => format!("{x:.5e}"),
            x => format!("{x:.6}"),
        },
        Some(Value::String(s)) => s.chars().take(16).collect(),
        Some(other) => other.to_string(),
    }
}

/// Every figure of a result, by its path.
fn leaves(path: &Path) -> Result<BTreeMap<String, Value>, Diagnostic> {
    let file = if path.is_dir() { path.join("report.json") } else { path.to_path_buf() };
    if path.is_dir() && !file.is_file() {
        return Err(Diagnostic::new("result-absent", "the folder holds no result")
            .because("it has no report.json")
            .help("make one with `tilewright run MODEL --machine M --out DIR`")
            .in_file(path.display().to_string()));
    }
    let text = place::read_text(&file)?;
    let json: Value = serde_json::from_str(&text).map_err(|e| {
        Diagnostic::new("result-syntax", "the result is no JSON")
            .because(e.to_string())
            .help("give a folder of `tilewright run --out`, or what `--json` printed")
            .in_file(file.display().to_string())
    })?;
    let mut all = BTreeMap::new();
    let results =
        json.as_object().into_iter().flatten().filter(|(key, _)| !NO_RESULTS.contains(&key.as_str()));
    results.for_each(|(key, value)| gather(key, value, &mut all));
    Ok(all)
}

/// Elements of a list are known by what they are called, and several of one name are one.
fn gather(path: &str, value: &Value, all: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(map) => map.iter().for_each(|(key, v)| gather(&format!("{path}.{key}"), v, all)),
        Value::Array(list) => {
            for (i, element) in list.iter().enumerate() {
                let name = ["op", "change", "name"].iter().find_map(|key| element[*key].as_str());
                let place = format!("{path}.{}", name.map_or(i.to_string(), str::to_string));
                match element {
                    Value::Object(map) => map
                        .iter()
                        .filter(|(_, v)| v.is_number())
                        .for_each(|(key, v)| gather(&format!("{place}.{key}"), v, all)),
                    other => gather(&place, other, all),
                }
            }
        }
        leaf => {
            let sum = |old: &Value| match (old.as_u64(), leaf.as_u64()) {
                (Some(a), Some(b)) => json!(a.saturating_add(b)),
                _ => old.as_f64().zip(leaf.as_f64()).map_or(leaf.clone(), |(a, b)| json!(a + b)),
            };
            let new = all.get(path).map_or_else(|| leaf.clone(), sum);
            all.insert(path.to_string(), new);
        }
    }
}
