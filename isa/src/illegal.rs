//! Why a program cannot run: a place, what is wrong, why it matters, what to do.

use crate::Program;

/// An instruction that a machine cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("instruction {instr}: {text}\n  {what}\n  why: {why}\n  help: {help}")]
pub struct Illegal {
    /// Its place in the program.
    pub instr: usize,
    /// The instruction as a listing prints it.
    pub text: String,
    /// What is wrong.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl Illegal {
    /// A refusal of the instruction at `instr` of `program`.
    pub fn new(program: &Program, instr: usize, what: impl Into<String>, why: &str, help: &str) -> Illegal {
        Illegal { instr, text: text(program, instr), what: what.into(), why: why.into(), help: help.into() }
    }
}

fn text(program: &Program, instr: usize) -> String {
    program.instrs.get(instr).map_or("(after the last instruction)".into(), crate::disasm::instruction)
}

impl From<Illegal> for ir::diag::Diagnostic {
    fn from(illegal: Illegal) -> Self {
        let Illegal { instr, text, what, why, help } = illegal;
        ir::diag::Diagnostic::new("illegal-program", what)
            .at_item(format!("instruction {instr}: {text}"))
            .because(why)
            .help(help)
    }
}
