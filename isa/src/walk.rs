//! The sequencer's walk: the words of a program in the order in which they are dispatched, with registers resolved.
//!
//! One walk for checker, functional and timing simulation. It knows no time. It ends after `halt`, or with the first error.
//!
//! Invariant of every [`Step`]: all register numbers of its instruction that add to a field are 0 and the field holds the
//! sum. Fields of sequencer instructions stay as they are.

use crate::illegal::Illegal;
use crate::instr::Instr;
use crate::program::Program;
use crate::table::{Body, Field, Kind, Loop, Spec, TABLE};
use hw::Function;
use hw::machine::{LOOP_LEVELS, REGISTERS};
use std::sync::LazyLock;

/// One dispatched word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its place in the program.
    pub word: u32,
    /// The instruction with its registers resolved.
    pub instr: Instr,
    /// After this dispatch: the first word that instruction memory must keep, which is the start of the outermost body
    /// within loops and the next word outside.
    pub base: u32,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    start: u32,
    end: u32,
    left: u32,
}

/// The dispatched words of a program.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    program: &'a Program,
    args: &'a [u32],
    registers: [u32; REGISTERS],
    next: u32,
    /// Loops that run, the outermost first.
    running: Vec<Running>,
    over: bool,
}

impl<'a> Walk<'a> {
    /// The walk of a program with these values in the argument table.
    pub fn new(program: &'a Program, args: &'a [u32]) -> Walk<'a> {
        Walk { program, args, registers: [0; REGISTERS], next: 0, running: Vec::new(), over: false }
    }

    /// Goes on at `word`, outside of loops, with this value in a register.
    pub(crate) fn enter_at(&mut self, word: usize, register: u32, value: u32) {
        self.next = word as u32;
        self.set(register, value);
    }

    /// The registers after the word that was dispatched last.
    pub fn registers(&self) -> &[u32; REGISTERS] {
        &self.registers
    }

    /// Place of the word that is dispatched next.
    pub fn next_word(&self) -> u32 {
        self.next
    }

    fn step(&mut self) -> Result<Step, Illegal> {
        let word = self.next;
        let Some(instr) = self.program.instrs.get(word as usize) else {
            return Err(self.refuse("the program has no word here", "a program ends with `halt`"));
        };
        let mut instr = *instr;
        self.next += 1;
        self.resolve(&mut instr.body)?;
        if instr != self.program.instrs[word as usize] {
            self.fits(word, &instr.body)?;
        }
        self.wrap();
        Ok(Step { word, instr, base: self.running.first().map_or(self.next, |r| r.start) })
    }

    /// Ends the round of each loop whose body ends before the next word, from the innermost on, until one has rounds left.
    fn wrap(&mut self) {
        while let Some(running) = self.running.last_mut().filter(|r| r.end == self.next) {
            running.left -= 1;
            if running.left > 0 {
                self.next = running.start;
                return;
            }
            self.running.pop();
        }
    }

    /// Adds registers to fields, and performs sequencer instructions.
    fn resolve(&mut self, body: &mut Body) -> Result<(), Illegal> {
        let registers = self.registers;
        match body {
            Body::Nop(_) => {}
            Body::Set(i) => self.set(i.rd, i.imm),
            Body::Add(i) => self.set(i.rd, i.imm.wrapping_add(registers[i.rs as usize % REGISTERS])),
            Body::Arg(i) => {
                let entry = i.imm.wrapping_add(registers[i.rs as usize % REGISTERS]);
                let Some(value) = self.args.get(entry as usize) else {
                    self.next -= 1;
                    let given = self.args.len();
                    return Err(self.refuse(
                        &format!("reads argument {entry}, and there are {given}"),
                        "name an argument that the program declares and the machine's table holds",
                    ));
                };
                self.set(i.rd, *value);
            }
            Body::Loop(i) => return self.enter(i, registers[i.rcount as usize % REGISTERS]),
            Body::Halt(_) => self.over = true,
            _ => {
                for (field, register) in sums(body).into_iter().flatten() {
                    *field = field.wrapping_add(registers[std::mem::take(register) as usize % REGISTERS]);
                }
            }
        }
        Ok(())
    }

    /// Checks that resolved fields still fit.
    fn fits(&self, word: u32, body: &Body) -> Result<(), Illegal> {
        too_wide(body).map_or(Ok(()), |what| {
            let why = "the unit's queue holds the width of the field";
            Err(Illegal::new(self.program, word as usize, what, why, "keep the sum within the field"))
        })
    }

    fn enter(&mut self, i: &Loop, count: u32) -> Result<(), Illegal> {
        let count = i.count.wrapping_add(count);
        let end = self.next + i.body;
        if self.running.last().is_some_and(|outer| end > outer.end) {
            self.next -= 1;
            return Err(self.refuse("the body ends behind the one that holds it", "end it before, or there"));
        }
        if count > 0 && self.running.len() == LOOP_LEVELS {
            self.next -= 1;
            let what = format!("{} loops run inside each other", LOOP_LEVELS + 1);
            return Err(self.refuse(&what, "unroll one of them"));
        }
        if count >= 1 << 16 {
            self.next -= 1;
            let what = format!("runs {count} times");
            return Err(self.refuse(&what, "a loop runs at most 65535 times"));
        }
        if i.body == 0 || end as usize > self.program.instrs.len() {
            self.next -= 1;
            let words = self.program.instrs.len();
            return Err(self.refuse(
                &format!("the body has {} words, and the program ends at {words}", i.body),
                "give the body at least one word, and all its words",
            ));
        }
        match count {
            0 => self.next = end,
            left => self.running.push(Running { start: self.next, end, left }),
        }
        Ok(())
    }

    fn set(&mut self, rd: u32, value: u32) {
        if rd != 0 {
            self.registers[rd as usize % REGISTERS] = value;
        }
    }

    fn refuse(&self, what: &str, help: &str) -> Illegal {
        Illegal::new(self.program, self.next as usize, what, "the sequencer cannot go on", help)
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Step, Illegal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let step = self.step();
        self.over |= step.is_err();
        Some(step)
    }
}

