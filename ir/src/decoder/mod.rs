//! The decoder: a transformer as its configuration and its weights. Encoders are decoders whose tokens see all of their
//! sequence.
//!
//! What tells families apart is data ([`Config`], and which biases and norms there are): rotary or learned positions, RMS or
//! layer norms, before or behind attention and MLP, gated or plain MLPs, causal or full attention.
//!
//! A layer is `h = input_norm(x); x += attention(h); h = post_norm(x); x += mlp(h)`, where the result of a norm either goes to
//! its branch alone or replaces `x`, too ([`Placement`]). So a layer with norms behind its additions has the norm behind its
//! attention as `post_norm`, and the one behind its MLP is the `input_norm` of the next layer, or the last norm.
//!
//! A model file freezes the number of tokens and the length of the cache. The decoder has neither: [`Decoder::graph`]
//! rebuilds the network for any of both, and the quantisers take it as their input.
//!
//! Invariants ([`Decoder::check`]):
//! - weights of linear layers are `[outputs, inputs]`, row-major: floats of any width, or codes on a grid;
//! - shapes agree with the configuration; elements may be absent;
//! - all layers have the same tensors.

mod build;
mod front;
mod recognise;

pub(crate) use front::frames;
pub use front::{Conv, Front};
pub use recognise::{Recognised, recognise};

use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::Origin;
use crate::num::Point;
pub use crate::op::Visibility;
use crate::types::Shape;
use std::sync::Arc;

/// Sizes and constants of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Number of token ids; zero for layers without ends, and where frames come in.
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
    /// How a token knows where it stands.
    pub positions: Positions,
    /// Which tokens a token sees.
    pub attention: Visibility,
    /// Where norms stand.
    pub placement: Placement,
    /// Where the last norm stands.
    pub exit: Exit,
    /// What the norms are.
    pub norm: NormKind,
    /// Added to the mean square, or to the variance, in the norms.
    pub eps: f64,
    /// What stands between the two halves of the MLP.
    pub activation: Activation,
    /// Most positions the model was made for, if the model file says so. An ONNX graph does not.
    pub max_positions: Option<usize>,
}

/// How a token knows where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// Rotary embedding of queries and keys, in halves.
    Rotary {
        /// Base of the frequencies.
        theta: f64,
    },
    /// A row of a table is added to the embedding of the token.
    Learned {
        /// Row of the table for position 0.
        first: usize,
    },
}

/// Where the norms of a layer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Before attention and MLP: their results do not enter the residual stream.
    Branch,
    /// Behind the additions: their results are the residual stream.
    Stream,
}

/// Where the last norm of a decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Behind the last layer.
    Layers,
    /// Behind the attention of the last layer, whose MLP is left out: logits left the network early.
    Attention,
}

/// What the norms of a decoder are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `x / sqrt(mean(x^2) + eps) * gain`
    Rms,
    /// `(x - mean(x)) / sqrt(variance(x) + eps) * gain + bias`
    Layer,
}

/// The function of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// Of the gate, or of the only first half.
    pub function: Point,
    /// Whether a gate is multiplied with a second first half, `up`; otherwise there is `up` alone.
    pub gated: bool,
}

impl Activation {
    /// SiLU of a gate, as in SwiGLU.
    pub const SWIGLU: Activation = Activation { function: Point::Silu, gated: true };
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
        if past > 0 && self.is_encoder() {
            let why =
                "tokens of an encoder see those behind them, so that none can be computed before the others";
            return Err(asked().because(why).help("give the whole sequence"));
        }
        match self.max_positions.filter(|&most| tokens.saturating_add(past) > most) {
            None => Ok(()),
            Some(most) => Err(asked()
                .because(format!(
                    "the model was made for {most} positions: behind them this decoder would compute something else"
                ))
                .help("ask for fewer tokens, or shorter texts")),
        }
    }

    /// Whether tokens see all of their sequence.
    pub fn is_encoder(&self) -> bool {
        self.attention == Visibility::Full
    }

    /// Whether layer `n` of so many has an MLP.
    pub fn has_mlp(&self, n: usize, layers: usize) -> bool {
        self.exit == Exit::Layers || n + 1 < layers
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

/// The norm of a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Factor of each element, `[hidden]`.
    pub gain: Weight,
    /// Added to each element, `[hidden]`; of layer norms only.
    pub bias: Option<Weight>,
}

/// A linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// `[outputs, inputs]`.
    pub weight: Weight,
    /// Added to the outputs, `[outputs]`.
    pub bias: Option<Weight>,
}

