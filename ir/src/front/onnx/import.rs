//! Walks the nodes of an ONNX graph and emits ours.
//!
//! Invariant: `values` holds every name that is defined so far; initialisers enter the graph when they are first used.

use super::call::Call;
use super::extents::{self, Extent};
use super::proto::{GraphProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto};
use super::{Options, convert, sparse, tensor};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::{Builder, Graph, Origin, ValueId, verify};
use crate::op::Op;
use crate::pass::fold::Folder;
use crate::types::{Dim, Shape, Type};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

/// The state of an import.
pub(super) struct Import<'m> {
    builder: Builder,
    values: HashMap<&'m str, ValueId>,
    initializers: HashMap<&'m str, &'m TensorProto>,
    sparse: HashMap<&'m str, &'m SparseTensorProto>,
    /// Shapes that are not all numbers, see [`super::extents`].
    extents: HashMap<ValueId, Vec<Extent>>,
    folder: Folder,
    options: &'m Options,
    /// Names of dimensions so far.
    dimensions: RefCell<BTreeSet<String>>,
}

/// A number was given for a dimension that the model does not have.
pub fn unknown_binding<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.take(SHOWN).collect();
    let there = if known.is_empty() { "none".into() } else { known.join(", ") };
    Diagnostic::new("bind-unknown", format!("the model has no dimension `{name}`"))
        .because(format!("its named dimensions: {there}"))
        .help("bind one of these, or leave `--bind` out")
        .at_item("--bind")
}

/// Names that a message shows.
const SHOWN: usize = 8;

/// Reads a graph whose operators are all known.
pub(super) fn import(graph: &GraphProto, options: &Options) -> Result<Graph, Diagnostic> {
    let initializers = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    let named = |s| Some((sparse_name(s)?, s));
    let sparse = graph.sparse_initializer.iter().filter_map(named).collect();
    let builder = Builder::new(graph.name.as_str());
    let (values, extents, folder) = (HashMap::new(), HashMap::new(), Folder::default());
    let dimensions = RefCell::default();
    let mut import = Import { builder, values, initializers, sparse, extents, folder, options, dimensions };
    for input in &graph.input {
        import.input(input)?;
    }
    for node in &graph.node {
        import.node(node)?;
    }
    for output in &graph.output {
        let value = import.value(&output.name).map_err(|d| d.at_item(&*output.name))?;
        if import.extents.contains_key(&value) {
            return Err(Diagnostic::new("onnx-output", "a graph output is a shape that is not known")
                .because("shapes are computed before the model runs")
                .help("bind named dimensions to numbers with --bind NAME=VALUE")
                .at_item(&*output.name));
        }
        import.builder.output(output.name.as_str(), value);
    }
    import.check_bindings()?;
    import.builder.finish()
}

impl<'m> Import<'m> {
    fn input(&mut self, input: &'m ValueInfoProto) -> Result<(), Diagnostic> {
        let name = input.name.as_str();
        if self.initializers.contains_key(name) || self.sparse.contains_key(name) {
            return Ok(());
        }
        let ty = self.input_type(input).map_err(|d| d.at_item(&*input.name))?;
        let id = self.builder.input(input.name.as_str(), ty);
        self.define(&input.name, id)
    }

    fn input_type(&self, input: &ValueInfoProto) -> Result<Type, Diagnostic> {
        let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let shaped = tensor.and_then(|t| Some((t.elem_type, t.shape.as_ref()?)));
        let (elem_type, shape) = shaped.ok_or_else(|| {
            Diagnostic::new("onnx-input", "a graph input is not a tensor of known rank")
                .because("inputs need an element type and a shape; dimensions may be names")
                .help("run ONNX shape inference, or export the model with shapes")
        })?;
        let dims = shape.dim.iter().enumerate().map(|(axis, d)| match (d.dim_value, &d.dim_param) {
            (Some(n), _) => u64::try_from(n).map(Dim::Static).map_err(|_| negative(n)),
            (None, Some(name)) if !name.is_empty() => Ok(self.named(name)),
            _ => Ok(self.named(&format!("{}.{axis}", input.name))),
        });
        let ty = Type::new(tensor::dtype(elem_type)?, Shape(dims.collect::<Result<_, _>>()?));
        verify::check_size(&ty)?;
        Ok(ty)
    }

    /// The dimension that is known when the model runs, and has the name of a value until then.
    pub(super) fn found(&self, value: &str) -> Dim {
        self.named(&format!("found.{value}"))
    }

    /// A named dimension: its number if one is bound, otherwise its name as a word of the text form.
    fn named(&self, name: &str) -> Dim {
        let letter = |c: char| if c.is_ascii_alphanumeric() || "_.".contains(c) { c } else { '_' };
        let word: String = name.chars().map(letter).collect();
        let word = if word.starts_with(|c: char| c.is_ascii_digit()) { format!("_{word}") } else { word };
        self.dimensions.borrow_mut().extend([name.to_string(), word.clone()]);
        let bound = self.options.bindings.get(name).or_else(|| self.options.bindings.get(&word));
        bound.map_or_else(|| Dim::Symbol(word.into()), |&n| Dim::Static(n))
    }

