//! The graph: values, and the nodes that compute them.
//!
//! A graph is immutable: a pass reads one and builds another with a [`Builder`]. What holds of every graph is listed
//! in the head of [`verify`]; a graph that came out of [`Builder::finish`] or of the parser has been verified.

mod builder;
pub mod verify;

pub use builder::Builder;

use crate::constant::Constant;
use crate::op::Op;
use crate::types::Type;
use std::fmt;
use std::sync::Arc;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in the arena of its graph.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

ids! {
    /// Names a value of one graph; prints as `%3`.
    ValueId "%",
    /// Names a node of one graph; prints as `n3`. Nodes are numbered in the order of execution.
    NodeId "n",
}

/// A value: a tensor that is given, constant, or computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Element type and shape.
    pub ty: Type,
    /// Where it comes from.
    pub def: Def,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Def {
    /// The graph input of this name.
    Input(Arc<str>),
    /// A constant, with its name in the model; empty if it has none.
    Constant(Arc<str>, Constant),
    /// The output of this number of a node.
    Node(NodeId, u32),
}

/// Where a node comes from: carried from the model to every later level, so that each cycle can be attributed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Origin {
    /// Name of the node in the model; empty if it has none.
    pub name: Arc<str>,
    /// Number of the repeated block (layer) that it belongs to.
    pub block: Option<u32>,
}

impl Origin {
    /// An origin outside of the repeated blocks.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Origin { name: name.into(), block: None }
    }

    /// The same name inside of block `block`.
    pub fn in_block(mut self, block: u32) -> Self {
        self.block = Some(block);
        self
    }
}

/// A node: one application of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The operator with its attributes.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<ValueId>,
    /// Results.
    pub outputs: Vec<ValueId>,
    /// Where the node comes from.
    pub origin: Origin,
}

/// A named result of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Name, unique among the outputs.
    pub name: Arc<str>,
    /// The value.
    pub value: ValueId,
}

/// A graph. See the module head.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    name: Arc<str>,
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<Output>,
}

impl Graph {
    /// A graph from its parts; whoever calls this verifies the graph.
    pub(crate) fn assemble(
        name: Arc<str>,
        values: Vec<Value>,
        nodes: Vec<Node>,
        inputs: Vec<ValueId>,
        outputs: Vec<Output>,
    ) -> Graph {
        Graph { name, values, nodes, inputs, outputs }
    }

    /// Name of the model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A value. The id must be of this graph.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// A node. The id must be of this graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Type of a value. The id must be of this graph.
    pub fn ty(&self, id: ValueId) -> &Type {
        &self.value(id).ty
    }

    /// Values with their ids.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = (ValueId, &Value)> {
        self.values.iter().enumerate().map(|(i, v)| (ValueId(i as u32), v))
    }

    /// Nodes with their ids, each after all that it depends on.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }

    /// Number of values.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Graph inputs in the order of the model.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// Graph outputs in the order of the model.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Name of a graph input; `None` for other values.
    pub fn input_name(&self, id: ValueId) -> Option<&str> {
        match &self.value(id).def {
            Def::Input(name) => Some(name),
            _ => None,
        }
    }

    /// The constant that a value is, if it is one.
    pub fn constant(&self, id: ValueId) -> Option<&Constant> {
        match &self.value(id).def {
            Def::Constant(_, c) => Some(c),
            _ => None,
        }
    }

    /// The node that computes a value, if one does.
    pub fn producer(&self, id: ValueId) -> Option<(NodeId, &Node)> {
        match self.value(id).def {
            Def::Node(node, _) => Some((node, self.node(node))),
            _ => None,
        }
    }

    /// How a node is named to the user: its id, and its name in the model if it has one.
    pub fn node_name(&self, id: NodeId) -> String {
        match &*self.node(id).origin.name {
            "" => id.to_string(),
            name => format!("{id} {name}"),
        }
    }
}
