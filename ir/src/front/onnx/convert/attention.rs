//! Attention and rotary embedding as single operators, expressed in products, masks and softmax.

use super::super::call::{Call, Done};
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{
    Add, Cast, Concat, Expand, Gather, Less, LessEqual, MatMul, Mul, Slice, Softmax, Sub, Tanh, Transpose,
    Where,
};
use crate::tensor::Tensor;
use crate::types::{DType, Shape};

/// `[batch, heads, tokens, dim]` of a value that may have its heads side by side, `[batch, tokens, heads * dim]`.
fn split_heads(call: &mut Call<'_, '_>, x: ValueId, heads: usize) -> Result<ValueId, Diagnostic> {
    let dims = call.dims(x)?;
    match dims[..] {
        [_, _, _, _] => Ok(x),
        [batch, tokens, width] if heads > 0 && width % heads == 0 => {
            let split = call.reshape(x, Shape::of([batch, tokens, heads, width / heads]))?;
            call.emit(Transpose { perm: vec![0, 2, 1, 3] }, &[split])
        }
        _ => Err(call.refuse(format!("an operand of shape {dims:?} does not split into {heads} heads"))),
    }
}

/// The inverse of [`split_heads`].
fn join_heads(call: &mut Call<'_, '_>, x: ValueId) -> Result<ValueId, Diagnostic> {
    let swapped = call.emit(Transpose { perm: vec![0, 2, 1, 3] }, &[x])?;
    match call.dims(swapped)?[..] {
        [batch, tokens, heads, dim] => call.reshape(swapped, Shape::of([batch, tokens, heads * dim])),
        _ => Err(call.refuse("its result has no heads")),
    }
}

fn slice(
    call: &mut Call<'_, '_>,
    x: ValueId,
    axis: usize,
    start: usize,
    length: usize,
) -> Result<ValueId, Diagnostic> {
    call.emit(Slice { axis, start, length, step: 1 }, &[x])
}

/// How an operator attends.
struct Attending {
    scale: f64,
    causal: bool,
    softcap: f32,
    /// Tokens in the cache.
    past: usize,
    /// Added to the scores.
    bias: Vec<ValueId>,
}

/// Values of one attention: after softcap, after the mask, after softmax, and the result, `[batch, heads, tokens, dim]`.
struct Attended {
    scores: ValueId,
    masked: ValueId,
    weights: ValueId,
    mixed: ValueId,
}

/// Attention of q over k and v, all `[batch, heads, tokens, dim]`; heads of q share those of k and v in order.
fn attend(call: &mut Call<'_, '_>, how: &Attending, [q, k, v]: [ValueId; 3]) -> Result<Attended, Diagnostic> {
    let heads = call.dims(q)?[1];
    let (k, v) = (repeat_heads(call, k, heads)?, repeat_heads(call, v, heads)?);
    let keys = call.emit(Transpose { perm: vec![0, 1, 3, 2] }, &[k])?;
    let product = call.emit(MatMul {}, &[q, keys])?;
    let scale = call.scalar_like(product, how.scale as f32)?;
    let mut scores = call.emit(Mul {}, &[product, scale])?;
    if how.softcap > 0.0 {
        let (cap, inverse) =
            (call.scalar_like(scores, how.softcap)?, call.scalar_like(scores, how.softcap.recip())?);
        let shrunk = call.emit(Mul {}, &[scores, inverse])?;
        let bent = call.emit(Tanh {}, &[shrunk])?;
        scores = call.emit(Mul {}, &[bent, cap])?;
    }
    let mut masked = scores;
    for &bias in &how.bias {
        masked = call.emit(Add {}, &[masked, bias])?;
    }
    if how.causal {
        let dims = call.dims(scores)?;
        let mask = causal(call, dims[2], dims[3], how.past)?;
        let mask = like(call, mask, scores)?;
        masked = call.emit(Add {}, &[masked, mask])?;
    }
    let weights = call.emit(Softmax { axis: 3 }, &[masked])?;
    let mixed = call.emit(MatMul {}, &[weights, v])?;
    Ok(Attended { scores, masked, weights, mixed })
}

fn repeat_heads(call: &mut Call<'_, '_>, x: ValueId, heads: usize) -> Result<ValueId, Diagnostic> {
    let [batch, own, tokens, dim] = call.dims(x)?[..] else {
        return Err(call.refuse("keys and values have the axes batch, heads, tokens and dim"));
    };
    if own == heads {
        return Ok(x);
    }
    if own == 0 || heads % own != 0 {
        return Err(call.refuse(format!("{heads} heads of q do not share {own} heads of k and v evenly")));
    }
    let apart = call.reshape(x, Shape::of([batch, own, 1, tokens, dim]))?;
    let shape = Shape::of([batch, own, heads / own, tokens, dim]);
    let repeated = call.emit(Expand { shape }, &[apart])?;
    call.reshape(repeated, Shape::of([batch, heads, tokens, dim]))
}

