//! Resizing: every rule of coordinates becomes a table of places and weights for each axis.
//!
//! Rules after the operator `Resize` of the ONNX standard, computed in double precision.

use super::super::call::{Call, Done};
use crate::diag::Diagnostic;
use crate::op::{Gather, Resample};
use crate::tensor::{Data, Tensor};
use crate::types::DType;

/// How an axis is resized.
struct Axis {
    from: usize,
    to: usize,
    scale: f64,
}

/// What the attributes say.
struct Rule<'a> {
    coordinates: &'a [u8],
    nearest: &'a [u8],
    /// Of cubic interpolation.
    a: f64,
    /// Whether elements outside of the operand count nothing, rather than as the last one inside.
    exclude: bool,
}

impl Rule<'_> {
    /// Where element `i` of the result lies in the operand; `None` for an unknown rule.
    fn coordinate(&self, axis: &Axis, i: usize) -> Option<f64> {
        let (i, from, to) = (i as f64, axis.from as f64, axis.to as f64);
        let half = (i + 0.5) / axis.scale - 0.5;
        Some(match self.coordinates {
            b"half_pixel" => half,
            b"half_pixel_symmetric" => half + from / 2.0 * (1.0 - to / (axis.scale * from)),
            b"pytorch_half_pixel" if axis.to > 1 => half,
            b"pytorch_half_pixel" => 0.0,
            // The standard counts a part of an element, too, where a scale makes one.
            b"align_corners" if axis.scale * from != 1.0 => i * (from - 1.0) / (axis.scale * from - 1.0),
            b"align_corners" => 0.0,
            b"asymmetric" => i / axis.scale,
            _ => return None,
        })
    }

    /// The place nearest to a coordinate; `None` for an unknown rule.
    fn nearest(&self, x: f64) -> Option<f64> {
        Some(match self.nearest {
            b"round_prefer_floor" => (x - 0.5).ceil(),
            b"round_prefer_ceil" => (x + 0.5).floor(),
            b"floor" => x.floor(),
            b"ceil" => x.ceil(),
            _ => return None,
        })
    }

    /// Weights of the four elements around a coordinate, whose second lies `x` before it (Keys 1981).
    fn cubic(&self, x: f64) -> [f64; 4] {
        let a = self.a;
        let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
        let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
        [far(x + 1.0), near(x), near(1.0 - x), far(2.0 - x)]
    }

    /// Places on the axis and their weights, from those around a coordinate.
    fn inside(&self, axis: &Axis, first: f64, weights: &[f64]) -> (Vec<i64>, Vec<f32>) {
        let last = axis.from as f64 - 1.0;
        let place = |t: usize| first + t as f64;
        let counts = |t: usize| !self.exclude || (0.0..=last).contains(&place(t));
        let sum: f64 = (0..weights.len()).filter(|&t| counts(t)).map(|t| weights[t]).sum();
        let weight = |t: usize| match counts(t) {
            true if self.exclude => weights[t] / sum,
            true => weights[t],
            false => 0.0,
        };
        (0..weights.len()).map(|t| (place(t).clamp(0.0, last) as i64, weight(t) as f32)).unzip()
    }
}

/// The axes that change, with their new lengths.
fn axes(call: &mut Call<'_, '_>, dims: &[usize]) -> Result<Vec<(usize, Axis)>, Diagnostic> {
    let named = match call.attribute("axes") {
        Some(a) => a.ints.iter().map(|&i| call.axis_of(i, dims.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..dims.len()).collect(),
    };
    let sizes = call.optional_ints(3)?.filter(|sizes| !sizes.is_empty());
    let scales = match (&sizes, call.optional(2)?) {
        (None, Some(_)) => call.tensor(2)?.floats().iter().map(|&s| f64::from(s)).collect(),
        _ => Vec::new(),
    };
    let policy = call.attribute("keep_aspect_ratio_policy").map_or(&b"stretch"[..], |a| &a.s);
    if policy != b"stretch" {
        return Err(call
            .refuse("it keeps the ratio of sides")
            .help("export the model with lengths of all axes"));
    }
    if sizes.as_ref().map_or(scales.len(), Vec::len) != named.len() {
        return Err(call.refuse("it has neither a length nor a scale for each axis"));
    }
    let mut all = Vec::new();
    for (i, &n) in named.iter().enumerate() {
        let from = dims[n];
        let length = match &sizes {
            Some(sizes) => sizes[i] as f64,
            None => (from as f64 * scales[i]).floor(),
        };
        if !(1.0..=(1u64 << 32) as f64).contains(&length) || from == 0 {
            return Err(call.refuse(format!("it makes {length} elements of {from}")));
        }
        let scale = if sizes.is_some() { length / from as f64 } else { scales[i] };
        all.push((n, Axis { from, to: length as usize, scale }));
    }
    all.retain(|(_, axis)| axis.from != axis.to || axis.scale != 1.0);
    Ok(all)
}

pub(super) fn resize(call: &mut Call<'_, '_>) -> Done {
    let x = call.input(0)?;
    let word = |name: &str, default: &'static [u8]| call.attribute(name).map_or(default, |a| &a.s[..]);
    let mode = word("mode", b"nearest");
    let rule = Rule {
        coordinates: word("coordinate_transformation_mode", b"half_pixel"),
        nearest: word("nearest_mode", b"round_prefer_floor"),
        a: call.float("cubic_coeff_a", -0.75).into(),
        exclude: call.int("exclude_outside", 0) != 0,
    };
    if call.int("antialias", 0) != 0 {
        return Err(call.refuse("it filters before it leaves elements out (antialias)"));
    }
    let dims = call.dims(x)?;
    let mut result = x;
    for (n, axis) in axes(call, &dims)? {
        let taps: usize = match mode {
            b"nearest" => 1,
            b"linear" => 2,
            b"cubic" => 4,
            other => return Err(call.refuse(format!("its mode is `{}`", String::from_utf8_lossy(other)))),
        };
        call.afford((axis.to as u64).saturating_mul(taps as u64))?;
        let unknown = || call.refuse("its rule of coordinates or of rounding is not known");
        let (mut places, mut weights) = (Vec::new(), Vec::new());
        for i in 0..axis.to {
            let at = rule.coordinate(&axis, i).ok_or_else(unknown)?;
            let (first, behind) = (at.floor(), at - at.floor());
            let (p, w) = match mode {
                b"nearest" => rule.inside(&axis, rule.nearest(at).ok_or_else(unknown)?, &[1.0]),
                b"linear" => rule.inside(&axis, first, &[1.0 - behind, behind]),
                _ => rule.inside(&axis, first - 1.0, &rule.cubic(behind)),
            };
            places.extend(p);
            weights.extend(w);
        }
        let broken = || call.refuse("its tables do not fit");
        if mode == b"nearest" {
            let places = Tensor::new(DType::I64, [axis.to], Data::Long(places)).ok_or_else(broken)?;
            let places = call.constant(places.to_constant());
            result = call.emit(Gather { axis: n }, &[result, places])?;
        } else {
            let places = Tensor::new(DType::I64, [axis.to, taps], Data::Long(places)).ok_or_else(broken)?;
            let weights = Tensor::f32([axis.to, taps], weights).ok_or_else(broken)?;
            let tables = [call.constant(places.to_constant()), call.constant(weights.to_constant())];
            result = call.emit(Resample { axis: n }, &[result, tables[0], tables[1]])?;
        }
    }
    call.finish(result)
}
