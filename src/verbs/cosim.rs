//! `cosim DIR`: the RTL of a compiled folder against the simulator, in cycles and bytes.

use crate::accelerator::illegal;
use crate::cli::{Outcome, Report};
use crate::cosim::compare::Setup;
use crate::cosim::wave::{self, Recorded, Subject};
use crate::cosim::{self, Comparison, Hardware};
use crate::manifest::Manifest;
use crate::output::{Folder, Stream};
use crate::progress::Progress;
use crate::{folder, rtl, tools};
use ir::diag::Diagnostic;
use serde_json::json;
use std::ops::Range;
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
    /// Write the waves of all signals around the first divergence, as VCD; of the beginning of the run if there is none
    #[arg(long, value_name = "FILE")]
    wave: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb; the report has failed if anything differs.
pub fn run(args: &Args) -> Outcome {
    let wave = args.wave.as_deref().map(named_vcd).transpose()?;
    // Before any work: a place that cannot be written is told at once.
    wave.map(Stream::begin).transpose()?;
    let c = folder::open(&args.folder, &args.program, args.machine.as_deref())?;
    tools::require(&["verilator", "g++"])?;
    let values = c.args(args.position.unwrap_or(c.position), &args.tokens)?;
    isa::check::check(&c.program, &c.machine, &values).map_err(|e| illegal(&e))?;
    let working = Progress::begin("building and running the RTL", 0);
    let cache = cosim::cache(args.cache.as_deref())?;
    let sources = sources(&args.folder, &c, &cache)?;
    // With waves one library does both runs, so that the second is the first again, noise of its registers included.
    let build = if wave.is_some() { cosim::build_recording } else { cosim::build };
    let hardware = Hardware::load(&build(&sources, &cache)?)?;
    let (machine, program, images) = (&c.machine, &c.program, c.images()?);
    let image: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
    let mut found = cosim::compare(&hardware, machine, program, &values, &image, args.seed)?;
    let setup =
        Setup { hardware: &hardware, machine, program, args: &values, images: &image, seed: args.seed };
    if !found.identical() && found.divergence_cycle.is_none() {
        found.locate(cosim::first_wrong(&setup)?);
    }
    let subject = match (found.identical(), found.divergence_cycle) {
        (true, _) => Subject::Run(found.cycles),
        (false, at) => Subject::Cycle(at.unwrap_or(found.cycles)),
    };
    let recorded = wave.map(|path| wave::record(&setup, subject, path)).transpose()?;
    drop(working);
    let report = report(&found, wave.zip(recorded.as_ref()));
    Ok(if found.identical() { report } else { report.failed() })
}

/// Refuses names of forms that are not written.
fn named_vcd(path: &Path) -> Result<&Path, Diagnostic> {
    match path.extension().and_then(|e| e.to_str()) {
        Some(other @ ("fst" | "lxt" | "lxt2" | "vzt" | "ghw" | "fsdb")) => {
            Err(Diagnostic::new("wave-form", format!("waves are not written as {other}"))
                .because(
                    "VCD is the one form that needs no library beside Verilator and that every viewer reads",
                )
                .help("name a file that ends in `.vcd`; `vcd2fst` of GTKWave makes it smaller")
                .in_file(path.display().to_string()))
        }
        _ => Ok(path),
    }
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

fn report(found: &Comparison, wave: Option<(&Path, &Recorded)>) -> Report {
    let Comparison { instructions, cycle_mismatches, byte_mismatches, cycles, .. } = *found;
    let verdict = if found.identical() { "identical" } else { "DIFFERENT" };
    let mut text = format!(
        "{verdict}: {instructions} instructions in {cycles} cycles, {cycle_mismatches} events and {byte_mismatches} bytes differ\n"
    );
    if let Some(first) = &found.first_divergence {
        text.push_str(&format!("first: {first}\n"));
    }
    if let Some((path, recorded)) = wave {
        text.push_str(&told(found, path, recorded));
    }
    let json = json!({
        "instructions": instructions,
        "cycle_mismatches": cycle_mismatches,
        "byte_mismatches": byte_mismatches,
        "cycles": cycles,
        "first_divergence": found.first_divergence,
        "divergence_cycle": found.divergence_cycle,
        "wave": wave.map(|(path, Recorded { cycles, bytes })| json!({
            "file": path.to_string_lossy(),
            "first_cycle": cycles.start,
            "end_cycle": cycles.end,
            "bytes": bytes,
        })),
    });
    Report::new(text, json)
}

/// Which cycles the wave holds, and why these.
fn told(found: &Comparison, path: &Path, recorded: &Recorded) -> String {
    let Range { start, end } = recorded.cycles;
    let why = match (found.identical(), found.divergence_cycle) {
        (true, _) if end > found.cycles => "the whole run".into(),
        (true, _) => "the beginning of the run".into(),
        (false, Some(at)) => format!("around the divergence at cycle {at}"),
        (false, None) => "the end of the run: no instruction was seen to leave a wrong byte".into(),
    };
    let path = path.display();
    format!("wave: {path}: cycles {start} to {}, {why}; a nanosecond of it is a cycle\n", end - 1)
}
