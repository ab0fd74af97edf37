use super::*;
use crate::constant::Constant;
use crate::corpus::{self, relative_error};
use crate::decoder::Config;
use crate::decoder::recognise;
use crate::eval::evaluate;
use crate::front::onnx::proto::ModelProto;
use crate::front::safetensors;
use crate::graph::Def;
use crate::op::Op;
use crate::tensor::Tensor;
use ::safetensors::tensor::{Dtype, TensorView, serialize};
use prost::Message;
use std::collections::BTreeMap;

const LLAMA: &str = include_str!("../../../../tests/corpus/trained_llama/config.json");

fn network(text: &str) -> Network {
    read(text.as_bytes()).unwrap_or_else(|d| panic!("{d}"))
}

fn ids(tokens: &[i64]) -> Tensor {
    Tensor::i64([tokens.len()], tokens.to_vec()).unwrap()
}

/// A file of tensors.
fn file(tensors: &BTreeMap<String, Tensor>) -> Tensors {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, t)| {
            (name.clone(), t.shape().to_vec(), t.floats().iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(n, s, b)| (n, TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
    safetensors::read(&serialize(views, None).unwrap()).unwrap()
}

#[test]
fn a_checkpoint_is_the_decoder_of_its_export() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus/trained_llama");
    let tensors = safetensors::read(&std::fs::read(format!("{folder}/model.safetensors")).unwrap()).unwrap();
    let network = network(LLAMA);
    let decoder = network.decoder(&tensors).unwrap();
    let case = corpus::model("trained_llama/prefill");
    let exported = recognise(&case.normal()).unwrap().decoder;
    assert_eq!(decoder.config, Config { max_positions: Some(256), ..exported.config.clone() });
    let weights = |d: &Decoder| -> Vec<Constant> {
        let inner = d.layers.iter().flat_map(|l| l.weights(&d.config));
        let all = inner.chain(d.ends.iter().flat_map(|e| e.weights(&d.config)));
        all.map(|(_, w, _)| w.constant.clone()).collect()
    };
    assert!(weights(&decoder) == weights(&exported));
    let graph = network.graph(&tensors, 16, 0).unwrap();
    let outputs = evaluate(&graph, &[ids(&case.inputs[0].to_i64s().unwrap())]).unwrap();
    let error = relative_error(outputs[0].floats(), case.outputs[0].floats());
    assert!(error <= 1e-4, "{error:e}");
    let missing = Tensors::default();
    assert!(network.decoder(&missing).unwrap().layers.iter().all(|l| l.wq.weight.constant.is_absent()));
}

#[test]
fn a_configuration_is_enough_for_shapes() {
    let whole = r#"{"model_type": "llama", "vocab_size": 32000, "hidden_size": 4096, "num_attention_heads": 32,
        "num_hidden_layers": 32, "intermediate_size": 11008, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096}"#;
    let decoder = network(whole).decoder(&Tensors::default()).unwrap();
    let exported = recognise(&corpus::model("llama2_7b_decode1024").normal()).unwrap().decoder;
    assert_eq!(decoder.config, Config { max_positions: Some(4096), ..exported.config.clone() });
    assert_eq!(decoder.layers.len(), exported.layers.len());
    for kind in ["mistral", "qwen2", "qwen3"] {
        let graph = network(&whole.replace("llama", kind)).graph(&Tensors::default(), 3, 5).unwrap();
        assert_eq!(graph.inputs().len(), 1 + 64, "{kind}");
        assert!(graph.values().filter_map(|(id, _)| graph.constant(id)).all(|c| c.is_absent()), "{kind}");
    }
}

/// An initialiser that the model keeps beside it.
fn omitted(case: &corpus::Case, name: &str) -> Tensor {
    let model = ModelProto::decode(case.model.clone()).unwrap();
    let tensor = model.graph.unwrap().initializer.into_iter().find(|t| t.name == name).unwrap();
    let number = |key: &str| -> usize {
        tensor.external_data.iter().find(|e| e.key == key).unwrap().value.parse().unwrap()
    };
    let bytes = &case.options.external.values().next().unwrap()[number("offset")..][..number("length")];
    let floats = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    Tensor::f32(tensor.dims.iter().map(|&d| d as usize).collect::<Vec<_>>(), floats).unwrap()
}

/// Weights of the matrix products of an export in order, `[outputs, inputs]`, and all constants by their name.
struct Export {
    products: std::vec::IntoIter<Tensor>,
    named: BTreeMap<String, Tensor>,
}

