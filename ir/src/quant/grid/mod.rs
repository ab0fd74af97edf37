//! Rows of weights (a row is an output) as a scheme stores them: `weight = (level or code - zero point) * (u * c)`, u a byte
//! per group and c a number per output.
//!
//! What a file carries in codes is kept ([`keep()`]). Of floats, a row that lies on the grid of the levels -3, -1, 1, 3 is
//! recovered exactly ([`recover`]); any other row is rounded ([`fit`]).

mod fit;
mod keep;
mod recover;

pub use keep::{Kept, keep};

use super::scheme::{Sparsity, WeightScheme};
use fit::Levels;
use std::cmp::Ordering;

/// A row of weights on the grid of a scheme.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Code of each weight that is kept.
    pub codes: Vec<i32>,
    /// Zero point of each group; empty if symmetric.
    pub zeros: Vec<i32>,
    /// With 2:4, which of its four each kept weight is; else empty.
    pub positions: Vec<i32>,
    /// Scale of each group.
    pub groups: Vec<i32>,
    /// Scale of the output.
    pub channel: f64,
    /// Whether the weights lay on the grid.
    pub exact: bool,
}

/// Rows of `inputs` weights, which keep the same columns of 2:4, on the grid of a scheme. Weights must be finite, and a row a whole
/// number of groups.
pub fn quantise(rows: &[f32], inputs: usize, scheme: &WeightScheme) -> Vec<Row> {
    let group = scheme.group.unwrap_or(inputs).max(1);
    let rows = rows.chunks_exact(inputs.max(1));
    if scheme.sparsity == Sparsity::Dense {
        return rows.map(|weights| dense(weights, group, scheme)).collect();
    }
    // Of one row its magnitudes, of several the energy of each column.
    let energy = |column: usize| rows.clone().map(|row| f64::from(row[column]).powi(2)).sum::<f64>();
    let columns: Vec<f64> = (0..inputs).map(energy).collect();
    let places = kept_places(&columns, f64::total_cmp);
    rows.map(|weights| {
        let (kept, positions, exact) = pruned(weights, &places);
        let row = dense(&kept, group / 2, scheme);
        Row { positions, exact: row.exact && exact, ..row }
    })
    .collect()
}

fn dense(weights: &[f32], group: usize, scheme: &WeightScheme) -> Row {
    let recovered = (scheme.levels == recover::LEVELS && scheme.group.is_some())
        .then(|| recover::recover(weights, group))
        .flatten();
    recovered.unwrap_or_else(|| match scheme.symmetric {
        true => fit::round(weights, group, scheme.largest_scale(), &Levels::of(scheme)),
        false => fit::round(weights, group, scheme.largest_scale(), &fit::Affine::of(scheme)),
    })
}

/// The weights at two places of every four, where in their four these are, and whether the others are zero.
fn pruned(weights: &[f32], places: &[usize]) -> (Vec<f32>, Vec<i32>, bool) {
    let kept: Vec<f32> = places.iter().map(|&p| weights[p]).collect();
    let others = |weights: &[f32]| weights.iter().filter(|w| **w != 0.0).count();
    let exact = others(weights) == others(&kept);
    (kept, places.iter().map(|&p| (p % 4) as i32).collect(), exact)
}

/// Of every four weights the places of the two that are largest by an order, the first of equals; ascending.
fn kept_places<T>(weights: &[T], order: impl Fn(&T, &T) -> Ordering) -> Vec<usize> {
    let two = |start: usize| {
        let mut places = [0, 1, 2, 3].map(|i| start + i);
        places.sort_by(|&a, &b| order(&weights[b], &weights[a]));
        [places[0].min(places[1]), places[0].max(places[1])]
    };
    (0..weights.len() / 4 * 4).step_by(4).flat_map(two).collect()
}

/// Weights of a row, as the grid has them.
pub fn weights(row: &Row, scheme: &WeightScheme) -> Vec<f32> {
    let group = row.codes.len().div_ceil(row.groups.len().max(1)).max(1);
    let level = |group: usize, code: i32| match scheme.levels.get(code as usize) {
        Some(&level) => level as f32,
        None => (code - row.zeros.get(group).unwrap_or(&0)) as f32,
    };
    let kept = row.codes.chunks(group).zip(&row.groups).enumerate().flat_map(|(g, (codes, &u))| {
        let s = (f64::from(u) * row.channel) as f32;
        codes.iter().map(move |&code| level(g, code) * s)
    });
    if row.positions.is_empty() {
        return kept.collect();
    }
    let mut all = vec![0.0; 2 * row.codes.len()];
    kept.zip(&row.positions).enumerate().for_each(|(i, (w, &at))| all[i / 2 * 4 + at as usize] = w);
    all
}

#[cfg(test)]
pub(super) mod tests;
