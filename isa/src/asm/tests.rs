//! Laws of the text form, and what faults look like.

use super::assemble;
use crate::disasm::{instruction, listing};
use crate::instr::Instr;
use crate::program::Program;
use crate::sample::Dice;
use crate::table::{Body, Gemm, Load, Loop, TABLE, space, vec_addr};

#[test]
fn every_instruction_reads_back() {
    let mut dice = Dice(1);
    for i in 0..5000 {
        let instr = dice.instr();
        let text = format!(".machine 1\n{}", instruction(&instr));
        assert_eq!(assemble(&text).unwrap().instrs, [instr], "{i}: {text}");
        assert_eq!(Instr::decode(&instr.encode().unwrap()), Ok(instr));
    }
}

#[test]
fn every_program_reads_back() {
    let mut dice = Dice(2);
    for i in 0..2000 {
        let program = dice.program();
        let text = listing(&program);
        let again = assemble(&text).unwrap_or_else(|e| panic!("program {i}: {e}\n{text}"));
        assert_eq!(again, program, "program {i}\n{text}");
        assert_eq!(listing(&again), text);
    }
}

#[test]
fn no_field_is_named_like_a_word_of_the_head() {
    for field in TABLE.iter().flat_map(|s| s.fields) {
        assert!(!["wait", "post", "drain", "mark"].contains(&field.name));
    }
}

#[test]
fn the_forms_of_the_manual_mean_what_they_say() {
    let text = "
.machine tiny   ; by name
.arg row = position / 16 * 64 + position % 16 * 4 + 0x1000
.arg emb = token[0]*256
loop rcount=r2 {
    load space=v bank = 1 dst=0x1_0 raddr=r3 blocks=0b10 wait 0 , 2 post 3 drain
    gemm mode=w4 tokens=2 shift=-4 dst=v2:17 residual mark
}
";
    let program = assemble(text).unwrap();
    assert_eq!(program.instrs.len(), 3);
    assert_eq!(program.instrs[0].body, Body::from(Loop { rcount: 2, body: 2, ..Default::default() }));
    let load = Load { space: space::V, bank: 1, dst: 16, raddr: 3, blocks: 2, ..Default::default() };
    assert_eq!(program.instrs[1].body, Body::from(load));
    assert_eq!((program.instrs[1].head.wait, program.instrs[1].head.post), (5, 8));
    let gemm = Gemm {
        mode: hw::Mode::W4 as u32,
        tokens: 2,
        shift: -4,
        dst: vec_addr(2, 17),
        residual: 1,
        ..Default::default()
    };
    assert_eq!(program.instrs[2].body, Body::from(gemm));
    assert_eq!(program.arg_values(17, &[3]), [0x1000 + 64 + 4, 768]);
    assert_eq!(program.machine_hash, hw::presets::load("tiny").unwrap().hash());
    for (name, _) in hw::presets::PRESETS {
        let program = assemble(&format!(".machine {name}\nhalt\n")).unwrap();
        assert_eq!(program.machine_hash, hw::presets::load(name).unwrap().hash());
    }
}

#[test]
fn a_listing_reads_well() {
    let text = "
.machine tiny
.base 0x1000
.arg kv = position / 16 * 64 + 0x8000
.region kv addr=0x8000 bytes=4096 rw
.origin \"layer 0: load\"
arg rd=r1 imm=0
.origin \"product\" of \"/layers.*/MatMul\" \"/layers.*/Add\"
loop count=3 {
load space=w raddr=r1 blocks=4 post 0
gemm mode=w2 tokens=1 ntiles=2 groups=1 steps=4 dst=v1:8 wait 0
}
.origin 0
halt";
    insta::assert_snapshot!(listing(&assemble(text).unwrap()).replace(&format!("{:#010x}", tiny()), "HASH"));
}

fn tiny() -> u32 {
    hw::presets::load("tiny").unwrap().hash()
}

/// Each line is wrong in its own way.
const FAULTS: &[&str] = &[
    "gemmm tokens=2",
    "gemm tokns=2",
    "gemm tokens=64",
    "gemm tokens=2 tokens=2",
    "gemm tokens",
    "gemm tokens=",
    "gemm tokens=r1",
    "gemm mode=w3",
    "gemm dst=7",
    "gemm dst=v16:0",
    "gemm shift=-129",
    "load raddr=r16",
    "load blocks=99999999999999999999",
    "load wait 16",
    "load wait",
    "load wait 3,3",
    "load drain drain",
    "nop drain",
    "set rd=r1 imm=5 wait 1",
    "load {",
    "loop count=2 body=3 {",
    "loop count=2 {",
    "}",
    "halt ?",
    "halt, nop",
    ".machin tiny",
    ".machine huge",
    ".machine 1",
    ".isa 99",
    ".base 100",
    ".arg x",
    ".arg x = position + token[0]",
    ".arg x = position / 4 + position % 5",
    ".arg x = 1 + 2",
    ".region kv addr=1",
    ".region kv addr=1 bytes=2",
    ".origin 4",
    ".origin 4 \"a\"",
    ".origin \"a",
    ".origin \"a\" of",
    ".origin \"a\" of b",
    ".origin 0 of \"b\"",
    "load ; a comment, then\n.origin \"late\"\nload",
];

#[test]
fn faults_are_explained() {
    let mut out = String::new();
    for text in FAULTS {
        let error = assemble(&format!(".machine tiny\n{text}")).expect_err(text);
        assert!(!error.help.is_empty() || !error.what.is_empty());
        out.push_str(&format!("{text}\n{error}\n\n"));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn a_program_names_its_machine() {
    insta::assert_snapshot!(assemble("halt").unwrap_err());
}

#[test]
fn arbitrary_text_never_panics() {
    let mut dice = Dice(3);
    let pieces = [
        "gemm ", "loop ", "{", "}", "\n", ".arg ", "x=", "v1:", "r", "0x", "é", "\"", "position", "%", "7",
        " ",
    ];
    let mut good = 0;
    for _ in 0..20_000 {
        let text: String = (0..dice.below(12)).map(|_| pieces[dice.below(16) as usize]).collect();
        good += u32::from(assemble(&format!(".machine 1\n{text}")).is_ok());
    }
    assert!(good > 100, "{good}");
    let _: fn(&str) -> Result<Program, _> = assemble;
}
