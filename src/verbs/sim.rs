//! `sim DIR`: one run of a compiled folder's program.

use crate::accelerator::illegal;
use crate::cli::{Outcome, Report};
use crate::manifest::checksum_of;
use crate::relief::{Job, reliefs};
use crate::report::{Phase, Summary};
use crate::tally::Running;
use crate::{folder, output, perfetto, rung};
use ir::diag::Diagnostic;
use isa::table::Unit;
use serde_json::json;
use sim::functional::{State, run_slices};
use sim::timing::simulate_into;
use sim::trace::{Recorder, Trace, first_difference};
use std::fmt::Write;
use std::path::PathBuf;

/// Simulate one run of a compiled folder's program
#[derive(clap::Args)]
pub struct Args {
    /// What `compile` or `run --out` wrote
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
    /// Refuse to run unless the folder was made for this machine
    #[arg(long, short)]
    machine: Option<String>,
    /// Write what happened when, for ui.perfetto.dev; if the name ends in .tsv, start and end of every instruction as text
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Compute the bytes, too, and give the checksum of memory at the end
    #[arg(long)]
    functional: bool,
    /// Write the values of the argument table, for the testbench that `rtl` writes
    #[arg(long, value_name = "FILE")]
    args: Option<PathBuf>,
    /// Write memory as it is at the end, without the zeros behind, for the same
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
    /// Step every unit through every cycle, too, and refuse any difference
    #[arg(long)]
    reference: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let c = folder::open(&args.folder, &args.program, args.machine.as_deref())?;
    let position = args.position.unwrap_or(c.position);
    let values = c.args(position, &args.tokens)?;
    isa::check::check(&c.program, &c.machine, &values).map_err(|e| illegal(&e))?;
    let table = args.trace.as_ref().filter(|path| path.extension().is_some_and(|e| e == "tsv"));
    let name = if c.tokens > Some(1) && c.sequences.is_none() { "prefill" } else { "decode" };
    let mut file = match &args.trace {
        Some(path) if table.is_none() => Some(perfetto::File::begin(path)?),
        _ => None,
    };
    let run = file.as_mut().map(|file| file.run(name, &c.program, &c.machine));
    // Only who asks for every event gets a list of them.
    let recorder = (args.reference || table.is_some()).then(|| Recorder::new(&c.machine));
    let mut told = (Running::new(&c.program, &c.machine), (run, recorder));
    simulate_into(&c.program, &c.machine, &values, &mut told).map_err(|e| illegal(&e))?;
    let (running, (run, recorder)) = told;
    run.map_or(Ok(()), perfetto::Run::finish)?;
    let (tally, trace) = (running.tally(), recorder.map(Recorder::trace).unwrap_or_default());
    let words = c.program.instrs.len() as u64;
    let tokens = c.tokens.unwrap_or(0);
    let macs = c.macs.filter(|_| tokens > 0).map(|m| match c.sequences {
        None => m.of(position, tokens),
        Some(n) => m.of(position, 1).saturating_mul(n.into()),
    });
    let reliefs = reliefs(&c.machine, &[Job { program: &c.program, args: &values, cycles: tally.cycles }]);
    let summary = Summary {
        model: c.model.as_deref(),
        scheme: c.scheme.as_deref(),
        machine: &c.machine,
        programs: vec![(args.program.clone(), words, words * 32)],
        phases: vec![(name, Phase { tokens: tokens.into(), macs, tally, reliefs })],
        speaks: false,
        notes: Vec::new(),
    };
    let mut json = summary.json();
    json["position"] = position.into();
    let mut text = summary.text();
    if args.reference {
        let steps = sim::reference::simulate(&c.program, &c.machine, &values).map_err(|e| illegal(&e))?;
        agree(&trace, &steps)?;
        text.push_str(&format!("reference   {} cycles stepped, nothing differs\n", steps.cycles));
        json["reference"] = json!({ "cycles": steps.cycles, "mismatches": 0 });
    }
    if let Some(path) = &args.args {
        output::file(path, folder::args_text(&values).as_bytes())?;
        text.push_str(&format!("arguments   {}\n", path.display()));
    }
    if args.functional || args.memory.is_some() {
        let mut slices = State::over(&c.machine, &c.images()?);
        run_slices(&mut slices, &c.program, &values, &mut ()).map_err(|e| illegal(&e))?;
        let sum = format!("{:#018x}", checksum_of(slices.iter().flat_map(|s| s.dram.parts())));
        text.push_str(&format!("memory      checksum {sum}\n"));
        json["memory_checksum"] = json!(sum);
        if let Some(path) = &args.memory {
            let used: Vec<Vec<u8>> = slices.iter().map(|s| s.dram.used()).collect();
            output::file(path, &folder::joined(used))?;
            text.push_str(&format!("memory      {}\n", path.display()));
        }
    }
    json["rungs"] = rung::of(&json);
    if let Some(path) = table {
        output::file(path, listing(&c.program, &trace).as_bytes())?;
    }
    file.map_or(Ok(()), perfetto::File::finish)?;
    if let Some(path) = &args.trace {
        text.push_str(&format!("trace       {}\n", path.display()));
    }
    Ok(Report::new(text, json))
}

/// Refuses a difference between the two simulations of time.
fn agree(events: &Trace, steps: &Trace) -> Result<(), Diagnostic> {
    match first_difference(events, steps) {
        None => Ok(()),
        Some(difference) => {
            Err(Diagnostic::new("reference-differs", "the simulator and its reference differ")
                .because(format!("events against steps: {difference}"))
                .help("this is an error of Tilewright: please report it with the folder"))
        }
    }
}

/// One line for each instruction that a unit ran.
fn listing(program: &isa::Program, trace: &Trace) -> String {
    let mut out = String::from("unit\tsequence\tword\tstart\tdone\toperator\tnodes\tinstruction\n");
    for (unit, spans) in Unit::QUEUED.iter().zip(&trace.units) {
        for (n, s) in spans.iter().enumerate() {
            let word = s.instr as usize;
            let text = program.instrs.get(word).map(isa::disasm::instruction).unwrap_or_default();
            let (name, origin) = (unit.name(), program.origin(word));
            let nodes = origin.nodes.join(" ");
            let _ = writeln!(out, "{name}\t{n}\t{word}\t{}\t{}\t{origin}\t{nodes}\t{text}", s.start, s.done);
        }
    }
    out
}
