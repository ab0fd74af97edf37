//! Who touched what last: the dependences of steps, in time linear in the ranges that they touch.
//!
//! Each memory is a map of disjoint ranges, each with its last writer and the last reader of each unit since. A writer
//! waits for them, so it replaces them: who comes after the writer comes after them. For the ports of vector banks the
//! last user of each unit is kept.

use super::{Access, Memory, Step};
use std::collections::BTreeMap;

/// For each unit the latest step, by its number.
pub type Latest = [Option<usize>; 4];

#[derive(Debug, Clone, Copy)]
struct Range {
    to: u32,
    /// Unit and step.
    writer: Option<(usize, usize)>,
    readers: Latest,
}

/// What was touched so far.
#[derive(Debug, Default)]
pub struct Touched {
    memories: BTreeMap<Memory, BTreeMap<u32, Range>>,
    /// Of the read and the write port of a vector bank.
    ports: BTreeMap<(Memory, bool), Latest>,
}

/// The unit of a step, as an index.
pub fn unit_of(step: &Step) -> usize {
    step.unit().queue().unwrap_or(0)
}

impl Touched {
    /// The steps that `step` has to wait for: of other units those with which it shares data, one of them writing, or a
    /// port; of its own unit the one whose results it reads. Steps that those waited for may be left out.
    pub fn sources(&self, step: &Step) -> Latest {
        let own = unit_of(step);
        let mut found = Latest::default();
        let mut add = |unit: usize, at: usize| found[unit] = found[unit].max(Some(at));
        for access in &step.accesses {
            let users = self.ports.get(&(access.memory, access.write)).into_iter().flatten();
            users.enumerate().filter(|u| u.0 != own).for_each(|(u, at)| at.iter().for_each(|&at| add(u, at)));
            for range in self.overlapping(access) {
                if let Some((unit, at)) = range.writer.filter(|w| w.0 != own || !access.write) {
                    add(unit, at);
                }
                let readers = range.readers.iter().enumerate().filter(|r| access.write && r.0 != own);
                readers.for_each(|(unit, at)| at.iter().for_each(|&at| add(unit, at)));
            }
        }
        found
    }

    fn overlapping(&self, access: &Access) -> impl Iterator<Item = &Range> {
        let map = self.memories.get(&access.memory);
        map.into_iter().flat_map(|map| {
            let before = map.range(..access.from).next_back().filter(|(_, r)| r.to > access.from);
            before.into_iter().chain(map.range(access.from..access.to)).map(|(_, range)| range)
        })
    }

    /// Notes the accesses of a step, numbered `at`, higher than all before it.
    pub fn record(&mut self, step: &Step, at: usize) {
        let unit = unit_of(step);
        // What a step reads and writes itself is written in the end.
        for write in [false, true] {
            for access in step.accesses.iter().filter(|a| a.write == write && a.from < a.to) {
                if let Memory::V(_) = access.memory {
                    self.ports.entry((access.memory, write)).or_default()[unit] = Some(at);
                }
                let map = self.memories.entry(access.memory).or_default();
                split(map, access.from);
                split(map, access.to);
                match write {
                    true => overwrite(map, access, (unit, at)),
                    false => read(map, access, (unit, at)),
                }
            }
        }
    }

    /// Forgets a memory's data.
    pub fn forget(&mut self, memory: Memory) {
        self.memories.remove(&memory);
    }
}

/// Makes `at` a border between ranges.
fn split(map: &mut BTreeMap<u32, Range>, at: u32) {
    let Some((_, range)) = map.range_mut(..at).next_back() else { return };
    if range.to > at {
        let rest = *range;
        range.to = at;
        map.insert(at, rest);
    }
}

fn overwrite(map: &mut BTreeMap<u32, Range>, access: &Access, writer: (usize, usize)) {
    while let Some((&key, _)) = map.range(access.from..access.to).next() {
        map.remove(&key);
    }
    map.insert(access.from, Range { to: access.to, writer: Some(writer), readers: Latest::default() });
}

