//! The first wrong byte of a run whose times are right: which instruction left it, and when.
//!
//! What each instruction writes is compared when the instruction is done, with what the functional simulation says that it
//! leaves. Until then nothing but later instructions of the same unit may have written there, too; their bytes are not judged.

use super::compare::Setup;
use super::driver::{Run, memory};
use super::host::Host;
use ir::diag::Diagnostic;
use isa::access::{Space, accesses};
use isa::table::Unit;
use isa::walk::Step;
use sim::functional::{Observer, State};
use sim::pages::Pages;
use sim::trace::{Span, Trace};
use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Instructions by which the functional simulation may be ahead.
const AHEAD: usize = 64;

/// A wrong byte and the instruction that left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The cycle in which the instruction is done.
    pub cycle: u64,
    pub unit: &'static str,
    /// Its number in the unit, and its place in the program.
    pub number: usize,
    pub word: u32,
    /// The instruction in assembly.
    pub text: String,
    pub slice: usize,
    pub space: Space,
    /// Address of the byte in the memory.
    pub byte: u64,
    pub expected: u8,
    pub found: u8,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wrong { cycle, unit, number, word, text, slice, space, byte, expected, found } = self;
        write!(f, "{unit} #{number}: bytes differ at cycle {cycle}: instruction {word} (`{text}`) leaves ")?;
        write!(f, "{expected:#04x} against {found:#04x} in byte {byte:#x} of {space}")?;
        if *slice == 0 { Ok(()) } else { write!(f, " of slice {slice}") }
    }
}

/// What an instruction leaves: slice and memory, first byte, bytes.
type Writes = Vec<Written>;
type Written = ((usize, Space), u64, Vec<u8>);

/// Runs a program on fresh hardware and gives the first wrong byte; nothing if no instruction leaves one.
///
/// # Errors
/// The program cannot run.
pub fn first_wrong(setup: &Setup) -> Result<Option<Wrong>, Diagnostic> {
    let Setup { hardware, machine, program, args, seed, .. } = *setup;
    let mut slices = setup.slices()?;
    let dram: Vec<Pages> = slices.iter().map(|s| s.dram.clone()).collect();
    let times = sim::timing::simulate(program, machine, args)?;
    std::thread::scope(|scope| {
        let (to, from) = sync_channel(AHEAD);
        // Whoever receives finds the end of a program that cannot run; both sides have run it before.
        scope.spawn(move || sim::functional::run_slices(&mut slices, program, args, &mut Sender { to }));
        let mut judge = Judge { times: &times, from, pending: Default::default(), done: [0; 4] };
        let mut wrong = None;
        let run = Run { machine, program, args, dram: &dram, limit: times.cycles + 1, poison: 0..0 };
        hardware.session(seed).run_watched(&run, &mut |cycle, host| {
            wrong = (0..4).find_map(|unit| judge.retire(unit, cycle, setup, host));
            if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        Ok(wrong)
    })
}

/// Sends what instructions leave.
struct Sender {
    to: SyncSender<(usize, Writes)>,
}

impl Observer for Sender {
    fn after(&mut self, step: &Step, slices: &[State]) {
        let Some(unit) = step.instr.unit().queue() else { return };
        let mut writes = Writes::new();
        for (slice, state) in slices.iter().enumerate() {
            for access in accesses(&step.instr.body, &state.geometry).iter().filter(|a| a.write) {
                let scale = if access.space == Space::TokenScale { 3 } else { 1 };
                writes.extend(access.ranges().map(|(from, to)| {
                    let bytes = state.part(access.space, from as usize..to as usize);
                    ((slice, access.space), scale * from, bytes)
                }));
            }
        }
        // Nobody receives any more once a wrong byte is found.
        let _ = self.to.send((unit, writes));
    }
}

struct Judge<'t> {
    times: &'t Trace,
    from: Receiver<(usize, Writes)>,
    /// For each unit what its instructions leave that are not done.
    pending: [VecDeque<Writes>; 4],
    done: [usize; 4],
}

impl Judge<'_> {
    /// The first wrong byte of the unit's instruction that is done in this cycle, if one is.
    fn retire(&mut self, unit: usize, cycle: u64, setup: &Setup, host: &Host) -> Option<Wrong> {
        let number = self.done[unit];
        let spans = &self.times.units[unit];
        let Span { instr, done, .. } = *spans.get(number)?;
        if done != cycle {
            return None;
        }
        let later = spans[number + 1..].iter().take_while(|s| s.start <= cycle).count();
        while self.pending[unit].len() <= later {
            let (other, writes) = self.from.recv().ok()?;
            self.pending[other].push_back(writes);
        }
        self.done[unit] += 1;
        let writes = self.pending[unit].pop_front()?;
        let later: Vec<_> = self.pending[unit].iter().take(later).flatten().collect();
        let ((slice, space), byte, expected, found) =
            writes.iter().find_map(|range| first(range, &later, setup, host))?;
        let unit = Unit::QUEUED[unit].name();
        let text = setup.program.instrs.get(instr as usize).map(isa::disasm::instruction).unwrap_or_default();
        Some(Wrong { cycle, unit, number, word: instr, text, slice, space, byte, expected, found })
    }
}

/// The first byte of a range that is neither as expected nor written by `later` instructions.
fn first(
    (space, from, bytes): &Written,
    later: &[&Written],
    setup: &Setup,
    host: &Host,
) -> Option<((usize, Space), u64, u8, u8)> {
    let held = memory(host, setup.machine, *space, *from, bytes.len());
    let written =
        |at: u64| later.iter().any(|(s, f, b)| s == space && (*f..f + b.len() as u64).contains(&at));
    let pairs = (*from..).zip(bytes.iter().zip(&held));
    let mut wrong = pairs.filter(|(at, (expected, found))| expected != found && !written(*at));
    wrong.next().map(|(at, (expected, found))| (*space, at, *expected, *found))
}
