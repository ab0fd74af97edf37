//! The disassembler: a [`Program`] as text that [`crate::asm::assemble`] turns back into the same program.
//!
//! Fields that are zero are left out, except named ones; a loop's body stands in braces where it is properly nested, else
//! its length is printed; the number of each instruction follows as a comment.

use crate::instr::Instr;
use crate::program::{ArgValue, Origin, Program};
use crate::table::{Body, Field, ISA_VERSION, Kind, vec_parts};
use std::fmt::Write;

/// The whole program.
pub fn listing(program: &Program) -> String {
    let mut out = String::new();
    head(&mut out, program);
    let ends = loop_ends(&program.instrs);
    let mut open: Vec<usize> = Vec::new();
    let mut origins = Origins::default();
    for (i, instr) in program.instrs.iter().enumerate() {
        close(&mut out, &mut open, i);
        origins.mention(&mut out, program, i, open.len());
        let pad = "    ".repeat(open.len());
        let text = match ends[i] {
            Some(end) => {
                open.push(end);
                format!("{} {{", without_body(instr))
            }
            None => instruction(instr),
        };
        put(&mut out, format_args!("{pad}{text}  ; {i}\n"));
    }
    close(&mut out, &mut open, program.instrs.len());
    origins.rest(&mut out, program);
    out
}

/// One instruction.
pub fn instruction(instr: &Instr) -> String {
    fields(instr, |_| true)
}

fn without_body(instr: &Instr) -> String {
    fields(instr, |f| f.name != "body")
}

fn fields(instr: &Instr, shown: impl Fn(&Field) -> bool) -> String {
    let spec = instr.body.spec();
    let mut out = spec.mnemonic.to_string();
    for (field, value) in spec.fields.iter().zip(instr.body.values()) {
        if let Some(text) = value_text(field, value).filter(|_| shown(field)) {
            put(&mut out, format_args!(" {text}"));
        }
    }
    semaphores(&mut out, "wait", instr.head.wait);
    semaphores(&mut out, "post", instr.head.post);
    for (name, set) in [("drain", instr.head.drain), ("mark", instr.head.mark)] {
        if set {
            put(&mut out, format_args!(" {name}"));
        }
    }
    out
}

/// `name=value`, or `None` where nothing need be said.
fn value_text(field: &Field, value: u32) -> Option<String> {
    let name = field.name;
    match field.kind {
        Kind::Enum(names) => {
            let text = names.get(value as usize)?;
            (!["none", "plain"].contains(text)).then(|| format!("{name}={text}"))
        }
        _ if value == 0 => None,
        // Registers are 32 bits wide and so are addresses: hexadecimal from where decimal stops being readable.
        Kind::Num if field.width == 32 && value > 999 => Some(format!("{name}={value:#x}")),
        Kind::Num => Some(format!("{name}={value}")),
        Kind::Int => Some(format!("{name}={}", value as i32)),
        Kind::Reg => Some(format!("{name}=r{value}")),
        Kind::Vec => {
            let (bank, row) = vec_parts(value);
            Some(format!("{name}=v{bank}:{row}"))
        }
        Kind::Flag => Some(name.to_string()),
    }
}

fn semaphores(out: &mut String, name: &str, mask: u16) {
    let numbers: Vec<String> = (0..16).filter(|i| mask >> i & 1 != 0).map(|i| i.to_string()).collect();
    if !numbers.is_empty() {
        put(out, format_args!(" {name} {}", numbers.join(",")));
    }
}

fn head(out: &mut String, program: &Program) {
    let words = program.instrs.len();
    put(out, format_args!("; {words} instructions, {} bytes\n", words * 32));
    put(
        out,
        format_args!(
            ".isa {ISA_VERSION}\n.machine {:#010x}\n.base {:#x}\n",
            program.machine_hash, program.base
        ),
    );
    for arg in &program.args {
        put(out, format_args!(".arg {} = {}\n", name(&arg.name), formula(&arg.value)));
    }
    for r in &program.regions {
        let access = if r.writable { "rw" } else { "ro" };
        put(
            out,
            format_args!(".region {} addr={:#x} bytes={:#x} {access}\n", name(&r.name), r.addr, r.bytes),
        );
    }
    out.push('\n');
}

