//! Matches attention: projections, rotary embedding, cache, scores, softmax, mixing of values.

use super::matcher::{Matcher, Starts};
use super::{Op, Projection};
use crate::diag::Diagnostic;
use crate::graph::{Origin, ValueId};

/// Attention as it was found.
#[derive(Debug, Clone)]
pub(super) struct Attended {
    /// What it starts from.
    pub(super) h: ValueId,
    /// Of q, k, v and the output.
    pub(super) linears: [Projection; 4],
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Tokens in the cache.
    pub(super) past: usize,
    /// What is added to the scores.
    pub(super) masks: Vec<ValueId>,
    /// Cosines and sines of the rotary embedding of q and of k, if there is one.
    pub(super) turns: Option<[[ValueId; 2]; 2]>,
    pub(super) origins: Origins,
}

#[derive(Debug, Clone)]
pub(super) struct Origins {
    pub(super) rope_q: Origin,
    pub(super) rope_k: Origin,
    pub(super) cache_k: Origin,
    pub(super) cache_v: Origin,
    pub(super) scores: Origin,
    pub(super) softmax: Origin,
    pub(super) values: Origin,
}

impl Starts for Attended {
    fn start(&self) -> ValueId {
        self.h
    }
}

/// A projection split into heads: the vector it starts from, and the sizes.
struct Heads {
    h: ValueId,
    linear: Projection,
    /// What q or k is multiplied with, before the scores are.
    factor: f64,
    heads: usize,
    dim: usize,
}

/// Matches `merge(softmax(q k^T scale + mask) v) Wo`.
pub(super) fn attention(m: &Matcher<'_>, value: ValueId) -> Result<Attended, Diagnostic> {
    let (merged, wo) = m.projection(value)?;
    let [mixed] = m.operands(merged, "the joining of heads", is!(Op::Reshape(_)))?;
    let mixed = swapped(m, mixed, &[0, 2, 1, 3], "heads moved behind tokens")?;
    let [weights, values] = m.operands(mixed, "the mixing of values", is!(Op::MatMul(_)))?;
    let (scores, masks) = masked(m, weights)?;
    let (product, scale) = m.scaled(scores);
    let [q, keys] = m.operands(product, "the product of queries and keys", is!(Op::MatMul(_)))?;
    let ((q, of_q), (keys, of_keys)) = (m.scaled(q), m.scaled(keys));
    let keys = Keys::of(m, keys)?;
    let (values, of_v) = repeated(m, values)?;
    let (v, past_v) = cached(m, values)?;
    let (plain_q, turn_q) = rotated(m, q)?;
    let (q_heads, k_heads, v_heads) = (heads(m, plain_q)?, keys.heads, heads(m, v)?);
    let node = m.graph.producer(product).map(|p| p.0);
    let dim = q_heads.dim;
    m.expect(q_heads.h == k_heads.h && q_heads.h == v_heads.h, node, "q, k and v of one vector")?;
    m.expect(
        k_heads.heads == v_heads.heads && k_heads.dim == dim && v_heads.dim == dim,
        node,
        "heads of one size",
    )?;
    // One head of k and v is broadcast to all of q without being repeated.
    let shared = |repeats: usize| [1, q_heads.heads].contains(&(k_heads.heads * repeats));
    m.expect(keys.repeats == of_v && shared(of_v), node, "heads of q that share those of k and v evenly")?;
    m.expect(keys.past == past_v, node, "as many cached keys as values")?;
    let scale = scale * of_q * of_keys * q_heads.factor * k_heads.factor;
    let usual = (scale * (dim as f64).sqrt() - 1.0).abs() < 1e-5 && v_heads.factor == 1.0;
    m.expect(usual, node, "the scale 1 / sqrt(head_dim)")?;
    let turns = match (turn_q, keys.turn) {
        (Some(q), Some(k)) => Some([q, k]),
        (None, None) => None,
        _ => return Err(m.mismatch(node, "a rotary embedding of both queries and keys", "of one of them")),
    };
    let origins = Origins {
        rope_q: m.origin(q),
        rope_k: m.origin(keys.turned),
        cache_k: m.origin(keys.joined),
        cache_v: m.origin(values),
        scores: m.origin(product),
        softmax: m.origin(weights),
        values: m.origin(mixed),
    };
    Ok(Attended {
        h: q_heads.h,
        linears: [q_heads.linear, k_heads.linear, v_heads.linear, wo],
        heads: q_heads.heads,
        kv_heads: k_heads.heads,
        head_dim: dim,
        past: keys.past,
        masks,
        turns,
        origins,
    })
}

/// Keys as they enter the product with queries, from there back to their projection.
struct Keys {
    heads: Heads,
    repeats: usize,
    past: usize,
    turn: Option<[ValueId; 2]>,
    /// The keys, cached and new.
    joined: ValueId,
    /// The new keys.
    turned: ValueId,
}

