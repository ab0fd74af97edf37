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
