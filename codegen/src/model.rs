//! What the compiler must know of a quantised decoder: its sizes and the constants that go into instructions.
//!
//! Weights are not part of it: timing, program and plan never need them ([`crate::image`] does).
//!
//! Invariants ([`Model::check`]):
//! - every size is at least 1 (but `vocab`, see there), `heads` is a multiple of `kv_heads`, `head_dim` is even if it is rotated;
//! - inputs of linear layers (`hidden`, `heads * head_dim`, `intermediate`) are whole numbers of groups;
//! - the constants hold for every layer, because one loop body serves them all.

use crate::nodes::Nodes;
use hw::{Function, Mode};
use ir::decoder::{NormKind, Positions, Visibility};
use ir::diag::Diagnostic;

/// Sizes and constants of a quantised decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    /// Token ids; 0 where the residual stream comes in.
    pub vocab: u32,
    /// Outputs of the projection to logits; 0 where the residual stream goes out.
    pub logits: u32,
    pub hidden: u32,
    pub intermediate: u32,
    pub layers: u32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    /// Most positions that the model was made for.
    pub max_positions: u32,
    /// Convolutions over frames, at most two, where these come in instead of tokens.
    pub stem: Vec<Window>,
    pub kind: Kind,
    pub widths: Widths,
    pub numbers: Numbers,
    /// Words of the scales of what enters linear layers, in the order of [`ir::quant::QuantDecoder::inputs`]; none if they are found at run time.
    pub scales: Vec<u32>,
    /// Where its operators come from.
    pub nodes: Nodes,
}

/// Windows of frames that a convolution is a linear layer on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Frames of a window.
    pub kernel: u32,
    /// Frames from one window to the next.
    pub stride: u32,
    /// Frames of zeros before the first one.
    pub pad: u32,
    /// Elements of a frame.
    pub channels: u32,
}

/// What tells the families of decoders apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub norm: NormKind,
    /// Row of the table of positions for position 0, if positions are learned; else queries and keys are rotated.
    pub learned: Option<u32>,
    /// Of the gate, or of `up` where there is no gate.
    pub activation: Function,
    pub gated: bool,
    /// A token sees those before it and itself; otherwise all of its sequence.
    pub causal: bool,
    /// Of those before it, it sees so many first ones and so many up to itself: sink and window.
    pub window: Option<[u32; 2]>,
    /// The result of a norm replaces the residual stream.
    pub post_norm: bool,
    /// The logits stand behind the attention of the last layer.
    pub early: bool,
    /// The logits are those of the first token, behind a linear layer and a hyperbolic tangent.
    pub pooled: bool,
    /// Whether a linear layer has a bias, in the order of [`Linear::ALL`].
    pub biases: [bool; Linear::COUNT],
}

impl Default for Kind {
    /// That of LLaMA.
    fn default() -> Kind {
        let (norm, activation) = (NormKind::Rms, Function::Silu);
        Kind {
            norm,
            learned: None,
            activation,
            gated: true,
            causal: true,
            window: None,
            post_norm: false,
            early: false,
            pooled: false,
            biases: [false; Linear::COUNT],
        }
    }
}

impl Kind {
    /// Row of the table of positions for position 0, if there is a table.
    pub fn learned(positions: Positions) -> Option<u32> {
        match positions {
            Positions::Rotary { .. } => None,
            Positions::Learned { first } => Some(u32::try_from(first).unwrap_or(u32::MAX)),
        }
    }

    /// Sink and window.
    pub fn window(attention: Visibility) -> Option<[u32; 2]> {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        match attention {
            Visibility::Window { sink, window } => Some([size(sink), size(window)]),
            Visibility::Causal | Visibility::Full => None,
        }
    }

    /// The instruction of a norm.
    pub fn norm_function(&self) -> Function {
        match self.norm {
            NormKind::Rms => Function::RmsNorm,
            NormKind::Layer => Function::LayerNorm,
        }
    }
}

/// How tensors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// Weights of linear layers.
    pub weights: Mode,
    /// The least and the largest weight, if a wider mode that holds both may be taken where a machine lacks theirs.
    pub wider: Option<(i32, i32)>,
    /// Neighbouring outputs that keep the same columns, where weights are pruned.
    pub shared: u32,
    /// Weights along K that share a group scale; without: a scale per output only.
    pub group: Option<u32>,
    /// Bits of activations that enter a linear layer, 4 or 8.
    pub activations: u32,
    /// Bits of queries and probabilities, 4 or 8.
    pub attention: u32,
    /// Bits of cached keys and values, 4 or 8.
    pub cache: u32,
}

