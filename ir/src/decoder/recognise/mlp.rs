//! Matches the MLP.

use super::matcher::{Matcher, Starts};
use super::{Activation, Op, Projection};
use crate::diag::Diagnostic;
use crate::graph::{Origin, ValueId};
use crate::num::Point;

/// An MLP as it was found.
pub(super) struct Mlp {
    /// What it starts from.
    pub(super) h: ValueId,
    pub(super) gate: Option<Projection>,
    pub(super) up: Projection,
    pub(super) down: Projection,
    pub(super) function: Activation,
    pub(super) activation: Origin,
    pub(super) product: Origin,
}

impl Starts for Mlp {
    fn start(&self) -> ValueId {
        self.h
    }
}

impl Matcher<'_> {
    /// Matches `(f(h Wg) * (h Wu)) Wd` or `f(h Wu) Wd` of h.
    pub(super) fn mlp(&self, value: ValueId) -> Result<Mlp, Diagnostic> {
        let (active, down) = self.projection(value)?;
        let active = self.plain(active);
        if let Some((function, from)) = self.activated(active) {
            let (h, up) = self.projection(from)?;
            let function = Activation { function, gated: false };
            let (activation, product) = (self.origin(active), self.origin(active));
            return Ok(Mlp { h, gate: None, up, down, function, activation, product });
        }
        for [gate, up] in self.either(active, "an activation, or a product with one", is!(Op::Mul(_)))? {
            let Some((function, from)) = self.activated(gate) else { continue };
            let ((h, of_gate), (same, up)) = (self.projection(from)?, self.projection(up)?);
            let node = self.graph.producer(active).map(|p| p.0);
            self.expect(h == same, node, "gate and up of one vector")?;
            return Ok(Mlp {
                h,
                gate: Some(of_gate),
                up,
                down,
                function: Activation { function, gated: true },
                activation: self.origin(gate),
                product: self.origin(active),
            });
        }
        let node = self.graph.producer(active).map(|p| p.0);
        Err(self.mismatch(node, "x * sigmoid(x), or another activation", "something else"))
    }

    /// A function of an MLP, and what it is applied to.
    pub(super) fn activated(&self, value: ValueId) -> Option<(Point, ValueId)> {
        let (_, node) = self.graph.producer(value)?;
        match &node.op {
            Op::Silu(_) => Some((Point::Silu, node.inputs[0])),
            Op::Relu(_) => Some((Point::Relu, node.inputs[0])),
            Op::Exp(_) => Some((Point::Exp, node.inputs[0])),
            Op::Softplus(_) => Some((Point::Softplus, node.inputs[0])),
            Op::Reciprocal(_) => Some((Point::Reciprocal, node.inputs[0])),
            Op::Mul(_) => {
                let orders = [[node.inputs[0], node.inputs[1]], [node.inputs[1], node.inputs[0]]];
                orders.into_iter().find_map(|[x, weight]| self.weighted(x, weight))
            }
            _ => None,
        }
    }

    /// `x * sigmoid(x)`, or GELU by the error function with its half anywhere.
    fn weighted(&self, x: ValueId, weight: ValueId) -> Option<(Point, ValueId)> {
        if self.find(weight, is!(Op::Sigmoid(_))).is_some_and(|(_, node)| node.inputs == [x]) {
            return Some((Point::Silu, x));
        }
        // x / 2 * (1 + erf), (x * (1 + erf)) / 2 or x * ((1 + erf) / 2).
        let (bare, half) = self.scaled(x);
        if let (Some(from), true) = (self.erf_plus_one(weight), half == 0.5) {
            return (from == bare).then_some((Point::Gelu, bare));
        }
        if self.scalar(weight) == Some(0.5) {
            let (_, node) = self.find(x, is!(Op::Mul(_)))?;
            let orders = [[node.inputs[0], node.inputs[1]], [node.inputs[1], node.inputs[0]]];
            let whole = |[x, w]: &[ValueId; 2]| self.erf_plus_one(*w) == Some(*x);
            return orders.into_iter().find(whole).map(|[x, _]| (Point::Gelu, x));
        }
        let (weight, half) = self.scaled(weight);
        (half == 0.5 && self.erf_plus_one(weight) == Some(x)).then_some((Point::Gelu, x))
    }

    /// Matches `erf(x / sqrt(2)) + 1`; returns x.
    fn erf_plus_one(&self, value: ValueId) -> Option<ValueId> {
        let (_, sum) = self.find(value, is!(Op::Add(_)))?;
        let orders = [[sum.inputs[0], sum.inputs[1]], [sum.inputs[1], sum.inputs[0]]];
        let [bent, _] = orders.into_iter().find(|[_, one]| self.scalar(*one) == Some(1.0))?;
        let (_, erf) = self.find(bent, is!(Op::Erf(_)))?;
        let (x, factor) = self.scaled(erf.inputs[0]);
        ((factor - std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-6).then_some(x)
    }
}
