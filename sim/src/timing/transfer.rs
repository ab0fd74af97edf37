//! Load and store: bursts on the bus.
//!
//! A load's bursts need the memory's answers one by one. A store's handshakes follow from readiness, and from a response as
//! soon as the memory's write buffer is full: they are computed as far ahead as responses are known.

use super::rules::{Cut, Rules};
use crate::memory::{Burst, Channel, Memory, Port};
use crate::trace::Request;
use isa::table::{StoreBlocks, StoreSegments};
use std::collections::VecDeque;

/// A run of beats not yet cut into bursts. Addresses count beats: a transfer of the whole address space does not overflow.
#[derive(Debug, Clone, Copy)]
struct Run {
    beat: u64,
    beats: u64,
}

impl Run {
    fn blocks(addr: u32, blocks: u32, beat: u32) -> Run {
        let per_block = u64::from(hw::machine::BLOCK_BYTES / beat);
        Run { beat: u64::from(addr) * per_block, beats: u64::from(blocks) * per_block }
    }

    /// Cuts off the next burst.
    fn cut(&mut self, cut: Cut) -> Option<Run> {
        if self.beats == 0 {
            return None;
        }
        let length = u64::from(cut.beats);
        let room = if cut.aligned { length - self.beat % length } else { length };
        let burst = Run { beat: self.beat, beats: self.beats.min(room) };
        self.beat += burst.beats;
        self.beats -= burst.beats;
        Some(burst)
    }

    fn request(&self, channel: Channel, beat_bytes: u32, cycle: u64) -> Request {
        let Burst { addr, beats } = self.on_bus(beat_bytes);
        Request { channel, addr, beats, cycle }
    }

    fn on_bus(&self, beat_bytes: u32) -> Burst {
        Burst { addr: (self.beat * u64::from(beat_bytes)) as u32, beats: self.beats as u32 }
    }
}

/// The load unit's side of the bus.
#[derive(Debug)]
pub(super) struct LoadBus {
    beat: u32,
    run: Run,
    burst: Option<Run>,
    /// Earliest cycle of the next request by the request before.
    from: u64,
    /// Last beats of the newest bursts, at most as many as may be open.
    open: VecDeque<u64>,
    pub requests: Vec<Request>,
}

impl LoadBus {
    pub fn new(beat: u32) -> LoadBus {
        let run = Run { beat: 0, beats: 0 };
        LoadBus { beat, run, burst: None, from: 0, open: VecDeque::new(), requests: Vec::new() }
    }

    pub fn start(&mut self, addr: u32, blocks: u32, start: u64, rules: &Rules) {
        self.run = Run::blocks(addr, blocks, self.beat);
        self.burst = self.run.cut(rules.load_cut);
        self.from = start + 1;
    }

    /// The handshake of the next burst, if there is one.
    pub fn request(&self, memory: &Memory, rules: &Rules) -> Option<u64> {
        self.burst?;
        let closed = self.open.len().checked_sub(rules.load_outstanding).map_or(0, |i| self.open[i] + 1);
        Some(memory.ready_at(Channel::Load, self.from.max(closed)))
    }

    /// Performs it: the burst, its last beat, and whether it ends the instruction.
    pub fn commit(&mut self, cycle: u64, memory: &mut Memory, rules: &Rules) -> Option<(Burst, u64, bool)> {
        let burst = self.burst.take()?;
        let last = memory.read_last(Port::Load, burst.on_bus(self.beat), cycle);
        self.requests.push(burst.request(Channel::Load, self.beat, cycle));
        self.open.push_back(last);
        if self.open.len() > rules.load_outstanding {
            self.open.pop_front();
        }
        self.from = cycle + 1;
        self.burst = self.run.cut(rules.load_cut);
        Some((burst.on_bus(self.beat), last, self.burst.is_none()))
    }
}

/// What a store instruction has not put on the bus yet.
#[derive(Debug)]
enum Pending {
    Nothing,
    Blocks(Run),
    /// From this segment on.
    Segments(StoreSegments, u32),
}

impl Pending {
    /// Takes the next burst off; with it, whether it is the last one.
    fn next(&mut self, beat: u32, cut: Cut) -> Option<(Run, bool)> {
        let (burst, ends) = match self {
            Pending::Nothing => return None,
            Pending::Blocks(run) => (run.cut(cut)?, run.beats == 0),
            Pending::Segments(i, segment) => {
                let addr = i.addr.wrapping_add(segment.wrapping_mul(i.dst_stride));
                *segment += 1;
                (Run { beat: u64::from(addr / beat), beats: 1 }, *segment == i.count)
            }
        };
        if ends {
            *self = Pending::Nothing;
        }
        Some((burst, ends))
    }
}

