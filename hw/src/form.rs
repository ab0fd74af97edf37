//! How rows of pruned weights lie in DRAM: with a position of two bits for each weight, as the weight buffer holds them, or with fewer.
//!
//! | name | positions | for each kept weight |
//! |---|---|---|
//! | `plain` | as in the buffer | 4 bits |
//! | `p3` | three bits for four columns of an output | 3.5 bits |
//! | `p3x4`, `p3x8` | the same, shared by 4 or 8 neighbouring outputs | 2.375, 2.1875 bits |
//!
//! Beats come in packets: [`POSITION_BEATS`] of positions, then those of the codes that they belong to. The load unit widens positions and
//! writes both parts of a row.
//!
//! To add a form: here its packet, in `tw_positions` its hardware.

use crate::machine::{BLOCK_BYTES, Machine, MachineError, rule};
use serde::{Deserialize, Serialize};

/// Beats of positions of a packet.
pub const POSITION_BEATS: u32 = 3;

/// How rows of pruned weights lie in DRAM; its number is the `form` field of loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum Form {
    /// As in the buffer; whatever else is loaded.
    #[default]
    Plain = 0,
    /// Three bits for four columns.
    P3 = 1,
    /// Three bits for four columns of four outputs.
    P3x4 = 2,
    /// Three bits for four columns of eight outputs.
    P3x8 = 3,
}

impl Form {
    /// All of them, by number.
    pub const ALL: [Form; 4] = [Form::Plain, Form::P3, Form::P3x4, Form::P3x8];
    /// Their names, by number.
    pub const NAMES: &'static [&'static str] = &["plain", "p3", "p3x4", "p3x8"];

    /// The form of a number.
    pub fn of(number: u32) -> Option<Form> {
        Form::ALL.get(number as usize).copied()
    }

    /// As machine files and assembly spell it.
    pub fn name(self) -> &'static str {
        Form::NAMES[self as usize]
    }

    /// Neighbouring outputs that share positions; none where positions lie as in the buffer.
    pub fn sharing(self) -> Option<u32> {
        match self {
            Form::Plain => None,
            Form::P3 => Some(1),
            Form::P3x4 => Some(4),
            Form::P3x8 => Some(8),
        }
    }

    /// Beats of codes of a packet.
    pub fn code_beats(self) -> Option<u32> {
        self.sharing().map(|outputs| 4 * outputs)
    }

    /// Blocks of DRAM that loads come in multiples of.
    pub fn blocks(self) -> u32 {
        self.code_beats().map_or(1, |codes| POSITION_BEATS + codes)
    }

    /// Bytes on chip of so many blocks of DRAM, a multiple of [`Form::blocks`].
    pub fn on_chip(self, blocks: u32) -> u64 {
        let codes = self.code_beats().map_or(1, |codes| 2 * codes);
        u64::from(blocks / self.blocks()) * u64::from(codes) * u64::from(BLOCK_BYTES)
    }
}

/// Positions of the two kept weights of four columns, for a code of three bits: the six ascending ones in order; the last one twice more.
pub fn positions(code: u32) -> [u32; 2] {
    [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3], [2, 3], [2, 3]][code as usize & 7]
}

/// A set of forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forms(u32);

impl Forms {
    /// The set of these forms; every machine loads plain rows.
    pub fn of(forms: &[Form]) -> Forms {
        Forms(forms.iter().fold(1, |set, f| set | 1 << *f as u32))
    }

    /// Whether the set has a form.
    pub fn has(self, form: Form) -> bool {
        self.0 >> form as u32 & 1 != 0
    }

    /// Its forms, by number.
    pub fn iter(self) -> impl Iterator<Item = Form> {
        Form::ALL.into_iter().filter(move |f| self.has(*f))
    }

    /// Bit f is form f, without that of plain rows.
    pub fn bits(self) -> u32 {
        self.0 & !1
    }
}

/// The line of forms in a machine's canonical text; none without them.
pub(crate) fn canonical(forms: &[Form]) -> String {
    let names: Vec<&str> = forms.iter().map(|f| f.name()).collect();
    if names.is_empty() { String::new() } else { format!("load.forms={names:?}\n") }
}

/// Whether a machine can have its forms.
///
/// # Errors
/// They are out of order, no mode has positions, or rows do not suit the beats.
pub(crate) fn verify(machine: &Machine) -> Result<(), MachineError> {
    let (forms, m, beat) = (&machine.load.forms, &machine.matrix, machine.memory.beat_bytes);
    let Some(last) = forms.last() else { return Ok(()) };
    rule(
        "load.forms",
        forms.is_sorted_by(|a, b| a < b) && !forms.contains(&Form::Plain),
        "forms are twice there, or out of order, or `plain`, which every machine has",
        &format!("list some of {:?} in this order", &Form::NAMES[1..]),
    )?;
    rule(
        "load.forms",
        m.modes.iter().any(|mode| mode.pruned()),
        "only rows of w2p and s2p have positions, and the machine has neither",
        "add one of them to matrix.modes, or leave load.forms out",
    )?;
    let (outputs, lanes) = (m.outputs.next_power_of_two(), m.lanes.next_power_of_two());
    rule(
        "load.forms",
        outputs * lanes / 4 >= beat,
        &format!(
            "a row has {} bytes of codes, less than a beat of {beat}, and codes and positions of a beat are written at once",
            outputs * lanes / 4
        ),
        "raise matrix.outputs or matrix.lanes, or leave load.forms out",
    )?;
    let (sharing, of_beat) = (last.sharing().unwrap_or(1), 4 * beat / lanes);
    rule(
        "load.forms",
        of_beat >= sharing,
        &format!("a beat has codes of {of_beat} outputs, and {sharing} share positions"),
        "lower matrix.lanes, or leave that form out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::column;

    #[test]
    fn numbers_names_and_files_agree() {
        for (i, form) in Form::ALL.into_iter().enumerate() {
            assert_eq!((form as usize, Form::of(i as u32)), (i, Some(form)));
            let file = toml::Value::try_from(form).unwrap();
            assert_eq!(file.as_str(), Some(form.name()));
        }
        assert_eq!(Form::ALL.map(Form::blocks), [1, 7, 19, 35]);
        assert_eq!(Form::ALL.map(|f| f.on_chip(f.blocks())), [64, 512, 2048, 4096]);
    }

    #[test]
    fn every_pair_of_columns_has_a_code() {
        let mut pairs: Vec<_> = (0..8).map(positions).collect();
        pairs.dedup();
        let all: Vec<_> = (0..4).flat_map(|a| (a + 1..4).map(move |b| [a, b])).collect();
        assert_eq!(pairs, all);
        // They mean themselves.
        assert!(all.iter().all(|&[a, b]| [column(0, a), column(1, b)] == [a, b]));
    }

    #[test]
    fn rows_that_do_not_suit_are_refused() {
        let mut machine = crate::presets::load("paired").unwrap();
        let refused = |machine: &Machine| machine.verify().unwrap_err().why;
        machine.load.forms = vec![Form::P3x4, Form::P3];
        assert!(refused(&machine).contains("out of order"));
        machine.load.forms = vec![Form::P3, Form::P3x8];
        machine.verify().unwrap();
        machine.memory.beat_bytes = 64;
        assert!(refused(&machine).contains("less than a beat of 64"));
        let mut none = crate::presets::load("quads").unwrap();
        none.load.forms = vec![Form::P3];
        assert!(refused(&none).contains("neither"));
    }
}
