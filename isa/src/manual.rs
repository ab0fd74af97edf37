//! The manual of the instruction set, in Markdown, from the table. Checked in as docs/isa.md; a test keeps it fresh.

use crate::table::{Field, ISA_VERSION, Kind, Spec, TABLE, Unit};

/// The whole manual.
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    out.push_str(&overview());
    for spec in TABLE {
        out.push_str(&section(spec));
    }
    out.push_str(TEXT_FORM);
    out.replace("VERSION", &ISA_VERSION.to_string())
}

const HEAD: &str = "\
# Instruction set, version VERSION

Generated from `isa::table` and written by its test; do not edit. What instructions mean is in
[machine.md](machine.md).

Every instruction is one 256-bit word. Bits 0 to 40 are the same in all of them:

| bits | field | meaning |
|---|---|---|
| 2:0 | unit | which unit runs it |
| 6:3 | opcode | which of the unit's instructions it is |
| 7 | `drain` | start only when every earlier instruction of the unit is done |
| 8 | `mark` | of interest to traces; no effect |
| 24:9 | `wait` | semaphores of which one count each is taken at start |
| 40:25 | `post` | semaphores to which one count each is added when done |

Bits that no field covers are reserved and zero. The sequencer's instructions have no drain, waits or posts.
A field `x` with a partner `rx` is the sum of the number and the register, modulo 2^32. Register r0 reads zero.
";

const TEXT_FORM: &str = "
## Text form

One instruction a line: the mnemonic, then `field=value` in any order, flags by their name alone, then `wait 3,5`,
`post 1`, `drain`, `mark`. Fields that are not written are zero. Numbers are decimal, `0x` or `0b`, with `_` anywhere
between digits; registers are `r3`; vector addresses are bank and row, `v2:17`. A comment begins with `;`. The body of a
loop stands in braces, or its length is given as `body=`.

| directive | states |
|---|---|
| `.isa VERSION` | the version of the instruction set |
| `.machine tiny`, `.machine 0x12345678` | the machine, by the name of a built-in one or by hash; required |
| `.base 0x1000` | the DRAM address of the first instruction, a multiple of 4096 |
| `.arg NAME = FORMULA` | the next entry of the argument table: a number, or of `position / D * Q + position % D * R + C` or `token[I] * S + C` any part; for `position`, of a ring, `seen[SINK, WINDOW]` or `slot[SINK, WINDOW]` |
| `.region NAME addr=A bytes=N ro` | a range of DRAM that the program uses; `rw` if it may write there |
| `.origin \"STEP\" [of \"NODE\" ...]`, `.origin N \"STEP\" [of ...]`, `.origin N` | what the following instructions were made for: a new origin (plan step, and the nodes of the model behind it), or one that was mentioned before |

`tilewright disasm` prints a program in this form and `tilewright asm` reads it back to the same program.
";

fn overview() -> String {
    let mut out = String::from("\n| instruction | unit | opcode | does |\n|---|---|---|---|\n");
    for s in TABLE {
        let doc = s.doc.trim();
        out.push_str(&format!(
            "| `{}` | {} ({}) | {} | {doc} |\n",
            s.mnemonic,
            s.unit.name(),
            s.unit as u8,
            s.opcode
        ));
    }
    out
}

fn section(spec: &Spec) -> String {
    let mut out = format!("\n## {}\n\n{}\n", spec.mnemonic, spec.doc.trim());
    if spec.unit == Unit::Sequencer {
        out.push_str("Runs in the sequencer itself.\n");
    }
    if spec.fields.is_empty() {
        return out + "It has no fields.\n";
    }
    out.push_str("\n| bits | field | holds | meaning |\n|---|---|---|---|\n");
    for (field, lsb) in spec.lsbs() {
        out.push_str(&row(&field, lsb));
    }
    out
}

fn row(field: &Field, lsb: u32) -> String {
    let msb = lsb + field.width - 1;
    let bits = if msb == lsb { lsb.to_string() } else { format!("{msb}:{lsb}") };
    format!("| {bits} | `{}` | {} | {} |\n", field.name, holds(field), field.doc.trim())
}

fn holds(field: &Field) -> String {
    match field.kind {
        Kind::Num => format!("0 to {}", (1u64 << field.width) - 1),
        Kind::Int => format!("{} to {}", -(1i64 << (field.width - 1)), (1i64 << (field.width - 1)) - 1),
        Kind::Reg => "register".into(),
        Kind::Vec => "vector address".into(),
        Kind::Enum(names) => {
            let named: Vec<String> = names.iter().enumerate().map(|(i, n)| format!("{i} `{n}`")).collect();
            named.join(", ")
        }
        Kind::Flag => "flag".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// `INSTA_UPDATE=always` writes the manual, as it does snapshots.
    #[test]
    fn the_manual_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/isa.md");
        let made = super::markdown();
        if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
            std::fs::write(&path, &made).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == made,
            "docs/isa.md is stale: bless with INSTA_UPDATE=always cargo test -p tilewright-isa"
        );
    }
}
