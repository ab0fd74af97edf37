//! Transposed convolution: the gradient of a convolution with respect to its operand.

use super::conv::{Geometry, fixed};
use super::integer::require;
use super::{Fault, Operator, one_float, operator, result};
use crate::graph::verify;
use crate::tensor::{Data, Tensor};
use crate::types::{Dim, Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `conv-transpose(x [N, C, ..], w [C, M / groups, ..])` or with `bias [M]`: each element of x adds its product with the
    /// kernel to a window of the result, whose windows lie as those of the `conv` of the same attributes.
    ConvTranspose "conv-transpose" {
        /// Distance between windows of the result, per axis.
        strides: Vec<usize>,
        /// Elements of the result left out before and behind each axis: all that are before, then all that are behind.
        pads: Vec<usize>,
        /// Distance between elements of a window, per axis.
        dilations: Vec<usize>,
        /// Elements behind each axis that no window need reach, fewer than its stride or dilation.
        extra: Vec<usize>,
        /// Groups of channels that do not see one another.
        groups: usize,
    }
}

impl ConvTranspose {
    fn geometry(&self) -> Geometry<'_> {
        Geometry { strides: &self.strides, pads: &self.pads, dilations: &self.dilations }
    }

    /// Lengths of the result along the spatial axes.
    fn lengths(&self, x: &[u64], kernel: &[u64]) -> Option<Vec<u64>> {
        let (axes, geometry) = (x.len(), self.geometry());
        if kernel.len() != axes || self.extra.len() != axes || !geometry.fits(axes) {
            return None;
        }
        let length = |i: usize| {
            let windows = x[i].checked_sub(1)?.checked_mul(self.strides[i] as u64)?;
            let all =
                windows.checked_add(geometry.reach(i, kernel[i])?)?.checked_add(self.extra[i] as u64)?;
            let left_out = geometry.padded(i, 0)?;
            all.checked_sub(left_out).filter(|&n| n > 0 && all <= verify::MAX_ELEMENTS)
        };
        let fits = |i: usize| self.extra[i] < self.strides[i].max(self.dilations[i]);
        (0..axes).all(fits).then(|| (0..axes).map(length).collect())?
    }
}

impl Operator for ConvTranspose {
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
        let split = groups > 0 && channels[0] % groups == 0 && channels[0] == kernel[0];
        require(split, "the kernel has an outermost row for each channel, and groups are whole")?;
        let outputs = kernel[1].checked_mul(groups).filter(|&n| n <= verify::MAX_ELEMENTS);
        let outputs = outputs.ok_or_else(|| Fault::new("the groups have too many outputs"))?;
        let biased = operands.get(2).is_none_or(|bias| bias.shape.0 == [Dim::Static(outputs)]);
        require(biased, "the bias has an element for each output")?;
        let lengths = self.lengths(&channels[1..], &kernel[2..]).ok_or_else(|| {
            Fault::new(
                "strides, pads, dilations and extra elements fit the axes, and leave something of each",
            )
        })?;
        let mut dims = vec![x[0].clone(), Dim::Static(outputs)];
        dims.extend(lengths.into_iter().map(Dim::Static));
        Ok(vec![Type::new(dtype, Shape(dims))])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
        let shape = self.infer(&types)?.first().and_then(|t| t.shape.fixed()).unwrap_or_default();
        let (x, w, geometry) = (operands[0], operands[1], self.geometry());
        let (channels, per_group) = (x.shape()[1], w.shape()[1]);
        let inputs = channels / self.groups;
        let places: usize = x.shape()[2..].iter().product();
        let taps: usize = w.shape()[2..].iter().product();
        let plane: usize = shape[2..].iter().product();
        let bias = |m: usize| operands.get(2).map_or(0.0, |b| f64::from(b.floats()[m]));
        let mut sums: Vec<f64> =
            (0..shape[0] * shape[1] * plane).map(|i| bias(i / plane % shape[1])).collect();
        for place in 0..places {
            let at = geometry.taps(place, &x.shape()[2..], &shape[2..], &w.shape()[2..]);
            for row in 0..shape[0] * channels {
                let (image, c) = (row / channels, row % channels);
                let element = f64::from(x.floats()[row * places + place]);
                for m in 0..per_group {
                    let base = (image * shape[1] + c / inputs * per_group + m) * plane;
                    let kernel = &w.floats()[(c * per_group + m) * taps..][..taps];
                    for (at, k) in at.iter().zip(kernel) {
                        if let Some(at) = at {
                            sums[base + at] += element * f64::from(*k);
                        }
                    }
                }
            }
        }
        result(x.dtype(), shape, Data::Float(sums.into_iter().map(|s| s as f32).collect()))
    }
}
