//! The testbench that `rtl` writes finds the simulator's cycles and bytes, and tells where others are expected.

use crate::bench::{emitted, machine};
use std::path::Path;
use std::process::{Command, Output};
use tilewright::hw::Machine;
use tilewright::isa::random::{Case, case};
use tilewright::sim::functional::{State, run_slices};
use tilewright::{cosim, isa, sim};

fn run(tb: &Path, run: &Path, limit: u64) -> Output {
    let mut make = Command::new("make");
    // Flags of a `make` around this test would count for the one within.
    make.env_remove("MAKEFLAGS").arg("-s").arg("-C").arg(tb);
    make.arg(format!("RUN={}", run.display())).arg(format!("LIMIT={limit}")).output().unwrap()
}

/// Writes what the testbench reads; gives the cycles of the run and memory at its end.
fn prepare(machine: &Machine, case: &Case, to: &Path) -> (u64, Vec<State>) {
    std::fs::create_dir_all(to).unwrap();
    let args: String = case.args.iter().map(|a| format!("{a:x}\n")).collect();
    let mut slices = State::of_slices(machine, &case.images());
    cosim::compare::place(&case.program, &mut slices).unwrap();
    run_slices(&mut slices, &case.program, &case.args, &mut ()).unwrap();
    std::fs::write(to.join("program.bin"), isa::binary::write(&case.program).unwrap()).unwrap();
    std::fs::write(to.join("program.args"), args).unwrap();
    std::fs::write(
        to.join("image.bin"),
        joined(&case.images().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()),
    )
    .unwrap();
    std::fs::write(to.join("program.memory"), joined(&used(&slices))).unwrap();
    let times = sim::timing::simulate(&case.program, machine, &case.args).unwrap();
    (times.cycles, slices)
}

/// One behind the other, each as long as the longest.
fn joined(memories: &[Vec<u8>]) -> Vec<u8> {
    let longest = memories.iter().map(Vec::len).max().unwrap();
    let padded = memories.iter().map(|m| [&m[..], &vec![0; longest - m.len()]].concat());
    padded.collect::<Vec<_>>().concat()
}

fn used(slices: &[State]) -> Vec<Vec<u8>> {
    slices.iter().map(|s| s.dram.used()).collect()
}

#[test]
fn the_testbench_finds_the_simulators_cycles_and_bytes() {
    agrees("unit");
    agrees("sliced");
}

fn agrees(name: &str) {
    let machine = machine(name);
    let tb = emitted(&machine, &format!("testbench-{name}")).join("tb");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("testbench-{}", std::process::id()));
    for seed in 1..=4 {
        let case = case(&machine, seed).unwrap();
        let (cycles, mut slices) = prepare(&machine, &case, &dir);
        let output = run(&tb, &dir, 2 * cycles + 10_000);
        let said = String::from_utf8_lossy(&output.stdout);
        let last: Vec<&str> = said.lines().rev().take(2).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(last, ["memory as expected", &format!("cycles {cycles}")], "seed {seed}: {errors}");
        assert!(output.status.success());

        let (number, memory) = slices.iter_mut().map(|s| &mut s.dram).enumerate().next_back().unwrap();
        let byte = memory.get(0x1234, 1).unwrap()[0];
        memory.write(0x1234, &[byte ^ 1]).unwrap();
        std::fs::write(dir.join("program.memory"), joined(&used(&slices))).unwrap();
        let output = run(&tb, &dir, 2 * cycles + 10_000);
        let said = String::from_utf8_lossy(&output.stdout);
        let differs = format!("memory of slice {number}: 1 bytes differ, first at 0x00001234");
        assert!(said.contains(&differs) && !output.status.success(), "{said}");
    }
    let _ = std::fs::remove_dir_all(&dir);
}
