//! Where data lies on chip, for a plan of some number of tokens.
//!
//! | bank | holds |
//! |---|---|
//! | 0 | residual stream; staging of new keys and values |
//! | 1 | what the matrix engine writes: k (later the attention output), v, q, scores; gate over all of these; logits |
//! | 2 | results of vector instructions that go on as codes only |
//! | 3 | rope steps, gains, V scales; up |
//!
//! So the matrix engine can write while the vector engine reads the same bank and writes another, and a bank port never
//! changes hands inside of a phase. Regions that share a place are never live together; order and semaphores see to
//! the rest.

use super::map::{Chunk, Map, logits_rows, part};
use crate::model::Model;
use hw::machine::BLOCK_BYTES;
use hw::{Geometry, Machine};
use ir::diag::Diagnostic;
use isa::table::vec_addr;

pub const RESIDUAL: u32 = 0;
pub const RESULTS: u32 = 1;
pub const SCRATCH: u32 = 2;
pub const CONSTANTS: u32 = 3;

/// On-chip addresses. Vector addresses are instruction fields; `*_at` of W, G and C are bytes.
#[derive(Debug, Clone)]
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
    pub gate: u32,
    pub up: u32,
    pub scratch: u32,
    pub rope: u32,
    pub gains: [u32; 2],
    pub v_scales: [u32; 2],
    pub embedding: u32,
    pub logits: [u32; 2],
    /// First bytes of W, G and C behind what is placed for good.
    pub rings: [u32; 3],
    pub value_channels: u32,
    pub carried: Vec<[u32; 3]>,
}

/// Staging rows of a token's new keys or values: codes, then scale words.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    pub at: u32,
    pub code_rows: u32,
    pub step: u32,
}

/// Hands out consecutive places.
struct Bump {
    what: &'static str,
    next: u64,
    size: u64,
}

