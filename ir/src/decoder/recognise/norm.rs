//! Matches norms.

use super::matcher::Matcher;
use super::{Norm, NormKind, Op};
use crate::diag::Diagnostic;
use crate::graph::{Node, ValueId};

/// A norm as it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) x: ValueId,
    pub(super) norm: Norm,
    pub(super) kind: NormKind,
    pub(super) eps: f64,
}

impl Matcher<'_> {
    /// Matches a norm: one operator, or the usual decompositions of `x / sqrt(mean(x^2) + eps) * gain`.
    pub(super) fn norm(&self, value: ValueId) -> Result<Found, Diagnostic> {
        let value = self.plain(value);
        let Some((id, node)) = self.find(value, is!(Op::RmsNorm(_) | Op::LayerNorm(_))) else {
            return self.decomposed(value);
        };
        let mut weights = Vec::new();
        for &operand in &node.inputs[1..] {
            let weight = self.weight(operand, value);
            weights.push(weight.ok_or_else(|| self.mismatch(Some(id), "a constant gain", "a computed one"))?);
        }
        let mut weights = weights.into_iter();
        let gain = weights.next().ok_or_else(|| self.mismatch(Some(id), "a gain", "none"))?;
        let (kind, eps) = match &node.op {
            Op::LayerNorm(op) => (NormKind::Layer, op.eps),
            Op::RmsNorm(op) => (NormKind::Rms, op.eps),
            _ => return self.decomposed(value),
        };
        Ok(Found { x: self.plain(node.inputs[0]), norm: Norm { gain, bias: weights.next() }, kind, eps })
    }

    fn decomposed(&self, value: ValueId) -> Result<Found, Diagnostic> {
        for [gain, normed] in self.either(value, "a norm", is!(Op::Mul(_)))? {
            if let Some(gain) = self.weight(gain, value) {
                let (x, eps) = self.normalised(normed)?;
                let norm = Norm { gain, bias: None };
                return Ok(Found { x: self.plain(x), norm, kind: NormKind::Rms, eps });
            }
        }
        Err(self.mismatch(self.graph.producer(value).map(|p| p.0), "a constant gain of an RMSNorm", "none"))
    }

    /// Matches `x * (1 / root)` or `x / root`.
    fn normalised(&self, value: ValueId) -> Result<(ValueId, f64), Diagnostic> {
        let orders = match self.find(value, is!(Op::Div(_))) {
            Some((_, node)) => vec![[node.inputs[0], node.inputs[1]]],
            None => {
                let mut orders = Vec::new();
                for [x, scale] in self.either(value, "the scaling of an RMSNorm", is!(Op::Mul(_)))? {
                    orders.extend(self.inverse(scale).map(|root| [x, root]));
                }
                orders
            }
        };
        let matched = orders.into_iter().find_map(|[x, root]| Some((x, self.root_mean_square(x, root)?)));
        let node = self.graph.producer(value).map(|p| p.0);
        matched.ok_or_else(|| self.mismatch(node, "1 / sqrt(mean(x^2) + eps)", "something else"))
    }

    /// Matches `1 / root` or `reciprocal(root)`; returns root.
    fn inverse(&self, value: ValueId) -> Option<ValueId> {
        match self.find(value, is!(Op::Div(_) | Op::Reciprocal(_)))?.1 {
            Node { op: Op::Div(_), inputs, .. } if self.scalar(inputs[0]) == Some(1.0) => Some(inputs[1]),
            Node { op: Op::Reciprocal(_), inputs, .. } => Some(inputs[0]),
            _ => None,
        }
    }

    /// Matches `sqrt(mean(x^2) + eps)` along the last axis; returns eps.
    fn root_mean_square(&self, x: ValueId, value: ValueId) -> Option<f64> {
        let sum = self.find(value, is!(Op::Sqrt(_)))?.1.inputs[0];
        let (_, sum) = self.find(sum, is!(Op::Add(_)))?;
        let orders = [[sum.inputs[0], sum.inputs[1]], [sum.inputs[1], sum.inputs[0]]];
        orders.into_iter().find_map(|[mean, eps]| {
            let eps = self.scalar(eps)?;
            let (_, mean) = self.find(mean, is!(Op::ReduceMean(_)))?;
            let Op::ReduceMean(reduce) = &mean.op else { return None };
            let last = self.graph.ty(x).shape.rank().checked_sub(1)?;
            // The shortest decimal that rounds to the stored f32 is the epsilon that its author wrote.
            let eps = eps.to_string().parse().ok()?;
            (reduce.axes == [last] && reduce.keep && self.is_square(mean.inputs[0], x)).then_some(eps)
        })
    }

    fn is_square(&self, value: ValueId, x: ValueId) -> bool {
        match self.find(value, is!(Op::Pow(_) | Op::Mul(_))).map(|(_, node)| node) {
            Some(Node { op: Op::Pow(_), inputs, .. }) => {
                inputs[0] == x && self.scalar(inputs[1]) == Some(2.0)
            }
            Some(node) => node.inputs == [x, x],
            None => false,
        }
    }
}
