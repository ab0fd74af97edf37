//! Linear layers on codes. Conventions: [`super::integer`].

use super::integer::{dims, fixed_point, require, scales};
use super::quantise::{Code, check_zeros, code_of, differences};
use super::{Fault, Operator, operator};
use crate::num;
use crate::tensor::Tensor;
use crate::types::{DType, Type};
use std::ops::RangeInclusive;

operator! {
    /// `group-linear(x [n, K], scales i32[n, 1], codes [N, K], groups [N, K / group], channels i32[N])`: products of a row
    /// with each row of weights, exact inside a group, times the group scale, summed exactly, and brought to a fixed-point
    /// value by [`num::epilogue`]. Group scales are u8, u16 or i32.
    ///
    /// x is i8 or i4; or u8 or u4, which takes its zero points `[n, 1]` as a further operand. Weights are
    /// - codes of 2, 4 or 8 bits that mean a level each, u2, u4 or u8, if there are `levels`;
    /// - else signed integers, i2, i4 or i8;
    /// - or unsigned ones, u2, u4 or u8, less a zero point per group, a further operand `[N, K / group]` of their type.
    ///
    /// If `sparse`, of every four weights along K two are zero: the codes `[N, K / 2]` are those of the other two, in order,
    /// and the last operand, u2 `[N, K / 2]`, says which of the four each one is.
    GroupLinear "group-linear" {
        /// Weights along K that share a group scale.
        group: usize,
        /// Added to the right shift of the epilogue.
        shift: i32,
        /// What codes mean; empty if they mean themselves.
        levels: Vec<i32>,
        /// Whether two of every four weights are zero.
        sparse: bool,
    }
}

/// Bits of the accumulator of this definition; one of a machine may be narrower, and the compiler holds networks to it.
const ACCUMULATOR_BITS: u32 = 64;

/// Operands that not every form has.
struct Extras<T> {
    x_zeros: Option<T>,
    zeros: Option<T>,
    positions: Option<T>,
}

impl GroupLinear {
    /// Bits of an accumulator that holds every sum of `k` products with `x` codes and weights of type `weights`, whose group
    /// scales are of type `groups`.
    pub fn accumulator_bits(&self, k: usize, x: Code, weights: DType, groups: DType) -> u32 {
        let product = x.magnitude() as u128 * self.weight_magnitude(weights) as u128;
        let kept = if self.sparse { k / 2 } else { k };
        let largest = (kept as u128).saturating_mul(product * magnitude(groups) as u128);
        128 - largest.leading_zeros() + 1
    }

    fn weight_magnitude(&self, weights: DType) -> i64 {
        let of_levels = self.levels.iter().map(|l| i64::from(l.unsigned_abs())).max();
        of_levels.unwrap_or(magnitude(weights))
    }

    /// Whether the weights have zero points.
    fn has_zeros(&self, weights: DType) -> bool {
        self.levels.is_empty() && !weights.is_signed()
    }

    fn extras<T: Copy>(&self, operands: &[T], dtype: impl Fn(T) -> DType) -> Result<Extras<T>, Fault> {
        let mut rest = operands[5..].iter().copied();
        let mut next = |needed: bool, what: &str| {
            let taken = if needed { rest.next() } else { None };
            require(taken.is_some() == needed, what)?;
            Ok(taken)
        };
        let extras = Extras {
            x_zeros: next(!dtype(operands[0]).is_signed(), "unsigned codes of x come with zero points")?,
            zeros: next(
                self.has_zeros(dtype(operands[2])),
                "unsigned weights without levels come with zero points",
            )?,
            positions: next(self.sparse, "sparse weights come with their positions")?,
        };
        require(rest.next().is_none(), "there is no operand too many")?;
        Ok(extras)
    }
}

/// The largest magnitude of a type.
fn magnitude(dtype: DType) -> i64 {
    let (low, high) = dtype.range().unwrap_or_default();
    low.saturating_neg().max(high)
}

