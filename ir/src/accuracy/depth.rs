//! Accuracy of a network that estimates depth: its map of each scene against the distances that were measured there.
//!
//! The network predicts the inverse of the depth in metres. Figures after Eigen et al., 2014, over all pixels of all scenes: mean
//! of `|z - d| / d` (AbsRel), share of pixels with `max(z / d, d / z) < 1.25` (delta1), root of the mean of `(z - d)^2` (RMSE).

use super::npz::{Array, read_npz};
use crate::diag::Diagnostic;
use crate::eval::Evaluator;
use crate::graph::Graph;
use crate::pack::from_f16;
use crate::tensor::Tensor;
use crate::types::{DType, Shape};
use rayon::prelude::*;

/// Mean and standard deviation of each colour in ImageNet, by which pixels are normalised.
const COLOURS: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

/// Least prediction, that is depths up to 50 m: what is further away, or behind the camera, counts as that far.
const LEAST: f64 = 0.02;

/// Images of scenes, and how far away is what they show.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenes {
    /// Red, green and blue planes of each.
    rgb: Vec<u8>,
    /// Half-precision metres.
    depth: Vec<u16>,
    height: usize,
    width: usize,
}

/// Figures of a network on scenes; see the module head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthFigures {
    /// Mean relative error.
    pub abs_rel: f64,
    /// Share of pixels that are nearly right.
    pub delta1: f64,
    /// Root of the mean square of the error, in metres.
    pub rmse: f64,
}

/// Sums over pixels.
#[derive(Default)]
struct Sums {
    relative: f64,
    near: usize,
    square: f64,
}

impl Scenes {
    /// Whether an npz file holds scenes rather than texts.
    pub fn are_in(npz: &[u8]) -> bool {
        read_npz(npz).is_ok_and(|arrays| arrays.iter().any(|a| a.name == "rgb"))
    }

    /// From an npz file with arrays `rgb` u8 `[scenes, 3, H, W]` and `depth` f16 `[scenes, H, W]`, in metres.
    ///
    /// # Errors
    /// No such file, or depths that are not positive.
    pub fn parse(npz: &[u8]) -> Result<Scenes, Diagnostic> {
        let arrays = read_npz(npz)?;
        let array = |name: &str| arrays.iter().find(|a| a.name == name);
        let (Some(rgb), Some(depth)) = (array("rgb"), array("depth")) else {
            let names: Vec<&str> = arrays.iter().map(|a| a.name.as_str()).collect();
            return Err(unfit(format!("the file holds: {}", names.join(", "))));
        };
        let (&[scenes, 3, height, width], Array { shape, .. }) = (&rgb.shape[..], depth) else {
            return Err(unfit(format!("the shape of `rgb` is {:?}", rgb.shape)));
        };
        if shape[..] != [scenes, height, width] || scenes * height * width == 0 {
            return Err(unfit(format!("the shapes of `rgb` and `depth` are {:?} and {shape:?}", rgb.shape)));
        }
        let (rgb, depth) = (rgb.of_type("|u1")?.to_vec(), depth.of_type("<f2")?);
        let depth: Vec<u16> = depth.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        if let Some(at) = depth.iter().position(|&d| !(from_f16(d) > 0.0 && from_f16(d).is_finite())) {
            let (scene, metres) = (at / (height * width), from_f16(depth[at]));
            return Err(unfit(format!("a depth of scene {scene} is {metres} m, which is no distance")));
        }
        Ok(Scenes { rgb, depth, height, width })
    }

    /// Pixels of a scene.
    fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Number of scenes.
    pub fn len(&self) -> usize {
        self.depth.len() / self.pixels()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.depth.is_empty()
    }

    /// The image of a scene as networks read it, `[1, 3, H, W]`: colours from 0 to 1, less their mean, by their deviation.
    fn image(&self, scene: usize) -> Option<Tensor> {
        let pixels = self.pixels();
        let planes = self.rgb[scene * 3 * pixels..][..3 * pixels].chunks_exact(pixels).zip(COLOURS);
        let normalised = planes.flat_map(|(plane, (mean, deviation))| {
            plane.iter().map(move |&c| (f32::from(c) / 255.0 - mean) / deviation)
        });
        Tensor::f32([1, 3, self.height, self.width], normalised.collect())
    }

    fn compare(&self, scene: usize, predicted: &[f32]) -> Sums {
        let measured = &self.depth[scene * self.pixels()..][..self.pixels()];
        let mut sums = Sums::default();
        for (&p, &d) in predicted.iter().zip(measured) {
            let (z, d) = (f64::from(p).max(LEAST).recip(), f64::from(from_f16(d)));
            sums.relative += (z - d).abs() / d;
            sums.near += usize::from((z / d).max(d / z) < 1.25);
            sums.square += (z - d) * (z - d);
        }
        sums
    }

    /// Measures a network; `done` is called behind each scene. Scenes are spread over all threads; no figure depends on their
    /// number.
    ///
    /// # Errors
    /// A network of other images or without weights, or one that does not give a number for each pixel.
    pub fn measure(&self, graph: &Graph, done: &(dyn Fn() + Sync)) -> Result<DepthFigures, Diagnostic> {
        let image = Shape::of([1, 3, self.height, self.width]);
        let inputs: Vec<_> = graph.inputs().iter().map(|&i| graph.ty(i)).collect();
        if !matches!(inputs[..], [ty] if ty.dtype == DType::F32 && ty.shape == image) {
            let found: Vec<String> = inputs.iter().map(|ty| ty.to_string()).collect();
            return Err(unfit(format!(
                "the model reads {}, and the scenes are {image} floats",
                found.join(", ")
            )));
        }
        let evaluator = Evaluator::new(graph)?;
        let score = |scene| {
            let image = self.image(scene).ok_or_else(|| Diagnostic::internal("an image is cut short"))?;
            let outputs = evaluator.run(&[image])?;
            done();
            match outputs.first().map(Tensor::floats).filter(|map| map.len() == self.pixels()) {
                Some(map) if outputs.len() == 1 => Ok(self.compare(scene, map)),
                _ => Err(unfit("the model does not give one map with a number for each pixel")),
            }
        };
        let scores: Vec<Sums> = (0..self.len()).into_par_iter().map(score).collect::<Result<_, _>>()?;
        let all = self.depth.len() as f64;
        Ok(DepthFigures {
            abs_rel: scores.iter().map(|s| s.relative).sum::<f64>() / all,
            delta1: scores.iter().map(|s| s.near).sum::<usize>() as f64 / all,
            rmse: (scores.iter().map(|s| s.square).sum::<f64>() / all).sqrt(),
        })
    }
}

fn unfit(why: impl Into<String>) -> Diagnostic {
    Diagnostic::new("accuracy-scenes", "the accuracy of depths cannot be measured on these scenes")
        .because(why)
        .help("give arrays `rgb` (u8, [scenes, 3, H, W]) and `depth` (f16, [scenes, H, W], metres) of the size that the model reads")
}
