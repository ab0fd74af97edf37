//! Non-linear functions of one number: a table of correctly rounded points and a line between two of them.
//!
//! The chord of a convex function is off by at most `h^2 / 8 * max|f''|` for a segment of width `h` (standard bound of
//! linear interpolation); rounding of the points and of the line add at most one more unit. [`super::error`] states
//! the worst error of each function; tests measure it over every input.

use super::basic::rshr;
use super::tables;

/// The line between points `i` and `i + 1` at `frac / 2^frac_bits`, rounded half up. Out of the table: its last point.
fn linear(points: &[u32], i: usize, frac: u32, frac_bits: i32) -> u32 {
    match points.get(i..i + 2) {
        Some(&[low, high]) => {
            let rise = (i64::from(high) - i64::from(low)) * i64::from(frac);
            (i64::from(low) + rshr(rise, frac_bits)) as u32
        }
        _ => points.last().copied().unwrap_or(0),
    }
}

/// About `2^31 / mant`, in [2^15, 2^16], for a mantissa in [2^15, 2^16). Segments on `mant[14:7]`.
pub fn recip(mant: u16) -> u32 {
    let offset = u32::from(mant) & 0x7fff;
    linear(&tables::RECIP, (offset >> 7) as usize, offset & 0x7f, 7)
}

/// About `2^23 / sqrt(mant * 2^par)` for a mantissa in [2^15, 2^16) and par 0 or 1. Segments on `mant[14:8]`.
pub fn rsqrt(mant: u16, par: u32) -> u32 {
    let offset = u32::from(mant) & 0x7fff;
    let [even, odd] = &tables::RSQRT;
    linear(if par & 1 == 0 { even } else { odd }, (offset >> 8) as usize, offset & 0xff, 8)
}

/// About `2^15 * 2^(-d)`, d >= 0 with 16 fractional bits; 0 from 17 on. Segments on `d[15:8]`.
pub fn exp2n(d: u32) -> u32 {
    let n = d >> 16;
    if n >= 17 {
        return 0;
    }
    let t = linear(&tables::EXP2, (d >> 8 & 0xff) as usize, d & 0xff, 8);
    rshr(t.into(), n as i32) as u32
}

/// About `2^15 * sin(phase)`, phase in turns of 2^32. The low 14 bits of the phase do not count.
pub fn sin(phase: u32) -> i32 {
    let (quadrant, p16) = (phase >> 30, phase >> 14 & 0xffff);
    let x = if quadrant & 1 == 0 { p16 } else { 65536 - p16 };
    let magnitude = linear(&tables::SIN, (x >> 8) as usize, x & 0xff, 8) as i32;
    if quadrant & 2 == 0 { magnitude } else { -magnitude }
}

/// About `2^15 * cos(phase)`: the sine a quarter turn on.
pub fn cos(phase: u32) -> i32 {
    sin(phase.wrapping_add(1 << 30))
}

/// A gate: about `2^16 * g(a)` with `g(-a) = 1 - g(a)`, from the points of its upper half; 0 and 2^16 beyond them. Segments
/// on `|a| >> bits`.
fn gate(points: &[u32; 257], bits: u32, a: i32) -> u32 {
    let m = a.unsigned_abs();
    let frac = m & ((1 << bits) - 1);
    let upper =
        if m >> bits >= 256 { 65536 } else { linear(points, (m >> bits) as usize, frac, bits as i32) };
    if a < 0 { 65536 - upper } else { upper }
}

/// About `2^16 / (1 + exp(-a))`, a with 16 fractional bits; 0 and 2^16 beyond 16. Segments on `|a| >> 12`.
pub fn sigmoid(a: i32) -> u32 {
    gate(&tables::SIGMOID, 12, a)
}

/// About `2^16 * (1 + erf(a / sqrt(2))) / 2`, a with 16 fractional bits; 0 and 2^16 beyond 8. Segments on `|a| >> 11`.
pub fn phi(a: i32) -> u32 {
    gate(&tables::PHI, 11, a)
}

/// About `2^16 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 a^3))) / 2`, a with 16 fractional bits; 0 and 2^16 beyond 8. Segments on
/// `|a| >> 11`.
pub fn phi_tanh(a: i32) -> u32 {
    gate(&tables::PHI_TANH, 11, a)
}

/// About `2^16 * (a / 6 + 1 / 2)`, a with 16 fractional bits; 0 and 2^16 beyond 3. Segments on `|a| >> 12`.
pub fn hard_sigmoid(a: i32) -> u32 {
    gate(&tables::HARD_SIGMOID, 12, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners() {
        assert_eq!((recip(1 << 15), recip(0xffff)), (65536, 32769));
        assert_eq!((rsqrt(1 << 15, 0), rsqrt(1 << 15, 1), rsqrt(0xffff, 0)), (46341, 32768, 32768));
        assert_eq!(
            (exp2n(0), exp2n(1 << 16), exp2n(16 << 16), exp2n((16 << 16) + 300)),
            (32768, 16384, 1, 0)
        );
        assert_eq!((exp2n(17 << 16), exp2n(u32::MAX)), (0, 0));
        assert_eq!([0, 1 << 30, 2 << 30, 3 << 30].map(sin), [0, 32768, 0, -32768]);
        assert_eq!([0, 1 << 30, 2 << 30, 3 << 30].map(cos), [32768, 0, -32768, 0]);
        assert_eq!((sigmoid(0), sigmoid(i32::MAX), sigmoid(i32::MIN)), (32768, 65536, 0));
    }

    #[test]
    fn symmetries() {
        for a in (0..1 << 20).step_by(37) {
            for gate in [sigmoid, phi, phi_tanh, hard_sigmoid] {
                assert_eq!(gate(-a), 65536 - gate(a));
            }
        }
        for p in (0..u32::MAX - 99_991).step_by(99_991) {
            let grid = p & !0x3fff;
            assert_eq!(sin(grid), -sin(grid.wrapping_neg()), "{grid}");
        }
    }
}
