//! Steady streams of reads at once.
//!
//! Let a burst and the one right behind it in address lie in one aligned run of the map, in which every way (bank) stays in
//! one row, and let each begin with the same way and touch every way equally often. If the second one finds all rows open,
//! without refresh, the clock of each of its column commands is a maximum over its arrival and over the commands before, each
//! plus a constant, the furthest back being those of the first burst; and over constants that the first one has met, too. So
//! if all its clocks are those of the first one plus the same distance, and that is the distance of their arrivals, a third
//! burst as much later has clocks as much later, and so on: up to the end of the run, or to the next refresh.

use super::command::Access;
use super::{Burst, Dram};
use std::ops::Range;

/// Reads with more accesses are not worth remembering.
const MOST: usize = 64;

/// The newest read.
#[derive(Debug, Clone, Default)]
pub(super) struct Newest {
    accesses: Range<u64>,
    arrival: u64,
    /// Column commands, in order; none if the read is not remembered.
    clocks: Vec<u64>,
    /// Refreshes and activations up to it.
    refreshes: u64,
    activations: u64,
    /// Distance to the read before, if that was right before it in address and the same in all but time.
    distance: Option<u64>,
    before: Vec<u64>,
}

impl Newest {
    /// Something else was asked for.
    pub fn clear(&mut self) {
        self.clocks.clear();
    }
}

impl Dram {
    /// Accepts a read burst; gives the cycle of its last beat. Beats come from `free` on.
    pub(super) fn read_first(&mut self, burst: Burst, accepted: u64, free: u64) -> u64 {
        let (arrival, accesses) = self.arrive(burst, accepted);
        let data = self.data_end(Access::Read);
        let beats = u64::from(burst.beats);
        let mut last = free + beats - 1;
        std::mem::swap(&mut self.newest.clocks, &mut self.newest.before);
        self.newest.clocks.clear();
        // Of those so far the beat, and the clock of its data, that says most of the last one.
        let mut most: Option<(u64, u64)> = None;
        for number in accesses.clone() {
            let clock = self.scheduler.access(Access::Read, number, arrival, &mut ());
            // A beat comes a cycle after the one before or with its data.
            let beat = (number * self.access).saturating_sub(burst.addr.into()) >> self.beat.trailing_zeros();
            let known = |(of, before): (u64, u64)| self.crossing.no_later(clock, beat - of, before);
            if !most.is_some_and(known) {
                last = last.max(self.crossing.back(clock + data) + beats - 1 - beat);
                most = Some((beat, clock));
            }
            if self.newest.clocks.len() < MOST {
                self.newest.clocks.push(clock);
            }
        }
        self.remember(accesses, arrival);
        last
    }

    /// Compares the newest read with the one before.
    fn remember(&mut self, accesses: Range<u64>, arrival: u64) {
        let (state, ways) = (&self.scheduler.state, self.scheduler.map.ways);
        let n = &mut self.newest;
        let length = accesses.end - accesses.start;
        let behind = n.accesses.end == accesses.start && n.accesses.end - n.accesses.start == length;
        let whole = accesses.start % ways == 0 && length % ways == 0 && length as usize == n.clocks.len();
        let run = self.scheduler.map.run_end(n.accesses.start) >= accesses.end;
        let untouched =
            n.refreshes == self.scheduler.refreshes() && n.activations == state.counts.activations;
        let distance = arrival.saturating_sub(n.arrival);
        let later = n.before.len() == n.clocks.len()
            && n.before.iter().zip(&n.clocks).all(|(before, clock)| before + distance == *clock);
        n.distance = (behind && whole && run && untouched && later).then_some(distance);
        (n.accesses, n.arrival) = (accesses, arrival);
        (n.refreshes, n.activations) = (self.scheduler.refreshes(), state.counts.activations);
    }

    /// Repeats the newest read, which was `burst`, up to `most` times, each `clocks` after and right behind the one before;
    /// gives how often it could.
    pub(super) fn repeat(&mut self, burst: Burst, clocks: u64, most: u64) -> u64 {
        let (Some(distance), Some(newest)) = (self.newest.distance, self.newest.clocks.last()) else {
            return 0;
        };
        let length = self.newest.accesses.end - self.newest.accesses.start;
        // Bursts begin and end with accesses, so that each is to its accesses as the one before.
        let whole = u64::from(burst.beats) * self.beat == length * self.access;
        if distance != clocks || clocks == 0 || !whole {
            return 0;
        }
        let scheduler = &mut self.scheduler;
        let run = (scheduler.map.run_end(self.newest.accesses.start) - self.newest.accesses.end) / length;
        let refresh = scheduler.last_column(Access::Read).saturating_sub(*newest) / clocks;
        let due = (scheduler.next_due() - 1).saturating_sub(self.newest.arrival) / clocks;
        let times = most.min(run).min(refresh).min(due);
        if times == 0 {
            return 0;
        }
        let n = &mut self.newest;
        n.arrival += times * clocks;
        n.accesses = n.accesses.start + times * length..n.accesses.end + times * length;
        scheduler.arrive(n.arrival, &mut ());
        for (number, clock) in n.accesses.clone().zip(&mut n.clocks) {
            *clock += times * clocks;
            let place = scheduler.map.place(number);
            scheduler.column(Access::Read, &place, *clock);
        }
        scheduler.state.counts.reads += times * length;
        times
    }
}
