//! Load and store: bursts on the bus.
//!
//! A load's bursts need the memory's answers one by one, until as many as may be open are answered at equal distances: then
//! the next ones are asked for at that distance, and as long as they are answered so nothing changes. A store's handshakes
//! follow from readiness, and from a response as soon as the memory's write buffer is full: they are computed as far ahead as
//! responses are known.

use super::rules::{Cut, Rules};
use super::stop::Stop;
use crate::memory::{Accepted, Burst, Channel, Memory, Port, Stream};
use crate::sink::{Event, Requests, Sink};
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

    fn request(&self, channel: Channel, beat_bytes: u32, cycle: u64) -> Event<'static> {
        self.requests(channel, beat_bytes, (cycle, 1, 0))
    }

    /// This burst, and those behind it up to a number of bursts, at equal distances of time.
    fn requests(&self, channel: Channel, beat_bytes: u32, at: (u64, u64, u64)) -> Event<'static> {
        let Burst { addr, beats } = self.on_bus(beat_bytes);
        let (cycle, count, cycles) = at;
        Event::Requests(Requests { first: Request { channel, addr, beats, cycle }, count, cycles })
    }

    /// Leaves out beats; there are as many.
    fn skip(&mut self, beats: u64) {
        self.beat += beats;
        self.beats -= beats;
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
    /// Handshake of the request before, or the start.
    before: u64,
    /// Last beats of the newest bursts, at most as many as may be open.
    open: VecDeque<u64>,
    /// From one of them to the next, and how many in succession are that far apart.
    distance: u64,
    equal: usize,
    /// Start of the instruction, and its requests so far.
    start: u64,
    requests: u64,
}

/// A load has made its last request.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Handshake of the last request.
    pub request: u64,
    pub last_beat: u64,
    /// Cycles since the start without handshake.
    pub memory: u64,
}

impl LoadBus {
    pub fn new(beat: u32) -> LoadBus {
        LoadBus {
            beat,
            run: Run { beat: 0, beats: 0 },
            burst: None,
            before: 0,
            open: VecDeque::new(),
            distance: 0,
            equal: 0,
            start: 0,
            requests: 0,
        }
    }

    pub fn start(&mut self, addr: u32, blocks: u32, start: u64, rules: &Rules) {
        self.run = Run::blocks(addr, blocks, self.beat);
        self.burst = self.run.cut(rules.load_cut);
        (self.before, self.start, self.requests) = (start, start, 0);
    }

    /// The handshake of the next burst, if there is one.
    pub fn request(&self, memory: &Memory, rules: &Rules) -> Option<u64> {
        self.burst?;
        let closed = self.open.len().checked_sub(rules.load_outstanding).map_or(0, |i| self.open[i] + 1);
        Some(memory.ready_at(Channel::Load, closed.max(self.before + 1)))
    }

    /// Performs all handshakes before `limit`; tells if the instruction's last one is among them.
    pub fn advance(
        &mut self,
        limit: u64,
        memory: &mut Memory,
        rules: &Rules,
        (sink, mut stop): (&mut impl Sink, Option<&mut Stop>),
    ) -> Option<Loaded> {
        loop {
            let cycle = self.request(memory, rules).filter(|c| *c < limit)?;
            let burst = self.burst.take()?;
            let (first, cycles) = (burst.on_bus(self.beat), self.distance);
            // An error may hide in any burst.
            let most = if stop.is_none() { self.steady(burst, cycle, limit, (memory, rules)) } else { 1 };
            let Accepted { count, last } =
                memory.read_stream(Port::Load, &Stream { first, accepted: cycle, cycles, most });
            if let Some(stop) = &mut stop {
                stop.answered(first, self.beat, last);
            }
            sink.event(burst.requests(Channel::Load, self.beat, (cycle, count, cycles)));
            self.answered(count, last, rules);
            self.before = cycle + (count - 1) * cycles;
            self.requests += count;
            self.run.skip((count - 1) * burst.beats);
            self.burst = self.run.cut(rules.load_cut);
            if self.burst.is_none() {
                let memory = (self.before - self.start).saturating_sub(self.requests);
                return Some(Loaded { request: self.before, last_beat: last, memory });
            }
        }
    }

    /// Handshakes from this burst's, in `cycle`, on that come at equal distances as long as last beats do.
    fn steady(&self, burst: Run, cycle: u64, limit: u64, (memory, rules): (&Memory, &Rules)) -> u64 {
        let (open, distance) = (rules.load_outstanding, self.distance);
        if self.equal + 1 < open || self.open.len() < open || distance == 0 {
            return 1;
        }
        let length = u64::from(rules.load_cut.beats);
        let closed = cycle == self.open[0] + 1 && cycle == self.before + distance;
        // A fetch between two bursts comes once.
        let alone = self.open.back().is_some_and(|last| last + 1 == memory.read_free());
        if burst.beats < length || !closed || !alone {
            return 1;
        }
        let (whole, in_time) = (self.run.beats / length, (limit - 1 - cycle) / distance);
        1 + whole.min(in_time)
    }

    /// The last beat of the newest burst, and how many bursts are the distance after each other, the first one after those
    /// before.
    fn answered(&mut self, count: u64, last: u64, rules: &Rules) {
        let distance = self.open.back().map_or(0, |before| last - before);
        if count == 1 {
            self.equal = if distance == self.distance { self.equal + 1 } else { 1 };
            self.distance = distance;
            self.open.push_back(last);
            if self.open.len() > rules.load_outstanding {
                self.open.pop_front();
            }
        } else {
            // There were as many at the same distance before.
            self.open.iter_mut().for_each(|beat| *beat += distance);
        }
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
    /// Cycles of the instruction in which the memory alone kept it from moving a beat.
    waits: u64,
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
            waits: 0,
            seen: 0,
        }
    }

    fn begin(&mut self, start: u64) {
        self.address = start;
        self.waits = 0;
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

    /// Puts bursts on the bus until one waits for room that depends on an unknown response; with the last one of the
    /// instruction, gives `free` and the cycles in which the memory alone kept it from moving a beat.
    pub fn advance(
        &mut self,
        memory: &mut Memory,
        rules: &Rules,
        sink: &mut impl Sink,
    ) -> Option<(u64, u64)> {
        loop {
            let room = memory.write_room()?;
            let (burst, ends) = self.pending.next(self.beat, rules.store_cut)?;
            let presented = self.address + 1;
            self.address = memory.ready_at(Channel::Store, room.max(presented));
            self.waited(presented, self.address);
            memory.write_address();
            sink.event(burst.request(Channel::Store, self.beat, self.address));
            let mut last = 0;
            for _ in 0..burst.beats {
                last = self.data_beat(memory, rules);
            }
            self.written.push_back(Written { burst, last, ends });
            if ends {
                return Some((last + 1, self.waits));
            }
        }
    }

    /// Something was presented in `from` and accepted in `to`; cycles before the last beat are accounted for already.
    fn waited(&mut self, from: u64, to: u64) {
        let from = from.max(self.seen);
        self.waits += to.saturating_sub(from);
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
