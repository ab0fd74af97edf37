//! Reductions along axes, and softmax. Sums are accumulated in f64.

use super::broadcast::{broadcast_strides, walk};
use super::{Fault, Operator, around, axis, one_float, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape, Type};
use std::ops::RangeInclusive;

macro_rules! reductions {
    ($($(#[$doc:meta])* $ty:ident $name:literal, $start:expr, $step:expr, $int_start:expr, $int_step:expr;)*) => {$(
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
                let int_start: Option<i64> = $int_start;
                let dtype = operands[0].dtype;
                if int_start.is_none() || !matches!(dtype, DType::I64 | DType::I32) {
                    one_float(operands)?;
                }
                Ok(vec![Type::new(dtype, reduced(&operands[0].shape, &self.axes, self.keep)?)])
            }
            fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
                let x = operands[0];
                let (targets, count, shape) = targets(x, &self.axes, self.keep)?;
                let (int_start, int_step): (Option<i64>, fn(i64, i64) -> i64) = ($int_start, $int_step);
                if let (Some(start), Some(all)) = (int_start, x.to_i64s()) {
                    let sums = fold(&all, &targets, count, start, int_step);
                    return result(x.dtype(), shape, integers(x.dtype(), sums));
                }
                let step: fn(f64, f64) -> f64 = $step;
                let sums = fold(x.floats(), &targets, count, $start, |sum, v| step(sum, v.into()));
                let parts = x.data().len() as f64 / sums.len() as f64;
                let parts = if int_start.is_none() { parts } else { 1.0 };
                result(x.dtype(), shape, Data::Float(sums.iter().map(|&s| (s / parts) as f32).collect()))
            }
        }
    )*};
}

// Name, start and step on floats, start and step on integers; the mean alone is not defined for these.
reductions! {
    /// Arithmetic mean.
    ReduceMean "reduce-mean", 0.0, |a, b| a + b, None, |a, _| a;
    /// Sum.
    ReduceSum "reduce-sum", 0.0, |a, b| a + b, Some(0), i64::wrapping_add;
    /// Largest element.
    ReduceMax "reduce-max", f64::NEG_INFINITY, f64::max, Some(i64::MIN), i64::max;
    /// Smallest element.
    ReduceMin "reduce-min", f64::INFINITY, f64::min, Some(i64::MAX), i64::min;
    /// Product.
    ReduceProd "reduce-prod", 1.0, |a, b| a * b, Some(1), i64::wrapping_mul;
}

fn integers(dtype: DType, all: Vec<i64>) -> Data {
    match dtype {
        DType::I64 => Data::Long(all),
        _ => Data::Int(all.into_iter().map(|x| x as i32).collect()),
    }
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

/// For each element the position of its sum, how many sums there are, and the shape of the result.
fn targets(tensor: &Tensor, axes: &[usize], keep: bool) -> Result<(Vec<usize>, usize, Vec<usize>), Fault> {
    let from = tensor.ty().shape;
    let kept = reduced(&from, axes, true)?.fixed().unwrap_or_default();
    let shape = reduced(&from, axes, keep)?.fixed().unwrap_or_default();
    let targets = walk(tensor.shape(), &broadcast_strides(&kept, tensor.shape()));
    Ok((targets, kept.iter().product(), shape))
}

fn fold<T: Copy, S: Copy>(
    all: &[T],
    targets: &[usize],
    count: usize,
    start: S,
    step: impl Fn(S, T) -> S,
) -> Vec<S> {
    let mut sums = vec![start; count];
    for (&x, &to) in all.iter().zip(targets) {
        sums[to] = step(sums[to], x);
    }
    sums
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
