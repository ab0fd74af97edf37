//! Program to bytes.

use super::{MAGIC, checksum};
use crate::program::{Arg, ArgValue, Origin, Program, Region};
use crate::table::ISA_VERSION;
use ir::diag::{Diagnostic, Spot};

pub fn write(program: &Program) -> Result<Vec<u8>, Diagnostic> {
    let mut out = MAGIC.to_vec();
    for number in [ISA_VERSION, program.machine_hash, program.base] {
        put(&mut out, number);
    }
    let p = program;
    for n in [p.instrs.len(), p.args.len(), p.regions.len(), p.origins.len(), p.origin_of.len()] {
        put(&mut out, count(n)?);
    }
    for (i, instr) in p.instrs.iter().enumerate() {
        let word = instr.encode().map_err(|e| {
            Diagnostic::new("program-encode", format!("instruction {i} has no encoding"))
                .because(e.to_string())
                .help("keep every field within the width that docs/isa.md states")
                .at(Spot::Item(format!("instruction {i}")))
        })?;
        word.iter().for_each(|part| out.extend(part.to_le_bytes()));
    }
    p.args.iter().try_for_each(|a| arg(&mut out, a))?;
    p.regions.iter().try_for_each(|r| region(&mut out, r))?;
    p.origins.iter().try_for_each(|o| origin(&mut out, o))?;
    p.origin_of.iter().for_each(|o| put(&mut out, *o));
    let sum = checksum(&out);
    put(&mut out, sum);
    Ok(out)
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}

fn count(n: usize) -> Result<u32, Diagnostic> {
    u32::try_from(n).map_err(|_| {
        Diagnostic::new("program-encode", "the program is too long")
            .because(format!("{n} entries do not fit a 32-bit count"))
            .help("use loops, or split the program")
    })
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<(), Diagnostic> {
    put(out, count(text.len())?);
    out.extend(text.as_bytes());
    Ok(())
}

fn arg(out: &mut Vec<u8>, arg: &Arg) -> Result<(), Diagnostic> {
    text(out, &arg.name)?;
    let numbers = match arg.value {
        ArgValue::Const(c) => [0, c, 0, 0, 0],
        ArgValue::Position { div, quotient, remainder, constant } => [1, div, quotient, remainder, constant],
        ArgValue::Ring { ring, div, quotient, remainder, constant } => {
            [3 + u32::from(ring.slot), div, quotient, remainder, constant]
        }
        ArgValue::Token { index, scale, constant } => [2, index, scale, constant, 0],
    };
    numbers.into_iter().for_each(|n| put(out, n));
    if let ArgValue::Ring { ring, .. } = arg.value {
        [ring.sink, ring.window].into_iter().for_each(|n| put(out, n));
    }
    Ok(())
}

fn region(out: &mut Vec<u8>, region: &Region) -> Result<(), Diagnostic> {
    text(out, &region.name)?;
    [region.addr, region.bytes, u32::from(region.writable)].into_iter().for_each(|n| put(out, n));
    Ok(())
}

fn origin(out: &mut Vec<u8>, origin: &Origin) -> Result<(), Diagnostic> {
    text(out, &origin.step)?;
    put(out, count(origin.nodes.len())?);
    origin.nodes.iter().try_for_each(|node| text(out, node))
}
