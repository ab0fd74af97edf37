//! The instruction table as the hardware sees it.
//!
//! A unit never meets a 256-bit word: the sequencer adds registers and packs what is left, in table order from bit 0 upwards,
//! into the unit's *resolved instruction*. [`layouts`] gives its fields, [`package`] the SystemVerilog package `tw_pkg` that
//! holds their positions.
//!
//! Positions are constants and not structs: Icarus 11 takes no struct type by `package::name`, Yosys 0.23 takes no import.

use crate::table::{FORMS, FUNS, Field, Kind, MODES, OUTS, SPACES, Spec, TABLE, Unit};
use std::fmt::Write;

/// Bits that a resolved sum keeps, where that differs from its immediate: (mnemonic, field, bits).
const RESOLVED: &[(&str, &str, u32)] = &[
    ("load", "addr", 26),
    ("gemm", "ntiles", 16),
    ("gemm", "groups", 16),
    ("vec", "rows", 16),
    ("vec", "len", 32),
    ("store.blocks", "addr", 26),
    ("store.segments", "addr", 32),
];

/// A field of a resolved instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Upper-case name, `GEMM_NTILES`.
    pub name: String,
    /// Position in the resolved instruction.
    pub lsb: u32,
    /// Its bits there.
    pub width: u32,
    /// Position of the immediate in the 256-bit word.
    pub word_lsb: u32,
    /// Bits of the immediate.
    pub word_width: u32,
    /// Position in the word of the register number that is added, if any.
    pub register_lsb: Option<u32>,
    /// What it means.
    pub doc: &'static str,
}

/// The resolved form of one instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Its entry in the table.
    pub spec: &'static Spec,
    /// Upper-case mnemonic, `STORE_BLOCKS`.
    pub name: String,
    /// Its fields, from the lowest bit up.
    pub slots: Vec<Slot>,
}

impl Layout {
    /// Bits of the resolved fields.
    pub fn width(&self) -> u32 {
        self.slots.last().map_or(0, |s| s.lsb + s.width)
    }
}

/// Resolved instructions of a unit, in table order.
pub fn layouts(unit: Unit) -> Vec<Layout> {
    TABLE.iter().filter(|s| s.unit == unit).map(layout).collect()
}

/// Bits of a unit's resolved instruction: the fields of its longest one and, if it has several, the opcode above them.
pub fn instruction_width(unit: Unit) -> u32 {
    opcode_lsb(unit) + opcode_width(unit)
}

/// Position of the opcode in a unit's resolved instruction.
pub fn opcode_lsb(unit: Unit) -> u32 {
    layouts(unit).iter().map(Layout::width).max().unwrap_or(0)
}

/// Bits of the opcode in a unit's resolved instruction.
pub fn opcode_width(unit: Unit) -> u32 {
    layouts(unit).len().next_power_of_two().trailing_zeros()
}

/// Bits of the word that are zero in every legal encoding of this instruction, most significant 64 bits first.
pub fn reserved_mask(spec: &Spec) -> [u64; 4] {
    let head = if spec.unit == Unit::Sequencer { 7..8 } else { 0..0 };
    let synchronisation = if spec.unit == Unit::Sequencer { 9..41 } else { 0..0 };
    let mut mask = [0u64; 4];
    for bit in (spec.bits()..256).chain(head).chain(synchronisation) {
        mask[3 - (bit / 64) as usize] |= 1 << (bit % 64);
    }
    mask
}

/// Upper-case identifier of a mnemonic.
pub fn constant_name(mnemonic: &str) -> String {
    mnemonic.replace('.', "_").to_uppercase()
}

fn layout(spec: &'static Spec) -> Layout {
    let name = constant_name(spec.mnemonic);
    let fields: Vec<(Field, u32)> = spec.lsbs().collect();
    let mut lsb = 0;
    let mut slots = Vec::new();
    for &(field, word_lsb) in &fields {
        if register_of(&fields, field.name.strip_prefix('r')).is_some() && field.kind == Kind::Reg {
            continue;
        }
        let register =
            fields.iter().find(|(f, _)| f.kind == Kind::Reg && f.name.strip_prefix('r') == Some(field.name));
        let width = resolved_width(spec.mnemonic, field.name).unwrap_or(field.width);
        slots.push(Slot {
            name: format!("{name}_{}", field.name.to_uppercase()),
            lsb,
            width,
            word_lsb,
            word_width: field.width,
            register_lsb: register.map(|(_, lsb)| *lsb),
            doc: field.doc,
        });
        lsb += width;
    }
    Layout { spec, name, slots }
}

