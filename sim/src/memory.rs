//! The one memory model: simulator and co-simulation ask it for every handshake and every beat.
//!
//! Invariants:
//! * Readiness of a channel is a pure function of channel and cycle.
//! * Beat and response cycles are final once returned, and causal: an acceptance at cycle t is answered at t + 2 or later.
//! * One read data bus: the beats of a burst, of whichever port, follow all beats of the bursts accepted before it. So
//!   reads must be presented in the order (cycle, port) with [`Port::Fetch`] before [`Port::Load`]; then the model's answers
//!   do not depend on who asks.
//! * Write responses come in order, at most one a cycle; writes and reads do not disturb each other.

use hw::machine::MemoryModel;

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

/// State of the memory as far as time is concerned; it holds no data.
#[derive(Debug, Clone)]
pub struct Memory {
    model: MemoryModel,
    /// Bursts accepted so far: the random latency of the next one is drawn from it.
    reads: u64,
    writes: u64,
    /// First cycle in which the read data bus is free.
    read_free: u64,
    /// First cycle in which the write response channel is free.
    response_free: u64,
}

/// Streams of random numbers beside those of the channels.
const READ_LATENCY: u64 = 16;
const WRITE_LATENCY: u64 = 17;
const READ_BEAT: u64 = 18;

impl Memory {
    /// A memory before cycle 0.
    pub fn new(model: &MemoryModel) -> Memory {
        Memory { model: model.clone(), reads: 0, writes: 0, read_free: 0, response_free: 0 }
    }

    /// Whether the memory accepts on `channel` in `cycle`.
    pub fn ready(&self, channel: Channel, cycle: u64) -> bool {
        match self.model {
            MemoryModel::Fixed { .. } => true,
            MemoryModel::Random { seed, ready_percent, .. } => {
                percent(seed, channel as u64, cycle) < ready_percent
            }
        }
    }

    /// The cycle of the handshake of a request that is presented on `channel` from cycle `from` on.
    pub fn ready_at(&self, channel: Channel, from: u64) -> u64 {
        let mut cycle = from;
        while !self.ready(channel, cycle) {
            cycle += 1;
        }
        cycle
    }

    /// Accepts a read burst in cycle `accepted`; appends the cycle of each of its beats to `at`.
    pub fn read(&mut self, _port: Port, beats: u32, accepted: u64, at: &mut Vec<u64>) {
        let mut cycle = self.first_beat(accepted);
        for beat in 0..beats {
            if beat > 0 {
                cycle = self.next_beat(cycle);
            }
            at.push(cycle);
        }
        self.read_free = cycle + 1;
    }

    /// As [`Memory::read`], but gives only the cycle of the last beat; `beats` >= 1.
    pub fn read_last(&mut self, _port: Port, beats: u32, accepted: u64) -> u64 {
        let first = self.first_beat(accepted);
        let last = match self.model {
            MemoryModel::Fixed { .. } => first + u64::from(beats.saturating_sub(1)),
            MemoryModel::Random { .. } => (1..beats).fold(first, |cycle, _| self.next_beat(cycle)),
        };
        self.read_free = last + 1;
        last
    }

    /// The cycle of the response to a write burst whose last data beat was accepted in cycle `last_data`.
    pub fn write_done(&mut self, last_data: u64) -> u64 {
        let latency = match self.model {
            MemoryModel::Fixed { write_latency, .. } => u64::from(write_latency),
            MemoryModel::Random { .. } => self.latency(WRITE_LATENCY, self.writes),
        };
        self.writes += 1;
        let at = (last_data + latency).max(self.response_free);
        self.response_free = at + 1;
        at
    }

    fn first_beat(&mut self, accepted: u64) -> u64 {
        let latency = match self.model {
            MemoryModel::Fixed { read_latency, .. } => u64::from(read_latency),
            MemoryModel::Random { .. } => self.latency(READ_LATENCY, self.reads),
        };
        self.reads += 1;
        (accepted + latency).max(self.read_free)
    }

    fn next_beat(&self, before: u64) -> u64 {
        let mut cycle = before + 1;
        if let MemoryModel::Random { seed, beat_percent, .. } = self.model {
            while percent(seed, READ_BEAT, cycle) >= beat_percent {
                cycle += 1;
            }
        }
        cycle
    }

    fn latency(&self, stream: u64, burst: u64) -> u64 {
        let MemoryModel::Random { seed, min_latency, max_latency, .. } = self.model else { return 2 };
        let spread = u64::from(max_latency - min_latency) + 1;
        u64::from(min_latency) + draw(seed, stream, burst) % spread
    }
}

fn percent(seed: u64, stream: u64, index: u64) -> u32 {
    (draw(seed, stream, index) % 100) as u32
}

/// The number `index` of a stream: the finaliser of splitmix64 over all three.
fn draw(seed: u64, stream: u64, index: u64) -> u64 {
    mix(mix(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(index))
}

fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> [MemoryModel; 2] {
        [
            MemoryModel::Fixed { read_latency: 2, write_latency: 2 },
            MemoryModel::Random {
                seed: 7,
                min_latency: 2,
                max_latency: 30,
                ready_percent: 50,
                beat_percent: 60,
            },
        ]
    }

    #[test]
    fn answers_are_causal_and_in_order() {
        for model in models() {
            let mut memory = Memory::new(&model);
            let (mut at, mut written) = (Vec::new(), 0);
            for i in 0..200 {
                let accepted = memory.ready_at(Channel::Load, 3 * i);
                let from = at.len();
                memory.read(Port::Load, 1 + (i % 16) as u32, accepted, &mut at);
                assert!(at[from] >= accepted + 2);
                let response = memory.write_done(5 * i);
                assert!(response > written && response >= 5 * i + 2);
                written = response;
            }
            assert!(at.is_sorted_by(|a, b| a < b), "{model:?}");
        }
    }

    #[test]
    fn the_advance_by_burst_equals_the_advance_by_beat() {
        for model in models() {
            let (mut beats, mut bursts) = (Memory::new(&model), Memory::new(&model));
            for i in 0..200 {
                let mut at = Vec::new();
                beats.read(Port::Fetch, 1 + i % 9, u64::from(i * 2), &mut at);
                assert_eq!(
                    at.last().copied(),
                    Some(bursts.read_last(Port::Fetch, 1 + i % 9, u64::from(i * 2)))
                );
            }
        }
    }

    #[test]
    fn readiness_is_as_frequent_as_stated() {
        let [_, random] = models();
        let memory = Memory::new(&random);
        let ready = (0..10_000).filter(|c| memory.ready(Channel::Store, *c)).count();
        assert!((4_700..5_300).contains(&ready), "{ready}");
    }
}
