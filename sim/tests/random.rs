//! Random legal programs run in both simulations, and every fault of time shows.

use hw::Machine;
use isa::random::{Case, case, directed};
use sim::attribution::{Account, Cause};
use sim::timing::{Fault, simulate, simulate_in_detail, simulate_with};
use sim::trace::first_difference;
use std::collections::BTreeSet;

fn machines() -> Vec<Machine> {
    hw::presets::PRESETS.iter().map(|(name, _)| hw::presets::load(name).unwrap()).collect()
}

fn cases(machine: &Machine, seeds: u64) -> impl Iterator<Item = Case> {
    (0..seeds).map(|seed| case(machine, seed).unwrap_or_else(|| panic!("no legal program for seed {seed}")))
}

fn kind(cause: Cause) -> String {
    cause.to_string().split(' ').next().unwrap_or_default().to_string()
}

#[test]
fn legal_programs_run() {
    let mut seen = BTreeSet::new();
    for machine in machines() {
        let directed = directed(&machine).into_iter().map(|d| d.1);
        for (seed, c) in directed.chain(cases(&machine, 40)).enumerate() {
            let (trace, detail) = simulate_in_detail(&c.program, &machine, &c.args)
                .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            sim::functional::run(&c.program, &machine, &c.args, &c.image, &mut ())
                .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            // Every cycle of every unit has one cause, and the sums are what the machine counts.
            let account = Account::of(&c.program, &trace, &detail);
            assert_eq!(account.against(&trace.counters, trace.cycles), None, "{} seed {seed}", machine.name);
            for sums in account.units {
                seen.extend(sums.into_iter().filter(|(_, n)| *n > 0).map(|(cause, _)| kind(cause)));
            }
        }
    }
    let causes =
        ["argument", "busy", "dispatching", "drain", "end", "full", "instruction", "memory", "semaphore"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), causes, "a cause never occurs");
}

#[test]
fn every_fault_changes_a_trace() {
    let machines = machines();
    for fault in Fault::ALL {
        let caught = machines.iter().any(|machine| {
            let directed = directed(machine).into_iter().map(|d| d.1);
            directed.chain(cases(machine, 12)).any(|c| {
                let right = simulate(&c.program, machine, &c.args).ok();
                let wrong = simulate_with(&c.program, machine, &c.args, fault).ok();
                match (right, wrong) {
                    (Some(right), Some(wrong)) => first_difference(&right, &wrong).is_some(),
                    _ => true,
                }
            })
        });
        assert!(caught, "{fault:?}");
    }
}

#[test]
#[ignore = "seconds; prints the speed of the timing simulation: cargo test --release -p tilewright-sim --test random -- --ignored --nocapture"]
fn speed() {
    let machine = hw::presets::load("tiny").unwrap();
    let cases: Vec<_> = cases(&machine, 200).collect();
    let start = std::time::Instant::now();
    let traces: Vec<_> = cases.iter().map(|c| simulate(&c.program, &machine, &c.args).unwrap()).collect();
    let seconds = start.elapsed().as_secs_f64();
    let instructions: usize = traces.iter().map(|t| t.dispatches.len()).sum();
    let cycles: u64 = traces.iter().map(|t| t.cycles).sum();
    println!(
        "{:.2e} instructions/s, {:.2e} cycles/s",
        instructions as f64 / seconds,
        cycles as f64 / seconds
    );
}
