//! Rebuilds the graph of a decoder for a number of tokens and a length of the cache.

use super::{Config, Decoder, Layer, Weight};
use crate::diag::Diagnostic;
use crate::graph::{Builder, Graph, Origin, ValueId};
use crate::op::{Add, Attention, Cast, Concat, Dequantise, Gather, Linear, Mul, Op, RmsNorm, Rope, Silu};
use crate::types::{DType, Type};

impl Decoder {
    /// The graph that reads `tokens` tokens at the positions `past..past + tokens`, with `past` cached tokens.
    ///
    /// Inputs: `tokens` i64 `[tokens]`, then per layer `past.N.key` and `past.N.value`, f32 `[past, kv_heads * head_dim]`,
    /// which are left out when `past` is zero. Outputs: `logits` `[tokens, vocab]`, then per layer `present.N.key` (after
    /// the rotary embedding) and `present.N.value`, `[past + tokens, kv_heads * head_dim]`. Layers without ends read and
    /// give `hidden`, f32 `[tokens, hidden]`, instead of tokens and logits.
    pub fn graph(&self, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        self.check()?;
        self.config.check_reach(tokens, past)?;
        let mut rebuild =
            Rebuild { b: Builder::new(self.name.clone()), config: &self.config, past, x: ValueId(0) };
        let (name, ty) = match self.ends {
            Some(_) => ("tokens", Type::of(DType::I64, [tokens])),
            None => ("hidden", Type::of(DType::F32, [tokens, self.config.hidden])),
        };
        rebuild.x = rebuild.b.input(name, ty);
        let caches: Vec<_> = (0..self.layers.len()).map(|n| rebuild.cache_inputs(n)).collect();
        if let Some(ends) = &self.ends {
            let table = rebuild.weight(&ends.embedding)?;
            rebuild.x = rebuild.op(Gather { axis: 0 }, &[table, rebuild.x], &ends.embedding.origin)?;
        }
        let mut presents = Vec::new();
        for (layer, cache) in self.layers.iter().zip(caches) {
            presents.push(rebuild.layer(layer, cache)?);
        }
        match &self.ends {
            Some(ends) => {
                let normed = rebuild.norm(rebuild.x, &ends.final_norm)?;
                let logits = rebuild.linear(normed, &ends.lm_head)?;
                rebuild.b.output("logits", logits);
            }
            None => rebuild.b.output("hidden", rebuild.x),
        }
        for (n, [k, v]) in presents.into_iter().enumerate() {
            rebuild.b.output(format!("present.{n}.key"), k);
            rebuild.b.output(format!("present.{n}.value"), v);
        }
        rebuild.b.finish()
    }
}

impl Weight {
    /// The weight as a value of f32: codes on a grid are dequantised, other floats are cast.
    pub(crate) fn value(&self, b: &mut Builder) -> Result<ValueId, Diagnostic> {
        let floats = match self.constant.grid() {
            None => b.constant(self.name.clone(), self.constant.clone()),
            Some(grid) => {
                let mut operands = vec![b.constant(self.name.clone(), grid.codes().clone())];
                let parts = [Some((grid.scales(), "scales")), grid.zeros().map(|zeros| (zeros, "zeros"))];
                for (constant, part) in parts.into_iter().flatten() {
                    operands.push(b.constant(format!("{}.{part}", self.name), constant.clone()));
                }
                let op = Dequantise { axis: 1, block: grid.group() };
                let weights = b.node1(op, &operands, self.origin.clone())?;
                match grid.order() {
                    None => weights,
                    Some(order) => {
                        let order = b.constant(format!("{}.order", self.name), order.clone());
                        b.node1(Gather { axis: 1 }, &[weights, order], self.origin.clone())?
                    }
                }
            }
        };
        if b.graph().ty(floats).dtype == DType::F32 {
            return Ok(floats);
        }
        b.node1(Cast { to: DType::F32 }, &[floats], self.origin.clone())
    }
}

/// Keys and values of one layer.
type Cache = Option<[ValueId; 2]>;

struct Rebuild<'d> {
    b: Builder,
    config: &'d Config,
    past: usize,
    /// The residual stream as it stands.
    x: ValueId,
}

impl Rebuild<'_> {
    fn op(&mut self, op: impl Into<Op>, inputs: &[ValueId], origin: &Origin) -> Result<ValueId, Diagnostic> {
        self.b.node1(op, inputs, origin.clone())
    }

    fn cache_inputs(&mut self, n: usize) -> Cache {
        let ty = Type::of(DType::F32, [self.past, self.config.kv_width()]);
        let mut input = |part| self.b.input(format!("past.{n}.{part}"), ty.clone());
        (self.past > 0).then(|| [input("key"), input("value")])
    }

    fn weight(&mut self, weight: &Weight) -> Result<ValueId, Diagnostic> {
        weight.value(&mut self.b)
    }

    fn linear(&mut self, x: ValueId, weight: &Weight) -> Result<ValueId, Diagnostic> {
        let w = self.weight(weight)?;
        self.op(Linear {}, &[x, w], &weight.origin)
    }

    fn norm(&mut self, x: ValueId, gain: &Weight) -> Result<ValueId, Diagnostic> {
        let g = self.weight(gain)?;
        self.op(RmsNorm { eps: self.config.eps }, &[x, g], &gain.origin)
    }

    fn layer(&mut self, layer: &Layer, cache: Cache) -> Result<[ValueId; 2], Diagnostic> {
        let (attended, present) = self.attention(layer, cache)?;
        self.x = self.op(Add {}, &[self.x, attended], &layer.origins.attention_residual)?;
        let projected = self.mlp(layer)?;
        self.x = self.op(Add {}, &[self.x, projected], &layer.origins.mlp_residual)?;
        Ok(present)
    }

    fn attention(&mut self, layer: &Layer, cache: Cache) -> Result<(ValueId, [ValueId; 2]), Diagnostic> {
        let (c, origins) = (self.config, &layer.origins);
        let rope = Rope { head_dim: c.head_dim, theta: c.theta, start: self.past };
        let h = self.norm(self.x, &layer.input_norm)?;
        let q = self.linear(h, &layer.wq)?;
        let k = self.linear(h, &layer.wk)?;
        let v = self.linear(h, &layer.wv)?;
        let q = self.op(rope.clone(), &[q], &origins.rope_q)?;
        let k = self.op(rope, &[k], &origins.rope_k)?;
        let (k, v) = match cache {
            None => (k, v),
            Some([past_k, past_v]) => (
                self.op(Concat { axis: 0 }, &[past_k, k], &origins.cache_k)?,
                self.op(Concat { axis: 0 }, &[past_v, v], &origins.cache_v)?,
            ),
        };
        let attention = Attention { heads: c.heads, kv_heads: c.kv_heads, scale: c.scale(), causal: true };
        let mixed = self.op(attention, &[q, k, v], &origins.values)?;
        Ok((self.linear(mixed, &layer.wo)?, [k, v]))
    }

    fn mlp(&mut self, layer: &Layer) -> Result<ValueId, Diagnostic> {
        let h = self.norm(self.x, &layer.post_norm)?;
        let gate = self.linear(h, &layer.gate)?;
        let up = self.linear(h, &layer.up)?;
        let active = self.op(Silu {}, &[gate], &layer.origins.activation)?;
        let product = self.op(Mul {}, &[active, up], &layer.origins.product)?;
        self.linear(product, &layer.down)
    }
}
