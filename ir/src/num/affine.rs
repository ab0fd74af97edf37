//! Codes with a zero point, and codes under a scale that was fixed beforehand.
//!
//! A code with zero point `z` means `(code - z) * mantissa * 2^exponent / steps`, codes running from 0 to `steps`. Ranges hold
//! zero, so that zero is a code.

use super::basic::rshr;
use super::function::recip;
use super::scale::{Scale, norm16};
use super::vector::shift_floor;

/// Twice the largest mantissa: a value beyond it is beyond every code.
const BEYOND: i64 = 1 << 17;

/// `x / scale * steps`, rounded half up, for any scale. Where `scale` covers x, this is [`super::quantise`]'s code.
fn ratio(x: i64, scale: Scale, steps: i32) -> i64 {
    let x16 = shift_floor(x, scale.exponent.into()).clamp(-BEYOND, BEYOND);
    rshr(x16 * i64::from(recip(scale.mantissa)) * i64::from(steps), 31)
}

/// Symmetric code in [-qmax, qmax] under a scale that need not cover x: saturates.
pub fn saturating_code(x: i32, scale: Scale, qmax: i32) -> i8 {
    ratio(x.into(), scale, qmax).clamp((-qmax).into(), qmax.into()) as i8
}

/// [`saturating_code`] of a vector.
pub fn requantise(x: &[i32], scale: Scale, qmax: i32, codes: &mut [i8]) {
    codes.iter_mut().zip(x).for_each(|(code, &x)| *code = saturating_code(x, scale, qmax));
}

/// Code in [0, steps] under a scale and a zero point: saturates.
pub fn affine_code(x: i32, scale: Scale, zero: u8, steps: i32) -> u8 {
    (ratio(x.into(), scale, steps) + i64::from(zero)).clamp(0, steps.into()) as u8
}

/// Codes of a whole vector (steps 255 or 15), the scale of its range, zero included, and the zero point.
pub fn affine_vector(x: &[i32], steps: i32, codes: &mut [u8]) -> (Scale, u8) {
    let low = x.iter().fold(0, |m, &x| m.max(-i64::from(x)));
    let high = x.iter().fold(0, |m, &x| m.max(i64::from(x)));
    let scale = norm16((low + high) as u64);
    let zero = ratio(low, scale, steps).clamp(0, steps.into()) as u8;
    codes.iter_mut().zip(x).for_each(|(code, &x)| *code = affine_code(x, scale, zero, steps));
    (scale, zero)
}

#[cfg(test)]
mod tests {
    use super::super::{max_abs, quantise};
    use super::*;

    fn noise(seed: u32, bits: u32) -> Vec<i32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            state as i32 >> (32 - bits)
        };
        (0..64).map(|_| next()).collect()
    }

    #[test]
    fn a_scale_that_covers_the_vector_gives_the_codes_of_quantise() {
        for (seed, bits) in (1..=32).map(|b| (b * 77, b)) {
            let x = noise(seed, bits);
            let scale = norm16(max_abs(&x).into());
            for qmax in [7, 127] {
                assert!(x.iter().all(|&x| saturating_code(x, scale, qmax) == quantise(x, scale, qmax)));
            }
        }
    }

    #[test]
    fn values_come_back_within_a_step() {
        for (seed, bits) in (4..=32).map(|b| (b * 91, b)) {
            for offset in [0, 1 << (bits - 2), i32::MIN >> (32 - bits)] {
                let x: Vec<i32> = noise(seed, bits).iter().map(|x| x.saturating_add(offset)).collect();
                for steps in [15, 255] {
                    let mut codes = vec![0; x.len()];
                    let (scale, zero) = affine_vector(&x, steps, &mut codes);
                    let step = scale.to_f64() / f64::from(steps);
                    for (&x, &code) in x.iter().zip(&codes) {
                        let error = (f64::from(code) - f64::from(zero)) * step - f64::from(x);
                        assert!(error.abs() <= 1.01 * step + 1.0, "{x} of {bits} bits: {error}, step {step}");
                    }
                    assert_eq!(affine_code(0, scale, zero, steps), zero);
                }
            }
        }
    }

    #[test]
    fn corners() {
        let mut codes = [9; 3];
        assert_eq!(affine_vector(&[0; 3], 255, &mut codes), (norm16(0), 0));
        assert_eq!(codes, [0; 3]);
        let (scale, zero) = affine_vector(&[i32::MIN, i32::MAX, 0], 255, &mut codes);
        assert_eq!((codes, zero, scale), ([1, 255, 128], 128, norm16(u32::MAX.into())));
        let small = Scale { mantissa: 1 << 15, exponent: -128 };
        assert_eq!([i32::MIN, -1, 0, 1].map(|x| saturating_code(x, small, 127)), [-127, -127, 0, 127]);
        let large = Scale { mantissa: 0xffff, exponent: 127 };
        assert_eq!([i32::MAX, 0].map(|x| affine_code(x, large, 3, 15)), [3, 3]);
    }
}
