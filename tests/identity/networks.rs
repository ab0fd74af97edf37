//! Whole networks through simulator and hardware: a prompt in chunks, then single tokens, each run on the memory that the
//! one before left.

#[expect(dead_code, reason = "shared with the tests of the compiler, which draw more networks")]
#[path = "../network/models.rs"]
mod models;

use crate::bench::{check, hardware, with_model};
use codegen::generate::{Turn, arg_max, logits, turns};
use codegen::taps::{Byte, frame};
use codegen::{Model, Target, image, plan};
use hw::machine::MemoryModel;
use ir::quant::scheme::Sparsity;
use ir::quant::{QuantDecoder, Scheme};
use isa::random::Case;
use sim::functional::{State, run_slices};
use tilewright::{codegen, hw, ir, isa, sim};

/// A run on slices with these images.
fn case(program: isa::Program, mut images: Vec<Vec<u8>>, args: Vec<u32>) -> Case {
    let others = images.split_off(1);
    Case { program, image: images.remove(0), others, args }
}

/// Reads `prompt` and then `more` tokens, each the likeliest after those before; every run compared. Gives the answer.
fn answer(
    decoder: &QuantDecoder,
    name: &str,
    model: Option<MemoryModel>,
    prompt: &[u32],
    more: usize,
) -> Vec<u32> {
    let preset = crate::bench::machine(name);
    let machine = model.map_or(preset.clone(), |m| with_model(&preset, m));
    let target = Target::new(&Model::of(decoder).unwrap(), &machine, &plan::Options::default()).unwrap();
    let hardware = hardware(name);
    let mut slices = State::of_slices(&machine, &image::images(&target, decoder).unwrap());
    let (mut tokens, mut position, mut said) = (prompt.to_vec(), 0, Vec::new());
    let (mut instructions, mut cycles) = (0, 0);
    for _ in 0..=more {
        for turn in turns(&target, position, &tokens).unwrap() {
            let count = turn.tokens.len() as u32;
            let compiled = target.compile(count, turn.slot).unwrap();
            let (program, args) = (compiled.program.clone(), turn.args(&compiled));
            let case = case(program, slices.iter().map(|s| s.dram.used()).collect(), args);
            let done =
                check(&hardware, &machine, &format!("{count} tokens at {}", turn.position), &case, position);
            (instructions, cycles) = (instructions + done.0, cycles + done.1);
            run_slices(&mut slices, &case.program, &case.args, &mut ()).unwrap();
            position = turn.end();
            let word = |at: Byte| slices[at.slice as usize].dram.word(at.address);
            tokens = vec![arg_max(&logits(&target, word, count, turn.read() - 1))];
        }
        said.extend(&tokens);
    }
    println!("{name}: {position} tokens, {instructions} instructions, {cycles} cycles compared");
    said
}

/// The same answer from the integer evaluator.
fn evaluated(decoder: &QuantDecoder, prompt: &[u32], more: usize) -> Vec<u32> {
    ir::session::generate(decoder, prompt, more + 1, |_| true).unwrap()
}

fn small(name: &str) {
    let decoder = models::random(1, &models::SMALL);
    let prompt: Vec<u32> = (0..17).map(|i| (i * 37 + 11) % 50).collect();
    assert_eq!(answer(&decoder, name, None, &prompt, 2), evaluated(&decoder, &prompt, 2));
}

#[test]
fn a_small_network_on_three() {
    small("three");
}

