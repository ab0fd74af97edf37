//! One file per verb: its arguments, and a function from them to a [`Report`](crate::cli::Report).

pub mod asm;
pub mod compile;
pub mod cosim;
pub mod disasm;
pub mod doctor;
pub mod import;
pub mod machines;
pub mod rtl;
pub mod run;
pub mod sim;
