//! Where everything lies in DRAM, for one model on one machine; the same for every program.
//!
//! Invariants:
//! - all layers have the same record of weights, `record_blocks` apart; the record behind the last layer holds the last
//!   norm and the projection to logits, and starts with the same pieces, so that a layer can load ahead for "the next";
//! - all layers have the same record of cached keys and values, `cache_blocks` apart;
//! - every piece starts at a 64-byte block.
//!
//! A layer without ends has one record, no embedding, and instead of logits the residual stream, in and out.

use super::chunks::Chunker;
use super::width::{Width, head_block};
use super::{Options, Reg};
use crate::model::{Kind, Linear, Model};
use hw::machine::BLOCK_BYTES;
use hw::{Form, Geometry, Machine};
use ir::decoder::NormKind;
use ir::diag::Diagnostic;
use isa::program::{ArgValue, Ring};

/// Bytes reserved for each program.
pub const PROGRAM_BYTES: u32 = 1 << 16;
/// Programs that share the memory: one token, a chunk of a prompt.
pub const PROGRAMS: u32 = 2;

/// Layouts of the vectors of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    pub hidden: Width,
    pub intermediate: Width,
    /// All heads of q, and the attention output.
    pub q: Width,
    /// All heads of k or of v.
    pub kv: Width,
    /// One head.
    pub head: Width,
    pub logits: Width,
    /// Frames that go into each convolution of the stem; the rows of one are `stride`.
    pub frames: [Width; 2],
    /// Windows of them.
    pub windows: [Width; 2],
}

/// Consecutive output tiles of a linear layer, loaded at once. Places are blocks from the start of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    pub linear: Linear,
    pub first_tile: u32,
    pub tiles: u32,
    pub weights: Piece,
    /// How these lie in DRAM.
    pub form: Form,
    pub groups: Piece,
    pub channels: Piece,
}

impl Chunk {
    /// Blocks that it takes in W, G and C.
    pub fn held(&self) -> [u32; 3] {
        let weights = self.form.on_chip(self.weights.blocks) / u64::from(BLOCK_BYTES);
        [weights as u32, self.groups.blocks, self.channels.blocks]
    }
}

/// A range of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    pub at: u32,
    pub blocks: u32,
}

/// One kind of cached data: per head, units of `div` positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePart {
    /// Blocks from the start of the sequence's part of the layer's cache record.
    pub at: u32,
    pub head_blocks: u32,
    /// Positions of a unit: a K tile or a row of V.
    pub div: u32,
    pub unit_bytes: u32,
    /// Bytes between neighbouring positions of a unit.
    pub position_bytes: u32,
}

/// See the module head. Addresses are blocks unless they say bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub widths: Widths,
    /// Heads of q, and of k and v, in a slice.
    pub heads: u32,
    pub kv_heads: u32,
    /// Positions that runs may reach.
    pub context: u32,
    /// Positions of the cache: all of those in whole chunks, or sink and window.
    pub held: u32,
    /// Sink and window, if these are fewer than all.
    pub window: Option<[u32; 2]>,
    /// Tokens of the sequence, of encoders, at most `context`: all see all of them.
    pub sequence: Option<u32>,
    /// Most tokens of a program, or of a chunk of an encoder.
    pub tokens: u32,
    /// Tokens that go through attention and MLP at a time, at most `tokens`; less only of encoders.
    pub attending: u32,
    /// Gains of the norm before attention and before the MLP, in the record.
    pub gains: [Piece; 2],
    /// Biases of the linear layers in the order of [`Linear::ALL`], in the record; of no blocks where there is none.
    pub biases: [Piece; Linear::COUNT],
    /// Chunks of every linear layer of a record, in load order; the head's are in the last record.
    pub chunks: Vec<Chunk>,
    /// Leading entries of `chunks` that have their twin at the start of the last record.
    pub carried: usize,
    pub record_blocks: u32,
    pub records: u32,
    pub rope: Piece,
    pub value_channels: Piece,
    pub embedding: u32,
    /// Blocks of a row of the embedding, and of the table of positions.
    pub embedding_blocks: u32,
    /// Table of learned positions, and its row for position 0 if there is one.
    pub positions: u32,
    pub learned: Option<u32>,
    pub cache: u32,
    /// Of a layer, and of a sequence in it.
    pub cache_blocks: u32,
    pub sequence_blocks: u32,
    /// K codes, K scales, V codes, V scales.
    pub parts: [CachePart; 4],
    /// Frames that go into each convolution of the stem, with zeros before and behind them.
    pub frames: [Piece; 2],
    /// Blocks of a chunk of the residual stream.
    pub chunk_blocks: u32,
    /// The residual stream that comes in, where there is no embedding; that of all chunks of an encoder; what is between the layers of
    /// a decoder that ends early.
    pub stream: Piece,
    /// Logits, or the residual stream that goes out.
    pub logits: u32,
    pub logits_blocks: u32,
    /// Bytes of the memory in use.
    pub end_bytes: u64,
}

