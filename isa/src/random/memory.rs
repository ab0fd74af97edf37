//! DRAM of random programs: where data, program and results lie, and data that reaches for the extremes.

use super::rng::Rng;
use crate::program::Region;
use hw::Machine;

/// Where things lie, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map {
    /// Data to be loaded: from 0 to here.
    pub data: u32,
    pub program: u32,
    /// Stores go from here to the end.
    pub out: u32,
    /// Bytes that programs use.
    pub size: u32,
}

impl Map {
    pub fn of(machine: &Machine) -> Map {
        // Of a memory of 4 GiB all but the last page, so that sizes fit 32 bits, too.
        let size = machine.memory.size_bytes.min((1 << 32) - 4096) as u32;
        let data = (size / 16 / 4096 * 4096).clamp(4096, 1 << 18);
        Map { data, program: size / 4 / 4096 * 4096, out: size / 2 / 4096 * 4096, size }
    }

    /// Everything may be read, the upper half may be written.
    pub fn regions(&self) -> Vec<Region> {
        let region = |name: &str, addr, bytes, writable| Region { name: name.into(), addr, bytes, writable };
        vec![region("all", 0, self.size, false), region("out", self.out, self.size - self.out, true)]
    }

    /// The first byte and the bytes of the data that are scale words.
    pub fn scales(&self) -> (u32, u32) {
        (self.data / 2 / 64 * 64, self.data / 4 / 64 * 64)
    }
}

/// The data region: blocks of kinds in turn, so that neighbouring loads see different data.
pub(super) fn image(map: &Map, rng: &mut Rng) -> Vec<u8> {
    let (scales, scale_bytes) = map.scales();
    let mut image = Vec::with_capacity(map.data as usize);
    while image.len() < map.data as usize {
        let at = image.len() as u32;
        let scale = at >= scales && at < scales + scale_bytes;
        let kind = if scale { SCALES } else { rng.within(0, SCALES) };
        (0..16).for_each(|_| image.extend(word(kind, rng).to_le_bytes()));
    }
    image
}

const SCALES: u32 = 6;

fn word(kind: u32, rng: &mut Rng) -> u32 {
    let any = rng.bits() as u32;
    match kind {
        // Small and middling numbers with 16 fractional bits.
        0 => ((any as i32) >> rng.within(8, 28)) as u32,
        1 => any,
        // Bytes of -128, 127, 0, -1: extremes of codes and of nibbles.
        2 => u32::from_le_bytes(any.to_le_bytes().map(|b| [0x80, 0x7f, 0x00, 0xff][usize::from(b % 4)])),
        3 => [0x8000_0000, 0x7fff_ffff, 0, u32::MAX, 1, 0x8000_0001][(any % 6) as usize],
        4 => u32::MAX,
        5 => ((any as i32) >> 12) as u32,
        // Scale words with exponents that keep most results in range, and a few that do not.
        _ => {
            let mantissa = 0x8000 | any & 0x7fff;
            let exponent =
                if any >> 28 == 0 { any >> 16 & 0xff } else { rng.within(0, 18).wrapping_sub(16) & 0xff };
            mantissa | exponent << 16
        }
    }
}
