//! Programs made by hand, one for each rule of docs/machine.md section 4 that a random program may miss.

use crate::bench::{check_models, drain, sync};
use hw::Machine;
use isa::Instr;
use isa::table::{Add, Arg, Load, Loop, Nop, Set, StoreBlocks, StoreSegments, space};
use tilewright::{hw, isa};

const MACHINES: [&str; 4] = ["unit", "tiny", "three", "odd"];

fn everywhere(instrs: impl Fn(&Machine) -> Vec<Instr>, args: &[u32]) {
    for name in MACHINES {
        check_models(name, &instrs, args);
    }
}

fn load_v(bank: u32, dst: u32, addr: u32, blocks: u32) -> Load {
    Load { space: space::V, bank, dst, addr, blocks, ..Load::default() }
}

fn store(bank: u32, src: u32, addr: u32, blocks: u32) -> StoreBlocks {
    StoreBlocks { bank, src, addr, blocks, ..StoreBlocks::default() }
}

#[test]
fn the_sequencer_alone() {
    let nops = |n: usize| std::iter::repeat_n(Instr::from(Nop {}), n);
    everywhere(
        |_| {
            let mut instrs: Vec<Instr> = nops(5).collect();
            instrs.push(Set { rd: 1, imm: 3 }.into());
            instrs.push(Add { rd: 2, rs: 1, imm: u32::MAX }.into());
            instrs.push(Arg { rd: 3, rs: 2, imm: 1 }.into());
            instrs.push(Loop { count: 0, rcount: 3, body: 4 }.into());
            instrs.extend(nops(3));
            instrs.push(Arg { rd: 4, rs: 0, imm: 0 }.into());
            instrs.push(Loop { count: 0, rcount: 0, body: 9 }.into());
            instrs.extend(nops(9));
            instrs.push(Loop { count: 1, rcount: 0, body: 1 }.into());
            instrs.extend(nops(40));
            instrs
        },
        &[7, 0, 9, 5],
    );
}

#[test]
fn a_program_longer_than_instruction_memory() {
    everywhere(
        |machine| {
            let words = machine.sequencer.imem_words;
            let mut instrs = vec![Instr::from(Nop {}); 100];
            let body = words - 2 * machine.sequencer.fetch_words;
            instrs.push(Loop { count: 3, rcount: 0, body }.into());
            instrs.extend(vec![Instr::from(Nop {}); body as usize]);
            instrs.push(Loop { count: 0, rcount: 0, body: words - 8 }.into());
            instrs.extend(vec![Instr::from(Nop {}); words as usize + 300]);
            instrs
        },
        &[],
    );
}

#[test]
fn blocks_there_and_back() {
    everywhere(
        |_| {
            let mut instrs = Vec::new();
            for i in 0..12 {
                instrs.push(sync(load_v(i % 4, 3 * i, 7 * i + 5, 1 + i % 5 * 9), 0, 1));
                instrs.push(sync(store(i % 4, 3 * i, 0x2000 + 50 * i, 1 + i % 5 * 9), 1, 0));
            }
            instrs
        },
        &[],
    );
}

#[test]
fn queues_fill_behind_a_slow_unit() {
    everywhere(
        |_| {
            let mut instrs: Vec<Instr> =
                (0..20).map(|i| sync(load_v(0, i, 100 + i, 1), 0, if i == 19 { 2 } else { 0 })).collect();
            instrs.push(sync(store(0, 0, 0x2000, 20), 2, 4));
            instrs.extend((0..40).map(|i| sync(store(0, i % 20, 0x2100 + i, 1), 0, 0)));
            instrs.push(sync(load_v(1, 0, 3, 2), 4, 0));
            instrs.push(drain(load_v(1, 4, 9, 1), 0, 0));
            instrs.push(drain(store(0, 1, 0x2300, 1), 0, 0));
            instrs
        },
        &[],
    );
}

#[test]
fn registers_reach_addresses_in_a_loop() {
    everywhere(
        |_| {
            vec![
                Arg { rd: 5, rs: 0, imm: 2 }.into(),
                Set { rd: 6, imm: 0x2000 }.into(),
                Loop { count: 6, rcount: 0, body: 4 }.into(),
                sync(Load { raddr: 5, rblocks: 1, ..load_v(2, 8, 0, 3) }, 0, 1),
                sync(StoreBlocks { raddr: 6, ..store(2, 8, 1, 3) }, 1, 0),
                Add { rd: 5, rs: 5, imm: 11 }.into(),
                Add { rd: 6, rs: 6, imm: 3 }.into(),
            ]
        },
        &[0, 0, 77],
    );
}

#[test]
fn segments_of_every_size() {
    everywhere(
        |machine| {
            let row = 4 * machine.matrix.lanes.next_power_of_two();
            let largest = machine.memory.beat_bytes.min(row).ilog2();
            let mut instrs = vec![sync(load_v(3, 0, 40, 32), 0, 1)];
            for seg_log2 in 0..=largest {
                let size = 1 << seg_log2;
                let segments = StoreSegments {
                    bank: 3,
                    src: 5 * size,
                    src_stride: 3 * size,
                    seg_log2,
                    count: 20 + seg_log2,
                    addr: 0x8_0000 + 0x4000 * seg_log2 + 7 * size,
                    raddr: 0,
                    dst_stride: 13 * size,
                };
                instrs.push(sync(segments, u16::from(seg_log2 == 0), 0));
            }
            instrs
        },
        &[],
    );
}
