//! The register map of the AXI4-Lite control port: the one definition behind hardware, C header and manual.

use crate::table::Unit;
use std::fmt::Write;

/// Value of the `ID` register: "TWR1" in ASCII, least significant byte first.
pub const ID: u32 = u32::from_le_bytes(*b"TWR1");
/// Address bits of the control port.
pub const ADDRESS_BITS: u32 = 13;
/// Byte address of the argument table window.
pub const ARGS: u32 = 0x1000;

/// Who may change a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Hardware only.
    ReadOnly,
    /// The host; reads return what was written.
    ReadWrite,
    /// The same, but only while IDLE.
    ReadWriteIdle,
    /// The host writes ones that act and read zero.
    WriteOnly,
    /// The host clears bits by writing ones.
    ClearByOne,
}

impl Access {
    /// As manuals abbreviate it.
    pub const fn name(self) -> &'static str {
        match self {
            Access::ReadOnly => "ro",
            Access::ReadWrite => "rw",
            Access::ReadWriteIdle => "rw while IDLE",
            Access::WriteOnly => "wo",
            Access::ClearByOne => "w1c",
        }
    }
}

/// A named bit of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bit {
    /// Name, in capitals.
    pub name: &'static str,
    /// Its place in the register.
    pub bit: u32,
    /// What it means.
    pub doc: &'static str,
}

/// One register, or `words` consecutive ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Name, in capitals.
    pub name: String,
    /// Byte address of the first word.
    pub offset: u32,
    /// Number of consecutive words.
    pub words: u32,
    /// Who may change it.
    pub access: Access,
    /// Bits that the host can change; the others read as zero if it may change any.
    pub mask: u32,
    /// What it holds.
    pub doc: String,
    /// Its named bits, if any.
    pub bits: &'static [Bit],
}

/// The machine hash is another one.
pub const ERROR_HASH: u32 = 1;
/// A word is no legal encoding.
pub const ERROR_ILLEGAL: u32 = 2;
/// The program has no `halt`.
pub const ERROR_END: u32 = 3;
/// Memory answered with an error.
pub const ERROR_BUS: u32 = 4;

/// Codes of the `ERROR` register.
pub const ERRORS: &[(&str, u32, &str)] = &[
    ("NONE", 0, "no error"),
    ("HASH", ERROR_HASH, "EXPECTED_HASH differs from CONFIG_HASH; nothing was run"),
    ("ILLEGAL", ERROR_ILLEGAL, "a word is no legal encoding; ERROR_WORD holds its number"),
    ("END", ERROR_END, "the program ran past its last word without `halt`; ERROR_WORD holds its length"),
    (
        "BUS",
        ERROR_BUS,
        "a memory port answered with an error; ERROR_WORD holds the word to be dispatched then",
    ),
];

const CONTROL: &[Bit] = &[
    Bit { name: "START", bit: 0, doc: "start the program; ignored unless IDLE" },
    Bit {
        name: "SOFT_RESET",
        bit: 1,
        doc: "at any time: end the run; what has started finishes, then all but this port is reset; IDLE when over",
    },
];
const STATUS: &[Bit] = &[
    Bit {
        name: "IDLE",
        bit: 0,
        doc: "no program runs, no fetch is open, no reset is under way: START is allowed",
    },
    Bit { name: "DONE", bit: 1, doc: "the last program ended; cleared by START" },
    Bit {
        name: "ERROR",
        bit: 2,
        doc: "the ERROR register is not zero; cleared by START. What was dispatched before an error runs to its end; if that \
              waits for what was not, IDLE never comes: SOFT_RESET",
    },
];
const IRQ: &[Bit] = &[
    Bit { name: "DONE", bit: 0, doc: "a program ended" },
    Bit { name: "ERROR", bit: 1, doc: "an error was raised" },
];
/// What a queued unit does in a cycle, in counter order.
pub const UNIT_STALLS: &[&str] = &["BUSY", "SEMAPHORE", "DRAIN", "EMPTY"];
/// What the sequencer does in a cycle, in counter order.
pub const SEQUENCER_STALLS: &[&str] = &["DISPATCH", "FETCH", "QUEUE", "ARGUMENT", "HALT"];

