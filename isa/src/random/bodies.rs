//! Single random instructions, legal as far as one instruction can be.

use super::memory::Map;
use super::rng::Rng;
use super::span::{Bucket, span};
use crate::access::accesses;
use crate::check::fields::{self, Limits};
use crate::table::*;
use hw::function::Product;
use hw::{Form, Function, Geometry, Machine, Mode};

/// Rows near the start of each space are used again and again, so that instructions depend on each other.
pub(super) const HOT: u32 = 40;

/// Draws instructions for a machine.
pub(super) struct Bodies<'a> {
    pub machine: &'a Machine,
    g: Geometry,
    map: Map,
    limits: Limits,
}

impl<'a> Bodies<'a> {
    pub fn new(machine: &'a Machine, limits: Limits) -> Bodies<'a> {
        Bodies { machine, g: Geometry::of(machine), map: Map::of(machine), limits }
    }

    /// An instruction of a unit (in the order of [`Unit::QUEUED`]); `None` if chance found no legal one.
    pub fn draw(&self, unit: usize, rng: &mut Rng) -> Option<Body> {
        (0..200).find_map(|_| {
            let extreme = rng.chance(25);
            let mut body = match unit {
                0 => self.load(extreme, rng).into(),
                1 => self.gemm(extreme, rng).into(),
                2 => self.vector(extreme, rng).into(),
                _ if rng.chance(50) => self.blocks(extreme, rng).into(),
                _ => self.segments(extreme, rng).into(),
            };
            if extreme {
                self.stretch(&mut body, rng);
            }
            self.legal(&body).then_some(body)
        })
    }

    /// An instruction of a place in the table with each of these fields in a part of its span; a register field stays 0.
    pub fn draw_at(&self, index: usize, parts: &[(usize, Bucket)], rng: &mut Rng) -> Option<Body> {
        let spec = &TABLE[index];
        (0..600).find_map(|_| {
            let mut body = self.body(index, rng.chance(60), rng)?;
            let mut values = body.values();
            for &(field, bucket) in parts.iter().filter(|p| spec.fields[p.0].kind != Kind::Reg) {
                let within = bucket.values(self.machine, spec, &spec.fields[field]);
                // Near the low end more instructions are legal.
                let most = (within.1 - within.0).min(rng.pick(&[3, 40, i64::from(u32::MAX)]));
                values[field] = (within.0 + i64::from(rng.within(0, most as u32))) as u32;
            }
            body.set_values(&values);
            self.legal(&body).then_some(body)
        })
    }

    /// An instruction of a place in the table.
    fn body(&self, index: usize, extreme: bool, rng: &mut Rng) -> Option<Body> {
        Some(match Body::zero(index)? {
            Body::Load(_) => self.load(extreme, rng).into(),
            Body::Gemm(_) => self.gemm(extreme, rng).into(),
            Body::Vector(_) => self.vector(extreme, rng).into(),
            Body::StoreBlocks(_) => self.blocks(extreme, rng).into(),
            Body::StoreSegments(_) => self.segments(extreme, rng).into(),
            _ => return None,
        })
    }

    /// First byte and number of bytes that may be stored to.
    pub fn results(&self) -> (u32, u32) {
        (self.map.out, self.map.size - self.map.out)
    }

    pub fn legal(&self, body: &Body) -> bool {
        fields::check(body, &self.g).is_ok() && self.limits.check(&accesses(body, &self.g)).is_ok()
    }

    /// Sets one or two fields to an end of their span.
    fn stretch(&self, body: &mut Body, rng: &mut Rng) {
        let spec = body.spec();
        let mut values = body.values();
        for _ in 0..rng.within(1, 2) {
            let i = rng.within(0, spec.fields.len() as u32 - 1) as usize;
            let field = spec.fields[i];
            if field.kind == Kind::Reg {
                continue;
            }
            let (low, high) = span(self.machine, spec, &field);
            values[i] = if rng.chance(35) { low } else { high } as u32;
        }
        body.set_values(&values);
    }

    fn bank(&self, rng: &mut Rng) -> u32 {
        rng.within(0, self.machine.buffers.vector_banks - 1)
    }

    /// A block of the data, or sometimes of the results.
    pub fn source(&self, blocks: u32, scales: bool, rng: &mut Rng) -> u32 {
        let (scale_at, scale_bytes) = self.map.scales();
        let (first, bytes) = match scales {
            true => (scale_at, scale_bytes),
            false if rng.chance(20) => (self.map.out, 64 * HOT),
            false => (0, self.map.data),
        };
        first / 64 + rng.within(0, (bytes / 64).saturating_sub(blocks))
    }

    fn load(&self, extreme: bool, rng: &mut Rng) -> Load {
        let space = rng.within(0, 3);
        let scales = space == space::C || (space == space::V && rng.chance(25));
        if extreme {
            return Load { space, addr: self.source(1, scales, rng), blocks: 1, ..Default::default() };
        }
        let forms: Vec<Form> = self.g.forms.iter().skip(1).collect();
        if space == space::W && !forms.is_empty() && rng.chance(50) {
            let form = forms[rng.within(0, forms.len() as u32 - 1) as usize];
            let (row, blocks) = (2 * self.g.kept_codes(), form.blocks() * rng.within(1, 2));
            let dst = rng.within(0, 8).next_multiple_of((row / 64).max(1));
            return Load {
                space,
                dst,
                addr: self.source(blocks, false, rng),
                blocks,
                form: form as u32,
                ..Default::default()
            };
        }
        let blocks = rng.within(1, 8);
        let dst = rng.within(0, 8);
        Load {
            space,
            bank: if space == space::V { self.bank(rng) } else { 0 },
            dst,
            addr: self.source(blocks, scales, rng),
            blocks,
            ..Default::default()
        }
    }

    fn gemm(&self, extreme: bool, rng: &mut Rng) -> Gemm {
        let residual = u32::from(rng.chance(40));
        let (dst, res) = (vec_addr(self.bank(rng), 0), vec_addr(self.bank(rng), 0));
        // Most scales are below one: small shifts keep results in range.
        let shift = if rng.chance(70) { rng.within(0, 24) } else { rng.within(0, 45) } as i32;
        let modes: Vec<Mode> = self.g.modes.iter().collect();
        let mode = modes[rng.within(0, modes.len() as u32 - 1) as usize];
        let (a_rows, mode) = (mode.a_rows(), mode as u32);
        let scaled = u32::from(rng.chance(60));
        let narrow = u32::from(self.g.narrow && rng.chance(50));
        let one = Gemm {
            mode,
            tokens: 1,
            ntiles: 1,
            groups: 1,
            steps: 1,
            scaled,
            narrow,
            dst,
            shift,
            ..Default::default()
        };
        if extreme {
            return one;
        }
        let (tokens, ntiles) = (rng.within(1, self.g.t), rng.within(1, 4));
        let (groups, steps) = (rng.within(1, 3), rng.within(1, 4));
        let (inner, outer) = if rng.chance(50) { (1, groups * steps) } else { (ntiles, 1) };
        let dst = dst + rng.within(0, HOT);
        Gemm {
            tokens,
            ntiles,
            groups,
            steps,
            a_row: rng.within(0, 12 / a_rows) * a_rows,
            w_row: rng.within(0, HOT),
            wn_stride: outer,
            wk_stride: inner,
            g_row: rng.within(0, 16),
            c_row: rng.within(0, 12),
            dst,
            dst_stride: ntiles * (self.g.n / self.g.l) + rng.within(0, 2),
            slot: rng.within(0, 8),
            residual,
            res: if rng.chance(30) { dst } else { res + rng.within(0, HOT) },
            ..one
        }
    }

    fn vector(&self, extreme: bool, rng: &mut Rng) -> Vector {
        let functions: Vec<Function> = self.g.functions.iter().collect();
        let function = functions[rng.within(0, functions.len() as u32 - 1) as usize];
        let fun = function as u32;
        let (least_out, most_out) = match function.product() {
            Product::Rows => (out::NONE, OUTS.len() as u32 - 1),
            Product::Codes => (out::Q8, OUTS.len() as u32 - 1),
            Product::Words => (out::NONE, out::NONE),
        };
        let out = rng.within(least_out, most_out);
        let rows = if function == Function::Rope { 2 * rng.within(1, 3) } else { rng.within(1, 6) };
        let (tokens, subs) = (rng.within(1, 3), rng.within(1, 3));
        let least = 1 + u32::from(function == Function::Rope);
        let (rows, tokens, subs) = if extreme { (least, 1, 1) } else { (rows, tokens, subs) };
        let (a, b) = self.two_banks(rng);
        let (d, o) = self.two_banks(rng);
        let hot = if extreme { 0 } else { HOT };
        let mut at = |bank| vec_addr(bank, rng.within(0, hot));
        let (a, b, d, staging) = (at(a), at(b), at(d), at(o));
        let all = subs * rows;
        let shift = match function {
            Function::Copy | Function::Add => rng.within(0, 8) as i32 - 4,
            Function::Mul => rng.within(8, 24) as i32,
            Function::RmsNorm | Function::LayerNorm => rng.within(18, 34) as i32,
            Function::Requantise => rng.within(0, 46) as i32 - 15,
            Function::Sum => rng.within(0, 8) as i32 - 2,
            _ => 0,
        };
        let gated = u32::from(function.takes_gate() && rng.chance(50));
        let mut i = Vector { gated, fun, out, tokens, subs, rows, a, b, d, shift, ..Default::default() };
        i.len = match function {
            Function::LayerNorm | Function::Sum | Function::TopK => rng.within(1, rows * self.g.l),
            Function::Requantise => rng.within(1 << 15, (1 << 16) - 1),
            _ => rng.within(1, all * self.g.l + 2),
        };
        i.inc = u32::from(function != Function::Requantise && rng.chance(40));
        i.a_half = u32::from(function == Function::Copy && rng.chance(30));
        i.a_stride = all + rng.within(0, 2);
        i.d_stride = all + rng.within(0, 2);
        i.b_stride = if rng.chance(50) { 0 } else { rows };
        if rng.chance(25) && i.a_half == 0 {
            (i.d, i.d_stride) = (a, i.a_stride);
        }
        let norm = matches!(function, Function::RmsNorm | Function::LayerNorm);
        i.imm = if norm { rng.bits() as u32 >> rng.within(0, 31) } else { 0 };
        if function == Function::TopK {
            i.imm = rng.within(1, i.len.min(5));
            (i.o, i.o_step) = (staging, 1 + 4 * i.subs * i.imm / self.g.v_row);
        }
        self.output(&mut i, staging, rng);
        if self.g.slices > 1 && rng.chance(50) {
            self.across(&mut i, function);
        }
        i
    }

    fn output(&self, i: &mut Vector, staging: u32, rng: &mut Rng) {
        match i.out {
            out::NONE => {}
            out::Q8 | out::Q4 => {
                i.tokens = i.tokens.min(self.g.t);
                i.o = rng.within(0, 12);
                i.o_step = rng.within(0, 6);
                i.o_token = rng.within(0, self.g.t - i.tokens);
            }
            _ => {
                i.o = staging;
                i.imm = i.subs * i.rows + rng.within(0, 2);
                i.o_step = i.imm + 2 + 4 * i.subs / self.g.v_row;
            }
        }
    }

    /// Lets the vectors lie across slices, if the function can.
    fn across(&self, i: &mut Vector, function: Function) {
        i.across = u32::from(function.spans_slices() && out::staged(i.out).is_none());
        if i.across != 0 && function == Function::LayerNorm {
            (i.len, i.inc) = (i.rows * self.g.l, 0);
        }
    }

    fn two_banks(&self, rng: &mut Rng) -> (u32, u32) {
        let banks = self.machine.buffers.vector_banks;
        let a = rng.within(0, banks - 1);
        (a, (a + rng.within(1, banks - 1)) % banks)
    }

    fn blocks(&self, extreme: bool, rng: &mut Rng) -> StoreBlocks {
        let addr = self.map.out / 64;
        let one = StoreBlocks { addr, blocks: 1, ..Default::default() };
        if extreme {
            return one;
        }
        let (src, blocks) = (rng.within(0, 8), rng.within(1, 8));
        StoreBlocks { bank: self.bank(rng), src, addr: addr + rng.within(0, HOT), blocks, ..one }
    }

    fn segments(&self, extreme: bool, rng: &mut Rng) -> StoreSegments {
        let seg_log2 = rng.within(0, self.g.beat.min(self.g.v_row).ilog2());
        let one = StoreSegments { addr: self.map.out, count: 1, ..Default::default() };
        if extreme {
            return StoreSegments { seg_log2: if rng.chance(50) { seg_log2 } else { 0 }, ..one };
        }
        let mut aligned = |most: u32| rng.within(0, most) << seg_log2;
        let (src, src_stride, addr, dst_stride) = (aligned(60), aligned(6), aligned(100), aligned(9));
        StoreSegments {
            bank: self.bank(rng),
            src,
            src_stride,
            seg_log2,
            count: rng.within(1, 12),
            addr: self.map.out + addr,
            dst_stride,
            raddr: 0,
        }
    }
}
