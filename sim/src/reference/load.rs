//! The load unit's bus side: address bursts one after the other, a limited number of them open.

use super::delay::Delay;
use crate::memory::Burst;
use hw::Machine;
use hw::machine::BLOCK_BYTES;
use hw::timing::LOAD_RETIRE;
use isa::Instr;
use isa::table::Body;
use std::collections::VecDeque;

/// Cuts the next burst off a run of beats: no longer than `most`, and not across a multiple of it in address.
pub(super) fn cut(beat: &mut u64, left: &mut u64, most: u64, beat_bytes: u32) -> Option<Burst> {
    let mut beats = 0;
    let addr = *beat;
    while beats < *left && (beats == 0 || (addr + beats) % most != 0) {
        beats += 1;
    }
    *beat += beats;
    *left -= beats;
    (beats > 0).then(|| Burst { addr: (addr * u64::from(beat_bytes)) as u32, beats: beats as u32 })
}

#[derive(Debug)]
pub(super) struct Load {
    beat_bytes: u32,
    most: u64,
    outstanding: usize,
    /// Beat and number of beats that are not in a burst yet.
    beat: u64,
    left: u64,
    /// On the address pins, when there is room.
    burst: Option<Burst>,
    /// Of each open burst, whether it ends its instruction.
    open: VecDeque<bool>,
    retiring: Delay,
}

impl Load {
    pub fn new(machine: &Machine) -> Load {
        Load {
            beat_bytes: machine.memory.beat_bytes,
            most: machine.load.burst_beats.into(),
            outstanding: machine.load.outstanding as usize,
            beat: 0,
            left: 0,
            burst: None,
            open: VecDeque::new(),
            retiring: Delay::default(),
        }
    }

    /// In the midst of an instruction.
    pub fn busy(&self) -> bool {
        self.burst.is_some()
    }

    pub fn address(&self) -> Option<Burst> {
        self.burst.filter(|_| self.open.len() < self.outstanding)
    }

    /// The retire pulse of this cycle.
    pub fn retires(&mut self) -> bool {
        self.retiring.pulse()
    }

    pub fn step(&mut self, started: Option<&Instr>, accepted: bool, last_beat: bool) {
        if last_beat && self.open.pop_front() == Some(true) {
            self.retiring.push(LOAD_RETIRE);
        }
        if accepted {
            self.burst = self.next_burst();
            self.open.push_back(self.burst.is_none());
        }
        if let Some(Body::Load(i)) = started.map(|i| i.body) {
            let per_block = u64::from(BLOCK_BYTES / self.beat_bytes);
            (self.beat, self.left) = (u64::from(i.addr) * per_block, u64::from(i.blocks) * per_block);
            self.burst = self.next_burst();
        }
    }

    fn next_burst(&mut self) -> Option<Burst> {
        cut(&mut self.beat, &mut self.left, self.most, self.beat_bytes)
    }
}