/// Index of each part of the cache.
pub mod part {
    pub const K: usize = 0;
    pub const K_SCALE: usize = 1;
    pub const V: usize = 2;
    pub const V_SCALE: usize = 3;
}

/// Positions at which programs of so many tokens start: multiples of this. New positions fill whole tiles of cached keys and rows
/// of cached values, or lie within one of each.
pub fn starts(g: &Geometry, tokens: u32) -> u32 {
    let (n, l) = (g.n, g.l);
    let within = |d: u32| if d < l { l % d == 0 } else { d % l == 0 && n % d == 0 };
    (tokens..n).find(|&d| within(d)).unwrap_or(n)
}

/// Blocks that hold `bytes`.
pub fn blocks(bytes: u32) -> u32 {
    bytes.div_ceil(BLOCK_BYTES)
}

impl CachePart {
    /// Units that make up whole blocks together.
    fn merge(&self) -> u32 {
        let mut shift = 0;
        while shift < 6 && (self.unit_bytes << shift) % BLOCK_BYTES != 0 {
            shift += 1;
        }
        1 << shift
    }

    /// Blocks to load, beside those of the argument, for so many new positions at multiples of `step`. Where units are smaller than
    /// blocks and the new ones may begin inside of one, up to a block's worth of units more.
    pub fn load_blocks(&self, new: u32, step: u32) -> u32 {
        let (merge, units) = (self.merge(), new.div_ceil(self.div));
        let begun = u32::from(!self.aligned(step));
        (begun + (units - begun).div_ceil(merge)) * self.merged_blocks()
    }

    /// Blocks in front of a position's.
    fn blocks_before(&self) -> ArgValue {
        let (div, quotient) = (self.div * self.merge(), self.merged_blocks());
        ArgValue::Position { div, quotient, remainder: 0, constant: 0 }
    }

    /// Blocks that any load of up to `held` positions may touch, for one new one or `new` at multiples of `step`.
    fn most_blocks(&self, held: u32, new: u32, step: u32) -> u32 {
        let more = u32::from(self.merge() > 1 && new > 1 && !self.aligned(step));
        (held.div_ceil(self.div).div_ceil(self.merge()) + more) * self.merged_blocks()
    }

    /// Blocks of the units that make up whole ones together.
    fn merged_blocks(&self) -> u32 {
        self.unit_bytes * self.merge() / BLOCK_BYTES
    }

    fn aligned(&self, step: u32) -> bool {
        step % (self.div * self.merge()) == 0
    }

    /// Byte address of the first new position, from the start of the part in layer 0.
    pub fn store_byte(&self, constant: u32) -> ArgValue {
        ArgValue::Position {
            div: self.div,
            quotient: self.unit_bytes,
            remainder: self.position_bytes,
            constant,
        }
    }
}

