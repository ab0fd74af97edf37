//! Quantisation schemes: which bits every class of tensor gets. A scheme is data, a TOML file; nothing else decides a width.
//!
//! The built-in schemes are such files, too (`ir/schemes/`), read by the same code, so that each one can be copied and
//! changed. A [`Scheme`] that was parsed has passed the rules of `verify`: every width is one that the operators have.

mod technique;
mod verify;

pub use technique::Technique;

use crate::diag::Diagnostic;
use crate::op::{Code, Visibility};
use crate::types::DType;
use serde::Deserialize;

/// A scheme, as its file describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// Name, as reports print it.
    pub name: String,
    /// What it is, in a line.
    #[serde(default)]
    pub about: String,
    /// Weights of linear layers.
    pub weights: WeightScheme,
    /// Weights of the projection to logits; left out: as `weights`.
    lm_head: Option<WeightScheme>,
    /// Activations that enter a linear layer.
    pub activations: ActivationScheme,
    /// Queries and probabilities.
    pub attention: AttentionScheme,
    /// Keys (after the rotary embedding) and values.
    pub kv_cache: CacheScheme,
    /// The table of token embeddings.
    pub embedding: TableScheme,
}

/// Weights in groups along K: `weight = (level or code - zero point) * group scale * channel scale`, where a group scale is
/// an integer, a byte unless said otherwise, and a channel scale a number per output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightScheme {
    /// Bits of a code: 2, 4 or 8.
    pub bits: u32,
    /// Level of each code, ascending; left out: consecutive integers.
    #[serde(default)]
    pub levels: Vec<i32>,
    /// Weights that share a group scale; left out: a whole row, and no group scale.
    pub group: Option<usize>,
    /// Bits of a group scale: 8, 16 or 32 (of which 31 count).
    #[serde(default = "byte")]
    pub scale_bits: u32,
    /// Whether zero lies in the middle of the codes; if not, every group has a zero point.
    #[serde(default = "yes")]
    pub symmetric: bool,
    /// Weights that are zero by rule.
    #[serde(default)]
    pub sparsity: Sparsity,
    /// Neighbouring outputs that keep the same columns: 1, 4 or 8.
    #[serde(default = "alone")]
    pub shared: usize,
}

/// Weights that are zero by rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Sparsity {
    /// None.
    #[default]
    #[serde(rename = "dense")]
    Dense,
    /// Two of every four along K.
    #[serde(rename = "2:4")]
    TwoOfFour,
}

/// Activations that enter a linear layer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationScheme {
    /// Bits of a code: 4 or 8.
    pub bits: u32,
    /// Whether zero is code 0; if not, there is a zero point.
    #[serde(default = "yes")]
    pub symmetric: bool,
    /// Where the scale comes from.
    #[serde(default)]
    pub scale: ScaleSource,
    /// With `scale = "percentile"`: percent of the magnitudes that the range holds.
    pub percentile: Option<f64>,
}

/// Where the scale of activations comes from: per token at run time, or per tensor from the calibration texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleSource {
    /// Found per token at run time.
    #[default]
    RunTime,
    /// The range holds all that calibration saw.
    MinMax,
    /// The range holds a share of what calibration saw.
    Percentile,
    /// The range of least squared error on what calibration saw.
    Mse,
}

/// Queries and probabilities: per token and head, found at run time, symmetric. With a window, a token at position p sees
/// the positions `0..sink` and `p + 1 - window..=p`: `window` counts the token itself; without one, all up to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionScheme {
    /// Bits of a code: 4 or 8.
    pub bits: u32,
    /// Positions at the start that every token sees, beside its window; left out: none.
    pub sink: Option<usize>,
    /// Positions that a token sees up to its own, which counts; left out: all, or those of the model's own window.
    pub window: Option<usize>,
}

/// Keys and values: per token and head, found at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheScheme {
    /// Bits of a code: 4 or 8.
    pub bits: u32,
    /// Whether zero is code 0; if not, there is a zero point per token and head.
    #[serde(default = "yes")]
    pub symmetric: bool,
}

/// A table with one power-of-two scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableScheme {
    /// Bits of an element: 8 or 16.
    pub bits: u32,
}

fn alone() -> usize {
    1
}

fn byte() -> u32 {
    8
}

fn yes() -> bool {
    true
}

