//! Who is told what happens in a run, while it happens: a simulation keeps no history of its own.
//!
//! * Of the sequencer, of each unit and of each channel everything is told in order of time. Between them the order is that
//!   in which times become known; an end is told before every start that waits for it.
//! * [`Event::Until`] bounds what a sink has to keep: by how far units run ahead of memory, not by the length of the run.

use crate::memory::{Counts, Drawn};
use crate::trace::{Counters, Request};
use isa::walk::Step;

/// Something that happens in a run. Units are numbers in [`isa::table::Unit::QUEUED`], words places in the program.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A word leaves the sequencer; the last beat of its fetch came in cycle `arrived`.
    Dispatch { step: &'a Step, cycle: u64, arrived: u64 },
    /// A unit accepts the oldest instruction that was dispatched to it and has not started.
    Start { unit: usize, word: u32, cycle: u64 },
    /// The unit can start another one from `cycle` on. In `memory` cycles since the start, the memory alone kept it from
    /// moving a beat or presenting a request.
    Free { unit: usize, cycle: u64, memory: u64 },
    /// The retire pulse of the unit's oldest instruction that has none yet.
    Done { unit: usize, cycle: u64 },
    /// Address handshakes.
    Requests(Requests),
    /// DRAM did this for a word, or for fetch.
    Drawn { word: Option<u32>, counts: Counts },
    /// Every dispatch, start, free and done up to this cycle has been told.
    Until(u64),
    /// The run is over.
    End(&'a End),
}

/// Equal requests at equal distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    pub first: Request,
    /// At least 1.
    pub count: u64,
    /// From each to the next one.
    pub cycles: u64,
}

impl Requests {
    /// One by one; `beat` is the width of the bus in bytes.
    pub fn each(self, beat: u32) -> impl Iterator<Item = Request> {
        let bytes = self.first.beats.wrapping_mul(beat);
        (0..self.count).map(move |i| Request {
            addr: self.first.addr.wrapping_add((i as u32).wrapping_mul(bytes)),
            cycle: self.first.cycle + i * self.cycles,
            ..self.first
        })
    }
}

/// What is known of a run when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    /// The cycle in which the run ended, which is the number of cycles it took.
    pub cycles: u64,
    pub counters: Counters,
}

/// Is told of a run.
pub trait Sink {
    fn event(&mut self, event: Event);
}

/// Nobody.
impl Sink for () {
    fn event(&mut self, _event: Event) {}
}

/// Both, the first one first.
impl<A: Sink, B: Sink> Sink for (A, B) {
    fn event(&mut self, event: Event) {
        self.0.event(event);
        self.1.event(event);
    }
}

impl<S: Sink> Sink for &mut S {
    fn event(&mut self, event: Event) {
        (**self).event(event);
    }
}

/// Somebody, if anybody.
impl<S: Sink> Sink for Option<S> {
    fn event(&mut self, event: Event) {
        if let Some(sink) = self {
            sink.event(event);
        }
    }
}

impl Sink for Drawn {
    fn event(&mut self, event: Event) {
        if let Event::Drawn { word, counts } = event {
            self.add(word, counts);
        }
    }
}
