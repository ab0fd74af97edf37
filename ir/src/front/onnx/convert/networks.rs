//! Matrix products, reductions, norms and activations.

use super::super::call::{Call, Done};
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{
    Add, Div, Erf, Exp, Log, MatMul, Max, Min, Mul, Op, ReduceMax, ReduceSum, Sigmoid, Softmax, Sqrt, Sub,
    Tanh, Transpose,
};
use crate::types::{Dim, Shape};

/// Operands of one axis are treated as a row and a column, whose axes go again.
pub(super) fn mat_mul(call: &mut Call<'_, '_>) -> Done {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let (sa, sb) = (call.ty(a).shape, call.ty(b).shape);
    if sa.rank() == 0 || sb.rank() == 0 {
        return Err(call.refuse("an operand is a scalar"));
    }
    let one = Dim::Static(1);
    let row = if sa.rank() == 1 { call.reshape(a, Shape(vec![one.clone(), sa.0[0].clone()]))? } else { a };
    let column = if sb.rank() == 1 { call.reshape(b, Shape(vec![sb.0[0].clone(), one]))? } else { b };
    let product = call.emit(MatMul {}, &[row, column])?;
    let mut dims = call.ty(product).shape.0;
    if sa.rank() == 1 {
        dims.remove(dims.len() - 2);
    }
    if sb.rank() == 1 {
        dims.pop();
    }
    let result = call.reshape(product, Shape(dims))?;
    call.finish(result)
}

/// alpha * op(A) * op(B) + beta * C
pub(super) fn gemm(call: &mut Call<'_, '_>) -> Done {
    let a = operand(call, 0, "transA")?;
    let b = operand(call, 1, "transB")?;
    let mut result = call.emit(MatMul {}, &[a, b])?;
    result = scaled(call, result, "alpha")?;
    if let Some(c) = call.optional(2)? {
        let c = scaled(call, c, "beta")?;
        result = call.emit(Add {}, &[result, c])?;
    }
    call.finish(result)
}

fn operand(call: &mut Call<'_, '_>, i: usize, flag: &str) -> Result<ValueId, Diagnostic> {
    let x = call.input(i)?;
    match call.int(flag, 0) {
        0 => Ok(x),
        _ => call.emit(Transpose { perm: vec![1, 0] }, &[x]),
    }
}

fn scaled(call: &mut Call<'_, '_>, x: ValueId, factor: &str) -> Result<ValueId, Diagnostic> {
    let factor = call.float(factor, 1.0);
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = call.scalar_like(x, factor)?;
    call.emit(Mul {}, &[x, factor])
}

pub(super) fn softmax(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let axis = call.axis(x, -1)?;
    let result = call.emit(Softmax { axis }, &[x])?;
    call.finish(result)
}

