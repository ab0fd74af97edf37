//! From a plan with its semaphores to instructions: registers, the layer loop, `halt`.
//!
//! Invariants:
//! - registers have fixed uses ([`Reg`]); arguments are read once, before the first step, except a token's address;
//! - loops and register additions are those of the plan's flow.

use crate::plan::sync::Syncs;
use crate::plan::{Argument, Flow, Plan, Reg, Site};
use hw::Machine;
use hw::machine::BLOCK_BYTES;
use ir::diag::Diagnostic;
use isa::Program;
use isa::instr::{Head, Instr};
use isa::program::{Arg, ArgValue, Origin, Region};
use isa::table::{self, Body};

/// A program and where each step of its plan stands in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    pub program: Program,
    /// Instruction of each step of each segment.
    pub places: Vec<Vec<usize>>,
}

/// Emits the program into slot `slot` of the memory.
///
/// # Errors
/// A field that an instruction cannot hold, a loop body larger than the instruction memory, a program larger than its slot, or
/// more arguments than the machine has.
pub fn emit(plan: &Plan, syncs: &Syncs, machine: &Machine, slot: u32) -> Result<Emitted, Diagnostic> {
    let mut e = Emitter {
        plan,
        syncs,
        instrs: Vec::new(),
        origin_of: Vec::new(),
        args: Vec::new(),
        places: vec![Vec::new(); plan.segments.len()],
        longest: 0,
        scales: 0,
    };
    let control = plan.origins.len() as u32;
    for reg in Reg::ARGUMENTS {
        if let Some(value) = plan.map.register(reg).filter(|_| plan.map.sequence.is_none()) {
            e.argument(reg, format!("{reg:?}"), value, control);
        }
    }
    e.scales = e.args.len() as u32;
    let scale = |(n, word): (usize, &u32)| Arg { name: format!("scale {n}"), value: ArgValue::Const(*word) };
    e.args.extend(plan.scales.iter().enumerate().map(scale));
    e.flow(&plan.flow, control);
    e.control(table::Halt {}.into(), control);
    check(&e, machine)?;
    let program = Program {
        machine_hash: machine.hash(),
        base: plan.map.program(slot),
        regions: regions(plan, slot, e.instrs.len() as u32),
        instrs: e.instrs,
        args: e.args,
        origin_of: e.origin_of,
        origins: plan.origins.iter().cloned().chain([Origin::step("control")]).collect(),
    };
    Ok(Emitted { program, places: e.places })
}

fn regions(plan: &Plan, slot: u32, words: u32) -> Vec<Region> {
    let map = &plan.map;
    let block = |name: &str, at: u32, blocks: u32, writable| Region {
        name: name.into(),
        addr: at * BLOCK_BYTES,
        bytes: blocks * BLOCK_BYTES,
        writable,
    };
    let cache_end = map.stream.at;
    let all = vec![
        Region { name: "program".into(), addr: map.program(slot), bytes: words * 32, writable: false },
        block("weights", map.records, map.record_blocks * (plan.layers + 1), false),
        block("stream", map.stream.at, map.stream.blocks, plan.layers > 0),
        block("rope", map.rope.at, map.rope.blocks, false),
        block("frames", map.frames[0].at, map.frames[0].blocks, false),
        block("frames behind a convolution", map.frames[1].at, map.frames[1].blocks, true),
        block("value channels", map.value_channels.at, map.value_channels.blocks, false),
        block("embedding", map.embedding, map.cache - map.embedding, false),
        block("cache", map.cache, cache_end - map.cache, true),
        block("logits", map.logits, map.logits_blocks, true),
    ];
    all.into_iter().filter(|r: &Region| r.bytes > 0).collect()
}

