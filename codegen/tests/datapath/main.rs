//! The datapath of the emitted RTL against `ir::num`: each unit alone, in Verilator, on random and extreme data; and its
//! multipliers and memories, found by Yosys; small modules of control and arithmetic, proven by it.
//!
//! A test bench per unit (`tb_*.sv`) holds the memories and plays instructions; the references here walk the layouts of
//! docs/machine.md with the functions of `ir::num`. Every word of memory and the cycle of every event are compared.

mod bench;
mod digits;
mod dots;
mod matrix;
mod memory;
mod multipliers;
mod pairs;
mod proofs;
mod quads;
mod rng;
mod synthesis;
mod vector;
