//! What an instruction reads and writes: the only answer to that question, for checker and generators.
//!
//! Registers must be resolved (see [`crate::walk`]). Ranges are whole rows where a unit uses part of a row's padding.

use crate::table::{Body, Gemm, Load, StoreBlocks, StoreSegments, Unit, Vector, out, space, vec_parts};
use hw::function::{Operand, Product};
use hw::machine::BLOCK_BYTES;
use hw::{Form, Function, Geometry, Mode};

/// A memory with a read and a write port of its own, or DRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Weight buffer.
    Weight,
    /// Group-scale buffer.
    GroupScale,
    /// Channel buffer.
    Channel,
    /// Activation buffer.
    Activation,
    /// Token scales; addresses count slots.
    TokenScale,
    /// A vector bank, by number.
    Vector(u8),
    /// Off-chip memory.
    Dram,
}

impl Space {
    /// A dense number, below [`Space::COUNT`].
    pub fn index(self) -> usize {
        match self {
            Space::Weight => 0,
            Space::GroupScale => 1,
            Space::Channel => 2,
            Space::Activation => 3,
            Space::TokenScale => 4,
            Space::Dram => 5,
            Space::Vector(bank) => 6 + usize::from(bank),
        }
    }

    /// Spaces of the largest machine.
    pub const COUNT: usize = 6 + 16;
}

impl std::fmt::Display for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Space::Weight => f.write_str("the weight buffer"),
            Space::GroupScale => f.write_str("the group-scale buffer"),
            Space::Channel => f.write_str("the channel buffer"),
            Space::Activation => f.write_str("the activation buffer"),
            Space::TokenScale => f.write_str("the token scales"),
            Space::Vector(bank) => write!(f, "vector bank {bank}"),
            Space::Dram => f.write_str("DRAM"),
        }
    }
}

/// Which operand an access is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The only one of its kind.
    Whole,
    /// Operand a.
    A,
    /// Operand b.
    B,
    /// The result.
    D,
    /// The residual of a gemm.
    Residual,
    /// Codes of a quantised output.
    Codes,
    /// Scales of a quantised output.
    Scales,
    /// Places of the largest elements.
    Places,
}

/// Equal ranges of one space in a regular pattern: `bytes` bytes at `at + i * stride.0 + j * stride.1` for i below
/// `count.0` and j below `count.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The memory.
    pub space: Space,
    /// Written, not read.
    pub write: bool,
    /// What for.
    pub role: Role,
    /// First byte.
    pub at: u64,
    /// Bytes of each piece.
    pub bytes: u64,
    /// Pieces in two dimensions.
    pub count: (u64, u64),
    /// Bytes between pieces in each of them.
    pub stride: (u64, u64),
}

impl Access {
    fn new(space: Space, write: bool, role: Role, at: u64, bytes: u64) -> Access {
        Access { space, write, role, at, bytes, count: (1, 1), stride: (0, 0) }
    }

    /// Use of a read port for what the instruction itself wrote: no range, no dependence.
    fn port(space: Space) -> Access {
        Access { count: (0, 0), ..Access::new(space, false, Role::Whole, 0, 0) }
    }

    /// Repeats it; adjoining repetitions become one range, and interleaved ones of reads the range that covers them.
    fn times(mut self, count: u64, stride: u64) -> Access {
        let extent = self.end() - self.at;
        if count == 1 || (self.count == (1, 1) && stride == self.bytes) {
            self.bytes *= count;
        } else if !self.write && stride < extent {
            self.bytes = extent + (count - 1) * stride;
            self.count = (1, 1);
        } else if self.count.0 == 1 {
            (self.count.0, self.stride.0) = (count, stride);
        } else {
            (self.count.1, self.stride.1) = (count, stride);
        }
        self
    }

    /// All that it covers while its first byte moves up to `last`.
    pub(crate) fn moved_up_to(mut self, last: u64) -> Access {
        self.bytes += last.saturating_sub(self.at);
        if self.count.0 > 0 && self.stride.0 <= self.bytes {
            self.bytes += (self.count.0 - 1) * self.stride.0;
            (self.count.0, self.stride.0) = (1, 0);
        }
        self
    }

    /// First byte after the last range.
    pub fn end(&self) -> u64 {
        let last = |count: u64, stride: u64| count.saturating_sub(1).saturating_mul(stride);
        self.at + last(self.count.0, self.stride.0) + last(self.count.1, self.stride.1) + self.bytes
    }

    /// The ranges, as (first, end).
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        let Access { at, bytes, count, stride, .. } = *self;
        (0..count.1).flat_map(move |j| {
            (0..count.0).map(move |i| {
                let from = at + i * stride.0 + j * stride.1;
                (from, from + bytes)
            })
        })
    }
}