fn check(e: &Emitter, machine: &Machine) -> Result<(), Diagnostic> {
    let (s, body) = (&machine.sequencer, e.longest);
    let refuse = |what: &str, item: &str, why: String, help: &str| {
        Err(Diagnostic::new("machine-too-small", what).at_item(item).because(why).help(help))
    };
    if body > s.imem_words - s.fetch_words {
        let why =
            format!("a layer takes {body} words, a loop body may have {}", s.imem_words - s.fetch_words);
        let help = "raise sequencer.imem_words, or enlarge the buffers so that a layer loads in fewer chunks";
        return refuse("a layer does not fit the instruction memory", "sequencer.imem_words", why, help);
    }
    if e.instrs.len() as u32 * 32 > crate::plan::map::PROGRAM_BYTES {
        let why = format!("it has {} words", e.instrs.len());
        return refuse("the program outgrows its place", "program", why, "compile for fewer tokens");
    }
    if e.args.len() as u32 > s.args {
        let why = format!("it needs {} arguments, the table has {}", e.args.len(), s.args);
        let help = match e.plan.scales.len() {
            0 => "raise sequencer.args of the machine, or compile for fewer tokens",
            _ => {
                "raise sequencer.args of the machine, compile for fewer tokens, or use a scheme that finds scales at run time"
            }
        };
        return refuse("the program has too many arguments", "sequencer.args", why, help);
    }
    for (i, instr) in e.instrs.iter().enumerate() {
        if let Err(error) = instr.encode() {
            let origin = e.plan.origins.get(e.origin_of[i] as usize).map_or("control", |o| &o.step);
            let help = "use a machine with larger rows, or a model with smaller layers";
            return refuse("an instruction cannot hold its sizes", origin, error.to_string(), help);
        }
    }
    Ok(())
}

struct Emitter<'a> {
    plan: &'a Plan,
    syncs: &'a Syncs,
    instrs: Vec<Instr>,
    origin_of: Vec<u32>,
    args: Vec<Arg>,
    places: Vec<Vec<usize>>,
    /// Words of the longest body of a loop.
    longest: u32,
    /// Entry of the first fixed scale.
    scales: u32,
}

impl Emitter<'_> {
    fn push(&mut self, instr: Instr, origin: u32) {
        self.instrs.push(instr);
        self.origin_of.push(origin);
    }

    fn control(&mut self, body: Body, origin: u32) {
        self.push(Instr { head: Head::default(), body }, origin);
    }

    /// Reads a new argument into a register.
    fn argument(&mut self, reg: Reg, name: String, value: ArgValue, origin: u32) {
        let imm = self.args.len() as u32;
        self.args.push(Arg { name, value });
        self.control(table::Arg { rd: reg as u32, rs: 0, imm }.into(), origin);
    }

    fn flow(&mut self, parts: &[Flow], control: u32) {
        for part in parts {
            match part {
                Flow::Segment(segment) => self.segment(*segment, control),
                Flow::Add { to, from, imm } => {
                    self.control(table::Add { rd: *to as u32, rs: *from as u32, imm: *imm }.into(), control);
                }
                Flow::Loop { count, body } => {
                    let (head, count) = (self.instrs.len(), *count);
                    self.control(table::Loop { count, rcount: 0, body: 0 }.into(), control);
                    self.flow(body, control);
                    let body = (self.instrs.len() - head - 1) as u32;
                    self.longest = self.longest.max(body);
                    self.instrs[head].body = table::Loop { count, rcount: 0, body }.into();
                }
            }
        }
    }

    fn segment(&mut self, segment: usize, control: u32) {
        let mut places = Vec::new();
        for (at, step) in self.plan.segments[segment].steps.iter().enumerate() {
            match step.argument {
                None => {}
                Some(Argument::Token(index)) => {
                    let map = &self.plan.map;
                    let value =
                        ArgValue::Token { index, scale: map.embedding_blocks, constant: map.embedding };
                    self.argument(Reg::Token, format!("token {index}"), value, control);
                }
                Some(Argument::Scale(Site { from, at })) => {
                    let (rd, imm) = (Reg::Scale as u32, self.scales + at);
                    self.control(table::Arg { rd, rs: from as u32, imm }.into(), control);
                }
            }
            let sync = self.syncs.steps[segment][at];
            let head = Head { drain: sync.drain, mark: false, wait: sync.wait, post: sync.post };
            places.push(self.instrs.len());
            self.push(Instr { head, body: step.body }, step.origin);
        }
        self.places[segment] = places;
    }
}
