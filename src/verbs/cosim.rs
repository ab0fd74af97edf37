//! `cosim DIR`: the RTL of a compiled folder against the simulator, in cycles and bytes.

use crate::accelerator::illegal;
use crate::cli::{Outcome, Report};
use crate::cosim::{self, Comparison, Hardware};
use crate::manifest::Manifest;
use crate::output::Folder;
use crate::progress::Progress;
use crate::{folder, rtl, tools};
use ir::diag::Diagnostic;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Build the RTL of a compiled folder and compare it with the simulator
#[derive(clap::Args)]
pub struct Args {
    /// What `compile` or `run --out` wrote; if it has a folder `rtl`, the files in it are what runs
    folder: PathBuf,
    /// Which of its programs: `program` reads one token, `prefill` a piece of a prompt
    #[arg(long, default_value = "program")]
    program: String,
    /// Tokens that are cached already; if not given, what the folder was compiled for
    #[arg(long)]
    position: Option<u32>,
    /// Tokens that the run reads; zeros if not given
    #[arg(long, value_delimiter = ',', value_name = "T,T,..")]
    tokens: Vec<u32>,
    /// Seed of the noise with which registers start
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Refuse to run unless the folder was made for this machine
    #[arg(long, short)]
    machine: Option<String>,
    /// Where built libraries are kept; $XDG_CACHE_HOME/tilewright or ~/.cache/tilewright if not given. Only you should be able to write there: what lies in it is run
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Write the waveform (not built yet)
    #[arg(long, value_name = "FILE")]
    wave: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb; the report has failed if anything differs.
pub fn run(args: &Args) -> Outcome {
    if args.wave.is_some() {
        return Err(Diagnostic::new("option-not-built", "`--wave` is not built yet")
            .because("this version compares; it does not record waveforms")
            .help("leave the option out; the first divergence is reported in any case"));
    }
    let c = folder::open(&args.folder, &args.program, args.machine.as_deref())?;
    tools::require(&["verilator", "g++"])?;
    let values = c.args(args.position.unwrap_or(c.position), &args.tokens)?;
    isa::check::check(&c.program, &c.machine, &values).map_err(|e| illegal(&e))?;
    let working = Progress::begin("building and running the RTL", 0);
    let cache = cosim::cache(args.cache.as_deref())?;
    let library = cosim::build(&sources(&args.folder, &c, &cache)?, &cache)?;
    let hardware = Hardware::load(&library)?;
    let found = cosim::compare(&hardware, &c.machine, &c.program, &values, c.bytes()?, args.seed)?;
    drop(working);
    let report = report(&found);
    Ok(if found.identical() { report } else { report.failed() })
}

/// The folder's own RTL, or else that of its machine, written into the cache.
fn sources(folder: &Path, compiled: &folder::Compiled, cache: &Path) -> Result<PathBuf, Diagnostic> {
    let own = folder.join("rtl");
    if own.is_dir() {
        return Ok(own);
    }
    let path = cache.join(format!("rtl-{:08x}", compiled.machine.hash()));
    let mut made = Folder::begin(&path)?;
    rtl::write(&compiled.machine, &mut made, "")?;
    made.finish(Manifest::new())?;
    Ok(path)
}

fn report(found: &Comparison) -> Report {
    let Comparison { instructions, cycle_mismatches, byte_mismatches, cycles, .. } = *found;
    let verdict = if found.identical() { "identical" } else { "DIFFERENT" };
    let mut text = format!(
        "{verdict}: {instructions} instructions in {cycles} cycles, {cycle_mismatches} events and {byte_mismatches} bytes differ\n"
    );
    if let Some(first) = &found.first_divergence {
        text.push_str(&format!("first: {first}\n"));
    }
    let json = json!({
        "instructions": instructions,
        "cycle_mismatches": cycle_mismatches,
        "byte_mismatches": byte_mismatches,
        "cycles": cycles,
        "first_divergence": found.first_divergence,
    });
    Report::new(text, json)
}
