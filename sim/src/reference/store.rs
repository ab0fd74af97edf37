//! The store unit's bus side: addresses run ahead; beats are read from the bank, wait in a short queue and leave in order.

use super::load::cut;
use crate::axi::WriteBeat;
use crate::memory::Burst;
use hw::Machine;
use hw::machine::BLOCK_BYTES;
use hw::timing::{STORE_FIFO, STORE_READ, STORE_RETIRE};
use isa::Instr;
use isa::table::{Body, StoreSegments};
use std::collections::VecDeque;

/// Where the next address comes from.
#[derive(Debug)]
enum Source {
    Blocks { beat: u64, left: u64 },
    Segments { fields: StoreSegments, next: u32 },
}

/// A beat between the bank and the bus.
#[derive(Debug, Clone, Copy)]
struct Beat {
    /// Cycles until it is on the pins.
    wait: u64,
    last: bool,
    ends: bool,
}

#[derive(Debug)]
pub(super) struct Store {
    beat_bytes: u32,
    most: u64,
    source: Option<Source>,
    /// On the address pins.
    burst: Option<Burst>,
    /// Beats whose address was accepted and that were not read: beats left of each burst, and whether it ends its instruction.
    unread: VecDeque<(u32, bool)>,
    fifo: VecDeque<Beat>,
    busy: bool,
    /// Of each burst without response, whether it ends its instruction.
    unanswered: VecDeque<bool>,
    retiring: super::delay::Delay,
}

impl Store {
    pub fn new(machine: &Machine) -> Store {
        Store {
            beat_bytes: machine.memory.beat_bytes,
            most: machine.store.burst_beats.into(),
            source: None,
            burst: None,
            unread: VecDeque::new(),
            fifo: VecDeque::new(),
            busy: false,
            unanswered: VecDeque::new(),
            retiring: Default::default(),
        }
    }

    pub fn busy(&self) -> bool {
        self.busy
    }

    pub fn address(&self) -> Option<Burst> {
        self.burst
    }

    /// Zeros that are not written: no time depends on data.
    pub fn data(&self) -> Option<WriteBeat> {
        let beat = self.fifo.front().filter(|b| b.wait == 0)?;
        Some(WriteBeat { strobe: 0, last: beat.last })
    }

    /// The retire pulse of this cycle, in which memory responds or not.
    pub fn retires(&mut self, response: bool) -> bool {
        let pulse = self.retiring.pulse();
        if response && self.unanswered.pop_front() == Some(true) {
            self.retiring.push(STORE_RETIRE);
        }
        pulse
    }

    pub fn step(&mut self, started: Option<&Instr>, address: bool, data: bool) {
        // Room as it was when the cycle began.
        let room = self.fifo.len() < STORE_FIFO;
        self.fifo.iter_mut().for_each(|b| b.wait = b.wait.saturating_sub(1));
        if data && let Some(beat) = self.fifo.pop_front() {
            if beat.last {
                self.unanswered.push_back(beat.ends);
            }
            self.busy &= !(beat.last && beat.ends);
        }
        if room && let Some((left, ends)) = self.unread.front_mut() {
            *left -= 1;
            let (last, ends) = (*left == 0, *ends);
            self.fifo.push_back(Beat { wait: STORE_READ - 1, last, ends });
            if last {
                self.unread.pop_front();
            }
        }
        if address && let Some(burst) = self.burst.take() {
            self.burst = self.next_burst();
            self.unread.push_back((burst.beats, self.burst.is_none()));
        }
        if let Some(instr) = started {
            self.begin(&instr.body);
        }
    }

    fn begin(&mut self, body: &Body) {
        let per_block = u64::from(BLOCK_BYTES / self.beat_bytes);
        self.source = match *body {
            Body::StoreBlocks(i) => Some(Source::Blocks {
                beat: u64::from(i.addr) * per_block,
                left: u64::from(i.blocks) * per_block,
            }),
            Body::StoreSegments(fields) => Some(Source::Segments { fields, next: 0 }),
            _ => None,
        };
        self.burst = self.next_burst();
        self.busy = true;
    }

    fn next_burst(&mut self) -> Option<Burst> {
        match self.source.as_mut()? {
            Source::Blocks { beat, left } => cut(beat, left, self.most, self.beat_bytes),
            Source::Segments { fields, next } => {
                let addr = fields.addr.wrapping_add(next.wrapping_mul(fields.dst_stride));
                *next += 1;
                let aligned = addr / self.beat_bytes * self.beat_bytes;
                (*next <= fields.count).then_some(Burst { addr: aligned, beats: 1 })
            }
        }
    }
}
