//! The values of a decoder's integer graph, by the names that taps use.

use codegen::plan::Value;
use ir::eval::Evaluator;
use ir::quant::QuantDecoder;
use ir::tensor::{Data, Tensor};
use ir::types::DType;
use std::collections::HashMap;

/// A value of a layer: words, and the codes and scale words that it is quantised to.
#[derive(Default)]
pub struct Expected {
    pub words: Option<Tensor>,
    pub codes: Option<Tensor>,
    pub scales: Option<Tensor>,
}

/// All values of one run, and the cache behind it.
pub struct Values {
    pub of: HashMap<(Value, usize), Expected>,
    /// Outputs of the linear layers that a residual is added to.
    pub bare: HashMap<(Value, usize), Tensor>,
    pub cache: Vec<Tensor>,
}

const LINEAR: [Value; 7] =
    [Value::K, Value::V, Value::Q, Value::AttentionResidual, Value::Gate, Value::Up, Value::MlpResidual];
const QUANTISED: [Value; 7] = [
    Value::InputNorm,
    Value::RopeK,
    Value::PackedV,
    Value::RopeQ,
    Value::AttentionOutput,
    Value::PostNorm,
    Value::Product,
];

/// Runs the evaluator on `tokens` behind `cache`. The order of nodes is that of `ir::quant`'s builder.
pub fn evaluate(decoder: &QuantDecoder, past: usize, tokens: &[u32], cache: &[Tensor]) -> Values {
    let graph = decoder.graph(tokens.len(), past).unwrap();
    let ids = tokens.iter().map(|&t| t as i32).collect();
    let ids = Tensor::new(DType::I64, [tokens.len()], Data::Int(ids));
    let ids =
        ids.or_else(|| Tensor::i64([tokens.len()], tokens.iter().map(|&t| t.into()).collect())).unwrap();
    let mut results: Vec<Vec<Tensor>> = Vec::new();
    let mut owner = HashMap::new();
    for (i, (_, node)) in graph.nodes().enumerate() {
        results.push(Vec::new());
        node.outputs.iter().for_each(|&o| {
            owner.insert(o, i);
        });
    }
    let inputs = [&[ids], cache].concat();
    let outputs = Evaluator::new(&graph).unwrap();
    let outputs = outputs.run_observed(&inputs, |id, t| results[owner[&id]].push(t.clone())).unwrap();
    let mut values = Values { of: HashMap::new(), bare: HashMap::new(), cache: outputs[1..].to_vec() };
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let layers = decoder.layers.len();
    for ((_, node), tensors) in graph.nodes().zip(&results) {
        let count = seen.entry(node.op.name()).or_default();
        values.sort(node.op.name(), *count, layers, tensors);
        *count += 1;
    }
    values
}

impl Values {
    /// Files the results of the `nth` node of an operator.
    fn sort(&mut self, op: &str, nth: usize, layers: usize, tensors: &[Tensor]) {
        let first = &tensors[0];
        let mut words = |value, layer| self.of.entry((value, layer)).or_default().words = Some(first.clone());
        match op {
            "int-embed" => words(Value::Embedding, 0),
            "int-rms-norm" if nth == 2 * layers => words(Value::InputNorm, layers),
            "int-rms-norm" => words([Value::InputNorm, Value::PostNorm][nth % 2], nth / 2),
            "group-linear" if nth == 7 * layers => words(Value::Logits, 0),
            "group-linear" => match LINEAR[nth % 7] {
                value @ (Value::AttentionResidual | Value::MlpResidual) => {
                    self.bare.insert((value, nth / 7), first.clone());
                }
                value => {
                    words(value, nth / 7);
                    if value == Value::V {
                        words(Value::PackedV, nth / 7);
                    }
                }
            },
            "add-saturate" => words([Value::AttentionResidual, Value::MlpResidual][nth % 2], nth / 2),
            "int-rope" => words([Value::RopeK, Value::RopeQ][nth % 2], nth / 2),
            "cached-scores" => words(Value::Scores, nth),
            "cached-values" => {
                words(Value::Attention, nth);
                words(Value::AttentionOutput, nth);
            }
            "int-silu-mul" => words(Value::Product, nth),
            "folded-softmax" => self.codes(Value::Softmax, nth, tensors),
            "quantise" if nth == 7 * layers => self.codes(Value::InputNorm, layers, tensors),
            "quantise" => self.codes(QUANTISED[nth % 7], nth / 7, tensors),
            "concat" => {}
            other => panic!("an operator without a tap: {other}"),
        }
    }

    fn codes(&mut self, value: Value, layer: usize, tensors: &[Tensor]) {
        let entry = self.of.entry((value, layer)).or_default();
        entry.codes = Some(tensors[0].clone());
        entry.scales = Some(tensors[1].clone());
    }
}
