//! Quantisation: a float decoder and a scheme give a decoder of integers, whose graphs a machine executes bit for bit.
//!
//! | file | decides |
//! |---|---|
//! | [`scheme`] | which bits every class of tensor gets |
//! | [`grid`] | codes and scales of the weights of a linear layer |
//! | [`exact`] | factors, from exact rationals |
//! | `weights` | integer tensors of a decoder |
//! | `fidelity` | what is told of what became of the file's codes |
//! | `fold` | where constant factors go |
//! | `front` | what stands before the layers |
//! | [`calibrate`] | fixed scales of activations, from texts |
//! | `build` | the graph for any number of tokens and any cache |
//!
//! Invariant: the graph says everything that changes a bit; machine, plan and program change time only.

mod build;
pub mod calibrate;
pub mod exact;
mod fidelity;
mod fold;
mod front;
pub mod grid;
pub mod scheme;
mod weights;

pub use calibrate::{Calibration, StaticScale};
pub use fidelity::Fidelity;
pub use fold::Factors;
pub use front::{QuantConv, QuantFront};
pub use scheme::Scheme;
pub use weights::{QuantLinear, QuantVector};

use crate::constant::Keep;
use crate::decoder::{
    Config, Conv, Decoder, Ends, Front, Head, Layer, LayerOrigins, Norm, Projection, Weight,
};
use crate::diag::Diagnostic;
use crate::num::Scale;
use rug::Rational;
use scheme::ScaleSource;
use std::sync::Arc;

/// One quantised layer; see [`Layer`].
#[derive(Debug, Clone, PartialEq)]
pub struct QuantLayer {
    /// Norm before attention.
    pub input_norm: QuantVector,
    /// Query projection; carries the factor of the scores.
    pub wq: QuantLinear,
    /// Key projection.
    pub wk: QuantLinear,
    /// Value projection.
    pub wv: QuantLinear,
    /// Output projection.
    pub wo: QuantLinear,
    /// Norm before the MLP.
    pub post_norm: QuantVector,
    /// Gate projection, where there is one.
    pub gate: Option<QuantLinear>,
    /// Up projection.
    pub up: QuantLinear,
    /// Down projection.
    pub down: QuantLinear,
    /// Where the operators without weights come from.
    pub origins: LayerOrigins,
}

/// From the input to the residual stream, and from there to logits; see [`crate::decoder::Ends`].
#[derive(Debug, Clone, PartialEq)]
pub struct QuantEnds {
    /// What stands before the layers.
    pub front: QuantFront,
    /// Learned positions, i16 `[rows, hidden]`; its shift is that of `int-embed`.
    pub positions: Option<QuantVector>,
    /// Last norm.
    pub final_norm: QuantVector,
    /// From there to logits.
    pub head: Option<QuantHead>,
}

/// From the last norm to logits; see [`crate::decoder::Head`].
#[derive(Debug, Clone, PartialEq)]
pub struct QuantHead {
    /// Of the first token alone.
    pub pool: Option<QuantLinear>,
    /// Projection to logits.
    pub lm_head: QuantLinear,
}

impl QuantEnds {
    /// Linear layers before the layers and behind the last norm.
    pub fn linears(&self) -> impl Iterator<Item = &QuantLinear> {
        let front = self.front.convs().iter().map(|conv| &conv.linear);
        front.chain(self.head.iter().flat_map(|head| head.pool.iter().chain([&head.lm_head])))
    }
}

/// A decoder of integers.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantDecoder {
    /// Name of the model.
    pub name: Arc<str>,
    /// Sizes and constants of the float decoder; its window is the scheme's, if that has one.
    pub config: Config,
    /// The scheme.
    pub scheme: Scheme,
    /// Fixed scales of what enters linear layers, one of each convolution over frames, four per
    /// layer (q, k and v; output; gate and up; down; the last two only of layers with an MLP) and one of each projection behind the last norm; empty if scales are found at run time.
    pub inputs: Vec<StaticScale>,
    /// Layers in order.
    pub layers: Vec<QuantLayer>,
    /// What stands before and behind the layers. Without it, the residual stream comes in and goes out.
    pub ends: Option<QuantEnds>,
    /// Phase steps of the rotary embedding, one per pair of a head; none without one.
    pub phase_steps: Vec<u32>,
    /// `eps * hidden * 2^32` of the norms.
    pub eps: u32,
    /// Shift of the scores' epilogue.
    pub score_shift: i32,
    /// Channel scale of the weighted sum of values, one for all outputs.
    pub value_channel: Scale,
    /// Shift of the values' epilogue.
    pub value_shift: i32,
}