/// The field that a register field `r<name>` is added to.
fn register_of<'a>(fields: &'a [(Field, u32)], name: Option<&str>) -> Option<&'a (Field, u32)> {
    fields.iter().find(|(f, _)| Some(f.name) == name)
}

fn resolved_width(mnemonic: &str, field: &str) -> Option<u32> {
    RESOLVED.iter().find(|(m, f, _)| (*m, *f) == (mnemonic, field)).map(|(_, _, w)| *w)
}

/// The text of `tw_pkg.sv` below its header comment.
pub fn package() -> String {
    let mut text = String::from("package tw_pkg;\n\n");
    let units: Vec<(&str, u32)> =
        [Unit::Sequencer].iter().chain(&Unit::QUEUED).map(|u| (u.name(), *u as u32)).collect();
    enumeration(&mut text, "Unit field of a word.", "unit", 3, &units);
    for unit in [Unit::Sequencer, Unit::Store] {
        let codes: Vec<(&str, u32)> =
            TABLE.iter().filter(|s| s.unit == unit).map(|s| (s.mnemonic, s.opcode)).collect();
        enumeration(&mut text, &format!("Opcodes of the {}.", unit.name()), "op", 4, &codes);
    }
    for (doc, prefix, width, names) in [
        ("Destination of a load.", "space", 2, SPACES),
        ("Form of what is loaded.", "form", 2, FORMS),
        ("Operand mode of a gemm.", "mode", 3, MODES),
        ("Function of a vec.", "fun", 5, FUNS),
        ("Output of a vec beside its int32 result.", "out", 3, OUTS),
    ] {
        let codes: Vec<(&str, u32)> = names.iter().copied().zip(0..).collect();
        enumeration(&mut text, doc, prefix, width, &codes);
    }
    text.push_str("  // Loops that run inside each other.\n");
    constant(&mut text, "LOOP_LEVELS", hw::machine::LOOP_LEVELS as u32);
    text.push('\n');
    for unit in Unit::QUEUED {
        unit_positions(&mut text, unit);
    }
    text.push_str("endpackage\n");
    text
}

fn enumeration(text: &mut String, doc: &str, prefix: &str, width: u32, codes: &[(&str, u32)]) {
    let items: Vec<String> = codes
        .iter()
        .map(|(name, code)| {
            format!("    {}_{} = {width}'d{code}", prefix.to_uppercase(), constant_name(name))
        })
        .collect();
    let last = codes.last().map_or("none", |c| c.0);
    let suffix =
        if prefix == "op" { format!("op_{}", constant_name(last).to_lowercase()) } else { prefix.into() };
    let _ = writeln!(text, "  // {doc}");
    let _ = writeln!(
        text,
        "  typedef enum logic [{}:0] {{\n{}\n  }} {suffix}_e;\n",
        width - 1,
        items.join(",\n")
    );
}

fn unit_positions(text: &mut String, unit: Unit) {
    let name = unit.name().to_uppercase();
    let _ = writeln!(text, "  // Resolved instruction of the {} unit.", unit.name());
    constant(text, &format!("{name}_INSTR_W"), instruction_width(unit));
    if opcode_width(unit) > 0 {
        constant(text, &format!("{name}_OP_LSB"), opcode_lsb(unit));
    }
    for slot in layouts(unit).iter().flat_map(|l| &l.slots) {
        constant(text, &format!("{}_LSB", slot.name), slot.lsb);
        constant(text, &format!("{}_W", slot.name), slot.width);
    }
    text.push('\n');
}

fn constant(text: &mut String, name: &str, value: u32) {
    let _ = writeln!(text, "  localparam int {name} = {value};");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_folded_into_what_they_are_added_to() {
        let gemm = &layouts(Unit::Matrix)[0];
        let names: Vec<&str> = gemm.slots.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names[..5], ["GEMM_MODE", "GEMM_TOKENS", "GEMM_NTILES", "GEMM_GROUPS", "GEMM_STEPS"]);
        assert_eq!((gemm.slots[2].width, gemm.slots[2].register_lsb), (16, Some(62)));
        let arg = layouts(Unit::Sequencer).into_iter().find(|l| l.name == "ARG");
        assert_eq!(arg.map(|l| l.slots.len()), Some(3));
    }

    #[test]
    fn reserved_bits_are_those_that_no_field_covers() {
        let halt = TABLE.iter().find(|s| s.mnemonic == "halt").unwrap();
        assert_eq!(reserved_mask(halt), [u64::MAX, u64::MAX, u64::MAX, !0 << 9 | 1 << 7]);
    }
}
