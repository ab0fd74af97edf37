//! Decoders to test with.

use bytes::Bytes;
use ir::decoder::{
    Activation, Config, Conv, Decoder, Ends, Exit, Front, Head, Layer, LayerOrigins, Norm, NormKind,
    Placement, Positions, Projection, Visibility, Weight, recognise,
};
use ir::front::onnx;
use ir::graph::Origin;
use ir::num::Point;
use ir::op::Windows;
use ir::quant::scheme::ScaleSource;
use ir::quant::{Calibration, QuantDecoder, Scheme};
use ir::tensor::Tensor;
use std::path::Path;

/// Heads whose halves are no whole groups.
pub const SMALL: Config = Config {
    vocab: 50,
    hidden: 64,
    heads: 4,
    kv_heads: 4,
    head_dim: 16,
    intermediate: 96,
    positions: Positions::Rotary { theta: 1e4 },
    attention: Visibility::Causal,
    placement: Placement::Branch,
    exit: Exit::Layers,
    norm: NormKind::Rms,
    eps: 1e-6,
    activation: Activation::SWIGLU,
    max_positions: Some(64),
};

/// Heads of q share those of k and v; a head is larger than a group.
pub const SHARED: Config =
    Config { vocab: 40, heads: 2, kv_heads: 1, head_dim: 64, hidden: 64, intermediate: 64, ..SMALL };

/// A cache whose scores, and whose scales of values, take a bank of a small machine.
pub const LONG: Config = Config { max_positions: Some(256), ..NARROW };

/// Heads of two rows on four lanes.
pub const NARROW: Config =
    Config { vocab: 30, heads: 8, kv_heads: 4, head_dim: 8, hidden: 32, intermediate: 96, ..SMALL };

/// As OPT: layer norms, learned positions, a plain MLP, and biases.
pub const LEARNED: Config = Config {
    positions: Positions::Learned { first: 2 },
    norm: NormKind::Layer,
    eps: 1e-5,
    activation: Activation { function: Point::Relu, gated: false },
    ..SMALL
};

/// As Qwen2: biases of q, k and v; here with GELU of a gate.
pub const BIASED: Config =
    Config { kv_heads: 2, activation: Activation { function: Point::GeluTanh, gated: true }, ..SMALL };

/// An MLP of one projection that softplus bends, and gates by an exponential and by a reciprocal.
pub const BENT: Config =
    Config { activation: Activation { function: Point::Softplus, gated: false }, ..SMALL };
pub const STEEP: Config = Config { activation: Activation { function: Point::Exp, gated: true }, ..SMALL };
pub const INVERSE: Config =
    Config { activation: Activation { function: Point::Reciprocal, gated: true }, ..SMALL };

/// A decoder whose logits stand behind the attention of its last layer.
pub const EARLY: Config = Config { exit: Exit::Attention, ..SMALL };

/// As BERT: an encoder with norms behind attention and MLP, and logits of its pooled first token.
pub const POST_NORM: Config = Config {
    attention: Visibility::Full,
    placement: Placement::Stream,
    activation: Activation { function: Point::Gelu, gated: false },
    ..LEARNED
};

/// An encoder with norms before attention and MLP, rotary positions and shared heads, which gives its normed stream.
pub const PRE_NORM: Config = Config { attention: Visibility::Full, kv_heads: 2, ..SMALL };

/// As the encoder of Whisper: frames of [`CHANNELS`] through two convolutions, of which the second halves their number.
pub const FRAMES: Config = Config {
    vocab: 0,
    positions: Positions::Learned { first: 0 },
    attention: Visibility::Full,
    activation: Activation { function: Point::Gelu, gated: false },
    ..LEARNED
};
pub const CHANNELS: usize = 40;

