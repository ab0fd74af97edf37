//! A unit as the sequencer sees it: a queue, a time from which it is free, and instructions that retire in order.

use super::rules::Rules;
use crate::trace::{Span, UnitCounters};
use isa::Instr;
use std::collections::VecDeque;

/// `done` of an instruction that has not retired yet.
const UNKNOWN: u64 = u64::MAX;

/// Retire cycles of posts that were not waited for yet, per semaphore, oldest first.
pub(super) type Semaphores = [VecDeque<u64>; 16];

#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub word: u32,
    pub instr: Instr,
    pub dispatch: u64,
}

#[derive(Debug, Default)]
pub(super) struct Unit {
    pub queue: VecDeque<Queued>,
    dispatched: usize,
    /// Started instructions; those from `retired` on have no `done` yet.
    pub spans: Vec<Span>,
    posts: VecDeque<u16>,
    retired: usize,
    /// Earliest next start by the instruction before, or `None` while that is not known.
    pub free: Option<u64>,
    /// The same of every instruction, in order.
    pub frees: Vec<u64>,
    pub counters: UnitCounters,
}

impl Unit {
    pub fn new() -> Unit {
        Unit { free: Some(0), ..Default::default() }
    }

    /// First cycle with room in the queue, if known.
    pub fn room(&self, depth: usize) -> Option<u64> {
        match self.dispatched.checked_sub(depth) {
            None => Some(0),
            Some(before) => self.spans.get(before).map(|s| s.start + 1),
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
        self.posts.push_back(head.instr.head.post);
        self.spans.push(Span { instr: head.word, start, done: UNKNOWN });
        self.free = None;
        Some((head, start))
    }

    /// Earliest start by the retirement of earlier instructions, if known.
    fn drained(&self, drain: bool, rules: &Rules) -> Option<u64> {
        let started = self.spans.len();
        let awaited = match drain {
            true => started.saturating_sub(rules.drain_skips),
            false => (started + 1).saturating_sub(rules.in_flight),
        };
        if awaited > self.retired {
            return None;
        }
        Some(awaited.checked_sub(1).map_or(0, |last| self.spans[last].done + 1))
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
        let start = self.spans.last().map_or(free, |s| s.start);
        self.counters.busy += free - start;
        self.free = Some(free);
        self.frees.push(free);
    }

    /// The oldest instruction that has not retired does so.
    pub fn retire(&mut self, done: u64, semaphores: &mut Semaphores) {
        if let Some(span) = self.spans.get_mut(self.retired) {
            span.done = done;
            self.retired += 1;
        }
        for s in masked(self.posts.pop_front().unwrap_or(0)) {
            semaphores[s].push_back(done);
        }
    }

    /// The program's word that started last.
    pub fn newest(&self) -> Option<u32> {
        self.spans.last().map(|s| s.instr)
    }

    /// The program's word that started first of those that have not retired.
    pub fn oldest(&self) -> Option<u32> {
        self.spans.get(self.retired).map(|s| s.instr)
    }

    /// All that was dispatched has retired.
    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.retired == self.spans.len()
    }

    /// Last retire pulse of an idle unit.
    pub fn last_done(&self) -> Option<u64> {
        self.spans.last().map(|s| s.done)
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
