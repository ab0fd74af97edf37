//! A program on both sides: times from the timing simulator, bytes from the functional one, and the hardware's own.

use super::driver::{Hardware, Observed, Run, Session};
use super::locate::Wrong;
use hw::Machine;
use ir::diag::Diagnostic;
use isa::Program;
use isa::access::Space;
use sim::attribution::{Account, Attribution};
use sim::functional::State;
use sim::pages::{Difference, Pages};
use sim::trace::{Recorder, Trace, first_difference};

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Dispatched instructions that were compared.
    pub instructions: u64,
    /// Events (dispatch, start, done, request) and counters that differ.
    pub cycle_mismatches: u64,
    /// Bytes that differ at the end, of DRAM and of every on-chip memory.
    pub byte_mismatches: u64,
    /// Cycles of the run, as simulated.
    pub cycles: u64,
    /// The earliest difference, simulator on the left, as text.
    pub first_divergence: Option<String>,
    /// Its cycle; unknown as long as nothing but bytes at the end differs ([`super::first_wrong`] finds it).
    pub divergence_cycle: Option<u64>,
}

impl Comparison {
    /// Nothing differs.
    pub fn identical(&self) -> bool {
        self.cycle_mismatches == 0 && self.byte_mismatches == 0 && self.first_divergence.is_none()
    }

    /// Adds which instruction first left a wrong byte.
    pub fn locate(&mut self, wrong: Option<Wrong>) {
        let Some(wrong) = wrong else { return };
        self.divergence_cycle = Some(wrong.cycle);
        let at_the_end = self.first_divergence.take().map_or(String::new(), |e| format!("; at the end {e}"));
        self.first_divergence = Some(format!("{wrong}{at_the_end}"));
    }
}

/// A program on fresh hardware. `images` are DRAM of each slice from address 0 on; the program's words are put into the first.
/// `seed` is that of the noise in the hardware's registers.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub hardware: &'a Hardware,
    pub machine: &'a Machine,
    pub program: &'a Program,
    pub args: &'a [u32],
    pub images: &'a [&'a [u8]],
    pub seed: u32,
}

impl Setup<'_> {
    /// The state of each slice before the run.
    ///
    /// # Errors
    /// As [`place`].
    pub fn slices(&self) -> Result<Vec<State>, Diagnostic> {
        let mut slices = State::of_slices(self.machine, self.images);
        place(self.program, &mut slices)?;
        Ok(slices)
    }
}

/// Runs a legal program in the simulator and on fresh hardware and compares everything observable. `images` and `seed` as in
/// [`Setup`].
///
/// # Errors
/// The program is not for this machine, cannot run, or has no instruction to compare.
pub fn compare(
    hardware: &Hardware,
    machine: &Machine,
    program: &Program,
    args: &[u32],
    images: &[&[u8]],
    seed: u32,
) -> Result<Comparison, Diagnostic> {
    let mut slices = State::of_slices(machine, images);
    compare_in(&mut hardware.session(seed), &mut slices, machine, program, args)
}

/// As [`compare`], on hardware that has run programs before. `slices` are what they left; on return they are what this one
/// left.
///
/// # Errors
/// As [`compare`].
pub fn compare_in(
    session: &mut Session,
    slices: &mut [State],
    machine: &Machine,
    program: &Program,
    args: &[u32],
) -> Result<Comparison, Diagnostic> {
    isa::binary::check_machine(program, machine)?;
    place(program, slices)?;
    let dram: Vec<Pages> = slices.iter().map(|s| s.dram.clone()).collect();
    let mut told = (Recorder::new(machine), Attribution::new(program, Account::default()));
    sim::timing::simulate_into(program, machine, args, &mut told)?;
    let (times, account) = (told.0.trace(), told.1.listener());
    sim::functional::run_slices(slices, program, args, &mut ())?;
    let limit = times.cycles * 2 + 10_000;
    let observed = session.run(&Run { machine, program, args, dram: &dram, limit, poison: 0..0 });
    let comparison = judge(&times, &account, slices, &observed);
    if comparison.instructions == 0 {
        let said = observed.failure.map(|f| format!("; {f}")).unwrap_or_default();
        return Err(Diagnostic::new("cosim-nothing", "not one instruction was compared")
            .because(format!("the hardware dispatched nothing, so agreement would mean nothing{said}"))
            .help("give a program that does something, and the hardware of its machine"));
    }
    Ok(comparison)
}

