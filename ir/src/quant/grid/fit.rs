//! Rounding a row to the nearest one on a grid: for each group a scale of least squared error, the channel scale such that the
//! largest group scale is the largest that there is, and then for each group the better of the two next to its scale.

use super::Row;
use crate::quant::scheme::WeightScheme;

/// Codes that a group's weights may have.
pub(super) trait Codes {
    /// The scale of a group: of least squared error, or near it.
    fn best_scale(&self, weights: &[f32]) -> f64;
    /// The zero point of a group under a scale, if there are any.
    fn zero(&self, weights: &[f32], scale: f64) -> Option<i32>;
    /// The nearest code under a scale and a zero point.
    fn code(&self, weight: f32, scale: f64, zero: i32) -> i32;
    /// What a code means before its scale.
    fn level(&self, code: i32, zero: i32) -> f64;

    /// Squared error of a group under a scale.
    fn squared_error(&self, weights: &[f32], scale: f64) -> f64 {
        let zero = self.zero(weights, scale).unwrap_or(0);
        let gap = |&w: &f32| f64::from(w) - self.level(self.code(w, scale, zero), zero) * scale;
        weights.iter().map(|w| gap(w).powi(2)).sum()
    }
}

/// The nearest row on the grid, with group scales up to `largest`. If that is 1 there is one group, and the channel scale is its
/// scale.
pub(super) fn round(weights: &[f32], group: usize, largest: i32, codes: &impl Codes) -> Row {
    let best: Vec<f64> = weights.chunks(group.max(1)).map(|w| codes.best_scale(w)).collect();
    let top = best.iter().fold(0f64, |m, &s| m.max(s));
    let largest = f64::from(largest);
    let channel = f64::from(((top / largest) as f32).max(f32::MIN_POSITIVE));
    let mut row = Row { channel, ..Row::default() };
    for (weights, s) in weights.chunks(group.max(1)).zip(best) {
        let below = (s / channel).floor();
        let bytes = [below, below + 1.0].map(|u| u.clamp(0.0, largest));
        let [low, high] = bytes.map(|u| codes.squared_error(weights, u * channel));
        let u = if low <= high { bytes[0] } else { bytes[1] };
        let (s, zero) = (u * channel, codes.zero(weights, u * channel));
        row.groups.push(u as i32);
        row.zeros.extend(zero);
        row.codes.extend(weights.iter().map(|&w| codes.code(w, s, zero.unwrap_or(0))));
    }
    row
}

/// Codes of levels, or signed integers.
pub(super) struct Levels {
    /// Ascending.
    levels: Vec<f64>,
    /// Borders between neighbours.
    borders: Vec<f64>,
    /// Code of the first level; the others follow.
    first: i32,
}

/// Most levels for which the scale of least squared error is found exactly.
const MOST_EXACT: usize = 16;

impl Levels {
    pub(super) fn of(scheme: &WeightScheme) -> Levels {
        let most = (1 << (scheme.bits - 1)) - 1;
        let levels: Vec<f64> = match &scheme.levels[..] {
            [] => (-most..=most).map(f64::from).collect(),
            levels => levels.iter().copied().map(f64::from).collect(),
        };
        let borders = levels.windows(2).map(|w| (w[0] + w[1]) / 2.0).collect();
        Levels { levels, borders, first: if scheme.levels.is_empty() { -most } else { 0 } }
    }

    /// Index of the nearest level; on a border the one next to zero.
    fn nearest(&self, weight: f64, scale: f64) -> usize {
        let passed = |&b: &f64| if b > 0.0 { weight > b * scale } else { weight >= b * scale };
        self.borders.partition_point(passed)
    }