/// Everything that an instruction of a unit reads and writes; nothing for the sequencer's.
pub fn accesses(body: &Body, g: &Geometry) -> Vec<Access> {
    let mut set = Vec::with_capacity(7);
    match body {
        Body::Load(i) => load(i, &mut set),
        Body::StoreBlocks(i) => store_blocks(i, &mut set),
        Body::StoreSegments(i) => store_segments(i, &mut set),
        Body::Gemm(i) => gemm(i, g, &mut set),
        Body::Vector(i) => vector(i, g, &mut set),
        Body::Nop(_) | Body::Set(_) | Body::Add(_) | Body::Arg(_) | Body::Loop(_) | Body::Halt(_) => {}
    }
    set
}

/// The unit that owns a port all the time, or `None` for vector banks, whose ports are shared, and for DRAM.
pub fn port_owner(space: Space, write: bool) -> Option<Unit> {
    match (space, write) {
        (Space::Vector(_) | Space::Dram, _) => None,
        (Space::Activation | Space::TokenScale, true) => Some(Unit::Vector),
        (_, true) => Some(Unit::Load),
        (_, false) => Some(Unit::Matrix),
    }
}

const fn blocks(n: u32) -> u64 {
    n as u64 * BLOCK_BYTES as u64
}

fn bank(bank: u32) -> Space {
    Space::Vector(bank as u8)
}

fn load(i: &Load, set: &mut Vec<Access>) {
    let target = match i.space {
        space::W => Space::Weight,
        space::G => Space::GroupScale,
        space::C => Space::Channel,
        _ => bank(i.bank),
    };
    set.push(Access::new(Space::Dram, false, Role::Whole, blocks(i.addr), blocks(i.blocks)));
    let bytes = Form::of(i.form).unwrap_or_default().on_chip(i.blocks);
    set.push(Access::new(target, true, Role::Whole, blocks(i.dst), bytes));
}

fn store_blocks(i: &StoreBlocks, set: &mut Vec<Access>) {
    set.push(Access::new(bank(i.bank), false, Role::Whole, blocks(i.src), blocks(i.blocks)));
    set.push(Access::new(Space::Dram, true, Role::Whole, blocks(i.addr), blocks(i.blocks)));
}

fn store_segments(i: &StoreSegments, set: &mut Vec<Access>) {
    let (bytes, count) = (1u64 << i.seg_log2, u64::from(i.count));
    let source = Access::new(bank(i.bank), false, Role::Whole, i.src.into(), bytes);
    let target = Access::new(Space::Dram, true, Role::Whole, i.addr.into(), bytes);
    set.push(source.times(count, i.src_stride.into()));
    set.push(target.times(count, i.dst_stride.into()));
}

fn gemm(i: &Gemm, g: &Geometry, set: &mut Vec<Access>) {
    let (tokens, tiles) = (u64::from(i.tokens), u64::from(i.ntiles));
    let ksteps = u64::from(i.groups) * u64::from(i.steps);
    let rows = |space, first: u32, rows: u64, bytes: u32| {
        let bytes = u64::from(bytes);
        Access::new(space, false, Role::Whole, u64::from(first) * bytes, rows * bytes)
    };
    let operand = tokens * u64::from(g.lp);
    let activations = u64::from(i.a_row) * u64::from(g.a_row);
    let activations = Access::new(Space::Activation, false, Role::Whole, activations, operand);
    let a_rows = Mode::of(i.mode).map_or(1, |mode| u64::from(mode.a_rows()));
    set.push(activations.times(ksteps * a_rows, g.a_row.into()));
    let row = Mode::of(i.mode).map_or(1, |mode| u64::from(g.w_row(mode)));
    let weights = Access::new(Space::Weight, false, Role::Whole, u64::from(i.w_row) * row, row);
    let weights = weights.times(ksteps, u64::from(i.wk_stride) * row);
    set.push(weights.times(tiles, u64::from(i.wn_stride) * row));
    if i.scaled != 0 {
        set.push(rows(Space::GroupScale, i.g_row, tiles * u64::from(i.groups), g.g_row));
    }
    set.push(rows(Space::Channel, i.c_row, tiles, g.c_row));
    set.push(Access::new(Space::TokenScale, false, Role::Whole, i.slot.into(), tokens));
    let result = |field, write, role| {
        let rows = tiles * u64::from(g.n / g.l);
        per_token(field, g.v_row, rows, (tokens, i.dst_stride), (write, role))
    };
    // Reads come first: the residual may lie where the result goes.
    if i.residual != 0 {
        set.push(result(i.res, false, Role::Residual));
    }
    set.push(result(i.dst, true, Role::D));
}

fn per_token(field: u32, row: u32, rows: u64, tokens: (u64, u32), how: (bool, Role)) -> Access {
    let (number, first) = vec_parts(field);
    let row = u64::from(row);
    let access = Access::new(bank(number), how.0, how.1, u64::from(first) * row, rows * row);
    access.times(tokens.0, u64::from(tokens.1) * row)
}

