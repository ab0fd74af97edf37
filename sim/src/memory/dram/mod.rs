//! Banked DRAM: docs/machine.md section 4.
//!
//! A request is scheduled whole when it is accepted, so its beats are final at once. [`Model::read`] goes access by access;
//! [`Model::read_last`] and [`Model::write`] take steady streams at once and give the same answers and the same state.

mod clock;
mod command;
mod map;
mod schedule;
mod slots;
mod stream;

pub use schedule::Counts;

use super::{Burst, Channel, Model};
use clock::Crossing;
use command::Access;
use hw::Machine;
use schedule::Scheduler;
use std::ops::Range;
use stream::History;

/// A channel (or several in lockstep) behind a port.
#[derive(Debug, Clone)]
pub(super) struct Dram {
    crossing: Crossing,
    scheduler: Scheduler,
    history: History,
    /// Bytes of an access, of a beat.
    access: u64,
    beat: u64,
}

impl Dram {
    pub fn new(dram: &hw::dram::Dram, machine: &Machine) -> Dram {
        Dram {
            crossing: Crossing::new(dram, machine.clock_hz),
            scheduler: Scheduler::new(&dram.device),
            history: History::default(),
            access: dram.access_bytes().into(),
            beat: machine.memory.beat_bytes.into(),
        }
    }

    /// What the channel has done so far.
    pub fn counts(&self) -> Counts {
        self.scheduler.state.counts
    }

    /// A request arrives; its accesses.
    fn arrive(&mut self, burst: Burst, cycle: u64) -> (u64, Range<u64>) {
        let arrival = self.crossing.arrival(cycle);
        self.scheduler.arrive(arrival, &mut ());
        let from = u64::from(burst.addr);
        let to = from + u64::from(burst.beats) * self.beat;
        (arrival, from / self.access..to.div_ceil(self.access))
    }

    /// Accesses after which a stream begins anew with a bank and with a beat.
    fn window(&self) -> u64 {
        self.scheduler.map.ways.max(self.beat / self.access)
    }

    /// From a column command to the end of its data.
    fn data_end(&self, access: Access) -> u64 {
        let t = &self.scheduler.timing;
        u64::from(t.bl + if access == Access::Read { t.cl } else { t.cwl })
    }
}

impl Model for Dram {
    fn ready(&self, _channel: Channel, _cycle: u64) -> bool {
        true
    }

    fn read(&mut self, burst: Burst, accepted: u64, free: u64, at: &mut Vec<u64>) {
        let (arrival, accesses) = self.arrive(burst, accepted);
        let data = self.data_end(Access::Read);
        let (mut next, mut cycle) = (accesses.start, free);
        for beat in 1..=u64::from(burst.beats) {
            let end = (u64::from(burst.addr) + beat * self.beat).div_ceil(self.access);
            for access in next..end {
                let clock = self.scheduler.access(Access::Read, access, arrival, &mut ());
                cycle = cycle.max(self.crossing.back(clock + data));
            }
            next = next.max(end);
            at.push(cycle);
            cycle += 1;
        }
    }

    fn read_last(&mut self, burst: Burst, accepted: u64, free: u64) -> u64 {
        let (arrival, accesses) = self.arrive(burst, accepted);
        let (data, window) = (self.data_end(Access::Read), self.window());
        let Dram { crossing, scheduler, history, access, beat } = self;
        let beats = u64::from(burst.beats);
        let mut last = free + beats - 1;
        // Each beat comes a cycle after the one before or with its data. Over a series, which advances by whole beats, data
        // gain or lose steadily on the beats, so the latest is that of the first or of the last access.
        scheduler.stream(Access::Read, accesses, (arrival, window), history, |series| {
            for (number, clock) in [(series.access, series.clock), series.last()] {
                let number = (number * *access).saturating_sub(burst.addr.into()) / *beat;
                last = last.max(crossing.back(clock + data) + beats - 1 - number);
            }
        });
        last
    }

    fn write(&mut self, burst: Burst, last_data: u64) -> u64 {
        let (arrival, accesses) = self.arrive(burst, last_data);
        let (data, window) = (self.data_end(Access::Write), self.window());
        let mut last = 0;
        let Dram { scheduler, history, .. } = self;
        let range = (arrival, window);
        scheduler.stream(Access::Write, accesses, range, history, |series| last = last.max(series.last().1));
        self.crossing.back(last + data)
    }
}

#[cfg(test)]
mod checker;
#[cfg(test)]
mod tests;
