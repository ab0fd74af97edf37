//! Builds the graph of a quantised decoder for a number of tokens and a length of the cache.

use super::{
    QuantConv, QuantDecoder, QuantEnds, QuantFront, QuantHead, QuantLayer, QuantLinear, QuantVector,
};
use crate::constant::Constant;
use crate::decoder::{NormKind, Placement, Positions, frames};
use crate::diag::Diagnostic;
use crate::graph::{Builder, Graph, Origin, ValueId};
use crate::num::Point;
use crate::op::{
    AddSaturate, CachedScores, CachedValues, Code, Concat, FoldedSoftmax, Gather, GroupLinear, IntEmbed,
    IntLayerNorm, IntPoint, IntRmsNorm, IntRope, Op, Quantise, Slice,
};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};

impl QuantDecoder {
    /// The graph that reads `tokens` tokens at the positions `past..past + tokens`, with `past` cached tokens.
    ///
    /// Inputs: `tokens` i64 `[tokens]` (without ends `hidden`, i32 `[tokens, hidden]`, the residual stream), then per layer `past.N.key.codes` `[past, kv_heads * head_dim]`, `past.N.key.scales`
    /// i32 `[past, kv_heads]` (scale words), `past.N.key.zeros` shaped as the scales if the cache is not symmetric, and the same
    /// of `value`, which are left out when `past` is zero. Outputs: `logits` i32 `[tokens, vocab]` (without ends `hidden`), then per layer the same,
    /// `present.` and with the new rows behind. Encoders have no cache; pooled logits are `[1, logits]`, and without a head they
    /// give `hidden`. Where frames come in, the first input is `frames`, i32 `[frames, channels]` in fixed point, as many of them as
    /// `tokens` tokens are made of.
    pub fn graph(&self, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        self.config.check_reach(tokens, past)?;
        let mut build = Build::new(self, past)?;
        let (name, ty) = match &self.ends {
            Some(QuantEnds { front: QuantFront::Tokens(_), .. }) => {
                ("tokens", Type::of(DType::I64, [tokens]))
            }
            Some(QuantEnds { front: QuantFront::Frames(convs), .. }) => {
                let frames = frames(tokens, convs.iter().map(|conv| &conv.windows))?;
                let channels = convs.first().map_or(0, |conv| conv.channels);
                ("frames", Type::of(DType::I32, [frames, channels]))
            }
            None => ("hidden", Type::of(DType::I32, [tokens, self.config.hidden])),
        };
        build.x = build.b.input(name, ty);
        let caches = (0..self.layers.len()).map(|n| build.cache_inputs(n)).collect::<Result<Vec<_>, _>>()?;
        if let Some(QuantEnds { front, positions, .. }) = &self.ends {
            build.front(front)?;
            if let Some(positions) = positions {
                build.positions(positions, tokens)?;
            }
        }
        let mut presents = Vec::new();
        for (n, (layer, cache)) in self.layers.iter().zip(caches).enumerate() {
            presents.push(build.layer(layer, cache, self.config.has_mlp(n, self.layers.len()))?);
        }
        match &self.ends {
            Some(ends) => build.end(ends)?,
            None => build.b.output("hidden", build.x),
        }
        if self.config.is_encoder() {
            return build.b.finish();
        }
        for (n, present) in presents.into_iter().enumerate() {
            for (name, codes) in [("key", present.key), ("value", present.value)] {
                for (part, value) in PARTS.iter().zip(codes.all()) {
                    build.b.output(format!("present.{n}.{name}.{part}"), value);
                }
            }
        }
        build.b.finish()
    }
}

/// What codes consist of.
const PARTS: [&str; 3] = ["codes", "scales", "zeros"];

/// Codes, their scales, and their zero points if they are not symmetric.
#[derive(Clone, Copy)]
struct Codes {
    codes: ValueId,
    scales: ValueId,
    zeros: Option<ValueId>,
}

impl Codes {
    /// From the results of `quantise`, or inputs in that order.
    fn from(values: &[ValueId]) -> Result<Codes, Diagnostic> {
        match *values {
            [codes, scales] => Ok(Codes { codes, scales, zeros: None }),
            [codes, scales, zeros] => Ok(Codes { codes, scales, zeros: Some(zeros) }),
            _ => Err(Diagnostic::internal("`quantise` was built with other than two or three results")),
        }
    }

    fn all(self) -> impl Iterator<Item = ValueId> {
        [self.codes, self.scales].into_iter().chain(self.zeros)
    }
}

