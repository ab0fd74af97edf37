//! Whole networks in both simulations of time: in events and in steps.

use crate::{machine, models, target};
use codegen::{generate, plan};
use hw::dram::Dram;
use hw::machine::MemoryModel;
use sim::trace::first_difference;

/// A prompt of 48 tokens in chunks, then three single tokens.
#[test]
fn the_trained_network_takes_the_same_cycles() {
    let decoder = models::trained();
    let mut machine = machine("tiny");
    let random =
        MemoryModel::Random { seed: 5, min_latency: 6, max_latency: 70, ready_percent: 70, beat_percent: 80 };
    let dram = MemoryModel::Dram(Box::new(Dram::preset("ddr4").unwrap()));
    for model in [machine.memory.model.clone(), random, dram] {
        machine.memory.model = model;
        let target = target(&decoder, &machine, &plan::Options::default());
        let (mut position, mut cycles) = (0, 0);
        for tokens in [48, 1, 1, 1].map(|n| vec![65; n]) {
            for turn in generate::turns(&target, position, &tokens).unwrap() {
                let compiled = target.compile(turn.tokens.len() as u32, turn.slot).unwrap();
                let (program, args) = (&compiled.program, turn.args(&compiled));
                let events = sim::timing::simulate(program, &machine, &args).unwrap();
                let steps = sim::reference::simulate(program, &machine, &args).unwrap();
                let found = first_difference(&events, &steps).map(|d| d.to_string());
                assert_eq!(found, None, "{} tokens at {}", turn.tokens.len(), turn.position);
                cycles += steps.cycles;
            }
            position += tokens.len() as u32;
        }
        println!("{position} tokens, {cycles} cycles");
        assert_eq!(position, 51);
    }
}
