//! The weight grid: `weight = level / 2 * (u * c)`, level in {-3, -1, 1, 3}, u a byte per group, c a float per output.
//!
//! A row whose weights lie on the grid (as f32: `s = u * c` rounded, then `level / 2 * s` rounded) is recovered exactly:
//! the parts give back every bit of every weight. Any other row is rounded to nearest.

/// A row of weights (one output) on the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Code of each weight; code c means the level 2c - 3.
    pub codes: Vec<u8>,
    /// Scale of each group.
    pub groups: Vec<u8>,
    /// Scale of the output.
    pub channel: f32,
    /// Whether the weights lay on the grid.
    pub exact: bool,
}

/// The row on the grid. Weights must be finite.
pub fn quantise(weights: &[f32], group: usize) -> Row {
    recover(weights, group).unwrap_or_else(|| round(weights, group))
}

/// Weights of a row, as the grid has them.
pub fn weights(row: &Row, group: usize) -> Vec<f32> {
    let scales = row.groups.iter().map(|&u| f32::from(u) * row.channel);
    let parts = row.codes.chunks(group.max(1)).zip(scales);
    parts.flat_map(|(codes, s)| codes.iter().map(move |&c| half_level(c) * s)).collect()
}

/// Level / 2 of a code.
fn half_level(code: u8) -> f32 {
    f32::from(code) - 1.5
}

