//! Encoders in integers: close to their floats, and refused where a scheme does not fit.

use super::*;
use crate::corpus::model;
use crate::decoder::{Conv, Front, recognise};
use crate::eval::evaluate;
use crate::num::FRACTION_BITS;
use crate::tensor::{Data, Tensor};
use crate::text;
use crate::types::DType;

fn encoder(name: &str) -> Decoder {
    let case = model(name).complete();
    recognise(&case.normal()).unwrap().decoder
}

/// A scheme of the built-in ones with a change of its text.
fn changed(name: &str, from: &str, to: &str) -> Scheme {
    let text = scheme::text(name).unwrap();
    assert!(text.contains(from), "{name}: {from}");
    Scheme::parse(&text.replace(from, to)).unwrap()
}

/// Root mean square error of the only output, relative to that of the floats.
fn error(encoder: &Decoder, scheme: &Scheme, tokens: usize, [float, int]: &[Tensor; 2]) -> f64 {
    let exact = evaluate(&encoder.graph(tokens, 0).unwrap(), std::slice::from_ref(float)).unwrap();
    let quantised = QuantDecoder::new(encoder, scheme).unwrap();
    let graph = quantised.graph(tokens, 0).unwrap();
    assert!(text::parse(&text::print(&graph)).unwrap() == graph);
    assert!(graph.values().all(|(_, v)| !v.ty.dtype.is_float()));
    let found = evaluate(&graph, std::slice::from_ref(int)).unwrap();
    assert!(exact.len() == 1 && found.len() == 1 && exact[0].shape() == found[0].shape());
    let unit = f64::from(1u32 << FRACTION_BITS);
    let pairs =
        exact[0].floats().iter().zip(found[0].ints()).map(|(&x, &y)| (f64::from(x), f64::from(y) / unit));
    let (errors, energy) = pairs.fold((0.0, 0.0), |(e, s), (x, y)| (e + (x - y).powi(2), s + x * x));
    let error = (errors / energy).sqrt();
    println!("{}, {}: {error:.4}", encoder.name, scheme.name);
    error
}

#[test]
fn the_encoder_of_text_is_close_to_its_floats() {
    let bert = encoder("bert_tiny");
    let ids =
        Tensor::i64([32], (0..32).map(|i| (i * 971 + 13) % bert.config.vocab as i64).collect()).unwrap();
    for (scheme, most) in [("w8a8", 0.025), ("w4a8", 0.25)] {
        let found = error(&bert, &Scheme::named(scheme).unwrap(), 32, &[ids.clone(), ids.clone()]);
        assert!(found < most, "{scheme}: {found}");
    }
}

/// Frames of a signal as floats, and in fixed point.
fn frames(count: usize, channels: usize) -> [Tensor; 2] {
    let wave = |i: usize| ((i / channels) as f64 * 0.21 + (i % channels) as f64).sin();
    let fixed = |i: usize| (wave(i) * f64::from(1u32 << FRACTION_BITS)).round() as i32;
    let all = 0..count * channels;
    [
        Tensor::f32([count, channels], all.clone().map(|i| wave(i) as f32).collect()).unwrap(),
        Tensor::new(DType::I32, [count, channels], Data::Int(all.map(fixed).collect())).unwrap(),
    ]
}

#[test]
fn the_encoder_of_speech_is_close_to_its_floats() {
    let whisper = encoder("whisper_tiny_encoder");
    let signal = frames(96, 80);
    let cases = [
        (Scheme::named("w8a8").unwrap(), 0.025),
        (changed("w4a8", "group = 32\n", ""), 0.17),
        (changed("w4a8", "group = 32", "group = 16"), 0.16),
    ];
    for (scheme, most) in cases {
        let found = error(&whisper, &scheme, 48, &signal);
        assert!(found < most, "{scheme:?}: {found}");
    }
}

/// 3 * 80 inputs are no number of groups of 32.
#[test]
fn what_does_not_fit_is_refused() {
    let whisper = recognise(&model("whisper_tiny_encoder").normal()).unwrap().decoder;
    let refused =
        |decoder: &Decoder, scheme: &Scheme| QuantDecoder::new(decoder, scheme).unwrap_err().render();
    let change = |change: fn(&mut Vec<Conv>)| {
        let mut other = whisper.clone();
        match &mut other.ends.as_mut().unwrap().front {
            Front::Frames(convs) => change(convs),
            Front::Tokens(_) => panic!("no frames"),
        }
        refused(&other, &Scheme::named("w8a8").unwrap())
    };
    let calibrated = Calibration::new(&whisper, &[&[1, 2]]).unwrap_err().render();
    let texts = [
        refused(&whisper, &Scheme::named("w4a8").unwrap()),
        change(|convs| convs.clear()),
        change(|convs| convs[0].windows.pad = 0),
        change(|convs| convs[0].windows.kernel = 7),
        change(|convs| convs.swap(0, 1)),
        calibrated,
    ];
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn the_graph_of_an_encoder_of_speech() {
    let mut whisper = recognise(&model("whisper_tiny_encoder").normal()).unwrap().decoder;
    whisper.layers.truncate(1);
    let quantised = QuantDecoder::new(&whisper, &Scheme::named("w8a8").unwrap()).unwrap();
    insta::assert_snapshot!(text::print_without_weights(&quantised.graph(4, 0).unwrap()));
}
