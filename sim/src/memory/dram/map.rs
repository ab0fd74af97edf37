//! From addresses to banks and rows.

use hw::dram::{Device, Field};

/// Where an access goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub group: usize,
    /// Among the banks of all groups.
    pub bank: usize,
    pub row: u64,
    pub column: u64,
}

/// The address map of a channel; accesses are numbered by address.
#[derive(Debug, Clone)]
pub(super) struct Map {
    fields: Vec<(Field, u32)>,
    banks: usize,
    /// Consecutive accesses before the map comes back to a bank.
    pub ways: u64,
    /// Accesses of an aligned run in which every way stays in one row.
    run: u64,
}

impl Map {
    pub fn new(device: &Device) -> Map {
        let fields = device.controller.map.clone();
        let is_way = |(field, _): &&(Field, u32)| matches!(field, Field::Group | Field::Bank);
        let low: u32 = fields.iter().take_while(is_way).map(|(_, bits)| bits).sum();
        let columns = fields.iter().skip_while(|f| is_way(f)).take_while(|(f, _)| *f == Field::Column);
        let run = low + columns.map(|(_, bits)| bits).sum::<u32>();
        Map { fields, banks: device.organisation.banks as usize, ways: 1 << low, run: 1 << run }
    }

    pub fn place(&self, access: u64) -> Place {
        let mut left = access;
        let (mut group, mut bank, mut row, mut column) = ((0, 0), (0, 0), (0, 0), (0, 0));
        for (field, bits) in &self.fields {
            let (value, filled) = match field {
                Field::Group => &mut group,
                Field::Bank => &mut bank,
                Field::Row => &mut row,
                Field::Column => &mut column,
            };
            *value |= (left & ((1 << bits) - 1)) << *filled;
            *filled += bits;
            left >>= bits;
        }
        let group = group.0 as usize;
        Place { group, bank: group * self.banks + bank.0 as usize, row: row.0, column: column.0 }
    }

    /// The first access behind the run of this one.
    pub fn run_end(&self, access: u64) -> u64 {
        (access / self.run + 1) * self.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw::dram::{Dram, PRESETS};
    use std::collections::HashSet;

    #[test]
    fn accesses_meet_different_places_and_runs_stay_in_their_rows() {
        for (name, _) in PRESETS {
            let device = Dram::preset(name).unwrap().device;
            let (map, mut seen) = (Map::new(&device), HashSet::new());
            let (mut run, mut rows) = (0, HashSet::new());
            for access in 0..1 << 14 {
                let at = map.place(access);
                assert!(seen.insert((at.bank, at.row, at.column)), "{name}: {access}");
                assert_eq!(at.bank / device.organisation.banks as usize, at.group);
                if access == run {
                    run = map.run_end(access);
                    rows.clear();
                }
                rows.insert((at.bank, at.row));
                assert!(rows.len() as u64 <= map.ways, "{name}: {access}");
            }
        }
    }
}
