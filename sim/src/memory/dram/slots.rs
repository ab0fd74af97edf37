//! Slots of the command buses: column commands at multiples of a slot, row commands a fixed distance behind.
//!
//! Column commands are issued in order, so only row commands, which look ahead, need a list of what is taken.

use hw::dram::Organisation;
use std::collections::VecDeque;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slots {
    /// A power of two.
    slot: u64,
    row: u64,
    /// Clocks of row commands that may still matter, ascending.
    taken: VecDeque<u64>,
}

impl Slots {
    pub fn new(organisation: &Organisation) -> Slots {
        let (slot, row) = (organisation.slot_clocks().into(), organisation.row_slot().into());
        Slots { slot, row, taken: VecDeque::new() }
    }

    /// The first slot for a column command from `clock` on.
    pub fn column(&self, clock: u64) -> u64 {
        (clock + self.slot - 1) & !(self.slot - 1)
    }

    /// The first slot for a row command from `clock` on, whether it is taken or not.
    pub fn row(&self, clock: u64) -> u64 {
        self.column(clock.saturating_sub(self.row)) + self.row
    }

    /// The last slot for a row command up to `clock`.
    pub fn row_before(&self, clock: u64) -> u64 {
        clock.saturating_sub(self.row) / self.slot * self.slot + self.row
    }

    /// The first free slot for a row command from `clock` on.
    pub fn free_row(&self, clock: u64) -> u64 {
        let mut free = self.row(clock);
        for &taken in &self.taken {
            if taken == free {
                free += self.slot;
            }
        }
        free
    }

    /// Takes a free slot.
    pub fn take(&mut self, clock: u64) {
        let behind = self.taken.iter().rev().take_while(|t| **t > clock).count();
        self.taken.insert(self.taken.len() - behind, clock);
    }

    /// No row command will be asked for before `clock`.
    pub fn forget_before(&mut self, clock: u64) {
        while self.taken.front().is_some_and(|t| *t < clock) {
            self.taken.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_commands_take_free_slots_behind_those_of_columns() {
        let lpddr4 = hw::dram::Dram::preset("lpddr4").unwrap();
        let mut slots = Slots::new(&lpddr4.device.organisation);
        assert_eq!((slots.column(17), slots.row(3), slots.row(5), slots.row_before(11)), (24, 4, 12, 4));
        for clock in [20, 4, 12] {
            slots.take(clock);
        }
        assert_eq!((slots.free_row(1), slots.free_row(13), slots.free_row(21)), (28, 28, 28));
        slots.forget_before(13);
        assert_eq!(slots.free_row(1), 4);
    }
}