/// One layer: attention and MLP, each behind a norm and added to the residual stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Norm before attention.
    pub input_norm: Norm,
    /// Query projection, `[heads * head_dim, hidden]`.
    pub wq: Projection,
    /// Key projection, `[kv_heads * head_dim, hidden]`.
    pub wk: Projection,
    /// Value projection, `[kv_heads * head_dim, hidden]`.
    pub wv: Projection,
    /// Gains of RMS norms of each head of q and of k, `[head_dim]`.
    pub head_norms: Option<[Weight; 2]>,
    /// Output projection, `[hidden, heads * head_dim]`.
    pub wo: Projection,
    /// Norm before the MLP.
    pub post_norm: Norm,
    /// Gate projection of a gated MLP, through the activation, `[intermediate, hidden]`.
    pub gate: Option<Projection>,
    /// Up projection of the MLP, `[intermediate, hidden]`; through the activation where there is no gate.
    pub up: Projection,
    /// Down projection of the MLP, `[hidden, intermediate]`.
    pub down: Projection,
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
    /// The function of the MLP.
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

/// From the input to the residual stream, and from there to logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Ends {
    /// What stands before the layers.
    pub front: Front,
    /// Table of learned positions, `[rows, hidden]`.
    pub positions: Option<Weight>,
    /// Last norm.
    pub final_norm: Norm,
    /// From there to logits; without it, of an encoder, the normed stream goes out.
    pub head: Option<Head>,
}

/// From the last norm to logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Of the first token alone, through a hyperbolic tangent, `[hidden, hidden]`; of encoders only.
    pub pool: Option<Projection>,
    /// Projection to logits, `[logits, hidden]`; as many as there are tokens, of decoders.
    pub lm_head: Projection,
}

/// A weight, what it is, and the shape that the configuration asks for.
pub type Role<'a> = (&'static str, &'a Weight, Vec<usize>);

impl From<Weight> for Norm {
    /// A norm of this gain, without a bias.
    fn from(gain: Weight) -> Norm {
        Norm { gain, bias: None }
    }
}

impl From<Weight> for Projection {
    /// A linear layer without a bias.
    fn from(weight: Weight) -> Projection {
        Projection { weight, bias: None }
    }
}