impl Export {
    fn of(case: &corpus::Case) -> Export {
        let graph = case.normal();
        let (mut products, mut named) = (Vec::new(), BTreeMap::new());
        for (_, value) in graph.values() {
            if let Def::Constant(name, constant) = &value.def {
                named.insert(name.to_string(), constant.tensor().unwrap());
            }
        }
        for (_, node) in graph.nodes() {
            let constant = node.inputs.get(1).and_then(|&w| graph.constant(w));
            if let (Op::MatMul(_), Some(constant)) = (&node.op, constant) {
                let w = constant.tensor().unwrap();
                let [k, n] = w.shape()[..] else { panic!() };
                let data = (0..n * k).map(|i| w.floats()[i % k * n + i / k]).collect();
                products.push(Tensor::f32([n, k], data).unwrap());
            }
        }
        Export { products: products.into_iter(), named }
    }

    /// Adds the parameters of a layer: its weight is the next product, its bias has its name.
    fn linear(&mut self, to: &mut BTreeMap<String, Tensor>, prefix: &str, name: &str) {
        to.insert(format!("{name}.weight"), self.products.next().unwrap());
        self.copy(to, prefix, &format!("{name}.bias"));
    }

    fn copy(&self, to: &mut BTreeMap<String, Tensor>, prefix: &str, name: &str) {
        let found = self.named.get(&format!("{prefix}{name}"));
        to.insert(name.to_string(), found.unwrap_or_else(|| panic!("{prefix}{name}")).clone());
    }
}

#[test]
fn opt_computes_what_its_export_computes() {
    let case = corpus::model("tiny_opt_prefill");
    let mut export = Export::of(&case);
    let mut all = BTreeMap::new();
    for n in 0..2 {
        for part in
            ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2"]
        {
            export.linear(&mut all, "m.", &format!("model.decoder.layers.{n}.{part}"));
        }
        for part in ["self_attn_layer_norm", "final_layer_norm"] {
            for kind in ["weight", "bias"] {
                export.copy(&mut all, "m.", &format!("model.decoder.layers.{n}.{part}.{kind}"));
            }
        }
    }
    for name in
        ["embed_tokens.weight", "embed_positions.weight", "final_layer_norm.weight", "final_layer_norm.bias"]
    {
        export.copy(&mut all, "m.", &format!("model.decoder.{name}"));
    }
    let config = r#"{"model_type": "opt", "vocab_size": 256, "hidden_size": 64, "num_attention_heads": 4, "ffn_dim": 256,
        "num_hidden_layers": 2, "max_position_embeddings": 256, "activation_function": "relu"}"#;
    let graph = network(config).graph(&file(&all), 16, 0).unwrap();
    let outputs = evaluate(&graph, &[ids(&case.inputs[0].to_i64s().unwrap())]).unwrap();
    let error = relative_error(outputs[0].floats(), case.outputs[0].floats());
    assert!(error <= 1e-4, "{error:e}");
}

#[test]
fn bert_computes_what_its_export_computes() {
    let case = corpus::model("bert_tiny").complete();
    let mut export = Export::of(&case);
    let mut all = BTreeMap::new();
    for n in 0..2 {
        let parts =
            ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"];
        for part in parts.into_iter().chain(["intermediate.dense", "output.dense"]) {
            export.linear(&mut all, "m.bert.", &format!("encoder.layer.{n}.{part}"));
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            for kind in ["weight", "bias"] {
                export.copy(&mut all, "m.bert.", &format!("encoder.layer.{n}.{part}.{kind}"));
            }
        }
    }
    for name in
        ["word_embeddings.weight", "token_type_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias"]
    {
        export.copy(&mut all, "m.bert.", &format!("embeddings.{name}"));
    }
    // The rows that are read are cut out of the table when the export is imported.
    let name = "embeddings.position_embeddings.weight";
    all.insert(name.into(), omitted(&case, &format!("m.bert.{name}")));
    export.linear(&mut all, "m.bert.", "pooler.dense");
    let mut classifier = BTreeMap::new();
    export.linear(&mut classifier, "m.", "classifier");
    let config = r#"{"model_type": "bert", "vocab_size": 30522, "hidden_size": 128, "num_attention_heads": 2,
        "intermediate_size": 512, "num_hidden_layers": 2, "hidden_act": "gelu"}"#;
    let graph = network(config).graph(&file(&all), 32, 0).unwrap();
    // What is compiled gives the same stream.
    let encoder = network(config).decoder(&file(&all)).unwrap().graph(20, 0).unwrap();
    let words = ids(&case.inputs[0].to_i64s().unwrap()[..20]);
    let hidden = evaluate(&encoder, std::slice::from_ref(&words)).unwrap();
    let graph_of_20 = network(config).graph(&file(&all), 20, 0).unwrap();
    let wanted = evaluate(&graph_of_20, &[words, ids(&[0; 20])]).unwrap();
    let error = relative_error(hidden[0].floats(), wanted[0].floats());
    assert!(hidden.len() == 1 && error <= 1e-5, "{error:e}");
    // Nothing is masked, in the export neither.
    let mut inputs = case.inputs.clone();
    inputs[1] = Tensor::i64([2, 32], vec![1; 64]).unwrap();
    let expected = evaluate(&case.normal(), &inputs).unwrap();
    let (words, kinds) = (inputs[0].to_i64s().unwrap(), inputs[2].to_i64s().unwrap());
    let (w, b) = (&classifier["classifier.weight"], &classifier["classifier.bias"]);
    let mut logits = Vec::new();
    for row in 0..2 {
        let range = row * 32..row * 32 + 32;
        let outputs = evaluate(&graph, &[ids(&words[range.clone()]), ids(&kinds[range])]).unwrap();
        let score = |c: usize| -> f32 {
            let weights = &w.floats()[c * 128..(c + 1) * 128];
            outputs[1].floats().iter().zip(weights).map(|(x, w)| x * w).sum::<f32>() + b.floats()[c]
        };
        logits.extend([score(0), score(1)]);
    }
    let error = relative_error(&logits, expected[0].floats());
    assert!(error <= 1e-4, "{error:e}");
}

