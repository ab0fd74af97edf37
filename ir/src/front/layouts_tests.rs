//! Files in the layouts of quantisers, packed here from known codes as their documentation describes them.

use super::*;
use crate::front::safetensors;
use crate::quant::kept_tests::{assert_kept, wide};
use crate::quant::scheme::{Sparsity, WeightScheme};
use ::safetensors::tensor::{Dtype, TensorView, serialize};

const OUTPUTS: usize = 16;
const INPUTS: usize = 64;
const GROUP: usize = 32;
const GROUPS: usize = INPUTS / GROUP;

/// Known codes and zero points below 2^bits, and scales.
struct Known {
    codes: Vec<Vec<u32>>,
    zeros: Vec<Vec<u32>>,
    scales: Vec<Vec<f32>>,
}

fn known(bits: u32) -> Known {
    let draw = |i: usize, salt: usize| ((i * 7919 + salt * 104_729 + i / 3 * 31) % (1 << bits)) as u32;
    let rows = |count: usize, salt| {
        (0..OUTPUTS).map(|n| (0..count).map(|k| draw(n * count + k, salt)).collect()).collect()
    };
    let scales =
        (0..OUTPUTS).map(|n| (0..GROUPS).map(|g| 0.0625 * (1 + n * GROUPS + g) as f32).collect()).collect();
    Known { codes: rows(INPUTS, 1), zeros: rows(GROUPS, 2), scales }
}