fn formula(value: &ArgValue) -> String {
    match *value {
        ArgValue::Const(c) => format!("{c:#x}"),
        ArgValue::Position { div, quotient, remainder, constant } => {
            format!("position / {div} * {quotient} + position % {div} * {remainder} + {constant:#x}")
        }
        ArgValue::Ring { ring, div, quotient, remainder, constant } => {
            let of = if ring.slot { "slot" } else { "seen" };
            let of = format!("{of}[{}, {}]", ring.sink, ring.window);
            format!("{of} / {div} * {quotient} + {of} % {div} * {remainder} + {constant:#x}")
        }
        ArgValue::Token { index, scale, constant } => format!("token[{index}] * {scale} + {constant:#x}"),
    }
}

/// A name bare where the assembler reads it so, else in quotes.
fn name(text: &str) -> String {
    let start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    // The grammar reads letters first and digits or points after them; both sets are within `plain`.
    if start && plain { text.to_string() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => put(&mut out, format_args!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// For each loop whose body can stand in braces, the number of the first instruction after it.
fn loop_ends(instrs: &[Instr]) -> Vec<Option<usize>> {
    let mut ends = vec![None; instrs.len()];
    let mut open: Vec<usize> = vec![instrs.len()];
    for (i, instr) in instrs.iter().enumerate() {
        while open.len() > 1 && open.last().is_some_and(|end| *end <= i) {
            open.pop();
        }
        let Body::Loop(l) = instr.body else { continue };
        let end = i + 1 + l.body as usize;
        if open.last().is_some_and(|outer| end <= *outer) {
            ends[i] = Some(end);
            open.push(end);
        }
    }
    ends
}

fn close(out: &mut String, open: &mut Vec<usize>, at: usize) {
    while open.last() == Some(&at) {
        open.pop();
        put(out, format_args!("{}}}\n", "    ".repeat(open.len())));
    }
}

/// Prints an origin where it changes: with its text at its first mention.
#[derive(Default)]
struct Origins {
    current: Option<u32>,
    mentioned: std::collections::BTreeSet<u32>,
}

impl Origins {
    fn mention(&mut self, out: &mut String, program: &Program, instr: usize, depth: usize) {
        let Some(&origin) = program.origin_of.get(instr) else { return };
        if self.current == Some(origin) {
            return;
        }
        self.current = Some(origin);
        let Some(made_for) = program.origins.get(origin as usize) else { return };
        let pad = "    ".repeat(depth);
        if self.mentioned.insert(origin) {
            put(out, format_args!("{pad}.origin {origin} {}\n", origin_text(made_for)));
        } else {
            put(out, format_args!("{pad}.origin {origin}  ; {}\n", quoted(&made_for.step)));
        }
    }

    /// Origins of no instruction, after all instructions.
    fn rest(&self, out: &mut String, program: &Program) {
        for (i, origin) in program.origins.iter().enumerate() {
            if !self.mentioned.contains(&(i as u32)) {
                put(out, format_args!(".origin {i} {}\n", origin_text(origin)));
            }
        }
    }
}

/// The step, and the nodes behind it.
fn origin_text(origin: &Origin) -> String {
    let nodes: Vec<String> = origin.nodes.iter().map(|node| quoted(node)).collect();
    let of = if nodes.is_empty() { "" } else { " of " };
    format!("{}{of}{}", quoted(&origin.step), nodes.join(" "))
}

/// Writing to a string cannot fail.
fn put(out: &mut String, args: std::fmt::Arguments) {
    let _ = out.write_fmt(args);
}