impl Map {
    /// Lays out the memory.
    ///
    /// # Errors
    /// A layer whose single output tile outgrows its share of a buffer, or a model larger than the memory.
    pub fn new(
        model: &Model,
        machine: &Machine,
        options: &Options,
        context: u32,
        tokens: u32,
    ) -> Result<Map, Diagnostic> {
        let g = Geometry::of(machine);
        let heads = Heads::of(model, g.slices);
        let widths = widths(model, heads, &g)?;
        let gain_bytes = if model.kind.norm == NormKind::Rms { 2 } else { 4 };
        let gain = blocks(gain_bytes * g.lp * widths.hidden.stride);
        let gains = [Piece { at: 0, blocks: gain }, Piece { at: gain, blocks: gain }];
        let mut start = 2 * gain;
        let biases = Linear::ALL.map(|linear| {
            let blocks =
                if model.has_bias(linear) { blocks(g.v_row * widths.outputs(linear).stride) } else { 0 };
            start += blocks;
            Piece { at: start - blocks, blocks }
        });
        let form = form(model, &widths, &g);
        let mut chunker = Chunker { model, machine, options, g: &g, widths: &widths, form, at: start };
        let layer = chunker.layer()?;
        let layer_end = chunker.at;
        let (carried, last) = chunker.last(&layer, start)?;
        let record = u64::from(layer_end.max(chunker.at));
        let all = |[sink, window]: &[u32; 2]| sink.saturating_add(*window);
        let window = model.kind.window.filter(|window| all(window) < context);
        // The last chunk of a prompt may be padded.
        let held = window.as_ref().map_or(context.next_multiple_of(tokens.max(1)), all);
        let mut parts = parts(model, &widths, &g);
        let mut sequence_blocks = 0;
        for p in &mut parts {
            p.at = sequence_blocks;
            p.head_blocks = p.most_blocks(held, tokens, starts(&g, tokens));
            sequence_blocks += p.head_blocks * heads.kv;
        }
        let cache_blocks = sequence_blocks.saturating_mul(options.batch);
        let tokens = tokens.max(options.batch);
        let head = last.iter().filter(|c| c.linear == Linear::Head);
        let logits = blocks(head.map(|c| logits_rows(c, &g)).sum::<u32>() * g.v_row);
        let mut at = Cursor(u64::from(blocks(PROGRAM_BYTES * PROGRAMS)));
        let (records, chunk_blocks) =
            (model.layers + u32::from(model.has_last()), blocks(tokens * widths.hidden.stride * g.v_row));
        let chunks = match (model.kind.causal, model.has_ends()) {
            (true, true) => u32::from(model.kind.early),
            (true, false) => 1,
            (false, _) => context / tokens,
        };
        let stream = chunk_blocks * chunks;
        let rotated = model.kind.learned.is_none();
        let mut map = Map {
            gains,
            biases,
            carried,
            record_blocks: record as u32,
            records: at.take(record * u64::from(records)),
            rope: Piece { at: 0, blocks: if rotated { blocks(widths.head.rows / 2 * g.v_row) } else { 0 } },
            value_channels: Piece { at: 0, blocks: blocks(widths.head.stride * g.l / g.n * g.c_row) },
            embedding: 0,
            // Whole rows of a bank, so that tokens lie one behind the other in it.
            embedding_blocks: blocks(2 * g.lp * widths.hidden.stride).next_multiple_of(blocks(g.v_row)),
            positions: 0,
            learned: model.kind.learned,
            cache: 0,
            cache_blocks,
            sequence_blocks,
            parts,
            logits: 0,
            frames: super::stem::regions(model, &widths, context, &g),
            chunk_blocks,
            stream: Piece { at: 0, blocks: stream },
            logits_blocks: match (model.has_ends(), model.kind.causal) {
                (true, true) => logits * tokens,
                (true, false) => logits,
                (false, _) => stream,
            },
            chunks: [layer, last].concat(),
            end_bytes: 0,
            widths,
            heads: heads.q,
            kv_heads: heads.kv,
            context,
            held,
            window,
            sequence: (!model.kind.causal).then_some(context),
            tokens,
            attending: tokens,
        };
        map.rope.at = at.take(map.rope.blocks.into());
        map.value_channels.at = at.take(map.value_channels.blocks.into());
        map.embedding = at.take(u64::from(map.embedding_blocks) * u64::from(model.vocab));
        let rows =
            model.kind.learned.map_or(0, |first| u64::from(first) + u64::from(model.max_positions.max(held)));
        map.positions = at.take(u64::from(map.embedding_blocks) * rows);
        map.cache = at.take(u64::from(cache_blocks) * u64::from(model.layers));
        map.stream.at = at.take(map.stream.blocks.into());
        for frames in &mut map.frames {
            frames.at = at.take(frames.blocks.into());
        }
        map.logits = at.take(map.logits_blocks.into());
        map.end_bytes = at.0 * u64::from(BLOCK_BYTES);
        if map.end_bytes > machine.memory.size_bytes {
            return Err(too_large(map.end_bytes, machine.memory.size_bytes));
        }
        Ok(map)
    }

