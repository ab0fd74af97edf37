//! Rebuilds the graph of a decoder for a number of tokens and a length of the cache.

use super::{
    Config, Conv, Decoder, Ends, Front, Head, Layer, Norm, NormKind, Placement, Positions, Projection,
    Weight, frames,
};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::{Builder, Graph, Origin, ValueId};
use crate::num::Point;
use crate::op::{
    Add, Attention, Cast, Concat, Dequantise, Div, Erf, Exp, Gather, LayerNorm, Linear, Mul, Op, Reciprocal,
    Relu, Reshape, RmsNorm, Rope, Silu, Slice, Softplus, Tanh,
};
use crate::types::{DType, Shape, Type};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

impl Decoder {
    /// The graph that reads `tokens` tokens at the positions `past..past + tokens`, with `past` cached tokens.
    ///
    /// Inputs: `tokens` i64 `[tokens]`, then per layer `past.N.key` and `past.N.value`, f32 `[past, kv_heads * head_dim]`,
    /// which are left out when `past` is zero. Outputs: `logits` `[tokens, vocab]`, then per layer `present.N.key` (after
    /// the rotary embedding) and `present.N.value`, `[past + tokens, kv_heads * head_dim]`. Layers without ends read and
    /// give `hidden`, f32 `[tokens, hidden]`, instead of tokens and logits. Encoders have no cache; pooled logits are `[1, logits]`,
    /// and without a head they give `hidden`. Where frames come in, the first input is `frames`, f32 `[frames, channels]`, as many
    /// of them as `tokens` tokens are made of.
    pub fn graph(&self, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        self.check()?;
        self.config.check_reach(tokens, past)?;
        let mut rebuild =
            Rebuild { b: Builder::new(self.name.clone()), config: &self.config, tokens, past, x: ValueId(0) };
        let (name, ty) = match &self.ends {
            Some(Ends { front: Front::Tokens(_), .. }) => ("tokens", Type::of(DType::I64, [tokens])),
            Some(Ends { front: Front::Frames(convs), .. }) => {
                let frames = frames(tokens, convs.iter().map(|conv| &conv.windows))?;
                let channels = convs.first().map_or(0, Conv::channels);
                ("frames", Type::of(DType::F32, [frames, channels]))
            }
            None => ("hidden", Type::of(DType::F32, [tokens, self.config.hidden])),
        };
        rebuild.x = rebuild.b.input(name, ty);
        let caches: Vec<_> = (0..self.layers.len()).map(|n| rebuild.cache_inputs(n)).collect();
        if let Some(ends) = &self.ends {
            rebuild.front(&ends.front)?;
            if let Some(positions) = &ends.positions {
                rebuild.positions(positions)?;
            }
        }
        let mut presents = Vec::new();
        for (n, (layer, cache)) in self.layers.iter().zip(caches).enumerate() {
            presents.push(rebuild.layer(layer, cache, self.config.has_mlp(n, self.layers.len()))?);
        }
        match &self.ends {
            Some(ends) => rebuild.end(ends)?,
            None => rebuild.b.output("hidden", rebuild.x),
        }
        if self.config.is_encoder() {
            return rebuild.b.finish();
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
    tokens: usize,
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

    /// From the input to the residual stream.
    fn front(&mut self, front: &Front) -> Result<(), Diagnostic> {
        if let Some(embedding) = front.embedding() {
            let table = self.weight(embedding)?;
            self.x = self.op(Gather { axis: 0 }, &[table, self.x], &embedding.origin)?;
        }
        for conv in front.convs() {
            let origin = &conv.linear.weight.origin;
            let windows = self.op(conv.windows.clone(), &[self.x], origin)?;
            let product = self.linear(windows, &conv.linear)?;
            self.x = self.activation(product, origin)?;
        }
        Ok(())
    }

    /// Adds the rows of the tokens' positions.
    fn positions(&mut self, table: &Weight) -> Result<(), Diagnostic> {
        let first = match self.config.positions {
            Positions::Learned { first } => first,
            Positions::Rotary { .. } => 0,
        };
        let rows = Slice { axis: 0, start: first + self.past, length: self.tokens, step: 1 };
        let w = self.weight(table)?;
        let rows = self.op(rows, &[w], &table.origin)?;
        self.x = self.op(Add {}, &[self.x, rows], &table.origin)?;
        Ok(())
    }

    fn linear(&mut self, x: ValueId, linear: &Projection) -> Result<ValueId, Diagnostic> {
        let w = self.weight(&linear.weight)?;
        let product = self.op(Linear {}, &[x, w], &linear.weight.origin)?;
        let Some(bias) = &linear.bias else { return Ok(product) };
        let b = self.weight(bias)?;
        self.op(Add {}, &[product, b], &bias.origin)
    }

    /// The last norm, and logits if there is a head.
    fn end(&mut self, ends: &Ends) -> Result<(), Diagnostic> {
        let mut normed = self.norm(self.x, &ends.final_norm)?;
        let Some(Head { pool, lm_head }) = &ends.head else {
            self.b.output("hidden", normed);
            return Ok(());
        };
        if let Some(pool) = pool {
            let first = Slice { axis: 0, start: 0, length: 1, step: 1 };
            let first = self.op(first, &[normed], &pool.weight.origin)?;
            let pooled = self.linear(first, pool)?;
            normed = self.op(Tanh {}, &[pooled], &pool.weight.origin)?;
        }
        let logits = self.linear(normed, lm_head)?;
        self.b.output("logits", logits);
        Ok(())
    }

    /// The norm of the residual stream, which it replaces if it carries it.
    fn normed(&mut self, norm: &Norm) -> Result<ValueId, Diagnostic> {
        let normed = self.norm(self.x, norm)?;
        if self.config.placement == Placement::Stream {
            self.x = normed;
        }
        Ok(normed)
    }

    fn norm(&mut self, x: ValueId, norm: &Norm) -> Result<ValueId, Diagnostic> {
        let eps = self.config.eps;
        let mut operands = vec![x, self.weight(&norm.gain)?];
        if let Some(bias) = &norm.bias {
            operands.push(self.weight(bias)?);
        }
        match self.config.norm {
            NormKind::Rms => self.op(RmsNorm { eps }, &operands, &norm.gain.origin),
            NormKind::Layer => self.op(LayerNorm { eps }, &operands, &norm.gain.origin),
        }
    }

    fn layer(&mut self, layer: &Layer, cache: Cache, mlp: bool) -> Result<[ValueId; 2], Diagnostic> {
        let (attended, present) = self.attention(layer, cache)?;
        self.x = self.op(Add {}, &[self.x, attended], &layer.origins.attention_residual)?;
        if !mlp {
            return Ok(present);
        }
        let projected = self.mlp(layer)?;
        self.x = self.op(Add {}, &[self.x, projected], &layer.origins.mlp_residual)?;
        Ok(present)
    }

    /// RMS norms of the heads of a row, with one gain for all.
    fn head_norm(&mut self, x: ValueId, gain: &Weight) -> Result<ValueId, Diagnostic> {
        let (dim, flat) = (self.config.head_dim, self.b.graph().ty(x).shape.clone());
        let width = flat.fixed().and_then(|s| s.last().copied()).unwrap_or(0);
        let heads = Shape::of([self.tokens, width / dim.max(1), dim]);
        let split = self.op(Reshape { shape: heads }, &[x], &gain.origin)?;
        let g = self.weight(gain)?;
        let normed = self.op(RmsNorm { eps: self.config.eps }, &[split, g], &gain.origin)?;
        self.op(Reshape { shape: flat }, &[normed], &gain.origin)
    }

    fn attention(&mut self, layer: &Layer, cache: Cache) -> Result<(ValueId, [ValueId; 2]), Diagnostic> {
        let (c, origins) = (self.config, &layer.origins);
        let h = self.normed(&layer.input_norm)?;
        let mut q = self.linear(h, &layer.wq)?;
        let mut k = self.linear(h, &layer.wk)?;
        let v = self.linear(h, &layer.wv)?;
        if let Some([of_q, of_k]) = &layer.head_norms {
            (q, k) = (self.head_norm(q, of_q)?, self.head_norm(k, of_k)?);
        }
        if let Positions::Rotary { theta } = c.positions {
            let rope = Rope { head_dim: c.head_dim, theta, start: self.past };
            q = self.op(rope.clone(), &[q], &origins.rope_q)?;
            k = self.op(rope, &[k], &origins.rope_k)?;
        }
        let (k, v) = match cache {
            None => (k, v),
            Some([past_k, past_v]) => (
                self.op(Concat { axis: 0 }, &[past_k, k], &origins.cache_k)?,
                self.op(Concat { axis: 0 }, &[past_v, v], &origins.cache_v)?,
            ),
        };
        let causal = c.attention;
        let attention = Attention { heads: c.heads, kv_heads: c.kv_heads, scale: c.scale(), causal };
        let mixed = self.op(attention, &[q, k, v], &origins.values)?;
        Ok((self.linear(mixed, &layer.wo)?, [k, v]))
    }

    fn mlp(&mut self, layer: &Layer) -> Result<ValueId, Diagnostic> {
        let h = self.normed(&layer.post_norm)?;
        let gate = layer.gate.as_ref().map(|gate| self.linear(h, gate)).transpose()?;
        let up = self.linear(h, &layer.up)?;
        let active = self.activation(gate.unwrap_or(up), &layer.origins.activation)?;
        let product = match gate {
            Some(_) => self.op(Mul {}, &[active, up], &layer.origins.product)?,
            None => active,
        };
        self.linear(product, &layer.down)
    }

    fn activation(&mut self, x: ValueId, origin: &Origin) -> Result<ValueId, Diagnostic> {
        match self.config.activation.function {
            Point::Silu => self.op(Silu {}, &[x], origin),
            Point::Relu => self.op(Relu {}, &[x], origin),
            Point::Exp => self.op(Exp {}, &[x], origin),
            Point::Softplus => self.op(Softplus {}, &[x], origin),
            Point::Reciprocal => self.op(Reciprocal {}, &[x], origin),
            Point::SquaredRelu => {
                let active = self.op(Relu {}, &[x], origin)?;
                self.op(Mul {}, &[active, active], origin)
            }
            Point::Gelu => {
                let root = self.scalar(2f32.sqrt())?;
                let bent = self.op(Div {}, &[x, root], origin)?;
                let bent = self.op(Erf {}, &[bent], origin)?;
                self.half_weighted(x, bent, origin)
            }
            Point::GeluTanh => {
                let (cubic, factor) = (self.scalar(0.044_715)?, self.scalar(FRAC_2_SQRT_PI * FRAC_1_SQRT_2)?);
                let square = self.op(Mul {}, &[x, x], origin)?;
                let cube = self.op(Mul {}, &[square, x], origin)?;
                let bent = self.op(Mul {}, &[cube, cubic], origin)?;
                let bent = self.op(Add {}, &[x, bent], origin)?;
                let bent = self.op(Mul {}, &[bent, factor], origin)?;
                let bent = self.op(Tanh {}, &[bent], origin)?;
                self.half_weighted(x, bent, origin)
            }
            other => Err(Diagnostic::new("decoder-activation", format!("MLPs with {other:?} are not built"))
                .because("decoders have SiLU, GELU, ReLU, squared ReLU, exp, softplus or reciprocal")
                .help("import the model as a graph")),
        }
    }

    /// `x * (1 + bent) / 2`
    fn half_weighted(&mut self, x: ValueId, bent: ValueId, origin: &Origin) -> Result<ValueId, Diagnostic> {
        let (one, half) = (self.scalar(1.0)?, self.scalar(0.5)?);
        let weight = self.op(Add {}, &[bent, one], origin)?;
        let product = self.op(Mul {}, &[x, weight], origin)?;
        self.op(Mul {}, &[product, half], origin)
    }

    fn scalar(&mut self, value: f32) -> Result<ValueId, Diagnostic> {
        let bytes = value.to_le_bytes().to_vec();
        Ok(self.b.constant("", Constant::new(Type::of(DType::F32, []), bytes)?))
    }
}
