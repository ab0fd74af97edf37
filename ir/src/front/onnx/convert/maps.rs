//! Feature maps: convolutions, pools, and what moves elements between places and channels.

use super::super::call::{Call, Done};
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{
    Add, AveragePool, Concat, Conv, ConvTranspose, Div, Expand, Gather, MaxPool, Mul, Op, ReduceMax,
    ReduceMean, Sqrt, Sub, Transpose,
};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape};

/// Windows of an operator, per axis, with pads given or derived.
struct Windows {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    pads: Vec<usize>,
    dilations: Vec<usize>,
}

/// The attribute `name`, a list of numbers that are not negative.
fn list(call: &Call<'_, '_>, name: &str, default: Vec<usize>) -> Result<Vec<usize>, Diagnostic> {
    let Some(a) = call.attribute(name) else { return Ok(default) };
    let all: Option<Vec<usize>> = a.ints.iter().map(|&n| usize::try_from(n).ok()).collect();
    all.ok_or_else(|| call.refuse(format!("its {name} are negative")))
}

/// Pads that share a total, of which the odd one goes behind, or before.
fn shared(total: &[usize], behind: bool) -> Vec<usize> {
    let less = total.iter().map(|n| n / 2);
    let more = total.iter().map(|n| n - n / 2);
    if behind { less.chain(more).collect() } else { more.chain(less).collect() }
}

impl Windows {
    /// `sizes` are the lengths of the padded operand along its spatial axes.
    fn of(call: &Call<'_, '_>, kernel: Vec<usize>, sizes: &[usize]) -> Result<Windows, Diagnostic> {
        let axes = kernel.len();
        let (strides, dilations) =
            (list(call, "strides", vec![1; axes])?, list(call, "dilations", vec![1; axes])?);
        let pads = match mode(call) {
            b"NOTSET" | b"" => list(call, "pads", vec![0; 2 * axes])?,
            b"VALID" => vec![0; 2 * axes],
            same @ (b"SAME_UPPER" | b"SAME_LOWER") => {
                let fit = [sizes.len(), strides.len(), dilations.len()] == [axes; 3];
                if !fit || strides.contains(&0) {
                    return Err(call.refuse("its strides and dilations do not fit its axes"));
                }
                let total = |i: usize| {
                    let before_last = sizes[i].div_ceil(strides[i]).saturating_sub(1);
                    let reach = kernel[i].saturating_sub(1).saturating_mul(dilations[i]).saturating_add(1);
                    before_last.saturating_mul(strides[i]).saturating_add(reach).saturating_sub(sizes[i])
                };
                shared(&(0..axes).map(total).collect::<Vec<_>>(), same == b"SAME_UPPER")
            }
            other => {
                return Err(call.refuse(format!("its auto_pad is `{}`", String::from_utf8_lossy(other))));
            }
        };
        Ok(Windows { kernel, strides, pads, dilations })
    }
}

fn mode<'m>(call: &Call<'_, 'm>) -> &'m [u8] {
    call.attribute("auto_pad").map_or(&b"NOTSET"[..], |a| &a.s)
}

/// Lengths of a value along its spatial axes.
fn plane(call: &Call<'_, '_>, id: ValueId) -> Result<Vec<usize>, Diagnostic> {
    Ok(call.dims(id)?.into_iter().skip(2).collect())
}

pub(super) fn conv(call: &mut Call<'_, '_>) -> Done {
    let inputs = call.inputs()?;
    let result = convolved(call, &inputs)?;
    call.finish(result)
}

/// The convolution of an operand with a kernel, and perhaps a bias, as the attributes say.
pub(super) fn convolved(call: &mut Call<'_, '_>, inputs: &[ValueId]) -> Result<ValueId, Diagnostic> {
    let &[x, w, ..] = inputs else { return Err(call.refuse("it has no kernel")) };
    // Only pads that are derived need to know the lengths of the operand.
    let sizes = if mode(call).starts_with(b"SAME") { plane(call, x)? } else { Vec::new() };
    let Windows { strides, pads, dilations, .. } = Windows::of(call, plane(call, w)?, &sizes)?;
    let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
    call.emit(Conv { strides, pads, dilations, groups }, inputs)
}

