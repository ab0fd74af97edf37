//! Tensors of an ONNX file: element types, and the several places where the elements may be.
//!
//! Invariants:
//! - sizes are checked before anything is allocated;
//! - doubles are rounded to f32: no accelerator computes in them, and exporters use them for scalars only.

use super::Options;
use super::proto::TensorProto;
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::verify;
use crate::pack;
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape, Type};
use bytes::Bytes;
use prost::Message;

/// `TensorProto.DataType.DOUBLE`.
pub(super) const DOUBLE: i32 = 11;
const UINT32: i32 = 12;
const UINT64: i32 = 13;
const EXTERNAL: i32 = 1;

/// Names of `TensorProto.DataType` by number.
const TYPE_NAMES: [&str; 27] = [
    "UNDEFINED",
    "FLOAT",
    "UINT8",
    "INT8",
    "UINT16",
    "INT16",
    "INT32",
    "INT64",
    "STRING",
    "BOOL",
    "FLOAT16",
    "DOUBLE",
    "UINT32",
    "UINT64",
    "COMPLEX64",
    "COMPLEX128",
    "BFLOAT16",
    "FLOAT8E4M3FN",
    "FLOAT8E4M3FNUZ",
    "FLOAT8E5M2",
    "FLOAT8E5M2FNUZ",
    "UINT4",
    "INT4",
    "FLOAT4E2M1",
    "FLOAT8E8M0",
    "UINT2",
    "INT2",
];

/// The element type of a `TensorProto.DataType`.
pub(super) fn dtype(number: i32) -> Result<DType, Diagnostic> {
    Ok(match number {
        1 | DOUBLE => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        16 => DType::Bf16,
        21 => DType::U4,
        22 => DType::I4,
        25 => DType::U2,
        26 => DType::I2,
        other => {
            let name =
                usize::try_from(other).ok().and_then(|i| TYPE_NAMES.get(i)).copied().unwrap_or("unknown");
            return Err(Diagnostic::new("onnx-type", format!("the element type {name} ({other}) is not supported"))
                .because("supported are FLOAT, DOUBLE, FLOAT16, BFLOAT16, BOOL, INT64, INT32 and integers of 2 to 16 bits")
                .help("export the model with another type"));
        }
    })
}

/// Reads a file that holds one tensor, as the test vectors of ONNX models do; returns its name with it.
pub fn read_tensor(bytes: &[u8]) -> Result<(String, Tensor), Diagnostic> {
    let proto = TensorProto::decode(bytes).map_err(|e| super::undecodable("tensor", bytes, &e))?;
    let constant = constant(&proto, &Options::default())?;
    let elements = constant.tensor().ok_or_else(|| damaged(&proto, "its elements are in another file"))?;
    Ok((proto.name, elements))
}

/// The constant that a tensor of the file is. Absent if its elements are in a file that is not there.
pub(super) fn constant(proto: &TensorProto, options: &Options) -> Result<Constant, Diagnostic> {
    let ty = tensor_type(proto).map_err(|d| d.at_item(&*proto.name))?;
    if proto.data_location == EXTERNAL {
        return external(proto, ty, options);
    }
    if !proto.raw_data.is_empty() {
        return packed(proto, ty, proto.raw_data.clone());
    }
    let shape = ty.shape.fixed().unwrap_or_default();
    let tensor = Tensor::new(ty.dtype, shape, fields(proto, ty.dtype));
    let wrong = || damaged(proto, &format!("its data fields do not hold the elements of a {ty}"));
    tensor.map(|t| t.to_constant()).ok_or_else(wrong)
}

fn tensor_type(proto: &TensorProto) -> Result<Type, Diagnostic> {
    let negative = |d: i64| {
        Diagnostic::new("onnx-shape", format!("a dimension is {d}"))
            .because("dimensions count elements")
            .help("the file is corrupt; export the model again")
    };
    let dim = |&d: &i64| u64::try_from(d).map(Dim::Static).map_err(|_| negative(d));
    let shape = Shape(proto.dims.iter().map(dim).collect::<Result<_, _>>()?);
    // Constants of wide unsigned types are as good signed, unless they are too large, which is checked.
    let element =
        if [UINT32, UINT64].contains(&proto.data_type) { DType::I64 } else { dtype(proto.data_type)? };
    let ty = Type::new(element, shape);
    verify::check_size(&ty)?;
    Ok(ty)
}