/// Two sequences, each with a cache of its own: prompts one after the other, then steps together, every run compared. Both read the
/// same, and say the same.
#[test]
fn sequences_together() {
    let decoder = models::random(1, &models::SMALL);
    let prompt: Vec<u32> = (0..9).map(|i| (i * 37 + 11) % 50).collect();
    let expected = evaluated(&decoder, &prompt, 2);
    for name in ["odd", "sliced"] {
        let (machine, hardware) = (crate::bench::machine(name), hardware(name));
        let options = plan::Options { batch: 2, ..plan::Options::default() };
        let target = Target::new(&Model::of(&decoder).unwrap(), &machine, &options).unwrap();
        let mut slices = State::of_slices(&machine, &image::images(&target, &decoder).unwrap());
        let mut run = |turn: &Turn| -> Vec<u32> {
            let count = turn.tokens.len() as u32;
            let compiled = target.compile_for(turn.reads, count, turn.slot).unwrap();
            let args = turn.args(&compiled);
            let case = case(compiled.program, slices.iter().map(|s| s.dram.used()).collect(), args);
            check(&hardware, &machine, &format!("{turn:?}"), &case, turn.position);
            run_slices(&mut slices, &case.program, &case.args, &mut ()).unwrap();
            let word = |at: Byte| slices[at.slice as usize].dram.word(at.address);
            (0..turn.read()).map(|token| arg_max(&logits(&target, word, count, token))).collect()
        };
        let of_first = turns(&target, 0, &prompt).unwrap();
        let mut said: Vec<u32> = (0..2)
            .map(|n| of_first.iter().map(|turn| *run(&turn.of(n)).last().unwrap()).last().unwrap())
            .collect();
        for (step, wanted) in (0..).zip(&expected) {
            assert_eq!(said, [*wanted; 2], "{name}, step {step}");
            said = run(&Turn::step(prompt.len() as u32 + step, said));
        }
    }
}

/// Four slices with a head each, and with padding in the last rows of the MLP.
#[test]
fn a_small_network_on_slices() {
    small("sliced");
}

#[test]
fn a_small_network_on_odd() {
    small("odd");
}

#[test]
fn a_small_network_on_unit() {
    small("unit");
}

/// Attention to the first positions and a window, over whose end new keys and values go round: the hardware's bits are the
/// integer evaluator's. On slices, too.
#[test]
fn a_window_goes_round() {
    let mut scheme = Scheme::named("w2a8kv4").unwrap();
    (scheme.attention.sink, scheme.attention.window) = (Some(3), Some(7));
    let decoder = models::random_with(1, &models::SMALL, &scheme);
    let prompt: Vec<u32> = (0..12).map(|i| (i * 37 + 11) % 50).collect();
    for name in ["odd", "sliced"] {
        assert_eq!(answer(&decoder, name, None, &prompt, 9), evaluated(&decoder, &prompt, 9), "{name}");
    }
}

/// Weights of all widths: those of 2 bits in one beat, others in two.
#[test]
fn every_dense_scheme_on_quads() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    for scheme in models::schemes().iter().filter(|s| s.weights.sparsity != Sparsity::TwoOfFour) {
        let decoder = models::random_with(1, &models::SMALL, scheme);
        let expected = evaluated(&decoder, &prompt, 1);
        assert_eq!(answer(&decoder, "quads", None, &prompt, 1), expected, "{} on quads", scheme.name);
    }
}

/// Activations of 4 bits in linear layers, and also in attention.
#[test]
fn narrow_activations_on_quads_and_nibbles() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    let narrow: Vec<Scheme> = models::schemes().into_iter().filter(|s| s.activations.bits == 4).collect();
    assert_eq!(narrow.len(), 2);
    for scheme in narrow {
        let decoder = models::random_with(1, &models::SMALL, &scheme);
        let expected = evaluated(&decoder, &prompt, 1);
        for name in ["quads", "nibbles"] {
            assert_eq!(answer(&decoder, name, None, &prompt, 1), expected, "{} on {name}", scheme.name);
        }
    }
}

/// Every way to store weights, activations and cache that machines have.
#[test]
fn every_scheme_on_machines_with_all_modes() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    // Those whose outputs share columns meet the machines that have forms for them below.
    let alone = models::schemes().into_iter().filter(|s| s.weights.shared == 1);
    let names = ["tiny", "unit", "odd", "paired", "gemv", "crumbs", "nibbles"];
    for (scheme, first) in alone.zip((0..names.len()).cycle()) {
        let decoder = models::random_with(1, &models::SMALL, &scheme);
        // The next machine with the scheme's modes.
        let model = Model::of(&decoder).unwrap();
        let takes = |name: &&&str| codegen::support::modes(&model, &crate::bench::machine(name)).is_ok();
        let name = *names.iter().cycle().skip(first).take(names.len()).find(takes).unwrap();
        let expected = evaluated(&decoder, &prompt, 1);
        assert_eq!(answer(&decoder, name, None, &prompt, 1), expected, "{} on {name}", scheme.name);
    }
}

