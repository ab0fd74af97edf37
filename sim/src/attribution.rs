//! What every unit and the sequencer did in every cycle of a run, and for whom.
//!
//! Derived from the events of a run, not from its counters, so that the two check each other ([`Account::against`]): the
//! counters are those that the hardware keeps.
//!
//! Invariant: the segments of a unit, and those of the sequencer, follow each other without gap from cycle 0 to the end.

use crate::sink::{Event, Sink};
use crate::trace::{Counters, Span};
use hw::timing::FETCH_TO_DISPATCH;
use isa::Program;
use isa::table::{Body, Unit};
use isa::walk::Step;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

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
    /// The instruction at work or waiting, and its sequence number in the unit; of the sequencer the word that is dispatched or
    /// comes next, its start the dispatch. `None` where there is none, or none yet.
    pub of: Option<(Span, usize)>,
}

/// A count of a semaphore: from the instruction of a unit that posts it, with its last busy cycle, to the one of another that
/// waits for it, with its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    pub semaphore: u8,
    pub from: (usize, u64),
    pub to: (usize, u64),
}

/// Who is told of segments. Those of the sequencer come in order, and those of each unit.
pub trait Listener {
    fn segment(&mut self, segment: Segment);
    /// After the segments of the unit that posts.
    fn flow(&mut self, flow: Flow) {
        let _ = flow;
    }
}

impl<L: Listener> Listener for &mut L {
    fn segment(&mut self, segment: Segment) {
        (**self).segment(segment);
    }

    fn flow(&mut self, flow: Flow) {
        (**self).flow(flow);
    }
}

/// Attributes the cycles of a run while it is simulated, and tells a listener.
#[derive(Debug)]
pub struct Attribution<'a, L> {
    program: &'a Program,
    listener: L,
    sequencer: Sequencer,
    units: [Queue; 4],
    /// Of each semaphore, the counts that nobody has waited for: the unit, the last busy cycle and the end of the instruction
    /// that posts it.
    posts: [VecDeque<(usize, u64, u64)>; 16],
}

/// The sequencer's segments, from the one on that a unit may still need to say why it had nothing to do.
#[derive(Debug, Default)]
struct Sequencer {
    next: u64,
    dispatched: usize,
    segments: VecDeque<Segment>,
}

/// An instruction from its dispatch on.
#[derive(Debug, Clone, Copy)]
struct Pending {
    word: u32,
    /// First cycle in which the unit knows of it.
    there: u64,
    start: u64,
    free: Option<u64>,
    memory: u64,
}

/// A unit's instructions that are not accounted for.
#[derive(Debug, Default)]
struct Queue {
    pending: VecDeque<Pending>,
    /// Of them, those that have started, and those that have freed the unit.
    started: usize,
    freed: usize,
    /// Instructions that are accounted for.
    seq: usize,
    /// First cycle that is not.
    next: u64,
}

