use super::*;
use crate::functional::{Observer, State, Tile};
use hw::Machine;
use isa::Walk;
use isa::random::{Case, case, directed};
use isa::table::StoreSegments;
use isa::walk::Step;

/// The same events, one after the other as docs/machine.md describes the units: no product of sizes is taken.
fn stepped(body: &Body, m: &Machine, g: &Geometry) -> Events {
    let mut e = Events::default();
    e.read(Memory::Instruction, 32);
    (0..m.slices.count).for_each(|_| one_slice(body, m, g, &mut e));
    e
}

fn one_slice(body: &Body, m: &Machine, g: &Geometry, e: &mut Events) {
    match body {
        Body::Gemm(i) => (0..i.ntiles).for_each(|_| tile(i, m, g, e)),
        Body::Vector(i) => {
            for _ in 0..i.tokens {
                (0..i.subs).for_each(|_| one_vector(i, m, g, e));
            }
        }
        // Beats on the bus are the unit's accesses to its bank.
        Body::StoreSegments(StoreSegments { count, .. }) => {
            (0..*count).for_each(|_| e.read(Memory::Vector, m.memory.beat_bytes.into()))
        }
        _ => {
            for access in isa::access::accesses(body, g) {
                let bytes = access.ranges().map(|(from, to)| to - from).sum();
                match access.space {
                    isa::access::Space::Dram => {}
                    isa::access::Space::Weight => e.write(Memory::Weight, bytes),
                    isa::access::Space::GroupScale => e.write(Memory::GroupScale, bytes),
                    isa::access::Space::Channel => e.write(Memory::Channel, bytes),
                    isa::access::Space::Vector(_) if access.write => e.write(Memory::Vector, bytes),
                    _ => e.read(Memory::Vector, bytes),
                }
            }
        }
    }
}

fn tile(i: &Gemm, m: &Machine, g: &Geometry, e: &mut Events) {
    let bits = [2, 2, 4, 8, 4, 8, 4, 4][i.mode as usize];
    let (np, lp) = (m.matrix.outputs.next_power_of_two(), m.matrix.lanes.next_power_of_two());
    for _ in 0..i.groups {
        for _ in 0..i.steps {
            // A row of one lane has a whole byte for it, a row of less than a byte has a byte.
            let codes = match i.mode {
                0 | 1 | 6 | 7 => np * lp,
                2 | 3 => np * lp.max(8 / bits),
                _ => lp * np.max(8 / bits),
            };
            e.read(Memory::Weight, u64::from(codes * bits).div_ceil(8));
            (0..1 + i.mode / 6).for_each(|_| e.read(Memory::Activation, g.a_row.into()));
            for _ in 0..i.tokens {
                e.multiplications += u64::from(m.matrix.outputs * m.matrix.lanes);
            }
        }
        if i.scaled == 1 {
            e.read(Memory::GroupScale, np.into());
        }
        e.group_sums += u64::from(m.matrix.outputs * i.tokens);
    }
    e.read(Memory::Channel, u64::from(np) * 4);
    for _ in 0..i.tokens {
        e.read(Memory::TokenScale, 3);
        for _ in 0..m.matrix.outputs {
            e.results += 1;
            e.write(Memory::Vector, 4);
            e.read(Memory::Vector, 4 * u64::from(i.residual));
        }
    }
}

