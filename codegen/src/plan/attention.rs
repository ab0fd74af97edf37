//! Attention on the quantised cache: scores, softmax and weighted values stay on chip.
//!
//! Tokens are grouped in their natural order, so that the softmax of a group sees a length that grows by one from token
//! to token; those of several sequences are a group each. Scores of the next group are computed while the softmax of this one runs: scores, probabilities and their
//! slots are there twice.

use super::buffers::align;
use super::build::{Builder, Task};
use super::linear::activation_codes;
use super::map::{part, starts};
use super::{Produces, Reads, Reg, Value};
use crate::nodes::Operator;
use hw::Function;
use hw::machine::BLOCK_BYTES;
use ir::diag::Diagnostic;
use isa::table::{Gemm, Load, Vector, space, vec_parts};

const CACHED_VALUES: Task = Task("cached values", &[Operator::CacheV]);

/// Keys or values of a head on chip: bytes in the weight buffer, bytes in the channel buffer or a vector address.
#[derive(Clone, Copy)]
struct Resident {
    codes: u32,
    scales: u32,
}

/// Keys and values of a head: blocks to those of its sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cached {
    head: u32,
    sequence: u32,
}

/// A head of q and a token group.
#[derive(Clone, Copy)]
struct Item {
    head: u32,
    group: u32,
    /// Which of the two score buffers.
    side: usize,
}

