//! Between integers on a grid and floats: what files carry that were quantised elsewhere.
//!
//! A scale, and a zero point with it, serves the whole tensor (no axes), one position of an axis (one axis), or blocks of
//! positions along an axis (as many axes as the tensor).

use super::{Fault, Operator, axis, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Type};
use std::ops::RangeInclusive;

operator! {
    /// `dequantise(codes, scale)` or `dequantise(codes, scale, zero)`: `(code - zero) * scale`. It is never folded: the codes
    /// are what the model was quantised to.
    Dequantise "dequantise" {
        /// The axis that scales belong to.
        axis: usize,
        /// Positions that share a scale; 0 if scales are no blocks.
        block: usize,
    }
}

operator! {
    /// `quantise-to(x, scale)` or `quantise-to(x, scale, zero)`: `x / scale` rounded to nearest, ties to even, plus zero,
    /// saturated.
    QuantiseTo "quantise-to" {
        /// Type of the codes.
        to: DType,
        /// The axis that scales belong to.
        axis: usize,
        /// Positions that share a scale; 0 if scales are no blocks.
        block: usize,
    }
}

/// Refuses scales or zero points whose shape is none of those in the module head.
fn check_grid(x: &Type, grid: &[Type], along: usize, block: usize) -> Result<(), Fault> {
    for parameter in grid {
        let shape = &parameter.shape;
        let blocks = |(i, (n, s)): (usize, (&Dim, &Dim))| match (i == along, n.fixed(), s.fixed()) {
            (true, Some(n), Some(s)) => block > 0 && n.div_ceil(block as u64) == s,
            _ => n == s,
        };
        let good = match shape.rank() {
            0 => block == 0,
            1 if block == 0 => {
                shape.0[0] == Dim::Static(1) || x.shape.0.get(along).is_some_and(|n| *n == shape.0[0])
            }
            rank => rank == x.shape.rank() && x.shape.0.iter().zip(&shape.0).enumerate().all(blocks),
        };
        if !good {
            let why = format!("{parameter} is no grid of {x} along axis {along} in blocks of {block}");
            return Err(
                Fault::new(why).help("give one scale, one per position of the axis, or one per block")
            );
        }
    }
    match grid {
        [] => Err(Fault::new("a scale is given")),
        [scale, zero] if scale.shape != zero.shape => Err(Fault::new("scales and zero points are as many")),
        _ => Ok(()),
    }
}

/// For each element of `shape`, the position of its scale.
fn grid_places(shape: &[usize], grid: &Tensor, along: usize, block: usize) -> Vec<usize> {
    let count: usize = shape.iter().product();
    if grid.data().len() == 1 {
        return vec![0; count];
    }
    let inner: usize = shape.iter().skip(along + 1).product();
    let size = shape.get(along).copied().unwrap_or(1);
    let blocks = size.div_ceil(block.max(1));
    let place = |i: usize| {
        let (outer, at) = (i / inner / size, i / inner % size);
        at.checked_div(block).map_or(at, |group| (outer * blocks + group) * inner + i % inner)
    };
    (0..count).map(place).collect()
}

impl Operator for Dequantise {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (codes, scale) = (&operands[0], &operands[1]);
        if !codes.dtype.is_int() || !scale.dtype.is_float() {
            return Err(Fault::new("codes are integers and scales are floats"));
        }
        check_grid(codes, &operands[1..], self.axis, self.block)?;
        Ok(vec![Type::new(scale.dtype, codes.shape.clone())])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (codes, scale) = (operands[0], operands[1]);
        let places = grid_places(codes.shape(), scale, self.axis, self.block);
        let all = codes.to_i64s().unwrap_or_default();
        let zero = zeros(operands.get(2));
        let value = |(&code, &at): (&i64, &usize)| {
            let distance = code as f64 - zero.get(at).copied().unwrap_or(0.0);
            distance as f32 * scale.floats()[at]
        };
        let data = all.iter().zip(&places).map(value).collect();
        result(scale.dtype(), codes.shape(), Data::Float(data))
    }
}

/// Zero points, which may be integers or floats.
fn zeros(operand: Option<&&Tensor>) -> Vec<f64> {
    operand.map_or(Vec::new(), |zero| match zero.to_i64s() {
        Some(all) => all.iter().map(|&z| z as f64).collect(),
        None => zero.floats().iter().map(|&z| z.into()).collect(),
    })
}

impl Operator for QuantiseTo {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (x, scale) = (&operands[0], &operands[1]);
        if !(x.dtype.is_float() || x.dtype == DType::I32) || !scale.dtype.is_float() || !self.to.is_int() {
            return Err(Fault::new(
                "the operand is a float or i32, scales are floats, and codes are integers",
            ));
        }
        if self.block == 0 && operands[1].shape.rank() == 1 {
            axis(&x.shape, self.axis).or_else(|e| if x.shape.rank() == 0 { Ok(()) } else { Err(e) })?;
        }
        check_grid(x, &operands[1..], self.axis, self.block)?;
        Ok(vec![Type::new(self.to, x.shape.clone())])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, scale) = (operands[0], operands[1]);
        let places = grid_places(x.shape(), scale, self.axis, self.block);
        let (low, high) = self.to.range().unwrap_or((0, 0));
        let zero = zeros(operands.get(2));
        let element = |i: usize| match x.data() {
            Data::Float(v) => v[i],
            other => match other {
                Data::Int(v) => v[i] as f32,
                _ => 0.0,
            },
        };
        let code = |(i, &at): (usize, &usize)| {
            let steps = f64::from((element(i) / scale.floats()[at]).round_ties_even());
            (steps + zero.get(at).copied().unwrap_or(0.0)).clamp(low as f64, high as f64) as i64
        };
        let codes = places.iter().enumerate().map(code);
        let data = match self.to {
            DType::I64 => Data::Long(codes.collect()),
            _ => Data::Int(codes.map(|c| c as i32).collect()),
        };
        result(self.to, x.shape(), data)
    }
}
