//! Moving elements without computing: all of these pick elements by position, whatever their type.

use super::broadcast::{broadcast, broadcast_strides, strides, walk};
use super::{Fault, Operator, around, axis, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// The same elements in the same order under another shape.
    Reshape "reshape" {
        /// Shape of the result.
        shape: Shape,
    }
}

impl Operator for Reshape {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let from = &operands[0].shape;
        if factors(from) != factors(&self.shape) {
            let why = format!("{from} and {} do not have the same number of elements", self.shape);
            return Err(Fault::new(why).help("correct the shape, or bind named dimensions to numbers"));
        }
        Ok(vec![Type::new(operands[0].dtype, self.shape.clone())])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let shape = self.shape.fixed().ok_or_else(|| Fault::new("the shape has a named dimension"))?;
        result(operands[0].dtype(), shape, operands[0].data().clone())
    }
}

/// Number of elements as the product of the known dimensions and the sorted names of the others.
fn factors(shape: &Shape) -> Option<(u64, Vec<&str>)> {
    let known = shape.0.iter().try_fold(1u64, |n, d| n.checked_mul(d.fixed().unwrap_or(1)))?;
    let name = |d: &'_ Dim| matches!(d, Dim::Symbol(_));
    let mut names: Vec<&str> = Vec::new();
    for dim in shape.0.iter().filter(|d| name(d)) {
        if let Dim::Symbol(symbol) = dim {
            names.push(symbol);
        }
    }
    names.sort_unstable();
    Some((known, names))
}

operator! {
    /// Reorders the axes: axis `i` of the result is axis `perm[i]` of the operand.
    Transpose "transpose" {
        /// A permutation of the axes.
        perm: Vec<usize>,
    }
}

impl Operator for Transpose {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let shape = &operands[0].shape;
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..shape.rank()) {
            let why = format!("perm is not a permutation of the {} axes", shape.rank());
            return Err(Fault::new(why).help("name each axis once"));
        }
        let dims = self.perm.iter().map(|&p| shape.0[p].clone()).collect();
        Ok(vec![Type::new(operands[0].dtype, Shape(dims))])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let from = operands[0].shape();
        let own = strides(from);
        let shape: Vec<usize> = self.perm.iter().map(|&p| from[p]).collect();
        let strides: Vec<usize> = self.perm.iter().map(|&p| own[p]).collect();
        let data = operands[0].data().pick(&walk(&shape, &strides));
        result(operands[0].dtype(), shape, data)
    }
}

operator! {
    /// Every `step`-th element along one axis, `length` of them, from `start`. A negative step walks backwards.
    Slice "slice" {
        /// The axis.
        axis: usize,
        /// First position that is kept.
        start: usize,
        /// How many are kept.
        length: usize,
        /// Distance between them, not zero.
        step: i64,
    }
}

impl Slice {
    fn position(&self, i: usize) -> Option<usize> {
        let offset = i64::try_from(i).ok()?.checked_mul(self.step)?;
        usize::try_from(i64::try_from(self.start).ok()?.checked_add(offset)?).ok()
    }
}

impl Operator for Slice {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let mut ty = operands[0].clone();
        axis(&ty.shape, self.axis)?;
        let Some(size) = ty.shape.0[self.axis].fixed() else {
            return Err(Fault::new("the sliced axis has no known length").help("bind the named dimension"));
        };
        let inside = |i: usize| self.position(i).is_some_and(|p| (p as u64) < size);
        if self.step == 0 || self.length > 0 && !(inside(0) && inside(self.length - 1)) {
            let why = format!("it leaves the axis, which has {size} elements");
            return Err(Fault::new(why).help("correct start, length and step"));
        }
        ty.shape.0[self.axis] = self.length.into();
        Ok(vec![ty])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (outer, size, inner) = around(operands[0].shape(), self.axis);
        let kept: Vec<usize> = (0..self.length).filter_map(|i| self.position(i)).collect();
        let mut positions = Vec::with_capacity(outer * kept.len() * inner);
        for o in 0..outer {
            for &k in &kept {
                let row = (o * size + k) * inner;
                positions.extend(row..row + inner);
            }
        }
        let mut shape = operands[0].shape().to_vec();
        shape[self.axis] = self.length;
        result(operands[0].dtype(), shape, operands[0].data().pick(&positions))
    }
}

operator! {
    /// Joins its operands along one axis.
    Concat "concat" {
        /// The axis.
        axis: usize,
    }
}

impl Operator for Concat {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let mut ty = operands[0].clone();
        axis(&ty.shape, self.axis)?;
        let mut total = Some(0u64);
        for operand in operands {
            let mut like = operand.clone();
            axis(&like.shape, self.axis)?;
            total = total.zip(like.shape.0[self.axis].fixed()).and_then(|(a, b)| a.checked_add(b));
            like.shape.0[self.axis] = ty.shape.0[self.axis].clone();
            if like != ty {
                let why = format!("{operand} does not fit beside {}", operands[0]);
                return Err(Fault::new(why).help("types are equal except along the joined axis"));
            }
        }
        let total = total.filter(|_| operands.len() > 1).map(Dim::Static);
        ty.shape.0[self.axis] = match (total, operands) {
            (Some(dim), _) => dim,
            (None, [only]) => only.shape.0[self.axis].clone(),
            _ => return Err(Fault::new("the joined length is not known").help("bind the named dimension")),
        };
        Ok(vec![ty])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let mut shape = operands[0].shape().to_vec();
        shape[self.axis] = operands.iter().map(|t| t.shape()[self.axis]).sum();
        let mut data = Data::zeros(operands[0].dtype(), shape.iter().product());
        let (outer, ..) = around(&shape, self.axis);
        let mut at = 0;
        for o in 0..outer {
            for operand in operands {
                let run = operand.data().len() / outer;
                data.write(at, &operand.data().slice(o * run, run));
                at += run;
            }
        }
        result(operands[0].dtype(), shape, data)
    }
}

