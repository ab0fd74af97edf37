//! Models as they are exported: the evaluator reproduces the vectors that come with them.

use crate::corpus::{Case, model, relative_error};
use ir::decoder::recognise;
use ir::eval::evaluate;
use ir::tensor::Tensor;

const TOLERANCE: f32 = 1e-4;

/// Models with vectors, and numbers for their named dimensions. Those that omit their weights are completed.
const MODELS: &[(&str, &[(&str, u64)])] = &[
    ("bert_tiny", &[]),
    ("tiny_opt_prefill", &[]),
    ("tiny_llama_prefill_qdq_int4_block32", &[]),
    (
        "tiny_llama_genai_int4",
        &[
            ("batch_size", 1),
            ("sequence_length", 8),
            ("past_sequence_length", 0),
            ("total_sequence_length", 8),
        ],
    ),
    ("tiny_mixtral_moe", &[]),
    ("whisper_tiny_encoder", &[]),
    ("llama2_7b_layer_prefill128", &[]),
    ("convnext_tiny_timm", &[]),
    ("mk_unet_like", &[]),
    ("mobilenet_v2", &[]),
    ("resnet18", &[]),
    ("segformer_b0", &[]),
    ("tiny_depth_anything_v2", &[]),
    ("tiny_mobilenet_v2", &[]),
    ("trained_depth", &[]),
    ("unet_mobilenet_v2_smp", &[]),
    ("depth_anything_v2_small", &[]),
];

fn assert_vectors(case: &Case) {
    let graph = case.normal();
    let outputs = evaluate(&graph, &case.inputs).unwrap_or_else(|d| panic!("{}: {d}", case.name));
    let error = case.error(&outputs);
    println!("{}: {error:e}, {} nodes", case.name, graph.node_count());
    assert!(error <= TOLERANCE, "{}: {error:e}", case.name);
}

#[test]
fn models_reproduce_their_vectors() {
    for (name, dimensions) in MODELS {
        let mut case = model(name).complete();
        case.options.bindings = dimensions.iter().map(|(name, n)| (name.to_string(), *n)).collect();
        assert_vectors(&case);
    }
}

/// Results on a grid: floats that were summed in another order may round to a neighbouring code, and to no other.
#[test]
fn models_that_carry_codes_reproduce_their_vectors() {
    for name in ["tiny_mobilenet_v2_qdq_int8", "tiny_depth_anything_v2_qdq_w4a8"] {
        let case = model(name).complete();
        let outputs = evaluate(&case.normal(), &case.inputs).unwrap();
        let (found, expected) = (outputs[0].floats(), case.outputs[0].floats());
        let mut levels = expected.to_vec();
        levels.sort_by(f32::total_cmp);
        let steps = levels.windows(2).map(|pair| pair[1] - pair[0]);
        let step = steps.filter(|&d| d > 1e-6).fold(f32::INFINITY, f32::min);
        let off: Vec<f32> =
            found.iter().zip(expected).map(|(a, b)| (a - b).abs()).filter(|&d| d > 1e-6).collect();
        println!("{name}: {} of {} codes differ, step {step}", off.len(), found.len());
        assert!(found.len() == expected.len() && off.len() * 1000 < found.len().max(1000), "{name}");
        assert!(off.iter().all(|&d| d < 1.01 * step), "{name}: {off:?}");
    }
}

#[test]
fn layers_without_ends_reproduce_their_vector() {
    let case = model("llama2_7b_layer_decode1024").complete();
    let graph = case.normal();
    let outputs = evaluate(&graph, &case.inputs).unwrap();
    assert!(case.error(&outputs) <= TOLERANCE);
    let found = recognise(&graph).unwrap();
    let rebuilt = found.decoder.graph(found.tokens, found.past).unwrap();
    let hidden = Tensor::f32([1, 4096], case.inputs[0].floats().to_vec()).unwrap();
    let outputs = evaluate(&rebuilt, &[hidden, rows(&case.inputs[3]), rows(&case.inputs[4])]).unwrap();
    let error = relative_error(outputs[0].floats(), case.outputs[0].floats());
    println!("{}, rebuilt: {error:e}", case.name);
    assert!(error <= TOLERANCE, "{error:e}");
}

/// `[1, heads, tokens, dim]` of a model file as our rows `[tokens, heads * dim]`.
fn rows(cache: &Tensor) -> Tensor {
    let [1, heads, tokens, dim] = cache.shape()[..] else { panic!("{:?}", cache.shape()) };
    let at = |i: usize| {
        let (t, h, d) = (i / (heads * dim), i / dim % heads, i % dim);
        cache.floats()[(h * tokens + t) * dim + d]
    };
    Tensor::f32([tokens, heads * dim], (0..heads * tokens * dim).map(at).collect()).unwrap()
}
