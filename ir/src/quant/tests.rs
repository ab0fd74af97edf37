use super::scheme::WeightScheme;
use super::*;
use crate::constant::Constant;
use crate::corpus::{Case, llama, llamas};
use crate::decoder::{
    Activation, Ends, Exit, Front, Head, NormKind, Placement, Positions, Visibility, recognise,
};
use crate::graph::{Def, Origin};
use crate::pass;
use crate::session::Session;
use crate::tensor::Tensor;
use crate::text;

pub(crate) fn decoder(case: &Case) -> Decoder {
    let graph = pass::run(&pass::normalise(), case.import(), |_, _| ()).unwrap();
    recognise(&graph).unwrap().decoder
}

fn w2a8kv4(decoder: &Decoder) -> QuantDecoder {
    quantised(decoder, &Scheme::named("w2a8kv4").unwrap())
}

fn quantised(decoder: &Decoder, scheme: &Scheme) -> QuantDecoder {
    QuantDecoder::new(decoder, scheme).unwrap()
}

/// The built-in schemes, and ones that have everything else that a scheme can say; all find scales at run time.
fn schemes() -> Vec<Scheme> {
    let of = |name: &str, changes: &[(&str, &str)]| {
        let text = scheme::text(name).unwrap().to_string();
        Scheme::parse(&changes.iter().fold(text, |text, (from, to)| text.replace(from, to))).unwrap()
    };
    let zeros = [
        ("[activations]", "symmetric = false\n[activations]"),
        ("[attention]", "symmetric = false\n[attention]"),
    ];
    let cache = [("[embedding]", "symmetric = false\n[embedding]"), ("bits = 16", "bits = 8")];
    let mut all = scheme::built_in().unwrap();
    // The rows of the tests are of 32 weights.
    all.retain(|scheme| scheme.weights.group.is_none_or(|group| group <= 32));
    all.extend([
        of("w4a4", &zeros),
        of("w8a8", &[&zeros[..], &cache[..]].concat()),
        of(
            "w8a8",
            &[("bits = 8\n\n[activations]", "bits = 8\ngroup = 16\nsymmetric = false\n[activations]")],
        ),
        of("w2a8kv4", &cache[..1]),
        of("w4a8", &[("group = 32", "group = 32\nscale_bits = 16\nsymmetric = false")]),
        of("w2a8kv4", &[("group = 32", "group = 32\nscale_bits = 32")]),
        of(
            "w2a8kv4",
            &[("[-3, -1, 1, 3]", "[-2, -1, 0, 1]"), ("[kv_cache]", "[lm_head]\nbits = 8\n[kv_cache]")],
        ),
        of(
            "w2s24a8kv4",
            &[
                ("levels = [-3, -1, 1, 3]", "symmetric = false"),
                ("bits = 8\n\n[kv_cache]", "bits = 4\n[kv_cache]"),
            ],
        ),
    ]);
    all
}

/// A small decoder in which two heads of q share one of k and v.
fn shared_heads() -> Decoder {
    let mut seed = 1u32;
    let mut weight = |name: &str, shape: &[usize], low: f32, high: f32| {
        let mut next = || {
            seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            low + (high - low) * (seed >> 8) as f32 / (1 << 24) as f32
        };
        let data = (0..shape.iter().product()).map(|_| next()).collect();
        let constant = Tensor::f32(shape, data).unwrap().to_constant();
        Weight { constant, name: name.into(), origin: Origin::named(name) }
    };
    let config = Config {
        vocab: 20,
        hidden: 32,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        intermediate: 96,
        positions: Positions::Rotary { theta: 500.0 },
        attention: Visibility::Causal,
        placement: Placement::Branch,
        exit: Exit::Layers,
        norm: NormKind::Rms,
        eps: 1e-5,
        activation: Activation::SWIGLU,
        max_positions: None,
    };
    let mut layer = |_| Layer {
        input_norm: weight("norm", &[32], 0.5, 1.5).into(),
        wq: weight("wq", &[64, 32], -0.3, 0.3).into(),
        wk: weight("wk", &[32, 32], -0.3, 0.3).into(),
        wv: weight("wv", &[32, 32], -0.3, 0.3).into(),
        head_norms: None,
        wo: weight("wo", &[32, 64], -0.3, 0.3).into(),
        post_norm: weight("norm", &[32], 0.5, 1.5).into(),
        gate: Some(weight("gate", &[96, 32], -0.3, 0.3).into()),
        up: weight("up", &[96, 32], -0.3, 0.3).into(),
        down: weight("down", &[32, 96], -0.3, 0.3).into(),
        origins: LayerOrigins::default(),
    };
    Decoder {
        name: "shared".into(),
        config,
        layers: (0..2).map(&mut layer).collect(),
        ends: Some(Ends {
            front: Front::Tokens(weight("embed", &[20, 32], -1.0, 1.0)),
            positions: None,
            final_norm: weight("norm", &[32], 0.5, 1.5).into(),
            head: Some(Head { pool: None, lm_head: weight("head", &[20, 32], -0.3, 0.3).into() }),
        }),
    }
}

