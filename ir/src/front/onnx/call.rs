//! One node of an ONNX graph while it is converted: its operands, its attributes, and where its results go.

use super::Options;
use super::extents::Extent;
use super::import::Import;
use super::proto::{AttributeProto, NodeProto};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::{Origin, ValueId};
use crate::op::{Op, Reduction, Reshape};
use crate::pass::fold::Folder;
use crate::tensor::{Data, Tensor};
use crate::types::{Dim, Shape, Type};

/// A node that is being converted.
pub(super) struct Call<'i, 'm> {
    import: &'i mut Import<'m>,
    /// The node.
    pub(super) node: &'m NodeProto,
    origin: Origin,
}

/// What converters return.
pub(super) type Done = Result<(), Diagnostic>;

impl<'i, 'm> Call<'i, 'm> {
    pub(super) fn new(import: &'i mut Import<'m>, node: &'m NodeProto, origin: Origin) -> Self {
        Call { import, node, origin }
    }

    /// Why this node cannot be converted.
    pub(super) fn refuse(&self, why: impl Into<String>) -> Diagnostic {
        Diagnostic::new("onnx-node", format!("this `{}` cannot be read", self.node.op_type))
            .because(why)
            .help("export the model in another way, or report the case")
    }

    /// Operand `i`, if it is given.
    pub(super) fn optional(&mut self, i: usize) -> Result<Option<ValueId>, Diagnostic> {
        match self.node.input.get(i).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(name) => self.import.value(name).map(Some),
        }
    }

    /// Operand `i`.
    pub(super) fn input(&mut self, i: usize) -> Result<ValueId, Diagnostic> {
        self.optional(i)?.ok_or_else(|| self.refuse(format!("it has no operand {i}")))
    }

    /// All operands.
    pub(super) fn inputs(&mut self) -> Result<Vec<ValueId>, Diagnostic> {
        (0..self.node.input.len()).map(|i| self.input(i)).collect()
    }

    /// Type of a value.
    pub(super) fn ty(&self, id: ValueId) -> Type {
        self.import.ty(id).clone()
    }

    /// The elements of operand `i`, which must be a constant.
    pub(super) fn tensor(&mut self, i: usize) -> Result<Tensor, Diagnostic> {
        let id = self.input(i)?;
        let tensor = self.import.constant(id).and_then(Constant::tensor);
        tensor.ok_or_else(|| {
            let name = &self.node.input[i];
            self.refuse(format!("its operand {i}, `{name}`, is not known before the model runs"))
                .help("bind named dimensions to numbers with --bind NAME=VALUE, or export the model with fixed shapes")
        })
    }

    /// The integers of operand `i`, which must be a constant.
    pub(super) fn ints(&mut self, i: usize) -> Result<Vec<i64>, Diagnostic> {
        let tensor = self.tensor(i)?;
        tensor.to_i64s().ok_or_else(|| self.refuse(format!("its operand {i} is not of an integer type")))
    }

    /// The integers of operand `i`, if it is given.
    pub(super) fn optional_ints(&mut self, i: usize) -> Result<Option<Vec<i64>>, Diagnostic> {
        match self.optional(i)? {
            None => Ok(None),
            Some(_) => self.ints(i).map(Some),
        }
    }

    /// The extents of operand `i`, a shape.
    pub(super) fn extents(&mut self, i: usize) -> Result<Vec<Extent>, Diagnostic> {
        let id = self.input(i)?;
        match self.import.extents(id) {
            Some(extents) => Ok(extents.clone()),
            None => Ok(self.ints(i)?.into_iter().map(Extent::Number).collect()),
        }
    }

    /// Lets a value stand for extents.
    pub(super) fn set_extents(&mut self, id: ValueId, extents: Vec<Extent>) {
        self.import.set_extents(id, extents);
    }

    /// The dimension that is known when the model runs, named after the first result.
    pub(super) fn found_dimension(&self) -> Dim {
        self.import.found(self.node.output.first().map_or("", |n| n.as_str()))
    }

    /// Operand `i`, which must be a constant, present or absent.
    pub(super) fn constant_operand(&mut self, i: usize) -> Result<Constant, Diagnostic> {
        let id = self.input(i)?;
        let constant = self.import.constant(id).cloned();
        constant.ok_or_else(|| self.refuse(format!("its operand {i} is not a constant")))
    }

    /// What tensors of attributes are read with.
    pub(super) fn sources(&mut self) -> (&'m Options, &mut Folder) {
        self.import.sources()
    }

    /// Dimensions of a value, which must be numbers.
    pub(super) fn dims(&self, id: ValueId) -> Result<Vec<usize>, Diagnostic> {
        let shape = &self.import.ty(id).shape;
        shape.fixed().ok_or_else(|| {
            let symbol = shape.symbol().unwrap_or("?");
            self.refuse(format!("it computes with the shape {shape}, in which `{symbol}` has no value"))
                .help(format!("bind it with --bind {symbol}=VALUE"))
        })
    }

    /// An attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&'m AttributeProto> {
        self.node.attribute.iter().find(|a| a.name == name)
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    /// A float attribute.
    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |a| a.f)
    }

    /// The attribute `reduction`.
    pub(super) fn reduction(&self) -> Result<Reduction, Diagnostic> {
        Ok(match self.attribute("reduction").map_or(&b"none"[..], |a| &a.s) {
            b"none" => Reduction::Replace,
            b"add" => Reduction::Add,
            b"mul" => Reduction::Mul,
            b"min" => Reduction::Min,
            b"max" => Reduction::Max,
            other => {
                return Err(self.refuse(format!("its reduction is `{}`", String::from_utf8_lossy(other))));
            }
        })
    }

    /// The axis that an integer names in a shape of `rank` axes; negative ones count from the end.
    pub(super) fn axis_of(&self, axis: i64, rank: usize) -> Result<usize, Diagnostic> {
        let wrapped = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
        let inside = wrapped.and_then(|a| usize::try_from(a).ok()).filter(|&a| a < rank);
        inside.ok_or_else(|| self.refuse(format!("the axis {axis} does not exist among {rank}")))
    }

    /// The attribute `axis` for a value.
    pub(super) fn axis(&self, id: ValueId, default: i64) -> Result<usize, Diagnostic> {
        self.axis_of(self.int("axis", default), self.import.ty(id).shape.rank())
    }

    /// Applies an operator.
    pub(super) fn emit_all(
        &mut self,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> Result<Vec<ValueId>, Diagnostic> {
        if let Some(extents) = inputs.iter().find_map(|&i| self.import.extents(i)) {
            let name = extents.iter().find_map(|e| match e {
                Extent::Name(dim) => Some(dim.to_string()),
                Extent::Number(_) => None,
            });
            return Err(self
                .refuse(format!(
                    "it computes with a shape in which `{}` has no value",
                    name.unwrap_or_default()
                ))
                .help("bind named dimensions to numbers with --bind NAME=VALUE"));
        }
        self.import.emit(op.into(), inputs, &self.origin)
    }

    /// Applies an operator; returns its first result.
    pub(super) fn emit(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, Diagnostic> {
        let results = self.emit_all(op, inputs)?;
        results.first().copied().ok_or_else(|| self.refuse("it has no result"))
    }

    /// Gives a value another shape; the same value if it has it already.
    pub(super) fn reshape(&mut self, id: ValueId, shape: Shape) -> Result<ValueId, Diagnostic> {
        if self.import.ty(id).shape == shape {
            return Ok(id);
        }
        self.emit(Reshape { shape }, &[id])
    }

    /// Adds a constant.
    pub(super) fn constant(&mut self, constant: Constant) -> ValueId {
        let name = self.node.output.first().map_or("", |n| n.as_str());
        self.import.add_constant(name, constant)
    }

    /// Adds a constant scalar of the type of another value.
    pub(super) fn scalar_like(&mut self, id: ValueId, x: f32) -> Result<ValueId, Diagnostic> {
        let dtype = self.import.ty(id).dtype;
        let tensor = Tensor::new(dtype, [], Data::Float(vec![x]));
        let tensor = tensor.ok_or_else(|| self.refuse(format!("it is not defined for {dtype}")))?;
        Ok(self.constant(tensor.to_constant()))
    }

    /// Names the only result of the node.
    pub(super) fn finish(&mut self, id: ValueId) -> Done {
        self.finish_at(0, id)
    }

    /// Names result `i` of the node, if it is wanted.
    pub(super) fn finish_at(&mut self, i: usize, id: ValueId) -> Done {
        match self.node.output.get(i).map(String::as_str) {
            None | Some("") => Ok(()),
            Some(name) => self.import.define(name, id),
        }
    }

    /// Refuses to make a constant of that many elements if it is too large.
    pub(super) fn afford(&mut self, elements: u64) -> Done {
        if self.import.afford(elements) {
            return Ok(());
        }
        Err(self.refuse(format!("it makes a constant of {elements} elements, which is too many")))
    }
}
