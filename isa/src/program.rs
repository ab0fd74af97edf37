//! A program: instructions, the arguments the host provides, the memory it expects, and where each instruction came from.

use crate::instr::Instr;
use std::fmt;

/// Value of an argument-table entry, computed by the host before each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgValue {
    /// The same in every run.
    Const(u32),
    /// `(position / div) * quotient + (position % div) * remainder + constant`, position = tokens already cached.
    Position {
        /// Divides the position.
        div: u32,
        /// Factor of the whole part.
        quotient: u32,
        /// Factor of the remainder.
        remainder: u32,
        /// Added.
        constant: u32,
    },
    /// As `Position`, of what a ring makes of the position.
    Ring {
        /// The ring, and what of it is meant.
        ring: Ring,
        /// Divides it.
        div: u32,
        /// Factor of the whole part.
        quotient: u32,
        /// Factor of the remainder.
        remainder: u32,
        /// Added.
        constant: u32,
    },
    /// `token[index] * scale + constant`: an address derived from an input token.
    Token {
        /// Which token of the run.
        index: u32,
        /// Factor of its id.
        scale: u32,
        /// Added.
        constant: u32,
    },
}

/// Places of cached positions where a token sees the first `sink` and the last `window`: there are `sink + window`, and behind the
/// sink a new position takes the place of the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// Positions that stay.
    pub sink: u32,
    /// Positions behind them.
    pub window: u32,
    /// The place of the position; else how many others a token at the position sees: all before it, at most all places but one.
    pub slot: bool,
}

impl Ring {
    /// Places; at least one.
    pub fn places(&self) -> u32 {
        self.sink.saturating_add(self.window).max(1)
    }

    /// What it makes of a position.
    pub fn of(&self, position: u32) -> u32 {
        match position < self.places() {
            true => position,
            false if self.slot => self.sink + (position - self.sink) % self.window.max(1),
            false => self.places() - 1,
        }
    }
}

/// One entry of the argument table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// Name, for people.
    pub name: String,
    /// How the host computes it.
    pub value: ArgValue,
}

impl ArgValue {
    /// The entry for a run at `position` over `tokens`; arithmetic is modulo 2^32. A token beyond the list counts as 0.
    pub fn at(&self, position: u32, tokens: &[u32]) -> u32 {
        match *self {
            ArgValue::Const(c) => c,
            ArgValue::Position { div, quotient, remainder, constant } => {
                let div = div.max(1);
                let whole = (position / div).wrapping_mul(quotient);
                whole.wrapping_add((position % div).wrapping_mul(remainder)).wrapping_add(constant)
            }
            ArgValue::Ring { ring, div, quotient, remainder, constant } => {
                ArgValue::Position { div, quotient, remainder, constant }.at(ring.of(position), tokens)
            }
            ArgValue::Token { index, scale, constant } => {
                tokens.get(index as usize).copied().unwrap_or(0).wrapping_mul(scale).wrapping_add(constant)
            }
        }
    }
}

/// A named range of DRAM, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Name, for people.
    pub name: String,
    /// First byte.
    pub addr: u32,
    /// Length in bytes.
    pub bytes: u32,
    /// The program may write it.
    pub writable: bool,
}

/// What an instruction was made for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Origin {
    /// Step of the plan.
    pub step: String,
    /// Nodes of the model behind it: of one operator, or of several that are fused. Empty where none is.
    pub nodes: Vec<String>,
}

impl Origin {
    /// A step that no node of the model stands behind.
    pub fn step(step: impl Into<String>) -> Origin {
        Origin { step: step.into(), nodes: Vec::new() }
    }
}

/// The step alone.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step)
    }
}

static NO_ORIGIN: Origin = Origin { step: String::new(), nodes: Vec::new() };

/// A program for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Hash of the machine it was made for ([`hw::Machine::hash`]).
    pub machine_hash: u32,
    /// DRAM byte address of the first instruction word, a multiple of 4096.
    pub base: u32,
    /// The words, from `base` on.
    pub instrs: Vec<Instr>,
    /// The argument table.
    pub args: Vec<Arg>,
    /// Memory that the program uses.
    pub regions: Vec<Region>,
    /// For each instruction, an index into `origins`.
    pub origin_of: Vec<u32>,
    /// What instructions were made for: plan step and model nodes.
    pub origins: Vec<Origin>,
}

impl Program {
    /// The argument table for a run.
    pub fn arg_values(&self, position: u32, tokens: &[u32]) -> Vec<u32> {
        self.args.iter().map(|a| a.value.at(position, tokens)).collect()
    }

    /// The origin of an instruction, empty if none was recorded.
    pub fn origin(&self, instr: usize) -> &Origin {
        self.origins.get(self.origin_number(instr)).unwrap_or(&NO_ORIGIN)
    }

    /// Its place among the origins, or their number if none was recorded.
    pub fn origin_number(&self, instr: usize) -> usize {
        self.origin_of.get(instr).map_or(self.origins.len(), |o| self.origins.len().min(*o as usize))
    }

    /// Pairs what is counted by [`Program::origin_number`] with the origins that an instruction has.
    pub fn by_origin<T>(&self, counts: Vec<T>) -> impl Iterator<Item = (Origin, T)> {
        let mut used = vec![false; self.origins.len() + 1];
        (0..self.instrs.len()).for_each(|instr| used[self.origin_number(instr)] = true);
        let origins = self.origins.iter().chain([&NO_ORIGIN]);
        let all = origins.zip(counts).zip(used).filter(|(_, used)| *used);
        all.map(|((origin, count), _)| (origin.clone(), count))
    }
}
