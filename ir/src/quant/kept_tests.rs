//! The law of weights that a file carries in codes: codes and scales arrive as they are, and integers compute with just those
//! weights.

use super::grid::tests::scheme as grid_of;
use super::scheme::{Sparsity, WeightScheme};
use super::*;
use crate::constant::{Constant, Grid};
use crate::corpus::model;
use crate::graph::Origin;
use crate::num::Scale;
use crate::op::{Gather, GroupLinear, Op, Operator};
use crate::tensor::{Data, Tensor};
use crate::types::DType;
use rug::Rational;

/// Groups with scales of any width, and with zero points.
pub(crate) fn wide(bits: u32, group: usize, symmetric: bool) -> WeightScheme {
    WeightScheme { scale_bits: 32, ..grid_of(bits, &[], Some(group), symmetric) }
}

pub(crate) fn quantised(constant: &Constant, scheme: &WeightScheme) -> QuantLinear {
    let weight = Weight { constant: constant.clone(), name: "w".into(), origin: Origin::default() };
    QuantLinear::new(&weight, &Rational::from(1), scheme).unwrap()
}

/// Quantises a weight, and holds it to the law.
pub(crate) fn assert_kept(constant: &Constant, scheme: &WeightScheme) {
    let linear = quantised(constant, scheme);
    assert_eq!(linear.fidelity, Fidelity::Exact);
    let grid = constant.grid().unwrap();
    assert_eq!(differences(&linear), file_differences(grid));
    if !scheme.symmetric && !grid.codes().ty().dtype.is_signed() {
        assert_eq!(linear.codes.tensor().unwrap().ints(), grid.codes().tensor().unwrap().ints());
    }
    computes(&linear, constant);
}

fn ints(constant: &Constant) -> Vec<i64> {
    constant.tensor().unwrap().to_i64s().unwrap()
}

/// Codes less their zero points, in the order of the codes.
fn differences(linear: &QuantLinear) -> Vec<i64> {
    let level = |code: i64| linear.levels.get(code as usize).map_or(code, |&l| l.into());
    let codes: Vec<i64> = ints(&linear.codes).into_iter().map(level).collect();
    let zeros = linear.zeros.as_ref().map(ints);
    let run = if linear.positions.is_some() { linear.group / 2 } else { linear.group };
    let kept = codes.iter().enumerate().map(|(i, c)| c - zeros.as_ref().map_or(0, |z| z[i / run]));
    let Some(positions) = &linear.positions else { return kept.collect() };
    let mut all = vec![0; 2 * codes.len()];
    kept.zip(ints(positions)).enumerate().for_each(|(i, (c, at))| all[i / 2 * 4 + at as usize] = c);
    all
}

fn file_differences(grid: &Grid) -> Vec<i64> {
    let (codes, zeros) = (ints(grid.codes()), grid.zeros().map(ints));
    codes.iter().enumerate().map(|(i, c)| c - zeros.as_ref().map_or(0, |z| z[i / grid.group()])).collect()
}

