//! Norms, alone and behind the addition of a residual.

use super::super::call::{Call, Done};
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{Add, LayerNorm, Mul, Op, Reciprocal, ReduceMean, RmsNorm, Sqrt, Sub};
use crate::types::{Dim, Shape};

/// A value whose axes from `axis` on are one, and the shape that it had.
fn flat(call: &mut Call<'_, '_>, x: ValueId, axis: usize) -> Result<(ValueId, Shape), Diagnostic> {
    let shape = call.ty(x).shape;
    if axis + 1 == shape.rank() {
        return Ok((x, shape));
    }
    let inner = call.dims(x)?[axis..].iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let inner = inner.ok_or_else(|| call.refuse("its operand is too large"))?;
    let mut dims = shape.0[..axis].to_vec();
    dims.push(inner.into());
    Ok((call.reshape(x, Shape(dims))?, shape))
}

/// A gain or bias as one axis.
fn vector(call: &mut Call<'_, '_>, x: ValueId, like: ValueId) -> Result<ValueId, Diagnostic> {
    let last = call.ty(like).shape.0.last().cloned().unwrap_or(Dim::Static(1));
    call.reshape(x, Shape(vec![last]))
}

/// Normalises the axes from `axis` on.
fn normalise(
    call: &mut Call<'_, '_>,
    x: ValueId,
    op: impl Into<Op>,
    parameters: Vec<ValueId>,
    axis: usize,
) -> Result<ValueId, Diagnostic> {
    let (flat, shape) = flat(call, x, axis)?;
    let mut operands = vec![flat];
    for parameter in parameters {
        operands.push(vector(call, parameter, flat)?);
    }
    let normed = call.emit(op, &operands)?;
    call.reshape(normed, shape)
}

/// Along the axes from `axis` on.
pub(super) fn rms_norm(call: &mut Call<'_, '_>) -> Done {
    let (x, gain) = (call.input(0)?, call.input(1)?);
    let (axis, eps) = (call.axis(x, -1)?, epsilon(call, 1e-5));
    let result = normalise(call, x, RmsNorm { eps }, vec![gain], axis)?;
    call.finish(result)
}

/// The shortest decimal that rounds to the stored f32 is the epsilon that its author wrote.
fn epsilon(call: &Call<'_, '_>, default: f32) -> f64 {
    let eps = call.float("epsilon", default);
    eps.to_string().parse().unwrap_or_else(|_| eps.into())
}

/// Along the axes from `axis` on; mean and inverse deviation are results.
pub(super) fn layer_norm(call: &mut Call<'_, '_>) -> Done {
    let (x, mut parameters) = (call.input(0)?, vec![call.input(1)?]);
    parameters.extend(call.optional(2)?);
    let (axis, eps) = (call.axis(x, -1)?, epsilon(call, 1e-5));
    let result = normalise(call, x, LayerNorm { eps }, parameters, axis)?;
    call.finish_at(0, result)?;
    if call.node.output.len() < 2 {
        return Ok(());
    }
    let axes: Vec<usize> = (axis..call.ty(x).shape.rank()).collect();
    let mean = call.emit(ReduceMean { axes: axes.clone(), keep: true }, &[x])?;
    let distance = call.emit(Sub {}, &[x, mean])?;
    let square = call.emit(Mul {}, &[distance, distance])?;
    let variance = call.emit(ReduceMean { axes, keep: true }, &[square])?;
    let eps = call.scalar_like(x, eps as f32)?;
    let sum = call.emit(Add {}, &[variance, eps])?;
    let deviation = call.emit(Sqrt {}, &[sum])?;
    let inverse = call.emit(Reciprocal {}, &[deviation])?;
    call.finish_at(1, mean)?;
    call.finish_at(2, inverse)
}

/// A norm of the sum of two operands; the sum is a result.
pub(super) fn skip_norm(call: &mut Call<'_, '_>, rms: bool) -> Done {
    let (x, skip, gain) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let (shift, bias) = if rms { (None, call.optional(3)?) } else { (call.optional(3)?, call.optional(4)?) };
    let mut sum = call.emit(Add {}, &[x, skip])?;
    if let Some(bias) = bias {
        sum = call.emit(Add {}, &[sum, bias])?;
    }
    let eps = epsilon(call, 1e-12);
    let op: Op = if rms { RmsNorm { eps }.into() } else { LayerNorm { eps }.into() };
    let axis = call.ty(sum).shape.rank().saturating_sub(1);
    let parameters = [gain].into_iter().chain(shift).collect();
    let result = normalise(call, sum, op, parameters, axis)?;
    call.finish_at(0, result)?;
    if let Some(name) = call.node.output.get(1..3).and_then(|all| all.iter().find(|n| !n.is_empty())) {
        return Err(call.refuse(format!("its result `{name}` exists in training only")));
    }
    call.finish_at(3, sum)
}
