//! Encoders: what a program leaves in memory is what the integer graph of the sequence gives.

use crate::{machine, models};
use codegen::generate::{hidden, logits, turns};
use codegen::{Model, Target, image, plan};
use ir::eval::Evaluator;
use ir::quant::{QuantDecoder, Scheme};
use ir::tensor::Tensor;
use sim::functional::{State, run_on};

/// What the graph of a sequence gives.
fn wanted(encoder: &QuantDecoder, tokens: &[u32]) -> Vec<i32> {
    let ids = Tensor::i64([tokens.len()], tokens.iter().map(|&t| t.into()).collect()).unwrap();
    let graph = encoder.graph(tokens.len(), 0).unwrap();
    Evaluator::new(&graph).unwrap().run(&[ids]).unwrap()[0].ints().to_vec()
}

/// What a machine gives, twice: nothing of one run may reach the next.
fn check(encoder: &QuantDecoder, target: &Target, tokens: &[u32]) {
    let wanted = wanted(encoder, tokens);
    let mut state = State::new(&target.machine, &image::image(target, encoder).unwrap());
    for _ in 0..2 {
        for turn in turns(target, 0, tokens).unwrap() {
            let compiled = target.compile(turn.tokens.len() as u32, turn.slot).unwrap();
            target.prove(&compiled).unwrap_or_else(|e| panic!("{e}"));
            run_on(&mut state, &compiled.program, &turn.args(&compiled), &mut ())
                .unwrap_or_else(|e| panic!("{e}"));
        }
        let word = |at: u32| state.dram.word(at);
        let got: Vec<i32> = match target.model.has_ends() {
            true => logits(target, word, 1, 0),
            false => (0..tokens.len() as u32).flat_map(|t| hidden(target, word, t)).collect(),
        };
        assert!(got == wanted, "{}: {} tokens", target.machine.name, tokens.len());
    }
}

#[test]
fn encoders_equal_their_graphs_on_every_machine_that_suits_them() {
    let tokens: Vec<u32> = (0..32).map(|i| (i * 37 + 11) % 50).collect();
    for (config, scheme, least) in [
        (&models::PRE_NORM, "w2a8kv4", 3),
        (&models::PRE_NORM, "w8a8", 3),
        (&models::POST_NORM, "w2a8kv4", 2),
        (&models::POST_NORM, "w4a8", 2),
    ] {
        let encoder = models::random_with(1, config, &Scheme::named(scheme).unwrap());
        let model = Model::of(&encoder).unwrap();
        let mut machines = 0;
        for (name, _) in hw::presets::PRESETS {
            for length in [32, 27, 1] {
                let options = plan::Options { context: Some(length), ..Default::default() };
                match Target::new(&model, &machine(name), &options) {
                    Ok(target) => {
                        check(&encoder, &target, &tokens[..length as usize]);
                        machines += 1;
                    }
                    Err(error) => assert!(
                        ["rows-padded", "mode-missing", "function-missing"].contains(&error.code),
                        "{name}: {error}"
                    ),
                }
            }
        }
        println!("{scheme}: {machines} machines and lengths");
        assert!(machines >= 3 * least, "{scheme}: {machines}");
    }
}
