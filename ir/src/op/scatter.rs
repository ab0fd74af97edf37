//! Writing into a copy of the operand at positions given by indices or by a diagonal.

use super::attr::{Attr, AttrValue};
use super::broadcast::strides;
use super::index::{element_places, same_axes};
use super::layout::wrap_index;
use super::{Fault, Operator, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `scatter-nd(data, indices, updates)`: the data, in which each slice that a row of indices names meets its
    /// update. Later rows follow earlier ones.
    ScatterNd "scatter-nd" {
        /// What becomes of an element and its update.
        reduction: Reduction,
    }
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
        check_reduction(self.reduction, data.dtype)?;
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
        let mut places = Vec::with_capacity(rows * run);
        for row in 0..rows {
            let mut at = 0;
            for axis in 0..depth {
                at += wrap_index(all[row * depth + axis], data.shape()[axis])? * strides[axis];
            }
            places.extend(at..at + run);
        }
        placed(self.reduction, data, updates, &places)
    }
}

/// What becomes of an element and its update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The update alone stays.
    Replace,
    /// Sum.
    Add,
    /// Product.
    Mul,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
}

const REDUCTIONS: [(Reduction, &str); 5] = [
    (Reduction::Replace, "replace"),
    (Reduction::Add, "add"),
    (Reduction::Mul, "mul"),
    (Reduction::Min, "min"),
    (Reduction::Max, "max"),
];

impl AttrValue for Reduction {
    fn to_attr(&self) -> Attr {
        let word = REDUCTIONS.iter().find(|(r, _)| r == self).map_or("", |(_, word)| word);
        Attr::Word(word.into())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        let Attr::Word(word) = attr else { return None };
        REDUCTIONS.iter().find(|(_, name)| name == word).map(|(r, _)| *r)
    }
}

operator! {
    /// `scatter-elements(data, indices, updates)`: the data, in which each update meets the element at its own place, but
    /// at its index along one axis. Later updates follow earlier ones.
    ScatterElements "scatter-elements" {
        /// The axis.
        axis: usize,
        /// What becomes of the two.
        reduction: Reduction,
    }
}

impl Operator for ScatterElements {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (data, indices, updates) = (&operands[0], &operands[1], &operands[2]);
        same_axes(data, indices, self.axis)?;
        if updates.shape != indices.shape || updates.dtype != data.dtype {
            return Err(Fault::new("the updates have the shape of the indices and the type of the data"));
        }
        check_reduction(self.reduction, data.dtype)?;
        Ok(vec![data.clone()])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (data, indices, updates) = (operands[0], operands[1], operands[2]);
        let places = element_places(data.shape(), indices, self.axis)?;
        placed(self.reduction, data, updates, &places)
    }
}

fn check_reduction(reduction: Reduction, dtype: DType) -> Result<(), Fault> {
    if reduction == Reduction::Replace || dtype.is_float() || matches!(dtype, DType::I64 | DType::I32) {
        return Ok(());
    }
    Err(Fault::new("only floats, i64 and i32 are computed with").help("insert `cast`"))
}

/// The data, in which the element at each place met its update.
fn placed(r: Reduction, data: &Tensor, updates: &Tensor, places: &[usize]) -> Result<Vec<Tensor>, Fault> {
    let mut out = data.data().clone();
    match (&mut out, updates.data()) {
        (Data::Float(a), Data::Float(b)) => meet(a, b, places, |x, y| match r {
            Reduction::Replace => y,
            Reduction::Add => x + y,
            Reduction::Mul => x * y,
            Reduction::Min => x.min(y),
            Reduction::Max => x.max(y),
        }),
        (Data::Long(a), Data::Long(b)) => meet(a, b, places, |x, y| integer(r, x, y)),
        (Data::Int(a), Data::Int(b)) => meet(a, b, places, |x, y| integer(r, x.into(), y.into()) as i32),
        (Data::Bool(a), Data::Bool(b)) => meet(a, b, places, |_, y| y),
        _ => return Err(Fault::new("the updates have the type of the data")),
    }
    result(data.dtype(), data.shape(), out)
}

fn meet<T: Copy>(data: &mut [T], updates: &[T], places: &[usize], f: impl Fn(T, T) -> T) {
    places.iter().zip(updates).for_each(|(&at, &update)| data[at] = f(data[at], update));
}

fn integer(reduction: Reduction, x: i64, y: i64) -> i64 {
    match reduction {
        Reduction::Replace => y,
        Reduction::Add => x.wrapping_add(y),
        Reduction::Mul => x.wrapping_mul(y),
        Reduction::Min => x.min(y),
        Reduction::Max => x.max(y),
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
        let out = ScatterNd { reduction: Reduction::Replace }.evaluate(&[&zeros, &at, &row]).unwrap();
        assert_eq!(out[0].to_i64s().unwrap(), [0, 0, 5, 6]);
        let ones = Tensor::i64([2, 2], vec![1; 4]).unwrap();
        let upper = Trilu { upper: true, diagonal: 1 }.evaluate(&[&ones]).unwrap();
        assert_eq!(upper[0].to_i64s().unwrap(), [0, 1, 0, 0]);
    }
}
