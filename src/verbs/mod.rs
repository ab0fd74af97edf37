//! One file per verb: its arguments, and a function from them to a [`Report`](crate::cli::Report).

pub mod asm;
pub mod compile;
pub mod cosim;
pub mod diff;
pub mod disasm;
pub mod doctor;
pub mod eval;
pub mod golden;
pub mod import;
pub mod machines;
pub mod models;
pub mod rtl;
pub mod run;
pub mod schemes;
pub mod sim;
pub mod synth;
