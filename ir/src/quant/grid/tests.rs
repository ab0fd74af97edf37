use super::*;

fn noise(count: usize, mut seed: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |_| {
        seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
        seed >> 8
    })
}

pub(in crate::quant) fn scheme(
    bits: u32,
    levels: &[i32],
    group: Option<usize>,
    symmetric: bool,
) -> WeightScheme {
    let sparsity = Sparsity::Dense;
    WeightScheme { bits, levels: levels.to_vec(), group, scale_bits: 8, symmetric, sparsity, shared: 1 }
}

/// A row by itself.
pub(in crate::quant) fn one(weights: &[f32], scheme: &WeightScheme) -> Row {
    quantise(weights, weights.len(), scheme).remove(0)
}

fn trained() -> WeightScheme {
    scheme(2, &[-3, -1, 1, 3], Some(32), true)
}

fn random_row(seed: u32, length: usize, group: usize) -> Row {
    let codes = noise(length, seed).map(|x| (x >> 9) as i32 & 3).collect();
    let mut groups: Vec<i32> = noise(length / group, seed + 77).map(|x| (x % 255) as i32 + 1).collect();
    groups[0] = 255;
    let channel = 1e-4 + (noise(1, seed + 5).sum::<u32>() as f32) * 1e-9;
    Row { codes, groups, channel: f64::from(channel), exact: true, ..Row::default() }
}

fn random_weights(count: usize, seed: u32) -> Vec<f32> {
    noise(count, seed).map(|x| (x % 2001) as f32 / 1000.0 - 0.9).collect()
}

