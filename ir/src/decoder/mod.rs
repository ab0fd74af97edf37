//! The decoder: a transformer of the LLaMA family as its configuration and its weights.
//!
//! A model file freezes the number of tokens and the length of the cache. The decoder has neither: [`Decoder::graph`]
//! rebuilds the network for any of both, and the quantisers take it as their input.
//!
//! Invariants ([`Decoder::check`]):
//! - weights of linear layers are `[outputs, inputs]`, row-major: floats of any width, or codes on a grid;
//! - shapes agree with the configuration; elements may be absent.

mod build;
mod recognise;

pub use recognise::{Recognised, recognise};

use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::Origin;
use crate::types::Shape;
use std::sync::Arc;

/// Sizes and constants of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Number of token ids; zero for layers without ends.
    pub vocab: usize,
    /// Elements of the residual stream.
    pub hidden: usize,
    /// Heads of q.
    pub heads: usize,
    /// Heads of k and v.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Elements between the two halves of the MLP.
    pub intermediate: usize,
    /// Base of the frequencies of the rotary embedding.
    pub theta: f64,
    /// Added to the mean square in the norms.
    pub eps: f64,
    /// Most positions the model was made for, if the model file says so, at most its window of attention. An ONNX graph does not.
    pub max_positions: Option<usize>,
}

impl Config {
    /// Refuses no tokens, and more of them than the model was made for.
    ///
    /// # Errors
    /// The numbers, and the most that there may be.
    pub fn check_reach(&self, tokens: usize, past: usize) -> Result<(), Diagnostic> {
        let asked = || {
            Diagnostic::new(
                "decoder-tokens",
                format!("{tokens} tokens behind {past} cached ones were asked for"),
            )
        };
        if tokens == 0 {
            return Err(asked().because("a decoder reads at least one token").help("ask for one or more"));
        }
        match self.max_positions.filter(|&most| tokens.saturating_add(past) > most) {
            None => Ok(()),
            Some(most) => Err(asked()
                .because(format!(
                    "the model was made for {most} positions, or a token sees no more than {most}: behind them this decoder would \
                     compute something else"
                ))
                .help("ask for fewer tokens, or shorter texts")),
        }
    }

    /// Elements of q, and of the input of the output projection: all heads.
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Elements of k and of v: all their heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Factor of the scores: 1 / sqrt(head_dim).
    pub fn scale(&self) -> f64 {
        (self.head_dim as f64).sqrt().recip()
    }
}

/// A weight with its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// The elements; `[outputs, inputs]` for linear layers, `[hidden]` for gains of norms.
    pub constant: Constant,
    /// Name of the tensor in the model.
    pub name: Arc<str>,
    /// The node of the model that used it, and its layer.
    pub origin: Origin,
}

/// One layer: attention and MLP, each behind a norm and added to the residual stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Gain of the norm before attention, `[hidden]`.
    pub input_norm: Weight,
    /// Query projection, `[heads * head_dim, hidden]`.
    pub wq: Weight,
    /// Key projection, `[kv_heads * head_dim, hidden]`.
    pub wk: Weight,
    /// Value projection, `[kv_heads * head_dim, hidden]`.
    pub wv: Weight,
    /// Output projection, `[hidden, heads * head_dim]`.
    pub wo: Weight,
    /// Gain of the norm before the MLP, `[hidden]`.
    pub post_norm: Weight,
    /// Gate projection of the MLP, through SiLU, `[intermediate, hidden]`.
    pub gate: Weight,
    /// Up projection of the MLP, `[intermediate, hidden]`.
    pub up: Weight,
    /// Down projection of the MLP, `[hidden, intermediate]`.
    pub down: Weight,
    /// Where the operators without weights come from.
    pub origins: LayerOrigins,
}

