//! Operators on codes: what files carry that were quantised elsewhere. Their codes stay as they are in the graph.

use super::super::call::{Call, Done};
use super::super::tensor;
use super::maps;
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::op::{
    Abs, Add, Cast, Dequantise, Div, Linear, MatMul, Max, Min, Mul, QuantiseTo, ReduceMax, ReduceMin, Round,
    Sub,
};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape, Type};

/// Axis and block of the scales `scale` of a value; a single scale becomes a scalar.
fn grid(
    call: &mut Call<'_, '_>,
    x: ValueId,
    parameters: &mut [ValueId],
) -> Result<(usize, usize), Diagnostic> {
    let single = |call: &Call<'_, '_>, id| call.ty(id).shape.elements() == Some(1);
    let block = usize::try_from(call.int("block_size", 0)).unwrap_or(0);
    if block == 0 && parameters.iter().all(|&p| single(call, p)) {
        for parameter in parameters {
            *parameter = call.reshape(*parameter, Shape(vec![]))?;
        }
        return Ok((0, 0));
    }
    Ok((call.axis(x, 1)?, block))
}

/// `(x - zero) * scale`
pub(super) fn dequantize_linear(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let mut parameters = vec![call.input(1)?];
    parameters.extend(call.optional(2)?);
    let (axis, block) = grid(call, x, &mut parameters)?;
    let operands: Vec<ValueId> = [x].into_iter().chain(parameters).collect();
    let mut result = call.emit(Dequantise { axis, block }, &operands)?;
    if let 1.. = call.int("output_dtype", 0) {
        let to = tensor::dtype(i32::try_from(call.int("output_dtype", 0)).unwrap_or(0))?;
        result = cast(call, result, to)?;
    }
    call.finish(result)
}

fn cast(call: &mut Call<'_, '_>, x: ValueId, to: DType) -> Result<ValueId, Diagnostic> {
    if call.ty(x).dtype == to { Ok(x) } else { call.emit(Cast { to }, &[x]) }
}

/// `x / scale` rounded, plus zero. The type is that of the zero point, or `output_dtype`, or u8.
pub(super) fn quantize_linear(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let mut parameters = vec![call.input(1)?];
    let zero = call.optional(2)?;
    let to = match (zero, call.int("output_dtype", 0)) {
        (Some(zero), _) => call.ty(zero).dtype,
        (None, 0) => DType::U8,
        (None, number) => tensor::dtype(i32::try_from(number).unwrap_or(0))?,
    };
    parameters.extend(zero);
    let (axis, block) = grid(call, x, &mut parameters)?;
    let operands: Vec<ValueId> = [x].into_iter().chain(parameters).collect();
    let result = call.emit(QuantiseTo { to, axis, block }, &operands)?;
    call.finish(result)
}

/// To u8 by the smallest and largest element and zero; scale and zero point are results.
pub(super) fn dynamic_quantize_linear(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let axes: Vec<usize> = (0..call.ty(x).shape.rank()).collect();
    let zero = call.scalar_like(x, 0.0)?;
    let low = call.emit(ReduceMin { axes: axes.clone(), keep: false }, &[x])?;
    let high = call.emit(ReduceMax { axes, keep: false }, &[x])?;
    let (low, high) = (call.emit(Min {}, &[low, zero])?, call.emit(Max {}, &[high, zero])?);
    let (span, top) = (call.emit(Sub {}, &[high, low])?, call.scalar_like(x, 255.0)?);
    let scale = call.emit(Div {}, &[span, top])?;
    let below = call.emit(Sub {}, &[zero, low])?;
    let steps = call.emit(Div {}, &[below, scale])?;
    let steps = call.emit(Round {}, &[steps])?;
    let (steps, to) = (call.emit(Max {}, &[steps, zero])?, DType::U8);
    let steps = call.emit(Min {}, &[steps, top])?;
    let zero = call.emit(Cast { to }, &[steps])?;
    let codes = call.emit(QuantiseTo { to, axis: 0, block: 0 }, &[x, scale, zero])?;
    call.finish_at(0, codes)?;
    call.finish_at(1, scale)?;
    call.finish_at(2, zero)
}