/// Elements out of the typed fields. Their number is checked by the caller.
fn fields(proto: &TensorProto, dtype: DType) -> Data {
    let ints = &proto.int32_data;
    match dtype {
        DType::F32 if proto.data_type == DOUBLE => {
            Data::Float(proto.double_data.iter().map(|&x| x as f32).collect())
        }
        DType::F32 => Data::Float(proto.float_data.clone()),
        DType::F16 => Data::Float(ints.iter().map(|&x| pack::from_f16(x as u16)).collect()),
        DType::Bf16 => Data::Float(ints.iter().map(|&x| pack::from_bf16(x as u16)).collect()),
        DType::I64 if [UINT32, UINT64].contains(&proto.data_type) => {
            Data::Long(proto.uint64_data.iter().map_while(|&x| i64::try_from(x).ok()).collect())
        }
        DType::I64 => Data::Long(proto.int64_data.clone()),
        DType::Bool => Data::Bool(ints.iter().map(|&x| x != 0).collect()),
        DType::I4 | DType::U4 | DType::I2 | DType::U2 => {
            let elements = proto.dims.iter().product::<i64>().max(0) as usize;
            let bytes: Vec<u8> = ints.iter().map(|&x| x as u8).collect();
            let enough = dtype.byte_len(elements as u64) == Some(bytes.len() as u64);
            Data::Int(if enough { pack::unpack_ints(dtype, &bytes, elements) } else { Vec::new() })
        }
        narrow => {
            let (low, high) = narrow.range().unwrap_or((0, 0));
            Data::Int(ints.iter().map(|&x| i64::from(x).clamp(low, high) as i32).collect())
        }
    }
}

fn packed(proto: &TensorProto, ty: Type, bytes: Bytes) -> Result<Constant, Diagnostic> {
    let eights = || bytes.chunks_exact(8).filter_map(|c| <[u8; 8]>::try_from(c).ok());
    let fours = || bytes.chunks_exact(4).filter_map(|c| <[u8; 4]>::try_from(c).ok());
    let data = match proto.data_type {
        DOUBLE => Data::Float(eights().map(|c| f64::from_le_bytes(c) as f32).collect()),
        UINT32 => Data::Long(fours().map(|c| u32::from_le_bytes(c).into()).collect()),
        // One that is too large ends the data early.
        UINT64 => Data::Long(eights().map_while(|c| i64::try_from(u64::from_le_bytes(c)).ok()).collect()),
        _ => return Constant::new(ty, bytes).map_err(|d| d.at_item(&*proto.name)),
    };
    let tensor = ty.shape.fixed().and_then(|shape| Tensor::new(ty.dtype, shape, data));
    tensor
        .map(|t| t.to_constant())
        .ok_or_else(|| damaged(proto, "its bytes do not hold the elements of its shape, each below 2^63"))
}

fn external(proto: &TensorProto, ty: Type, options: &Options) -> Result<Constant, Diagnostic> {
    let entry = |key: &str| proto.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => {
            text.parse::<usize>().map(Some).map_err(|_| damaged(proto, &format!("its {key} is no number")))
        }
    };
    let location = entry("location").ok_or_else(|| damaged(proto, "it is external and names no file"))?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let Some(file) = options.external.get(location) else { return Ok(Constant::absent(ty)) };
    let end = length.map_or(Some(file.len()), |n| offset.checked_add(n));
    let range = end.map(|end| offset..end).filter(|r| file.get(r.clone()).is_some());
    let range = range.ok_or_else(|| {
        damaged(proto, &format!("it lies outside of the {} bytes of {location}", file.len()))
    })?;
    packed(proto, ty, file.slice(range))
}

fn damaged(proto: &TensorProto, why: &str) -> Diagnostic {
    Diagnostic::new("onnx-tensor", "a tensor cannot be read")
        .because(why)
        .help("the file is corrupt; export the model again")
        .at_item(&*proto.name)
}
