//! The matrix engine: operand decoding, exact group sums, scaled accumulation and the epilogue.

use super::basic::sat32;
use super::scale::Scale;

/// Level of a 2-bit weight code: -3, -1, 1, 3. Only the low two bits count.
pub fn weight_level(code: u8) -> i8 {
    2 * (code & 3) as i8 - 3
}

/// A signed code in the low `bits` bits, 1 to 8, sign extended.
pub fn signed_code(code: u8, bits: u32) -> i8 {
    ((code << (8 - bits)) as i8) >> (8 - bits)
}

/// Sum of products of bytes, or of 16-bit words: exact as long as it stays inside of 32 bits (2^16 products of -128 * -128
/// do).
pub fn dot<T: Copy + Into<i32>>(a: &[T], w: &[T]) -> i32 {
    a.iter().zip(w).fold(0, |sum, (&a, &w)| sum.wrapping_add(a.into().wrapping_mul(w.into())))
}

/// Adds a group sum times its group scale.
pub fn accumulate(acc: i64, group_scale: u8, sum: i32) -> i64 {
    acc.wrapping_add(i64::from(group_scale) * i64::from(sum))
}

/// What an accumulator of `bits` (1..=64) bits holds: two's complement, wrapped. The compiler
/// refuses networks whose sums could wrap; a program by hand may let them.
pub fn wrap(acc: i64, bits: u32) -> i64 {
    let spare = 64 - bits.clamp(1, 64);
    acc << spare >> spare
}

/// Channel scale times token scale times accumulator, rounded half up, saturated to int32.
///
/// With `shift - exp_C - exp_S < 0` every accumulator but 0 leaves the int32 range, because a product of two mantissas
/// is 2^30 or more; the hardware has no left shifter and saturates by sign.
pub fn epilogue(acc: i64, channel: Scale, token: Scale, shift: i32) -> i32 {
    let exponents = i32::from(channel.exponent) + i32::from(token.exponent);
    let product = i128::from(acc) * i128::from(u32::from(channel.mantissa) * u32::from(token.mantissa));
    match shift.saturating_sub(exponents) {
        ..0 => [i32::MIN, 0, i32::MAX][(acc.signum() + 1) as usize],
        0 => saturate(product),
        s @ 1..=100 => saturate((product >> s) + ((product >> (s - 1)) & 1)),
        _ => 0,
    }
}

fn saturate(x: i128) -> i32 {
    x.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// The epilogue's residual input: added after rounding, saturated again.
pub fn residual(y: i32, res: i32) -> i32 {
    sat32(i64::from(y) + i64::from(res))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands() {
        assert_eq!([0, 1, 2, 3, 7].map(weight_level), [-3, -1, 1, 3, 3]);
        assert_eq!([0, 7, 8, 15, 0xf9].map(|c| signed_code(c, 4)), [0, 7, -8, -1, -7]);
        assert_eq!(dot(&[-128i8; 65536], &[-128; 65536]), 1 << 30);
        assert_eq!(dot(&[-255i16; 3], &[255, 2, -1]), -255 * 256);
        assert_eq!(wrap((1 << 39) + 5, 40), -(1 << 39) + 5);
        assert_eq!(wrap(-7, 64), -7);
    }

    #[test]
    fn epilogue_rounds_and_saturates() {
        let one = Scale { mantissa: 1 << 15, exponent: -15 };
        assert_eq!(epilogue(1234, one, one, 0), 1234);
        assert_eq!([3, 1, -1, -3].map(|x| epilogue(x, one, one, 1)), [2, 1, 0, -1]);
        assert_eq!(epilogue(1 << 38, one, one, 0), i32::MAX);
        let high = Scale { mantissa: 0xffff, exponent: 127 };
        assert_eq!([-5, 0, 5].map(|x| epilogue(x, high, high, i32::MIN)), [i32::MIN, 0, i32::MAX]);
        let low = Scale { mantissa: 0xffff, exponent: -128 };
        assert_eq!([i64::MIN, i64::MAX].map(|x| epilogue(x, low, low, i32::MAX)), [0, 0]);
        assert_eq!(residual(i32::MIN, -1), i32::MIN);
    }

    #[test]
    fn a_negative_shift_saturates_as_the_exact_product_would() {
        let scale = Scale { mantissa: 1 << 15, exponent: 0 };
        for acc in [-1i64, 1, -(1 << 39), (1 << 39) - 1] {
            let exact = (i128::from(acc) << 31).clamp(i32::MIN.into(), i32::MAX.into());
            assert_eq!(i128::from(epilogue(acc, scale, scale, -1)), exact);
        }
    }
}