/// Passes: which of a, b, d each of them reads.
fn one_vector(i: &Vector, m: &Machine, g: &Geometry, e: &mut Events) {
    let mut passes = match (isa::table::FUNS[i.fun as usize], i.gated) {
        ("rope" | "rope_pairs" | "add" | "mul" | "log_np", _) | (_, 1) => vec!["a b"],
        ("layer_norm", _) => vec!["a", "a", "a", "a b"],
        ("requantise", _) => vec![],
        ("top_k", _) => vec!["a"; i.imm as usize],
        ("softmax", _) => vec!["a", "a b"],
        ("rms_norm", _) => vec!["a", "a", "a half-b"],
        _ => vec!["a"],
    };
    if i.out != out::NONE {
        passes.push("d");
    }
    for pass in passes {
        for _ in 0..i.rows {
            e.lane_operations += u64::from(m.matrix.lanes);
            for operand in pass.split(' ') {
                let half = operand == "half-b" || (operand == "a" && i.a_half == 1);
                e.read(Memory::Vector, if half { g.v_row / 2 } else { g.v_row }.into());
            }
        }
    }
    let lanes = u64::from(m.matrix.lanes);
    for _ in 0..i.rows {
        if !["requantise", "sum", "top_k"].contains(&isa::table::FUNS[i.fun as usize]) {
            e.write(Memory::Vector, 4 * lanes);
        }
        match i.out {
            out::NONE => {}
            // A row of each slice.
            out::Q8 | out::Q4 if i.across == 1 => {
                (0..m.slices.count).for_each(|_| e.write(Memory::Activation, lanes.next_power_of_two()))
            }
            out::Q8 | out::Q4 => e.write(Memory::Activation, lanes.next_power_of_two()),
            out::Q8K => e.write(Memory::Vector, lanes.next_power_of_two()),
            out::Q4K => e.write(Memory::Vector, (lanes.next_power_of_two() / 2).max(1)),
            out::Q8V => e.write(Memory::Vector, lanes),
            _ => e.write(Memory::Vector, lanes.div_ceil(2)),
        }
    }
    match isa::table::FUNS[i.fun as usize] {
        "sum" => e.write(Memory::Vector, 4),
        "top_k" => (0..i.imm).for_each(|_| e.write(Memory::Vector, 8)),
        _ => {}
    }
    match i.out {
        out::NONE => {}
        out::Q8 | out::Q4 => e.write(Memory::TokenScale, 3),
        _ => e.write(Memory::Vector, 4),
    }
}

/// What the functional simulation shows of the matrix engine.
#[derive(Default)]
struct Seen {
    results: u64,
}

impl Observer for Seen {
    fn gemm_tile(&mut self, _step: &Step, _at: Tile, outputs: &[i32]) {
        self.results += outputs.len() as u64;
    }
}

fn cases(machine: &Machine) -> Vec<Case> {
    let directed = directed(machine).into_iter().map(|d| d.1);
    directed.chain((0..30).filter_map(|seed| case(machine, seed))).collect()
}

#[test]
fn counts_are_those_of_every_step_and_of_what_is_computed() {
    let mut sum = Events::default();
    let presets = hw::presets::PRESETS.iter().map(|(name, _)| hw::presets::load(name).unwrap());
    let slices = hw::machine::Slices { count: 3, crossing: 2 };
    let sliced = Machine { name: "sliced".into(), slices, ..hw::presets::load("tiny").unwrap() };
    let mut across = 0;
    for machine in presets.chain([sliced]) {
        let (name, g) = (&machine.name, Geometry::of(&machine));
        for c in cases(&machine) {
            let mut total = Events::default();
            for step in Walk::new(&c.program, &c.args) {
                let body = step.unwrap().instr.body;
                let counted = events(&body, &g);
                assert_eq!(counted, stepped(&body, &machine, &g), "{name}: {body:?}");
                across += u32::from(matches!(body, Body::Vector(i) if i.across == 1 && i.out == out::Q8));
                total += counted;
            }
            let mut seen = Seen::default();
            let mut slices = State::of_slices(&machine, &c.images());
            crate::functional::run_slices(&mut slices, &c.program, &c.args, &mut seen).unwrap();
            assert_eq!(total.results, seen.results, "{name}");
            sum += total;
        }
    }
    // Every kind of event occurs.
    assert!(across > 0);
    assert!(sum.multiplications > 0 && sum.group_sums > 0 && sum.results > 0 && sum.lane_operations > 0);
    for memory in Memory::ALL {
        let Moved { read, written } = sum.of(memory);
        assert!(read > 0 && (written > 0 || memory == Memory::Instruction), "{memory:?}: {read}, {written}");
    }
}
