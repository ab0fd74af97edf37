//! The ONNX front end.
//!
//! Shape arithmetic folds away while the graph is read: a node whose operands are constants becomes a constant, so that
//! target shapes, axes and slice bounds are attributes of our operators and never operands.
//!
//! Invariants:
//! - opsets 13 to 27 of the standard operators; operators are known by their name, in whichever domain they stand;
//! - local functions are put in place of their calls before anything else;
//! - unsupported operators are all reported at once;
//! - nothing is allocated in proportion to a number in the file before that number has been checked;
//! - weights in files that are not there are absent constants, and what is computed of them alone is absent too.

mod call;
mod convert;
mod extents;
mod functions;
mod import;
pub mod proto;
mod sparse;
mod tensor;

#[cfg(test)]
mod forms_tests;
#[cfg(test)]
mod tests;

pub use tensor::read_tensor;

use crate::diag::{Diagnostic, Spot};
use crate::graph::Graph;
use bytes::Bytes;
use proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use std::collections::{BTreeMap, BTreeSet};

/// What the caller adds to a model file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Numbers for named dimensions.
    pub bindings: BTreeMap<String, u64>,
    /// Contents of the files of external data, by the name that the model gives them. Those missing make absent
    /// constants.
    pub external: BTreeMap<String, Bytes>,
}

/// Names of the files of external data that a model refers to, for the caller to read.
pub fn external_files(bytes: &Bytes) -> Result<Vec<String>, Diagnostic> {
    let model = decode(bytes.clone())?;
    let tensors = model.graph.iter().flat_map(tensors);
    let locations = tensors.flat_map(|t| &t.external_data).filter(|e| e.key == "location");
    let names: BTreeSet<String> = locations.map(|e| e.value.clone()).collect();
    Ok(names.into_iter().collect())
}

/// Tensors of a graph: constants by name, and those that are attributes.
fn tensors(graph: &GraphProto) -> impl Iterator<Item = &TensorProto> {
    let attributes = graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.t.as_ref());
    graph.initializer.iter().chain(attributes)
}

/// Reads a model.
pub fn import(bytes: &[u8], options: &Options) -> Result<Graph, Diagnostic> {
    import_shared(Bytes::copy_from_slice(bytes), options)
}

/// Reads a model whose bytes are shared, such as a mapped file: its tensors stay parts of them.
pub fn import_shared(bytes: Bytes, options: &Options) -> Result<Graph, Diagnostic> {
    let mut model = decode(bytes)?;
    check_opset(&model)?;
    functions::inline(&mut model)?;
    let graph = model.graph.as_ref().ok_or_else(|| {
        Diagnostic::new("onnx-empty", "the file holds no graph")
            .because("an ONNX model has a graph; an empty or foreign file has none")
            .help("check that this is an ONNX model")
    })?;
    check_supported(&graph.node)?;
    import::import(graph, options)
}

pub use import::unknown_binding;

/// Names of the operators that can be read, in order.
pub fn operators() -> impl Iterator<Item = &'static str> {
    convert::NAMES.iter().copied()
}

fn decode(bytes: Bytes) -> Result<ModelProto, Diagnostic> {
    use prost::Message;
    ModelProto::decode(bytes.clone()).map_err(|e| undecodable("model", &bytes, &e))
}

fn undecodable(kind: &str, bytes: &[u8], error: &prost::DecodeError) -> Diagnostic {
    Diagnostic::new("onnx-decode", format!("the file is not an ONNX {kind}, or it is truncated or corrupt"))
        .because(error.to_string())
        .help("check that it was copied whole, and export or download it again")
        .at(Spot::Byte(damage(bytes) as u64))
}

/// Where the outermost message breaks: the end of the file if a field goes beyond it, otherwise the first field that
/// is none, or the last one, in which the damage must be.
fn damage(bytes: &[u8]) -> usize {
    let (mut at, mut last) = (0, 0);
    while let Some(length) = bytes.get(at..).filter(|rest| !rest.is_empty()).and_then(field_length) {
        if bytes.len() - at < length {
            return bytes.len();
        }
        (last, at) = (at, at + length);
    }
    if at == bytes.len() { last } else { at }
}

/// Length of the protobuf field at the start of `bytes`, if its head can be read.
fn field_length(bytes: &[u8]) -> Option<usize> {
    let (key, head) = varint(bytes)?;
    let rest = bytes.get(head..)?;
    let body = match key & 7 {
        0 => varint(rest)?.1,
        1 => 8,
        2 => {
            let (length, size) = varint(rest)?;
            size.checked_add(usize::try_from(length).ok()?)?
        }
        5 => 4,
        _ => return None,
    };
    head.checked_add(body)
}

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let end = bytes.iter().take(10).position(|b| b & 0x80 == 0)?;
    let value = bytes[..=end].iter().rev().fold(0u64, |v, b| v << 7 | u64::from(b & 0x7f));
    Some((value, end + 1))
}

fn check_opset(model: &ModelProto) -> Result<(), Diagnostic> {
    let standard = |d: &str| d.is_empty() || d == "ai.onnx";
    let version = model.opset_import.iter().find(|o| standard(&o.domain)).map(|o| o.version);
    match version {
        Some(13..=27) => Ok(()),
        None if model.graph.is_none() => Ok(()),
        _ => {
            let found = version
                .map_or("the model states none".into(), |v| format!("the model is written in opset {v}"));
            Err(Diagnostic::new("onnx-opset", "the operator set of the model is not supported")
                .because(format!("{found}; supported are 13 to 27"))
                .help("convert it with onnx.version_converter, or export it with opset_version=17"))
        }
    }
}

/// Lists all operators that cannot be read, with how often and where first.
fn check_supported(nodes: &[NodeProto]) -> Result<(), Diagnostic> {
    let mut unknown: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for node in nodes.iter().filter(|n| convert::converter(&n.op_type).is_none()) {
        let dot = if node.domain.is_empty() { "" } else { "::" };
        let name = format!("{}{dot}{}", node.domain, node.op_type);
        unknown.entry(name).or_insert((0, &node.name)).0 += 1;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let line =
        |(name, (count, first)): (&String, &(usize, &str))| format!("{name}: {count}, first at `{first}`");
    let lines: Vec<String> = unknown.iter().map(line).collect();
    let plural = if unknown.len() == 1 { "" } else { "s" };
    let what = format!("the model uses {} unsupported operator{plural}", unknown.len());
    Err(Diagnostic::new("onnx-operator", what)
        .because(lines.join("\n"))
        .help("export the model without them, or with operators of the standard set"))
}
