//! Decoders: LLaMA, Mistral and Qwen with rotary embedding, RMS norms and SwiGLU; OPT with learned positions, layer norms
//! and ReLU.

use super::fields::Fields;
use super::net::Net;
use crate::decoder::{Config, Decoder, Ends, Layer, LayerOrigins};
use crate::diag::Diagnostic;
use crate::graph::{Graph, Origin, ValueId};
use crate::op::{Add, Attention, Concat, Gather, Mul, Relu, Reshape, RmsNorm, Rope, Silu, Slice};
use crate::types::{DType, Shape, Type};

/// Sizes of a decoder, and what it has beyond a LLaMA.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Causal {
    config: Config,
    layers: usize,
    /// Whether logits come from the embedding.
    tied: bool,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Rotary embedding; biases of q, k, v; norms of the heads of q and k.
    Rotary {
        biases: bool,
        head_norms: bool,
    },
    Opt,
}

/// OPT leaves two rows of its table of positions free (Zhang et al., 2022, and its code).
const OPT_OFFSET: usize = 2;

impl Causal {
    pub(super) fn rotary(fields: &Fields<'_>, kind: &str) -> Result<Causal, Diagnostic> {
        fields.one_of("hidden_act", &["silu"])?;
        let (mut theta, mut scaling) = (fields.number("rope_theta", 1e4)?, fields.object("rope_scaling")?);
        if let Some(rope) = fields.object("rope_parameters")? {
            theta = rope.number("rope_theta", theta)?;
            scaling = Some(rope);
        }
        if let Some(scaling) = scaling {
            scaling.one_of("rope_type", &["default"])?;
            scaling.one_of("type", &["default"])?;
        }
        if fields.flag("mlp_bias", false)? {
            return Err(fields.refuse("mlp_bias", "an MLP with biases"));
        }
        let (hidden, heads) = (fields.size("hidden_size", None)?, fields.size("num_attention_heads", None)?);
        let kv_heads = fields.size("num_key_value_heads", Some(heads))?;
        let head_dim = fields.size("head_dim", Some((hidden / heads).max(1)))?;
        if heads % kv_heads != 0 || head_dim % 2 != 0 {
            return Err(fields.refuse(
                "num_key_value_heads",
                "a number of heads that k and v do not divide, or of odd size,",
            ));
        }
        let biases = fields.flag("attention_bias", kind == "qwen2")?;
        if biases && kind != "qwen2" {
            return Err(fields.refuse("attention_bias", "attention with biases"));
        }
        let used = kind == "mistral" || fields.flag("use_sliding_window", false)?;
        let window = if used { fields.size("sliding_window", Some(usize::MAX))? } else { usize::MAX };
        let config = Config {
            vocab: fields.size("vocab_size", None)?,
            hidden,
            heads,
            kv_heads,
            head_dim,
            intermediate: fields.size("intermediate_size", None)?,
            theta,
            eps: fields.number("rms_norm_eps", 1e-6)?,
            // Within its window a token sees all before it, as without one; further texts are refused.
            max_positions: Some(fields.size("max_position_embeddings", Some(2048))?.min(window)),
        };
        Ok(Causal {
            config,
            layers: fields.layers()?,
            tied: fields.flag("tie_word_embeddings", false)?,
            kind: Kind::Rotary { biases, head_norms: kind == "qwen3" },
        })
    }

