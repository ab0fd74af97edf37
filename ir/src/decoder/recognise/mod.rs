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

use super::{Config, Decoder, Layer, LayerOrigins, Weight};
use crate::diag::Diagnostic;
use crate::graph::{Graph, NodeId, ValueId};
use crate::op::Op;
use attention::Attended;
use matcher::Matcher;

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

/// Finds the decoder in a graph in normal form. The logits are its first output.
pub fn recognise(graph: &Graph) -> Result<Recognised, Diagnostic> {
    let m = Matcher::new(graph);
    let logits = graph.outputs().first().ok_or_else(|| m.mismatch(None, "a graph with outputs", "none"))?;
    let (normed, lm_head) = m.projection(logits.value)?;
    let last = m.rms_norm(normed)?;
    let (mut x, mut found) = (last.x, Vec::new());
    while m.gather(x).is_none() {
        let layer = layer(&m, x)?;
        x = layer.x;
        found.push(layer);
    }
    found.reverse();
    let (embedding, tokens) = m.embedding(x)?;
    let first = found.first().ok_or_else(|| m.mismatch(None, "at least one layer", "none"))?;
    let past = first.attended.past;
    let theta = probe::theta(graph, &m, &first.attended)?;
    for layer in &found {
        probe::check(graph, &m, &layer.attended, tokens, past, theta)?;
        m.expect(layer.attended.past == past && layer.eps == last.eps, layer.node, "layers of one kind")?;
    }
    let config = config(&m, &embedding, first, &lm_head, theta, last.eps)?;
    let layers = (0..).zip(found).map(|(n, f)| f.into_layer(n)).collect();
    let decoder =
        Decoder { name: graph.name().into(), config, embedding, layers, final_norm: last.gain, lm_head };
    decoder.check()?;
    Ok(Recognised { decoder, tokens, past })
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

fn config(
    m: &Matcher<'_>,
    embedding: &Weight,
    first: &Found,
    lm_head: &Weight,
    theta: f64,
    eps: f64,
) -> Result<Config, Diagnostic> {
    let dims = |w: &Weight| w.constant.ty().shape.fixed().unwrap_or_default();
    let (table, gate, head) = (dims(embedding), dims(&first.layer.gate), dims(lm_head));
    let ([vocab, hidden], [intermediate, _], [_, _]) = (&table[..], &gate[..], &head[..]) else {
        return Err(m.mismatch(first.node, "weights of two axes", "another number"));
    };
    let (vocab, hidden, intermediate) = (*vocab, *hidden, *intermediate);
    let Attended { heads, kv_heads, head_dim, .. } = first.attended;
    Ok(Config { vocab, hidden, heads, kv_heads, head_dim, intermediate, theta, eps, max_positions: None })
}

#[cfg(test)]
mod tests;
