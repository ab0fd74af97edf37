//! Rounding, saturation and magnitude: what the other functions are made of.

/// Fractional bits of a fixed-point int32 value.
pub const FRACTION_BITS: u32 = 16;

/// Shift right by `s`, rounding half up; for `s <= 0` shift left.
///
/// `(x + 2^(s-1)) >> s` is the floor of `x / 2^s` plus the highest bit shifted out, which cannot overflow. A left shift
/// saturates to 64 bits: every user saturates to 32 bits after it.
pub fn rshr(x: i64, s: i32) -> i64 {
    match s {
        64.. => 0,
        1..=63 => (x >> s) + ((x >> (s - 1)) & 1),
        _ => shl_saturating(x, s.unsigned_abs()),
    }
}

fn shl_saturating(x: i64, by: u32) -> i64 {
    let wide = i128::from(x) << by.min(64);
    wide.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// Saturate to int32.
pub fn sat32(x: i64) -> i32 {
    x.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// Number of bits of `m` without leading zeros; 0 for 0.
pub fn bit_length(m: u64) -> i32 {
    (u64::BITS - m.leading_zeros()) as i32
}

/// Largest magnitude of a vector; 0 for an empty one, 2^31 for `i32::MIN`.
pub fn max_abs(x: &[i32]) -> u32 {
    x.iter().fold(0, |m, v| m.max(v.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rshr_rounds_half_up() {
        for (x, s, want) in
            [(5, 1, 3), (-5, 1, -2), (3, 2, 1), (2, 2, 1), (-2, 2, 0), (-3, 2, -1), (7, 0, 7), (-7, -3, -56)]
        {
            assert_eq!(rshr(x, s), want, "rshr({x}, {s})");
        }
    }

    #[test]
    fn rshr_is_the_formula_and_total() {
        for x in [0, 1, -1, 12345, -12345, i64::MAX, i64::MIN, i64::MAX - 1, 1 << 40] {
            for s in 1..64 {
                let formula = (i128::from(x) + (1i128 << (s - 1))) >> s;
                assert_eq!(i128::from(rshr(x, s)), formula, "rshr({x}, {s})");
            }
            for s in [i32::MIN, -200, -64, -1, 0, 64, 65, i32::MAX] {
                let y = rshr(x, s);
                assert!(y == 0 || s <= 0 && (y > 0) == (x > 0), "rshr({x}, {s})");
            }
        }
    }

    #[test]
    fn magnitude_of_the_lowest_word() {
        assert_eq!(max_abs(&[1, i32::MIN, 5]), 1 << 31);
        assert_eq!(max_abs(&[]), 0);
        assert_eq!(bit_length(0), 0);
        assert_eq!(bit_length(u64::MAX), 64);
    }
}