/// `[tokens, total]`: zero where row `i` sees column `j <= past + i`, minus infinity elsewhere.
fn causal(call: &mut Call<'_, '_>, tokens: usize, total: usize, past: usize) -> Result<ValueId, Diagnostic> {
    call.afford((tokens as u64).saturating_mul(total as u64))?;
    let hides = |i: usize| i % total > past + i / total;
    let data = (0..tokens * total).map(|i| if hides(i) { f32::NEG_INFINITY } else { 0.0 }).collect();
    constant(call, Tensor::f32([tokens, total], data))
}

fn constant(call: &mut Call<'_, '_>, tensor: Option<Tensor>) -> Result<ValueId, Diagnostic> {
    let tensor = tensor.ok_or_else(|| call.refuse("its value does not fit its shape"))?;
    Ok(call.constant(tensor.to_constant()))
}

/// A value in the type of another.
fn like(call: &mut Call<'_, '_>, x: ValueId, other: ValueId) -> Result<ValueId, Diagnostic> {
    let to = call.ty(other).dtype;
    if call.ty(x).dtype == to { Ok(x) } else { call.emit(Cast { to }, &[x]) }
}

/// Zero where a condition holds, minus infinity elsewhere, in the type of `other`.
fn bias_where(call: &mut Call<'_, '_>, condition: ValueId, other: ValueId) -> Result<ValueId, Diagnostic> {
    let zero = call.scalar_like(other, 0.0)?;
    let hidden = call.scalar_like(other, f32::NEG_INFINITY)?;
    call.emit(Where {}, &[condition, zero, hidden])
}

/// The positions `0..total` as `[1, 1, 1, total]`.
fn columns(call: &mut Call<'_, '_>, total: usize) -> Result<ValueId, Diagnostic> {
    call.afford(total as u64)?;
    constant(call, Tensor::i64([1, 1, 1, total], (0..total as i64).collect()))
}

/// Joins cached rows before new ones, along the tokens; returns them with how many were cached.
fn cached(
    call: &mut Call<'_, '_>,
    past: Option<ValueId>,
    new: ValueId,
) -> Result<(ValueId, usize), Diagnostic> {
    let Some(past) = past else { return Ok((new, 0)) };
    let dims = call.dims(past)?;
    if dims.len() != 4 {
        return Err(call.refuse("the cache has the axes batch, heads, tokens and dim"));
    }
    Ok((call.emit(Concat { axis: 2 }, &[past, new])?, dims[2]))
}

/// A mask as something that is added to scores of `total` columns; columns that it does not have are hidden.
fn mask_bias(
    call: &mut Call<'_, '_>,
    mask: ValueId,
    q: ValueId,
    total: usize,
) -> Result<ValueId, Diagnostic> {
    let bias = if call.ty(mask).dtype == DType::Bool { bias_where(call, mask, q)? } else { mask };
    let mut dims = call.dims(bias)?;
    let Some(last) = dims.last_mut().filter(|n| **n < total && **n > 1) else { return Ok(bias) };
    *last = total - *last;
    let hidden = call.scalar_like(bias, f32::NEG_INFINITY)?;
    let axis = dims.len() - 1;
    let hidden = call.emit(Expand { shape: Shape::of(dims) }, &[hidden])?;
    call.emit(Concat { axis }, &[bias, hidden])
}