impl<'a, L: Listener> Attribution<'a, L> {
    /// Of a run of this program.
    pub fn new(program: &'a Program, listener: L) -> Attribution<'a, L> {
        let (sequencer, units) = (Sequencer::default(), Default::default());
        Attribution { program, listener, sequencer, units, posts: Default::default() }
    }

    /// The listener.
    pub fn listens(&mut self) -> &mut L {
        &mut self.listener
    }

    /// Gives the listener back.
    pub fn listener(self) -> L {
        self.listener
    }

    fn dispatched(&mut self, step: &Step, cycle: u64, arrived: u64) {
        let span = Span { instr: step.word, start: cycle, done: cycle };
        let unit = step.instr.unit().queue();
        self.put((arrived + FETCH_TO_DISPATCH).min(cycle), Cause::Fetch, Some(span));
        self.put(cycle, Cause::Queue { unit: unit.unwrap_or(usize::MAX) }, Some(span));
        self.put(cycle + 1, Cause::Dispatch, Some(span));
        if matches!(step.instr.body, Body::Arg(_)) {
            self.put(cycle + hw::timing::ARG_CYCLES, Cause::Argument, Some(span));
        }
        self.sequencer.dispatched += 1;
        if let Some(unit) = unit {
            let (word, there) = (step.word, cycle + 1);
            self.units[unit].pending.push_back(Pending { word, there, start: 0, free: None, memory: 0 });
        }
    }

    /// The sequencer's cycles up to `to` have this cause.
    fn put(&mut self, to: u64, cause: Cause, span: Option<Span>) {
        let s = &mut self.sequencer;
        if to > s.next {
            let of = span.map(|span| (span, s.dispatched));
            let segment = Segment { unit: None, from: s.next, to, cause, memory: 0, of };
            s.next = to;
            s.segments.push_back(segment);
            self.listener.segment(segment);
        }
    }

    /// The oldest instruction of a unit is over: all its cycles are known.
    fn retired(&mut self, unit: usize, done: u64) {
        let queue = &mut self.units[unit];
        let Some(Pending { word, there, start, free, memory }) = queue.pending.pop_front() else { return };
        let (span, free) = (Span { instr: word, start, done }, free.unwrap_or(done));
        let of = Some((span, queue.seq));
        (queue.seq, queue.started, queue.freed) = (queue.seq + 1, queue.started - 1, queue.freed - 1);
        self.idle_until(unit, there);
        let head = self.program.instrs.get(word as usize).map(|i| i.head).unwrap_or_default();
        for s in (0..16usize).filter(|s| head.wait >> s & 1 != 0) {
            let Some((poster, busy, posted)) = self.posts[s].pop_front() else { continue };
            let cause = Cause::Token { semaphore: s as u8, poster };
            self.put_unit(unit, (posted + 1).min(start), cause, 0, of);
            self.listener.flow(Flow { semaphore: s as u8, from: (poster, busy), to: (unit, start) });
        }
        self.put_unit(unit, start, Cause::Drain, 0, of);
        self.put_unit(unit, free, Cause::Work, memory, of);
        for s in (0..16usize).filter(|s| head.post >> s & 1 != 0) {
            self.posts[s].push_back((unit, free - 1, done));
        }
    }

    fn put_unit(&mut self, unit: usize, to: u64, cause: Cause, memory: u64, of: Option<(Span, usize)>) {
        let next = &mut self.units[unit].next;
        if to > *next {
            self.listener.segment(Segment { unit: Some(unit), from: *next, to, cause, memory, of });
            *next = to;
        }
    }

    /// The unit has nothing to do until `end`: what the sequencer did meanwhile is why.
    fn idle_until(&mut self, unit: usize, end: u64) {
        let next = self.units[unit].next;
        let mut at = self.sequencer.segments.partition_point(|s| s.to <= next);
        while self.units[unit].next < end {
            let Some(Segment { to, cause, .. }) = self.sequencer.segments.get(at).copied() else { return };
            self.put_unit(unit, to.min(end), cause, 0, None);
            at += 1;
        }
    }

    /// Every dispatch and every `free` up to `cycle` is known: lets go of the segments that no unit needs any more.
    fn settle(&mut self, cycle: u64) {
        let mut needed = u64::MAX;
        for unit in 0..4 {
            // What is dispatched behind `cycle` is in its unit two cycles behind it.
            let there = self.units[unit].pending.front().map_or(cycle + 2, |p| p.there);
            self.idle_until(unit, there);
            let queue = &self.units[unit];
            needed = needed.min(queue.pending.front().map_or(queue.next, |p| p.free.unwrap_or(cycle)));
        }
        while self.sequencer.segments.front().is_some_and(|s| s.to <= needed) {
            self.sequencer.segments.pop_front();
        }
    }
}

impl<L: Listener> Sink for Attribution<'_, L> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Dispatch { step, cycle, arrived } => self.dispatched(step, cycle, arrived),
            Event::Start { unit, cycle, .. } => {
                let queue = &mut self.units[unit];
                if let Some(pending) = queue.pending.get_mut(queue.started) {
                    pending.start = cycle;
                }
                queue.started += 1;
            }
            Event::Free { unit, cycle, memory } => {
                let queue = &mut self.units[unit];
                if let Some(pending) = queue.pending.get_mut(queue.freed) {
                    (pending.free, pending.memory) = (Some(cycle), memory);
                }
                queue.freed += 1;
            }
            Event::Done { unit, cycle } => self.retired(unit, cycle),
            Event::Until(cycle) if self.sequencer.segments.len() > KEPT => self.settle(cycle),
            Event::End(end) => {
                self.put(end.cycles, Cause::End, None);
                (0..4).for_each(|unit| self.idle_until(unit, end.cycles));
            }
            Event::Until(_) | Event::Requests(_) | Event::Drawn { .. } => {}
        }
    }
}

/// Segments of the sequencer that are kept before it is worth looking which of them are needed no more.
const KEPT: usize = 256;

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
