//! Decoders whose logits stand behind the attention of their last layer: logits equal those of the integer graph, of every token.

use crate::{machine, models, target};
use codegen::generate::{logits, turns};
use codegen::taps::Byte;
use codegen::{image, plan};
use hw::Machine;
use ir::quant::QuantDecoder;
use ir::session::Session;
use sim::functional::{State, run_slices};

/// Reads tokens on a machine, in chunks, then two by themselves.
pub fn check(decoder: &QuantDecoder, machine: &Machine, tokens: &[u32]) {
    let (name, target) = (&machine.name, target(decoder, machine, &plan::Options::default()));
    let mut slices = State::of_slices(&target.machine, &image::images(&target, decoder).unwrap());
    let mut session = Session::new(decoder);
    let (prompt, rest) = tokens.split_at(tokens.len() - 2);
    let mut position = 0;
    for part in [prompt, &rest[..1], &rest[1..]] {
        for turn in turns(&target, position, part).unwrap() {
            let count = turn.tokens.len() as u32;
            let compiled = target.compile(count, turn.slot).unwrap();
            target.prove(&compiled).unwrap_or_else(|e| panic!("{name}: {e}"));
            let args = turn.args(&compiled);
            run_slices(&mut slices, &compiled.program, &args, &mut ()).unwrap_or_else(|e| panic!("{e}"));
            let wanted = session.read(&turn.tokens[..turn.read() as usize]).unwrap();
            let word = |at: Byte| slices[at.slice as usize].dram.word(at.address);
            let got: Vec<i32> = (0..turn.read()).flat_map(|t| logits(&target, word, count, t)).collect();
            assert!(got == wanted.ints(), "{name}: {count} tokens at {}", turn.position);
        }
        position += part.len() as u32;
    }
}

#[test]
fn logits_behind_an_attention_equal_their_graphs() {
    let tokens: Vec<u32> = (0..21).map(|i| (i * 37 + 11) % 50).collect();
    for (name, _) in hw::presets::PRESETS {
        check(&models::random(1, &models::EARLY), &machine(name), &tokens);
    }
    let fixed = models::random_with(1, &models::EARLY, &models::fixed()[1]);
    check(&fixed, &machine("tiny"), &tokens);
    let learned = ir::decoder::Config { exit: ir::decoder::Exit::Attention, ..models::LEARNED };
    check(&models::random(1, &learned), &machine("tiny"), &tokens);
    let exported = models::genai();
    assert_eq!(exported.layers.len(), 1);
    for name in ["tiny", "odd"] {
        check(&exported, &machine(name), &tokens);
    }
}
