//! `doctor`: which tools are installed, which are missing, and how to get them.

use crate::cli::{Outcome, Report};
use crate::tools::{Found, TOOLS, find};
use serde_json::json;

/// Check the tools that tilewright calls
#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb; the report has failed if a tool is missing.
pub fn run(_: &Args) -> Outcome {
    let mut text = String::new();
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    for tool in TOOLS {
        let found = find(tool);
        let state = match &found {
            Some(Found { version, .. }) => version.clone(),
            None => format!("missing: install with `apt-get install {}`", tool.package),
        };
        text.push_str(&format!("{:<10} {state}\n{:<10}   for {}\n", tool.command, "", tool.needed_for));
        rows.push(json!({
            "tool": tool.command,
            "path": found.as_ref().map(|f| f.path.to_string_lossy()),
            "version": found.as_ref().map(|f| &f.version),
            "needed_for": tool.needed_for,
            "package": tool.package,
        }));
        if found.is_none() {
            missing.push(tool.package);
        }
    }
    let packages = missing.join(" ");
    text.push_str(&match missing.len() {
        0 => "\nEverything is there.\n".to_string(),
        _ => format!("\nTo install what is missing: apt-get update && apt-get install {packages}\n"),
    });
    let passed = missing.is_empty();
    let report = Report::new(text, json!({ "tools": rows, "missing": missing }));
    Ok(if passed { report } else { report.failed() })
}
