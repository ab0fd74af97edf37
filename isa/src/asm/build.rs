//! Puts lines together to a program: directives, loops in braces, origins.

use super::field;
use super::grammar::{At, Directive, Fault, Instruction, Line, Term, Value};
use crate::instr::Instr;
use crate::program::{Arg, ArgValue, Origin, Program, Region, Ring};
use crate::table::{Body, ISA_VERSION};
use ir::diag::{Diagnostic, Spot};
use std::collections::BTreeMap;

/// A program under construction.
#[derive(Default)]
pub struct Build {
    machine_hash: Option<u32>,
    base: Option<u32>,
    instrs: Vec<Instr>,
    args: Vec<Arg>,
    regions: Vec<Region>,
    origins: BTreeMap<u32, Origin>,
    origin_of: Vec<u32>,
    origin: Option<u32>,
    /// Loops whose brace is open: line and place in `instrs`.
    open: Vec<(u32, usize)>,
}

impl Build {
    /// Takes the next line.
    pub fn line(&mut self, number: u32, line: Line) -> Result<(), Fault> {
        match line {
            Line::Blank => Ok(()),
            Line::Close => self.close(),
            Line::Directive(d) => self.directive(d),
            Line::Instruction(i) => self.instruction(number, &i),
        }
    }

    /// The program.
    pub fn finish(self) -> Result<Program, Diagnostic> {
        if let Some((line, _)) = self.open.last() {
            return Err(Diagnostic::new("asm", "a loop is not closed")
                .because("its `{` has no `}`")
                .help("close the loop after its last instruction")
                .at(Spot::Line { line: *line, column: 1 }));
        }
        let machine_hash = self.machine_hash.ok_or_else(|| {
            Diagnostic::new("asm", "the program does not say which machine it is for")
                .because("simulator and hardware refuse a program that was made for another machine")
                .help("add `.machine tiny` (a built-in name) or `.machine 0x...` (the hash that `tilewright machines` prints)")
        })?;
        let origins = self.origins.len() as u32;
        if let Some(missing) = (0..origins).find(|i| !self.origins.contains_key(i)) {
            return Err(Diagnostic::new("asm", format!("origin {missing} is not defined"))
                .because("origins are numbered from 0 without gaps")
                .help(format!("add `.origin {missing} \"...\"`")));
        }
        Ok(Program {
            machine_hash,
            base: self.base.unwrap_or(0),
            instrs: self.instrs,
            args: self.args,
            regions: self.regions,
            origin_of: self.origin_of,
            origins: self.origins.into_values().collect(),
        })
    }