/// The whole map, in address order.
pub fn table() -> Vec<Register> {
    use Access::{ClearByOne, ReadOnly, ReadWrite, ReadWriteIdle, WriteOnly};
    let mut map = vec![
        one("ID", 0x00, ReadOnly, "identifies the core: 0x31525754", &[]),
        one("VERSION", 0x04, ReadOnly, "version of the instruction table", &[]),
        one("CONFIG_HASH", 0x08, ReadOnly, "hash of the machine that this hardware was made from", &[]),
        one("EXPECTED_HASH", 0x0c, ReadWriteIdle, "machine hash of the program; START checks it", &[]),
        one("CONTROL", 0x10, WriteOnly, "commands", CONTROL),
        one("STATUS", 0x14, ReadOnly, "state", STATUS),
        one("ERROR", 0x18, ReadOnly, "error cause", &[]),
        one("ERROR_WORD", 0x1c, ReadOnly, "number of the program word that raised the error", &[]),
        one("CYCLES_LO", 0x20, ReadOnly, "cycles of the run, low half", &[]),
        one("CYCLES_HI", 0x24, ReadOnly, "cycles of the run, high half", &[]),
        Register {
            mask: !0xfff,
            ..one(
                "PROGRAM_ADDR",
                0x28,
                ReadWriteIdle,
                "DRAM byte address of the program, a multiple of 4096",
                &[],
            )
        },
        one("PROGRAM_WORDS", 0x2c, ReadWriteIdle, "256-bit words of the program", &[]),
        Register { mask: 3, ..one("IRQ_ENABLE", 0x30, ReadWrite, "interrupt sources that drive irq_o", IRQ) },
        one("IRQ_STATUS", 0x34, ClearByOne, "pending interrupt sources", IRQ),
    ];
    map.extend(stall_counters());
    let args = "argument table: as many words as the machine has; reads as zero during a run";
    map.push(Register { words: 1024, ..one("ARGS", ARGS, ReadWriteIdle, args, &[]) });
    map
}

/// Number of stall counters: they lie behind each other from the first one's address.
pub fn stall_counters() -> Vec<Register> {
    let units = Unit::QUEUED.iter().flat_map(|u| UNIT_STALLS.iter().map(|s| (u.name(), *s)));
    let sequencer = SEQUENCER_STALLS.iter().map(|s| (Unit::Sequencer.name(), *s));
    let register = |(i, (unit, stall)): (usize, (&str, &str))| {
        let name = format!("{}_{stall}", unit.to_uppercase());
        let doc =
            format!("cycles of the run, modulo 2^32, in which the {unit} counts as {}", stall.to_lowercase());
        Register { name, doc, ..one("", 0x40 + 4 * i as u32, Access::ReadOnly, "", &[]) }
    };
    units.chain(sequencer).enumerate().map(register).collect()
}

fn one(name: &str, offset: u32, access: Access, doc: &str, bits: &'static [Bit]) -> Register {
    Register { name: name.into(), offset, words: 1, access, mask: u32::MAX, doc: doc.into(), bits }
}

