//! Matches attention: projections, rotary embedding, cache, scores, softmax, mixing of values.

use super::matcher::{Matcher, Starts};
use super::projection::Norm;
use super::{Op, Weight};
use crate::diag::Diagnostic;
use crate::graph::{Origin, ValueId};

/// Attention as it was found.
#[derive(Debug, Clone)]
pub(super) struct Attended {
    pub(super) norm: Norm,
    /// Of q, k, v and the output.
    pub(super) weights: [Weight; 4],
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Tokens in the cache.
    pub(super) past: usize,
    /// What is added to the scores.
    pub(super) mask: ValueId,
    /// Cosines and sines of the rotary embedding of q and of k.
    pub(super) turns: [[ValueId; 2]; 2],
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
        self.norm.x
    }
}

/// A projection split into heads: the vector it starts from, and the sizes.
struct Heads {
    h: ValueId,
    weight: Weight,
    heads: usize,
    dim: usize,
}

/// Matches `merge(softmax(q k^T scale + mask) v) Wo` behind a norm.
pub(super) fn attention(m: &Matcher<'_>, value: ValueId) -> Result<Attended, Diagnostic> {
    let (merged, wo) = m.projection(value)?;
    let [mixed] = m.operands(merged, "the joining of heads", is!(Op::Reshape(_)))?;
    let mixed = swapped(m, mixed, &[0, 2, 1, 3], "heads moved behind tokens")?;
    let [weights, values] = m.operands(mixed, "the mixing of values", is!(Op::MatMul(_)))?;
    let (scores, mask) = masked(m, weights)?;
    let (product, scale) = scaled(m, scores)?;
    let [q, keys] = m.operands(product, "the product of queries and keys", is!(Op::MatMul(_)))?;
    let keys = swapped(m, keys, &[0, 1, 3, 2], "transposed keys")?;
    let ((keys, of_k), (values, of_v)) = (repeated(m, keys)?, repeated(m, values)?);
    let ((k, past), (v, past_v)) = (cached(m, keys)?, cached(m, values)?);
    let ((plain_q, turn_q), (plain_k, turn_k)) = (rotated(m, q)?, rotated(m, k)?);
    let (q_heads, k_heads, v_heads) = (heads(m, plain_q)?, heads(m, plain_k)?, heads(m, v)?);
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
    m.expect(of_k == of_v && shared(of_k), node, "heads of q that share those of k and v evenly")?;
    m.expect(past == past_v, node, "as many cached keys as values")?;
    m.expect(
        (f64::from(scale) * (dim as f64).sqrt() - 1.0).abs() < 1e-5,
        node,
        "the scale 1 / sqrt(head_dim)",
    )?;
    let origins = Origins {
        rope_q: m.origin(q),
        rope_k: m.origin(k),
        cache_k: m.origin(keys),
        cache_v: m.origin(values),
        scores: m.origin(product),
        softmax: m.origin(weights),
        values: m.origin(mixed),
    };
    Ok(Attended {
        norm: m.rms_norm(q_heads.h)?,
        weights: [q_heads.weight, k_heads.weight, v_heads.weight, wo],
        heads: q_heads.heads,
        kv_heads: k_heads.heads,
        head_dim: dim,
        past,
        mask,
        turns: [turn_q, turn_k],
        origins,
    })
}

/// Matches a transposition; returns its operand.
fn swapped(m: &Matcher<'_>, value: ValueId, perm: &[usize], expected: &str) -> Result<ValueId, Diagnostic> {
    let (id, node) = m.node(value, expected, is!(Op::Transpose(_)))?;
    let same = matches!(&node.op, Op::Transpose(t) if t.perm == perm);
    m.expect(same, Some(id), expected)?;
    Ok(node.inputs[0])
}

/// Matches `softmax(scores + mask)` along the last axis. The scores are the operand of four computed axes with heads.
fn masked(m: &Matcher<'_>, value: ValueId) -> Result<(ValueId, ValueId), Diagnostic> {
    let (id, node) = m.node(value, "softmax of the scores", is!(Op::Softmax(_)))?;
    m.expect(matches!(&node.op, Op::Softmax(s) if s.axis == 3), Some(id), "softmax along the last axis")?;
    for [scores, mask] in m.either(node.inputs[0], "scores and mask", is!(Op::Add(_)))? {
        if scaled(m, scores).is_ok() {
            return Ok((scores, mask));
        }
    }
    Err(m.mismatch(Some(id), "scaled scores and a mask", "something else"))
}

