//! The sequencer: program counter, registers, one loop; dispatches a word a cycle.

use super::fetch::Fetch;
use crate::trace::SequencerCounters;
use hw::machine::REGISTERS;
use isa::table::Body;
use isa::{Instr, Program};

/// What the sequencer does in a cycle.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    Dispatch(Instr),
    /// The word has no legal encoding.
    Unknown,
    Argument,
    Fetch,
    Queue,
    Halt,
}

impl Next {
    pub fn moves(&self) -> bool {
        matches!(self, Next::Dispatch(_) | Next::Argument | Next::Unknown)
    }
}

#[derive(Debug)]
pub(super) struct Sequencer<'a> {
    args: &'a [u32],
    words: u32,
    pc: u32,
    registers: [u32; REGISTERS],
    in_loop: bool,
    loop_start: u32,
    loop_end: u32,
    rounds_left: u32,
    /// Reading the argument table.
    argument: bool,
    halted: bool,
    counters: SequencerCounters,
}

impl<'a> Sequencer<'a> {
    pub fn new(program: &Program, args: &'a [u32]) -> Sequencer<'a> {
        Sequencer {
            args,
            words: program.instrs.len() as u32,
            pc: 0,
            registers: [0; REGISTERS],
            in_loop: false,
            loop_start: 0,
            loop_end: 0,
            rounds_left: 0,
            argument: false,
            halted: false,
            counters: SequencerCounters::default(),
        }
    }

    pub fn halted(&self) -> bool {
        self.halted
    }

    /// Number of the word that is dispatched next.
    pub fn word(&self) -> u32 {
        self.pc
    }

    /// First word that instruction memory must keep.
    pub fn base(&self) -> u32 {
        if self.in_loop { self.loop_start } else { self.pc }
    }

    pub fn counters(&self) -> SequencerCounters {
        self.counters
    }

    /// What happens in this cycle, by registers alone.
    pub fn next(&self, fetch: &Fetch, full: impl Fn(usize) -> bool) -> Next {
        if self.halted {
            return Next::Halt;
        }
        if self.argument {
            return Next::Argument;
        }
        match fetch.word(self.pc) {
            None => Next::Fetch,
            Some(None) => Next::Unknown,
            Some(Some(instr)) if instr.unit().queue().is_some_and(full) => Next::Queue,
            Some(Some(instr)) => Next::Dispatch(instr),
        }
    }

    /// Takes the step; gives the instruction that is dispatched, with its registers added.
    pub fn step(&mut self, next: Next) -> Result<Option<Instr>, &'static str> {
        let c = &mut self.counters;
        match next {
            Next::Unknown => return Err("is no legal encoding"),
            Next::Argument => {
                self.argument = false;
                c.argument += 1;
            }
            Next::Fetch if self.pc >= self.words => return Err("the program has no word here"),
            Next::Fetch => c.fetch += 1,
            Next::Queue => c.queue += 1,
            Next::Halt => c.halt += 1,
            Next::Dispatch(instr) => {
                c.dispatching += 1;
                return self.dispatch(instr).map(Some);
            }
        }
        Ok(None)
    }

    fn dispatch(&mut self, mut instr: Instr) -> Result<Instr, &'static str> {
        self.pc += 1;
        let wraps = self.in_loop && self.pc == self.loop_end;
        match &mut instr.body {
            Body::Nop(_) => {}
            Body::Set(i) => self.write(i.rd, i.imm),
            Body::Add(i) => self.write(i.rd, i.imm.wrapping_add(self.read(i.rs))),
            Body::Arg(i) => {
                let entry = i.imm.wrapping_add(self.read(i.rs)) as usize;
                let value = *self.args.get(entry).ok_or("reads an argument that is not given")?;
                self.write(i.rd, value);
                self.argument = true;
            }
            Body::Loop(i) => {
                if self.in_loop {
                    return Err("a loop inside a loop");
                }
                let count = i.count.wrapping_add(self.read(i.rcount));
                (self.loop_start, self.loop_end, self.rounds_left) = (self.pc, self.pc + i.body, count);
                self.in_loop = count > 0;
                if count == 0 {
                    self.pc = self.loop_end;
                }
            }
            Body::Halt(_) => self.halted = true,
            body => self.add_registers(body),
        }
        if wraps {
            self.rounds_left -= 1;
            match self.rounds_left {
                0 => self.in_loop = false,
                _ => self.pc = self.loop_start,
            }
        }
        Ok(instr)
    }

    fn add_registers(&self, body: &mut Body) {
        let add = |field: &mut u32, register: &mut u32| {
            *field = field.wrapping_add(self.read(*register));
            *register = 0;
        };
        match body {
            Body::Load(i) => {
                add(&mut i.addr, &mut i.raddr);
                add(&mut i.blocks, &mut i.rblocks);
            }
            Body::Gemm(i) => {
                add(&mut i.ntiles, &mut i.rntiles);
                add(&mut i.groups, &mut i.rgroups);
            }
            Body::Vector(i) => {
                add(&mut i.rows, &mut i.rrows);
                add(&mut i.len, &mut i.rlen);
            }
            Body::StoreBlocks(i) => add(&mut i.addr, &mut i.raddr),
            Body::StoreSegments(i) => add(&mut i.addr, &mut i.raddr),
            _ => {}
        }
    }

    fn read(&self, register: u32) -> u32 {
        self.registers[register as usize % REGISTERS]
    }

    fn write(&mut self, register: u32, value: u32) {
        if register != 0 {
            self.registers[register as usize % REGISTERS] = value;
        }
    }
}