/// A write burst whose response is not known.
#[derive(Debug)]
struct Written {
    burst: Run,
    /// Handshake of its last data beat.
    last: u64,
    /// It is the last one of its instruction.
    ends: bool,
}

/// The store unit's side of the bus.
#[derive(Debug)]
pub(super) struct StoreBus {
    beat: u32,
    pending: Pending,
    address: u64,
    read: u64,
    /// Handshakes of the newest write beats, oldest first, at most as many as fit between buffer and bus.
    data: VecDeque<u64>,
    written: VecDeque<Written>,
    pub requests: Vec<Request>,
    /// Of each instruction, the cycles in which the memory alone kept it from moving a beat.
    pub waits: Vec<u64>,
    /// First cycle that is not accounted for.
    seen: u64,
}

impl StoreBus {
    pub fn new(beat: u32) -> StoreBus {
        StoreBus {
            beat,
            pending: Pending::Nothing,
            address: 0,
            read: 0,
            data: VecDeque::new(),
            written: VecDeque::new(),
            requests: Vec::new(),
            waits: Vec::new(),
            seen: 0,
        }
    }

    fn begin(&mut self, start: u64) {
        self.address = start;
        self.waits.push(0);
        self.seen = start + 1;
    }

    /// Begins to move whole blocks.
    pub fn blocks(&mut self, i: &StoreBlocks, start: u64) {
        self.pending = Pending::Blocks(Run::blocks(i.addr, i.blocks, self.beat));
        self.begin(start);
    }

    /// Begins to move segments, a burst of one beat each.
    pub fn segments(&mut self, i: &StoreSegments, start: u64) {
        self.pending = Pending::Segments(*i, 0);
        self.begin(start);
    }

    /// Puts bursts on the bus until one waits for room that depends on an unknown response; gives `free` with the last
    /// one of the instruction.
    pub fn advance(&mut self, memory: &mut Memory, rules: &Rules) -> Option<u64> {
        loop {
            let room = memory.write_room()?;
            let (burst, ends) = self.pending.next(self.beat, rules.store_cut)?;
            let presented = self.address + 1;
            self.address = memory.ready_at(Channel::Store, room.max(presented));
            self.waited(presented, self.address);
            memory.write_address();
            self.requests.push(burst.request(Channel::Store, self.beat, self.address));
            let mut last = 0;
            for _ in 0..burst.beats {
                last = self.data_beat(memory, rules);
            }
            self.written.push_back(Written { burst, last, ends });
            if ends {
                return Some(last + 1);
            }
        }
    }

    /// Something was presented in `from` and accepted in `to`; cycles before the last beat are accounted for already.
    fn waited(&mut self, from: u64, to: u64) {
        let from = from.max(self.seen);
        if let Some(wait) = self.waits.last_mut() {
            *wait += to.saturating_sub(from);
        }
        self.seen = self.seen.max(to);
    }

    /// Reads a beat and puts it on the bus; gives its handshake.
    fn data_beat(&mut self, memory: &Memory, rules: &Rules) -> u64 {
        let room = self.data.len().checked_sub(rules.store_fifo).map_or(0, |i| self.data[i] + 1);
        self.read = (self.read + 1).max(self.address + 1).max(room);
        let before = self.data.back().map_or(0, |last| last + 1);
        let valid = before.max(self.read + hw::timing::STORE_READ);
        let cycle = memory.ready_at(Channel::StoreData, valid);
        self.waited(valid, cycle);
        self.seen = self.seen.max(cycle + 1);
        self.data.push_back(cycle);
        if self.data.len() > rules.store_fifo {
            self.data.pop_front();
        }
        cycle
    }

    /// The last data beat of the oldest burst without response.
    pub fn request(&self) -> Option<u64> {
        self.written.front().map(|w| w.last)
    }

    /// The memory's response to it: the burst, the response's cycle, and whether it ends an instruction.
    pub fn commit(&mut self, memory: &mut Memory) -> Option<(Burst, u64, bool)> {
        let Written { burst, last, ends } = self.written.pop_front()?;
        let burst = burst.on_bus(self.beat);
        Some((burst, memory.write_done(burst, last), ends))
    }
}
