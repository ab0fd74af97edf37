//! Events that cost energy, counted instruction by instruction: docs/machine.md section 7.
//!
//! A count follows from the resolved fields of an instruction and the machine's geometry; what DRAM does is counted by its
//! model while it is driven. Prices are elsewhere ([`hw::technology`]).

use crate::memory::Counts;
use hw::function::{Operand, Product};
use hw::machine::BLOCK_BYTES;
use hw::{Form, Function, Geometry, Mode};
use isa::table::{Body, Gemm, Vector, out, space};
use std::ops::{AddAssign, Mul};

/// Bytes of an instruction word, of a token scale.
const WORD: u64 = 32;
const SLOT: u64 = 3;

/// On-chip memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Memory {
    Weight,
    GroupScale,
    Channel,
    Activation,
    TokenScale,
    /// All banks together.
    Vector,
    Instruction,
}

impl Memory {
    /// All of them, in order.
    pub const ALL: [Memory; 7] = [
        Memory::Weight,
        Memory::GroupScale,
        Memory::Channel,
        Memory::Activation,
        Memory::TokenScale,
        Memory::Vector,
        Memory::Instruction,
    ];

    /// As reports print it.
    pub fn name(self) -> &'static str {
        match self {
            Memory::Weight => "weight buffer",
            Memory::GroupScale => "group-scale buffer",
            Memory::Channel => "channel buffer",
            Memory::Activation => "activation buffer",
            Memory::TokenScale => "token scales",
            Memory::Vector => "vector banks",
            Memory::Instruction => "instruction memory",
        }
    }
}

/// Bytes moved to and from a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    pub read: u64,
    pub written: u64,
}

/// Numbers of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// Products of 8 x 8 bits, padded operands included.
    pub multiplications: u64,
    /// Group sums scaled and accumulated.
    pub group_sums: u64,
    /// Results of the matrix engine.
    pub results: u64,
    /// Lanes of the vector engine, in each row of each pass.
    pub lane_operations: u64,
    memories: [Moved; Memory::ALL.len()],
    /// Of one DRAM channel of each slice.
    pub dram: Counts,
}

impl Events {
    /// Bytes moved to and from a memory.
    pub fn of(&self, memory: Memory) -> Moved {
        self.memories[memory as usize]
    }

    fn read(&mut self, memory: Memory, bytes: u64) {
        self.memories[memory as usize].read += bytes;
    }

    fn write(&mut self, memory: Memory, bytes: u64) {
        self.memories[memory as usize].written += bytes;
    }
}

impl AddAssign for Events {
    fn add_assign(&mut self, o: Events) {
        self.multiplications += o.multiplications;
        self.group_sums += o.group_sums;
        self.results += o.results;
        self.lane_operations += o.lane_operations;
        for (sum, moved) in self.memories.iter_mut().zip(&o.memories) {
            sum.read += moved.read;
            sum.written += moved.written;
        }
        self.dram += o.dram;
    }
}

impl Mul<u64> for Events {
    type Output = Events;

    fn mul(mut self, n: u64) -> Events {
        self.multiplications *= n;
        self.group_sums *= n;
        self.results *= n;
        self.lane_operations *= n;
        for moved in &mut self.memories {
            moved.read *= n;
            moved.written *= n;
        }
        self.dram = self.dram * n;
        self
    }
}

/// What fetching this many words costs on the chip.
pub fn fetch(words: u64) -> Events {
    let mut events = Events::default();
    events.write(Memory::Instruction, words * WORD);
    events
}

/// What an instruction with resolved registers costs on the chip, in all slices, dispatch included.
pub fn events(body: &Body, g: &Geometry) -> Events {
    let mut events = in_slice(body, g) * u64::from(g.slices);
    events.read(Memory::Instruction, WORD);
    events
}

