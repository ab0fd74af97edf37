//! Normalisation of vectors.

use super::{Fault, Operator, one_float, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `rms-norm(x [.., K], gain [K])`: x / sqrt(mean(x^2) + eps) * gain, along the last axis (Zhang and Sennrich,
    /// "Root Mean Square Layer Normalization", 2019).
    RmsNorm "rms-norm" {
        /// Added to the mean square.
        eps: f64,
    }
}

impl Operator for RmsNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        one_float(operands)?;
        let (x, gain) = (&operands[0].shape, &operands[1].shape);
        if x.0.last().map(|last| Shape(vec![last.clone()])).as_ref() != Some(gain) {
            return Err(Fault::new("the gain has one axis, as long as the last axis of the first operand"));
        }
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, gain) = (operands[0], operands[1].floats());
        let mut data = Vec::with_capacity(x.data().len());
        for row in x.floats().chunks_exact(gain.len().max(1)) {
            let squares: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            let scale = (squares / row.len() as f64 + self.eps).sqrt().recip();
            data.extend(row.iter().zip(gain).map(|(&v, &g)| (f64::from(v) * scale) as f32 * g));
        }
        result(x.dtype(), x.shape(), Data::Float(data))
    }
}

operator! {
    /// `layer-norm(x [.., K], gain [K])` or `layer-norm(x, gain, bias [K])`: (x - mean(x)) / sqrt(variance(x) + eps) * gain +
    /// bias, along the last axis (Ba, Kiros and Hinton, "Layer Normalization", 2016).
    LayerNorm "layer-norm" {
        /// Added to the variance.
        eps: f64,
    }
}

impl Operator for LayerNorm {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        one_float(operands)?;
        let last = operands[0].shape.0.last().map(|last| Shape(vec![last.clone()]));
        if operands[1..].iter().any(|t| Some(&t.shape) != last.as_ref()) {
            let why = "gain and bias have one axis, as long as the last axis of the first operand";
            return Err(Fault::new(why));
        }
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, gain) = (operands[0], operands[1].floats());
        let bias = operands.get(2).map_or(&[][..], |b| b.floats());
        let mut data = Vec::with_capacity(x.data().len());
        for row in x.floats().chunks_exact(gain.len().max(1)) {
            let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / row.len() as f64;
            let squares: f64 = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
            let scale = (squares / row.len() as f64 + self.eps).sqrt().recip();
            data.extend(row.iter().zip(gain).enumerate().map(|(i, (&v, &g))| {
                ((f64::from(v) - mean) * scale) as f32 * g + bias.get(i).copied().unwrap_or(0.0)
            }));
        }
        result(x.dtype(), x.shape(), Data::Float(data))
    }
}
