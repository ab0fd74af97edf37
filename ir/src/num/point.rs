//! Functions of one element: the family that shares a lane of the vector engine.
//!
//! Most are `x * g(x)` or `g(x)` with a symmetric gate, `g(-x) = 1 - g(x)`, so that half a table serves. Each may be times
//! an element of b.

use super::basic::{FRACTION_BITS, rshr, sat32};
use super::function::{exp, hard_sigmoid, phi, phi_tanh, reciprocal, sigmoid, softplus};

const ONE: i32 = 1 << FRACTION_BITS;

/// A function of one element, 16 fractional bits on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// `x * sigmoid(x)`
    Silu,
    /// `x * Phi(x)`, Phi the normal distribution function: GELU by the error function.
    Gelu,
    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2`: GELU by the hyperbolic tangent.
    GeluTanh,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x * hard_sigmoid(x)`
    HardSwish,
    /// `max(x, 0)^2`
    SquaredRelu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `min(max(x / 6 + 1 / 2, 0), 1)`
    HardSigmoid,
    /// `2 * sigmoid(2x) - 1`
    Tanh,
    /// `e^x`
    Exp,
    /// `ln(1 + e^x)`
    Softplus,
    /// `1 / x`
    Reciprocal,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 13] = [
        Point::Silu,
        Point::Gelu,
        Point::GeluTanh,
        Point::Relu,
        Point::Relu6,
        Point::HardSwish,
        Point::SquaredRelu,
        Point::Sigmoid,
        Point::HardSigmoid,
        Point::Tanh,
        Point::Exp,
        Point::Softplus,
        Point::Reciprocal,
    ];

    /// As machine files and graphs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Point::Silu => "silu",
            Point::Gelu => "gelu",
            Point::GeluTanh => "gelu_tanh",
            Point::Relu => "relu",
            Point::Relu6 => "relu6",
            Point::HardSwish => "hard_swish",
            Point::SquaredRelu => "squared_relu",
            Point::Sigmoid => "sigmoid",
            Point::HardSigmoid => "hard_sigmoid",
            Point::Tanh => "tanh",
            Point::Exp => "exp",
            Point::Softplus => "softplus",
            Point::Reciprocal => "reciprocal",
        }
    }

    /// The function of a.
    pub fn of(self, a: i32) -> i32 {
        let weighted = |gate: u32| rshr(i64::from(a) * i64::from(gate), 16) as i32;
        match self {
            Point::Silu => weighted(sigmoid(a)),
            Point::Gelu => weighted(phi(a)),
            Point::GeluTanh => weighted(phi_tanh(a)),
            Point::Relu => a.max(0),
            Point::Relu6 => a.clamp(0, 6 * ONE),
            Point::HardSwish => weighted(hard_sigmoid(a)),
            Point::SquaredRelu => mul(a.max(0), a, 16),
            Point::Sigmoid => sigmoid(a) as i32,
            Point::HardSigmoid => hard_sigmoid(a) as i32,
            Point::Tanh => 2 * sigmoid(a.saturating_mul(2)) as i32 - ONE,
            Point::Exp => exp(a),
            Point::Softplus => softplus(a),
            Point::Reciprocal => reciprocal(a),
        }
    }

    /// The function of every element of a; times the element of b, if it is gated.
    pub fn vector(self, a: &[i32], b: Option<&[i32]>, y: &mut [i32]) {
        y.iter_mut().zip(a).for_each(|(y, &a)| *y = self.of(a));
        if let Some(b) = b {
            y.iter_mut().zip(b).for_each(|(y, &b)| *y = mul(*y, b, 16));
        }
    }
}

/// `(a + b) / 2^shift`, rounded half up and saturated.
pub fn add(a: i32, b: i32, shift: i32) -> i32 {
    sat32(rshr(i64::from(a) + i64::from(b), shift))
}

/// `a * b / 2^shift`, rounded half up and saturated.
pub fn mul(a: i32, b: i32, shift: i32) -> i32 {
    sat32(rshr(i64::from(a) * i64::from(b), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTREMES: [i32; 9] = [i32::MIN, i32::MIN + 1, -ONE, -1, 0, 1, ONE, i32::MAX - 1, i32::MAX];

    #[test]
    fn every_function_is_total_and_right_far_out() {
        let far = |point: Point| [i32::MIN, i32::MAX].map(|a| point.of(a));
        for point in [Point::Silu, Point::Gelu, Point::GeluTanh, Point::Relu, Point::HardSwish] {
            assert_eq!(far(point), [0, i32::MAX], "{point:?}");
        }
        assert_eq!(far(Point::Relu6), [0, 6 * ONE]);
        assert_eq!(far(Point::SquaredRelu), [0, i32::MAX]);
        assert_eq!([Point::Sigmoid, Point::HardSigmoid].map(far), [[0, ONE]; 2]);
        assert_eq!(far(Point::Tanh), [-ONE, ONE]);
        assert_eq!([Point::Exp, Point::Softplus].map(far), [[0, i32::MAX]; 2]);
        assert_eq!(far(Point::Reciprocal), [-2, 2]);
        for point in Point::ALL {
            for b in EXTREMES {
                let mut y = [0; 9];
                point.vector(&EXTREMES, Some(&[b; 9]), &mut y);
                assert_eq!(y, EXTREMES.map(|a| mul(point.of(a), b, 16)));
            }
        }
    }

    #[test]
    fn sums_and_products_round_and_saturate() {
        assert_eq!([add(3, 4, 1), add(-3, -4, 1), add(1, 2, -3)], [4, -3, 24]);
        assert_eq!(
            [add(i32::MAX, 1, 0), add(i32::MIN, -1, 0), add(i32::MAX, 1, 1)],
            [i32::MAX, i32::MIN, 1 << 30]
        );
        assert_eq!([mul(3, 5, 1), mul(-3, 5, 1), mul(ONE, -ONE, 16)], [8, -7, -ONE]);
        assert_eq!([mul(i32::MIN, i32::MIN, 31), mul(i32::MIN, i32::MIN, 62)], [i32::MAX, 1]);
    }
}