#[test]
fn qwens_are_llamas_with_biases_or_norms_of_heads() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus/trained_llama");
    let bytes = std::fs::read(format!("{folder}/model.safetensors")).unwrap();
    let plain = safetensors::read(&bytes).unwrap();
    let mut all: BTreeMap<String, Tensor> =
        plain.names().map(|n| (n.to_string(), plain.get(n).unwrap().unwrap().tensor().unwrap())).collect();
    let tokens = ids(&[10, 65, 100, 97, 32, 104]);
    let logits = |kind: &str, all: &BTreeMap<String, Tensor>| {
        let graph = network(
            &LLAMA.replace("\"llama\"", &format!("\"{kind}\"")).replace("\"attention_bias\": false,", ""),
        );
        evaluate(&graph.graph(&file(all), 6, 0).unwrap(), std::slice::from_ref(&tokens)).unwrap()[0].clone()
    };
    let llama = logits("llama", &all);
    for n in 0..4 {
        for part in ["q_proj", "k_proj", "v_proj"] {
            let bias = Tensor::f32([128], vec![0.0; 128]).unwrap();
            all.insert(format!("model.layers.{n}.self_attn.{part}.bias"), bias);
        }
    }
    assert_eq!(logits("qwen2", &all), llama);
    let moved = Tensor::f32([128], vec![0.5; 128]).unwrap();
    all.insert("model.layers.0.self_attn.v_proj.bias".into(), moved);
    assert!(relative_error(logits("qwen2", &all).floats(), llama.floats()) > 1e-2);
    for n in 0..4 {
        for part in ["q_norm", "k_norm"] {
            let gain = Tensor::f32([32], vec![1.0; 32]).unwrap();
            all.insert(format!("model.layers.{n}.self_attn.{part}.weight"), gain);
        }
    }
    // The norm takes the size of q away again.
    let before = logits("qwen3", &all);
    let q = all.get_mut("model.layers.1.self_attn.q_proj.weight").unwrap();
    *q = Tensor::f32([128, 128], q.floats().iter().map(|x| x * 8.0).collect()).unwrap();
    assert!(relative_error(logits("qwen3", &all).floats(), before.floats()) < 1e-4);
    assert!(relative_error(before.floats(), llama.floats()) > 1e-2);
}

#[test]
fn diagnostics() {
    let small = r#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 8}"#;
    let with = |field: &str| {
        small.replace("{\"model_type\": \"llama\"", &format!("{{\"model_type\": \"llama\", {field}"))
    };
    let error = |text: &str| match read(text.as_bytes()) {
        Err(d) => d.to_string(),
        Ok(network) => network.graph(&Tensors::default(), 0, 0).unwrap_err().to_string(),
    };
    let few = file(
        &[("model.norm.weight".to_string(), ids(&[1]))]
            .into_iter()
            .map(|(n, _)| (n, Tensor::f32([3], vec![1.0; 3]).unwrap()))
            .collect(),
    );
    let rendered = [
        error("{"),
        error("[1]"),
        error("{}"),
        error(&small.replace("llama", "mamba")),
        error(&small.replace("\"hidden_size\": 8,", "")),
        error(&small.replace("\"hidden_size\": 8,", "\"hidden_size\": 1e30,")),
        error(&small.replace("\"num_hidden_layers\": 1,", "\"num_hidden_layers\": 5000,")),
        error(&with("\"rope_scaling\": {\"rope_type\": \"yarn\"}")),
        error(&with("\"attention_bias\": true")),
        error(&with("\"quantization_config\": {\"quant_method\": \"aqlm\"}")),
        error(small),
        network(small).graph(&few, 1, 0).unwrap_err().to_string(),
        safetensors::read(b"\x10\0\0\0\0\0\0\0{\"a\": ").unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(rendered.join("\n\n"));
}
