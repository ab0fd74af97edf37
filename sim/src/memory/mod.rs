//! The one memory model: simulator and co-simulation ask it for every handshake and every beat.
//!
//! Invariants:
//! * Readiness of a channel is a pure function of channel and cycle; the store's addresses also need room for the burst,
//!   which follows from what was accepted and answered in earlier cycles.
//! * Beat and response cycles are final once returned, and causal: an acceptance at cycle t is answered at t + 2 or later.
//! * Requests are presented in the order (cycle, port): [`Port::Fetch`] before [`Port::Load`] before the last data beats of
//!   write bursts. Then the model's answers do not depend on who asks.
//! * One read data bus: the beats of a burst, of whichever port, follow all beats of the bursts accepted before it.
//! * Write responses come in order, at most one a cycle.

mod dram;
mod fixed;
mod random;
mod writes;

pub use dram::Counts;
use dram::Dram;
use fixed::Fixed;
use hw::Machine;
use hw::machine::MemoryModel;
use random::Random;
use std::ops::Range;
use writes::Writes;

/// A channel on which the machine waits for the memory to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// Read addresses of instruction fetch.
    Fetch = 0,
    /// Read addresses of the load unit.
    Load = 1,
    /// Write addresses of the store unit.
    Store = 2,
    /// Write data of the store unit.
    StoreData = 3,
}

/// A reader, in the order of priority in one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Port {
    Fetch = 0,
    Load = 1,
}

/// A burst on an address channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Byte address of the first beat, aligned to the beat.
    pub addr: u32,
    /// At least 1.
    pub beats: u32,
}

impl Burst {
    /// Whether one of its bytes is among these; `beat` is the width of the bus in bytes.
    pub fn touches(&self, bytes: &Range<u32>, beat: u32) -> bool {
        let end = u64::from(self.addr) + u64::from(self.beats) * u64::from(beat);
        !bytes.is_empty() && self.addr < bytes.end && u64::from(bytes.start) < end
    }
}

/// Read bursts of equal length, each right behind the one before in address and accepted `cycles` after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    pub first: Burst,
    /// The cycle in which the first one is accepted.
    pub accepted: u64,
    pub cycles: u64,
    /// At least 1.
    pub most: u64,
}

/// What was accepted of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// At least 1. If more, the last beats of all of them are as far apart as the bursts, and the first one's as far from the
    /// last beat before on the bus.
    pub count: u64,
    /// The last beat of the last one.
    pub last: u64,
}

/// How a kind of memory answers; cycles are those of the core clock.
trait Model {
    /// Whether it accepts on `channel` in `cycle`, room for a write burst aside.
    fn ready(&self, channel: Channel, cycle: u64) -> bool;

    /// Accepts a read burst; appends the cycle of each of its beats, none before `free`, to `at`.
    fn read(&mut self, burst: Burst, accepted: u64, free: u64, at: &mut Vec<u64>);

    /// Accepts the first burst of a stream, and as many of the others as it can tell the answers to at once. Answers and state
    /// are those of [`Model::read`], burst by burst.
    fn read_stream(&mut self, stream: &Stream, free: u64) -> Accepted;

    /// Takes a write burst whose last data beat came in cycle `last_data`; gives the cycle of the response if the channel
    /// is free then.
    fn write(&mut self, burst: Burst, last_data: u64) -> u64;
}

#[derive(Debug, Clone)]
enum Kind {
    Fixed(Fixed),
    Random(Random),
    Dram(Box<Dram>),
}

/// What a channel of banked DRAM did, by whom it was asked; nothing of other models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drawn {
    /// For instruction fetch.
    pub fetch: Counts,
    /// For the instructions, by their place in the program as far as any was served.
    pub by_word: Vec<Counts>,
}

impl Drawn {
    /// Adds what was done for a word of the program, or for fetch.
    pub fn add(&mut self, word: Option<u32>, counts: Counts) {
        let Some(word) = word else { return self.fetch += counts };
        let length = self.by_word.len().max(word as usize + 1);
        self.by_word.resize(length, Counts::default());
        self.by_word[word as usize] += counts;
    }
}

