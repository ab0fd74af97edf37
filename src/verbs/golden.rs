//! `golden DIR`: what every instruction leaves in the machine, for people who check hardware of their own.
//!
//! The format is in docs/golden.md. It is written while the program runs; nothing is kept.

use crate::accelerator::illegal;
use crate::cli::{Outcome, Report};
use crate::folder;
use crate::output::Stream;
use ir::diag::Diagnostic;
use isa::access::{Space, accesses};
use isa::walk::Step;
use isa::{Program, Walk};
use serde_json::{Value, json};
use sim::functional::{Observer, State, run_slices};
use std::path::PathBuf;

/// Version of the format.
const VERSION: u32 = 1;

/// Write the machine's state after every instruction of a compiled folder's program
#[derive(clap::Args)]
pub struct Args {
    /// What `compile` or `run --out` wrote
    folder: PathBuf,
    /// The file, one JSON object per line
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Which of its programs: `program` reads one token, `prefill` a piece of a prompt
    #[arg(long, default_value = "program")]
    program: String,
    /// Tokens that are cached already; if not given, what the folder was compiled for
    #[arg(long)]
    position: Option<u32>,
    /// Tokens that the run reads; zeros if not given
    #[arg(long, value_delimiter = ',', value_name = "T,T,..")]
    tokens: Vec<u32>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let c = folder::open(&args.folder, &args.program, None)?;
    let values = c.args(args.position.unwrap_or(c.position), &args.tokens)?;
    isa::check::check(&c.program, &c.machine, &values).map_err(|e| illegal(&e))?;
    let mut slices = State::over(&c.machine, &c.images()?);
    let mut golden = Golden::begin(Stream::begin(&args.out)?, &c.program, &values);
    golden.line(&json!({
        "golden": VERSION,
        "machine": { "name": c.machine.name, "hash": format!("{:#010x}", c.machine.hash()) },
        "program": format!("{}.bin", args.program),
        "arguments": values,
        "image": "image.bin",
        "slices": slices.len(),
        "memories": slices.first().map(sizes),
    }));
    run_slices(&mut slices, &c.program, &values, &mut golden).map_err(|e| illegal(&e))?;
    let instructions = golden.number;
    golden.finish()?;
    let path = args.out.to_string_lossy();
    let json = json!({ "instructions": instructions, "output": path });
    Ok(Report::new(format!("{path}: {instructions} instructions\n"), json))
}

/// Bytes of every memory of a slice, by the names that the file uses.
fn sizes(state: &State) -> Value {
    let mut all = json!({
        "dram": state.dram.size(), "w": state.w.len(), "g": state.g.len(), "c": state.c.len(),
        "a": state.a.len(), "s": 3 * state.s.len(),
    });
    for (k, bank) in state.v.iter().enumerate() {
        all[format!("v{k}")] = bank.len().into();
    }
    all
}

struct Golden<'a> {
    to: Stream,
    walk: Walk<'a>,
    registers: Vec<u32>,
    /// Instructions so far, of all and of each unit.
    number: u64,
    of_unit: [u64; 4],
    failed: Option<Diagnostic>,
}

impl<'a> Golden<'a> {
    fn begin(to: Stream, program: &'a Program, args: &'a [u32]) -> Golden<'a> {
        let walk = Walk::new(program, args);
        let registers = walk.registers().to_vec();
        Golden { to, walk, registers, number: 0, of_unit: [0; 4], failed: None }
    }

    fn line(&mut self, line: &Value) {
        if self.failed.is_none() {
            self.failed = self.to.write(format!("{line}\n")).err();
        }
    }

    fn finish(self) -> Result<(), Diagnostic> {
        self.failed.map_or(Ok(()), Err)?;
        self.to.finish()
    }

    /// Registers that the word has changed.
    fn registers(&mut self) -> Value {
        // The walk that knows the registers goes along with the one that runs.
        let _ = self.walk.next();
        let now = self.walk.registers().to_vec();
        let changed = now.iter().zip(&self.registers).enumerate().filter(|(_, (new, old))| new != old);
        let changed: serde_json::Map<_, _> =
            changed.map(|(r, (new, _))| (format!("r{r}"), json!(new))).collect();
        self.registers = now;
        changed.into()
    }
}

impl Observer for Golden<'_> {
    fn after(&mut self, step: &Step, slices: &[State]) {
        let mut line = json!({
            "n": self.number, "word": step.word, "unit": step.instr.unit().name(),
            "instruction": isa::disasm::instruction(&step.instr), "registers": self.registers(),
        });
        self.number += 1;
        if let Some(unit) = step.instr.unit().queue() {
            line["sequence"] = self.of_unit[unit].into();
            let writes = (0..).zip(slices).flat_map(|(slice, state)| writes(step, slice, state));
            line["writes"] = writes.collect::<Vec<_>>().into();
            self.of_unit[unit] += 1;
        }
        self.line(&line);
    }
}

/// What the ranges of a slice that the instruction writes hold after it: memory, first byte, bytes in hexadecimal.
fn writes(step: &Step, slice: u32, state: &State) -> Vec<Value> {
    let mut all = Vec::new();
    for access in accesses(&step.instr.body, &state.geometry).iter().filter(|a| a.write) {
        for (from, to) in access.ranges() {
            let held = state.part(access.space, from as usize..to as usize);
            let hex: String = held.iter().map(|b| format!("{b:02x}")).collect();
            let at = if access.space == Space::TokenScale { 3 * from } else { from };
            all.push(json!([name(slice, access.space), at, hex]));
        }
    }
    all
}

/// A memory's name, with the number of its slice if it is not the first.
fn name(slice: u32, space: Space) -> String {
    let name = match space {
        Space::Weight => "w".into(),
        Space::GroupScale => "g".into(),
        Space::Channel => "c".into(),
        Space::Activation => "a".into(),
        Space::TokenScale => "s".into(),
        Space::Dram => "dram".into(),
        Space::Vector(bank) => format!("v{bank}"),
    };
    if slice == 0 { name } else { format!("{name}@{slice}") }
}
