//! Layers with weights by name, for the graphs that configurations describe.

use crate::constant::Constant;
use crate::decoder::{Projection, Weight};
use crate::diag::Diagnostic;
use crate::front::layouts::{self, Quantisation};
use crate::front::safetensors::Tensors;
use crate::graph::{Builder, Graph, Origin, ValueId};
use crate::op::{Add, Div, Erf, LayerNorm, Linear, Mul, Op};
use crate::types::{DType, Shape, Type};

/// A graph under construction, and where its weights come from.
pub(super) struct Net<'t> {
    pub(super) b: Builder,
    pub(super) name: &'t str,
    tensors: &'t Tensors,
    quantisation: Option<&'t Quantisation>,
    /// What stands before all names of the file, for example `bert.`.
    pub(super) prefix: &'static str,
    /// Number of the layer that is being built.
    pub(super) block: Option<u32>,
}

impl<'t> Net<'t> {
    pub(super) fn new(name: &'t str, tensors: &'t Tensors, quantisation: Option<&'t Quantisation>) -> Self {
        Net { b: Builder::new(name), name, tensors, quantisation, prefix: "", block: None }
    }

    /// Drops a prefix that some writers leave out, if the tensor `name` is there without it.
    pub(super) fn prefixed(mut self, prefix: &'static str, name: &str) -> Self {
        let without = self.tensors.names().any(|n| n == name);
        self.prefix = if without { "" } else { prefix };
        self
    }

    fn origin(&self, name: &str) -> Origin {
        Origin { name: name.into(), block: self.block }
    }

    /// A tensor of floats of that shape; absent if there are no tensors.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Weight, Diagnostic> {
        let name = format!("{}{name}", self.prefix);
        let expected = Shape::of(shape);
        let constant = match self.tensors.get(&name)? {
            Some(constant) => constant.clone(),
            None if self.tensors.is_empty() => Constant::absent(Type::new(DType::F32, expected.clone())),
            None => return Err(missing(&name, "the files of weights have no such tensor")),
        };
        if constant.ty().shape != expected || !constant.ty().dtype.is_float() {
            let why = format!("it is {}, and the configuration asks for floats {expected}", constant.ty());
            return Err(missing(&name, &why));
        }
        Ok(self.weight(&name, constant))
    }

    /// The weight `[outputs, inputs]` of a linear layer, in whichever layout it is.
    pub(super) fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Weight, Diagnostic> {
        let name = format!("{}{name}", self.prefix);
        let constant = layouts::linear(self.tensors, &name, shape, self.quantisation)?;
        Ok(self.weight(&format!("{name}.weight"), constant))
    }

    /// A linear layer.
    pub(super) fn projection(
        &self,
        name: &str,
        shape: [usize; 2],
        bias: bool,
    ) -> Result<Projection, Diagnostic> {
        let bias = bias.then(|| self.tensor(&format!("{name}.bias"), &shape[..1])).transpose()?;
        Ok(Projection { weight: self.matrix(name, shape)?, bias })
    }

    fn weight(&self, name: &str, constant: Constant) -> Weight {
        Weight { constant, name: name.into(), origin: self.origin(name) }
    }

    /// Applies an operator, named after a layer of the model.
    pub(super) fn op(
        &mut self,
        name: &str,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> Result<ValueId, Diagnostic> {
        let origin = self.origin(name);
        self.b.node1(op, inputs, origin)
    }

    /// A weight as a value of f32.
    pub(super) fn value(&mut self, weight: &Weight) -> Result<ValueId, Diagnostic> {
        weight.value(&mut self.b)
    }

    /// The tensor `name` as a value of f32.
    pub(super) fn parameter(&mut self, name: &str, shape: &[usize]) -> Result<ValueId, Diagnostic> {
        let weight = self.tensor(name, shape)?;
        self.value(&weight)
    }

    /// x times the transpose of `NAME.weight` `[outputs, inputs]`, plus `NAME.bias`.
    pub(super) fn linear(
        &mut self,
        x: ValueId,
        name: &str,
        shape: [usize; 2],
        bias: bool,
    ) -> Result<ValueId, Diagnostic> {
        let weight = self.matrix(name, shape)?;
        let w = self.value(&weight)?;
        let product = self.op(name, Linear {}, &[x, w])?;
        if !bias {
            return Ok(product);
        }
        let bias = self.parameter(&format!("{name}.bias"), &shape[..1])?;
        self.op(name, Add {}, &[product, bias])
    }

    pub(super) fn layer_norm(
        &mut self,
        x: ValueId,
        name: &str,
        width: usize,
        eps: f64,
    ) -> Result<ValueId, Diagnostic> {
        let gain = self.parameter(&format!("{name}.weight"), &[width])?;
        let bias = self.parameter(&format!("{name}.bias"), &[width])?;
        self.op(name, LayerNorm { eps }, &[x, gain, bias])
    }

    /// x / 2 * (1 + erf(x / sqrt(2)))
    pub(super) fn gelu(&mut self, x: ValueId, name: &str) -> Result<ValueId, Diagnostic> {
        let mut scalar = |value: f32| {
            let bytes = value.to_le_bytes().to_vec();
            Ok::<_, Diagnostic>(self.b.constant("", Constant::new(Type::of(DType::F32, []), bytes)?))
        };
        let (root, one, half) = (scalar(2f32.sqrt())?, scalar(1.0)?, scalar(0.5)?);
        let bent = self.op(name, Div {}, &[x, root])?;
        let bent = self.op(name, Erf {}, &[bent])?;
        let bent = self.op(name, Add {}, &[bent, one])?;
        let product = self.op(name, Mul {}, &[x, bent])?;
        self.op(name, Mul {}, &[product, half])
    }

    pub(super) fn finish(self) -> Result<Graph, Diagnostic> {
        self.b.finish()
    }
}

fn missing(name: &str, why: &str) -> Diagnostic {
    Diagnostic::new("checkpoint", "a tensor of the model cannot be read")
        .because(why)
        .help("put all files of weights beside the configuration, or none for shapes only")
        .at_item(name)
}
