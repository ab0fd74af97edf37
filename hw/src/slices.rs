//! Slices: copies of the machine behind one sequencer.

use crate::machine::{MachineError, range};
use serde::{Deserialize, Serialize};

/// Slices in lockstep: each has load and store unit, buffers, engines and a memory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slices {
    /// How many there are.
    pub count: u32,
    /// Cycles from what each slice has found to what all of them know.
    pub crossing: u32,
}

impl Default for Slices {
    fn default() -> Slices {
        Slices { count: 1, crossing: 0 }
    }
}

impl Slices {
    /// Whether there is one only.
    pub fn alone(&self) -> bool {
        self.count == 1
    }

    pub(crate) fn verify(&self) -> Result<(), MachineError> {
        range("slices.count", self.count, 1, 32)?;
        let least = u64::from(self.count.next_power_of_two().ilog2());
        range("slices.crossing", self.crossing, least, if self.alone() { 0 } else { 32 })
    }
}
