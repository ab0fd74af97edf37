//! `prune-dead`: removes what no output needs.

use super::{Pass, Rewriter};
use crate::diag::Diagnostic;
use crate::graph::{Graph, NodeId};

/// Removes nodes and constants that no output depends on. Inputs stay, used or not.
#[derive(Debug, Clone, Copy)]
pub struct PruneDead;

impl Pass for PruneDead {
    fn name(&self) -> &'static str {
        "prune-dead"
    }

    fn run(&self, graph: &Graph) -> Result<Graph, Diagnostic> {
        let live = live_nodes(graph);
        let mut rewriter = Rewriter::new(graph);
        for (id, node) in graph.nodes() {
            if live[id.index()] {
                rewriter.keep(node)?;
            }
        }
        rewriter.finish()
    }
}

/// For each node, whether an output depends on it.
fn live_nodes(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.node_count()];
    let mark = |live: &mut Vec<bool>, id: Option<(NodeId, _)>| {
        if let Some((id, _)) = id {
            live[id.index()] = true;
        }
    };
    graph.outputs().iter().for_each(|o| mark(&mut live, graph.producer(o.value)));
    for (id, node) in graph.nodes().rev() {
        if live[id.index()] {
            node.inputs.iter().for_each(|&i| mark(&mut live, graph.producer(i)));
        }
    }
    live
}
