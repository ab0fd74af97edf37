//! Convolutions over the frames of a signal, before the layers of an encoder: linear layers on windows of frames.
//!
//! Frames lie one behind the other, in memory and on chip, so that a window is a run of rows; neighbouring windows share
//! rows. Before the first frame and behind the last lie frames of zeros, which nothing ever writes.

use super::build::{Builder, Task};
use super::encoder::STREAM;
use super::map::{Piece, Widths, blocks};
use super::width::Width;
use super::{Flow, Reg, Segment, Site, Value};
use crate::model::{Linear, Model, Window};
use crate::nodes::Operator;
use hw::Function;
use hw::Geometry;
use hw::machine::BLOCK_BYTES;
use ir::diag::Diagnostic;
use isa::table::{Vector, space};

/// The layouts of a frame that goes into convolution `n`, and of its windows.
///
/// # Errors
/// Frames that do not lie one behind the other without a gap that would count as elements, or that are no whole blocks.
pub fn widths(
    window: &Window,
    n: usize,
    (group, multiple): (Option<u32>, u32),
    g: &Geometry,
) -> Result<(Width, Width), Diagnostic> {
    let mut frame = Width::new(window.channels, group.unwrap_or(window.channels), multiple, g);
    let block = (BLOCK_BYTES / g.v_row).max(1);
    if n == 0 {
        // The host writes these; the others are what a convolution leaves.
        frame.stride = frame.rows.next_multiple_of(block);
        frame.share = frame.stride;
    }
    let whole = frame.stride == frame.rows || frame.block == frame.elements;
    if !whole || frame.stride % block != 0 {
        return Err(Diagnostic::new("frames-unaligned", "the frames of a convolution do not suit this machine's rows")
            .at_item("matrix.lanes")
            .because(format!(
                "a frame of {} elements takes {} rows of {} bytes, and frames lie one behind the other in whole blocks of {BLOCK_BYTES}",
                window.channels, frame.stride, g.v_row
            ))
            .help("choose a scheme without groups, or a machine whose rows hold a frame evenly"));
    }
    let block_rows = if frame.block == frame.elements { frame.stride } else { frame.block_rows };
    let rows = window.kernel * frame.stride;
    let elements = window.kernel * window.channels;
    let all = Width { elements, block_rows, rows, share: rows, stride: rows, ..frame };
    Ok((frame, all))
}

/// Places of the frames of a sequence of so many tokens, with those of zeros around them.
pub fn regions(model: &Model, widths: &Widths, tokens: u32, g: &Geometry) -> [Piece; 2] {
    let frames = model.frames(tokens);
    [0, 1].map(|n| {
        let size = |window: &Window| {
            let rows = (frames[n] + 2 * window.pad).saturating_mul(widths.frames[n].stride);
            blocks(rows.saturating_mul(g.v_row))
        };
        Piece { at: 0, blocks: model.stem.get(n).map_or(0, size) }
    })
}

impl Builder<'_> {
    /// All convolutions, each over all of its chunks: whole ones in a loop, then the rest.
    pub fn stem(&mut self, segments: &mut Vec<Segment>, flow: &mut Vec<Flow>) -> Result<(), Diagnostic> {
        self.record_ahead = self.model.layers * self.map.record_blocks;
        let (whole, all) = (self.tokens, self.map.sequence.unwrap_or(self.map.context));
        for n in 0..self.model.stem.len() {
            let outputs =
                self.model.frames(all).get(n + 1).copied().filter(|_| n + 1 < self.model.stem.len());
            let outputs = outputs.unwrap_or(all);
            flow.extend([Reg::Frames, Reg::Stream, Reg::PositionRow].map(|to| Flow::Add {
                to,
                from: Reg::Zero,
                imm: 0,
            }));
            for (tokens, count) in [(whole, outputs / whole), (outputs % whole, 1)] {
                if tokens == 0 || count == 0 {
                    continue;
                }
                self.tokens = tokens;
                let groups = std::mem::replace(&mut self.buf.groups, tokens.div_ceil(self.g.t));
                let advances = self.convolution(n)?;
                self.buf.groups = groups;
                let body =
                    [Flow::Segment(segments.len())].into_iter().chain(advances.map(Flow::advance)).collect();
                segments.push(self.segment(Linear::STEM[n].name()));
                flow.push(Flow::Loop { count, body });
            }
            self.tokens = whole;
        }
        self.record_ahead = 0;
        Ok(())
    }

    /// One chunk of a convolution; gives the registers that move on to the next.
    fn convolution(&mut self, n: usize) -> Result<[(Reg, u32); 3], Diagnostic> {
        let (map, buf) = (self.map, self.buf.clone());
        let (linear, window, last) = (Linear::STEM[n], self.model.stem[n], n + 1 == self.model.stem.len());
        let (frame, rows, out) =
            (map.widths.frames[n].stride, map.widths.windows[n].rows, *map.outputs(linear));
        let task = Task(linear.name(), &[Operator::Linear(Linear::Conv1), Operator::Linear(Linear::Conv2)]);
        let v_row = self.g.v_row;
        let block = |rows: u32| rows * v_row / BLOCK_BYTES;
        let read = ((self.tokens - 1) * window.stride + window.kernel) * frame;
        let (by_frames, by_rows) =
            (block(self.tokens * window.stride * frame), block(self.tokens * out.stride));
        self.load_fixed(task, space::V, buf.x, map.frames[n].at, block(read), Reg::Frames);
        let copy = Vector {
            fun: Function::Copy as u32,
            out: self.input_codes(),
            rows,
            a: buf.x,
            d: buf.scratch,
            d_stride: rows,
            o: buf.a_input,
            o_step: buf.s_input,
            ..Default::default()
        };
        for u in 0..self.buf.groups {
            let value = (Value::Stem, Some(Site::first(n as u32)));
            self.one_group(task, copy, window.stride * frame, u, value);
        }
        let mut none = map.carried;
        let place = (buf.gate, out.stride);
        for chunk in map.of(linear) {
            let held = self.chunk(chunk, &mut none)?;
            self.gemms(&[(chunk, held)], (buf.a_input, buf.s_input), place, None, Value::Stem);
        }
        self.bias(linear, place, Value::Stem);
        let active = Vector {
            fun: self.model.kind.activation as u32,
            tokens: self.tokens,
            subs: 1,
            rows: out.stride,
            a: place.0,
            a_stride: if self.tokens > 1 { out.stride } else { 0 },
            d: buf.x,
            d_stride: if self.tokens > 1 { out.stride } else { 0 },
            ..Default::default()
        };
        self.vector(task, active, 0);
        self.all_tokens(Value::Stem);
        let to = if last {
            if let Some(row) = map.learned {
                self.positions((map.positions + row * map.embedding_blocks, Reg::PositionRow));
            }
            map.stream.at
        } else {
            map.frames[n + 1].at + block(self.model.stem[n + 1].pad * out.stride)
        };
        let stored = blocks(self.tokens * out.stride * self.g.v_row);
        self.store_rows(STREAM, buf.x, (to, Reg::Stream), stored);
        self.fence();
        let by_positions = self.tokens * map.embedding_blocks;
        let by_stream = if last { map.chunk_blocks } else { by_rows };
        Ok([(Reg::Frames, by_frames), (Reg::Stream, by_stream), (Reg::PositionRow, by_positions)])
    }
}
