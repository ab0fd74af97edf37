//! `tw_resolve`: from a 256-bit word and two registers to the resolved instruction of each unit, straight from the table.

use askama::Template;
use isa::sv::{Layout, Slot, layouts};
use isa::table::{Kind, Spec, TABLE, Unit};

/// One instruction in the decoder's case statement.
pub struct Case {
    mnemonic: &'static str,
    /// Opcode and unit, bits 6:0 of the word.
    code: u32,
    /// Bits that must be zero, as four 64-bit numbers in hexadecimal.
    reserved: String,
    /// Conditions on enumerated fields.
    named: Vec<String>,
    /// Bit ranges of the register numbers.
    registers: Vec<(&'static str, String)>,
    /// Outputs for the sequencer and their expressions.
    sequencer: Vec<(&'static str, String)>,
}

/// A unit's resolved instruction.
pub struct Resolved {
    unit: &'static str,
    /// Concatenations of one or two instructions, longest field last.
    forms: Vec<Form>,
}

/// Fields of a resolved instruction, most significant first.
pub struct Form {
    name: String,
    parts: Vec<Part>,
}

/// One field: its expression and the name behind it.
pub struct Part {
    expression: String,
    name: String,
}

/// View of `tw_resolve.sv`.
#[derive(Template)]
#[template(path = "rtl/tw_resolve.sv", escape = "none")]
pub struct View {
    cases: Vec<Case>,
    units: Vec<Resolved>,
}

impl View {
    /// The decoder of the instruction table.
    pub fn new() -> View {
        let unit = |unit: &Unit| Resolved {
            unit: unit.name(),
            forms: layouts(*unit).iter().map(|l| form(*unit, l)).collect(),
        };
        View { cases: TABLE.iter().map(case).collect(), units: Unit::QUEUED.iter().map(unit).collect() }
    }
}

fn range(lsb: u32, width: u32) -> String {
    if width == 1 { format!("word_i[{lsb}]") } else { format!("word_i[{}:{lsb}]", lsb + width - 1) }
}

fn case(spec: &'static Spec) -> Case {
    let mask = isa::sv::reserved_mask(spec);
    let named = spec.lsbs().filter_map(|(field, lsb)| match field.kind {
        Kind::Enum(names) if names.len() < 1 << field.width => {
            Some(format!("({} < {}'d{})", range(lsb, field.width), field.width, names.len()))
        }
        _ => None,
    });
    Case {
        mnemonic: spec.mnemonic,
        code: spec.opcode << 3 | spec.unit as u32,
        reserved: mask.map(|m| format!("{m:016x}")).join("_"),
        named: named.collect(),
        registers: registers(spec),
        sequencer: sequencer(spec),
    }
}

/// Register numbers that are read: the first on port a, the second on port b; `rd` is written, not read.
fn registers(spec: &'static Spec) -> Vec<(&'static str, String)> {
    let read = spec.lsbs().filter(|(f, _)| f.kind == Kind::Reg && f.name != "rd");
    ["ra", "rb"].into_iter().zip(read).map(|(port, (f, lsb))| (port, range(lsb, f.width))).collect()
}

/// What the sequencer needs of its own instructions: `rd`, the immediate (or loop count) plus register, the loop body.
fn sequencer(spec: &'static Spec) -> Vec<(&'static str, String)> {
    if spec.unit != Unit::Sequencer {
        return Vec::new();
    }
    let output = |(field, lsb): (isa::table::Field, u32)| {
        let bits = range(lsb, field.width);
        match field.name {
            "rd" => Some(("rd_o", bits)),
            "body" => Some(("body_o", bits)),
            "imm" | "count" => Some(("value_o", format!("32'({bits}) + ra_i"))),
            _ => None,
        }
    };
    spec.lsbs().filter_map(output).collect()
}

fn form(unit: Unit, layout: &Layout) -> Form {
    let total = isa::sv::opcode_lsb(unit);
    let reads: Vec<u32> =
        layout.spec.lsbs().filter(|(f, _)| f.kind == Kind::Reg && f.name != "rd").map(|(_, l)| l).collect();
    let mut parts: Vec<Part> = layout.slots.iter().map(|s| part(s, &reads)).collect();
    let padding = total - layout.width();
    if padding > 0 {
        parts.push(Part { expression: format!("{padding}'d0"), name: "padding".into() });
    }
    let op_width = isa::sv::opcode_width(unit);
    if op_width > 0 {
        let expression = format!("{op_width}'d{}", layout.spec.opcode);
        parts.push(Part { expression, name: "opcode".into() });
    }
    parts.reverse();
    Form { name: layout.name.to_lowercase(), parts }
}

fn part(slot: &Slot, reads: &[u32]) -> Part {
    let immediate = range(slot.word_lsb, slot.word_width);
    let port = slot.register_lsb.and_then(|lsb| reads.iter().position(|r| *r == lsb));
    let expression = match port {
        Some(index) => {
            let register = if index == 0 { "ra_i" } else { "rb_i" };
            format!("{}'(32'({immediate}) + {register})", slot.width)
        }
        None => immediate,
    };
    Part { expression, name: slot.name.to_lowercase() }
}