impl Keys {
    fn of(m: &Matcher<'_>, value: ValueId) -> Result<Keys, Diagnostic> {
        // Keys that nothing happens to between their projection and the product are moved once.
        if let Ok(split) = swapped(m, value, &[0, 2, 3, 1], "keys of each head") {
            let heads = split_heads(m, split)?;
            return Ok(Keys { heads, repeats: 1, past: 0, turn: None, joined: value, turned: value });
        }
        let keys = swapped(m, value, &[0, 1, 3, 2], "transposed keys")?;
        let (joined, repeats) = repeated(m, keys)?;
        let (turned, past) = cached(m, joined)?;
        let (plain, turn) = rotated(m, turned)?;
        Ok(Keys { heads: heads(m, plain)?, repeats, past, turn, joined, turned })
    }
}

/// Matches a transposition; returns its operand.
fn swapped(m: &Matcher<'_>, value: ValueId, perm: &[usize], expected: &str) -> Result<ValueId, Diagnostic> {
    let (id, node) = m.node(value, expected, is!(Op::Transpose(_)))?;
    let same = matches!(&node.op, Op::Transpose(t) if t.perm == perm);
    m.expect(same, Some(id), expected)?;
    Ok(node.inputs[0])
}

/// Matches `softmax(scores)` along the last axis, with any masks added to the scores. These are the operand that is a product.
fn masked(m: &Matcher<'_>, value: ValueId) -> Result<(ValueId, Vec<ValueId>), Diagnostic> {
    let (id, node) = m.node(value, "softmax of the scores", is!(Op::Softmax(_)))?;
    m.expect(matches!(&node.op, Op::Softmax(s) if s.axis == 3), Some(id), "softmax along the last axis")?;
    let plain = |scores| m.find(m.scaled(scores).0, is!(Op::MatMul(_))).is_some();
    let (mut scores, mut masks) = (node.inputs[0], Vec::new());
    while !plain(scores) {
        let [a, b] = m.operands(scores, "scores and a mask", is!(Op::Add(_)))?;
        let sum = |value| plain(value) || m.find(value, is!(Op::Add(_))).is_some();
        let mask = if plain(a) || !plain(b) && sum(a) { b } else { a };
        scores = if mask == b { a } else { b };
        masks.push(mask);
    }
    Ok((scores, masks))
}

/// Matches what may repeat each head for the heads of q that share it; returns what is repeated, and how often.
fn repeated(m: &Matcher<'_>, value: ValueId) -> Result<(ValueId, usize), Diagnostic> {
    let reshaped = |value| m.find(value, is!(Op::Reshape(_))).map(|(_, node)| node.inputs[0]);
    let Some(wide) = reshaped(value) else { return Ok((value, 1)) };
    let Some((id, expand)) = m.find(wide, is!(Op::Expand(_))) else {
        // Repeated once: there and back.
        let same = reshaped(wide).filter(|&from| m.graph.ty(from) == m.graph.ty(value));
        return Ok((same.unwrap_or(value), 1));
    };
    let expected = "heads of k or v, each repeated in place";
    let [heads] = m.operands(expand.inputs[0], expected, is!(Op::Reshape(_)))?;
    let [from, to, all] = [heads, expand.outputs[0], value].map(|v| m.dims(v));
    match (&from?[..], &m.dims(expand.inputs[0])?[..], &to?[..], &all?[..]) {
        (&[1, h, t, d], unit, &[1, same, repeats, _, _], joined)
            if same == h && unit == [1, h, 1, t, d] && joined == [1, h * repeats, t, d] =>
        {
            Ok((heads, repeats))
        }
        _ => Err(m.mismatch(Some(id), expected, "something else")),
    }
}

/// Matches what may be joined behind a cache that is a graph input; returns the new part and the length of the cache.
fn cached(m: &Matcher<'_>, value: ValueId) -> Result<(ValueId, usize), Diagnostic> {
    let rows = |op: &Op| matches!(op, Op::Concat(c) if c.axis == 2);
    let Some((id, node)) = m.find(value, rows) else { return Ok((value, 0)) };
    let expected = "a graph input and new rows, joined along the tokens";
    match node.inputs[..] {
        [past, new] if m.graph.input_name(past).is_some() => {
            let dims = m.dims(past)?;
            m.expect(dims.len() == 4, Some(id), expected)?;
            Ok((new, dims[2]))
        }
        _ => Err(m.mismatch(Some(id), expected, "something else")),
    }
}

/// Matches `x cos + rotate_half(x) sin`, or both halves of it by themselves; returns x and the two tables. Heads that are not
/// turned are returned as they are.
fn rotated(m: &Matcher<'_>, value: ValueId) -> Result<(ValueId, Option<[ValueId; 2]>), Diagnostic> {
    let value = rejoined(m, value);
    if m.find(value, is!(Op::Transpose(_))).is_some() {
        return Ok((value, None));
    }
    if let Some((x, turn)) = halves_turned(m, value) {
        return Ok((x, Some(turn)));
    }
    let sums = m.either(value, "the rotary embedding", is!(Op::Add(_)))?;
    for [straight, turned] in sums {
        let straight = m.either(straight, "x cos", is!(Op::Mul(_)))?;
        let turned = m.either(turned, "rotate_half(x) sin", is!(Op::Mul(_)))?;
        for [half, sin] in turned {
            let Some(x) = rotate_half(m, half) else { continue };
            if let Some([_, cos]) = straight.into_iter().find(|[first, _]| *first == x) {
                return Ok((x, Some([cos, sin])));
            }
        }
    }
    let node = m.graph.producer(value).map(|p| p.0);
    Err(m.mismatch(node, "the rotary embedding x cos + rotate_half(x) sin", "something else"))
}

