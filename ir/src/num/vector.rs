//! The vector engine: functions of whole vectors, as the evaluator and the functional simulator call them.
//!
//! Slices of unequal length are read as far as the shortest goes.

use super::basic::{FRACTION_BITS, bit_length, max_abs, rshr, sat32};
use super::function::{cos, exp2n, recip, rsqrt, sin};
use super::reduce::mean;
use super::scale::{Scale, norm16};

/// Code of `x` in [-qmax, qmax] where `scale` = [`norm16`] of the vector's largest magnitude stands for qmax.
///
/// The value of a code is `code * mantissa * 2^exponent / qmax`.
pub fn quantise(x: i32, scale: Scale, qmax: i32) -> i8 {
    code(x, scale.exponent.into(), recip(scale.mantissa).into(), qmax)
}

fn code(x: i32, exponent: i32, reciprocal: i64, qmax: i32) -> i8 {
    let scaled = shift_floor(x.into(), exponent).wrapping_mul(reciprocal).wrapping_mul(qmax.into());
    rshr(scaled, 31).clamp((-qmax).into(), qmax.into()) as i8
}

/// `x / 2^e` towards minus infinity. A shift left by more than 31 never comes from [`norm16`].
pub(super) fn shift_floor(x: i64, e: i32) -> i64 {
    if e >= 0 { x >> e.min(63) } else { x << e.unsigned_abs().min(31) }
}

/// Codes of a whole vector (qmax 127 or 7) and the scale of its largest magnitude.
pub fn quantise_vector(x: &[i32], qmax: i32, codes: &mut [i8]) -> Scale {
    let scale = norm16(max_abs(x).into());
    let (exponent, reciprocal) = (scale.exponent.into(), recip(scale.mantissa).into());
    codes.iter_mut().zip(x).for_each(|(c, &x)| *c = code(x, exponent, reciprocal, qmax));
    scale
}

/// `a / 2^shift`, rounded half up and saturated.
pub fn copy(a: i32, shift: i32) -> i32 {
    sat32(rshr(a.into(), shift))
}

/// [`copy`] of a vector.
pub fn copy_vector(a: &[i32], shift: i32, y: &mut [i32]) {
    y.iter_mut().zip(a).for_each(|(y, &a)| *y = copy(a, shift));
}

/// `x * gain / sqrt(sum x^2 + eps)`, scaled by `2^(23 - shift)`.
///
/// The vector is first shifted to 15 bits of magnitude, so that squares sum in 64 bits whatever its size. With gains
/// `g * sqrt(K) * 2^f` and `eps = e * K * 2^32` the result is RMSNorm of K elements with 16 fractional bits at
/// `shift = 23 + f - 16`.
pub fn rms_norm(x: &[i32], gain: &[i16], eps: u32, shift: i32, y: &mut [i32]) {
    let gains = gain.iter().map(|&g| (g, 0));
    normalise(x, gains, eps, shift, y);
}

/// Fractional bits of a bias of [`layer_norm`].
pub const NORM_BIAS_BITS: u32 = 11;

/// `(x - mean) * gain / sqrt(sum (x - mean)^2 + eps) + bias`, scaled by `2^(23 - shift)`; `mean` is that of the first `len`
/// elements, those from `len` on count as the mean.
///
/// A word of `gain_bias` holds a gain in bits 15:0 and a bias of 11 fractional bits in bits 31:16. Gains, `eps` and `shift` are
/// those of [`rms_norm`].
pub fn layer_norm(x: &[i32], gain_bias: &[i32], len: usize, eps: u32, shift: i32, y: &mut [i32]) {
    let mean = mean(&x[..len.min(x.len())]);
    let centred = |(i, &x): (usize, &i32)| if i < len { sat32(i64::from(x) - mean) } else { 0 };
    let x: Vec<i32> = x.iter().enumerate().map(centred).collect();
    let words = gain_bias
        .iter()
        .map(|&word| (word as i16, i64::from(word >> 16) << (FRACTION_BITS - NORM_BIAS_BITS)));
    normalise(&x, words, eps, shift, y);
}

