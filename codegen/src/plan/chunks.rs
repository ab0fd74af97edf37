//! Weights of linear layers in chunks that load at once: whole output tiles, as many as their share of the buffers takes.

use super::Options;
use super::map::{Chunk, Piece, Widths, blocks};
use crate::model::{Linear, Model};
use hw::machine::BLOCK_BYTES;
use hw::{Form, Geometry, Machine};
use ir::diag::Diagnostic;

/// Cuts the weights of a record into chunks, one behind the other.
pub(super) struct Chunker<'a> {
    pub model: &'a Model,
    pub machine: &'a Machine,
    pub options: &'a Options,
    pub g: &'a Geometry,
    pub widths: &'a Widths,
    /// Of weights.
    pub form: Form,
    pub at: u32,
}

impl Chunker<'_> {
    /// The chunks of a layer, in the order in which they are used.
    pub fn layer(&mut self) -> Result<Vec<Chunk>, Diagnostic> {
        use Linear::*;
        // The first chunk has a twin in the last record, so it cannot have more tiles than the projection to logits.
        let twins = self.model.has_ends() && self.model.kind.causal && !self.model.kind.early;
        let head_tiles = if twins { self.tiles(Head) } else { u32::MAX };
        let mut chunks = Vec::new();
        for linear in [K, V, Q, O, Gate, Up, Down].into_iter().filter(|&l| self.model.has(l)) {
            let most = if linear == K { self.most(linear)?.min(head_tiles) } else { self.most(linear)? };
            let tiles = self.tiles(linear);
            self.split(linear, 0, tiles, most, &mut chunks);
        }
        Ok(chunks)
    }

    /// How many chunks of the layer are carried, and the chunks of the last record; those of the projection to logits with
    /// their twins first.
    pub fn last(&mut self, layer: &[Chunk], start: u32) -> Result<(usize, Vec<Chunk>), Diagnostic> {
        self.at = start;
        if !self.model.kind.causal || self.model.kind.early {
            let mut chunks = Vec::new();
            let all = [Linear::Conv1, Linear::Conv2, Linear::Pool, Linear::Head];
            for linear in all.into_iter().filter(|&l| self.model.has(l)) {
                let most = self.most(linear)?;
                self.split(linear, 0, self.tiles(linear), most, &mut chunks);
            }
            return Ok((0, chunks));
        }
        if !self.model.has_ends() {
            return Ok((0, Vec::new()));
        }
        let tiles = self.tiles(Linear::Head);
        let (mut chunks, mut done) = (Vec::new(), 0);
        let b = &self.machine.buffers;
        let limits =
            [b.weight_bytes, b.group_scale_bytes, b.channel_bytes].map(|bytes| bytes / BLOCK_BYTES / 2);
        let mut used = [0; 3];
        for twin in layer.iter().take(self.options.prefetch.max(1) as usize) {
            let sizes = twin.held();
            let fits = (0..3).all(|i| used[i] + sizes[i] <= limits[i]) || chunks.is_empty();
            let shared = matches!(twin.linear, Linear::K | Linear::V | Linear::Q);
            if !fits || !shared || done + twin.tiles > tiles {
                break;
            }
            (0..3).for_each(|i| used[i] += sizes[i]);
            self.split(Linear::Head, done, twin.tiles, twin.tiles, &mut chunks);
            done += twin.tiles;
        }
        let carried = chunks.len();
        let most = self.most(Linear::Head)?;
        self.split(Linear::Head, done, tiles - done, most, &mut chunks);
        Ok((carried, chunks))
    }

    fn tiles(&self, linear: Linear) -> u32 {
        self.widths.outputs(linear).stride * self.g.l / self.g.n
    }

    /// Weight rows and groups of a tile.
    fn tile(&self, linear: Linear) -> (u32, u32) {
        let inputs = match linear {
            Linear::O => self.widths.q,
            Linear::Down => self.widths.intermediate,
            Linear::Conv1 => self.widths.windows[0],
            Linear::Conv2 => self.widths.windows[1],
            _ => self.widths.hidden,
        };
        (self.model.steps(inputs.rows), self.model.groups(linear))
    }

    /// Most tiles of a chunk.
    fn most(&self, linear: Linear) -> Result<u32, Diagnostic> {
        let (rows, groups) = self.tile(linear);
        let b = &self.machine.buffers;
        let part = self.options.chunk_part.max(1);
        let mut most = u32::MAX;
        for (buffer, bytes, tile) in [
            ("weight", b.weight_bytes, u64::from(rows) * u64::from(self.g.w_row(self.model.widths.weights))),
            ("group_scale", b.group_scale_bytes, u64::from(groups) * u64::from(self.g.g_row)),
            ("channel", b.channel_bytes, u64::from(self.g.c_row)),
        ] {
            let share = u64::from(bytes / part);
            // Two chunks side by side are faster, one is enough.
            if tile > u64::from(bytes) {
                let why = format!("one output tile needs {tile} bytes of {bytes}");
                return Err(Diagnostic::new(
                    "machine-too-small",
                    format!("a layer does not fit the {buffer} buffer"),
                )
                .at_item(linear.name())
                .because(why)
                .help(format!("raise buffers.{buffer}_bytes, or lower matrix.outputs or matrix.lanes")));
            }
            // Without group scales a tile takes nothing of their buffer.
            most = most.min((share / tile.max(1)).max(1) as u32);
        }
        Ok(most)
    }

    /// Blocks of DRAM of so many bytes of weight rows: whole packets of whole rows.
    fn in_dram(&self, bytes: u32) -> u32 {
        let packet = self.form.on_chip(self.form.blocks()) as u32;
        let row = if self.form == Form::Plain { 1 } else { 2 * self.g.kept_codes() };
        // Both are powers of two.
        bytes.next_multiple_of(packet.max(row)) / packet * self.form.blocks()
    }

    fn split(&mut self, linear: Linear, first: u32, tiles: u32, most: u32, out: &mut Vec<Chunk>) {
        let (rows, groups) = self.tile(linear);
        let count = tiles.div_ceil(most.max(1));
        let mut first_tile = first;
        for i in 0..count {
            let tiles = tiles / count + u32::from(i < tiles % count);
            let form = self.form;
            let [weights, groups, channels] = [
                self.in_dram(tiles * rows * self.g.w_row(self.model.widths.weights)),
                blocks(tiles * groups * self.g.g_row),
                blocks(tiles * self.g.c_row),
            ]
            .map(|blocks| {
                self.at += blocks;
                Piece { at: self.at - blocks, blocks }
            });
            out.push(Chunk { linear, first_tile, tiles, weights, form, groups, channels });
            first_tile += tiles;
        }
    }
}
