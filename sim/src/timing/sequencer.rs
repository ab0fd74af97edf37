//! Instruction fetch and dispatch.
//!
//! Fetch has at most one burst open. Dispatch runs ahead of everything else as far as times are known; it stops at a word
//! that is not fetched or at a queue whose next start is not known yet, and is asked again later.

use super::rules::Rules;
use crate::memory::{Burst, Channel, Memory, Port};
use crate::sink::{Event, Requests, Sink};
use crate::trace::{Request, SequencerCounters};
use hw::timing::FETCH_START;
use std::collections::VecDeque;

const WORD_BYTES: u32 = 32;

/// Fetch: which chunk is next, and when each word arrived.
#[derive(Debug)]
pub(super) struct Fetch {
    base_addr: u32,
    words: u32,
    chunk_words: u32,
    imem_words: u32,
    beat: u32,
    /// Chunks requested.
    chunks: u32,
    /// Earliest cycle of the next request by the burst before.
    from: u64,
    /// Changes of the first word to be kept, oldest first: (cycle from which it holds, word).
    bases: VecDeque<(u64, u32)>,
    /// Last fetch beat of the newest words, each at its place modulo the length: no fewer than instruction memory holds.
    arrived: Vec<u64>,
    beats: Vec<u64>,
}

impl Fetch {
    pub fn new(machine: &hw::Machine, base_addr: u32, words: usize) -> Fetch {
        let (imem_words, chunk_words) = (machine.sequencer.imem_words, machine.sequencer.fetch_words);
        Fetch {
            base_addr,
            words: words as u32,
            chunk_words,
            imem_words,
            beat: machine.memory.beat_bytes,
            chunks: 0,
            from: FETCH_START,
            bases: VecDeque::from([(0, 0)]),
            arrived: vec![0; (imem_words + chunk_words).next_power_of_two() as usize],
            beats: Vec::new(),
        }
    }

    /// From `cycle` on, words before `base` may be overwritten.
    pub fn keep_from(&mut self, cycle: u64, base: u32) {
        if self.unfetched() > 0 && self.bases.back().is_none_or(|b| b.1 < base) {
            self.bases.push_back((cycle, base));
        }
    }

    fn unfetched(&self) -> u32 {
        self.words - self.fetched()
    }

    fn fetched(&self) -> u32 {
        self.words.min(self.chunks * self.chunk_words)
    }

    /// The cycle of a word's last beat, if it is known.
    pub fn arrived(&self, word: u32) -> Option<u64> {
        (word < self.fetched()).then(|| self.arrived[word as usize % self.arrived.len()])
    }

    /// The handshake of the next request, if it is known.
    pub fn request(&mut self, memory: &Memory) -> Option<u64> {
        if self.unfetched() == 0 {
            return None;
        }
        let needs = ((self.chunks + 1) * self.chunk_words).saturating_sub(self.imem_words);
        while self.bases.front().is_some_and(|b| b.1 < needs) {
            self.bases.pop_front();
        }
        let room = self.bases.front()?.0;
        Some(memory.ready_at(Channel::Fetch, self.from.max(room)))
    }

    /// Performs it; gives the burst and its last beat.
    pub fn commit(&mut self, cycle: u64, memory: &mut Memory, sink: &mut impl Sink) -> (Burst, u64) {
        let words = self.unfetched().min(self.chunk_words);
        let beats = (words * WORD_BYTES).div_ceil(self.beat);
        let addr = self.base_addr.wrapping_add(self.chunks * self.chunk_words * WORD_BYTES);
        let first = Request { channel: Channel::Fetch, addr, beats, cycle };
        sink.event(Event::Requests(Requests { first, count: 1, cycles: 0 }));
        self.beats.clear();
        let burst = Burst { addr, beats };
        memory.read(Port::Fetch, burst, cycle, &mut self.beats);
        let last_byte = |word: u32| (word + 1) * WORD_BYTES - 1;
        for word in 0..words {
            let place = (self.chunks * self.chunk_words + word) as usize % self.arrived.len();
            self.arrived[place] = self.beats[(last_byte(word) / self.beat) as usize];
        }
        self.chunks += 1;
        let last = self.beats.last().copied().unwrap_or(cycle);
        self.from = last + 1;
        (burst, last)
    }
}

/// When the next word may dispatch, and how the cycles so far were spent.
#[derive(Debug, Default)]
pub(super) struct Dispatcher {
    /// First cycle after the dispatch before (and its argument cycle).
    next: u64,
    last_word: u32,
    pub counters: SequencerCounters,
}

impl Dispatcher {
    /// Dispatches `word`, which arrived at `arrived`, into a queue with room from `room` on; gives the cycle.
    pub fn dispatch(&mut self, word: u32, arrived: u64, room: u64, is_arg: bool, rules: &Rules) -> u64 {
        if word <= self.last_word {
            self.next += rules.loop_wrap * u64::from(self.next > 0);
        }
        let fetched = self.next.max(arrived + rules.fetch_to_dispatch);
        let cycle = fetched.max(room);
        let c = &mut self.counters;
        c.fetch += fetched - self.next;
        c.queue += cycle - fetched;
        c.dispatching += 1;
        let took = if is_arg { rules.arg_cycles } else { 1 };
        c.argument += took - 1;
        self.next = cycle + took;
        self.last_word = word;
        cycle
    }

    /// The cycle in which [`Dispatcher::dispatch`] would dispatch.
    pub fn when(&self, word: u32, arrived: u64, room: u64, rules: &Rules) -> u64 {
        let wrap = if word <= self.last_word && self.next > 0 { rules.loop_wrap } else { 0 };
        (self.next + wrap).max(arrived + rules.fetch_to_dispatch).max(room)
    }

    /// Nothing is dispatched behind `cycle`. The next word can dispatch from `ready` on as far as its fetch goes.
    pub fn stop(&mut self, cycle: u64, ready: Option<u64>) {
        let end = cycle + 1;
        // The second cycle of an `arg` in `cycle` counts as halted already.
        self.counters.argument -= self.next.saturating_sub(end);
        self.next = self.next.min(end);
        let fetched = ready.unwrap_or(end).clamp(self.next, end);
        self.counters.fetch += fetched - self.next;
        self.counters.queue += end - fetched;
        self.next = end;
    }

    /// The first cycle that is not spent.
    pub fn next(&self) -> u64 {
        self.next
    }
}
