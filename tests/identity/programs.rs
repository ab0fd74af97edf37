//! Directed and random legal programs on every preset and several memories.

use crate::bench::{check, check_random, hardware, machine, models, with_model};
use std::time::Instant;
use tilewright::sim::functional::State;
use tilewright::{cosim, isa};

/// Random programs of each machine in the first test.
const SEEDS: u64 = 15;
/// Random programs of each machine in both tests.
const LONG: u64 = 100;

fn directed(name: &str) {
    let preset = machine(name);
    let hardware = hardware(name);
    for (seed, model) in (1..).zip(models(&preset)) {
        let machine = with_model(&preset, model);
        for (title, case) in isa::random::directed(&machine) {
            check(&hardware, &machine, title, &case, seed);
        }
    }
}

fn random(name: &str, seeds: std::ops::Range<u64>) {
    let from = Instant::now();
    let (instructions, cycles) = check_random(name, seeds);
    println!("{name}: {instructions} instructions, {cycles} cycles in {:.1} s", from.elapsed().as_secs_f64());
}

macro_rules! machines {
    ($($name:ident)*) => { $(
        mod $name {
            #[test]
            fn directed_programs() {
                super::directed(stringify!($name));
            }

            #[test]
            fn random_programs() {
                super::random(stringify!($name), 0..super::SEEDS);
            }

            #[test]
            fn many_random_programs() {
                super::random(stringify!($name), super::SEEDS..super::LONG);
            }
        }
    )* };
}

machines!(tiny unit three odd wide);

#[test]
fn one_program_after_another_on_the_same_hardware() {
    let (machine, hardware) = (machine("tiny"), hardware("tiny"));
    let mut session = hardware.session(5);
    let mut state = State::new(&machine, &[]);
    for seed in 200..206 {
        let case = isa::random::case(&machine, seed).unwrap();
        state.dram[..case.image.len()].copy_from_slice(&case.image);
        let found = cosim::compare_in(&mut session, &mut state, &machine, &case.program, &case.args);
        let found = found.unwrap_or_else(|e| panic!("{}", e.render()));
        assert!(found.identical(), "seed {seed}: {found:#?}");
    }
}
