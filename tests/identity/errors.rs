//! Runs that end with an error: cause, word, every cycle and every counter are those of the simulator.

use crate::bench::{hardware, machine, models, with_model};
use isa::random::Case;
use isa::table::{Arg, Body, Halt, Set};
use isa::{Instr, Program, regs};
use std::collections::BTreeMap;
use tilewright::cosim::driver::Run;
use tilewright::cosim::{self, Hardware};
use tilewright::sim::functional::{self, State};
use tilewright::sim::timing::{Upset, simulate, simulate_upset};
use tilewright::sim::trace::first_difference;
use tilewright::{hw, isa};

/// Runs a program with something that goes wrong on both sides; gives the cause. Without a loop, DRAM is compared, too.
fn check(hardware: &Hardware, machine: &hw::Machine, case: &Case, upset: &Upset) -> u32 {
    let program = &case.program;
    let mut slices = State::of_slices(machine, &case.images());
    cosim::compare::place(program, &mut slices).unwrap();
    if let Some(word) = upset.illegal_word {
        let at = u64::from(program.base + 32 * word);
        // Unit 7 does not exist.
        slices[0].dram.write(at, &[0xff; 32]).unwrap();
    }
    let dram: Vec<_> = slices.iter().map(|s| s.dram.clone()).collect();
    let (times, error) = simulate_upset(program, machine, &case.args, upset).unwrap();
    let error = error.unwrap_or_else(|| panic!("nothing goes wrong: {upset:?}"));
    let limit = 2 * times.cycles + 10_000;
    let (args, dram, poison) = (&case.args[..], &dram, upset.poison.clone());
    let observed = hardware.session(2).run(&Run { machine, program, args, dram, limit, poison });
    assert_eq!(observed.failure, None, "{upset:?}");
    assert_eq!(observed.error, Some((error.cause, error.word)), "{upset:?}");
    assert_eq!(first_difference(&times, &observed.trace), None, "{upset:?}");
    let mut ran = program.clone();
    ran.instrs.truncate(times.dispatches.len());
    if !ran.instrs.iter().any(|i| matches!(i.body, Body::Loop(_))) {
        // Refused behind the last word that ran; what ran before counts.
        let _ = functional::run_slices(&mut slices, &ran, args, &mut ());
        assert!(slices.iter().map(|s| &s.dram).eq(&observed.dram), "DRAM after {upset:?}");
    }
    error.cause
}

/// Arguments up to the end of the table are read; the word that asks for one behind it is illegal.
fn check_arguments(hardware: &Hardware, machine: &hw::Machine, case: &Case) {
    let table = machine.sequencer.args;
    let behind =
        [Arg { rd: 1, rs: 0, imm: table }, Arg { rd: 1, rs: 2, imm: 0 }, Arg { rd: 0, rs: 0, imm: 65535 }];
    for beyond in behind {
        // The sum of the first one is 0 modulo 2^32.
        let within: [Arg; 2] = [Arg { rd: 1, rs: 2, imm: 1 }, Arg { rd: 3, rs: 0, imm: table - 1 }];
        let mut instrs: Vec<Instr> = vec![Set { rd: 2, imm: u32::MAX }.into()];
        instrs.extend(within.map(Instr::from));
        instrs.extend([Instr::from(beyond), Halt {}.into()]);
        let case = Case { program: Program { instrs, ..case.program.clone() }, ..case.clone() };
        let error = simulate_upset(&case.program, machine, &case.args, &Upset::default()).unwrap().1;
        assert_eq!(error.map(|e| (e.cause, e.word)), Some((regs::ERROR_ILLEGAL, 3)));
        check(hardware, machine, &case, &Upset::default());
    }
}

/// The errors that a program is made to meet, spread over its run.
fn upsets(machine: &hw::Machine, case: &Case) -> Vec<Upset> {
    let trace = simulate(&case.program, machine, &case.args).unwrap();
    let step = (trace.dispatches.len() / 3).max(1);
    let words = trace.dispatches.iter().step_by(step);
    let illegal = words.map(|d| Upset { illegal_word: Some(d.instr), poison: 0..0 });
    let step = (trace.requests.len() / 6).max(1);
    let bursts = trace.requests.iter().step_by(step);
    let bus = bursts.map(|r| Upset { illegal_word: None, poison: r.addr..r.addr + 1 });
    illegal.chain(bus).collect()
}

fn errors(name: &str) {
    let (preset, hardware) = (machine(name), hardware(name));
    let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
    for (seed, model) in (500..).zip(models(&preset)) {
        let machine = with_model(&preset, model);
        let case = isa::random::case(&machine, seed).unwrap();
        for upset in upsets(&machine, &case) {
            *seen.entry(check(&hardware, &machine, &case, &upset)).or_default() += 1;
        }
        let mut endless = case.clone();
        endless.program.instrs.pop();
        *seen.entry(check(&hardware, &machine, &endless, &Upset::default())).or_default() += 1;
    }
    check_arguments(&hardware, &preset, &isa::random::case(&preset, 500).unwrap());
    let (_, nests) = isa::random::directed(&preset).into_iter().find(|d| d.0 == "nested-loops").unwrap();
    for upset in upsets(&preset, &nests) {
        check(&hardware, &preset, &nests, &upset);
    }
    println!("{name}: cause and number of runs {seen:?}");
    for cause in [regs::ERROR_ILLEGAL, regs::ERROR_END, regs::ERROR_BUS] {
        assert!(seen[&cause] >= 5, "cause {cause}: {seen:?}");
    }
}

#[test]
fn errors_on_tiny() {
    errors("tiny");
}

#[test]
fn errors_on_unit() {
    errors("unit");
}
