//! Encoders of the BERT family (Devlin et al., 2019): embeddings of token, position and type, and layers whose norms stand
//! behind the residual.

use super::fields::Fields;
use super::net::Net;
use crate::decoder::{
    Activation, Config, Decoder, Ends, Exit, Front, Layer, LayerOrigins, Norm, NormKind, Placement,
    Positions, Visibility,
};
use crate::diag::Diagnostic;
use crate::graph::{Graph, Origin, ValueId};
use crate::num::Point;
use crate::op::{Add, Attention, Gather, Slice, Tanh};
use crate::types::{DType, Type};

/// Sizes of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bert {
    vocab: usize,
    types: usize,
    positions: usize,
    hidden: usize,
    heads: usize,
    intermediate: usize,
    layers: usize,
    eps: f64,
}

impl Bert {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Bert, Diagnostic> {
        fields.one_of("hidden_act", &["gelu"])?;
        fields.one_of("position_embedding_type", &["absolute"])?;
        let bert = Bert {
            vocab: fields.size("vocab_size", None)?,
            types: fields.size("type_vocab_size", Some(2))?,
            positions: fields.size("max_position_embeddings", Some(512))?,
            hidden: fields.size("hidden_size", None)?,
            heads: fields.size("num_attention_heads", None)?,
            intermediate: fields.size("intermediate_size", None)?,
            layers: fields.layers()?,
            eps: fields.number("layer_norm_eps", 1e-12)?,
        };
        if bert.hidden % bert.heads != 0 {
            return Err(
                fields.refuse("num_attention_heads", "a number of heads that does not divide hidden_size")
            );
        }
        Ok(bert)
    }

