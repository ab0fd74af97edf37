//! Where the values of the integer graph can be read while a program runs: after which instruction, in which rows.
//!
//! Functional simulation runs instructions in program order, so a value stands at its tap right after the instruction that
//! completes it, even if its place is used again later.

use crate::compile::{Compiled, Target};
use crate::model::Linear;
use crate::plan::width::Width;
use crate::plan::{Map, Produces, Step, Value};
use hw::Geometry;
use hw::function::Product;
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

/// One token (of one head) of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub token: u32,
    /// Head of q, k or v; 0 where a value has none.
    pub head: u32,
    /// int32 words: bank and row.
    pub bank: u32,
    pub row: u32,
    /// Rows from the start of the layout to `row`, and how many the instruction completes (scores: of a full context).
    pub first: u32,
    pub rows: u32,
    /// int8 codes: first activation row and place in it, and the slot of their scale.
    pub codes: Option<(u32, u32, u32)>,
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
                let parts = parts(step, produces, &g, target.map.context);
                all.push(Tap { word, segment, value: produces.value, partial: produces.partial, parts });
            }
        }
    }
    all
}

fn parts(step: &Step, p: Produces, g: &Geometry, context: u32) -> Vec<Part> {
    match &step.body {
        Body::Gemm(b) => {
            let (bank, row) = vec_parts(b.dst);
            let tiles = b.ntiles + if b.rntiles == 0 { 0 } else { context.div_ceil(g.n) - b.ntiles };
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
            let rows = b.rows + if b.rrows == 0 { 0 } else { context.div_ceil(g.l) - b.rows };
            let part = |t: u32, u: u32| Part {
                token: if heads { p.token + t * p.step } else { p.token + (t * b.subs + u) * p.step },
                head: if heads { u } else { p.head },
                bank,
                row: row + t * stride + u * rows,
                first: p.row,
                rows,
                codes: (b.out == out::Q8).then_some((
                    b.o + u * rows,
                    b.o_token + t,
                    b.o_step + u * g.t + b.o_token + t,
                )),
            };
            (0..b.tokens).flat_map(|t| (0..b.subs).map(move |u| part(t, u))).collect()
        }
        _ => Vec::new(),
    }
}

/// Byte address in memory of the logit of `token` for vocabulary entry `entry`, behind a run of `tokens` tokens.
pub fn logit(target: &Target, tokens: u32, token: u32, entry: u32) -> u32 {
    let g = Geometry::of(&target.machine);
    let place = target.map.widths.logits.place(entry);
    let mut at = target.map.logits * hw::machine::BLOCK_BYTES;
    for chunk in target.map.of(Linear::Head) {
        let rows = crate::plan::map::logits_rows(chunk, &g);
        let first = chunk.first_tile * g.n;
        if (first..first + chunk.tiles * g.n).contains(&place) {
            let inside = place - first;
            return at + (token * rows + inside / g.l) * g.v_row + 4 * (inside % g.l);
        }
        at += tokens * rows * g.v_row;
    }
    at
}

/// Byte address in memory of element `e` of a token of an encoder that gives its normed stream.
pub fn element(target: &Target, token: u32, e: u32) -> u32 {
    let (map, g) = (&target.map, Geometry::of(&target.machine));
    let (place, width) = (map.widths.hidden.place(e), &map.widths.hidden);
    let row = token % map.tokens * width.stride + place / g.l;
    (map.logits + token / map.tokens * map.chunk_blocks) * hw::machine::BLOCK_BYTES
        + row * g.v_row
        + 4 * (place % g.l)
}

/// Byte address in memory of element `e` of a frame that goes into an encoder of a signal.
pub fn frame(target: &Target, frame: u32, e: u32) -> u32 {
    let (map, g) = (&target.map, Geometry::of(&target.machine));
    let (width, pad) = (&map.widths.frames[0], target.model.stem.first().map_or(0, |window| window.pad));
    let place = width.place(e);
    let row = (pad + frame) * width.stride + place / g.l;
    map.frames[0].at * hw::machine::BLOCK_BYTES + row * g.v_row + 4 * (place % g.l)
}
