//! Corners: an instruction with one field in one part of its span, started once with every cause of waiting.
//!
//! Which corners a program visits follows from its seed alone, evenly over all of them, so that some hundred programs
//! visit each. What keeps an instruction waiting is written around it: at the begin of a program its fetch; later a loop of
//! `nop`s, during which fetch runs ahead and the units come to rest, and then another unit's long work, more instructions of
//! its own unit than the queue holds, a drain, or an `arg` in front of it.

use super::Rng;
use super::builder::{Builder, Wish};
use super::span::{Bucket, span};
use crate::Body;
use crate::table::*;
use hw::Machine;
use hw::machine::MemoryModel;
use hw::timing::vector_occupancy;

/// Corners of each program.
const PER_PROGRAM: u64 = 3;

/// An instruction of the table, one of its fields, and a part of the field's span; perhaps a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corner {
    /// Place of the instruction in the table.
    pub index: usize,
    /// Place of the field in the instruction.
    pub field: usize,
    /// Part of the field's span.
    pub bucket: Bucket,
    /// Another field and a part of its span.
    pub with: Option<(usize, Bucket)>,
}

impl Corner {
    fn spec(&self) -> &'static Spec {
        &TABLE[self.index]
    }

    /// A machine has this part of the span.
    pub(super) fn exists(&self, machine: &Machine) -> bool {
        let spec = self.spec();
        let there = |(field, bucket): (usize, Bucket)| {
            spec.fields.get(field).is_some_and(|f| Bucket::all(machine, spec, f).contains(&bucket))
        };
        self.parts().into_iter().all(there)
    }

    fn parts(&self) -> Vec<(usize, Bucket)> {
        [Some((self.field, self.bucket)), self.with].into_iter().flatten().collect()
    }

    fn is_register(&self) -> bool {
        self.spec().fields[self.field].kind == Kind::Reg
    }
}

/// The corners of the program of a seed; every eighth program visits none and is short of units' work, because what holds
/// up the sequencer gives fetch a lead up to the last word. Steps of the golden ratio, so that any run of seeds is spread evenly.
pub(super) fn of_seed(machine: &Machine, seed: u64) -> Vec<Corner> {
    let all: Vec<Corner> = TABLE.iter().enumerate().flat_map(|(i, spec)| of_spec(machine, i, spec)).collect();
    let at = |step: u64| {
        let turn = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((u128::from(turn) * all.len() as u128) >> 64) as usize
    };
    let count = if seed % 8 == 7 { 0 } else { PER_PROGRAM };
    (0..count).filter_map(|i| all.get(at(seed.wrapping_mul(PER_PROGRAM) + i)).copied()).collect()
}

/// Chance finds named values and the inside of a wide span often enough.
const WIDE: i64 = 4;

fn of_spec(machine: &Machine, index: usize, spec: &Spec) -> Vec<Corner> {
    let rare = |bucket: &Bucket, f: &Field| match bucket {
        Bucket::Named(_) => false,
        Bucket::Min | Bucket::Max => true,
        Bucket::Mid => span(machine, spec, f).1 - span(machine, spec, f).0 <= WIDE,
    };
    let of_field = |(field, f): (usize, &Field)| {
        let parts = Bucket::all(machine, spec, f).into_iter().filter(|b| rare(b, f));
        parts.map(|bucket| Corner { index, field, bucket, with: None }).collect::<Vec<_>>()
    };
    spec.fields.iter().enumerate().flat_map(of_field).collect()
}

/// Visits a corner where fetch has hardly begun.
pub(super) fn early(b: &mut Builder, corner: &Corner) {
    if let Some(shape) = Shape::draw(b, corner) {
        let twice = shape.work(b) < MUCH;
        (0..1 + u32::from(twice)).for_each(|_| shape.put(b, Manner::default()));
    }
}

/// Visits a corner with every other cause of waiting.
pub(super) fn contended(b: &mut Builder, corner: &Corner) {
    let Some(shape) = Shape::draw(b, corner) else { return };
    let work = shape.work(b);
    pause(b, REST);
    if let Some(wish) = shape.awaited(b) {
        shape.put(b, Manner { wish: Some(wish), ..Manner::default() });
    }
    rested(b, &shape, work);
    let Some(unit) = shape.unit() else { return };
    (0..b.queue_depth[unit] + 1).for_each(|_| shape.put(b, Manner::default()));
    shape.put(b, Manner { drain: true, ..Manner::default() });
    if work < MUCH {
        rested(b, &shape, work);
    }
    if unit == 3 {
        flood(b);
        shape.put(b, Manner::default());
    }
}