/// The operator on rows that are 1 at one input gives the weights that the file stands for, rounded once to as many bits as
/// there are.
fn computes(linear: &QuantLinear, constant: &Constant) {
    let weights = constant.tensor().unwrap();
    let file = constant.grid().unwrap();
    let (steps, scales) = (file_differences(file), file.scales().tensor().unwrap());
    let column = file.order().map(ints);
    // A step times a float is exact in 64 bits; the weight itself may have been rounded to a float.
    let weight = |n: usize, k: usize| {
        let at = n * weights.shape()[1] + column.as_ref().map_or(k, |c| c[k] as usize);
        steps[at] as f64 * f64::from(scales.floats()[at / file.group()])
    };
    let [outputs, inputs] = weights.shape()[..] else { panic!("{:?}", weights.shape()) };
    let ones = (0..inputs * inputs).map(|i| i32::from(i / inputs == i % inputs)).collect();
    let mut x = Tensor::new(DType::I8, [inputs, inputs], Data::Int(ones)).unwrap();
    if let Some(order) = &linear.order {
        x = Gather { axis: 1 }.evaluate(&[&x, &order.tensor().unwrap()]).unwrap().remove(0);
    }
    // As many fractional bits as results have room for.
    let top = weights.floats().iter().fold(0f32, |m, w| m.max(w.abs()));
    let bits = 29 - top.log2().ceil() as i32;
    let token = Scale { mantissa: 1 << 15, exponent: i8::try_from(bits - 15).unwrap() };
    let tokens = vec![token.word() as i32; inputs];
    let tokens = Tensor::new(DType::I32, [inputs, 1], Data::Int(tokens)).unwrap();
    let parts = [&linear.codes, &linear.groups, &linear.channels].into_iter();
    let parts = parts.chain(&linear.zeros).chain(&linear.positions).map(|c| c.tensor().unwrap());
    let operands: Vec<Tensor> = [x, tokens].into_iter().chain(parts).collect();
    let op = GroupLinear {
        group: linear.group,
        shift: 0,
        levels: linear.levels.clone(),
        sparse: linear.positions.is_some(),
    };
    let y = op.evaluate(&operands.iter().collect::<Vec<_>>()).unwrap().remove(0);
    for n in 0..outputs {
        for k in 0..inputs {
            assert_eq!(weight(n, k) as f32, weights.floats()[n * inputs + k]);
            let exact = weight(n, k) * f64::from(bits).exp2();
            assert_eq!(f64::from(y.ints()[k * outputs + n]), (exact + 0.5).floor(), "output {n}, input {k}");
        }
    }
}

/// A weight of codes 0 to 15 in groups of 32 inputs.
fn grid(scales: [f32; 4], zeros: Option<[i32; 4]>) -> Constant {
    let part = |dtype, shape: [usize; 2], data| Tensor::new(dtype, shape, data).unwrap().to_constant();
    let codes = Data::Int((0..128).map(|i| i * 7 % 16).collect());
    let scales = part(DType::F32, [2, 2], Data::Float(scales.to_vec()));
    let zeros = zeros.map(|z| part(DType::U4, [2, 2], Data::Int(z.to_vec())));
    Constant::on_grid(Grid::new(part(DType::U4, [2, 64], codes), scales, zeros, 32).unwrap())
}

#[test]
fn schemes_that_express_the_codes_keep_them() {
    let file = grid([0.25, 0.75, 0.0, 3.0], Some([8, 8, 3, 15]));
    for scheme in [wide(4, 32, false), wide(8, 32, false), wide(4, 16, false), wide(8, 8, true)] {
        assert_kept(&file, &scheme);
    }
    // Multiples of one number by a byte need no wide scales, and equal scales no groups.
    assert_kept(&file, &grid_of(4, &[], Some(32), false));
    assert_kept(&grid([0.375; 4], Some([8; 4])), &grid_of(4, &[], None, true));
    let odd: Vec<i32> = (-8..8).collect();
    assert_kept(&grid([0.375; 4], Some([8; 4])), &WeightScheme { levels: odd, ..wide(4, 64, true) });
}

/// As onnxruntime writes scales of blocks whose largest weight is positive.
#[test]
fn negative_scales_turn_codes_around_if_they_have_no_sign() {
    let file = grid([-0.25, 0.75, -0.5, -3.0], Some([8, 8, 3, 15]));
    assert_kept(&file, &wide(4, 32, false));
    let linear = quantised(&file, &grid_of(4, &[], Some(32), false));
    assert_eq!(linear.fidelity, Fidelity::Exact);
    assert_eq!(linear.zeros.as_ref().map(ints), Some(vec![7, 8, 12, 0]));
    computes(&linear, &file);
}

