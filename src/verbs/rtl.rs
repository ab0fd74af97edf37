//! `rtl --machine M`: the hardware of a machine.

use crate::cli::{Outcome, Report, SCHEMA_VERSION};
use crate::output::{Folder, MANIFEST};
use crate::{place, rtl};
use serde_json::json;
use std::path::PathBuf;

/// Write the SystemVerilog of a machine
#[derive(clap::Args)]
pub struct Args {
    /// A built-in machine or a machine file
    #[arg(long, short)]
    machine: String,
    /// Folder for the SystemVerilog, its file list, the C header and the manual of the registers
    #[arg(long, short)]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let found = place::machine(&args.machine)?;
    let machine = &found.machine;
    let folder = Folder::begin(&args.out)?;
    let count = rtl::write(machine, &folder, "")?;
    folder.add("machine.toml", &found.text)?;
    let hash = format!("{:#010x}", machine.hash());
    let mut json = json!({ "machine": machine.name, "machine_hash": hash });
    let manifest = json!({
        "schema_version": SCHEMA_VERSION,
        "tilewright": env!("CARGO_PKG_VERSION"),
        "machine": { "name": machine.name, "hash": hash },
    });
    folder.add(MANIFEST, format!("{manifest:#}\n"))?;
    folder.finish()?;
    json["files"] = count.into();
    json["output"] = args.out.to_string_lossy().into();
    let out = args.out.display();
    Ok(Report::new(format!("{out}: {count} files of {}, configuration {hash}\n", machine.name), json))
}
