//! Tilewright: co-design simulator and code generator for low-bit neural-network accelerators.
//!
//! The package holds the command line and joins the rooms, which it hands on: [`ir`], [`hw`], [`isa`], [`sim`], [`codegen`].
//! Only this package touches files, processes, clock, terminal and environment.
//!
//! | module | is |
//! |---|---|
//! | [`cli`] | arguments, exit codes, how failures are told |
//! | `verbs` | one file per verb |
//! | `place`, `model` | where machines, files and models come from |
//! | `output` | files that appear whole or not at all |
//! | `tools` | Verilator and the other programs that are called |

pub use {codegen, hw, ir, isa, sim};

pub mod cli;

mod verbs;

mod model;
mod output;
mod place;
mod progress;
mod tools;
