//! Calibration: fixed scales of activations from texts that the float model reads.
//!
//! What enters each linear layer is counted in a histogram whose buckets are the upper 16 bits of a float: sign, exponent and
//! seven bits of mantissa, so that a bucket is at most 1/128 of its value wide. Counts, least and largest value do not depend on the
//! order of the texts or on threads. From a histogram follows a range that holds zero:
//! - min-max: all that was seen;
//! - percentile: the smallest magnitude below which the given percent of magnitudes lie (without symmetry: half of the rest is
//!   cut at each end); Wu et al., "Integer quantization for deep learning inference: principles and empirical evaluation",
//!   arXiv 2004.09602, section 3.3;
//! - MSE: of the min-max range times 1/128 to 128/128 the one of least squared error, every bucket at its middle; Choukroun et al.,
//!   "Low-bit quantization of neural networks for efficient inference", arXiv 1902.06822, section 4.

use super::exact;
use super::scheme::{ScaleSource, Scheme};
use crate::decoder::Decoder;
use crate::diag::Diagnostic;
use crate::eval::Evaluator;
use crate::graph::ValueId;
use crate::num::{FRACTION_BITS, Scale, norm16};
use crate::op::{Code, Op};
use crate::session::token_tensor;
use crate::tensor::Tensor;
use rayon::prelude::*;

/// A scale that was fixed beforehand, in units of fixed-point values, and the zero point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticScale {
    /// Scale of the largest code.
    pub scale: Scale,
    /// Zero point; 0 of symmetric codes.
    pub zero: u8,
}

/// What the linear layers of a decoder were given, in the order in which the graph computes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    inputs: Vec<Histogram>,
}

impl Calibration {
    /// Lets a decoder read texts, each on its own.
    ///
    /// # Errors
    /// No text, texts that the decoder cannot read, or a decoder without weights.
    pub fn new(decoder: &Decoder, texts: &[&[u32]]) -> Result<Calibration, Diagnostic> {
        let length = texts.first().map_or(0, |text| text.len());
        if length == 0 || texts.iter().any(|text| text.len() != length) {
            return Err(Diagnostic::new("calibration-texts", "the calibration texts cannot be read")
                .because("there is at least one, and they are of one length, of a token or more")
                .help("cut the text into rows of one length"));
        }
        if decoder.ends.as_ref().is_some_and(|ends| ends.front.embedding().is_none()) {
            return Err(Diagnostic::new("calibration-texts", "the model cannot be calibrated with texts")
                .because("it reads frames of a signal, not tokens")
                .help("use a scheme that finds the scales of activations at run time"));
        }
        let texts = texts.iter().map(|text| token_tensor(text)).collect::<Result<Vec<_>, _>>()?;
        Calibration::of(decoder, length, &texts)
    }

    /// Lets an encoder hear signals of so many tokens, f32 `[frames, channels]`, each on its own.
    ///
    /// # Errors
    /// Signals that the encoder cannot read, or an encoder without weights.
    pub fn of(decoder: &Decoder, tokens: usize, inputs: &[Tensor]) -> Result<Calibration, Diagnostic> {
        let graph = decoder.graph(tokens, 0)?;
        let evaluator = Evaluator::new(&graph)?;
        let mut entering: Vec<ValueId> = Vec::new();
        for (_, node) in graph.nodes().filter(|(_, node)| matches!(node.op, Op::Linear(_))) {
            if !entering.contains(&node.inputs[0]) {
                entering.push(node.inputs[0]);
            }
        }
        let none = || vec![Histogram::default(); entering.len()];
        let read = |mut seen: Vec<Histogram>, input: &Tensor| {
            evaluator.run_observed(std::slice::from_ref(input), |id, tensor| {
                if let Some(i) = entering.iter().position(|&e| e == id) {
                    seen[i].add(tensor.floats());
                }
            })?;
            Ok(seen)
        };
        let merge = |mut a: Vec<Histogram>, b: Vec<Histogram>| {
            a.iter_mut().zip(&b).for_each(|(a, b)| a.merge(b));
            Ok(a)
        };
        let inputs = inputs.par_iter().try_fold(none, read).try_reduce(none, merge)?;
        Ok(Calibration { inputs })
    }

    /// The scales of a decoder's activations under a scheme.
    pub(super) fn scales(&self, decoder: &Decoder, scheme: &Scheme) -> Result<Vec<StaticScale>, Diagnostic> {
        let ends = decoder.ends.iter().flat_map(|ends| ends.projections());
        let layers = decoder.layers.len();
        let of_layer = |n| if decoder.config.has_mlp(n, layers) { 4 } else { 2 };
        let expected = (0..layers).map(of_layer).sum::<usize>() + ends.count();
        if self.inputs.len() != expected {
            return Err(Diagnostic::new("calibration-model", "the calibration is one of another decoder")
                .because(format!("it has {} activations; this one has {expected}", self.inputs.len()))
                .help("calibrate the decoder that is quantised"));
        }
        let code = scheme.activation_code();
        let range = |seen: &Histogram| match (scheme.activations.scale, scheme.activations.percentile) {
            (ScaleSource::Percentile, Some(percent)) => seen.percentile(percent, code),
            (ScaleSource::Mse, _) => seen.least_squares(code),
            _ => seen.range(code),
        };
        self.inputs.iter().map(|seen| StaticScale::new(range(seen), code)).collect()
    }
}