/// Attention of the standard operators: masks, cache, causal, softcap, shared heads, four results.
pub(super) fn attention(call: &mut Call<'_, '_>) -> Done {
    let count = |call: &Call<'_, '_>, name: &str| usize::try_from(call.int(name, 0)).unwrap_or(0);
    let (heads, kv_heads) = (count(call, "q_num_heads"), count(call, "kv_num_heads"));
    let q = call.input(0)?;
    let joined = call.ty(q).shape.rank() == 3;
    let (k, v) = (call.input(1)?, call.input(2)?);
    let q = split_heads(call, q, heads)?;
    let (k, v) = (split_heads(call, k, kv_heads)?, split_heads(call, v, kv_heads)?);
    let (past_k, past_v) = (call.optional(4)?, call.optional(5)?);
    let ((k, past), (v, _)) = (cached(call, past_k, k)?, cached(call, past_v, v)?);
    let (dims, total) = (call.dims(q)?, call.dims(k)?[2]);
    let mut bias = Vec::new();
    if let Some(mask) = call.optional(3)? {
        bias.push(mask_bias(call, mask, q, total)?);
    }
    if let Some(lengths) = call.optional(6)? {
        let lengths = call.reshape(lengths, Shape::of([dims[0], 1, 1, 1]))?;
        let columns = columns(call, total)?;
        let visible = call.emit(Less {}, &[columns, lengths])?;
        bias.push(bias_where(call, visible, q)?);
    }
    let scale = match call.attribute("scale") {
        Some(scale) => scale.f.into(),
        None => (dims[3] as f64).sqrt().recip(),
    };
    let causal = call.int("is_causal", 0) != 0;
    let how = Attending { scale, causal, softcap: call.float("softcap", 0.0), past, bias };
    let found = attend(call, &how, [q, k, v])?;
    let result = if joined { join_heads(call, found.mixed)? } else { found.mixed };
    call.finish_at(0, result)?;
    call.finish_at(1, k)?;
    call.finish_at(2, v)?;
    let shown = match call.int("qk_matmul_output_mode", 0) {
        2 => found.masked,
        3 => found.weights,
        _ => found.scores,
    };
    call.finish_at(3, shown)
}

/// Turns pairs of x `[batch, heads, tokens, dim]`; cosines and sines are `[batch or 1, tokens, pairs]`. What lies behind
/// the pairs stays.
fn rotate(
    call: &mut Call<'_, '_>,
    x: ValueId,
    [cos, sin]: [ValueId; 2],
    interleaved: bool,
) -> Result<ValueId, Diagnostic> {
    let dims = call.dims(x)?;
    let table = call.dims(cos)?;
    let ([batch, heads, tokens, dim], [rows, length, pairs]) = (&dims[..], &table[..]) else {
        return Err(call.refuse("cosines and sines are a row for each token"));
    };
    let (batch, heads, tokens, dim, rows, length, pairs) =
        (*batch, *heads, *tokens, *dim, *rows, *length, *pairs);
    if 2 * pairs > dim || length != tokens {
        return Err(call.refuse(format!("{pairs} pairs of {length} rows do not fit heads of {dim} elements")));
    }
    let cos = call.reshape(cos, Shape::of([rows, 1, tokens, pairs]))?;
    let sin = call.reshape(sin, Shape::of([rows, 1, tokens, pairs]))?;
    let step = if interleaved { 2 } else { 1 };
    let half =
        |call: &mut Call<'_, '_>, start| call.emit(Slice { axis: 3, start, length: pairs, step }, &[x]);
    let (a, b) = (half(call, 0)?, half(call, if interleaved { 1 } else { pairs })?);
    let mut product = |x, y| call.emit(Mul {}, &[x, y]);
    let (ac, bs, as_, bc) = (product(a, cos)?, product(b, sin)?, product(a, sin)?, product(b, cos)?);
    let (real, imaginary) = (call.emit(Sub {}, &[ac, bs])?, call.emit(Add {}, &[as_, bc])?);
    let mut parts = if interleaved {
        let apart = Shape::of([batch, heads, tokens, pairs, 1]);
        let parts = [call.reshape(real, apart.clone())?, call.reshape(imaginary, apart)?];
        let woven = call.emit(Concat { axis: 4 }, &parts)?;
        vec![call.reshape(woven, Shape::of([batch, heads, tokens, 2 * pairs]))?]
    } else {
        vec![real, imaginary]
    };
    if 2 * pairs < dim {
        parts.push(slice(call, x, 3, 2 * pairs, dim - 2 * pairs)?);
    }
    if parts.len() == 1 { Ok(parts[0]) } else { call.emit(Concat { axis: 3 }, &parts) }
}

/// Rotary embedding. The standard operator has the positions last, the one of onnxruntime behind the operand; they are
/// told apart by the type.
pub(super) fn rotary_embedding(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let second = call.input(1)?;
    let (positions, cos, sin) = if call.ty(second).dtype.is_int() {
        (Some(second), call.input(2)?, call.input(3)?)
    } else {
        (call.optional(3)?, second, call.input(2)?)
    };
    let joined = call.ty(x).shape.rank() == 3;
    let heads = usize::try_from(call.int("num_heads", 0)).unwrap_or(0);
    let dim = usize::try_from(call.int("rotary_embedding_dim", 0)).unwrap_or(0);
    let split = split_heads(call, x, heads)?;
    let mut tables = [cos, sin];
    for table in &mut tables {
        if let Some(positions) = positions {
            *table = call.emit(Gather { axis: 0 }, &[*table, positions])?;
        }
        let dims = call.dims(*table)?;
        if dim > 0 && dims.last() != Some(&(dim / 2)) {
            return Err(call.refuse(format!("the tables do not have {} columns", dim / 2)));
        }
    }
    let turned = rotate(call, split, tables, call.int("interleaved", 0) != 0)?;
    let result = if joined { join_heads(call, turned)? } else { turned };
    call.finish(result)
}

