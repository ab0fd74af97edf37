//! Recovering the grid of the levels -3, -1, 1, 3 from weights that were trained on it.
//!
//! A row on the grid has the weights `level / 2 * (u * c)`, u a byte per group, c a float (as f32: `s = u * c` rounded, then
//! `level / 2 * s` rounded). The parts that are found give back every bit of every weight.

use super::Row;

/// Levels of the codes 0 to 3.
pub(super) const LEVELS: &[i32] = &[-3, -1, 1, 3];

/// Code of the weight whose magnitude is the outer level, or the inner.
fn code(weight: f32, outer: bool) -> i32 {
    match (weight < 0.0, outer) {
        (true, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (false, true) => 3,
    }
}

/// The parts of a row that lies on the grid, `None` for any other.
pub(super) fn recover(weights: &[f32], group: usize) -> Option<Row> {
    let parts = weights.chunks(group.max(1)).map(magnitudes).collect::<Option<Vec<_>>>()?;
    let channel = channel(&parts)?;
    let solved = parts.iter().map(|m| m.solve(channel)).collect::<Option<Vec<_>>>()?;
    let groups = solved.iter().map(|&(u, _)| u.into()).collect();
    let pairs = weights.chunks(group.max(1)).zip(&solved);
    let codes =
        pairs.flat_map(|(w, &(_, inner))| w.iter().map(move |&w| code(w, w.abs() != inner))).collect();
    // The levels here are halves.
    Some(Row { codes, groups, channel: f64::from(channel) / 2.0, exact: true, ..Row::default() })
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
