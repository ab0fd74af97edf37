//! The examples run.

use crate::Scratch;
use std::path::Path;
use std::process::Command;

#[path = "../../examples/02-assemble-by-hand.rs"]
mod assemble_by_hand;

#[test]
fn assemble_by_hand_agrees_with_floats() {
    assemble_by_hand::main().unwrap();
}

/// Runs a script of the examples in an empty folder; returns what it prints.
fn script(s: &Scratch, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let mut command = Command::new("bash");
    let command =
        command.arg(path).arg("out").env("TILEWRIGHT", env!("CARGO_BIN_EXE_tilewright")).current_dir(&s.0);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn run_trained_llama() {
    let s = Scratch::new("example-1");
    let text = script(&s, "01-run-trained-llama.sh");
    assert!(text.contains("has 42 coins.\n") && text.contains("unit\tsequence"), "{text}");
    assert!(!s.read("out/program.bin").is_empty() && !s.read("out/rtl/files.f").is_empty());
}

#[test]
fn new_machine() {
    let s = Scratch::new("example-3");
    let text = script(&s, "03-new-machine.sh");
    assert_eq!(text.matches("has 42 coins.\n").count(), 2, "{text}");
    assert!(text.contains("on wider: 4 x 8 x 8"), "{text}");
}

#[test]
fn every_example_is_run_here() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut numbered: Vec<String> = names.filter(|n| n.starts_with(|c: char| c.is_ascii_digit())).collect();
    numbered.sort();
    assert_eq!(numbered, ["01-run-trained-llama.sh", "02-assemble-by-hand.rs", "03-new-machine.sh"]);
}
