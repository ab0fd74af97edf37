//! Tilewright: co-design simulator and code generator for low-bit neural-network accelerators.
//!
//! The package holds the command line and joins the rooms, which it hands on: [`ir`], [`hw`], [`isa`], [`sim`], [`codegen`].
//! Only this package touches files, processes, clock, terminal and environment.
//!
//! | module | is |
//! |---|---|
//! | [`cli`] | arguments, exit codes, how failures are told |
//! | [`cosim`] | the emitted hardware against the simulator |
//! | [`synth`] | the emitted hardware against its predicted cells |
//! | `verbs` | one file per verb |
//! | `compiler` | from a model and a machine to programs and their files |
//! | `accelerator` | a model on a simulated machine that reads and writes text |
//! | `workload`, `frames`, `talk` | how much is read and written, what an encoder hears, and the run that does it |
//! | `accuracy` | how well a model predicts the evaluation texts |
//! | `tally`, `report`, `stalls`, `energy`, `resources`, `rung` | what runs cost, in sums, text and JSON, and what each figure stands on |
//! | `perfetto`, `relief` | what happened when, for a viewer; what would make a run faster |
//! | `place`, `model` | where machines, files and models come from |
//! | `output` | files that appear whole or not at all |
//! | `tools` | Verilator and the other programs that are called |

pub use {codegen, hw, ir, isa, sim};

pub mod cli;
pub mod cosim;
pub mod synth;

mod verbs;

mod ablation;
mod accelerator;
mod accuracy;
mod compiler;
mod depth;
mod energy;
mod frames;
mod perfetto;
mod relief;
mod report;
mod resources;
mod rung;
mod stalls;
mod talk;
mod tally;
mod workload;

mod checkpoint;
mod folder;
mod manifest;
mod model;
mod output;
mod place;
mod progress;
mod rtl;
mod scratch;
mod tools;