/// Matches `product * scale` or `product / divisor`.
fn scaled(m: &Matcher<'_>, value: ValueId) -> Result<(ValueId, f32), Diagnostic> {
    let (id, node) = m.node(value, "scaled scores", is!(Op::Mul(_) | Op::Div(_)))?;
    let (a, b) = (node.inputs[0], node.inputs[1]);
    match (&node.op, m.scalar(a), m.scalar(b)) {
        (Op::Div(_), _, Some(divisor)) => Ok((a, divisor.recip())),
        (Op::Mul(_), _, Some(scale)) => Ok((a, scale)),
        (Op::Mul(_), Some(scale), _) => Ok((b, scale)),
        _ => Err(m.mismatch(Some(id), "a constant scale", "a computed one")),
    }
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
    let Some((id, node)) = m.find(value, is!(Op::Concat(_))) else { return Ok((value, 0)) };
    let rows = matches!(&node.op, Op::Concat(c) if c.axis == 2);
    let expected = "a graph input and new rows, joined along the tokens";
    match node.inputs[..] {
        [past, new] if rows && m.graph.input_name(past).is_some() => {
            let dims = m.dims(past)?;
            m.expect(dims.len() == 4, Some(id), expected)?;
            Ok((new, dims[2]))
        }
        _ => Err(m.mismatch(Some(id), expected, "something else")),
    }
}

/// Matches `x cos + rotate_half(x) sin`; returns x and the two tables.
fn rotated(m: &Matcher<'_>, value: ValueId) -> Result<(ValueId, [ValueId; 2]), Diagnostic> {
    let sums = m.either(value, "the rotary embedding", is!(Op::Add(_)))?;
    for [straight, turned] in sums {
        let straight = m.either(straight, "x cos", is!(Op::Mul(_)))?;
        let turned = m.either(turned, "rotate_half(x) sin", is!(Op::Mul(_)))?;
        for [half, sin] in turned {
            let Some(x) = rotate_half(m, half) else { continue };
            if let Some([_, cos]) = straight.into_iter().find(|[first, _]| *first == x) {
                return Ok((x, [cos, sin]));
            }
        }
    }
    let node = m.graph.producer(value).map(|p| p.0);
    Err(m.mismatch(node, "the rotary embedding x cos + rotate_half(x) sin", "something else"))
}

/// Matches `concat(-x[half..], x[..half])` along the last of four axes; returns x.
fn rotate_half(m: &Matcher<'_>, value: ValueId) -> Option<ValueId> {
    let (_, join) = m.find(value, is!(Op::Concat(_)))?;
    let (Op::Concat(concat), [negated, low]) = (&join.op, &join.inputs[..]) else { return None };
    let high = m.find(*negated, is!(Op::Neg(_)))?.1.inputs[0];
    let (_, high) = m.find(high, is!(Op::Slice(_)))?;
    let (_, low) = m.find(*low, is!(Op::Slice(_)))?;
    let (Op::Slice(h), Op::Slice(l)) = (&high.op, &low.op) else { return None };
    let x = low.inputs[0];
    let dim = *m.graph.ty(x).shape.fixed()?.get(3)?;
    let halves = (h.start, h.length, h.step) == (dim / 2, dim / 2, 1)
        && (l.start, l.length, l.step) == (0, dim / 2, 1);
    (high.inputs[0] == x && [concat.axis, h.axis, l.axis] == [3; 3] && dim % 2 == 0 && halves).then_some(x)
}

/// Matches a projection reshaped to `[1, tokens, heads, dim]` with heads moved before tokens.
fn heads(m: &Matcher<'_>, value: ValueId) -> Result<Heads, Diagnostic> {
    let split = swapped(m, value, &[0, 2, 1, 3], "heads moved before tokens")?;
    let (id, node) = m.node(split, "a projection split into heads", is!(Op::Reshape(_)))?;
    let (h, weight) = m.projection(node.inputs[0])?;
    match m.dims(split)?[..] {
        [1, _, heads, dim] => Ok(Heads { h, weight, heads, dim }),
        _ => Err(m.mismatch(Some(id), "one sequence of [tokens, heads, dim]", "another shape")),
    }
}
