//! Pooling: one number for each window of a plane.

use super::conv::{Geometry, fixed};
use super::{Fault, Operator, one_float, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{Dim, Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `max-pool(x [N, C, ..])`: the largest element of each window; what lies outside of x is smaller than any.
    MaxPool "max-pool" {
        /// Elements of a window, per axis.
        kernel: Vec<usize>,
        /// Distance between windows, per axis.
        strides: Vec<usize>,
        /// Places before and behind each axis: all that are before, then all that are behind.
        pads: Vec<usize>,
        /// Distance between elements of a window, per axis.
        dilations: Vec<usize>,
        /// Whether a last window may begin inside and end behind the pads.
        ceil: bool,
    }
}

operator! {
    /// `average-pool(x [N, C, ..])`: the mean of each window.
    AveragePool "average-pool" {
        /// Elements of a window, per axis.
        kernel: Vec<usize>,
        /// Distance between windows, per axis.
        strides: Vec<usize>,
        /// Places before and behind each axis: all that are before, then all that are behind.
        pads: Vec<usize>,
        /// Distance between elements of a window, per axis.
        dilations: Vec<usize>,
        /// Whether a last window may begin inside and end behind the pads.
        ceil: bool,
        /// Whether pads are zeros that count, or nothing.
        padded: bool,
    }
}

/// Most elements of a window.
const MAX_WINDOW: usize = 1 << 24;

/// What both have in common.
struct Pool<'a> {
    kernel: &'a [usize],
    geometry: Geometry<'a>,
    ceil: bool,
}

impl Pool<'_> {
    /// Windows along the spatial axes.
    fn windows(&self, plane: &[u64]) -> Option<Vec<u64>> {
        let kernel: Vec<u64> = self.kernel.iter().map(|&k| k as u64).collect();
        self.kernel.iter().try_fold(1usize, |n, &k| n.checked_mul(k)).filter(|&n| n <= MAX_WINDOW)?;
        let mut windows = self.geometry.windows(plane, &kernel)?;
        let all_see_something = (0..plane.len()).all(|i| {
            let reach = self.geometry.reach(i, kernel[i]).unwrap_or(0);
            self.geometry.pads.iter().skip(i).step_by(plane.len()).all(|&pad| (pad as u64) < reach)
        });
        for (i, windows) in windows.iter_mut().enumerate().filter(|_| self.ceil) {
            let next = *windows * self.geometry.strides[i] as u64;
            let covered = next - self.geometry.strides[i] as u64 + self.geometry.reach(i, kernel[i])?;
            let begins_inside = next < plane[i] + self.geometry.pads[i] as u64;
            *windows += u64::from(covered < self.geometry.padded(i, plane[i])? && begins_inside);
        }
        all_see_something.then_some(windows)
    }

    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let dtype = one_float(operands)?;
        let dims = &operands[0].shape.0;
        let plane = dims.get(2..).filter(|p| !p.is_empty()).and_then(fixed);
        let plane = plane.ok_or_else(|| {
            Fault::new("the operand has three axes or more, the third and further of known lengths")
        })?;
        let windows = self.windows(&plane).ok_or_else(|| {
            Fault::new(
                "kernel, strides, pads and dilations fit the axes, and no window lies in the pads alone",
            )
        })?;
        let dims = dims[..2].iter().cloned().chain(windows.into_iter().map(Dim::Static));
        Ok(vec![Type::new(dtype, Shape(dims.collect()))])
    }

    /// For each window, the number of its elements in x and its pads, and the result of `of` for those in x.
    fn evaluate(
        &self,
        x: &Tensor,
        of: impl Fn(&mut dyn Iterator<Item = f32>, usize) -> f32,
    ) -> Result<Vec<Tensor>, Fault> {
        let shape = self.infer(&[x.ty()])?.first().and_then(|t| t.shape.fixed()).unwrap_or_default();
        let (plane, windows) = (&x.shape()[2..], &shape[2..]);
        let behind = &self.geometry.pads[plane.len()..];
        let lengths = plane.iter().zip(self.geometry.pads).zip(behind);
        let padded: Vec<usize> = lengths.map(|((n, before), behind)| n + before + behind).collect();
        let nowhere = vec![0; 2 * plane.len()];
        let unpadded = Geometry { pads: &nowhere, ..self.geometry };
        let places: usize = windows.iter().product();
        let elements: usize = plane.iter().product();
        let mut data = vec![0f32; shape.iter().product()];
        for place in 0..places {
            let at = self.geometry.taps(place, windows, plane, self.kernel);
            let inside = unpadded.taps(place, windows, &padded, self.kernel).iter().flatten().count();
            for channel in 0..data.len() / places {
                let map = &x.floats()[channel * elements..][..elements];
                data[channel * places + place] = of(&mut at.iter().flatten().map(|&p| map[p]), inside);
            }
        }
        result(x.dtype(), shape, Data::Float(data))
    }
}

impl MaxPool {
    fn pool(&self) -> Pool<'_> {
        let geometry = Geometry { strides: &self.strides, pads: &self.pads, dilations: &self.dilations };
        Pool { kernel: &self.kernel, geometry, ceil: self.ceil }
    }
}

impl Operator for MaxPool {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        self.pool().infer(operands)
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        // A comparison with NaN is false, so that NaN is kept once it is met, and met where nothing was.
        let larger = |a: f32, b: f32| if a.is_nan() || a >= b { a } else { b };
        self.pool().evaluate(operands[0], |window, _| window.fold(f32::NEG_INFINITY, larger))
    }
}

impl AveragePool {
    fn pool(&self) -> Pool<'_> {
        let geometry = Geometry { strides: &self.strides, pads: &self.pads, dilations: &self.dilations };
        Pool { kernel: &self.kernel, geometry, ceil: self.ceil }
    }
}

impl Operator for AveragePool {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        self.pool().infer(operands)
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        self.pool().evaluate(operands[0], |window, padded| {
            let (sum, count) = window.fold((0f64, 0usize), |(sum, n), x| (sum + f64::from(x), n + 1));
            (sum / if self.padded { padded as f64 } else { count as f64 }) as f32
        })
    }
}