/// Puts it where nothing holds it up, and then behind an `arg`.
fn rested(b: &mut Builder, shape: &Shape, work: u32) {
    pause(b, REST + work);
    shape.put(b, Manner::default());
    shape.put(b, Manner { after_arg: true, ..Manner::default() });
}

/// Cycles in which most instructions come to their end.
const REST: u32 = 250;
/// Cycles of work that are worth sparing.
const MUCH: u32 = 5000;
/// Highest number of rounds of a loop.
const MOST: u32 = 65535;

/// Lets the sequencer do nothing for a while.
fn pause(b: &mut Builder, cycles: u32) {
    let body = 1 + cycles / MOST;
    b.push(Loop { count: cycles / body, rcount: 0, body });
    (0..body).for_each(|_| {
        b.push(Nop {});
    });
}

/// How an instruction is put.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    wish: Option<Wish>,
    after_arg: bool,
    drain: bool,
}

/// An instruction that lies in a corner.
struct Shape {
    body: Body,
    /// What registers it uses, and their values: set right before it.
    registers: Vec<(u32, u32)>,
    /// The words of the program, if they are not those of a unit's instruction: loops have bodies.
    body_words: u32,
    /// Its fields before registers are added, if it uses any.
    raw: Option<Body>,
}

impl Shape {
    fn draw(b: &mut Builder, corner: &Corner) -> Option<Shape> {
        match corner.spec().unit.queue() {
            Some(_) => Shape::of_unit(b, corner),
            None => Shape::of_sequencer(b, corner),
        }
    }

    fn of_unit(b: &mut Builder, corner: &Corner) -> Option<Shape> {
        let body = b.bodies.draw_at(corner.index, &corner.parts(), &mut b.rng)?;
        let mut shape = Shape { body, registers: vec![], body_words: 0, raw: None };
        let register = value(b, corner);
        if corner.is_register() && register != 0 {
            let spec = corner.spec();
            let adds_to = spec.fields[corner.field].name.strip_prefix('r')?;
            let to = spec.fields.iter().position(|f| f.name == adds_to)?;
            let mut values = body.values();
            let imm = b.rng.within(0, u32::MAX >> (32 - spec.fields[to].width));
            shape.registers.push((register, values[to].wrapping_sub(imm)));
            (values[to], values[corner.field]) = (imm, register);
            let mut raw = body;
            raw.set_values(&values);
            shape.raw = Some(raw);
        }
        Some(shape)
    }

    fn of_sequencer(b: &mut Builder, corner: &Corner) -> Option<Shape> {
        let mut body = Body::zero(corner.index)?;
        let fields = corner.spec().fields;
        let mut values: Vec<u32> =
            fields.iter().map(|f| b.rng.within(0, u32::MAX >> (32 - f.width))).collect();
        values[corner.field] = value(b, corner);
        body.set_values(&values);
        let mut shape = Shape { body, registers: vec![], body_words: 0, raw: None };
        shape.settle(b, fields[corner.field].name);
        Some(shape)
    }

    /// Makes an instruction of the sequencer legal without touching this field.
    fn settle(&mut self, b: &mut Builder, kept: &str) {
        let other = |r: u32, rng: &mut Rng| if r == 0 { rng.within(1, 14) } else { r };
        match &mut self.body {
            Body::Arg(i) => {
                let entry = some_entry(b);
                if i.rs == 0 && kept == "imm" {
                    i.rs = other(0, &mut b.rng);
                }
                if i.rs == 0 {
                    i.imm = entry;
                } else {
                    self.registers.push((i.rs, entry.wrapping_sub(i.imm)));
                }
            }
            Body::Loop(i) => {
                let rounds = b.rng.within(0, 3);
                if i.rcount == 0 && kept == "count" {
                    i.rcount = other(0, &mut b.rng);
                }
                if i.rcount == 0 {
                    i.count = rounds;
                } else {
                    self.registers.push((i.rcount, rounds.wrapping_sub(i.count)));
                }
                if kept != "body" {
                    i.body = 1 + i.body % 2;
                }
                self.body_words = i.body;
            }
            _ => {}
        }
    }

