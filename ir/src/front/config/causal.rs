//! Decoders: LLaMA, Mistral and Qwen with rotary embedding, RMS norms and SwiGLU; OPT with learned positions, layer norms
//! and ReLU.

use super::fields::Fields;
use super::net::Net;
use crate::decoder::{
    Activation, Config, Decoder, Ends, Exit, Front, Head, Layer, LayerOrigins, Norm, NormKind, Placement,
    Positions, Projection, Visibility,
};
use crate::diag::Diagnostic;
use crate::graph::Origin;
use crate::num::Point;

/// Sizes of a decoder, and where its tensors are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Causal {
    config: Config,
    layers: usize,
    /// Whether logits come from the embedding.
    tied: bool,
    /// Of q, k and v.
    biases: bool,
    /// Norms of the heads of q and k.
    head_norms: bool,
    names: &'static Names,
}

/// Names of the tensors of a family.
#[derive(Debug, PartialEq)]
struct Names {
    /// What stands before all names but that of the projection to logits.
    root: &'static str,
    input_norm: &'static str,
    wo: &'static str,
    post_norm: &'static str,
    gate: &'static str,
    up: &'static str,
    down: &'static str,
    final_norm: &'static str,
}

const LLAMA: Names = Names {
    root: "model",
    input_norm: "input_layernorm",
    wo: "self_attn.o_proj",
    post_norm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    final_norm: "norm",
};

const OPT: Names = Names {
    root: "model.decoder",
    input_norm: "self_attn_layer_norm",
    wo: "self_attn.out_proj",
    post_norm: "final_layer_norm",
    gate: "",
    up: "fc1",
    down: "fc2",
    final_norm: "final_layer_norm",
};

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
        let most = fields.size("max_position_embeddings", Some(2048))?;
        let config = Config {
            vocab: fields.size("vocab_size", None)?,
            hidden,
            heads,
            kv_heads,
            head_dim,
            intermediate: fields.size("intermediate_size", None)?,
            positions: Positions::Rotary { theta },
            // Up to its window a token sees all before it, as without one.
            attention: match window {
                _ if window >= most => Visibility::Causal,
                window => Visibility::Window { sink: 0, window },
            },
            placement: Placement::Branch,
            exit: Exit::Layers,
            norm: NormKind::Rms,
            eps: fields.number("rms_norm_eps", 1e-6)?,
            activation: Activation::SWIGLU,
            max_positions: Some(most),
        };
        Ok(Causal {
            config,
            layers: fields.layers()?,
            tied: fields.flag("tie_word_embeddings", false)?,
            biases,
            head_norms: kind == "qwen3",
            names: &LLAMA,
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
            positions: Positions::Learned { first: OPT_OFFSET },
            attention: Visibility::Causal,
            placement: Placement::Branch,
            exit: Exit::Layers,
            norm: NormKind::Layer,
            eps: 1e-5,
            activation: Activation { function: Point::Relu, gated: false },
            max_positions: Some(fields.size("max_position_embeddings", Some(2048))?),
        };
        let tied = fields.flag("tie_word_embeddings", true)?;
        Ok(Causal { config, layers: fields.layers()?, tied, biases: true, head_norms: false, names: &OPT })
    }

    pub(super) fn decoder(&self, mut net: Net<'_>) -> Result<Decoder, Diagnostic> {
        let (c, names) = (&self.config, self.names);
        let (h, q, kv, i) = (c.hidden, c.q_width(), c.kv_width(), c.intermediate);
        let outer = c.norm == NormKind::Layer;
        let mut layers = Vec::with_capacity(self.layers);
        for n in 0..self.layers {
            net.block = Some(n as u32);
            let at = |part: &str| format!("{}.layers.{n}.{part}", names.root);
            let origin = |part: &str| Origin::named(at(part)).in_block(n as u32);
            let linear = |part: &str, shape, bias| net.projection(&at(part), shape, bias);
            let head_norm = |part: &str| net.tensor(&at(part), &[c.head_dim]);
            let head_norms = match self.head_norms {
                true => Some([head_norm("self_attn.q_norm.weight")?, head_norm("self_attn.k_norm.weight")?]),
                false => None,
            };
            let gate = c.activation.gated.then(|| linear(names.gate, [i, h], outer)).transpose()?;
            layers.push(Layer {
                input_norm: self.norm(&net, &at(names.input_norm))?,
                wq: linear("self_attn.q_proj", [q, h], self.biases)?,
                wk: linear("self_attn.k_proj", [kv, h], self.biases)?,
                wv: linear("self_attn.v_proj", [kv, h], self.biases)?,
                head_norms,
                wo: linear(names.wo, [h, q], outer)?,
                post_norm: self.norm(&net, &at(names.post_norm))?,
                gate,
                up: linear(names.up, [i, h], outer)?,
                down: linear(names.down, [h, i], outer)?,
                origins: LayerOrigins::of(&origin),
            });
        }
        net.block = None;
        let at = |part: &str| format!("{}.{part}", names.root);
        let embedding = net.tensor(&at("embed_tokens.weight"), &[c.vocab, h])?;
        let positions = match c.positions {
            Positions::Learned { first } => {
                let rows = first + c.max_positions.unwrap_or(0);
                Some(net.tensor(&at("embed_positions.weight"), &[rows, h])?)
            }
            Positions::Rotary { .. } => None,
        };
        let head = if self.tied { embedding.clone() } else { net.matrix("lm_head", [c.vocab, h])? };
        let final_norm = self.norm(&net, &at(names.final_norm))?;
        let lm_head = Projection { weight: head, bias: None };
        let head = Some(Head { pool: None, lm_head });
        let ends = Some(Ends { front: Front::Tokens(embedding), positions, final_norm, head });
        let decoder = Decoder { name: net.name.into(), config: c.clone(), layers, ends };
        decoder.check()?;
        Ok(decoder)
    }

    fn norm(&self, net: &Net<'_>, name: &str) -> Result<Norm, Diagnostic> {
        let part = |part: &str| net.tensor(&format!("{name}.{part}"), &[self.config.hidden]);
        let bias = (self.config.norm == NormKind::Layer).then(|| part("bias")).transpose()?;
        Ok(Norm { gain: part("weight")?, bias })
    }
}
