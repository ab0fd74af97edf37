//! Reductions along axes, and softmax. Sums are accumulated in f64.

use super::broadcast::{broadcast_strides, walk};
use super::{Fault, Operator, around, axis, one_float, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{Dim, Shape, Type};
use std::ops::RangeInclusive;

macro_rules! reductions {
    ($($(#[$doc:meta])* $ty:ident $name:literal, $start:expr, $step:expr, $mean:expr;)*) => {$(
        operator! {
            $(#[$doc])*
            $ty $name {
                /// The axes that are reduced.
                axes: Vec<usize>,
                /// Whether they stay, with length one.
                keep: bool,
            }
        }

        impl Operator for $ty {
            fn arity(&self) -> RangeInclusive<usize> {
                1..=1
            }
            fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
                let dtype = one_float(operands)?;
                Ok(vec![Type::new(dtype, reduced(&operands[0].shape, &self.axes, self.keep)?)])
            }
            fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
                let (sums, shape) = reduce(operands[0], &self.axes, self.keep, $start, $step)?;
                let count = if $mean { operands[0].data().len() as f64 / sums.len() as f64 } else { 1.0 };
                let data = sums.iter().map(|&s| (s / count) as f32).collect();
                result(operands[0].dtype(), shape, Data::Float(data))
            }
        }
    )*};
}

reductions! {
    /// Arithmetic mean.
    ReduceMean "reduce-mean", 0.0, |a, b| a + b, true;
    /// Sum.
    ReduceSum "reduce-sum", 0.0, |a, b| a + b, false;
    /// Largest element.
    ReduceMax "reduce-max", f64::NEG_INFINITY, f64::max, false;
    /// Smallest element.
    ReduceMin "reduce-min", f64::INFINITY, f64::min, false;
}

fn reduced(shape: &Shape, axes: &[usize], keep: bool) -> Result<Shape, Fault> {
    for (i, &a) in axes.iter().enumerate() {
        axis(shape, a)?;
        if axes[..i].contains(&a) {
            return Err(Fault::new(format!("the axis {a} is named twice")).help("name each axis once"));
        }
    }
    let dim = |(i, d): (usize, &Dim)| match (axes.contains(&i), keep) {
        (false, _) => Some(d.clone()),
        (true, true) => Some(Dim::Static(1)),
        (true, false) => None,
    };
    Ok(Shape(shape.0.iter().enumerate().filter_map(dim).collect()))
}

fn reduce(
    tensor: &Tensor,
    axes: &[usize],
    keep: bool,
    start: f64,
    step: fn(f64, f64) -> f64,
) -> Result<(Vec<f64>, Vec<usize>), Fault> {
    let from = tensor.ty().shape;
    let kept = reduced(&from, axes, true)?.fixed().unwrap_or_default();
    let shape = reduced(&from, axes, keep)?.fixed().unwrap_or_default();
    let mut sums = vec![start; kept.iter().product()];
    let targets = walk(tensor.shape(), &broadcast_strides(&kept, tensor.shape()));
    for (&x, &to) in tensor.floats().iter().zip(&targets) {
        sums[to] = step(sums[to], x.into());
    }
    Ok((sums, shape))
}

operator! {
    /// e^x divided by its sum along one axis.
    Softmax "softmax" {
        /// The axis.
        axis: usize,
    }
}

impl Operator for Softmax {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        one_float(operands)?;
        axis(&operands[0].shape, self.axis)?;
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (outer, size, inner) = around(operands[0].shape(), self.axis);
        let mut data = operands[0].floats().to_vec();
        for o in 0..outer {
            for i in 0..inner {
                softmax(&mut data, (0..size).map(|k| (o * size + k) * inner + i));
            }
        }
        result(operands[0].dtype(), operands[0].shape(), Data::Float(data))
    }
}

/// Softmax in place over the elements at `positions`. The maximum is subtracted first, so nothing overflows.
pub(super) fn softmax(data: &mut [f32], positions: impl Iterator<Item = usize> + Clone) {
    let max = positions.clone().map(|p| data[p]).fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for p in positions.clone() {
        let e = f64::from(data[p] - max).exp();
        sum += e;
        data[p] = e as f32;
    }
    for p in positions {
        data[p] = (f64::from(data[p]) / sum) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduces_the_named_axes() {
        let a = Tensor::f32([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 9.0]).unwrap();
        let mean = ReduceMean { axes: vec![1], keep: true }.evaluate(&[&a]).unwrap();
        assert_eq!((mean[0].shape(), mean[0].floats()), (&[2, 1][..], &[2.0, 6.0][..]));
        let max = ReduceMax { axes: vec![0], keep: false }.evaluate(&[&a]).unwrap();
        assert_eq!((max[0].shape(), max[0].floats()), (&[3][..], &[4.0, 5.0, 9.0][..]));
    }
}
