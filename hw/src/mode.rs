//! Operand modes of the matrix engine: how a row of the weight buffer becomes signed 8-bit operands.
//!
//! | mode | code | row holds, one after the other |
//! |---|---|---|
//! | `w2` | 2 bits, level 2c - 3: -3, -1, 1, 3 | lanes of output 0, of output 1, ... |
//! | `s2` | 2 bits, signed: -2 to 1 | the same |
//! | `w4`, `w8` | signed, 4 or 8 bits | the same; an output fills whole bytes |
//! | `v4`, `v8` | signed, 4 or 8 bits | outputs of lane 0, of lane 1, ...; a lane fills whole bytes |
//!
//! To add a mode: here its code and layout, in `sim::functional` and `tw_weight_decode` its decoding.

use serde::{Deserialize, Serialize};

/// An operand mode; its number is the `mode` field of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum Mode {
    /// 2-bit codes of odd levels.
    W2 = 0,
    /// Signed 2-bit codes.
    S2 = 1,
    /// Signed 4-bit codes; cached keys, too.
    W4 = 2,
    /// Signed 8-bit codes; cached keys, too.
    W8 = 3,
    /// Signed 4-bit codes by lane: cached values.
    V4 = 4,
    /// Signed 8-bit codes by lane: cached values.
    V8 = 5,
}

impl Mode {
    /// All of them, by number.
    pub const ALL: [Mode; 6] = [Mode::W2, Mode::S2, Mode::W4, Mode::W8, Mode::V4, Mode::V8];
    /// Their names, by number.
    pub const NAMES: &'static [&'static str] = &["w2", "s2", "w4", "w8", "v4", "v8"];

    /// The mode of a number.
    pub fn of(number: u32) -> Option<Mode> {
        Mode::ALL.get(number as usize).copied()
    }

    /// As machine files and assembly spell it.
    pub fn name(self) -> &'static str {
        Mode::NAMES[self as usize]
    }

    /// Bits of a code.
    pub fn bits(self) -> u32 {
        match self {
            Mode::W2 | Mode::S2 => 2,
            Mode::W4 | Mode::V4 => 4,
            Mode::W8 | Mode::V8 => 8,
        }
    }

    /// Whether a row goes lane by lane, not output by output.
    pub fn by_lane(self) -> bool {
        matches!(self, Mode::V4 | Mode::V8)
    }

    /// The mode of cached keys, or of cached values, of so many bits.
    pub fn of_cache(bits: u32, values: bool) -> Option<Mode> {
        let fits = |m: &Mode| m.bits() == bits && m.bits() > 2 && m.by_lane() == values;
        Mode::ALL.into_iter().find(fits)
    }
}

/// A set of modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modes(u32);

impl Modes {
    /// The set of these modes.
    pub fn of(modes: &[Mode]) -> Modes {
        Modes(modes.iter().fold(0, |set, m| set | 1 << *m as u32))
    }

    /// Whether the set has a mode.
    pub fn has(self, mode: Mode) -> bool {
        self.0 >> mode as u32 & 1 != 0
    }

    /// Its modes, by number.
    pub fn iter(self) -> impl Iterator<Item = Mode> {
        Mode::ALL.into_iter().filter(move |m| self.has(*m))
    }

    /// Bit m is mode m.
    pub fn bits(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_files_agree() {
        for (i, mode) in Mode::ALL.into_iter().enumerate() {
            assert_eq!((mode as usize, Mode::of(i as u32)), (i, Some(mode)));
            let file = toml::Value::try_from(mode).unwrap();
            assert_eq!(file.as_str(), Some(mode.name()));
        }
        assert_eq!(Mode::of(6), None);
        assert_eq!(Mode::of_cache(4, false), Some(Mode::W4));
        assert_eq!(Mode::of_cache(8, true), Some(Mode::V8));
        assert_eq!(Mode::of_cache(2, false), None);
    }
}
