//! Builds the graph of a quantised decoder for a number of tokens and a length of the cache.

use super::{QuantDecoder, QuantLayer, QuantLinear, QuantVector};
use crate::diag::Diagnostic;
use crate::graph::{Builder, Graph, Origin, ValueId};
use crate::op::{
    AddSaturate, CachedScores, CachedValues, Concat, FoldedSoftmax, GroupLinear, IntEmbed, IntRmsNorm,
    IntRope, IntSiluMul, Op, Quantise,
};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};

impl QuantDecoder {
    /// The graph that reads `tokens` tokens at the positions `past..past + tokens`, with `past` cached tokens.
    ///
    /// Inputs: `tokens` i64 `[tokens]`, then per layer `past.N.key.codes` i4 `[past, kv_heads * head_dim]`,
    /// `past.N.key.scales` i32 `[past, kv_heads]` (scale words) and the same of `value`, which are left out when `past` is
    /// zero. Outputs: `logits` i32 `[tokens, vocab]`, then per layer the same four, `present.` and with the new rows behind.
    pub fn graph(&self, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        if tokens == 0 {
            return Err(Diagnostic::new("decoder-tokens", "a graph of zero tokens was asked for")
                .because("a decoder reads at least one token")
                .help("ask for one or more"));
        }
        let mut build = Build::new(self, past)?;
        let ids = build.b.input("tokens", Type::of(DType::I64, [tokens]));
        let caches: Vec<_> = (0..self.layers.len()).map(|n| build.cache_inputs(n)).collect();
        let table = build.vector(&self.embedding);
        let embed = IntEmbed { shift: self.embedding.shift };
        build.x = build.op(embed, &[table, ids], &self.embedding.origin)?;
        let mut presents = Vec::new();
        for (layer, cache) in self.layers.iter().zip(caches) {
            presents.push(build.layer(layer, cache)?);
        }
        let normed = build.norm(&self.final_norm)?;
        let logits = build.linear(normed, &self.lm_head)?;
        build.b.output("logits", logits);
        for (n, present) in presents.into_iter().enumerate() {
            for (part, value) in PARTS.iter().zip(present) {
                build.b.output(format!("present.{n}.{part}"), value);
            }
        }
        build.b.finish()
    }
}

/// What the cache of a layer consists of.
const PARTS: [&str; 4] = ["key.codes", "key.scales", "value.codes", "value.scales"];

/// Codes and scales of keys, codes and scales of values.
type Cache = [ValueId; 4];

/// Codes, and their scales.
type Codes = [ValueId; 2];

struct Build<'d> {
    b: Builder,
    decoder: &'d QuantDecoder,
    past: usize,
    /// Phase steps of the rotary embedding.
    steps: ValueId,
    /// Channel scale of the weighted sum of values.
    channel: ValueId,
    /// The residual stream as it stands.
    x: ValueId,
}

impl<'d> Build<'d> {
    fn new(decoder: &'d QuantDecoder, past: usize) -> Result<Self, Diagnostic> {
        let mut b = Builder::new(decoder.name.clone());
        let steps = words(&mut b, "rope.steps", decoder.phase_steps.iter().copied())?;
        let channel = words(&mut b, "values.channel", [decoder.value_channel.word()])?;
        Ok(Build { b, decoder, past, steps, channel, x: steps })
    }

    fn op(&mut self, op: impl Into<Op>, inputs: &[ValueId], origin: &Origin) -> Result<ValueId, Diagnostic> {
        self.b.node1(op, inputs, origin.clone())
    }

    fn cache_inputs(&mut self, n: usize) -> Option<Cache> {
        let c = &self.decoder.config;
        let codes = Type::of(DType::I4, [self.past, c.kv_width()]);
        let scales = Type::of(DType::I32, [self.past, c.kv_heads]);
        let mut input = |i: usize, ty: &Type| self.b.input(format!("past.{n}.{}", PARTS[i]), ty.clone());
        (self.past > 0).then(|| [input(0, &codes), input(1, &scales), input(2, &codes), input(3, &scales)])
    }

    fn vector(&mut self, vector: &QuantVector) -> ValueId {
        self.b.constant(vector.name.clone(), vector.constant.clone())
    }

    /// Codes of `bits` bits with a scale for each of `parts` parts of a row.
    fn quantise(
        &mut self,
        x: ValueId,
        bits: u32,
        parts: usize,
        origin: &Origin,
    ) -> Result<Codes, Diagnostic> {
        let both = self.b.node(Quantise { bits, parts }, &[x], origin.clone())?;
        <Codes>::try_from(both).map_err(|_| Diagnostic::new("graph-arity", "`quantise` has two results"))
    }

    /// The norm of the residual stream, ready to enter a linear layer.
    fn norm(&mut self, gain: &QuantVector) -> Result<Codes, Diagnostic> {
        let g = self.vector(gain);
        let norm = IntRmsNorm { eps: self.decoder.eps, shift: gain.shift };
        let normed = self.op(norm, &[self.x, g], &gain.origin)?;
        self.activation(normed, &gain.origin)
    }

