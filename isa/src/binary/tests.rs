//! Laws of program.bin.

use super::*;
use crate::sample::Dice;

#[test]
fn every_program_reads_back() {
    let mut dice = Dice(11);
    for seed in 0..2000 {
        let p = dice.program();
        assert_eq!(read(&write(&p).unwrap()).as_ref(), Ok(&p), "program {seed}");
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let bytes = write(&Dice(12).program()).unwrap();
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "cut at {end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bad).is_err(), "bit {bit}");
    }
}

/// A file whose checksum is right although its content is not.
fn resealed(mut content: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&content);
    content.extend(sum.to_le_bytes());
    content
}

#[test]
fn absurd_counts_are_refused_before_allocation() {
    let bytes = write(&Dice(13).program()).unwrap();
    for field in 0..5 {
        let mut content = bytes[..bytes.len() - 4].to_vec();
        content[20 + 4 * field..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = read(&resealed(content)).unwrap_err();
        assert!(["program-truncated", "program-corrupt"].contains(&error.code), "{error}");
    }
}

#[test]
fn arbitrary_sealed_bytes_never_panic() {
    let mut dice = Dice(14);
    let bytes = write(&dice.program()).unwrap();
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut content = bytes[..bytes.len() - 4].to_vec();
        for _ in 0..1 + dice.below(4) {
            let at = 12 + dice.below(content.len() as u64 - 12) as usize;
            content[at] = dice.next() as u8;
        }
        match read(&resealed(content.clone())) {
            Ok(p) => assert_eq!(write(&p).unwrap(), resealed(content)),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn another_machine_is_refused() {
    let tiny = hw::presets::load("tiny").unwrap();
    let unit = hw::presets::load("unit").unwrap();
    let program = Program { machine_hash: tiny.hash(), ..Dice(15).program() };
    assert_eq!(check_machine(&program, &tiny), Ok(()));
    assert_eq!(check_machine(&program, &unit).unwrap_err().code, "machine-mismatch");
}
