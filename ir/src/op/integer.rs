//! Integer operators of quantised networks: what a machine computes, on the functions of [`crate::num`].
//!
//! Conventions:
//! - fixed-point values are i32 with 16 fractional bits; scores of attention are i32 with 16 fractional bits in units of
//!   log2;
//! - a scale is an i32 that holds a scale word ([`Scale::word`]); codes with a scale mean
//!   `(code - zero point) * scale / steps` in units of the fixed-point values they were quantised from ([`super::Code`]);
//! - each rounding is the one that the operator's `num` function states; shapes are static.

use super::attr::{Attr, AttrValue};
use super::{Fault, Operator, operator, result};
use crate::num::{self, Scale};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Shape, Type};
use std::ops::RangeInclusive;

/// The dimensions of an operand of this type and rank.
pub(super) fn dims<const N: usize>(ty: &Type, dtype: DType, what: &str) -> Result<[usize; N], Fault> {
    let shape = ty.shape.fixed().filter(|_| ty.dtype == dtype);
    let dims = shape.and_then(|s| <[usize; N]>::try_from(s).ok());
    dims.ok_or_else(|| Fault::new(format!("{what} is of type {dtype} with {N} static axes, not {ty}")))
}

/// Refuses a broken rule of shapes.
pub(super) fn require(holds: bool, why: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(why)) }
}

/// The scales in a tensor of scale words.
pub(super) fn scales(words: &Tensor) -> Vec<Scale> {
    words.ints().iter().map(|&w| Scale::from_word(w as u32)).collect()
}

fn halves(tensor: &Tensor) -> Vec<i16> {
    tensor.ints().iter().map(|&x| x as i16).collect()
}

/// A tensor of fixed-point values or scale words.
pub(super) fn fixed_point(shape: &[usize], data: Vec<i32>) -> Result<Vec<Tensor>, Fault> {
    result(DType::I32, shape, Data::Int(data))
}

operator! {
    /// `int-embed(table i16[V, K], tokens i64[n])`: rows of the table, i16 or i8, as fixed-point values, `table / 2^shift`.
    IntEmbed "int-embed" {
        /// Fractional bits of the table less 16.
        shift: i32,
    }
}

impl Operator for IntEmbed {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let dtype = if operands[0].dtype == DType::I8 { DType::I8 } else { DType::I16 };
        let [_, width] = dims(&operands[0], dtype, "the table")?;
        let [n] = dims(&operands[1], DType::I64, "tokens")?;
        Ok(vec![Type::of(DType::I32, [n, width])])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (table, width) = (operands[0].ints(), operands[0].shape()[1]);
        let tokens = operands[1].to_i64s().unwrap_or_default();
        let mut data = vec![0; tokens.len() * width];
        for (&token, y) in tokens.iter().zip(data.chunks_exact_mut(width.max(1))) {
            let row = usize::try_from(token).ok().filter(|&t| t < operands[0].shape()[0]);
            let row = row.ok_or_else(|| Fault::new(format!("the table has no row {token}")))?;
            num::copy_vector(&table[row * width..][..width], self.shift, y);
        }
        fixed_point(&[tokens.len(), width], data)
    }
}

operator! {
    /// `int-rms-norm(x i32[n, K], gain i16[K])`: [`num::rms_norm`] of each row.
    IntRmsNorm "int-rms-norm" {
        /// `eps * K * 2^32`.
        eps: u32,
        /// Fractional bits of the gain, which holds `g * sqrt(K)`, plus 7.
        shift: i32,
    }
}

impl Operator for IntRmsNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [_, width] = dims(&operands[0], DType::I32, "x")?;
        let [gains] = dims(&operands[1], DType::I16, "the gain")?;
        require(width == gains, "the gain is as long as a row")?;
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, gain) = (operands[0], halves(operands[1]));
        let mut data = vec![0; x.ints().len()];
        let width = gain.len().max(1);
        for (x, y) in x.ints().chunks_exact(width).zip(data.chunks_exact_mut(width)) {
            num::rms_norm(x, &gain, self.eps, self.shift, y);
        }
        fixed_point(x.shape(), data)
    }
}

operator! {
    /// `int-layer-norm(x i32[n, K], words i32[K])`: [`num::layer_norm`] of each row; a word holds a gain in bits 15:0 and a
    /// bias of 11 fractional bits in bits 31:16.
    IntLayerNorm "int-layer-norm" {
        /// `eps * K * 2^32`.
        eps: u32,
        /// Fractional bits of the gain, which holds `g * sqrt(K)`, plus 7.
        shift: i32,
    }
}

impl Operator for IntLayerNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [_, width] = dims(&operands[0], DType::I32, "x")?;
        let [words] = dims(&operands[1], DType::I32, "gain and bias")?;
        require(width == words, "gain and bias are as long as a row")?;
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, words) = (operands[0], operands[1].ints());
        let mut data = vec![0; x.ints().len()];
        let width = words.len().max(1);
        for (x, y) in x.ints().chunks_exact(width).zip(data.chunks_exact_mut(width)) {
            num::layer_norm(x, words, width, self.eps, self.shift, y);
        }
        fixed_point(x.shape(), data)
    }
}

operator! {
    /// `add-saturate(a i32, b i32)`: the sum of two tensors of one type, or of a row `b` and each row of `a`, saturated
    /// ([`num::residual`]).
    AddSaturate "add-saturate" {}
}

impl Operator for AddSaturate {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let row = operands[0].shape.0.last().map(|last| Shape(vec![last.clone()]));
        let rows = operands[0].shape.rank() == 2 && operands[1].shape.rank() == 1;
        if rows && row.as_ref() == Some(&operands[1].shape) && operands.iter().all(|t| t.dtype == DType::I32)
        {
            return Ok(vec![operands[0].clone()]);
        }
        same_fixed_point(operands)
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let pairs = operands[0].ints().iter().zip(operands[1].ints().iter().cycle());
        fixed_point(operands[0].shape(), pairs.map(|(&a, &b)| num::residual(a, b)).collect())
    }
}

operator! {
    /// `int-point(a i32)`: a function of each element; `int-point(a, b)`: gated, times the element of b ([`num::Point`]).
    IntPoint "int-point" {
        /// As machine files spell it.
        function: num::Point,
    }
}

impl Operator for IntPoint {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        same_fixed_point(operands)
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (a, b) = (operands[0], operands.get(1).map(|b| b.ints()));
        let mut data = vec![0; a.ints().len()];
        self.function.vector(a.ints(), b, &mut data);
        fixed_point(a.shape(), data)
    }
}

impl AttrValue for num::Point {
    fn to_attr(&self) -> Attr {
        Attr::Word(self.name().into())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        let Attr::Word(word) = attr else { return None };
        num::Point::ALL.into_iter().find(|point| point.name() == word)
    }
}

fn same_fixed_point(operands: &[Type]) -> Result<Vec<Type>, Fault> {
    let alike = operands.iter().all(|t| t.dtype == DType::I32 && *t == operands[0]);
    require(alike && operands[0].shape.symbol().is_none(), "operands are i32 of one static shape")?;
    Ok(vec![operands[0].clone()])
}

#[cfg(test)]
#[path = "integer_tests.rs"]
mod tests;