/// Logits of tokens read in steps of these lengths.
fn logits(decoder: &QuantDecoder, tokens: &[u32], steps: &[usize]) -> Vec<i32> {
    let mut session = Session::new(decoder);
    let mut read = |&n: &usize| {
        let at = session.position();
        session.read(&tokens[at..at + n]).unwrap().ints().to_vec()
    };
    steps.iter().flat_map(&mut read).collect()
}

#[test]
fn steps_do_not_change_a_bit() {
    let tokens: Vec<u32> = (0..12).map(|i| i * 7 % 20).collect();
    for scheme in schemes() {
        let decoder = quantised(&shared_heads(), &scheme);
        let whole = logits(&decoder, &tokens, &[12]);
        assert_eq!(whole.len(), 12 * 20);
        for steps in [&[1; 12][..], &[5, 7], &[11, 1], &[1, 4, 4, 3]] {
            assert!(logits(&decoder, &tokens, steps) == whole, "{scheme:?}, {steps:?}");
        }
    }
}

/// A float decoder with the weights that a scheme's grid has.
fn on_grid(decoder: &Decoder, scheme: &Scheme) -> Decoder {
    let mut decoder = decoder.clone();
    let rounded = |weight: &mut Weight, scheme: &WeightScheme| {
        let tensor = weight.constant.tensor().unwrap();
        let rows = tensor.floats().chunks_exact(tensor.shape()[1]);
        let rows = rows.flat_map(|row| grid::weights(&grid::tests::one(row, scheme), scheme));
        weight.constant = Tensor::f32(tensor.shape(), rows.collect()).unwrap().to_constant();
    };
    for l in &mut decoder.layers {
        l.projections_mut().for_each(|linear| rounded(&mut linear.weight, &scheme.weights));
    }
    rounded(&mut decoder.ends.as_mut().unwrap().head.as_mut().unwrap().lm_head.weight, scheme.lm_head());
    decoder
}

/// Logits of integers follow those of floats on the same weights; how closely depends on the bits of activations and cache.
#[test]
fn every_scheme_computes_what_floats_compute() {
    let tokens: Vec<u32> = (0..12).map(|i| i * 7 % 20).collect();
    for scheme in schemes() {
        let float = on_grid(&shared_heads(), &scheme);
        let exact = Session::new(&float).read(&tokens).unwrap();
        let found = logits(&quantised(&shared_heads(), &scheme), &tokens, &[12]);
        let errors = exact.floats().iter().zip(&found).map(|(a, &b)| f64::from(*a) - f64::from(b) / 65536.0);
        let energy: f64 = exact.floats().iter().map(|x| f64::from(*x).powi(2)).sum();
        let error = (errors.map(|e| e * e).sum::<f64>() / energy).sqrt();
        let most = match (scheme.activations.bits, scheme.kv_cache.bits) {
            (8, 8) => 0.03,
            (8, _) => 0.2,
            _ => 0.5,
        };
        assert!(error < most, "{scheme:?}: {error}");
    }
}

#[test]
fn graphs_of_every_scheme_round_trip() {
    for scheme in schemes() {
        for (tokens, past) in [(3, 0), (1, 5)] {
            let graph = quantised(&shared_heads(), &scheme).graph(tokens, past).unwrap();
            let printed = text::print(&graph);
            assert!(text::parse(&printed).unwrap() == graph, "{scheme:?}");
            assert!(graph.values().all(|(_, v)| !v.ty.dtype.is_float()));
        }
    }
}

#[test]
fn the_trained_network_decodes_as_it_prefills() {
    let decoder = w2a8kv4(&decoder(&llama()[0]));
    let tokens: Vec<u32> = b"\nAda has 12 coins and".iter().map(|&b| b.into()).collect();
    let whole = logits(&decoder, &tokens, &[21]);
    assert!(logits(&decoder, &tokens, &[16, 1, 1, 3]) == whole);
}

