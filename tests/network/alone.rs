//! A layer without ends: the host puts the residual stream into memory and takes it out again.

use crate::{machine, models, target};
use codegen::{Slot, Target, image, plan};
use ir::decoder::Config;
use ir::eval::Evaluator;
use ir::quant::QuantDecoder;
use ir::tensor::{Data, Tensor};
use ir::types::DType;
use sim::functional::{State, run_on};

fn layer() -> QuantDecoder {
    let whole = models::random(7, &models::SMALL);
    let config = Config { vocab: 0, ..whole.config.clone() };
    QuantDecoder { config, layers: vec![whole.layers[0].clone()], ends: None, ..whole }
}

/// Where an element of the stream lies, in bytes from the block `at` on.
fn byte(target: &Target, state: &State, at: u32, token: u32, element: u32) -> u32 {
    let (width, g) = (&target.map.widths.hidden, &state.geometry);
    let place = width.place(element);
    at * 64 + (token * width.stride + place / g.l) * g.v_row + place % g.l * 4
}

fn check(decoder: &QuantDecoder, target: &Target, tokens: u32) {
    let hidden = decoder.config.hidden as u32;
    let elements: Vec<(u32, u32)> = (0..tokens).flat_map(|t| (0..hidden).map(move |e| (t, e))).collect();
    let value = |&(t, e): &(u32, u32)| ((t * 7919 + e * 104_729) % 400_009) as i32 - 200_000;
    let x: Vec<i32> = elements.iter().map(value).collect();
    let input = Tensor::new(DType::I32, [tokens as usize, hidden as usize], Data::Int(x.clone())).unwrap();
    let graph = decoder.graph(tokens as usize, 0).unwrap();
    let wanted = Evaluator::new(&graph).unwrap().run(&[input]).unwrap();
    let compiled = target.compile(tokens, Slot::Rest).unwrap_or_else(|e| panic!("{e}"));
    target.prove(&compiled).unwrap_or_else(|e| panic!("{e}"));
    let args = compiled.program.arg_values(0, &vec![0; tokens as usize]);
    isa::check::check(&compiled.program, &target.machine, &args).unwrap_or_else(|e| panic!("{e}"));
    let mut state = State::new(&target.machine, &image::image(target, decoder).unwrap());
    for (&(t, e), x) in elements.iter().zip(&x) {
        let at = byte(target, &state, target.map.stream.at, t, e);
        state.dram.write(at.into(), &x.to_le_bytes()).unwrap();
    }
    run_on(&mut state, &compiled.program, &args, &mut ()).unwrap_or_else(|e| panic!("{e}"));
    for (&(t, e), want) in elements.iter().zip(wanted[0].ints()) {
        let at = byte(target, &state, target.map.logits, t, e);
        let got = i32::from_le_bytes(state.dram.word(at).unwrap());
        assert_eq!(got, *want, "{}: token {t}, element {e}", target.machine.name);
    }
}

#[test]
fn a_layer_without_ends_equals_its_graph() {
    let decoder = layer();
    for (name, _) in hw::presets::PRESETS {
        let target = target(&decoder, &machine(name), &plan::Options::default());
        for tokens in [1, target.chunk] {
            check(&decoder, &target, tokens);
        }
    }
}

#[test]
fn several_layers_without_ends_are_refused() {
    let one = layer();
    let two = QuantDecoder { layers: [&one.layers[..], &one.layers[..]].concat(), ..one };
    let error = codegen::Model::of(&two).unwrap_err();
    assert!(error.to_string().contains("one at a time"), "{error}");
}
