//! New keys and values: rotated, quantised into staging rows, and stored into the cache.

use super::buffers::Stage;
use super::build::{Builder, Task};
use super::map::part;
use super::{Reads, Reg, Value};
use crate::nodes::Operator;
use hw::Function;
use hw::machine::BLOCK_BYTES;
use isa::table::{StoreSegments, Vector, out, vec_parts};

/// One nest of a regular move: how many, and bytes between them at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dim {
    count: u32,
    src: u32,
    dst: u32,
}

const NEW_KEYS: Task = Task("new keys", &[Operator::CacheK]);
const NEW_VALUES: Task = Task("new values", &[Operator::CacheV]);

/// Most segments of an instruction, and most bytes between them at both ends.
const MOST_SEGMENTS: u32 = 4095;
const MOST_APART: (u32, u32) = (0xffff, 0xff_ffff);

impl Builder<'_> {
    /// Rotates k, if it is, quantises each head, stores codes and scales.
    pub fn pack_keys(&mut self) {
        let (w, mode) = (self.map.widths, self.model.widths.keys());
        let template = Vector {
            fun: Function::Copy as u32,
            out: if mode.bits() == 8 { out::Q8K } else { out::Q4K },
            rows: w.head.rows,
            a: self.buf.k,
            ..Default::default()
        };
        let (task, body) = match self.model.kind.learned {
            None => ("rope k", self.rope(template, 0)),
            Some(_) => ("pack k", template),
        };
        let stage = self.buf.k_stage;
        self.stage(Task(task, &[Operator::RopeK, Operator::CacheK]), body, stage, Value::RopeK);
        let unit = (w.head.rows, self.g.segment(mode), self.g.w_row(mode));
        self.store_part(NEW_KEYS, part::K, Reg::KStore, stage.at, stage.step, unit);
        self.store_part(
            NEW_KEYS,
            part::K_SCALE,
            Reg::KScaleStore,
            stage.at + stage.code_rows,
            stage.step,
            (1, 4, 0),
        );
    }

    /// Quantises each head of v, stores codes and scales.
    pub fn pack_values(&mut self) {
        let (head, mode) = (self.map.widths.head, self.model.widths.values());
        let out = if mode.bits() == 8 { out::Q8V } else { out::Q4V };
        let fun = Function::Copy as u32;
        let copy = Vector { fun, out, rows: head.rows, a: self.buf.v, ..Default::default() };
        let stage = self.buf.v_stage;
        self.stage(Task("pack v", &[Operator::CacheV]), copy, stage, Value::PackedV);
        let unit = (head.stride * self.g.l / self.g.n, self.g.segment(mode), self.g.w_row(mode));
        self.store_part(NEW_VALUES, part::V, Reg::VStore, stage.at, stage.step, unit);
        self.store_part(
            NEW_VALUES,
            part::V_SCALE,
            Reg::VScaleStore,
            stage.at + stage.code_rows,
            stage.step,
            (1, 4, 0),
        );
    }

    fn stage(&mut self, task: Task, template: Vector, stage: Stage, value: Value) {
        let stride = self.map.widths.kv.stride;
        let many = self.tokens > 1;
        let body = Vector {
            tokens: self.tokens,
            subs: self.map.kv_heads,
            a_stride: if many { stride } else { 0 },
            d: self.buf.scratch,
            d_stride: if many { stride } else { 0 },
            o: stage.at,
            o_step: stage.step,
            imm: stage.code_rows,
            ..template
        };
        self.vector(task, body, 0);
        self.all_tokens(value);
    }

    /// Stores what every token and head adds to a part of the cache: `(pieces, bytes of one, bytes between them in the
    /// cache)`. New positions start at the border of a unit when there is more than one.
    fn store_part(
        &mut self,
        task: Task,
        p: usize,
        reg: Reg,
        stage: u32,
        token_rows: u32,
        (pieces, bytes, apart): (u32, u32, u32),
    ) {
        let part = self.map.parts[p];
        let token = token_rows * self.g.v_row;
        let (bank, row) = vec_parts(stage);
        let src = row * self.g.v_row;
        let segment = bytes.min(self.g.beat).min(self.g.v_row);
        let common = [
            Dim { count: self.map.kv_heads, src: pieces * bytes, dst: part.head_blocks * BLOCK_BYTES },
            Dim { count: pieces, src: bytes, dst: apart },
            Dim { count: bytes / segment, src: segment, dst: segment },
        ];
        let sequence = |n: u32| n * self.map.sequence_blocks * BLOCK_BYTES;
        let (units, rest) = (self.tokens / part.div, self.tokens % part.div);
        let inside = |count| Dim { count, src: token, dst: part.position_bytes };
        let across = Dim { count: units, src: part.div * token, dst: part.unit_bytes };
        let one = Dim { count: 1, src: 0, dst: 0 };
        let (first, last) = match self.reads {
            Reads::Of(n) => (n, n),
            Reads::Each => (0, self.tokens - 1),
        };
        let at = part.at + first * self.map.sequence_blocks;
        let blocks = (last - first) * self.map.sequence_blocks + part.head_blocks * self.map.kv_heads;
        let nests = match self.reads {
            Reads::Of(n) => {
                let (from, to) = (units * across.src, units * across.dst);
                [(0, sequence(n), [inside(part.div), across]), (from, sequence(n) + to, [inside(rest), one])]
            }
            Reads::Each => {
                let each = Dim { count: self.tokens, src: token, dst: sequence(1) };
                [(0, 0, [each, one]), (0, 0, [Dim { count: 0, ..each }, one])]
            }
        };
        for (from, to, dims) in
            nests.into_iter().filter(|(_, _, [inner, outer])| inner.count * outer.count > 0)
        {
            let from = src + from;
            for (src, dst, dim) in moves(&[&common[..], &dims].concat()) {
                let body = StoreSegments {
                    bank,
                    src: from + src,
                    src_stride: dim.src,
                    seg_log2: segment.trailing_zeros(),
                    count: dim.count,
                    addr: to + dst,
                    raddr: reg as u32,
                    dst_stride: dim.dst,
                };
                self.push(task, body.into(), 0);
                self.cached(at, blocks, true);
            }
        }
    }
}