/// Schemes beside `w2a8kv4` that machines compute with.
pub fn schemes() -> Vec<Scheme> {
    let w2 = ir::quant::scheme::text("w2a8kv4").unwrap();
    let w4 = ir::quant::scheme::text("w4a4").unwrap();
    let change = |text: &str, changes: &[(&str, &str)]| {
        let changed = changes.iter().fold(text.to_string(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        Scheme::parse(&changed).unwrap()
    };
    let w2s24 = ir::quant::scheme::text("w2s24a8kv4").unwrap();
    let named = ["w8a8", "w4a8", "w4a4"].map(|name| Scheme::named(name).unwrap());
    let changed = [
        change(w2, &[("w2a8kv4", "signed"), ("levels = [-3, -1, 1, 3]\n", "")]),
        change(
            w2,
            &[
                ("w2a8kv4", "ternary, 8-bit cache"),
                ("[-3, -1, 1, 3]", "[-1, 0, 1]"),
                ("bits = 4", "bits = 8"),
            ],
        ),
        change(w2, &[("w2a8kv4", "per channel"), ("group = 32\n", "")]),
        change(
            w4,
            &[
                ("w4a4", "4 bits everywhere"),
                ("[attention]\nbits = 8", "[attention]\nbits = 4"),
                ("[kv_cache]\nbits = 8", "[kv_cache]\nbits = 4"),
            ],
        ),
        change(w2s24, &[]),
        change(
            w2s24,
            &[
                ("w2s24a8kv4", "pruned, ternary, per channel"),
                ("[-3, -1, 1, 3]", "[-1, 0, 1]"),
                ("group = 32\n", ""),
            ],
        ),
        change(
            w2s24,
            &[("w2s24a8kv4", "pruned, four alike"), ("sparsity = \"2:4\"", "sparsity = \"2:4\"\nshared = 4")],
        ),
        change(
            w2s24,
            &[
                ("w2s24a8kv4", "pruned, eight alike"),
                ("levels = [-3, -1, 1, 3]\n", ""),
                ("sparsity = \"2:4\"", "sparsity = \"2:4\"\nshared = 8"),
            ],
        ),
    ];
    named.into_iter().chain(changed).collect()
}

/// Schemes whose scales of activations are fixed beforehand: decoders by what enters their layers, and by their widths.
pub fn fixed() -> Vec<Scheme> {
    let fixed = |name: &str, source: &str| {
        let text = ir::quant::scheme::text(name).unwrap().replace("group = 32\n", "");
        let named = text.replacen(name, &format!("{name}, fixed"), 1);
        let changed = named.replacen("[activations]\n", &format!("[activations]\n{source}\n"), 1);
        assert!(changed != named, "{name}");
        Scheme::parse(&changed).unwrap()
    };
    let percentile = "scale = \"percentile\"\npercentile = 99.0";
    vec![fixed("w2a8kv4", "scale = \"min-max\""), fixed("w8a8", percentile), fixed("w4a4", "scale = \"mse\"")]
}

/// Under a scheme; scales that are fixed are those of a few sequences that count from some token on.
fn quantised(decoder: &Decoder, scheme: &Scheme) -> QuantDecoder {
    if scheme.activations.scale == ScaleSource::RunTime {
        return QuantDecoder::new(decoder, scheme).unwrap();
    }
    let calibration = match decoder.config.vocab {
        0 => {
            let wave = |i: usize| ((i * 31) as f32).sin() * (i % 7) as f32;
            let frames = Tensor::f32([8, CHANNELS], (0..8 * CHANNELS).map(wave).collect()).unwrap();
            Calibration::of(decoder, 4, &[frames])
        }
        vocab => {
            let texts = [1, 5, 9].map(|by| (0..12).map(|i| (i * by % vocab) as u32).collect::<Vec<_>>());
            Calibration::new(decoder, &texts.each_ref().map(Vec::as_slice))
        }
    };
    QuantDecoder::calibrated(decoder, scheme, &calibration.unwrap()).unwrap()
}

/// Weights of a decoder, drawn from a seed, under `w2a8kv4`.
pub fn random(seed: u64, config: &Config) -> QuantDecoder {
    random_with(seed, config, &Scheme::named("w2a8kv4").unwrap())
}

/// Weights of a decoder, drawn from a seed.
pub fn random_with(seed: u64, config: &Config, scheme: &Scheme) -> QuantDecoder {
    let mut draw = Draw(seed * 2 + 1);
    let (h, q, kv, i) = (config.hidden, config.q_width(), config.kv_width(), config.intermediate);
    let outer = config.norm == NormKind::Layer;
    let inner = outer || *config == BIASED;
    let layer = |draw: &mut Draw| Layer {
        input_norm: draw.norm(h, outer),
        wq: draw.linear(q, h, inner),
        wk: draw.linear(kv, h, inner),
        wv: draw.linear(kv, h, inner),
        head_norms: None,
        wo: draw.linear(h, q, outer),
        post_norm: draw.norm(h, outer),
        gate: config.activation.gated.then(|| draw.linear(i, h, outer)),
        up: draw.linear(i, h, outer),
        down: draw.linear(h, i, outer),
        origins: LayerOrigins::default(),
    };
    let conv = |draw: &mut Draw, channels, stride| Conv {
        linear: draw.linear(h, 3 * channels, true),
        windows: Windows { kernel: 3, stride, pad: 1 },
    };
    let front = match config.vocab {
        0 => Front::Frames(vec![conv(&mut draw, CHANNELS, 1), conv(&mut draw, h, 2)]),
        vocab => Front::Tokens(draw.matrix(vocab, h)),
    };
    let rows = |first| first + config.max_positions.unwrap();
    let positions = match config.positions {
        Positions::Learned { first } => Some(draw.matrix(rows(first), h)),
        Positions::Rotary { .. } => None,
    };
    let layers = (0..2).map(|_| layer(&mut draw)).collect();
    let final_norm = draw.norm(h, outer);
    let head = match (config.attention, config.placement) {
        (Visibility::Causal | Visibility::Window { .. }, _) => {
            Some(Head { pool: None, lm_head: draw.linear(config.vocab, h, false) })
        }
        (Visibility::Full, Placement::Stream) => {
            Some(Head { pool: Some(draw.linear(h, h, true)), lm_head: draw.linear(11, h, true) })
        }
        (Visibility::Full, Placement::Branch) => None,
    };
    let ends = Ends { front, positions, final_norm, head };
    let decoder = Decoder { name: "random".into(), config: config.clone(), layers, ends: Some(ends) };
    quantised(&decoder, scheme)
}

/// The trained network of the examples, under `w2a8kv4`.
pub fn trained() -> QuantDecoder {
    imported("examples/models/trained_llama_w2_prefill/model.onnx", "w2a8kv4")
}

/// The network that was trained with 2:4 pruning, under `w2s24a8kv4`.
pub fn trained_pruned() -> QuantDecoder {
    imported("tests/corpus/trained_llama_w2s24/prefill.onnx", "w2s24a8kv4")
}

/// A network of onnxruntime-genai, of one layer without its MLP, under `w4a8`.
pub fn genai() -> QuantDecoder {
    let names = ["batch_size", "sequence_length", "past_sequence_length", "total_sequence_length"];
    let bindings = names.into_iter().map(String::from).zip([1, 8, 0, 8]).collect();
    let options = onnx::Options { bindings, ..onnx::Options::default() };
    imported_with("tests/corpus/tiny_llama_genai_int4/model.onnx", "w4a8", options)
}

/// A small OPT as its exporter wrote it, under `w8a8`.
pub fn opt() -> QuantDecoder {
    imported("tests/corpus/tiny_opt_prefill/model.onnx", "w8a8")
}

fn imported(file: &str, scheme: &str) -> QuantDecoder {
    imported_with(file, scheme, onnx::Options::default())
}

fn imported_with(file: &str, scheme: &str, mut options: onnx::Options) -> QuantDecoder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let model = Bytes::from(std::fs::read(&path).unwrap());
    for file in onnx::external_files(&model).unwrap() {
        let bytes = std::fs::read(path.with_file_name(&file)).unwrap();
        options.external.insert(file, bytes.into());
    }
    let graph = onnx::import(&model, &options).unwrap();
    let graph = ir::pass::run(&ir::pass::normalise(), graph, |_, _| {}).unwrap();
    let mut decoder = recognise(&graph).unwrap().decoder;
    decoder.config.max_positions.get_or_insert(256);
    QuantDecoder::new(&decoder, &Scheme::named(scheme).unwrap()).unwrap()
}

/// Small deterministic generator (splitmix64, Steele et al. 2014).
struct Draw(u64);

impl Draw {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn matrix(&mut self, outputs: usize, inputs: usize) -> Weight {
        let spread = 2.0 / (inputs as f32).sqrt();
        weight(&[outputs, inputs], (0..outputs * inputs).map(|_| self.unit() * spread).collect())
    }

    fn linear(&mut self, outputs: usize, inputs: usize, bias: bool) -> Projection {
        let weight = self.matrix(outputs, inputs);
        Projection { weight, bias: bias.then(|| self.bias(outputs)) }
    }

    fn norm(&mut self, width: usize, bias: bool) -> Norm {
        let gain = weight(&[width], (0..width).map(|_| 1.0 + self.unit() / 2.0).collect());
        Norm { gain, bias: bias.then(|| self.bias(width)) }
    }

    fn bias(&mut self, width: usize) -> Weight {
        weight(&[width], (0..width).map(|_| self.unit()).collect())
    }
}

fn weight(shape: &[usize], data: Vec<f32>) -> Weight {
    let constant = Tensor::f32(shape, data).unwrap().to_constant();
    Weight { constant, name: "random".into(), origin: Origin::default() }
}
