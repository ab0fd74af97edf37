//! Where data lies on chip, for a plan of some number of tokens.
//!
//! | bank | holds |
//! |---|---|
//! | 0 | residual stream; staging of new keys and values |
//! | 1 | what the matrix engine writes: k (later the attention output), v and q (later scores); gate over all of these; logits |
//! | 2 | results of vector instructions that go on as codes only |
//! | 3 | rope steps, gains, biases, V scales; up |
//!
//! V scales of a cache too long for that are in bank 2, and the softmax works in place.
//!
//! So the matrix engine can write while the vector engine reads the same bank and writes another, and a bank port never
//! changes hands inside of a phase. Regions that share a place are never live together; order and semaphores see to
//! the rest.

use super::Reads;
use super::map::{Map, logits_rows, part};
use crate::model::{Linear, Model};
use hw::machine::BLOCK_BYTES;
use hw::{Geometry, Machine};
use ir::diag::Diagnostic;
use isa::table::vec_addr;

pub const RESIDUAL: u32 = 0;
pub const RESULTS: u32 = 1;
pub const SCRATCH: u32 = 2;
pub const CONSTANTS: u32 = 3;

/// On-chip addresses. Vector addresses are instruction fields; `*_at` of W, G and C are bytes.
#[derive(Debug, Clone, Default)]
pub struct Buffers {
    /// Token groups: permuted group u holds tokens u, u + groups, ...; natural group g tokens g*T, g*T + 1, ...
    pub groups: u32,
    pub a_input: u32,
    pub a_product: u32,
    pub a_q: u32,
    pub a_p: [u32; 2],
    pub s_input: u32,
    pub s_product: u32,
    pub s_q: u32,
    pub s_p: [u32; 2],
    pub x: u32,
    pub k_stage: Stage,
    pub v_stage: Stage,
    pub k: u32,
    pub v: u32,
    pub q: u32,
    pub attention: u32,
    /// Rows of a token's attention output, with what the last tile of the last head writes beside it.
    pub attention_stride: u32,
    pub scores: [u32; 2],
    pub score_rows: u32,
    /// The gate, or `up` where there is no gate.
    pub gate: u32,
    pub up: u32,
    pub scratch: u32,
    pub rope: u32,
    pub gains: [u32; 2],
    /// Biases of linear layers take turns.
    pub biases: [u32; 2],
    pub v_scales: [u32; 2],
    /// Where the softmax writes: its scores, or scratch.
    pub exponents: [u32; 2],
    pub embedding: u32,
    pub positions: u32,
    pub logits: [u32; 2],
    /// First bytes of W, G and C behind what is placed for good.
    pub rings: [u32; 3],
    pub value_channels: u32,
    /// Where the chunks lie that a layer finds loaded: at the start of the rings, which have this space again behind them.
    pub carried: Vec<[u32; 3]>,
}

/// Staging rows of a token's new keys or values: codes, then scale words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stage {
    pub at: u32,
    pub code_rows: u32,
    pub step: u32,
}

/// Hands out consecutive places.
struct Bump {
    what: &'static str,
    /// Its size in the machine file, and what `next` and `size` count.
    key: &'static str,
    unit: &'static str,
    next: u64,
    size: u64,
}

impl Bump {
    fn take(&mut self, size: u32, align: u32) -> u32 {
        let at = self.next.next_multiple_of(u64::from(align.max(1)));
        self.next = at + u64::from(size);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Two places, for `uses` that take turns, if there is room for both; else one, at which each waits for the one before.
    fn take_turns(&mut self, size: u32, align: u32, uses: u32) -> [u32; 2] {
        let first = self.take(size, align);
        let second = self.next.next_multiple_of(u64::from(align.max(1)));
        let fits = uses > 1 && second + u64::from(size) <= self.size;
        [first, if fits { self.take(size, align) } else { first }]
    }

    fn check(&self, tokens: u32, context: u32) -> Result<(), Diagnostic> {
        if self.next <= self.size {
            return Ok(());
        }
        let why = format!(
            "it has {} {}; {tokens} token(s) at a context of {context} take {}",
            self.size, self.unit, self.next
        );
        Err(Diagnostic::new("machine-too-small", format!("a layer does not fit the {}", self.what))
            .at_item(format!("buffers.{}", self.key))
            .because(why)
            .help(format!("raise buffers.{}, or compile for a shorter context or fewer tokens", self.key)))
    }
}

/// What the sizes of every memory follow from.
struct Sizes<'a> {
    model: &'a Model,
    machine: &'a Machine,
    map: &'a Map,
    g: Geometry,
    tokens: u32,
    groups: u32,
    /// Those of attention and MLP.
    attending: u32,
    attending_groups: u32,
    /// Those of attention alone: tokens of several sequences have nothing in common there.
    apart: u32,
    /// Caches that the tokens see.
    sequences: u32,
}