fn error(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

#[test]
fn rows_on_the_grid_come_back() {
    for seed in 0..300 {
        let row = random_row(seed, 128, 32);
        let w = weights(&row, &trained());
        let found = one(&w, &trained());
        assert!(found.exact && weights(&found, &trained()) == w, "seed {seed}");
        assert_eq!((found.codes, found.groups), (row.codes, row.groups), "seed {seed}");
        assert!((found.channel / row.channel - 1.0).abs() < 1e-7);
    }
}

#[test]
fn groups_of_one_magnitude_come_back() {
    for codes in [vec![3; 64], vec![1; 64], [vec![0; 32], [2, 3].repeat(16)].concat()] {
        let row = Row { codes, groups: vec![17, 255], channel: 0.00123, ..Row::default() };
        let w = weights(&row, &trained());
        let found = one(&w, &trained());
        assert!(found.exact && weights(&found, &trained()) == w);
    }
}

#[test]
fn other_rows_are_not_taken_for_the_grid() {
    let mut w = weights(&random_row(3, 64, 32), &trained());
    w[5] = f32::from_bits(w[5].to_bits() + 1);
    assert!(!one(&w, &trained()).exact);
    let zeros = one(&[0.0; 32], &trained());
    assert!(!zeros.exact && zeros.groups == [0] && weights(&zeros, &trained()) == [0.0; 32]);
}

/// Every kind of grid, and no scale tried by hand does better by a thousandth.
#[test]
fn rounding_is_no_worse_than_any_scale_tried() {
    let w = random_weights(64, 9);
    for levels in [&[-3, -1, 1, 3][..], &[-2, -1, 0, 1], &[-1, 0, 1], &[-5, -2, 1, 7], &[1, 2]] {
        let scheme = scheme(2, levels, Some(32), true);
        let found = error(&weights(&one(&w, &scheme), &scheme), &w);
        let nearest = |w: f32, s: f32| {
            let errors = levels.iter().map(|&l| f64::from(w - l as f32 * s).powi(2));
            errors.fold(f64::INFINITY, f64::min)
        };
        let best = |g: &[f32]| {
            let tried = (0..3000).map(|i| g.iter().map(|&w| nearest(w, i as f32 * 0.0005)).sum::<f64>());
            tried.fold(f64::INFINITY, f64::min)
        };
        let best: f64 = w.chunks(32).map(best).sum();
        assert!(found < 1.001 * best, "{levels:?}: {found}, best {best}");
    }
}

#[test]
fn more_bits_err_less() {
    let w = random_weights(256, 4);
    for (symmetric, group) in [(true, Some(32)), (false, Some(32)), (true, None), (false, None)] {
        let errors = [2, 4, 8].map(|bits| {
            let scheme = scheme(bits, &[], group, symmetric);
            let row = one(&w, &scheme);
            assert_eq!(row.zeros.len(), if symmetric { 0 } else { row.groups.len() });
            assert!(group.is_some() || row.groups == [1]);
            let range = if symmetric { -(1 << (bits - 1)) + 1..1 << (bits - 1) } else { 0..1 << bits };
            assert!(row.codes.iter().all(|c| range.contains(c)));
            (error(&weights(&row, &scheme), &w) / 256.0).sqrt()
        });
        // Weights are spread evenly over 2: the error of a step is step / sqrt(12).
        let steps = [2.0, 14.0, 254.0];
        let most = steps.map(|n| 1.5 * 2.0 / n / 12f64.sqrt());
        assert!(errors.iter().zip(most).all(|(e, most)| *e < most), "{errors:?}, {most:?}");
    }
}

#[test]
fn zero_points_take_what_leans_to_one_side() {
    let w: Vec<f32> = random_weights(32, 5).iter().map(|w| w + 1.0).collect();
    let rms = |symmetric| {
        let scheme = scheme(4, &[], Some(32), symmetric);
        error(&weights(&one(&w, &scheme), &scheme), &w)
    };
    assert!(rms(false) < 0.4 * rms(true));
}

#[test]
fn two_of_four_keep_the_larger_and_recover_what_is_pruned() {
    let scheme = WeightScheme { sparsity: Sparsity::TwoOfFour, ..trained() };
    let row = Row { positions: [0, 3, 1, 2].repeat(16), ..random_row(8, 64, 16) };
    let w = weights(&row, &scheme);
    assert_eq!(w.len(), 128);
    assert_eq!(w.chunks(4).filter(|four| four.iter().filter(|w| **w == 0.0).count() == 2).count(), 32);
    let found = one(&w, &scheme);
    assert!(found.exact && weights(&found, &scheme) == w);
    assert_eq!((found.positions, found.codes), (row.positions, row.codes));

    let dense = random_weights(64, 6);
    let found = one(&dense, &scheme);
    let back = weights(&found, &scheme);
    assert!(!found.exact);
    for (four, back) in dense.chunks(4).zip(back.chunks(4)) {
        let least_kept = (0..4).filter(|&i| back[i] != 0.0).map(|i| four[i].abs()).fold(f32::MAX, f32::min);
        assert!((0..4).filter(|&i| back[i] == 0.0).all(|i| four[i].abs() <= least_kept));
    }
}

/// Four rows keep the two columns of every four that hold the most of all of them together.
#[test]
fn outputs_that_share_columns_keep_those_of_the_most_energy() {
    let scheme = WeightScheme { sparsity: Sparsity::TwoOfFour, shared: 4, ..trained() };
    let (inputs, w) = (64, random_weights(4 * 64, 9));
    let rows = quantise(&w, inputs, &scheme);
    assert!(rows.len() == 4 && rows.iter().all(|row| row.positions == rows[0].positions));
    let energy = |column: usize| (0..4).map(|row| f64::from(w[row * inputs + column]).powi(2)).sum::<f64>();
    for (four, kept) in rows[0].positions.chunks(2).enumerate() {
        let of = |at: &usize| kept.contains(&(*at as i32));
        let least = (0..4).filter(of).map(|at| energy(4 * four + at)).fold(f64::MAX, f64::min);
        assert!((0..4).filter(|at| !of(at)).all(|at| energy(4 * four + at) <= least));
    }
    // By themselves they would keep others.
    assert!(w.chunks(inputs).any(|row| one(row, &scheme).positions != rows[0].positions));
}
