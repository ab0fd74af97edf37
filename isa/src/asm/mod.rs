//! The assembler: text to [`Program`], the inverse of [`crate::disasm::listing`].
//!
//! Laws, tested on random programs: `assemble(listing(p)) == p`, and `listing` of what was assembled is a fixed point.
//! Everything about instructions comes from [`crate::table`]; nothing here names one except `loop`, whose body may be
//! written in braces.

mod build;
mod field;
mod grammar;
mod lookalike;

#[cfg(test)]
mod tests;

use crate::program::Program;
use build::Build;
use ir::diag::{Diagnostic, Spot};

/// Assembles a program.
///
/// # Errors
/// The first line that is not assembly, names something that does not exist, or holds a value that does not fit; with
/// its line and column.
pub fn assemble(text: &str) -> Result<Program, Diagnostic> {
    let mut build = Build::default();
    for (number, line) in text.lines().enumerate() {
        let fault = match grammar::line(line) {
            Ok(parsed) => build.line(number as u32 + 1, parsed).err(),
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            return Err(diagnostic(number, line, &fault));
        }
    }
    build.finish()
}

fn diagnostic(number: usize, line: &str, fault: &grammar::Fault) -> Diagnostic {
    let before = line.get(..line.len() - fault.left.min(line.len())).unwrap_or("");
    let column = before.chars().count() as u32 + 1;
    Diagnostic::new("asm", fault.what.clone())
        .because(fault.why.clone())
        .help(fault.help.clone())
        .at(Spot::Line { line: number as u32 + 1, column })
}
