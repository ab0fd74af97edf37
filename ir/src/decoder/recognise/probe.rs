//! Checks what depends on no weight by evaluating it: the causal mask and the angles of the rotary embedding.
//!
//! Inputs of the model whose name contains `mask` are set to ones (nothing is padded), or, where they are floats, to the
//! causal mask; those whose name contains `position` to positions. A part of the graph that depends on any other input is a mismatch.

use super::attention::Attended;
use super::matcher::Matcher;
use super::{Positions, Visibility};
use crate::diag::Diagnostic;
use crate::eval::evaluate;
use crate::graph::{Builder, Def, Graph, ValueId};
use crate::tensor::Tensor;
use crate::types::DType;
use std::collections::{HashMap, HashSet};

/// Largest difference from the exact cosine or sine: an f32 angle of a few thousand radians is rounded by 2e-4.
const TURN_TOLERANCE: f64 = 1e-3;
/// Below this, a mask hides: e^-10000 is zero in every format.
const HIDDEN: f32 = -1e4;

/// The base of the frequencies, read off the angles at position 1.
pub(super) fn theta(graph: &Graph, m: &Matcher<'_>, found: &Attended) -> Result<f64, Diagnostic> {
    let Some([[cos, sin], _]) = found.turns else {
        return Err(m.mismatch(None, "a rotary embedding or a table of positions", "neither"));
    };
    // Tables that are cut out already begin at the first new token, at position 0 or behind the cache.
    let cut = cone(graph, cos)?.inputs().is_empty();
    let (row, position) = if !cut { (0, 1) } else { (usize::from(found.past == 0), found.past.max(1)) };
    let (cos, sin) = (probe(graph, m, cos, [1, 0])?, probe(graph, m, sin, [1, 0])?);
    let (half, dim) = (found.head_dim / 2, found.head_dim as f64);
    let columns = cos.shape().last().copied().unwrap_or(0);
    let angle = |i: usize| Some(f64::from(*sin.floats().get(i)?).atan2(f64::from(*cos.floats().get(i)?)));
    let slowest = half.checked_sub(1).and_then(|i| angle(row * columns + i));
    let raw = slowest.map(|angle| (angle / position as f64).powf(-dim / (dim - 2.0)));
    let raw = raw.filter(|t| t.is_finite() && *t > 1.0);
    let raw = raw.ok_or_else(|| m.mismatch(None, "angles of a rotary embedding", "something else"))?;
    // The base is a round number in every model; the angles tell it to about six digits.
    Ok(if (raw / raw.round() - 1.0).abs() < 1e-4 { round_base(raw) } else { raw })
}

/// The roundest number within the precision of the angles.
fn round_base(raw: f64) -> f64 {
    let near = |digits: i32| {
        let unit = 10f64.powi(raw.log10().floor() as i32 + 1 - digits);
        (raw / unit).round() * unit
    };
    (1..=6).map(near).find(|t| (raw / t - 1.0).abs() < 1e-5).unwrap_or(raw)
}

/// Which tokens each one sees, read off the mask: those before it, or all where nothing is hidden.
pub(super) fn seen(
    graph: &Graph,
    m: &Matcher<'_>,
    found: &Attended,
    [tokens, past]: [usize; 2],
) -> Result<Visibility, Diagnostic> {
    let node = found.masks.first().and_then(|&mask| graph.producer(mask)).map(|p| p.0);
    let (total, expected) =
        (past + tokens, "a causal mask of tokens x all tokens, or one that hides nothing");
    let mut mask = vec![0.0; tokens * total];
    for &value in &found.masks {
        let part = probe(graph, m, value, [past, 1])?;
        let [.., rows, columns] = part.shape()[..] else { return Err(m.mismatch(node, expected, "others")) };
        let mut batch = part.floats().chunks_exact((rows * columns).max(1));
        let first = batch.next().unwrap_or_default();
        let fits = [1, tokens].contains(&rows) && [1, total].contains(&columns) && !first.is_empty();
        m.expect(fits && batch.all(|other| other == first), node, expected)?;
        let at = |i: usize| i / total % rows * columns + i % total % columns;
        mask.iter_mut().enumerate().for_each(|(i, sum)| *sum += first[at(i)]);
    }
    let causal = mask.iter().enumerate().all(|(i, &x)| {
        let visible = i % total <= past + i / total;
        if visible { x == 0.0 } else { x < HIDDEN }
    });
    let open = mask.iter().all(|&x| x == 0.0);
    // A single token behind a cache needs no mask.
    if causal && (past > 0 || !found.masks.is_empty()) {
        return Ok(Visibility::Causal);
    }
    m.expect(past == 0 && open, node, expected)?;
    Ok(Visibility::Full)
}

