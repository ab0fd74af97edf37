//! A scale found at run time: 16-bit mantissa and exponent.

use super::basic::bit_length;

/// `mantissa * 2^exponent`, mantissa in [2^15, 2^16) where it comes from [`norm16`] or the quantiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scale {
    /// Significand.
    pub mantissa: u16,
    /// Power of two.
    pub exponent: i8,
}

impl Scale {
    /// The scale with its exponent saturated to 8 bits.
    pub fn saturated(mantissa: u16, exponent: i32) -> Scale {
        Scale { mantissa, exponent: exponent.clamp(i8::MIN.into(), i8::MAX.into()) as i8 }
    }

    /// The 32-bit scale word: mantissa in bits 15:0, exponent in 23:16, zero above.
    pub fn word(self) -> u32 {
        u32::from(self.mantissa) | u32::from(self.exponent as u8) << 16
    }

    /// The scale in a scale word; bits 31:24 are not looked at.
    pub fn from_word(word: u32) -> Scale {
        Scale { mantissa: word as u16, exponent: (word >> 16) as u8 as i8 }
    }

    /// `self * 2^by`, exponent saturated.
    pub fn times_pow2(self, by: i32) -> Scale {
        Scale::saturated(self.mantissa, i32::from(self.exponent).saturating_add(by))
    }

    /// The value, exactly.
    pub fn to_f64(self) -> f64 {
        f64::from(self.mantissa) * f64::from(self.exponent).exp2()
    }
}

/// The smallest scale that is not below `m`; (2^15, -15) for 0.
///
/// Rounding up keeps the largest element of a vector inside its code range.
pub fn norm16(m: u64) -> Scale {
    let bits = bit_length(m);
    if m == 0 {
        return Scale { mantissa: 1 << 15, exponent: -15 };
    }
    if bits <= 16 {
        return Scale::saturated((m << (16 - bits)) as u16, bits - 16);
    }
    let mantissa = ((m - 1) >> (bits - 16)) + 1;
    match u16::try_from(mantissa) {
        Ok(mantissa) => Scale::saturated(mantissa, bits - 16),
        Err(_) => Scale::saturated(1 << 15, bits - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norm16_cases() {
        let cases = [
            (0, 1 << 15, -15),
            (1, 1 << 15, -15),
            (3, 3 << 14, -14),
            (0xffff, 0xffff, 0),
            (0x10000, 1 << 15, 1),
            (0x10001, 0x8001, 1),
            (0x1ffff, 1 << 15, 2),
            (1 << 31, 1 << 15, 16),
            (u64::MAX, 1 << 15, 49),
        ];
        for (m, mantissa, exponent) in cases {
            assert_eq!(norm16(m), Scale { mantissa, exponent }, "norm16({m})");
        }
    }

    #[test]
    fn norm16_is_the_least_upper_scale() {
        let around = (0..63).flat_map(|b| [(1u64 << b) - 1, 1 << b, (1 << b) + 1, (1 << b) * 3 / 2 + 7]);
        for m in around.filter(|&m| m > 0) {
            let s = norm16(m);
            let (mant, e) = (i128::from(s.mantissa), i32::from(s.exponent));
            assert!(mant >= 1 << 15);
            let scaled = |mant: i128| if e >= 0 { mant << e } else { mant >> -e };
            assert!(scaled(mant) >= i128::from(m), "{m}");
            assert!(e <= 0 || scaled(mant - 1) < i128::from(m), "{m}");
        }
    }

    #[test]
    fn words_round_trip() {
        for scale in [norm16(0), norm16(12345), Scale { mantissa: 0xffff, exponent: -128 }, Scale::default()]
        {
            assert_eq!(Scale::from_word(scale.word()), scale);
        }
        assert_eq!(Scale { mantissa: 0x8001, exponent: -1 }.word(), 0x00ff_8001);
        assert_eq!(Scale::saturated(5, 1000).exponent, 127);
        assert_eq!(norm16(1).times_pow2(-500).exponent, -128);
    }
}
