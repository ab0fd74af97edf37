//! The comparison can fail: single faults in the simulator's timing, each caught by runs of the hardware.

use crate::bench::{hardware, models, with_model};
use tilewright::cosim;
use tilewright::cosim::driver::Run;
use tilewright::sim::functional::State;
use tilewright::sim::timing::{self, Fault as TimeFault};
use tilewright::sim::trace::{Trace, first_difference};
use tilewright::{hw, isa};

/// A program's run on the hardware.
struct Ran {
    machine: hw::Machine,
    case: isa::random::Case,
    trace: Trace,
}

/// Directed and a few random programs on the hardware of a preset, on every memory model.
fn ran(name: &str) -> Vec<Ran> {
    let preset = hw::presets::load(name).unwrap();
    let hardware = hardware(name);
    let run = |machine: &hw::Machine, case: isa::random::Case| {
        let mut slices = State::of_slices(machine, &case.images());
        cosim::compare::place(&case.program, &mut slices).unwrap();
        let dram: Vec<_> = slices.into_iter().map(|s| s.dram).collect();
        let cycles = timing::simulate(&case.program, machine, &case.args).unwrap().cycles;
        let (program, args, dram) = (&case.program, &case.args[..], &dram[..]);
        let run = Run { machine, program, args, dram, limit: 2 * cycles + 10_000, poison: 0..0 };
        let observed = hardware.session(1).run(&run);
        assert_eq!(observed.failure, None);
        Ran { machine: machine.clone(), trace: observed.trace, case }
    };
    let on = |model| {
        let machine = with_model(&preset, model);
        let directed = isa::random::directed(&machine).into_iter().map(|d| d.1);
        let random = (0..4).filter_map(|seed| isa::random::case(&machine, seed));
        directed.chain(random).map(|case| run(&machine, case)).collect::<Vec<_>>()
    };
    models(&preset).into_iter().flat_map(on).collect()
}

/// The first difference between the hardware and a simulator with this fault.
fn divergence_in_time(runs: &[Ran], fault: TimeFault) -> Option<String> {
    runs.iter().find_map(|r| {
        let faulty = timing::simulate_with(&r.case.program, &r.machine, &r.case.args, fault).unwrap();
        first_difference(&faulty, &r.trace).map(|d| d.to_string())
    })
}

#[test]
fn every_fault_of_simulated_time_is_caught() {
    let runs: Vec<Ran> =
        ["unit", "odd", "quads", "gemv", "crumbs", "nibbles"].into_iter().flat_map(ran).collect();
    assert_eq!(divergence_in_time(&runs, TimeFault::None), None);
    for fault in TimeFault::ALL {
        let found = divergence_in_time(&runs, fault);
        println!("{fault:?}: {}", found.unwrap_or_else(|| panic!("{fault:?} is not caught")));
    }
}
