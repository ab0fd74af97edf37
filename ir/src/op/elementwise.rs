//! Functions of one element and arithmetic of two, with broadcasting.
//!
//! Integers: only `i64` and `i32` are computed with; they wrap around, division truncates, and a zero divisor is a
//! fault of the data. Float functions are computed in f64 and rounded once.

use super::broadcast::{broadcast, positions};
use super::{Fault, Operator, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};
use std::ops::RangeInclusive;

/// Functions of one element of a float, and of an integer where one is given.
macro_rules! unary {
    ($($(#[$doc:meta])* $ty:ident $name:literal, $float:expr $(, $long:expr, $int:expr)?;)*) => {$(
        operator! { $(#[$doc])* $ty $name {} }

        impl Operator for $ty {
            fn arity(&self) -> RangeInclusive<usize> {
                1..=1
            }
            fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
                let integers = false $(|| !stringify!($long).is_empty())?;
                unary_type(&operands[0], integers)
            }
            #[allow(unreachable_patterns)]
            fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
                let float: fn(f64) -> f64 = $float;
                let data = match operands[0].data() {
                    Data::Float(v) => Data::Float(v.iter().map(|&x| float(x.into()) as f32).collect()),
                    $(Data::Long(v) => Data::Long(v.iter().map(|&x: &i64| $long(x)).collect()),
                    Data::Int(v) => Data::Int(v.iter().map(|&x: &i32| $int(x)).collect()),)?
                    _ => return Err(Fault::new("the operand is of floating-point type")),
                };
                result(operands[0].dtype(), operands[0].shape(), data)
            }
        }
    )*};
}

fn unary_type(operand: &Type, integers: bool) -> Result<Vec<Type>, Fault> {
    let wide = matches!(operand.dtype, DType::I64 | DType::I32);
    if operand.dtype.is_float() || integers && wide {
        return Ok(vec![operand.clone()]);
    }
    Err(Fault::new(format!("it is not defined for {}", operand.dtype)).help("insert `cast`"))
}

unary! {
    /// -x
    Neg "neg", |x| -x, i64::wrapping_neg, i32::wrapping_neg;
    /// |x|
    Abs "abs", f64::abs, i64::wrapping_abs, i32::wrapping_abs;
    /// e^x
    Exp "exp", f64::exp;
    /// Natural logarithm.
    Log "log", f64::ln;
    /// Square root.
    Sqrt "sqrt", f64::sqrt;
    /// 1 / x
    Reciprocal "reciprocal", f64::recip;
    /// Sine of an angle in radians.
    Sin "sin", f64::sin;
    /// Cosine of an angle in radians.
    Cos "cos", f64::cos;
    /// Hyperbolic tangent.
    Tanh "tanh", f64::tanh;
    /// 1 / (1 + e^-x)
    Sigmoid "sigmoid", sigmoid;
    /// x * sigmoid(x)
    Silu "silu", |x| x * sigmoid(x);
    /// Error function.
    Erf "erf", erf;
    /// max(x, 0)
    Relu "relu", |x| x.max(0.0);
    /// Largest integer that is not above x.
    Floor "floor", f64::floor;
    /// Smallest integer that is not below x.
    Ceil "ceil", f64::ceil;
    /// Nearest integer, ties to even.
    Round "round", f64::round_ties_even;
    /// -1, 0 or 1.
    Sign "sign", |x| if x == 0.0 { 0.0 } else { x.signum() }, i64::signum, i32::signum;
    /// ln(1 + e^x)
    Softplus "softplus", |x| x.max(0.0) + (-x.abs()).exp().ln_1p();
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Error function: Maclaurin series below 3, continued fraction of the complement above (Abramowitz and Stegun
/// 7.1.6 and 7.1.14). Worst absolute error below 1e-12.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    let scale = 2.0 / std::f64::consts::PI.sqrt() * (-a * a).exp();
    let positive = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..60 {
            term *= 2.0 * a * a / f64::from(2 * n + 1);
            sum += term;
        }
        scale * sum
    } else {
        let fraction = (1..60).rev().fold(a, |tail, k| a + f64::from(k) / 2.0 / tail);
        1.0 - scale / 2.0 / fraction
    };
    positive.copysign(x)
}

macro_rules! binary {
    ($($(#[$doc:meta])* $ty:ident $name:literal, $float:expr, $int:expr;)*) => {$(
        operator! { $(#[$doc])* $ty $name {} }

        impl Operator for $ty {
            fn arity(&self) -> RangeInclusive<usize> {
                2..=2
            }
            fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
                binary_type(operands)
            }
            fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
                let float: fn(f32, f32) -> f32 = $float;
                let int: fn(i64, i64) -> Option<i64> = $int;
                arithmetic(operands[0], operands[1], float, int)
            }
        }
    )*};
}

binary! {
    /// a + b
    Add "add", |a, b| a + b, |a, b| Some(a.wrapping_add(b));
    /// a - b
    Sub "sub", |a, b| a - b, |a, b| Some(a.wrapping_sub(b));
    /// a * b
    Mul "mul", |a, b| a * b, |a, b| Some(a.wrapping_mul(b));
    /// a / b
    Div "div", |a, b| a / b, |a, b| if b == 0 { None } else { Some(a.wrapping_div(b)) };
    /// What a division that truncates leaves of a, with the sign of a.
    Rem "rem", |a, b| a % b, |a, b| if b == 0 { None } else { Some(a.wrapping_rem(b)) };
    /// a to the power of b
    Pow "pow", |a, b| if b == 2.0 { a * a } else { f64::from(a).powf(f64::from(b)) as f32 },
        |a, b| u32::try_from(b).ok().map(|b| a.wrapping_pow(b));
    /// The smaller of a and b.
    Min "min", f32::min, |a, b| Some(a.min(b));
    /// The larger of a and b.
    Max "max", f32::max, |a, b| Some(a.max(b));
}

fn binary_type(operands: &[Type]) -> Result<Vec<Type>, Fault> {
    let (a, b) = (&operands[0], &operands[1]);
    let computable = a.dtype.is_float() || matches!(a.dtype, DType::I64 | DType::I32);
    if a.dtype != b.dtype || !computable {
        let why = "both operands are of one type, which is a float, i64 or i32";
        return Err(Fault::new(why).help("insert `cast`"));
    }
    Ok(vec![Type::new(a.dtype, broadcast(&a.shape, &b.shape)?)])
}

fn arithmetic(
    a: &Tensor,
    b: &Tensor,
    float: fn(f32, f32) -> f32,
    int: fn(i64, i64) -> Option<i64>,
) -> Result<Vec<Tensor>, Fault> {
    let shape = out_shape(a, b)?;
    let undefined = || Fault::new("an integer is divided by zero or raised to a negative power");
    let data = match (a.data(), b.data()) {
        (Data::Float(x), Data::Float(y)) => Data::Float(zip(a, b, &shape, x, y, float)),
        (Data::Long(x), Data::Long(y)) => {
            let all: Option<_> = zip(a, b, &shape, x, y, int).into_iter().collect();
            Data::Long(all.ok_or_else(undefined)?)
        }
        (Data::Int(x), Data::Int(y)) => {
            let narrow = |p: i32, q: i32| int(p.into(), q.into()).map(|r| r as i32);
            let all: Option<_> = zip(a, b, &shape, x, y, narrow).into_iter().collect();
            Data::Int(all.ok_or_else(undefined)?)
        }
        _ => return Err(Fault::new("the operands are of different types")),
    };
    result(a.dtype(), shape, data)
}

/// The common shape of two tensors.
pub(super) fn out_shape(a: &Tensor, b: &Tensor) -> Result<Vec<usize>, Fault> {
    let shape = broadcast(&a.ty().shape, &b.ty().shape)?;
    shape.fixed().ok_or_else(|| Fault::new("the common shape is too large"))
}

/// Applies `f` to the elements of two operands, broadcast to `shape`.
pub(super) fn zip<A: Copy, B: Copy, R>(
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
    x: &[A],
    y: &[B],
    f: impl Fn(A, B) -> R,
) -> Vec<R> {
    match (a.shape() == shape, b.shape() == shape) {
        (true, true) => x.iter().zip(y).map(|(&p, &q)| f(p, q)).collect(),
        (true, _) if y.len() == 1 => x.iter().map(|&p| f(p, y[0])).collect(),
        (_, true) if x.len() == 1 => y.iter().map(|&q| f(x[0], q)).collect(),
        _ => {
            let (i, j) = (positions(a.shape(), shape), positions(b.shape(), shape));
            i.iter().zip(&j).map(|(&i, &j)| f(x[i], y[j])).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_matches_known_values() {
        for (x, y) in
            [(0.5, 0.520_499_877_813_046_5), (2.9, 0.999_958_902_121_900_5), (3.5, 0.999_999_256_901_627_7)]
        {
            assert!((erf(x) - y).abs() < 1e-12 && (erf(-x) + y).abs() < 1e-12, "erf({x}) = {}", erf(x));
        }
    }
}
