//! Resampling: what is left of every resize once its rule of coordinates is known.

use super::integer::require;
use super::{Fault, Operator, around, axis, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Type};
use std::ops::RangeInclusive;

operator! {
    /// `resample(x, places i64[M, T], weights f32[M, T])`: along one axis, element m of the result is the sum over t of
    /// `weights[m, t]` times element `places[m, t]` of x. Resizing along several axes is one of these for each.
    Resample "resample" {
        /// The axis that gets M elements.
        axis: usize,
    }
}

impl Operator for Resample {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [x, places, weights] = operands else { return Err(Fault::new("it takes three operands")) };
        axis(&x.shape, self.axis)?;
        require(x.dtype.is_float(), "elements are of a floating-point type")?;
        let tables = places.dtype == DType::I64 && weights.dtype == DType::F32;
        let alike = places.shape == weights.shape && places.shape.rank() == 2;
        require(tables && alike, "places (i64) and weights (f32) have two axes of the same lengths")?;
        let rows = places.shape.fixed().and_then(|s| s.first().copied());
        let rows = rows.ok_or_else(|| Fault::new("the places have known lengths"))?;
        let mut shape = x.shape.clone();
        shape.0[self.axis] = Dim::Static(rows as u64);
        Ok(vec![Type::new(x.dtype, shape)])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, weights) = (operands[0], operands[2].floats());
        let places = operands[1].to_i64s().unwrap_or_default();
        let (outer, length, inner) = around(x.shape(), self.axis);
        let [rows, taps] = operands[1].shape()[..] else {
            return Err(Fault::new("the places have two axes"));
        };
        let inside = places.iter().all(|&p| usize::try_from(p).is_ok_and(|p| p < length));
        require(inside, "every place lies on the axis")?;
        let mut shape = x.shape().to_vec();
        shape[self.axis] = rows;
        let mut data = Vec::with_capacity(shape.iter().product());
        let mut sums = vec![0f64; inner];
        for plane in 0..outer {
            for row in 0..rows {
                sums.fill(0.0);
                for tap in row * taps..(row + 1) * taps {
                    let from = (plane * length + places[tap] as usize) * inner;
                    let weight = f64::from(weights[tap]);
                    for (sum, x) in sums.iter_mut().zip(&x.floats()[from..from + inner]) {
                        *sum += weight * f64::from(*x);
                    }
                }
                data.extend(sums.iter().map(|&s| s as f32));
            }
        }
        result(x.dtype(), shape, Data::Float(data))
    }
}
