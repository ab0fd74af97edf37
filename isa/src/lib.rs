//! WHAT the machine obeys: one instruction table, from which everything else about instructions comes.
//!
//! | module | is |
//! |---|---|
//! | [`table`] | the one definition of instructions and their bits |
//! | [`instr`] | an instruction as a value, its encoding and decoding |
//! | [`sv`] | the layout of instructions inside the hardware: `tw_pkg.sv` |
//! | [`regs`] | the AXI-Lite register map: `tw_regs_pkg.sv`, C header, Markdown |
//! | [`program`] | instructions with their arguments, memory regions and origins |
//! | [`asm`], [`disasm`] | its text form, both directions |
//! | [`binary`] | its bytes, with checksum and machine hash |
//! | [`manual`] | docs/isa.md |
//! | [`walk`] | the words of a program in order of dispatch, registers resolved |
//! | [`access`] | what an instruction reads and writes |
//! | [`check`] | whether a program is legal on a machine |
//! | [`random`] | random legal programs by seed |
//! | [`minimise`] | the smallest legal program that still fails |
//! | [`illegal`] | what is said of a program that cannot run |

#![warn(missing_docs)]

pub mod instr;
pub mod program;
pub mod regs;
pub mod sv;
pub mod table;
pub mod walk;

pub mod access;
pub mod check;
pub mod illegal;

pub mod minimise;
pub mod random;

pub mod asm;
pub mod binary;
pub mod disasm;
pub mod manual;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod sample;

pub use illegal::Illegal;
pub use instr::{Head, Instr};
pub use program::Program;
pub use table::Body;
pub use walk::Walk;
