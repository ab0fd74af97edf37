//! Broadcasting: shapes are aligned at their last axes, and an axis of length one is repeated.

use super::Fault;
use crate::types::{Dim, Shape};

/// The common shape of two operands.
pub fn broadcast(a: &Shape, b: &Shape) -> Result<Shape, Fault> {
    let rank = a.rank().max(b.rank());
    let dim = |shape: &Shape, i: usize| {
        let missing = rank - shape.rank();
        if i < missing { Dim::Static(1) } else { shape.0[i - missing].clone() }
    };
    let merge = |i| match (dim(a, i), dim(b, i)) {
        (x, y) if x == y => Ok(x),
        (Dim::Static(1), y) => Ok(y),
        (x, Dim::Static(1)) => Ok(x),
        (x, y) => {
            Err(Fault::new(format!("the shapes {a} and {b} differ: {x} against {y} at axis {i} of {rank}"))
                .help("lengths must be equal or 1; bind named dimensions to numbers"))
        }
    };
    (0..rank).map(merge).collect::<Result<_, _>>().map(Shape)
}

/// Row-major strides of a shape.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// Strides of `shape` when it is walked as if it had the shape `out`: zero where it repeats.
pub fn broadcast_strides(shape: &[usize], out: &[usize]) -> Vec<usize> {
    let missing = out.len() - shape.len();
    let own = strides(shape);
    let stride = |i: usize| if i < missing || shape[i - missing] == 1 { 0 } else { own[i - missing] };
    (0..out.len()).map(stride).collect()
}

/// Positions visited by walking `shape` in row-major order with these strides.
pub fn walk(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    if shape.contains(&0) {
        return Vec::new();
    }
    let mut positions = vec![0];
    for (&n, &stride) in shape.iter().zip(strides) {
        positions = positions.iter().flat_map(|&base| (0..n).map(move |i| base + i * stride)).collect();
    }
    positions
}

/// For each element of the shape `out`, the position of its source in the broadcast operand `shape`.
pub fn positions(shape: &[usize], out: &[usize]) -> Vec<usize> {
    walk(out, &broadcast_strides(shape, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_at_the_last_axis() {
        let shape = broadcast(&Shape::of([4, 1]), &Shape::of([2, 1, 3])).unwrap();
        assert_eq!(shape, Shape::of([2, 4, 3]));
        assert!(broadcast(&Shape::of([4]), &Shape::of([3])).is_err());
        assert_eq!(positions(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
    }
}
