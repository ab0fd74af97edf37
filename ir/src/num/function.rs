//! Non-linear functions of one number: a table of correctly rounded points and a line between two of them.
//!
//! The chord of a convex function is off by at most `h^2 / 8 * max|f''|` for a segment of width `h` (standard bound of
//! linear interpolation); rounding of the points and of the line add at most one more unit. [`super::error`] states
//! the worst error of each function; tests measure it over every input.

use super::basic::{rshr, sat32};
use super::scale::Scale;
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

/// `log2(e)`, 17 fractional bits.
const LOG2_E: i64 = 189_097;

/// About `2^16 * e^a`, a with 16 fractional bits; the largest word from about `15 * ln(2)` on, 0 below `-17 * ln(2)`. By the table of
/// [`exp2n`].
pub fn exp(a: i32) -> i32 {
    let d = (-LOG2_E * i64::from(a)) >> 17;
    let (whole, part) = ((d >> 16) as i32, (d & 0xffff) as u32);
    let power = 2 * i64::from(linear(&tables::EXP2, (part >> 8) as usize, part & 0xff, 8));
    match whole {
        ..=-16 => i32::MAX,
        // Its point 0 would be 2^31 at the upper end.
        -15..=-1 => rshr(power.min(65535), whole) as i32,
        0..=16 => rshr(power, whole) as i32,
        _ => 0,
    }
}

/// About `2^16 * ln(1 + e^a)`, a with 16 fractional bits: `max(a, 0)` and what the other sign has, 0 beyond 16. Segments on
/// `|a| >> 12`.
pub fn softplus(a: i32) -> i32 {
    let m = a.unsigned_abs();
    let tail = if m >> 12 >= 256 { 0 } else { linear(&tables::SOFTPLUS, (m >> 12) as usize, m & 0xfff, 12) };
    sat32(i64::from(a.max(0)) + i64::from(tail))
}

/// Leading zeros of a word, and without them its 20 bits behind the leading one: segment and place in it.
fn leading(m: u32) -> (i32, usize, u32) {
    let zeros = m.leading_zeros().min(31);
    let shifted = m << zeros;
    (zeros as i32, (shifted >> 23 & 0xff) as usize, shifted >> 11 & 0xfff)
}

/// About `2^32 / a`: the reciprocal with 16 fractional bits on both sides. Up to 2 in magnitude the end of the words on the side of
/// a, for 0 the upper one. Segments on 8 bits behind the leading one.
pub fn reciprocal(a: i32) -> i32 {
    let m = a.unsigned_abs();
    if m <= 2 {
        return if a < 0 { i32::MIN } else { i32::MAX };
    }
    let (zeros, segment, frac) = leading(m);
    let magnitude = i64::from(linear(&tables::RECIP, segment, frac, 12));
    rshr(if a < 0 { -magnitude } else { magnitude }, 15 - zeros) as i32
}

/// About `2^16 * log2(n / 2^16)` for n of at least 2^16. Segments on 8 bits behind the leading one.
pub fn log2(n: u32) -> u32 {
    let (zeros, segment, frac) = leading(n);
    (((15 - zeros).max(0) as u32) << 16) + linear(&tables::LOG2, segment, frac, 12)
}

/// Polishing of activations before they are quantised (LogNP): about `2^16 * sign(x) * log2(1 + |x| / w)`, x = a / 2^16, which is
/// `sign(x) * (log2(|x| + w) - log2(w))`. The scale is `1 / w`, with an exponent of 0 at most; `|x| / w` ends at 2^15.
pub fn log_np(a: i32, scale: Scale) -> i32 {
    let product = i64::from(a) * i64::from(scale.mantissa);
    let ratio = rshr(product, -i32::from(scale.exponent.min(0))).unsigned_abs().min(1 << 31);
    let t = log2((1 << 16) + ratio as u32) as i32;
    if a < 0 { -t } else { t }
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
    fn corners_of_functions_of_one_element() {
        // From the first element whose exponential is no word.
        assert_eq!([681_391, 681_392, i32::MAX].map(exp), [65535 << 15, i32::MAX, i32::MAX]);
        assert_eq!([0, 1, -(12 << 16), i32::MIN].map(exp), [65536, 65536, 0, 0]);
        assert_eq!([0, 1 << 20, i32::MAX, -(1 << 20)].map(softplus), [45426, 1 << 20, i32::MAX, 0]);
        assert_eq!(
            [0, 1, 2, 3, 1 << 16].map(reciprocal),
            [i32::MAX, i32::MAX, i32::MAX, 1_431_666_688, 1 << 16]
        );
        assert_eq!([-1, -2, -3, i32::MIN].map(reciprocal), [i32::MIN, i32::MIN, -1_431_666_688, -2]);
        assert_eq!([1 << 16, 3 << 15, u32::MAX].map(log2), [0, 38336, 16 << 16]);
        let one = Scale { mantissa: 1 << 15, exponent: -15 };
        assert_eq!([1 << 16, -(3 << 16), 0].map(|a| log_np(a, one)), [1 << 16, -(2 << 16), 0]);
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
