//! Codes and scales that a file carries, on the grid of a scheme.
//!
//! Invariant: what is kept has in every place the file's code less the file's zero point. Only the scales of groups may be
//! rounded, where their width in the scheme cannot hold them; by how much is told.

use super::{Row, kept_places};
use crate::constant::Grid;
use crate::quant::scheme::{Sparsity, WeightScheme};
use crate::tensor::Tensor;
use rayon::prelude::*;
use std::ops::Range;

/// Rows of a weight whose codes are those of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Rows; `exact` if their scales are the file's, too.
    pub rows: Vec<Row>,
    /// Largest change of a group's scale, relative to it; 0 if none is rounded.
    pub rounding: f64,
}

/// The file's codes and scales on the grid of a scheme; `None` if a part of the file's is absent.
///
/// # Errors
/// Why the scheme cannot express them.
pub fn keep(grid: &Grid, scheme: &WeightScheme) -> Option<Result<Kept, String>> {
    let codes = grid.codes().tensor()?;
    let scales = grid.scales().tensor()?;
    let zeros = match grid.zeros() {
        Some(zeros) => Some(zeros.tensor()?),
        None => None,
    };
    Some(File::new(grid, &codes, &scales, zeros.as_ref()).and_then(|file| file.rows(scheme)))
}

/// A weight as its file has it.
struct File<'t> {
    codes: &'t [i32],
    scales: &'t [f32],
    /// Empty if there are none.
    zeros: Vec<i64>,
    /// What makes a code unsigned.
    shift: i64,
    inputs: usize,
    group: usize,
    ordered: bool,
}

impl<'t> File<'t> {
    fn new(
        grid: &Grid,
        codes: &'t Tensor,
        scales: &'t Tensor,
        zeros: Option<&Tensor>,
    ) -> Result<File<'t>, String> {
        let dtype = codes.dtype();
        if dtype.bits() > 8 {
            return Err(format!("they have {} bits", dtype.bits()));
        }
        let zeros = zeros.map(|zeros| zeros.to_i64s().ok_or("their zero points are no integers"));
        if scales.floats().iter().any(|s| !s.is_finite()) {
            return Err("one of their scales is no finite number".into());
        }
        Ok(File {
            codes: codes.ints(),
            scales: scales.floats(),
            zeros: zeros.transpose()?.unwrap_or_default(),
            shift: if dtype.is_signed() { 1 << (dtype.bits() - 1) } else { 0 },
            inputs: codes.shape().get(1).copied().unwrap_or(0),
            group: grid.group(),
            ordered: grid.order().is_some(),
        })
    }

    fn rows(&self, scheme: &WeightScheme) -> Result<Kept, String> {
        if self.ordered && scheme.sparsity != Sparsity::Dense {
            return Err("the inputs are grouped in an order of their own, and the scheme is 2:4".into());
        }
        let outputs = self.codes.len().checked_div(self.inputs).unwrap_or(0);
        let rows = (0..outputs).into_par_iter().map(|n| self.row(n, scheme));
        let (rows, roundings): (Vec<Row>, Vec<f64>) =
            rows.collect::<Result<Vec<_>, String>>()?.into_iter().unzip();
        if rows.chunks(scheme.shared).any(|rows| rows.iter().any(|row| row.positions != rows[0].positions)) {
            let why = "weights that are not zero stand in other columns than those of neighbours, and the scheme has outputs share them";
            return Err(why.into());
        }
        Ok(Kept { rows, rounding: roundings.into_iter().fold(0.0, f64::max) })
    }

    fn row(&self, n: usize, scheme: &WeightScheme) -> Result<(Row, f64), String> {
        let group = scheme.group.unwrap_or(self.inputs).max(1);
        let (mut row, mut scales) = (Row::default(), Vec::new());
        for start in (0..self.inputs).step_by(group) {
            let columns = start..(start + group).min(self.inputs);
            let (mut scale, mut zero) = self.shared(n, columns.clone(), scheme)?;
            let mut values: Vec<i64> = columns.map(|k| self.value(n, k)).collect();
            if scale < 0.0 && !scheme.scale_dtype().is_signed() {
                // Codes from the other end stand for the same weights under a positive scale.
                (scale, zero) = (-scale, zero.map(|z| (1 << scheme.bits) - 1 - z));
                values.iter_mut().for_each(|value| *value = value.saturating_neg());
            }
            scales.push(scale);
            row.zeros.extend(zero);
            if scheme.sparsity == Sparsity::TwoOfFour {
                let positions = kept_places(&values, |a, b| a.unsigned_abs().cmp(&b.unsigned_abs()));
                let kept: Vec<i64> = positions.iter().map(|&p| values[p]).collect();
                let others = |values: &[i64]| values.iter().filter(|v| **v != 0).count();
                if others(&values) != others(&kept) {
                    return Err("more than two of four weights are not zero, and the scheme is 2:4".into());
                }
                values = kept;
                row.positions.extend(positions.iter().map(|&p| (p % 4) as i32));
            }
            for value in values {
                row.codes.push(code(value, zero, scheme)?);
            }
        }
        let (groups, channel, rounding) = two_levels(&scales, scheme.largest_scale());
        if scheme.group.is_none() && rounding > 0.0 {
            return Err(
                "their groups have scales of their own, and the scheme has one for each output".into()
            );
        }
        Ok((Row { groups, channel, exact: rounding == 0.0, ..row }, rounding))
    }

    /// The place in scales and zero points of a column.
    fn place(&self, n: usize, k: usize) -> usize {
        n * self.inputs.div_ceil(self.group) + k / self.group
    }

    /// A code less its zero point.
    fn value(&self, n: usize, k: usize) -> i64 {
        let zero = self.zeros.get(self.place(n, k)).copied().unwrap_or(0);
        i64::from(self.codes[n * self.inputs + k]).saturating_sub(zero)
    }

    /// Scale and, if the scheme has any, zero point of a group of the scheme. Those of the file must be alike in it.
    fn shared(
        &self,
        n: usize,
        columns: Range<usize>,
        scheme: &WeightScheme,
    ) -> Result<(f32, Option<i32>), String> {
        let places = self.place(n, columns.start)..=self.place(n, columns.end.saturating_sub(1));
        let of = |place: usize| (self.scales[place], self.zeros.get(place).copied().unwrap_or(0));
        let (scale, zero) = of(*places.start());
        let alike = |place| of(place).0 == scale && (scheme.symmetric || of(place).1 == zero);
        if !places.into_iter().all(alike) {
            return Err(format!(
                "they are in groups of {}, and the scheme's are of {}",
                self.group,
                columns.len()
            ));
        }
        if scheme.symmetric {
            return Ok((scale, None));
        }
        let stored =
            i32::try_from(zero.saturating_add(self.shift)).ok().filter(|z| (0..1 << scheme.bits).contains(z));
        let stored =
            stored.ok_or_else(|| format!("their zero point {zero} does not fit {} bits", scheme.bits))?;
        Ok((scale, Some(stored)))
    }
}

