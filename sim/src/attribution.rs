//! What every unit and the sequencer did in every cycle of a run, and for whom.
//!
//! Derived from the events of a trace, not from its counters, so that the two check each other ([`Account::against`]): the
//! counters are those that the hardware keeps.
//!
//! Invariant: the segments of a unit, and those of the sequencer, follow each other without gap from cycle 0 to the end.

use crate::memory::Channel;
use crate::trace::{Counters, Trace};
use hw::timing::FETCH_TO_DISPATCH;
use isa::Program;
use isa::table::{Body, Unit};
use std::collections::BTreeMap;
use std::fmt;

/// Times that no pin of the machine shows.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// Of each word, the cycle of its last fetch beat.
    pub arrived: Vec<u64>,
    /// Of each unit's instructions, the first cycle in which the next one may start.
    pub free: [Vec<u64>; 4],
    /// Of each store, the cycles in which only the memory kept it from moving a beat.
    pub store_waits: Vec<u64>,
}

/// How a cycle was spent. Units are numbers in [`Unit::QUEUED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// At work on an instruction.
    Work,
    /// In the midst of an instruction, but the memory takes no request, or has as many as it may.
    Memory,
    /// The instruction is there and waits for a count of a semaphore that another unit posts.
    Token { semaphore: u8, poster: usize },
    /// The instruction waits for earlier ones of its unit to retire.
    Drain,
    /// No instruction: the sequencer dispatches words for others, or this one's.
    Dispatch,
    /// No instruction: the sequencer reads its argument table.
    Argument,
    /// No instruction: the sequencer waits for the word to be fetched.
    Fetch,
    /// No instruction: the sequencer waits for room in the queue of a unit.
    Queue { unit: usize },
    /// No instruction: the program is dispatched whole.
    End,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |unit: usize| Unit::QUEUED.get(unit).map_or("?", |u| u.name());
        match *self {
            Cause::Work => f.write_str("busy"),
            Cause::Memory => f.write_str("memory"),
            Cause::Token { semaphore, poster } => write!(f, "semaphore {semaphore} of {}", name(poster)),
            Cause::Drain => f.write_str("drain"),
            Cause::Dispatch => f.write_str("dispatching"),
            Cause::Argument => f.write_str("argument"),
            Cause::Fetch => f.write_str("instruction fetch"),
            Cause::Queue { unit } => write!(f, "full queue of {}", name(unit)),
            Cause::End => f.write_str("end"),
        }
    }
}

/// Cycles spent for one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// A unit, or `None` for the sequencer.
    pub unit: Option<usize>,
    pub from: u64,
    /// The first cycle behind it.
    pub to: u64,
    /// [`Cause::Work`] includes `memory`.
    pub cause: Cause,
    /// Of these cycles, those of [`Cause::Memory`].
    pub memory: u64,
    /// Sequence number in the unit (of the instruction at work or waiting), or in the dispatches.
    pub seq: usize,
}

/// A count of a semaphore: from the instruction that posts it to the one that waits for it, as (unit, sequence number).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    pub semaphore: u8,
    pub from: (usize, usize),
    pub to: (usize, usize),
}

/// Who is told.
pub trait Listener {
    fn segment(&mut self, segment: Segment);
    /// After the segments of both instructions' units up to them.
    fn flow(&mut self, flow: Flow) {
        let _ = flow;
    }
}

/// Tells everything about a run: first the sequencer's segments in order, then those of each unit.
pub fn attribute(program: &Program, trace: &Trace, detail: &Detail, to: &mut impl Listener) {
    let sequencer = sequencer(program, trace, detail);
    sequencer.iter().for_each(|s| to.segment(*s));
    let posts = Posts::of(program, trace);
    for unit in 0..4 {
        One { unit, program, trace, detail, sequencer: &sequencer, posts: &posts }.tell(to);
    }
}