/// Elements times gains over the root of the sum of squares, plus biases.
fn normalise(x: &[i32], words: impl Iterator<Item = (i16, i64)>, eps: u32, shift: i32, y: &mut [i32]) {
    let e = bit_length(max_abs(x).into()) - 15;
    let eps = if e >= 0 { u64::from(eps) >> (2 * e) } else { u64::from(eps) << (-2 * e) };
    let squares = x.iter().map(|&x| shift_floor(x.into(), e)).map(|x| (x * x) as u64);
    let total = norm16(squares.fold(eps, u64::wrapping_add));
    let par = i32::from(total.exponent) & 1;
    let root = i64::from(rsqrt(total.mantissa, par as u32));
    let shift = shift.saturating_add((i32::from(total.exponent) - par) / 2);
    for ((y, &x), (gain, bias)) in y.iter_mut().zip(x).zip(words) {
        let product = shift_floor(x.into(), e) * i64::from(gain) * root;
        *y = sat32(rshr(product, shift).saturating_add(bias));
    }
}

/// Rotates the pairs `(x[i], x[i + n/2])` by `position * steps[i]`, a step being a turn of 2^32.
pub fn rope(x: &[i32], steps: &[u32], position: u16, y: &mut [i32]) {
    let half = x.len().min(y.len()) / 2;
    let (x1, x2) = x.split_at(half);
    let (y1, y2) = y.split_at_mut(half);
    for (i, &step) in steps.iter().enumerate().take(half) {
        let phase = step.wrapping_mul(position.into());
        [y1[i], y2[i]] = turn([x1[i], x2[i]], sin(phase), cos(phase));
    }
}

/// Rotates the pairs `(x[2i], x[2i + 1])` by `position * steps[2i]`, a step being a turn of 2^32; `steps[2i + 1]` is the same.
///
/// Where the steps of a pair differ, the cosine is of the first, the sine of the second.
pub fn rope_pairs(x: &[i32], steps: &[u32], position: u16, y: &mut [i32]) {
    for ((x, steps), y) in x.chunks_exact(2).zip(steps.chunks_exact(2)).zip(y.chunks_exact_mut(2)) {
        let [c, s] =
            [cos(steps[0].wrapping_mul(position.into())), sin(steps[1].wrapping_mul(position.into()))];
        [y[0], y[1]] = turn([x[0], x[1]], s, c);
    }
}

/// A pair times a rotation.
fn turn([a, b]: [i32; 2], s: i32, c: i32) -> [i32; 2] {
    let [a, b, s, c] = [a, b, s, c].map(i64::from);
    [a * c - b * s, b * c + a * s].map(|y| sat32(rshr(y, 15)))
}

/// Scale word of a V row as an integer: floor, saturated to 31 bits.
fn folded(v: Scale) -> i64 {
    let shifted = shift_floor(v.mantissa.into(), -i32::from(v.exponent).min(31));
    shifted.min(i32::MAX.into())
}

/// Weight `exp2n` of one position times its V scale.
pub fn softmax_value(weight: u32, v: Scale) -> i32 {
    sat32(rshr(i64::from(weight) * folded(v), 15))
}

/// Softmax numerators of `scores` (log2 units) times the V scales; returns the sum of the numerators alone.
///
/// Elements from `len` on count as probability 0 and give 0. The division is left to [`softmax_slot`].
pub fn softmax(scores: &[i32], v_scales: &[Scale], len: usize, y: &mut [i32]) -> u32 {
    y.fill(0);
    let valid = &scores[..len.min(scores.len())];
    let top = valid.iter().copied().max().unwrap_or(0);
    let mut sum = 0u32;
    for (i, &a) in valid.iter().enumerate() {
        let weight = exp2n(top.wrapping_sub(a) as u32);
        sum = sum.wrapping_add(weight);
        if let (Some(y), Some(&v)) = (y.get_mut(i), v_scales.get(i)) {
            *y = softmax_value(weight, v);
        }
    }
    sum
}

/// Token scale of quantised softmax numerators: their scale over their sum, times 2^15 (the unit of the sum).
pub fn softmax_slot(y: Scale, sum: u32) -> Scale {
    let sum = norm16(sum.into());
    let ratio = norm16(u64::from(y.mantissa) * u64::from(recip(sum.mantissa)));
    ratio.times_pow2(i32::from(y.exponent) - i32::from(sum.exponent) - 16)
}

#[cfg(test)]
#[path = "vector_tests.rs"]
mod tests;
