//! Builds a graph, node by node in the order of execution.
//!
//! Invariant: the types of a node's results are inferred, never given; a node whose operands do not fit is refused.

use super::{Def, Graph, Node, NodeId, Origin, Output, Value, ValueId, verify};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::op::Op;
use crate::types::Type;
use std::sync::Arc;

/// Builds a [`Graph`].
#[derive(Debug, Clone)]
pub struct Builder {
    graph: Graph,
}

impl Builder {
    /// An empty graph.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let (values, nodes, inputs, outputs) = Default::default();
        Builder { graph: Graph { name: name.into(), values, nodes, inputs, outputs } }
    }

    /// The graph as it stands, for its types and definitions.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Adds a graph input.
    pub fn input(&mut self, name: impl Into<Arc<str>>, ty: Type) -> ValueId {
        let id = self.value(ty, Def::Input(name.into()));
        self.graph.inputs.push(id);
        id
    }

    /// Adds a constant; the name may be empty.
    pub fn constant(&mut self, name: impl Into<Arc<str>>, constant: Constant) -> ValueId {
        self.value(constant.ty().clone(), Def::Constant(name.into(), constant))
    }

    /// Adds a node and returns its results. Operands must be ids of this builder.
    pub fn node(
        &mut self,
        op: impl Into<Op>,
        inputs: &[ValueId],
        origin: Origin,
    ) -> Result<Vec<ValueId>, Diagnostic> {
        let op = op.into();
        let id = NodeId(self.graph.nodes.len() as u32);
        let named = |d: Diagnostic| d.at_node(format!("{id} {}", origin.name).trim_end());
        let types = self.operand_types(inputs).map_err(named)?;
        let results = op.infer(&types).map_err(|fault| named(fault.diagnose(&op, &types)))?;
        results.iter().try_for_each(verify::check_size).map_err(named)?;
        let outputs: Vec<_> = (0..).zip(results).map(|(i, ty)| self.value(ty, Def::Node(id, i))).collect();
        self.graph.nodes.push(Node { op, inputs: inputs.to_vec(), outputs: outputs.clone(), origin });
        Ok(outputs)
    }

    /// Adds a node that has a single result.
    pub fn node1(
        &mut self,
        op: impl Into<Op>,
        inputs: &[ValueId],
        origin: Origin,
    ) -> Result<ValueId, Diagnostic> {
        let op = op.into();
        let name = op.name();
        let outputs = self.node(op, inputs, origin)?;
        let several =
            || Diagnostic::internal(format!("`{name}` was built for one result and has another number"));
        outputs.first().filter(|_| outputs.len() == 1).copied().ok_or_else(several)
    }

    /// Names a value as a result of the graph.
    pub fn output(&mut self, name: impl Into<Arc<str>>, value: ValueId) {
        self.graph.outputs.push(Output { name: name.into(), value });
    }

    /// The finished graph, verified.
    pub fn finish(self) -> Result<Graph, Diagnostic> {
        verify::verify(&self.graph)?;
        Ok(self.graph)
    }

    fn value(&mut self, ty: Type, def: Def) -> ValueId {
        let id = ValueId(self.graph.values.len() as u32);
        self.graph.values.push(Value { ty, def });
        id
    }

    fn operand_types(&self, inputs: &[ValueId]) -> Result<Vec<Type>, Diagnostic> {
        let ty = |id: &ValueId| match self.graph.values.get(id.index()) {
            Some(value) => Ok(value.ty.clone()),
            None => Err(Diagnostic::new("graph-unknown-value", format!("{id} is not defined"))
                .because("an operand must be defined before the node that uses it")
                .help("define the value first")),
        };
        inputs.iter().map(ty).collect()
    }
}
