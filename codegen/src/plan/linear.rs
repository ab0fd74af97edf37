//! Linear layers and the vector work between them, for all tokens of the plan.
//!
//! Tokens are grouped in permuted order: group u of G holds tokens u, u + G, u + 2G, ... so that one vector instruction
//! with G vectors of each token fills the activation rows of every group.

use super::build::{Builder, Held, Task};
use super::map::Chunk;
use super::{Argument, Produces, Reg, Site, Value};
use crate::model::Linear;
use crate::nodes::Operator;
use hw::machine::BLOCK_BYTES;
use hw::{Form, Function};
use isa::table::{Gemm, Load, StoreBlocks, Vector, out, space, vec_parts};

impl Builder<'_> {
    /// Tokens of permuted group `u`.
    fn in_group(&self, u: u32) -> u32 {
        (self.tokens - u).div_ceil(self.buf.groups)
    }

    /// Loads a chunk from the record `ahead` blocks on.
    pub fn load_chunk(&mut self, task: Task, chunk: &Chunk, at: [u32; 3], ahead: u32) {
        let (plain, form) = (Form::Plain, chunk.form);
        let pieces = [
            (space::W, chunk.weights, form),
            (space::G, chunk.groups, plain),
            (space::C, chunk.channels, plain),
        ];
        for ((space, piece, form), at) in pieces.into_iter().zip(at).filter(|((_, p, _), _)| p.blocks > 0) {
            let load = Load {
                space,
                bank: 0,
                dst: at / BLOCK_BYTES,
                addr: self.map.records + ahead + piece.at,
                raddr: Reg::Layer as u32,
                blocks: piece.blocks,
                form: form as u32,
                ..Default::default()
            };
            self.push(task, load.into(), 0);
        }
    }

    /// Chunks times every token group, and their places given back. `input`: activation rows and slots; `(dst, stride)`: where
    /// token 0's outputs of the layer go and the rows of a token.
    pub fn gemms(
        &mut self,
        chunks: &[(&Chunk, Held)],
        input: (u32, u32),
        place: (u32, u32),
        residual: Option<u32>,
        value: Value,
    ) {
        for u in 0..self.buf.groups {
            chunks.iter().for_each(|chunk| self.gemm(chunk, u, input, place, residual, value));
        }
        chunks.iter().for_each(|(_, held)| self.give(held));
    }

    fn gemm(
        &mut self,
        (chunk, held): &(&Chunk, Held),
        u: u32,
        input: (u32, u32),
        (dst, stride): (u32, u32),
        residual: Option<u32>,
        value: Value,
    ) {
        let width = *self.map.inputs(chunk.linear);
        let (mode, scaled) = (self.model.widths.weights, self.model.widths.group.is_some());
        let steps = self.model.steps(width.rows);
        let groups = if scaled { self.model.groups(chunk.linear) } else { runs(steps) };
        // Logits lie chunk by chunk; every other layer has one place for all its outputs.
        let row = chunk.first_tile * (self.g.n / self.g.l);
        let first = if chunk.linear == Linear::Head { 0 } else { row };
        let linear = Operator::Linear(chunk.linear);
        let operators = match value {
            Value::AttentionResidual => &[linear, Operator::AttentionResidual][..],
            Value::MlpResidual => &[linear, Operator::MlpResidual],
            _ => &[linear],
        };
        let partial = self.model.has_bias(chunk.linear);
        let gemm = Gemm {
            mode: mode as u32,
            tokens: self.in_group(u),
            ntiles: chunk.tiles,
            groups,
            steps: steps / groups,
            scaled: scaled.into(),
            a_row: input.0 + u * width.gathered(),
            w_row: held.at[0] / self.g.w_row(mode),
            wn_stride: steps,
            wk_stride: 1,
            g_row: held.at[1] / self.g.g_row,
            c_row: held.at[2] / self.g.c_row,
            dst: dst + first + u * stride,
            dst_stride: self.apart(self.in_group(u), stride),
            slot: input.1 + u * self.g.t,
            shift: self.model.shift(chunk.linear),
            residual: residual.is_some().into(),
            res: residual.map_or(0, |res| res + first + u * stride),
            narrow: self.narrow(self.model.widths.activations),
            ..Default::default()
        };
        self.push(Task(chunk.linear.name(), operators), gemm.into(), 0);
        let (count, step) = (self.in_group(u), self.buf.groups);
        self.last().produces = Some(Produces { value, token: u, step, count, head: 0, row, partial });
    }

    /// Whether a product is told that its activations have four bits: they do, and the machine has such products.
    pub fn narrow(&self, bits: u32) -> u32 {
        u32::from(self.g.narrow && bits <= 4)
    }

    /// Adds the bias of a linear layer, if it has one, to its outputs at `(dst, stride)`, in place.
    pub fn bias(&mut self, linear: Linear, (dst, stride): (u32, u32), value: Value) {
        self.bias_rows(linear, (dst, stride), 0..stride, value);
    }

    /// The same for some rows of the outputs, of which the first lies at `dst`.
    pub fn bias_rows(
        &mut self,
        linear: Linear,
        (dst, stride): (u32, u32),
        rows: std::ops::Range<u32>,
        value: Value,
    ) {
        if !self.model.has_bias(linear) {
            return;
        }
        let task = Task("bias", &[Operator::Bias(linear)]);
        let (piece, bias) = (self.map.biases[linear as usize], self.buf.biases[self.biases % 2]);
        self.biases += 1;
        let at = self.map.records + self.record_ahead + piece.at;
        self.load_fixed(task, space::V, bias, at, piece.blocks, Reg::Layer);
        let step = if self.tokens > 1 { stride } else { 0 };
        for first in rows.clone().step_by(MOST_ROWS as usize) {
            let to = dst + first - rows.start;
            let add = Vector {
                fun: Function::Add as u32,
                tokens: self.tokens,
                subs: 1,
                rows: (rows.end - first).min(MOST_ROWS),
                a: to,
                a_stride: step,
                b: bias + first,
                d: to,
                d_stride: step,
                ..Default::default()
            };
            self.vector(task, add, 0);
            let count = self.tokens;
            let whole = Produces { value, token: 0, step: 1, count, head: 0, row: first, partial: false };
            self.last().produces = Some(whole);
        }
    }

    /// Rows between neighbouring tokens of a permuted group; 0 where there is only one.
    fn apart(&self, tokens: u32, stride: u32) -> u32 {
        if tokens > 1 { self.buf.groups * stride } else { 0 }
    }

    /// Whether vectors lie across slices, as what enters linear layers does.
    pub fn across(&self) -> u32 {
        u32::from(self.g.slices > 1)
    }

    /// Vector instructions for all permuted groups. The template gives the places of token 0; its vectors are `rows` long, `stride`
    /// apart in a, and lie close in d.
    pub fn permuted(
        &mut self,
        task: Task,
        template: Vector,
        stride: u32,
        (value, site): (Value, Option<Site>),
    ) {
        let (groups, rows) = (self.buf.groups, template.rows);
        for u in 0..groups {
            let place = Vector { d: template.d + u * rows, d_stride: groups * rows, ..template };
            self.one_group(task, place, stride, u, (value, site));
        }
    }

    /// The same for one permuted group, one vector of each token; b moves with a, and d is that of the group.
    pub fn one_group(
        &mut self,
        task: Task,
        template: Vector,
        stride: u32,
        u: u32,
        (value, site): (Value, Option<Site>),
    ) {
        let tokens = self.in_group(u);
        let paired = template.gated != 0;
        let body = Vector {
            tokens,
            subs: 1,
            a: template.a + u * stride,
            a_stride: self.apart(tokens, stride),
            b: template.b + if paired { u * stride } else { 0 },
            b_stride: if paired { self.apart(tokens, stride) } else { 0 },
            d_stride: if tokens > 1 { template.d_stride } else { 0 },
            o: template.o + u * template.parts(&self.g) * template.rows,
            o_step: template.o_step + u * self.g.t,
            ..template
        };
        self.coded(task, body, site);
        let (count, step) = (tokens, self.buf.groups);
        self.last().produces =
            Some(Produces { value, token: u, step, count, head: 0, row: 0, partial: false });
    }

    /// A vector instruction whose result enters a linear layer at `site`: its output are the codes, or they are those under the
    /// fixed scale of the site, of an instruction of their own, and then nothing else is left of a copy.
    fn coded(&mut self, task: Task, body: Vector, site: Option<Site>) {
        let Some(site) = site.filter(|_| !self.model.scales.is_empty()) else {
            return self.vector(task, body, 0);
        };
        let mut codes =
            Vector { fun: Function::Requantise as u32, rlen: Reg::Scale as u32, ..Vector::default() };
        (codes.out, codes.tokens, codes.subs, codes.rows) = (body.out, body.tokens, body.subs, body.rows);
        (codes.o, codes.o_step, codes.o_token) = (body.o, body.o_step, body.o_token);
        (codes.a, codes.a_stride, codes.across) = (body.a, body.a_stride, body.across);
        if body.function() != Some(Function::Copy) {
            // Without codes, functions of one element need nothing of other slices.
            let across = if body.function().is_some_and(|f| f.point().is_none()) { body.across } else { 0 };
            let plain = Vector { out: out::NONE, o: 0, o_step: 0, o_token: 0, across, ..body };
            self.vector(task, plain, 0);
            (codes.a, codes.a_stride) = (body.d, body.d_stride);
        }
        self.vector(task, codes, 0);
        self.last().argument = Some(Argument::Scale(site));
    }

    /// The output of a vector instruction whose result enters a linear layer.
    pub fn input_codes(&self) -> u32 {
        activation_codes(self.model.widths.activations)
    }

    /// The attention output to codes.
    pub fn quantise_attention(&mut self) {
        let copy = Vector {
            fun: Function::Copy as u32,
            out: self.input_codes(),
            rows: self.map.widths.q.share,
            across: self.across(),
            a: self.buf.attention,
            d: self.buf.scratch,
            o: self.buf.a_input,
            o_step: self.buf.s_input,
            ..Default::default()
        };
        let task = Task("attention output", &[Operator::Values]);
        let value = (Value::AttentionOutput, Some(Site::ATTENTION));
        self.permuted(task, copy, self.buf.attention_stride, value);
    }

    /// The activation to codes, times `up` where it is that of a gate; one group at a time, because the result has no vectors
    /// beside each other.
    pub fn activation(&mut self) {
        let (stride, kind) = (self.map.widths.intermediate.stride, &self.model.kind);
        let active = Vector {
            fun: kind.activation as u32,
            gated: kind.gated.into(),
            out: self.input_codes(),
            rows: stride,
            across: self.across(),
            a: self.buf.gate,
            b: if kind.gated { self.buf.up } else { 0 },
            d: self.buf.scratch,
            d_stride: stride,
            o: self.buf.a_product,
            o_step: self.buf.s_product,
            ..Default::default()
        };
        let task = Task(kind.activation.name(), &[Operator::Activation, Operator::Product]);
        for u in 0..self.buf.groups {
            self.one_group(task, active, stride, u, (Value::Product, Some(Site::PRODUCT)));
        }
    }

    /// Stores rows from a block of their bank on.
    pub fn store_rows(&mut self, task: Task, src: u32, (addr, reg): (u32, Reg), blocks: u32) {
        let (bank, row) = vec_parts(src);
        let src = row * self.g.v_row / BLOCK_BYTES;
        let store = StoreBlocks { bank, src, addr, raddr: reg as u32, blocks };
        self.push(task, store.into(), 0);
    }
}

/// Codes of so many bits for the activation buffer.
pub(super) fn activation_codes(bits: u32) -> u32 {
    if bits == 4 { out::Q4 } else { out::Q8 }
}

/// Most rows of a vector: the bits of the instruction's field.
const MOST_ROWS: u32 = 1023;

/// Most steps of a group: the bits of the instruction's field.
const MOST_STEPS: u32 = 255;

/// The fewest equal groups of so many rows that the fields of an instruction hold; without scales any division is right.
fn runs(rows: u32) -> u32 {
    (rows.div_ceil(MOST_STEPS)..=rows).find(|groups| rows % groups == 0).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_without_scales_fall_into_few_equal_groups() {
        assert_eq!([1, 255, 256, 344, 257].map(super::runs), [1, 1, 2, 2, 257]);
    }
}
