//! Exhaustive comparison of the integer functions of `ir::num` with MPFR.

use crate::exact::{self, PRECISION};
use crate::num::{self, Point, error};
use rug::Float;

/// Name, stated worst error, first input behind the table, the function and the exact one.
type Gate = (&'static str, f64, u32, fn(i32) -> u32, fn(u32) -> Float);

/// Measures every function and compares the worst error with the stated one.
pub fn check() -> Result<(), String> {
    let mantissas = || (1u32 << 15)..(1 << 16);
    stated("recip", error::RECIP, mantissas().map(|m| gap(num::recip(m as u16), &exact::recip(m))))?;
    let both = mantissas().flat_map(|m| [(m, 0), (m, 1)]);
    stated(
        "rsqrt",
        error::RSQRT,
        both.map(|(m, par)| gap(num::rsqrt(m as u16, par), &exact::rsqrt(m, par))),
    )?;
    stated("exp2n", error::EXP2N, (0..1 << 16).map(|f| gap(num::exp2n(f), &exact::exp2(f))))?;
    stated("sin", error::SIN, (0..1 << 16).map(|x| gap(num::sin(x << 14) as u32, &exact::sin(x))))?;
    let gates: [Gate; 4] = [
        ("sigmoid", error::SIGMOID, 1 << 20, num::sigmoid, exact::sigmoid),
        ("phi", error::PHI, 1 << 19, num::phi, exact::phi),
        ("phi_tanh", error::PHI_TANH, 1 << 19, num::phi_tanh, exact::phi_tanh),
        ("hard_sigmoid", error::HARD_SIGMOID, 1 << 18, num::hard_sigmoid, exact::hard_sigmoid),
    ];
    gates.into_iter().try_for_each(|(name, bound, end, found, exact)| {
        stated(name, bound, (0..end).map(|a| gap(found(a as i32), &exact(a))))
    })?;
    points()
}

/// Functions of one element that are no gates. Those whose results may be large err by so much of them.
fn points() -> Result<(), String> {
    let tail = |a: u32| gap(num::softplus(-(a as i32)) as u32, &exact::softplus(a));
    stated("softplus", error::of_point(Point::Softplus), (0..1 << 20).map(tail))?;
    // Both ends of what a segment does not distinguish.
    let cells = (1u32 << 20..1 << 21).flat_map(|cell| [cell << 11, cell << 11 | 0x7ff]);
    stated("log2", error::LOG2, cells.map(|n| gap(num::log2(n), &exact::log2(n))))?;
    let unit = |exact: &Float| (exact.to_f64() / 65536.0).max(1.0);
    let power = |a: i32| {
        let exact = exact::exp(a).min(&Float::with_val(PRECISION, i32::MAX));
        gap(num::exp(a) as u32, &exact) / unit(&exact)
    };
    stated("exp", error::of_point(Point::Exp), (-(1 << 20)..1 << 20).map(power))?;
    let inverse = |a: u32| {
        let exact = exact::reciprocal(a);
        gap(num::reciprocal(a as i32) as u32, &exact) / unit(&exact)
    };
    stated("reciprocal", error::of_point(Point::Reciprocal), (3..1 << 20).map(inverse))
}

fn gap(found: u32, exact: &Float) -> f64 {
    Float::with_val(PRECISION, exact - found).abs().to_f64()
}

/// The stated bound holds and is tight to a hundredth.
fn stated(name: &str, bound: f64, errors: impl Iterator<Item = f64>) -> Result<(), String> {
    let worst = errors.fold(0.0, f64::max);
    println!("{name}: worst error {worst:.4}, stated {bound}");
    if worst <= bound && bound - worst < 0.01 {
        return Ok(());
    }
    Err(format!("{name}: the worst error is {worst:.4}; ir::num::error states {bound}"))
}
