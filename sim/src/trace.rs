//! What happened when: the observable times of a run, from the simulator or from the probe of the emitted machine.
//!
//! Two traces of one program are equal or [`first_difference`] names the first event in which they differ.

use crate::memory::Channel;
use crate::sink::{Event, Sink};
use isa::table::Unit;
use std::fmt;

/// A word that left the sequencer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatch {
    /// Its place in the program.
    pub instr: u32,
    pub cycle: u64,
}

/// An instruction in its unit. Its position in the unit's list is its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its place in the program.
    pub instr: u32,
    /// Accepted by the unit.
    pub start: u64,
    /// Retire pulse.
    pub done: u64,
}

/// An address handshake with memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// [`Channel::Fetch`], [`Channel::Load`] or [`Channel::Store`].
    pub channel: Channel,
    /// Byte address of the first beat, aligned to the beat.
    pub addr: u32,
    pub beats: u32,
    pub cycle: u64,
}

/// What a unit did in each cycle of the run; the parts sum to the cycles of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitCounters {
    /// start <= n < free of an instruction.
    pub busy: u64,
    /// Not busy, head of the queue there, a semaphore of it at zero.
    pub wait_semaphore: u64,
    /// The same by semaphore: the lowest-numbered one at zero.
    pub by_semaphore: [u64; 16],
    /// Not busy, head there, its semaphores too, but it drains and earlier instructions are not done.
    pub wait_drain: u64,
    /// Not busy and the queue is empty.
    pub empty: u64,
}

/// What the sequencer did in each cycle of the run; the parts sum to the cycles of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SequencerCounters {
    pub dispatching: u64,
    /// The word is not yet in instruction memory.
    pub fetch: u64,
    /// The word is there, but the queue of its unit is full.
    pub queue: u64,
    /// The second cycle of an `arg`.
    pub argument: u64,
    /// `halt` was dispatched, units still work.
    pub halt: u64,
}

/// All counters of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    pub sequencer: SequencerCounters,
    /// In the order of [`Unit::QUEUED`].
    pub units: [UnitCounters; 4],
}

/// The observable times of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The cycle in which the run ended, which is the number of cycles it took.
    pub cycles: u64,
    /// Every word in order of dispatch, sequencer instructions included.
    pub dispatches: Vec<Dispatch>,
    /// In the order of [`Unit::QUEUED`].
    pub units: [Vec<Span>; 4],
    /// Per channel in order; channels one after the other in the order of [`Channel`].
    pub requests: Vec<Request>,
    pub counters: Counters,
}

/// Keeps everything that happens.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    /// Width of the bus in bytes.
    beat: u32,
    trace: Trace,
    /// Instructions of each unit that have retired.
    retired: [usize; 4],
    channels: [Vec<Request>; 3],
}

impl Recorder {
    /// For a run on this machine.
    pub fn new(machine: &hw::Machine) -> Recorder {
        Recorder { beat: machine.memory.beat_bytes, ..Recorder::default() }
    }

    /// Of the run, when it is over.
    pub fn trace(self) -> Trace {
        self.trace
    }
}

impl Sink for Recorder {
    fn event(&mut self, event: Event) {
        let trace = &mut self.trace;
        match event {
            Event::Dispatch { step, cycle, .. } => {
                trace.dispatches.push(Dispatch { instr: step.word, cycle })
            }
            // The end is not known yet.
            Event::Start { unit, word, cycle } => {
                trace.units[unit].push(Span { instr: word, start: cycle, done: u64::MAX });
            }
            Event::Done { unit, cycle } => {
                if let Some(span) = trace.units[unit].get_mut(self.retired[unit]) {
                    span.done = cycle;
                }
                self.retired[unit] += 1;
            }
            Event::Requests(requests) => {
                let channel = &mut self.channels[(requests.first.channel as usize).min(2)];
                channel.extend(requests.each(self.beat));
            }
            Event::End(end) => {
                (trace.cycles, trace.counters) = (end.cycles, end.counters);
                trace.requests = std::mem::take(&mut self.channels).concat();
                // Behind an error fetch goes on to the end of the run, and no further.
                trace.requests.retain(|r| r.cycle < end.cycles);
            }
            Event::Free { .. } | Event::Drawn { .. } | Event::Until(_) => {}
        }
    }
}

impl Trace {
    /// Requests of a channel, in order.
    pub fn requests_of(&self, channel: Channel) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |r| r.channel == channel)
    }
}

/// The first event in which two traces differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// "sequencer", a unit's name, a channel, or "run".
    pub place: String,
    /// Sequence number within the place.
    pub seq: usize,
    /// What differs: "dispatch", "start", "done", "request", a counter's name, ...
    pub event: &'static str,
    /// The two values as text; `-` if the event is absent.
    pub left: String,
    pub right: String,
    /// The earlier of the two cycles.
    pub cycle: u64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { place, seq, event, left, right, cycle } = self;
        write!(f, "{place} #{seq}: {event} differs at cycle {cycle}: {left} against {right}")
    }
}

