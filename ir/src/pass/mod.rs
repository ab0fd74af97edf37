//! Passes: from a graph to a graph of the same meaning.
//!
//! One pass is one file, one struct, one kebab-case name. The driver runs a list of them in order, shows each step to an
//! observer (who may time, dump or print it), and verifies between passes in debug builds.
//!
//! | pass | does |
//! |---|---|
//! | `fold-constants` | computes what depends on constants only |
//! | `drop-identities` | removes operators that do nothing |
//! | `prune-dead` | removes what no output needs |
//!
//! Invariants:
//! - inputs and outputs of the graph keep their names, types and order;
//! - origins are kept: a node that replaces another carries its origin.

pub mod fold;

mod drop_identities;
mod fold_constants;
mod prune_dead;
mod rewrite;

pub use drop_identities::DropIdentities;
pub use fold_constants::FoldConstants;
pub use prune_dead::PruneDead;
pub use rewrite::Rewriter;

use crate::diag::Diagnostic;
use crate::graph::{Graph, verify};

/// A pass.
pub trait Pass {
    /// Kebab-case name.
    fn name(&self) -> &'static str;
    /// The rewritten graph.
    fn run(&self, graph: &Graph) -> Result<Graph, Diagnostic>;
}

/// What a pass changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Name of the pass.
    pub pass: &'static str,
    /// Nodes before and after.
    pub nodes: [usize; 2],
    /// Values before and after.
    pub values: [usize; 2],
    /// Whether the graph is another one.
    pub changed: bool,
}

/// The passes that follow an import: the result is the normal form that recognisers read.
pub fn normalise() -> Vec<Box<dyn Pass>> {
    vec![Box::new(FoldConstants), Box::new(DropIdentities), Box::new(FoldConstants), Box::new(PruneDead)]
}

/// Runs passes in order. `observe` sees each change with the graph after it.
pub fn run(
    passes: &[Box<dyn Pass>],
    graph: Graph,
    mut observe: impl FnMut(Change, &Graph),
) -> Result<Graph, Diagnostic> {
    passes.iter().try_fold(graph, |graph, pass| {
        let after = pass.run(&graph)?;
        if cfg!(debug_assertions) {
            verify::verify(&after)?;
        }
        let change = Change {
            pass: pass.name(),
            nodes: [graph.node_count(), after.node_count()],
            values: [graph.value_count(), after.value_count()],
            changed: graph != after,
        };
        observe(change, &after);
        Ok(after)
    })
}
