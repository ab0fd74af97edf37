//! Local functions: each call is replaced by the nodes of the function, until none is left.
//!
//! Invariants:
//! - values inside of a call have names of their own;
//! - what calls may grow to is bounded, in nodes and in bytes, so that functions which call one another in a chain, or
//!   themselves, are refused.

use super::proto::{AttributeProto, FunctionProto, ModelProto, NodeProto};
use crate::diag::Diagnostic;
use std::collections::HashMap;

/// Most nodes that a graph has after its functions were put in.
const MAX_NODES: usize = 1 << 20;
/// Most bytes of names and of elements, other than packed ones, that these nodes have.
const MAX_BYTES: usize = 1 << 28;
/// How deep functions call one another.
const MAX_DEPTH: usize = 32;

/// Replaces the calls of local functions in the graph of a model.
pub(super) fn inline(model: &mut ModelProto) -> Result<(), Diagnostic> {
    let functions: HashMap<(&str, &str), &FunctionProto> =
        model.functions.iter().map(|f| ((f.domain.as_str(), f.name.as_str()), f)).collect();
    let Some(graph) = &mut model.graph else { return Ok(()) };
    let called = |n: &NodeProto| functions.contains_key(&(n.domain.as_str(), n.op_type.as_str()));
    if !graph.node.iter().any(called) {
        return Ok(());
    }
    let mut inliner = Inliner { functions, nodes: Vec::new(), bytes: 0, calls: 0 };
    for node in std::mem::take(&mut graph.node) {
        inliner.place(node, 0)?;
    }
    graph.node = inliner.nodes;
    Ok(())
}

struct Inliner<'f> {
    functions: HashMap<(&'f str, &'f str), &'f FunctionProto>,
    nodes: Vec<NodeProto>,
    bytes: usize,
    calls: usize,
}

impl<'f> Inliner<'f> {
    fn place(&mut self, node: NodeProto, depth: usize) -> Result<(), Diagnostic> {
        match self.functions.get(&(node.domain.as_str(), node.op_type.as_str())).copied() {
            Some(function) => self.call(&node, function, depth),
            None => {
                self.bytes = self.bytes.saturating_add(if depth == 0 { 0 } else { bytes(&node) });
                if self.nodes.len() >= MAX_NODES || self.bytes > MAX_BYTES {
                    return Err(excess(&node, "too much comes of it"));
                }
                self.nodes.push(node);
                Ok(())
            }
        }
    }

    fn call(
        &mut self,
        call: &NodeProto,
        function: &'f FunctionProto,
        depth: usize,
    ) -> Result<(), Diagnostic> {
        if depth >= MAX_DEPTH || self.calls >= MAX_NODES {
            return Err(excess(call, "functions call one another without end"));
        }
        self.calls += 1;
        let prefix =
            format!("{}#{}", if call.name.is_empty() { &function.name } else { &call.name }, self.calls);
        let mut names: HashMap<&str, String> = HashMap::new();
        // An operand that the call leaves out is left out inside, too; a result that it does not want keeps a name.
        for (i, formal) in function.input.iter().enumerate() {
            names.insert(formal, call.input.get(i).cloned().unwrap_or_default());
        }
        for (formal, actual) in function.output.iter().zip(&call.output).filter(|(_, a)| !a.is_empty()) {
            // A result that is an operand is passed on by the node that makes it; there is none for a bare operand.
            names.entry(formal).or_insert_with(|| actual.clone());
        }
        for inner in &function.node {
            let mut node = inner.clone();
            let mut rename = |name: &mut String| {
                if !name.is_empty() {
                    *name = names.get(name.as_str()).cloned().unwrap_or_else(|| format!("{prefix}/{name}"));
                }
            };
            node.input.iter_mut().for_each(&mut rename);
            node.output.iter_mut().for_each(&mut rename);
            node.name = format!("{prefix}/{}", if node.name.is_empty() { &node.op_type } else { &node.name });
            node.attribute = attributes(inner, call, function);
            self.place(node, depth + 1)?;
        }
        for (formal, actual) in function.output.iter().zip(&call.output) {
            if let Some(from) =
                names.get(formal.as_str()).filter(|from| *from != actual && !actual.is_empty())
            {
                let (input, output) = (vec![from.clone()], vec![actual.clone()]);
                let op_type = "Identity".to_string();
                self.nodes.push(NodeProto {
                    input,
                    output,
                    op_type,
                    name: prefix.clone(),
                    ..Default::default()
                });
            }
        }
        Ok(())
    }
}

/// Bytes that a copy of a node takes: its names and elements. Packed elements are shared.
fn bytes(node: &NodeProto) -> usize {
    let names: usize = node.input.iter().chain(&node.output).map(String::len).sum();
    let elements = |a: &AttributeProto| {
        let lists = 4 * a.floats.len() + 8 * a.ints.len() + a.s.len();
        lists
            + a.t.as_ref().map_or(0, |t| {
                4 * (t.float_data.len() + t.int32_data.len()) + 8 * (t.int64_data.len() + t.double_data.len())
            })
    };
    names + node.name.len() + node.attribute.iter().map(elements).sum::<usize>()
}

/// Attributes of a node inside of a function: those that refer to an attribute of the call take its value, or the default
/// of the function, or are left out.
fn attributes(inner: &NodeProto, call: &NodeProto, function: &FunctionProto) -> Vec<AttributeProto> {
    let resolve = |a: &AttributeProto| {
        if a.ref_attr_name.is_empty() {
            return Some(a.clone());
        }
        let mut given = call.attribute.iter().chain(&function.attribute_proto);
        let value = given.find(|g| g.name == a.ref_attr_name)?;
        Some(AttributeProto { name: a.name.clone(), ..value.clone() })
    };
    inner.attribute.iter().filter_map(resolve).collect()
}

fn excess(node: &NodeProto, why: &str) -> Diagnostic {
    Diagnostic::new("onnx-function", format!("the local function `{}` cannot be put in", node.op_type))
        .because(format!("{why}; at most {MAX_NODES} nodes and {MAX_DEPTH} levels are supported"))
        .help("export the model with its functions inlined")
        .at_node(&*node.name)
}
