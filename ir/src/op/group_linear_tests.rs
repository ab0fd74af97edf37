use super::*;
use crate::num::Scale;
use crate::tensor::Data;

fn int(dtype: DType, shape: &[usize], data: &[i32]) -> Tensor {
    Tensor::new(dtype, shape, Data::Int(data.to_vec())).unwrap()
}

fn one() -> i32 {
    Scale { mantissa: 1 << 15, exponent: -15 }.word() as i32
}

fn op(group: usize, levels: &[i32], sparse: bool) -> GroupLinear {
    GroupLinear { group, shift: 0, levels: levels.to_vec(), sparse }
}

const TRAINED: &[i32] = &[-3, -1, 1, 3];

#[test]
fn scales_groups_and_channels() {
    let x = int(DType::I8, &[1, 4], &[1, 2, 3, -4]);
    let w = int(DType::U2, &[2, 4], &[3, 0, 1, 2, 2, 2, 2, 2]);
    let g = int(DType::U8, &[2, 2], &[10, 1, 255, 255]);
    let c = int(DType::I32, &[2], &[one(), one()]);
    let s = int(DType::I32, &[1, 1], &[one()]);
    let y = op(2, TRAINED, false).evaluate(&[&x, &s, &w, &g, &c]).unwrap();
    assert_eq!(y[0].ints(), [10 * (3 - 6) + (-3 - 4), 255 * 3 - 255]);
}

#[test]
fn zero_points_and_pruning() {
    let x = int(DType::U4, &[1, 4], &[1, 2, 3, 15]);
    let x_zero = int(DType::U4, &[1, 1], &[3]);
    let s = int(DType::I32, &[1, 1], &[one()]);
    let g = int(DType::U8, &[1, 1], &[5]);
    let c = int(DType::I32, &[1], &[one()]);
    let w = int(DType::U8, &[1, 4], &[255, 0, 7, 1]);
    let zero = int(DType::U8, &[1, 1], &[2]);
    let y = op(4, &[], false).evaluate(&[&x, &s, &w, &g, &c, &x_zero, &zero]).unwrap();
    assert_eq!(y[0].ints(), [5 * (-2 * 253 + 2 - 12)]);
    let kept = int(DType::U8, &[1, 2], &[255, 0]);
    let at = |a, b| int(DType::U2, &[1, 2], &[a, b]);
    let y = op(4, &[], true).evaluate(&[&x, &s, &kept, &g, &c, &x_zero, &zero, &at(1, 3)]).unwrap();
    assert_eq!(y[0].ints(), [5 * (-253 + 12 * -2)]);
    assert!(op(4, &[], true).evaluate(&[&x, &s, &kept, &g, &c, &x_zero, &zero, &at(3, 3)]).is_err());
    let wild = int(DType::U2, &[1, 4], &[0, 1, 2, 3]);
    assert!(op(4, &[-1, 0, 1], false).evaluate(&[&x, &s, &wild, &g, &c, &x_zero]).is_err());
}

/// The definition, word by word: exact sums inside groups, times the group scale.
fn by_definition(x: &[i32], w: &[i32], groups: &[i32], group: usize) -> i64 {
    let parts = x.chunks(group).zip(w.chunks(group)).zip(groups);
    parts.fold(0, |acc, ((x, w), &g)| {
        let sum: i32 = x.iter().zip(w).map(|(x, w)| x * w).sum();
        acc + i64::from(g) * i64::from(sum)
    })
}

/// Every width, the largest values, and sums beyond 32 bits: what runs of words sum is what the definition sums.
#[test]
fn sums_are_those_of_the_definition() {
    let mut seed = 1u32;
    let mut next = |low: i32, high: i32| {
        seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
        low + ((seed >> 8) % (high - low + 1) as u32) as i32
    };
    let extremes = [(-8, 7), (-128, 127), (-255, 255)];
    for (x_low, x_high) in extremes {
        for (w_low, w_high) in [(-3, 3), (-8, 7), (-128, 127), (-255, 255)] {
            for (k, group) in [(64, 16), (4096, 32), (4096, 4096)] {
                let largest = next(0, 1) == 1;
                let x: Vec<i32> = (0..k).map(|_| if largest { x_low } else { next(x_low, x_high) }).collect();
                let w: Vec<i32> = (0..k).map(|_| if largest { w_low } else { next(w_low, w_high) }).collect();
                let words = |v: &[i32]| v.iter().map(|&v| v as i16).collect::<Vec<_>>();
                for top in [255, 0xffff, i32::MAX] {
                    let scale = |_| if largest { top } else { next(0, top - 1) };
                    let groups: Vec<i32> = (0..k / group).map(scale).collect();
                    let found = Sums::new(&words(&x), words(&w), &groups, group).of(&words(&x), 0);
                    let exact = by_definition(&x, &w, &groups, group);
                    assert_eq!(found, exact, "{x_low} {w_low} {k} {group} {top}");
                }
            }
        }
    }
}