operator! {
    /// Repeats the operand along axes of length one until it has the shape that it has in common with `shape`.
    Expand "expand" {
        /// The shape to broadcast with.
        shape: Shape,
    }
}

impl Operator for Expand {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        Ok(vec![Type::new(operands[0].dtype, broadcast(&operands[0].shape, &self.shape)?)])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let shape = broadcast(&operands[0].ty().shape, &self.shape)?.fixed();
        let shape = shape.ok_or_else(|| Fault::new("the shape has a named dimension"))?;
        let positions = walk(&shape, &broadcast_strides(operands[0].shape(), &shape));
        result(operands[0].dtype(), shape, operands[0].data().pick(&positions))
    }
}

operator! {
    /// `gather(table, indices)`: replaces one axis of the table by the axes of the indices, which select along it.
    /// Negative indices count from the end. With axis 0 this is the embedding of tokens.
    Gather "gather" {
        /// The axis of the table.
        axis: usize,
    }
}

impl Operator for Gather {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (table, indices) = (&operands[0], &operands[1]);
        axis(&table.shape, self.axis)?;
        if !matches!(indices.dtype, DType::I64 | DType::I32) {
            return Err(Fault::new("the indices are of type i64 or i32").help("insert `cast`"));
        }
        let mut dims = table.shape.0.clone();
        dims.splice(self.axis..=self.axis, indices.shape.0.iter().cloned());
        Ok(vec![Type::new(table.dtype, Shape(dims))])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let table = operands[0];
        let (outer, size, inner) = around(table.shape(), self.axis);
        let indices = operands[1].to_i64s().unwrap_or_default();
        let rows = indices.iter().map(|&i| wrap_index(i, size)).collect::<Result<Vec<_>, _>>()?;
        let mut positions = Vec::with_capacity(outer * rows.len() * inner);
        for o in 0..outer {
            for &row in &rows {
                let at = (o * size + row) * inner;
                positions.extend(at..at + inner);
            }
        }
        let mut shape = table.shape().to_vec();
        shape.splice(self.axis..=self.axis, operands[1].shape().iter().copied());
        result(table.dtype(), shape, table.data().pick(&positions))
    }
}

/// Resolves an index that may count from the end.
pub(super) fn wrap_index(index: i64, size: usize) -> Result<usize, Fault> {
    let wrapped = if index < 0 { index.checked_add(size as i64) } else { Some(index) };
    let inside = wrapped.and_then(|i| usize::try_from(i).ok()).filter(|&i| i < size);
    inside.ok_or_else(|| {
        Fault::new(format!("the index {index} is outside of an axis of {size} elements"))
            .help("correct the indices")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Op;

    fn run(op: impl Into<Op>, operands: &[&Tensor]) -> Tensor {
        let op = op.into();
        let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
        let inferred = op.infer(&types).unwrap();
        let results = op.evaluate(operands).unwrap();
        assert_eq!(results[0].ty(), inferred[0]);
        results.into_iter().next().unwrap()
    }

    fn ramp(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        Tensor::i64(shape, (0..n as i64).collect()).unwrap()
    }

    fn longs(t: &Tensor) -> Vec<i64> {
        t.to_i64s().unwrap()
    }

    #[test]
    fn moves_elements() {
        let a = ramp(&[2, 3]);
        assert_eq!(longs(&run(Transpose { perm: vec![1, 0] }, &[&a])), [0, 3, 1, 4, 2, 5]);
        assert_eq!(longs(&run(Slice { axis: 1, start: 2, length: 2, step: -2 }, &[&a])), [2, 0, 5, 3]);
        assert_eq!(longs(&run(Concat { axis: 1 }, &[&a, &ramp(&[2, 1])])), [0, 1, 2, 0, 3, 4, 5, 1]);
        assert_eq!(longs(&run(Expand { shape: Shape::of([2, 2]) }, &[&ramp(&[2, 1])])), [0, 0, 1, 1]);
        let indices = Tensor::i64([2], vec![-1, 0]).unwrap();
        assert_eq!(longs(&run(Gather { axis: 1 }, &[&a, &indices])), [2, 0, 5, 3]);
    }

    #[test]
    fn refuses_what_leaves_the_axis() {
        let slice = Slice { axis: 0, start: 1, length: 2, step: 1 };
        assert!(slice.infer(&[ramp(&[2]).ty()]).is_err());
        let far = Tensor::i64([1], vec![2]).unwrap();
        assert!(Gather { axis: 0 }.evaluate(&[&ramp(&[2]), &far]).is_err());
    }
}
