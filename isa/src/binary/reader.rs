//! Bytes to program. Nothing here trusts a number of the file: what it counts must be there.

use super::{MAGIC, checksum};
use crate::instr::Instr;
use crate::program::{Arg, ArgValue, Origin, Program, Region, Ring};
use crate::table::ISA_VERSION;
use ir::diag::{Diagnostic, Spot};

pub fn read(bytes: &[u8]) -> Result<Program, Diagnostic> {
    let mut cursor = Cursor { bytes: checked(bytes)?, at: MAGIC.len() + 4 };
    let machine_hash = cursor.number("the machine hash")?;
    let base = cursor.number("the base address")?;
    let mut counts = [0; 5];
    for c in &mut counts {
        *c = cursor.number("the counts")?;
    }
    let [instrs, args, regions, origins, references] = counts;
    let program = Program {
        machine_hash,
        base,
        instrs: cursor.many("instructions", instrs, 32, Cursor::instr)?,
        args: cursor.many("arguments", args, 24, Cursor::arg)?,
        regions: cursor.many("regions", regions, 16, Cursor::region)?,
        origins: cursor.many("origins", origins, 8, Cursor::origin)?,
        origin_of: cursor.many("origin references", references, 4, |c| c.number("an origin reference"))?,
    };
    match cursor.bytes.len() - cursor.at {
        0 => references_hold(program),
        n => Err(corrupt(cursor.at, format!("{n} bytes follow the program"))),
    }
}

/// Magic, version and checksum; returns the bytes without the checksum.
fn checked(bytes: &[u8]) -> Result<&[u8], Diagnostic> {
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) || bytes.is_empty() {
        return Err(Diagnostic::new("program-magic", "this is not a program file")
            .because("it does not begin with `TILEWRT1`")
            .help("give the program.bin that `tilewright compile` or `tilewright asm` wrote")
            .at(Spot::Byte(0)));
    }
    let body = bytes
        .len()
        .checked_sub(4)
        .filter(|n| *n >= MAGIC.len() + 4)
        .ok_or_else(|| truncated(bytes.len(), "the file ends within its header"))?;
    let (content, sum) = bytes.split_at(body);
    let version = u32_at(content, MAGIC.len());
    if version != ISA_VERSION {
        return Err(Diagnostic::new(
            "program-version",
            format!("instruction set version {version} is not known"),
        )
        .because(format!("this tilewright knows version {ISA_VERSION}"))
        .help("compile the model again with this version")
        .at(Spot::Byte(MAGIC.len() as u64)));
    }
    let (stored, found) = (u32_at(sum, 0), checksum(content));
    if stored == found {
        return Ok(content);
    }
    Err(Diagnostic::new("program-checksum", "the program file is truncated or corrupt")
        .because(format!("its last four bytes state checksum {stored:#010x}; its content has {found:#010x}"))
        .help("copy or compile it again")
        .at(Spot::Byte(body as u64)))
}

fn references_hold(program: Program) -> Result<Program, Diagnostic> {
    let (references, origins) = (&program.origin_of, program.origins.len());
    if !references.is_empty() && references.len() != program.instrs.len() {
        let (n, m) = (references.len(), program.instrs.len());
        return Err(corrupt(0, format!("{n} origin references for {m} instructions")));
    }
    match references.iter().find(|o| **o as usize >= origins) {
        Some(o) => Err(corrupt(0, format!("an origin reference names {o} of {origins} origins"))),
        None => Ok(program),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    u32::from_le_bytes(four)
}

fn truncated(at: usize, why: impl Into<String>) -> Diagnostic {
    Diagnostic::new("program-truncated", "the program file is truncated")
        .because(why)
        .help("copy or compile it again")
        .at(Spot::Byte(at as u64))
}

fn corrupt(at: usize, why: impl Into<String>) -> Diagnostic {
    Diagnostic::new("program-corrupt", "the program file is corrupt")
        .because(why)
        .help("copy or compile it again")
        .at(Spot::Byte(at as u64))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize, what: &str) -> Result<&'a [u8], Diagnostic> {
        let left = self.bytes.len() - self.at;
        if n > left {
            return Err(truncated(self.at, format!("{what} needs {n} bytes; {left} are left")));
        }
        let taken = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(taken)
    }

    fn number(&mut self, what: &str) -> Result<u32, Diagnostic> {
        self.take(4, what).map(|b| u32_at(b, 0))
    }

    fn text(&mut self, what: &str) -> Result<String, Diagnostic> {
        let length = self.number(what)? as usize;
        let at = self.at;
        let bytes = self.take(length, what)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|e| corrupt(at + e.valid_up_to(), format!("{what} is not UTF-8")))?;
        Ok(text.to_string())
    }

    /// `count` entries of at least `least` bytes each.
    fn many<T>(
        &mut self,
        what: &str,
        count: u32,
        least: usize,
        mut one: impl FnMut(&mut Self) -> Result<T, Diagnostic>,
    ) -> Result<Vec<T>, Diagnostic> {
        let left = self.bytes.len() - self.at;
        if count as usize > left / least {
            let why =
                format!("{count} {what} need {} bytes; {left} are left", u64::from(count) * least as u64);
            return Err(truncated(self.at, why));
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn instr(&mut self) -> Result<Instr, Diagnostic> {
        let at = self.at;
        let bytes = self.take(32, "an instruction")?;
        let mut word = [0; 4];
        for (i, part) in word.iter_mut().enumerate() {
            *part = u64::from(u32_at(bytes, 8 * i)) | u64::from(u32_at(bytes, 8 * i + 4)) << 32;
        }
        Instr::decode(&word).map_err(|e| corrupt(at, e.to_string()))
    }

    fn arg(&mut self) -> Result<Arg, Diagnostic> {
        let name = self.text("the name of an argument")?;
        let at = self.at;
        let mut n = [0; 5];
        for x in &mut n {
            *x = self.number("an argument")?;
        }
        let value = match n {
            [0, c, 0, 0, 0] => ArgValue::Const(c),
            [1, div, quotient, remainder, constant] => {
                ArgValue::Position { div, quotient, remainder, constant }
            }
            [kind @ (3 | 4), div, quotient, remainder, constant] => {
                let (sink, window) = (self.number("an argument")?, self.number("an argument")?);
                let ring = Ring { sink, window, slot: kind == 4 };
                ArgValue::Ring { ring, div, quotient, remainder, constant }
            }
            [2, index, scale, constant, 0] => ArgValue::Token { index, scale, constant },
            _ => return Err(corrupt(at, format!("argument `{name}` is of no known kind"))),
        };
        Ok(Arg { name, value })
    }

    fn region(&mut self) -> Result<Region, Diagnostic> {
        let name = self.text("the name of a region")?;
        let (addr, bytes) = (self.number("a region")?, self.number("a region")?);
        match self.number("a region")? {
            w @ (0 | 1) => Ok(Region { name, addr, bytes, writable: w == 1 }),
            _ => Err(corrupt(self.at - 4, format!("region `{name}` is neither writable nor not"))),
        }
    }

    fn origin(&mut self) -> Result<Origin, Diagnostic> {
        let step = self.text("the step of an origin")?;
        let count = self.number("the nodes of an origin")?;
        let nodes = self.many("nodes of an origin", count, 4, |c| c.text("a node of an origin"))?;
        Ok(Origin { step, nodes })
    }
}
