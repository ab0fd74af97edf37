use super::*;
use isa::table::{Arg, Halt, Load, Loop, Nop, StoreBlocks, space};
use isa::{Head, Instr};

fn program(instrs: Vec<Instr>) -> Program {
    Program {
        machine_hash: 0,
        base: 0,
        instrs,
        args: vec![],
        regions: vec![],
        origin_of: vec![],
        origins: vec![],
    }
}

fn tiny() -> Machine {
    hw::presets::load("tiny").unwrap()
}

fn starts(trace: &Trace, unit: usize) -> Vec<(u64, u64)> {
    trace.units[unit].iter().map(|s| (s.start, s.done)).collect()
}

fn copy(wait: u16, post: u16, drain: bool) -> Instr {
    let body = Vector { tokens: 1, subs: 1, rows: 6, ..Default::default() }.into();
    Instr { head: Head { wait, post, drain, mark: false }, body }
}

fn gemm(wait: u16, post: u16) -> Instr {
    let body = Gemm { tokens: 2, ntiles: 1, groups: 1, steps: 4, ..Default::default() }.into();
    Instr { head: Head { wait, post, ..Default::default() }, body }
}

fn load(blocks: u32, addr: u32, post: u16) -> Instr {
    let body = Load { space: space::W, blocks, addr, ..Default::default() }.into();
    Instr { head: Head { post, ..Default::default() }, body }
}

/// The first word dispatches at 1 + 24 + 1 + 2: request at 1, first beat 24 later, a second beat, two cycles more.
const FIRST: u64 = 28;

fn sums_to_cycles(trace: &Trace) {
    let s = trace.counters.sequencer;
    assert_eq!(s.dispatching + s.fetch + s.queue + s.argument + s.halt, trace.cycles);
    for u in trace.counters.units {
        assert_eq!(u.busy + u.wait_semaphore + u.wait_drain + u.empty, trace.cycles);
        assert_eq!(u.wait_semaphore, u.by_semaphore.iter().sum::<u64>());
    }
}

#[test]
fn a_program_that_only_halts() {
    let trace = simulate(&program(vec![Halt {}.into()]), &tiny(), &[]).unwrap();
    assert_eq!(trace.cycles, FIRST + 1);
    assert_eq!(trace.requests.len(), 1);
    sums_to_cycles(&trace);
}

#[test]
fn words_wait_for_their_beats_and_arg_takes_two_cycles() {
    let mut instrs: Vec<Instr> = vec![Arg { rd: 1, rs: 0, imm: 0 }.into(), Nop {}.into(), Nop {}.into()];
    instrs.push(Halt {}.into());
    let trace = simulate(&program(instrs), &tiny(), &[3]).unwrap();
    let cycles: Vec<_> = trace.dispatches.iter().map(|d| d.cycle - FIRST).collect();
    assert_eq!(cycles, [0, 2, 4, 6]);
    assert_eq!((trace.counters.sequencer.argument, trace.counters.sequencer.dispatching), (1, 4));
    sums_to_cycles(&trace);
}

#[test]
fn loops_replay_without_a_bubble() {
    let instrs =
        vec![Loop { count: 3, rcount: 0, body: 2 }.into(), Nop {}.into(), Nop {}.into(), Halt {}.into()];
    let trace = simulate(&program(instrs.clone()), &tiny(), &[]).unwrap();
    let cycles: Vec<_> = trace.dispatches.iter().map(|d| (d.instr, d.cycle - FIRST)).collect();
    assert_eq!(cycles, [(0, 0), (1, 2), (2, 4), (1, 5), (2, 6), (1, 7), (2, 8), (3, 9)]);
    let slow = simulate_with(&program(instrs), &tiny(), &[], Fault::LoopWrap).unwrap();
    assert_eq!(slow.cycles, trace.cycles + 2);
}

#[test]
fn a_wait_starts_after_the_post_and_a_drain_after_the_retirement() {
    let instrs = vec![copy(0, 1, false), gemm(1, 0), copy(0, 0, false), copy(0, 0, true), Halt {}.into()];
    let trace = simulate(&program(instrs), &tiny(), &[]).unwrap();
    let s = FIRST + 1;
    assert_eq!(starts(&trace, VECTOR), [(s, s + 31), (s + 30, s + 61), (s + 62, s + 93)]);
    assert_eq!(starts(&trace, MATRIX), [(s + 32, s + 32 + 6 + 16)]);
    assert_eq!(trace.cycles, s + 94);
    assert_eq!(trace.counters.units[VECTOR].wait_drain, 2);
    assert_eq!(trace.counters.units[MATRIX].by_semaphore[0], 32 - 2);
    sums_to_cycles(&trace);
}