/// Instructions for a nest of moves: the first segment's offsets at both ends and the dimension that the instruction
/// walks, which is the longest that it can after neighbouring dimensions have been joined.
fn moves(dims: &[Dim]) -> Vec<(u32, u32, Dim)> {
    let mut dims: Vec<Dim> = dims.iter().copied().filter(|d| d.count > 1).collect();
    while let Some((inner, outer)) = joint(&dims) {
        dims[inner].count *= dims[outer].count;
        dims.remove(outer);
    }
    let fits = |i: &usize| dims[*i].src <= MOST_APART.0 && dims[*i].dst <= MOST_APART.1;
    let longest = (0..dims.len()).filter(fits).max_by_key(|&i| dims[i].count);
    let walked = longest.map_or(Dim { count: 1, src: 0, dst: 0 }, |i| dims.remove(i));
    let mut starts = vec![(0, 0)];
    for d in dims {
        let each = |&(src, dst): &(u32, u32)| (0..d.count).map(move |i| (src + i * d.src, dst + i * d.dst));
        starts = starts.iter().flat_map(each).collect();
    }
    starts.into_iter().map(|(src, dst)| (src, dst, walked)).collect()
}

/// Two dimensions of which the second goes on where the first ends.
fn joint(dims: &[Dim]) -> Option<(usize, usize)> {
    let goes_on = |a: &Dim, b: &Dim| {
        b.src == a.src * a.count && b.dst == a.dst * a.count && a.count * b.count <= MOST_SEGMENTS
    };
    let pairs = (0..dims.len()).flat_map(|a| (0..dims.len()).map(move |b| (a, b)));
    pairs.into_iter().find(|&(a, b)| a != b && goes_on(&dims[a], &dims[b]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nest_becomes_few_instructions_that_cover_it() {
        let dims = [
            Dim { count: 3, src: 100, dst: 1000 },
            Dim { count: 4, src: 4, dst: 4 },
            Dim { count: 5, src: 16, dst: 16 },
            Dim { count: 1, src: 9, dst: 9 },
        ];
        let moves = moves(&dims);
        assert_eq!(moves.len(), 3);
        assert_eq!(moves[1], (100, 1000, Dim { count: 20, src: 4, dst: 4 }));
    }
}
