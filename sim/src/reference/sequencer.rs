//! The sequencer: program counter, registers, loops; dispatches a word a cycle.

use super::fetch::Fetch;
use crate::trace::SequencerCounters;
use hw::machine::{LOOP_LEVELS, REGISTERS};
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

/// The registers of a level of loops.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    start: u32,
    end: u32,
    rounds: u32,
}

#[derive(Debug)]
pub(super) struct Sequencer<'a> {
    args: &'a [u32],
    words: u32,
    pc: u32,
    registers: [u32; REGISTERS],
    /// Loops that run: so many levels, the outermost first.
    depth: usize,
    levels: [Level; LOOP_LEVELS],
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
            depth: 0,
            levels: [Level::default(); LOOP_LEVELS],
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
        if self.depth > 0 { self.levels[0].start } else { self.pc }
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
                let end = self.pc + i.body;
                match i.count.wrapping_add(self.read(i.rcount)) {
                    0 => self.pc = end,
                    rounds => {
                        let level =
                            self.levels.get_mut(self.depth).ok_or("too many loops inside each other")?;
                        *level = Level { start: self.pc, end, rounds };
                        self.depth += 1;
                    }
                }
            }
            Body::Halt(_) => self.halted = true,
            body => self.add_registers(body),
        }
        self.end_rounds();
        Ok(instr)
    }

    /// Behind the last word of a body: the next round, or the end of the loop, which may end a round of the one around it.
    fn end_rounds(&mut self) {
        for level in (0..self.depth).rev() {
            let Level { start, end, rounds } = &mut self.levels[level];
            if *end != self.pc {
                return;
            }
            *rounds -= 1;
            if *rounds > 0 {
                self.pc = *start;
                return;
            }
            self.depth = level;
        }
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
