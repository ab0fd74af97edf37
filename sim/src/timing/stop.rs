//! Runs that end with an error: docs/machine.md section 4, "Errors".
//!
//! Arguments that are not given are zero: the hardware looks no further than whether they are in its table.
//!
//! Up to the cycle in which an error is noticed a run is that of the program without it, because everything in it is causal.
//! So the cycle of a bus error is found by a run that ignores it, and a second run dispatches nothing behind that cycle.

use super::Simulation;
use super::rules::Fault;
use crate::memory::Burst;
use crate::trace::{Recorder, Trace};
use hw::Machine;
use isa::{Illegal, Program, regs};
use std::ops::Range;

/// What goes wrong in a run, beside a program that ends without `halt` or reads an argument beyond the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upset {
    /// This word is no legal encoding.
    pub illegal_word: Option<u32>,
    /// A burst that touches these bytes of DRAM is answered with an error: a read at its last beat, a write in its response.
    pub poison: Range<u32>,
}

/// An error cause of the hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// One of [`regs::ERRORS`].
    pub cause: u32,
    /// What ERROR_WORD holds.
    pub word: u32,
    /// The cycle in which it is noticed: the last one that may dispatch.
    pub cycle: u64,
}

/// The times of a program in which something may go wrong, and the first error.
///
/// # Errors
/// The program cannot be run for another reason.
pub fn simulate_upset(
    program: &Program,
    machine: &Machine,
    args: &[u32],
    upset: &Upset,
) -> Result<(Trace, Option<Error>), Illegal> {
    let mut table = args.to_vec();
    table.resize(machine.sequencer.args as usize, 0);
    let run = |last_dispatch| {
        let mut recorder = Recorder::new(machine);
        let mut simulation = Simulation::new(program, machine, &table, Fault::None, &mut recorder);
        simulation.stop = Some(Stop { upset: upset.clone(), last_dispatch, ..Stop::default() });
        let (_, stop) = simulation.finish()?;
        Ok((recorder.trace(), stop))
    };
    let (trace, stop) = run(u64::MAX)?;
    let noticed = stop.error.map_or(u64::MAX, |e| e.cycle);
    let Some(cycle) = stop.bus_error.filter(|c| *c < noticed) else { return Ok((trace, stop.error)) };
    let next = trace.dispatches.iter().find(|d| d.cycle >= cycle).map(|d| d.instr);
    let word = next.or(stop.error.map(|e| e.word)).unwrap_or(program.instrs.len() as u32);
    Ok((run(cycle)?.0, Some(Error { cause: regs::ERROR_BUS, word, cycle })))
}

/// What a simulation knows of the errors in its run.
#[derive(Debug, Default)]
pub(super) struct Stop {
    pub upset: Upset,
    /// Nothing is dispatched behind this cycle.
    pub last_dispatch: u64,
    /// The first error of the sequencer.
    pub error: Option<Error>,
    /// The first cycle with an error of memory.
    pub bus_error: Option<u64>,
}

impl Stop {
    /// Memory has answered a burst in this cycle.
    pub fn answered(&mut self, burst: Burst, beat: u32, cycle: u64) {
        if burst.touches(&self.upset.poison, beat) {
            self.bus_error = Some(self.bus_error.map_or(cycle, |before| before.min(cycle)));
        }
    }
}

impl<S> Simulation<'_, S> {
    /// The sequencer stops in `cycle` for good; the word after the last was fetched at `fetched`, if at all.
    pub(super) fn halt_at(&mut self, cycle: u64, fetched: Option<u64>) {
        self.dispatcher.stop(cycle, fetched);
        self.step = None;
    }

    /// The sequencer notices that it cannot go on at `word`; the word was fetched at `fetched`.
    pub(super) fn notice(&mut self, cause: u32, word: u32, fetched: u64) {
        let cycle = self.dispatcher.next().max(fetched);
        let Some(stop) = &mut self.stop else { return };
        if cycle <= stop.last_dispatch {
            stop.error = Some(Error { cause, word, cycle });
            self.halt_at(cycle, None);
        } else {
            let last = stop.last_dispatch;
            self.halt_at(last, Some(fetched));
        }
    }
}