    /// The scale of least squared error.
    ///
    /// With levels `l` assigned to the weights `w` the error is a parabola in the scale, whose minimum is at `P / E` and lies
    /// `P^2 / E` below the energy of the weights, P = sum of `l w` and E = sum of `l^2`. As the scale falls from infinity,
    /// weights cross borders one after the other; the optimum is the best of these assignments' minima, since nearest levels
    /// never do worse than any fixed assignment.
    fn least_squares(&self, weights: &[f32]) -> f64 {
        let (mut products, mut energy) = (0f64, 0f64);
        let mut crossings = Vec::new();
        for w in weights.iter().map(|&w| f64::from(w)) {
            let start = self.nearest(w.signum() * f64::from(w != 0.0), f64::MAX);
            products += self.levels[start] * w;
            energy += self.levels[start].powi(2);
            let outward = |i: usize| if w > 0.0 { (i, i + 1) } else { (i + 1, i) };
            let crossed = self.borders.iter().enumerate().filter(|(_, b)| w * **b > 0.0);
            crossings.extend(crossed.map(|(i, b)| {
                let (from, to) = outward(i);
                let step = (self.levels[to] - self.levels[from]) * w;
                (w / b, step, self.levels[to].powi(2) - self.levels[from].powi(2))
            }));
        }
        crossings.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut best, mut scale) = (0f64, 0f64);
        for (_, product, square) in std::iter::once((0.0, 0.0, 0.0)).chain(crossings) {
            products += product;
            energy += square;
            let gain = products * products / energy;
            if products > 0.0 && energy > 0.0 && gain > best {
                (best, scale) = (gain, products / energy);
            }
        }
        scale
    }

    /// The smallest scale under which no weight lies beyond the outer levels.
    fn covering(&self, weights: &[f32]) -> f64 {
        let (low, high) = (self.levels[0].min(-1.0), self.levels[self.levels.len() - 1].max(1.0));
        weights.iter().map(|&w| f64::from(w)).fold(0f64, |m, w| m.max(w / if w < 0.0 { low } else { high }))
    }
}

impl Codes for Levels {
    fn best_scale(&self, weights: &[f32]) -> f64 {
        if self.levels.len() <= MOST_EXACT { self.least_squares(weights) } else { self.covering(weights) }
    }
    fn zero(&self, _: &[f32], _: f64) -> Option<i32> {
        None
    }
    fn code(&self, weight: f32, scale: f64, _: i32) -> i32 {
        self.first + self.nearest(weight.into(), scale) as i32
    }
    fn level(&self, code: i32, _: i32) -> f64 {
        self.levels[(code - self.first) as usize]
    }
}

/// Unsigned codes from 0 to `steps`, with a zero point per group. Ranges hold zero.
pub(super) struct Affine {
    steps: f64,
    /// How far ranges are tried narrower than what they hold, in parts of [`Affine::PARTS`].
    narrowest: u32,
}

impl Affine {
    const PARTS: u32 = 32;

    pub(super) fn of(scheme: &WeightScheme) -> Affine {
        // With few codes a clipped weight may cost less than coarse steps; with many it does not.
        Affine {
            steps: f64::from((1u32 << scheme.bits) - 1),
            narrowest: if scheme.bits > 4 { 0 } else { 16 },
        }
    }

    fn range(weights: &[f32]) -> (f64, f64) {
        let (low, high) = weights.iter().fold((0f32, 0f32), |(l, h), &w| (l.min(w), h.max(w)));
        (low.into(), high.into())
    }
}

impl Codes for Affine {
    fn best_scale(&self, weights: &[f32]) -> f64 {
        let (low, high) = Affine::range(weights);
        let widest = (high - low) / self.steps;
        let tried = (0..=self.narrowest).map(|i| widest * (1.0 - f64::from(i) / f64::from(Affine::PARTS)));
        let errors = tried.map(|s| (self.squared_error(weights, s), s));
        errors.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(widest, |(_, s)| s)
    }
    fn zero(&self, weights: &[f32], scale: f64) -> Option<i32> {
        let (low, high) = Affine::range(weights);
        // A range that is narrower than the weights is cut alike at both ends.
        let middle = (low + high) / 2.0;
        let zero = if scale > 0.0 { (self.steps / 2.0 - middle / scale).round() } else { 0.0 };
        Some(zero.clamp(0.0, self.steps) as i32)
    }
    fn code(&self, weight: f32, scale: f64, zero: i32) -> i32 {
        let code = if scale > 0.0 { (f64::from(weight) / scale).round() } else { 0.0 };
        (code + f64::from(zero)).clamp(0.0, self.steps) as i32
    }
    fn level(&self, code: i32, zero: i32) -> f64 {
        f64::from(code - zero)
    }
}
