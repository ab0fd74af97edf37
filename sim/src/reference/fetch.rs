//! Instruction fetch: one burst at a time into a ring of words.

use crate::axi::ReadBeat;
use crate::memory::Burst;
use hw::Machine;
use hw::timing::FETCH_START;
use isa::{Instr, Program};
use std::collections::VecDeque;

const WORD: usize = 32;

#[derive(Debug)]
pub(super) struct Fetch {
    /// Address of word 0.
    base_addr: u32,
    words: u32,
    chunk: u32,
    beat: usize,
    /// Words that were asked for.
    requested: u32,
    /// A burst was accepted and has beats to come.
    open: bool,
    /// Bytes of a word that is not complete.
    partial: Vec<u8>,
    /// Words whose last beat came in the cycle before: a write of the ring takes a cycle.
    arriving: VecDeque<Option<Instr>>,
    /// Instruction memory: the number of a word, and the word (`None`: no legal encoding).
    ring: Vec<Option<(u32, Option<Instr>)>>,
    written: u32,
}

impl Fetch {
    pub fn new(machine: &Machine, program: &Program) -> Fetch {
        Fetch {
            base_addr: program.base,
            words: program.instrs.len() as u32,
            chunk: machine.sequencer.fetch_words,
            beat: machine.memory.beat_bytes as usize,
            requested: 0,
            open: false,
            partial: Vec::new(),
            arriving: VecDeque::new(),
            ring: vec![None; machine.sequencer.imem_words as usize],
            written: 0,
        }
    }

    /// The burst on the address pins: the next chunk, if no word that must be kept lies where it goes.
    pub fn address(&self, now: u64, keep_from: u32) -> Option<Burst> {
        let words = (self.words - self.requested).min(self.chunk);
        let room = self.requested + self.chunk <= keep_from + self.ring.len() as u32;
        let valid = now >= FETCH_START && !self.open && words > 0 && room;
        let bytes = words as usize * WORD;
        valid.then(|| Burst {
            addr: self.base_addr + self.requested * WORD as u32,
            beats: bytes.div_ceil(self.beat) as u32,
        })
    }

    pub fn open(&self) -> bool {
        self.open
    }

    /// Word `number`, if the ring holds it.
    pub fn word(&self, number: u32) -> Option<Option<Instr>> {
        let slot = self.ring[number as usize % self.ring.len()];
        slot.filter(|(held, _)| *held == number).map(|(_, instr)| instr)
    }

    pub fn step(&mut self, accepted: bool, beat: Option<(&ReadBeat, &[u8])>) {
        while let Some(instr) = self.arriving.pop_front() {
            let slot = self.written as usize % self.ring.len();
            self.ring[slot] = Some((self.written, instr));
            self.written += 1;
        }
        if accepted {
            self.requested = self.words.min(self.requested + self.chunk);
            self.open = true;
        }
        if let Some((beat, data)) = beat {
            self.partial.extend(data);
            while self.partial.len() >= WORD {
                let bytes: Vec<u8> = self.partial.drain(..WORD).collect();
                self.arriving.push_back(decode(&bytes));
            }
            if beat.last {
                self.open = false;
                // What lies behind the last word of the program.
                self.partial.clear();
                self.arriving.truncate((self.requested - self.written) as usize);
            }
        }
    }
}

fn decode(bytes: &[u8]) -> Option<Instr> {
    let mut word = [0u64; 4];
    for (part, eight) in word.iter_mut().zip(bytes.chunks_exact(8)) {
        *part = eight.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b));
    }
    Instr::decode(&word).ok()
}