    /// Refuses a number for a dimension that there is not.
    fn check_bindings(&self) -> Result<(), Diagnostic> {
        let known = self.dimensions.borrow();
        match self.options.bindings.keys().find(|name| !known.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(unknown_binding(name, known.iter().map(String::as_str))),
        }
    }

    fn node(&mut self, node: &'m NodeProto) -> Result<(), Diagnostic> {
        let origin = origin(node);
        let name = origin.name.clone();
        let Some(mut convert) = convert::converter(&node.op_type) else { return Ok(()) };
        let shapes = node
            .input
            .iter()
            .any(|i| self.values.get(i.as_str()).is_some_and(|v| self.extents.contains_key(v)));
        if shapes && extents::reads(&node.op_type) {
            convert = extents::apply;
        }
        convert(&mut Call::new(self, node, origin)).map_err(|d| match d.place.spot {
            crate::diag::Spot::Item(_) => d,
            _ => d.at_node(&*name),
        })
    }

    /// Gives a name to a value.
    pub(super) fn define(&mut self, name: &'m str, id: ValueId) -> Result<(), Diagnostic> {
        if self.values.insert(name, id).is_none() {
            return Ok(());
        }
        Err(Diagnostic::new("onnx-redefined", format!("the value `{name}` is defined twice"))
            .because("each name of a graph has one definition")
            .help("the file is corrupt; export the model again"))
    }

    /// The value of a name.
    pub(super) fn value(&mut self, name: &str) -> Result<ValueId, Diagnostic> {
        if let Some(&id) = self.values.get(name) {
            return Ok(id);
        }
        if let Some((&name, &proto)) = self.sparse.get_key_value(name) {
            let constant = sparse::constant(proto, &mut self.folder)?;
            let id = self.builder.constant(name, constant);
            self.values.insert(name, id);
            return Ok(id);
        }
        let Some((&name, &proto)) = self.initializers.get_key_value(name) else {
            return Err(Diagnostic::new("onnx-undefined", format!("the value `{name}` is not defined"))
                .because("operands are inputs, initialisers, or results of earlier nodes")
                .help("the file is corrupt or its nodes are not sorted; export the model again"));
        };
        let id = self.builder.constant(name, tensor::constant(proto, self.options)?);
        self.values.insert(name, id);
        Ok(id)
    }

    /// Type of a value.
    pub(super) fn ty(&self, id: ValueId) -> &Type {
        self.builder.graph().ty(id)
    }

    /// The constant that a value is, if it is one.
    pub(super) fn constant(&self, id: ValueId) -> Option<&Constant> {
        self.builder.graph().constant(id)
    }

    /// Adds a constant.
    pub(super) fn add_constant(&mut self, name: &str, constant: Constant) -> ValueId {
        self.builder.constant(name, constant)
    }

    /// Applies an operator: at once if its operands are constants, otherwise as a node.
    pub(super) fn emit(
        &mut self,
        op: Op,
        inputs: &[ValueId],
        origin: &Origin,
    ) -> Result<Vec<ValueId>, Diagnostic> {
        let constants: Option<Vec<&Constant>> =
            inputs.iter().map(|&i| self.builder.graph().constant(i)).collect();
        if let Some(constants) = constants.filter(|c| !c.is_empty()) {
            let types: Vec<Type> = constants.iter().map(|c| c.ty().clone()).collect();
            let folded = self.folder.fold(&op, &constants).map_err(|fault| fault.diagnose(&op, &types))?;
            if let Some(results) = folded {
                results.iter().try_for_each(|c| verify::check_size(c.ty()))?;
                return Ok(results
                    .into_iter()
                    .map(|c| self.builder.constant(origin.name.clone(), c))
                    .collect());
            }
        }
        self.builder.node(op, inputs, origin.clone())
    }

    /// The extents that a value stands for, if it is a shape that is not all numbers.
    pub(super) fn extents(&self, id: ValueId) -> Option<&Vec<Extent>> {
        self.extents.get(&id)
    }

    /// Lets a value stand for extents.
    pub(super) fn set_extents(&mut self, id: ValueId, extents: Vec<Extent>) {
        self.extents.insert(id, extents);
    }

    /// What reads tensors of attributes: names of files, and the budget for sparse ones.
    pub(super) fn sources(&mut self) -> (&'m Options, &mut Folder) {
        (self.options, &mut self.folder)
    }

    /// Whether a constant of that many elements may be made out of nothing.
    pub(super) fn afford(&mut self, elements: u64) -> bool {
        self.folder.afford(elements, 0)
    }
}

fn sparse_name(sparse: &SparseTensorProto) -> Option<&str> {
    sparse.values.as_ref().map(|v| v.name.as_str())
}

fn negative(n: i64) -> Diagnostic {
    Diagnostic::new("onnx-shape", format!("a dimension is {n}"))
        .because("dimensions count elements")
        .help("the file is corrupt; export the model again")
}

/// Name of a node, or of its first result if it has none, and the number of the layer that the name tells.
fn origin(node: &NodeProto) -> Origin {
    let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    let name = name.map_or("", |n| n.as_str());
    let mut parts = name.split(['/', '.']).peekable();
    let mut block = None;
    while let (Some(part), None) = (parts.next(), block) {
        if ["layers", "layer", "blocks", "block", "h"].contains(&part) {
            block = parts.peek().and_then(|n| n.parse().ok());
        }
    }
    Origin { name: name.into(), block }
}
