//! What the matchers have in common: going from a value to its producer, constants, and telling what did not match.

use super::{Op, Placement, norm};
use crate::diag::Diagnostic;
use crate::graph::{Graph, Node, NodeId, Origin, ValueId};

/// Looks at a graph from its results.
pub(super) struct Matcher<'g> {
    pub(super) graph: &'g Graph,
}

/// A value next to a residual stream: the node that joined them and its origin.
pub(super) type Joint = (Option<NodeId>, Origin);

impl<'g> Matcher<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        Matcher { graph }
    }

    /// What was expected at a node, and what was there.
    pub(super) fn mismatch(&self, node: Option<NodeId>, expected: &str, found: &str) -> Diagnostic {
        let d = Diagnostic::new("decoder-mismatch", "the graph is not a decoder that this compiler knows")
            .because(format!("expected {expected}, found {found}"))
            .help(
                "known are causal decoders with RMS or layer norms before attention and MLP, rotary or learned positions, and \
                 gated or plain MLPs (LLaMA, Mistral, Qwen, OPT), encoders of text with norms before or behind them \
                 (BERT), and encoders of speech with convolutions before the layers (Whisper)",
            );
        match node {
            Some(node) => d.at_node(self.graph.node_name(node)),
            None => d,
        }
    }

    /// Refuses unless `good`.
    pub(super) fn expect(&self, good: bool, node: Option<NodeId>, expected: &str) -> Result<(), Diagnostic> {
        if good { Ok(()) } else { Err(self.mismatch(node, expected, "something else")) }
    }

    /// The node that computes a value, if its operator passes the test.
    pub(super) fn find(&self, value: ValueId, test: fn(&Op) -> bool) -> Option<(NodeId, &'g Node)> {
        self.graph.producer(value).filter(|(_, node)| test(&node.op))
    }

    /// The node that computes a value; its operator must pass the test.
    pub(super) fn node(
        &self,
        value: ValueId,
        expected: &str,
        test: fn(&Op) -> bool,
    ) -> Result<(NodeId, &'g Node), Diagnostic> {
        self.find(value, test).ok_or_else(|| match self.graph.producer(value) {
            Some((id, node)) => self.mismatch(Some(id), expected, &format!("`{}`", node.op.name())),
            None => self.mismatch(None, expected, &format!("the input or constant {value}")),
        })
    }

    /// The operands of the node that computes a value; its operator must pass the test and take `N` of them.
    pub(super) fn operands<const N: usize>(
        &self,
        value: ValueId,
        expected: &str,
        test: fn(&Op) -> bool,
    ) -> Result<[ValueId; N], Diagnostic> {
        let (id, node) = self.node(value, expected, test)?;
        let operands = node.inputs.as_slice().try_into();
        operands.map_err(|_| self.mismatch(Some(id), expected, "another number of operands"))
    }

    /// The operands of a commutative operator in both orders.
    pub(super) fn either(
        &self,
        value: ValueId,
        expected: &str,
        test: fn(&Op) -> bool,
    ) -> Result<[[ValueId; 2]; 2], Diagnostic> {
        let [a, b] = self.operands(value, expected, test)?;
        Ok([[a, b], [b, a]])
    }

    /// The origin of the node that computes a value.
    pub(super) fn origin(&self, value: ValueId) -> Origin {
        self.graph.producer(value).map_or_else(Origin::default, |(_, node)| node.origin.clone())
    }

    /// The value of a constant of one float.
    pub(super) fn scalar(&self, value: ValueId) -> Option<f32> {
        let tensor = self.graph.constant(value).filter(|c| c.ty().shape.elements() == Some(1))?.tensor()?;
        tensor.floats().first().copied()
    }

    /// What a value is a mere reshaping of, by axes of length 1: a residual stream goes with and without its batch.
    pub(super) fn plain(&self, mut value: ValueId) -> ValueId {
        let long = |v| self.dims(v).map(|d| d.into_iter().filter(|&n| n != 1).collect::<Vec<_>>()).ok();
        while let Some((_, node)) = self.find(value, |op| matches!(op, Op::Reshape(_))) {
            let from = node.inputs[0];
            if long(from).is_none() || long(from) != long(value) {
                break;
            }
            value = from;
        }
        value
    }

    /// A value that is another one times or divided by a constant, and the factor; itself times 1 if it is none.
    pub(super) fn scaled(&self, value: ValueId) -> (ValueId, f64) {
        let Some((_, node)) = self.find(value, |op| matches!(op, Op::Mul(_) | Op::Div(_))) else {
            return (value, 1.0);
        };
        let (a, b) = (node.inputs[0], node.inputs[1]);
        match (&node.op, self.scalar(a), self.scalar(b)) {
            (Op::Div(_), _, Some(divisor)) => (a, f64::from(divisor).recip()),
            (Op::Mul(_), _, Some(factor)) => (a, factor.into()),
            (Op::Mul(_), Some(factor), _) => (b, factor.into()),
            _ => (value, 1.0),
        }
    }

    /// Dimensions of a value, which are numbers.
    pub(super) fn dims(&self, value: ValueId) -> Result<Vec<usize>, Diagnostic> {
        self.dims_of(self.graph, value)
    }

    /// Dimensions of a value of another graph, which are numbers.
    pub(super) fn dims_of(&self, graph: &Graph, value: ValueId) -> Result<Vec<usize>, Diagnostic> {
        let shape = &graph.ty(value).shape;
        let found = || self.mismatch(None, "known dimensions", &format!("{shape}"));
        shape.fixed().ok_or_else(found)
    }

    /// Matches `x + branch(h)`, where h is the norm of x or, if norms carry the stream, x itself and the norm of what was
    /// before: returns what `branch` found, the norm, and the addition. `branch` returns the value that it starts from, which
    /// tells which operand is which.
    pub(super) fn residual<T: Starts>(
        &self,
        value: ValueId,
        placement: Placement,
        branch: fn(&Matcher<'g>, ValueId) -> Result<T, Diagnostic>,
    ) -> Result<(T, norm::Found, Joint), Diagnostic> {
        let mut failure = None;
        let value = self.plain(value);
        for [x, other] in self.either(value, "the addition to the residual stream", is!(Op::Add(_)))? {
            let x = self.plain(x);
            match branch(self, other).and_then(|found| Ok((self.norm(found.start())?, found))) {
                Ok((norm, found))
                    if x == if placement == Placement::Branch { norm.x } else { found.start() } =>
                {
                    let node = self.graph.producer(value).map(|(id, _)| id);
                    return Ok((found, norm, (node, self.origin(value))));
                }
                // The second order is the usual one of exporters that put the residual first; its reason is told.
                Ok(_) => {}
                Err(d) => failure = failure.or(Some(d)),
            }
        }
        let other = || self.mismatch(None, "a branch that starts from the residual stream", "another start");
        Err(failure.unwrap_or_else(other))
    }
}

/// Something that was matched and starts from a value of the residual stream.
pub(super) trait Starts {
    /// The value that it starts from.
    fn start(&self) -> ValueId;
}
