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
mod ends;
mod matcher;
mod mlp;
mod norm;
mod probe;
mod projection;
mod stem;

use super::{
    Activation, Config, Conv, Decoder, Ends, Exit, Front, Head, Layer, LayerOrigins, Norm, NormKind,
    Placement, Positions, Projection, Visibility, Weight, frames,
};
use crate::diag::Diagnostic;
use crate::graph::{Graph, NodeId, ValueId};
use crate::op::Op;
use attention::Attended;
use ends::{Back, Embedding};
use matcher::Matcher;

/// A decoder with the sizes that its model file was frozen at.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// The decoder.
    pub decoder: Decoder,
    /// Sequences that the file reads at a time.
    pub batch: usize,
    /// Tokens of a sequence that the file reads at a time.
    pub tokens: usize,
    /// Tokens that the file expects in the cache.
    pub past: usize,
}

/// Finds the decoder in a graph in normal form. The logits, or the residual stream of layers without ends, are its first
/// output.
pub fn recognise(graph: &Graph) -> Result<Recognised, Diagnostic> {
    let m = Matcher::new(graph);
    let result = graph.outputs().first().ok_or_else(|| m.mismatch(None, "a graph with outputs", "none"))?;
    let end = m.plain(result.value);
    let Back { norm: last, head } = Back::of(&m, end)?;
    let placement = placement(&m, last.as_ref());
    let Walked { x, found, embedding, exit } = walk(graph, &m, end, last.as_ref(), placement)?;
    let first = found.first().ok_or_else(|| m.mismatch(None, "at least one layer", "none"))?;
    let (past, eps, norm) = (first.attended.past, first.norm.eps, first.norm.kind);
    let learned = embedding.as_ref().and_then(|e| Some(e.positions.as_ref()?.1));
    let positions = match learned {
        Some(first) => Positions::Learned { first },
        None => Positions::Rotary { theta: probe::theta(graph, &m, &first.attended)? },
    };
    let (ends, [batch, tokens], hidden) = match (last, embedding) {
        (None, None) => {
            let (tokens, hidden) = m.stream(x)?;
            (None, [1, tokens], hidden)
        }
        (Some((last, _)), Some(Embedding { front, function, positions, batch, tokens })) => {
            let hidden = m.width(&last.norm)?;
            let same = function.is_none_or(|function| function == first.activation.function);
            m.expect(same, first.node, "the activation of the convolutions in layers, too")?;
            m.expect((last.eps, last.kind) == (eps, norm), first.node, "norms of one kind and epsilon")?;
            let positions = positions.map(|(table, _)| table);
            (Some(Ends { front, positions, final_norm: last.norm, head }), [batch, tokens], hidden)
        }
        _ => return Err(m.mismatch(None, "both tokens and logits, or neither", "one of them")),
    };
    let attention = probe::seen(graph, &m, &first.attended, [tokens, past])?;
    for layer in &found {
        probe::check(graph, &m, &layer.attended, [tokens, past], positions, attention)?;
        let same = layer.attended.past == past && layer.kinds().iter().all(|kind| *kind == (eps, norm));
        m.expect(same && layer.activation == first.activation, layer.node, "layers of one kind")?;
    }
    let Attended { heads, kv_heads, head_dim, .. } = first.attended;
    let table = ends.as_ref().and_then(|e| e.front.embedding());
    let vocab = table.map_or(Ok(0), |table| m.matrix(table).map(|[rows, _]| rows))?;
    let intermediate = m.matrix(&first.layer.up.weight)?[0];
    // A table of positions has a row for each that there may be.
    let table = ends.as_ref().and_then(|e| e.positions.as_ref());
    let rows = table.map(|table| m.matrix(table).map(|[rows, _]| rows)).transpose()?;
    let max_positions = rows.map(|rows| rows.saturating_sub(learned.unwrap_or(0)));
    let activation = first.activation;
    let config = Config {
        vocab,
        hidden,
        heads,
        kv_heads,
        head_dim,
        intermediate,
        positions,
        attention,
        placement,
        exit,
        norm,
        eps,
        activation,
        max_positions,
    };
    let layers = (0..).zip(found).map(|(n, f)| f.into_layer(n)).collect();
    let decoder = Decoder { name: graph.name().into(), config, layers, ends };
    decoder.check()?;
    Ok(Recognised { decoder, batch, tokens, past })
}

/// Where the norms of the last layer stand: before its MLP, unless it is one that starts from the norm's result.
fn placement(m: &Matcher<'_>, last: Option<&(norm::Found, ValueId)>) -> Placement {
    let behind = |(norm, _): &(norm::Found, ValueId)| {
        m.residual(norm.x, Placement::Stream, |m, branch| m.mlp(branch)).is_ok()
    };
    if last.is_some_and(behind) { Placement::Stream } else { Placement::Branch }
}

