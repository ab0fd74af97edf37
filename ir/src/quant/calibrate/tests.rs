use super::*;
use crate::accuracy::Rows;
use crate::corpus::llamas;
use crate::quant::QuantDecoder;
use crate::quant::tests::decoder;
use std::path::Path;

const SIGNED: Code = Code { bits: 8, symmetric: true };
const UNSIGNED: Code = Code { bits: 8, symmetric: false };

fn texts() -> Vec<Vec<u32>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/llama_calib.npz");
    Rows::parse(&std::fs::read(file).unwrap()).unwrap().all()
}

fn trained() -> Decoder {
    decoder(&llamas().nth(1).unwrap()[0])
}

fn calibrated(order: impl Fn(&mut Vec<Vec<u32>>), threads: usize) -> Calibration {
    let mut texts = texts();
    order(&mut texts);
    let rows: Vec<&[u32]> = texts.iter().map(|t| &t[..t.len() - 1]).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| Calibration::new(&trained(), &rows)).unwrap()
}

fn scheme(scale: &str) -> Scheme {
    let text = crate::quant::scheme::text("w8a8").unwrap();
    let activations = format!("[activations]\nscale = \"{scale}\"");
    Scheme::parse(&text.replace("[activations]", &activations)).unwrap()
}

fn histogram(values: impl Iterator<Item = f32>) -> Histogram {
    let mut seen = Histogram::default();
    seen.add(&values.collect::<Vec<_>>());
    seen
}

#[test]
fn neither_order_nor_threads_change_a_calibration() {
    let one = calibrated(|_| (), 1);
    assert_eq!(one.inputs.len(), 17);
    assert!(calibrated(|texts| texts.reverse(), 3) == one);
    assert!(calibrated(|texts| texts.truncate(15), 2) != one);
}

#[test]
fn ranges_of_a_known_distribution() {
    // 10,000 values of magnitude up to 1, and one of 100.
    let values = || (1..=10_000).map(|i| i as f32 / 1e4 * if i % 2 == 0 { 1.0 } else { -1.0 }).chain([100.0]);
    let seen = histogram(values());
    assert_eq!(seen.range(UNSIGNED), (f64::from(-0.9999f32), 100.0));
    assert_eq!(seen.range(SIGNED), (-100.0, 100.0));
    let near = |x: f64, y: f64| (x / y - 1.0).abs() < 1.0 / 100.0;
    let (low, high) = seen.percentile(90.0, SIGNED);
    assert!(near(high, 0.9) && low == -high, "{high}");
    let (low, high) = seen.percentile(90.0, UNSIGNED);
    assert!(near(low, -0.9) && near(high, 0.9), "{low} {high}");
    assert_eq!(seen.percentile(100.0, SIGNED).1, 100.0);
    // The one outlier is clipped if few codes are left for all others, and not if there are many.
    assert!(seen.least_squares(Code { bits: 4, symmetric: true }).1 > 90.0);
    let many = histogram((0..100).flat_map(|_| values().take(10_000)).chain([4.0]));
    assert!(many.least_squares(Code { bits: 4, symmetric: true }).1 < 2.0);
}

#[test]
fn least_squares_is_no_worse_than_the_other_ranges() {
    let seen = calibrated(|_| (), 2).inputs;
    for code in [SIGNED, UNSIGNED, Code { bits: 4, ..SIGNED }, Code { bits: 4, ..UNSIGNED }] {
        for seen in &seen {
            let best = seen.squared_error(seen.least_squares(code), code);
            assert!(best <= seen.squared_error(seen.range(code), code));
            // Percentiles lie between the ranges that are tried.
            let percentile = seen.percentile(99.9, code);
            assert!(best <= 1.05 * seen.squared_error(percentile, code));
        }
    }
}

#[test]
fn fixed_scales_cover_what_they_were_made_from() {
    let quantised = QuantDecoder::calibrated(&trained(), &scheme("min-max"), &calibrated(|_| (), 2)).unwrap();
    let seen = calibrated(|_| (), 2).inputs;
    assert_eq!(quantised.inputs.len(), 17);
    for (fixed, seen) in quantised.inputs.iter().zip(&seen) {
        let most = seen.range(SIGNED).1 * 65536.0;
        assert!((fixed.scale.to_f64() / most - 1.0).abs() < 1e-4);
    }
}

#[test]
fn refusals_are_explained() {
    let decoder = trained();
    let calibration = calibrated(|texts| texts.truncate(1), 1);
    let mut other = decoder.clone();
    other.layers.truncate(2);
    let texts = [
        QuantDecoder::new(&decoder, &scheme("mse")).unwrap_err(),
        QuantDecoder::calibrated(&other, &scheme("mse"), &calibration).unwrap_err(),
        Calibration::new(&decoder, &[]).unwrap_err(),
        Calibration::new(&decoder, &[&[1, 2], &[3]]).unwrap_err(),
        Calibration::new(&decoder, &[&[1, 256]]).unwrap_err(),
    ];
    insta::assert_snapshot!(texts.map(|d| d.render()).join("\n\n"));
}
