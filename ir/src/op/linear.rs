//! Matrix products. Products are accumulated in f32 over short runs and the runs in f64.

use super::broadcast::{broadcast, positions};
use super::{Fault, Operator, one_float, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `mat-mul(a [.., M, K], b [.., K, N])`: the product of each pair of matrices, outer axes broadcast.
    MatMul "mat-mul" {}
}

impl Operator for MatMul {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let dtype = one_float(operands)?;
        let (a, b) = (&operands[0].shape.0, &operands[1].shape.0);
        if a.len() < 2 || b.len() < 2 || a[a.len() - 1] != b[b.len() - 2] {
            let why =
                "the last axis of the first operand and the last but one of the second are of one length";
            return Err(Fault::new(why).help("insert `transpose`, or bind named dimensions"));
        }
        let outer = |dims: &[_]| Shape(dims[..dims.len() - 2].to_vec());
        let mut shape = broadcast(&outer(a), &outer(b))?;
        shape.0.extend([a[a.len() - 2].clone(), b[b.len() - 1].clone()]);
        Ok(vec![Type::new(dtype, shape)])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
        let shape = self.infer(&types)?.first().and_then(|t| t.shape.fixed()).unwrap_or_default();
        let (a, b) = (operands[0], operands[1]);
        let (outer, [m, n]) = (&shape[..shape.len() - 2], [shape[shape.len() - 2], shape[shape.len() - 1]]);
        let k = a.shape()[a.shape().len() - 1];
        let outer_of = |t: &Tensor| positions(&t.shape()[..t.shape().len() - 2], outer);
        let mut data = Vec::with_capacity(shape.iter().product());
        for (i, j) in outer_of(a).into_iter().zip(outer_of(b)) {
            let columns = transposed(&b.floats()[j * k * n..(j + 1) * k * n], k, n);
            rows_times_rows(&a.floats()[i * m * k..(i + 1) * m * k], &columns, k, m, n, &mut data);
        }
        result(a.dtype(), shape, Data::Float(data))
    }
}

operator! {
    /// `linear(x [.., K], w [N, K])`: x times the transpose of w. Weights are kept with one row per output.
    Linear "linear" {}
}

impl Operator for Linear {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let dtype = one_float(operands)?;
        let (x, w) = (&operands[0].shape.0, &operands[1].shape.0);
        if x.is_empty() || w.len() != 2 || x[x.len() - 1] != w[1] {
            let why =
                "the weight is [outputs, inputs], with as many inputs as the last axis of the first operand";
            return Err(Fault::new(why).help("insert `transpose`"));
        }
        let mut shape = x.clone();
        shape[x.len() - 1] = w[0].clone();
        Ok(vec![Type::new(dtype, Shape(shape))])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, w) = (operands[0], operands[1]);
        let (n, k) = (w.shape()[0], w.shape()[1]);
        let mut shape = x.shape().to_vec();
        let last = shape.len() - 1;
        let m = shape[..last].iter().product();
        shape[last] = n;
        let mut data = Vec::with_capacity(m * n);
        rows_times_rows(x.floats(), w.floats(), k, m, n, &mut data);
        result(x.dtype(), shape, Data::Float(data))
    }
}

/// Appends the dot product of each of `m` rows of `a` with each of `n` rows of `b`, all `k` long.
fn rows_times_rows(a: &[f32], b: &[f32], k: usize, m: usize, n: usize, out: &mut Vec<f32>) {
    for i in 0..m {
        let row = &a[i * k..(i + 1) * k];
        out.extend((0..n).map(|j| dot(row, &b[j * k..(j + 1) * k])));
    }
}

/// Dot product. Eight partial sums over runs of 64 in f32, so that it vectorises, and the runs summed in f64.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = 0f64;
    for (x, y) in a.chunks(64).zip(b.chunks(64)) {
        let mut lanes = [0f32; 8];
        let (mut xs, mut ys) = (x.chunks_exact(8), y.chunks_exact(8));
        for (p, q) in xs.by_ref().zip(ys.by_ref()) {
            for l in 0..8 {
                lanes[l] += p[l] * q[l];
            }
        }
        let tail: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(p, q)| p * q).sum();
        sum += f64::from(lanes.iter().sum::<f32>()) + f64::from(tail);
    }
    sum as f32
}

fn transposed(b: &[f32], k: usize, n: usize) -> Vec<f32> {
    (0..n).flat_map(|j| (0..k).map(move |i| b[i * n + j])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products() {
        let a = Tensor::f32([1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let b = Tensor::f32([2, 2, 1], vec![1.0, 10.0, 2.0, 20.0]).unwrap();
        let c = MatMul {}.evaluate(&[&a, &b]).unwrap();
        assert_eq!((c[0].shape(), c[0].floats()), (&[2, 2, 1][..], &[21.0, 43.0, 42.0, 86.0][..]));
        let w = Tensor::f32([3, 2], vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        let y = Linear {}.evaluate(&[&a, &w]).unwrap();
        assert_eq!(y[0].floats(), [1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
    }
}
