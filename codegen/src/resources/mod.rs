//! Primitives of an UltraScale+ device that the hardware of a machine takes, predicted from its source.
//!
//! There is a function for each module of `templates/rtl`, from its parameters to its [`Cells`] and its instances; each term counts
//! what one construct of that module becomes, and says which. Logic that no parameter changes, and tables, whose contents decide, are
//! a number of that module. Nothing is fitted over designs. Counts are those of Yosys, each module
//! synthesised alone (`tilewright synth` prints both): LUTs are those of logic, of memories and of shift registers.
//!
//! | module | holds |
//! |---|---|
//! | [`construct`] | what a construct of the language becomes: adders, multiplexers, shifters, multipliers |
//! | [`memory`] | memories, queues, buffers and the banks |
//! | [`control`] | fetch, sequencer, issue, control port |
//! | [`movement`] | load and store |
//! | [`matrix`] | matrix engine |
//! | [`products`] | its products and their sums |
//! | [`vector`] | vector engine |
//! | [`slices`] | what joins slices |

mod construct;
mod control;
mod matrix;
mod memory;
mod movement;
mod products;
mod slices;
mod vector;

use hw::{Geometry, Machine};
use std::collections::BTreeMap;
use std::ops::{AddAssign, Mul};

/// Primitives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cells {
    /// LUTs of up to six inputs: logic, distributed memory, shift registers.
    pub lut: u64,
    /// Flip-flops.
    pub ff: u64,
    /// DSP48E2 slices.
    pub dsp: u64,
    /// Halves of a RAMB36E2.
    pub bram18: u64,
    /// URAM288.
    pub uram: u64,
}

impl Cells {
    /// RAMB36E2; a RAMB18E2 is half of one.
    pub fn bram36(&self) -> f64 {
        self.bram18 as f64 / 2.0
    }
}

impl AddAssign for Cells {
    fn add_assign(&mut self, other: Cells) {
        self.lut += other.lut;
        self.ff += other.ff;
        self.dsp += other.dsp;
        self.bram18 += other.bram18;
        self.uram += other.uram;
    }
}

impl Mul<Cells> for u64 {
    type Output = Cells;

    fn mul(self, cells: Cells) -> Cells {
        Cells {
            lut: self * cells.lut,
            ff: self * cells.ff,
            dsp: self * cells.dsp,
            bram18: self * cells.bram18,
            uram: self * cells.uram,
        }
    }
}

/// A module with its parameters: what it takes by itself, and what it instantiates.
#[derive(Debug, Clone)]
pub struct Module {
    name: &'static str,
    parameters: BTreeMap<String, String>,
    cells: Cells,
    instances: Vec<(u64, Module)>,
}

impl Module {
    fn new(name: &'static str) -> Module {
        Module { name, parameters: BTreeMap::new(), cells: Cells::default(), instances: Vec::new() }
    }

    fn with(mut self, parameter: &str, value: impl ToString) -> Module {
        self.parameters.insert(parameter.into(), value.to_string());
        self
    }

    fn lut(mut self, count: u64) -> Module {
        self.cells.lut += count;
        self
    }

    fn ff(mut self, count: u64) -> Module {
        self.cells.ff += count;
        self
    }

    fn holds(mut self, cells: Cells) -> Module {
        self.cells += cells;
        self
    }

    fn has(mut self, count: u64, module: Module) -> Module {
        if count > 0 {
            self.instances.push((count, module));
        }
        self
    }

    /// Its name and parameters, the same for all instances that are alike.
    pub fn key(&self) -> String {
        key(self.name, &self.parameters)
    }

    /// Everything below it, itself included.
    pub fn total(&self) -> Cells {
        let mut total = self.cells;
        self.instances.iter().for_each(|(count, module)| total += *count * module.total());
        total
    }

    /// Of every kind of module in it how many there are and what one takes by itself.
    pub fn flat(&self) -> BTreeMap<String, (u64, Cells)> {
        let mut found = BTreeMap::new();
        self.collect(1, &mut found);
        found
    }

    fn collect(&self, times: u64, found: &mut BTreeMap<String, (u64, Cells)>) {
        found.entry(self.key()).or_insert((0, self.cells)).0 += times;
        self.instances.iter().for_each(|(count, module)| module.collect(times * count, found));
    }
}

/// What tells modules apart: a name and its parameters in alphabetical order.
pub fn key(name: &str, parameters: &BTreeMap<String, String>) -> String {
    let list: String = parameters.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{name}{list}")
}

/// The hardware of a machine.
pub fn predict(machine: &Machine) -> Module {
    let g = Geometry::of(machine);
    let beat = machine.memory.beat_bytes;
    Module::new("tw_top")
        .with("BEAT", beat)
        // The core's reset, the run's end, and the OR of the three bus errors, which goes two ways.
        .lut(4)
        .has(1, control::ctrl(machine))
        .has(1, control::frontend(machine))
        .has(1, control::schedule(machine))
        .has(1, control::stall())
        .has(1, control::probe())
        .with("SLICES", g.slices)
        .has(g.slices.into(), movement::load(machine))
        .has(g.slices.into(), movement::store(machine))
        .has(g.slices.into(), datapath(machine, &g))
        .has(2, slices::join(&g))
        .has(u64::from(g.slices > 1), slices::across(&g))
}

fn datapath(machine: &Machine, g: &Geometry) -> Module {
    Module::new("tw_datapath")
        .with("BEAT", machine.memory.beat_bytes)
        .has(1, matrix::matrix(machine, g))
        .has(1, vector::vector(g))
        .has(1, memory::memories(machine, g))
}