pub(super) fn conv_transpose(call: &mut Call<'_, '_>) -> Done {
    let inputs = call.inputs()?;
    let (x, w) = (call.input(0)?, call.input(1)?);
    let (kernel, sizes) = (plane(call, w)?, plane(call, x)?);
    let axes = kernel.len();
    let (strides, dilations) =
        (list(call, "strides", vec![1; axes])?, list(call, "dilations", vec![1; axes])?);
    let extra = list(call, "output_padding", vec![0; axes])?;
    let wanted = list(call, "output_shape", Vec::new())?;
    let fit = [sizes.len(), strides.len(), dilations.len(), extra.len()] == [axes; 4];
    if !fit || !(wanted.is_empty() || wanted.len() == axes) {
        return Err(call.refuse("its attributes do not fit its axes"));
    }
    let whole = |i: usize| {
        let reach = kernel[i].saturating_sub(1).saturating_mul(dilations[i]).saturating_add(1);
        sizes[i].saturating_sub(1).saturating_mul(strides[i]).saturating_add(reach).saturating_add(extra[i])
    };
    let auto = mode(call);
    let same = matches!(auto, b"SAME_UPPER" | b"SAME_LOWER");
    let pads = if !wanted.is_empty() || same {
        let length = |i: usize| wanted.get(i).copied().unwrap_or(sizes[i].saturating_mul(strides[i]));
        if (0..axes).any(|i| whole(i) < length(i)) {
            return Err(call.refuse("its result would be longer than its windows reach"));
        }
        let total: Vec<usize> = (0..axes).map(|i| whole(i) - length(i)).collect();
        // ONNX gives the odd one to the front unless it is told SAME_UPPER.
        shared(&total, auto == b"SAME_UPPER")
    } else if auto == b"VALID" {
        vec![0; 2 * axes]
    } else {
        list(call, "pads", vec![0; 2 * axes])?
    };
    let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
    let result = call.emit(ConvTranspose { strides, pads, dilations, extra, groups }, &inputs)?;
    call.finish(result)
}

/// A pool whose operator is made from its windows, and whether there may be a last one that ends outside.
fn pool(call: &mut Call<'_, '_>, of: impl FnOnce(Windows, bool) -> Op) -> Done {
    let x = call.input(0)?;
    let sizes = plane(call, x)?;
    let kernel = list(call, "kernel_shape", Vec::new())?;
    let windows = Windows::of(call, kernel, &sizes)?;
    let result = call.emit(of(windows, call.int("ceil_mode", 0) != 0), &[x])?;
    call.finish(result)
}

pub(super) fn max_pool(call: &mut Call<'_, '_>) -> Done {
    if call.node.output.get(1).is_some_and(|name| !name.is_empty()) {
        return Err(call.refuse("the places of its largest elements are asked for"));
    }
    pool(call, |w, ceil| {
        let Windows { kernel, strides, pads, dilations } = w;
        MaxPool { kernel, strides, pads, dilations, ceil }.into()
    })
}

pub(super) fn average_pool(call: &mut Call<'_, '_>) -> Done {
    let padded = call.int("count_include_pad", 0) != 0;
    pool(call, |w, ceil| {
        let Windows { kernel, strides, pads, dilations } = w;
        AveragePool { kernel, strides, pads, dilations, ceil, padded }.into()
    })
}

/// One window, the whole plane.
pub(super) fn global_pool(call: &mut Call<'_, '_>, largest: bool) -> Done {
    let x = call.input(0)?;
    let axes: Vec<usize> = (2..call.ty(x).shape.rank()).collect();
    let keep = true;
    let op: Op = if largest { ReduceMax { axes, keep }.into() } else { ReduceMean { axes, keep }.into() };
    let result = call.emit(op, &[x])?;
    call.finish(result)
}

/// `x * factor + offset` for each channel, with both made of constants.
pub(super) fn batch_norm(call: &mut Call<'_, '_>) -> Done {
    if call.int("training_mode", 0) != 0 {
        return Err(call.refuse("it is in training mode"));
    }
    let [x, scale, bias, mean, variance] =
        [call.input(0)?, call.input(1)?, call.input(2)?, call.input(3)?, call.input(4)?];
    let eps = call.scalar_like(variance, call.float("epsilon", 1e-5))?;
    let sum = call.emit(Add {}, &[variance, eps])?;
    let deviation = call.emit(Sqrt {}, &[sum])?;
    let factor = call.emit(Div {}, &[scale, deviation])?;
    let shift = call.emit(Mul {}, &[mean, factor])?;
    let offset = call.emit(Sub {}, &[bias, shift])?;
    let mut result = x;
    let behind = call.ty(x).shape.rank().saturating_sub(2);
    for (op, by) in [(Op::from(Mul {}), factor), (Add {}.into(), offset)] {
        let dims = call.ty(by).shape.0.into_iter().chain(vec![Dim::Static(1); behind]).collect();
        let by = call.reshape(by, Shape(dims))?;
        result = call.emit(op, &[result, by])?;
    }
    call.finish(result)
}

/// Lengths of an image, and of the side of its blocks.
fn blocks(call: &mut Call<'_, '_>) -> Result<(ValueId, [usize; 4], usize), Diagnostic> {
    let x = call.input(0)?;
    let dims =
        <[usize; 4]>::try_from(call.dims(x)?).map_err(|_| call.refuse("its operand has not four axes"))?;
    let side = usize::try_from(call.int("blocksize", 0)).ok().filter(|side| (1..=1 << 16).contains(side));
    Ok((x, dims, side.ok_or_else(|| call.refuse("its blocks have no side between 1 and 65536"))?))
}

