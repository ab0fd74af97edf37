//! Whole networks: functional simulation of the compiled programs equals the integer evaluator, on every element of every
//! operator's output; programs are legal; plans change time only.

mod compare;
mod graph_values;
mod models;

use codegen::{Model, Slot, Target, generate, image, plan};
use hw::Machine;
use ir::quant::QuantDecoder;

fn machine(name: &str) -> Machine {
    hw::presets::load(name).unwrap()
}

fn target(decoder: &QuantDecoder, machine: &Machine, options: &plan::Options) -> Target {
    Target::new(&Model::of(decoder).unwrap(), machine, options).unwrap_or_else(|e| panic!("{e}"))
}

/// Reads `tokens` and compares every step of it.
fn check(decoder: &QuantDecoder, target: &Target, tokens: &[u32]) -> Vec<Vec<i32>> {
    let mut run = compare::Run::new(decoder, target);
    let turns = generate::turns(target, 0, tokens).unwrap();
    turns.iter().map(|turn| run.turn(turn)).collect()
}

#[test]
fn a_small_network_on_every_machine() {
    let decoder = models::random(1, &models::SMALL);
    let tokens: Vec<u32> = (0..29).map(|i| (i * 37 + 11) % 50).collect();
    let mut last = Vec::new();
    for (name, _) in hw::presets::PRESETS {
        let target = target(&decoder, &machine(name), &plan::Options::default());
        println!("{name}: chunks of {}, context {}", target.chunk, target.map.context);
        last.push(check(&decoder, &target, &tokens).pop().unwrap());
    }
    assert!(last.windows(2).all(|pair| pair[0] == pair[1]), "machines differ");
}

#[test]
fn a_plan_changes_time_only() {
    let decoder = models::random(2, &models::SHARED);
    let tokens: Vec<u32> = (0..11).map(|i| (i * 5 + 3) % 40).collect();
    let usual = plan::Options { context: Some(32), ..Default::default() };
    let mut results = Vec::new();
    for options in [
        usual.clone(),
        plan::Options { reorder: false, early: false, prefetch: 1, ..usual.clone() },
        plan::Options { chunk_part: 16, chunk: Some(8), ..usual },
    ] {
        results.push(check(&decoder, &target(&decoder, &machine("tiny"), &options), &tokens).pop().unwrap());
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "plans differ");
}

#[test]
fn the_trained_network_on_tiny() {
    let decoder = models::trained();
    let target = target(&decoder, &machine("tiny"), &plan::Options::default());
    let text = b"\nAda has 12 coins and ";
    let tokens: Vec<u32> = text.iter().map(|&b| b.into()).collect();
    check(&decoder, &target, &tokens);
}

#[test]
fn listings() {
    let decoder = models::random(1, &models::SMALL);
    let options = plan::Options { context: Some(32), ..Default::default() };
    let target = target(&decoder, &machine("tiny"), &options);
    let compiled = target.compile(1, Slot::Decode).unwrap();
    insta::assert_snapshot!("plan", plan::print::print(&compiled.plan, &compiled.syncs));
    insta::assert_snapshot!("listing", isa::disasm::listing(&compiled.program));
    assert!(image::image(&target, &decoder).unwrap().len() > 1000);
}
