//! Encoders: convolutions over frames before the layers, and masks that hide nothing.

use super::*;
use crate::corpus::{Case, model};
use crate::eval::evaluate;
use crate::op::{Operator, Transpose};
use crate::tensor::Tensor;
use crate::text;

/// `[1, channels, frames]` of the model file as our rows `[frames, channels]`.
fn frames_of(case: &Case) -> Tensor {
    let turned = Transpose { perm: vec![0, 2, 1] }.evaluate(&[&case.inputs[0]]).unwrap();
    let [1, frames, channels] = turned[0].shape()[..] else { panic!("{:?}", turned[0].shape()) };
    Tensor::f32([frames, channels], turned[0].floats().to_vec()).unwrap()
}

#[test]
fn the_rebuilt_encoder_of_speech_reproduces_the_shipped_vector() {
    let case = model("whisper_tiny_encoder").complete();
    let found = recognise(&case.normal()).unwrap();
    let config = &found.decoder.config;
    println!("{config:?}");
    assert_eq!([found.batch, found.tokens, found.past], [1, 1500, 0]);
    assert_eq!((config.attention, config.placement), (Visibility::Full, Placement::Branch));
    assert_eq!((config.vocab, config.max_positions), (0, Some(1500)));
    let graph = found.decoder.graph(1500, 0).unwrap();
    let outputs = evaluate(&graph, &[frames_of(&case)]).unwrap();
    let error = case.error(&outputs);
    println!("{error:e}");
    assert!(error <= 1e-4, "{error:e}");
}

#[test]
fn the_encoder_of_speech_is_recognised_without_its_weights() {
    let found = recognise(&model("whisper_tiny_encoder").normal()).unwrap();
    let decoder = &found.decoder;
    let ends = decoder.ends.as_ref().unwrap();
    let convs: Vec<_> =
        ends.front.convs().iter().map(|conv| (conv.channels(), conv.windows.clone())).collect();
    let windows = |stride| crate::op::Windows { kernel: 3, stride, pad: 1 };
    assert_eq!(convs, [(80, windows(1)), (384, windows(2))]);
    assert!(ends.head.is_none() && decoder.layers.iter().all(|l| l.wq.bias.is_some() && l.wk.bias.is_none()));
    // Half of the tokens are made of half of the frames.
    let graph = decoder.graph(750, 0).unwrap();
    assert_eq!(graph.ty(graph.inputs()[0]).shape, crate::types::Shape::of([1500, 80]));
    assert!(text::parse(&text::print(&graph)).unwrap() == graph);
    let refused = [decoder.graph(1501, 0), decoder.graph(1, 1)].map(|graph| graph.unwrap_err().render());
    insta::assert_snapshot!(refused.join("\n\n"));
}

#[test]
fn other_convolutions_are_refused_with_the_node() {
    let text = text::print(&model("whisper_tiny_encoder").normal());
    let edits = [
        ("padded at one end", "strides = [2], pads = [1, 1]", "strides = [2], pads = [2, 0]"),
        ("another activation", "= erf(%5)", "= tanh(%5)"),
        ("no activation", "= conv(%11, ", "= conv(%3, "),
        ("positions that are computed", "= add(%23, %24)", "= add(%23, %23)"),
        (
            "another transposition",
            "f32[1, 1500, 384] = transpose(%22) {perm = [0, 2, 1]}",
            "f32[1, 1500, 384] = reshape(%22) {shape = [1, 1500, 384]}",
        ),
    ];
    insta::assert_snapshot!(refusals(&text, &edits));
}

#[test]
fn encoders_of_text_with_other_masks_are_refused() {
    let text = text::print(&model("bert_tiny").normal());
    let edits = [
        ("a mask that hides what is not padded", "= sub(%16, %15)", "= add(%16, %15)"),
        ("a mask of something else", "\"attention_mask\"", "\"lengths\""),
        ("a mask that depends on the tokens", "= add(%94, %19)", "= add(%94, %94)"),
    ];
    insta::assert_snapshot!(refusals(&text, &edits));
}

/// What is told of a graph after each edit of its text.
fn refusals(text: &str, edits: &[(&str, &str, &str)]) -> String {
    let refusal = |(name, from, to): &(&str, &str, &str)| {
        assert_eq!(text.matches(from).count(), 1, "{name}");
        let result = text::parse(&text.replace(from, to)).and_then(|graph| recognise(&graph));
        format!("--- {name}\n{}", result.unwrap_err())
    };
    edits.iter().map(refusal).collect::<Vec<_>>().join("\n\n")
}