/// Puts the program's words into DRAM of the first slice.
///
/// # Errors
/// An instruction has no encoding, or the words do not fit.
pub fn place(program: &Program, slices: &mut [State]) -> Result<(), Diagnostic> {
    let Some(State { dram, .. }) = slices.first_mut() else { return Ok(()) };
    let (base, size) = (u64::from(program.base), dram.size());
    let words = codegen::image::words(program)?;
    dram.write(base, &words).ok_or_else(|| {
        let end = base + words.len() as u64;
        Diagnostic::new("cosim-image", "the program does not fit the machine's memory")
            .because(format!("the program ends at byte {end}, the memory at {size}"))
            .help("use a machine with more memory")
    })
}

/// Every on-chip memory of the functional simulation, with its name, in the order of [`Observed::memories`].
fn memories(slices: &[State]) -> Vec<(String, Vec<u8>)> {
    let of =
        |slice| memories_of(&slices[slice]).into_iter().map(move |(name, bytes)| (at(slice, &name), bytes));
    (0..slices.len()).flat_map(of).collect()
}

/// A memory of a slice.
fn at(slice: usize, name: &str) -> String {
    if slice == 0 { name.to_string() } else { format!("{name} of slice {slice}") }
}

fn memories_of(state: &State) -> Vec<(String, Vec<u8>)> {
    let banks = (0..state.v.len()).map(|bank| Space::Vector(bank as u8));
    let chip = [Space::Weight, Space::GroupScale, Space::Channel, Space::Activation, Space::TokenScale];
    chip.into_iter()
        .chain(banks)
        .map(|space| (space.to_string(), state.part(space, 0..state.end(space))))
        .collect()
}

fn judge(times: &Trace, account: &Account, slices: &[State], observed: &Observed) -> Comparison {
    let trace = &observed.trace;
    let drams = slices.iter().zip(&observed.dram).enumerate();
    let mut found: Vec<_> =
        drams.map(|(slice, (l, r))| told(&at(slice, "DRAM"), l.dram.difference(r))).collect();
    let memories = memories(slices);
    found.extend(memories.iter().zip(&observed.memories).map(|((name, l), r)| told(name, difference(l, r))));
    let byte_mismatches = found.iter().map(|f| f.0).sum();
    let byte = found.into_iter().find_map(|f| f.1);
    let time = first_difference(times, trace);
    // What a report says of every cycle, against the stall counters of the hardware.
    let stalls = account.against(&trace.counters, trace.cycles);
    let stalls = stalls.map(|(what, sum, counted)| format!("{what}: {sum} attributed, {counted} counted"));
    let error = observed.error.map(|(cause, word)| format!("error cause {cause} at word {word}"));
    let failed =
        [observed.failure.is_some(), error.is_some(), stalls.is_some()].map(u64::from).iter().sum::<u64>();
    // Counters and errors are read at the end.
    let at_end = (error.is_some() || stalls.is_some()).then_some(times.cycles.min(trace.cycles));
    let cycles = [time.as_ref().map(|d| d.cycle), observed.failed_in, at_end];
    let divergence_cycle = cycles.into_iter().flatten().min();
    let time = time.map(|d| d.to_string());
    let parts = [time, observed.failure.clone(), error, byte, stalls];
    let first: Vec<String> = parts.into_iter().flatten().collect();
    Comparison {
        instructions: trace.dispatches.len() as u64,
        cycle_mismatches: events(times, trace) + failed,
        byte_mismatches,
        cycles: times.cycles,
        first_divergence: (!first.is_empty()).then(|| first.join("; ")),
        divergence_cycle,
    }
}

fn difference(left: &[u8], right: &[u8]) -> Difference {
    if left == right {
        return Difference::default();
    }
    let pairs = || (0..).zip(left.iter().zip(right)).filter(|(_, (l, r))| l != r);
    let count = pairs().count() + left.len().abs_diff(right.len());
    Difference { bytes: count as u64, first: pairs().next().map(|(at, (l, r))| (at, *l, *r)) }
}

/// Number of bytes that differ, and the first of them as text.
fn told(name: &str, difference: Difference) -> (u64, Option<String>) {
    let text = |(at, l, r)| format!("byte {at:#x} of {name}: {l:#04x} against {r:#04x}");
    (difference.bytes, difference.first.map(text))
}

/// Number of events that differ.
fn events(left: &Trace, right: &Trace) -> u64 {
    let units: u64 = left.units.iter().zip(&right.units).map(|(l, r)| differing(l, r)).sum();
    differing(&left.dispatches, &right.dispatches)
        + units
        + differing(&left.requests, &right.requests)
        + u64::from(left.cycles != right.cycles)
        + u64::from(left.counters != right.counters)
}

fn differing<T: PartialEq>(left: &[T], right: &[T]) -> u64 {
    let common = left.iter().zip(right).filter(|(l, r)| l != r).count();
    (common + left.len().abs_diff(right.len())) as u64
}
