//! A program on both sides: times from the timing simulator, bytes from the functional one, and the hardware's own.

use super::driver::{Hardware, Observed, Run};
use hw::Machine;
use ir::diag::Diagnostic;
use isa::Program;
use sim::trace::{Trace, first_difference};

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Dispatched instructions that were compared.
    pub instructions: u64,
    /// Events (dispatch, start, done, request) and counters that differ.
    pub cycle_mismatches: u64,
    /// Bytes of DRAM that differ at the end.
    pub byte_mismatches: u64,
    /// Cycles of the run, as simulated.
    pub cycles: u64,
    /// The earliest difference, simulator on the left, as text.
    pub first_divergence: Option<String>,
}

impl Comparison {
    /// Nothing differs.
    pub fn identical(&self) -> bool {
        self.cycle_mismatches == 0 && self.byte_mismatches == 0 && self.first_divergence.is_none()
    }
}

/// Runs a legal program in the simulator and on the hardware and compares everything observable. `image` is DRAM from
/// address 0 on; the program's words are put into it.
///
/// # Errors
/// The program is not for this machine, cannot run, or has no instruction to compare.
pub fn compare(
    hardware: &Hardware,
    machine: &Machine,
    program: &Program,
    args: &[u32],
    image: &[u8],
    seed: u32,
) -> Result<Comparison, Diagnostic> {
    isa::binary::check_machine(program, machine)?;
    let image = with_program(program, image, machine.memory.size_bytes as usize)?;
    let illegal = |e: isa::Illegal| Diagnostic::new("illegal-program", e.to_string());
    let times = sim::timing::simulate(program, machine, args).map_err(illegal)?;
    let state = sim::functional::run(program, machine, args, &image, &mut ()).map_err(illegal)?;
    let limit = times.cycles * 2 + 10_000;
    let run = Run { machine, program, args, image: &image, seed, limit };
    let observed = hardware.run(&run);
    let comparison = judge(&times, &state.dram, &observed);
    if comparison.instructions == 0 {
        return Err(Diagnostic::new("cosim-nothing", "not one instruction was compared")
            .because("the program dispatches nothing, so agreement would mean nothing")
            .help("give a program that does something"));
    }
    Ok(comparison)
}

/// DRAM with the program's words in their place.
///
/// # Errors
/// An instruction has no encoding, or the words do not fit.
pub fn with_program(program: &Program, image: &[u8], size: usize) -> Result<Vec<u8>, Diagnostic> {
    let mut memory = image.to_vec();
    let base = program.base as usize;
    let end = base + 32 * program.instrs.len();
    if end > size || memory.len() > size {
        return Err(Diagnostic::new("cosim-image", "program and data do not fit the machine's memory")
            .because(format!("the program ends at byte {end}, the memory at {size}"))
            .help("use a machine with more memory"));
    }
    memory.resize(memory.len().max(end), 0);
    for (i, instr) in program.instrs.iter().enumerate() {
        let word = instr.encode().map_err(|e| Diagnostic::new("illegal-program", e.to_string()))?;
        for (j, part) in word.iter().enumerate() {
            let at = base + 32 * i + 8 * j;
            memory[at..at + 8].copy_from_slice(&part.to_le_bytes());
        }
    }
    Ok(memory)
}

fn judge(times: &Trace, dram: &[u8], observed: &Observed) -> Comparison {
    let trace = &observed.trace;
    let (byte_mismatches, byte) = bytes(dram, &observed.dram);
    let time = first_difference(times, trace).map(|d| d.to_string());
    let parts = [time, observed.failure.clone(), byte];
    let told: Vec<String> = parts.into_iter().flatten().collect();
    let failed = u64::from(observed.failure.is_some());
    Comparison {
        instructions: trace.dispatches.len() as u64,
        cycle_mismatches: events(times, trace) + failed,
        byte_mismatches,
        cycles: times.cycles,
        first_divergence: (!told.is_empty()).then(|| told.join("; ")),
    }
}

/// Number of bytes that differ, and the first of them as text.
fn bytes(left: &[u8], right: &[u8]) -> (u64, Option<String>) {
    if left == right {
        return (0, None);
    }
    let differs = |(l, r): &(&u8, &u8)| l != r;
    let count = left.iter().zip(right).filter(differs).count() + left.len().abs_diff(right.len());
    let first = left.iter().zip(right).enumerate().find(|(_, (l, r))| l != r);
    let text = first.map(|(at, (l, r))| format!("byte {at:#x} of DRAM: {l:#04x} against {r:#04x}"));
    (count as u64, text)
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