impl Operator for GroupLinear {
    fn arity(&self) -> RangeInclusive<usize> {
        5..=8
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let types: Vec<&Type> = operands.iter().collect();
        let extras = self.extras(&types, |ty| ty.dtype)?;
        let x = code_of(&operands[0], "x")?;
        let [n, k] = dims(&operands[0], x.dtype(), "x")?;
        let tokens = dims::<2>(&operands[1], DType::I32, "the token scales")?;
        require(tokens == [n, 1], "x has a scale per row")?;
        check_zeros(x, extras.x_zeros, [n, 1], "x")?;

        let weights = operands[2].dtype;
        let narrow = weights.is_int() && weights.bits() <= 8;
        require(narrow, "weights are integers of 2, 4 or 8 bits")?;
        require(self.levels.is_empty() || !weights.is_signed(), "codes of levels are unsigned")?;
        require(self.levels.len() <= 1 << weights.bits(), "there is at most a level for each code")?;
        require(self.levels.iter().all(|l| i8::try_from(*l).is_ok()), "levels have 8 bits")?;
        let [outputs, kept] = dims(&operands[2], weights, "the weight codes")?;
        let stored = if self.sparse { k / 2 } else { k };
        require(kept == stored && (!self.sparse || k % 4 == 0), "x has a column per weight")?;
        require(self.group > 0 && k % self.group == 0, "a row of weights is a whole number of groups")?;
        let per_group = [outputs, k / self.group];
        let scale = operands[3].dtype;
        require(
            matches!(scale, DType::U8 | DType::U16 | DType::I32),
            "group scales are integers of 8, 16 or 32 bits",
        )?;
        let groups = dims::<2>(&operands[3], scale, "the group scales")?;
        let [channels] = dims(&operands[4], DType::I32, "the channel scales")?;
        require(groups == per_group, "each output has a scale per group")?;
        require(channels == outputs, "each output has a channel scale")?;
        if let Some(zeros) = extras.zeros {
            let zeros = dims::<2>(zeros, weights, "the zero points")?;
            require(zeros == per_group, "each group has a zero point")?;
        }
        if let Some(positions) = extras.positions {
            let positions = dims::<2>(positions, DType::U2, "the positions")?;
            require(positions == [outputs, kept], "each weight that is kept has a position")?;
        }
        let product = x.magnitude() * self.weight_magnitude(weights);
        let group_sum = (self.group as i64).checked_mul(product).filter(|&sum| sum <= i64::from(i32::MAX));
        require(group_sum.is_some(), "the sum of a group fits 32 bits")?;
        require(
            self.accumulator_bits(k, x, weights, scale) <= ACCUMULATOR_BITS,
            "the sums fit an accumulator of 64 bits",
        )?;
        Ok(vec![Type::of(DType::I32, [n, outputs])])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let extras = self.extras(operands, |t: &Tensor| t.dtype())?;
        let (k, outputs) = (operands[0].shape()[1], operands[2].shape()[0]);
        let x = differences(operands[0], extras.x_zeros);
        let tokens = scales(operands[1]);
        let weights = self.weights(operands[2], &extras, k)?;
        let channels = scales(operands[4]);
        let sums = Sums::new(&x, weights, operands[3].ints(), self.group);
        let mut data = Vec::with_capacity(tokens.len() * outputs);
        for (t, &token) in tokens.iter().enumerate() {
            let x = &x[t * k..][..k];
            let epilogue =
                |(o, &channel): (usize, &_)| num::epilogue(sums.of(x, o * k), channel, token, self.shift);
            data.extend(channels.iter().enumerate().map(epilogue));
        }
        fixed_point(&[tokens.len(), outputs], data)
    }
}

impl GroupLinear {
    /// Weights without their scales, `[N, K]`: levels, or differences from zero points; zero where pruned.
    fn weights(&self, codes: &Tensor, extras: &Extras<&Tensor>, k: usize) -> Result<Vec<i16>, Fault> {
        let zeros =
            extras.zeros.map(|zeros| (zeros.ints(), if self.sparse { self.group / 2 } else { self.group }));
        let weight = |(i, &code): (usize, &i32)| match (&self.levels[..], zeros) {
            ([], None) => Ok(code as i16),
            ([], Some((zeros, run))) => Ok((code - zeros[i / run.max(1)]) as i16),
            (levels, _) => {
                let level = usize::try_from(code).ok().and_then(|code| levels.get(code));
                level
                    .map(|&l| l as i16)
                    .ok_or_else(|| Fault::new(format!("there is no level for the code {code}")))
            }
        };
        let weights: Vec<i16> = codes.ints().iter().enumerate().map(weight).collect::<Result<_, _>>()?;
        match extras.positions {
            None => Ok(weights),
            Some(positions) => scattered(&weights, positions.ints(), codes.shape()[0] * k),
        }
    }
}

/// Pairs of kept weights at their positions of four, zeros elsewhere.
fn scattered(kept: &[i16], positions: &[i32], elements: usize) -> Result<Vec<i16>, Fault> {
    let mut weights = vec![0; elements];
    let pairs = kept.chunks_exact(2).zip(positions.chunks_exact(2));
    for ((kept, at), four) in pairs.zip(weights.chunks_exact_mut(4)) {
        require(at[0] < at[1], "the two weights of four are in order")?;
        four[at[0] as usize] = kept[0];
        four[at[1] as usize] = kept[1];
    }
    Ok(weights)
}

/// How to sum products with weights exactly.
///
/// Sums are exact in any order. Where weights times their group scales fit, products of 16-bit words in runs that 32 bits hold
/// are what a compiler vectorises best.
enum Sums<'g> {
    /// Weights times group scales, and the length of such a run.
    Words(Vec<i16>, usize),
    /// Weights, group scales, and the length of a group, whose sum fits 32 bits.
    Groups(Vec<i16>, &'g [i32], usize),
}

impl<'g> Sums<'g> {
    fn new(x: &[i16], weights: Vec<i16>, groups: &'g [i32], group: usize) -> Sums<'g> {
        let pairs = || weights.chunks_exact(group).zip(groups);
        let size = |w: &[i16]| w.iter().fold(0, |m, &w| w.unsigned_abs().max(m));
        let most = pairs().fold(1, |m, (w, &g)| m.max(u64::from(size(w)) * u64::from(g.unsigned_abs())));
        if most > i16::MAX as u64 {
            return Sums::Groups(weights, groups, group);
        }
        let run = i32::MAX as u64 / (u64::from(size(x).max(1)) * most);
        let scaled = pairs().flat_map(|(w, &g)| w.iter().map(move |&w| w * g as i16)).collect();
        Sums::Words(scaled, usize::try_from(run).unwrap_or(1).max(1))
    }

    /// The sum of products of `x` with the weights from `at` on.
    fn of(&self, x: &[i16], at: usize) -> i64 {
        match self {
            Sums::Words(weights, run) => {
                let runs = x.chunks(*run).zip(weights[at..][..x.len()].chunks(*run));
                runs.map(|(x, w)| i64::from(num::dot(x, w))).sum()
            }
            Sums::Groups(weights, groups, group) => {
                let parts = x.chunks(*group).zip(weights[at..][..x.len()].chunks(*group));
                let scales = &groups[at / group..];
                parts.zip(scales).map(|((x, w), &g)| i64::from(g) * i64::from(num::dot(x, w))).sum()
            }
        }
    }
}

#[cfg(test)]
#[path = "group_linear_tests.rs"]
mod tests;