/// The cache of a layer.
#[derive(Clone, Copy)]
struct Cache {
    key: Codes,
    value: Codes,
}

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
    /// Activations that have entered linear layers so far.
    inputs: usize,
}

impl<'d> Build<'d> {
    fn new(decoder: &'d QuantDecoder, past: usize) -> Result<Self, Diagnostic> {
        let mut b = Builder::new(decoder.name.clone());
        let steps = words(&mut b, "rope.steps", decoder.phase_steps.iter().copied())?;
        let channel = words(&mut b, "values.channel", [decoder.value_channel.word()])?;
        Ok(Build { b, decoder, past, steps, channel, x: channel, inputs: 0 })
    }

    fn op(&mut self, op: impl Into<Op>, inputs: &[ValueId], origin: &Origin) -> Result<ValueId, Diagnostic> {
        self.b.node1(op, inputs, origin.clone())
    }

    fn cache_inputs(&mut self, n: usize) -> Result<Option<Cache>, Diagnostic> {
        if self.past == 0 {
            return Ok(None);
        }
        let (c, code) = (&self.decoder.config, self.decoder.scheme.cache_code());
        let codes = Type::of(code.dtype(), [self.past, c.kv_width()]);
        let per_head = |dtype| Type::of(dtype, [self.past, c.kv_heads]);
        let zeros = (!code.symmetric).then(|| per_head(code.dtype()));
        let types: Vec<Type> = [codes, per_head(DType::I32)].into_iter().chain(zeros).collect();
        let mut part = |name: &str| {
            let inputs = PARTS.iter().zip(&types);
            let inputs = inputs.map(|(part, ty)| self.b.input(format!("past.{n}.{name}.{part}"), ty.clone()));
            Codes::from(&inputs.collect::<Vec<_>>())
        };
        Ok(Some(Cache { key: part("key")?, value: part("value")? }))
    }

    fn vector(&mut self, vector: &QuantVector) -> ValueId {
        self.b.constant(vector.name.clone(), vector.constant.clone())
    }

    /// Codes with a scale for each of `parts` parts of a row.
    fn quantise(
        &mut self,
        x: ValueId,
        code: Code,
        parts: usize,
        origin: &Origin,
    ) -> Result<Codes, Diagnostic> {
        let op = Quantise { bits: code.bits, parts, symmetric: code.symmetric };
        Codes::from(&self.b.node(op, &[x], origin.clone())?)
    }

    /// The last norm, and logits if there is a head.
    fn end(&mut self, ends: &QuantEnds) -> Result<(), Diagnostic> {
        let normed = self.norm_words(&ends.final_norm)?;
        let Some(QuantHead { pool, lm_head }) = &ends.head else {
            self.b.output("hidden", normed);
            return Ok(());
        };
        let mut x = self.activation(normed, &ends.final_norm.origin)?;
        if let Some(pool) = pool {
            let first = Slice { axis: 0, start: 0, length: 1, step: 1 };
            let rows = x.all().map(|part| self.op(first.clone(), &[part], &pool.origin));
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            let pooled = self.biased(Codes::from(&rows)?, pool)?;
            let pooled = self.op(IntPoint { function: Point::Tanh }, &[pooled], &pool.origin)?;
            x = self.activation(pooled, &pool.origin)?;
        }
        let logits = self.biased(x, lm_head)?;
        self.b.output("logits", logits);
        Ok(())
    }

    /// The norm of the residual stream, ready to enter a linear layer; it replaces the stream if it carries it.
    fn norm(&mut self, gain: &QuantVector) -> Result<Codes, Diagnostic> {
        let normed = self.norm_words(gain)?;
        if self.decoder.config.placement == Placement::Stream {
            self.x = normed;
        }
        self.activation(normed, &gain.origin)
    }

    fn norm_words(&mut self, gain: &QuantVector) -> Result<ValueId, Diagnostic> {
        let g = self.vector(gain);
        let (eps, shift) = (self.decoder.eps, gain.shift);
        let norm: Op = match self.decoder.config.norm {
            NormKind::Rms => IntRmsNorm { eps, shift }.into(),
            NormKind::Layer => IntLayerNorm { eps, shift }.into(),
        };
        self.op(norm, &[self.x, g], &gain.origin)
    }