impl Default for Widths {
    /// Those of the scheme `w2a8kv4`.
    fn default() -> Widths {
        Widths {
            weights: Mode::W2,
            wider: None,
            shared: 1,
            group: Some(32),
            activations: 8,
            attention: 8,
            cache: 4,
        }
    }
}

impl Widths {
    /// The mode of cached keys.
    pub fn keys(&self) -> Mode {
        if self.cache == 8 { Mode::W8 } else { Mode::W4 }
    }

    /// The mode of cached values.
    pub fn values(&self) -> Mode {
        if self.cache == 8 { Mode::V8 } else { Mode::V4 }
    }
}

/// Constants of the arithmetic, as the operators of the integer graph carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// Right shift of embedding elements to fixed point.
    pub embedding_shift: i32,
    /// Right shift of elements of the table of positions.
    pub positions_shift: i32,
    /// `eps * K * 2^32` of every norm.
    pub eps: u32,
    /// Shift of the norm before attention, before the MLP, and of the last.
    pub norm_shift: [i32; 3],
    /// Epilogue shift of each linear layer, in the order of [`Linear::ALL`].
    pub linear_shift: [i32; Linear::COUNT],
    /// Epilogue shift of scores.
    pub score_shift: i32,
    /// Epilogue shift of weighted values.
    pub value_shift: i32,
}

/// A linear layer of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Linear {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
    /// Convolutions over the frames of a signal, before the layers.
    Conv1,
    Conv2,
    /// Behind an encoder, of its first token, through a hyperbolic tangent.
    Pool,
    /// Projection to logits.
    Head,
}

impl Linear {
    /// All of them, in the order of [`Numbers::linear_shift`].
    pub const ALL: [Linear; Linear::COUNT] = [
        Linear::Q,
        Linear::K,
        Linear::V,
        Linear::O,
        Linear::Gate,
        Linear::Up,
        Linear::Down,
        Linear::Conv1,
        Linear::Conv2,
        Linear::Pool,
        Linear::Head,
    ];
    pub const COUNT: usize = 11;
    /// Those over frames, in order.
    pub const STEM: [Linear; 2] = [Linear::Conv1, Linear::Conv2];

    /// Lower-case name, as reports print it.
    pub fn name(self) -> &'static str {
        ["q", "k", "v", "o", "gate", "up", "down", "conv1", "conv2", "pool", "head"][self as usize]
    }
}

impl Model {
    /// It ends with logits. Decoders that do begin with tokens.
    pub fn has_ends(&self) -> bool {
        self.logits > 0
    }

    /// It begins with tokens.
    pub fn reads_tokens(&self) -> bool {
        self.vocab > 0
    }

    /// A norm stands behind the layers.
    pub fn has_last(&self) -> bool {
        self.has_ends() || !self.kind.causal
    }

    /// Whether the model has a linear layer.
    pub fn has(&self, linear: Linear) -> bool {
        match linear {
            Linear::Gate => self.kind.gated,
            Linear::Conv1 => !self.stem.is_empty(),
            Linear::Conv2 => self.stem.len() > 1,
            Linear::Pool => self.kind.pooled,
            Linear::Head => self.has_ends(),
            _ => true,
        }
    }

    /// The linear layer that an MLP begins with.
    pub fn first_half(&self) -> Linear {
        if self.kind.gated { Linear::Gate } else { Linear::Up }
    }

    /// Whether a linear layer has a bias.
    pub fn has_bias(&self, linear: Linear) -> bool {
        self.kind.biases[linear as usize]
    }

    /// Outputs of a linear layer.
    pub fn outputs(&self, linear: Linear) -> u32 {
        match linear {
            Linear::Q => self.heads * self.head_dim,
            Linear::K | Linear::V => self.kv_heads * self.head_dim,
            Linear::O | Linear::Down | Linear::Pool | Linear::Conv2 => self.hidden,
            Linear::Conv1 => self.stem.get(1).map_or(self.hidden, |next| next.channels),
            Linear::Gate | Linear::Up => self.intermediate,
            Linear::Head => self.logits,
        }
    }

    /// Inputs of a linear layer.
    pub fn inputs(&self, linear: Linear) -> u32 {
        match linear {
            Linear::O => self.heads * self.head_dim,
            Linear::Down => self.intermediate,
            Linear::Conv1 | Linear::Conv2 => {
                let window = self.stem.get(linear as usize - Linear::Conv1 as usize);
                window.map_or(0, |window| window.kernel * window.channels)
            }
            _ => self.hidden,
        }
    }

    /// Frames that go into each convolution of the stem, for so many tokens; each gives one for every `stride` of them.
    pub fn frames(&self, tokens: u32) -> [u32; 2] {
        let behind = |n| self.stem.iter().skip(n).map(|window| window.stride).product::<u32>();
        [0, 1].map(|n| tokens.saturating_mul(behind(n)))
    }