#[test]
fn accumulators_of_large_layers_fit() {
    let signed = |bits| Code { bits, symmetric: true };
    let bits = |k| op(32, TRAINED, false).accumulator_bits(k, signed(8), DType::U2, DType::U8);
    assert_eq!(bits(11008), 32);
    assert!(bits(1 << 22) <= 40 && bits(1 << 23) > 40);
    assert_eq!(op(32, &[], false).accumulator_bits(11008, signed(8), DType::I8, DType::U8), 37);
    let unsigned = Code { bits: 8, symmetric: false };
    assert_eq!(op(32, &[], false).accumulator_bits(11008, unsigned, DType::U8, DType::U8), 39);
    assert_eq!(op(128, &[], false).accumulator_bits(4096, signed(8), DType::I4, DType::U16), 39);
}

#[test]
fn refuses_what_does_not_fit() {
    let infer = |op: GroupLinear, x: DType, w: DType, k: usize, extra: &[Type]| {
        let stored = if op.sparse { k / 2 } else { k };
        let groups = Type::of(DType::U8, [3, k / op.group]);
        let types = [
            Type::of(x, [2, k]),
            Type::of(DType::I32, [2, 1]),
            Type::of(w, [3, stored]),
            groups,
            Type::of(DType::I32, [3]),
        ];
        op.infer(&[&types, extra].concat()).map_err(|fault| fault.why)
    };
    let zero = |dtype, shape: [usize; 2]| Type::of(dtype, shape);
    let y = Ok(vec![Type::of(DType::I32, [2, 3])]);
    assert_eq!(infer(op(4, TRAINED, false), DType::I8, DType::U2, 8, &[]), y);
    assert_eq!(infer(op(4, &[], false), DType::I4, DType::I8, 8, &[]), y);
    assert_eq!(infer(op(4, &[], true), DType::I4, DType::I8, 8, &[zero(DType::U2, [3, 4])]), y);
    let both = [zero(DType::U8, [2, 1]), zero(DType::U4, [3, 2])];
    assert_eq!(infer(op(4, &[], false), DType::U8, DType::U4, 8, &both), y);
    let wide = [zero(DType::U8, [2, 1]), zero(DType::U8, [3, 1])];
    let refused = [
        infer(op(4, TRAINED, false), DType::I8, DType::I2, 8, &[]),
        infer(op(4, TRAINED, false), DType::I8, DType::U2, 6, &[]),
        infer(op(4, &[-1, 1, 300], false), DType::I8, DType::U2, 8, &[]),
        infer(op(4, &[1; 5], false), DType::I8, DType::U2, 8, &[]),
        infer(op(4, &[], false), DType::I16, DType::I8, 8, &[]),
        infer(op(4, &[], false), DType::I8, DType::I16, 8, &[]),
        infer(op(4, &[], false), DType::I8, DType::U4, 8, &[]),
        infer(op(4, &[], false), DType::U8, DType::I4, 8, &[]),
        infer(op(4, &[], false), DType::U8, DType::U4, 8, &both[..1]),
        infer(op(4, &[], false), DType::I8, DType::I4, 8, &both[1..]),
        infer(op(2, &[], true), DType::I8, DType::I4, 6, &[zero(DType::U2, [3, 3])]),
        infer(op(4, &[], true), DType::I8, DType::I4, 8, &[]),
        infer(op(1 << 16, &[], false), DType::U8, DType::U8, 1 << 16, &wide),
        infer(op(32, &[], false), DType::I8, DType::I8, 1 << 42, &[]),
    ];
    let reasons: Vec<String> = refused.map(|r| r.unwrap_err()).into();
    insta::assert_snapshot!(reasons.join("\n"));
}