/// The scheme's code of a value in steps of the scale.
fn code(value: i64, zero: Option<i32>, scheme: &WeightScheme) -> Result<i32, String> {
    let found = match (&scheme.levels[..], zero) {
        ([], zero) => {
            let (low, high) = scheme.dtype().range().unwrap_or_default();
            let code = value.saturating_add(i64::from(zero.unwrap_or(0)));
            (low..=high).contains(&code).then_some(code as i32)
        }
        (levels, _) => levels.iter().position(|&l| i64::from(l) == value).map(|i| i as i32),
    };
    found.ok_or_else(|| match &scheme.levels[..] {
        [] if scheme.symmetric => {
            let bits = scheme.bits;
            format!(
                "less their zero points they do not fit {bits} bits, and the scheme's weights are `symmetric`"
            )
        }
        [] => format!("they do not fit {} bits", scheme.bits),
        levels => format!("less their zero points they are not all among the levels {levels:?}"),
    })
}

/// Scales as integers up to `most` times one number: exactly if there are such, else rounded to nearest. The last result is
/// the largest relative change.
fn two_levels(scales: &[f32], most: i32) -> (Vec<i32>, f64, f64) {
    if let Some((groups, channel)) = common(scales, most) {
        return (groups, channel, 0.0);
    }
    let top = scales.iter().fold(0f32, |m, &s| m.max(s.abs()));
    let channel = f64::from(((f64::from(top) / f64::from(most)) as f32).max(f32::MIN_POSITIVE));
    let nearest = |s: f32| (f64::from(s) / channel).round().clamp(-f64::from(most), most.into());
    let change = |s: f32| if s != 0.0 { (nearest(s) * channel / f64::from(s) - 1.0).abs() } else { 0.0 };
    let rounding = scales.iter().fold(0f64, |m, &s| m.max(change(s)));
    (scales.iter().map(|&s| nearest(s) as i32).collect(), channel, rounding)
}

/// Numbers below this one have no scale word with room for the constant factors of a decoder.
const SMALLEST: f64 = 1e-30;

/// A number of which all scales are multiples, and the multiples: a power of two if they do not become too large, since a
/// channel's scale word holds 16 bits, else the largest such number.
fn common(scales: &[f32], most: i32) -> Option<(Vec<i32>, f64)> {
    // The magnitude of a finite float is a whole number of steps of its own.
    let parts = |s: f32| {
        let (fraction, exponent) = (s.to_bits() & 0x7f_ffff, (s.abs().to_bits() >> 23) as i32);
        if exponent == 0 { (fraction, -149) } else { (fraction | 0x80_0000, exponent - 150) }
    };
    let others = || scales.iter().filter(|s| **s != 0.0).map(|&s| parts(s));
    let Some(least) = others().map(|(_, e)| e).min() else {
        return Some((vec![0; scales.len()], f64::from(f32::MIN_POSITIVE)));
    };
    if others().any(|(_, e)| e - least > 64) {
        return None;
    }
    let steps = |(m, e): (u32, i32)| u128::from(m) << (e - least);
    let largest = others().map(steps).fold(0, greatest_divisor);
    [1 << largest.trailing_zeros(), largest].into_iter().find_map(|divisor| {
        let size = |s: f32| i32::try_from(steps(parts(s)) / divisor).ok().filter(|&u| u <= most);
        let multiple = |&s: &f32| match s {
            0.0 => Some(0),
            _ => size(s).map(|u| if s < 0.0 { -u } else { u }),
        };
        let multiples: Vec<i32> = scales.iter().map(multiple).collect::<Option<_>>()?;
        let channel = divisor as f64 * f64::from(least).exp2();
        (channel > SMALLEST).then_some((multiples, channel))
    })
}

fn greatest_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}