/// State of the memory as far as time is concerned; it holds no data.
#[derive(Debug, Clone)]
pub struct Memory {
    kind: Kind,
    writes: Writes,
    /// First cycle in which the read data bus is free.
    read_free: u64,
    /// First cycle in which the write response channel is free.
    response_free: u64,
}

impl Memory {
    /// The machine's memory before cycle 0.
    pub fn new(machine: &Machine) -> Memory {
        let (kind, room) = match machine.memory.model {
            MemoryModel::Dram(ref dram) => {
                let room = dram.device.controller.write_bursts as usize;
                (Kind::Dram(Box::new(Dram::new(dram, machine))), Some(room))
            }
            MemoryModel::Fixed { read_latency, write_latency } => {
                (Kind::Fixed(Fixed { read_latency, write_latency }), None)
            }
            MemoryModel::Random { seed, min_latency, max_latency, ready_percent, beat_percent } => {
                let latency = min_latency..=max_latency;
                (Kind::Random(Random::new(seed, latency, ready_percent, beat_percent)), None)
            }
        };
        Memory { kind, writes: Writes::new(room), read_free: 0, response_free: 0 }
    }

    fn model(&self) -> &dyn Model {
        match &self.kind {
            Kind::Fixed(m) => m,
            Kind::Random(m) => m,
            Kind::Dram(m) => &**m,
        }
    }

    fn model_mut(&mut self) -> &mut dyn Model {
        match &mut self.kind {
            Kind::Fixed(m) => m,
            Kind::Random(m) => m,
            Kind::Dram(m) => &mut **m,
        }
    }

    /// What a channel of banked DRAM has done so far; `None` of other models.
    pub fn counts(&self) -> Option<Counts> {
        if let Kind::Dram(dram) = &self.kind { Some(dram.counts()) } else { None }
    }

    /// Whether the memory accepts on `channel` in `cycle`.
    pub fn ready(&self, channel: Channel, cycle: u64) -> bool {
        let room = channel != Channel::Store || self.writes.room().is_some_and(|from| from <= cycle);
        room && self.model().ready(channel, cycle)
    }

    /// The first cycle with room for the next write burst; `None` as long as that hangs on a response not given yet.
    pub fn write_room(&self) -> Option<u64> {
        self.writes.room()
    }

    /// The cycle of the handshake of a request that is presented on `channel` from cycle `from` on (on [`Channel::Store`]:
    /// not before [`Memory::write_room`]).
    pub fn ready_at(&self, channel: Channel, from: u64) -> u64 {
        let model = self.model();
        let mut cycle = from;
        while !model.ready(channel, cycle) {
            cycle += 1;
        }
        cycle
    }

    /// Accepts a read burst in cycle `accepted`; appends the cycle of each of its beats to `at`.
    pub fn read(&mut self, _port: Port, burst: Burst, accepted: u64, at: &mut Vec<u64>) {
        let free = self.read_free;
        self.model_mut().read(burst, accepted, free, at);
        self.read_free = at.last().map_or(free, |last| last + 1);
    }

    /// As [`Memory::read`], but gives only the cycle of the last beat.
    pub fn read_last(&mut self, port: Port, burst: Burst, accepted: u64) -> u64 {
        self.read_stream(port, &Stream { first: burst, accepted, cycles: 0, most: 1 }).last
    }

    /// First cycle in which the read data bus is free.
    pub fn read_free(&self) -> u64 {
        self.read_free
    }

    /// Accepts at least the first burst of a stream.
    pub fn read_stream(&mut self, _port: Port, stream: &Stream) -> Accepted {
        let free = self.read_free;
        let accepted = self.model_mut().read_stream(stream, free);
        self.read_free = accepted.last + 1;
        accepted
    }

    /// Accepts the address of a write burst.
    pub fn write_address(&mut self) {
        self.writes.accept();
    }

    /// The cycle of the response to the oldest write burst without one, whose last data beat was accepted in `last_data`.
    pub fn write_done(&mut self, burst: Burst, last_data: u64) -> u64 {
        let at = self.model_mut().write(burst, last_data).max(self.response_free);
        self.response_free = at + 1;
        self.writes.answer(at);
        at
    }
}

#[cfg(test)]
mod tests;
