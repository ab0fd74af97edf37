//! Selecting by value or by computed index: the largest elements, those that are not zero, elements along an axis.

use super::layout::wrap_index;
use super::{Fault, Operator, around, axis, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Shape, Type};
use std::cmp::Ordering;
use std::ops::RangeInclusive;

operator! {
    /// The `count` largest or smallest elements along one axis, in order, and where they stood (i64). Equal elements keep
    /// their order.
    TopK "top-k" {
        /// The axis.
        axis: usize,
        /// How many.
        count: usize,
        /// Whether the largest, otherwise the smallest.
        largest: bool,
    }
}

impl Operator for TopK {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let mut shape = operands[0].shape.clone();
        axis(&shape, self.axis)?;
        if shape.0[self.axis].fixed().is_none_or(|n| n < self.count as u64) {
            return Err(Fault::new(format!("the axis has at least {} elements", self.count)));
        }
        shape.0[self.axis] = self.count.into();
        Ok(vec![Type::new(operands[0].dtype, shape.clone()), Type::new(DType::I64, shape)])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let x = operands[0];
        let (outer, size, inner) = around(x.shape(), self.axis);
        let (mut places, mut ranks) = (Vec::new(), Vec::new());
        for o in 0..outer {
            let best: Vec<Vec<usize>> = (0..inner)
                .map(|i| {
                    let at = |k: usize| (o * size + k) * inner + i;
                    let mut order: Vec<usize> = (0..size).collect();
                    order.sort_by(|&a, &b| {
                        let by = compare(x.data(), at(a), at(b));
                        if self.largest { by.reverse() } else { by }
                    });
                    order.truncate(self.count);
                    order
                })
                .collect();
            for k in 0..self.count {
                for (i, order) in best.iter().enumerate() {
                    places.push((o * size + order[k]) * inner + i);
                    ranks.push(order[k] as i64);
                }
            }
        }
        let mut shape = x.shape().to_vec();
        shape[self.axis] = self.count;
        let mut results = result(x.dtype(), shape.clone(), x.data().pick(&places))?;
        results.extend(result(DType::I64, shape, Data::Long(ranks))?);
        Ok(results)
    }
}

/// Order of two elements of one tensor; whatever is no number is equal to everything.
fn compare(data: &Data, a: usize, b: usize) -> Ordering {
    match data {
        Data::Float(v) => v[a].partial_cmp(&v[b]).unwrap_or(Ordering::Equal),
        Data::Long(v) => v[a].cmp(&v[b]),
        Data::Int(v) => v[a].cmp(&v[b]),
        Data::Bool(v) => v[a].cmp(&v[b]),
    }
}

operator! {
    /// Indices of the elements that are not zero, i64 `[axes, found]`, in row-major order. How many there are is known
    /// when it runs; until then it has a name, which is unlike all others.
    NonZero "non-zero" {
        /// The number of elements found: one dimension, a name.
        found: Shape,
    }
}

impl Operator for NonZero {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let [found] = &self.found.0[..] else {
            return Err(Fault::new("the number of elements found is one dimension"));
        };
        let shape = Shape(vec![operands[0].shape.rank().into(), found.clone()]);
        Ok(vec![Type::new(DType::I64, shape)])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let shape = operands[0].shape();
        let set = |i: &usize| match operands[0].data() {
            Data::Float(v) => v[*i] != 0.0,
            Data::Long(v) => v[*i] != 0,
            Data::Int(v) => v[*i] != 0,
            Data::Bool(v) => v[*i],
        };
        let found: Vec<usize> = (0..operands[0].data().len()).filter(set).collect();
        let stated = self.found.0.first().and_then(|d| d.fixed());
        if stated.is_some_and(|n| n != found.len() as u64) {
            return Err(Fault::new(format!("{} elements are not zero", found.len())));
        }
        let strides = super::broadcast::strides(shape);
        let index = |(n, s): (&usize, &usize)| found.iter().map(|i| (i / s % n) as i64).collect::<Vec<_>>();
        let data = shape.iter().zip(&strides).flat_map(index).collect();
        result(DType::I64, [shape.len(), found.len()], Data::Long(data))
    }
}