    /// Chunks of a linear layer, in tile order.
    pub fn of(&self, linear: Linear) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter().filter(move |c| c.linear == linear)
    }

    /// The layout of a linear layer's inputs.
    pub fn inputs(&self, linear: Linear) -> &Width {
        match linear {
            Linear::O => &self.widths.q,
            Linear::Down => &self.widths.intermediate,
            Linear::Conv1 => &self.widths.windows[0],
            Linear::Conv2 => &self.widths.windows[1],
            _ => &self.widths.hidden,
        }
    }

    /// The layout of a linear layer's outputs.
    pub fn outputs(&self, linear: Linear) -> &Width {
        self.widths.outputs(linear)
    }

    /// Byte address of program slot `slot`.
    pub fn program(&self, slot: u32) -> u32 {
        slot.min(PROGRAMS - 1) * PROGRAM_BYTES
    }

    /// What each register that walks the layers grows by.
    pub fn strides(&self) -> Vec<(Reg, u32)> {
        let blocks = [(Reg::Layer, self.record_blocks), (Reg::Cache, self.cache_blocks)];
        let bytes = Reg::STORES.map(|reg| (reg, self.cache_blocks * BLOCK_BYTES));
        [&blocks[..], &bytes].concat()
    }

    /// The register that says how many others a token at the position of the run sees.
    pub fn seen(&self) -> Reg {
        match (self.window, self.learned) {
            (Some(_), None) => Reg::Seen,
            _ => Reg::Position,
        }
    }

    /// What an address register holds at the start of a run.
    pub fn register(&self, reg: Reg) -> Option<ArgValue> {
        let value = self.unbounded(reg)?;
        let (Some([sink, window]), ArgValue::Position { div, quotient, remainder, constant }) =
            (self.window, &value)
        else {
            return Some(value);
        };
        // Where positions are learned, nothing else needs the position itself in a register of sizes.
        let whole = match self.learned {
            None => reg == Reg::Position,
            Some(_) => reg == Reg::PositionRow,
        };
        if whole {
            return Some(value);
        }
        let ring = Ring { sink, window, slot: Reg::STORES.contains(&reg) };
        let (div, quotient, remainder, constant) = (*div, *quotient, *remainder, *constant);
        Some(ArgValue::Ring { ring, div, quotient, remainder, constant })
    }

    fn unbounded(&self, reg: Reg) -> Option<ArgValue> {
        let blocks_of = |part: usize| Some(self.parts[part].blocks_before());
        let store_to = |p: usize| {
            let at = (self.cache + self.parts[p].at) * BLOCK_BYTES;
            Some(self.parts[p].store_byte(at))
        };
        let position = |div| ArgValue::Position { div, quotient: 1, remainder: 0, constant: 0 };
        match reg {
            Reg::Position => Some(position(1)),
            Reg::Tiles => Some(position(self.parts[part::K].div)),
            Reg::Rows => Some(position(self.parts[part::V].div)),
            Reg::KLoad => blocks_of(part::K),
            Reg::KScaleLoad => blocks_of(part::K_SCALE),
            Reg::VLoad => blocks_of(part::V),
            Reg::VScaleLoad => blocks_of(part::V_SCALE),
            Reg::KStore => store_to(part::K),
            Reg::KScaleStore => store_to(part::K_SCALE),
            Reg::VStore => store_to(part::V),
            Reg::VScaleStore => store_to(part::V_SCALE),
            Reg::Seen if self.learned.is_none() => self.window.map(|_| position(1)),
            Reg::PositionRow => self.learned.map(|first| ArgValue::Position {
                div: 1,
                quotient: self.embedding_blocks,
                remainder: 0,
                constant: self.positions + first * self.embedding_blocks,
            }),
            Reg::Zero | Reg::Layer | Reg::Cache | Reg::Token => None,
        }
    }
}

impl Widths {
    /// The layout of a linear layer's outputs.
    pub fn outputs(&self, linear: Linear) -> &Width {
        match linear {
            Linear::Q => &self.q,
            Linear::K | Linear::V => &self.kv,
            Linear::O | Linear::Down | Linear::Pool | Linear::Conv2 => &self.hidden,
            Linear::Conv1 if self.frames[1].elements > 0 => &self.frames[1],
            Linear::Conv1 => &self.hidden,
            Linear::Gate | Linear::Up => &self.intermediate,
            Linear::Head => &self.logits,
        }
    }
}

/// V rows of one token's logits of a chunk: whole blocks.
pub fn logits_rows(chunk: &Chunk, g: &Geometry) -> u32 {
    (chunk.tiles * (g.n / g.l)).next_multiple_of((BLOCK_BYTES / g.v_row).max(1))
}

/// Heads of a slice.
#[derive(Clone, Copy)]
struct Heads {
    q: u32,
    kv: u32,
    /// Neighbouring slices whose heads of q share those of k and v.
    copies: u32,
}

