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

/// Bits of the number of an access that are bits of a field.
#[derive(Debug, Clone, Copy)]
struct Part {
    shift: u32,
    mask: u64,
    /// Their place in the field.
    at: u32,
}

/// The address map of a channel; accesses are numbered by address.
#[derive(Debug, Clone)]
pub(super) struct Map {
    group: Vec<Part>,
    /// Of the group.
    bank: Vec<Part>,
    row: Vec<Part>,
    column: Vec<Part>,
    banks: usize,
    /// Group and bank by the lowest bits of an access, if these alone say them.
    of_way: Vec<(usize, usize)>,
    /// Consecutive accesses before the map comes back to a bank.
    pub ways: u64,
    /// Accesses of an aligned run in which every way stays in one row.
    run: u64,
}

impl Map {
    pub fn new(device: &Device) -> Map {
        let fields = &device.controller.map;
        let is_way = |(field, _): &&(Field, u32)| matches!(field, Field::Group | Field::Bank);
        let low: u32 = fields.iter().take_while(is_way).map(|(_, bits)| bits).sum();
        let columns = fields.iter().skip_while(|f| is_way(f)).take_while(|(f, _)| *f == Field::Column);
        let run = low + columns.map(|(_, bits)| bits).sum::<u32>();
        let parts = |of: Field| {
            let (mut shift, mut at, mut parts) = (0, 0, Vec::new());
            for (field, bits) in fields {
                if *field == of {
                    parts.push(Part { shift, mask: (1 << bits) - 1, at });
                    at += bits;
                }
                shift += bits;
            }
            parts
        };
        let mut map = Map {
            group: parts(Field::Group),
            bank: parts(Field::Bank),
            row: parts(Field::Row),
            column: parts(Field::Column),
            banks: device.organisation.banks as usize,
            of_way: Vec::new(),
            ways: 1 << low,
            run: 1 << run,
        };
        let low_only = |parts: &[Part]| parts.iter().all(|part| part.shift < low);
        if low_only(&map.group) && low_only(&map.bank) {
            map.of_way = (0..map.ways).map(|way| map.way(way)).collect();
        }
        map
    }

    /// Group and bank.
    fn way(&self, access: u64) -> (usize, usize) {
        let group = value(&self.group, access) as usize;
        (group, group * self.banks + value(&self.bank, access) as usize)
    }

    pub fn place(&self, access: u64) -> Place {
        let known = self.of_way.get((access & (self.ways - 1)) as usize);
        let (group, bank) = known.copied().unwrap_or_else(|| self.way(access));
        Place { group, bank, row: value(&self.row, access), column: value(&self.column, access) }
    }

    /// The first access behind the run of this one.
    pub fn run_end(&self, access: u64) -> u64 {
        (access | (self.run - 1)) + 1
    }
}

fn value(parts: &[Part], access: u64) -> u64 {
    parts.iter().fold(0, |v, p| v | (access >> p.shift & p.mask) << p.at)
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
