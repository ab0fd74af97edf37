//! A memory that is always ready and answers after a fixed time, a beat in each cycle.

use super::{Accepted, Burst, Channel, Model, Stream};

/// Latencies in core cycles, both >= 2.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    pub read_latency: u32,
    pub write_latency: u32,
}

impl Model for Fixed {
    fn ready(&self, _channel: Channel, _cycle: u64) -> bool {
        true
    }

    fn read(&mut self, burst: Burst, accepted: u64, free: u64, at: &mut Vec<u64>) {
        let first = (accepted + u64::from(self.read_latency)).max(free);
        at.extend((0..u64::from(burst.beats)).map(|i| first + i));
    }

    fn read_stream(&mut self, stream: &Stream, free: u64) -> Accepted {
        let Stream { first, accepted, cycles, most } = *stream;
        let last = (accepted + u64::from(self.read_latency)).max(free) + u64::from(first.beats) - 1;
        // A last beat follows from the handshake and from the last beat before; if both come `cycles` later, so does it.
        let count = if last + 1 == free + cycles { most } else { 1 };
        Accepted { count, last: last + (count - 1) * cycles }
    }

    fn write(&mut self, _burst: Burst, last_data: u64) -> u64 {
        last_data + u64::from(self.write_latency)
    }
}
