//! In front of a unit: its queue, the semaphores that it waits for, and what is between start and retirement.

use crate::trace::{Span, UnitCounters};
use hw::timing::IN_FLIGHT;
use isa::Instr;
use std::collections::VecDeque;

/// Counts as registers: what is posted in a cycle can be taken in the next.
#[derive(Debug, Default)]
pub(super) struct Semaphores {
    counts: [u32; 16],
    posted: [u32; 16],
    taken: [u32; 16],
}

impl Semaphores {
    /// The lowest-numbered semaphore of a mask that is at zero.
    fn missing(&self, mask: u16) -> Option<usize> {
        (0..16).find(|s| mask >> s & 1 != 0 && self.counts[*s] == 0)
    }

    pub fn step(&mut self) {
        for s in 0..16 {
            self.counts[s] = self.counts[s] + self.posted[s] - self.taken[s];
        }
        (self.posted, self.taken) = Default::default();
    }
}

fn count(mask: u16, counters: &mut [u32; 16]) {
    (0..16).filter(|s| mask >> s & 1 != 0).for_each(|s| counters[s] += 1);
}

#[derive(Debug)]
pub(super) struct Issue {
    depth: usize,
    /// Word, instruction, cycle of dispatch.
    queue: VecDeque<(u32, Instr, u64)>,
    /// Posts of the instructions between start and retirement, oldest first.
    posts: VecDeque<u16>,
    pub spans: Vec<Span>,
    pub counters: UnitCounters,
}

impl Issue {
    pub fn new(depth: u32) -> Issue {
        Issue {
            depth: depth as usize,
            queue: VecDeque::new(),
            posts: VecDeque::new(),
            spans: Vec::new(),
            counters: UnitCounters::default(),
        }
    }

    /// No room in this cycle; to be asked before [`Issue::start`].
    pub fn full(&self) -> bool {
        self.queue.len() == self.depth
    }

    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.posts.is_empty()
    }

    pub fn in_flight(&self) -> bool {
        !self.posts.is_empty()
    }

    /// The word that waits at the head of the queue.
    pub fn head(&self) -> Option<u32> {
        self.queue.front().map(|q| q.0)
    }

    pub fn enqueue(&mut self, word: u32, instr: Instr, now: u64) {
        self.queue.push_back((word, instr, now));
    }

    /// Starts the head of the queue, if it can start in this cycle; `working`: the unit is in the midst of another one.
    pub fn start(&mut self, now: u64, working: bool, semaphores: &mut Semaphores) -> Option<Instr> {
        let c = &mut self.counters;
        if working {
            c.busy += 1;
            return None;
        }
        let Some(&(word, instr, _)) = self.queue.front().filter(|q| q.2 < now) else {
            c.empty += 1;
            return None;
        };
        if let Some(s) = semaphores.missing(instr.head.wait) {
            c.wait_semaphore += 1;
            c.by_semaphore[s] += 1;
            return None;
        }
        if self.posts.len() == IN_FLIGHT || instr.head.drain && !self.posts.is_empty() {
            c.wait_drain += 1;
            return None;
        }
        c.busy += 1;
        count(instr.head.wait, &mut semaphores.taken);
        self.queue.pop_front();
        self.posts.push_back(instr.head.post);
        self.spans.push(Span { instr: word, start: now, done: u64::MAX });
        Some(instr)
    }

    /// The oldest instruction in flight retires.
    pub fn retire(&mut self, now: u64, semaphores: &mut Semaphores) {
        let Some(post) = self.posts.pop_front() else { return };
        count(post, &mut semaphores.posted);
        let oldest = self.spans.len() - self.posts.len() - 1;
        self.spans[oldest].done = now;
    }
}