/// Attention of onnxruntime with a cache, shared heads and an optional rotary embedding. Positions follow the cache, as
/// they do where nothing is padded before the tokens; keys from `seqlens_k` on are hidden.
pub(super) fn group_query_attention(call: &mut Call<'_, '_>) -> Done {
    for (name, plain, why) in [
        (
            "local_window_size",
            -1,
            "versions of onnxruntime disagree on whether the window counts the token itself",
        ),
        ("smooth_softmax", 0, "a softmax with a sink is not supported"),
        ("qk_output", 0, "results of scores are not supported"),
    ] {
        if call.int(name, plain) != plain {
            return Err(call.refuse(format!("`{name}` is {}; {why}", call.int(name, plain))));
        }
    }
    let extras = [(9, "position_ids"), (10, "attention_bias"), (11, "head_sink")];
    let given = |i: usize| call.node.input.get(i).is_some_and(|name| !name.is_empty());
    if let Some((i, name)) = extras.into_iter().find(|(i, _)| given(*i)) {
        return Err(call.refuse(format!("its operand {i}, `{name}`, is not supported")));
    }
    if let Some(i) = (12..call.node.input.len()).find(|i| given(*i)) {
        return Err(call.refuse(format!("it has an operand {i} that is not known")));
    }
    let count = |name: &str| usize::try_from(call.int(name, 0)).unwrap_or(0);
    let (heads, kv_heads) = (count("num_heads"), count("kv_num_heads"));
    let query = call.input(0)?;
    let width = call.dims(query)?.last().copied().unwrap_or(0);
    let (q, k, v) = match call.optional(1)? {
        Some(k) => (query, k, call.input(2)?),
        None => {
            let dim = width.checked_div(kv_heads.saturating_mul(2).saturating_add(heads)).unwrap_or(0);
            let (q, kv) = (heads * dim, kv_heads * dim);
            if dim == 0 || q + 2 * kv != width {
                return Err(call.refuse(format!("a row of {width} does not split into its heads")));
            }
            let q_part = slice(call, query, 2, 0, q)?;
            (q_part, slice(call, query, 2, q, kv)?, slice(call, query, 2, q + kv, kv)?)
        }
    };
    let q = split_heads(call, q, heads)?;
    let (k, v) = (split_heads(call, k, kv_heads)?, split_heads(call, v, kv_heads)?);
    let (past_k, past_v) = (call.optional(3)?, call.optional(4)?);
    let past = match past_k {
        Some(past) => call.dims(past)?.get(2).copied().unwrap_or(0),
        None => 0,
    };
    let dims = call.dims(q)?;
    let (q, k) = match call.int("do_rotary", 0) {
        0 => (q, k),
        _ => {
            let interleaved = call.int("rotary_interleaved", 0) != 0;
            let mut tables = [call.input(7)?, call.input(8)?];
            for table in &mut tables {
                let rows = slice(call, *table, 0, past, dims[2])?;
                let pairs = call.dims(rows)?.last().copied().unwrap_or(0);
                *table = call.reshape(rows, Shape::of([1, dims[2], pairs]))?;
            }
            (rotate(call, q, tables, interleaved)?, rotate(call, k, tables, interleaved)?)
        }
    };
    let ((k, _), (v, _)) = (cached(call, past_k, k)?, cached(call, past_v, v)?);
    let last = call.input(5)?;
    let last = call.emit(Cast { to: DType::I64 }, &[last])?;
    let last = call.reshape(last, Shape::of([dims[0], 1, 1, 1]))?;
    let total = call.dims(k)?[2];
    let columns = columns(call, total)?;
    let visible = call.emit(LessEqual {}, &[columns, last])?;
    let bias = vec![bias_where(call, visible, q)?];
    let scale = match call.float("scale", 0.0) {
        0.0 => (dims[3] as f64).sqrt().recip(),
        scale => scale.into(),
    };
    let how = Attending { scale, causal: true, softcap: call.float("softcap", 0.0), past, bias };
    let found = attend(call, &how, [q, k, v])?;
    let result = join_heads(call, found.mixed)?;
    call.finish_at(0, result)?;
    call.finish_at(1, k)?;
    call.finish_at(2, v)
}