#[test]
fn a_full_queue_stops_the_sequencer() {
    let mut instrs = vec![copy(0, 0, false); 7];
    instrs.push(Halt {}.into());
    let trace = simulate(&program(instrs), &tiny(), &[]).unwrap();
    let vector = &trace.units[VECTOR];
    for i in 5..7 {
        assert_eq!(trace.dispatches[i].cycle, vector[i - 4].start + 1);
    }
    sums_to_cycles(&trace);
}

#[test]
fn load_bursts_are_cut_by_address_and_counted() {
    // 16 beats of 16 bytes = 4 blocks; from block 2: bursts of 8, 16, 16, 16, 8 beats, four of them open at most.
    let trace = simulate(&program(vec![load(16, 2, 0), Halt {}.into()]), &tiny(), &[]).unwrap();
    let requests: Vec<_> = trace.requests_of(crate::memory::Channel::Load).copied().collect();
    let s = trace.units[LOAD][0].start;
    let beats: Vec<_> = requests.iter().map(|r| (r.addr, r.beats)).collect();
    assert_eq!(beats, [(128, 8), (256, 16), (512, 16), (768, 16), (1024, 8)]);
    let first_beat = s + 1 + 24;
    let cycles: Vec<_> = requests.iter().map(|r| r.cycle).collect();
    assert_eq!(cycles, [s + 1, s + 2, s + 3, s + 4, first_beat + 7 + 1]);
    assert_eq!(trace.units[LOAD][0].done, first_beat + 64 - 1 + 2);
    sums_to_cycles(&trace);
}

#[test]
fn a_store_streams_a_beat_a_cycle() {
    let body = StoreBlocks { blocks: 4, ..Default::default() };
    let trace = simulate(&program(vec![body.into(), Halt {}.into()]), &tiny(), &[]).unwrap();
    let s = trace.units[STORE][0].start;
    // AW s + 1, first read s + 2, first data s + 4. The FIFO of 4 lets reads run every cycle.
    assert_eq!(trace.units[STORE][0].done, s + 4 + 15 + 10 + 1);
    assert_eq!(trace.counters.units[STORE].busy, 4 + 15 + 1);
    sums_to_cycles(&trace);
}

/// With room for one write burst, an address waits for the response to the burst before; in DRAM that takes a while.
#[test]
fn a_store_waits_for_room_in_the_write_buffer() {
    let starts = |write_bursts| {
        let mut dram = hw::dram::Dram::preset("hbm2").unwrap();
        dram.device.controller.write_bursts = write_bursts;
        let model = hw::machine::MemoryModel::Dram(Box::new(dram));
        let memory = hw::machine::Memory { model, ..tiny().memory };
        let machine = Machine { memory, ..tiny() };
        let body = StoreBlocks { blocks: 12, ..Default::default() };
        let trace = simulate(&program(vec![body.into(), Halt {}.into()]), &machine, &[]).unwrap();
        sums_to_cycles(&trace);
        let cycles: Vec<_> = trace.requests_of(crate::memory::Channel::Store).map(|r| r.cycle).collect();
        (cycles[1] - cycles[0], cycles[2] - cycles[0])
    };
    assert_eq!(starts(3), (1, 2));
    let (first, second) = starts(2);
    assert!(first == 1 && second > 40, "{second}");
    let (first, second) = starts(1);
    assert!(first > 40 && second > 80, "{first}, {second}");
}

#[test]
fn fetch_runs_ahead_only_as_far_as_instruction_memory() {
    let machine = hw::presets::load("unit").unwrap();
    let mut instrs: Vec<Instr> = vec![copy(0, 0, false)];
    instrs.extend(vec![copy(0, 0, false); 700]);
    instrs.push(Halt {}.into());
    let trace = simulate(&program(instrs), &machine, &[]).unwrap();
    let fetches: Vec<_> = trace.requests_of(crate::memory::Channel::Fetch).collect();
    assert_eq!(fetches.len(), 702usize.div_ceil(4));
    assert_eq!(fetches[175].cycle, trace.dispatches[191].cycle + 1);
    assert_eq!(fetches[175].beats, 2 * 4);
    sums_to_cycles(&trace);
}

#[test]
fn a_wait_without_post_is_an_error() {
    let error = simulate(&program(vec![gemm(1, 0), Halt {}.into()]), &tiny(), &[]).unwrap_err();
    assert!(error.to_string().contains("never starts"), "{error}");
}

#[test]
fn a_loop_larger_than_instruction_memory_is_an_error() {
    let mut instrs: Vec<Instr> = vec![Loop { count: 2, rcount: 0, body: 600 }.into()];
    instrs.extend([Instr::from(Nop {}); 600]);
    instrs.push(Halt {}.into());
    let error = simulate(&program(instrs), &tiny(), &[]).unwrap_err();
    assert!(error.to_string().contains("never fetched"), "{error}");
}
