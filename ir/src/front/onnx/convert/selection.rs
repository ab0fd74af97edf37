//! Selecting and placing by computed indices, and repeating.

use super::super::call::{Call, Done};
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{
    Add, Cast, CumSum, Equal, Expand, GatherElements, NonZero, Or, ScatterElements, Slice, TopK, Where,
};
use crate::tensor::Tensor;
use crate::types::{DType, Dim, Shape};

/// The result is sorted whether that is asked for or not.
pub(super) fn top_k(call: &mut Call<'_, '_>) -> Done {
    let (x, counts) = (call.input(0)?, call.ints(1)?);
    let axis = call.axis(x, -1)?;
    let count = counts.first().and_then(|&n| usize::try_from(n).ok());
    let count = count.ok_or_else(|| call.refuse("its number of elements is negative"))?;
    let results = call.emit_all(TopK { axis, count, largest: call.int("largest", 1) != 0 }, &[x])?;
    results.into_iter().enumerate().try_for_each(|(i, id)| call.finish_at(i, id))
}

/// How many elements are found is a dimension named after the result.
pub(super) fn non_zero(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let found = call.found_dimension();
    let result = call.emit(NonZero { found: Shape(vec![found]) }, &[x])?;
    call.finish(result)
}

pub(super) fn gather_elements(call: &mut Call<'_, '_>) -> Done {
    let (data, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(data, 0)?;
    let result = call.emit(GatherElements { axis }, &[data, indices])?;
    call.finish(result)
}

pub(super) fn scatter_elements(call: &mut Call<'_, '_>) -> Done {
    let inputs = call.inputs()?;
    let &data = inputs.first().ok_or_else(|| call.refuse("it has no operands"))?;
    let axis = call.axis(data, 0)?;
    let reduction = call.reduction()?;
    let result = call.emit(ScatterElements { axis, reduction }, &inputs)?;
    call.finish(result)
}

pub(super) fn cum_sum(call: &mut Call<'_, '_>) -> Done {
    let (x, axes) = (call.input(0)?, call.ints(1)?);
    let axis = axes.first().copied().ok_or_else(|| call.refuse("it has no axis"))?;
    let axis = call.axis_of(axis, call.ty(x).shape.rank())?;
    let (exclusive, reverse) = (call.int("exclusive", 0) != 0, call.int("reverse", 0) != 0);
    let result = call.emit(CumSum { axis, exclusive, reverse }, &[x])?;
    call.finish(result)
}

/// The second of two values where the new axis equals the index, which may count from the end; otherwise the first.
pub(super) fn one_hot(call: &mut Call<'_, '_>) -> Done {
    let (indices, depth, values) = (call.input(0)?, call.tensor(1)?, call.input(2)?);
    let float = depth.floats().first().map(|&d| d as i64);
    let depth = float.or_else(|| depth.to_i64s()?.first().copied()).and_then(|d| usize::try_from(d).ok());
    let depth = depth.ok_or_else(|| call.refuse("its depth is not a number"))?;
    call.afford(depth as u64)?;
    let shape = call.ty(indices).shape;
    let axis = call.axis_of(call.int("axis", -1), shape.rank() + 1)?;
    let mut row = shape.0.clone();
    row.insert(axis, Dim::Static(1));
    let mut column = vec![1; shape.rank() + 1];
    column[axis] = depth;
    let count = Tensor::i64(column, (0..depth as i64).collect());
    let count = count.ok_or_else(|| call.refuse("its depth does not fit"))?;
    let count = call.constant(count.to_constant());
    let wrap = Tensor::i64([], vec![depth as i64]).ok_or_else(|| call.refuse("its depth does not fit"))?;
    let wrap = call.constant(wrap.to_constant());
    let indices = match call.ty(indices).dtype {
        DType::I64 => indices,
        _ => call.emit(Cast { to: DType::I64 }, &[indices])?,
    };
    let indices = call.reshape(indices, Shape(row))?;
    let wrapped = call.emit(Add {}, &[indices, wrap])?;
    let (plain, wrapped) = (call.emit(Equal {}, &[indices, count])?, call.emit(Equal {}, &[wrapped, count])?);
    let hot = call.emit(Or {}, &[plain, wrapped])?;
    let value = |call: &mut Call<'_, '_>, start| -> Result<ValueId, Diagnostic> {
        let one = call.emit(Slice { axis: 0, start, length: 1, step: 1 }, &[values])?;
        call.reshape(one, Shape(vec![]))
    };
    let (off, on) = (value(call, 0)?, value(call, 1)?);
    let result = call.emit(Where {}, &[hot, on, off])?;
    call.finish(result)
}

/// Each axis is split off an axis of length one, which is expanded.
pub(super) fn tile(call: &mut Call<'_, '_>) -> Done {
    let (x, repeats) = (call.input(0)?, call.ints(1)?);
    let dims = call.ty(x).shape.0;
    let repeats: Option<Vec<u64>> = repeats.iter().map(|&r| u64::try_from(r).ok()).collect();
    let repeats = repeats.filter(|r| r.len() == dims.len());
    let repeats = repeats.ok_or_else(|| call.refuse("it repeats each axis a number of times"))?;
    let (mut apart, mut expanded, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    for (dim, &times) in dims.iter().zip(&repeats) {
        if times != 1 {
            apart.push(Dim::Static(1));
            expanded.push(Dim::Static(times));
        }
        apart.push(dim.clone());
        expanded.push(dim.clone());
        joined.push(match (times, dim.fixed()) {
            (1, _) => dim.clone(),
            (_, Some(n)) => {
                let total = n.checked_mul(times).ok_or_else(|| call.refuse("it repeats too often"))?;
                Dim::Static(total)
            }
            _ => return Err(call.refuse(format!("it repeats the axis {dim}, which has no value"))),
        });
    }
    let apart = call.reshape(x, Shape(apart))?;
    let repeated = call.emit(Expand { shape: Shape(expanded) }, &[apart])?;
    let result = call.reshape(repeated, Shape(joined))?;
    call.finish(result)
}
