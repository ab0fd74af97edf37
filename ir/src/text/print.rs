//! Prints the text form.

use crate::constant::Constant;
use crate::graph::{Def, Graph, Node, NodeId, ValueId};
use crate::op::attr::Attr;
use crate::tensor::Data;
use std::fmt::Write;

/// Constants of at most this many elements are written out.
const INLINE_ELEMENTS: u64 = 16;

/// The text form with all constants.
pub fn print(graph: &Graph) -> String {
    Printer { weights: true, text: String::new() }.graph(graph)
}

/// The text form in which larger constants are `absent`: for people.
pub fn print_without_weights(graph: &Graph) -> String {
    Printer { weights: false, text: String::new() }.graph(graph)
}

struct Printer {
    weights: bool,
    text: String,
}

impl Printer {
    fn graph(mut self, graph: &Graph) -> String {
        self.line(&format!("graph {} {{", quoted(graph.name())));
        for &id in graph.inputs() {
            let name = quoted(graph.input_name(id).unwrap_or_default());
            self.line(&format!("  input {id} {name}: {}", graph.ty(id)));
        }
        for (id, value) in graph.values() {
            if let Def::Constant(name, constant) = &value.def {
                self.constant(id, name, constant);
            }
        }
        for (id, node) in graph.nodes() {
            self.node(graph, id, node);
        }
        for output in graph.outputs() {
            self.line(&format!("  output {}: {}", quoted(&output.name), output.value));
        }
        self.line("}");
        self.text
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn constant(&mut self, id: ValueId, name: &str, constant: &Constant) {
        let data = match (inline(constant), constant.bytes()) {
            (Some(list), _) => list,
            (None, Some(bytes)) if self.weights => hex(bytes),
            _ => "absent".into(),
        };
        self.line(&format!("  const {id} {}: {} = {data}", quoted(name), constant.ty()));
    }

    fn node(&mut self, graph: &Graph, id: NodeId, node: &Node) {
        let result = |&v: &ValueId| format!("{v}: {}", graph.ty(v));
        let results = node.outputs.iter().map(result).collect::<Vec<_>>().join(", ");
        let operands = node.inputs.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(", ");
        let mut line = format!("  {id} {results} = {}({operands})", node.op.name());
        let attrs: Vec<_> =
            node.op.attributes().iter().map(|(n, a)| format!("{n} = {}", attribute(a))).collect();
        if !attrs.is_empty() {
            line.push_str(&format!(" {{{}}}", attrs.join(", ")));
        }
        if !node.origin.name.is_empty() || node.origin.block.is_some() {
            line.push_str(&format!(" @ {}", quoted(&node.origin.name)));
        }
        if let Some(block) = node.origin.block {
            line.push_str(&format!(" block {block}"));
        }
        self.line(&line);
    }
}

fn attribute(attr: &Attr) -> String {
    match attr {
        Attr::Int(x) => x.to_string(),
        Attr::Float(x) => format!("{x:?}"),
        Attr::Ints(list) => format!("{list:?}"),
        Attr::Shape(shape) => shape.to_string(),
        Attr::Word(word) => word.clone(),
    }
}

/// The elements written out, if there are few and the bytes can be restored from them.
fn inline(constant: &Constant) -> Option<String> {
    constant.ty().shape.elements().filter(|&n| n <= INLINE_ELEMENTS)?;
    let tensor = constant.tensor()?;
    if tensor.to_constant() != *constant || tensor.floats().iter().any(|x| x.is_nan()) {
        return None;
    }
    let list: Vec<String> = match tensor.data() {
        Data::Float(v) => v.iter().map(|x| format!("{x:?}")).collect(),
        Data::Long(v) => v.iter().map(|x| x.to_string()).collect(),
        Data::Int(v) => v.iter().map(|x| x.to_string()).collect(),
        Data::Bool(v) => v.iter().map(|x| x.to_string()).collect(),
    };
    Some(format!("[{}]", list.join(", ")))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(4 + 2 * bytes.len());
    text.push_str("hex ");
    bytes.iter().for_each(|b| {
        let _ = write!(text, "{b:02x}");
    });
    text
}

/// A string between quotes; quotes, backslashes and control characters are escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
