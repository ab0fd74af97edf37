//! The legality checker: accepts only programs that run the same way whatever the memory's timing.
//!
//! Rules (docs/machine.md sections 2 and 5), each checked in one place:
//! * [`shape`]: machine hash and ISA fields; arguments in the table; `halt` last and only there; loops: inside each other
//!   or apart, at most [`hw::machine::LOOP_LEVELS`] deep, no `halt` inside, body in instruction memory, as many posts as waits of every
//!   semaphore in a body;
//! * [`fields`]: sizes at least 1, tokens, heads, alignment; banks that differ; operands that do not overlap wrongly; every
//!   range inside its space, and inside the program's regions if it declares any;
//! * [`semaphore`]: one posting and one waiting unit; the k-th post before the k-th wait in program order; a count of at
//!   most 63 whatever the timing; all counts zero at the end;
//! * [`hazard`]: every read after its write is done, every write after its readers and the writer before are done, no
//!   port of a memory used by two units at once.
//!
//! Order is known by vector clocks: an instruction knows how many instructions of each unit are done when it starts, from
//! its unit's order, `drain`, and the clocks of the posts it waits for. Queue depths are never relied on.
//!
//! [`check`] walks the program with the argument values of one run, loops expanded; [`every`] all runs at once, with ranges
//! ([`runs`]). Time is linear in the dispatched words and in the ranges they touch.

mod every;
pub(crate) mod fields;
pub(crate) mod hazard;
mod progress;
mod runs;
mod semaphore;
mod shape;

pub use every::check as every;
pub use runs::Runs;

use crate::access::{self, Access};
use crate::table::Unit;
use crate::walk::{Step, Walk};
use crate::{Head, Illegal, Program};
use hw::{Geometry, Machine};
use progress::Progress;

/// How many instructions of each unit (in the order of [`Unit::QUEUED`]) are known to be done.
pub(crate) type Clock = [u32; 4];

/// Checks that a program is legal on a machine with these argument values.
///
/// # Errors
/// The first broken rule, in program order.
pub fn check(program: &Program, machine: &Machine, args: &[u32]) -> Result<(), Illegal> {
    shape::check(program, machine)?;
    let (rules, mut progress) = (Rules::new(program, machine), Progress::default());
    // Values beyond the table are not there: the host cannot write them.
    let table = args.len().min(machine.sequencer.args as usize);
    for step in Walk::new(program, &args[..table]) {
        let step = step?;
        rules.step(&mut progress, &step).map_err(|broken| rules.illegal(step.word as usize, broken))?;
    }
    progress.semaphores.balanced().map_err(|broken| rules.illegal(program.instrs.len() - 1, broken))
}

/// Whether every program that is legal on `from` is legal on `to` once it is said to be for it: the two differ in nothing that
/// a rule reads, but that instruction memory may be larger.
pub fn carries_over(from: &Machine, to: &Machine) -> bool {
    let mut same = to.clone();
    same.name.clone_from(&from.name);
    same.technology.clone_from(&from.technology);
    same.memory.model.clone_from(&from.memory.model);
    same.matrix.drain_lanes = from.matrix.drain_lanes;
    same.sequencer.queue_depth.clone_from(&from.sequencer.queue_depth);
    same.sequencer.imem_words = to.sequencer.imem_words.min(from.sequencer.imem_words);
    (same.clock_hz, same.load, same.store) = (from.clock_hz, from.load.clone(), from.store.clone());
    same == *from
}

/// A broken rule, before it has a place.
#[derive(Debug)]
pub(crate) struct Broken {
    what: String,
    why: &'static str,
    help: &'static str,
}

impl Broken {
    fn new(what: impl Into<String>, why: &'static str, help: &'static str) -> Broken {
        Broken { what: what.into(), why, help }
    }
}

/// An instruction in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub unit: usize,
    /// Sequence number in the unit.
    pub seq: u32,
}

/// What an instruction knows when it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub event: Event,
    pub clock: Clock,
}

impl Start {
    /// Whether an earlier instruction is known to be done.
    pub fn after(&self, event: Event) -> bool {
        self.clock[event.unit] > event.seq
    }
}

/// What instructions are held to.
struct Rules<'a> {
    program: &'a Program,
    geometry: Geometry,
    limits: fields::Limits,
}

impl<'a> Rules<'a> {
    fn new(program: &'a Program, machine: &Machine) -> Rules<'a> {
        let limits = fields::Limits::new(program, machine);
        Rules { program, geometry: Geometry::of(machine), limits }
    }

    fn step(&self, progress: &mut Progress, step: &Step) -> Result<(), Broken> {
        let Some(unit) = step.instr.unit().queue() else { return Ok(()) };
        fields::check(&step.instr.body, &self.geometry)?;
        let set = access::accesses(&step.instr.body, &self.geometry);
        self.limits.check(&set)?;
        self.issue(progress, (unit, step.word as usize), &step.instr.head, &set)
    }

    /// The next instruction of a unit, from this place of the program.
    fn issue(
        &self,
        progress: &mut Progress,
        (unit, place): (usize, usize),
        head: &Head,
        set: &[Access],
    ) -> Result<(), Broken> {
        let start = progress.start(unit, place as u32, head)?;
        for access in set {
            if let Some(conflict) = progress.memories.conflict(&start, access) {
                let other = conflict.with;
                let word = progress.words[other.unit].get(other.seq as usize).copied().unwrap_or(0);
                let unit = Unit::QUEUED[other.unit].name();
                let text = self.program.instrs.get(word as usize).map(crate::disasm::instruction);
                return Err(conflict.broken(&format!(
                    "instruction {word} of the {unit} unit ({})",
                    text.unwrap_or_default()
                )));
            }
        }
        // Only now: an instruction that works in place is no hazard to itself.
        set.iter().for_each(|access| progress.memories.record(&start, access));
        Ok(())
    }

    fn illegal(&self, place: usize, broken: Broken) -> Illegal {
        Illegal::new(self.program, place, broken.what, broken.why, broken.help)
    }
}

#[cfg(test)]
mod tests;
