//! Networks on slices that share their rows and heads: every slice holds, of every value, what its rows of the graph hold.

use crate::{alone, check, early, encoders, machine, models};
use codegen::{Model, Target, plan};
use hw::Machine;
use hw::machine::Slices;
use ir::quant::{QuantDecoder, Scheme};

fn sliced(name: &str, count: u32) -> Machine {
    let machine = Machine { slices: Slices { count, crossing: 3 }, ..machine(name) };
    machine.verify().unwrap();
    machine
}

fn target(decoder: &QuantDecoder, machine: &Machine, options: &plan::Options) -> Target {
    let target = Target::new(&Model::of(decoder).unwrap(), machine, options);
    target.unwrap_or_else(|e| panic!("{}, {} slices: {e}", machine.name, machine.slices.count))
}

fn tokens(count: u32) -> Vec<u32> {
    (0..count).map(|i| (i * 37 + 11) % 30).collect()
}

/// Reads tokens on these slices; gives the logits of the last one, and the heads of q and of k and v in a slice.
fn reads(decoder: &QuantDecoder, machine: &Machine) -> ([u32; 2], Vec<i32>) {
    let target = target(decoder, machine, &plan::Options::default());
    ([target.map.heads, target.map.kv_heads], check(decoder, &target, &tokens(13)).pop().unwrap())
}

/// Up to as many slices as leave some without a head, and even without a row.
#[test]
fn decoders_on_slices() {
    for (config, heads) in [
        (&models::SMALL, [[2, 2], [2, 2], [1, 1], [1, 1]]),
        // Heads of q in two slices have the same one of k and v.
        (&models::SHARED, [[1, 1]; 4]),
        (&models::BIASED, [[2, 1], [2, 1], [1, 1], [1, 1]]),
        (&models::NARROW, [[4, 2], [4, 2], [2, 1], [1, 1]]),
    ] {
        let decoder = models::random(1, config);
        let mut last = Vec::new();
        for (count, heads) in [2, 3, 4, 8].into_iter().zip(heads) {
            let (found, logits) = reads(&decoder, &sliced("tiny", count));
            assert_eq!(found, heads, "{count} slices");
            last.push(logits);
        }
        assert!(last.windows(2).all(|pair| pair[0] == pair[1]), "slices differ");
    }
}

#[test]
fn every_preset_as_slices() {
    let decoder = models::random(1, &models::SMALL);
    let last: Vec<_> = hw::presets::all().map(|(name, _)| reads(&decoder, &sliced(name, 3)).1).collect();
    assert!(last.len() > 4 && last.windows(2).all(|pair| pair[0] == pair[1]), "machines differ");
}

/// Pruned weights, weights of every width, scales that are fixed beforehand; layer norms, biases, learned positions.
#[test]
fn schemes_and_families_on_slices() {
    let (all, fixed) = (models::schemes(), models::fixed());
    for scheme in all.iter().chain(&fixed) {
        reads(&models::random_with(1, &models::SMALL, scheme), &sliced("tiny", 3));
    }
    for scheme in [&Scheme::named("w2a8kv4").unwrap(), &fixed[1]] {
        reads(&models::random_with(1, &models::LEARNED, scheme), &sliced("tiny", 4));
    }
}

#[test]
fn other_ends_on_slices() {
    early::check(&models::random(1, &models::EARLY), &sliced("tiny", 3), &tokens(21));
    let layer = alone::layer();
    let alone = target(&layer, &sliced("odd", 2), &plan::Options::default());
    [1, alone.chunk].into_iter().for_each(|tokens| alone::check(&layer, &alone, tokens));
    let options = plan::Options { context: Some(27), ..Default::default() };
    for (config, count) in [(&models::PRE_NORM, 3), (&models::POST_NORM, 4)] {
        let encoder = models::random(1, config);
        encoders::check(&encoder, &target(&encoder, &sliced("tiny", count), &options), &tokens(27));
    }
}

#[test]
fn what_slices_do_not_share_is_refused() {
    let refused = |config, scheme: &Scheme, count| {
        let model = Model::of(&models::random_with(1, config, scheme)).unwrap();
        Target::new(&model, &sliced("tiny", count), &plan::Options::default()).unwrap_err()
    };
    let w2 = Scheme::named("w2a8kv4").unwrap();
    // Three slices of 64 elements would have padding, which layer norms count.
    let padded = refused(&models::LEARNED, &w2, 3);
    assert!(padded.code == "rows-padded" && padded.render().contains("3 slices"), "{padded}");
    let frames = refused(&models::FRAMES, &models::fixed()[1], 2);
    assert!(frames.code == "slices-unplanned" && frames.render().contains("convolutions"), "{frames}");
}