/// The earliest difference of two traces, or `None` if they are equal.
pub fn first_difference(left: &Trace, right: &Trace) -> Option<Difference> {
    let dispatches = in_list("sequencer", &left.dispatches, &right.dispatches, |d| {
        [("dispatch", d.cycle, format!("instruction {} at {}", d.instr, d.cycle)); 1]
    });
    let units = Unit::QUEUED.iter().zip(left.units.iter().zip(&right.units)).flat_map(|(unit, (l, r))| {
        in_list(unit.name(), l, r, |s| {
            [
                ("start", s.start, format!("instruction {} at {}", s.instr, s.start)),
                ("done", s.done, format!("instruction {} at {}", s.instr, s.done)),
            ]
        })
    });
    let requests = [Channel::Fetch, Channel::Load, Channel::Store].into_iter().flat_map(|channel| {
        let (l, r): (Vec<_>, Vec<_>) =
            (left.requests_of(channel).collect(), right.requests_of(channel).collect());
        in_list(&format!("{channel:?} requests"), &l, &r, |q| {
            [("request", q.cycle, format!("{} beats of {:#x} at {}", q.beats, q.addr, q.cycle))]
        })
    });
    let earliest = dispatches.into_iter().chain(units).chain(requests).min_by_key(|d| d.cycle);
    earliest.or_else(|| in_counters(left, right))
}

/// The first difference of two lists, if any; `events` gives name, cycle and text of each event of an element.
fn in_list<T, const N: usize>(
    place: &str,
    left: &[T],
    right: &[T],
    events: impl Fn(&T) -> [(&'static str, u64, String); N],
) -> Option<Difference> {
    (0..left.len().max(right.len())).find_map(|seq| {
        let (l, r) = (left.get(seq).map(&events), right.get(seq).map(&events));
        (0..N).find_map(|i| {
            let (l, r) = (l.as_ref().map(|l| &l[i]), r.as_ref().map(|r| &r[i]));
            let text = |e: Option<&(&str, u64, String)>| e.map_or("-".into(), |e| e.2.clone());
            let event = l.or(r).map_or("", |e| e.0);
            let cycle = [l, r].into_iter().flatten().map(|e| e.1).min().unwrap_or(0);
            let (place, left, right) = (place.into(), text(l), text(r));
            (left != right).then_some(Difference { place, seq, event, left, right, cycle })
        })
    })
}

fn in_counters(left: &Trace, right: &Trace) -> Option<Difference> {
    let all = |t: &Trace| {
        let s = t.counters.sequencer;
        let mut values = vec![("run", "cycles", t.cycles)];
        let sequencer = [
            ("dispatching", s.dispatching),
            ("fetch", s.fetch),
            ("queue", s.queue),
            ("argument", s.argument),
            ("halt", s.halt),
        ];
        values.extend(sequencer.map(|(event, value)| ("sequencer", event, value)));
        for (unit, c) in Unit::QUEUED.iter().zip(&t.counters.units) {
            let counters = [
                ("busy", c.busy),
                ("wait_semaphore", c.wait_semaphore),
                ("wait_drain", c.wait_drain),
                ("empty", c.empty),
            ];
            values.extend(counters.map(|(event, value)| (unit.name(), event, value)));
            values.extend(c.by_semaphore.map(|value| (unit.name(), "by_semaphore", value)));
        }
        values
    };
    let cycle = left.cycles.min(right.cycles);
    all(left).into_iter().zip(all(right)).enumerate().find(|(_, (l, r))| l != r).map(|(seq, (l, r))| {
        Difference {
            place: l.0.into(),
            seq,
            event: l.1,
            left: l.2.to_string(),
            right: r.2.to_string(),
            cycle,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_difference_is_named() {
        let span = |start, done| Span { instr: 4, start, done };
        let left =
            Trace { units: [vec![span(5, 20)], vec![span(9, 30)], vec![], vec![]], ..Default::default() };
        let mut right = left.clone();
        assert_eq!(first_difference(&left, &right), None);
        right.units[0][0].done = 21;
        right.units[1][0].start = 8;
        let text = first_difference(&left, &right).map(|d| d.to_string());
        assert_eq!(
            text.as_deref(),
            Some("matrix #0: start differs at cycle 8: instruction 4 at 9 against instruction 4 at 8")
        );
        right.units[1].clear();
        right.units[0][0].done = 20;
        let text = first_difference(&left, &right).map(|d| d.to_string());
        assert_eq!(
            text.as_deref(),
            Some("matrix #0: start differs at cycle 9: instruction 4 at 9 against -")
        );
    }

    #[test]
    fn counters_are_compared_when_all_events_agree() {
        let left = Trace::default();
        let mut right = left.clone();
        right.counters.units[3].by_semaphore[5] = 1;
        assert_eq!(first_difference(&left, &right).map(|d| d.event), Some("by_semaphore"));
    }
}