fn in_slice(body: &Body, g: &Geometry) -> Events {
    let mut events = Events::default();
    match body {
        Body::Load(i) => {
            let memory = match i.space {
                space::W => Memory::Weight,
                space::G => Memory::GroupScale,
                space::C => Memory::Channel,
                _ => Memory::Vector,
            };
            events.write(memory, Form::of(i.form).unwrap_or_default().on_chip(i.blocks));
        }
        Body::StoreBlocks(i) => events.read(Memory::Vector, u64::from(i.blocks) * u64::from(BLOCK_BYTES)),
        Body::StoreSegments(i) => events.read(Memory::Vector, u64::from(i.count) * u64::from(g.beat)),
        Body::Gemm(i) => gemm(i, g, &mut events),
        Body::Vector(i) => vector(i, g, &mut events),
        Body::Nop(_) | Body::Set(_) | Body::Add(_) | Body::Arg(_) | Body::Loop(_) | Body::Halt(_) => {}
    }
    events
}

fn gemm(i: &Gemm, g: &Geometry, events: &mut Events) {
    let (tiles, groups, tokens) = (u64::from(i.ntiles), u64::from(i.groups), u64::from(i.tokens));
    let (steps, outputs) = (tiles * groups * u64::from(i.steps), tokens * u64::from(g.n));
    let row = Mode::of(i.mode).map_or(0, |mode| g.w_row(mode));
    events.multiplications = steps * outputs * u64::from(g.l);
    events.group_sums = tiles * groups * outputs;
    events.results = tiles * outputs;
    events.read(Memory::Weight, steps * u64::from(row));
    let a_rows = Mode::of(i.mode).map_or(1, Mode::a_rows);
    events.read(Memory::Activation, steps * u64::from(a_rows * g.a_row));
    events.read(Memory::GroupScale, if i.scaled != 0 { tiles * groups * u64::from(g.g_row) } else { 0 });
    events.read(Memory::Channel, tiles * u64::from(g.c_row));
    events.read(Memory::TokenScale, tiles * tokens * SLOT);
    events.read(Memory::Vector, if i.residual != 0 { 4 * events.results } else { 0 });
    events.write(Memory::Vector, 4 * events.results);
}

fn vector(i: &Vector, g: &Geometry, events: &mut Events) {
    let vectors = u64::from(i.tokens) * u64::from(i.subs);
    let rows = vectors * u64::from(i.rows);
    let (row, half) = (u64::from(g.v_row), u64::from(g.v_row / 2));
    let quantised = u64::from(i.out != out::NONE);
    let passes = i.passes() - quantised;
    events.lane_operations = rows * i.passes() * u64::from(g.l);
    let a = if i.a_half != 0 { half } else { row };
    let b = match i.operand() {
        Operand::None => 0,
        Operand::Halves => half,
        // Each row of a rotary embedding's b is read twice.
        Operand::Words | Operand::HalfRows => row,
    };
    events.read(Memory::Vector, rows * (passes * a + b + quantised * row));
    let written = match i.product() {
        Product::Rows => rows * u64::from(g.l),
        Product::Codes => 0,
        // Beside each of the largest stands its place.
        Product::Words => {
            vectors * u64::from(i.rounds()) * (1 + u64::from(i.function() == Some(Function::TopK)))
        }
    };
    events.write(Memory::Vector, 4 * written);
    match (i.out, out::staged(i.out)) {
        (out::NONE, _) => {}
        (_, None) => {
            // Those of all slices in each of them.
            events.write(Memory::Activation, rows * u64::from(i.parts(g)) * u64::from(g.lp));
            events.write(Memory::TokenScale, vectors * SLOT);
        }
        (_, Some(mode)) => {
            let bytes = if mode.by_lane() { (g.l * mode.bits()).div_ceil(8) } else { g.segment(mode) };
            events.write(Memory::Vector, rows * u64::from(bytes) + vectors * 4);
        }
    }
}

#[cfg(test)]
mod tests;
