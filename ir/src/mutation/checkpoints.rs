//! Configurations and files of weights, mutated.

use super::random::{Random, Seed, assert_memory_stayed_small, mutate_bytes, number_replaced, rounds};
use crate::front::config;
use crate::front::layouts::{self, Quantisation};
use crate::front::safetensors::{self, Tensors};
use ::safetensors::tensor::{Dtype, TensorView, serialize};

/// A small network of each family, in the layouts of quantisers too.
const CONFIGS: [&str; 5] = [
    r#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
"intermediate_size": 16, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 8, "checkpoint_format": "gptq"}}"#,
    r#"{"model_type": "qwen3", "vocab_size": 8, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
"num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 16, "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"},
"quantization_config": {"quant_method": "awq", "bits": 4, "version": "gemm"}}"#,
    r#"{"model_type": "qwen2", "vocab_size": 8, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
"intermediate_size": 16, "quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized",
"config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 8}}}}}"#,
    r#"{"model_type": "opt", "vocab_size": 8, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
"ffn_dim": 16, "max_position_embeddings": 16, "activation_function": "relu"}"#,
    r#"{"model_type": "bert", "vocab_size": 8, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
"intermediate_size": 16, "max_position_embeddings": 16}"#,
];

/// A tensor of a layer.
type Part = (&'static str, Dtype, [usize; 2]);

/// Layers of 16 x 16, one in each layout.
const LAYERS: [(&str, &[Part]); 5] = [
    (
        "q_proj",
        &[
            ("qweight", Dtype::I32, [2, 16]),
            ("qzeros", Dtype::I32, [2, 2]),
            ("scales", Dtype::F16, [2, 16]),
            ("g_idx", Dtype::I32, [1, 16]),
        ],
    ),
    (
        "k_proj",
        &[("qweight", Dtype::I32, [16, 2]), ("qzeros", Dtype::I32, [2, 2]), ("scales", Dtype::F16, [2, 16])],
    ),
    (
        "v_proj",
        &[
            ("weight_packed", Dtype::I32, [16, 2]),
            ("weight_scale", Dtype::F16, [16, 2]),
            ("weight_zero_point", Dtype::I32, [2, 2]),
        ],
    ),
    (
        "o_proj",
        &[
            ("compressed", Dtype::I8, [16, 8]),
            ("bitmask", Dtype::U8, [16, 2]),
            ("weight_scale", Dtype::F16, [16, 1]),
        ],
    ),
    ("gate_proj", &[("weight", Dtype::BF16, [16, 16]), ("bias", Dtype::F32, [1, 16])]),
];

fn weights() -> Vec<u8> {
    let entries: Vec<_> =
        LAYERS.iter().flat_map(|(layer, parts)| parts.iter().map(move |part| (*layer, part))).collect();
    let fill = |&(_, &(part, dtype, [a, b])): &(&str, &Part)| -> Vec<u8> {
        match part {
            "g_idx" => (0..a * b).flat_map(|i| ((i / 8) as u32).to_le_bytes()).collect(),
            // Two of four weights are kept.
            "bitmask" => vec![0x35; a * b],
            _ => (0..a * b * dtype.bitsize() / 8).map(|i| (i * 37 % 120) as u8).collect(),
        }
    };
    let data: Vec<Vec<u8>> = entries.iter().map(fill).collect();
    let views = entries.iter().zip(&data).map(|((layer, (part, dtype, shape)), data)| {
        (format!("{layer}.{part}"), TensorView::new(*dtype, shape.to_vec(), data).unwrap())
    });
    serialize(views, None).unwrap()
}

/// Everything that may follow a configuration; whether a graph came of it.
fn exercise(config: &[u8], tensors: &Tensors) -> bool {
    let Ok(network) = config::read(config) else { return false };
    let _ = network.decoder(tensors);
    [(3, 2), (1, 0)].into_iter().all(|(tokens, past)| network.graph(tensors, tokens, past).is_ok())
}

#[test]
fn mutated_configurations_are_refused_or_built() {
    let mut built = 0;
    for n in 0..rounds(3000) {
        let seed = Seed("a configuration", n);
        let mut random = Random(seed.1);
        let mut text = random.pick(&CONFIGS).as_bytes().to_vec();
        for _ in 0..=random.below(2) {
            match random.below(2) {
                0 => text = number_replaced(&mut random, &text),
                _ if !text.is_empty() => mutate_bytes(&mut random, &mut text),
                _ => {}
            }
        }
        built += usize::from(exercise(&text, &Tensors::default()));
    }
    assert!(built > 100, "{built}");
    assert_memory_stayed_small();
}

#[test]
fn mutated_files_of_weights_are_refused_or_read() {
    let whole = weights();
    let (mut read, mut taken) = (0, 0);
    for n in 0..rounds(3000) {
        let seed = Seed("a file of weights", n);
        let (mut random, mut bytes) = (Random(seed.1), whole.clone());
        (0..random.below(4)).for_each(|_| {
            if !bytes.is_empty() {
                mutate_bytes(&mut random, &mut bytes)
            }
        });
        let Ok(tensors) = safetensors::read(&bytes) else { continue };
        read += 1;
        exercise(random.pick(&CONFIGS).as_bytes(), &tensors);
        for (layer, _) in LAYERS {
            let quantisation = Quantisation {
                method: random.pick(&["gptq", "awq", "compressed-tensors"]).to_string(),
                bits: *random.pick(&[2, 4, 8, 3]),
                plain_zeros: random.below(2) == 0,
            };
            let weight = layouts::linear(&tensors, layer, [16, 16], Some(&quantisation));
            taken += usize::from(weight.is_ok_and(|w| w.tensor().is_some()));
        }
    }
    assert!(read > 500 && taken > 1000, "{read}, {taken}");
    assert_memory_stayed_small();
}
