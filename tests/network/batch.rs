//! Sequences that take their steps together, each with a cache of its own.

use crate::{machine, models, target};
use codegen::generate::{Turn, logits, turns};
use codegen::plan::{Options, Reads};
use codegen::taps::Byte;
use codegen::{Model, Target, image};
use hw::Machine;
use hw::machine::Slices;
use ir::quant::{QuantDecoder, Scheme};
use sim::functional::{State, run_slices};

/// Tokens of a prompt, and steps behind it.
const PROMPT: u32 = 13;
const STEPS: u32 = 5;

fn token(sequence: u32, position: u32, vocab: u32) -> u32 {
    (position * 37 + sequence * 23 + 11) % vocab
}

/// Logits of every step of every sequence, step by step, of `sequences` that are those from `first` on.
fn read(decoder: &QuantDecoder, machine: &Machine, first: u32, sequences: u32) -> Vec<Vec<i32>> {
    let options = Options { batch: sequences, ..Options::default() };
    let target = Target::new(&Model::of(decoder).unwrap(), machine, &options).unwrap();
    let mut slices = State::of_slices(machine, &image::images(&target, decoder).unwrap());
    let vocab = target.model.vocab;
    let mut run = |turn: &Turn| {
        let count = turn.tokens.len() as u32;
        let compiled = target.compile_for(turn.reads, count, turn.slot).unwrap();
        target.prove(&compiled).unwrap_or_else(|e| panic!("{}, {count} tokens: {e}", machine.name));
        run_slices(&mut slices, &compiled.program, &turn.args(&compiled), &mut ()).unwrap();
        let word = |at: Byte| slices[at.slice as usize].dram.word(at.address);
        (0..count).map(|t| logits(&target, word, count, t)).collect::<Vec<_>>()
    };
    let of = |n: u32, at: u32| token(first + n, at, vocab);
    for n in 0..sequences {
        let prompt: Vec<u32> = (0..PROMPT).map(|at| of(n, at)).collect();
        turns(&target, 0, &prompt).unwrap().iter().for_each(|turn| drop(run(&turn.of(n))));
    }
    let step = |at: u32| Turn::step(at, (0..sequences).map(|n| of(n, at)).collect());
    (PROMPT..PROMPT + STEPS).flat_map(|at| run(&step(at))).collect()
}

/// What sequences give together is what each gives alone, whose values equal the graph's (the tests of networks).
fn check(decoder: &QuantDecoder, machine: &Machine, sequences: u32) {
    let alone: Vec<_> = (0..sequences).map(|n| read(decoder, machine, n, 1)).collect();
    let together = read(decoder, machine, 0, sequences);
    for (i, got) in together.iter().enumerate() {
        let (step, n) = (i / sequences as usize, i % sequences as usize);
        assert!(*got == alone[n][step], "{}: step {step} of sequence {n}", machine.name);
    }
    assert_ne!(alone[0], alone[1]);
}

#[test]
fn sequences_together_are_each_as_alone() {
    let scheme = |name| Scheme::named(name).unwrap();
    let narrow = models::random_with(1, &models::SMALL, &scheme("w2a8kv4"));
    let shared = models::random_with(1, &models::SHARED, &scheme("w8a8"));
    let learned = models::random_with(1, &models::LEARNED, &scheme("w8a8"));
    for (name, _) in hw::presets::PRESETS {
        check(&narrow, &machine(name), 3);
    }
    check(&shared, &machine("tiny"), 8);
    check(&shared, &machine("odd"), 2);
    check(&learned, &machine("tiny"), 5);
    let slices = Slices { count: 2, crossing: 3 };
    check(&narrow, &Machine { slices, ..machine("tiny") }, 4);
}

/// A window goes round in each cache.
#[test]
fn windows_of_sequences() {
    let decoder = models::random_with(1, &models::SMALL, &crate::window::windowed("w2a8kv4", 2, 9));
    check(&decoder, &machine("tiny"), 3);
}

#[test]
fn batches_that_cannot_be_are_refused() {
    let decoder = models::random(1, &models::SMALL);
    let with = |batch| {
        let options = Options { batch, ..Options::default() };
        Target::new(&Model::of(&decoder).unwrap(), &machine("tiny"), &options)
    };
    for batch in [0, 9] {
        assert_eq!(with(batch).unwrap_err().code, "batch-unsupported");
    }
    let target = with(8).unwrap();
    assert_eq!(target.step().unwrap().reads, Reads::Each);
    let alone = self::target(&decoder, &machine("tiny"), &Options::default());
    assert_eq!(alone.step().unwrap().reads, Reads::Of(0));
    assert_eq!(target.map.cache_blocks, 8 * alone.map.cache_blocks);
}
