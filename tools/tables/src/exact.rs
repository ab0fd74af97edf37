//! The exact functions behind the tables, in MPFR at a precision that leaves no doubt about the rounding.

use rug::float::Constant;
use rug::ops::Pow;
use rug::{Float, Integer};

/// Working precision. The nearest half integer is never closer than 2^-40 to a point (checked by [`rounded`]), so 200
/// bits round correctly with a wide margin.
pub const PRECISION: u32 = 200;

fn float(x: impl Into<Integer>) -> Float {
    Float::with_val(PRECISION, x.into())
}

/// 2^31 / mant
pub fn recip(mant: u32) -> Float {
    float(1u64 << 31) / mant
}

/// 2^23 / sqrt(mant * 2^par)
pub fn rsqrt(mant: u32, par: u32) -> Float {
    float(1u32 << 23) / float(u64::from(mant) << par).sqrt()
}

/// 2^15 * 2^(-f / 2^16)
pub fn exp2(f: u32) -> Float {
    let exponent = float(15) - float(f) / 65536u32;
    Float::with_val(PRECISION, 2).pow(exponent)
}

/// 2^15 * sin(pi / 2 * x / 2^16)
pub fn sin(x: u32) -> Float {
    let pi = Float::with_val(PRECISION, Constant::Pi);
    (pi * x / (1u32 << 17)).sin() * 32768u32
}

/// 2^16 / (1 + exp(-a / 2^16))
pub fn sigmoid(a: u32) -> Float {
    let power = (-(float(a) / 65536u32)).exp();
    float(65536) / (power + 1u32)
}

/// 2^16 * (1 + erf(a / 2^16 / sqrt(2))) / 2
pub fn phi(a: u32) -> Float {
    let x = float(a) / 65536u32 / float(2).sqrt();
    (x.erf() + 1u32) * 32768u32
}

/// 2^16 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 at x = a / 2^16
pub fn phi_tanh(a: u32) -> Float {
    let x = float(a) / 65536u32;
    let cube = Float::with_val(PRECISION, x.clone().pow(3u32)) * 44715u32 / 1_000_000u32;
    let slope = (float(2) / Float::with_val(PRECISION, Constant::Pi)).sqrt();
    (((x + cube) * slope).tanh() + 1u32) * 32768u32
}

/// 2^16 * min(1 / 2 + a / 2^16 / 6, 1)
pub fn hard_sigmoid(a: u32) -> Float {
    (float(a) / 6u32 + 32768u32).min(&float(65536))
}

/// 2^16 * ln(1 + e^-(a / 2^16))
pub fn softplus(a: u32) -> Float {
    (-(float(a) / 65536u32)).exp().ln_1p() * 65536u32
}

/// 2^16 * e^(a / 2^16)
pub fn exp(a: i32) -> Float {
    (float(a) / 65536u32).exp() * 65536u32
}

/// 2^32 / a
pub fn reciprocal(a: u32) -> Float {
    float(1u64 << 32) / a
}

/// 2^16 * log2(n / 2^16)
pub fn log2(n: u32) -> Float {
    (float(n) / 65536u32).log2() * 65536u32
}

/// The nearest integer, refused when the value lies so close to a half integer that the precision could not decide.
pub fn rounded(value: &Float) -> Result<u32, String> {
    let doubled = Float::with_val(PRECISION, value * 2u32);
    let nearest = doubled.to_integer().ok_or("not a finite value")?;
    let distance = Float::with_val(PRECISION, &doubled - &nearest).abs();
    if nearest.is_odd() && distance < Float::with_val(PRECISION, 2f64.powi(-40)) {
        return Err(format!("{value} is too close to a tie"));
    }
    let integer = value.to_integer().ok_or("not a finite value")?;
    integer.to_u32().ok_or_else(|| format!("{integer} does not fit a table word"))
}
