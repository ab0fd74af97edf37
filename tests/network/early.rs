//! Decoders whose logits stand behind the attention of their last layer: logits equal those of the integer graph, of every token.

use crate::{machine, models, target};
use codegen::generate::{logits, turns};
use codegen::{image, plan};
use ir::quant::QuantDecoder;
use ir::session::Session;
use sim::functional::{State, run_on};

/// Reads tokens on a machine, in chunks, then two by themselves.
fn check(decoder: &QuantDecoder, name: &str, tokens: &[u32]) {
    let target = target(decoder, &machine(name), &plan::Options::default());
    let mut state = State::new(&target.machine, &image::image(&target, decoder).unwrap());
    let mut session = Session::new(decoder);
    let (prompt, rest) = tokens.split_at(tokens.len() - 2);
    let mut position = 0;
    for part in [prompt, &rest[..1], &rest[1..]] {
        for turn in turns(&target, position, part).unwrap() {
            let count = turn.tokens.len() as u32;
            let compiled = target.compile(count, turn.slot).unwrap();
            target.prove(&compiled).unwrap_or_else(|e| panic!("{name}: {e}"));
            let args = turn.args(&compiled);
            run_on(&mut state, &compiled.program, &args, &mut ()).unwrap_or_else(|e| panic!("{e}"));
            let wanted = session.read(&turn.tokens).unwrap();
            let word = |at: u32| state.dram.word(at);
            let got: Vec<i32> = (0..count).flat_map(|t| logits(&target, word, count, t)).collect();
            assert!(got == wanted.ints(), "{name}: {count} tokens at {}", turn.position);
        }
        position += part.len() as u32;
    }
}

#[test]
fn logits_behind_an_attention_equal_their_graphs() {
    let tokens: Vec<u32> = (0..21).map(|i| (i * 37 + 11) % 50).collect();
    for (name, _) in hw::presets::PRESETS {
        check(&models::random(1, &models::EARLY), name, &tokens);
    }
    let fixed = models::random_with(1, &models::EARLY, &models::fixed()[1]);
    check(&fixed, "tiny", &tokens);
    let learned = ir::decoder::Config { exit: ir::decoder::Exit::Attention, ..models::LEARNED };
    check(&models::random(1, &learned), "tiny", &tokens);
    let exported = models::genai();
    assert_eq!(exported.layers.len(), 1);
    for name in ["tiny", "odd"] {
        check(&exported, name, &tokens);
    }
}
