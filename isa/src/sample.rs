//! Arbitrary instructions and programs for the round-trip laws: any fields that fit, legal for a machine or not.

use crate::instr::{Head, Instr};
use crate::program::{Arg, ArgValue, Origin, Program, Region, Ring};
use crate::table::{Body, Kind, TABLE, Unit};

/// A seeded generator (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Zero, all ones, or anything, of `width` bits.
    fn bits(&mut self, width: u32) -> u64 {
        let all = (1u64 << width) - 1;
        match self.below(4) {
            0 => 0,
            1 => all,
            _ => self.next() & all,
        }
    }

    pub fn instr(&mut self) -> Instr {
        let index = self.below(TABLE.len() as u64) as usize;
        let spec = &TABLE[index];
        let values: Vec<u32> = spec.fields.iter().map(|f| self.field(f.kind, f.width)).collect();
        let mut body = Body::zero(index).unwrap();
        body.set_values(&values);
        let unit = spec.unit != Unit::Sequencer;
        let mask = |bits: u64| if unit { bits as u16 } else { 0 };
        let (drain, mark) = (unit && self.below(2) == 1, self.below(2) == 1);
        let head = Head { drain, mark, wait: mask(self.bits(16)), post: mask(self.bits(16)) };
        Instr { head, body }
    }

    fn field(&mut self, kind: Kind, width: u32) -> u32 {
        match kind {
            Kind::Enum(names) => self.below(names.len() as u64) as u32,
            Kind::Int => ((self.bits(width) as i64) - (1 << (width - 1))) as u32,
            _ => self.bits(width) as u32,
        }
    }

    fn text(&mut self) -> String {
        const ALPHABET: [&str; 12] = ["a", "Z", "_", ".", "7", " ", "\"", "\\", "\n", ";", "\u{1b}", "é"];
        (0..self.below(7)).map(|_| ALPHABET[self.below(12) as usize]).collect()
    }

    fn origin(&mut self) -> Origin {
        Origin { step: self.text(), nodes: (0..self.below(3)).map(|_| self.text()).collect() }
    }

    fn arg(&mut self) -> Arg {
        let mut n = || self.bits(32) as u32;
        let (a, b, c, d) = (n(), n(), n(), n());
        let value = match self.below(4) {
            0 => ArgValue::Const(a),
            1 => ArgValue::Position { div: a, quotient: b, remainder: c, constant: d },
            2 => {
                let ring = Ring { sink: a & 0xffff, window: b, slot: d & 1 != 0 };
                ArgValue::Ring { ring, div: a, quotient: b, remainder: c, constant: d }
            }
            _ => ArgValue::Token { index: a, scale: b, constant: c },
        };
        Arg { name: self.text(), value }
    }

    pub fn program(&mut self) -> Program {
        let instrs: Vec<Instr> = (0..self.below(40)).map(|_| self.short_loops()).collect();
        let origins: Vec<Origin> = (0..self.below(6)).map(|_| self.origin()).collect();
        let count = if origins.is_empty() || self.below(8) == 0 { 0 } else { instrs.len() };
        Program {
            machine_hash: self.next() as u32,
            base: (self.next() as u32) & !4095,
            origin_of: (0..count).map(|_| self.below(origins.len() as u64) as u32).collect(),
            args: (0..self.below(4)).map(|_| self.arg()).collect(),
            regions: (0..self.below(4)).map(|_| self.region()).collect(),
            instrs,
            origins,
        }
    }

    /// Loops as they come are longer than any program; half of them are cut so that some nest and some cross.
    fn short_loops(&mut self) -> Instr {
        let mut instr = self.instr();
        if let Body::Loop(l) = &mut instr.body
            && self.below(4) != 0
        {
            l.body %= 9;
        }
        instr
    }

    fn region(&mut self) -> Region {
        let (addr, bytes, writable) = (self.bits(32) as u32, self.bits(32) as u32, self.below(2) == 1);
        Region { name: self.text(), addr, bytes, writable }
    }
}
