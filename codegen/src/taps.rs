//! Where the values of the integer graph can be read while a program runs: after which instruction, in which rows.
//!
//! Functional simulation runs instructions in program order, so a value stands at its tap right after the instruction that
//! completes it, even if its place is used again later.

use crate::compile::{Compiled, Target};
use crate::model::Linear;
use crate::plan::width::{Place, Width};
use crate::plan::{Map, Produces, Step, Value};
use hw::Geometry;
use hw::function::Product;
use hw::machine::BLOCK_BYTES;
use isa::table::{Body, out, vec_parts};

/// What one instruction completes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The instruction's word in the program.
    pub word: usize,
    /// 0 prologue (of layer 0), 1 layer body, 2 epilogue.
    pub segment: usize,
    /// In the body, `InputNorm` is that of the next layer, or the last norm behind the last.
    pub value: Value,
    /// The bias of the value is still to be added.
    pub partial: bool,
    pub parts: Vec<Part>,
}

/// One token (of one head) of a value, in a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub token: u32,
    /// Head of q, k or v among those of the slice; 0 where a value has none.
    pub head: u32,
    /// int32 words: bank and row.
    pub bank: u32,
    pub row: u32,
    /// Rows from the start of the layout to `row`, and how many the instruction completes (scores: of a full cache).
    pub first: u32,
    pub rows: u32,
    pub codes: Option<Codes>,
}

/// Where int8 codes of a part lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// First activation row of those of the first slice.
    pub row: u32,
    /// Rows from there to those of the next slice; 0 where each slice has its own only.
    pub apart: u32,
    /// Place in a row.
    pub token: u32,
    /// Slot of their scale.
    pub slot: u32,
}

/// The layout of a value's elements; `None` for scores and probabilities, which lie without gaps.
pub fn width(map: &Map, value: Value) -> Option<Width> {
    let w = &map.widths;
    match value {
        Value::Embedding | Value::Positions | Value::Stream => Some(w.hidden),
        Value::InputNorm | Value::PostNorm | Value::FinalNorm => Some(w.hidden),
        Value::AttentionResidual | Value::MlpResidual | Value::Pool => Some(w.hidden),
        Value::K | Value::V => Some(w.kv),
        Value::Q | Value::AttentionOutput => Some(w.q),
        Value::RopeK | Value::RopeQ | Value::PackedV | Value::Attention => Some(w.head),
        Value::Gate | Value::Up | Value::Product => Some(w.intermediate),
        Value::Logits => Some(w.logits),
        // Convolutions differ in their widths.
        Value::Scores | Value::Softmax | Value::Stem => None,
    }
}

/// All taps of a program, in program order.
pub fn taps(target: &Target, compiled: &Compiled) -> Vec<Tap> {
    let g = Geometry::of(&target.machine);
    let mut all = Vec::new();
    for (segment, part) in compiled.plan.segments.iter().enumerate() {
        for (step, &word) in part.steps.iter().zip(&compiled.places[segment]) {
            if let Some(produces) = step.produces {
                let parts = parts(step, produces, &g, target.map.held);
                all.push(Tap { word, segment, value: produces.value, partial: produces.partial, parts });
            }
        }
    }
    all
}

fn parts(step: &Step, p: Produces, g: &Geometry, held: u32) -> Vec<Part> {
    match &step.body {
        Body::Gemm(b) => {
            let (bank, row) = vec_parts(b.dst);
            let tiles = b.ntiles + if b.rntiles == 0 { 0 } else { held.div_ceil(g.n) - b.ntiles };
            let part = |t| Part {
                token: p.token + t * p.step,
                head: p.head,
                bank,
                row: row + t * b.dst_stride,
                first: p.row,
                rows: tiles * g.n / g.l,
                codes: None,
            };
            (0..b.tokens).map(part).collect()
        }
        Body::Vector(b) => {
            // What is quantised under a fixed scale is the operand.
            let rows_of_words = b.product() == Product::Rows;
            let (words, stride) = if rows_of_words { (b.d, b.d_stride) } else { (b.a, b.a_stride) };
            let (bank, row) = vec_parts(words);
            // Vectors of a token are its heads, or whole tokens in permuted groups.
            let heads = matches!(p.value, Value::RopeQ | Value::RopeK | Value::PackedV);
            let rows = b.rows + if b.rrows == 0 { 0 } else { held.div_ceil(g.l) - b.rows };
            let part = |t: u32, u: u32| Part {
                token: if heads { p.token + t * p.step } else { p.token + (t * b.subs + u) * p.step },
                head: if heads { u } else { p.head },
                bank,
                row: row + t * stride + u * rows,
                first: p.row,
                rows,
                codes: (b.out == out::Q8).then_some(Codes {
                    row: b.o + u * rows * b.parts(g),
                    apart: b.across * rows,
                    token: b.o_token + t,
                    slot: b.o_step + u * g.t + b.o_token + t,
                }),
            };
            (0..b.tokens).flat_map(|t| (0..b.subs).map(move |u| part(t, u))).collect()
        }
        _ => Vec::new(),
    }
}

/// A byte of off-chip memory, and the slice that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Byte {
    pub slice: u32,
    pub address: u32,
}

/// The logit of `token` for vocabulary entry `entry`, behind a run of `tokens` tokens.
pub fn logit(target: &Target, tokens: u32, token: u32, entry: u32) -> Byte {
    let g = Geometry::of(&target.machine);
    let Place { slice, row, lane } = target.map.widths.logits.place(entry);
    let mut at = target.map.logits * BLOCK_BYTES;
    for chunk in target.map.of(Linear::Head) {
        let rows = crate::plan::map::logits_rows(chunk, &g);
        let (first, per_tile) = (chunk.first_tile * (g.n / g.l), g.n / g.l);
        if (first..first + chunk.tiles * per_tile).contains(&row) {
            at += (token * rows + row - first) * g.v_row + 4 * lane;
            break;
        }
        at += tokens * rows * g.v_row;
    }
    Byte { slice, address: at }
}

/// Element `e` of a token of an encoder that gives its normed stream.
pub fn element(target: &Target, token: u32, e: u32) -> Byte {
    let map = &target.map;
    let at = map.logits + token / map.tokens * map.chunk_blocks;
    in_rows(target, at, &map.widths.hidden, token % map.tokens, e)
}

/// Element `e` of a frame that goes into an encoder of a signal.
pub fn frame(target: &Target, frame: u32, e: u32) -> Byte {
    let pad = target.model.stem.first().map_or(0, |window| window.pad);
    in_rows(target, target.map.frames[0].at, &target.map.widths.frames[0], pad + frame, e)
}

/// Element `e` of vector `n` of those that lie one behind the other from a block on.
pub fn in_rows(target: &Target, block: u32, width: &Width, n: u32, e: u32) -> Byte {
    let g = Geometry::of(&target.machine);
    let Place { slice, row, lane } = width.place(e);
    Byte { slice, address: block * BLOCK_BYTES + (n * width.stride + row) * g.v_row + 4 * lane }
}
