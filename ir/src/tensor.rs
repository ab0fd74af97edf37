//! Tensors with their elements, as the evaluator holds them.
//!
//! Invariants:
//! - the length of the data is the product of the shape;
//! - the representation follows from the element type: floats of all widths are held as f32 (already rounded to
//!   their type), integers of up to 32 bits as i32, `i64` as i64;
//! - integers lie within the range of their type; whoever builds a tensor sees to it.

use crate::constant::Constant;
use crate::pack;
use crate::types::{DType, Type};

/// Elements of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// `f32`, `f16`, `bf16`.
    Float(Vec<f32>),
    /// `i64`.
    Long(Vec<i64>),
    /// Integers of 2 to 32 bits.
    Int(Vec<i32>),
    /// `bool`.
    Bool(Vec<bool>),
}

/// Runs one expression for whichever vector a [`Data`] holds.
macro_rules! each_data {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::Float($v) => Data::Float($body),
            Data::Long($v) => Data::Long($body),
            Data::Int($v) => Data::Int($body),
            Data::Bool($v) => Data::Bool($body),
        }
    };
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::Float(v) => v.len(),
            Data::Long(v) => v.len(),
            Data::Int(v) => v.len(),
            Data::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements at the given positions, in their order. Positions must be in range.
    pub fn pick(&self, positions: &[usize]) -> Data {
        each_data!(self, v => positions.iter().map(|&i| v[i]).collect())
    }

    /// Overwrites `self[at..at + from.len()]`. Both must be of one representation, otherwise nothing happens.
    pub fn write(&mut self, at: usize, from: &Data) {
        match (self, from) {
            (Data::Float(a), Data::Float(b)) => a[at..at + b.len()].copy_from_slice(b),
            (Data::Long(a), Data::Long(b)) => a[at..at + b.len()].copy_from_slice(b),
            (Data::Int(a), Data::Int(b)) => a[at..at + b.len()].copy_from_slice(b),
            (Data::Bool(a), Data::Bool(b)) => a[at..at + b.len()].copy_from_slice(b),
            _ => {}
        }
    }

    /// The elements `at..at + len`.
    pub fn slice(&self, at: usize, len: usize) -> Data {
        each_data!(self, v => v[at..at + len].to_vec())
    }

    /// `len` zeros in the representation of `dtype`.
    pub fn zeros(dtype: DType, len: usize) -> Data {
        match dtype {
            DType::F32 | DType::F16 | DType::Bf16 => Data::Float(vec![0.0; len]),
            DType::I64 => Data::Long(vec![0; len]),
            DType::Bool => Data::Bool(vec![false; len]),
            _ => Data::Int(vec![0; len]),
        }
    }

    fn fits(&self, dtype: DType) -> bool {
        match self {
            Data::Float(_) => dtype.is_float(),
            Data::Long(_) => dtype == DType::I64,
            Data::Int(_) => dtype.is_int() && dtype != DType::I64,
            Data::Bool(_) => dtype == DType::Bool,
        }
    }
}

/// A tensor with its elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor; `None` if the data does not match the type and shape.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>, data: Data) -> Option<Self> {
        let shape = shape.into();
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (elements == data.len() && data.fits(dtype)).then_some(Tensor { dtype, shape, data })
    }

    /// An `f32` tensor; `None` if the length is not the product of the shape.
    pub fn f32(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Option<Self> {
        Tensor::new(DType::F32, shape, Data::Float(data))
    }

    /// An `i64` tensor; `None` if the length is not the product of the shape.
    pub fn i64(shape: impl Into<Vec<usize>>, data: Vec<i64>) -> Option<Self> {
        Tensor::new(DType::I64, shape, Data::Long(data))
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Element type and shape as a graph type.
    pub fn ty(&self) -> Type {
        Type::of(self.dtype, &self.shape)
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, by value.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The elements of a float tensor, empty for others.
    pub fn floats(&self) -> &[f32] {
        match &self.data {
            Data::Float(v) => v,
            _ => &[],
        }
    }

    /// The elements of a tensor of integers of up to 32 bits, empty for others.
    pub fn ints(&self) -> &[i32] {
        match &self.data {
            Data::Int(v) => v,
            _ => &[],
        }
    }

    /// The elements of any integer or bool tensor, widened; `None` for floats.
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::Float(_) => None,
            Data::Long(v) => Some(v.clone()),
            Data::Int(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Data::Bool(v) => Some(v.iter().map(|&x| x.into()).collect()),
        }
    }

    /// The packed storage of this tensor.
    pub fn to_constant(&self) -> Constant {
        Constant::packed(self.ty(), pack::pack(self.dtype, &self.data).into())
    }
}
