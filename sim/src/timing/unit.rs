//! A unit as the sequencer sees it: a queue, a time from which it is free, and instructions that retire in order.

use super::rules::Rules;
use crate::trace::UnitCounters;
use isa::Instr;
use std::collections::VecDeque;

/// Retire cycles of posts that were not waited for yet, per semaphore, oldest first.
pub(super) type Semaphores = [VecDeque<u64>; 16];

#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub word: u32,
    pub instr: Instr,
    pub dispatch: u64,
}

/// An instruction that has started.
#[derive(Debug, Clone, Copy, Default)]
struct Started {
    word: u32,
    post: u16,
    start: u64,
    /// Meaningful once it has retired.
    done: u64,
}

#[derive(Debug)]
pub(super) struct Unit {
    pub queue: VecDeque<Queued>,
    dispatched: usize,
    started: usize,
    /// Of the started ones, those with a `done`.
    retired: usize,
    /// The newest started ones, each at its sequence number modulo the length: as many as any rule looks back.
    newest: Vec<Started>,
    /// Earliest next start by the instruction before, or `None` while that is not known.
    pub free: Option<u64>,
    pub counters: UnitCounters,
}

impl Unit {
    pub fn new(depth: usize, in_flight: usize) -> Unit {
        Unit {
            queue: VecDeque::with_capacity(depth),
            dispatched: 0,
            started: 0,
            retired: 0,
            newest: vec![Started::default(); (depth.max(in_flight) + 2).next_power_of_two()],
            free: Some(0),
            counters: UnitCounters::default(),
        }
    }

    /// A started instruction by its sequence number.
    fn at(&self, seq: usize) -> &Started {
        &self.newest[seq % self.newest.len()]
    }

    fn last(&self) -> Option<&Started> {
        self.started.checked_sub(1).map(|seq| self.at(seq))
    }

    /// First cycle with room in the queue, if known.
    pub fn room(&self, depth: usize) -> Option<u64> {
        match self.dispatched.checked_sub(depth) {
            None => Some(0),
            Some(before) => (before < self.started).then(|| self.at(before).start + 1),
        }
    }

    pub fn enqueue(&mut self, queued: Queued) {
        self.dispatched += 1;
        self.queue.push_back(queued);
    }

    /// Starts the head of the queue if everything that its start depends on is known.
    pub fn start(&mut self, semaphores: &mut Semaphores, rules: &Rules) -> Option<(Queued, u64)> {
        let free = self.free?;
        let head = *self.queue.front()?;
        let waits = head.instr.head.wait;
        if masked(waits).any(|s| semaphores[s].is_empty()) {
            return None;
        }
        let drained = self.drained(head.instr.head.drain, rules)?;
        let from = free.max(head.dispatch + 1);
        self.counters.empty += from - free;
        let tokens = self.count_waits(from, waits, semaphores, rules);
        let start = tokens.max(drained);
        self.counters.wait_drain += start - tokens;
        self.queue.pop_front();
        let place = self.started % self.newest.len();
        self.newest[place] = Started { word: head.word, post: head.instr.head.post, start, done: 0 };
        self.started += 1;
        self.free = None;
        Some((head, start))
    }

    /// Earliest start by the retirement of earlier instructions, if known.
    fn drained(&self, drain: bool, rules: &Rules) -> Option<u64> {
        let awaited = match drain {
            true => self.started.saturating_sub(rules.drain_skips),
            false => (self.started + 1).saturating_sub(rules.in_flight),
        };
        if awaited > self.retired {
            return None;
        }
        Some(awaited.checked_sub(1).map_or(0, |last| self.at(last).done + 1))
    }

    /// Takes one count of each waited semaphore; the first cycle >= `from` in which all are there.
    fn count_waits(&mut self, from: u64, waits: u16, semaphores: &mut Semaphores, rules: &Rules) -> u64 {
        let mut now = from;
        for s in masked(waits) {
            let there = semaphores[s].pop_front().map_or(0, |done| done + rules.post_visible);
            let missing = there.saturating_sub(now);
            self.counters.by_semaphore[s] += missing;
            self.counters.wait_semaphore += missing;
            now += missing;
        }
        now
    }

    /// The unit is free for the next start from `free` on.
    pub fn set_free(&mut self, free: u64) {
        self.counters.busy += free - self.last().map_or(free, |s| s.start);
        self.free = Some(free);
    }

    /// The oldest instruction that has not retired does so.
    pub fn retire(&mut self, done: u64, semaphores: &mut Semaphores) {
        if self.retired < self.started {
            let place = self.retired % self.newest.len();
            self.newest[place].done = done;
            masked(self.newest[place].post).for_each(|s| semaphores[s].push_back(done));
            self.retired += 1;
        }
    }

    /// The program's word that started last.
    pub fn newest(&self) -> Option<u32> {
        self.last().map(|s| s.word)
    }

    /// The program's word that started first of those that have not retired.
    pub fn oldest(&self) -> Option<u32> {
        (self.retired < self.started).then(|| self.at(self.retired).word)
    }

    /// All that was dispatched has retired.
    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.retired == self.started
    }

    /// Last retire pulse of an idle unit.
    pub fn last_done(&self) -> Option<u64> {
        self.last().map(|s| s.done)
    }
}

/// The numbers of the bits of a mask, lowest first.
fn masked(mask: u16) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let bit = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        (bit < 16).then_some(bit)
    })
}