/// The sequencer's segments.
fn sequencer(program: &Program, trace: &Trace, detail: &Detail) -> Vec<Segment> {
    let mut all = Vec::with_capacity(2 * trace.dispatches.len());
    let mut next = 0;
    let mut put = |to: u64, cause: Cause, seq: usize| {
        if to > next {
            all.push(Segment { unit: None, from: next, to, cause, memory: 0, seq });
            next = to;
        }
    };
    for (seq, d) in trace.dispatches.iter().enumerate() {
        let arrived = detail.arrived.get(d.instr as usize).map_or(0, |a| a + FETCH_TO_DISPATCH);
        put(arrived.min(d.cycle), Cause::Fetch, seq);
        let body = program.instrs.get(d.instr as usize).map(|i| i.body);
        let unit = body.and_then(|b| b.unit().queue()).unwrap_or(usize::MAX);
        put(d.cycle, Cause::Queue { unit }, seq);
        put(d.cycle + 1, Cause::Dispatch, seq);
        if matches!(body, Some(Body::Arg(_))) {
            put(d.cycle + hw::timing::ARG_CYCLES, Cause::Argument, seq);
        }
    }
    put(trace.cycles, Cause::End, trace.dispatches.len());
    all
}

/// For each semaphore, who posts it: (unit, sequence number), in order.
struct Posts([Vec<(usize, usize)>; 16]);

impl Posts {
    fn of(program: &Program, trace: &Trace) -> Posts {
        let mut posts: [Vec<_>; 16] = Default::default();
        for (unit, spans) in trace.units.iter().enumerate() {
            for (seq, span) in spans.iter().enumerate() {
                let mask = program.instrs.get(span.instr as usize).map_or(0, |i| i.head.post);
                (0..16).filter(|s| mask >> s & 1 != 0).for_each(|s| posts[s].push((unit, seq)));
            }
        }
        Posts(posts)
    }
}

/// A unit of a run.
struct One<'a> {
    unit: usize,
    program: &'a Program,
    trace: &'a Trace,
    detail: &'a Detail,
    sequencer: &'a [Segment],
    posts: &'a Posts,
}

impl One<'_> {
    fn tell(&self, to: &mut impl Listener) {
        let mut at = Cursor { next: 0, unit: self.unit, idle: self.sequencer };
        let of_unit = |word: u32| self.program.instrs.get(word as usize)?.unit().queue();
        let mut dispatched = self.trace.dispatches.iter().filter(|d| of_unit(d.instr) == Some(self.unit));
        let mut taken = [0usize; 16];
        for (seq, span) in self.trace.units[self.unit].iter().enumerate() {
            let there = dispatched.next().map_or(0, |d| d.cycle + 1);
            at.idle_until(there, seq, to);
            let waits = self.program.instrs.get(span.instr as usize).map_or(0, |i| i.head.wait);
            for s in (0..16usize).filter(|s| waits >> s & 1 != 0) {
                let Some(&from) = self.posts.0[s].get(taken[s]) else { continue };
                taken[s] += 1;
                let posted = self.trace.units[from.0].get(from.1).map_or(0, |p| p.done + 1);
                let cause = Cause::Token { semaphore: s as u8, poster: from.0 };
                at.put(posted.min(span.start), cause, 0, seq, to);
                to.flow(Flow { semaphore: s as u8, from, to: (self.unit, seq) });
            }
            at.put(span.start, Cause::Drain, 0, seq, to);
            let free = self.detail.free[self.unit].get(seq).copied().unwrap_or(span.done);
            at.put(free, Cause::Work, self.memory(seq, free), seq, to);
        }
        at.idle_until(self.trace.cycles, self.trace.units[self.unit].len(), to);
    }

    /// Cycles of an instruction in which it waits for the memory to take something.
    fn memory(&self, seq: usize, free: u64) -> u64 {
        let start = self.trace.units[self.unit][seq].start;
        match Unit::QUEUED[self.unit] {
            // A load is busy until its last request is accepted; every other cycle after its start is one of waiting.
            Unit::Load => {
                let all = self.trace.requests.as_slice();
                let channel = all.partition_point(|r| r.channel < Channel::Load);
                let channel = &all[channel..all.partition_point(|r| r.channel <= Channel::Load)];
                let before = |cycle| channel.partition_point(|r| r.cycle < cycle);
                (free - start - 1).saturating_sub((before(free) - before(start)) as u64)
            }
            Unit::Store => self.detail.store_waits.get(seq).copied().unwrap_or(0),
            _ => 0,
        }
    }
}

/// Where the segments of a unit have come to.
struct Cursor<'a> {
    next: u64,
    unit: usize,
    /// The sequencer's segments that end after `next`.
    idle: &'a [Segment],
}

