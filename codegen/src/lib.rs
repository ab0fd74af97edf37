//! WHAT we write: plan (tile, schedule, allocate), program, SystemVerilog.
//!
//! | module | makes |
//! |---|---|
//! | [`model`] | what the compiler must know of a decoder |
//! | [`nodes`] | which nodes of the model stand behind an operator |
//! | [`support`] | which schemes the hardware does, and which it refuses |
//! | [`compile`] | programs for a model on a machine |
//! | [`plan`] | steps, their places and their order |
//! | [`program`] | instructions from a plan |
//! | [`image`] | the bytes of weights and constants |
//! | [`taps`] | where every value of the graph can be read |
//! | [`generate`] | the runs that read a prompt and answer it |
//! | [`rtl`] | SystemVerilog |
//! | [`resources`] | what the SystemVerilog takes on an FPGA |

pub mod compile;
pub mod generate;
pub mod image;
pub mod model;
pub mod narrow;
mod nodes;
pub mod plan;
pub mod program;
pub mod support;
pub mod taps;

pub mod resources;
pub mod rtl;

pub use compile::{Compiled, Slot, Target};
pub use model::Model;
