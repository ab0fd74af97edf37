//! Functions of elements.

use super::super::call::{Call, Done};
use super::super::tensor;
use crate::op::{Add, Cast, Div, Max, Min, Op, Pow, Rem};
use crate::types::DType;

/// An operator that takes its operands as they are.
pub(super) fn apply(call: &mut Call<'_, '_>, op: impl Into<Op>) -> Done {
    let inputs = call.inputs()?;
    let result = call.emit(op, &inputs)?;
    call.finish(result)
}

/// An operator of two operands, applied to any number of them from the left.
pub(super) fn fold_left(call: &mut Call<'_, '_>, op: impl Into<Op>) -> Done {
    let op = op.into();
    let inputs = call.inputs()?;
    let (&first, rest) = inputs.split_first().ok_or_else(|| call.refuse("it has no operands"))?;
    let result = rest.iter().try_fold(first, |a, &b| call.emit(op.clone(), &[a, b]))?;
    call.finish(result)
}

/// The exponent may be of another type than the base.
pub(super) fn pow(call: &mut Call<'_, '_>) -> Done {
    let (base, mut exponent) = (call.input(0)?, call.input(1)?);
    let dtype = call.ty(base).dtype;
    if call.ty(exponent).dtype != dtype {
        exponent = call.emit(Cast { to: dtype }, &[exponent])?;
    }
    let result = call.emit(Pow {}, &[base, exponent])?;
    call.finish(result)
}

/// A cast to the type that the operand has already is dropped.
pub(super) fn cast(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let number = i32::try_from(call.int("to", 0)).unwrap_or(0);
    let to: DType = tensor::dtype(number)?;
    let result = if call.ty(x).dtype == to { x } else { call.emit(Cast { to }, &[x])? };
    call.finish(result)
}

/// Bounds that are left out do not bound.
pub(super) fn clip(call: &mut Call<'_, '_>) -> Done {
    let mut x = call.input(0)?;
    if let Some(low) = call.optional(1)? {
        x = call.emit(Max {}, &[x, low])?;
    }
    if let Some(high) = call.optional(2)? {
        x = call.emit(Min {}, &[x, high])?;
    }
    call.finish(x)
}

/// Drops nothing: networks are not trained here.
pub(super) fn dropout(call: &mut Call<'_, '_>) -> Done {
    if call.optional(2)?.is_some() && call.tensor(2)?.to_i64s() != Some(vec![0]) {
        return Err(call.refuse("it is in training mode"));
    }
    identity(call)
}

pub(super) fn identity(call: &mut Call<'_, '_>) -> Done {
    if call.node.output.get(1).is_some_and(|mask| !mask.is_empty()) {
        return Err(call.refuse("its mask is used, which exists in training only"));
    }
    let x = call.input(0)?;
    call.finish(x)
}

/// To the type of the second operand.
pub(super) fn cast_like(call: &mut Call<'_, '_>) -> Done {
    let (x, other) = (call.input(0)?, call.input(1)?);
    let to = call.ty(other).dtype;
    let result = if call.ty(x).dtype == to { x } else { call.emit(Cast { to }, &[x])? };
    call.finish(result)
}

/// The sum of all operands over how many there are.
pub(super) fn mean(call: &mut Call<'_, '_>) -> Done {
    let inputs = call.inputs()?;
    let (&first, rest) = inputs.split_first().ok_or_else(|| call.refuse("it has no operands"))?;
    let sum = rest.iter().try_fold(first, |a, &b| call.emit(Add {}, &[a, b]))?;
    let count = call.scalar_like(sum, inputs.len() as f32)?;
    let result = call.emit(Div {}, &[sum, count])?;
    call.finish(result)
}

/// What a division leaves: with the sign of the divisor, or of the dividend if `fmod` is set.
pub(super) fn modulo(call: &mut Call<'_, '_>) -> Done {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let mut rest = call.emit(Rem {}, &[a, b])?;
    if call.int("fmod", 0) == 0 {
        let shifted = call.emit(Add {}, &[rest, b])?;
        rest = call.emit(Rem {}, &[shifted, b])?;
    }
    call.finish(rest)
}