#[test]
fn prefill_and_decode_files_give_one_decoder() {
    for pair in llamas() {
        let [prefill, decode] = pair.map(|case| w2a8kv4(&decoder(&case)));
        assert!(prefill.layers.iter().zip(&decode.layers).all(|(a, b)| a.wq.codes == b.wq.codes));
        let head =
            |d: &QuantDecoder| d.ends.as_ref().unwrap().head.as_ref().unwrap().lm_head.channels.clone();
        assert_eq!(head(&prefill), head(&decode));
    }
}

#[test]
fn trained_grids_come_back_bit_for_bit() {
    let dense = (decoder(&llama()[0]), "w2a8kv4");
    let pruned = (decoder(&llamas().nth(2).unwrap()[0]), "w2s24a8kv4");
    for (float, scheme) in [dense, pruned] {
        come_back(&float, &Scheme::named(scheme).unwrap());
    }
}

fn come_back(float: &Decoder, scheme: &Scheme) {
    assert!(quantised(float, scheme).on_grid());
    let config = &float.config;
    let layers = float.layers.iter().flat_map(|l| l.weights(config));
    let weights =
        layers.map(|(_, w, _)| w).chain(float.ends.iter().flat_map(Ends::projections).map(|p| &p.weight));
    for weight in weights.filter(|w| w.constant.ty().shape.rank() == 2) {
        let tensor = weight.constant.tensor().unwrap();
        for row in tensor.floats().chunks_exact(tensor.shape()[1]) {
            let found = grid::tests::one(row, &scheme.weights);
            assert!(found.exact && grid::weights(&found, &scheme.weights) == row, "{}", weight.name);
            assert_eq!(found.groups.iter().max(), Some(&255), "{}", weight.name);
        }
    }
}

#[test]
fn graphs_round_trip_and_know_their_origin() {
    let decoder = w2a8kv4(&decoder(&llama()[0]));
    for (tokens, past) in [(3, 0), (1, 5)] {
        let graph = decoder.graph(tokens, past).unwrap();
        let printed = text::print(&graph);
        let again = text::parse(&printed).unwrap();
        assert!(again == graph && text::print(&again) == printed);
        assert!(graph.nodes().all(|(_, node)| !node.origin.name.is_empty()));
        assert!(graph.values().all(|(_, v)| !v.ty.dtype.is_float()));
        assert_eq!(graph.inputs().len(), 1 + if past > 0 { 16 } else { 0 });
        assert_eq!(graph.outputs().len(), 17);
    }
}

#[test]
fn absent_weights_stay_absent() {
    let mut float = shared_heads();
    let head = &mut float.ends.as_mut().unwrap().head.as_mut().unwrap().lm_head.weight.constant;
    *head = Constant::absent(head.ty().clone());
    let graph = w2a8kv4(&float).graph(2, 3).unwrap();
    let absent = graph.values().filter(|(_, v)| matches!(&v.def, Def::Constant(_, c) if c.is_absent()));
    assert_eq!(absent.count(), 3);
}

#[test]
fn the_graph_of_a_small_decoder() {
    let graph = w2a8kv4(&shared_heads()).graph(2, 3).unwrap();
    insta::assert_snapshot!(text::print_without_weights(&graph));
}

#[test]
fn refusals_are_explained() {
    let refused = |change: fn(&mut Decoder)| {
        let mut decoder = shared_heads();
        change(&mut decoder);
        QuantDecoder::new(&decoder, &Scheme::named("w2a8kv4").unwrap()).unwrap_err().render()
    };
    let texts = [
        Scheme::named("w3a3").unwrap_err().render(),
        refused(|d| d.config.eps = 0.5),
        refused(|d| d.config.positions = Positions::Rotary { theta: 0.5 }),
        refused(|d| {
            let weights = Tensor::f32([20, 32], vec![f32::INFINITY; 640]).unwrap();
            d.ends.as_mut().unwrap().head.as_mut().unwrap().lm_head.weight.constant = weights.to_constant();
        }),
        w2a8kv4(&shared_heads()).graph(0, 0).unwrap_err().render(),
        w2a8kv4(&shared_heads()).graph(2, 65535).unwrap_err().render(),
    ];
    insta::assert_snapshot!(texts.join("\n\n"));
}
