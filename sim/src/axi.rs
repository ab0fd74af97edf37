//! The memory behind AXI pins, one cycle at a time, for co-simulation. Time comes from [`Memory`], so it is the same that
//! the timing simulator sees; this adds the bytes.
//!
//! Calling convention. `inputs` are what the memory drives in cycle n, [`Outputs`] what the machine drives in cycle n:
//!
//! ```text
//! let mut memory = AxiMemory::new(&machine, vec![Pages::new(machine.memory.size_bytes, image)]);
//! let mut inputs = memory.inputs();           // of cycle 0
//! loop {                                      // cycle n
//!     // drive `inputs` onto the pins, settle the logic, sample the machine's outputs (all of cycle n)
//!     inputs = memory.tick(&outputs, &written)?;        // handshakes of cycle n happen; gives the inputs of cycle n + 1
//!     // rising clock edge: cycle n + 1 begins
//! }
//! ```
//!
//! * Cycle 0 is the one that follows the start; tick nothing before it.
//! * A handshake happens in cycle n if the machine's valid of cycle n meets the ready that the memory drove in cycle n.
//! * `rready` and `bready` are taken to be 1. Read beats and responses last one cycle.
//! * Addresses are those of the first beat, aligned to the beat; `beats` is AXI's length plus one. Byte i of a beat lies in
//!   bits 8i+7..8i of the data pins and belongs to byte `address + i`.
//! * A valid that meets no ready must stay, with the same payload. The wrapper checks this and reports it as a [`PinError`].
//! * Slices keep step: load and store ports of all of them say the same in the same cycle, each to a memory of its own. Only
//!   their data differ, so these are apart from the rest of the pins: one slice's beat behind the other's.

pub use crate::memory::Burst;
use crate::memory::{Channel, Memory, Port};
use crate::pages::Pages;
use hw::Machine;
use std::collections::VecDeque;
use std::ops::Range;

/// Widest beat in bytes.
pub const MAX_BEAT: usize = 64;

/// A beat of write data, in every slice; the bytes stand apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteBeat {
    /// Bit i: byte i is written.
    pub strobe: u64,
    pub last: bool,
}

/// A beat of read data, in every slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadBeat {
    /// What [`AxiMemory::data`] tells the bytes of.
    pub addr: u32,
    pub last: bool,
    /// The response is an error.
    pub error: bool,
}

/// Pins that the machine drives in a cycle; `None` is valid = 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outputs {
    pub fetch_ar: Option<Burst>,
    pub load_ar: Option<Burst>,
    pub store_aw: Option<Burst>,
    pub store_w: Option<WriteBeat>,
}

/// Pins that the memory drives in a cycle; `None` is valid = 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    pub fetch_arready: bool,
    pub load_arready: bool,
    pub store_awready: bool,
    pub store_wready: bool,
    pub fetch_r: Option<ReadBeat>,
    pub load_r: Option<ReadBeat>,
    /// bvalid; within it whether the response is an error
    pub store_b: Option<bool>,
}

/// A breach of the protocol by the machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cycle {cycle}: {what}")]
pub struct PinError {
    pub cycle: u64,
    pub what: String,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    cycle: u64,
    addr: u32,
    last: bool,
    error: bool,
}

/// DRAM with pins.
#[derive(Debug, Clone)]
pub struct AxiMemory {
    core: Memory,
    /// Of each slice.
    bytes: Vec<Pages>,
    beat: u32,
    cycle: u64,
    reads: [VecDeque<Due>; 2],
    writes: VecDeque<Burst>,
    /// Beats of the first of `writes` that have arrived.
    written: u32,
    /// Cycle of a response, and whether it is an error.
    responses: VecDeque<(u64, bool)>,
    /// Bytes whose bursts are answered with an error.
    poison: Range<u32>,
    /// What was valid without ready in the cycle before.
    held: Outputs,
    held_data: Vec<u8>,
    handshakes: Vec<(Channel, Burst, u64)>,
}

impl AxiMemory {
    /// A memory that holds these bytes in each slice, before cycle 0.
    pub fn new(machine: &Machine, bytes: Vec<Pages>) -> AxiMemory {
        AxiMemory {
            core: Memory::new(machine),
            bytes,
            beat: machine.memory.beat_bytes,
            cycle: 0,
            reads: Default::default(),
            writes: VecDeque::new(),
            written: 0,
            responses: VecDeque::new(),
            poison: 0..0,
            held: Outputs::default(),
            held_data: Vec::new(),
            handshakes: Vec::new(),
        }
    }

