//! The evaluator: runs a graph on tensors.
//!
//! Invariants:
//! - it walks the graph in its order and applies each operator's own definition; it knows no operator by name;
//! - constants are decoded once, and what is computed of constants alone is computed once; a tensor is dropped after its last use;
//! - nothing is allocated for a graph whose results would not fit [`MAX_BYTES`].

use crate::diag::Diagnostic;
use crate::graph::{Def, Graph, NodeId, ValueId};
use crate::op::Op;
use crate::tensor::Tensor;
use crate::types::{Dim, Type};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Most bytes, counted as if nothing were dropped, that evaluation may take.
pub const MAX_BYTES: u64 = 1 << 34;

/// A graph that is ready to run.
#[derive(Debug, Clone)]
pub struct Evaluator<'g> {
    graph: &'g Graph,
    constants: HashMap<ValueId, Arc<Tensor>>,
    last_use: Vec<Option<NodeId>>,
}

impl<'g> Evaluator<'g> {
    /// Decodes the constants that are used. Refuses absent constants and unbound dimensions.
    pub fn new(graph: &'g Graph) -> Result<Self, Diagnostic> {
        check_bytes(graph)?;
        let mut last_use = vec![None; graph.value_count()];
        for (id, node) in graph.nodes() {
            node.inputs.iter().for_each(|i| last_use[i.index()] = Some(id));
        }
        let mut constants = HashMap::new();
        for (id, value) in graph.values() {
            let used = last_use[id.index()].is_some() || graph.outputs().iter().any(|o| o.value == id);
            if let (Def::Constant(name, constant), true) = (&value.def, used) {
                let tensor = constant.tensor().ok_or_else(|| absent(id, name))?;
                constants.insert(id, Arc::new(tensor));
            }
        }
        let mut evaluator = Evaluator { graph, constants, last_use };
        evaluator.compute_constants()?;
        Ok(evaluator)
    }

    /// Computes the nodes whose operands are constants: the floats that codes of weights stand for.
    fn compute_constants(&mut self) -> Result<(), Diagnostic> {
        let fixed = |id: &ValueId| self.graph.ty(*id).shape.fixed().is_some();
        for (id, node) in self.graph.nodes().filter(|(_, node)| node.outputs.iter().all(fixed)) {
            if node.inputs.iter().all(|input| self.constants.contains_key(input)) {
                let results = self.apply(id, &self.constants, &HashMap::new())?;
                self.constants.extend(node.outputs.iter().copied().zip(results.into_iter().map(Arc::new)));
            }
        }
        Ok(())
    }

    /// Runs the graph on inputs in the order of [`Graph::inputs`]; returns the outputs in the order of
    /// [`Graph::outputs`].
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
        self.run_observed(inputs, |_, _| ())
    }

    /// Like [`Evaluator::run`]; shows each result of each node to `observe` as it is computed.
    pub fn run_observed(
        &self,
        inputs: &[Tensor],
        mut observe: impl FnMut(ValueId, &Tensor),
    ) -> Result<Vec<Tensor>, Diagnostic> {
        self.check_inputs(inputs)?;
        let mut live = self.constants.clone();
        live.extend(self.graph.inputs().iter().zip(inputs).map(|(&id, t)| (id, Arc::new(t.clone()))));
        let kept: Vec<ValueId> = self.graph.outputs().iter().map(|o| o.value).collect();
        let mut found = HashMap::new();
        for (id, node) in self.graph.nodes() {
            if node.outputs.iter().all(|value| self.constants.contains_key(value)) {
                node.outputs.iter().for_each(|value| observe(*value, &self.constants[value]));
                continue;
            }
            for (&value, tensor) in node.outputs.iter().zip(self.apply(id, &live, &found)?) {
                name_lengths(self.graph.ty(value), &tensor, &mut found)
                    .map_err(|d| d.at_node(self.graph.node_name(id)))?;
                observe(value, &tensor);
                live.insert(value, Arc::new(tensor));
            }
            let done = |v: &&ValueId| self.last_use[v.index()] == Some(id) && !kept.contains(v);
            node.inputs.iter().filter(done).for_each(|v| {
                live.remove(v);
            });
        }
        let result = |id: &ValueId| live.get(id).map(|t| (**t).clone()).ok_or_else(|| missing(*id));
        kept.iter().map(result).collect()
    }

    fn apply(
        &self,
        id: NodeId,
        live: &HashMap<ValueId, Arc<Tensor>>,
        found: &HashMap<Arc<str>, u64>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let node = self.graph.node(id);
        let operand = |v: &ValueId| live.get(v).map(|t| &**t).ok_or_else(|| missing(*v));
        let operands = node.inputs.iter().map(operand).collect::<Result<Vec<_>, _>>()?;
        let op = if found.is_empty() { Cow::Borrowed(&node.op) } else { Cow::Owned(node.op.bind(found)) };
        op.evaluate(&operands).map_err(|fault| {
            let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
            fault.diagnose(&node.op, &types).at_node(self.graph.node_name(id))
        })
    }

    fn check_inputs(&self, inputs: &[Tensor]) -> Result<(), Diagnostic> {
        let expected: Vec<&Type> = self.graph.inputs().iter().map(|&id| self.graph.ty(id)).collect();
        if expected.len() != inputs.len() {
            let what = format!("{} tensors were given to a graph of {} inputs", inputs.len(), expected.len());
            return Err(Diagnostic::new("eval-inputs", what)
                .because("every input of a graph gets a value")
                .help("give one tensor for each input, in order"));
        }
        for ((&id, ty), tensor) in self.graph.inputs().iter().zip(expected).zip(inputs) {
            if tensor.ty() != *ty {
                let name = self.graph.input_name(id).unwrap_or_default();
                return Err(Diagnostic::new(
                    "eval-inputs",
                    format!("a tensor of type {} was given", tensor.ty()),
                )
                .because(format!("the input is of type {ty}"))
                .help("give a tensor of that type")
                .at_item(name));
            }
        }
        Ok(())
    }
}

