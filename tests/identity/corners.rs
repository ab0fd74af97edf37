//! Machines at the ends of what a machine file may say: their hardware and its assertions pass Verilator's lint
//! without a warning.

use crate::bench::emitted;
use std::process::Command;
use tilewright::hw::Machine;
use tilewright::hw::machine::{Buffers, Matrix};

/// All that these lanes can do.
fn with(matrix: Matrix) -> Machine {
    let mut m = Machine { matrix, ..tilewright::hw::presets::load("tiny").unwrap() };
    m.vector.functions.retain(|f| *f != hw::Function::RopePairs || m.matrix.lanes % 2 == 0);
    m
}

fn matrix(tokens: u32, outputs: u32, lanes: u32, drain_lanes: u32, accumulator_bits: u32) -> Matrix {
    Matrix {
        tokens,
        outputs,
        lanes,
        drain_lanes,
        accumulator_bits,
        modes: hw::Mode::ALL.into_iter().filter(|m| !m.pruned() || lanes % 2 == 0).collect(),
        multipliers: hw::Multipliers::Plain,
        narrow: false,
    }
}

/// The least of everything.
fn smallest() -> Machine {
    let mut m = with(matrix(1, 1, 1, 1, 32));
    m.memory.beat_bytes = 8;
    let s = &mut m.sequencer;
    (s.imem_words, s.fetch_words, s.args) = (16, 1, 16);
    let q = &mut s.queue_depth;
    (q.load, q.matrix, q.vector, q.store) = (1, 1, 1, 1);
    (m.load.burst_beats, m.load.outstanding, m.store.burst_beats) = (1, 1, 1);
    m.buffers = Buffers {
        weight_ram: Default::default(),
        channel_ram: Default::default(),
        activation_ram: Default::default(),
        weight_bytes: 1024,
        group_scale_bytes: 1024,
        channel_bytes: 1024,
        activation_bytes: 1024,
        token_scales: 1,
        vector_banks: 4,
        vector_bank_bytes: 1024,
    };
    m
}

/// The most of everything, as far as widths go: 33 outputs and lanes have the rows of 64. More of them, and more tokens, are
/// copies that only cost time.
fn largest() -> Machine {
    let mut m = with(matrix(1, 33, 33, 33, 48));
    m.memory.beat_bytes = 64;
    m.memory.size_bytes = 1 << 31;
    let s = &mut m.sequencer;
    (s.imem_words, s.fetch_words, s.args) = (4096, 128, 1024);
    let q = &mut s.queue_depth;
    (q.load, q.matrix, q.vector, q.store) = (64, 64, 64, 64);
    (m.load.burst_beats, m.load.outstanding, m.store.burst_beats) = (64, 64, 64);
    m.buffers = Buffers {
        weight_ram: hw::machine::RamStyle::Ultra,
        channel_ram: hw::machine::RamStyle::Ultra,
        activation_ram: hw::machine::RamStyle::Ultra,
        weight_bytes: 1 << 24,
        group_scale_bytes: 1 << 20,
        channel_bytes: 1 << 20,
        activation_bytes: 1 << 19,
        token_scales: 256,
        vector_banks: 16,
        vector_bank_bytes: 1 << 22,
    };
    m
}

fn clean(name: &str, machine: &Machine) {
    machine.verify().unwrap_or_else(|e| panic!("{name}: {e}"));
    let folder = emitted(machine, &format!("corner-{name}"));
    let list = ["files.f", "assertions.f"].map(|l| std::fs::read_to_string(folder.join(l)).unwrap()).concat();
    let mut verilator = Command::new("verilator");
    verilator.current_dir(&folder).args(["--lint-only", "-Wall", "--top-module", "tw_top"]);
    let output = verilator.args(list.split_whitespace()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{name}: {said}");
}

#[test]
fn the_smallest_and_the_largest_machine_are_clean() {
    clean("smallest", &smallest());
    clean("largest", &largest());
    clean("tokens", &with(matrix(32, 2, 2, 2, 40)));
}

#[test]
fn a_buffer_of_a_single_word_is_clean() {
    let mut one_row = with(matrix(17, 17, 17, 17, 40));
    one_row.buffers.activation_bytes = 1024;
    clean("one-activation-row", &one_row);
    // With the narrowest accumulator under the widest sums, too.
    let mut cached = with(matrix(1, 33, 33, 33, 32));
    cached.buffers.weight_bytes = 4096;
    clean("one-row-of-codes", &cached);
    let mut half = with(matrix(1, 36, 18, 18, 40));
    half.matrix.modes = vec![hw::Mode::W2, hw::Mode::W4, hw::Mode::V4];
    half.buffers.weight_bytes = 1024;
    clean("two-rows-of-weights", &half);
    // The two activation rows of a step are all that there are; no mode multiplies one.
    let mut pruned = with(matrix(17, 10, 10, 10, 40));
    pruned.matrix.modes = vec![hw::Mode::W2P];
    pruned.buffers.activation_bytes = 1024;
    clean("one-step-of-activations", &pruned);
}

#[test]
fn a_narrow_accumulator_is_clean() {
    for (name, outputs, lanes) in [("thin", 64, 2), ("few-lanes", 3, 3)] {
        clean(name, &with(matrix(1, outputs, lanes, 1, 32)));
    }
}