/// A tensor of a file.
struct Entry(&'static str, Dtype, Vec<usize>, Vec<u8>);

fn words(name: &'static str, shape: [usize; 2], data: Vec<u32>) -> Entry {
    Entry(name, Dtype::I32, shape.to_vec(), data.iter().flat_map(|w| w.to_le_bytes()).collect())
}

fn halves(name: &'static str, shape: [usize; 2], data: Vec<f32>) -> Entry {
    let bytes = data.iter().flat_map(|&x| crate::pack::to_f16(x).to_le_bytes()).collect();
    Entry(name, Dtype::F16, shape.to_vec(), bytes)
}

fn bytes(name: &'static str, dtype: Dtype, shape: [usize; 2], data: Vec<u8>) -> Entry {
    Entry(name, dtype, shape.to_vec(), data)
}

fn tensors(entries: Vec<Entry>) -> Tensors {
    let named: Vec<(String, &Entry)> = entries.iter().map(|e| (format!("l.{}", e.0), e)).collect();
    let views = named.iter().map(|(n, e)| (n, TensorView::new(e.1, e.2.clone(), &e.3).unwrap()));
    safetensors::read(&serialize(views, None).unwrap()).unwrap()
}

fn quantisation(method: &str, bits: u32) -> Quantisation {
    Quantisation { method: method.into(), bits, plain_zeros: false }
}

/// Puts numbers into a word, the first into the lowest bits.
fn word(parts: impl Iterator<Item = u32>, bits: u32) -> u32 {
    parts.enumerate().fold(0, |word, (i, part)| word | part << (i as u32 * bits))
}

/// Codes less zero points, and scales, are those that were packed; `shift` is what the format subtracts from both.
fn assert_grid(constant: &Constant, known: &Known, zeros: bool, shift: i64) {
    let grid = constant.grid().expect("a grid");
    assert_eq!(grid.group(), GROUP);
    let longs = |c: &Constant| c.tensor().unwrap().to_i64s().unwrap();
    let flat = |rows: &[Vec<u32>]| rows.concat().iter().map(|&c| i64::from(c) - shift).collect::<Vec<i64>>();
    assert_eq!(longs(grid.codes()), flat(&known.codes));
    assert_eq!(grid.scales().tensor().unwrap().floats(), known.scales.concat());
    assert_eq!(grid.zeros().map(longs), zeros.then(|| flat(&known.zeros)));
    let bits = grid.codes().ty().dtype.bits();
    assert_kept(constant, &wide(bits, GROUP, !zeros));
    let weights = constant.tensor().unwrap();
    for n in 0..OUTPUTS {
        for k in 0..INPUTS {
            let zero = if zeros { i64::from(known.zeros[n][k / GROUP]) } else { shift };
            let exact = (i64::from(known.codes[n][k]) - zero) as f32 * known.scales[n][k / GROUP];
            assert_eq!(weights.floats()[n * INPUTS + k], exact);
        }
    }
}

/// Scales as GPTQ and AWQ have them, a row for each group.
fn rows_of_groups(known: &Known) -> Entry {
    let data = (0..GROUPS).flat_map(|g| known.scales.iter().map(move |s| s[g])).collect();
    halves("scales", [GROUPS, OUTPUTS], data)
}

fn gptq_file(known: &Known, bits: u32, less: u32) -> Vec<Entry> {
    let n = 32 / bits as usize;
    let qweight = (0..INPUTS / n)
        .flat_map(|row| (0..OUTPUTS).map(move |c| word((0..n).map(|i| known.codes[c][row * n + i]), bits)))
        .collect();
    // A stored zero point wraps around in its bits.
    let stored = |c: usize, g: usize| known.zeros[c][g].wrapping_sub(less) & ((1 << bits) - 1);
    let qzeros = (0..GROUPS)
        .flat_map(|g| (0..OUTPUTS / n).map(move |w| word((0..n).map(|i| stored(w * n + i, g)), bits)))
        .collect();
    let order = (0..INPUTS).flat_map(|k| ((k / GROUP) as u32).to_le_bytes()).collect();
    vec![
        words("qweight", [INPUTS / n, OUTPUTS], qweight),
        words("qzeros", [GROUPS, OUTPUTS / n], qzeros),
        rows_of_groups(known),
        Entry("g_idx", Dtype::I32, vec![INPUTS], order),
    ]
}

#[test]
fn gptq() {
    for bits in [2, 4, 8] {
        let mut known = known(bits);
        // Zero points of 1 and more are what the older format can store.
        known.zeros.iter_mut().flatten().for_each(|z| *z = (*z).max(1));
        for plain_zeros in [false, true] {
            let q = Quantisation { plain_zeros, ..quantisation("gptq", bits) };
            let file = tensors(gptq_file(&known, bits, u32::from(!plain_zeros)));
            assert_grid(&linear(&file, "l", [OUTPUTS, INPUTS], Some(&q)).unwrap(), &known, true, 0);
        }
    }
}

/// Groups in the order of activations: input k is the k * 5-th of the sorted ones.
#[test]
fn gptq_in_the_order_of_activations() {
    let known = known(4);
    let place = |k: usize| k * 5 % INPUTS;
    let moved = Known {
        codes: known.codes.iter().map(|row| (0..INPUTS).map(|k| row[place(k)]).collect()).collect(),
        zeros: known.zeros.iter().map(|row| row.iter().map(|&z| z.max(1)).collect()).collect(),
        scales: known.scales.clone(),
    };
    let mut entries = gptq_file(&moved, 4, 1);
    entries[3].3 = (0..INPUTS).flat_map(|k| ((place(k) / GROUP) as u32).to_le_bytes()).collect();
    let found = linear(&tensors(entries), "l", [OUTPUTS, INPUTS], Some(&quantisation("gptq", 4))).unwrap();
    assert_kept(&found, &wide(4, GROUP, false));
    let weights = found.tensor().unwrap();
    for n in 0..OUTPUTS {
        for k in 0..INPUTS {
            let group = place(k) / GROUP;
            let exact = (moved.codes[n][k] as f32 - moved.zeros[n][group] as f32) * moved.scales[n][group];
            assert_eq!(weights.floats()[n * INPUTS + k], exact);
        }
    }
    let mut b = crate::graph::Builder::new("w");
    let origin = crate::graph::Origin::default();
    let value = crate::decoder::Weight { constant: found, name: "w".into(), origin }.value(&mut b).unwrap();
    b.output("w", value);
    let graph = b.finish().unwrap();
    assert_eq!(crate::eval::evaluate(&graph, &[]).unwrap()[0], weights);
}

#[test]
fn awq() {
    let known = known(4);
    // Word: columns 0 2 4 6 1 3 5 7 of eight, from the lowest bits on.
    let order = [0, 2, 4, 6, 1, 3, 5, 7];
    let pack = |value: &dyn Fn(usize) -> u32, w: usize| word(order.iter().map(|&c| value(w * 8 + c)), 4);
    let qweight = (0..INPUTS)
        .flat_map(|k| (0..OUTPUTS / 8).map(|w| pack(&|c| known.codes[c][k], w)).collect::<Vec<_>>())
        .collect();
    let qzeros = (0..GROUPS)
        .flat_map(|g| (0..OUTPUTS / 8).map(|w| pack(&|c| known.zeros[c][g], w)).collect::<Vec<_>>())
        .collect();
    let file = tensors(vec![
        words("qweight", [INPUTS, OUTPUTS / 8], qweight),
        words("qzeros", [GROUPS, OUTPUTS / 8], qzeros),
        rows_of_groups(&known),
    ]);
    // The example of the documentation: 0 1 2 3 4 5 6 7 is 0x75316420.
    assert_eq!(pack(&|c| c as u32, 0), 0x7531_6420);
    let found = linear(&file, "l", [OUTPUTS, INPUTS], Some(&quantisation("awq", 4))).unwrap();
    assert_grid(&found, &known, true, 0);
}

fn group_scales(known: &Known) -> Entry {
    halves("weight_scale", [OUTPUTS, GROUPS], known.scales.concat())
}

#[test]
fn compressed_tensors_packed() {
    for bits in [4, 8] {
        let (known, n) = (known(bits), 32 / bits as usize);
        let packed: Vec<u32> =
            known.codes.iter().flat_map(|row| row.chunks(n).map(|c| word(c.iter().copied(), bits))).collect();
        let weight = || words("weight_packed", [OUTPUTS, INPUTS / n], packed.clone());
        let half = 1 << (bits - 1);
        let q = quantisation("compressed-tensors", bits);
        let symmetric = tensors(vec![weight(), group_scales(&known)]);
        assert_grid(&linear(&symmetric, "l", [OUTPUTS, INPUTS], Some(&q)).unwrap(), &known, false, half);
        let zeros = (0..OUTPUTS / n)
            .flat_map(|w| {
                (0..GROUPS).map(|g| word((0..n).map(|i| known.zeros[w * n + i][g]), bits)).collect::<Vec<_>>()
            })
            .collect();
        let zeros = words("weight_zero_point", [OUTPUTS / n, GROUPS], zeros);
        let asymmetric = tensors(vec![weight(), group_scales(&known), zeros]);
        assert_grid(&linear(&asymmetric, "l", [OUTPUTS, INPUTS], Some(&q)).unwrap(), &known, true, half);
    }
}

#[test]
fn compressed_tensors_integers() {
    let known = known(8);
    let codes = known.codes.concat().iter().map(|&c| (c as i64 - 128) as u8).collect();
    let file = tensors(vec![bytes("weight", Dtype::I8, [OUTPUTS, INPUTS], codes), group_scales(&known)]);
    let q = quantisation("compressed-tensors", 8);
    assert_grid(&linear(&file, "l", [OUTPUTS, INPUTS], Some(&q)).unwrap(), &known, false, 128);
}

#[test]
fn compressed_tensors_sparse() {
    // Of four weights, the two that are kept move along; their codes are never zero.
    let keeps = |n: usize, k: usize| {
        [[0, 1], [0, 2], [1, 3], [2, 3], [0, 3], [1, 2]][(n + k / 4) % 6].contains(&(k % 4))
    };
    let value = |n: usize, k: usize| ((n * 31 + k * 7) % 127 + 1) as u8;
    let kept: Vec<u8> = (0..OUTPUTS)
        .flat_map(|n| (0..INPUTS).filter(move |&k| keeps(n, k)).map(move |k| value(n, k)))
        .collect();
    let mask = (0..OUTPUTS)
        .flat_map(|n| {
            (0..INPUTS / 8).map(move |b| (0..8).fold(0u8, |m, i| m | u8::from(keeps(n, b * 8 + i)) << i))
        })
        .collect();
    let scales = (0..OUTPUTS).map(|n| (n + 1) as f32).collect();
    let file = tensors(vec![
        bytes("compressed", Dtype::I8, [OUTPUTS, INPUTS / 2], kept.clone()),
        bytes("bitmask", Dtype::U8, [OUTPUTS, INPUTS / 8], mask),
        halves("weight_scale", [OUTPUTS, 1], scales),
    ]);
    let q = quantisation("compressed-tensors", 8);
    let found = linear(&file, "l", [OUTPUTS, INPUTS], Some(&q)).unwrap();
    let dense = WeightScheme { group: None, scale_bits: 8, ..wide(8, INPUTS, true) };
    assert_kept(&found, &dense);
    assert_kept(&found, &WeightScheme { sparsity: Sparsity::TwoOfFour, ..dense });
    let codes = found.grid().unwrap().codes().tensor().unwrap();
    for n in 0..OUTPUTS {
        for k in 0..INPUTS {
            let expected = if keeps(n, k) { i32::from(value(n, k)) } else { 0 };
            assert_eq!(codes.ints()[n * INPUTS + k], expected);
            assert_eq!(found.tensor().unwrap().floats()[n * INPUTS + k], expected as f32 * (n + 1) as f32);
        }
    }
}

#[test]
fn diagnostics() {
    let known = known(4);
    let error = |entries: Vec<Entry>, q: Quantisation| {
        linear(&tensors(entries), "l", [OUTPUTS, INPUTS], Some(&q)).unwrap_err().to_string()
    };
    let mut unordered = gptq_file(&known, 4, 1);
    unordered[3].3[0] = 1;
    let mut few = gptq_file(&known, 4, 1);
    few.remove(1);
    let mask = vec![7u8; OUTPUTS * INPUTS / 8];
    let sparse = vec![
        bytes("compressed", Dtype::I8, [OUTPUTS, INPUTS / 2], vec![1; OUTPUTS * INPUTS / 2]),
        bytes("bitmask", Dtype::U8, [OUTPUTS, INPUTS / 8], mask),
    ];
    let float8 = vec![bytes("weight", Dtype::F8_E4M3, [OUTPUTS, INPUTS], vec![0; OUTPUTS * INPUTS])];
    let rendered = [
        error(unordered, quantisation("gptq", 4)),
        error(few, quantisation("gptq", 4)),
        error(gptq_file(&known, 4, 1), quantisation("gptq", 3)),
        error(gptq_file(&known, 4, 1), quantisation("gptq", 8)),
        error(sparse, quantisation("compressed-tensors", 8)),
        error(float8, quantisation("compressed-tensors", 8)),
        error(vec![halves("other", [1, 1], vec![1.0])], quantisation("gptq", 4)),
    ];
    insta::assert_snapshot!(rendered.join("\n\n"));
}
