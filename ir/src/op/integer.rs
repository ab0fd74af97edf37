//! Integer operators of quantised networks: what a machine computes, on the functions of [`crate::num`].
//!
//! Conventions:
//! - fixed-point values are i32 with 16 fractional bits; scores of attention are i32 with 16 fractional bits in units of
//!   log2;
//! - a scale is an i32 that holds a scale word ([`Scale::word`]); codes with a scale mean
//!   `code * scale / qmax` in units of the fixed-point values they were quantised from;
//! - each rounding is the one that the operator's `num` function states; shapes are static.

use super::{Fault, Operator, operator, result};
use crate::num::{self, Scale};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};
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

/// Codes of up to 8 bits, one to a byte.
pub(super) fn bytes(codes: &Tensor) -> Vec<i8> {
    codes.ints().iter().map(|&c| c as i8).collect()
}

fn halves(tensor: &Tensor) -> Vec<i16> {
    tensor.ints().iter().map(|&x| x as i16).collect()
}

fn fixed_point(shape: &[usize], data: Vec<i32>) -> Result<Vec<Tensor>, Fault> {
    result(DType::I32, shape, Data::Int(data))
}

operator! {
    /// `int-embed(table i16[V, K], tokens i64[n])`: rows of the table as fixed-point values, `table / 2^shift`.
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
        let [_, width] = dims(&operands[0], DType::I16, "the table")?;
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
    /// `quantise(x i32[n, W])`: codes `[n, W]` and scales `i32[n, parts]`; each row is cut into `parts` vectors with a
    /// scale each, found from their largest magnitude ([`num::quantise_vector`]).
    Quantise "quantise" {
        /// Bits of a code: 8 or 4.
        bits: u32,
        /// Vectors in a row: 1 per token, or one per head.
        parts: usize,
    }
}

impl Operator for Quantise {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [n, width] = dims(&operands[0], DType::I32, "x")?;
        require(self.bits == 8 || self.bits == 4, "codes have 8 or 4 bits")?;
        let whole = self.parts > 0 && width >= self.parts && width % self.parts == 0;
        require(whole, "a row is a whole number of equal parts")?;
        Ok(vec![Type::of(self.dtype(), [n, width]), Type::of(DType::I32, [n, self.parts])])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, n, width) = (operands[0].ints(), operands[0].shape()[0], operands[0].shape()[1]);
        let part = width / self.parts;
        let mut codes = vec![0i8; x.len()];
        let mut words = vec![Scale::default().word() as i32; n * self.parts];
        let vectors = x.chunks_exact(part.max(1)).zip(codes.chunks_exact_mut(part.max(1)));
        for ((x, codes), word) in vectors.zip(&mut words) {
            *word = num::quantise_vector(x, self.qmax(), codes).word() as i32;
        }
        let codes = Data::Int(codes.into_iter().map(i32::from).collect());
        let codes = result(self.dtype(), [n, width], codes)?;
        Ok([codes, fixed_point(&[n, self.parts], words)?].concat())
    }
}

impl Quantise {
    fn dtype(&self) -> DType {
        if self.bits == 4 { DType::I4 } else { DType::I8 }
    }

    /// Largest code: 127 or 7.
    pub fn qmax(&self) -> i32 {
        if self.bits == 4 { 7 } else { 127 }
    }
}

operator! {
    /// `group-linear(x i8[n, K], scales i32[n, 1], codes u2[N, K], groups u8[N, K / group], channels i32[N])`: products
    /// of a row with each row of weights, exact inside a group, times the group scale, summed exactly, and brought to a
    /// fixed-point value by [`num::epilogue`]. A weight code c means the level 2c - 3.
    GroupLinear "group-linear" {
        /// Weights along K that share a group scale.
        group: usize,
        /// Added to the right shift of the epilogue.
        shift: i32,
    }
}

/// Bits of the accumulator that every machine has; see the contract, section 3.
const ACCUMULATOR_BITS: u32 = 40;

