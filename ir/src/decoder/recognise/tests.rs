use super::*;
use crate::corpus::{Case, llamas, relative_error};
use crate::eval::evaluate;
use crate::graph::Def;
use crate::num::Point;
use crate::pass;
use crate::tensor::Tensor;
use crate::types::DType;

fn recognised(case: &Case) -> Recognised {
    recognise(&case.normal()).unwrap_or_else(|d| panic!("{}: {d}", case.name))
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

fn tokens(ids: &[i64]) -> Tensor {
    Tensor::i64([ids.len()], ids.to_vec()).unwrap()
}

fn assert_near(a: &[Tensor], b: &[Tensor], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        let error = relative_error(a.floats(), b.floats());
        assert!(error <= tolerance, "{error}");
    }
}

#[test]
fn rebuilt_decoders_reproduce_the_shipped_vectors() {
    for case in llamas().flatten().chain([crate::corpus::model("tiny_opt_prefill")]) {
        let found = recognised(&case);
        println!("{}: {:?}", case.name, found.decoder.config);
        let graph = found.decoder.graph(found.tokens, found.past).unwrap();
        // The file has ids, mask and positions, then keys and values.
        let mut inputs = vec![tokens(&case.inputs[0].to_i64s().unwrap())];
        inputs.extend(case.inputs[3..].iter().map(rows));
        let mut expected = vec![case.outputs[0].clone()];
        expected.extend(case.outputs[1..].iter().map(rows));
        assert_near(&evaluate(&graph, &inputs).unwrap(), &expected, 1e-4);
    }
}

/// A network of onnxruntime-genai: q, k and v of one linear layer, halves that are turned by themselves, two masks, activations
/// that may be rounded to bytes, and logits behind the attention of its first layer.
#[test]
fn an_export_that_ends_early_is_rebuilt() {
    let mut case = crate::corpus::model("tiny_llama_genai_int4");
    let names = ["batch_size", "sequence_length", "past_sequence_length", "total_sequence_length"];
    case.options.bindings = names.into_iter().map(String::from).zip([1, 8, 0, 8]).collect();
    let rounded = recognised(&case);
    // The same file, which says of no layer that its activations are bytes.
    let (told, untold) = (b"accuracy_level", b"accuracy_lexel");
    let mut model = case.model.to_vec();
    for at in 0..model.len() - told.len() {
        if model[at..].starts_with(told) {
            model[at..at + told.len()].copy_from_slice(untold);
        }
    }
    case.model = model.into();
    let found = recognised(&case);
    let config = &found.decoder.config;
    assert_eq!((found.decoder.layers.len(), config.exit, config.kv_heads), (1, Exit::Attention, 2));
    assert_eq!(config.positions, Positions::Rotary { theta: 1e4 });
    assert_eq!(rounded.decoder, found.decoder);
    let shipped = evaluate(&case.normal(), &case.inputs).unwrap();
    let inputs = [tokens(&case.inputs[0].to_i64s().unwrap())];
    let rebuilt = evaluate(&found.decoder.graph(8, 0).unwrap(), &inputs).unwrap();
    assert_near(&rebuilt, &[shipped[0].clone(), rows(&shipped[1]), rows(&shipped[2])], 1e-4);
}

/// Each sequence of the batch by itself, without its padding; all tokens are of the first type.
#[test]
fn rebuilt_encoders_reproduce_the_shipped_vectors() {
    let case = crate::corpus::model("bert_tiny").complete();
    let found = recognised(&case);
    println!("{:?}", found.decoder.config);
    assert_eq!([found.batch, found.tokens, found.past], [2, 32, 0]);
    let (ids, mask) = (case.inputs[0].to_i64s().unwrap(), case.inputs[1].to_i64s().unwrap());
    let mut lengths = Vec::new();
    let rows = ids.chunks_exact(32).zip(mask.chunks_exact(32)).zip(case.outputs[0].floats().chunks_exact(2));
    for ((row, mask), expected) in rows {
        // What the mask hides stands behind the sequence.
        let length = mask.iter().take_while(|&&m| m == 1).count();
        assert!(mask[length..].iter().all(|&m| m == 0));
        let outputs = evaluate(&found.decoder.graph(length, 0).unwrap(), &[tokens(&row[..length])]).unwrap();
        let error = relative_error(outputs[0].floats(), expected);
        assert!(outputs.len() == 1 && error <= 1e-4, "{error}");
        lengths.push(length);
    }
    assert_eq!(lengths, [32, 20]);
}