/// Codes times codes: both are dequantised, and the product is quantised again.
pub(super) fn qlinear_mat_mul(call: &mut Call<'_, '_>) -> Done {
    let (a, b) = (operand(call, 0, ROWS)?, operand(call, 3, COLUMNS)?);
    let product = call.emit(MatMul {}, &[a, b])?;
    requantised(call, product, 6)
}

/// Codes plus codes.
pub(super) fn qlinear_add(call: &mut Call<'_, '_>) -> Done {
    let (a, b) = (operand(call, 0, ROWS)?, operand(call, 3, ROWS)?);
    let sum = call.emit(Add {}, &[a, b])?;
    requantised(call, sum, 6)
}

/// Codes and a kernel of codes: both are dequantised, the bias by the product of their scales.
pub(super) fn qlinear_conv(call: &mut Call<'_, '_>) -> Done {
    let (x, w) = (operand(call, 0, ROWS)?, operand(call, 3, |_| 0)?);
    let mut inputs = vec![x, w];
    if let Some(bias) = call.optional(8)? {
        let scales = [call.input(1)?, call.input(4)?];
        let mut scale = call.emit(Mul {}, &scales)?;
        if call.ty(scale).shape.elements() == Some(1) {
            scale = call.reshape(scale, Shape(vec![]))?;
        }
        inputs.push(call.emit(Dequantise { axis: 0, block: 0 }, &[bias, scale])?);
    }
    let result = maps::convolved(call, &inputs)?;
    requantised(call, result, 6)
}

/// The axis of an operand of some rank to which its scales belong.
type ScaledAxis = fn(usize) -> usize;
const ROWS: ScaledAxis = |rank| rank.saturating_sub(2);
const COLUMNS: ScaledAxis = |rank| rank.saturating_sub(1);

/// Operands `i`, `i + 1`, `i + 2`: codes, scale, zero point.
fn operand(call: &mut Call<'_, '_>, i: usize, axis: ScaledAxis) -> Result<ValueId, Diagnostic> {
    let (x, scale, zero) = (call.input(i)?, call.input(i + 1)?, call.input(i + 2)?);
    let rank = call.ty(x).shape.rank();
    let mut parameters = [scale, zero];
    let single = parameters.iter().all(|&p| call.ty(p).shape.elements() == Some(1));
    if single {
        for parameter in &mut parameters {
            *parameter = call.reshape(*parameter, Shape(vec![]))?;
        }
    }
    let axis = if single { 0 } else { axis(rank) };
    call.emit(Dequantise { axis, block: 0 }, &[x, parameters[0], parameters[1]])
}

fn requantised(call: &mut Call<'_, '_>, x: ValueId, i: usize) -> Done {
    let (mut scale, mut zero) = (call.input(i)?, call.input(i + 1)?);
    let to = call.ty(zero).dtype;
    let axis = call.ty(x).shape.rank().saturating_sub(2);
    let single = call.ty(scale).shape.elements() == Some(1);
    if single {
        (scale, zero) = (call.reshape(scale, Shape(vec![]))?, call.reshape(zero, Shape(vec![]))?);
    }
    let op = QuantiseTo { to, axis: if single { 0 } else { axis }, block: 0 };
    let result = call.emit(op, &[x, scale, zero])?;
    call.finish(result)
}

