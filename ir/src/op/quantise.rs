//! From fixed-point values to codes. Conventions: [`super::integer`].

use super::integer::{dims, fixed_point, require, scales};
use super::{Fault, Operator, operator, result};
use crate::num::{self, Scale};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};
use std::ops::RangeInclusive;

/// An integer code that stands for `(code - zero point) * scale / steps`; symmetric codes have no zero point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Bits: 4 or 8.
    pub bits: u32,
    /// Whether it is signed, and zero is code 0.
    pub symmetric: bool,
}

impl Code {
    /// Steps from zero to the largest code of a symmetric one (127, 7), from the smallest to the largest of another (255, 15).
    pub fn steps(self) -> u32 {
        (1 << (self.bits - u32::from(self.symmetric))) - 1
    }

    /// Its element type.
    pub fn dtype(self) -> DType {
        match (self.bits == 4, self.symmetric) {
            (true, true) => DType::I4,
            (true, false) => DType::U4,
            (false, true) => DType::I8,
            (false, false) => DType::U8,
        }
    }

    /// The code of an element type.
    pub fn of(dtype: DType) -> Option<Code> {
        let code = Code { bits: dtype.bits(), symmetric: dtype.is_signed() };
        (code.bits == 4 || code.bits == 8).then_some(code).filter(|code| code.dtype() == dtype)
    }

    /// Largest magnitude that `code - zero point` has in any tensor of this type.
    pub fn magnitude(self) -> i64 {
        if self.symmetric { 1 << (self.bits - 1) } else { self.steps().into() }
    }
}

operator! {
    /// `quantise(x i32[n, W])`: codes `[n, W]`, scales `i32[n, parts]` and, unless symmetric, zero points `[n, parts]` of the
    /// codes' type. Each row is cut into `parts` vectors with a scale each, found from their largest magnitude
    /// ([`num::quantise_vector`]) or their range ([`num::affine_vector`]).
    ///
    /// `quantise(x, scales i32[parts])`, and `quantise(x, scales, zeros [parts])` unless symmetric: the same under scales that
    /// were fixed beforehand ([`num::saturating_code`], [`num::affine_code`]).
    Quantise "quantise" {
        /// Bits of a code: 8 or 4.
        bits: u32,
        /// Vectors in a row: 1 per token, or one per head.
        parts: usize,
        /// Whether codes are signed, and zero is code 0.
        symmetric: bool,
    }
}

impl Operator for Quantise {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [n, width] = dims(&operands[0], DType::I32, "x")?;
        require(self.bits == 8 || self.bits == 4, "codes have 8 or 4 bits")?;
        let whole = self.parts > 0 && width >= self.parts && width % self.parts == 0;
        require(whole, "a row is a whole number of equal parts")?;
        let dtype = self.code().dtype();
        if operands.len() > 1 {
            let fixed = if self.symmetric { 2 } else { 3 };
            require(operands.len() == fixed, "fixed scales come with zero points unless symmetric")?;
            let types = [DType::I32, dtype];
            for (ty, dtype) in operands[1..].iter().zip(types) {
                let [parts] = dims(ty, dtype, "what was fixed beforehand")?;
                require(parts == self.parts, "every part has a scale, and a zero point unless symmetric")?;
            }
        }
        let both = [Type::of(dtype, [n, width]), Type::of(DType::I32, [n, self.parts])];
        let zeros = (!self.symmetric).then(|| Type::of(dtype, [n, self.parts]));
        Ok(both.into_iter().chain(zeros).collect())
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, n, width) = (operands[0].ints(), operands[0].shape()[0], operands[0].shape()[1]);
        let part = (width / self.parts).max(1);
        let fixed = operands.get(1).map(|words| scales(words));
        let zero_points = operands.get(2).map(|zeros| zeros.ints());
        let mut codes = Vec::with_capacity(x.len());
        let (mut words, mut zeros) = (Vec::with_capacity(n * self.parts), Vec::new());
        for (i, x) in x.chunks_exact(part).enumerate() {
            let at = i % self.parts;
            let fixed = fixed.as_ref().map(|scales| scales[at]);
            let zero = zero_points.map_or(0, |zeros| zeros[at] as u8);
            let (scale, zero) = self.vector(x, fixed, zero, &mut codes);
            words.push(scale.word() as i32);
            zeros.push(i32::from(zero));
        }
        let dtype = self.code().dtype();
        let mut results = result(dtype, [n, width], Data::Int(codes))?;
        results.extend(fixed_point(&[n, self.parts], words)?);
        if !self.symmetric {
            results.extend(result(dtype, [n, self.parts], Data::Int(zeros))?);
        }
        Ok(results)
    }
}

impl Quantise {
    /// What its codes are.
    pub fn code(&self) -> Code {
        Code { bits: self.bits, symmetric: self.symmetric }
    }

    /// Appends the codes of a vector; its scale and zero point, found or `fixed`.
    fn vector(&self, x: &[i32], fixed: Option<Scale>, zero: u8, codes: &mut Vec<i32>) -> (Scale, u8) {
        let steps = self.code().steps() as i32;
        match (fixed, self.symmetric) {
            (None, true) => {
                let mut out = vec![0i8; x.len()];
                let scale = num::quantise_vector(x, steps, &mut out);
                codes.extend(out.into_iter().map(i32::from));
                (scale, 0)
            }
            (None, false) => {
                let mut out = vec![0u8; x.len()];
                let found = num::affine_vector(x, steps, &mut out);
                codes.extend(out.into_iter().map(i32::from));
                found
            }
            (Some(scale), true) => {
                codes.extend(x.iter().map(|&x| i32::from(num::saturating_code(x, scale, steps))));
                (scale, 0)
            }
            (Some(scale), false) => {
                codes.extend(x.iter().map(|&x| i32::from(num::affine_code(x, scale, zero, steps))));
                (scale, zero)
            }
        }
    }
}

/// What codes mean before their scale: `code - zero point`, where consecutive runs of equal length share a zero point.
/// At most 9 bits.
pub(super) fn differences(codes: &Tensor, zeros: Option<&Tensor>) -> Vec<i16> {
    let codes = codes.ints();
    let Some(zeros) = zeros.map(Tensor::ints).filter(|z| !z.is_empty()) else {
        return codes.iter().map(|&c| c as i16).collect();
    };
    let run = (codes.len() / zeros.len()).max(1);
    codes.chunks(run).zip(zeros).flat_map(|(c, &z)| c.iter().map(move |&c| (c - z) as i16)).collect()
}

/// The code of an operand, and its zero points if it needs them.
pub(super) fn check_zeros(
    code: Code,
    zeros: Option<&Type>,
    shape: [usize; 2],
    what: &str,
) -> Result<(), Fault> {
    match zeros {
        None => require(code.symmetric, &format!("unsigned codes of {what} come with zero points")),
        Some(ty) => {
            require(!code.symmetric, &format!("signed codes of {what} have no zero points"))?;
            let found = dims::<2>(ty, code.dtype(), "the zero points")?;
            require(found == shape, &format!("{what} has a zero point for each scale"))
        }
    }
}

/// The code of an operand's type.
pub(super) fn code_of(ty: &Type, what: &str) -> Result<Code, Fault> {
    Code::of(ty.dtype).ok_or_else(|| Fault::new(format!("{what} holds codes of 4 or 8 bits, not {ty}")))
}
