//! Writing into a copy of the operand at positions given by indices or by a diagonal.

use super::broadcast::strides;
use super::layout::wrap_index;
use super::{Fault, Operator, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `scatter-nd(data, indices, updates)`: the data, in which each slice that a row of indices names is replaced by
    /// its update. Later rows win.
    ScatterNd "scatter-nd" {}
}

impl Operator for ScatterNd {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (data, indices, updates) = (&operands[0], &operands[1], &operands[2]);
        let depth = indices.shape.0.last().and_then(|d| d.fixed()).and_then(|n| usize::try_from(n).ok());
        let depth = depth.filter(|&n| n <= data.shape.rank());
        let Some(depth) = depth.filter(|_| indices.dtype == DType::I64 && updates.dtype == data.dtype) else {
            let why = "the indices are of type i64 and name at most all axes, and the updates have the type of the data";
            return Err(Fault::new(why));
        };
        let outer = &indices.shape.0[..indices.shape.rank() - 1];
        let expected = Shape([outer, &data.shape.0[depth..]].concat());
        if updates.shape != expected {
            return Err(Fault::new(format!("the updates have the shape {expected}")).help("insert `reshape`"));
        }
        Ok(vec![data.clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (data, indices, updates) = (operands[0], operands[1], operands[2]);
        let depth = indices.shape().last().copied().unwrap_or(0);
        let strides = strides(data.shape());
        let run: usize = data.shape()[depth..].iter().product();
        let rows = indices.data().len().checked_div(depth).unwrap_or(1);
        let all = indices.to_i64s().unwrap_or_default();
        let mut out = data.data().clone();
        for row in 0..rows {
            let mut at = 0;
            for axis in 0..depth {
                at += wrap_index(all[row * depth + axis], data.shape()[axis])? * strides[axis];
            }
            out.write(at, &updates.data().slice(row * run, run));
        }
        result(data.dtype(), data.shape(), out)
    }
}

operator! {
    /// Keeps one triangle of the last two axes and sets the rest to zero.
    Trilu "trilu" {
        /// Whether the upper triangle is kept.
        upper: bool,
        /// How far the diagonal is shifted to the right.
        diagonal: i64,
    }
}

impl Operator for Trilu {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        if operands[0].shape.rank() < 2 {
            return Err(Fault::new("the operand has at least two axes"));
        }
        Ok(vec![operands[0].clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let shape = operands[0].shape();
        let (rows, columns) = (shape[shape.len() - 2] as i64, shape[shape.len() - 1] as i64);
        let zero = operands[0].data().len();
        let mut padded = Data::zeros(operands[0].dtype(), zero + 1);
        padded.write(0, operands[0].data());
        let kept = |i: usize| {
            let (row, column) = (i as i64 / columns % rows, i as i64 % columns);
            let right = column.saturating_sub(row);
            let keep = if self.upper { right >= self.diagonal } else { right <= self.diagonal };
            if keep { i } else { zero }
        };
        let positions: Vec<usize> = (0..zero).map(kept).collect();
        result(operands[0].dtype(), shape, padded.pick(&positions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_rows_and_triangles() {
        let zeros = Tensor::i64([2, 2], vec![0; 4]).unwrap();
        let at = Tensor::i64([1, 1], vec![-1]).unwrap();
        let row = Tensor::i64([1, 2], vec![5, 6]).unwrap();
        let out = ScatterNd {}.evaluate(&[&zeros, &at, &row]).unwrap();
        assert_eq!(out[0].to_i64s().unwrap(), [0, 0, 5, 6]);
        let ones = Tensor::i64([2, 2], vec![1; 4]).unwrap();
        let upper = Trilu { upper: true, diagonal: 1 }.evaluate(&[&ones]).unwrap();
        assert_eq!(upper[0].to_i64s().unwrap(), [0, 1, 0, 0]);
    }
}
