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
use super::map::part;
use super::{Flow, Reg, Segment, Value};
use crate::model::Linear;
use crate::nodes::Operator;
use hw::machine::BLOCK_BYTES;
use ir::diag::Diagnostic;
use isa::table::{Unit, space};

const STREAM: Task = Task("residual stream", &[]);

/// Registers of the segments, by the order in which they are made.
const CONSTANTS: usize = 0;
const KEYS: usize = 1;
const ATTENTION: usize = 2;
const RESULT: usize = 3;

impl Builder<'_> {
    /// All segments of an encoder and how they follow each other. `early` as for a decoder's layer.
    pub fn encoder(&mut self, early: usize) -> Result<(Vec<Segment>, Vec<Flow>), Diagnostic> {
        self.constants();
        let mut segments = vec![self.segment("constants")];
        self.begin();
        let mut none = self.map.carried;
        for linear in [Linear::K, Linear::V] {
            self.project(linear, &mut none)?;
        }
        self.fence();
        segments.push(self.segment("keys and values"));
        self.begin();
        self.project(Linear::Q, &mut none)?;
        self.attend(early, false)?;
        self.store_rows(STREAM, self.buf.x, (self.map.stream.at, Reg::Stream), self.map.chunk_blocks);
        self.fence();
        segments.push(self.segment("layer"));
        self.begin();
        let normed = if self.model.kind.post_norm { self.buf.x } else { self.buf.scratch };
        let task = Task("last norm", &[Operator::FinalNorm]);
        self.store_rows(task, normed, (self.map.logits, Reg::Stream), self.map.chunk_blocks);
        self.fence();
        segments.push(self.segment("result"));
        Ok((segments, self.flow()))
    }

    fn segment(&mut self, name: &'static str) -> Segment {
        Segment { name, steps: std::mem::take(&mut self.steps) }
    }

    /// The residual stream of a chunk and its first norm.
    fn begin(&mut self) {
        let (map, buf) = (self.map, self.buf.clone());
        self.load_fixed(STREAM, space::V, buf.x, map.stream.at, map.chunk_blocks, Reg::Stream);
        let norm = Task("input norm", &[Operator::InputNorm]);
        self.load_fixed(norm, space::V, buf.gains[0], map.records, map.gains[0].blocks, Reg::Layer);
        self.norm(norm, Value::InputNorm, 0, buf.gains[0]);
    }

    /// A load that waits for the last store of the segment: of a constant to where it lies.
    fn fence(&mut self) {
        let last = self.steps.iter().rposition(|step| step.unit() == Unit::Store);
        let (at, to) = (self.map.value_channels.at, self.buf.value_channels);
        self.load_fixed(Task("fence", &[]), space::C, to, at, 1, Reg::Zero);
        self.last().after.extend(last);
    }

    fn flow(&self) -> Vec<Flow> {
        let map = self.map;
        let chunks = map.context / self.tokens;
        let (start, next) =
            (self.chunk_start(), [(Reg::Stream, map.chunk_blocks), (Reg::Position, self.tokens)]);
        let pass = |segment, more: &[(Reg, u32)]| {
            let advances = next.iter().chain(more).map(|a| Flow::advance(*a));
            let body = [Flow::Segment(segment)].into_iter().chain(advances).collect();
            start.iter().cloned().chain([Flow::Loop { count: chunks, body }])
        };
        let parts = [part::K, part::K_SCALE, part::V, part::V_SCALE].map(|p| map.parts[p]);
        let stores: Vec<_> = Reg::STORES.into_iter().zip(parts).collect();
        let first = stores.iter().map(|(reg, part)| Flow::Add {
            to: *reg,
            from: Reg::CacheBytes,
            imm: (map.cache + part.at) * BLOCK_BYTES,
        });
        let by_chunk: Vec<_> =
            stores.iter().map(|(reg, part)| (*reg, self.tokens / part.div * part.unit_bytes)).collect();
        let layers = [
            (Reg::Layer, map.record_blocks),
            (Reg::Cache, map.cache_blocks),
            (Reg::CacheBytes, map.cache_blocks * BLOCK_BYTES),
        ];
        let layer = first.chain(pass(KEYS, &by_chunk)).chain(pass(ATTENTION, &[]));
        let layer = layer.chain(layers.map(Flow::advance)).collect();
        let all = [Flow::Segment(CONSTANTS), Flow::Loop { count: self.model.layers, body: layer }];
        all.into_iter().chain(pass(RESULT, &[])).collect()
    }

    /// Registers of the first chunk.
    fn chunk_start(&self) -> [Flow; 2] {
        [Reg::Stream, Reg::Position].map(|to| Flow::Add { to, from: Reg::Zero, imm: 0 })
    }
}