/// Layer norms, biases, learned positions, plain MLPs, on rows without padding; biases before the rotary embedding.
#[test]
fn other_families() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    for (config, scheme, name) in [
        (&models::LEARNED, "w2a8kv4", "tiny"),
        (&models::LEARNED, "w8a8", "odd"),
        (&models::BIASED, "w2a8kv4", "three"),
        (&models::BENT, "w2a8kv4", "unit"),
        (&models::STEEP, "w2a8kv4", "odd"),
        (&models::INVERSE, "w2a8kv4", "three"),
    ] {
        let decoder = models::random_with(1, config, &Scheme::named(scheme).unwrap());
        let expected = evaluated(&decoder, &prompt, 2);
        assert_eq!(answer(&decoder, name, None, &prompt, 2), expected, "{scheme} on {name}");
    }
    let (decoder, prompt) = (models::opt(), &b"\nAda has 12 coin".map(u32::from));
    assert_eq!(answer(&decoder, "tiny", None, prompt, 2), evaluated(&decoder, prompt, 2));
}

/// Scales that were fixed beforehand, for every layer its own, and of convolutions.
#[test]
fn fixed_scales() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    for (config, scheme, name) in
        [(&models::SMALL, 0, "three"), (&models::LEARNED, 1, "tiny"), (&models::SMALL, 2, "odd")]
    {
        let decoder = models::random_with(1, config, &models::fixed()[scheme]);
        assert_eq!(answer(&decoder, name, None, &prompt, 1), evaluated(&decoder, &prompt, 1), "{name}");
    }
}

/// Logits behind the attention of the last layer: of two layers, and of the only one of an exported network.
#[test]
fn early_exits() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    for (decoder, name) in [(models::random(1, &models::EARLY), "three"), (models::genai(), "tiny")] {
        assert_eq!(answer(&decoder, name, None, &prompt, 1), evaluated(&decoder, &prompt, 1), "{name}");
    }
}

/// Encoders, with a last chunk that is partly padding and without; the last one of frames.
#[test]
fn encoders() {
    let tokens: Vec<u32> = (0..32).map(|i| (i * 37 + 11) % 50).collect();
    let named = |name| Scheme::named(name).unwrap();
    for (config, scheme, name, length) in [
        (&models::POST_NORM, named("w2a8kv4"), "tiny", 32),
        (&models::POST_NORM, named("w4a8"), "tiny", 27),
        (&models::PRE_NORM, named("w2a8kv4"), "three", 13),
        (&models::PRE_NORM, named("w8a8"), "odd", 32),
        (&models::FRAMES, named("w8a8"), "tiny", 21),
        (&models::FRAMES, models::fixed()[1].clone(), "tiny", 21),
        (&models::POST_NORM, models::fixed()[0].clone(), "tiny", 13),
    ] {
        let encoder = models::random_with(1, config, &scheme);
        let machine = hw::presets::load(name).unwrap();
        let options = plan::Options { context: Some(length), ..Default::default() };
        let target = Target::new(&Model::of(&encoder).unwrap(), &machine, &options).unwrap();
        let turn = &turns(&target, 0, &tokens[..length as usize]).unwrap()[0];
        let compiled = target.compile(length, turn.slot).unwrap();
        let (program, args) = (compiled.program.clone(), turn.args(&compiled));
        let mut images = image::images(&target, &encoder).unwrap();
        if let Some(window) = target.model.stem.first() {
            let place = |f, c| frame(&target, f, c).address as usize;
            let (count, last) = (2 * length, place(2 * length - 1, window.channels - 1));
            let bytes = &mut images[0];
            bytes.resize(bytes.len().max(last + 4), 0);
            for (f, c) in (0..count).flat_map(|f| (0..window.channels).map(move |c| (f, c))) {
                let word = (((f * 7919 + c * 104_729) % 400_009) as i32 - 200_000).to_le_bytes();
                bytes[place(f, c)..][..4].copy_from_slice(&word);
            }
        }
        let case = case(program, images, args);
        let (instructions, cycles) =
            check(&hardware(name), &machine, &format!("{length} tokens"), &case, length);
        println!("{name}: {length} tokens, {instructions} instructions, {cycles} cycles compared");
    }
}

