//! Seeded mutation of the small files that people write or that lie beside models: what reads them refuses or accepts, never
//! panics, and stays within bounded memory.

#[path = "../../ir/src/mutation/random.rs"]
mod random;

use crate::{Program, asm, binary, disasm};
use ir::accuracy::{Question, Rows};
use ir::front::onnx::read_tensor;
use ir::quant::Scheme;
use ir::quant::scheme::BUILT_IN;
use random::{Random, Seed, assert_memory_stayed_small, mutate_bytes, number_replaced, rounds};
use std::borrow::Cow;

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Reads mutations of files, `usual` of them in a usual run. `read` says whether it accepted.
fn hostile(what: &'static str, usual: u64, files: &[Vec<u8>], read: impl Fn(&[u8]) -> bool) {
    assert!(files.iter().all(|file| read(file)), "{what}");
    let mut accepted = 0;
    let count = rounds(usual);
    for n in 0..count {
        let seed = Seed(what, n);
        let mut random = Random(seed.1);
        let mut bytes = random.pick(files).clone();
        for _ in 0..=random.below(2) {
            match random.below(2) {
                0 => bytes = number_replaced(&mut random, &bytes),
                _ if !bytes.is_empty() => mutate_bytes(&mut random, &mut bytes),
                _ => {}
            }
        }
        accepted += u64::from(read(&bytes));
    }
    // A mutation often does not matter, and often does.
    assert!(accepted > count / 100 && accepted < count, "{what}: {accepted} of {count}");
    assert_memory_stayed_small();
}

fn machines() -> Vec<hw::Machine> {
    hw::presets::PRESETS.iter().map(|(name, _)| hw::presets::load(name).unwrap()).collect()
}

/// Random legal programs.
fn programs() -> Vec<Program> {
    let seeds = (0..3).flat_map(|seed| machines().into_iter().map(move |machine| (machine, seed)));
    seeds.filter_map(|(machine, seed)| crate::random::case(&machine, seed)).map(|c| c.program).collect()
}

#[test]
fn machine_files() {
    let files: Vec<Vec<u8>> = hw::presets::PRESETS.iter().map(|(_, text)| text.as_bytes().to_vec()).collect();
    hostile("a machine file", 3000, &files, |bytes| hw::Machine::parse(&text(bytes), "hostile").is_ok());
}

#[test]
fn scheme_files() {
    let files: Vec<Vec<u8>> = BUILT_IN.iter().map(|(_, text)| text.as_bytes().to_vec()).collect();
    hostile("a scheme file", 3000, &files, |bytes| Scheme::parse(&text(bytes)).is_ok());
}

#[test]
fn listings() {
    let files: Vec<Vec<u8>> = programs().iter().map(|p| disasm::listing(p).into_bytes()).collect();
    hostile("a listing", 1500, &files, |bytes| {
        asm::assemble(&text(bytes)).is_ok_and(|program| {
            // What is read is written and read again.
            let listing = disasm::listing(&program);
            assert_eq!(asm::assemble(&listing).map(|again| disasm::listing(&again)), Ok(listing));
            true
        })
    });
}

#[test]
fn binaries() {
    let files: Vec<Vec<u8>> = programs().iter().map(|p| binary::write(p).unwrap()).collect();
    // Without its own checksum hardly any file would be read further than that.
    let summed = |bytes: &[u8]| {
        let content = &bytes[..bytes.len().saturating_sub(4)];
        let hash = content
            .iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        [content, &((hash ^ hash >> 32) as u32).to_le_bytes()].concat()
    };
    assert!(files.iter().all(|file| summed(file) == *file));
    hostile("a binary", 3000, &files, |bytes| {
        let _ = binary::read(bytes);
        binary::read(&summed(bytes)).is_ok_and(|program| {
            let written = binary::write(&program).unwrap();
            assert_eq!(binary::read(&written), Ok(program));
            true
        })
    });
}

#[test]
fn texts_and_questions() {
    let rows = include_bytes!("../../examples/data/llama_eval.npz").to_vec();
    hostile("rows of tokens", 1000, &[rows], |bytes| {
        Rows::parse(bytes).is_ok_and(|rows| rows.check(256).is_ok())
    });
    let questions = br#"[["12 + 30 = ", "42"], ["Ada has 3 coins and gets \u00e9 4. ", "7"]]"#.to_vec();
    hostile("questions", 5000, &[questions], |bytes| Question::parse(&text(bytes)).is_ok());
}

#[test]
fn tensors() {
    let file = include_bytes!("../../tests/corpus/tiny_llama_genai_int4/output_1.pb").to_vec();
    hostile("a tensor", 5000, &[file], |bytes| read_tensor(bytes).is_ok());
}
