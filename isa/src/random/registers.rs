//! Sequencer instructions: values split between fields and registers, and noise.

use super::builder::Builder;
use crate::table::*;
use crate::{Body, Instr};
use hw::Function;

/// Added to addresses in loops; holds the offset of the round.
pub(super) const OFFSET: u32 = 9;
/// One of these is added to the count of a loop, and set right before it.
pub(super) const COUNT: [u32; 3] = [10, 15, 1];
/// Set right before each use.
const TEMPORARY: [u32; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15];

impl Builder<'_> {
    pub fn push(&mut self, body: impl Into<Body>) -> usize {
        self.instrs.push(Instr::from(body.into()));
        self.instrs.len() - 1
    }

    /// Now and then moves part of a field into a register. Fields that use a register already stay.
    pub fn with_registers(&mut self, mut body: Body) -> Body {
        // The two fields of an instruction take registers apart: setting the second must not spoil the first.
        let mut registers: [u32; 6] = [0; 6];
        let turn = self.rng.within(0, 12) as usize;
        registers.iter_mut().enumerate().for_each(|(i, r)| *r = TEMPORARY[(turn + i) % TEMPORARY.len()]);
        let [first, second] = [self.rng.pick(&registers[..3]), self.rng.pick(&registers[3..])];
        match &mut body {
            Body::Load(i) => {
                self.split(&mut i.addr, &mut i.raddr, first, 32);
                self.split(&mut i.blocks, &mut i.rblocks, second, 16);
            }
            Body::Gemm(i) => {
                self.split(&mut i.ntiles, &mut i.rntiles, first, 12);
                self.split(&mut i.groups, &mut i.rgroups, second, 10);
            }
            Body::Vector(i) => {
                self.split(&mut i.rows, &mut i.rrows, first, 10);
                if i.function() == Some(Function::Requantise) && i.rlen == 0 && self.rng.chance(25) {
                    return self.scale_word(body, second);
                }
                self.split(&mut i.len, &mut i.rlen, second, 16);
            }
            Body::StoreBlocks(i) => self.split(&mut i.addr, &mut i.raddr, first, 32),
            Body::StoreSegments(i) => self.split(&mut i.addr, &mut i.raddr, first, 32),
            _ => {}
        }
        body
    }

    /// A given scale as a word in a register, which has any part of its exponent.
    fn scale_word(&mut self, body: Body, register: u32) -> Body {
        let Body::Vector(mut i) = body else { return body };
        let part =
            (self.rng.bits() as i8).clamp((i.shift - 127).max(-128) as i8, (i.shift + 128).min(127) as i8);
        i.shift -= i32::from(part);
        let imm = self.rng.pick(&[0, 0, i.len]);
        let word = i.len | u32::from(part as u8) << 16;
        self.load_register(register, word - imm);
        (i.len, i.rlen) = (imm, register);
        i.into()
    }

    fn split(&mut self, field: &mut u32, register: &mut u32, through: u32, width: u32) {
        if *register != 0 || !self.rng.chance(12) {
            return;
        }
        let all = u32::MAX >> (32 - width);
        let drawn = self.rng.within(0, all);
        let imm = self.rng.pick(&[0, all, drawn, *field]);
        *register = through;
        self.load_register(through, field.wrapping_sub(imm));
        *field = imm;
    }

    /// Gives a register a value, in one of the three ways that there are.
    pub fn load_register(&mut self, rd: u32, value: u32) {
        match self.rng.within(0, 2) {
            0 if self.args.len() < self.most_args => {
                // Now and then the last entry of the table; behind it only the other two ways are left.
                if !self.plain && self.rng.chance(3) {
                    self.args.resize_with(self.most_args - 1, || self.rng.bits() as u32);
                }
                let entry = self.args.len() as u32;
                self.args.push(value);
                let drawn = self.rng.within(0, 65535);
                let imm = if rd == 0 { entry } else { self.rng.pick(&[entry, entry, drawn, 65535]) };
                let rs = if imm == entry { 0 } else { rd };
                if rs != 0 {
                    self.push(Set { rd: rs, imm: entry.wrapping_sub(imm) });
                }
                self.push(Arg { rd, rs, imm });
            }
            1 => {
                let part = self.rng.bits() as u32;
                self.push(Set { rd, imm: part });
                self.push(Add { rd, rs: rd, imm: value.wrapping_sub(part) });
            }
            _ => {
                self.push(Set { rd, imm: value });
            }
        }
    }

    /// A sequencer instruction without consequence.
    pub fn noise(&mut self) {
        let any = self.rng.bits() as u32;
        let imm = self.rng.pick(&[0, u32::MAX, any]);
        let rd = self.rng.pick(&[0, 0, 15, 1, 7]);
        let rs = self.rng.pick(&[0, 15, 3]);
        match self.rng.within(0, 3) {
            0 => self.push(Nop {}),
            1 => self.push(Set { rd, imm }),
            2 => self.push(Add { rd, rs, imm }),
            _ if self.args.is_empty() => self.push(Nop {}),
            _ => self.push(Arg { rd, rs: 0, imm: self.args.len() as u32 - 1 }),
        };
    }
}
