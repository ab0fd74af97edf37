//! Grouped heads from a model file to the machine: heads of q that share heads of k and v.

use crate::onnx_writer::{Form, Sizes, write};
use crate::{check, machine, target};
use codegen::plan;
use hw::{Function, Machine};
use ir::decoder::recognise;
use ir::eval::evaluate;
use ir::front::onnx;
use ir::graph::Graph;
use ir::quant::{QuantDecoder, Scheme};
use ir::tensor::Tensor;

const SIZES: Sizes = Sizes {
    tokens: 9,
    vocab: 50,
    hidden: 64,
    heads: 4,
    kv_heads: 2,
    head_dim: 16,
    intermediate: 96,
    layers: 2,
    form: Form::Apart,
};

fn imported(sizes: &Sizes) -> Graph {
    let bindings = [("tokens".to_string(), sizes.tokens as u64)].into();
    let options = onnx::Options { bindings, ..Default::default() };
    let graph = onnx::import(&write(sizes, 5), &options).unwrap_or_else(|e| panic!("{e}"));
    ir::pass::run(&ir::pass::normalise(), graph, |_, _| {}).unwrap()
}

/// `graph` is the file's own arithmetic, with heads that are repeated in memory: it knows nothing of the decoder's.
fn logits(graph: &Graph, inputs: &[Tensor]) -> Vec<f32> {
    evaluate(graph, inputs).unwrap()[0].floats().to_vec()
}

#[test]
fn a_file_with_grouped_heads_runs_on_every_machine() {
    let forms = [(1, Form::Apart), (2, Form::Apart), (4, Form::Apart), (2, Form::Fused), (4, Form::Turning)];
    for (kv_heads, form) in forms {
        let sizes = Sizes { kv_heads, form, ..SIZES };
        let graph = imported(&sizes);
        let found = recognise(&graph).unwrap_or_else(|e| panic!("{e}"));
        let c = &found.decoder.config;
        assert_eq!((c.heads, c.kv_heads, c.head_dim, found.tokens, found.past), (4, kv_heads, 16, 9, 0));

        let ids: Vec<i64> = (0..9).map(|i| (i * 11 + 3) % 50).collect();
        let row = |data: Vec<i64>| Tensor::i64([1, 9], data).unwrap();
        let file = logits(&graph, &[row(ids.clone()), row((0..9).collect())]);
        let rebuilt = logits(&found.decoder.graph(9, 0).unwrap(), &[Tensor::i64([9], ids.clone()).unwrap()]);
        let largest = file.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
        let worst = file.iter().zip(&rebuilt).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs()));
        assert!(worst <= 1e-4 * largest && largest > 0.1, "{worst} of {largest}");

        let mut decoder = found.decoder;
        decoder.config.max_positions = Some(64);
        let quantised = QuantDecoder::new(&decoder, &Scheme::named("w2a8kv4").unwrap()).unwrap();
        let tokens: Vec<u32> = ids.iter().map(|&id| id as u32).chain([7, 1]).collect();
        // Fused layers have biases, which some machines cannot add.
        let machines = hw::presets::PRESETS.iter().map(|(name, _)| machine(name));
        let takes = |m: &Machine| form == Form::Apart || m.vector.functions.contains(&Function::Add);
        for machine in machines.filter(takes) {
            check(&quantised, &target(&quantised, &machine, &plan::Options::default()), &tokens);
        }
    }
}

/// The heads in another order: the same sizes, another network.
#[test]
fn heads_that_are_tiled_instead_are_refused() {
    let text = ir::text::print(&imported(&SIZES));
    let (one, more) = ("shape = [1, 2, 1, 9, 16]", "shape = [1, 2, 2, 1, 1]");
    assert!(text.contains(one) && text.contains(more), "{text}");
    let tiled = text.replace(one, "shape = [1, 1, 2, 9, 16]").replace(more, "shape = [1, 2, 2, 9, 16]");
    let told = ir::text::parse(&fixed_types(&tiled)).and_then(|g| recognise(&g)).unwrap_err().to_string();
    assert!(told.contains("each repeated in place"), "{told}");
}

/// The types of results follow.
fn fixed_types(text: &str) -> String {
    text.replace("f32[1, 2, 1, 9, 16]", "f32[1, 1, 2, 9, 16]")
}
