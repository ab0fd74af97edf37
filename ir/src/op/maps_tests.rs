//! Operators on feature maps, held to other definitions of the same.

use super::{AveragePool, Conv, ConvTranspose, MaxPool, Operator, Resample};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};

fn run(op: &impl Operator, operands: &[&Tensor]) -> Tensor {
    let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
    let inferred = op.infer(&types).unwrap();
    let results = op.evaluate(operands).unwrap();
    assert_eq!(results[0].ty(), inferred[0]);
    results.into_iter().next().unwrap()
}

fn drawn(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let element = |i: usize| ((i * 37 + seed * 101) * 2654435761 % 4096) as f32 / 64.0 - 32.0;
    Tensor::f32(shape, (0..count).map(element).collect()).unwrap()
}

fn product(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.floats().iter().zip(b.floats()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// `<conv(x, w), y> = <x, conv-transpose(y, w)>` for every x and y: that is what the transposed one is.
#[test]
fn a_transposed_convolution_is_the_adjoint() {
    let mut cases = 0;
    for (stride, dilation, groups) in [(1, 1, 1), (2, 1, 1), (3, 2, 2), (4, 1, 4), (2, 3, 2)] {
        for (kernel, pad) in [([1, 3], 0), ([4, 4], 1), ([2, 5], 2)] {
            let (strides, dilations, pads) = (vec![stride, 1], vec![dilation; 2], vec![pad, 0, 0, pad]);
            let plane = [11, 17];
            let conv =
                Conv { strides: strides.clone(), pads: pads.clone(), dilations: dilations.clone(), groups };
            let x = drawn(&[2, 4, plane[0], plane[1]], 1);
            let w = drawn(&[8, 4 / groups, kernel[0], kernel[1]], 2);
            let forward = run(&conv, &[&x, &w]);
            let y = drawn(forward.shape(), 3);
            let pad_of = |i: usize| pads[i] + pads[i + 2];
            let reached = |i: usize| {
                (forward.shape()[i + 2] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - pad_of(i)
            };
            let extra = vec![plane[0] - reached(0), plane[1] - reached(1)];
            let back = ConvTranspose { strides, pads, dilations, extra, groups };
            let back = run(&back, &[&y, &w]);
            let (a, b) = (product(&forward, &y), product(&x, &back));
            assert!((a - b).abs() <= 1e-5 * a.abs().max(1e6), "{conv:?}: {a} {b}");
            cases += 1;
        }
    }
    assert_eq!(cases, 15);
}

#[test]
fn pools_are_what_their_windows_hold() {
    let x = drawn(&[1, 2, 7, 9], 4);
    let at = |c: usize, y: i64, x0: i64| {
        let inside = (0..7).contains(&y) && (0..9).contains(&x0);
        inside.then(|| x.floats()[c * 63 + y as usize * 9 + x0 as usize])
    };
    for (kernel, stride, pad, dilation, ceil) in
        [(3, 2, 1, 1, false), (3, 2, 1, 1, true), (2, 2, 0, 1, true), (2, 3, 1, 2, false), (1, 1, 0, 1, true)]
    {
        let (kernels, strides, pads, dilations) =
            (vec![kernel; 2], vec![stride; 2], vec![pad; 4], vec![dilation; 2]);
        let max = MaxPool {
            kernel: kernels.clone(),
            strides: strides.clone(),
            pads: pads.clone(),
            dilations: dilations.clone(),
            ceil,
        };
        let average = |padded| AveragePool {
            kernel: kernels.clone(),
            strides: strides.clone(),
            pads: pads.clone(),
            dilations: dilations.clone(),
            ceil,
            padded,
        };
        let (largest, mean, padded) =
            (run(&max, &[&x]), run(&average(false), &[&x]), run(&average(true), &[&x]));
        let [rows, columns] = [largest.shape()[2], largest.shape()[3]];
        for i in 0..2 * rows * columns {
            let (c, row, column) = (i / (rows * columns), i / columns % rows, i % columns);
            let first = |n: usize| (n * stride) as i64 - pad as i64;
            let place = |t: usize| {
                (first(row) + (t / kernel * dilation) as i64, first(column) + (t % kernel * dilation) as i64)
            };
            let all: Vec<(i64, i64)> = (0..kernel * kernel).map(place).collect();
            let inside: Vec<f32> = all.iter().filter_map(|&(y, x)| at(c, y, x)).collect();
            let edge = pad as i64;
            let counted = all
                .iter()
                .filter(|(y, x)| (-edge..7 + edge).contains(y) && (-edge..9 + edge).contains(x))
                .count();
            let sum: f32 = inside.iter().sum();
            assert_eq!(largest.floats()[i], inside.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            assert!((mean.floats()[i] - sum / inside.len() as f32).abs() < 1e-4);
            assert!((padded.floats()[i] - sum / counted as f32).abs() < 1e-4);
        }
        // As many windows as begin inside and are not left out.
        let whole = |n: usize| n + 2 * pad - ((kernel - 1) * dilation + 1);
        let count = |n: usize| {
            let windows = if ceil { whole(n).div_ceil(stride) } else { whole(n) / stride } + 1;
            if (windows - 1) * stride >= n + pad { windows - 1 } else { windows }
        };
        assert_eq!([rows, columns], [count(7), count(9)]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = Type::of(DType::F32, [1, 4, 3, 3]);
    let pool = |kernel: Vec<usize>, pads: Vec<usize>| {
        let pool = MaxPool { kernel, strides: vec![1; 2], pads, dilations: vec![1; 2], ceil: false };
        pool.infer(std::slice::from_ref(&x)).is_ok()
    };
    assert!(pool(vec![3, 3], vec![0; 4]) && pool(vec![3, 3], vec![2; 4]));
    // Larger than the map; of pads alone; without elements; of other axes; beyond all bounds.
    assert!(!pool(vec![4, 1], vec![0; 4]) && !pool(vec![2, 2], vec![2; 4]) && !pool(vec![0, 1], vec![0; 4]));
    assert!(!pool(vec![3], vec![0; 2]) && !pool(vec![1 << 20; 2], vec![(1 << 20) - 1; 4]));
    assert!(!pool(vec![usize::MAX; 2], vec![usize::MAX - 1; 4]));
    let transposed = |strides: Vec<usize>, pads: Vec<usize>, extra: Vec<usize>, w: &[usize]| {
        let op = ConvTranspose { strides, pads, dilations: vec![1; 2], extra, groups: 2 };
        op.infer(&[x.clone(), Type::of(DType::F32, w)]).is_ok()
    };
    let w = [4, 3, 2, 2];
    assert!(transposed(vec![2; 2], vec![0; 4], vec![1; 2], &w));
    assert!(
        !transposed(vec![2; 2], vec![0; 4], vec![2; 2], &w)
            && !transposed(vec![2; 2], vec![3; 4], vec![0; 2], &w)
    );
    assert!(
        !transposed(vec![0; 2], vec![0; 4], vec![0; 2], &w)
            && !transposed(vec![1; 2], vec![0; 4], vec![0; 2], &[3, 3, 2, 2])
    );
    assert!(!transposed(vec![usize::MAX; 2], vec![usize::MAX; 4], vec![0; 2], &w));
    let tables = |places: &[i64]| {
        let places = Tensor::new(DType::I64, [places.len(), 1], Data::Long(places.to_vec())).unwrap();
        let weights = Tensor::f32([places.shape()[0], 1], vec![1.0; places.shape()[0]]).unwrap();
        Resample { axis: 2 }.evaluate(&[&drawn(&[1, 4, 3, 3], 5), &places, &weights]).is_ok()
    };
    assert!(tables(&[0, 2, 2, 1]) && !tables(&[3]) && !tables(&[-1]));
}