    /// Weight rows of an output tile: steps that multiply so many rows of activations.
    pub fn steps(&self, rows: u32) -> u32 {
        rows / self.widths.weights.a_rows()
    }

    /// Group scales of an output of a linear layer.
    pub fn groups(&self, linear: Linear) -> u32 {
        self.widths.group.map_or(0, |group| self.inputs(linear) / group)
    }

    /// Epilogue shift of a linear layer.
    pub fn shift(&self, linear: Linear) -> i32 {
        self.numbers.linear_shift[linear as usize]
    }

    /// Checks the invariants of the module head, and that sizes stay far from overflow.
    ///
    /// # Errors
    /// The first violated one.
    pub fn check(&self) -> Result<(), Diagnostic> {
        let sizes = [
            ("vocab", self.vocab, 1 << 20),
            ("logits", self.logits, 1 << 20),
            ("hidden", self.hidden, 1 << 16),
            ("intermediate", self.intermediate, 1 << 17),
            ("layers", self.layers, 1 << 10),
            ("heads", self.heads, 1 << 8),
            ("kv_heads", self.kv_heads, 1 << 8),
            ("head_dim", self.head_dim, 1 << 10),
            ("max_positions", self.max_positions, 1 << 16),
            ("group", self.widths.group.unwrap_or(1), 1 << 10),
        ];
        for (name, size, most) in sizes {
            if size > most || size == 0 && !["vocab", "logits"].contains(&name) {
                return Err(refuse(name, format!("{size} is not in 1..={most}")));
            }
        }
        if !self.has_last() && self.layers != 1 {
            return Err(refuse("layers", "layers without embedding and projection run one at a time".into()));
        }
        if self.heads % self.kv_heads != 0 {
            let why =
                format!("{} heads of q do not share {} heads of k and v evenly", self.heads, self.kv_heads);
            return Err(refuse("kv_heads", why));
        }
        if self.head_dim % 2 != 0 && self.kind.learned.is_none() {
            return Err(refuse("head_dim", "the rotary embedding pairs the halves of a head".into()));
        }
        if self.kind.window.is_some() && self.kind.learned.is_none() && !self.scales.is_empty() {
            let why =
                "a window and fixed scales of activations, with a rotary embedding, need a register more";
            return Err(refuse("window", why.into()));
        }
        let gated = [Linear::Gate, Linear::Up];
        let last = self.kind.causal && self.has_bias(Linear::Head);
        if self.kind.gated && gated.iter().any(|&l| self.has_bias(l)) || last {
            let why = "biases are added to q, k, v, the residual stream, and MLPs without a gate";
            return Err(refuse("bias", why.into()));
        }
        if self.kind.learned.is_some_and(|first| first > 1 << 16) {
            return Err(refuse("positions", "the table of positions begins too far in".into()));
        }
        if self.widths.weights.pruned() && self.head_dim % 8 != 0 {
            let why = "four columns of 2:4 pruned weights stay together, and the halves of a head are no whole fours";
            return Err(refuse("head_dim", why.into()));
        }
        for window in &self.stem {
            let sizes = [window.kernel, window.stride, window.channels];
            if sizes.contains(&0) || sizes.iter().any(|&n| n > 1 << 12) || window.pad >= window.kernel {
                return Err(refuse("convolution", format!("windows are {window:?}")));
            }
        }
        if self.stem.len() > Linear::STEM.len()
            || !self.stem.is_empty() && (self.kind.causal || self.kind.gated)
        {
            let why = "at most two convolutions stand before the layers of an encoder, through its function without a gate";
            return Err(refuse("convolution", why.into()));
        }
        for (linear, group) in Linear::ALL.into_iter().filter_map(|l| Some((l, self.widths.group?))) {
            if self.inputs(linear) % group != 0 {
                let why = format!(
                    "{} inputs of `{}` are not a whole number of groups of {group}",
                    self.inputs(linear),
                    linear.name(),
                );
                return Err(refuse("group", why));
            }
        }
        Ok(())
    }
}

fn refuse(item: &str, why: String) -> Diagnostic {
    Diagnostic::new("model-unsupported", format!("this compiler cannot place a model with such a `{item}`"))
        .at_item(item)
        .because(why)
        .help(
            "use a model whose sizes are multiples of the group; `eval` measures models that no machine runs",
        )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small network with shared heads.
    pub(crate) fn small() -> Model {
        Model {
            name: "test".into(),
            vocab: 50,
            logits: 50,
            hidden: 64,
            intermediate: 96,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 24,
            max_positions: 256,
            stem: Vec::new(),
            kind: Kind::default(),
            widths: Widths::default(),
            numbers: Numbers::default(),
            scales: Vec::new(),
            nodes: Nodes::default(),
        }
    }
}