/// Model nodes of the operators of a layer that have no weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerOrigins {
    /// Rotary embedding of q.
    pub rope_q: Origin,
    /// Rotary embedding of k.
    pub rope_k: Origin,
    /// Joining cached and new keys.
    pub cache_k: Origin,
    /// Joining cached and new values.
    pub cache_v: Origin,
    /// Products of q and keys.
    pub scores: Origin,
    /// Softmax of the scores.
    pub softmax: Origin,
    /// Sum of values, weighted by the softmax.
    pub values: Origin,
    /// Addition of attention to the residual stream.
    pub attention_residual: Origin,
    /// SiLU of the gate.
    pub activation: Origin,
    /// Product of gate and up.
    pub product: Origin,
    /// Addition of the MLP to the residual stream.
    pub mlp_residual: Origin,
}

impl LayerOrigins {
    /// Origins by the parts of a layer that a configuration names.
    pub fn of(origin: &impl Fn(&str) -> Origin) -> LayerOrigins {
        LayerOrigins {
            rope_q: origin("self_attn.rope_q"),
            rope_k: origin("self_attn.rope_k"),
            cache_k: origin("self_attn.cache_k"),
            cache_v: origin("self_attn.cache_v"),
            scores: origin("self_attn.scores"),
            softmax: origin("self_attn.softmax"),
            values: origin("self_attn.values"),
            attention_residual: origin("self_attn.residual"),
            activation: origin("mlp.act_fn"),
            product: origin("mlp.product"),
            mlp_residual: origin("mlp.residual"),
        }
    }
}

/// A decoder. See the module head.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoder {
    /// Name of the model.
    pub name: Arc<str>,
    /// Sizes and constants.
    pub config: Config,
    /// Layers in order.
    pub layers: Vec<Layer>,
    /// What stands before and behind the layers. Without it, the residual stream comes in and goes out.
    pub ends: Option<Ends>,
}

/// From tokens to the residual stream, and from there to logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Ends {
    /// Token embedding, `[vocab, hidden]`.
    pub embedding: Weight,
    /// Gain of the last norm, `[hidden]`.
    pub final_norm: Weight,
    /// Projection to logits, `[vocab, hidden]`.
    pub lm_head: Weight,
}

impl Ends {
    /// All weights with the shape that the configuration asks for.
    pub fn weights(&self, config: &Config) -> [(&'static str, &Weight, Vec<usize>); 3] {
        let (vocab, hidden) = (config.vocab, config.hidden);
        [
            ("embedding", &self.embedding, vec![vocab, hidden]),
            ("final_norm", &self.final_norm, vec![hidden]),
            ("lm_head", &self.lm_head, vec![vocab, hidden]),
        ]
    }
}

impl Layer {
    /// All weights with the shape that the configuration asks for.
    pub fn weights(&self, config: &Config) -> [(&'static str, &Weight, Vec<usize>); 9] {
        let (h, q, kv, i) = (config.hidden, config.q_width(), config.kv_width(), config.intermediate);
        [
            ("input_norm", &self.input_norm, vec![h]),
            ("wq", &self.wq, vec![q, h]),
            ("wk", &self.wk, vec![kv, h]),
            ("wv", &self.wv, vec![kv, h]),
            ("wo", &self.wo, vec![h, q]),
            ("post_norm", &self.post_norm, vec![h]),
            ("gate", &self.gate, vec![i, h]),
            ("up", &self.up, vec![i, h]),
            ("down", &self.down, vec![h, i]),
        ]
    }
}

impl Decoder {
    /// Checks the invariants of the module head.
    pub fn check(&self) -> Result<(), Diagnostic> {
        let c = &self.config;
        let outer = self.ends.iter().flat_map(|ends| ends.weights(c));
        let inner = self.layers.iter().flat_map(|layer| layer.weights(c));
        for (role, weight, shape) in outer.chain(inner) {
            let (found, expected) = (weight.constant.ty(), Shape::of(shape));
            if found.shape != expected || !found.dtype.is_float() {
                return Err(Diagnostic::new(
                    "decoder-weight",
                    format!("the weight {role} does not fit the decoder"),
                )
                .because(format!("it is {found}, and the configuration asks for floats {expected}"))
                .help("all layers of a decoder have the same sizes")
                .at_node(&*weight.origin.name));
            }
        }
        Ok(())
    }
}