    /// What enters a linear layer: per token, or under a scale that was fixed beforehand.
    fn activation(&mut self, x: ValueId, origin: &Origin) -> Result<Codes, Diagnostic> {
        let (n, code) = (self.inputs, self.decoder.scheme.activation_code());
        self.inputs += 1;
        let Some(fixed) = self.decoder.inputs.get(n) else { return self.quantise(x, code, 1, origin) };
        let mut operands = vec![x, words(&mut self.b, &format!("input.{n}.scale"), [fixed.scale.word()])?];
        if !code.symmetric {
            let zero = Tensor::new(code.dtype(), [1], Data::Int(vec![fixed.zero.into()]));
            let zero = zero.ok_or_else(|| Diagnostic::internal("a zero point is not one number"))?;
            operands.push(self.b.constant(format!("input.{n}.zero"), zero.to_constant()));
        }
        let op = Quantise { bits: code.bits, parts: 1, symmetric: code.symmetric };
        Codes::from(&self.b.node(op, &operands, origin.clone())?)
    }

    /// From the input to the residual stream.
    fn front(&mut self, front: &QuantFront) -> Result<(), Diagnostic> {
        if let Some(embedding) = front.embedding() {
            let table = self.vector(embedding);
            let embed = IntEmbed { shift: embedding.shift };
            self.x = self.op(embed, &[table, self.x], &embedding.origin)?;
        }
        let function = self.decoder.config.activation.function;
        for QuantConv { linear, windows, .. } in front.convs() {
            let windows = self.op(windows.clone(), &[self.x], &linear.origin)?;
            let windows = self.activation(windows, &linear.origin)?;
            let product = self.biased(windows, linear)?;
            self.x = self.op(IntPoint { function }, &[product], &linear.origin)?;
        }
        Ok(())
    }

    /// Adds the rows of learned positions.
    fn positions(&mut self, table: &QuantVector, tokens: usize) -> Result<(), Diagnostic> {
        let first = match self.decoder.config.positions {
            Positions::Learned { first } => first + self.past,
            Positions::Rotary { .. } => self.past,
        };
        let rows = Tensor::i64([tokens], (first..first + tokens).map(|row| row as i64).collect());
        let rows = rows.ok_or_else(|| Diagnostic::internal("the positions make no tensor"))?;
        let (values, rows) = (self.vector(table), self.b.constant("positions", rows.to_constant()));
        let values = self.op(IntEmbed { shift: table.shift }, &[values, rows], &table.origin)?;
        self.x = self.op(AddSaturate {}, &[self.x, values], &table.origin)?;
        Ok(())
    }

    /// A linear layer with its bias.
    fn biased(&mut self, x: Codes, linear: &QuantLinear) -> Result<ValueId, Diagnostic> {
        let product = self.linear(x, linear)?;
        self.bias(product, linear)
    }

    fn bias(&mut self, x: ValueId, linear: &QuantLinear) -> Result<ValueId, Diagnostic> {
        let Some(bias) = &linear.bias else { return Ok(x) };
        let b = self.vector(bias);
        self.op(AddSaturate {}, &[x, b], &bias.origin)
    }

    /// Adds a linear layer to the residual stream, then its bias.
    fn add(&mut self, x: Codes, linear: &QuantLinear, origin: &Origin) -> Result<(), Diagnostic> {
        let product = self.linear(x, linear)?;
        let sum = self.op(AddSaturate {}, &[self.x, product], origin)?;
        self.x = self.bias(sum, linear)?;
        Ok(())
    }

    fn linear(&mut self, x: Codes, linear: &QuantLinear) -> Result<ValueId, Diagnostic> {
        let mut part =
            |part: &str, c: &Constant| self.b.constant(format!("{}.{part}", linear.name), c.clone());
        let weights = [
            part("codes", &linear.codes),
            part("groups", &linear.groups),
            part("channels", &linear.channels),
        ];
        let zeros = linear.zeros.as_ref().map(|c| part("zeros", c));
        let positions = linear.positions.as_ref().map(|c| part("positions", c));
        let order = linear.order.as_ref().map(|c| part("order", c));
        let codes = match order {
            Some(order) => self.op(Gather { axis: 1 }, &[x.codes, order], &linear.origin)?,
            None => x.codes,
        };
        let operands = [codes, x.scales].into_iter().chain(weights);
        let operands: Vec<ValueId> = operands.chain(x.zeros).chain(zeros).chain(positions).collect();
        let (group, levels) = (linear.group, linear.levels.clone());
        let op = GroupLinear { group, shift: 0, levels, sparse: linear.positions.is_some() };
        self.op(op, &operands, &linear.origin)
    }

