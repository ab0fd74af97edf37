//! Worst error of each table function against the exact one, in units of its result, over every input.
//!
//! `tools/tables --check` measures the table functions against MPFR, too. A result unit is 2^-15 of full scale for those of
//! one number per vector and for sine and exponential, 2^-16 for gates and functions of one element.

use super::Point;

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
/// [`super::phi`] against `2^16 * Phi`, every input below 8; above it the error is below 0.01.
pub const PHI: f64 = 2.69;
/// [`super::phi_tanh`] against `2^16` times what the hyperbolic tangent makes of Phi, the same.
pub const PHI_TANH: f64 = 2.86;
/// [`super::hard_sigmoid`] against `2^16 * (a / 6 + 1 / 2)`, clamped, every input below 4; above it there is no error.
pub const HARD_SIGMOID: f64 = 0.67;

/// [`super::log2`] against `2^16 * log2`, every segment and place in it, at both ends of what it does not distinguish.
pub const LOG2: f64 = 1.08;
/// [`super::log_np`] against the exact function of its element and its scale word, below its end, over every element below 16 in
/// magnitude under 16 scales.
pub const LOG_NP: f64 = 1.62;

/// [`super::rms_norm`] and [`super::layer_norm`] without epsilon, in units of 2^-16 of the largest element of the exact result
/// (of the norm before its bias), over 8,000 drawn vectors of 64 elements whose largest magnitude has 17 to 32 bits.
pub const NORM: f64 = 5.09;

