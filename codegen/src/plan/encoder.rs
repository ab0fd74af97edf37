//! The passes of an encoder, whose tokens see each other: every layer goes over the whole sequence twice, chunk by chunk,
//! with the residual stream in memory between.
//!
//! ```text
//! constants, then for each layer: keys and values of every chunk into the cache
//!                                 attention and MLP of every chunk, which see all of it
//! then the last norm of every chunk
//! ```
//!
//! Nothing is carried on chip from one segment to the next, but for constants. The last load of a segment waits for its last
//! store ([`Builder::fence`]), which is the last step of all to be done; whatever follows waits for a load of its own segment.

use super::build::{Builder, Task};
use super::map::{blocks, logits_rows, part};
use super::{Flow, Reg, Segment, Site, Value};
use crate::model::Linear;
use crate::nodes::Operator;
use hw::Function;
use hw::machine::BLOCK_BYTES;
use ir::diag::Diagnostic;
use isa::table::{Unit, Vector, space};

pub(super) const STREAM: Task = Task("residual stream", &[]);

impl Builder<'_> {
    /// All segments of an encoder and how they follow each other. `early` as for a decoder's layer.
    pub fn encoder(&mut self, early: usize) -> Result<(Vec<Segment>, Vec<Flow>), Diagnostic> {
        self.constants();
        let mut segments = vec![self.segment("constants")];
        let mut flow = vec![Flow::Segment(0)];
        if self.model.reads_tokens() {
            self.embeddings(&mut segments);
            flow.extend((1..segments.len()).map(Flow::Segment));
        }
        self.stem(&mut segments, &mut flow)?;
        let keys = segments.len();
        self.begin(Some(Site::INPUT));
        let mut none = self.map.carried;
        for linear in [Linear::K, Linear::V] {
            self.project(linear, &mut none)?;
        }
        self.fence();
        segments.push(self.segment("keys and values"));
        segments.push(self.some_tokens(self.map.attending, |b| b.attention_and_mlp(early))?);
        flow.extend(self.first_scales(self.model.stem.len() as u32));
        flow.push(self.layers([keys, keys + 1]));
        let last = match self.model.has_ends() {
            true => self.some_tokens(1, Builder::pooled)?,
            false => self.result(),
        };
        segments.push(last);
        let behind: Vec<Flow> = match self.model.has_ends() {
            true => self.chunk_start().into_iter().chain([Flow::Segment(keys + 2)]).collect(),
            false => self.pass(keys + 2, self.tokens, &[]),
        };
        flow.extend(behind);
        Ok((segments, flow))
    }

    /// Puts the embeddings of all tokens into the residual stream.
    fn embeddings(&mut self, segments: &mut Vec<Segment>) {
        let (map, all) = (self.map, self.map.sequence.unwrap_or(self.map.context));
        let whole = self.tokens;
        for (chunk, first) in (0..).zip((0..all).step_by(whole as usize)) {
            self.tokens = whole.min(all - first);
            self.embedding(first, Reg::Zero);
            let at = map.stream.at + chunk * map.chunk_blocks;
            self.store_rows(STREAM, self.buf.x, (at, Reg::Zero), map.chunk_blocks);
            self.fence();
            segments.push(self.segment("embedding"));
        }
        self.tokens = whole;
    }

    /// The last norm of a chunk.
    fn result(&mut self) -> Segment {
        self.begin(None);
        let normed = if self.model.kind.post_norm { self.buf.x } else { self.buf.scratch };
        let task = Task("last norm", &[Operator::FinalNorm]);
        self.store_rows(task, normed, (self.map.logits, Reg::Stream), self.map.chunk_blocks);
        self.fence();
        self.segment("result")
    }

    /// Steps of fewer tokens than a chunk.
    fn some_tokens<T>(&mut self, tokens: u32, steps: impl FnOnce(&mut Self) -> T) -> T {
        let before = (self.tokens, self.buf.groups);
        (self.tokens, self.buf.groups) = (tokens, tokens.div_ceil(self.g.t));
        let made = steps(self);
        (self.tokens, self.buf.groups) = before;
        made
    }

    /// Attention to all keys and values, and the MLP.
    fn attention_and_mlp(&mut self, early: usize) -> Result<Segment, Diagnostic> {
        self.begin(Some(Site::INPUT));
        self.project(Linear::Q, &mut self.map.carried.clone())?;
        self.attend(early, false)?;
        let (to, blocks) = ((self.map.stream.at, Reg::Stream), self.stream_blocks(self.tokens));
        self.store_rows(STREAM, self.buf.x, to, blocks);
        self.fence();
        Ok(self.segment("layer"))
    }

    /// Blocks of so many tokens of the residual stream.
    pub fn stream_blocks(&self, tokens: u32) -> u32 {
        blocks(tokens * self.map.widths.hidden.stride * self.g.v_row)
    }

    /// The last norm, the pooling layer and the logits of the first token.
    fn pooled(&mut self) -> Result<Segment, Diagnostic> {
        self.begin(Some(Site::INPUT));
        let (map, buf) = (self.map, self.buf.clone());
        let input = (buf.a_input, buf.s_input);
        let mut none = map.carried;
        let place = (buf.x, map.widths.hidden.stride);
        for chunk in map.of(Linear::Pool) {
            let held = self.chunk(chunk, &mut none)?;
            self.gemms(&[(chunk, held)], input, place, None, Value::Pool);
        }
        self.bias(Linear::Pool, place, Value::Pool);
        let tanh = Vector {
            fun: Function::Tanh as u32,
            out: self.input_codes(),
            rows: place.1,
            across: self.across(),
            a: place.0,
            d: buf.scratch,
            o: input.0,
            o_step: input.1,
            ..Default::default()
        };
        let (task, behind) = (Task("tanh", &[Operator::Linear(Linear::Pool)]), Site { at: 1, ..Site::INPUT });
        self.permuted(task, tanh, place.1, (Value::Pool, Some(behind)));
        let mut done = 0;
        for chunk in map.of(Linear::Head) {
            let held = self.chunk(chunk, &mut none)?;
            let rows = logits_rows(chunk, &self.g);
            self.gemms(&[(chunk, held)], input, (buf.logits[0], rows), None, Value::Logits);
            let per_tile = self.g.n / self.g.l;
            let part = chunk.first_tile * per_tile..(chunk.first_tile + chunk.tiles) * per_tile;
            self.bias_rows(Linear::Head, (buf.logits[0], rows), part, Value::Logits);
            let blocks = rows * self.g.v_row / BLOCK_BYTES;
            let task = Task("logits", &[Operator::Linear(Linear::Head)]);
            self.store_rows(task, buf.logits[0], (map.logits + done, Reg::Zero), blocks);
            done += blocks;
        }
        Ok(self.segment("logits"))
    }

    pub fn segment(&mut self, name: &'static str) -> Segment {
        Segment { name, steps: std::mem::take(&mut self.steps) }
    }

    /// The residual stream of a chunk and its first norm, with codes at a site or without.
    pub fn begin(&mut self, site: Option<Site>) {
        let (map, buf) = (self.map, self.buf.clone());
        let blocks = self.stream_blocks(self.tokens);
        let chunk = if map.sequence.is_some() { Reg::Stream } else { Reg::Zero };
        self.load_fixed(STREAM, space::V, buf.x, map.stream.at, blocks, chunk);
        let norm = Task("input norm", &[Operator::InputNorm]);
        self.load_fixed(norm, space::V, buf.gains[0], map.records, map.gains[0].blocks, Reg::Layer);
        self.norm(norm, Value::InputNorm, 0, buf.gains[0], site);
    }

    /// A load that waits for the last store of the segment: of a constant to where it lies.
    pub fn fence(&mut self) {
        let last = self.steps.iter().rposition(|step| step.unit() == Unit::Store);
        let (at, to) = (self.map.value_channels.at, self.buf.value_channels);
        self.load_fixed(Task("fence", &[]), space::C, to, at, 1, Reg::Zero);
        self.last().after.extend(last);
    }

    /// A segment for every so many tokens, with registers that move on by chunk besides those of all.
    fn pass(&self, segment: usize, tokens: u32, more: &[(Reg, u32)]) -> Vec<Flow> {
        let next = [(Reg::Stream, self.stream_blocks(tokens)), (Reg::Position, tokens)];
        let advances = next.iter().chain(more).map(|a| Flow::advance(*a));
        let body = [Flow::Segment(segment)].into_iter().chain(advances).collect();
        let count = self.map.context / tokens;
        self.chunk_start().into_iter().chain([Flow::Loop { count, body }]).collect()
    }

    /// The loop of the layers, from the segments of their two passes.
    fn layers(&self, [keys, attention]: [usize; 2]) -> Flow {
        let map = self.map;
        let parts = [part::K, part::K_SCALE, part::V, part::V_SCALE].map(|p| map.parts[p]);
        let stores: Vec<_> = Reg::STORES.into_iter().zip(parts).collect();
        let first = stores.iter().map(|(reg, part)| Flow::Add {
            to: *reg,
            from: Reg::CacheBytes,
            imm: (map.cache + part.at) * BLOCK_BYTES,
        });
        let by_chunk: Vec<_> =
            stores.iter().map(|(reg, part)| (*reg, self.tokens / part.div * part.unit_bytes)).collect();
        let next = [
            (Reg::Layer, map.record_blocks),
            (Reg::Cache, map.cache_blocks),
            (Reg::CacheBytes, map.cache_blocks * BLOCK_BYTES),
        ];
        let next = next.into_iter().chain(self.next_scales());
        let passes = self.pass(keys, self.tokens, &by_chunk).into_iter();
        let passes = passes.chain(self.pass(attention, map.attending, &[]));
        let body = first.chain(passes).chain(next.map(Flow::advance)).collect();
        Flow::Loop { count: self.model.layers, body }
    }

    /// Registers of the first chunk.
    fn chunk_start(&self) -> [Flow; 2] {
        [Reg::Stream, Reg::Position].map(|to| Flow::Add { to, from: Reg::Zero, imm: 0 })
    }
}
