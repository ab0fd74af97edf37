//! Banked DRAM: docs/machine.md section 4.
//!
//! A request is scheduled whole when it is accepted, so its beats are final at once. [`Model::read`] goes access by access;
//! [`Model::read_stream`] takes what is left of a steady stream at once and gives the same answers and the same state.

mod clock;
mod command;
mod map;
mod schedule;
mod slots;
mod stream;

pub use schedule::Counts;

use super::{Accepted, Burst, Channel, Model, Stream};
use clock::Crossing;
use command::Access;
use hw::Machine;
use schedule::Scheduler;
use std::ops::Range;
use stream::Newest;

/// A channel (or several in lockstep) behind a port.
#[derive(Debug, Clone)]
pub(super) struct Dram {
    crossing: Crossing,
    scheduler: Scheduler,
    /// Of the read before, if nothing came after it.
    newest: Newest,
    /// Bytes of an access, of a beat.
    access: u64,
    beat: u64,
}

impl Dram {
    pub fn new(dram: &hw::dram::Dram, machine: &Machine) -> Dram {
        Dram {
            crossing: Crossing::new(dram, machine.clock_hz),
            scheduler: Scheduler::new(&dram.device),
            newest: Newest::default(),
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
        self.newest.clear();
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

    fn read_stream(&mut self, stream: &Stream, free: u64) -> Accepted {
        let Stream { first, accepted, cycles, most } = *stream;
        let last = self.read_first(first, accepted, free);
        let more = match self.crossing.clocks(cycles) {
            Some(clocks) if most > 1 && last + 1 == free + cycles => self.repeat(first, clocks, most - 1),
            _ => 0,
        };
        Accepted { count: 1 + more, last: last + more * cycles }
    }

    fn write(&mut self, burst: Burst, last_data: u64) -> u64 {
        self.newest.clear();
        let (arrival, accesses) = self.arrive(burst, last_data);
        let column = |number| self.scheduler.access(Access::Write, number, arrival, &mut ());
        let last = accesses.map(column).last().unwrap_or(arrival);
        self.crossing.back(last + self.data_end(Access::Write))
    }
}

#[cfg(test)]
mod checker;
#[cfg(test)]
mod tests;
