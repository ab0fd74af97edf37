//! Every preset's hardware passes `verilator --lint-only -Wall` without a warning, with its
//! assertions and without, and Icarus and Yosys read it.

use crate::bench::{emitted, machine};
use std::path::Path;
use std::process::Command;
use tilewright::hw;

fn silent(tool: &str, folder: &Path, args: &[&str]) {
    let output = Command::new(tool).current_dir(folder).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Icarus apologises for waking an always_comb too often; that costs it time and changes nothing.
    let said: Vec<&str> =
        said.lines().filter(|l| !l.contains("sorry: constant selects in always_")).collect();
    assert!(output.status.success(), "{tool}: {}", said.join("\n"));
    assert!(tool == "yosys" || said.is_empty(), "{tool}: {}", said.join("\n"));
}

#[test]
fn presets_are_clean_in_three_tools() {
    for name in hw::presets::all().map(|p| p.0).chain(["wide", "sliced", "narrow"]) {
        let folder = emitted(&machine(name), &format!("lint-{name}"));
        let list = std::fs::read_to_string(folder.join("files.f")).unwrap();
        let files: Vec<&str> = list.split_whitespace().collect();
        let checkers = std::fs::read_to_string(folder.join("assertions.f")).unwrap();
        let checkers: Vec<&str> = checkers.split_whitespace().collect();
        for assertions in [&[], &checkers[..]] {
            let flags = ["--lint-only", "-Wall", "--top-module", "tw_top"];
            silent("verilator", &folder, &[&flags, &files[..], assertions].concat());
        }
        silent("iverilog", &folder, &[&["-g2012", "-s", "tw_top", "-o", "/dev/null"], &files[..]].concat());
        let script = format!("read_verilog -sv {}; hierarchy -check -top tw_top", files.join(" "));
        silent("yosys", &folder, &["-q", "-p", &script]);
    }
}
