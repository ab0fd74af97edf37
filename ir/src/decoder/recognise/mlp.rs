//! Matches the MLP, and what stands before the layers.

use super::matcher::{Matcher, Starts};
use super::norm::Found;
use super::probe;
use super::{Activation, Op, Projection, Weight};
use crate::diag::Diagnostic;
use crate::graph::{Graph, Node, NodeId, Origin, ValueId};
use crate::num::Point;

/// An MLP as it was found.
pub(super) struct Mlp {
    pub(super) norm: Found,
    pub(super) gate: Option<Projection>,
    pub(super) up: Projection,
    pub(super) down: Projection,
    pub(super) function: Activation,
    pub(super) activation: Origin,
    pub(super) product: Origin,
}

impl Starts for Mlp {
    fn start(&self) -> ValueId {
        self.norm.x
    }
}

/// What the first layer reads, where tokens come in.
pub(super) struct Embedding {
    pub(super) table: Weight,
    /// Table of positions, and its row of the first token.
    pub(super) positions: Option<(Weight, usize)>,
    pub(super) tokens: usize,
}

impl Matcher<'_> {
    /// Matches `(f(h Wg) * (h Wu)) Wd` or `f(h Wu) Wd` behind a norm.
    pub(super) fn mlp(&self, value: ValueId) -> Result<Mlp, Diagnostic> {
        let (active, down) = self.projection(value)?;
        let active = self.plain(active);
        if let Some((function, from)) = self.activated(active) {
            let (h, up) = self.projection(from)?;
            let function = Activation { function, gated: false };
            let (activation, product) = (self.origin(active), self.origin(active));
            return Ok(Mlp { norm: self.norm(h)?, gate: None, up, down, function, activation, product });
        }
        for [gate, up] in self.either(active, "an activation, or a product with one", is!(Op::Mul(_)))? {
            let Some((function, from)) = self.activated(gate) else { continue };
            let ((h, of_gate), (same, up)) = (self.projection(from)?, self.projection(up)?);
            let node = self.graph.producer(active).map(|p| p.0);
            self.expect(h == same, node, "gate and up of one vector")?;
            return Ok(Mlp {
                norm: self.norm(h)?,
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
    fn activated(&self, value: ValueId) -> Option<(Point, ValueId)> {
        let (_, node) = self.graph.producer(value)?;
        match &node.op {
            Op::Silu(_) => Some((Point::Silu, node.inputs[0])),
            Op::Relu(_) => Some((Point::Relu, node.inputs[0])),
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

    /// The lookup of rows in a constant table, if the value is one.
    fn gather(&self, value: ValueId) -> Option<(NodeId, &Node)> {
        let rows = |op: &Op| matches!(op, Op::Gather(g) if g.axis == 0);
        let (id, node) = self.graph.producer(value).filter(|(_, node)| rows(&node.op))?;
        self.graph.constant(node.inputs[0]).map(|_| (id, node))
    }

    /// Matches the embedding of a graph input of `[1, tokens]` ids, plus a table of positions if there is one. `None` where a
    /// value is neither: a layer ends there.
    pub(super) fn embedding(
        &self,
        graph: &Graph,
        value: ValueId,
        past: usize,
    ) -> Result<Option<Embedding>, Diagnostic> {
        if let Some((_, node)) = self.gather(value) {
            let (table, tokens) = self.tokens(node, value)?;
            return Ok(Some(Embedding { table, positions: None, tokens }));
        }
        let Some((id, sum)) = self.find(value, is!(Op::Add(_))) else { return Ok(None) };
        let sides = [[sum.inputs[0], sum.inputs[1]], [sum.inputs[1], sum.inputs[0]]];
        for [words, places] in sides {
            let (Some((_, word)), Some((_, place))) = (self.gather(words), self.gather(places)) else {
                return Ok(None);
            };
            if self.graph.input_name(word.inputs[1]).is_none() {
                continue;
            }
            let (table, tokens) = self.tokens(word, words)?;
            let rows = probe::rows(graph, self, place.inputs[1], past)?;
            let first = rows.first().and_then(|&row| usize::try_from(row).ok()?.checked_sub(past));
            let first =
                first.ok_or_else(|| self.mismatch(Some(id), "rows of positions", "something else"))?;
            let straight = (0..tokens).map(|t| (first + past + t) as i64).eq(rows);
            self.expect(straight, Some(id), "a row of the table for each position, in order")?;
            let positions = self.weight(place.inputs[0], places);
            return Ok(Some(Embedding { table, positions: positions.map(|table| (table, first)), tokens }));
        }
        Err(self.mismatch(Some(id), "tokens that are a graph input", "computed ones"))
    }

    /// The table and the number of tokens of a lookup.
    fn tokens(&self, node: &Node, value: ValueId) -> Result<(Weight, usize), Diagnostic> {
        let id = self.graph.producer(value).map(|p| p.0);
        let table = self.weight(node.inputs[0], value);
        let table = table.ok_or_else(|| self.mismatch(id, "a constant table", "a computed one"))?;
        self.expect(self.graph.input_name(node.inputs[1]).is_some(), id, "rows selected by an input")?;
        match self.dims(node.inputs[1])?[..] {
            [1, tokens] => Ok((table, tokens)),
            _ => Err(self.mismatch(id, "ids of shape [1, tokens]", "another shape")),
        }
    }
}
