//! Operators that move elements. Their shapes, axes and bounds must be constants by the time they are read.

use super::super::call::{Call, Done};
use super::super::extents::Extent;
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{Concat, Expand, Gather, ScatterNd, Slice, Transpose, Trilu};
use crate::types::{Dim, Shape};

/// 0 copies a dimension of the operand (unless `allowzero`), -1 takes what is left.
pub(super) fn reshape(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let (from, targets) = (call.ty(x).shape, call.extents(1)?);
    let keep_zero = call.int("allowzero", 0) != 0;
    let mut dims = Vec::with_capacity(targets.len());
    let mut open = None;
    for (i, target) in targets.iter().enumerate() {
        dims.push(match (target, from.0.get(i)) {
            (Extent::Number(0), Some(dim)) if !keep_zero => dim.clone(),
            (Extent::Number(-1), _) if open.is_none() => {
                open = Some(i);
                Dim::Static(1)
            }
            (target, _) => target.dim().ok_or_else(|| call.refuse("a dimension is negative"))?,
        });
    }
    if let Some(i) = open {
        dims[i] = rest(&from, &dims).ok_or_else(|| call.refuse("the dimension -1 cannot be computed"))?;
    }
    let result = call.reshape(x, Shape(dims))?;
    call.finish(result)
}

/// The dimension that makes the elements of `dims` as many as those of `from`, at which `dims` has a 1.
fn rest(from: &Shape, dims: &[Dim]) -> Option<Dim> {
    let mut names: Vec<&Dim> = from.0.iter().filter(|d| d.fixed().is_none()).collect();
    let mut known = from.0.iter().try_fold(1u64, |n, d| n.checked_mul(d.fixed().unwrap_or(1)))?;
    for dim in dims {
        match dim.fixed() {
            Some(n) => known = (n > 0 && known % n == 0).then(|| known / n)?,
            None => {
                let at = names.iter().position(|name| *name == dim)?;
                names.remove(at);
            }
        }
    }
    match (names.as_slice(), known) {
        ([], n) => Some(Dim::Static(n)),
        ([name], 1) => Some((*name).clone()),
        _ => None,
    }
}

/// To two axes: the product of the axes before `axis`, and of the others.
pub(super) fn flatten(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let dims = call.dims(x)?;
    let axis = call.int("axis", 1);
    let axis = if axis == dims.len() as i64 { dims.len() } else { call.axis_of(axis, dims.len())? };
    let shape = Shape::of([dims[..axis].iter().product::<usize>(), dims[axis..].iter().product()]);
    let result = call.reshape(x, shape)?;
    call.finish(result)
}

/// Without axes, all axes of length one go.
pub(super) fn squeeze(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let shape = call.ty(x).shape;
    let axes = match call.optional_ints(1)? {
        Some(axes) => {
            axes.into_iter().map(|a| call.axis_of(a, shape.rank())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..shape.rank()).filter(|&i| shape.0[i] == Dim::Static(1)).collect(),
    };
    let kept = shape.0.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, d)| d.clone());
    let result = call.reshape(x, Shape(kept.collect()))?;
    call.finish(result)
}

