//! `asm FILE`: assembly to program.bin.

use crate::cli::{Outcome, Report};
use crate::{output, place};
use serde_json::json;
use std::path::PathBuf;

/// Assemble a listing to a binary program
#[derive(clap::Args)]
pub struct Args {
    /// The listing (docs/isa.md describes its form)
    file: PathBuf,
    /// Where the program goes
    #[arg(short, long, default_value = "program.bin")]
    output: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let name = args.file.display().to_string();
    let program = isa::asm::assemble(&place::read_text(&args.file)?).map_err(|e| e.in_file(name))?;
    let bytes = isa::binary::write(&program)?;
    output::file(&args.output, &bytes)?;
    let (words, to) = (program.instrs.len(), args.output.display());
    let hash = format!("{:#010x}", program.machine_hash);
    let text = format!("{to}: {words} instructions, {} bytes, for machine {hash}\n", bytes.len());
    let output = args.output.to_string_lossy();
    let json = json!({ "instructions": words, "bytes": bytes.len(), "machine_hash": hash, "output": output });
    Ok(Report::new(text, json))
}
