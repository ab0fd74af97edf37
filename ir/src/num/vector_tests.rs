use super::*;
use crate::num::{FRACTION_BITS, error};

const EXTREMES: [i32; 9] = [i32::MIN, i32::MIN + 1, -65536, -1, 0, 1, 65535, i32::MAX - 1, i32::MAX];

/// Small deterministic generator (xorshift, Marsaglia 2003), magnitudes spread over all bit lengths.
fn noise(count: usize, mut seed: u64) -> Vec<i32> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 16) as i32 >> (seed >> 59)
    };
    (0..count).map(|_| next()).collect()
}

fn fixed(x: f64) -> i32 {
    (x * f64::from(1u32 << FRACTION_BITS)).round() as i32
}

fn real(x: i32) -> f64 {
    f64::from(x) / f64::from(1u32 << FRACTION_BITS)
}

#[test]
fn quantise_keeps_the_largest_in_range_and_errs_by_half_a_step() {
    for seed in 1..200 {
        let x = noise(40, seed);
        for qmax in [127, 7] {
            let mut codes = [0; 40];
            let scale = quantise_vector(&x, qmax, &mut codes);
            let step = scale.to_f64() / f64::from(qmax);
            for (&x, &code) in x.iter().zip(&codes) {
                let gap = (f64::from(x) - f64::from(code) * step).abs() / step;
                assert!(gap < 0.51, "{x} as {code}, step {step}");
            }
        }
    }
}

#[test]
fn quantise_of_extremes() {
    let mut codes = [0; 9];
    assert_eq!(quantise_vector(&EXTREMES, 127, &mut codes), Scale { mantissa: 1 << 15, exponent: 16 });
    assert_eq!(codes, [-127, -127, 0, 0, 0, 0, 0, 127, 127]);
    assert_eq!(quantise_vector(&[0, 0], 7, &mut codes), Scale { mantissa: 1 << 15, exponent: -15 });
    assert_eq!(codes[..2], [0, 0]);
    for scale in [Scale { mantissa: 0, exponent: -128 }, Scale { mantissa: 0xffff, exponent: 127 }] {
        let _ = EXTREMES.map(|x| quantise(x, scale, 127));
    }
}

#[test]
fn copy_shifts_both_ways() {
    assert_eq!([3, -3, i32::MIN].map(|a| copy(a, 1)), [2, -1, -(1 << 30)]);
    assert_eq!(EXTREMES.map(|a| copy(a, i32::MIN))[..5], [i32::MIN, i32::MIN, i32::MIN, i32::MIN, 0]);
    let mut y = [1; 9];
    copy_vector(&EXTREMES, 40, &mut y);
    assert_eq!(y, [0; 9]);
}

#[test]
fn rms_norm_is_near_the_real_one() {
    for (seed, spread) in (1..60).flat_map(|seed| [(seed, 16), (seed, 8), (seed, 0)]) {
        let x: Vec<i32> = noise(64, seed).iter().map(|x| x >> spread).collect();
        let gain: Vec<i16> = (0..64).map(|i| (8.0 * 1024.0 * (0.5 + f64::from(i) / 40.0)) as i16).collect();
        let mut y = vec![0; 64];
        let eps = (1e-6f64 * 64.0 * 2f64.powi(32)).round() as u32;
        rms_norm(&x, &gain, eps, 23 + 10 - 16, &mut y);
        let mean = x.iter().map(|&x| real(x).powi(2)).sum::<f64>() / 64.0;
        let top = x.iter().map(|&x| real(x).abs()).fold(0.0, f64::max);
        for ((&x, &g), &y) in x.iter().zip(&gain).zip(&y) {
            let factor = f64::from(g) / 8192.0 / (mean + 1e-6).sqrt();
            let bound = 1e-4 * (real(x) * factor).abs() + top * factor / 8192.0 + 1e-4;
            assert!((real(y) - real(x) * factor).abs() <= bound, "seed {seed} spread {spread}: {x} {y}");
        }
    }
}

