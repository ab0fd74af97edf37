//! All that a machine remembers between instructions, as bytes laid out by docs/machine.md section 1.

use crate::pages::Pages;
use bytes::Bytes;
use hw::{Geometry, Machine};
use ir::num::Scale;
use isa::access::Space;
use std::ops::Range;

/// Off-chip and on-chip memory of a slice, which is all of a machine that has one. On-chip memories start as zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub geometry: Geometry,
    pub accumulator_bits: u32,
    pub dram: Pages,
    /// Weight buffer.
    pub w: Vec<u8>,
    /// Group-scale buffer.
    pub g: Vec<u8>,
    /// Channel buffer.
    pub c: Vec<u8>,
    /// Activation buffer.
    pub a: Vec<u8>,
    /// Token scales.
    pub s: Vec<Scale>,
    /// Vector banks.
    pub v: Vec<Vec<u8>>,
}

/// An access beyond the end of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("touches {unit} {at} to {} of {space}, which has {size}", at + length - 1)]
pub struct Outside {
    pub space: &'static str,
    /// "byte", "slot" or "bank".
    pub unit: &'static str,
    pub at: u64,
    pub length: u64,
    pub size: u64,
}

impl State {
    /// A slice with `image` from DRAM address 0 on, and zeros elsewhere.
    pub fn new(machine: &Machine, image: &[u8]) -> State {
        State::with(machine, Pages::new(machine.memory.size_bytes, image))
    }

    fn with(machine: &Machine, dram: Pages) -> State {
        let b = &machine.buffers;
        let zeros = |bytes: u32| vec![0; bytes as usize];
        State {
            geometry: Geometry::of(machine),
            accumulator_bits: machine.matrix.accumulator_bits,
            dram,
            w: zeros(b.weight_bytes),
            g: zeros(b.group_scale_bytes),
            c: zeros(b.channel_bytes),
            a: zeros(b.activation_bytes),
            s: vec![Scale { mantissa: 0, exponent: 0 }; b.token_scales as usize],
            v: vec![zeros(b.vector_bank_bytes); b.vector_banks as usize],
        }
    }

    /// The slices of a machine, each with an image of its own; one that has none holds zeros.
    pub fn of_slices(machine: &Machine, images: &[impl AsRef<[u8]>]) -> Vec<State> {
        let image = |slice| images.get(slice).map_or(&[][..], AsRef::as_ref);
        (0..machine.slices.count as usize).map(|slice| State::new(machine, image(slice))).collect()
    }

    /// The same over images that are not copied.
    pub fn over(machine: &Machine, images: &[Bytes]) -> Vec<State> {
        let none = Bytes::new();
        let image = |slice| Pages::over(machine.memory.size_bytes, images.get(slice).unwrap_or(&none));
        (0..machine.slices.count as usize).map(|slice| State::with(machine, image(slice))).collect()
    }

    /// Bytes of a memory as hardware holds them; token scales count slots, of three bytes each. Nothing if it ends before.
    pub fn part(&self, space: Space, range: Range<usize>) -> Vec<u8> {
        let memory = match space {
            Space::Weight => &self.w,
            Space::GroupScale => &self.g,
            Space::Channel => &self.c,
            Space::Activation => &self.a,
            Space::Dram => return self.dram.get(range.start as u64, range.len()).unwrap_or_default(),
            Space::Vector(bank) => {
                return self.v.get(usize::from(bank)).map_or(Vec::new(), |v| bytes(v, range));
            }
            Space::TokenScale => {
                let slots = self.s.get(range).unwrap_or_default().iter();
                return slots
                    .flat_map(|s| [s.mantissa as u8, (s.mantissa >> 8) as u8, s.exponent as u8])
                    .collect();
            }
        };
        bytes(memory, range)
    }

    /// Where a memory ends, in the units of [`State::part`].
    pub fn end(&self, space: Space) -> usize {
        match space {
            Space::Weight => self.w.len(),
            Space::GroupScale => self.g.len(),
            Space::Channel => self.c.len(),
            Space::Activation => self.a.len(),
            Space::TokenScale => self.s.len(),
            Space::Dram => self.dram.size() as usize,
            Space::Vector(bank) => self.v.get(usize::from(bank)).map_or(0, Vec::len),
        }
    }

    /// A vector bank.
    pub(super) fn bank(&self, bank: u32) -> Result<&[u8], Outside> {
        let (at, size) = (u64::from(bank), self.v.len() as u64);
        let outside = Outside { space: "the vector banks", unit: "bank", at, length: 1, size };
        self.v.get(bank as usize).map(Vec::as_slice).ok_or(outside)
    }

    pub(super) fn bank_mut(&mut self, bank: u32) -> Result<&mut [u8], Outside> {
        let (at, size) = (u64::from(bank), self.v.len() as u64);
        let outside = Outside { space: "the vector banks", unit: "bank", at, length: 1, size };
        self.v.get_mut(bank as usize).map(Vec::as_mut_slice).ok_or(outside)
    }

    /// A token-scale slot.
    pub(super) fn slot(&mut self, slot: u32) -> Result<&mut Scale, Outside> {
        let (at, size) = (u64::from(slot), self.s.len() as u64);
        let outside = Outside { space: "the token scales", unit: "slot", at, length: 1, size };
        self.s.get_mut(slot as usize).ok_or(outside)
    }
}

fn bytes(memory: &[u8], range: Range<usize>) -> Vec<u8> {
    memory.get(range).unwrap_or_default().to_vec()
}

/// `length` bytes of a memory from `at` on.
pub(super) fn part<'a>(
    memory: &'a [u8],
    space: &'static str,
    at: u64,
    length: u64,
) -> Result<&'a [u8], Outside> {
    let outside = Outside { space, unit: "byte", at, length, size: memory.len() as u64 };
    memory.get(at as usize..(at + length) as usize).ok_or(outside)
}

/// The same, to be written.
pub(super) fn part_mut<'a>(
    memory: &'a mut [u8],
    space: &'static str,
    at: u64,
    length: u64,
) -> Result<&'a mut [u8], Outside> {
    let outside = Outside { space, unit: "byte", at, length, size: memory.len() as u64 };
    memory.get_mut(at as usize..(at + length) as usize).ok_or(outside)
}
