//! The verifier of graphs. It holds of every verified graph that:
//!
//! 1. every id that occurs is defined in the graph;
//! 2. every value has exactly one definition, and definition and value point at one another;
//! 3. nodes are in topological order: operands are inputs, constants, or results of earlier nodes;
//! 4. each node has as many operands as its operator takes;
//! 5. the types of a node's results are those that its operator infers from the operands;
//! 6. a constant has the type of its value;
//! 7. ranks and sizes are within the limits below, so that no later size computation can overflow;
//! 8. names of inputs are unique, names of outputs are unique, and neither is empty.

use super::{Def, Graph, Node, NodeId, ValueId};
use crate::diag::Diagnostic;
use crate::types::Type;
use std::collections::HashSet;

/// Most axes that a value may have.
pub const MAX_RANK: usize = 8;
/// Most elements that a value may have. The largest weights in use are near 2^30.
pub const MAX_ELEMENTS: u64 = 1 << 40;

/// What a broken invariant is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The graph as a whole.
    Graph,
    /// One value.
    Value(ValueId),
    /// One node.
    Node(NodeId),
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What it is about.
    pub subject: Subject,
    /// What to tell the user.
    pub diagnostic: Diagnostic,
}

/// Checks the invariants of the module head; the diagnostic names the node or value.
pub fn verify(graph: &Graph) -> Result<(), Diagnostic> {
    check(graph).map_err(|broken| match broken.subject {
        Subject::Graph => broken.diagnostic,
        Subject::Value(id) => broken.diagnostic.at_item(id.to_string()),
        Subject::Node(id) => broken.diagnostic.at_node(graph.node_name(id)),
    })
}

/// Checks the invariants of the module head; tells what the first broken one is about.
pub fn check(graph: &Graph) -> Result<(), Broken> {
    let about = |subject| move |diagnostic| Broken { subject, diagnostic };
    let inputs: HashSet<ValueId> = graph.inputs.iter().copied().collect();
    if inputs.len() != graph.inputs.len() {
        return Err(about(Subject::Graph)(broken("a graph input is listed twice")));
    }
    for (id, value) in graph.values() {
        check_size(&value.ty).map_err(about(Subject::Value(id)))?;
        check_def(graph, &inputs, id).map_err(about(Subject::Value(id)))?;
    }
    for (id, _) in graph.nodes() {
        check_node(graph, id).map_err(about(Subject::Node(id)))?;
    }
    check_names(graph).map_err(about(Subject::Graph))
}

/// Refuses ranks and sizes beyond the limits. Unknown and empty dimensions count as one.
pub fn check_size(ty: &Type) -> Result<(), Diagnostic> {
    if ty.shape.rank() <= MAX_RANK && ty.shape.extent().is_some_and(|n| n <= MAX_ELEMENTS) {
        return Ok(());
    }
    Err(Diagnostic::new("shape-limit", format!("the shape {} is too large", ty.shape))
        .because(format!("a value has at most {MAX_RANK} axes and 2^{} elements", MAX_ELEMENTS.ilog2()))
        .help("check the dimensions of the model; a corrupt file often shows itself this way"))
}

fn broken(rule: &str) -> Diagnostic {
    Diagnostic::new("graph-invalid", "the graph is not well formed")
        .because(rule)
        .help("if no text form was edited by hand, this is an error of the pass that made the graph")
}

fn check_def(graph: &Graph, inputs: &HashSet<ValueId>, id: ValueId) -> Result<(), Diagnostic> {
    let good = match &graph.value(id).def {
        Def::Input(_) => inputs.contains(&id),
        Def::Constant(_, constant) => *constant.ty() == graph.value(id).ty,
        Def::Node(node, i) => {
            graph.nodes.get(node.index()).and_then(|n| n.outputs.get(*i as usize)) == Some(&id)
        }
    };
    if good { Ok(()) } else { Err(broken("a value and its definition do not match")) }
}

fn check_node(graph: &Graph, id: NodeId) -> Result<(), Diagnostic> {
    let node = graph.node(id);
    for &input in &node.inputs {
        let value = graph.values.get(input.index());
        let value = value.ok_or_else(|| broken(&format!("the operand {input} is not defined")))?;
        if matches!(value.def, Def::Node(def, _) if def >= id) {
            return Err(broken(&format!("the operand {input} is defined later")));
        }
    }
    for (i, &output) in (0..).zip(&node.outputs) {
        let value = graph.values.get(output.index());
        if value.is_none_or(|v| v.def != Def::Node(id, i)) {
            return Err(broken(&format!("the result {output} has another definition")));
        }
    }
    check_types(graph, node)
}

fn check_types(graph: &Graph, node: &Node) -> Result<(), Diagnostic> {
    let operands: Vec<Type> = node.inputs.iter().map(|&i| graph.ty(i).clone()).collect();
    let inferred = node.op.infer(&operands).map_err(|fault| fault.diagnose(&node.op, &operands))?;
    let stated: Vec<&Type> = node.outputs.iter().map(|&o| graph.ty(o)).collect();
    if inferred.iter().eq(stated.iter().copied()) {
        return Ok(());
    }
    let list = |types: Vec<&Type>| types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ");
    let (inferred, stated) = (list(inferred.iter().collect()), list(stated));
    Err(Diagnostic::new(
        "graph-type",
        format!("the results of `{}` are not of type {stated}", node.op.name()),
    )
    .because(format!("from its operands they are {inferred}"))
    .help(format!("write {inferred}")))
}

fn check_names(graph: &Graph) -> Result<(), Diagnostic> {
    let inputs: Vec<&str> = graph
        .inputs
        .iter()
        .filter_map(|&i| graph.values.get(i.index()))
        .filter_map(|v| match &v.def {
            Def::Input(name) => Some(&**name),
            _ => None,
        })
        .collect();
    if inputs.len() != graph.inputs.len() {
        return Err(broken("a graph input is not defined as one"));
    }
    if let Some(output) = graph.outputs.iter().find(|o| o.value.index() >= graph.value_count()) {
        return Err(broken("the value of a graph output is not defined").at_item(&*output.name));
    }
    let outputs: Vec<&str> = graph.outputs.iter().map(|o| &*o.name).collect();
    for (kind, names) in [("input", inputs), ("output", outputs)] {
        let mut seen = HashSet::new();
        if let Some(name) = names.into_iter().find(|name| name.is_empty() || !seen.insert(*name)) {
            let what = format!("the name of a graph {kind} is empty or used twice");
            let help = "give each a name of its own";
            return Err(Diagnostic::new("graph-name", what)
                .because(format!("the name is \"{name}\""))
                .help(help));
        }
    }
    Ok(())
}
