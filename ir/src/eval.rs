//! The evaluator: runs a graph on tensors.
//!
//! Invariants:
//! - it walks the graph in its order and applies each operator's own definition; it knows no operator by name;
//! - constants are decoded once; a tensor is dropped after its last use;
//! - nothing is allocated for a graph whose results would not fit [`MAX_BYTES`].

use crate::diag::Diagnostic;
use crate::graph::{Def, Graph, NodeId, ValueId};
use crate::tensor::Tensor;
use crate::types::Type;
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
    /// Decodes the constants. Refuses absent constants and unbound dimensions.
    pub fn new(graph: &'g Graph) -> Result<Self, Diagnostic> {
        check_bytes(graph)?;
        let mut constants = HashMap::new();
        for (id, value) in graph.values() {
            if let Def::Constant(name, constant) = &value.def {
                let tensor = constant.tensor().ok_or_else(|| absent(id, name))?;
                constants.insert(id, Arc::new(tensor));
            }
        }
        let mut last_use = vec![None; graph.value_count()];
        for (id, node) in graph.nodes() {
            node.inputs.iter().for_each(|i| last_use[i.index()] = Some(id));
        }
        Ok(Evaluator { graph, constants, last_use })
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
        for (id, node) in self.graph.nodes() {
            for (&value, tensor) in node.outputs.iter().zip(self.apply(id, &live)?) {
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

    fn apply(&self, id: NodeId, live: &HashMap<ValueId, Arc<Tensor>>) -> Result<Vec<Tensor>, Diagnostic> {
        let node = self.graph.node(id);
        let operand = |v: &ValueId| live.get(v).map(|t| &**t).ok_or_else(|| missing(*v));
        let operands = node.inputs.iter().map(operand).collect::<Result<Vec<_>, _>>()?;
        node.op.evaluate(&operands).map_err(|fault| {
            let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
            fault.diagnose(&node.op, &types).at_node(self.graph.node_name(id))
        })
    }

    fn check_inputs(&self, inputs: &[Tensor]) -> Result<(), Diagnostic> {
        let expected: Vec<&Type> = self.graph.inputs().iter().map(|&id| self.graph.ty(id)).collect();
        if expected.len() != inputs.len() {
            let what = format!("{} tensors were given to a graph of {} inputs", inputs.len(), expected.len());
            return Err(Diagnostic::new("eval-inputs", what).help("give one tensor for each input, in order"));
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

fn check_bytes(graph: &Graph) -> Result<(), Diagnostic> {
    let mut total = 0u64;
    for (id, value) in graph.values() {
        if let Some(symbol) = value.ty.shape.symbol() {
            return Err(Diagnostic::new("eval-unbound", format!("the dimension `{symbol}` has no value"))
                .because("only graphs of known shapes can be evaluated")
                .help(format!("bind it, for example with --bind {symbol}=16"))
                .at_item(id.to_string()));
        }
        total = total.saturating_add(value.ty.shape.extent().unwrap_or(u64::MAX).saturating_mul(4));
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