/// The fields of a unit's instruction that take a register, each with the number of its register.
pub(crate) fn sums(body: &mut Body) -> [Option<(&mut u32, &mut u32)>; 2] {
    match body {
        Body::Load(i) => [Some((&mut i.addr, &mut i.raddr)), Some((&mut i.blocks, &mut i.rblocks))],
        Body::Gemm(i) => [Some((&mut i.ntiles, &mut i.rntiles)), Some((&mut i.groups, &mut i.rgroups))],
        Body::Vector(i) => [Some((&mut i.rows, &mut i.rrows)), Some((&mut i.len, &mut i.rlen))],
        Body::StoreBlocks(i) => [Some((&mut i.addr, &mut i.raddr)), None],
        Body::StoreSegments(i) => [Some((&mut i.addr, &mut i.raddr)), None],
        Body::Nop(_) | Body::Set(_) | Body::Add(_) | Body::Arg(_) | Body::Loop(_) | Body::Halt(_) => {
            [None, None]
        }
    }
}

/// Bits of the fields of [`sums`], by place in the instruction table. A register is named like the field to which it is added, with an `r`
/// before.
static SUMMED_BITS: LazyLock<Vec<[u32; 2]>> = LazyLock::new(|| {
    let named = |spec: &Spec, name| spec.fields.iter().find(|f| f.name == name).map(|f| f.width);
    let of = |spec: &Spec| {
        let registers = spec.fields.iter().filter(|f| f.kind == Kind::Reg);
        let mut bits = registers.filter_map(|r| named(spec, r.name.strip_prefix('r')?));
        [0; 2].map(|_| bits.next().unwrap_or(u32::BITS))
    };
    TABLE.iter().map(of).collect()
});

/// What is wrong if a resolved field outgrows its width. Fields without registers are as wide as their encoding.
pub(crate) fn too_wide(body: &Body) -> Option<String> {
    let mut sums_of = *body;
    let summed = sums(&mut sums_of).into_iter().flatten().zip(SUMMED_BITS[body.index()]);
    if summed.into_iter().all(|((value, _), bits)| u64::from(*value) < 1 << bits) {
        return None;
    }
    let wide =
        |(f, value): &(&Field, u32)| f.kind == Kind::Num && u64::from(*value) >= 1 << resolved_bits(body, f);
    let (field, value) = body.spec().fields.iter().zip(body.values()).find(wide)?;
    let bits = resolved_bits(body, field);
    Some(format!("field `{}` becomes {value} with its register, more than {bits} bits", field.name))
}