impl Buffers {
    /// Places everything.
    ///
    /// # Errors
    /// The first buffer that is too small.
    pub fn new(
        model: &Model,
        machine: &Machine,
        map: &Map,
        (reads, tokens): (Reads, u32),
    ) -> Result<Buffers, Diagnostic> {
        let g = Geometry::of(machine);
        let attending = map.attending.min(tokens);
        let (groups, attending_groups) = (tokens.div_ceil(g.t), attending.div_ceil(g.t));
        let apart = if reads == Reads::Each { tokens } else { attending_groups };
        let sequences = if reads == Reads::Each { tokens } else { 1 };
        let sizes =
            Sizes { model, machine, map, g, tokens, groups, attending, attending_groups, apart, sequences };
        let mut buffers = Buffers { groups: sizes.groups, ..Default::default() };
        sizes.activations(&mut buffers)?;
        sizes.slots(&mut buffers)?;
        let residual = sizes.residual_bank(&mut buffers)?;
        sizes.result_bank(&mut buffers, residual)?;
        sizes.scratch_bank(&mut buffers)?;
        sizes.constant_bank(&mut buffers)?;
        sizes.fixed(&mut buffers)?;
        Ok(buffers)
    }
}

impl Sizes<'_> {
    fn bump(&self, what: &'static str, key: &'static str, bytes: u32, row: u32) -> Bump {
        let unit = match (key, row) {
            ("token_scales", _) => "slots",
            (_, 1) => "bytes",
            _ => "rows",
        };
        Bump { what, key, unit, next: 0, size: u64::from(bytes / row) }
    }

    fn bank(&self, what: &'static str) -> Bump {
        self.bump(what, "vector_bank_bytes", self.machine.buffers.vector_bank_bytes, self.g.v_row)
    }

    fn check(&self, bump: &Bump) -> Result<(), Diagnostic> {
        bump.check(self.tokens, self.map.context)
    }

    /// Rows of probabilities of a full cache.
    fn probability_rows(&self) -> u32 {
        self.map.held.div_ceil(self.g.l)
    }

    fn activations(&self, to: &mut Buffers) -> Result<(), Diagnostic> {
        let (w, groups, few) = (&self.map.widths, self.groups, self.attending_groups);
        let mut a = self.bump(
            "activation buffer",
            "activation_bytes",
            self.machine.buffers.activation_bytes,
            self.g.a_row,
        );
        let windows = w.windows.map(|width| width.rows);
        to.a_input =
            a.take(groups * w.hidden.gathered().max(w.q.gathered()).max(windows[0]).max(windows[1]), 1);
        to.a_q = a.take(self.apart * w.q.share, 1);
        // The softmax of an item comes before the weighted values of the one before.
        let first = a.take(self.probability_rows(), 1);
        let alone = self.apart * self.map.heads == 1;
        to.a_p = [first, if alone { first } else { a.take(self.probability_rows(), 1) }];
        // Products may lie on the inputs of gate and up: they are complete when the first product is written. Apart is faster.
        let (inputs, products) = (groups * w.hidden.gathered(), few * w.intermediate.gathered());
        to.a_product = if u64::from(inputs) + u64::from(products) <= a.size { inputs } else { 0 };
        a.next = a.next.max(u64::from(to.a_product + products));
        self.check(&a)
    }

    fn slots(&self, to: &mut Buffers) -> Result<(), Diagnostic> {
        let (all, few) = (self.groups * self.g.t, self.attending_groups * self.g.t);
        let mut s = self.bump("token scales", "token_scales", self.machine.buffers.token_scales, 1);
        (to.s_input, to.s_product) = (s.take(all, 1), s.take(few, 1));
        to.s_q = s.take(self.apart * self.g.t * self.map.heads, 1);
        to.s_p = [0; 2].map(|_| s.take(self.g.t, 1));
        self.check(&s)
    }

    fn residual_bank(&self, to: &mut Buffers) -> Result<Bump, Diagnostic> {
        let (w, g, kv_heads) = (&self.map.widths, &self.g, self.map.kv_heads);
        let mut bank = self.bank("vector bank 0");
        to.x = vec_addr(RESIDUAL, bank.take(self.tokens * w.hidden.stride, 1));
        // Frames and what their convolutions give have the bank to themselves.
        let alone = self.model.stem.iter().zip(&w.frames).map(|(window, frame)| {
            (self.tokens * window.stride + window.kernel).saturating_mul(frame.stride)
        });
        let alone = alone.max().unwrap_or(0).max(self.tokens * w.frames[1].stride);
        let mut stage = |bytes: u32| {
            let (code_rows, scale_rows) = (bytes.div_ceil(g.v_row), (4 * kv_heads).div_ceil(g.v_row));
            let step = code_rows + scale_rows;
            Stage { at: vec_addr(RESIDUAL, bank.take(self.tokens * step, 1)), code_rows, step }
        };
        let (keys, values) = (self.model.widths.keys(), self.model.widths.values());
        to.k_stage = stage(w.kv.share * g.segment(keys));
        to.v_stage = stage(kv_heads * (w.head.stride * g.l / g.n) * g.segment(values));
        bank.next = bank.next.max(alone.into());
        self.check(&bank)?;
        Ok(bank)
    }

    fn result_bank(&self, to: &mut Buffers, mut residual: Bump) -> Result<(), Diagnostic> {
        let (w, g, map, tokens, few) = (&self.map.widths, &self.g, self.map, self.tokens, self.attending);
        let mut bank = self.bank("vector bank 1");
        let at = |row| vec_addr(RESULTS, row);
        to.attention_stride = w.q.share + w.head.stride - w.head.rows;
        to.score_rows = map.held.div_ceil(g.n) * (g.n / g.l);
        // k is in the cache before the first attention output is written. Where scores need all of the bank, that lies in another.
        let (keys, output) = (tokens * w.kv.stride, few * to.attention_stride);
        let long = u64::from(output + g.t * to.score_rows) > bank.size
            && residual.next + u64::from(output) <= residual.size;
        if long {
            to.attention = vec_addr(RESIDUAL, residual.take(output, 1));
        } else {
            to.k = at(bank.take(keys.max(output), 1));
            to.attention = to.k;
        }
        // So are q and v, before the first scores are; apart is faster.
        let packed = bank.next;
        if long {
            to.k = at(bank.take(keys, 1));
        }
        to.v = at(bank.take(keys, 1));
        to.q = at(bank.take(few * w.q.stride, 1));
        let (behind, scores) = (bank.next, g.t * to.score_rows);
        if behind + 2 * u64::from(scores) > bank.size {
            bank.next = packed;
        }
        to.scores = bank.take_turns(scores, 1, self.apart * map.heads).map(at);
        bank.next = bank.next.max(behind);
        // Gate, logits and raw embeddings have the bank to themselves.
        let logits = map.of(Linear::Head).map(|c| tokens * logits_rows(c, g)).max().unwrap_or(0);
        let twice = u64::from(logits) * 2 <= bank.size;
        to.gate = at(0);
        to.embedding = at(0);
        to.logits = [at(0), at(if twice { logits } else { 0 })];
        let embeddings = tokens * map.embedding_blocks * BLOCK_BYTES / g.v_row;
        to.positions = at(embeddings);
        let embeddings = embeddings * if map.learned.is_some() { 2 } else { 1 };
        let convolved = tokens * w.hidden.stride.max(w.frames[1].stride);
        let convolved = if self.model.stem.is_empty() { 0 } else { convolved };
        let alone =
            [convolved, few * w.intermediate.stride, if twice { 2 * logits } else { logits }, embeddings];
        bank.next = alone.into_iter().fold(bank.next, |next, rows| next.max(u64::from(rows)));
        self.check(&bank)
    }

    fn scratch_bank(&self, to: &mut Buffers) -> Result<(), Diagnostic> {
        let (w, g) = (&self.map.widths, &self.g);
        let mut bank = self.bank("vector bank 2");
        let all = (w.hidden.stride.max(w.kv.stride) * self.tokens).max(w.q.stride * self.attending);
        let windows = w.windows[0].rows.max(w.windows[1].rows);
        let apart = if self.scales_beside_constants() { self.probability_rows() } else { 0 };
        let group = apart.max(w.intermediate.stride).max(windows) * g.t;
        to.scratch = vec_addr(SCRATCH, bank.take(all.max(group), 1));
        to.exponents = [to.scratch; 2];
        if !self.scales_beside_constants() {
            // Nothing that lies in scratch is live while a layer attends.
            bank.next = bank.next.max(self.scale_rows().into());
            (to.v_scales, to.exponents) = ([vec_addr(SCRATCH, 0); 2], to.scores);
        }
        self.check(&bank)
    }

    fn constant_bank(&self, to: &mut Buffers) -> Result<(), Diagnostic> {
        let mut bank = self.constants(to);
        if self.scales_beside_constants() {
            let uses = self.sequences * self.map.kv_heads;
            let turns = bank.take_turns(self.scale_rows(), self.block_rows(), uses);
            to.v_scales = turns.map(|at| vec_addr(CONSTANTS, at));
        }
        self.check(&bank)
    }

    /// Whether V scales fit beside the constants, or would not fit a bank of their own either.
    fn scales_beside_constants(&self) -> bool {
        let mut bank = self.constants(&mut Buffers::default());
        let alone = u64::from(self.scale_rows()) <= bank.size;
        bank.take(self.scale_rows(), self.block_rows());
        !alone || bank.next <= bank.size
    }

    /// Rows of the V scales of a head.
    fn scale_rows(&self) -> u32 {
        (self.map.parts[part::V_SCALE].head_blocks * BLOCK_BYTES).div_ceil(self.g.v_row)
    }

    /// Rows of a block.
    fn block_rows(&self) -> u32 {
        (BLOCK_BYTES / self.g.v_row).max(1)
    }

    /// Bank 3 up to the V scales.
    fn constants(&self, to: &mut Buffers) -> Bump {
        let (map, g) = (self.map, &self.g);
        let mut bank = self.bank("vector bank 3");
        let align = self.block_rows();
        let rows = |blocks: u32| (blocks * BLOCK_BYTES).div_ceil(g.v_row);
        let mut take = |blocks: u32| vec_addr(CONSTANTS, bank.take(rows(blocks), align));
        to.rope = take(map.rope.blocks);
        to.gains = map.gains.map(|gain| take(gain.blocks));
        let bias = map.biases.iter().map(|bias| bias.blocks).max().unwrap_or(0);
        to.biases = [0; 2].map(|_| take(bias));
        let up = if self.model.kind.gated { self.attending * map.widths.intermediate.stride } else { 0 };
        to.up = vec_addr(CONSTANTS, bank.take(up, align));
        bank
    }

    /// What stays in W, G and C for good; the rings follow it.
    fn fixed(&self, to: &mut Buffers) -> Result<(), Diagnostic> {
        let (b, map) = (&self.machine.buffers, self.map);
        let mut fixed = [
            self.bump("weight buffer", "weight_bytes", b.weight_bytes, 1),
            self.bump("group-scale buffer", "group_scale_bytes", b.group_scale_bytes, 1),
            self.bump("channel buffer", "channel_bytes", b.channel_bytes, 1),
        ];
        let align = align(&self.g);
        to.value_channels = fixed[2].take(map.value_channels.blocks * BLOCK_BYTES, align[2]);
        to.rings = [0, 1, 2].map(|i| fixed[i].next.next_multiple_of(u64::from(align[i])) as u32);
        for chunk in &map.chunks[..map.carried] {
            let blocks = chunk.held();
            to.carried.push([0, 1, 2].map(|i| fixed[i].take(blocks[i] * BLOCK_BYTES, align[i])));
        }
        fixed.iter().try_for_each(|f| self.check(f))
    }
}

/// Alignment of pieces in W, G and C: blocks for the load, rows of every mode for the matrix engine.
pub fn align(g: &Geometry) -> [u32; 3] {
    [g.widest_row(), g.g_row, g.c_row].map(|row| row.max(BLOCK_BYTES))
}