#[test]
fn decoders_are_recognised_without_their_weights() {
    let layer = Config {
        vocab: 0,
        hidden: 4096,
        heads: 32,
        kv_heads: 32,
        head_dim: 128,
        intermediate: 11008,
        positions: Positions::Rotary { theta: 1e4 },
        attention: Visibility::Causal,
        placement: Placement::Branch,
        exit: Exit::Layers,
        norm: NormKind::Rms,
        eps: 1e-5,
        activation: Activation::SWIGLU,
        max_positions: None,
    };
    let whole = Config { vocab: 32000, ..layer.clone() };
    let cases = [
        ("llama2_7b_layer_decode1024", &layer, [1, 1, 1024]),
        ("llama2_7b_layer_prefill128", &layer, [1, 128, 0]),
        ("llama2_7b_decode1024", &whole, [32, 1, 1024]),
        ("llama2_7b_prefill128", &whole, [32, 128, 0]),
    ];
    for (name, config, [layers, tokens, past]) in cases {
        let found = recognised(&crate::corpus::model(name));
        assert_eq!(found.decoder.config, *config, "{name}");
        assert_eq!([found.decoder.layers.len(), found.tokens, found.past], [layers, tokens, past], "{name}");
        let graph = found.decoder.graph(tokens, past).unwrap();
        let constants: Vec<_> = graph.values().filter_map(|(id, _)| graph.constant(id)).collect();
        assert!(constants.len() >= 9 * layers && constants.iter().all(|c| c.is_absent()), "{name}");
    }
}

#[test]
fn weights_keep_the_codes_that_the_file_carries() {
    let case = crate::corpus::model("tiny_llama_prefill_qdq_int4_block32");
    let found = recognised(&case);
    let decoder = &found.decoder;
    let ends = decoder.ends.as_ref().unwrap();
    let inner = decoder.layers.iter().flat_map(|l| l.weights(&decoder.config));
    let weights: Vec<_> = inner.map(|(_, w, _)| w).chain(ends.projections().map(|p| &p.weight)).collect();
    let grids: Vec<_> = weights.iter().filter_map(|w| w.constant.grid()).collect();
    assert_eq!(grids.len(), 4 * 7 + 1);
    assert!(
        grids.iter().all(|g| g.group() == 32 && g.codes().ty().dtype == DType::U4 && g.zeros().is_some())
    );
    // The file has [inputs, outputs]; ours are [outputs, inputs].
    let graph = case.import();
    let stored = |name: &str| {
        let named = |d: &Def| matches!(d, Def::Constant(n, _) if **n == *name);
        let (id, _) = graph.values().find(|(_, v)| named(&v.def)).unwrap();
        graph.constant(id).unwrap().tensor().unwrap()
    };
    let wq = &decoder.layers[0].wq.weight;
    let (codes, file) = (wq.constant.grid().unwrap().codes().tensor().unwrap(), stored(&wq.name));
    assert!((0..128 * 128).all(|i| codes.ints()[i] == file.ints()[i % 128 * 128 + i / 128]));
    let rebuilt = decoder.graph(16, 0).unwrap();
    let outputs = evaluate(&rebuilt, &[tokens(&case.inputs[0].to_i64s().unwrap())]).unwrap();
    assert_near(&outputs[..1], &case.outputs[..1], 1e-4);
}

#[test]
fn networks_of_other_families_are_refused_by_the_node() {
    let names = ["tiny_mixtral_moe"];
    let refusal = |name: &&str| recognise(&crate::corpus::model(name).normal()).unwrap_err().to_string();
    insta::assert_snapshot!(names.iter().map(refusal).collect::<Vec<_>>().join("\n\n"));
}