fn moved(
    call: &mut Call<'_, '_>,
    x: ValueId,
    apart: [usize; 6],
    perm: [usize; 6],
    joined: [usize; 4],
) -> Done {
    let apart = call.reshape(x, Shape::of(apart))?;
    let moved = call.emit(Transpose { perm: perm.to_vec() }, &[apart])?;
    let result = call.reshape(moved, Shape::of(joined))?;
    call.finish(result)
}

pub(super) fn depth_to_space(call: &mut Call<'_, '_>) -> Done {
    let (x, [n, c, h, w], b) = blocks(call)?;
    if c % (b * b) != 0 {
        return Err(call.refuse(format!("{c} channels are no blocks of {b} x {b}")));
    }
    let (channels, joined) = (c / (b * b), [n, c / (b * b), h.saturating_mul(b), w.saturating_mul(b)]);
    match call.attribute("mode").map_or(&b"DCR"[..], |a| &a.s) {
        b"DCR" => moved(call, x, [n, b, b, channels, h, w], [0, 3, 4, 1, 5, 2], joined),
        b"CRD" => moved(call, x, [n, channels, b, b, h, w], [0, 1, 4, 2, 5, 3], joined),
        other => Err(call.refuse(format!("its mode is `{}`", String::from_utf8_lossy(other)))),
    }
}

pub(super) fn space_to_depth(call: &mut Call<'_, '_>) -> Done {
    let (x, [n, c, h, w], b) = blocks(call)?;
    if h % b != 0 || w % b != 0 {
        return Err(call.refuse(format!("a plane of {h} x {w} elements is no blocks of {b} x {b}")));
    }
    let joined = [n, c.saturating_mul(b * b), h / b, w / b];
    moved(call, x, [n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4], joined)
}

pub(super) fn pad(call: &mut Call<'_, '_>) -> Done {
    let (mut x, pads) = (call.input(0)?, call.ints(1)?);
    let rank = call.ty(x).shape.rank();
    let axes = match call.optional_ints(3)? {
        Some(axes) => axes.into_iter().map(|a| call.axis_of(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(call.refuse(format!("it has {} pads for {} axes", pads.len(), axes.len())));
    }
    let mode = call.attribute("mode").map_or(&b"constant"[..], |a| &a.s);
    for (i, &axis) in axes.iter().enumerate() {
        let (before, behind) = (pads[i], pads[i + axes.len()]);
        if (before, behind) != (0, 0) {
            x = pad_axis(call, x, axis, [before, behind], mode)?;
        }
    }
    call.finish(x)
}

fn pad_axis(
    call: &mut Call<'_, '_>,
    x: ValueId,
    axis: usize,
    [before, behind]: [i64; 2],
    mode: &[u8],
) -> Result<ValueId, Diagnostic> {
    let dims = call.dims(x)?;
    let length = dims[axis] as i64;
    let ends = before.checked_add(behind).and_then(|n| n.checked_add(length)).filter(|&n| n >= 0);
    let total = ends.ok_or_else(|| call.refuse("its pads leave nothing of an axis"))?;
    call.afford(total.unsigned_abs().max(before.unsigned_abs()).max(behind.unsigned_abs()))?;
    let constant = mode == b"constant" || mode.is_empty();
    let place = |i: i64| match mode {
        b"edge" => Some(i.clamp(0, length - 1)),
        b"wrap" => Some(i.rem_euclid(length)),
        b"reflect" if length == 1 => Some(0),
        b"reflect" => {
            let folded = i.rem_euclid(2 * length - 2);
            Some(folded.min(2 * length - 2 - folded))
        }
        _ => constant.then_some(i),
    };
    let inside = |i: &i64| !constant || (0..length).contains(i);
    let range = -before..length + behind;
    if length == 0 && !constant {
        return Err(call.refuse("nothing of an empty axis can be repeated"));
    }
    let places: Option<Vec<i64>> = range.filter(inside).map(place).collect();
    let places =
        places.ok_or_else(|| call.refuse(format!("its mode is `{}`", String::from_utf8_lossy(mode))))?;
    let count = places.len();
    let kept = if constant && count == dims[axis] {
        x
    } else {
        let indices = Tensor::new(DType::I64, [count], Data::Long(places));
        let indices = indices.ok_or_else(|| call.refuse("its pads are no list"))?;
        let indices = call.constant(indices.to_constant());
        call.emit(Gather { axis }, &[x, indices])?
    };
    if !constant {
        return Ok(kept);
    }
    let value = match call.optional(2)? {
        Some(value) => call.reshape(value, Shape(Vec::new()))?,
        None => call.scalar_like(x, 0.0)?,
    };
    let mut parts = Vec::new();
    let block = |call: &mut Call<'_, '_>, length: i64| {
        let mut shape = call.ty(x).shape;
        shape.0[axis] = Dim::Static(length.unsigned_abs());
        call.emit(Expand { shape }, &[value])
    };
    if before > 0 {
        parts.push(block(call, before)?);
    }
    parts.push(kept);
    if behind > 0 {
        parts.push(block(call, behind)?);
    }
    call.emit(Concat { axis }, &parts)
}