    fn unit(&self) -> Option<usize> {
        self.body.unit().queue()
    }

    /// Cycles in which it comes to its end even on a slow memory.
    fn work(&self, b: &Builder) -> u32 {
        // Of a burst of one beat: every one of them may fall into another row.
        let burst = match b.bodies.machine.memory.model {
            MemoryModel::Fixed { .. } => 2,
            MemoryModel::Random { .. } => 6,
            MemoryModel::Dram(_) => 64,
        };
        match self.body {
            Body::Load(i) => 16 * i.blocks,
            Body::StoreBlocks(i) => 24 * i.blocks,
            Body::StoreSegments(i) => burst * i.count,
            Body::Gemm(i) => i.ntiles * (i.groups * i.steps).max(4 * i.tokens),
            Body::Vector(i) => vector_occupancy(i.shape(&b.geometry)).max(4 * 24) as u32,
            _ => 0,
        }
    }

    /// Lets another unit begin something long; what this instruction must wish to wait for it.
    fn awaited(&self, b: &mut Builder) -> Option<Wish> {
        let unit = self.unit()?;
        let mut others = vec![0, 1, 2, 3];
        others.retain(|u| *u != unit);
        let turn = b.rng.within(0, 2) as usize;
        others.rotate_left(turn);
        for other in others {
            if b.can_post(other, unit) && long(b, other).is_some() {
                let mut wish = Wish::of(unit);
                wish.join[other] = true;
                return Some(wish);
            }
        }
        None
    }

    fn put(&self, b: &mut Builder, manner: Manner) {
        self.registers.iter().for_each(|&(rd, imm)| {
            b.push(Set { rd, imm });
        });
        let entry = if manner.after_arg { some_entry(b) } else { 0 };
        if manner.after_arg {
            b.push(Arg { rd: 0, rs: 0, imm: entry });
        }
        let Some(unit) = self.unit() else {
            b.push(self.body);
            (0..self.body_words).for_each(|_| {
                b.push(Nop {});
            });
            return;
        };
        let plain = std::mem::replace(&mut b.plain, true);
        let word = b.put(&manner.wish.unwrap_or(Wish::of(unit)), self.body);
        b.plain = plain;
        if let Some(word) = word {
            b.instrs[word].head.drain |= manner.drain;
            if let Some(raw) = self.raw {
                b.instrs[word].body = raw;
            }
        }
    }
}

/// Fills the memory's room for write bursts: single bytes so far apart that most fall into other rows of one bank.
fn flood(b: &mut Builder) {
    let (addr, bytes) = b.bodies.results();
    let mut segments = StoreSegments { count: 15, addr, ..Default::default() };
    let stride = Body::from(segments).spec().fields.iter().find(|f| f.name == "dst_stride");
    let widest = stride.map_or(1, |f| f.width) - 1;
    segments.dst_stride = 1 << (bytes / 16).ilog2().min(widest);
    (0..3).for_each(|_| {
        b.put(&Wish::of(3), segments.into());
    });
}

/// A value of the corner's field.
fn value(b: &mut Builder, corner: &Corner) -> u32 {
    let (low, high) =
        corner.bucket.values(b.bodies.machine, corner.spec(), &corner.spec().fields[corner.field]);
    (low + i64::from(b.rng.within(0, (high - low) as u32))) as u32
}

/// An entry of the argument table, a new one if there is none.
fn some_entry(b: &mut Builder) -> u32 {
    if b.args.is_empty() {
        b.args.push(7);
    }
    b.args.len() as u32 - 1
}

/// An instruction that keeps a unit at work for some fifty cycles.
fn long(b: &mut Builder, unit: usize) -> Option<usize> {
    (0..40).find_map(|_| {
        let mut body = b.bodies.draw(unit, &mut b.rng)?;
        match &mut body {
            Body::Load(i) => i.blocks = i.blocks.max(12),
            Body::Gemm(i) => i.steps = 40,
            Body::Vector(i) => i.rows = 30,
            Body::StoreBlocks(i) => i.blocks = i.blocks.max(12),
            _ => return None,
        }
        if !b.bodies.legal(&body) {
            return None;
        }
        b.put(&Wish::of(unit), body)
    })
}
