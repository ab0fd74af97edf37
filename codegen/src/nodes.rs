//! Model nodes of the operators, so that every instruction, and with it every cycle, can be attributed to the model.
//!
//! One loop body serves all layers: where the names of the layers' nodes differ in the layer's number only, `*` stands for it.

use crate::model::Linear;
use ir::graph::Origin;
use ir::quant::{QuantDecoder, QuantEnds, QuantLayer, QuantLinear};
use std::collections::BTreeMap;

/// An operator of the model that instructions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    Embedding,
    /// Learned positions, added to the embedding.
    Positions,
    InputNorm,
    Linear(Linear),
    Bias(Linear),
    RopeQ,
    RopeK,
    CacheK,
    CacheV,
    Scores,
    Softmax,
    /// Sum of values, weighted by the softmax.
    Values,
    AttentionResidual,
    PostNorm,
    Activation,
    /// The activation of the gate times up.
    Product,
    MlpResidual,
    FinalNorm,
}

/// The names of the model's nodes behind each operator; none where the model does not name them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nodes(BTreeMap<Operator, Vec<String>>);

impl Nodes {
    /// The nodes that a decoder was made from.
    pub fn of(decoder: &QuantDecoder) -> Nodes {
        let one = |origin: &Origin| together(&[origin]);
        let mut nodes = BTreeMap::new();
        if let Some(ends) = &decoder.ends {
            let embedding = ends.front.embedding();
            nodes.extend(embedding.map(|table| (Operator::Embedding, one(&table.origin))));
            nodes.extend(ends.positions.iter().map(|table| (Operator::Positions, one(&table.origin))));
            nodes.insert(Operator::FinalNorm, one(&ends.final_norm.origin));
            for (linear, weights) in outside(ends) {
                nodes.insert(Operator::Linear(linear), one(&weights.origin));
                let bias = weights.bias.as_ref().map(|bias| (Operator::Bias(linear), one(&bias.origin)));
                nodes.extend(bias);
            }
        }
        for (operator, origin) in IN_LAYERS {
            let all: Vec<&Origin> = decoder.layers.iter().map(origin).collect();
            nodes.insert(*operator, together(&all));
        }
        for linear in Linear::ALL {
            let layers = decoder.layers.iter().filter_map(|layer| of(layer, linear));
            let (weights, biases): (Vec<_>, Vec<_>) =
                layers.map(|l| (&l.origin, l.bias.as_ref().map(|b| &b.origin))).unzip();
            if !weights.is_empty() {
                nodes.insert(Operator::Linear(linear), together(&weights));
            }
            let biases: Vec<&Origin> = biases.into_iter().flatten().collect();
            if !biases.is_empty() {
                nodes.insert(Operator::Bias(linear), together(&biases));
            }
        }
        Nodes(nodes)
    }

    /// The nodes behind some operators, each once.
    pub fn behind(&self, operators: &[Operator]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for node in operators.iter().filter_map(|o| self.0.get(o)).flatten() {
            if !all.contains(node) {
                all.push(node.clone());
            }
        }
        all
    }
}

/// A linear layer of a layer, if it is there.
pub fn of(layer: &QuantLayer, linear: Linear) -> Option<&QuantLinear> {
    match linear {
        Linear::Q => Some(&layer.wq),
        Linear::K => Some(&layer.wk),
        Linear::V => Some(&layer.wv),
        Linear::O => Some(&layer.wo),
        Linear::Gate => layer.gate.as_ref(),
        Linear::Up => Some(&layer.up),
        Linear::Down => Some(&layer.down),
        Linear::Conv1 | Linear::Conv2 | Linear::Pool | Linear::Head => None,
    }
}

/// The linear layers before the layers and behind the last norm; convolutions that the compiler has no name for are left out.
pub fn outside(ends: &QuantEnds) -> impl Iterator<Item = (Linear, &QuantLinear)> {
    let pool = ends.head.iter().filter_map(|head| Some((Linear::Pool, head.pool.as_ref()?)));
    let stem = Linear::STEM.into_iter().zip(ends.front.convs()).map(|(linear, conv)| (linear, &conv.linear));
    stem.chain(pool).chain(ends.head.iter().map(|head| (Linear::Head, &head.lm_head)))
}

type OfLayer = fn(&QuantLayer) -> &Origin;

/// The operators of a layer without its linear layers, and where each comes from.
const IN_LAYERS: &[(Operator, OfLayer)] = &[
    (Operator::InputNorm, |l| &l.input_norm.origin),
    (Operator::RopeQ, |l| &l.origins.rope_q),
    (Operator::RopeK, |l| &l.origins.rope_k),
    (Operator::CacheK, |l| &l.origins.cache_k),
    (Operator::CacheV, |l| &l.origins.cache_v),
    (Operator::Scores, |l| &l.origins.scores),
    (Operator::Softmax, |l| &l.origins.softmax),
    (Operator::Values, |l| &l.origins.values),
    (Operator::AttentionResidual, |l| &l.origins.attention_residual),
    (Operator::PostNorm, |l| &l.post_norm.origin),
    (Operator::Activation, |l| &l.origins.activation),
    (Operator::Product, |l| &l.origins.product),
    (Operator::MlpResidual, |l| &l.origins.mlp_residual),
];

/// One name for the same node of several layers; all their names if they do not differ in the layer's number alone.
fn together(origins: &[&Origin]) -> Vec<String> {
    let mut general: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for origin in origins.iter().filter(|o| !o.name.is_empty()) {
        for (list, name) in [(&mut general, generalised(origin)), (&mut names, origin.name.to_string())] {
            if !list.contains(&name) {
                list.push(name);
            }
        }
    }
    if general.len() == 1 { general } else { names }
}

/// The name with `*` for the number of the layer where it first stands alone, between signs or at an end.
fn generalised(origin: &Origin) -> String {
    let Some(block) = origin.block else { return origin.name.to_string() };
    let (name, number) = (&*origin.name, block.to_string());
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let alone = |&(at, _): &(usize, &str)| {
        let (before, after) = (&name[..at], &name[at + number.len()..]);
        !joins(before.chars().next_back()) && !joins(after.chars().next())
    };
    match name.match_indices(&number).find(alone) {
        Some((at, _)) => format!("{}*{}", &name[..at], &name[at + number.len()..]),
        None => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(names: &[&str]) -> Vec<String> {
        let origins: Vec<Origin> =
            (0..).zip(names).map(|(n, name)| Origin::named(*name).in_block(n)).collect();
        together(&origins.iter().collect::<Vec<_>>())
    }

    #[test]
    fn layers_share_a_name_where_only_their_number_differs() {
        assert_eq!(joined(&["/layers.0/mlp/Add", "/layers.1/mlp/Add"]), ["/layers.*/mlp/Add"]);
        assert_eq!(joined(&["/layers.0/Add_1", "/layers.1/Add_1"]), ["/layers.*/Add_1"]);
        assert_eq!(joined(&["l_0/Add_0", "l_1/Add_0"]), ["l_*/Add_0"]);
        assert_eq!(joined(&["h.0.k0", "h.1.k0"]), ["h.*.k0"]);
        assert_eq!(joined(&["MatMul_7", "MatMul_20"]), ["MatMul_7", "MatMul_20"]);
        assert_eq!(joined(&["", ""]), [""; 0]);
        assert_eq!(joined(&["same", "same"]), ["same"]);
    }
}