/// Checks mask and angles at the positions `past..past + tokens`.
pub(super) fn check(
    graph: &Graph,
    m: &Matcher<'_>,
    found: &Attended,
    [tokens, past]: [usize; 2],
    positions: Positions,
    attention: Visibility,
) -> Result<(), Diagnostic> {
    let node = found.masks.first().and_then(|&mask| graph.producer(mask)).map(|p| p.0);
    m.expect(seen(graph, m, found, [tokens, past])? == attention, node, "layers that see the same tokens")?;
    let (turns, theta) = match (found.turns, positions) {
        (Some(turns), Positions::Rotary { theta }) => (turns, theta),
        (None, Positions::Learned { .. }) => return Ok(()),
        _ => return Err(m.mismatch(node, "layers that all turn queries and keys, or none", "some that do")),
    };
    for [cos, sin] in turns {
        for (table, f) in [(cos, f64::cos as fn(f64) -> f64), (sin, f64::sin)] {
            let node = graph.producer(table).map(|p| p.0);
            let turns = probe(graph, m, table, [past, 1])?;
            let good = is_table(turns.floats(), f, found.head_dim, tokens, past, theta);
            m.expect(good, node, "the angles of a rotary embedding")?;
        }
    }
    Ok(())
}

fn is_table(turns: &[f32], f: fn(f64) -> f64, dim: usize, tokens: usize, past: usize, theta: f64) -> bool {
    // A column for each element, or for each pair.
    let columns = turns.len() / tokens.max(1);
    let expected = |i: usize| {
        let pair = i % columns % (dim / 2);
        f((past + i / columns) as f64 * theta.powf(-2.0 * pair as f64 / dim as f64))
    };
    turns.len() == tokens * columns
        && [dim, dim / 2].contains(&columns)
        && turns.iter().enumerate().all(|(i, &x)| (f64::from(x) - expected(i)).abs() < TURN_TOLERANCE)
}

/// The rows of a table of positions that tokens behind `past` cached ones select.
pub(super) fn rows(
    graph: &Graph,
    m: &Matcher<'_>,
    value: ValueId,
    past: usize,
) -> Result<Vec<i64>, Diagnostic> {
    let rows = probe(graph, m, value, [past, 1])?.to_i64s();
    rows.ok_or_else(|| m.mismatch(None, "row numbers of a table", "something else"))
}

/// Evaluates a value for the positions `first, first + step, ..`.
fn probe(
    graph: &Graph,
    m: &Matcher<'_>,
    value: ValueId,
    [first, step]: [usize; 2],
) -> Result<Tensor, Diagnostic> {
    let cone = cone(graph, value)?;
    let mut inputs = Vec::new();
    for &id in cone.inputs() {
        let name = cone.input_name(id).unwrap_or_default().to_ascii_lowercase();
        let (dims, dtype) = (m.dims_of(&cone, id)?, cone.ty(id).dtype);
        let count: usize = dims.iter().product();
        let tensor = match dtype {
            DType::I64 if name.contains("mask") => Tensor::i64(dims, vec![1; count]),
            DType::F32 if name.contains("mask") => causal(dims, first),
            DType::I64 if name.contains("position") => {
                Tensor::i64(dims, (0..count).map(|i| (first + i * step) as i64).collect())
            }
            _ => None,
        };
        inputs.push(tensor.ok_or_else(|| {
            m.mismatch(None, "a mask or angles of masks and positions", &format!("the input `{name}`"))
        })?);
    }
    let result = evaluate(&cone, &inputs)?.into_iter().next();
    result.ok_or_else(|| m.mismatch(None, "a value", "none"))
}

/// What a caller gives as a mask that is added to the scores: row `i` sees the columns up to `past + i`.
fn causal(dims: Vec<usize>, past: usize) -> Option<Tensor> {
    let total = *dims.last()?;
    let count = dims.iter().product();
    let hides = |i: usize| i % total > past + i / total;
    Tensor::f32(dims, (0..count).map(|i| if hides(i) { f32::MIN } else { 0.0 }).collect())
}

/// The part of a graph that a value depends on, as a graph of its own.
fn cone(graph: &Graph, value: ValueId) -> Result<Graph, Diagnostic> {
    let mut needed = HashSet::from([value]);
    for (_, node) in graph.nodes().rev() {
        if node.outputs.iter().any(|o| needed.contains(o)) {
            needed.extend(&node.inputs);
        }
    }
    let mut builder = Builder::new("");
    let mut map = HashMap::new();
    for (id, value) in graph.values().filter(|(id, _)| needed.contains(id)) {
        match &value.def {
            Def::Input(name) => map.insert(id, builder.input(name.clone(), value.ty.clone())),
            Def::Constant(name, constant) => map.insert(id, builder.constant(name.clone(), constant.clone())),
            Def::Node(..) => None,
        };
    }
    for (_, node) in graph.nodes().filter(|(_, n)| n.outputs.iter().any(|o| needed.contains(o))) {
        let inputs: Vec<ValueId> = node.inputs.iter().filter_map(|i| map.get(i).copied()).collect();
        let outputs = builder.node(node.op.clone(), &inputs, node.origin.clone())?;
        map.extend(node.outputs.iter().copied().zip(outputs));
    }
    if let Some(&new) = map.get(&value) {
        builder.output("value", new);
    }
    builder.finish()
}
