//! Encoders: what a program leaves in memory is what the integer graph of the sequence gives.

use crate::{machine, models};
use codegen::generate::{hidden, logits, turns};
use codegen::taps::{Byte, frame};
use codegen::{Model, Target, image, plan};
use ir::eval::Evaluator;
use ir::quant::{QuantDecoder, Scheme};
use ir::tensor::{Data, Tensor};
use ir::types::DType;
use sim::functional::{State, run_slices};

/// The frames of a sequence, two for each token.
fn frames(tokens: &[u32]) -> Vec<i32> {
    let value =
        |i: usize| ((i * 7919 + tokens[i % tokens.len()] as usize * 104_729) % 400_009) as i32 - 200_000;
    (0..2 * tokens.len() * models::CHANNELS).map(value).collect()
}

/// What the graph of a sequence gives.
fn wanted(encoder: &QuantDecoder, tokens: &[u32]) -> Vec<i32> {
    let ids = match encoder.config.vocab {
        0 => {
            Tensor::new(DType::I32, [2 * tokens.len(), models::CHANNELS], Data::Int(frames(tokens))).unwrap()
        }
        _ => Tensor::i64([tokens.len()], tokens.iter().map(|&t| t.into()).collect()).unwrap(),
    };
    let graph = encoder.graph(tokens.len(), 0).unwrap();
    Evaluator::new(&graph).unwrap().run(&[ids]).unwrap()[0].ints().to_vec()
}

/// What a machine gives, twice: nothing of one run may reach the next.
pub fn check(encoder: &QuantDecoder, target: &Target, tokens: &[u32]) {
    let wanted = wanted(encoder, tokens);
    let mut slices = State::of_slices(&target.machine, &image::images(target, encoder).unwrap());
    for (i, word) in frames(tokens).iter().enumerate().filter(|_| !target.model.stem.is_empty()) {
        let at = frame(target, (i / models::CHANNELS) as u32, (i % models::CHANNELS) as u32);
        slices[at.slice as usize].dram.write(at.address.into(), &word.to_le_bytes()).unwrap();
    }
    for _ in 0..2 {
        for turn in turns(target, 0, tokens).unwrap() {
            let compiled = target.compile(turn.tokens.len() as u32, turn.slot).unwrap();
            target.prove(&compiled).unwrap_or_else(|e| panic!("{e}"));
            run_slices(&mut slices, &compiled.program, &turn.args(&compiled), &mut ())
                .unwrap_or_else(|e| panic!("{e}"));
        }
        let word = |at: Byte| slices[at.slice as usize].dram.word(at.address);
        let got: Vec<i32> = match target.model.has_ends() {
            true => logits(target, word, 1, 0),
            false => (0..tokens.len() as u32).flat_map(|t| hidden(target, word, t)).collect(),
        };
        assert!(got == wanted, "{}: {} tokens", target.machine.name, tokens.len());
    }
}

/// A built-in scheme, without groups if the name says so.
fn named(name: &str) -> Scheme {
    match name.strip_suffix(", no groups") {
        None => Scheme::named(name).unwrap(),
        Some(name) => {
            Scheme::parse(&ir::quant::scheme::text(name).unwrap().replace("group = 32\n", "")).unwrap()
        }
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
        (&models::FRAMES, "w2a8kv4, no groups", 2),
        (&models::FRAMES, "w8a8, no groups", 1),
    ] {
        let encoder = models::random_with(1, config, &named(scheme));
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
                        ["rows-padded", "mode-missing", "function-missing", "frames-unaligned"]
                            .contains(&error.code),
                        "{name}: {error}"
                    ),
                }
            }
        }
        println!("{scheme}: {machines} machines and lengths");
        assert!(machines >= 3 * least, "{scheme}: {machines}");
    }
}

/// Scales that were fixed beforehand, for every layer its own, and of convolutions and pooling layers.
#[test]
fn fixed_scales_of_encoders() {
    let tokens: Vec<u32> = (0..27).map(|i| (i * 37 + 11) % 50).collect();
    for config in [&models::PRE_NORM, &models::POST_NORM, &models::FRAMES] {
        for scheme in models::fixed() {
            let encoder = models::random_with(1, config, &scheme);
            let options = plan::Options { context: Some(27), ..Default::default() };
            let target = Target::new(&Model::of(&encoder).unwrap(), &machine("tiny"), &options);
            check(&encoder, &target.unwrap_or_else(|e| panic!("{e}")), &tokens);
        }
    }
}

/// Attention over a part of a chunk at a time, where its codes have no room for all.
#[test]
fn attention_may_take_fewer_tokens_than_a_chunk() {
    let tokens: Vec<u32> = (0..27).map(|i| (i * 37 + 11) % 50).collect();
    let encoder = models::random_with(1, &models::PRE_NORM, &named("w2a8kv4"));
    let mut narrow = machine("tiny");
    narrow.buffers.token_scales = 64;
    narrow.verify().unwrap();
    let options = plan::Options { context: Some(27), ..Default::default() };
    let target = Target::new(&Model::of(&encoder).unwrap(), &narrow, &options).unwrap();
    assert!(target.map.attending < target.chunk, "{} of {}", target.map.attending, target.chunk);
    check(&encoder, &target, &tokens);
}
