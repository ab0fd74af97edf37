use super::*;
use crate::corpus::{Case, llamas};
use crate::quant::QuantDecoder;
use crate::quant::scheme::W2A8KV4;
use crate::quant::tests::decoder;
use std::path::Path;

fn texts() -> Texts {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data");
    let npz = std::fs::read(folder.join("llama_eval.npz")).unwrap();
    let questions = std::fs::read_to_string(folder.join("llama_questions.json")).unwrap();
    Texts::parse(&npz, &questions).unwrap()
}

fn case(name: &str) -> Case {
    llamas().map(|[prefill, _]| prefill).find(|case| case.name.contains(name)).unwrap()
}

fn quantised(name: &str) -> QuantDecoder {
    QuantDecoder::new(&decoder(&case(name)), &W2A8KV4).unwrap()
}

/// Bits per byte, next-byte accuracy and sums right lie within these distances of the published figures.
fn assert_near(found: &Figures, published: [f64; 3], within: [f64; 3]) {
    let figures = [found.prediction.bits_per_byte, found.prediction.next_byte, found.sums_right];
    println!("{figures:.4?}, published {published:?}");
    let near = |((a, b), w): ((&f64, &f64), &f64)| (a - b).abs() <= *w;
    assert!(figures.iter().zip(&published).zip(&within).all(near));
}

#[test]
fn texts_are_read() {
    let texts = texts();
    assert_eq!((texts.rows.len(), texts.rows[0].len(), texts.questions.len()), (64, 129, 200));
    let first = &texts.questions[0];
    assert_eq!((&*first.prompt, &*first.answer), ("Mia has 52 pens and gets 41 more. Now Mia has ", "93 "));
    assert_eq!(first.prompt_tokens()[..2], [10, u32::from(b'M')]);
}

#[test]
fn damaged_texts_are_refused() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/llama_eval.npz");
    let good = std::fs::read(file).unwrap();
    for cut in [0, 10, 100, good.len() - 1, good.len() - 30] {
        assert_eq!(read_npz(&good[..cut]).unwrap_err().code, "npz-invalid");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        let _ = Texts::parse(&bad, "[]");
    }
    assert_eq!(Texts::parse(&good, "{}").unwrap_err().code, "accuracy-questions");
}

/// Figures of the README of the trained models: all rows, and a part of the sums.
#[test]
fn texts_are_predicted_as_well_as_in_training() {
    let mut texts = texts();
    texts.questions.truncate(40);
    let found = measure(&quantised("trained_llama_w2_prefill"), &texts, 2).unwrap();
    assert_near(&found, [0.5215, 0.8804, 0.895], [0.002, 0.002, 0.1]);
}

#[test]
#[ignore = "a minute or more: cargo test -p tilewright-ir --lib accuracy -- --ignored --nocapture"]
fn all_figures_are_those_published() {
    let texts = texts();
    let w2 = measure(&quantised("trained_llama_w2_prefill"), &texts, 2).unwrap();
    assert_near(&w2, [0.5215, 0.8804, 0.895], [0.002, 0.002, 0.02]);
    let float = measure(&decoder(&case("trained_llama/")), &texts, 2).unwrap();
    assert_near(&float, [0.5377, 0.8751, 0.315], [0.0002, 0.0002, 0.001]);
    let rounded = measure(&quantised("trained_llama/"), &texts, 2).unwrap();
    assert_near(&rounded, [0.634, 0.855, 0.1], [0.02, 0.01, 0.1]);
}

#[test]
fn the_example_is_answered() {
    let prompt: Vec<u32> =
        b"\nAda has 12 coins and gets 30 more. Now Ada has ".iter().map(|&b| b.into()).collect();
    let written = generate(&quantised("trained_llama_w2_prefill"), &prompt, 9, |_| true).unwrap();
    let text: String = written.iter().filter_map(|&t| char::from_u32(t)).collect();
    assert_eq!(text, "42 coins.");
}