operator! {
    /// `gather-elements(data, indices)`: for each index, the element of the data at the same place, but there along one
    /// axis.
    GatherElements "gather-elements" {
        /// The axis.
        axis: usize,
    }
}

impl Operator for GatherElements {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        same_axes(&operands[0], &operands[1], self.axis)?;
        Ok(vec![Type::new(operands[0].dtype, operands[1].shape.clone())])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (data, indices) = (operands[0], operands[1]);
        let places = element_places(data.shape(), indices, self.axis)?;
        result(data.dtype(), indices.shape(), data.data().pick(&places))
    }
}

/// Refuses indices that are no integers, or that reach beyond the data along another axis than `along`.
pub(super) fn same_axes(data: &Type, indices: &Type, along: usize) -> Result<(), Fault> {
    axis(&data.shape, along)?;
    let inside = |(i, (d, n)): (usize, (&crate::types::Dim, &crate::types::Dim))| {
        i == along || d == n || d.fixed().zip(n.fixed()).is_some_and(|(d, n)| n <= d)
    };
    let fits = data.shape.rank() == indices.shape.rank()
        && data
            .shape
            .0
            .iter()
            .zip(&indices.shape.0)
            .enumerate()
            .all(|p| p.1.1.fixed().is_none() || inside(p));
    if fits && matches!(indices.dtype, DType::I64 | DType::I32) {
        return Ok(());
    }
    Err(Fault::new("the indices are of type i64 or i32, and have the axes of the data or shorter ones"))
}

/// For each index, the position in data of that shape that it names along `axis`.
pub(super) fn element_places(shape: &[usize], indices: &Tensor, axis: usize) -> Result<Vec<usize>, Fault> {
    let (own, outer) = (super::broadcast::strides(indices.shape()), super::broadcast::strides(shape));
    let all = indices.to_i64s().unwrap_or_default();
    let place = |(i, &index): (usize, &i64)| {
        let along = |k: usize| match k == axis {
            true => wrap_index(index, shape[k]),
            false => Ok(i / own[k] % indices.shape()[k]),
        };
        (0..shape.len()).try_fold(0, |at, k| {
            let position = along(k)?;
            if position >= shape[k] {
                return Err(Fault::new("an index reaches beyond the data"));
            }
            Ok(at + position * outer[k])
        })
    };
    all.iter().enumerate().map(place).collect()
}

operator! {
    /// Running sums along one axis.
    CumSum "cum-sum" {
        /// The axis.
        axis: usize,
        /// Whether an element is left out of its own sum.
        exclusive: bool,
        /// Whether the sums run from the end.
        reverse: bool,
    }
}

impl Operator for CumSum {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        axis(&operands[0].shape, self.axis)?;
        let dtype = operands[0].dtype;
        if dtype.is_float() || matches!(dtype, DType::I64 | DType::I32) {
            return Ok(vec![operands[0].clone()]);
        }
        Err(Fault::new(format!("it is not defined for {dtype}")).help("insert `cast`"))
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let x = operands[0];
        let (outer, size, inner) = around(x.shape(), self.axis);
        let line = |o: usize, i: usize| {
            let at = move |k: usize| (o * size + if self.reverse { size - 1 - k } else { k }) * inner + i;
            (0..size).map(at)
        };
        let lines = || (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i)));
        let data = match x.data() {
            Data::Float(v) => {
                let mut out = vec![0f32; v.len()];
                for (o, i) in lines() {
                    line(o, i).fold(0f64, |sum, p| {
                        let next = sum + f64::from(v[p]);
                        out[p] = if self.exclusive { sum } else { next } as f32;
                        next
                    });
                }
                Data::Float(out)
            }
            other => {
                let v = x.to_i64s().unwrap_or_default();
                let mut out = vec![0i64; v.len()];
                for (o, i) in lines() {
                    line(o, i).fold(0i64, |sum, p| {
                        let next = sum.wrapping_add(v[p]);
                        out[p] = if self.exclusive { sum } else { next };
                        next
                    });
                }
                match other {
                    Data::Long(_) => Data::Long(out),
                    _ => Data::Int(out.iter().map(|&x| x as i32).collect()),
                }
            }
        };
        result(x.dtype(), x.shape(), data)
    }
}
