//! What stands before the layers and behind them: constants, embeddings, positions; the projection to logits.

use super::build::{Builder, Task};
use super::{Argument, Reads, Reg, Site, Step, Value};
use crate::model::Linear;
use crate::nodes::Operator;
use hw::Function;
use hw::machine::BLOCK_BYTES;
use ir::diag::Diagnostic;
use isa::table::{Vector, space, vec_parts};

impl Builder<'_> {
    /// What stays on chip for all layers.
    pub fn constants(&mut self) {
        let (map, buf) = (self.map, self.buf.clone());
        if map.rope.blocks > 0 {
            let task = Task("rope steps", &[Operator::RopeQ, Operator::RopeK]);
            self.load_fixed(task, space::V, buf.rope, map.rope.at, map.rope.blocks, Reg::Zero);
        }
        let (at, blocks) = (map.value_channels.at, map.value_channels.blocks);
        let task = Task("value channels", &[Operator::Values]);
        self.load_fixed(task, space::C, buf.value_channels, at, blocks, Reg::Zero);
    }

    /// The gain of the first norm.
    pub fn first_gain(&mut self) {
        let (map, norm) = (self.map, Task("input norm", &[Operator::InputNorm]));
        self.load_fixed(norm, space::V, self.buf.gains[0], map.records, map.gains[0].blocks, Reg::Layer);
    }

    /// Constants, embeddings, the first norm; the first weights.
    pub fn prologue(&mut self) -> Vec<Step> {
        let buf = self.buf.clone();
        self.constants();
        self.first_gain();
        self.embedding(0, Reg::PositionRow);
        let norm = Task("input norm", &[Operator::InputNorm]);
        self.norm(norm, Value::InputNorm, 0, buf.gains[0], Some(Site::first(0)));
        self.load_carried(0);
        std::mem::take(&mut self.steps)
    }

    /// Embeddings of the tokens from the `first` of the run on, with positions if they are learned, whose rows begin where
    /// `reg` says, or at that of the first token.
    pub fn embedding(&mut self, first: u32, reg: Reg) {
        let (map, buf) = (self.map, self.buf.clone());
        let rows = map.embedding_blocks * BLOCK_BYTES / self.g.v_row;
        let embedding = Task("embedding", &[Operator::Embedding]);
        for t in 0..self.tokens {
            self.load_fixed(
                embedding,
                space::V,
                buf.embedding + t * rows,
                0,
                map.embedding_blocks,
                Reg::Token,
            );
            self.last().argument = Some(Argument::Token(first + t));
        }
        self.widen(embedding, (buf.embedding, buf.x), self.model.numbers.embedding_shift, Value::Embedding);
        if let Some(row) = map.learned {
            let start =
                if reg == Reg::Zero { map.positions + (row + first) * map.embedding_blocks } else { 0 };
            self.positions((start, reg));
        }
    }

    /// Elements of int16 rows as fixed-point values, for all tokens.
    fn widen(&mut self, task: Task, (from, to): (u32, u32), shift: i32, value: Value) {
        let (bank, row) = vec_parts(from);
        let copy = Vector {
            fun: Function::Copy as u32,
            tokens: self.tokens,
            subs: 1,
            rows: self.map.widths.hidden.stride,
            a: isa::table::vec_addr(bank, 2 * row),
            a_stride: 2 * self.map.embedding_blocks * BLOCK_BYTES / self.g.v_row,
            a_half: 1,
            d: to,
            d_stride: self.map.widths.hidden.stride,
            shift,
            ..Default::default()
        };
        self.vector(task, copy, 0);
        self.all_tokens(value);
    }

    /// Adds the rows of learned positions, which follow each other in their table, or the same one to tokens of several sequences.
    pub fn positions(&mut self, (start, reg): (u32, Reg)) {
        let (buf, stride) = (self.buf.clone(), self.map.widths.hidden.stride);
        let task = Task("positions", &[Operator::Positions]);
        let rows = self.map.embedding_blocks * BLOCK_BYTES / self.g.v_row;
        let (times, tokens) = if self.reads == Reads::Each { (self.tokens, 1) } else { (1, self.tokens) };
        for n in 0..times {
            let blocks = tokens * self.map.embedding_blocks;
            self.load_fixed(task, space::V, buf.positions + n * rows, start, blocks, reg);
        }
        let shift = self.model.numbers.positions_shift;
        self.widen(task, (buf.positions, buf.scratch), shift, Value::Positions);
        let add = Vector {
            fun: Function::Add as u32,
            tokens: self.tokens,
            subs: 1,
            rows: stride,
            a: buf.x,
            a_stride: stride,
            b: buf.scratch,
            b_stride: stride,
            d: buf.x,
            d_stride: stride,
            ..Default::default()
        };
        self.vector(task, add, 0);
        self.all_tokens(Value::Stream);
    }

    /// The projection to logits, as a segment of its own.
    pub fn epilogue(&mut self) -> Result<Vec<Step>, Diagnostic> {
        self.take_carried()?;
        self.logits()?;
        Ok(std::mem::take(&mut self.steps))
    }

    /// The projection to logits.
    pub fn logits(&mut self) -> Result<(), Diagnostic> {
        let (map, buf) = (self.map, self.buf.clone());
        let (mut carried, mut done) = (0, 0);
        for (i, chunk) in map.of(Linear::Head).enumerate() {
            let held = self.chunk(chunk, &mut carried)?;
            let rows = super::map::logits_rows(chunk, &self.g);
            let dst = buf.logits[i % 2];
            self.gemms(&[(chunk, held)], (buf.a_input, buf.s_input), (dst, rows), None, Value::Logits);
            let blocks = self.tokens * rows * self.g.v_row / BLOCK_BYTES;
            let task = Task("logits", &[Operator::Linear(Linear::Head)]);
            self.store_rows(task, dst, (map.logits + done, Reg::Zero), blocks);
            done += blocks;
        }
        Ok(())
    }
}
