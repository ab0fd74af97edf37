//! Worst error of each table function against the exact one, in units of its result, over every input.
//!
//! `tools/tables --check` measures the same against MPFR. A result unit is 2^-15 of full scale for all but the sigmoid
//! (2^-16).

/// [`super::recip`] against `2^31 / mant`, every mantissa.
pub const RECIP: f64 = 1.1;
/// [`super::rsqrt`] against `2^23 / sqrt(mant * 2^par)`, every mantissa and parity.
pub const RSQRT: f64 = 1.18;
/// [`super::exp2n`] against `2^15 * 2^-d` for d in [0, 1); each further integer step of d adds at most half a unit.
pub const EXP2N: f64 = 0.99;
/// [`super::sin`] against `2^15 * sin` on the grid of 2^18 phases per turn that it distinguishes; the 14 bits that it
/// drops are at most `pi / 4` units more.
pub const SIN: f64 = 1.01;
/// [`super::sigmoid`] against `2^16 * sigmoid`, every input below 16; above it the error is below 0.01.
pub const SIGMOID: f64 = 3.8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num;
    use std::f64::consts::TAU;

    /// The bound holds and is tight to a hundredth. f64 errs by less than 1e-9 units here.
    fn check(name: &str, bound: f64, errors: impl Iterator<Item = f64>) {
        let worst = errors.fold(0.0, f64::max);
        assert!(worst + 1e-9 <= bound && bound - worst < 0.01, "{name}: worst {worst}, stated {bound}");
    }

    #[test]
    fn recip() {
        let error = |m: u16| (f64::from(num::recip(m)) - 2f64.powi(31) / f64::from(m)).abs();
        check("recip", RECIP, (1 << 15..=u16::MAX).map(error));
    }

    #[test]
    fn rsqrt() {
        let exact = |m: u16, par: u32| 2f64.powi(23) / (f64::from(m) * f64::from(1 << par)).sqrt();
        let error = |m: u16, par: u32| (f64::from(num::rsqrt(m, par)) - exact(m, par)).abs();
        check("rsqrt", RSQRT, (1 << 15..=u16::MAX).flat_map(|m| [error(m, 0), error(m, 1)]));
    }

    #[test]
    fn exp2n() {
        let error = |d: u32| (f64::from(num::exp2n(d)) - (15.0 - f64::from(d) / 65536.0).exp2()).abs();
        check("exp2n", EXP2N, (0..1 << 16).map(error));
        assert!((1 << 16..18 << 16).map(error).all(|e| e <= EXP2N / 2.0 + 0.5));
    }

    #[test]
    fn sin() {
        let error =
            |p: u32| f64::from(num::sin(p << 14)) - 32768.0 * (f64::from(p) / 2f64.powi(18) * TAU).sin();
        check("sin", SIN, (0..1 << 18).map(|p| error(p).abs()));
    }

    #[test]
    fn sigmoid() {
        let exact = |a: i32| 65536.0 / (1.0 + (-f64::from(a) / 65536.0).exp());
        let error = |a: i32| (f64::from(num::sigmoid(a)) - exact(a)).abs();
        check("sigmoid", SIGMOID, (-(1 << 20) + 1..1 << 20).map(error));
        assert!([i32::MIN, -(1 << 20), 1 << 20, i32::MAX].map(error).iter().all(|&e| e < 0.01));
    }
}
