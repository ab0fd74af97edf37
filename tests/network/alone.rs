//! A layer without ends: the host puts the residual stream into memory and takes it out again.

use crate::{machine, models, target};
use codegen::taps::{Byte, in_rows};
use codegen::{Slot, Target, image, plan};
use ir::decoder::Config;
use ir::eval::Evaluator;
use ir::quant::QuantDecoder;
use ir::tensor::{Data, Tensor};
use ir::types::DType;
use sim::functional::{State, run_slices};

pub fn layer() -> QuantDecoder {
    let whole = models::random(7, &models::SMALL);
    let config = Config { vocab: 0, ..whole.config.clone() };
    QuantDecoder { config, layers: vec![whole.layers[0].clone()], ends: None, ..whole }
}

pub fn check(decoder: &QuantDecoder, target: &Target, tokens: u32) {
    let hidden = decoder.config.hidden as u32;
    let elements: Vec<(u32, u32)> = (0..tokens).flat_map(|t| (0..hidden).map(move |e| (t, e))).collect();
    let value = |&(t, e): &(u32, u32)| ((t * 7919 + e * 104_729) % 400_009) as i32 - 200_000;
    let x: Vec<i32> = elements.iter().map(value).collect();
    let input = Tensor::new(DType::I32, [tokens as usize, hidden as usize], Data::Int(x.clone())).unwrap();
    let graph = decoder.graph(tokens as usize, 0).unwrap();
    let wanted = Evaluator::new(&graph).unwrap().run(&[input]).unwrap();
    let compiled = target.compile(tokens, Slot::Chunk).unwrap_or_else(|e| panic!("{e}"));
    target.prove(&compiled).unwrap_or_else(|e| panic!("{e}"));
    let args = compiled.program.arg_values(0, &vec![0; tokens as usize]);
    isa::check::check(&compiled.program, &target.machine, &args).unwrap_or_else(|e| panic!("{e}"));
    let mut slices = State::of_slices(&target.machine, &image::images(target, decoder).unwrap());
    let (map, stream) = (&target.map, &target.map.widths.hidden);
    for (&(t, e), x) in elements.iter().zip(&x) {
        let Byte { slice, address } = in_rows(target, map.stream.at, stream, t, e);
        slices[slice as usize].dram.write(address.into(), &x.to_le_bytes()).unwrap();
    }
    run_slices(&mut slices, &compiled.program, &args, &mut ()).unwrap_or_else(|e| panic!("{e}"));
    for (&(t, e), want) in elements.iter().zip(wanted[0].ints()) {
        let Byte { slice, address } = in_rows(target, map.logits, stream, t, e);
        let got = i32::from_le_bytes(slices[slice as usize].dram.word(address).unwrap());
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
