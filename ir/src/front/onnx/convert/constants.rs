//! Operators that make constants: of attributes, of shapes, of ranges.

use super::super::Options;
use super::super::call::{Call, Done};
use super::super::{extents, sparse, tensor};
use crate::constant::Constant;
use crate::op::Expand;
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape};

/// One of the attributes `value`, `value_int`, `value_ints`, `value_float`, `value_floats`.
pub(super) fn constant(call: &mut Call<'_, '_>) -> Done {
    let attribute = call.node.attribute.first().ok_or_else(|| call.refuse("it has no value"))?;
    let list = |n: usize| vec![n];
    let tensor = match attribute.name.as_str() {
        "value" => {
            let proto = attribute.t.as_ref().ok_or_else(|| call.refuse("its tensor is missing"))?;
            let constant = tensor::constant(proto, call.sources().0)?;
            let id = call.constant(constant);
            return call.finish(id);
        }
        "sparse_value" => {
            let proto = attribute.sparse_tensor.as_ref();
            let proto = proto.ok_or_else(|| call.refuse("its tensor is missing"))?;
            let constant = sparse::constant(proto, call.sources().1)?;
            let id = call.constant(constant);
            return call.finish(id);
        }
        "value_int" => Tensor::i64([], vec![attribute.i]),
        "value_ints" => Tensor::i64(list(attribute.ints.len()), attribute.ints.clone()),
        "value_float" => Tensor::f32([], vec![attribute.f]),
        "value_floats" => Tensor::f32(list(attribute.floats.len()), attribute.floats.clone()),
        other => return Err(call.refuse(format!("its value is given as `{other}`, which is not supported"))),
    };
    let tensor = tensor.ok_or_else(|| call.refuse("its value does not fit its shape"))?;
    let id = call.constant(tensor.to_constant());
    call.finish(id)
}

/// The attribute `value`, a float zero if it is left out, repeated to a shape.
pub(super) fn constant_of_shape(call: &mut Call<'_, '_>) -> Done {
    let dims = call.ints(0)?;
    let dims: Option<Vec<Dim>> = dims.iter().map(|&d| u64::try_from(d).ok().map(Dim::Static)).collect();
    let shape = Shape(dims.ok_or_else(|| call.refuse("a dimension is negative"))?);
    let value = match call.attribute("value").and_then(|a| a.t.as_ref()) {
        Some(proto) => tensor::constant(proto, &Options::default())?,
        None => Constant::new(crate::types::Type::of(DType::F32, [1]), vec![0; 4])?,
    };
    let scalar = value.with_shape(Shape(vec![Dim::Static(1); shape.rank()]));
    let scalar = scalar.ok_or_else(|| call.refuse("its value is not a single element"))?;
    let scalar = call.constant(scalar);
    let empty = shape.0.contains(&Dim::Static(0));
    let result = if shape.rank() == 0 || empty {
        fill_small(call, scalar, shape)?
    } else {
        expand(call, scalar, shape)?
    };
    call.finish(result)
}

fn expand(
    call: &mut Call<'_, '_>,
    scalar: crate::graph::ValueId,
    shape: Shape,
) -> Result<crate::graph::ValueId, crate::diag::Diagnostic> {
    let ones = shape.0.iter().all(|d| *d == Dim::Static(1));
    if ones { Ok(scalar) } else { call.emit(Expand { shape }, &[scalar]) }
}

/// A scalar or an empty tensor.
fn fill_small(
    call: &mut Call<'_, '_>,
    scalar: crate::graph::ValueId,
    shape: Shape,
) -> Result<crate::graph::ValueId, crate::diag::Diagnostic> {
    if shape.rank() == 0 {
        return call.reshape(scalar, shape);
    }
    let ty = crate::types::Type::new(call.ty(scalar).dtype, shape);
    crate::graph::verify::check_size(&ty)?;
    Ok(call.constant(Constant::new(ty, Vec::new())?))
}

/// The dimensions `start..end` of the operand.
pub(super) fn shape(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let dims = call.ty(x).shape.0;
    let rank = dims.len() as i64;
    let bound = |i: i64| (if i < 0 { i.saturating_add(rank) } else { i }).clamp(0, rank) as usize;
    let (start, end) = (bound(call.int("start", 0)), bound(call.int("end", rank)));
    let dims = dims.get(start..end).unwrap_or_default().iter().map(Into::into).collect();
    extents::finish(call, dims, 1)
}

/// Number of elements of the operand.
pub(super) fn size(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let count: i64 = call.dims(x)?.iter().map(|&d| d as i64).product();
    longs(call, Vec::new(), vec![count])
}

fn longs(call: &mut Call<'_, '_>, shape: Vec<usize>, data: Vec<i64>) -> Done {
    let tensor = Tensor::i64(shape, data).ok_or_else(|| call.refuse("its value does not fit its shape"))?;
    let id = call.constant(tensor.to_constant());
    call.finish(id)
}

/// `start, start + step, ..` up to but without `limit`.
pub(super) fn range(call: &mut Call<'_, '_>) -> Done {
    let parts = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    let dtype = parts[0].dtype();
    let numbers: Option<Vec<f64>> = parts.iter().map(scalar).collect();
    let numbers = numbers.filter(|_| parts.iter().all(|p| p.dtype() == dtype));
    let [start, limit, step] = numbers.as_deref().unwrap_or_default() else {
        return Err(call.refuse("its operands are not three scalars of one type"));
    };
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > f64::from(u32::MAX) {
        return Err(call.refuse(format!("it counts {count} steps")));
    }
    call.afford(count as u64)?;
    let at = (0..count as u64).map(|i| start + i as f64 * step);
    let data = match parts[0].data() {
        Data::Float(_) => Data::Float(at.map(|x| x as f32).collect()),
        Data::Long(_) => Data::Long(at.map(|x| x as i64).collect()),
        _ => Data::Int(at.map(|x| x as i32).collect()),
    };
    let tensor =
        Tensor::new(dtype, [count as usize], data).ok_or_else(|| call.refuse("its type is not a number"))?;
    let id = call.constant(tensor.to_constant());
    call.finish(id)
}

fn scalar(tensor: &Tensor) -> Option<f64> {
    if tensor.data().len() != 1 {
        return None;
    }
    let float = tensor.floats().first().map(|&x| x.into());
    float.or_else(|| tensor.to_i64s()?.first().map(|&x| x as f64))
}
