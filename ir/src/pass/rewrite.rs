//! Rebuilds a graph node by node; what every pass needs.

use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::{Builder, Def, Graph, Node, ValueId};

/// A graph that is being rebuilt out of another.
#[derive(Debug)]
pub struct Rewriter<'g> {
    from: &'g Graph,
    builder: Builder,
    map: Vec<Option<ValueId>>,
}

impl<'g> Rewriter<'g> {
    /// Starts with the inputs of the graph. Constants are taken over when they are first used.
    pub fn new(from: &'g Graph) -> Self {
        let mut rewriter =
            Rewriter { from, builder: Builder::new(from.name()), map: vec![None; from.value_count()] };
        for &id in from.inputs() {
            let name = from.input_name(id).unwrap_or_default();
            rewriter.map[id.index()] = Some(rewriter.builder.input(name, from.ty(id).clone()));
        }
        rewriter
    }

    /// The builder of the new graph, for nodes that have no counterpart.
    pub fn builder(&mut self) -> &mut Builder {
        &mut self.builder
    }

    /// The new value that stands for an old one. A value that was neither kept nor replaced is an error of the pass.
    pub fn value(&mut self, old: ValueId) -> Result<ValueId, Diagnostic> {
        if let Some(new) = self.map[old.index()] {
            return Ok(new);
        }
        match &self.from.value(old).def {
            Def::Constant(name, constant) => {
                let new = self.builder.constant(name.clone(), constant.clone());
                self.map[old.index()] = Some(new);
                Ok(new)
            }
            _ => Err(Diagnostic::new("pass-dropped", format!("a pass dropped {old}, which is still used"))
                .because("each value that is used must be kept or replaced")
                .help("this is an error of the pass; please report it")),
        }
    }

    /// The constant that an old value has become, if it is one now.
    pub fn constant(&self, old: ValueId) -> Option<&Constant> {
        match self.map[old.index()] {
            Some(new) => self.builder.graph().constant(new),
            None => self.from.constant(old),
        }
    }

    /// Lets a new value stand for an old one.
    pub fn replace(&mut self, old: ValueId, new: ValueId) {
        self.map[old.index()] = Some(new);
    }

    /// Takes a node over as it is.
    pub fn keep(&mut self, node: &Node) -> Result<(), Diagnostic> {
        let inputs = node.inputs.iter().map(|&i| self.value(i)).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.builder.node(node.op.clone(), &inputs, node.origin.clone())?;
        node.outputs.iter().zip(outputs).for_each(|(&old, new)| self.replace(old, new));
        Ok(())
    }

    /// The new graph, with the outputs of the old one.
    pub fn finish(mut self) -> Result<Graph, Diagnostic> {
        for output in self.from.outputs() {
            let value = self.value(output.value)?;
            self.builder.output(output.name.clone(), value);
        }
        self.builder.finish()
    }
}
