//! Decoders whose logits stand behind the attention of their last layer.
//!
//! ```text
//! constants and embeddings, then every layer but the last
//! then attention of the last layer, the last norm, logits
//! ```
//!
//! As for encoders, the residual stream is in memory between segments, each of which ends with a fence ([`Builder::fence`]), and
//! nothing else is carried from one to the next: the last layer is no round of a loop that loads ahead for the next.

use super::build::{Builder, Task};
use super::encoder::STREAM;
use super::{Flow, Reg, Segment, Site, Value};
use crate::model::Linear;
use crate::nodes::Operator;
use ir::diag::Diagnostic;
use isa::table::space;

impl Builder<'_> {
    /// All segments, and how they follow each other. `early` as for a layer.
    pub fn early(&mut self, early: usize) -> Result<(Vec<Segment>, Vec<Flow>), Diagnostic> {
        self.constants();
        self.embedding(0, Reg::PositionRow);
        self.keep();
        let mut segments = vec![self.segment("prologue")];
        let mut flow: Vec<Flow> = [Flow::Segment(0)].into_iter().chain(self.first_scales(0)).collect();
        if self.model.layers > 1 {
            self.begin(Some(Site::INPUT));
            self.layer_steps(early)?;
            self.keep();
            segments.push(self.segment("layer"));
            let next = self.map.strides().into_iter().chain(self.next_scales()).map(Flow::advance);
            let body = [Flow::Segment(1)].into_iter().chain(next).collect();
            flow.push(Flow::Loop { count: self.model.layers - 1, body });
        }
        self.begin(Some(Site::INPUT));
        self.last_attention(early)?;
        flow.push(Flow::Segment(segments.len()));
        segments.push(self.segment("logits"));
        Ok((segments, flow))
    }

    /// The residual stream into memory.
    fn keep(&mut self) {
        let blocks = self.stream_blocks(self.tokens);
        self.store_rows(STREAM, self.buf.x, (self.map.stream.at, Reg::Zero), blocks);
        self.fence();
    }

    /// Attention of the last layer, the last norm and the logits, whose weights are in the record behind that layer's.
    fn last_attention(&mut self, early: usize) -> Result<(), Diagnostic> {
        let map = self.map;
        for linear in [Linear::K, Linear::V, Linear::Q] {
            self.project(linear, &mut map.carried.clone())?;
        }
        self.mix(early.min(map.of(Linear::O).count()))?;
        self.record_ahead = map.record_blocks;
        let norm = Task("last norm", &[Operator::FinalNorm]);
        let (gain, at) = (map.gains[0], self.buf.gains[0]);
        let from = map.records + self.record_ahead + gain.at;
        self.load_fixed(norm, space::V, at, from, gain.blocks, Reg::Layer);
        // Its scale stands where that of the MLP would.
        self.norm(norm, Value::FinalNorm, 0, at, Some(Site::MLP));
        self.logits()?;
        self.record_ahead = 0;
        Ok(())
    }
}