/// Code of the weight whose magnitude is the outer level, or the inner.
fn code(weight: f32, outer: bool) -> u8 {
    match (weight < 0.0, outer) {
        (true, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (false, true) => 3,
    }
}

/// The parts of a row that lies on the grid, `None` for any other.
pub fn recover(weights: &[f32], group: usize) -> Option<Row> {
    let parts = weights.chunks(group.max(1)).map(magnitudes).collect::<Option<Vec<_>>>()?;
    let channel = channel(&parts)?;
    let solved = parts.iter().map(|m| m.solve(channel)).collect::<Option<Vec<_>>>()?;
    let groups = solved.iter().map(|&(u, _)| u).collect();
    let pairs = weights.chunks(group.max(1)).zip(&solved);
    let codes =
        pairs.flat_map(|(w, &(_, inner))| w.iter().map(move |&w| code(w, w.abs() != inner))).collect();
    Some(Row { codes, groups, channel, exact: true })
}

/// The one or two magnitudes that occur in a group.
#[derive(Clone, Copy)]
struct Magnitudes {
    low: f32,
    high: f32,
}

fn magnitudes(weights: &[f32]) -> Option<Magnitudes> {
    let low = weights.iter().fold(f32::INFINITY, |m, w| m.min(w.abs()));
    let high = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
    let two = weights.iter().all(|w| w.abs() == low || w.abs() == high);
    (two && low > 0.0 && high.is_finite() && low <= high).then_some(Magnitudes { low, high })
}

impl Magnitudes {
    /// The group scale under a channel scale, and the magnitude of the inner level.
    ///
    /// A group of one magnitude may be all inner or all outer; both give the same products, and inner is tried first.
    fn solve(self, channel: f32) -> Option<(u8, f32)> {
        let group_scale = |s: f32| {
            let u = (s / channel).round();
            (1.0..=255.0).contains(&u).then_some(u as u8)
        };
        let inner = group_scale(2.0 * self.low).filter(|&u| {
            let s = f32::from(u) * channel;
            0.5 * s == self.low && (self.high == self.low || 1.5 * s == self.high)
        });
        let outer = || {
            let u = group_scale(self.high / 1.5).filter(|&u| 1.5 * (f32::from(u) * channel) == self.high)?;
            (self.high == self.low).then_some((u, 0.5 * (f32::from(u) * channel)))
        };
        inner.map(|u| (u, self.low)).or_else(outer)
    }
}

/// The channel scale under which every group has a group scale.
///
/// The largest group scale is tried from 255 down, so of all solutions the one with the finest channel scale is found; the
/// float nearest to the quotient may not be the one that was multiplied, so its neighbours are tried too.
fn channel(parts: &[Magnitudes]) -> Option<f32> {
    let top = parts.iter().max_by(|a, b| a.high.total_cmp(&b.high))?;
    let candidates = [2.0 * top.low, top.high / 1.5];
    let candidates = if top.low == top.high { &candidates[..] } else { &candidates[..1] };
    let near = |s: f32, u: u8| {
        let c = s / f32::from(u);
        [0, -1, 1, -2, 2].map(|ulps| f32::from_bits(c.to_bits().wrapping_add_signed(ulps)))
    };
    let tried = candidates.iter().flat_map(|&s| (1..=255).rev().flat_map(move |u| near(s, u)));
    tried.into_iter().find(|&c| c.is_normal() && parts.iter().all(|m| m.solve(c).is_some()))
}

/// The nearest row on the grid: for each group the scale of least squared error, the channel scale such that the largest
/// group scale is 255, and then for each group the better of the two bytes next to its scale.
pub fn round(weights: &[f32], group: usize) -> Row {
    let best: Vec<f64> = weights.chunks(group.max(1)).map(best_scale).collect();
    let top = best.iter().fold(0f64, |m, &s| m.max(s));
    let channel = ((top / 255.0) as f32).max(f32::MIN_POSITIVE);
    let mut row = Row { codes: Vec::with_capacity(weights.len()), groups: Vec::new(), channel, exact: false };
    for (weights, s) in weights.chunks(group.max(1)).zip(best) {
        let below = (s / f64::from(channel)).floor();
        let bytes = [below, below + 1.0].map(|u| u.clamp(0.0, 255.0) as u8);
        let [low, high] = bytes.map(|u| squared_error(weights, f64::from(u) * f64::from(channel)));
        let u = if low <= high { bytes[0] } else { bytes[1] };
        let s = f64::from(u) * f64::from(channel);
        row.groups.push(u);
        row.codes.extend(weights.iter().map(|&w| code(w, f64::from(w.abs()) > s)));
    }
    row
}

/// Squared error of a group under scale `s`, every weight at its nearest level.
fn squared_error(weights: &[f32], s: f64) -> f64 {
    let gap = |w: f64| if w > s { w - 1.5 * s } else { w - 0.5 * s };
    weights.iter().map(|&w| gap(f64::from(w.abs())).powi(2)).sum()
}

/// The scale of least squared error of a group.
///
/// With the `k` largest magnitudes at 1.5 s and the others at 0.5 s the error is a parabola in s; the optimum is the best
/// of these parabolas' minima, since nearest levels never do worse than any fixed assignment.
fn best_scale(weights: &[f32]) -> f64 {
    let mut sorted: Vec<f64> = weights.iter().map(|&w| f64::from(w.abs())).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = sorted.iter().sum();
    let (mut best, mut outer, n) = ((0f64, 0f64), 0f64, sorted.len() as f64);
    for k in 0..=sorted.len() {
        let projection = 1.5 * outer + 0.5 * (total - outer);
        let energy = 2.25 * k as f64 + 0.25 * (n - k as f64);
        let gain = projection * projection / energy;
        if gain > best.0 {
            best = (gain, projection / energy);
        }
        outer += sorted.get(k).unwrap_or(&0.0);
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, mut seed: u32) -> impl Iterator<Item = u32> {
        (0..count).map(move |_| {
            seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            seed >> 8
        })
    }

    fn random_row(seed: u32, length: usize, group: usize) -> Row {
        let codes = noise(length, seed).map(|x| (x >> 9) as u8 & 3).collect();
        let mut groups: Vec<u8> = noise(length / group, seed + 77).map(|x| (x % 255) as u8 + 1).collect();
        groups[0] = 255;
        let channel = 1e-4 + (noise(1, seed + 5).sum::<u32>() as f32) * 1e-9;
        Row { codes, groups, channel, exact: true }
    }

    #[test]
    fn rows_on_the_grid_come_back() {
        for seed in 0..300 {
            let row = random_row(seed, 128, 32);
            let w = weights(&row, 32);
            let found = recover(&w, 32).unwrap();
            assert_eq!(weights(&found, 32), w, "seed {seed}");
            assert_eq!((found.codes, found.groups), (row.codes, row.groups), "seed {seed}");
            assert!((found.channel / row.channel - 1.0).abs() < 1e-7);
        }
    }

    #[test]
    fn groups_of_one_magnitude_come_back() {
        for codes in [vec![3; 64], vec![1; 64], [vec![0; 32], [2, 3].repeat(16)].concat()] {
            let row = Row { codes, groups: vec![17, 255], channel: 0.00123, exact: true };
            let w = weights(&row, 32);
            assert_eq!(weights(&recover(&w, 32).unwrap(), 32), w);
        }
    }

    #[test]
    fn other_rows_are_not_taken_for_the_grid() {
        let mut w = weights(&random_row(3, 64, 32), 32);
        w[5] = f32::from_bits(w[5].to_bits() + 1);
        assert!(recover(&w, 32).is_none());
        assert!(recover(&[0.0; 32], 32).is_none());
        assert!(!quantise(&w, 32).exact);
    }

    #[test]
    fn rounding_is_no_worse_than_any_scale_tried() {
        let w: Vec<f32> = noise(64, 9).map(|x| (x % 2001) as f32 / 1000.0 - 1.0).collect();
        let row = round(&w, 32);
        let error: f64 = weights(&row, 32).iter().zip(&w).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let tried = |s: f64| w.chunks(32).map(|g| squared_error(g, s)).sum::<f64>();
        assert!((1..300).all(|i| error < 1.001 * tried(f64::from(i) * 0.005)), "{error}");
        assert_eq!(round(&[0.0; 32], 32).groups, [0]);
    }
}
