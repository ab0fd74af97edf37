//! Consecutive accesses at once.
//!
//! Within an aligned run of the map every way (bank) stays in one row. Once each way has been touched, the clock of a column
//! command is a maximum over the clocks of the commands before it, the furthest one window (all ways once) back, plus
//! constants; so when a window repeats the one before with every clock later by the same amount, all that follow up to the
//! end of the run do, too. A refresh ends that.

use super::command::Access;
use super::schedule::Scheduler;
use std::ops::Range;

/// Column commands at regular distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Series {
    /// The first access, and the clock of its command.
    pub access: u64,
    pub clock: u64,
    /// From each access to the next one.
    pub accesses: u64,
    pub clocks: u64,
    /// At least 1.
    pub count: u64,
}

impl Series {
    /// Its last access and that one's clock.
    pub fn last(&self) -> (u64, u64) {
        let steps = self.count - 1;
        (self.access + steps * self.accesses, self.clock + steps * self.clocks)
    }
}

/// Clocks of the newest commands of a run, as far as they belong to one window and the one before.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    clocks: Vec<u64>,
    /// Distance to the command a window before, and how many commands in succession had it.
    distance: u64,
    equal: usize,
}

impl History {
    fn clear(&mut self) {
        self.clocks.clear();
        self.equal = 0;
    }

    fn push(&mut self, clock: u64, window: usize) {
        if let Some(before) = self.clocks.len().checked_sub(window) {
            let distance = clock - self.clocks[before];
            self.equal = if distance == self.distance { self.equal + 1 } else { 1 };
            self.distance = distance;
        }
        self.clocks.push(clock);
    }
}

impl Scheduler {
    /// Schedules the accesses of a range that all arrive at `arrival`. Commands are reported as series; `window` is a
    /// multiple of the map's ways, and the distance of the accesses of a series if that has more than one.
    pub fn stream(
        &mut self,
        access: Access,
        range: Range<u64>,
        (arrival, window): (u64, u64),
        history: &mut History,
        mut seen: impl FnMut(Series),
    ) {
        let mut next = range.start;
        while next < range.end {
            let run = next..self.map.run_end(next).min(range.end);
            next = run.end;
            self.run(access, run, (arrival, window), history, &mut seen);
        }
    }

    fn run(
        &mut self,
        access: Access,
        run: Range<u64>,
        (arrival, window): (u64, u64),
        history: &mut History,
        seen: &mut impl FnMut(Series),
    ) {
        history.clear();
        let (mut next, mut refreshes) = (run.start, self.refreshes());
        while next < run.end {
            let clock = self.access(access, next, arrival, &mut ());
            seen(Series { access: next, clock, accesses: window, clocks: 0, count: 1 });
            next += 1;
            if self.refreshes() != refreshes {
                refreshes = self.refreshes();
                history.clear();
            }
            history.push(clock, window as usize);
            if history.equal as u64 >= window {
                let until = self.last_column(access).saturating_sub(clock) / history.distance;
                let windows = until.min((run.end - next) / window);
                if windows > 0 {
                    self.repeat(access, next, (window, windows), history, seen);
                    next += window * windows;
                }
                history.clear();
            }
        }
    }

    /// The window before `next` is repeated.
    fn repeat(
        &mut self,
        access: Access,
        next: u64,
        (window, windows): (u64, u64),
        history: &History,
        seen: &mut impl FnMut(Series),
    ) {
        let newest = &history.clocks[history.clocks.len() - window as usize..];
        for (access_number, before) in (next..).zip(newest) {
            let (clock, clocks) = (before + history.distance, history.distance);
            let series = Series { access: access_number, clock, accesses: window, clocks, count: windows };
            let place = self.map.place(access_number);
            self.column(access, &place, series.last().1);
            seen(series);
        }
        match access {
            Access::Read => self.state.counts.reads += window * windows,
            Access::Write => self.state.counts.writes += window * windows,
        }
    }
}
