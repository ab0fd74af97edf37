//! `disasm FILE`: program.bin to assembly.

use crate::cli::{Outcome, Report};
use crate::{output, place};
use serde_json::json;
use std::path::PathBuf;

/// Print a binary program as a listing that `asm` reads back
#[derive(clap::Args)]
pub struct Args {
    /// The program
    file: PathBuf,
    /// Where the listing goes; standard output if not given
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let program = place::program(&args.file)?;
    let listing = isa::disasm::listing(&program);
    let (words, hash) = (program.instrs.len(), format!("{:#010x}", program.machine_hash));
    let mut json = json!({ "instructions": words, "machine_hash": hash });
    let Some(path) = &args.output else {
        json["listing"] = listing.clone().into();
        return Ok(Report::new(listing, json));
    };
    output::file(path, listing.as_bytes())?;
    json["output"] = path.to_string_lossy().into();
    Ok(Report::new(format!("{}: {words} instructions\n", path.display()), json))
}