impl Norm {
    fn roles(&self, name: [&'static str; 2], width: usize) -> impl Iterator<Item = Role<'_>> {
        let bias = self.bias.as_ref().map(|bias| (name[1], bias, vec![width]));
        [(name[0], &self.gain, vec![width])].into_iter().chain(bias)
    }
}

impl Projection {
    fn roles(&self, name: [&'static str; 2], shape: [usize; 2]) -> impl Iterator<Item = Role<'_>> {
        let bias = self.bias.as_ref().map(|bias| (name[1], bias, vec![shape[0]]));
        [(name[0], &self.weight, shape.to_vec())].into_iter().chain(bias)
    }
}

impl Ends {
    /// All weights with the shape that the configuration asks for.
    pub fn weights(&self, config: &Config) -> Vec<Role<'_>> {
        let (vocab, hidden) = (config.vocab, config.hidden);
        let first = match config.positions {
            Positions::Learned { first } => first,
            Positions::Rotary { .. } => 0,
        };
        let rows = |table: &Weight| match config.max_positions {
            Some(most) => first.saturating_add(most),
            None => table.constant.ty().shape.fixed().and_then(|s| s.first().copied()).unwrap_or(0),
        };
        let mut all = self.front.weights(config);
        all.extend(self.positions.iter().map(|table| ("positions", table, vec![rows(table), hidden])));
        all.extend(self.final_norm.roles(["final_norm", "final_norm.bias"], hidden));
        if let Some(Head { pool, lm_head }) = &self.head {
            let classes = lm_head.weight.constant.ty().shape.fixed().and_then(|s| s.first().copied());
            let outputs = if config.is_encoder() { classes.unwrap_or(0) } else { vocab };
            all.extend(pool.iter().flat_map(|pool| pool.roles(["pool", "pool.bias"], [hidden, hidden])));
            all.extend(lm_head.roles(["lm_head", "lm_head.bias"], [outputs, hidden]));
        }
        all
    }

    /// Linear layers before the layers and behind the last norm.
    pub fn projections(&self) -> impl Iterator<Item = &Projection> {
        let front = self.front.convs().iter().map(|conv| &conv.linear);
        front.chain(self.head.iter().flat_map(|head| head.pool.iter().chain([&head.lm_head])))
    }
}

impl Layer {
    /// All weights with the shape that the configuration asks for.
    pub fn weights(&self, config: &Config) -> Vec<Role<'_>> {
        let (h, q, kv, i) = (config.hidden, config.q_width(), config.kv_width(), config.intermediate);
        let mut all: Vec<Role<'_>> = self.input_norm.roles(["input_norm", "input_norm.bias"], h).collect();
        all.extend(self.wq.roles(["wq", "wq.bias"], [q, h]));
        all.extend(self.wk.roles(["wk", "wk.bias"], [kv, h]));
        all.extend(self.wv.roles(["wv", "wv.bias"], [kv, h]));
        let of_heads = self.head_norms.iter().flat_map(|[q, k]| [("q_norm", q), ("k_norm", k)]);
        all.extend(of_heads.map(|(role, gain)| (role, gain, vec![config.head_dim])));
        all.extend(self.wo.roles(["wo", "wo.bias"], [h, q]));
        all.extend(self.post_norm.roles(["post_norm", "post_norm.bias"], h));
        all.extend(self.gate.iter().flat_map(|gate| gate.roles(["gate", "gate.bias"], [i, h])));
        all.extend(self.up.roles(["up", "up.bias"], [i, h]));
        all.extend(self.down.roles(["down", "down.bias"], [h, i]));
        all
    }

    /// All linear layers.
    pub fn projections(&self) -> impl Iterator<Item = &Projection> {
        let attention = [&self.wq, &self.wk, &self.wv, &self.wo];
        attention.into_iter().chain(&self.gate).chain([&self.up, &self.down])
    }

    /// The same, to change.
    pub fn projections_mut(&mut self) -> impl Iterator<Item = &mut Projection> {
        let attention = [&mut self.wq, &mut self.wk, &mut self.wv, &mut self.wo];
        attention.into_iter().chain(&mut self.gate).chain([&mut self.up, &mut self.down])
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
                let why = format!("it is {found}, and the configuration asks for floats {expected}");
                return Err(unfit(role, weight, why));
            }
        }
        let roles = |layer: &Layer| layer.weights(c).iter().map(|(role, ..)| *role).collect::<Vec<_>>();
        let first = self.layers.first().map(roles).unwrap_or_default();
        for layer in &self.layers {
            let found = roles(layer);
            if found != first || found.contains(&"gate") != c.activation.gated {
                let why = "all layers have the same tensors, and a gate if the configuration has gates";
                return Err(unfit("gate or bias", &layer.up.weight, why));
            }
        }
        let heads = self.ends.iter().map(|ends| &ends.head);
        let unfit_head = |head: &&Option<Head>| match head {
            Some(head) => head.pool.is_some() != c.is_encoder(),
            None => !c.is_encoder(),
        };
        if let Some(ends) = self.ends.as_ref().filter(|_| heads.clone().any(|head| unfit_head(&head))) {
            let why = "decoders end with logits of every token, encoders with those of the first one, pooled, or with none";
            return Err(unfit("lm_head", &ends.final_norm.gain, why));
        }
        let early = self.layers.first().filter(|_| c.exit == Exit::Attention);
        let unfit_early = self.ends.is_none() || c.is_encoder() || c.placement == Placement::Stream;
        if let Some(layer) = early.filter(|_| unfit_early) {
            let why = "only decoders with logits and norms before attention and MLP end behind an attention";
            return Err(unfit("lm_head", &layer.up.weight, why));
        }
        let learned = matches!(c.positions, Positions::Learned { .. });
        if let Some(ends) = self.ends.as_ref().filter(|ends| ends.positions.is_some() != learned) {
            let why = "learned positions, and only these, have a table";
            return Err(unfit("positions", &ends.final_norm.gain, why));
        }
        let Some(Ends { front: Front::Frames(convs), final_norm, .. }) = &self.ends else { return Ok(()) };
        if convs.is_empty() || !convs.iter().all(|conv| conv.windows.keeps_pace()) || !c.is_encoder() {
            let why = "frames enter encoders, through convolutions that give a row for each stride rows";
            return Err(unfit(
                "conv",
                convs.first().map_or(&final_norm.gain, |conv| &conv.linear.weight),
                why,
            ));
        }
        Ok(())
    }
}

fn unfit(role: &str, weight: &Weight, why: impl Into<String>) -> Diagnostic {
    Diagnostic::new("decoder-weight", format!("the weight {role} does not fit the decoder"))
        .because(why)
        .help("all layers of a decoder have the same sizes")
        .at_node(&*weight.origin.name)
}