impl Matcher<'_> {
    /// Whether a residual stream stands behind an attention.
    fn ends_early(&self, x: ValueId, placement: Placement) -> bool {
        placement == Placement::Branch && self.residual(x, placement, attention::attention).is_ok()
    }

    /// The residual stream behind the MLP of a layer whose attention ends with `x`: it is there for the caches of later
    /// layers, which nothing reads for the logits.
    fn behind_mlp(&self, x: ValueId) -> Result<ValueId, Diagnostic> {
        let sums = self.graph.nodes().filter(|(_, node)| matches!(node.op, Op::Add(_)));
        let mut sums = sums.flat_map(|(_, node)| &node.outputs);
        let of_x = |&&sum: &&ValueId| {
            let mlp = self.residual(sum, Placement::Branch, |m, branch| m.mlp(branch));
            mlp.is_ok_and(|(_, norm, _)| norm.x == x)
        };
        let node = self.graph.producer(x).map(|p| p.0);
        let expected = "the MLP of a layer, though logits left the network before it";
        sums.find(of_x).copied().ok_or_else(|| self.mismatch(node, expected, "none"))
    }
}

/// The layers, and what stands before the first.
struct Walked {
    x: ValueId,
    found: Vec<Found>,
    embedding: Option<Embedding>,
    exit: Exit,
}

/// Goes from the last layer to the first. Where norms carry the stream, each layer ends with the norm that the next begins
/// with, and the norm of the embedding is the first layer's.
fn walk(
    graph: &Graph,
    m: &Matcher<'_>,
    end: ValueId,
    last: Option<&(norm::Found, ValueId)>,
    placement: Placement,
) -> Result<Walked, Diagnostic> {
    let (mut x, mut found, mut embedding) = (last.map_or(end, |(norm, _)| norm.x), Vec::<Found>::new(), None);
    let mut exit = Exit::Layers;
    while graph.input_name(x).is_none() {
        // The first layer that is met tells how many tokens are cached, which tables of positions depend on.
        let past = found.first().map_or(0, |f| f.attended.past);
        embedding = m.embedding(graph, x, past)?;
        if embedding.is_some() {
            break;
        }
        let layer = match layer(m, x, placement) {
            Err(_) if found.is_empty() && m.ends_early(x, placement) => {
                exit = Exit::Attention;
                layer(m, m.behind_mlp(x)?, placement)?
            }
            whole => whole?,
        };
        x = layer.norm.x;
        found.push(layer);
    }
    found.reverse();
    Ok(Walked { x, found, embedding, exit })
}

/// A layer as it was found.
struct Found {
    /// The norm before attention; what it starts from stands before the layer.
    norm: norm::Found,
    /// Kind and epsilon of the norm before the MLP.
    other: (f64, NormKind),
    /// The addition that ends the layer.
    node: Option<NodeId>,
    activation: Activation,
    attended: Attended,
    layer: Layer,
}

/// Matches the layer that ends with the addition `end`: attention of a norm, added to the residual stream, then the same with
/// the MLP.
fn layer(m: &Matcher<'_>, end: ValueId, placement: Placement) -> Result<Found, Diagnostic> {
    let (mlp, post_norm, mlp_residual) = m.residual(end, placement, |m, branch| m.mlp(branch))?;
    let (attended, norm, attention_residual) = m.residual(post_norm.x, placement, attention::attention)?;
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
    let [wq, wk, wv, wo] = attended.linears.clone();
    let layer = Layer {
        input_norm: norm.norm.clone(),
        wq,
        wk,
        wv,
        head_norms: None,
        wo,
        post_norm: post_norm.norm,
        gate: mlp.gate,
        up: mlp.up,
        down: mlp.down,
        origins,
    };
    let other = (post_norm.eps, post_norm.kind);
    Ok(Found { norm, other, node: mlp_residual.0, activation: mlp.function, attended, layer })
}

impl Found {
    fn kinds(&self) -> [(f64, NormKind); 2] {
        [(self.norm.eps, self.norm.kind), self.other]
    }

    /// The layer, with its number in all origins whatever the names of the nodes say.
    fn into_layer(self, n: u32) -> Layer {
        let mut layer = self.layer;
        let Layer { input_norm, wq, wk, wv, head_norms, wo, post_norm, gate, up, down, origins } = &mut layer;
        let linears = [wq, wk, wv, wo, up, down].into_iter().chain(gate);
        let linears = linears.flat_map(|linear| [Some(&mut linear.weight), linear.bias.as_mut()]);
        let norms = [input_norm, post_norm].into_iter().flat_map(|n| [Some(&mut n.gain), n.bias.as_mut()]);
        for weight in linears.chain(norms).flatten().chain(head_norms.iter_mut().flatten()) {
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
mod encoder_tests;
#[cfg(test)]
mod tests;