impl Builder<'_> {
    /// Natural groups.
    fn naturals(&self) -> u32 {
        if self.reads == Reads::Each { self.tokens } else { self.buf.groups }
    }

    /// First token of natural group `g`, and how many there are.
    fn natural(&self, group: u32) -> (u32, u32) {
        match self.reads {
            Reads::Each => (group, 1),
            Reads::Of(_) => (group * self.g.t, (self.tokens - group * self.g.t).min(self.g.t)),
        }
    }

    /// Tokens of natural group `g`.
    fn in_row(&self, group: u32) -> u32 {
        self.natural(group).1
    }

    /// Blocks from the cache of the first sequence to that of a natural group.
    fn sequence(&self, group: u32) -> u32 {
        let sequence = match self.reads {
            Reads::Each => group,
            Reads::Of(sequence) => sequence,
        };
        sequence * self.map.sequence_blocks
    }

    fn part_of(&self, item: Item, value: Value) -> Produces {
        let (token, count) = self.natural(item.group);
        Produces { value, token, step: 1, count, head: item.head, row: 0, partial: false }
    }

    /// The rotary embedding of tokens from the `first` new one on.
    pub fn rope(&self, template: Vector, first: u32) -> Vector {
        let (fun, rlen) = (Function::Rope as u32, Reg::Position as u32);
        let (len, inc) = if self.reads == Reads::Each { (0, 0) } else { (first, 1) };
        Vector { fun, len, rlen, inc, b: self.buf.rope, ..template }
    }

    /// Rotates q, if it is, and quantises each head.
    pub fn pack_queries(&mut self) {
        let (w, heads) = (self.map.widths, self.map.heads);
        for group in 0..self.naturals() {
            let (first, tokens) = self.natural(group);
            let template = Vector {
                fun: Function::Copy as u32,
                out: activation_codes(self.model.widths.attention),
                tokens,
                subs: heads,
                rows: w.head.rows,
                a: self.buf.q + first * w.q.stride,
                a_stride: w.q.stride,
                d: self.buf.scratch,
                d_stride: w.q.stride,
                o: self.buf.a_q + group * w.q.share,
                o_step: self.buf.s_q + group * heads * self.g.t,
                ..Default::default()
            };
            let (task, body) = match self.model.kind.learned {
                None => ("rope q", self.rope(template, first)),
                Some(_) => ("pack q", template),
            };
            self.vector(Task(task, &[Operator::RopeQ]), body, 0);
            let produces = self.part_of(Item { head: 0, group, side: 0 }, Value::RopeQ);
            self.last().produces = Some(produces);
        }
    }

    /// Every head and group: scores, softmax, weighted values.
    pub fn attention(&mut self) -> Result<(), Diagnostic> {
        let shared = self.map.heads / self.map.kv_heads;
        let groups = self.naturals();
        let item = |i: u32| {
            let (head, group) = match self.reads {
                Reads::Of(_) => (i / groups, i % groups),
                // Heads that share keys and values of a sequence one behind the other.
                Reads::Each => (i / (groups * shared) * shared + i % shared, i / shared % groups),
            };
            Item { head, group, side: (i % 2) as usize }
        };
        let items: Vec<Item> = (0..self.map.heads * groups).map(item).collect();
        let of = |item: &Item| Cached { head: item.head / shared, sequence: self.sequence(item.group) };
        let cached: Vec<Cached> = items.iter().map(of).collect();
        let (mut keys, mut values, mut turn) = (None, None, 0);
        for i in 0..=items.len() {
            if let Some(&item) = items.get(i) {
                if i == 0 || cached[i - 1] != cached[i] {
                    turn = 1 - turn;
                    keys = Some(self.load_keys(cached[i])?);
                    self.load_value_scales(cached[i], turn);
                }
                if let Some(keys) = keys {
                    self.scores(item, keys);
                }
                self.softmax(item, turn);
                let last = cached.get(i + 1).is_none_or(|next| *next != cached[i]);
                if let (true, Some(keys)) = (last, keys) {
                    self.rings[0].give(keys.codes);
                    self.rings[2].give(keys.scales);
                }
            }
            // One behind: the values of the item before.
            let Some(&item) = i.checked_sub(1).and_then(|i| items.get(i)) else { continue };
            if i == 1 || cached[i - 2] != cached[i - 1] {
                if let Some(values) = values {
                    self.rings[0].give(values);
                }
                values = Some(self.load_values(cached[i - 1])?);
            }
            if let Some(values) = values {
                self.weigh(item, values);
            }
        }
        if let Some(values) = values {
            self.rings[0].give(values);
        }
        Ok(())
    }

    /// A load of one head's part of the cache. `units`: fixed units of this plan; `most`: units of a full context.
    fn load_part(&mut self, task: Task, p: usize, of: Cached, reg: Reg, space: u32, bank: u32, byte: u32) {
        let part = self.map.parts[p];
        let (fixed, reg) = match self.map.sequence {
            Some(_) => (part.head_blocks, Reg::Zero),
            None => {
                let new = if self.reads == Reads::Each { 1 } else { self.tokens };
                (part.load_blocks(new, starts(&self.g, new)), reg)
            }
        };
        let at = of.sequence + part.at + of.head * part.head_blocks;
        let load = Load {
            space,
            bank,
            dst: byte / BLOCK_BYTES,
            addr: self.map.cache + at,
            raddr: Reg::Cache as u32,
            blocks: fixed,
            rblocks: reg as u32,
            ..Default::default()
        };
        self.push(task, load.into(), part.head_blocks - fixed);
        self.cached(at, part.head_blocks, false);
    }

    fn load_keys(&mut self, of: Cached) -> Result<Resident, Diagnostic> {
        let align = align(&self.g);
        let bytes = |p: usize| self.map.parts[p].head_blocks * BLOCK_BYTES;
        let (code_bytes, scale_bytes) = (bytes(part::K), bytes(part::K_SCALE));
        let codes = self.take(0, code_bytes, align[0])?;
        let scales = self.take(2, scale_bytes, align[2])?;
        let task = Task("cached keys", &[Operator::CacheK]);
        self.load_part(task, part::K, of, Reg::KLoad, space::W, 0, codes);
        self.load_part(task, part::K_SCALE, of, Reg::KScaleLoad, space::C, 0, scales);
        Ok(Resident { codes, scales })
    }

    fn load_values(&mut self, of: Cached) -> Result<u32, Diagnostic> {
        let bytes = self.map.parts[part::V].head_blocks * BLOCK_BYTES;
        let codes = self.take(0, bytes, align(&self.g)[0])?;
        self.load_part(CACHED_VALUES, part::V, of, Reg::VLoad, space::W, 0, codes);
        Ok(codes)
    }

    fn load_value_scales(&mut self, of: Cached, turn: usize) {
        let (bank, row) = vec_parts(self.buf.v_scales[turn]);
        let byte = row * self.g.v_row;
        self.load_part(CACHED_VALUES, part::V_SCALE, of, Reg::VScaleLoad, space::V, bank, byte);
    }

    /// Positions that the tokens up to the end of a group see, and whether those before the plan's come on top.
    fn seen(&self, group: u32) -> (u32, bool) {
        match self.map.sequence {
            Some(all) => (all, false),
            None if self.reads == Reads::Each => (1, true),
            None => (group * self.g.t + self.in_row(group), true),
        }
    }

    /// The units of `div` positions that a group sees at least, the register that adds to them, and the most that it adds.
    fn units(&self, group: u32, div: u32, reg: Reg) -> (u32, u32, u32) {
        let (positions, grows) = self.seen(group);
        let fixed = positions.div_ceil(div);
        if grows { (fixed, reg as u32, self.map.held.div_ceil(div) - fixed) } else { (fixed, 0, 0) }
    }

    fn scores(&mut self, item: Item, keys: Resident) {
        let w = self.map.widths;
        let (ntiles, rntiles, more) = self.units(item.group, self.g.n, Reg::Tiles);
        let mode = self.model.widths.keys();
        let gemm = Gemm {
            mode: mode as u32,
            tokens: self.in_row(item.group),
            ntiles,
            rntiles,
            groups: 1,
            steps: w.head.rows,
            a_row: self.buf.a_q + item.group * w.q.share + item.head * w.head.rows,
            w_row: keys.codes / self.g.w_row(mode),
            wn_stride: w.head.rows,
            wk_stride: 1,
            c_row: keys.scales / self.g.c_row,
            dst: self.buf.scores[item.side],
            dst_stride: if self.in_row(item.group) > 1 { self.buf.score_rows } else { 0 },
            slot: self.buf.s_q + (item.group * self.map.heads + item.head) * self.g.t,
            shift: self.model.numbers.score_shift,
            narrow: self.narrow(self.model.widths.attention),
            ..Default::default()
        };
        let task = Task("scores", &[Operator::Scores]);
        self.push(task, gemm.into(), more);
        let produces = self.part_of(item, Value::Scores);
        self.last().produces = Some(produces);
    }

    fn softmax(&mut self, item: Item, turn: usize) {
        let (rows, rrows, more) = self.units(item.group, self.g.l, Reg::Rows);
        let (len, rlen) = match self.seen(item.group) {
            (_, true) if self.reads == Reads::Each => (1, self.map.seen() as u32),
            (_, true) => (item.group * self.g.t + 1, self.map.seen() as u32),
            (all, false) => (all, 0),
        };
        let softmax = Vector {
            fun: Function::Softmax as u32,
            out: activation_codes(self.model.widths.attention),
            tokens: self.in_row(item.group),
            subs: 1,
            rows,
            rrows,
            len,
            rlen,
            inc: u32::from(rlen > 0),
            a: self.buf.scores[item.side],
            a_stride: if self.in_row(item.group) > 1 { self.buf.score_rows } else { 0 },
            b: self.buf.v_scales[turn],
            d: self.buf.exponents[item.side],
            d_stride: if self.in_row(item.group) == 1 {
                0
            } else if self.buf.exponents == self.buf.scores {
                self.buf.score_rows
            } else {
                rows + more
            },
            o: self.buf.a_p[item.side],
            o_step: self.buf.s_p[item.side],
            ..Default::default()
        };
        self.vector(Task("softmax", &[Operator::Softmax]), softmax, more);
        let produces = self.part_of(item, Value::Softmax);
        self.last().produces = Some(produces);
    }

    fn weigh(&mut self, item: Item, values: u32) {
        let w = self.map.widths;
        let ntiles = w.head.stride * self.g.l / self.g.n;
        let mode = self.model.widths.values();
        let (groups, rgroups, more) = self.units(item.group, self.g.l, Reg::Rows);
        let first = self.natural(item.group).0 * self.buf.attention_stride + item.head * w.head.rows;
        let gemm = Gemm {
            mode: mode as u32,
            tokens: self.in_row(item.group),
            ntiles,
            groups,
            rgroups,
            steps: 1,
            a_row: self.buf.a_p[item.side],
            w_row: values / self.g.w_row(mode),
            wn_stride: 1,
            wk_stride: ntiles,
            c_row: self.buf.value_channels / self.g.c_row,
            dst: self.buf.attention + first,
            dst_stride: self.buf.attention_stride,
            slot: self.buf.s_p[item.side],
            shift: self.model.numbers.value_shift,
            narrow: self.narrow(self.model.widths.attention),
            ..Default::default()
        };
        let task = Task("weighted values", &[Operator::Values]);
        self.push(task, gemm.into(), more);
        let produces = self.part_of(item, Value::Attention);
        self.last().produces = Some(produces);
    }
}
