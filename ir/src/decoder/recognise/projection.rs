//! Matches linear layers.

use super::matcher::Matcher;
use super::{Norm, Op, Projection, Weight};
use crate::constant::{Constant, Grid};
use crate::diag::Diagnostic;
use crate::graph::{Def, Node, ValueId};
use crate::op::{Operator, Transpose};
use crate::types::{Shape, Type};

impl Matcher<'_> {
    /// A constant as a weight of the node that computes `user`.
    pub(super) fn weight(&self, constant: ValueId, user: ValueId) -> Option<Weight> {
        match &self.graph.value(constant).def {
            Def::Constant(name, constant) => {
                Some(Weight { constant: constant.clone(), name: name.clone(), origin: self.origin(user) })
            }
            _ => None,
        }
    }

    /// Matches `x W` or `x W + b`; returns x and the linear layer.
    pub(super) fn projection(&self, value: ValueId) -> Result<(ValueId, Projection), Diagnostic> {
        let value = self.plain(value);
        if self.find(value, is!(Op::Add(_))).is_some() {
            for [product, bias] in self.either(value, "a linear layer", is!(Op::Add(_)))? {
                let Some(bias) = self.weight(bias, value).filter(|b| b.constant.ty().shape.rank() == 1)
                else {
                    continue;
                };
                let (x, weight) = self.product(self.plain(product))?;
                return Ok((x, Projection { weight, bias: Some(bias) }));
            }
        }
        let (x, weight) = self.product(value)?;
        Ok((x, Projection { weight, bias: None }))
    }

    /// Matches `x W`; returns x and the weight as `[outputs, inputs]`.
    fn product(&self, value: ValueId) -> Result<(ValueId, Weight), Diagnostic> {
        let test = is!(Op::MatMul(_) | Op::Linear(_));
        let (id, node) = self.node(value, "a linear layer", test)?;
        let (x, w) = (self.plain(node.inputs[0]), node.inputs[1]);
        if let Some((_, codes)) = self.find(w, is!(Op::Dequantise(_))) {
            return Ok((x, self.on_grid(codes, value, matches!(node.op, Op::MatMul(_)))?));
        }
        let weight = self.weight(w, value);
        let mut weight =
            weight.ok_or_else(|| self.mismatch(Some(id), "a constant weight", "a computed one"))?;
        if matches!(node.op, Op::MatMul(_)) {
            let turned = transposed(&weight.constant);
            weight.constant =
                turned.ok_or_else(|| self.mismatch(Some(id), "a weight of two axes", "another number"))?;
        }
        Ok((x, weight))
    }

    /// A weight that the file carries in codes, in blocks along its inputs or with a scale for each output.
    fn on_grid(&self, node: &Node, user: ValueId, turned: bool) -> Result<Weight, Diagnostic> {
        let at = self.graph.producer(user).map(|p| p.0);
        let expected = "codes, scales and zero points of a matrix, constant, in groups along its inputs";
        let refuse = || self.mismatch(at, expected, "something else");
        let Op::Dequantise(op) = &node.op else { return Err(refuse()) };
        let weight = self.weight(node.inputs[0], user).ok_or_else(refuse)?;
        let turn = |c: &Constant| if turned { transposed(c) } else { Some(c.clone()) };
        let codes = turn(&weight.constant).ok_or_else(refuse)?;
        let [outputs, inputs] = self.matrix(&Weight { constant: codes.clone(), ..weight.clone() })?;
        let along = usize::from(!turned);
        // One scale for each output is a group of all inputs; a single one would have to be repeated.
        let part = |id: &ValueId| {
            let constant = self.graph.constant(*id)?;
            match constant.ty().shape.rank() {
                2 if op.axis == along => turn(constant),
                1 if op.axis != along && op.block == 0 => constant.with_shape(Shape::of([outputs, 1])),
                _ => None,
            }
        };
        let group = if op.block == 0 { inputs } else { op.block };
        let scales = part(&node.inputs[1]).ok_or_else(refuse)?;
        let zeros = node.inputs.get(2).map(|id| part(id).ok_or_else(refuse)).transpose()?;
        let grid = Grid::new(codes, scales, zeros, group).map_err(|_| refuse())?;
        Ok(Weight { constant: Constant::on_grid(grid), ..weight })
    }
}

impl Matcher<'_> {
    /// Rows and columns of a weight.
    pub(super) fn matrix(&self, weight: &Weight) -> Result<[usize; 2], Diagnostic> {
        let dims = weight.constant.ty().shape.fixed().and_then(|d| d.try_into().ok());
        dims.ok_or_else(|| self.mismatch(None, "a weight of two axes", &weight.constant.ty().to_string()))
    }

    /// Elements of what a norm gives.
    pub(super) fn width(&self, norm: &Norm) -> Result<usize, Diagnostic> {
        let ty = norm.gain.constant.ty();
        let width = ty.shape.fixed().and_then(|dims| dims.last().copied());
        width.ok_or_else(|| self.mismatch(None, "the gain of a norm", &ty.to_string()))
    }

    /// Tokens and width of a residual stream that is a graph input `[1, tokens, hidden]`.
    pub(super) fn stream(&self, value: ValueId) -> Result<(usize, usize), Diagnostic> {
        match self.dims(value)?[..] {
            [1, tokens, hidden] => Ok((tokens, hidden)),
            _ => Err(self.mismatch(None, "a residual stream of shape [1, tokens, hidden]", "another shape")),
        }
    }
}

/// A matrix with its axes exchanged; an absent one stays absent.
fn transposed(constant: &Constant) -> Option<Constant> {
    let turn = Transpose { perm: vec![1, 0] };
    let results = turn.infer(std::slice::from_ref(constant.ty())).ok()?;
    if constant.is_absent() {
        return results.into_iter().next().map(|ty: Type| Constant::absent(ty));
    }
    let turned = turn.evaluate(&[&constant.tensor()?]).ok()?;
    turned.first().map(|t| t.to_constant())
}
