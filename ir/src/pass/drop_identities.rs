//! `drop-identities`: removes operators that do nothing.

use super::{Pass, Rewriter};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::{Graph, Node, ValueId};
use crate::op::Op;

/// Removes operators whose result is their operand: casts to the same type, reshapes and expansions to the same shape,
/// transpositions that move nothing, products with ones, quotients by ones, sums with zeros. Before: `mul(%1, 1.0)`; after: `%1`.
#[derive(Debug, Clone, Copy)]
pub struct DropIdentities;

impl Pass for DropIdentities {
    fn name(&self) -> &'static str {
        "drop-identities"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Diagnostic> {
        let mut rewriter = Rewriter::new(graph);
        for (_, node) in graph.nodes() {
            match (identity(graph, node), node.outputs.as_slice()) {
                (Some(operand), &[result]) if graph.ty(operand) == graph.ty(result) => {
                    let new = rewriter.value(operand)?;
                    rewriter.replace(result, new);
                }
                _ => rewriter.keep(node)?,
            }
        }
        rewriter.finish()
    }
}

/// The operand that a node passes on, provided that its type is that of the result.
fn identity(graph: &Graph, node: &Node) -> Option<ValueId> {
    let uniform = |i: usize, x: f32| node.inputs.get(i).is_some_and(|&v| is_uniform(graph.constant(v), x));
    let at = match &node.op {
        Op::Cast(_) | Op::Reshape(_) | Op::Expand(_) => Some(0),
        Op::Slice(slice) if slice.step == 1 => Some(0),
        Op::Transpose(transpose) if transpose.perm.iter().copied().eq(0..transpose.perm.len()) => Some(0),
        Op::Concat(_) if node.inputs.len() == 1 => Some(0),
        Op::Mul(_) if uniform(1, 1.0) => Some(0),
        Op::Mul(_) if uniform(0, 1.0) => Some(1),
        Op::Div(_) if uniform(1, 1.0) => Some(0),
        // x + -0.0 is x for every x; x + 0.0 is not for x = -0.0, but no sum that follows can tell.
        Op::Add(_) if uniform(1, 0.0) => Some(0),
        Op::Add(_) if uniform(0, 0.0) => Some(1),
        _ => None,
    };
    at.and_then(|i| node.inputs.get(i).copied())
}

/// Whether all elements of a float constant equal `x`.
fn is_uniform(constant: Option<&Constant>, x: f32) -> bool {
    let tensor = constant.filter(|c| c.ty().dtype.is_float()).and_then(Constant::tensor);
    tensor.is_some_and(|t| !t.floats().is_empty() && t.floats().iter().all(|&v| v == x))
}