    fn instruction(&mut self, number: u32, line: &Instruction) -> Result<(), Fault> {
        let (instr, has_body) = field::instruction(line)?;
        let is_loop = matches!(instr.body, Body::Loop(_));
        if line.open && (!is_loop || has_body) {
            let why = if is_loop { "braces count the words of `body`" } else { "only `loop` has a body" };
            return Err(Fault::new(
                line.mnemonic.left,
                "unexpected `{`",
                why,
                "remove the brace or the field `body`",
            ));
        }
        if line.open {
            self.open.push((number, self.instrs.len()));
        }
        match self.origin {
            Some(origin) if self.origin_of.len() == self.instrs.len() => self.origin_of.push(origin),
            Some(_) => {
                return Err(Fault::new(
                    line.mnemonic.left,
                    "instructions before the first `.origin` have none",
                    "either every instruction has an origin or none has",
                    "put an `.origin` line before the first instruction",
                ));
            }
            None => {}
        }
        self.instrs.push(instr);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fault> {
        let Some((_, start)) = self.open.pop() else {
            return Err(Fault::new(1, "unexpected `}`", "no loop is open", "remove it"));
        };
        let words = self.instrs.len() - start - 1;
        if let Some(Instr { body: Body::Loop(l), .. }) = self.instrs.get_mut(start) {
            l.body = words as u32;
        }
        if words < 1 << 16 {
            return Ok(());
        }
        Err(Fault::new(
            1,
            format!("a loop body of {words} words"),
            "a body has at most 65535",
            "split the loop",
        ))
    }

    fn directive(&mut self, directive: Directive) -> Result<(), Fault> {
        match directive {
            Directive::Isa(version) => isa(&version),
            Directive::Machine(machine) => once(&mut self.machine_hash, machine.left, hash(&machine)?),
            Directive::Base(base) => {
                let value = word(&base)?;
                if value % 4096 == 0 {
                    return once(&mut self.base, base.left, value);
                }
                let what = format!("base {value:#x} is not a multiple of 4096");
                Err(Fault::new(base.left, what, "fetch bursts must not cross 4 KiB", "round it to 0x1000"))
            }
            Directive::Arg { name, formula } => {
                self.args.push(Arg { name: name.it, value: value_of(&formula)? });
                Ok(())
            }
            Directive::Region { name, addr, bytes, writable } => {
                let region = Region { name: name.it, addr: word(&addr)?, bytes: word(&bytes)?, writable };
                self.regions.push(region);
                Ok(())
            }
            Directive::Origin { index, origin } => self.set_origin(index, origin),
        }
    }

    /// `.origin "step"` takes the next free number, `.origin N "step"` defines N, `.origin N` returns to N.
    fn set_origin(&mut self, index: Option<At<i64>>, origin: Option<Origin>) -> Result<(), Fault> {
        let next = self.origins.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        let left = index.as_ref().map_or(0, |i| i.left);
        let number = index.as_ref().map_or(Ok(next), word)?;
        match (origin, self.origins.contains_key(&number)) {
            (Some(origin), false) => drop(self.origins.insert(number, origin)),
            (None, true) => {}
            (Some(_), true) => return Err(twice(left, &format!("origin {number}"))),
            (None, false) => {
                let what = format!("origin {number} is not defined");
                return Err(Fault::new(
                    left,
                    what,
                    "its first mention states it",
                    "write `.origin \"what for\"`",
                ));
            }
        }
        self.origin = Some(number);
        Ok(())
    }
}

fn once(slot: &mut Option<u32>, left: usize, value: u32) -> Result<(), Fault> {
    match slot.replace(value) {
        Some(_) => Err(twice(left, "the directive")),
        None => Ok(()),
    }
}

fn twice(left: usize, what: &str) -> Fault {
    Fault::new(left, format!("{what} is given twice"), "each may be given once", "remove one of them")
}

fn isa(version: &At<i64>) -> Result<(), Fault> {
    if version.it == i64::from(ISA_VERSION) {
        return Ok(());
    }
    Err(Fault::new(
        version.left,
        format!("instruction set version {} is not known", version.it),
        format!("this assembler knows version {ISA_VERSION}"),
        "assemble with the version of tilewright that wrote the file",
    ))
}

fn hash(machine: &At<Value>) -> Result<u32, Fault> {
    const OWN: &str = "write the hash that `tilewright machines` prints, or the name of a built-in machine";
    match &machine.it {
        Value::Number(n) => word(&At { left: machine.left, it: *n }),
        Value::Name(name) => hw::presets::load(name)
            .map(|m| m.hash())
            .map_err(|e| Fault::new(machine.left, format!("unknown machine `{name}`"), e.why, OWN)),
        _ => Err(Fault::new(
            machine.left,
            "not a machine",
            "expected a hash or a name",
            "write `.machine tiny`",
        )),
    }
}

fn word(value: &At<i64>) -> Result<u32, Fault> {
    let why = "numbers of directives have 32 bits, without a sign";
    u32::try_from(value.it).map_err(|_| {
        Fault::new(value.left, format!("{} is out of range", value.it), why, "use 0 to 0xffffffff")
    })
}

/// The argument value of a sum of terms.
fn value_of(terms: &[At<Term>]) -> Result<ArgValue, Fault> {
    let mut constant = None;
    let (mut quotient, mut remainder, mut token) = (None, None, None);
    let number = |left, n| word(&At { left, it: n });
    for At { left, it } in terms {
        let left = *left;
        let clash = match *it {
            Term::Number(n) => constant.replace(number(left, n)?).is_some(),
            Term::Quotient { of, div, times } => {
                quotient.replace((of, number(left, div)?, number(left, times)?)).is_some()
            }
            Term::Remainder { of, div, times } => {
                remainder.replace((of, number(left, div)?, number(left, times)?)).is_some()
            }
            Term::Token { index, times } => {
                token.replace((number(left, index)?, number(left, times)?)).is_some()
            }
        };
        if clash {
            return Err(twice(left, "a term of this kind"));
        }
    }
    let constant_part = constant.unwrap_or(0);
    let left = terms.first().map_or(0, |t| t.left);
    match (quotient, remainder, token) {
        (None, None, None) => Ok(ArgValue::Const(constant_part)),
        (None, None, Some((index, scale))) => Ok(ArgValue::Token { index, scale, constant: constant_part }),
        (q, r, None) => {
            let (of, div) = q.or(r).map_or((None, 1), |(of, div, _)| (of, div));
            if r.is_some_and(|(o, d, _)| (o, d) != (of, div)) {
                let why = "an argument divides the position, or what a ring makes of it, by one number";
                return Err(Fault::new(
                    left,
                    "two divisors",
                    why,
                    "write `position / 16 * 4 + position % 16`",
                ));
            }
            let part = |p: Option<(_, u32, u32)>| p.map_or(0, |(_, _, times)| times);
            let (quotient, remainder, constant) = (part(q), part(r), constant_part);
            match of {
                None => Ok(ArgValue::Position { div, quotient, remainder, constant }),
                Some((sink, window, slot)) => {
                    let ring = Ring { sink: number(left, sink)?, window: number(left, window)?, slot };
                    Ok(ArgValue::Ring { ring, div, quotient, remainder, constant })
                }
            }
        }
        _ => {
            let why = "an argument comes from the position or from a token";
            Err(Fault::new(left, "a formula of both position and token", why, "use two arguments and `add`"))
        }
    }
}