/// Axes are an attribute in older operator sets and an operand in newer ones; without any, all are reduced, or none if
/// the operator says so (`None`).
fn reduced_axes(call: &mut Call<'_, '_>, x: ValueId) -> Result<Option<(Vec<usize>, bool)>, Diagnostic> {
    let rank = call.ty(x).shape.rank();
    let axes = match (call.attribute("axes"), call.optional_ints(1)?) {
        (Some(attribute), _) => attribute.ints.clone(),
        (None, Some(axes)) => axes,
        (None, None) => Vec::new(),
    };
    if axes.is_empty() && call.int("noop_with_empty_axes", 0) != 0 {
        return Ok(None);
    }
    let all = axes.is_empty();
    let axes = axes.into_iter().map(|a| call.axis_of(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let axes = if all { (0..rank).collect() } else { axes };
    Ok(Some((axes, call.int("keepdims", 1) != 0)))
}

pub(super) fn reduce(call: &mut Call<'_, '_>, op: fn(Vec<usize>, bool) -> Op) -> Done {
    let x = call.input(0)?;
    let result = match reduced_axes(call, x)? {
        Some((axes, keep)) => call.emit(op(axes, keep), &[x])?,
        None => x,
    };
    call.finish(result)
}

/// x / 2 * (1 + erf(x / sqrt(2)))
pub(super) fn gelu(call: &mut Call<'_, '_>) -> Done {
    if call.attribute("approximate").is_some_and(|a| a.s == b"tanh") {
        return fast_gelu(call);
    }
    let x = biased(call)?;
    let (root, one, two) = (2f32.sqrt(), 1.0, 2.0);
    let root = call.scalar_like(x, root)?;
    let one = call.scalar_like(x, one)?;
    let two = call.scalar_like(x, two)?;
    let scaled = call.emit(Div {}, &[x, root])?;
    let erf = call.emit(Erf {}, &[scaled])?;
    let sum = call.emit(Add {}, &[erf, one])?;
    let product = call.emit(Mul {}, &[x, sum])?;
    let result = call.emit(Div {}, &[product, two])?;
    call.finish(result)
}

/// The first operand, plus the second if there is one.
fn biased(call: &mut Call<'_, '_>) -> Result<ValueId, Diagnostic> {
    let x = call.input(0)?;
    match call.optional(1)? {
        Some(bias) => call.emit(Add {}, &[x, bias]),
        None => Ok(x),
    }
}

/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
pub(super) fn fast_gelu(call: &mut Call<'_, '_>) -> Done {
    let x = biased(call)?;
    let square = call.emit(Mul {}, &[x, x])?;
    let cube = times(call, square, x, 0.044715)?;
    let sum = call.emit(Add {}, &[x, cube])?;
    let bent = factor(call, sum, std::f32::consts::FRAC_2_PI.sqrt())?;
    let bent = call.emit(Tanh {}, &[bent])?;
    let one = call.scalar_like(x, 1.0)?;
    let bent = call.emit(Add {}, &[bent, one])?;
    let result = times(call, x, bent, 0.5)?;
    call.finish(result)
}

fn factor(call: &mut Call<'_, '_>, x: ValueId, by: f32) -> Result<ValueId, Diagnostic> {
    let by = call.scalar_like(x, by)?;
    call.emit(Mul {}, &[x, by])
}

/// a * b * by
fn times(call: &mut Call<'_, '_>, a: ValueId, b: ValueId, by: f32) -> Result<ValueId, Diagnostic> {
    let product = call.emit(Mul {}, &[a, b])?;
    factor(call, product, by)
}

/// x * sigmoid(alpha * x)
pub(super) fn swish(call: &mut Call<'_, '_>, alpha: f32) -> Done {
    let x = call.input(0)?;
    let alpha = call.float("alpha", alpha);
    let bent = if alpha == 1.0 { x } else { factor(call, x, alpha)? };
    let gate = call.emit(Sigmoid {}, &[bent])?;
    let result = call.emit(Mul {}, &[x, gate])?;
    call.finish(result)
}

/// min(max(alpha * x + beta, 0), 1)
fn hard(call: &mut Call<'_, '_>, x: ValueId, alpha: f32, beta: f32) -> Result<ValueId, Diagnostic> {
    let scaled = factor(call, x, alpha)?;
    let (beta, zero, one) =
        (call.scalar_like(x, beta)?, call.scalar_like(x, 0.0)?, call.scalar_like(x, 1.0)?);
    let shifted = call.emit(Add {}, &[scaled, beta])?;
    let above = call.emit(Max {}, &[shifted, zero])?;
    call.emit(Min {}, &[above, one])
}

pub(super) fn hard_sigmoid(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let (alpha, beta) = (call.float("alpha", 0.2), call.float("beta", 0.5));
    let result = hard(call, x, alpha, beta)?;
    call.finish(result)
}

/// x * hard-sigmoid(x), with alpha 1/6 and beta 1/2
pub(super) fn hard_swish(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let gate = hard(call, x, 1.0 / 6.0, 0.5)?;
    let result = call.emit(Mul {}, &[x, gate])?;
    call.finish(result)
}

/// x - max(x) - ln(sum(e^(x - max(x))))
pub(super) fn log_softmax(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let axes = vec![call.axis(x, -1)?];
    let top = call.emit(ReduceMax { axes: axes.clone(), keep: true }, &[x])?;
    let below = call.emit(Sub {}, &[x, top])?;
    let exp = call.emit(Exp {}, &[below])?;
    let sum = call.emit(ReduceSum { axes, keep: true }, &[exp])?;
    let log = call.emit(Log {}, &[sum])?;
    let result = call.emit(Sub {}, &[below, log])?;
    call.finish(result)
}

/// Reduces squares; the root of it where `root` is set.
pub(super) fn reduce_squares(call: &mut Call<'_, '_>, root: bool) -> Done {
    let x = call.input(0)?;
    let square = call.emit(Mul {}, &[x, x])?;
    let Some((axes, keep)) = reduced_axes(call, x)? else {
        let result = if root { call.emit(Sqrt {}, &[square])? } else { square };
        return call.finish(result);
    };
    let sum = call.emit(ReduceSum { axes, keep }, &[square])?;
    let result = if root { call.emit(Sqrt {}, &[sum])? } else { sum };
    call.finish(result)
}