impl QuantDecoder {
    /// Quantises a decoder. Codes of the model file are kept if the scheme can express them, and [`QuantDecoder::notes`] says so
    /// if not. Floats on the grid are recovered exactly, others are rounded to nearest; absent weights stay absent.
    ///
    /// # Errors
    /// Weights that do not fit the scheme, or a scheme of fixed scales, which needs [`QuantDecoder::calibrated`].
    pub fn new(decoder: &Decoder, scheme: &Scheme) -> Result<QuantDecoder, Diagnostic> {
        QuantDecoder::streamed(decoder, scheme, None, &Ok)
    }

    /// Quantises a decoder, with fixed scales from a calibration if the scheme asks for them, one linear layer after the other: the
    /// codes of each go where `keep` puts them before the next is read.
    ///
    /// # Errors
    /// Weights that do not fit the scheme, a scheme of fixed scales without a calibration or with one of another decoder, or no room.
    pub fn streamed(
        decoder: &Decoder,
        scheme: &Scheme,
        calibration: Option<&Calibration>,
        keep: Keep,
    ) -> Result<QuantDecoder, Diagnostic> {
        if scheme.activations.scale == ScaleSource::RunTime {
            return QuantDecoder::with(decoder, scheme, Vec::new(), keep);
        }
        if let Some(calibration) = calibration {
            return QuantDecoder::with(decoder, scheme, calibration.scales(decoder, scheme)?, keep);
        }
        Err(Diagnostic::new("scheme-calibration", format!("the scheme `{}` needs calibration", scheme.name))
            .at_item("activations.scale")
            .because("the scales of activations are fixed beforehand, from texts that the model reads")
            .help("give texts with `--calibrate FILE.npz`, other ones than those of the evaluation"))
    }

    /// Quantises a decoder, with fixed scales from a calibration if the scheme asks for them.
    ///
    /// # Errors
    /// Weights that do not fit the scheme, or a calibration of another decoder.
    pub fn calibrated(
        decoder: &Decoder,
        scheme: &Scheme,
        calibration: &Calibration,
    ) -> Result<QuantDecoder, Diagnostic> {
        QuantDecoder::streamed(decoder, scheme, Some(calibration), &Ok)
    }