impl GroupLinear {
    /// Bits of an accumulator that holds every sum of `k` products of codes up to 128 with levels up to 3 and group
    /// scales up to 255.
    pub fn accumulator_bits(k: usize) -> u32 {
        let largest = (k as u128) * 128 * 3 * 255;
        128 - largest.leading_zeros() + 1
    }
}

impl Operator for GroupLinear {
    fn arity(&self) -> RangeInclusive<usize> {
        5..=5
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [n, k] = dims(&operands[0], DType::I8, "x")?;
        let tokens = dims::<2>(&operands[1], DType::I32, "the token scales")?;
        let [outputs, inputs] = dims(&operands[2], DType::U2, "the weight codes")?;
        let groups = dims::<2>(&operands[3], DType::U8, "the group scales")?;
        let [channels] = dims(&operands[4], DType::I32, "the channel scales")?;
        require(inputs == k && tokens == [n, 1], "x has a column per weight and a scale per row")?;
        require(self.group > 0 && k % self.group == 0, "a row of weights is a whole number of groups")?;
        require(groups == [outputs, k / self.group], "each output has a scale per group")?;
        require(channels == outputs, "each output has a channel scale")?;
        require(Self::accumulator_bits(k) <= ACCUMULATOR_BITS, "the sums fit an accumulator of 40 bits")?;
        Ok(vec![Type::of(DType::I32, [n, outputs])])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (k, outputs) = (operands[0].shape()[1], operands[2].shape()[0]);
        let (x, tokens) = (bytes(operands[0]), scales(operands[1]));
        let levels: Vec<i8> = operands[2].ints().iter().map(|&c| num::weight_level(c as u8)).collect();
        let (groups, channels) = (operands[3].ints(), scales(operands[4]));
        let mut data = Vec::with_capacity(tokens.len() * outputs);
        for (t, &token) in tokens.iter().enumerate() {
            let x = &x[t * k..][..k];
            data.extend(channels.iter().enumerate().map(|(o, &channel)| {
                let groups = &groups[o * (k / self.group)..][..k / self.group];
                num::epilogue(self.sum(x, &levels[o * k..][..k], groups), channel, token, self.shift)
            }));
        }
        fixed_point(&[tokens.len(), outputs], data)
    }
}

impl GroupLinear {
    fn sum(&self, x: &[i8], levels: &[i8], groups: &[i32]) -> i64 {
        let parts = x.chunks_exact(self.group).zip(levels.chunks_exact(self.group));
        parts.zip(groups).fold(0, |acc, ((x, w), &g)| num::accumulate(acc, g as u8, num::dot(x, w)))
    }
}

operator! {
    /// `add-saturate(a i32, b i32)`: the sum of two tensors of one type, saturated ([`num::residual`]).
    AddSaturate "add-saturate" {}
}

impl Operator for AddSaturate {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        same_fixed_point(operands)
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let pairs = operands[0].ints().iter().zip(operands[1].ints());
        fixed_point(operands[0].shape(), pairs.map(|(&a, &b)| num::residual(a, b)).collect())
    }
}

operator! {
    /// `int-silu-mul(gate i32, up i32)`: gate * sigmoid(gate) * up ([`num::silu_mul`]).
    IntSiluMul "int-silu-mul" {}
}

impl Operator for IntSiluMul {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        same_fixed_point(operands)
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let mut data = vec![0; operands[0].ints().len()];
        num::silu_mul_vector(operands[0].ints(), operands[1].ints(), &mut data);
        fixed_point(operands[0].shape(), data)
    }
}

fn same_fixed_point(operands: &[Type]) -> Result<Vec<Type>, Fault> {
    let alike = operands[0].dtype == DType::I32 && operands[0] == operands[1];
    require(alike && operands[0].shape.symbol().is_none(), "both are i32 of one static shape")?;
    Ok(vec![operands[0].clone()])
}

#[cfg(test)]
#[path = "integer_tests.rs"]
mod tests;
