//! Operand modes of the matrix engine: how a row of the weight buffer becomes signed 8-bit operands.
//!
//! | mode | code | row holds, one after the other |
//! |---|---|---|
//! | `w2` | 2 bits, level 2c - 3: -3, -1, 1, 3 | lanes of output 0, of output 1, ... |
//! | `s2` | 2 bits, signed: -2 to 1 | the same |
//! | `w4`, `w8` | signed, 4 or 8 bits | the same; an output fills whole bytes |
//! | `v4`, `v8` | signed, 4 or 8 bits | outputs of lane 0, of lane 1, ...; a lane fills whole bytes |
//! | `w2p`, `s2p` | as `w2`, `s2` | codes as in `w2`, then in the same order the position of each, 2 bits |
//!
//! The last two are 2:4 pruned: of every four columns of K two weights are kept. Lanes 2j and 2j+1 of an output hold those of
//! the columns 4j to 4j+3 of a step, which covers twice the lanes ([`column()`]).
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
    /// 2:4 pruned: two codes of odd levels for four columns.
    W2P = 6,
    /// 2:4 pruned: two signed 2-bit codes for four columns.
    S2P = 7,
}

impl Mode {
    /// All of them, by number.
    pub const ALL: [Mode; 8] =
        [Mode::W2, Mode::S2, Mode::W4, Mode::W8, Mode::V4, Mode::V8, Mode::W2P, Mode::S2P];
    /// Their names, by number.
    pub const NAMES: &'static [&'static str] = &["w2", "s2", "w4", "w8", "v4", "v8", "w2p", "s2p"];

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
            Mode::W2 | Mode::S2 | Mode::W2P | Mode::S2P => 2,
            Mode::W4 | Mode::V4 => 4,
            Mode::W8 | Mode::V8 => 8,
        }
    }

    /// Whether a row goes lane by lane, not output by output.
    pub fn by_lane(self) -> bool {
        matches!(self, Mode::V4 | Mode::V8)
    }

    /// Whether it keeps two weights of every four columns.
    pub fn pruned(self) -> bool {
        matches!(self, Mode::W2P | Mode::S2P)
    }

    /// Activation rows that a step multiplies.
    pub fn a_rows(self) -> u32 {
        1 + u32::from(self.pruned())
    }

    /// The mode of such codes where two of every four columns are pruned.
    pub fn kept(self) -> Option<Mode> {
        match self {
            Mode::W2 => Some(Mode::W2P),
            Mode::S2 => Some(Mode::S2P),
            _ => None,
        }
    }

    /// The mode of cached keys, or of cached values, of so many bits.
    pub fn of_cache(bits: u32, values: bool) -> Option<Mode> {
        let fits = |m: &Mode| m.bits() == bits && m.bits() > 2 && m.by_lane() == values;
        Mode::ALL.into_iter().find(fits)
    }
}

/// The column of a step that a lane of a pruned mode multiplies. The lower lane of four columns reaches the first three, the
/// upper one the last three: a position beyond counts as the nearest.
pub fn column(lane: u32, position: u32) -> u32 {
    lane / 2 * 4 + if lane % 2 == 0 { position.min(2) } else { position.max(1) }
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

    /// Most activation rows that a step multiplies.
    pub fn a_rows(self) -> u32 {
        self.iter().map(Mode::a_rows).max().unwrap_or(1)
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
        assert_eq!(Mode::of(8), None);
        assert_eq!(Mode::of_cache(4, false), Some(Mode::W4));
        assert_eq!(Mode::of_cache(8, true), Some(Mode::V8));
        assert_eq!(Mode::of_cache(2, false), None);
        assert_eq!(
            Mode::ALL.map(Mode::kept).into_iter().flatten().collect::<Vec<_>>(),
            [Mode::W2P, Mode::S2P]
        );
    }

    #[test]
    fn a_lane_reaches_three_of_its_four_columns() {
        let columns = |lane| (0..4).map(|position| column(lane, position)).collect::<Vec<_>>();
        assert_eq!([columns(0), columns(1), columns(6)], [[0, 1, 2, 2], [1, 1, 2, 3], [12, 13, 14, 14]]);
    }
}