    fn layer(&mut self, layer: &QuantLayer, cache: Option<Cache>, mlp: bool) -> Result<Cache, Diagnostic> {
        let h = self.norm(&layer.input_norm)?;
        let present = self.cache(h, layer, cache)?;
        let mixed = self.attention(h, layer, present)?;
        let mixed = self.activation(mixed, &layer.origins.values)?;
        self.add(mixed, &layer.wo, &layer.origins.attention_residual)?;
        if !mlp {
            return Ok(present);
        }
        let product = self.mlp(layer)?;
        self.add(product, &layer.down, &layer.origins.mlp_residual)?;
        Ok(present)
    }

    /// The rotary embedding, if there is one.
    fn rope(&mut self, x: ValueId, origin: &Origin) -> Result<ValueId, Diagnostic> {
        let Positions::Rotary { .. } = self.decoder.config.positions else { return Ok(x) };
        let op = IntRope { head_dim: self.decoder.config.head_dim, start: self.past };
        self.op(op, &[x, self.steps], origin)
    }

    /// Keys and values of the new rows, behind the cached ones.
    fn cache(&mut self, h: Codes, layer: &QuantLayer, cache: Option<Cache>) -> Result<Cache, Diagnostic> {
        let (code, heads) = (self.decoder.scheme.cache_code(), self.decoder.config.kv_heads);
        let (at_k, at_v) = (&layer.origins.cache_k, &layer.origins.cache_v);
        let k = self.biased(h, &layer.wk)?;
        let k = self.rope(k, &layer.origins.rope_k)?;
        let v = self.biased(h, &layer.wv)?;
        let key = self.quantise(k, code, heads, at_k)?;
        let value = self.quantise(v, code, heads, at_v)?;
        let Some(old) = cache else { return Ok(Cache { key, value }) };
        Ok(Cache { key: self.join(old.key, key, at_k)?, value: self.join(old.value, value, at_v)? })
    }

    fn join(&mut self, old: Codes, new: Codes, origin: &Origin) -> Result<Codes, Diagnostic> {
        let pairs = old.all().zip(new.all());
        let joined = pairs.map(|(old, new)| self.op(Concat { axis: 0 }, &[old, new], origin));
        Codes::from(&joined.collect::<Result<Vec<_>, _>>()?)
    }

    fn attention(&mut self, h: Codes, layer: &QuantLayer, present: Cache) -> Result<ValueId, Diagnostic> {
        let (c, d, origins) = (&self.decoder.config, self.decoder, &layer.origins);
        let (heads, kv_heads) = (c.heads, c.kv_heads);
        let Cache { key, value } = present;
        let q = self.biased(h, &layer.wq)?;
        let q = self.rope(q, &origins.rope_q)?;
        let code = d.scheme.attention_code();
        let q = self.quantise(q, code, heads, &origins.rope_q)?;
        let causal = c.attention;
        let scores = CachedScores { heads, kv_heads, shift: d.score_shift, causal };
        let operands: Vec<ValueId> = q.all().chain(key.all()).collect();
        let scores = self.op(scores, &operands, &origins.scores)?;
        let softmax = FoldedSoftmax { kv_heads, bits: code.bits, causal };
        let weights = self.b.node(softmax, &[scores, value.scales], origins.softmax.clone())?;
        let values = CachedValues { kv_heads, shift: d.value_shift };
        let operands = weights.into_iter().chain([value.codes, self.channel]).chain(value.zeros);
        self.op(values, &operands.collect::<Vec<_>>(), &origins.values)
    }

    /// What enters the down projection.
    fn mlp(&mut self, layer: &QuantLayer) -> Result<Codes, Diagnostic> {
        let h = self.norm(&layer.post_norm)?;
        let gate = layer.gate.as_ref().map(|gate| self.biased(h, gate)).transpose()?;
        let up = self.biased(h, &layer.up)?;
        let op = IntPoint { function: self.decoder.config.activation.function };
        let operands: Vec<ValueId> = gate.into_iter().chain([up]).collect();
        let product = self.op(op, &operands, &layer.origins.product)?;
        self.activation(product, &layer.origins.product)
    }
}

/// A constant vector of 32-bit words.
fn words(b: &mut Builder, name: &str, words: impl IntoIterator<Item = u32>) -> Result<ValueId, Diagnostic> {
    let data: Vec<i32> = words.into_iter().map(|w| w as i32).collect();
    let tensor = Tensor::new(DType::I32, [data.len()], Data::Int(data));
    let tensor = tensor.ok_or_else(|| Diagnostic::internal(format!("the constant `{name}` has no shape")))?;
    Ok(b.constant(name, tensor.to_constant()))
}