/// Heads that were joined and split again, as they were before.
fn rejoined(m: &Matcher<'_>, value: ValueId) -> ValueId {
    let heads_and_tokens = |value| swapped(m, value, &[0, 2, 1, 3], "").ok();
    let before = || {
        let mut inner = heads_and_tokens(value)?;
        while let Some((_, node)) = m.find(inner, is!(Op::Reshape(_))) {
            inner = node.inputs[0];
        }
        heads_and_tokens(inner).filter(|&x| m.graph.ty(x) == m.graph.ty(value))
    };
    before().unwrap_or(value)
}

/// Matches `concat(x1 cos - x2 sin, x1 sin + x2 cos)` of the halves of x along the last of four axes.
fn halves_turned(m: &Matcher<'_>, value: ValueId) -> Option<(ValueId, [ValueId; 2])> {
    let (_, join) = m.find(value, is!(Op::Concat(_)))?;
    let (Op::Concat(concat), [first, second]) = (&join.op, &join.inputs[..]) else { return None };
    let factors = |value| {
        let (_, node) = m.find(value, is!(Op::Mul(_)))?;
        Some([[node.inputs[0], node.inputs[1]], [node.inputs[1], node.inputs[0]]])
    };
    let (_, difference) = m.find(*first, is!(Op::Sub(_)))?;
    let (_, sum) = m.find(*second, is!(Op::Add(_)))?;
    let products = [difference.inputs[0], difference.inputs[1]].map(factors);
    let [straight, crossed] = [products[0]?, products[1]?];
    for [low, cos] in straight {
        for [high, sin] in crossed {
            let sums = [sum.inputs[0], sum.inputs[1]].map(factors);
            let is = |factors: Option<[[ValueId; 2]; 2]>, pair| factors.is_some_and(|f| f.contains(&pair));
            let whole = is(sums[0], [low, sin]) && is(sums[1], [high, cos])
                || is(sums[1], [low, sin]) && is(sums[0], [high, cos]);
            let Some(x) = whole.then(|| halves(m, low, high)).flatten() else { continue };
            return (concat.axis == 3).then_some((x, [cos, sin]));
        }
    }
    None
}

/// What two slices along the last of four axes are the lower and the upper half of.
fn halves(m: &Matcher<'_>, low: ValueId, high: ValueId) -> Option<ValueId> {
    let (_, high) = m.find(high, is!(Op::Slice(_)))?;
    let (_, low) = m.find(low, is!(Op::Slice(_)))?;
    let (Op::Slice(h), Op::Slice(l)) = (&high.op, &low.op) else { return None };
    let x = low.inputs[0];
    let dim = *m.graph.ty(x).shape.fixed()?.get(3)?;
    let both = (h.start, h.length, h.step) == (dim / 2, dim / 2, 1)
        && (l.start, l.length, l.step) == (0, dim / 2, 1);
    (high.inputs[0] == x && [h.axis, l.axis] == [3; 2] && dim % 2 == 0 && both).then_some(x)
}

/// Matches `concat(-x[half..], x[..half])` along the last of four axes; returns x.
fn rotate_half(m: &Matcher<'_>, value: ValueId) -> Option<ValueId> {
    let (_, join) = m.find(value, is!(Op::Concat(_)))?;
    let (Op::Concat(concat), [negated, low]) = (&join.op, &join.inputs[..]) else { return None };
    let high = m.find(*negated, is!(Op::Neg(_)))?.1.inputs[0];
    halves(m, *low, high).filter(|_| concat.axis == 3)
}

/// Matches a projection reshaped to `[batch, tokens, heads, dim]` with heads moved before tokens.
fn heads(m: &Matcher<'_>, value: ValueId) -> Result<Heads, Diagnostic> {
    let value = rejoined(m, value);
    split_heads(m, swapped(m, value, &[0, 2, 1, 3], "heads moved before tokens")?)
}

/// Matches a projection, times a constant or not, reshaped to `[batch, tokens, heads, dim]`.
fn split_heads(m: &Matcher<'_>, split: ValueId) -> Result<Heads, Diagnostic> {
    let (id, node) = m.node(split, "a projection split into heads", is!(Op::Reshape(_)))?;
    let (product, factor) = m.scaled(node.inputs[0]);
    let (h, linear) = m.projection(product)?;
    match (&m.dims(split)?[..], &m.dims(node.inputs[0])?[..]) {
        (&[b, t, heads, dim], [before @ .., _]) if before == [b, t] || b == 1 && before == [t] => {
            Ok(Heads { h, linear, factor, heads, dim })
        }
        _ => Err(m.mismatch(Some(id), "sequences of [tokens, heads, dim]", "another shape")),
    }
}
