//! Parses the text form with nom, then builds and verifies the graph.

use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::verify::Subject;
use crate::graph::{Def, Graph, Node, NodeId, Output, Value, ValueId, verify};
use crate::op::Op;
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};
use grammar::{Elements, Place, Statement};
use std::collections::BTreeMap;

mod grammar;

/// Reads a graph from its text form.
pub fn parse(text: &str) -> Result<Graph, Diagnostic> {
    let (name, statements) = grammar::graph(text)?;
    let mut assembly = Assembly { text, numbers: BTreeMap::new() };
    assembly.number(&statements)?;
    let places: Vec<Place> = statements.iter().flat_map(Statement::places).collect();
    let graph = assembly.build(name, statements)?;
    verify::check(&graph).map_err(|broken| match assembly.offset(&places, broken.subject) {
        Some(at) => broken.diagnostic.at_offset(text, at),
        None => broken.diagnostic,
    })?;
    Ok(graph)
}

/// A value id of the text, with the byte offset at which it stands.
type Id = (u32, usize);

/// Turns statements into a graph.
struct Assembly<'t> {
    text: &'t str,
    /// Id in the text -> id in the graph. Ids keep their order and lose their gaps, so dense ids stay as they are.
    numbers: BTreeMap<u32, ValueId>,
}

impl Assembly<'_> {
    fn number(&mut self, statements: &[Statement]) -> Result<(), Diagnostic> {
        for &(id, at) in statements.iter().flat_map(Statement::defines) {
            if self.numbers.insert(id, ValueId(0)).is_some() {
                return Err(Diagnostic::new("text-redefined", format!("%{id} is defined twice"))
                    .because("each value has one definition")
                    .help("give one of them another number")
                    .at_offset(self.text, at));
            }
        }
        (0..).zip(self.numbers.values_mut()).for_each(|(i, number)| *number = ValueId(i));
        Ok(())
    }

    fn id(&self, (id, at): Id) -> Result<ValueId, Diagnostic> {
        self.numbers.get(&id).copied().ok_or_else(|| {
            Diagnostic::new("text-undefined", format!("%{id} is not defined"))
                .because("only inputs, constants and results of nodes can be used")
                .help("define it, or correct the number")
                .at_offset(self.text, at)
        })
    }

    /// The byte offset at which the text defines what the verifier complains of.
    fn offset(&self, places: &[Place], subject: Subject) -> Option<usize> {
        match subject {
            Subject::Graph => None,
            Subject::Node(node) => {
                let mut nodes =
                    places.iter().filter_map(|p| if let Place::Node(at) = p { Some(*at) } else { None });
                nodes.nth(node.index())
            }
            Subject::Value(value) => places.iter().find_map(|p| match p {
                Place::Value((id, at)) if self.numbers.get(id) == Some(&value) => Some(*at),
                _ => None,
            }),
        }
    }

    fn build(&self, name: String, statements: Vec<Statement>) -> Result<Graph, Diagnostic> {
        let mut values: Vec<Option<Value>> = vec![None; self.numbers.len()];
        let (mut nodes, mut inputs, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        for statement in statements {
            match statement {
                Statement::Input { id, name, ty } => {
                    let id = self.id(id)?;
                    inputs.push(id);
                    values[id.index()] = Some(Value { ty, def: Def::Input(name.into()) });
                }
                Statement::Constant { id, name, ty, elements, at } => {
                    let constant = constant(ty.clone(), elements).map_err(|d| d.at_offset(self.text, at))?;
                    values[self.id(id)?.index()] =
                        Some(Value { ty, def: Def::Constant(name.into(), constant) });
                }
                Statement::Output { name, id } => {
                    outputs.push(Output { name: name.into(), value: self.id(id)? });
                }
                Statement::Node(node) => {
                    let number = NodeId(nodes.len() as u32);
                    for (i, (id, ty)) in (0..).zip(&node.results) {
                        let def = Def::Node(number, i);
                        values[self.id(*id)?.index()] = Some(Value { ty: ty.clone(), def });
                    }
                    nodes.push(self.node(node)?);
                }
            }
        }
        let values = values.into_iter().flatten().collect();
        Ok(Graph::assemble(name.into(), values, nodes, inputs, outputs))
    }

    fn node(&self, node: grammar::NodeStatement) -> Result<Node, Diagnostic> {
        let inputs = node.operands.iter().map(|&id| self.id(id)).collect::<Result<Vec<_>, _>>()?;
        let outputs = node.results.iter().map(|(id, _)| self.id(*id)).collect::<Result<Vec<_>, _>>()?;
        let attrs: Vec<_> = node.attrs.iter().map(|(n, a)| (n.as_str(), a.clone())).collect();
        let op =
            Op::parse(&node.op, &attrs).ok_or_else(|| unknown_op(&node.op).at_offset(self.text, node.at))?;
        let op = op.map_err(|fault| {
            Diagnostic::new("text-attribute", format!("the attributes of `{}` are wrong", node.op))
                .because(fault.why)
                .help(fault.help)
                .at_offset(self.text, node.at)
        })?;
        Ok(Node { op, inputs, outputs, origin: node.origin })
    }
}

fn unknown_op(name: &str) -> Diagnostic {
    let near = Op::NAMES.iter().filter(|n| n.starts_with(&name.chars().take(1).collect::<String>()));
    let near: Vec<_> = near.copied().collect();
    let help = if near.is_empty() { Op::NAMES.join(", ") } else { near.join(", ") };
    Diagnostic::new("text-operator", format!("there is no operator `{name}`"))
        .because("operators are a closed set")
        .help(format!("one of: {help}"))
}

fn constant(ty: Type, elements: Elements) -> Result<Constant, Diagnostic> {
    verify::check_size(&ty)?;
    match elements {
        Elements::Absent => Ok(Constant::absent(ty)),
        Elements::Packed(bytes) => Constant::new(ty, bytes),
        Elements::List(words) => {
            let tensor = ty.shape.fixed().and_then(|shape| {
                let data = data(ty.dtype, &words)?;
                Tensor::new(ty.dtype, shape, data)
            });
            let wrong = || {
                Diagnostic::new("text-elements", format!("the elements are not those of a {ty}"))
                    .because(format!(
                        "{} elements are given; each must be a number in the range of its type",
                        words.len()
                    ))
                    .help("correct the type or the elements")
            };
            tensor.map(|t| t.to_constant()).ok_or_else(wrong)
        }
    }
}

fn data(dtype: DType, words: &[&str]) -> Option<Data> {
    match dtype {
        DType::Bool => words.iter().map(|w| w.parse().ok()).collect::<Option<_>>().map(Data::Bool),
        DType::I64 => words.iter().map(|w| w.parse().ok()).collect::<Option<_>>().map(Data::Long),
        float if float.is_float() => {
            words.iter().map(|w| w.parse().ok()).collect::<Option<_>>().map(Data::Float)
        }
        int => {
            let (low, high) = int.range()?;
            let element =
                |w: &&str| w.parse::<i64>().ok().filter(|x| (low..=high).contains(x)).map(|x| x as i32);
            words.iter().map(element).collect::<Option<_>>().map(Data::Int)
        }
    }
}
