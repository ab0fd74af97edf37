//! Recognises the decoder in an imported graph in normal form ([`crate::pass::normalise`]).
//!
//! The walk goes from the logits back to the embedding, layer by layer, and matches structure, not names. Only the causal
//! mask and the angles of the rotary embedding are found in too many forms to be matched; they depend on no weight, so
//! they are evaluated and compared with what they must be ([`probe`]).
//!
//! Invariant: what is recognised computes the same as [`Decoder::graph`] for the tokens and the past that the graph was
//! frozen at; anything else in the graph is a mismatch, with the node at which it was found.

macro_rules! is {
    ($pattern:pat) => {
        |op: &crate::op::Op| matches!(op, $pattern)
    };
}

mod attention;
mod matcher;
mod probe;
mod projection;

use super::{Config, Decoder, Ends, Layer, LayerOrigins, Weight};
use crate::diag::Diagnostic;
use crate::graph::{Graph, NodeId, ValueId};
use crate::op::Op;
use attention::Attended;
use matcher::Matcher;
use projection::Norm;

/// A decoder with the sizes that its model file was frozen at.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// The decoder.
    pub decoder: Decoder,
    /// Tokens that the file reads at a time.
    pub tokens: usize,
    /// Tokens that the file expects in the cache.
    pub past: usize,
}

/// Finds the decoder in a graph in normal form. The logits, or the residual stream of layers without ends, are its first
/// output.
pub fn recognise(graph: &Graph) -> Result<Recognised, Diagnostic> {
    let m = Matcher::new(graph);
    let result = graph.outputs().first().ok_or_else(|| m.mismatch(None, "a graph with outputs", "none"))?;
    let head = match m.find(result.value, is!(Op::Add(_))) {
        Some(_) => None,
        None => Some(Head::of(&m, result.value)?),
    };
    let (mut x, mut found) = (head.as_ref().map_or(result.value, |h| h.norm.x), Vec::new());
    while m.gather(x).is_none() && graph.input_name(x).is_none() {
        let layer = layer(&m, x)?;
        x = layer.x;
        found.push(layer);
    }
    found.reverse();
    let first = found.first().ok_or_else(|| m.mismatch(None, "at least one layer", "none"))?;
    let (past, eps) = (first.attended.past, first.eps);
    let (ends, tokens, hidden) = match head {
        None => {
            let (tokens, hidden) = m.stream(x)?;
            (None, tokens, hidden)
        }
        Some(Head { norm, lm_head }) => {
            let (embedding, tokens) = m.embedding(x)?;
            let hidden = m.matrix(&embedding)?[1];
            m.expect(norm.eps == eps, first.node, "norms of one epsilon")?;
            (Some(Ends { embedding, final_norm: norm.gain, lm_head }), tokens, hidden)
        }
    };
    let theta = probe::theta(graph, &m, &first.attended)?;
    for layer in &found {
        probe::check(graph, &m, &layer.attended, [tokens, past], theta)?;
        m.expect(layer.attended.past == past && layer.eps == eps, layer.node, "layers of one kind")?;
    }
    let Attended { heads, kv_heads, head_dim, .. } = first.attended;
    let vocab = ends.as_ref().map_or(Ok(0), |e| m.matrix(&e.embedding).map(|[rows, _]| rows))?;
    let intermediate = m.matrix(&first.layer.gate)?[0];
    let config =
        Config { vocab, hidden, heads, kv_heads, head_dim, intermediate, theta, eps, max_positions: None };
    let layers = (0..).zip(found).map(|(n, f)| f.into_layer(n)).collect();
    let decoder = Decoder { name: graph.name().into(), config, layers, ends };
    decoder.check()?;
    Ok(Recognised { decoder, tokens, past })
}

/// What stands behind the layers.
struct Head {
    norm: Norm,
    lm_head: Weight,
}

impl Head {
    fn of(m: &Matcher<'_>, logits: ValueId) -> Result<Head, Diagnostic> {
        let (normed, lm_head) = m.projection(logits)?;
        Ok(Head { norm: m.rms_norm(normed)?, lm_head })
    }
}

/// A layer as it was found.
struct Found {
    /// The residual stream before the layer.
    x: ValueId,
    /// The addition that ends the layer.
    node: Option<NodeId>,
    eps: f64,
    attended: Attended,
    layer: Layer,
}

/// Matches the layer that ends with the value `end`: `x + attention(norm(x))`, then the same with the MLP.
fn layer(m: &Matcher<'_>, end: ValueId) -> Result<Found, Diagnostic> {
    let (middle, mlp, mlp_residual) = m.residual(end, |m, branch| m.mlp(branch))?;
    let (x, attended, attention_residual) = m.residual(middle, attention::attention)?;
    m.expect(mlp.norm.eps == attended.norm.eps, mlp_residual.0, "norms of one epsilon")?;
    let origins = LayerOrigins {
        rope_q: attended.origins.rope_q.clone(),
        rope_k: attended.origins.rope_k.clone(),
        cache_k: attended.origins.cache_k.clone(),
        cache_v: attended.origins.cache_v.clone(),
        scores: attended.origins.scores.clone(),
        softmax: attended.origins.softmax.clone(),
        values: attended.origins.values.clone(),
        attention_residual: attention_residual.1,
        activation: mlp.activation,
        product: mlp.product,
        mlp_residual: mlp_residual.1,
    };
    let [wq, wk, wv, wo] = attended.weights.clone();
    let [gate, up, down] = mlp.weights;
    let (input_norm, post_norm) = (attended.norm.gain.clone(), mlp.norm.gain);
    let layer = Layer { input_norm, wq, wk, wv, wo, post_norm, gate, up, down, origins };
    Ok(Found { x, node: mlp_residual.0, eps: attended.norm.eps, attended, layer })
}

impl Found {
    /// The layer, with its number in all origins whatever the names of the nodes say.
    fn into_layer(self, n: u32) -> Layer {
        let mut layer = self.layer;
        let Layer { input_norm, wq, wk, wv, wo, post_norm, gate, up, down, origins } = &mut layer;
        for weight in [input_norm, wq, wk, wv, wo, post_norm, gate, up, down] {
            weight.origin.block = Some(n);
        }
        let LayerOrigins { rope_q, rope_k, cache_k, cache_v, scores, softmax, values, .. } = origins;
        for origin in [rope_q, rope_k, cache_k, cache_v, scores, softmax, values] {
            origin.block = Some(n);
        }
        let LayerOrigins { attention_residual, activation, product, mlp_residual, .. } = origins;
        for origin in [attention_residual, activation, product, mlp_residual] {
            origin.block = Some(n);
        }
        layer
    }
}

#[cfg(test)]
mod tests;
