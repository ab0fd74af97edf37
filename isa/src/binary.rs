//! program.bin: a [`Program`] as bytes.
//!
//! | bytes | content (all numbers little endian) |
//! |---|---|
//! | 8 | magic `TILEWRT1` |
//! | 4 | version of the instruction set |
//! | 4 | hash of the machine |
//! | 4 | base address |
//! | 4 x 5 | counts: instructions, arguments, regions, origins, origin references |
//! | 32 each | instruction words |
//! | | arguments: name, kind (0 constant, 1 position, 2 token), four numbers |
//! | | regions: name, address, bytes, 1 if writable |
//! | | origins: step, number of nodes, nodes |
//! | 4 each | origin references |
//! | 4 | FNV-1a checksum of everything before it, folded to 32 bits |
//!
//! A name or text is its length in four bytes and its UTF-8 bytes. Law: `read(write(p)) == p`. Counts are compared with the
//! bytes that are there before anything is allocated for them.

mod reader;
mod writer;

#[cfg(test)]
mod tests;

use crate::program::Program;
use ir::diag::Diagnostic;

const MAGIC: &[u8; 8] = b"TILEWRT1";

/// The bytes of a program.
///
/// # Errors
/// An instruction has no encoding, or there are more than 2^32 of something.
pub fn write(program: &Program) -> Result<Vec<u8>, Diagnostic> {
    writer::write(program)
}

/// The program of these bytes.
///
/// # Errors
/// Not a program file, truncated, corrupt, or of another instruction set version.
pub fn read(bytes: &[u8]) -> Result<Program, Diagnostic> {
    reader::read(bytes)
}

/// Refuses a program that was made for another machine.
///
/// # Errors
/// The hashes differ.
pub fn check_machine(program: &Program, machine: &hw::Machine) -> Result<(), Diagnostic> {
    let expected = machine.hash();
    if program.machine_hash == expected {
        return Ok(());
    }
    Err(Diagnostic::new("machine-mismatch", "the program was made for another machine")
        .because(format!(
            "the program carries machine hash {:#010x}; machine `{}` has {expected:#010x}",
            program.machine_hash, machine.name
        ))
        .help("compile again for this machine, or give the machine file that the program was compiled for"))
}

fn checksum(bytes: &[u8]) -> u32 {
    let step = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
    let wide = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    (wide >> 32) as u32 ^ wide as u32
}