    /// The encoder, up to its normed stream; all tokens are of the first type.
    pub(super) fn decoder(&self, net: Net<'_>) -> Result<Decoder, Diagnostic> {
        let mut net = net.prefixed("bert.", "embeddings.word_embeddings.weight");
        let (h, i) = (self.hidden, self.intermediate);
        let config = Config {
            vocab: self.vocab,
            hidden: h,
            heads: self.heads,
            kv_heads: self.heads,
            head_dim: h / self.heads,
            intermediate: i,
            positions: Positions::Learned { first: 0 },
            attention: Visibility::Full,
            placement: Placement::Stream,
            exit: Exit::Layers,
            norm: NormKind::Layer,
            eps: self.eps,
            activation: Activation { function: Point::Gelu, gated: false },
            max_positions: Some(self.positions),
        };
        let norm = |net: &Net<'_>, name: &str| {
            let part = |part: &str| net.tensor(&format!("{name}.{part}"), &[h]);
            Ok::<_, Diagnostic>(Norm { gain: part("weight")?, bias: Some(part("bias")?) })
        };
        // The norm behind a layer's MLP is the first of the next.
        let mut before = norm(&net, "embeddings.LayerNorm")?;
        let mut layers = Vec::with_capacity(self.layers);
        for n in 0..self.layers {
            net.block = Some(n as u32);
            let at = |part: &str| format!("encoder.layer.{n}.{part}");
            let linear = |part: &str, shape| net.projection(&at(part), shape, true);
            let origin = |part: &str| Origin::named(at(part)).in_block(n as u32);
            let behind = norm(&net, &at("output.LayerNorm"))?;
            layers.push(Layer {
                input_norm: std::mem::replace(&mut before, behind),
                wq: linear("attention.self.query", [h, h])?,
                wk: linear("attention.self.key", [h, h])?,
                wv: linear("attention.self.value", [h, h])?,
                head_norms: None,
                wo: linear("attention.output.dense", [h, h])?,
                post_norm: norm(&net, &at("attention.output.LayerNorm"))?,
                gate: None,
                up: linear("intermediate.dense", [i, h])?,
                down: linear("output.dense", [h, i])?,
                origins: LayerOrigins::of(&origin),
            });
        }
        net.block = None;
        let table =
            |name: &str, rows| net.tensor(&format!("embeddings.{name}_embeddings.weight"), &[rows, h]);
        let types = table("token_type", self.types)?;
        let positions = table("position", self.positions)?.with_row(&types);
        let front = Front::Tokens(table("word", self.vocab)?);
        let ends = Some(Ends { front, positions, final_norm: before, head: None });
        let decoder = Decoder { name: net.name.into(), config, layers, ends };
        decoder.check()?;
        Ok(decoder)
    }

    pub(super) fn graph(&self, net: Net<'_>, tokens: usize) -> Result<Graph, Diagnostic> {
        let mut net = net.prefixed("bert.", "embeddings.word_embeddings.weight");
        let (h, ids) = (self.hidden, Type::of(DType::I64, [tokens]));
        if tokens > self.positions {
            return Err(Diagnostic::new("config-tokens", format!("{tokens} tokens were asked for"))
                .because(format!("the model has {} positions", self.positions))
                .help("ask for fewer tokens"));
        }
        let (words, kinds) = (net.b.input("tokens", ids.clone()), net.b.input("token_types", ids));
        let mut x = embedded(&mut net, "embeddings.word_embeddings", words, [self.vocab, h])?;
        let kinds = embedded(&mut net, "embeddings.token_type_embeddings", kinds, [self.types, h])?;
        x = net.op("embeddings", Add {}, &[x, kinds])?;
        let name = "embeddings.position_embeddings";
        let table = net.parameter(&format!("{name}.weight"), &[self.positions, h])?;
        let rows = net.op(name, Slice { axis: 0, start: 0, length: tokens, step: 1 }, &[table])?;
        x = net.op("embeddings", Add {}, &[x, rows])?;
        x = net.layer_norm(x, "embeddings.LayerNorm", h, self.eps)?;
        for n in 0..self.layers {
            net.block = Some(n as u32);
            x = self.layer(&mut net, x, &format!("encoder.layer.{n}"))?;
        }
        net.block = None;
        net.b.output("hidden", x);
        let first = net.op("pooler", Slice { axis: 0, start: 0, length: 1, step: 1 }, &[x])?;
        let pooled = net.linear(first, "pooler.dense", [h, h], true)?;
        let pooled = net.op("pooler", Tanh {}, &[pooled])?;
        net.b.output("pooled", pooled);
        net.finish()
    }

    fn layer(&self, net: &mut Net<'_>, x: ValueId, name: &str) -> Result<ValueId, Diagnostic> {
        let (h, i) = (self.hidden, self.intermediate);
        let mut projected = [x; 3];
        for (value, part) in projected.iter_mut().zip(["query", "key", "value"]) {
            *value = net.linear(x, &format!("{name}.attention.self.{part}"), [h, h], true)?;
        }
        let scale = ((h / self.heads) as f64).sqrt().recip();
        let attention =
            Attention { heads: self.heads, kv_heads: self.heads, scale, causal: Visibility::Full };
        let mixed = net.op(&format!("{name}.attention.self"), attention, &projected)?;
        let mixed = net.linear(mixed, &format!("{name}.attention.output.dense"), [h, h], true)?;
        let sum = net.op(&format!("{name}.attention.output"), Add {}, &[mixed, x])?;
        let x = net.layer_norm(sum, &format!("{name}.attention.output.LayerNorm"), h, self.eps)?;
        let inner = net.linear(x, &format!("{name}.intermediate.dense"), [i, h], true)?;
        let inner = net.gelu(inner, &format!("{name}.intermediate"))?;
        let outer = net.linear(inner, &format!("{name}.output.dense"), [h, i], true)?;
        let sum = net.op(&format!("{name}.output"), Add {}, &[outer, x])?;
        net.layer_norm(sum, &format!("{name}.output.LayerNorm"), h, self.eps)
    }
}

fn embedded(net: &mut Net<'_>, name: &str, ids: ValueId, shape: [usize; 2]) -> Result<ValueId, Diagnostic> {
    let table = net.parameter(&format!("{name}.weight"), &shape)?;
    net.op(name, Gather { axis: 0 }, &[table, ids])
}