/// Of each [`Point`] on every input below 16 in magnitude, further out below 0.2 (reciprocal and square: 0.6); the two that square or only
/// compare are exact but for the rounding of the square. Where the exact value of an exponential or a reciprocal is above 1, the
/// unit is 2^-16 of that value; where it is no word, the end of the words is exact.
pub const fn of_point(point: Point) -> f64 {
    match point {
        Point::Silu => 7.68,
        Point::Gelu => 3.89,
        Point::GeluTanh => 4.04,
        Point::Relu | Point::Relu6 => 0.0,
        Point::HardSwish => 2.47,
        Point::SquaredRelu => 0.5,
        Point::Sigmoid => SIGMOID,
        Point::HardSigmoid => HARD_SIGMOID,
        Point::Tanh => 7.58,
        Point::Exp => 4.33,
        Point::Softplus => 8.69,
        Point::Reciprocal => 1.99,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num;
    use std::f64::consts::TAU;

    /// The bound holds and is tight to a hundredth. f64 errs by less than 1e-9 units here.
    fn check(name: &str, bound: f64, errors: impl Iterator<Item = f64>) {
        let worst = errors.fold(0.0, f64::max);
        let holds = worst == 0.0 || worst + 1e-9 <= bound;
        assert!(holds && bound - worst < 0.01, "{name}: worst {worst}, stated {bound}");
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

    /// The error of a gate, every input within reach of its table, and beyond.
    fn check_gate(name: &str, bound: f64, gate: fn(i32) -> u32, exact: fn(f64) -> f64) {
        let error = |a: i32| (f64::from(gate(a)) - 65536.0 * exact(f64::from(a) / 65536.0)).abs();
        check(name, bound, (-(1 << 20) + 1..1 << 20).map(error));
        assert!([i32::MIN, -(1 << 20), 1 << 20, i32::MAX].map(error).iter().all(|&e| e < 0.01), "{name}");
    }

    fn logistic(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// Normal distribution function by its series (Marsaglia 2004), whose terms are all of one sign.
    fn phi(x: f64) -> f64 {
        if x.abs() > 8.0 {
            return f64::from(u8::from(x > 0.0));
        }
        let (mut term, mut sum, mut odd) = (x, x, 1.0);
        while sum + term != sum {
            odd += 2.0;
            term *= x * x / odd;
            sum += term;
        }
        0.5 + sum * (-x * x / 2.0).exp() / TAU.sqrt()
    }

    fn phi_tanh(x: f64) -> f64 {
        (1.0 + ((4.0 / TAU).sqrt() * (x + 0.044715 * x.powi(3))).tanh()) / 2.0
    }

    fn hard(x: f64) -> f64 {
        (x / 6.0 + 0.5).clamp(0.0, 1.0)
    }

    #[test]
    fn gates() {
        check_gate("sigmoid", SIGMOID, num::sigmoid, logistic);
        check_gate("phi", PHI, num::phi, phi);
        check_gate("phi_tanh", PHI_TANH, num::phi_tanh, phi_tanh);
        check_gate("hard_sigmoid", HARD_SIGMOID, num::hard_sigmoid, hard);
    }

    fn exact(point: Point, x: f64) -> f64 {
        match point {
            Point::Silu => x * logistic(x),
            Point::Gelu => x * phi(x),
            Point::GeluTanh => x * phi_tanh(x),
            Point::Relu => x.max(0.0),
            Point::Relu6 => x.clamp(0.0, 6.0),
            Point::HardSwish => x * hard(x),
            Point::SquaredRelu => x.max(0.0) * x,
            Point::Sigmoid => logistic(x),
            Point::HardSigmoid => hard(x),
            Point::Tanh => x.tanh(),
            Point::Exp => x.exp(),
            Point::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Point::Reciprocal => 1.0 / x,
        }
    }

    #[test]
    fn functions_of_one_element() {
        for point in Point::ALL {
            let relative = matches!(point, Point::Exp | Point::Reciprocal);
            let error = |a: i32| {
                let exact = exact(point, f64::from(a) / 65536.0);
                let nearest = (65536.0 * exact).clamp(i32::MIN.into(), i32::MAX.into());
                let unit = if relative { exact.abs().clamp(1.0, 32768.0) } else { 1.0 };
                (f64::from(point.of(a)) - nearest).abs() / unit
            };
            check(&format!("{point:?}"), of_point(point), (-(1 << 20) + 1..1 << 20).map(error));
            let far = (1 << 20..i32::MAX).step_by(2039).flat_map(|a| [a, -a]).map(error).fold(0.0, f64::max);
            let rounded = matches!(point, Point::SquaredRelu | Point::Reciprocal);
            assert!(far <= if rounded { 0.6 } else { 0.2 }, "{point:?}: {far}");
        }
    }

    #[test]
    fn log2() {
        let error = |n: u32| (f64::from(num::log2(n)) - 65536.0 * (f64::from(n) / 65536.0).log2()).abs();
        let cells = (1 << 20..1 << 21).flat_map(|cell: u32| [cell << 11, cell << 11 | 0x7ff]);
        check("log2", LOG2, cells.map(error));
        assert!((16..31).all(|bits| num::log2(1 << bits) == (bits - 16) << 16));
    }

    #[test]
    fn log_np() {
        let word = |n: u32| num::Scale { mantissa: (0x8000 + n * 2017) as u16, exponent: -(n as i8) - 8 };
        let worst = |scale: num::Scale| {
            let error = |a: i32| {
                let x = f64::from(a) / 65536.0;
                let exact = x.signum() * (1.0 + (x.abs() * scale.to_f64()).min(32768.0)).log2();
                (f64::from(num::log_np(a, scale)) - 65536.0 * exact).abs()
            };
            (-(1 << 20) + 1..1 << 20).map(error).fold(0.0, f64::max)
        };
        check("log_np", LOG_NP, (0..16).map(word).map(worst));
        let ends = |scale| [i32::MIN, 0, i32::MAX].map(|a| num::log_np(a, scale));
        let [one, most] = [-15, 0].map(|exponent| num::Scale { mantissa: 1 << 15, exponent });
        let end = num::log2((1 << 31) + (1 << 16)) as i32;
        assert_eq!((ends(one), ends(most)), ([-end, 0, end], [-end, 0, end]));
        assert_eq!(end, (15 << 16) + 3);
        assert_eq!(ends(num::Scale { exponent: i8::MIN, ..one }), [0; 3]);
    }
}
