//! The comparison can fail: single faults in the emitted text, each built and each caught by some program.

use crate::bench::{cache, emitted, hardware, models, with_model};
use std::path::Path;
use tilewright::cosim::driver::Run;
use tilewright::cosim::{self, Hardware};
use tilewright::sim::functional::State;
use tilewright::sim::timing::{self, Fault as TimeFault};
use tilewright::sim::trace::{Trace, first_difference};
use tilewright::{hw, isa};

/// One fault: in `file`, the only `from` becomes `to`.
struct Fault {
    what: &'static str,
    machine: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        what: "a post is visible in its own cycle",
        machine: "unit",
        file: "tw_semaphores.sv",
        from: "(count_q != '0);",
        to: "(count_q != '0) || (|posts);",
    },
    Fault {
        what: "the epilogue does not round",
        machine: "unit",
        file: "tw_epilogue.sv",
        from: "PBITS'(fine_q[0])",
        to: "PBITS'(1'b0)",
    },
    Fault {
        what: "one burst too many is open",
        machine: "unit",
        file: "tw_load.sv",
        from: "open_q < OPEN_W'(OUTSTANDING)",
        to: "open_q <= OPEN_W'(OUTSTANDING)",
    },
    Fault {
        what: "a load retires a cycle early",
        machine: "unit",
        file: "tw_load.sv",
        from: "assign done_o = done_q;",
        to: "assign done_o = last_q;",
    },
    Fault {
        what: "segments land in the byte lane that they came from",
        machine: "unit",
        file: "tw_store.sv",
        from: "<< {dst_byte_q, 3'd0}",
        to: "<< {src_byte_q, 3'd0}",
    },
    Fault {
        what: "five beats between read and W handshake",
        machine: "unit",
        file: "tw_store.sv",
        from: "(pending_q < 3'(FIFO))",
        to: "(pending_q <= 3'(FIFO))",
    },
    Fault {
        what: "the fetch leaves one word of the ring unused",
        machine: "unit",
        file: "tw_fetch.sv",
        from: "<= base_i + 32'(IMEM_WORDS)",
        to: "< base_i + 32'(IMEM_WORDS)",
    },
    Fault {
        what: "a loop runs one round less",
        machine: "unit",
        file: "tw_sequencer.sv",
        from: "rounds_q <= value;",
        to: "rounds_q <= value - 32'(value > 32'd1);",
    },
    Fault {
        what: "drain is ignored",
        machine: "unit",
        file: "tw_issue.sv",
        from: "(head_drain && !retired)",
        to: "(head_drain && 1'b0)",
    },
    Fault {
        what: "register 0 can be written",
        machine: "unit",
        file: "tw_sequencer.sv",
        from: "reg_we && reg_addr != '0",
        to: "reg_we",
    },
    Fault {
        what: "matrix results go to the neighbouring bank",
        machine: "unit",
        file: "tw_vbanks.sv",
        from: "{vector_addr_i[17:14], matrix_addr_i[17:14], load_bank_i}",
        to: "{vector_addr_i[17:14], matrix_addr_i[17:14] ^ 4'd1, load_bank_i}",
    },
];

/// Hardware with a fault.
fn faulty(fault: &Fault) -> Hardware {
    let preset = hw::presets::load(fault.machine).unwrap();
    let folder = emitted(&preset, &format!("fault-{}", fault.what.replace(' ', "-")));
    inject(&folder, fault);
    let library = cosim::build(&folder, &cache()).unwrap_or_else(|e| panic!("{}", e.render()));
    Hardware::load(&library).unwrap_or_else(|e| panic!("{}", e.render()))
}

/// The first divergence that programs show on faulty hardware.
fn divergence(fault: &Fault) -> String {
    let preset = hw::presets::load(fault.machine).unwrap();
    let hardware = faulty(fault);
    for model in models(&preset) {
        let machine = with_model(&preset, model);
        let directed = isa::random::directed(&machine).into_iter().map(|d| d.1);
        for case in directed.chain((0..10).filter_map(|seed| isa::random::case(&machine, seed))) {
            let found = cosim::compare(&hardware, &machine, &case.program, &case.args, &case.image, 1);
            let found = found.unwrap_or_else(|e| panic!("{}", e.render()));
            if let Some(first) = found.first_divergence {
                return first;
            }
        }
    }
    panic!("not caught: {}", fault.what);
}

fn inject(folder: &Path, fault: &Fault) {
    let path = folder.join(fault.file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(fault.from).count(), 1, "`{}` in {}", fault.from, fault.file);
    std::fs::write(&path, text.replace(fault.from, fault.to)).unwrap();
}

fn caught(faults: &[Fault]) {
    for fault in faults {
        println!("{}: {}", fault.what, divergence(fault));
    }
}

#[test]
fn faults_of_time_and_of_arithmetic_are_caught() {
    caught(&FAULTS[..2]);
}

#[test]
fn every_fault_is_caught() {
    caught(&FAULTS[2..]);
}

/// Hardware that never dispatches anything: the reason is its own words.
#[test]
fn nothing_to_compare_is_refused() {
    let dead = Fault {
        what: "nothing is ever dispatched",
        machine: "unit",
        file: "tw_sequencer.sv",
        from: "assign candidate = stopping && valid_q && !argument_q && !end_o;",
        to: "assign candidate = 1'b0;",
    };
    let machine = hw::presets::load(dead.machine).unwrap();
    let hardware = faulty(&dead);
    let case = isa::random::directed(&machine).swap_remove(0).1;
    let refused = cosim::compare(&hardware, &machine, &case.program, &case.args, &case.image, 1).unwrap_err();
    assert_eq!(refused.code, "cosim-nothing");
    assert!(refused.render().contains("the run did not end within"), "{}", refused.render());
}

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
        let mut state = State::new(machine, &case.image);
        cosim::compare::place(&case.program, &mut state.dram).unwrap();
        let cycles = timing::simulate(&case.program, machine, &case.args).unwrap().cycles;
        let (program, args, image) = (&case.program, &case.args[..], &state.dram[..]);
        let run = Run { machine, program, args, image, limit: 2 * cycles + 10_000, poison: 0..0 };
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
    let runs: Vec<Ran> = ["unit", "odd"].into_iter().flat_map(ran).collect();
    assert_eq!(divergence_in_time(&runs, TimeFault::None), None);
    for fault in TimeFault::ALL {
        let found = divergence_in_time(&runs, fault);
        println!("{fault:?}: {}", found.unwrap_or_else(|| panic!("{fault:?} is not caught")));
    }
}