#[test]
fn scales_that_are_too_fine_are_rounded_and_codes_stay() {
    let file = grid([0.1, 0.2000123, 5e-3, 0.7], Some([8, 7, 3, 15]));
    let linear = quantised(&file, &grid_of(4, &[], Some(32), false));
    let Fidelity::ScalesRounded(by) = linear.fidelity else { panic!("{:?}", linear.fidelity) };
    assert!(by > 0.01 && by < 0.5, "{by}");
    assert_eq!(linear.codes.tensor(), file.grid().unwrap().codes().tensor());
    assert_kept(&file, &wide(4, 32, false));
}

#[test]
fn what_a_scheme_cannot_express_is_told() {
    let file = |zeros| grid([0.1, 0.2, 0.3, 0.7], zeros);
    let why = |file: &Constant, scheme: &WeightScheme| match quantised(file, scheme).fidelity {
        Fidelity::Requantised(why) => why,
        other => panic!("{other:?}"),
    };
    let zeros = file(Some([8, 7, 3, 15]));
    let two = Sparsity::TwoOfFour;
    let reasons = [
        why(&zeros, &wide(4, 32, true)),
        why(&zeros, &wide(2, 32, false)),
        why(&file(None), &wide(2, 32, false)),
        why(&zeros, &wide(4, 64, false)),
        why(&zeros, &grid_of(8, &[], None, true)),
        why(&zeros, &WeightScheme { levels: vec![-3, -1, 1, 3], ..wide(2, 32, true) }),
        why(&zeros, &WeightScheme { sparsity: two, ..wide(8, 32, true) }),
    ];
    insta::assert_snapshot!(reasons.join("\n"));
}

/// The quantised decoder that comes with the tests, whose scales are any floats.
#[test]
fn a_shipped_decoder_keeps_its_codes() {
    let float = tests::decoder(&model("tiny_llama_prefill_qdq_int4_block32"));
    let text = scheme::text("w4a8").unwrap();
    let asymmetric = text.replace("group = 32", "group = 32\nsymmetric = false");
    let wide = asymmetric.replace("[activations]", "scale_bits = 32\n[activations]");
    let of = |text: &str| QuantDecoder::new(&float, &Scheme::parse(text).unwrap()).unwrap();
    let (kept, bytes) = (of(&wide), of(&asymmetric));
    let inner = float.layers.iter().flat_map(|l| l.projections());
    let weights = inner.chain(float.ends.iter().flat_map(crate::decoder::Ends::projections));
    for (n, weight) in weights.map(|linear| &linear.weight).enumerate() {
        let codes = weight.constant.grid().unwrap().codes().tensor().unwrap();
        for decoder in [&kept, &bytes] {
            let found = decoder.linears().nth(n).unwrap().codes.tensor().unwrap();
            assert!(found.ints() == codes.ints(), "{}", weight.name);
        }
        assert_kept(&weight.constant, &kept.scheme.weights);
    }
    assert!(kept.on_grid() && kept.notes().is_empty() && !bytes.on_grid());
    insta::assert_snapshot!([bytes.notes(), of(text).notes()].concat().join("\n"));
}

/// Weights of `MatMulNBits`: the file has 11, of which no output needs the last four.
#[test]
fn blocks_of_a_shipped_network_keep_their_codes() {
    let mut case = model("tiny_llama_genai_int4");
    let names = ["batch_size", "sequence_length", "past_sequence_length", "total_sequence_length"];
    case.options.bindings = names.into_iter().map(String::from).zip([1, 8, 0, 8]).collect();
    let graph = case.normal();
    let mut found = 0;
    for (_, node) in graph.nodes() {
        let Op::Dequantise(op) = &node.op else { continue };
        let parts: Option<Vec<Constant>> =
            node.inputs.iter().map(|id| graph.constant(*id).cloned()).collect();
        let Some(mut parts) = parts.filter(|_| op.axis == 1) else { continue };
        let zeros = (parts.len() > 2).then(|| parts.remove(2));
        let grid = Grid::new(parts[0].clone(), parts[1].clone(), zeros, op.block).unwrap();
        assert_kept(&Constant::on_grid(grid), &wide(4, op.block, false));
        found += 1;
    }
    assert_eq!(found, 7);
}
