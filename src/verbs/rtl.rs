//! `rtl --machine M`: the hardware of a machine.

use crate::cli::{Outcome, Report};
use crate::manifest::{MachineId, Manifest};
use crate::output::Folder;
use crate::{place, rtl};
use serde_json::json;
use std::path::PathBuf;

/// Write the SystemVerilog of a machine
#[derive(clap::Args)]
pub struct Args {
    /// A built-in machine or a machine file
    #[arg(long, short)]
    machine: String,
    /// Folder for the SystemVerilog, its file list, the C header, the manual of the registers and the testbench
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
    let mut folder = Folder::begin(&args.out)?;
    let count = rtl::write(machine, &mut folder, "")?;
    folder.add("machine.toml", &found.text)?;
    let id = MachineId::of(machine);
    let hash = id.hash.clone();
    let mut json = json!({ "machine": machine.name, "machine_hash": hash });
    folder.finish(Manifest { machine: Some(id), ..Manifest::new() })?;
    json["files"] = count.into();
    json["output"] = args.out.to_string_lossy().into();
    let out = args.out.display();
    Ok(Report::new(format!("{out}: {count} files of {}, configuration {hash}\n", machine.name), json))
}
