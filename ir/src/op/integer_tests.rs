use super::super::{CachedScores, CachedValues, FoldedSoftmax, IntRope, Quantise, Visibility};
use super::*;

fn int(dtype: DType, shape: &[usize], data: &[i32]) -> Tensor {
    Tensor::new(dtype, shape, Data::Int(data.to_vec())).unwrap()
}

fn one() -> i32 {
    Scale { mantissa: 1 << 15, exponent: -15 }.word() as i32
}

#[test]
fn embeds_rows() {
    let table = int(DType::I16, &[2, 2], &[1, -2, 300, 4]);
    let tokens = Tensor::i64([2], vec![1, 0]).unwrap();
    let y = IntEmbed { shift: -2 }.evaluate(&[&table, &tokens]).unwrap();
    assert_eq!(y[0].ints(), [1200, 16, 4, -8]);
    let wild = Tensor::i64([1], vec![2]).unwrap();
    assert!(IntEmbed { shift: 0 }.evaluate(&[&table, &wild]).is_err());
}

#[test]
fn quantises_each_part_of_a_row() {
    let x = int(DType::I32, &[1, 4], &[100, -50, 7, 0]);
    let both = Quantise { bits: 4, parts: 2, symmetric: true }.evaluate(&[&x]).unwrap();
    assert_eq!(both[0].ints(), [7, -3, 7, 0]);
    assert_eq!(both[1].ints(), [num::norm16(100).word() as i32, num::norm16(7).word() as i32]);
    assert!(Quantise { bits: 4, parts: 3, symmetric: true }.infer(&[x.ty()]).is_err());
    assert!(Quantise { bits: 5, parts: 1, symmetric: true }.infer(&[x.ty()]).is_err());
}

#[test]
fn attention_of_one_position_returns_its_value() {
    let q = int(DType::I8, &[1, 2], &[5, 6]);
    let k = int(DType::I4, &[1, 2], &[1, -7]);
    let s = int(DType::I32, &[1, 1], &[one()]);
    let scores = CachedScores { heads: 1, kv_heads: 1, shift: 0, causal: Visibility::Causal }
        .evaluate(&[&q, &s, &k, &s])
        .unwrap();
    assert_eq!(scores[0].ints(), [5 - 42]);
    let v_scale = int(DType::I32, &[1, 1], &[num::norm16(70_000).word() as i32]);
    let p = FoldedSoftmax { kv_heads: 1, bits: 8, causal: Visibility::Causal }
        .evaluate(&[&scores[0], &v_scale])
        .unwrap();
    assert_eq!(p[0].ints(), [127]);
    let v = int(DType::I4, &[1, 2], &[7, -7]);
    let channel = int(DType::I32, &[1], &[Scale { mantissa: 37744, exponent: -15 }.word() as i32]);
    let y = CachedValues { kv_heads: 1, shift: 10 }.evaluate(&[&p[0], &p[1], &v, &channel]).unwrap();
    assert!(y[0].ints()[0].abs_diff(70_000) < 10, "{:?}", y[0].ints());
    assert!(y[0].ints()[1].abs_diff(-70_000) < 10);
}

#[test]
fn rows_see_no_later_position() {
    let q = int(DType::I8, &[2, 2], &[1, 1, 1, 1]);
    let k = int(DType::I4, &[3, 2], &[1, 1, 2, 2, 3, 3]);
    let (s2, s3) = (int(DType::I32, &[2, 1], &[one(); 2]), int(DType::I32, &[3, 1], &[one(); 3]));
    let scores = CachedScores { heads: 1, kv_heads: 1, shift: 0, causal: Visibility::Causal }
        .evaluate(&[&q, &s2, &k, &s3])
        .unwrap();
    assert_eq!(scores[0].ints(), [2, 4, 0, 2, 4, 6]);
    let p = FoldedSoftmax { kv_heads: 1, bits: 8, causal: Visibility::Causal }
        .evaluate(&[&scores[0], &s3])
        .unwrap();
    assert_eq!((p[0].ints()[2], p[0].ints()[5]), (0, 127));
}

#[test]
fn refuses_shapes_that_do_not_fit() {
    let (i8s, i32s) = (|d: &[usize]| Type::of(DType::I8, d), |d: &[usize]| Type::of(DType::I32, d));
    let i4s = |d: &[usize]| Type::of(DType::I4, d);
    let scores = CachedScores { heads: 2, kv_heads: 1, shift: 0, causal: Visibility::Causal };
    assert!(scores.infer(&[i8s(&[1, 4]), i32s(&[1, 2]), i4s(&[3, 2]), i32s(&[3, 1])]).is_ok());
    assert!(scores.infer(&[i8s(&[1, 4]), i32s(&[1, 2]), i4s(&[3, 4]), i32s(&[3, 1])]).is_err());
    assert!(scores.infer(&[i8s(&[4, 4]), i32s(&[4, 2]), i4s(&[3, 2]), i32s(&[3, 1])]).is_err());
    assert!(IntRope { head_dim: 3, start: 0 }.infer(&[i32s(&[1, 6]), i32s(&[1])]).is_err());
    assert!(IntRope { head_dim: 2, start: usize::MAX }.infer(&[i32s(&[1, 6]), i32s(&[1])]).is_err());
    assert!(AddSaturate {}.infer(&[i32s(&[1, 6]), i32s(&[6, 1])]).is_err());
    assert!(
        CachedValues { kv_heads: 0, shift: 0 }
            .infer(&[i8s(&[1, 1, 1]), i32s(&[1, 1]), i4s(&[1, 1]), i32s(&[1])])
            .is_err()
    );
}