#[test]
fn layer_norm_is_near_the_real_one() {
    for (seed, spread, offset) in
        (1..60).flat_map(|seed| [(seed, 16, 0), (seed, 12, 70_000), (seed, 8, 1 << 26)])
    {
        let x: Vec<i32> = noise(64, seed).iter().map(|x| (x >> spread) + offset).collect();
        let gain = |i: i32| 0.5 + f64::from(i) / 80.0;
        let bias = |i: i32| f64::from(i) / 4.0 - 8.0;
        let word = |i: i32| i32::from((7.0 * 1024.0 * gain(i)) as i16) | ((2048.0 * bias(i)) as i32) << 16;
        let words: Vec<i32> = (0..64).map(word).collect();
        let mut y = vec![0; 64];
        let eps = (1e-5f64 * 50.0 * 2f64.powi(32)).round() as u32;
        layer_norm(&x, &words, 50, eps, 23 + 10 - 16, &mut y);
        let mean = x[..50].iter().map(|&x| real(x)).sum::<f64>() / 50.0;
        let variance = x[..50].iter().map(|&x| (real(x) - mean).powi(2)).sum::<f64>() / 50.0;
        let top = x[..50].iter().map(|&x| (real(x) - mean).abs()).fold(0.0, f64::max);
        for (i, &y) in (0..).zip(&y) {
            let factor = f64::from(words[i as usize] as i16) / 1024.0 / (50.0 * (variance + 1e-5)).sqrt();
            let from_mean = if i < 50 { real(x[i as usize]) - mean } else { 0.0 };
            let exact = from_mean * factor + bias(i);
            let bound = 1e-4 * (from_mean * factor).abs() + (top / 8192.0 + 8e-6) * factor + 1e-4;
            assert!((real(y) - exact).abs() <= bound, "seed {seed}, {i}: {} for {exact}", real(y));
        }
    }
}

/// Worst error of an exact norm of `x` against `y`, in units of 2^-16 of its largest element; `y` has 30 fractional bits.
fn norm_error(x: &[f64], y: &[i32]) -> f64 {
    let root = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let top = x.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let error = |(x, &y): (&f64, &i32)| (f64::from(y) / 2f64.powi(30) * root - x).abs() / top * 65536.0;
    x.iter().zip(y).map(error).fold(0.0, f64::max)
}

#[test]
fn norms_err_by_no_more_than_stated() {
    let mut worst = 0f64;
    for seed in 1..=4000 {
        let x: Vec<i32> = noise(64, seed).iter().map(|x| x >> (seed % 16)).collect();
        let mut y = vec![0; 64];
        rms_norm(&x, &[1 << 14; 64], 0, 7, &mut y);
        let exact: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        worst = worst.max(norm_error(&exact, &y));
        layer_norm(&x, &[1 << 14; 64], 64, 0, 7, &mut y);
        let mean = exact.iter().sum::<f64>() / 64.0;
        let exact: Vec<f64> = exact.iter().map(|x| x - mean).collect();
        worst = worst.max(norm_error(&exact, &y));
    }
    assert!(worst <= error::NORM && error::NORM - worst < 0.01, "worst {worst}, stated {}", error::NORM);
}

#[test]
fn layer_norm_is_total() {
    let mut y = [0; 9];
    for word in [i32::MIN, i32::MAX, -1] {
        for (eps, shift) in [(0, 0), (u32::MAX, 63), (1, -40), (7, i32::MAX), (7, i32::MIN)] {
            for len in [0, 1, 5, 9, usize::MAX] {
                layer_norm(&EXTREMES, &[word; 9], len, eps, shift, &mut y);
            }
            layer_norm(&[12345; 9], &[word; 9], 9, eps, shift, &mut y);
            assert_eq!(y, [word >> 16 << 5; 9]);
        }
    }
}

#[test]
fn rms_norm_is_total() {
    let mut y = [0; 9];
    for gain in [[i16::MIN; 9], [i16::MAX; 9]] {
        for (eps, shift) in [(0, 0), (u32::MAX, 63), (1, -40), (7, i32::MAX), (7, i32::MIN)] {
            rms_norm(&EXTREMES, &gain, eps, shift, &mut y);
            rms_norm(&[0; 9], &gain, eps, shift, &mut y);
            assert_eq!(y, [0; 9]);
        }
    }
}