impl Cursor<'_> {
    fn put(&mut self, end: u64, cause: Cause, memory: u64, seq: usize, to: &mut impl Listener) {
        if end > self.next {
            to.segment(Segment { unit: Some(self.unit), from: self.next, to: end, cause, memory, seq });
            self.next = end;
        }
    }

    /// The unit has nothing to do until `end`: what the sequencer did meanwhile is why.
    fn idle_until(&mut self, end: u64, seq: usize, to: &mut impl Listener) {
        while self.next < end {
            let Some((first, rest)) = self.idle.split_first() else { return };
            if first.to > self.next {
                self.put(first.to.min(end), first.cause, 0, seq, to);
            }
            if first.to <= self.next {
                self.idle = rest;
            }
        }
    }
}

/// Sums of segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// In the order of [`Unit::QUEUED`]; the values of each sum to the cycles of the run.
    pub units: [BTreeMap<Cause, u64>; 4],
    pub sequencer: BTreeMap<Cause, u64>,
}

impl Listener for Account {
    fn segment(&mut self, s: Segment) {
        let sums = match s.unit {
            Some(unit) => &mut self.units[unit],
            None => &mut self.sequencer,
        };
        *sums.entry(s.cause).or_default() += s.to - s.from - s.memory;
        if s.memory > 0 {
            *sums.entry(Cause::Memory).or_default() += s.memory;
        }
    }
}

impl Account {
    /// Of a run.
    pub fn of(program: &Program, trace: &Trace, detail: &Detail) -> Account {
        let mut account = Account::default();
        attribute(program, trace, detail, &mut account);
        account
    }

    /// Adds the sums of other runs.
    pub fn merge(&mut self, other: &Account) {
        let pairs = self.units.iter_mut().zip(&other.units);
        for (sums, more) in pairs.chain([(&mut self.sequencer, &other.sequencer)]) {
            more.iter().for_each(|(cause, n)| *sums.entry(*cause).or_default() += n);
        }
    }

    /// The first of the machine's own counters that the sums contradict: its place and name, the sum, the counter.
    pub fn against(&self, counters: &Counters, cycles: u64) -> Option<(String, u64, u64)> {
        let of = |sums: &BTreeMap<Cause, u64>, test: &dyn Fn(&Cause) -> bool| -> u64 {
            sums.iter().filter(|(c, _)| test(c)).map(|(_, n)| n).sum()
        };
        let mut rows = Vec::new();
        for ((unit, sums), c) in Unit::QUEUED.iter().zip(&self.units).zip(&counters.units) {
            let at = |what: &str| format!("{}: {what}", unit.name());
            rows.push((at("cycles"), of(sums, &|_| true), cycles));
            rows.push((at("busy"), of(sums, &|c| matches!(c, Cause::Work | Cause::Memory)), c.busy));
            rows.push((at("drain"), of(sums, &|c| *c == Cause::Drain), c.wait_drain));
            let busy =
                |c: &Cause| matches!(c, Cause::Work | Cause::Memory | Cause::Drain | Cause::Token { .. });
            rows.push((at("empty"), of(sums, &|c| !busy(c)), c.empty));
            for (s, counted) in c.by_semaphore.iter().enumerate() {
                let of_this =
                    |c: &Cause| matches!(c, Cause::Token { semaphore, .. } if usize::from(*semaphore) == s);
                rows.push((at(&format!("semaphore {s}")), of(sums, &of_this), *counted));
            }
        }
        let (sums, c) = (&self.sequencer, &counters.sequencer);
        let sequencer: [(&str, u64, u64); 6] = [
            ("cycles", of(sums, &|_| true), cycles),
            ("dispatching", of(sums, &|c| *c == Cause::Dispatch), c.dispatching),
            ("instruction fetch", of(sums, &|c| *c == Cause::Fetch), c.fetch),
            ("full queue", of(sums, &|c| matches!(c, Cause::Queue { .. })), c.queue),
            ("argument", of(sums, &|c| *c == Cause::Argument), c.argument),
            ("end", of(sums, &|c| *c == Cause::End), c.halt),
        ];
        rows.extend(sequencer.map(|(name, sum, counted)| (format!("sequencer: {name}"), sum, counted)));
        rows.into_iter().find(|(_, sum, counted)| sum != counted)
    }
}
