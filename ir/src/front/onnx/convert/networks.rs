//! Matrix products, reductions, norms and activations.

use super::super::call::{Call, Done};
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{Add, Div, Erf, MatMul, Mul, Op, RmsNorm, Softmax, Transpose};
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

/// Axes are an attribute in older operator sets and an operand in newer ones; without any, all are reduced.
pub(super) fn reduce(call: &mut Call<'_, '_>, op: fn(Vec<usize>, bool) -> Op) -> Done {
    let x = call.input(0)?;
    let rank = call.ty(x).shape.rank();
    let axes = match (call.attribute("axes"), call.optional_ints(1)?) {
        (Some(attribute), _) => attribute.ints.clone(),
        (None, Some(axes)) => axes,
        (None, None) => Vec::new(),
    };
    if axes.is_empty() && call.int("noop_with_empty_axes", 0) != 0 {
        return call.finish(x);
    }
    let all = axes.is_empty();
    let axes = axes.into_iter().map(|a| call.axis_of(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let axes = if all { (0..rank).collect() } else { axes };
    let result = call.emit(op(axes, call.int("keepdims", 1) != 0), &[x])?;
    call.finish(result)
}

/// Only along the last axis.
pub(super) fn rms_norm(call: &mut Call<'_, '_>) -> Done {
    let (x, gain) = (call.input(0)?, call.input(1)?);
    let rank = call.ty(x).shape.rank();
    if call.axis(x, -1)? + 1 != rank {
        return Err(call.refuse("it normalises more than the last axis"));
    }
    let eps = f64::from(call.float("epsilon", 1e-5));
    let result = call.emit(RmsNorm { eps }, &[x, gain])?;
    call.finish(result)
}

/// x / 2 * (1 + erf(x / sqrt(2)))
pub(super) fn gelu(call: &mut Call<'_, '_>) -> Done {
    if call.attribute("approximate").is_some_and(|a| a.s == b"tanh") {
        return Err(call.refuse("its approximation is `tanh`; only `none` is supported"));
    }
    let x = call.input(0)?;
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
