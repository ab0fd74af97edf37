//! Control: fetch, sequencer, issue, control port, counters.
//!
//! Most of it is the same logic in every machine. LUTs of such a module are one number, counted in that module alone.

use super::construct::clog2;
use super::{Module, memory};
use hw::Machine;
use hw::timing::IN_FLIGHT;
use isa::table::Unit;

/// Counting semaphores between the units.
const SEMAPHORES: u64 = hw::machine::SEMAPHORES as u64;
/// Units with a queue.
const UNITS: u64 = Unit::QUEUED.len() as u64;

/// `tw_ctrl`: registers, their map and the comparison of the hash. Flip-flops: the write channel, the run, what the host writes, the
/// read channel.
pub fn ctrl(machine: &Machine) -> Module {
    let args = machine.sequencer.args;
    Module::new("tw_ctrl")
        .with("ARGS", args)
        .with("CONFIG_HASH", machine.hash())
        .lut(690)
        .ff(48 + 39 + 88 + 47)
        .has(1, memory::ram(32, args, 32, "distributed"))
}

/// `tw_frontend`: wires between its parts.
pub fn frontend(machine: &Machine) -> Module {
    let s = &machine.sequencer;
    let beat = machine.memory.beat_bytes;
    let (bytes, width) = (s.imem_words * 32, beat.max(32));
    Module::new("tw_frontend")
        .with("BEAT", beat)
        .with("SEMAPHORES", SEMAPHORES)
        .has(1, fetch(machine))
        .has(1, memory::buffer(bytes, width, beat, 0, "auto"))
        .has(1, memory::row(width, 32, clog2(s.imem_words), clog2(bytes / width)))
        .has(1, sequencer(machine))
}

/// `tw_fetch`: six sums and comparisons of 32 bits. The words of a chunk are a power of two, whose lower bits are never counted.
fn fetch(machine: &Machine) -> Module {
    let s = &machine.sequencer;
    Module::new("tw_fetch")
        .with("BEAT", machine.memory.beat_bytes)
        .with("FETCH_WORDS", s.fetch_words)
        .with("IMEM_WORDS", s.imem_words)
        .lut(193)
        .ff(2 + 1 + 32 + 32 - u64::from(clog2(s.fetch_words)))
}

/// `tw_sequencer`: 16 registers of 32 bits with two read ports, four levels of loops of three numbers, the program counter.
fn sequencer(machine: &Machine) -> Module {
    Module::new("tw_sequencer")
        .with("ARGS", machine.sequencer.args)
        .with("IMEM_WORDS", machine.sequencer.imem_words)
        .with("LEVELS", hw::machine::LOOP_LEVELS)
        .with("SEMAPHORES", SEMAPHORES)
        .lut(3400)
        .ff(16 * 32 + 4 * (1 + 3 * 32) + (32 + 1) + 6)
        .has(1, Module::new("tw_resolve").lut(512))
}

/// `tw_schedule`: of the four units' idle and retired the ANDs.
pub fn schedule(machine: &Machine) -> Module {
    let q = &machine.sequencer.queue_depth;
    let depths = [q.load, q.matrix, q.vector, q.store];
    let schedule = Module::new("tw_schedule").with("SEMAPHORES", SEMAPHORES).lut(2).has(1, semaphores());
    let issues = Unit::QUEUED.iter().zip(depths);
    issues.fold(schedule, |all, (unit, depth)| all.has(1, issue(isa::sv::instruction_width(*unit), depth)))
}

/// `tw_semaphores`: six bits each, plus any post, less any take: 19 LUTs.
fn semaphores() -> Module {
    Module::new("tw_semaphores")
        .with("SEMAPHORES", SEMAPHORES)
        .with("UNITS", UNITS)
        .lut(19 * SEMAPHORES)
        .ff(6 * SEMAPHORES)
}

/// `tw_issue`: of each semaphore what is missing, taken and posted, three LUTs and a half in pairs; whether all are there; the state.
fn issue(width: u32, depth: u32) -> Module {
    Module::new("tw_issue")
        .with("DEPTH", depth)
        .with("IN_FLIGHT", IN_FLIGHT)
        .with("SEMAPHORES", SEMAPHORES)
        .with("WIDTH", width)
        .lut(83)
        .has(1, memory::queue(width + 2 * SEMAPHORES as u32 + 1, depth))
        .has(1, memory::queue(SEMAPHORES as u32, IN_FLIGHT as u32))
}

/// `tw_stall`: a counter of 64 bits and one of 32 for each class. The sum of a bit is in the carry chain; clearing it, while its
/// register has an asynchronous reset, is a LUT.
pub fn stall() -> Module {
    let counters = isa::regs::stall_counters().len() as u64;
    let bits = 64 + 32 * counters;
    Module::new("tw_stall").with("COUNTERS", counters).lut(bits).ff(bits)
}

/// `tw_probe`: two counters of 32 bits for each unit, cleared as in `tw_stall`; what is added is a signal, which is in a LUT with the
/// lowest bit.
pub fn probe() -> Module {
    let counters = 2 * UNITS;
    Module::new("tw_probe").with("UNITS", UNITS).lut(counters * (32 + 1)).ff(counters * 32)
}