impl Heads {
    /// The fewest that hold them all in whole heads, each with its head of k and v.
    fn of(model: &Model, slices: u32) -> Heads {
        let shared = model.heads / model.kv_heads;
        let suits = |q: &u32| q % shared == 0 || shared % q == 0;
        let q = (model.heads.div_ceil(slices)..).find(suits).unwrap_or(model.heads);
        Heads { q, kv: (q / shared).max(1), copies: (shared / q).max(1) }
    }
}

fn widths(model: &Model, heads: Heads, g: &Geometry) -> Result<Widths, Diagnostic> {
    let group = model.widths.group;
    let block = group.map_or(model.head_dim / 2, |group| head_block(group, model.head_dim));
    let multiple = model.widths.weights.a_rows();
    // Steps of two rows may span two blocks of a group, if all of its fours stay whole.
    let pairs = group.is_none_or(|group| group / block % 2 == 0) && g.l % 4 == 0;
    let of_heads = if pairs { 1 } else { multiple };
    let mut stem = [(Width::new(0, 1, 1, g), Width::new(0, 1, 1, g)); 2];
    for (n, window) in model.stem.iter().enumerate().take(2) {
        stem[n] = super::stem::widths(window, n, (group, multiple), g)?;
    }
    let frames = stem.map(|(frame, _)| frame);
    let head = Width::new(model.head_dim, block, of_heads, g);
    let intermediate = Width::shared(model.intermediate, group.unwrap_or(model.intermediate), multiple, g);
    let Kind { activation, gated, .. } = model.kind;
    // Of a gated one the other factor is zero there.
    if !gated && !intermediate.is_full() && activation.point().is_some_and(|point| point.of(0) != 0) {
        let title = format!("this machine has no {} of padded rows", activation.name());
        return Err(Diagnostic::new("rows-padded", title)
            .at_item("matrix.lanes")
            .because(format!(
                "{} elements fill no whole rows, and what pads them would not stay zero",
                model.intermediate
            ))
            .help("choose a machine whose lanes divide the scheme's group and whose outputs the width of the MLP"));
    }
    Ok(Widths {
        hidden: Width::shared(model.hidden, group.unwrap_or(model.hidden), multiple, g),
        intermediate,
        q: head.heads(model.heads, (heads.q, 1), of_heads, g),
        kv: head.heads(model.kv_heads, (heads.kv, heads.copies), of_heads, g),
        head,
        logits: Width::shared(model.logits, model.logits, 1, g),
        frames,
        windows: stem.map(|(_, window)| window),
    })
}

/// The form of weights in DRAM with the fewest bytes, of those that the machine has.
fn form(model: &Model, widths: &Widths, g: &Geometry) -> Form {
    // Outputs that share positions must be neighbours on chip, too.
    let gapless = |w: &Width, n: u32| w.block % n == 0 || w.block == w.elements;
    let whole = |n: u32| g.l % n == 0 && Linear::ALL.iter().all(|&l| gapless(widths.outputs(l), n));
    let suits = |n: u32| n == 1 || model.widths.shared % n == 0 && whole(n);
    let there = g.forms.iter().filter(|form| form.sharing().is_some_and(suits));
    if model.widths.weights.pruned() { there.last().unwrap_or_default() } else { Form::Plain }
}

fn parts(model: &Model, widths: &Widths, g: &Geometry) -> [CachePart; 4] {
    let (head, keys, values) = (widths.head, model.widths.keys(), model.widths.values());
    let part = |div, unit_bytes, position_bytes| CachePart {
        at: 0,
        head_blocks: 0,
        div,
        unit_bytes,
        position_bytes,
    };
    [
        part(g.n, head.rows * g.w_row(keys), g.segment(keys)),
        part(g.n, g.c_row, 4),
        part(g.l, head.stride * g.l / g.n * g.w_row(values), g.segment(values)),
        part(g.l, g.v_row, 4),
    ]
}

struct Cursor(u64);

impl Cursor {
    /// Takes blocks; places beyond 32 bits saturate, and the size check refuses them.
    fn take(&mut self, blocks: u64) -> u32 {
        let at = self.0;
        self.0 = at.saturating_add(blocks);
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

fn too_large(need: u64, size: u64) -> Diagnostic {
    Diagnostic::new("machine-too-small", "the model does not fit the off-chip memory")
        .at_item("memory.size_bytes")
        .because(format!("weights, cache and programs need {need} bytes, the memory has {size}"))
        .help("raise memory.size_bytes, or compile for a shorter context")
}
