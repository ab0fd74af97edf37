//! Directed programs on every preset and several memories, and one program after another.

use crate::bench::{check, hardware, machine, models, with_model};
use tilewright::sim::functional::State;
use tilewright::{cosim, isa};

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

macro_rules! machines {
    ($($name:ident)*) => { $(
        mod $name {
            #[test]
            fn directed_programs() {
                super::directed(stringify!($name));
            }
        }
    )* };
}

machines!(tiny unit three odd paired wide quads gemv crumbs nibbles sliced narrow);

#[test]
fn one_program_after_another_on_the_same_hardware() {
    let (machine, hardware) = (machine("tiny"), hardware("tiny"));
    let mut session = hardware.session(5);
    let mut slices = State::of_slices(&machine, &[[0u8; 0]; 0]);
    for seed in 200..206 {
        let case = isa::random::case(&machine, seed).unwrap();
        for (state, image) in slices.iter_mut().zip(case.images()) {
            state.dram.write(0, image).unwrap();
        }
        let found = cosim::compare_in(&mut session, &mut slices, &machine, &case.program, &case.args);
        let found = found.unwrap_or_else(|e| panic!("{}", e.render()));
        assert!(found.identical(), "seed {seed}: {found:#?}");
    }
}