    pub(super) fn opt(fields: &Fields<'_>) -> Result<Causal, Diagnostic> {
        fields.one_of("activation_function", &["relu"])?;
        for (name, built) in [
            ("do_layer_norm_before", true),
            ("enable_bias", true),
            ("layer_norm_elementwise_affine", true),
            ("_remove_final_layer_norm", false),
        ] {
            if fields.flag(name, built)? != built {
                return Err(fields.refuse(name, &format!("{}", !built)));
            }
        }
        let (hidden, heads) = (fields.size("hidden_size", None)?, fields.size("num_attention_heads", None)?);
        if fields.size("word_embed_proj_dim", Some(hidden))? != hidden {
            return Err(fields.refuse("word_embed_proj_dim", "an embedding of another width"));
        }
        if hidden % heads != 0 {
            return Err(
                fields.refuse("num_attention_heads", "a number of heads that does not divide hidden_size")
            );
        }
        let config = Config {
            vocab: fields.size("vocab_size", None)?,
            hidden,
            heads,
            kv_heads: heads,
            head_dim: hidden / heads,
            intermediate: fields.size("ffn_dim", None)?,
            theta: 1.0,
            eps: 1e-5,
            max_positions: Some(fields.size("max_position_embeddings", Some(2048))?),
        };
        let tied = fields.flag("tie_word_embeddings", true)?;
        Ok(Causal { config, layers: fields.layers()?, tied, kind: Kind::Opt })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether a [`Decoder`] says it all.
    pub(super) fn is_plain(&self) -> bool {
        self.kind == Kind::Rotary { biases: false, head_norms: false }
    }

    pub(super) fn decoder(&self, mut net: Net<'_>) -> Result<Decoder, Diagnostic> {
        let c = &self.config;
        let (h, q, kv, i) = (c.hidden, c.q_width(), c.kv_width(), c.intermediate);
        let mut layers = Vec::with_capacity(self.layers);
        for n in 0..self.layers {
            net.block = Some(n as u32);
            let at = |part: &str| format!("model.layers.{n}.{part}");
            let origin = |part: &str| Origin::named(at(part)).in_block(n as u32);
            let matrix = |part: &str, shape| net.matrix(&at(part), shape);
            layers.push(Layer {
                input_norm: net.tensor(&at("input_layernorm.weight"), &[h])?,
                wq: matrix("self_attn.q_proj", [q, h])?,
                wk: matrix("self_attn.k_proj", [kv, h])?,
                wv: matrix("self_attn.v_proj", [kv, h])?,
                wo: matrix("self_attn.o_proj", [h, q])?,
                post_norm: net.tensor(&at("post_attention_layernorm.weight"), &[h])?,
                gate: matrix("mlp.gate_proj", [i, h])?,
                up: matrix("mlp.up_proj", [i, h])?,
                down: matrix("mlp.down_proj", [h, i])?,
                origins: LayerOrigins::of(&origin),
            });
        }
        net.block = None;
        let embedding = net.tensor("model.embed_tokens.weight", &[c.vocab, h])?;
        let lm_head = if self.tied { embedding.clone() } else { net.matrix("lm_head", [c.vocab, h])? };
        let ends = Some(Ends { final_norm: net.tensor("model.norm.weight", &[h])?, embedding, lm_head });
        let decoder = Decoder { name: net.name.into(), config: c.clone(), layers, ends };
        decoder.check()?;
        Ok(decoder)
    }

    pub(super) fn graph(&self, mut net: Net<'_>, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        self.config.check_reach(tokens, past)?;
        let c = &self.config;
        let opt = self.kind == Kind::Opt;
        let root = if opt { "model.decoder" } else { "model" };
        let ids = net.b.input("tokens", Type::of(DType::I64, [tokens]));
        let ty = Type::of(DType::F32, [past, c.kv_width()]);
        let caches: Vec<Option<[ValueId; 2]>> = (0..self.layers)
            .map(|n| {
                let mut input = |part| net.b.input(format!("past.{n}.{part}"), ty.clone());
                (past > 0).then(|| [input("key"), input("value")])
            })
            .collect();
        let name = format!("{root}.embed_tokens");
        let table = net.parameter(&format!("{name}.weight"), &[c.vocab, c.hidden])?;
        let mut x = net.op(&name, Gather { axis: 0 }, &[table, ids])?;
        if opt {
            let name = format!("{root}.embed_positions");
            let rows = c.max_positions.unwrap_or(0) + OPT_OFFSET;
            let positions = net.parameter(&format!("{name}.weight"), &[rows, c.hidden])?;
            let slice = Slice { axis: 0, start: past + OPT_OFFSET, length: tokens, step: 1 };
            let positions = net.op(&name, slice, &[positions])?;
            x = net.op(&name, Add {}, &[x, positions])?;
        }
        let mut presents = Vec::new();
        for (n, cache) in caches.into_iter().enumerate() {
            net.block = Some(n as u32);
            let (next, present) =
                self.layer(&mut net, x, &format!("{root}.layers.{n}"), cache, tokens, past)?;
            x = next;
            presents.push(present);
        }
        net.block = None;
        x = self.norm(&mut net, x, &format!("{root}.{}", if opt { "final_layer_norm" } else { "norm" }))?;
        let logits = match self.tied {
            true => net.op("lm_head", crate::op::Linear {}, &[x, table])?,
            false => net.linear(x, "lm_head", [c.vocab, c.hidden], false)?,
        };
        net.b.output("logits", logits);
        for (n, [k, v]) in presents.into_iter().enumerate() {
            net.b.output(format!("present.{n}.key"), k);
            net.b.output(format!("present.{n}.value"), v);
        }
        net.finish()
    }

    fn norm(&self, net: &mut Net<'_>, x: ValueId, name: &str) -> Result<ValueId, Diagnostic> {
        match self.kind {
            Kind::Opt => net.layer_norm(x, name, self.config.hidden, self.config.eps),
            Kind::Rotary { .. } => net.rms_norm(x, name, self.config.hidden, self.config.eps),
        }
    }

    fn layer(
        &self,
        net: &mut Net<'_>,
        x: ValueId,
        name: &str,
        cache: Option<[ValueId; 2]>,
        tokens: usize,
        past: usize,
    ) -> Result<(ValueId, [ValueId; 2]), Diagnostic> {
        let (c, opt) = (&self.config, self.kind == Kind::Opt);
        let (h, i) = (c.hidden, c.intermediate);
        let first = if opt { "self_attn_layer_norm" } else { "input_layernorm" };
        let normed = self.norm(net, x, &format!("{name}.{first}"))?;
        let biases = opt || matches!(self.kind, Kind::Rotary { biases: true, .. });
        let widths = [("q_proj", c.q_width()), ("k_proj", c.kv_width()), ("v_proj", c.kv_width())];
        let mut projected = [normed; 3];
        for (value, (part, width)) in projected.iter_mut().zip(widths) {
            *value = net.linear(normed, &format!("{name}.self_attn.{part}"), [width, h], biases)?;
        }
        let [mut q, mut k, mut v] = projected;
        if let Kind::Rotary { head_norms, .. } = self.kind {
            if head_norms {
                q = self.head_norm(net, q, &format!("{name}.self_attn.q_norm"), tokens)?;
                k = self.head_norm(net, k, &format!("{name}.self_attn.k_norm"), tokens)?;
            }
            let rope = Rope { head_dim: c.head_dim, theta: c.theta, start: past };
            q = net.op(&format!("{name}.self_attn.rope"), rope.clone(), &[q])?;
            k = net.op(&format!("{name}.self_attn.rope"), rope, &[k])?;
        }
        if let Some([past_k, past_v]) = cache {
            k = net.op(&format!("{name}.self_attn.cache"), Concat { axis: 0 }, &[past_k, k])?;
            v = net.op(&format!("{name}.self_attn.cache"), Concat { axis: 0 }, &[past_v, v])?;
        }
        let attention = Attention { heads: c.heads, kv_heads: c.kv_heads, scale: c.scale(), causal: true };
        let mixed = net.op(&format!("{name}.self_attn"), attention, &[q, k, v])?;
        let out = format!("{name}.self_attn.{}", if opt { "out_proj" } else { "o_proj" });
        let mixed = net.linear(mixed, &out, [h, c.q_width()], opt)?;
        let x = net.op(&format!("{name}.self_attn"), Add {}, &[x, mixed])?;
        let second = if opt { "final_layer_norm" } else { "post_attention_layernorm" };
        let normed = self.norm(net, x, &format!("{name}.{second}"))?;
        let inner = if opt {
            let inner = net.linear(normed, &format!("{name}.fc1"), [i, h], true)?;
            let active = net.op(&format!("{name}.activation"), Relu {}, &[inner])?;
            net.linear(active, &format!("{name}.fc2"), [h, i], true)?
        } else {
            let gate = net.linear(normed, &format!("{name}.mlp.gate_proj"), [i, h], false)?;
            let up = net.linear(normed, &format!("{name}.mlp.up_proj"), [i, h], false)?;
            let active = net.op(&format!("{name}.mlp"), Silu {}, &[gate])?;
            let product = net.op(&format!("{name}.mlp"), Mul {}, &[active, up])?;
            net.linear(product, &format!("{name}.mlp.down_proj"), [h, i], false)?
        };
        Ok((net.op(&format!("{name}.mlp"), Add {}, &[x, inner])?, [k, v]))
    }

    /// A norm of each head, with one gain for all.
    fn head_norm(
        &self,
        net: &mut Net<'_>,
        x: ValueId,
        name: &str,
        tokens: usize,
    ) -> Result<ValueId, Diagnostic> {
        let (dim, flat) = (self.config.head_dim, net.b.graph().ty(x).shape.clone());
        let heads = flat.fixed().and_then(|s| s.get(1).copied()).unwrap_or(0) / dim;
        let split = net.op(name, Reshape { shape: Shape::of([tokens, heads, dim]) }, &[x])?;
        let gain = net.parameter(&format!("{name}.weight"), &[dim])?;
        let normed = net.op(name, RmsNorm { eps: self.config.eps }, &[split, gain])?;
        net.op(name, Reshape { shape: flat }, &[normed])
    }
}