fn read(map: &mut BTreeMap<u32, Range>, access: &Access, (unit, at): (usize, usize)) {
    let mut readers = Latest::default();
    readers[unit] = Some(at);
    let (mut gaps, mut next) = (Vec::new(), access.from);
    for (&from, range) in map.range_mut(access.from..access.to) {
        if from > next {
            gaps.push((next, from));
        }
        range.readers[unit] = Some(at);
        next = range.to;
    }
    gaps.extend((next < access.to).then_some((next, access.to)));
    map.extend(gaps.into_iter().map(|(from, to)| (from, Range { to, writer: None, readers })));
}

#[cfg(test)]
mod tests {
    use super::*;
    use isa::table::{Body, Gemm, Load, StoreBlocks, Vector};

    fn conflicts(a: &Access, b: &Access) -> bool {
        overlap(a, b) && (a.write || b.write)
    }

    fn overlap(a: &Access, b: &Access) -> bool {
        a.memory == b.memory && a.from < b.to && b.from < a.to
    }

    fn port(a: &Access, b: &Access) -> bool {
        matches!(a.memory, Memory::V(_)) && a.memory == b.memory && a.write == b.write
    }

    /// Whether `later` must wait for `earlier`, from their accesses alone.
    fn waits(earlier: &Step, later: &Step) -> bool {
        let same = unit_of(earlier) == unit_of(later);
        earlier.accesses.iter().any(|e| {
            later.accesses.iter().any(|l| match same {
                true => e.write && !l.write && overlap(e, l),
                false => conflicts(e, l) || port(e, l),
            })
        })
    }

    /// Splitmix64.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, n: u64) -> u32 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ z >> 31) % n) as u32
        }

        fn access(&mut self) -> Access {
            let memory =
                [Memory::W, Memory::A, Memory::V(0), Memory::V(1), Memory::Cache][self.below(5) as usize];
            let from = self.below(40);
            Access { memory, from, to: from + 1 + self.below(12), write: self.below(2) == 0 }
        }

        fn step(&mut self) -> Step {
            let bodies: [Body; 4] = [
                Load::default().into(),
                Gemm::default().into(),
                Vector::default().into(),
                StoreBlocks::default().into(),
            ];
            let accesses = (0..1 + self.below(3)).map(|_| self.access()).collect();
            let body = bodies[self.below(4) as usize];
            Step { body, accesses, more: 0, origin: 0, argument: None, produces: None, after: Vec::new() }
        }
    }

    /// Every step of which a random one must be behind is among the sources or reached through theirs, and every source is
    /// one.
    #[test]
    fn the_sources_reach_everything_that_a_step_depends_on() {
        for seed in 0..200 {
            let mut dice = Dice(seed);
            let steps: Vec<Step> = (0..60).map(|_| dice.step()).collect();
            let mut touched = Touched::default();
            // Behind which steps each one is done: sources, what they are behind, and earlier steps of the source's unit.
            let mut behind: Vec<Vec<bool>> = Vec::new();
            for (i, step) in steps.iter().enumerate() {
                let mut known = vec![false; i];
                for source in touched.sources(step).into_iter().flatten() {
                    assert!(waits(&steps[source], step), "seed {seed}: {i} does not depend on {source}");
                    for e in 0..=source {
                        known[e] |= unit_of(&steps[e]) == unit_of(&steps[source]) || behind[source][e];
                    }
                }
                // A unit starts in order: what the one before started behind, this one does.
                if let Some(p) = (0..i).rev().find(|&p| unit_of(&steps[p]) == unit_of(step)) {
                    (0..p).for_each(|e| known[e] |= behind[p][e]);
                }
                for e in (0..i).filter(|&e| waits(&steps[e], step)) {
                    assert!(known[e], "seed {seed}: {i} misses {e}");
                }
                behind.push(known);
                touched.record(step, i);
            }
        }
    }
}