    fn activation(&mut self, x: ValueId, origin: &Origin) -> Result<Codes, Diagnostic> {
        self.quantise(x, self.decoder.scheme.activations, 1, origin)
    }

    fn linear(&mut self, [x, scales]: Codes, linear: &QuantLinear) -> Result<ValueId, Diagnostic> {
        let part = |b: &mut Builder, part: &str, c: &_| {
            b.constant(format!("{}.{part}", linear.name), Clone::clone(c))
        };
        let codes = part(&mut self.b, "codes", &linear.codes);
        let groups = part(&mut self.b, "groups", &linear.groups);
        let channels = part(&mut self.b, "channels", &linear.channels);
        let op = GroupLinear { group: self.decoder.scheme.weights.group, shift: 0 };
        self.op(op, &[x, scales, codes, groups, channels], &linear.origin)
    }

    fn layer(&mut self, layer: &QuantLayer, cache: Option<Cache>) -> Result<Cache, Diagnostic> {
        let h = self.norm(&layer.input_norm)?;
        let present = self.cache(h, layer, cache)?;
        let mixed = self.attention(h, layer, present)?;
        let mixed = self.activation(mixed, &layer.origins.values)?;
        let attended = self.linear(mixed, &layer.wo)?;
        self.x = self.op(AddSaturate {}, &[self.x, attended], &layer.origins.attention_residual)?;
        let projected = self.mlp(layer)?;
        self.x = self.op(AddSaturate {}, &[self.x, projected], &layer.origins.mlp_residual)?;
        Ok(present)
    }

    fn rope(&mut self, x: ValueId, origin: &Origin) -> Result<ValueId, Diagnostic> {
        let op = IntRope { head_dim: self.decoder.config.head_dim, start: self.past };
        self.op(op, &[x, self.steps], origin)
    }

    /// Keys and values of the new rows, behind the cached ones.
    fn cache(&mut self, h: Codes, layer: &QuantLayer, cache: Option<Cache>) -> Result<Cache, Diagnostic> {
        let (bits, heads) = (self.decoder.scheme.cache, self.decoder.config.kv_heads);
        let (at_k, at_v) = (&layer.origins.cache_k, &layer.origins.cache_v);
        let k = self.linear(h, &layer.wk)?;
        let k = self.rope(k, &layer.origins.rope_k)?;
        let v = self.linear(h, &layer.wv)?;
        let [k, k_scales] = self.quantise(k, bits, heads, at_k)?;
        let [v, v_scales] = self.quantise(v, bits, heads, at_v)?;
        let Some([old_k, old_ks, old_v, old_vs]) = cache else { return Ok([k, k_scales, v, v_scales]) };
        let join = Concat { axis: 0 };
        Ok([
            self.op(join.clone(), &[old_k, k], at_k)?,
            self.op(join.clone(), &[old_ks, k_scales], at_k)?,
            self.op(join.clone(), &[old_v, v], at_v)?,
            self.op(join, &[old_vs, v_scales], at_v)?,
        ])
    }

    fn attention(&mut self, h: Codes, layer: &QuantLayer, present: Cache) -> Result<ValueId, Diagnostic> {
        let (c, d, origins) = (&self.decoder.config, self.decoder, &layer.origins);
        let (heads, kv_heads) = (c.heads, c.kv_heads);
        let [k, k_scales, v, v_scales] = present;
        let q = self.linear(h, &layer.wq)?;
        let q = self.rope(q, &origins.rope_q)?;
        let [q, q_scales] = self.quantise(q, d.scheme.attention, heads, &origins.rope_q)?;
        let scores = CachedScores { heads, kv_heads, shift: d.score_shift };
        let scores = self.op(scores, &[q, q_scales, k, k_scales], &origins.scores)?;
        let weights =
            self.b.node(FoldedSoftmax { kv_heads }, &[scores, v_scales], origins.softmax.clone())?;
        let values = CachedValues { kv_heads, shift: d.value_shift };
        self.op(values, &[&weights[..], &[v, self.channel]].concat(), &origins.values)
    }

    fn mlp(&mut self, layer: &QuantLayer) -> Result<ValueId, Diagnostic> {
        let h = self.norm(&layer.post_norm)?;
        let gate = self.linear(h, &layer.gate)?;
        let up = self.linear(h, &layer.up)?;
        let product = self.op(IntSiluMul {}, &[gate, up], &layer.origins.product)?;
        let product = self.activation(product, &layer.origins.product)?;
        self.linear(product, &layer.down)
    }
}

/// A constant vector of 32-bit words.
fn words(b: &mut Builder, name: &str, words: impl IntoIterator<Item = u32>) -> Result<ValueId, Diagnostic> {
    let data: Vec<i32> = words.into_iter().map(|w| w as i32).collect();
    let tensor = Tensor::new(DType::I32, [data.len()], Data::Int(data));
    let tensor = tensor
        .ok_or_else(|| Diagnostic::new("graph-invalid", format!("the constant `{name}` has no shape")))?;
    Ok(b.constant(name, tensor.to_constant()))
}
