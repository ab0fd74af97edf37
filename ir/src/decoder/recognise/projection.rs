//! Matches norms, projections, the MLP and the embedding.

use super::matcher::{Matcher, Starts};
use super::{Op, Weight};
use crate::constant::{Constant, Grid};
use crate::diag::Diagnostic;
use crate::graph::{Def, Node, NodeId, Origin, ValueId};
use crate::op::{Operator, Transpose};
use crate::types::{Shape, Type};

/// A norm as it was found.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub(super) x: ValueId,
    pub(super) gain: Weight,
    pub(super) eps: f64,
}

/// An MLP as it was found: gate, up and down.
pub(super) struct Mlp {
    pub(super) norm: Norm,
    pub(super) weights: [Weight; 3],
    pub(super) activation: Origin,
    pub(super) product: Origin,
}

impl Starts for Mlp {
    fn start(&self) -> ValueId {
        self.norm.x
    }
}

impl Matcher<'_> {
    /// A constant as a weight of the node that computes `user`.
    fn weight(&self, constant: ValueId, user: ValueId) -> Option<Weight> {
        match &self.graph.value(constant).def {
            Def::Constant(name, constant) => {
                Some(Weight { constant: constant.clone(), name: name.clone(), origin: self.origin(user) })
            }
            _ => None,
        }
    }

    /// Matches `x W`; returns x and the weight as `[outputs, inputs]`.
    pub(super) fn projection(&self, value: ValueId) -> Result<(ValueId, Weight), Diagnostic> {
        let test = is!(Op::MatMul(_) | Op::Linear(_));
        let (id, node) = self.node(value, "a linear layer", test)?;
        let (x, w) = (node.inputs[0], node.inputs[1]);
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

    /// Matches a norm: one operator, or the usual decompositions of `x / sqrt(mean(x^2) + eps) * gain`.
    pub(super) fn rms_norm(&self, value: ValueId) -> Result<Norm, Diagnostic> {
        if let Some((id, Node { op: Op::RmsNorm(op), inputs, .. })) = self.find(value, is!(Op::RmsNorm(_))) {
            let gain = self.weight(inputs[1], value);
            let gain = gain.ok_or_else(|| self.mismatch(Some(id), "a constant gain", "a computed one"))?;
            return Ok(Norm { x: inputs[0], gain, eps: op.eps });
        }
        for [gain, normed] in self.either(value, "the gain of an RMSNorm", is!(Op::Mul(_)))? {
            if let Some(gain) = self.weight(gain, value) {
                let (x, eps) = self.normalised(normed)?;
                return Ok(Norm { x, gain, eps });
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

    /// Matches `(silu(h Wg) * (h Wu)) Wd` behind a norm.
    pub(super) fn mlp(&self, value: ValueId) -> Result<Mlp, Diagnostic> {
        let (product, down) = self.projection(value)?;
        let mut failure = None;
        for [active, up] in self.either(product, "the product of gate and up", is!(Op::Mul(_)))? {
            match self.silu(active) {
                Err(d) => failure = failure.or(Some(d)),
                Ok(gate) => {
                    let ((h, gate), (same, up)) = (self.projection(gate)?, self.projection(up)?);
                    let node = self.graph.producer(product).map(|p| p.0);
                    self.expect(h == same, node, "gate and up of one vector")?;
                    let (activation, product) = (self.origin(active), self.origin(product));
                    return Ok(Mlp {
                        norm: self.rms_norm(h)?,
                        weights: [gate, up, down],
                        activation,
                        product,
                    });
                }
            }
        }
        Err(failure.unwrap_or_else(|| self.mismatch(None, "a SwiGLU", "something else")))
    }

    /// Matches `x * sigmoid(x)`; returns x.
    fn silu(&self, value: ValueId) -> Result<ValueId, Diagnostic> {
        if let Some((_, node)) = self.find(value, is!(Op::Silu(_))) {
            return Ok(node.inputs[0]);
        }
        for [x, gate] in self.either(value, "x * sigmoid(x)", is!(Op::Mul(_)))? {
            if self.find(gate, is!(Op::Sigmoid(_))).is_some_and(|(_, node)| node.inputs == [x]) {
                return Ok(x);
            }
        }
        Err(self.mismatch(self.graph.producer(value).map(|p| p.0), "x * sigmoid(x)", "another product"))
    }

    /// The lookup of tokens in a constant table, if the value is one.
    pub(super) fn gather(&self, value: ValueId) -> Option<(NodeId, &Node)> {
        self.find(value, is!(Op::Gather(_))).filter(|(_, node)| self.graph.constant(node.inputs[0]).is_some())
    }

    /// Matches the embedding of a graph input of `[1, tokens]` ids; returns the table and the number of tokens.
    pub(super) fn embedding(&self, value: ValueId) -> Result<(Weight, usize), Diagnostic> {
        let (id, node) = self.node(value, "the embedding", is!(Op::Gather(_)))?;
        let table = self.weight(node.inputs[0], value);
        let table = table.ok_or_else(|| self.mismatch(Some(id), "a constant table", "a computed one"))?;
        let rows = matches!(&node.op, Op::Gather(g) if g.axis == 0);
        self.expect(
            rows && self.graph.input_name(node.inputs[1]).is_some(),
            Some(id),
            "rows selected by an input",
        )?;
        match self.dims(node.inputs[1])?[..] {
            [1, tokens] => Ok((table, tokens)),
            _ => Err(self.mismatch(Some(id), "ids of shape [1, tokens]", "another shape")),
        }
    }
}

impl Matcher<'_> {
    /// Rows and columns of a weight.
    pub(super) fn matrix(&self, weight: &Weight) -> Result<[usize; 2], Diagnostic> {
        let dims = weight.constant.ty().shape.fixed().and_then(|d| d.try_into().ok());
        dims.ok_or_else(|| self.mismatch(None, "a weight of two axes", &weight.constant.ty().to_string()))
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
