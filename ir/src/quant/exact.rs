//! Constants of a quantised network from exact rationals, so that they are the same everywhere.

use crate::num::Scale;
use rug::ops::Pow;
use rug::{Integer, Rational};

/// Bits behind the binary point of irrational factors. A scale keeps 16 bits and a phase step 32.
const GUARD_BITS: u32 = 128;

/// The exact value of a finite float.
pub fn float(x: f64) -> Option<Rational> {
    Rational::from_f64(x)
}

/// The nearest scale with a 16-bit mantissa of a positive number, half up; the smallest scale for what lies below it or
/// is not positive. `None` if the number is too large for any scale.
pub fn nearest_scale(x: &Rational) -> Option<Scale> {
    let smallest = Scale { mantissa: 1 << 15, exponent: i8::MIN };
    if *x <= 0 {
        return Some(smallest);
    }
    let bits = |i: &Integer| i64::from(i.significant_bits());
    let mut exponent = bits(x.numer()) - bits(x.denom()) - 17;
    let mut mantissa = rounded(&scaled(x, -exponent));
    while mantissa >= 1 << 16 {
        exponent += 1;
        mantissa = rounded(&scaled(x, -exponent));
    }
    if exponent < i64::from(i8::MIN) {
        return Some(smallest);
    }
    Some(Scale { mantissa: mantissa.to_u16()?, exponent: i8::try_from(exponent).ok()? })
}

/// `x * 2^by`
fn scaled(x: &Rational, by: i64) -> Rational {
    let power = Rational::from(Integer::from(1) << by.unsigned_abs() as u32);
    if by >= 0 { x * power } else { x / power }
}

/// The nearest integer, half up.
pub fn rounded(x: &Rational) -> Integer {
    (x + Rational::from((1, 2))).floor().numer().clone()
}

/// log2(e), to 60 digits (OEIS A007525).
pub fn log2_e() -> Rational {
    decimal("144269504088896340735992468100189213742664595415298593413545", 59)
}

/// 1 / (2 pi), to 50 digits (OEIS A086201).
fn inverse_tau() -> Rational {
    decimal("15915494309189533576888376337251436203445964574045", 50)
}

fn decimal(digits: &str, behind_point: u32) -> Rational {
    let digits = digits.bytes().fold(Integer::new(), |n, d| n * 10 + u32::from(d - b'0'));
    Rational::from((digits, Integer::from(10).pow(behind_point)))
}

/// The square root, exact to [`GUARD_BITS`] bits behind the point.
pub fn square_root(n: u64) -> Rational {
    let root = (Integer::from(n) << (2 * GUARD_BITS)).sqrt();
    Rational::from((root, Integer::from(1) << GUARD_BITS))
}

/// Phase steps of a rotary embedding in turns of 2^32: `2^32 / (2 pi) * theta^(-2 i / head_dim)`, rounded, modulo 2^32.
/// `None` unless theta is finite and at least one.
pub fn phase_steps(theta: f64, head_dim: usize) -> Option<Vec<u32>> {
    let theta = float(theta).filter(|t| *t >= 1)?;
    let (dim, unit) = (u32::try_from(head_dim).ok()?, inverse_tau() << 32u32);
    let step = |i: u32| {
        let radicand = (Integer::from(1) << (GUARD_BITS * dim)) * theta.denom().clone().pow(2 * i);
        let root = (radicand / theta.numer().clone().pow(2 * i)).root(dim);
        let frequency = Rational::from((root, Integer::from(1) << GUARD_BITS));
        rounded(&(frequency * &unit)).to_u32_wrapping()
    };
    Some((0..dim / 2).map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_scales() {
        let near = |x: f64| nearest_scale(&float(x).unwrap());
        assert_eq!(near(1.0), Some(Scale { mantissa: 1 << 15, exponent: -15 }));
        assert_eq!(near(65535.4), Some(Scale { mantissa: 65535, exponent: 0 }));
        assert_eq!(near(65535.5), Some(Scale { mantissa: 1 << 15, exponent: 1 }));
        assert_eq!(near(32767.75), Some(Scale { mantissa: 1 << 15, exponent: 0 }));
        assert_eq!(near(1024.0 / 889.0), Some(Scale { mantissa: 37744, exponent: -15 }));
        assert_eq!(near(0.0), near(1e-300));
        assert_eq!(near(1e300), None);
        for x in [0.1, 3e-7, 12345.678, 1e9] {
            let scale = near(x).unwrap();
            assert!(scale.mantissa >= 1 << 15 && (scale.to_f64() / x - 1.0).abs() <= 2f64.powi(-16), "{x}");
        }
    }

    #[test]
    fn constants() {
        assert!((log2_e().to_f64() - std::f64::consts::LOG2_E).abs() < 1e-15);
        assert!((inverse_tau().to_f64() * std::f64::consts::TAU - 1.0).abs() < 1e-15);
        assert!((square_root(2).to_f64() - std::f64::consts::SQRT_2).abs() < 1e-15);
    }

    #[test]
    fn phase_steps_are_the_formula() {
        let steps = phase_steps(10000.0, 32).unwrap();
        assert_eq!(steps[0], 683565276);
        for (i, &step) in steps.iter().enumerate() {
            let exact = 2f64.powi(32) / std::f64::consts::TAU * 1e4f64.powf(-(i as f64) / 16.0);
            assert!((f64::from(step) - exact).abs() < 0.51, "{i}");
        }
        assert!(phase_steps(f64::NAN, 8).is_none() && phase_steps(0.5, 8).is_none());
        assert_eq!(phase_steps(1e6, 128).unwrap().len(), 64);
    }
}