/// Bits of a scale word.
const SCALE_BITS: u32 = 24;

/// Bits of the rows of a vector bank, and of groups of a sum over as many.
const LONG_BITS: u32 = 14;

/// Bits that a field may have with its register: those of the field, but a scale may come whole from a register, and what grows
/// with the positions of a cache may have more.
fn resolved_bits(body: &Body, field: &Field) -> u32 {
    match (body, field.name) {
        (Body::Vector(i), "len") if i.function() == Some(Function::Requantise) => SCALE_BITS,
        (Body::Vector(_), "rows") | (Body::Gemm(_), "groups") => LONG_BITS,
        _ => field.width,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Add, Arg, Halt, Load, Nop};

    fn program(bodies: Vec<Body>) -> Program {
        Program {
            machine_hash: 0,
            base: 0,
            instrs: bodies.into_iter().map(Instr::from).collect(),
            args: vec![],
            regions: vec![],
            origin_of: vec![],
            origins: vec![],
        }
    }

    fn walked(program: &Program, args: &[u32]) -> Vec<(u32, u32)> {
        Walk::new(program, args).map(|s| s.map(|s| (s.word, s.base)).unwrap()).collect()
    }

    #[test]
    fn loops_run_their_body_and_keep_it() {
        let body = |count| {
            vec![Loop { count, rcount: 0, body: 2 }.into(), Nop {}.into(), Nop {}.into(), Halt {}.into()]
        };
        assert_eq!(walked(&program(body(0)), &[]), [(0, 3), (3, 4)]);
        assert_eq!(walked(&program(body(2)), &[]), [(0, 1), (1, 1), (2, 1), (1, 1), (2, 3), (3, 4)]);
    }

    #[test]
    fn bodies_that_end_together_end_their_rounds_together() {
        let nest = |inner| {
            let (outer, inner) =
                (Loop { count: 2, rcount: 0, body: 3 }, Loop { count: inner, rcount: 0, body: 1 });
            program(vec![outer.into(), Nop {}.into(), inner.into(), Nop {}.into(), Halt {}.into()])
        };
        let round = |words: &[u32]| words.iter().map(|w| (*w, 1)).collect::<Vec<_>>();
        let whole = |words: &[u32], last| [round(words), vec![(last, 4), (4, 5)]].concat();
        assert_eq!(walked(&nest(2), &[]), whole(&[0, 1, 2, 3, 3, 1, 2, 3], 3));
        // A loop that does not run ends the round if it ends the body.
        assert_eq!(walked(&nest(0), &[]), whole(&[0, 1, 2, 1], 2));
    }

    #[test]
    fn loops_nest_to_the_limit() {
        let nest = |levels: u32| {
            let loops = (0..levels).map(|l| Loop { count: 2, rcount: 0, body: levels - l }.into());
            program(loops.chain([Nop {}.into(), Halt {}.into()]).collect())
        };
        let levels = LOOP_LEVELS as u32;
        let ran = walked(&nest(levels), &[]).iter().filter(|(word, _)| *word == levels).count();
        assert_eq!(ran, 1 << levels);
        assert!(Walk::new(&nest(levels + 1), &[]).any(|s| s.is_err()));
    }

    #[test]
    fn registers_are_added_and_cleared() {
        let p = program(vec![
            Arg { rd: 1, rs: 0, imm: 1 }.into(),
            Add { rd: 1, rs: 1, imm: 5 }.into(),
            Load { addr: u32::MAX, raddr: 1, blocks: 3, ..Default::default() }.into(),
            Halt {}.into(),
        ]);
        let steps: Vec<_> = Walk::new(&p, &[0, 10]).map(Result::unwrap).collect();
        assert_eq!(steps[2].instr.body, Load { addr: 14, blocks: 3, ..Default::default() }.into());
        assert!(Walk::new(&p, &[0]).any(|s| s.is_err()));
    }

    #[test]
    fn a_program_without_end_is_an_error() {
        assert!(Walk::new(&program(vec![Nop {}.into()]), &[]).last().unwrap().is_err());
    }
}