fn vector(i: &Vector, g: &Geometry, set: &mut Vec<Access>) {
    let (tokens, rows) = (u64::from(i.tokens), u64::from(i.rows));
    let all = u64::from(i.subs) * rows;
    let a_row = if i.a_half == 0 { g.v_row } else { g.v_row / 2 };
    set.push(per_token(i.a, a_row, all, (tokens, i.a_stride), (false, Role::A)));
    let b = |row, rows| per_token(i.b, row, rows, (tokens, i.b_stride), (false, Role::B));
    match i.operand() {
        Operand::None => {}
        Operand::Words => set.push(b(g.v_row, rows)),
        Operand::Halves => set.push(b(g.v_row / 2, rows)),
        Operand::HalfRows => set.push(b(g.v_row, rows / 2)),
    }
    if i.product() == Product::Rows {
        set.push(per_token(i.d, g.v_row, all, (tokens, i.d_stride), (true, Role::D)));
        if i.out != out::NONE {
            // The codes are made from the result, read back.
            set.push(Access::port(bank(vec_parts(i.d).0)));
        }
    }
    if i.product() == Product::Words {
        words(i, g, set);
    }
    match i.out {
        out::NONE => {}
        out::Q8 | out::Q4 => quantised(i, g, set),
        _ => staged(i, g, set),
    }
}

/// A word of each round of each sub, and beside those of a ranking their places.
fn words(i: &Vector, g: &Geometry, set: &mut Vec<Access>) {
    let bytes = 4 * u64::from(i.subs) * u64::from(i.rounds());
    let row = u64::from(g.v_row);
    let mut of = |field, step: u32, role| {
        let (number, first) = vec_parts(field);
        let access = Access::new(bank(number), true, role, u64::from(first) * row, bytes);
        set.push(access.times(i.tokens.into(), u64::from(step) * row));
    };
    of(i.d, i.d_stride, Role::D);
    if i.function() == Some(Function::TopK) {
        of(i.o, i.o_step, Role::Places);
    }
}

/// Activations: one range of tokens in each activation row, of the codes of all slices if the vector lies across them; slots.
fn quantised(i: &Vector, g: &Geometry, set: &mut Vec<Access>) {
    let (tokens, subs) = (u64::from(i.tokens), u64::from(i.subs));
    let at = u64::from(i.o) * u64::from(g.a_row) + u64::from(i.o_token) * u64::from(g.lp);
    let codes = Access::new(Space::Activation, true, Role::Codes, at, tokens * u64::from(g.lp));
    set.push(codes.times(subs * u64::from(i.rows) * u64::from(i.parts(g)), g.a_row.into()));
    let slot = u64::from(i.o_step) + u64::from(i.o_token);
    let slots = Access::new(Space::TokenScale, true, Role::Scales, slot, tokens);
    set.push(slots.times(subs, g.t.into()));
}

/// Keys and values: segments and scale words of each token in the staging bank.
fn staged(i: &Vector, g: &Geometry, set: &mut Vec<Access>) {
    let (number, first) = vec_parts(i.o);
    let (row, step) = (u64::from(g.v_row), u64::from(i.o_step) * u64::from(g.v_row));
    let Some(mode) = out::staged(i.out) else { return };
    let count = if mode.by_lane() { i.rows.div_ceil(g.n / g.l) } else { i.rows };
    let segments = u64::from(count) * u64::from(g.segment(mode));
    let staging = |role, first: u64, bytes| Access::new(bank(number), true, role, first * row, bytes);
    let codes = staging(Role::Codes, first.into(), u64::from(i.subs) * segments);
    let scales = staging(Role::Scales, u64::from(first) + u64::from(i.imm), 4 * u64::from(i.subs));
    set.extend([codes, scales].map(|access| access.times(i.tokens.into(), step)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjoining_repetitions_are_one_range() {
        let g = Geometry::of(&hw::presets::load("tiny").unwrap_or_else(|e| panic!("{e}")));
        let gemm = Gemm {
            tokens: 2,
            ntiles: 3,
            groups: 2,
            steps: 2,
            wk_stride: 1,
            wn_stride: 8,
            dst_stride: 5,
            ..Default::default()
        };
        let set = accesses(&gemm.into(), &g);
        let ranges = |s: Space, write| {
            let of = set.iter().filter(|a| a.space == s && a.write == write);
            of.flat_map(|a| a.ranges().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(ranges(Space::Activation, false), [(0, 4 * 16)]);
        assert_eq!(ranges(Space::Weight, false), [(0, 64), (128, 192), (256, 320)]);
        assert_eq!(ranges(Space::Vector(0), true), [(0, 96), (160, 256)]);
    }
}