    fn with(
        decoder: &Decoder,
        scheme: &Scheme,
        inputs: Vec<StaticScale>,
        keep: Keep,
    ) -> Result<QuantDecoder, Diagnostic> {
        decoder.check()?;
        let config = &decoder.config;
        let factors = Factors::new(config, scheme)?;
        if let Some([of_q, _]) = decoder.layers.iter().find_map(|layer| layer.head_norms.as_ref()) {
            return Err(Diagnostic::new(
                "quant-head-norms",
                "no scheme quantises norms of the heads of q and k",
            )
            .because("integer graphs have norms of whole rows only")
            .help("measure the model as floats: `eval` without a scheme")
            .at_item(&*of_q.name));
        }
        let one = Rational::from(1);
        let linear = |p: &Projection| {
            let linear = QuantLinear::new(&p.weight, &factors.linear, &scheme.weights)?.kept(keep)?;
            linear.with_bias(p.bias.as_ref(), &one)
        };
        let query = |p: &Projection| {
            let linear = QuantLinear::new(&p.weight, &factors.query, &scheme.weights)?.kept(keep)?;
            linear.with_bias(p.bias.as_ref(), &Rational::from(&factors.query / &factors.linear))
        };
        let norms = decoder.layers.iter().flat_map(|l| [&l.input_norm, &l.post_norm]);
        let norms: Vec<&Norm> = norms.chain(decoder.ends.iter().map(|ends| &ends.final_norm)).collect();
        let gains = QuantVector::norms(&norms, config.norm)?;
        let layer = |(layer, gains): (&Layer, &[QuantVector])| {
            Ok(QuantLayer {
                input_norm: gains[0].clone(),
                wq: query(&layer.wq)?,
                wk: linear(&layer.wk)?,
                wv: linear(&layer.wv)?,
                wo: linear(&layer.wo)?,
                post_norm: gains[1].clone(),
                gate: layer.gate.as_ref().map(linear).transpose()?,
                up: linear(&layer.up)?,
                down: linear(&layer.down)?,
                origins: layer.origins.clone(),
            })
        };
        let table = |table: &Weight| {
            let vector = QuantVector::table(table, scheme.embedding)?;
            Ok::<_, Diagnostic>(QuantVector { constant: vector.constant.kept(keep)?, ..vector })
        };
        let head = |head: &Head| {
            let lm_head =
                QuantLinear::new(&head.lm_head.weight, &factors.linear, scheme.lm_head())?.kept(keep)?;
            Ok::<_, Diagnostic>(QuantHead {
                pool: head.pool.as_ref().map(linear).transpose()?,
                lm_head: lm_head.with_bias(head.lm_head.bias.as_ref(), &one)?,
            })
        };
        let front = |front: &Front| match front {
            Front::Tokens(embedding) => Ok(QuantFront::Tokens(table(embedding)?)),
            Front::Frames(convs) => {
                let conv = |conv: &Conv| {
                    Ok(QuantConv {
                        linear: linear(&conv.linear)?,
                        windows: conv.windows.clone(),
                        channels: conv.channels(),
                    })
                };
                let convs = convs.iter().map(conv).collect::<Result<_, Diagnostic>>()?;
                Ok::<_, Diagnostic>(QuantFront::Frames(convs))
            }
        };
        let ends = |ends: &Ends| {
            Ok::<_, Diagnostic>(QuantEnds {
                front: front(&ends.front)?,
                positions: ends.positions.as_ref().map(table).transpose()?,
                final_norm: gains[gains.len() - 1].clone(),
                head: ends.head.as_ref().map(head).transpose()?,
            })
        };
        Ok(QuantDecoder {
            name: decoder.name.clone(),
            config: Config { attention: scheme.visibility(config.attention)?, ..config.clone() },
            scheme: scheme.clone(),
            inputs,
            layers: decoder
                .layers
                .iter()
                .zip(gains.chunks_exact(2))
                .map(layer)
                .collect::<Result<_, Diagnostic>>()?,
            ends: decoder.ends.as_ref().map(ends).transpose()?,
            phase_steps: factors.phase_steps,
            eps: factors.eps,
            score_shift: factors.score_shift,
            value_channel: factors.value_channel,
            value_shift: factors.value_shift,
        })
    }

    /// All linear layers that the logits need.
    pub fn linears(&self) -> impl Iterator<Item = &QuantLinear> {
        self.layers
            .iter()
            .enumerate()
            .flat_map(|(n, l)| {
                let mlp = self.config.has_mlp(n, self.layers.len());
                let mlp = mlp.then(|| l.gate.iter().chain([&l.up, &l.down])).into_iter().flatten();
                [&l.wq, &l.wk, &l.wv, &l.wo].into_iter().chain(mlp)
            })
            .chain(self.ends.iter().flat_map(QuantEnds::linears))
    }

    /// Whether every weight lay on the scheme's grid, so that none was rounded.
    pub fn on_grid(&self) -> bool {
        self.linears().all(|linear| linear.fidelity == Fidelity::Exact)
    }

    /// What happened to codes and scales of the model file that are not kept as they are; empty if nothing did.
    pub fn notes(&self) -> Vec<String> {
        fidelity::notes(self.linears())
    }
}

#[cfg(test)]
mod encoder_tests;
#[cfg(test)]
pub(crate) mod kept_tests;
#[cfg(test)]
pub(crate) mod tests;