#[test]
fn prefill_and_decode_hold_the_same_decoder() {
    for [prefill, decode] in llamas() {
        let (a, b) = (recognised(&prefill), recognised(&decode));
        assert_eq!((a.tokens, a.past, b.tokens, b.past), (16, 0, 1, 16));
        let weights = |r: &Recognised| -> Vec<crate::constant::Constant> {
            let config = r.decoder.config.clone();
            let inner = r.decoder.layers.iter().flat_map(|l| l.weights(&config));
            let all = inner.chain(r.decoder.ends.iter().flat_map(|ends| ends.weights(&config)));
            all.map(|(_, w, _)| w.constant.clone()).collect()
        };
        assert_eq!(a.decoder.config, b.decoder.config);
        assert!(weights(&a) == weights(&b));
    }
}

#[test]
fn decode_steps_equal_longer_prefills() {
    let decoder = recognised(&crate::corpus::llama()[0]).decoder;
    let text = b"\nAda has 12 coins and gets 30 more.";
    let ids: Vec<i64> = text.iter().map(|&b| b.into()).collect();
    let mut state = evaluate(&decoder.graph(20, 0).unwrap(), &[tokens(&ids[..20])]).unwrap();
    for past in 20..ids.len() {
        let mut inputs = vec![tokens(&ids[past..=past])];
        inputs.extend(state.drain(1..));
        state = evaluate(&decoder.graph(1, past).unwrap(), &inputs).unwrap();
    }
    let whole = evaluate(&decoder.graph(ids.len(), 0).unwrap(), &[tokens(&ids)]).unwrap();
    let last = whole[0].floats()[(ids.len() - 1) * 256..].to_vec();
    assert_near(&state[1..], &whole[1..], 1e-5);
    assert!(relative_error(state[0].floats(), &last) <= 1e-5);
}

#[test]
fn rebuilt_graphs_round_trip_through_text() {
    let decoder = recognised(&crate::corpus::llama()[1]).decoder;
    let graph = decoder.graph(3, 5).unwrap();
    assert!(crate::text::parse(&crate::text::print(&graph)).unwrap() == graph);
    insta::assert_snapshot!(crate::text::print_without_weights(&graph));
}

/// The gate of a file, x * sigmoid(x), in other words.
#[test]
fn gates_of_other_functions_are_recognised() {
    let graph = pass::run(&pass::normalise(), crate::corpus::llama()[0].import(), |_, _| ()).unwrap();
    let text = crate::text::print(&graph);
    let result = |line: &str| Some(line.split_once(": ")?.0.rsplit(' ').next()?.to_string());
    let weights: Vec<String> = text.lines().filter(|l| l.contains("= sigmoid(")).filter_map(result).collect();
    for (name, function) in
        [("exp", Point::Exp), ("softplus", Point::Softplus), ("reciprocal", Point::Reciprocal)]
    {
        let other = |line: &str| {
            let product =
                weights.iter().find(|w| line.contains("= mul(") && line.contains(&format!(", {w})")));
            let Some(weight) = product else { return format!("{line}\n") };
            line.replace("= mul(", &format!("= {name}(")).replace(&format!(", {weight})"), ")") + "\n"
        };
        let changed: String = text.lines().map(other).collect();
        let found = recognise(&crate::text::parse(&changed).unwrap()).unwrap().decoder.config.activation;
        assert_eq!(found, Activation { function, gated: true });
    }
}

#[test]
fn other_graphs_are_refused_with_the_node() {
    let graph = pass::run(&pass::normalise(), crate::corpus::llama()[0].import(), |_, _| ()).unwrap();
    let text = crate::text::print(&graph);
    let edits = [
        ("not SiLU", "= sigmoid(", "= tanh("),
        ("not the last axis", "reduce-mean(%25) {axes = [2]", "reduce-mean(%25) {axes = [1]"),
        ("other scale", "= [0.17677669]", "= [0.17]"),
        ("mask that hides what is visible", "= equal(", "= greater("),
        ("no half rotation", "= neg(", "= abs("),
        ("other angles", "[1.0, 0.56234133, ", "[1.0, 0.9, "),
    ];
    let mut rendered = String::new();
    for (name, from, to) in edits {
        assert!(text.contains(from), "{name}");
        let result = crate::text::parse(&text.replace(from, to)).and_then(|g| recognise(&g));
        rendered.push_str(&format!(
            "--- {name}\n{}\n",
            result.map_or_else(|d| d.to_string(), |_| "recognised".into())
        ));
    }
    insta::assert_snapshot!(rendered);
}
