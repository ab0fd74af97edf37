//! Windows of a sequence: the rows under a kernel that slides along it, laid one behind the other. A convolution along one
//! axis is a linear layer on them.

use super::{Fault, Operator, operator, rank, result};
use crate::graph::verify;
use crate::tensor::{Data, Tensor};
use crate::types::{Dim, Shape, Type};
use std::ops::RangeInclusive;

operator! {
    /// `windows(x [n, C])`: row `i` of the result `[(n + 2 pad - kernel) / stride + 1, kernel * C]` holds the `kernel` rows of x
    /// from `i * stride - pad` on, in order; rows that lie outside of x are zero.
    Windows "windows" {
        /// Rows of x in a window.
        kernel: usize,
        /// Rows from one window to the next.
        stride: usize,
        /// Rows of zeros before x, and as many behind it.
        pad: usize,
    }
}

impl Windows {
    /// Windows of a sequence of `rows`; `None` if it has none, or if a window may lie outside of it altogether.
    pub fn count(&self, rows: usize) -> Option<usize> {
        let padded = self.pad.checked_mul(2)?.checked_add(rows)?;
        let last = padded.checked_sub(self.kernel)?;
        (self.pad < self.kernel && self.stride > 0).then(|| last / self.stride + 1)
    }

    /// Whether there is a window for every `stride` rows, however many rows there are.
    pub fn keeps_pace(&self) -> bool {
        let padding = self.pad.saturating_mul(2);
        padding < self.kernel && self.kernel - padding <= self.stride
    }
}

impl Operator for Windows {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let x = &operands[0];
        rank(x, 2, "the sequence")?;
        let dims = x.shape.fixed().and_then(|dims| <[usize; 2]>::try_from(dims).ok());
        let [rows, width] =
            dims.ok_or_else(|| Fault::new("the sequence has no known length").help("bind the dimension"))?;
        let windows = self.count(rows).ok_or_else(|| {
            Fault::new(format!("windows of {} rows do not fit a sequence of {rows}", self.kernel))
                .help("the kernel is at most the padded sequence and more than the padding; the stride is 1 or more")
        })?;
        let inputs = self.kernel.checked_mul(width).and_then(|inputs| u64::try_from(inputs).ok());
        let inputs = inputs.filter(|&inputs| inputs <= verify::MAX_ELEMENTS);
        let inputs = inputs.ok_or_else(|| Fault::new("a window has too many elements"))?;
        Ok(vec![Type::new(x.dtype, Shape(vec![windows.into(), Dim::Static(inputs)]))])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let (x, [rows, width]) = (operands[0], [operands[0].shape()[0], operands[0].shape()[1]]);
        let windows = self.count(rows).unwrap_or(0);
        let inputs = self.kernel * width;
        let mut data = Data::zeros(x.dtype(), windows * inputs);
        for window in 0..windows {
            // Rows of the padded sequence that the window has in common with x.
            let start = window * self.stride;
            let (first, end) = (start.max(self.pad), (start + self.kernel).min(self.pad + rows));
            if first < end {
                let run = x.data().slice((first - self.pad) * width, (end - first) * width);
                data.write(window * inputs + (first - start) * width, &run);
            }
        }
        result(x.dtype(), [windows, inputs], data)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Add, Conv, Linear, Transpose};
    use super::*;
    use crate::types::DType;

    fn run(op: &impl Operator, operands: &[&Tensor]) -> Tensor {
        let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
        let inferred = op.infer(&types).unwrap();
        let results = op.evaluate(operands).unwrap();
        assert_eq!(results[0].ty(), inferred[0]);
        results.into_iter().next().unwrap()
    }

    #[test]
    fn windows_hold_rows_in_order_and_zeros_outside() {
        let x = Tensor::new(DType::I32, [3, 2], Data::Int((1..=6).collect())).unwrap();
        let of = |kernel, stride, pad| run(&Windows { kernel, stride, pad }, &[&x]).ints().to_vec();
        assert_eq!(of(3, 1, 1), [0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 0, 0]);
        assert_eq!(of(3, 2, 1), [0, 0, 1, 2, 3, 4, 3, 4, 5, 6, 0, 0]);
        assert_eq!(of(2, 2, 0), [1, 2, 3, 4]);
        assert_eq!(of(1, 1, 0), x.ints());
        assert_eq!(of(5, 1, 1), [0, 0, 1, 2, 3, 4, 5, 6, 0, 0]);
    }

    /// A linear layer on windows is the convolution with the kernel's elements in the order of the window's.
    #[test]
    fn a_linear_layer_on_windows_is_a_convolution() {
        let ramp = |shape: &[usize], from: i32| {
            let count = shape.iter().product::<usize>() as i32;
            Tensor::f32(shape, (from..from + count).map(|i| (i * 7 % 11) as f32).collect()).unwrap()
        };
        let (bias, exchange) = (ramp(&[2], 3), Transpose { perm: vec![1, 0] });
        for (rows, [kernel, stride, pad]) in [(7, [3, 1, 1]), (8, [3, 2, 1]), (5, [2, 3, 0]), (2, [4, 1, 2])]
        {
            let (x, w) = (ramp(&[rows, 3], 1), ramp(&[2, 3, kernel], 5));
            let conv = Conv { strides: vec![stride], pads: vec![pad; 2], dilations: vec![1], groups: 1 };
            let plane = run(&exchange, &[&x]);
            let plane = Tensor::f32([1, 3, rows], plane.floats().to_vec()).unwrap();
            let expected = run(&conv, &[&plane, &w, &bias]);
            let expected = Tensor::f32(&expected.shape()[1..], expected.floats().to_vec()).unwrap();
            let flat = run(&Transpose { perm: vec![0, 2, 1] }, &[&w]);
            let flat = Tensor::f32([2, kernel * 3], flat.floats().to_vec()).unwrap();
            let product = run(&Linear {}, &[&run(&Windows { kernel, stride, pad }, &[&x]), &flat]);
            assert_eq!(run(&Add {}, &[&product, &bias]), run(&exchange, &[&expected]));
        }
    }

    #[test]
    fn windows_keep_pace_with_their_strides() {
        for kernel in 1..6 {
            for (stride, pad) in (1..5).flat_map(|stride| (0..kernel).map(move |pad| (stride, pad))) {
                let windows = Windows { kernel, stride, pad };
                let paced = (1..9).all(|n| windows.count(n * stride) == Some(n));
                assert_eq!(windows.keeps_pace(), paced, "{windows:?}");
            }
        }
    }

    #[test]
    fn refuses_windows_that_do_not_fit() {
        let fits = |kernel, stride, pad, shape: &[usize]| {
            Windows { kernel, stride, pad }.infer(&[Type::of(DType::I32, shape)]).is_ok()
        };
        assert!(fits(3, 1, 1, &[1, 4]));
        assert!(!fits(4, 1, 1, &[1, 4]) && !fits(3, 0, 1, &[4, 4]) && !fits(0, 1, 0, &[4, 4]));
        // A window of padding alone.
        assert!(!fits(2, 1, 2, &[4, 4]) && fits(2, 1, 1, &[4, 4]));
        assert!(!fits(usize::MAX, 1, usize::MAX / 2, &[4, 4]) && !fits(3, 1, 1, &[1, usize::MAX]));
        assert!(!fits(3, 1, 1, &[4, 4, 4]));
    }
}