pub(super) fn unsqueeze(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let (axes, mut dims) = (call.ints(1)?, call.ty(x).shape.0.into_iter());
    let rank = dims.len() + axes.len();
    let axes = axes.into_iter().map(|a| call.axis_of(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let shape = (0..rank).map(|i| if axes.contains(&i) { Some(Dim::Static(1)) } else { dims.next() });
    let shape = shape.collect::<Option<_>>().ok_or_else(|| call.refuse("an axis is named twice"))?;
    let result = call.reshape(x, Shape(shape))?;
    call.finish(result)
}

/// Without a permutation, the axes are reversed.
pub(super) fn transpose(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let rank = call.ty(x).shape.rank();
    let perm = match call.attribute("perm") {
        Some(a) => a.ints.iter().map(|&p| call.axis_of(p, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let result = call.emit(Transpose { perm }, &[x])?;
    call.finish(result)
}

/// One slice per axis; bounds outside of the axis are cut to it.
pub(super) fn slice(call: &mut Call<'_, '_>) -> Done {
    let mut x = call.input(0)?;
    let (starts, ends) = (call.ints(1)?, call.ints(2)?);
    let axes = call.optional_ints(3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = call.optional_ints(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(call.refuse("starts, ends, axes and steps are not of one length"));
    }
    for (i, &axis) in axes.iter().enumerate() {
        x = slice_axis(call, x, axis, [starts[i], ends[i], steps[i]])?;
    }
    call.finish(x)
}

fn slice_axis(
    call: &mut Call<'_, '_>,
    x: ValueId,
    axis: i64,
    bounds: [i64; 3],
) -> Result<ValueId, Diagnostic> {
    let shape = call.ty(x).shape;
    let axis = call.axis_of(axis, shape.rank())?;
    let [start, end, step] = bounds;
    if (start, step) == (0, 1) && end == i64::MAX {
        return Ok(x);
    }
    let size = shape.0[axis].fixed().and_then(|n| i64::try_from(n).ok());
    let size = size.ok_or_else(|| {
        call.refuse(format!("the axis {axis} of {shape} has no value")).help("bind it with --bind NAME=VALUE")
    })?;
    let wrap = |i: i64| if i < 0 { i.saturating_add(size) } else { i };
    let (low, high) = if step < 0 { (-1, size - 1) } else { (0, size) };
    // The end of a backward slice may lie before the first element, which -1 cannot say as it means the last one.
    let (start, end) = (wrap(start).clamp(low.max(0), high), wrap(end).clamp(low, high));
    let span = if step < 0 { start - end } else { end - start };
    let length = match step.checked_abs() {
        None | Some(0) => return Err(call.refuse(format!("its step is {step}"))),
        Some(step) => (span.max(0) as u64).div_ceil(step as u64) as usize,
    };
    if (start, step, length as i64) == (0, 1, size) {
        return Ok(x);
    }
    let start = if length == 0 { 0 } else { start as usize };
    call.emit(Slice { axis, start, length, step }, &[x])
}

/// Into parts of given lengths, or into as many equal parts as there are results.
pub(super) fn split(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let axis = call.axis(x, 0)?;
    let size = call.ty(x).shape.0[axis].fixed().and_then(|n| usize::try_from(n).ok());
    let size = size.ok_or_else(|| call.refuse("the axis that it splits has no known length"))?;
    let count = call.node.output.len().max(1);
    let lengths = match call.optional_ints(1)? {
        Some(lengths) => lengths,
        None => {
            let part = size.div_ceil(count);
            (0..count).map(|i| part.min(size.saturating_sub(i * part)) as i64).collect()
        }
    };
    let mut start = 0usize;
    for (i, &length) in lengths.iter().enumerate().take(count) {
        let length =
            usize::try_from(length).map_err(|_| call.refuse(format!("a part has {length} elements")))?;
        let part = call.emit(Slice { axis, start, length, step: 1 }, &[x])?;
        call.finish_at(i, part)?;
        start = start.saturating_add(length);
    }
    Ok(())
}

pub(super) fn concat(call: &mut Call<'_, '_>) -> Done {
    let inputs = call.inputs()?;
    let &first = inputs.first().ok_or_else(|| call.refuse("it has no operands"))?;
    let axis = call.axis(first, 0)?;
    let result = call.emit(Concat { axis }, &inputs)?;
    call.finish(result)
}

pub(super) fn expand(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let dims: Option<Vec<Dim>> = call.extents(1)?.iter().map(|e| e.dim()).collect();
    let shape = Shape(dims.ok_or_else(|| call.refuse("a dimension is negative"))?);
    let result = call.emit(Expand { shape }, &[x])?;
    call.finish(result)
}

pub(super) fn gather(call: &mut Call<'_, '_>) -> Done {
    let (table, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(table, 0)?;
    let result = call.emit(Gather { axis }, &[table, indices])?;
    call.finish(result)
}

pub(super) fn scatter_nd(call: &mut Call<'_, '_>) -> Done {
    let (inputs, reduction) = (call.inputs()?, call.reduction()?);
    let result = call.emit(ScatterNd { reduction }, &inputs)?;
    call.finish(result)
}

pub(super) fn trilu(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let diagonal = call.optional_ints(1)?.and_then(|d| d.first().copied()).unwrap_or(0);
    let upper = call.int("upper", 1) != 0;
    let result = call.emit(Trilu { upper, diagonal }, &[x])?;
    call.finish(result)
}
