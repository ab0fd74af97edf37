//! Data and port hazards, by what each instruction knows to be done when it starts.
//!
//! Each space is a map of disjoint ranges, each with its last writer and the last reader of each unit since. A writer
//! knows all of them done (or precedes none: same unit), so it replaces them: who is after the new writer is after them.

use super::progress::Order;
use super::{Broken, Event, Start};
use crate::access::{Access, Space};
use std::collections::BTreeMap;

/// Who may still be at work where.
#[derive(Debug, Clone)]
pub(crate) struct Memories {
    spaces: [BTreeMap<u64, Range>; Space::COUNT],
    /// Last user of the read and the write port of each space, by unit.
    ports: [[[Option<u32>; 4]; 2]; Space::COUNT],
}

impl Default for Memories {
    fn default() -> Memories {
        Memories { spaces: Default::default(), ports: [[[None; 4]; 2]; Space::COUNT] }
    }
}

#[derive(Debug, Clone, Copy)]
struct Range {
    end: u64,
    writer: Option<Event>,
    readers: [Option<u32>; 4],
}

/// Two instructions that nothing orders.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub with: Event,
    space: Space,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    ReadAfterWrite { same_unit: bool },
    WriteAfterRead,
    WriteAfterWrite,
    Port { write: bool },
}

impl Conflict {
    /// The broken rule; `other` describes the earlier instruction.
    pub fn broken(&self, other: &str) -> Broken {
        let space = self.space;
        let wait =
            "let it wait for a semaphore that the earlier instruction, or a later one of its unit, posts";
        match self.kind {
            Kind::ReadAfterWrite { same_unit } => Broken::new(
                format!("may read {space} before it is written by {other}"),
                "every read comes after its write is done",
                if same_unit { "set `drain`" } else { wait },
            ),
            Kind::WriteAfterRead => Broken::new(
                format!("may overwrite {space} while it is read by {other}"),
                "every overwrite comes after its readers are done",
                wait,
            ),
            Kind::WriteAfterWrite => Broken::new(
                format!("may write {space} before it is written by {other}"),
                "writes of different units come one after the other",
                wait,
            ),
            Kind::Port { write } => Broken::new(
                format!(
                    "may use the {} port of {space} at the same time as {other}",
                    if write { "write" } else { "read" }
                ),
                "a memory has one read and one write port, and nothing arbitrates",
                wait,
            ),
        }
    }
}

impl Memories {
    /// The first conflict of an access with what was recorded.
    pub fn conflict(&self, start: &Start, access: &Access) -> Option<Conflict> {
        let space = access.space;
        if space != Space::Dram {
            let users = &self.ports[space.index()][usize::from(access.write)];
            if let Some(with) = unordered(start, users) {
                return Some(Conflict { with, space, kind: Kind::Port { write: access.write } });
            }
        }
        let map = &self.spaces[space.index()];
        access.ranges().find_map(|(from, end)| {
            let before = map.range(..from).next_back().filter(|(_, range)| range.end > from);
            let mut touched = before.into_iter().chain(map.range(from..end));
            let (with, kind) = touched.find_map(|(_, range)| conflict(start, access.write, range))?;
            Some(Conflict { with, space, kind })
        })
    }

    /// Records an access that has no conflict.
    pub fn record(&mut self, start: &Start, access: &Access) {
        let Event { unit, seq } = start.event;
        let space = access.space.index();
        self.ports[space][usize::from(access.write)][unit] = Some(seq);
        for (from, end) in access.ranges() {
            let map = &mut self.spaces[space];
            split(map, from);
            split(map, end);
            match access.write {
                true => write(map, start.event, from, end),
                false => read(map, start.event, from, end),
            }
        }
    }

    /// See [`super::progress`].
    pub(super) fn form(&self, order: &Order, form: &mut Vec<u64>) {
        let users = |users: &[Option<u32>; 4]| {
            [0, 1, 2, 3].map(|unit| users[unit].map_or(0, |seq| order.unknown(Event { unit, seq })))
        };
        form.extend(self.ports.iter().flatten().flat_map(users));
        for (space, map) in self.spaces.iter().enumerate() {
            let mut pieces: Vec<(u64, u64, [u64; 6])> = Vec::new();
            for (from, range) in map {
                let unknown = range.writer.map_or(0, |writer| order.unknown(writer));
                let unit = range.writer.filter(|_| unknown > 0).map_or(0, |writer| writer.unit as u64);
                let [a, b, c, d] = users(&range.readers);
                let state = [unit, unknown, a, b, c, d];
                match pieces.last_mut().filter(|last| last.1 == *from && last.2 == state) {
                    Some(last) => last.1 = range.end,
                    None if state != [0; 6] => pieces.push((*from, range.end, state)),
                    None => {}
                }
            }
            form.extend([space as u64, pieces.len() as u64]);
            pieces.iter().for_each(|(from, end, state)| form.extend([*from, *end].iter().chain(state)));
        }
    }
}

fn conflict(start: &Start, write: bool, range: &Range) -> Option<(Event, Kind)> {
    let me = start.event.unit;
    if let Some(writer) = range.writer.filter(|w| !start.after(*w)) {
        match (write, writer.unit == me) {
            (false, same_unit) => return Some((writer, Kind::ReadAfterWrite { same_unit })),
            (true, false) => return Some((writer, Kind::WriteAfterWrite)),
            (true, true) => {}
        }
    }
    if write { unordered(start, &range.readers).map(|with| (with, Kind::WriteAfterRead)) } else { None }
}

/// The last user of another unit that is not known to be done.
fn unordered(start: &Start, users: &[Option<u32>; 4]) -> Option<Event> {
    let of = |unit: usize| users[unit].map(|seq| Event { unit, seq });
    (0..4).filter(|u| *u != start.event.unit).filter_map(of).find(|e| !start.after(*e))
}

/// Makes `at` a border between ranges.
fn split(map: &mut BTreeMap<u64, Range>, at: u64) {
    let Some((_, range)) = map.range_mut(..at).next_back() else { return };
    if range.end > at {
        let rest = *range;
        range.end = at;
        map.insert(at, rest);
    }
}

fn write(map: &mut BTreeMap<u64, Range>, event: Event, from: u64, end: u64) {
    while let Some(key) = map.range(from..end).next().map(|(key, _)| *key) {
        map.remove(&key);
    }
    map.insert(from, Range { end, writer: Some(event), readers: [None; 4] });
}

fn read(map: &mut BTreeMap<u64, Range>, event: Event, from: u64, end: u64) {
    let mut gaps = Vec::new();
    let mut next = from;
    for (key, range) in map.range_mut(from..end) {
        if *key > next {
            gaps.push((next, *key));
        }
        range.readers[event.unit] = Some(event.seq);
        next = range.end;
    }
    if next < end {
        gaps.push((next, end));
    }
    let mut readers = [None; 4];
    readers[event.unit] = Some(event.seq);
    map.extend(gaps.into_iter().map(|(from, end)| (from, Range { end, writer: None, readers })));
}
