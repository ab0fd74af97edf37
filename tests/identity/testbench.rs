//! The testbench that `rtl` writes finds the simulator's cycles and bytes, and tells where others are expected.

use crate::bench::{emitted, machine};
use std::path::Path;
use std::process::{Command, Output};
use tilewright::hw::Machine;
use tilewright::isa::random::{Case, case};
use tilewright::sim::functional::{State, run_on};
use tilewright::sim::pages::Pages;
use tilewright::{cosim, isa, sim};

fn run(tb: &Path, run: &Path, limit: u64) -> Output {
    let mut make = Command::new("make");
    // Flags of a `make` around this test would count for the one within.
    make.env_remove("MAKEFLAGS").arg("-s").arg("-C").arg(tb);
    make.arg(format!("RUN={}", run.display())).arg(format!("LIMIT={limit}")).output().unwrap()
}

/// Writes what the testbench reads; gives the cycles of the run and memory at its end.
fn prepare(machine: &Machine, case: &Case, to: &Path) -> (u64, Pages) {
    std::fs::create_dir_all(to).unwrap();
    let args: String = case.args.iter().map(|a| format!("{a:x}\n")).collect();
    let mut state = State::new(machine, &case.image);
    cosim::compare::place(&case.program, &mut state.dram).unwrap();
    run_on(&mut state, &case.program, &case.args, &mut ()).unwrap();
    std::fs::write(to.join("program.bin"), isa::binary::write(&case.program).unwrap()).unwrap();
    std::fs::write(to.join("program.args"), args).unwrap();
    std::fs::write(to.join("image.bin"), &case.image).unwrap();
    std::fs::write(to.join("program.memory"), state.dram.used()).unwrap();
    let times = sim::timing::simulate(&case.program, machine, &case.args).unwrap();
    (times.cycles, state.dram)
}

#[test]
fn the_testbench_finds_the_simulators_cycles_and_bytes() {
    let machine = machine("unit");
    let tb = emitted(&machine, "testbench").join("tb");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("testbench-{}", std::process::id()));
    for seed in 1..=4 {
        let case = case(&machine, seed).unwrap();
        let (cycles, mut memory) = prepare(&machine, &case, &dir);
        let output = run(&tb, &dir, 2 * cycles + 10_000);
        let said = String::from_utf8_lossy(&output.stdout);
        let last: Vec<&str> = said.lines().rev().take(2).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(last, ["memory as expected", &format!("cycles {cycles}")], "seed {seed}: {errors}");
        assert!(output.status.success());

        let byte = memory.get(0x1234, 1).unwrap()[0];
        memory.write(0x1234, &[byte ^ 1]).unwrap();
        std::fs::write(dir.join("program.memory"), memory.used()).unwrap();
        let output = run(&tb, &dir, 2 * cycles + 10_000);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("memory: 1 bytes differ, first at 0x00001234") && !output.status.success());
    }
    let _ = std::fs::remove_dir_all(&dir);
}
