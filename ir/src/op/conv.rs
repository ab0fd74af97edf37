//! Convolution, over any number of axes.

use super::linear::dot;
use super::{Fault, Operator, one_float, operator, result};
use crate::graph::verify;
use crate::tensor::{Data, Tensor};
use crate::types::{Dim, Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `conv(x [N, C, ..], w [M, C / groups, ..])` or `conv(x, w, bias [M])`: sums of products of the kernel with the window
    /// under it; what lies outside of x is zero.
    Conv "conv" {
        /// Distance between windows, per axis.
        strides: Vec<usize>,
        /// Zeros before and behind each axis: all that are before, then all that are behind.
        pads: Vec<usize>,
        /// Distance between elements of a window, per axis.
        dilations: Vec<usize>,
        /// Groups of channels that do not see one another.
        groups: usize,
    }
}

/// Windows along the axes of a plane, as convolutions and pools have them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry<'a> {
    /// Distance between windows, per axis.
    pub strides: &'a [usize],
    /// Places before and behind each axis: all that are before, then all that are behind.
    pub pads: &'a [usize],
    /// Distance between elements of a window, per axis.
    pub dilations: &'a [usize],
}

impl Geometry<'_> {
    /// Whether there is a stride, not zero, a dilation and two pads for each axis.
    pub fn fits(&self, axes: usize) -> bool {
        let lengths = [self.strides.len(), self.dilations.len(), self.pads.len()];
        lengths == [axes, axes, 2 * axes] && !self.strides.contains(&0) && !self.dilations.contains(&0)
    }

    /// Elements along axis `i` from the first of a window to its last.
    pub fn reach(&self, i: usize, kernel: u64) -> Option<u64> {
        kernel.checked_sub(1)?.checked_mul(self.dilations[i] as u64)?.checked_add(1)
    }

    /// Length of axis `i` with its pads.
    pub fn padded(&self, i: usize, length: u64) -> Option<u64> {
        let behind = self.pads[i + self.strides.len()] as u64;
        length.checked_add(self.pads[i] as u64)?.checked_add(behind)
    }

    /// Numbers of windows along the axes of a plane that lie in it and its pads.
    pub fn windows(&self, plane: &[u64], kernel: &[u64]) -> Option<Vec<u64>> {
        if kernel.len() != plane.len() || !self.fits(plane.len()) {
            return None;
        }
        let length = |i: usize| {
            let padded = self.padded(i, plane[i]).filter(|&p| p <= verify::MAX_ELEMENTS)?;
            Some(padded.checked_sub(self.reach(i, kernel[i])?)? / self.strides[i] as u64 + 1)
        };
        (0..plane.len()).map(length).collect()
    }

    /// For each element of the window at `place`, its position in a plane; `None` outside.
    pub fn taps(
        &self,
        place: usize,
        windows: &[usize],
        plane: &[usize],
        kernel: &[usize],
    ) -> Vec<Option<usize>> {
        let mut taps = vec![Some(0usize)];
        let mut rest = windows.iter().product::<usize>();
        let mut place = place;
        for i in 0..plane.len() {
            rest /= windows[i];
            let first = (place / rest * self.strides[i]) as i64 - self.pads[i] as i64;
            place %= rest;
            let along = |t: usize| {
                let p = usize::try_from(first + (t * self.dilations[i]) as i64).ok()?;
                (p < plane[i]).then_some(p)
            };
            let next = |base: &Option<usize>| {
                let base = *base;
                (0..kernel[i]).map(move |t| Some(base? * plane[i] + along(t)?)).collect::<Vec<_>>()
            };
            taps = taps.iter().flat_map(next).collect();
        }
        taps
    }
}

impl Conv {
    fn geometry(&self) -> Geometry<'_> {
        Geometry { strides: &self.strides, pads: &self.pads, dilations: &self.dilations }
    }
}

/// The lengths, if all are numbers.
pub(super) fn fixed(dims: &[Dim]) -> Option<Vec<u64>> {
    dims.iter().map(|d| d.fixed()).collect()
}

impl Operator for Conv {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let dtype = one_float(operands)?;
        let (x, w) = (&operands[0].shape.0, &operands[1].shape.0);
        let sizes = (x.len() > 2 && x.len() == w.len()).then(|| fixed(&x[1..]).zip(fixed(w))).flatten();
        let (channels, kernel) = sizes.ok_or_else(|| {
            Fault::new("operand and kernel have as many axes, three or more, of known lengths")
        })?;
        let groups = self.groups as u64;
        let split = groups > 0 && channels[0] % groups == 0 && kernel[0] % groups == 0;
        if !split || channels[0] / groups != kernel[1] {
            let why = format!(
                "{} channels in {groups} groups do not meet a kernel of {} x {} channels",
                channels[0], kernel[0], kernel[1]
            );
            return Err(Fault::new(why));
        }
        if operands.get(2).is_some_and(|bias| bias.shape.0 != [Dim::Static(kernel[0])]) {
            return Err(Fault::new(format!("the bias has {} elements", kernel[0])));
        }
        let windows = self.geometry().windows(&channels[1..], &kernel[2..]);
        let windows = windows.ok_or_else(|| {
            Fault::new(
                "strides, pads and dilations fit the axes, and the kernel fits into the padded operand",
            )
        })?;
        let mut dims = vec![x[0].clone(), Dim::Static(kernel[0])];
        dims.extend(windows.into_iter().map(Dim::Static));
        Ok(vec![Type::new(dtype, Shape(dims))])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
        let shape = self.infer(&types)?.first().and_then(|t| t.shape.fixed()).unwrap_or_default();
        let (x, w, geometry) = (operands[0], operands[1], self.geometry());
        let per_group = w.shape()[1];
        let outputs = w.shape()[0] / self.groups;
        let places: usize = shape[2..].iter().product();
        let taps: usize = w.shape()[2..].iter().product();
        let plane: usize = x.shape()[2..].iter().product();
        let k = per_group * taps;
        let mut data = vec![0f32; shape.iter().product()];
        let mut window = vec![0f32; k];
        for image in 0..shape[0] {
            for place in 0..places {
                let at = geometry.taps(place, &shape[2..], &x.shape()[2..], &w.shape()[2..]);
                for group in 0..self.groups {
                    for c in 0..per_group {
                        let base = (image * x.shape()[1] + group * per_group + c) * plane;
                        for (t, at) in at.iter().enumerate() {
                            window[c * taps + t] = at.map_or(0.0, |p| x.floats()[base + p]);
                        }
                    }
                    for m in group * outputs..(group + 1) * outputs {
                        let bias = operands.get(2).map_or(0.0, |b| b.floats()[m]);
                        let sum = dot(&window, &w.floats()[m * k..(m + 1) * k]);
                        data[(image * shape[1] + m) * places + place] = sum + bias;
                    }
                }
            }
        }
        result(x.dtype(), shape, Data::Float(data))
    }
}
