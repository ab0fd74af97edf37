//! Tokens that see the first positions and a window: decode past the window, where new positions take the places of old ones.

use crate::{machine, models, target};
use codegen::{Model, Target, generate, plan};
use hw::Machine;
use hw::machine::Slices;
use ir::quant::{Scheme, scheme};

/// A built-in scheme with a window.
pub fn windowed(name: &str, sink: usize, window: usize) -> Scheme {
    let text = scheme::text(name).unwrap();
    let with = text.replace("[attention]\n", &format!("[attention]\nsink = {sink}\nwindow = {window}\n"));
    assert_ne!(text, with);
    Scheme::parse(&with).unwrap()
}

/// Every value of the graph at positions before the window is full, where it is, and some rounds behind; whole tiles, parts
/// of them, sinks of none, and a window that is no multiple of anything.
#[test]
fn windows_on_every_machine() {
    let tokens: Vec<u32> = (0..60).map(|i| (i * 37 + 11) % 50).collect();
    let cases = [
        (&models::SMALL, "w2a8kv4", 4, 12),
        (&models::SMALL, "w8a8", 3, 10),
        (&models::SMALL, "w2a8kv4", 0, 1),
        (&models::LEARNED, "w8a8", 1, 18),
        (&models::SHARED, "w2a8kv4", 0, 13),
    ];
    for (config, name, sink, window) in cases {
        let decoder = models::random_with(1, config, &windowed(name, sink, window));
        let tokens: Vec<u32> = tokens.iter().map(|t| t % config.vocab as u32).collect();
        let tokens = &tokens[..config.max_positions.unwrap_or(60).min(60)];
        let model = Model::of(&decoder).unwrap();
        let mut last = Vec::new();
        for (name, _) in hw::presets::PRESETS {
            match Target::new(&model, &machine(name), &plan::Options::default()) {
                Ok(target) => {
                    assert_eq!(target.map.held as usize, sink + window);
                    last.push(crate::check(&decoder, &target, tokens).pop().unwrap());
                }
                Err(error) => assert!(
                    ["rows-padded", "mode-missing", "function-missing"].contains(&error.code),
                    "{name}: {error}"
                ),
            }
        }
        println!("{name}, sink {sink}, window {window}: {} machines", last.len());
        assert!(last.len() >= 2 && last.windows(2).all(|pair| pair[0] == pair[1]), "machines differ");
    }
}

/// Slices hold heads of the ring, and agree with one machine.
#[test]
fn windows_on_slices() {
    let tokens: Vec<u32> = (0..40).map(|i| (i * 37 + 11) % 30).collect();
    for config in [&models::SMALL, &models::SHARED] {
        let decoder = models::random_with(1, config, &windowed("w2a8kv4", 2, 9));
        let read = |count| {
            let slices = Slices { count, crossing: 3 };
            let machine = Machine { slices, ..machine("tiny") };
            crate::check(&decoder, &target(&decoder, &machine, &plan::Options::default()), &tokens).pop()
        };
        let one =
            crate::check(&decoder, &target(&decoder, &machine("tiny"), &Default::default()), &tokens).pop();
        assert_eq!([read(2), read(3)], [one.clone(), one]);
    }
}

/// The window changes what is computed, once there is something that it hides.
#[test]
fn a_window_hides_what_is_behind_it() {
    let tokens: Vec<u32> = (0..24).map(|i| (i * 37 + 11) % 50).collect();
    let read = |scheme: &Scheme, count: usize| {
        let decoder = models::random_with(1, &models::SMALL, scheme);
        let target = target(&decoder, &machine("tiny"), &plan::Options::default());
        crate::check(&decoder, &target, &tokens[..count]).pop().unwrap()
    };
    let (all, some) = (Scheme::named("w8a8").unwrap(), windowed("w8a8", 4, 12));
    assert_eq!(read(&all, 16), read(&some, 16));
    assert_ne!(read(&all, 17), read(&some, 17));
}

/// A prompt is read in chunks up to what the cache holds, then token by token.
#[test]
fn chunks_end_with_the_cache() {
    let decoder = models::random_with(1, &models::SMALL, &windowed("w2a8kv4", 4, 17));
    let target = target(&decoder, &machine("tiny"), &plan::Options::default());
    let sizes: Vec<usize> =
        generate::turns(&target, 0, &[1; 24]).unwrap().iter().map(|t| t.tokens.len()).collect();
    assert_eq!(sizes, [[16].as_slice(), &[1; 8]].concat());
    let refused = target.accepts(8, 0, 16).unwrap_err();
    assert_eq!(refused.code, "window-chunk");
}

/// With a rotary embedding, fixed scales and the length that is seen would share a register.
#[test]
fn fixed_scales_and_a_window_are_refused() {
    let mut scheme = models::fixed()[0].clone();
    (scheme.attention.sink, scheme.attention.window) = (Some(4), Some(12));
    let refused = Model::of(&models::random_with(1, &models::SMALL, &scheme)).unwrap_err();
    assert!(refused.to_string().contains("window"), "{refused}");
    let decoder = models::random_with(1, &models::LEARNED, &scheme);
    let target = target(&decoder, &machine("tiny"), &plan::Options::default());
    crate::check(&decoder, &target, &(0..40).collect::<Vec<_>>());
}