/// 2:4 pruned weights where two rows of lanes are no whole fours, and where two tokens or two lanes share a multiplier.
#[test]
fn pruned_weights_on_odd_paired_gemv_and_digits() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    for scheme in models::schemes().iter().filter(|s| s.weights.sparsity == Sparsity::TwoOfFour) {
        let decoder = models::random_with(1, &models::SMALL, scheme);
        for name in ["odd", "paired", "gemv", "crumbs", "nibbles"] {
            let expected = evaluated(&decoder, &prompt, 1);
            assert_eq!(answer(&decoder, name, None, &prompt, 1), expected, "{} on {name}", scheme.name);
        }
    }
}

/// Two slices of the accelerator for an Alveo U280; positions in both of its forms.
#[test]
fn pruned_weights_on_llm_u280() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    let pruned = |s: &&Scheme| {
        let odd = s.weights.levels == [-3, -1, 1, 3];
        odd && s.weights.sparsity == Sparsity::TwoOfFour && s.weights.shared <= 4
    };
    let schemes = models::schemes();
    assert!(schemes.iter().filter(pruned).count() > 1);
    for scheme in schemes.iter().filter(pruned) {
        let decoder = models::random_with(1, &models::SMALL, scheme);
        let expected = evaluated(&decoder, &prompt, 1);
        assert_eq!(answer(&decoder, "llm-u280", None, &prompt, 1), expected, "{}", scheme.name);
    }
}

/// Two slices of the accelerators that follow papers, each under what its paper runs.
#[test]
fn accelerators_of_papers() {
    let prompt: Vec<u32> = (0..13).map(|i| (i * 37 + 11) % 50).collect();
    for (name, scheme) in [("accllm-u280", "w2s24a8kv4"), ("flightllm-u280", "w4a8")] {
        let decoder = models::random_with(1, &models::SMALL, &Scheme::named(scheme).unwrap());
        let expected = evaluated(&decoder, &prompt, 1);
        assert_eq!(answer(&decoder, name, None, &prompt, 1), expected, "{scheme} on {name}");
    }
}

#[test]
fn the_trained_network_on_tiny() {
    trained_on_tiny(&models::trained());
}

#[test]
fn the_trained_pruned_network_on_tiny() {
    trained_on_tiny(&models::trained_pruned());
}

/// Sixteen tokens of prompt and three more steps.
fn trained_on_tiny(decoder: &QuantDecoder) {
    let prompt: Vec<u32> = b"\nAda has 12 coin".iter().map(|&b| u32::from(b)).collect();
    assert_eq!(prompt.len(), 16);
    let random =
        MemoryModel::Random { seed: 5, min_latency: 6, max_latency: 70, ready_percent: 70, beat_percent: 80 };
    let expected = evaluated(decoder, &prompt, 3);
    assert_eq!(answer(decoder, "tiny", None, &prompt, 3), expected);
    assert_eq!(answer(decoder, "tiny", Some(random), &prompt, 3), expected);
}

#[test]
fn the_prompt_of_the_readme_on_tiny() {
    let decoder = models::trained();
    let prompt = "\nAda has 12 coins and gets 30 more. Now Ada has ";
    let tokens: Vec<u32> = prompt.bytes().map(u32::from).collect();
    let said = answer(&decoder, "tiny", None, &tokens, 8);
    let text: String = said.iter().map(|&t| char::from(t as u8)).collect();
    assert_eq!(text, "42 coins.");
}

#[test]
fn the_trained_network_on_three_odd_quads_gemv_and_digits() {
    let decoder = models::trained();
    let prompt: Vec<u32> = b"\nAda has 12 coin".iter().map(|&b| u32::from(b)).collect();
    for name in ["three", "odd", "quads", "gemv", "crumbs", "nibbles"] {
        assert_eq!(answer(&decoder, name, None, &prompt, 3), evaluated(&decoder, &prompt, 3), "{name}");
    }
}