    /// The same memory, which answers a burst that touches these bytes with an error: a read at its last beat, a write in its
    /// response. Data move all the same.
    #[must_use]
    pub fn with_errors(self, poison: Range<u32>) -> AxiMemory {
        AxiMemory { poison, ..self }
    }

    /// Bytes of a beat.
    pub fn beat_bytes(&self) -> u32 {
        self.beat
    }

    /// All bytes of each slice.
    pub fn bytes(&self) -> &[Pages] {
        &self.bytes
    }

    /// The bytes of a beat in as many slices as `into` has room for.
    pub fn data(&self, beat: &ReadBeat, into: &mut [u8]) {
        let parts = into.chunks_exact_mut(self.beat as usize);
        // Bursts are accepted within the memory only.
        self.bytes.iter().zip(parts).for_each(|(bytes, part)| {
            let _ = bytes.read(beat.addr.into(), part);
        });
    }

    /// Address handshakes so far: channel, burst, cycle.
    pub fn handshakes(&self) -> &[(Channel, Burst, u64)] {
        &self.handshakes
    }

    /// Whether the memory has accepted something that it has not answered in full.
    pub fn owes(&self) -> bool {
        !self.reads.iter().all(VecDeque::is_empty) || !self.writes.is_empty() || !self.responses.is_empty()
    }

    /// What the memory drives in the current cycle.
    pub fn inputs(&self) -> Inputs {
        let beat = |port: Port| {
            let due = self.reads[port as usize].front().filter(|d| d.cycle == self.cycle)?;
            Some(ReadBeat { addr: due.addr, last: due.last, error: due.error })
        };
        Inputs {
            fetch_arready: self.core.ready(Channel::Fetch, self.cycle),
            load_arready: self.core.ready(Channel::Load, self.cycle),
            store_awready: self.core.ready(Channel::Store, self.cycle),
            store_wready: self.core.ready(Channel::StoreData, self.cycle),
            fetch_r: beat(Port::Fetch),
            load_r: beat(Port::Load),
            store_b: self.responses.front().filter(|r| r.0 == self.cycle).map(|r| r.1),
        }
    }

    /// Performs the handshakes of the current cycle, moves to the next one and gives its inputs. `written` is the data of the
    /// write beat, if there is one; what it has no byte for is not written.
    ///
    /// # Errors
    /// The machine broke the protocol or left the memory.
    pub fn tick(&mut self, outputs: &Outputs, written: &[u8]) -> Result<Inputs, PinError> {
        self.stable(outputs, written)?;
        let mut held = *outputs;
        self.read_address(Channel::Fetch, Port::Fetch, &mut held.fetch_ar)?;
        self.read_address(Channel::Load, Port::Load, &mut held.load_ar)?;
        self.write_address(&mut held.store_aw)?;
        self.write_data(&mut held.store_w, written)?;
        self.held = held;
        if held.store_w.is_some() {
            self.held_data.clear();
            self.held_data.extend(written);
        }
        self.retire();
        self.cycle += 1;
        Ok(self.inputs())
    }

    /// Forgets what was driven in the current cycle.
    fn retire(&mut self) {
        for queue in &mut self.reads {
            if queue.front().is_some_and(|due| due.cycle == self.cycle) {
                queue.pop_front();
            }
        }
        if self.responses.front().is_some_and(|r| r.0 == self.cycle) {
            self.responses.pop_front();
        }
    }

    fn stable(&self, now: &Outputs, written: &[u8]) -> Result<(), PinError> {
        let Outputs { fetch_ar, load_ar, store_aw, store_w } = self.held;
        let kept = (fetch_ar.is_none() || fetch_ar == now.fetch_ar)
            && (load_ar.is_none() || load_ar == now.load_ar)
            && (store_aw.is_none() || store_aw == now.store_aw)
            && (store_w.is_none() || store_w == now.store_w && self.held_data == written);
        if kept { Ok(()) } else { self.broken("a valid without ready was withdrawn or changed") }
    }

    fn read_address(
        &mut self,
        channel: Channel,
        port: Port,
        pins: &mut Option<Burst>,
    ) -> Result<(), PinError> {
        let Some(burst) = self.accept(channel, pins)? else { return Ok(()) };
        let mut at = Vec::with_capacity(burst.beats as usize);
        self.core.read(port, burst, self.cycle, &mut at);
        let beat = self.beat;
        self.reads[port as usize].extend((0u32..).zip(at).map(|(i, cycle)| Due {
            cycle,
            addr: burst.addr + i * beat,
            last: i + 1 == burst.beats,
            error: i + 1 == burst.beats && burst.touches(&self.poison, beat),
        }));
        Ok(())
    }

