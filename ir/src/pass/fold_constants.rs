//! `fold-constants`: computes what depends on constants only.

use super::fold::Folder;
use super::{Pass, Rewriter};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::Graph;
use crate::types::Type;

/// Replaces each node whose operands are constants by its results. Before: `add([1], [2])`; after: `[3]`. Results that
/// are much larger than their operands stay nodes; see [`super::fold`].
#[derive(Debug, Clone, Copy)]
pub struct FoldConstants;

impl Pass for FoldConstants {
    fn name(&self) -> &'static str {
        "fold-constants"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Diagnostic> {
        let (mut rewriter, mut folder) = (Rewriter::new(graph), Folder::default());
        for (id, node) in graph.nodes() {
            let operands: Option<Vec<&Constant>> =
                node.inputs.iter().map(|&i| rewriter.constant(i)).collect();
            let types: Vec<Type> = node.inputs.iter().map(|&i| graph.ty(i).clone()).collect();
            let folded = match operands {
                Some(operands) if !operands.is_empty() => folder.fold(&node.op, &operands),
                _ => Ok(None),
            };
            let folded =
                folded.map_err(|fault| fault.diagnose(&node.op, &types).at_node(graph.node_name(id)))?;
            match folded {
                None => rewriter.keep(node)?,
                Some(results) => {
                    for (&old, constant) in node.outputs.iter().zip(results) {
                        let new = rewriter.builder().constant(node.origin.name.clone(), constant);
                        rewriter.replace(old, new);
                    }
                }
            }
        }
        rewriter.finish()
    }
}
