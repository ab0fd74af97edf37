//! Machines drawn from a seed, so that shapes that nobody thought of are compared, too.

use tilewright::hw::machine::{
    Buffers, Load, Matrix, Memory, MemoryModel, QueueDepth, Sequencer, Slices, Store,
};
use tilewright::hw::{Form, Function, Machine, Mode, Multipliers, machine::Vector};

/// Splitmix64 (Steele et al. 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % u64::from(n)) as u32
    }

    /// From `low` to `high`.
    fn range(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// A power of two, of exponents from `low` to `high`.
    fn power(&mut self, low: u32, high: u32) -> u32 {
        1 << self.range(low, high)
    }

    /// Each of these or not; all of them if none was drawn.
    fn some<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let drawn: Vec<T> = all.iter().copied().filter(|_| self.below(3) > 0).collect();
        if drawn.is_empty() { all.to_vec() } else { drawn }
    }
}

/// Most multipliers of a drawn machine: hardware of more is slow under Verilator, and no shape is missed.
const MULTIPLIERS: u32 = 192;

/// The machine of a seed: the first one drawn that is small enough and that its own rules accept.
pub fn drawn(seed: u64) -> Machine {
    let small = |m: &Machine| m.matrix.tokens * m.matrix.outputs * m.matrix.lanes <= MULTIPLIERS;
    let tries = (0..).map(|n| draw(&mut Draw(seed << 32 | n), seed));
    let plain = tries.into_iter().find(|m| small(m) && m.verify().is_ok()).unwrap();
    let mut narrow = plain.clone();
    narrow.load.forms = Draw(seed << 32).some(&Form::ALL[1..]);
    // Few machines can have forms; those that can do.
    if narrow.verify().is_ok() { narrow } else { plain }
}

fn draw(d: &mut Draw, seed: u64) -> Machine {
    let lanes = d.range(1, 12);
    let outputs = lanes * d.range(1, 3);
    let divisors: Vec<u32> = (1..=lanes).filter(|n| lanes % n == 0).collect();
    let functions: Vec<Function> = d.some(&Function::ALL[1..]);
    let mut modes = d.some(&Mode::ALL);
    let kinds = [
        Multipliers::Plain,
        Multipliers::Dsp48e2,
        Multipliers::Quad,
        Multipliers::Dot,
        Multipliers::Crumb,
        Multipliers::Nibble,
    ];
    let multipliers = kinds[d.below(kinds.len() as u32) as usize];
    modes.retain(|m| multipliers != Multipliers::Quad || !m.pruned());
    Machine {
        name: format!("drawn-{seed}"),
        clock_hz: 100_000_000,
        memory: Memory {
            beat_bytes: d.power(3, 6),
            size_bytes: 1 << 20,
            model: MemoryModel::Fixed { read_latency: d.range(2, 60), write_latency: d.range(2, 60) },
        },
        sequencer: Sequencer {
            imem_words: d.power(6, 9),
            fetch_words: d.power(0, 3),
            args: d.power(4, 6),
            queue_depth: QueueDepth {
                load: d.range(1, 6),
                matrix: d.range(1, 6),
                vector: d.range(1, 6),
                store: d.range(1, 6),
            },
        },
        load: Load { burst_beats: d.power(0, 5), outstanding: d.range(1, 6), forms: Vec::new() },
        store: Store { burst_beats: d.power(0, 5) },
        matrix: Matrix {
            tokens: d.range(1, 6),
            outputs,
            lanes,
            drain_lanes: divisors[d.below(divisors.len() as u32) as usize],
            accumulator_bits: d.range(32, 48),
            modes,
            multipliers,
            narrow: multipliers.narrows() && d.below(2) == 0,
        },
        vector: Vector { functions: [&[Function::Copy], &functions[..]].concat() },
        buffers: Buffers {
            weight_ram: Default::default(),
            channel_ram: Default::default(),
            activation_ram: Default::default(),
            weight_bytes: d.power(11, 14),
            group_scale_bytes: d.power(10, 12),
            channel_bytes: d.power(10, 12),
            activation_bytes: d.power(10, 13),
            token_scales: d.power(3, 8),
            vector_banks: d.range(4, 6),
            vector_bank_bytes: d.power(11, 14),
        },
        technology: None,
        slices: slices(d),
    }
}

/// Several in one of three machines.
fn slices(d: &mut Draw) -> Slices {
    if d.below(3) > 0 {
        return Slices::default();
    }
    let count = d.range(2, 5);
    Slices { count, crossing: count.next_power_of_two().ilog2() + d.below(3) }
}

/// Every drawn machine has legal programs, and no two are alike.
#[test]
fn drawn_machines_differ_and_have_programs() {
    let machines: Vec<Machine> = (0..12).map(drawn).collect();
    for (i, machine) in machines.iter().enumerate() {
        assert!(machines[..i].iter().all(|other| other.hash() != machine.hash()));
        for seed in 0..4 {
            let case = tilewright::isa::random::case(machine, seed);
            assert!(case.is_some(), "no legal program of seed {seed} for {machine:?}");
        }
    }
}
