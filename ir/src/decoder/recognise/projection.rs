//! Matches linear layers.

use super::matcher::Matcher;
use super::{Norm, Op, Projection, Weight};
use crate::constant::{Constant, Grid};
use crate::diag::Diagnostic;
use crate::graph::{Def, Node, ValueId};
use crate::op::{Operator, Slice, Transpose};
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

    /// Matches `x W` or `x W + b`, or some columns of its result; returns x and the linear layer.
    pub(super) fn projection(&self, value: ValueId) -> Result<(ValueId, Projection), Diagnostic> {
        let value = self.plain(value);
        if let Some((id, node)) = self.find(value, is!(Op::Slice(_))) {
            let (x, linear) = self.projection(node.inputs[0])?;
            let part = self.columns(node).and_then(|part| linear.outputs(part));
            let part = part.ok_or_else(|| self.mismatch(Some(id), "columns of a linear layer", "others"))?;
            return Ok((x, part));
        }
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

    /// The columns that a slice along the last axis takes.
    fn columns(&self, node: &Node) -> Option<Slice> {
        let Op::Slice(slice) = &node.op else { return None };
        let last = self.graph.ty(node.inputs[0]).shape.rank().checked_sub(1)?;
        (slice.axis == last && slice.step == 1).then(|| Slice { axis: 0, ..slice.clone() })
    }

    /// What a value is rounded to bytes of, where each block has a scale of its own that follows from its largest element. That
    /// is how precisely a linear layer may be computed at least, and schemes say how it is.
    fn unrounded(&self, value: ValueId) -> ValueId {
        let found = || {
            let (_, back) = self.find(value, is!(Op::Dequantise(_)))?;
            let (_, codes) = self.find(back.inputs[0], is!(Op::QuantiseTo(_)))?;
            let (Op::Dequantise(b), Op::QuantiseTo(c)) = (&back.op, &codes.op) else { return None };
            let same = (b.axis, b.block) == (c.axis, c.block) && back.inputs[1..] == codes.inputs[1..];
            let (largest, steps) = self.scaled(codes.inputs[1]);
            let (_, largest) = self.find(largest, is!(Op::ReduceMax(_)))?;
            let (_, size) = self.find(largest.inputs[0], is!(Op::Abs(_)))?;
            let own = self.plain(self.unsplit(size.inputs[0])) == self.plain(codes.inputs[0]);
            (same && own && (steps * 127.0 - 1.0).abs() < 1e-6).then_some(codes.inputs[0])
        };
        found().map_or(value, |x| self.plain(x))
    }

    /// What a value cuts the last axis of into blocks.
    fn unsplit(&self, value: ValueId) -> ValueId {
        self.find(value, is!(Op::Reshape(_))).map_or(value, |(_, node)| node.inputs[0])
    }

    /// Matches `x W`; returns x and the weight as `[outputs, inputs]`.
    fn product(&self, value: ValueId) -> Result<(ValueId, Weight), Diagnostic> {
        let test = is!(Op::MatMul(_) | Op::Linear(_));
        let (id, node) = self.node(value, "a linear layer", test)?;
        let (x, w) = (self.unrounded(self.plain(node.inputs[0])), node.inputs[1]);
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

impl Projection {
    /// Some of the outputs.
    fn outputs(self, part: Slice) -> Option<Projection> {
        let rows = |weight: Weight| Some(Weight { constant: rows(&weight.constant, &part)?, ..weight });
        let bias = self.bias.map(|bias| rows(bias).ok_or(())).transpose().ok()?;
        Some(Projection { weight: rows(self.weight)?, bias })
    }
}

/// Some rows of a matrix or elements of a vector; an absent one stays absent, and codes stay codes.
fn rows(constant: &Constant, part: &Slice) -> Option<Constant> {
    let Some(grid) = constant.grid() else { return applied(part, constant) };
    if grid.order().is_some() {
        return None;
    }
    let zeros = grid.zeros().map(|zeros| applied(part, zeros).ok_or(())).transpose().ok()?;
    let (codes, scales) = (applied(part, grid.codes())?, applied(part, grid.scales())?);
    Grid::new(codes, scales, zeros, grid.group()).ok().map(Constant::on_grid)
}

/// A matrix with its axes exchanged; an absent one stays absent.
fn transposed(constant: &Constant) -> Option<Constant> {
    applied(&Transpose { perm: vec![1, 0] }, constant)
}

/// What an operator gives of a constant.
fn applied(op: &impl Operator, constant: &Constant) -> Option<Constant> {
    let results = op.infer(std::slice::from_ref(constant.ty())).ok()?;
    if constant.is_absent() {
        return results.into_iter().next().map(|ty: Type| Constant::absent(ty));
    }
    let made = op.evaluate(&[&constant.tensor()?]).ok()?;
    made.first().map(|t| t.to_constant())
}