/// Product with a weight in blocks of codes of 2, 4 or 8 bits: `[N, blocks, bytes]`, the first code in the lowest bits,
/// which is our packed storage of `[N, K]`.
pub(super) fn mat_mul_n_bits(call: &mut Call<'_, '_>) -> Done {
    let number = |name: &str| usize::try_from(call.int(name, 0)).unwrap_or(0);
    let (k, n, block) = (number("K"), number("N"), number("block_size"));
    let code = match call.int("bits", 4) {
        2 => DType::U2,
        4 => DType::U4,
        8 => DType::U8,
        bits => return Err(call.refuse(format!("its codes have {bits} bits; 2, 4 and 8 are supported"))),
    };
    if block == 0 || k % block != 0 || call.node.input.get(4).is_some_and(|name| !name.is_empty()) {
        return Err(call.refuse(format!("rows of {k} codes in blocks of {block} with an order of their own")));
    }
    let x = call.input(0)?;
    let codes = relabelled(call, 1, Type::of(code, [n, k]))?;
    let blocks = [n, k / block];
    let scales = call.input(2)?;
    let scales = call.reshape(scales, Shape::of(blocks))?;
    let zeros = match call.optional(3)? {
        Some(zeros) if call.ty(zeros).dtype.is_float() => call.reshape(zeros, Shape::of(blocks))?,
        Some(_) => packed_zeros(call, code, blocks)?,
        None => middle(call, code, blocks)?,
    };
    let weight = call.emit(Dequantise { axis: 1, block }, &[codes, scales, zeros])?;
    let x = if call.int("accuracy_level", 0) == 4 { in_bytes(call, x, block)? } else { x };
    let weight = cast(call, weight, call.ty(x).dtype)?;
    let mut result = call.emit(Linear {}, &[x, weight])?;
    if let Some(bias) = call.optional(5)? {
        result = call.emit(Add {}, &[result, bias])?;
    }
    call.finish(result)
}

/// x rounded to int8, symmetric, with a scale of its own for each block of the last axis: what an `accuracy_level` of 4
/// stands for.
fn in_bytes(call: &mut Call<'_, '_>, x: ValueId, block: usize) -> Result<ValueId, Diagnostic> {
    let mut dims = call.ty(x).shape.0;
    let axis = dims.len().saturating_sub(1);
    let last = dims.pop().and_then(|d| d.fixed()).unwrap_or(0);
    dims.extend([Dim::Static(last / block as u64), Dim::from(block)]);
    let blocks = call.reshape(x, Shape(dims))?;
    let size = call.emit(Abs {}, &[blocks])?;
    let most = call.emit(ReduceMax { axes: vec![axis + 1], keep: false }, &[size])?;
    let steps = call.scalar_like(x, 127.0)?;
    let scale = call.emit(Div {}, &[most, steps])?;
    let codes = call.emit(QuantiseTo { to: DType::I8, axis, block }, &[x, scale])?;
    call.emit(Dequantise { axis, block }, &[codes, scale])
}

/// The bytes of operand `i`, which is a constant of u8, under another type.
fn relabelled(call: &mut Call<'_, '_>, i: usize, ty: Type) -> Result<ValueId, Diagnostic> {
    let constant = call.constant_operand(i)?;
    if constant.ty().dtype != DType::U8 || constant.ty().byte_len() != ty.byte_len() {
        return Err(call.refuse(format!("its operand {i} is {}, not the bytes of a {ty}", constant.ty())));
    }
    let constant = constant.with_type(ty).ok_or_else(|| call.refuse("its codes have another length"))?;
    Ok(call.constant(constant))
}

/// Zero points `[n, blocks]`, each row of which starts with a byte of its own.
fn packed_zeros(
    call: &mut Call<'_, '_>,
    code: DType,
    [n, blocks]: [usize; 2],
) -> Result<ValueId, Diagnostic> {
    let per_byte = 8 / code.bits() as usize;
    let padded = blocks.div_ceil(per_byte) * per_byte;
    let zeros = relabelled(call, 3, Type::of(code, [n, padded]))?;
    if padded == blocks {
        return Ok(zeros);
    }
    call.emit(crate::op::Slice { axis: 1, start: 0, length: blocks, step: 1 }, &[zeros])
}

/// Zero points in the middle of the range, which hold where none are given.
fn middle(call: &mut Call<'_, '_>, code: DType, blocks: [usize; 2]) -> Result<ValueId, Diagnostic> {
    let count = blocks[0].saturating_mul(blocks[1]);
    call.afford(count as u64)?;
    let tensor = Tensor::new(code, blocks, Data::Int(vec![1 << (code.bits() - 1); count]));
    let tensor = tensor.ok_or_else(|| call.refuse("its zero points do not fit its blocks"))?;
    let constant: Constant = tensor.to_constant();
    Ok(call.constant(constant))
}