    fn write_address(&mut self, pins: &mut Option<Burst>) -> Result<(), PinError> {
        if let Some(burst) = self.accept(Channel::Store, pins)? {
            self.core.write_address();
            self.writes.push_back(burst);
        }
        Ok(())
    }

    /// Takes a burst off its pins if the channel is ready.
    fn accept(&mut self, channel: Channel, pins: &mut Option<Burst>) -> Result<Option<Burst>, PinError> {
        if !self.core.ready(channel, self.cycle) {
            return Ok(None);
        }
        let Some(burst) = pins.take() else { return Ok(None) };
        let bytes = u64::from(burst.beats) * u64::from(self.beat);
        let from = u64::from(burst.addr);
        let size = self.bytes.first().map_or(0, Pages::size);
        if burst.beats == 0 || burst.addr % self.beat != 0 || from + bytes > size {
            return self.broken(&format!("{channel:?} burst of {} beats at {from:#x}", burst.beats));
        }
        if from / 4096 != (from + bytes - 1) / 4096 {
            return self.broken(&format!("{channel:?} burst at {from:#x} crosses 4096 bytes"));
        }
        self.handshakes.push((channel, burst, self.cycle));
        Ok(Some(burst))
    }

    fn write_data(&mut self, pins: &mut Option<WriteBeat>, written: &[u8]) -> Result<(), PinError> {
        if !self.core.ready(Channel::StoreData, self.cycle) {
            return Ok(());
        }
        let Some(beat) = pins.take() else { return Ok(()) };
        let Some(burst) = self.writes.front().copied() else {
            return self.broken("write data without an address before it");
        };
        let from = u64::from(burst.addr + self.written * self.beat);
        for (bytes, written) in self.bytes.iter_mut().zip(written.chunks_exact(self.beat as usize)) {
            let mut data = [0; MAX_BEAT];
            let data = &mut data[..self.beat as usize];
            // Bursts are accepted within the memory only, as the beats of one that turns out too long need not be.
            if bytes.read(from, data).is_some() {
                let strobed =
                    data.iter_mut().zip(written).enumerate().filter(|(i, _)| beat.strobe >> i & 1 != 0);
                strobed.for_each(|(_, (to, from))| *to = *from);
                bytes.write(from, data);
            }
        }
        self.written += 1;
        if beat.last != (self.written == burst.beats) {
            return self.broken("wlast does not match the length of the burst");
        }
        if beat.last {
            self.writes.pop_front();
            self.written = 0;
            let response = self.core.write_done(burst, self.cycle);
            self.responses.push_back((response, burst.touches(&self.poison, self.beat)));
        }
        Ok(())
    }

    fn broken<T>(&self, what: &str) -> Result<T, PinError> {
        Err(PinError { cycle: self.cycle, what: what.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_beat_is_read_back_when_the_model_says() {
        let machine = hw::presets::load("tiny").unwrap();
        let mut memory = AxiMemory::new(&machine, vec![Pages::new(machine.memory.size_bytes, &[1, 2, 3])]);
        let burst = Some(Burst { addr: 0, beats: 1 });
        let beat = WriteBeat { strobe: 0b10, last: true };
        let write = Outputs { store_aw: burst, ..Default::default() };
        memory.tick(&write, &[]).unwrap();
        memory.tick(&Outputs { store_w: Some(beat), ..Default::default() }, &[9; MAX_BEAT]).unwrap();
        let mut inputs = memory.tick(&Outputs { load_ar: burst, ..Default::default() }, &[]).unwrap();
        let mut cycle = 3;
        while inputs.load_r.is_none() {
            assert_eq!(inputs.store_b, (cycle == 1 + 10).then_some(false));
            inputs = memory.tick(&Outputs::default(), &[]).unwrap();
            cycle += 1;
        }
        assert_eq!(cycle, 2 + 24);
        let beat = inputs.load_r.unwrap();
        let mut data = [0; MAX_BEAT];
        memory.data(&beat, &mut data);
        assert_eq!((&data[..4], beat.last), (&[1, 9, 3, 0][..], true));
    }

    #[test]
    fn a_withdrawn_request_is_noticed() {
        let machine = hw::presets::load("three").unwrap();
        let mut memory = AxiMemory::new(&machine, vec![Pages::new(machine.memory.size_bytes, &[])]);
        while memory.inputs().load_arready {
            memory.tick(&Outputs::default(), &[]).unwrap();
        }
        let request = Outputs { load_ar: Some(Burst { addr: 8, beats: 1 }), ..Default::default() };
        memory.tick(&request, &[]).unwrap();
        assert!(memory.tick(&Outputs::default(), &[]).is_err());
    }
}
