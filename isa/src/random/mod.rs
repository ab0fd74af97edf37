//! Random legal programs by seed: what simulator and hardware are compared on.
//!
//! Every [`Case`] passes [`crate::check`]. All units, opcodes, functions, outputs and modes appear; units overlap; queues
//! fill; loops run 0, 1, 2 and 5 rounds, inside each other, too; data holds the extremes of every format. Each program visits a few [`corners`], so
//! that many programs together meet every part of every field's span with every cause of waiting.

mod bodies;
mod builder;
mod corners;
mod directed;
mod memory;
mod operands;
mod registers;
mod rng;
mod rounds;
mod span;

pub use corners::Corner;
pub use directed::directed;
pub use rng::Rng;
pub use span::Bucket;

use crate::check::check;
use crate::check::fields::Limits;
use crate::program::{Arg, ArgValue};
use crate::table::Halt;
use crate::{Instr, Program};
use bodies::Bodies;
use builder::{Builder, Wish};
use hw::Machine;
use memory::Map;

/// A program with everything that a run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The program; legal for its machine.
    pub program: Program,
    /// DRAM from address 0 on; the words of the program are not in it.
    pub image: Vec<u8>,
    /// The same of the slices behind the first.
    pub others: Vec<Vec<u8>>,
    /// Values of its argument table.
    pub args: Vec<u32>,
}

impl Case {
    /// The image of each slice.
    pub fn images(&self) -> Vec<&[u8]> {
        std::iter::once(&self.image).chain(&self.others).map(Vec::as_slice).collect()
    }
}

/// Fewest words of a random program.
pub const SHORTEST: usize = 40;

/// The random legal program of a seed, of 40 words or more, 100 in the middle.
///
/// `None` if no attempt was legal, which happens only on machines with less DRAM or vector rows than any preset has.
pub fn case(machine: &Machine, seed: u64) -> Option<Case> {
    aimed(machine, seed, &corners::of_seed(machine, seed))
}

/// As [`case`], but it visits these corners, as far as the machine has them; with none it is short of units' work.
pub fn aimed(machine: &Machine, seed: u64, corners: &[Corner]) -> Option<Case> {
    (0..32u64).find_map(|attempt| attempt_case(machine, corners, Rng::new(seed ^ attempt << 48)))
}

fn attempt_case(machine: &Machine, corners: &[Corner], mut rng: Rng) -> Option<Case> {
    let map = Map::of(machine);
    let mut more = Rng::new(rng.clone().bits());
    // Now and then longer than the instruction memory of the presets.
    let long = if rng.chance(4) { 480 } else { 0 };
    let words = rng.within(0, 45) + long;
    let image = memory::image(&map, &mut rng);
    // The limits must know where the program will lie, not yet how long it is: 64 KiB are kept free.
    let reserve = vec![Instr::from(Halt {}); 2048];
    let reserved = program(machine, &map, reserve, &[]);
    let bodies = Bodies::new(machine, Limits::new(&reserved, machine));
    let mut builder = Builder::new(rng, bodies, machine);
    let there: Vec<&Corner> = corners.iter().filter(|c| c.exists(machine)).collect();
    there.iter().for_each(|corner| corners::early(&mut builder, corner));
    let least = if corners.is_empty() { SHORTEST + 20 } else { builder.instrs.len() };
    if !corners.is_empty() {
        operands::load(&mut builder);
    }
    while builder.instrs.len() < SHORTEST.max(least + words as usize) {
        match corners.is_empty() && builder.rng.chance(90) {
            true => builder.noise(),
            false => passage(&mut builder)?,
        }
    }
    there.iter().for_each(|corner| corners::contended(&mut builder, corner));
    builder.push(Halt {});
    let args = builder.args.clone();
    let program = program(machine, &map, builder.instrs, &args);
    check(&program, machine, &args).ok()?;
    let others = (1..machine.slices.count).map(|_| memory::image(&map, &mut more)).collect();
    Some(Case { program, image, others, args })
}

/// A few words of one character.
fn passage(builder: &mut Builder) -> Option<()> {
    match builder.rng.within(0, 99) {
        0..7 => builder.noise(),
        7 => builder.idle_nest(),
        8..14 => {
            let most = builder.rng.pick(&[0, 9, 9, 9, 28]);
            let length = builder.rng.within(most / 2, most);
            builder.repeat(length)?;
        }
        14..30 => {
            // One unit again and again: its queue fills.
            let unit = builder.rng.within(0, 3) as usize;
            for _ in 0..builder.rng.within(3, 7) {
                builder.place(&Wish::of(unit), 8);
            }
        }
        _ => {
            let unit = builder.rng.pick(&[0, 0, 1, 1, 2, 2, 2, 3]);
            let mut wish = Wish::of(unit);
            let other = builder.rng.within(0, 3) as usize;
            wish.join[other] = builder.rng.chance(12);
            builder.place(&wish, 12);
        }
    }
    Some(())
}

fn program(machine: &Machine, map: &Map, instrs: Vec<Instr>, args: &[u32]) -> Program {
    let mut program = bare(&instrs, args);
    program.machine_hash = machine.hash();
    program.base = map.program;
    program.regions = map.regions();
    program
}

/// Instructions and arguments alone.
fn bare(instrs: &[Instr], args: &[u32]) -> Program {
    let arg = |(i, value): (usize, &u32)| Arg { name: format!("a{i}"), value: ArgValue::Const(*value) };
    Program {
        machine_hash: 0,
        base: 0,
        instrs: instrs.to_vec(),
        args: args.iter().enumerate().map(arg).collect(),
        regions: vec![],
        origin_of: vec![],
        origins: vec![],
    }
}

#[cfg(test)]
mod tests;