impl StaticScale {
    /// The scale of a range that holds zero, or that of the least number if the range is narrower.
    fn new((low, high): (f64, f64), code: Code) -> Result<StaticScale, Diagnostic> {
        let width = if code.symmetric { high } else { high - low };
        let scale = exact::float(width).and_then(|w| exact::nearest_scale(&(w << FRACTION_BITS)));
        let scale = scale.filter(|scale| scale.exponent <= MOST_EXPONENT).ok_or_else(|| {
            Diagnostic::new("calibration-range", "an activation is too large for any scale")
                .because(format!("calibration saw values from {low} to {high}"))
                .help("check the weights of the model")
        })?;
        let least = norm16(1);
        let scale = if scale.exponent < least.exponent { least } else { scale };
        let steps = f64::from(code.steps());
        let zero = if code.symmetric || width == 0.0 { 0.0 } else { (-low / width * steps).round() };
        Ok(StaticScale { scale, zero: zero.clamp(0.0, steps) as u8 })
    }
}

/// Counts of finite values by the upper 16 bits of their float, and the range that holds them and zero.
#[derive(Debug, Clone, PartialEq, Default)]
struct Histogram {
    /// Empty, or a count for each bucket.
    counts: Vec<u64>,
    low: f32,
    high: f32,
}

/// The largest exponent of a scale that means something for 32 bits.
const MOST_EXPONENT: i8 = 31;

/// Ranges that the search for least squared error tries.
const TRIED: u32 = 128;

impl Histogram {
    fn add(&mut self, values: &[f32]) {
        self.counts.resize(1 << 16, 0);
        for &x in values.iter().filter(|x| x.is_finite()) {
            self.counts[(x.to_bits() >> 16) as usize] += 1;
            self.low = self.low.min(x);
            self.high = self.high.max(x);
        }
    }

    fn merge(&mut self, other: &Histogram) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// The end of a bucket away from zero, but inside of the range, its middle, and its count.
    fn buckets(&self) -> impl Iterator<Item = (f64, f64, u64)> {
        let counts = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        counts.map(|(i, &n)| {
            let near = f32::from_bits((i as u32) << 16);
            let far = f32::from_bits((i as u32) << 16 | 0xffff).clamp(self.low, self.high);
            (far.into(), (f64::from(near) + f64::from(far)) / 2.0, n)
        })
    }

    fn range(&self, code: Code) -> (f64, f64) {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let most = high.max(-low);
        if code.symmetric { (-most, most) } else { (low, high) }
    }

    fn percentile(&self, percent: f64, code: Code) -> (f64, f64) {
        let total: u64 = self.buckets().map(|(_, _, n)| n).sum();
        let ends = if code.symmetric { 1.0 } else { 2.0 };
        let cut = (total as f64 * (1.0 - percent / 100.0) / ends).floor() as u64;
        let end = |mut far: Vec<(f64, u64)>| {
            far.sort_by(|a, b| b.0.total_cmp(&a.0));
            let beyond = far.iter().scan(0u64, |sum, (far, n)| {
                *sum += n;
                Some((*far, *sum))
            });
            beyond.skip_while(|(_, sum)| *sum <= cut).map(|(far, _)| far).next().unwrap_or(0.0)
        };
        let side = |sign: f64| end(self.buckets().map(|(far, _, n)| ((sign * far).max(0.0), n)).collect());
        if code.symmetric {
            let most = end(self.buckets().map(|(far, _, n)| (far.abs(), n)).collect());
            return (-most, most);
        }
        (-side(-1.0), side(1.0))
    }

    fn least_squares(&self, code: Code) -> (f64, f64) {
        let (low, high) = self.range(code);
        let tried =
            (1..=TRIED).map(|i| f64::from(i) / f64::from(TRIED)).map(|part| (low * part, high * part));
        let errors = tried.map(|range| (self.squared_error(range, code), range));
        errors.min_by(|a, b| a.0.total_cmp(&b.0)).map_or((low, high), |(_, range)| range)
    }

    fn squared_error(&self, (low, high): (f64, f64), code: Code) -> f64 {
        let steps = f64::from(code.steps()) * if code.symmetric { 2.0 } else { 1.0 };
        let step = (high - low) / steps;
        if step == 0.0 {
            return self.buckets().map(|(_, x, n)| x * x * n as f64).sum();
        }
        let value = |x: f64| ((x / step).round() * step).clamp(low, high);
        self.buckets().map(|(_, x, n)| (value(x) - x).powi(2) * n as f64).sum()
    }
}

#[cfg(test)]
mod tests;
