//! What an instruction touches, from its fields alone (docs/machine.md section 2).

use super::{Access, Memory};
use hw::function::{Operand, Product};
use hw::machine::BLOCK_BYTES;
use hw::{Form, Geometry, Mode};
use isa::table::{Body, Gemm, Load, StoreBlocks, StoreSegments, Vector, out, space, vec_parts};

/// The accesses of an instruction on chip. `extra` is the most that a register adds to the size field which takes one
/// (blocks, output tiles, groups or rows).
pub fn touches(body: &Body, g: &Geometry, extra: u32) -> Vec<Access> {
    let mut list = List { g, accesses: Vec::new() };
    match body {
        Body::Load(b) => list.load(b, extra),
        Body::Gemm(b) => list.gemm(b, extra),
        Body::Vector(b) => list.vector(b, extra),
        Body::StoreBlocks(b) => list.store_blocks(b),
        Body::StoreSegments(b) => list.store_segments(b),
        _ => {}
    }
    list.accesses
}

struct List<'a> {
    g: &'a Geometry,
    accesses: Vec<Access>,
}

impl List<'_> {
    fn add(&mut self, memory: Memory, from: u32, size: u32, write: bool) {
        self.accesses.push(Access { memory, from, to: from + size, write });
    }

    /// Rows of a vector bank, for each of `tokens` tokens.
    fn rows(&mut self, addr: u32, tokens: u32, stride: u32, size: u32, write: bool) {
        let (bank, row) = vec_parts(addr);
        for t in 0..tokens {
            self.add(Memory::V(bank as u8), row + t * stride, size, write);
        }
    }

    /// As [`List::rows`], in int16 rows, two to a row.
    fn half_rows(&mut self, addr: u32, tokens: u32, stride: u32, size: u32) {
        let (bank, row) = vec_parts(addr);
        for t in 0..tokens {
            let first = row + t * stride;
            self.add(Memory::V(bank as u8), first / 2, (first + size).div_ceil(2) - first / 2, false);
        }
    }

    /// Bytes of a vector bank.
    fn bytes(&mut self, bank: u32, from: u32, size: u32, write: bool) {
        let row = self.g.v_row;
        let first = from / row;
        self.add(Memory::V(bank as u8), first, (from + size).div_ceil(row) - first, write);
    }

    fn load(&mut self, b: &Load, extra: u32) {
        let bytes = Form::of(b.form).unwrap_or_default().on_chip(b.blocks + extra);
        let (from, size) = (b.dst * BLOCK_BYTES, u32::try_from(bytes).unwrap_or(u32::MAX));
        match b.space {
            space::W => self.add(Memory::W, from, size, true),
            space::G => self.add(Memory::G, from, size, true),
            space::C => self.add(Memory::C, from, size, true),
            _ => self.bytes(b.bank, from, size, true),
        }
    }

    fn gemm(&mut self, b: &Gemm, extra: u32) {
        let tiles = b.ntiles + if b.rntiles == 0 { 0 } else { extra };
        let groups = b.groups + if b.rgroups == 0 { 0 } else { extra };
        let steps = groups * b.steps;
        let (row, a_rows) = Mode::of(b.mode).map_or((1, 1), |mode| (self.g.w_row(mode), mode.a_rows()));
        let weight_rows = (tiles - 1) * b.wn_stride + (steps - 1) * b.wk_stride + 1;
        self.add(Memory::A, b.a_row, steps * a_rows, false);
        self.add(Memory::W, b.w_row * row, weight_rows * row, false);
        if b.scaled != 0 {
            self.add(Memory::G, b.g_row * self.g.g_row, tiles * groups * self.g.g_row, false);
        }
        self.add(Memory::C, b.c_row * self.g.c_row, tiles * self.g.c_row, false);
        self.add(Memory::S, b.slot, b.tokens, false);
        let rows = tiles * self.g.n / self.g.l;
        if b.residual != 0 {
            self.rows(b.res, b.tokens, b.dst_stride, rows, false);
        }
        self.rows(b.dst, b.tokens, b.dst_stride, rows, true);
    }

    fn vector(&mut self, b: &Vector, extra: u32) {
        let rows = b.rows + if b.rrows == 0 { 0 } else { extra };
        let whole = b.subs * rows;
        match b.a_half {
            0 => self.rows(b.a, b.tokens, b.a_stride, whole, false),
            _ => self.half_rows(b.a, b.tokens, b.a_stride, whole),
        }
        match b.operand() {
            Operand::None => {}
            Operand::Words => self.rows(b.b, b.tokens, b.b_stride, rows, false),
            Operand::Halves => self.half_rows(b.b, b.tokens, b.b_stride, rows),
            Operand::HalfRows => self.rows(b.b, b.tokens, b.b_stride, rows / 2, false),
        }
        if b.product() == Product::Rows {
            self.rows(b.d, b.tokens, b.d_stride, whole, true);
        }
        match (b.out, out::staged(b.out)) {
            (out::NONE, _) => {}
            (_, None) => {
                self.add(Memory::A, b.o, whole * b.parts(self.g), true);
                for sub in 0..b.subs {
                    self.add(Memory::S, b.o_step + sub * self.g.t + b.o_token, b.tokens, true);
                }
            }
            (_, Some(mode)) => {
                let rows = if mode.by_lane() { rows.div_ceil(self.g.n / self.g.l) } else { rows };
                self.staged(b, b.subs * rows * self.g.segment(mode));
            }
        }
    }

    /// Codes and scale words of keys or values.
    fn staged(&mut self, b: &Vector, code_bytes: u32) {
        let row = self.g.v_row;
        self.rows(b.o, b.tokens, b.o_step, code_bytes.div_ceil(row), true);
        self.rows(b.o + b.imm, b.tokens, b.o_step, (4 * b.subs).div_ceil(row), true);
    }

    fn store_blocks(&mut self, b: &StoreBlocks) {
        self.bytes(b.bank, b.src * BLOCK_BYTES, b.blocks * BLOCK_BYTES, false);
    }

    fn store_segments(&mut self, b: &StoreSegments) {
        let span = (b.count - 1) * b.src_stride + (1 << b.seg_log2);
        self.bytes(b.bank, b.src, span, false);
    }
}