/// The text of `tw_regs_pkg.sv` below its header comment.
pub fn package() -> String {
    let counters = stall_counters();
    let first = counters.first().map_or(0, |r| r.offset);
    let items = |rows: Vec<(String, u32)>, width: u32| {
        rows.iter().map(|(n, v)| format!("    {n} = {width}'h{v:x}")).collect::<Vec<_>>().join(",\n")
    };
    let map =
        table().into_iter().filter(|r| !counters.contains(r)).map(|r| (format!("REG_{}", r.name), r.offset));
    let errors = ERRORS.iter().map(|(n, v, _)| (format!("ERROR_{n}"), *v)).collect();
    let words = map_words();
    let bits = |name: &str, of: &dyn Fn(Access) -> bool| {
        format!("  localparam logic [{}:0] {name} =\n      {words}'b{};\n", words - 1, word_bits(words, of))
    };
    let present = bits("PRESENT", &|_| true);
    let writable = bits("WRITABLE", &|a| a != Access::ReadOnly);
    let idle = bits("WRITABLE_IDLE", &|a| a == Access::ReadWriteIdle);
    format!(
        "package tw_regs_pkg;\n\n  localparam logic [31:0] ID = 32'h{ID:08x};\n  localparam logic [31:0] VERSION = 32'd{};\n\
         \x20 // Stall counters lie behind each other from here.\n  localparam int STALL_BASE = {first};\n\
         \x20 localparam int STALLS = {};\n\n  // Of the words from address 0 on: is there a register, may the host write it, only while idle?\n\
         \x20 localparam int MAP_WORDS = {words};\n{present}{writable}{idle}\n  // Byte addresses.\n  typedef enum logic [{}:0] {{\n{}\n  }} reg_e;\n\n\
         \x20 // Codes of the ERROR register.\n  typedef enum logic [2:0] {{\n{}\n  }} error_e;\n\nendpackage\n",
        crate::table::ISA_VERSION,
        counters.len(),
        ADDRESS_BITS - 1,
        items(map.collect(), ADDRESS_BITS),
        items(errors, 3),
    )
}

/// Words of the map below the argument table, as a power of two.
fn map_words() -> u32 {
    let below = table().into_iter().filter(|r| r.offset < ARGS);
    below.map(|r| r.offset / 4 + r.words).max().unwrap_or(1).next_power_of_two()
}

/// A bit for each of the first `words` words of the map, the last one's first: is it a register with this access?
fn word_bits(words: u32, of: &dyn Fn(Access) -> bool) -> String {
    let map = table();
    let is = |word: u32| {
        let within = |r: &&Register| (r.offset / 4..r.offset / 4 + r.words).contains(&word);
        map.iter().find(within).is_some_and(|r| of(r.access))
    };
    (0..words).rev().map(|word| if is(word) { '1' } else { '0' }).collect()
}

/// A C header of the map.
pub fn c_header() -> String {
    let mut text = String::from("#ifndef TILEWRIGHT_REGS_H\n#define TILEWRIGHT_REGS_H\n\n");
    for r in table() {
        let _ = writeln!(
            text,
            "/* {} ({}) */\n#define TW_{} 0x{:04x}u",
            r.doc,
            r.access.name(),
            r.name,
            r.offset
        );
        for b in r.bits {
            let _ = writeln!(text, "#define TW_{}_{} (1u << {}) /* {} */", r.name, b.name, b.bit, b.doc);
        }
    }
    for (name, code, doc) in ERRORS {
        let _ = writeln!(text, "#define TW_ERROR_{name} {code}u /* {doc} */");
    }
    text.push_str("\n#endif\n");
    text
}

/// The map as a page of the manual.
pub fn markdown() -> String {
    let mut text =
        String::from("# Registers of the control port\n\n| address | name | access | |\n|---|---|---|---|\n");
    for r in table() {
        let _ = writeln!(text, "| 0x{:04x} | {} | {} | {} |", r.offset, r.name, r.access.name(), r.doc);
        for b in r.bits {
            let _ = writeln!(text, "| | bit {} {} | | {} |", b.bit, b.name, b.doc);
        }
    }
    text.push_str("\n| error code | name | |\n|---|---|---|\n");
    for (name, code, doc) in ERRORS {
        let _ = writeln!(text, "| {code} | {name} | {doc} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_do_not_overlap_and_fit_the_port() {
        let map = table();
        for pair in map.windows(2) {
            assert!(
                pair[0].offset + 4 * pair[0].words <= pair[1].offset,
                "{} and {}",
                pair[0].name,
                pair[1].name
            );
        }
        assert!(map.iter().all(|r| r.offset + 4 * r.words <= 1 << ADDRESS_BITS));
    }
}
