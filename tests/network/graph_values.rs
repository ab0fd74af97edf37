//! The values of a decoder's integer graph, by the names that taps use.

use codegen::plan::Value;
use ir::decoder::Positions;
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

/// Linear layers of a layer in order, whether each has a bias, and whether a residual is added to it.
fn linears(decoder: &QuantDecoder) -> Vec<(Value, bool, bool)> {
    let Some(l) = decoder.layers.first() else { return Vec::new() };
    let all = [
        (Value::K, Some(&l.wk)),
        (Value::V, Some(&l.wv)),
        (Value::Q, Some(&l.wq)),
        (Value::AttentionResidual, Some(&l.wo)),
        (Value::Gate, l.gate.as_ref()),
        (Value::Up, Some(&l.up)),
        (Value::MlpResidual, Some(&l.down)),
    ];
    let residual = |value| matches!(value, Value::AttentionResidual | Value::MlpResidual);
    all.into_iter().filter_map(|(v, l)| Some((v, l?.bias.is_some(), residual(v)))).collect()
}

/// Sums of a layer in order, and whether each is all of its value.
fn sums(decoder: &QuantDecoder) -> Vec<(Value, bool)> {
    let of = |(value, bias, residual): (Value, bool, bool)| {
        let all = [residual.then_some((value, !bias)), bias.then_some((value, true))];
        all.into_iter().flatten()
    };
    linears(decoder).into_iter().flat_map(of).collect()
}

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
    for ((_, node), tensors) in graph.nodes().zip(&results) {
        let count = seen.entry(node.op.name()).or_default();
        values.sort(decoder, node.op.name(), *count, tensors);
        *count += 1;
    }
    values
}

impl Values {
    /// Files the results of the `nth` node of an operator.
    fn sort(&mut self, decoder: &QuantDecoder, op: &str, nth: usize, tensors: &[Tensor]) {
        let (first, layers, linears) = (&tensors[0], decoder.layers.len(), linears(decoder));
        let learned = usize::from(matches!(decoder.config.positions, Positions::Learned { .. }));
        let mut words = |value, layer| self.of.entry((value, layer)).or_default().words = Some(first.clone());
        // A linear layer with its bias: what is quantised next is the same, if it is not rotated.
        let mut whole = |value, layer| {
            words(value, layer);
            match value {
                Value::V => words(Value::PackedV, layer),
                Value::K if learned == 1 => words(Value::RopeK, layer),
                Value::Q if learned == 1 => words(Value::RopeQ, layer),
                _ => {}
            }
        };
        match op {
            "int-embed" => words([Value::Embedding, Value::Positions][nth], 0),
            "int-rms-norm" | "int-layer-norm" if nth == 2 * layers => words(Value::InputNorm, layers),
            "int-rms-norm" | "int-layer-norm" => words([Value::InputNorm, Value::PostNorm][nth % 2], nth / 2),
            "group-linear" if nth == linears.len() * layers => words(Value::Logits, 0),
            "group-linear" => match linears[nth % linears.len()] {
                (value, false, false) => whole(value, nth / linears.len()),
                (value, ..) => {
                    self.bare.insert((value, nth / linears.len()), first.clone());
                }
            },
            "add-saturate" if nth < learned => words(Value::Stream, 0),
            "add-saturate" => {
                let (sums, nth) = (sums(decoder), nth - learned);
                if let (value, true) = sums[nth % sums.len()] {
                    whole(value, nth / sums.len());
                }
            }
            "int-rope" => words([Value::RopeK, Value::RopeQ][nth % 2], nth / 2),
            "cached-scores" => words(Value::Scores, nth),
            "cached-values" => {
                words(Value::Attention, nth);
                words(Value::AttentionOutput, nth);
            }
            "int-point" => words(Value::Product, nth),
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
