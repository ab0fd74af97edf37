//! A memory whose readiness, latencies and gaps are drawn from a seed: the back-pressure that tests need.

use super::{Accepted, Burst, Channel, Model, Stream};
use std::ops::RangeInclusive;

/// Streams of random numbers beside those of the channels.
const READ_LATENCY: u64 = 16;
const WRITE_LATENCY: u64 = 17;
const READ_BEAT: u64 = 18;

#[derive(Debug, Clone)]
pub(super) struct Random {
    seed: u64,
    min_latency: u64,
    /// Latencies that can be drawn.
    spread: u64,
    ready_percent: u32,
    beat_percent: u32,
    /// Bursts accepted so far: the latency of the next one is drawn from it.
    reads: u64,
    writes: u64,
}

impl Random {
    pub fn new(seed: u64, latency: RangeInclusive<u32>, ready_percent: u32, beat_percent: u32) -> Random {
        let (min, max) = (u64::from(*latency.start()), u64::from(*latency.end()));
        let spread = max - min + 1;
        Random { seed, min_latency: min, spread, ready_percent, beat_percent, reads: 0, writes: 0 }
    }

    fn first_beat(&mut self, accepted: u64, free: u64) -> u64 {
        self.reads += 1;
        (accepted + self.latency(READ_LATENCY, self.reads - 1)).max(free)
    }

    fn next_beat(&self, before: u64) -> u64 {
        let mut cycle = before + 1;
        while percent(self.seed, READ_BEAT, cycle) >= self.beat_percent {
            cycle += 1;
        }
        cycle
    }

    fn latency(&self, stream: u64, burst: u64) -> u64 {
        self.min_latency + draw(self.seed, stream, burst) % self.spread
    }
}

impl Model for Random {
    fn ready(&self, channel: Channel, cycle: u64) -> bool {
        percent(self.seed, channel as u64, cycle) < self.ready_percent
    }

    fn read(&mut self, burst: Burst, accepted: u64, free: u64, at: &mut Vec<u64>) {
        let mut cycle = self.first_beat(accepted, free);
        at.push(cycle);
        for _ in 1..burst.beats {
            cycle = self.next_beat(cycle);
            at.push(cycle);
        }
    }

    fn read_stream(&mut self, stream: &Stream, free: u64) -> Accepted {
        let first = self.first_beat(stream.accepted, free);
        let last = (1..stream.first.beats).fold(first, |cycle, _| self.next_beat(cycle));
        Accepted { count: 1, last }
    }

    fn write(&mut self, _burst: Burst, last_data: u64) -> u64 {
        self.writes += 1;
        last_data + self.latency(WRITE_LATENCY, self.writes - 1)
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