/// Runs a graph once; see [`Evaluator::run`].
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
    Evaluator::new(graph)?.run(inputs)
}

/// Learns the lengths that were found while the graph runs. Other dimensions are those of the type.
fn name_lengths(ty: &Type, tensor: &Tensor, found: &mut HashMap<Arc<str>, u64>) -> Result<(), Diagnostic> {
    for (dim, &length) in ty.shape.0.iter().zip(tensor.shape()) {
        let Dim::Symbol(name) = dim else { continue };
        let known = *found.entry(name.clone()).or_insert(length as u64);
        if known != length as u64 {
            return Err(Diagnostic::new("eval-length", format!("the dimension `{name}` has two values"))
                .because(format!("it was {known}, and is {length}"))
                .help("give what is found by each `non-zero` a name of its own"));
        }
    }
    Ok(())
}

/// Names of the dimensions that are found while the graph runs, with the most that each can be.
fn found_dimensions(graph: &Graph) -> HashMap<&str, u64> {
    let mut names = HashMap::new();
    for (_, node) in graph.nodes() {
        if let (Op::NonZero(op), Some(&x)) = (&node.op, node.inputs.first()) {
            let most = graph.ty(x).shape.extent().unwrap_or(u64::MAX);
            names.extend(op.found.symbol().map(|name| (name, most)));
        }
    }
    names
}

fn check_bytes(graph: &Graph) -> Result<(), Diagnostic> {
    let mut total = 0u64;
    let found = found_dimensions(graph);
    for (id, value) in graph.values() {
        let mut extent = 1u64;
        for dim in &value.ty.shape.0 {
            extent = extent.saturating_mul(match dim {
                Dim::Static(n) => (*n).max(1),
                Dim::Symbol(name) => *found.get(&**name).ok_or_else(|| {
                    Diagnostic::new("eval-unbound", format!("the dimension `{name}` has no value"))
                        .because("only graphs of known shapes can be evaluated")
                        .help(format!("bind it, for example with --bind {name}=16"))
                        .at_item(id.to_string())
                })?,
            });
        }
        total = total.saturating_add(extent.saturating_mul(4));
    }
    if total <= MAX_BYTES {
        return Ok(());
    }
    Err(Diagnostic::new("eval-size", "the graph is too large to be evaluated")
        .because(format!("its values take {total} bytes; the limit is {MAX_BYTES}"))
        .help("evaluate a smaller model; timing, energy and area need no evaluation"))
}

fn absent(id: ValueId, name: &str) -> Diagnostic {
    Diagnostic::new("eval-absent", "a constant has a type but no elements")
        .because("the model came without its weights")
        .help("put the file of weights beside the model; timing, energy and area need no weights")
        .at_item(format!("{id} {name}").trim_end())
}

fn missing(id: ValueId) -> Diagnostic {
    Diagnostic::new("graph-invalid", format!("the value {id} is used before it is computed"))
        .because("nodes are in the order of execution")
        .help("verify the graph first")
}