/// Name and text of every built-in scheme.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("w2a8kv4", include_str!("../../../schemes/w2a8kv4.toml")),
    ("w2s24a8kv4", include_str!("../../../schemes/w2s24a8kv4.toml")),
    ("w2s24a8kv4-g128", include_str!("../../../schemes/w2s24a8kv4-g128.toml")),
    ("w2s24a8kv4-g128-w512", include_str!("../../../schemes/w2s24a8kv4-g128-w512.toml")),
    ("w2s24x4a8kv4-g128", include_str!("../../../schemes/w2s24x4a8kv4-g128.toml")),
    ("w4a4", include_str!("../../../schemes/w4a4.toml")),
    ("w4a8", include_str!("../../../schemes/w4a8.toml")),
    ("w4a8-g64", include_str!("../../../schemes/w4a8-g64.toml")),
    ("w8a8", include_str!("../../../schemes/w8a8.toml")),
];

/// The text of a built-in scheme.
pub fn text(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// All built-in schemes.
///
/// # Errors
/// None, as long as the files in `ir/schemes/` are right; a test parses them all.
pub fn built_in() -> Result<Vec<Scheme>, Diagnostic> {
    BUILT_IN.iter().map(|(_, text)| Scheme::parse(text)).collect()
}

impl WeightScheme {
    /// Element type of codes.
    pub fn dtype(&self) -> DType {
        match (self.bits, self.symmetric && self.levels.is_empty()) {
            (2, true) => DType::I2,
            (2, false) => DType::U2,
            (4, true) => DType::I4,
            (4, false) => DType::U4,
            (_, true) => DType::I8,
            (_, false) => DType::U8,
        }
    }

    /// Element type of group scales.
    pub fn scale_dtype(&self) -> DType {
        match self.scale_bits {
            8 => DType::U8,
            16 => DType::U16,
            _ => DType::I32,
        }
    }

    /// The largest group scale; 1 if there are no groups.
    pub fn largest_scale(&self) -> i32 {
        let (_, largest) = self.scale_dtype().range().unwrap_or_default();
        if self.group.is_some() { i32::try_from(largest).unwrap_or(i32::MAX) } else { 1 }
    }
}

impl Scheme {
    /// The scheme of a TOML file.
    ///
    /// # Errors
    /// A file that is no scheme, or a width that no operator has.
    pub fn parse(text: &str) -> Result<Scheme, Diagnostic> {
        let scheme: Scheme = toml::from_str(text).map_err(|e| {
            let error = Diagnostic::new("scheme-file", "the scheme file cannot be read")
                .because(e.message().trim_end())
                .help("compare with a built-in scheme: `tilewright schemes --show w4a8`");
            e.span().map_or(error.clone(), |span| error.at_offset(text, span.start))
        })?;
        scheme.verify()?;
        Ok(scheme)
    }

    /// The built-in scheme of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Scheme, Diagnostic> {
        let text = text(name).ok_or_else(|| {
            let known: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            Diagnostic::new("scheme-unknown", format!("there is no quantisation scheme `{name}`"))
                .because(format!("the schemes are: {}", known.join(", ")))
                .help("use one of them, or give the path of a scheme file")
        })?;
        Scheme::parse(text)
    }

    /// Weights of the projection to logits.
    pub fn lm_head(&self) -> &WeightScheme {
        self.lm_head.as_ref().unwrap_or(&self.weights)
    }

    /// Codes of activations.
    pub fn activation_code(&self) -> Code {
        Code { bits: self.activations.bits, symmetric: self.activations.symmetric }
    }

    /// Codes of queries and probabilities.
    pub fn attention_code(&self) -> Code {
        Code { bits: self.attention.bits, symmetric: true }
    }

    /// Which tokens a token sees, of a model whose tokens see `own`: the scheme's window, no wider than the model's own.
    ///
    /// # Errors
    /// The model is an encoder.
    pub fn visibility(&self, own: Visibility) -> Result<Visibility, Diagnostic> {
        let (Some(window), sink) = (self.attention.window, self.attention.sink.unwrap_or(0)) else {
            return Ok(own);
        };
        match own {
            Visibility::Causal => Ok(Visibility::Window { sink, window }),
            Visibility::Window { window: most, .. } => {
                Ok(Visibility::Window { sink, window: window.min(most) })
            }
            Visibility::Full => {
                Err(Diagnostic::new("scheme-window", "a window of an encoder is not possible")
                    .at_item("attention.window")
                    .because("its tokens see all of their sequence, those behind them too")
                    .help("leave `attention.window` out of the scheme"))
            }
        }
    }

    /// Codes of the cache.
    pub fn cache_code(&self) -> Code {
        Code { bits: self.kv_cache.bits, symmetric: self.kv_cache.symmetric }
    }
}

#[cfg(test)]
mod tests;