impl Bump {
    fn take(&mut self, size: u32, align: u32) -> u32 {
        let at = self.next.next_multiple_of(u64::from(align.max(1)));
        self.next = at + u64::from(size);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn check(&self, tokens: u32, context: u32) -> Result<(), Diagnostic> {
        if self.next <= self.size {
            return Ok(());
        }
        let why = format!(
            "{tokens} tokens at a context of {context} need {} places of the {}, it has {}",
            self.next, self.what, self.size
        );
        Err(Diagnostic::new("machine-too-small", format!("a layer does not fit the {}", self.what))
            .at_item(self.what)
            .because(why)
            .help(
                "enlarge this buffer in the machine file, or compile for a shorter context or fewer tokens",
            ))
    }
}

impl Buffers {
    /// Places everything.
    ///
    /// # Errors
    /// The first buffer that is too small.
    pub fn new(model: &Model, machine: &Machine, map: &Map, tokens: u32) -> Result<Buffers, Diagnostic> {
        let g = Geometry::of(machine);
        let w = &map.widths;
        let b = &machine.buffers;
        let groups = tokens.div_ceil(g.t);
        let bump = |what, bytes: u32, row: u32| Bump { what, next: 0, size: u64::from(bytes / row) };
        let block_rows = (BLOCK_BYTES / g.v_row).max(1);

        let p_rows = map.context.div_ceil(g.l);
        let mut a = bump("activation buffer", b.activation_bytes, g.a_row);
        let a_input = a.take(groups * w.hidden.stride.max(w.q.rows), 1);
        let a_q = a.take(groups * w.q.rows, 1);
        let a_p = [a.take(p_rows, 1), a.take(p_rows, 1)];
        let apart = groups * (w.hidden.stride + w.intermediate.stride) <= a.size as u32;
        let a_product = if apart { groups * w.hidden.stride } else { 0 };
        a.next = a.next.max(u64::from(a_product + groups * w.intermediate.stride));
        a.check(tokens, map.context)?;

        let mut s = bump("token scales", b.token_scales, 1);
        let (s_input, s_product) = (s.take(groups * g.t, 1), s.take(groups * g.t, 1));
        let s_q = s.take(groups * model.heads * g.t, 1);
        let s_p = [s.take(g.t, 1), s.take(g.t, 1)];
        s.check(tokens, map.context)?;

        let bank = |what| bump(what, b.vector_bank_bytes, g.v_row);
        let mut v0 = bank("vector bank 0");
        let x = v0.take(tokens * w.hidden.stride, 1);
        let mut stage = |bytes: u32| {
            let (code_rows, scale_rows) = (bytes.div_ceil(g.v_row), (4 * model.kv_heads).div_ceil(g.v_row));
            let step = code_rows + scale_rows;
            Stage { at: vec_addr(RESIDUAL, v0.take(tokens * step, 1)), code_rows, step }
        };
        let k_stage = stage(w.kv.rows * g.k4_segment);
        let v_stage = stage(model.kv_heads * (w.head.stride * g.l / g.n) * g.v4_segment);
        v0.check(tokens, map.context)?;

        let mut v1 = bank("vector bank 1");
        let attention_stride = w.q.rows + w.head.stride - w.head.rows;
        let score_rows = map.context.div_ceil(g.n) * (g.n / g.l);
        let k = v1.take(tokens * w.kv.stride.max(attention_stride), 1);
        let (v, q) = (v1.take(tokens * w.kv.stride, 1), v1.take(tokens * w.q.stride, 1));
        let scores = [v1.take(g.t * score_rows, 1), v1.take(g.t * score_rows, 1)];
        let logit_rows =
            map.of(crate::model::Linear::Head).map(|c| tokens * logits_rows(c, &g)).max().unwrap_or(0);
        let twice = u64::from(logit_rows) * 2 <= v1.size;
        let rows_of_embedding = map.embedding_blocks * BLOCK_BYTES / g.v_row;
        let others = [
            tokens * w.intermediate.stride,
            if twice { 2 * logit_rows } else { logit_rows },
            tokens * rows_of_embedding,
        ];
        v1.next = others.into_iter().fold(v1.next, |next, rows| next.max(u64::from(rows)));
        v1.check(tokens, map.context)?;

        let mut v2 = bank("vector bank 2");
        let vectors = [w.hidden.stride, w.q.stride, w.kv.stride].map(|rows| tokens * rows);
        let scratch_rows = [g.t * p_rows, g.t * w.intermediate.stride].into_iter().chain(vectors).max();
        let scratch = v2.take(scratch_rows.unwrap_or(0), 1);
        v2.check(tokens, map.context)?;

        let mut v3 = bank("vector bank 3");
        let block = |blocks: u32| blocks * BLOCK_BYTES / g.v_row;
        let rope = v3.take(block(map.rope.blocks), block_rows);
        let gains = map.gains.map(|gain| v3.take(block(gain.blocks), block_rows));
        let scale_rows = block(map.parts[part::V_SCALE].head_blocks);
        let v_scales = [v3.take(scale_rows, block_rows), v3.take(scale_rows, block_rows)];
        let up = v3.take(tokens * w.intermediate.stride, 1);
        v3.check(tokens, map.context)?;

        let mut fixed = [
            bump("weight buffer", b.weight_bytes, 1),
            bump("group-scale buffer", b.group_scale_bytes, 1),
            bump("channel buffer", b.channel_bytes, 1),
        ];
        let align = align(&g);
        let value_channels = fixed[2].take(map.value_channels.blocks * BLOCK_BYTES, align[2]);
        let carried = map.chunks[..map.carried].iter().map(|c| {
            let mut at = [0; 3];
            for (i, blocks) in sizes(c).into_iter().enumerate() {
                at[i] = fixed[i].take(blocks * BLOCK_BYTES, align[i]);
            }
            at
        });
        let carried = carried.collect();
        for f in &fixed {
            f.check(tokens, map.context)?;
        }

        Ok(Buffers {
            groups,
            a_input,
            a_product,
            a_q,
            a_p,
            s_input,
            s_product,
            s_q,
            s_p,
            x: vec_addr(RESIDUAL, x),
            k_stage,
            v_stage,
            k: vec_addr(RESULTS, k),
            v: vec_addr(RESULTS, v),
            q: vec_addr(RESULTS, q),
            attention: vec_addr(RESULTS, k),
            attention_stride,
            scores: scores.map(|row| vec_addr(RESULTS, row)),
            score_rows,
            gate: vec_addr(RESULTS, 0),
            up: vec_addr(CONSTANTS, up),
            scratch: vec_addr(SCRATCH, scratch),
            rope: vec_addr(CONSTANTS, rope),
            gains: gains.map(|row| vec_addr(CONSTANTS, row)),
            v_scales: v_scales.map(|row| vec_addr(CONSTANTS, row)),
            embedding: vec_addr(RESULTS, 0),
            logits: [vec_addr(RESULTS, 0), vec_addr(RESULTS, if twice { logit_rows } else { 0 })],
            rings: [0, 1, 2].map(|i| fixed[i].next.next_multiple_of(u64::from(align[i])) as u32),
            value_channels,
            carried,
        })
    }
}

/// Blocks of a chunk in W, G and C.
pub fn sizes(chunk: &Chunk) -> [u32; 3] {
    [chunk.weights, chunk.groups, chunk.channels].map(|p| p.blocks)
}

/// Alignment of pieces in W, G and C: blocks for the load, rows of every mode for the matrix engine.
pub fn align(g: &Geometry) -> [u32; 3] {
    [g.w2_row.max(g.k4_row).max(g.v4_row), g.g_row, g.c_row].map(|row| row.max(BLOCK_BYTES))
}