#[test]
fn rope_turns_and_keeps_length() {
    let x: Vec<i32> = noise(16, 9).iter().map(|x| x >> 12).collect();
    let steps: Vec<u32> = (0..8)
        .map(|i| (2f64.powi(32) * 1e4f64.powf(-f64::from(i) / 8.0) / std::f64::consts::TAU) as u32)
        .collect();
    let mut y = vec![0; 16];
    for position in [0u16, 1, 77, 65535] {
        rope(&x, &steps, position, &mut y);
        for i in 0..8 {
            let angle =
                f64::from(steps[i].wrapping_mul(position.into())) / 2f64.powi(32) * std::f64::consts::TAU;
            let want = real(x[i]) * angle.cos() - real(x[i + 8]) * angle.sin();
            let size = real(x[i]).hypot(real(x[i + 8]));
            assert!((real(y[i]) - want).abs() < 1e-4 * size + 2e-5, "position {position}, pair {i}");
        }
    }
    let mut y = [0; 9];
    rope(&EXTREMES, &[u32::MAX; 4], u16::MAX, &mut y);
    rope_pairs(&EXTREMES, &[u32::MAX; 9], u16::MAX, &mut y);
}

#[test]
fn both_layouts_of_a_rotary_embedding_turn_alike() {
    let x = noise(16, 5);
    let steps: Vec<u32> = noise(8, 6).iter().map(|&x| x as u32).collect();
    let pairs: Vec<i32> = (0..8).flat_map(|i| [x[i], x[i + 8]]).collect();
    let twice: Vec<u32> = steps.iter().flat_map(|&step| [step; 2]).collect();
    let (mut halves, mut neighbours) = (vec![0; 16], vec![0; 16]);
    for position in [0, 1, 77, 65535] {
        rope(&x, &steps, position, &mut halves);
        rope_pairs(&pairs, &twice, position, &mut neighbours);
        let woven: Vec<i32> = (0..8).flat_map(|i| [halves[i], halves[i + 8]]).collect();
        assert_eq!(neighbours, woven);
    }
    // Where the steps of a pair differ: the cosine of none of a turn, the sine of a quarter.
    let mut y = [0; 2];
    rope_pairs(&[5, 7], &[0, 1 << 30], 1, &mut y);
    assert_eq!(y, [-2, 12]);
}

#[test]
fn softmax_is_near_the_real_one() {
    let scores: Vec<i32> = noise(50, 3).iter().map(|x| x >> 13).collect();
    let v = vec![norm16(fixed(1.5) as u64); 50];
    let mut y = vec![7; 50];
    let sum = softmax(&scores, &v, 40, &mut y);
    let mut codes = vec![0; 50];
    let slot = softmax_slot(quantise_vector(&y, 127, &mut codes), sum);
    let top = scores[..40].iter().copied().max().unwrap();
    let exact: f64 = scores[..40].iter().map(|&s| (real(s) - real(top)).exp2()).sum();
    for (i, (&s, &code)) in scores[..40].iter().zip(&codes).enumerate() {
        let want = 1.5 * (real(s) - real(top)).exp2() / exact;
        let got = f64::from(code) * slot.to_f64() / 127.0 / 65536.0;
        assert!((want - got).abs() < 0.51 * slot.to_f64() / 127.0 / 65536.0 + 1e-4, "element {i}");
    }
    assert!(y[40..].iter().chain(codes[40..].iter().map(|_| &0)).all(|&y| y == 0));
}

#[test]
fn softmax_is_total() {
    let scales = [(0, 0), (0xffff, 127), (0x8000, -128), (1, 127), (0xffff, 16)]
        .map(|(m, e)| Scale { mantissa: m, exponent: e });
    let mut y = [5; 9];
    for scale in scales {
        for len in [0, 1, 9, usize::MAX] {
            let sum = softmax(&EXTREMES, &[scale; 9], len, &mut y);
            assert!(y.iter().all(|&y| y >= 0));
            assert_eq!(sum == 0, len == 0);
            softmax_slot(scale, sum);
        }
    }
    assert_eq!(softmax(&[i32::MIN, i32::MAX], &[scales[1]; 2], 2, &mut y[..2]), 32768);
    assert_eq!(y[..2], [0, i32::MAX]);
}
