//! The operators: one closed table.
//!
//! To add an operator: write its struct with [`operator!`] and its [`Operator`] implementation in the file of its
//! family, and list it in the table below. Text form, verifier, folding and evaluator follow from these two.
//!
//! Invariants:
//! - an operator is pure: results depend on operands and attributes only;
//! - shapes of results follow from types and attributes, never from the elements of an operand;
//! - `infer` refuses everything that `evaluate` could not do, except faults of the data itself (an index out of
//!   range, a division of integers by zero).

pub mod attention;
pub mod attr;
pub mod broadcast;
pub mod cached;
pub mod compare;
pub mod conv;
pub mod conv_transpose;
pub mod elementwise;
pub mod grid;
pub mod group_linear;
pub mod index;
pub mod integer;
pub mod layout;
pub mod linear;
pub mod norm;
pub mod pool;
pub mod quantise;
pub mod reduce;
pub mod resample;
pub mod scatter;
pub mod window;

pub use attention::*;
pub use cached::*;
pub use compare::*;
pub use conv::Conv;
pub use conv_transpose::*;
pub use elementwise::*;
pub use grid::*;
pub use group_linear::*;
pub use index::*;
pub use integer::*;
pub use layout::*;
pub use linear::*;
pub use norm::*;
pub use pool::*;
pub use quantise::*;
pub use reduce::*;
pub use resample::*;
pub use scatter::*;
pub use window::*;

use crate::diag::Diagnostic;
use crate::pack;
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Dim, Shape, Type};
use attr::{Attr, AttrValue};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Named attributes in the order of declaration.
pub type Attrs = Vec<(&'static str, Attr)>;

/// Why an operator refuses its operands or attributes, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The rule that is broken.
    pub why: String,
    /// The remedy; may be empty.
    pub help: String,
}

impl Fault {
    /// A fault without a remedy of its own.
    pub fn new(why: impl Into<String>) -> Self {
        Fault { why: why.into(), help: String::new() }
    }

    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// The diagnostic for an application of `op` to operands of these types.
    pub fn diagnose(self, op: &Op, operands: &[Type]) -> Diagnostic {
        let types = operands.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ");
        let help = if self.help.is_empty() { format!("see the rules of `{}`", op.name()) } else { self.help };
        Diagnostic::new("op-operands", format!("`{}` cannot be applied to ({types})", op.name()))
            .because(self.why)
            .help(help)
    }
}

/// Name and attributes of an operator; implemented by [`operator!`].
pub trait Attributed: Sized {
    /// Name in the text form.
    const NAME: &'static str;
    /// Attributes in the text form.
    fn attributes(&self) -> Attrs;
    /// The operator with these attributes, each of which must be known and of the right kind.
    fn from_attributes(attrs: &[(&str, Attr)]) -> Result<Self, Fault>;
}

/// What an operator means.
pub trait Operator: Attributed {
    /// How many operands it takes.
    fn arity(&self) -> RangeInclusive<usize>;
    /// Types of the results. Called with as many operands as `arity` allows.
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault>;
    /// The results. Called with operands whose types `infer` accepts.
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault>;
}

/// Defines the struct of an operator: its name in the text form and its typed attributes.
macro_rules! operator {
    ($(#[$doc:meta])* $ty:ident $name:literal { $($(#[$fdoc:meta])* $field:ident: $fty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $ty { $($(#[$fdoc])* pub $field: $fty,)* }

        impl $crate::op::Attributed for $ty {
            const NAME: &'static str = $name;

            fn attributes(&self) -> $crate::op::Attrs {
                vec![$((stringify!($field), $crate::op::attr::AttrValue::to_attr(&self.$field)),)*]
            }

            fn from_attributes(attrs: &[(&str, $crate::op::attr::Attr)]) -> Result<Self, $crate::op::Fault> {
                $crate::op::check_names(attrs, &[$(stringify!($field)),*])?;
                Ok($ty { $($field: $crate::op::read_attribute(attrs, stringify!($field))?,)* })
            }
        }
    };
}
pub(crate) use operator;

macro_rules! operators {
    ($($variant:ident)*) => {
        /// An operator with its attributes. The table of all there are.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Op { $(
            #[doc = concat!("See [`", stringify!($variant), "`].")]
            $variant($variant),
        )* }

        impl Op {
            /// Names of all operators.
            pub const NAMES: &'static [&'static str] = &[$($variant::NAME,)*];

            /// Name in the text form.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$variant(_) => $variant::NAME,)* }
            }

            /// Attributes in the text form.
            pub fn attributes(&self) -> Attrs {
                match self { $(Op::$variant(op) => op.attributes(),)* }
            }

            /// How many operands it takes.
            pub fn arity(&self) -> RangeInclusive<usize> {
                match self { $(Op::$variant(op) => op.arity(),)* }
            }

            /// The operator of that name with these attributes; `None` if there is none of that name.
            pub fn parse(name: &str, attrs: &[(&str, Attr)]) -> Option<Result<Op, Fault>> {
                match name {
                    $($variant::NAME => Some($variant::from_attributes(attrs).map(Op::$variant)),)*
                    _ => None,
                }
            }

            fn infer_unchecked(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
                match self { $(Op::$variant(op) => op.infer(operands),)* }
            }

            fn evaluate_unrounded(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
                match self { $(Op::$variant(op) => op.evaluate(operands),)* }
            }
        }

        $(impl From<$variant> for Op {
            fn from(op: $variant) -> Op {
                Op::$variant(op)
            }
        })*
    };
}

operators! {
    // elementwise
    Neg Abs Exp Log Sqrt Reciprocal Sin Cos Tanh Sigmoid Silu Erf Relu Floor Ceil Round Sign Softplus
    Add Sub Mul Div Rem Pow Min Max
    // compare
    Equal Less LessEqual Greater GreaterEqual And Or Xor Not IsNan Where Cast
    // layout
    Reshape Transpose Slice Concat Expand Gather
    // window
    Windows
    // scatter
    ScatterNd ScatterElements Trilu
    // index
    TopK NonZero GatherElements CumSum
    // reduce
    ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd Softmax
    // linear
    MatMul Linear
    // conv, conv_transpose
    Conv ConvTranspose
    // pool, resample
    MaxPool AveragePool Resample
    // grid
    Dequantise QuantiseTo
    // norm
    RmsNorm LayerNorm
    // attention
    Rope Attention
    // integer
    IntEmbed IntRmsNorm IntLayerNorm AddSaturate IntPoint
    // quantise, group_linear
    Quantise GroupLinear
    // cached
    IntRope CachedScores FoldedSoftmax CachedValues
}

impl Op {
    /// Types of the results.
    pub fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let arity = self.arity();
        if !arity.contains(&operands.len()) {
            let (low, high) = (arity.start(), arity.end());
            let takes = if low == high { format!("{low}") } else { format!("{low} or more") };
            return Err(Fault::new(format!("it takes {takes} operands, not {}", operands.len())));
        }
        self.infer_unchecked(operands)
    }

    /// The operator with the named dimensions of its attributes replaced by numbers, where these are known.
    pub fn bind(&self, numbers: &HashMap<Arc<str>, u64>) -> Op {
        let number = |dim: &Dim| match dim {
            Dim::Symbol(name) => numbers.get(name).map_or_else(|| dim.clone(), |&n| Dim::Static(n)),
            Dim::Static(_) => dim.clone(),
        };
        let bound = |(name, attr): &(&'static str, Attr)| match attr {
            Attr::Shape(shape) => (*name, Shape(shape.0.iter().map(number).collect()).to_attr()),
            other => (*name, other.clone()),
        };
        let attrs: Vec<(&str, Attr)> = self.attributes().iter().map(bound).collect();
        Op::parse(self.name(), &attrs).and_then(Result::ok).unwrap_or_else(|| self.clone())
    }

    /// Whether the operator is computed before the graph runs if its operands are constants. Codes of weights are not
    /// turned into the floats that they stand for.
    pub fn folds(&self) -> bool {
        !matches!(self, Op::Dequantise(_))
    }

    /// The results, each rounded to its type.
    pub fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        Ok(self.evaluate_unrounded(operands)?.into_iter().map(round_to_type).collect())
    }
}

fn round_to_type(tensor: Tensor) -> Tensor {
    let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
    let round: fn(f32) -> f32 = match dtype {
        DType::F16 => |x| pack::from_f16(pack::to_f16(x)),
        DType::Bf16 => |x| pack::from_bf16(pack::to_bf16(x)),
        _ => return tensor,
    };
    let rounded = tensor.floats().iter().map(|&x| round(x)).collect();
    Tensor::new(dtype, shape, Data::Float(rounded)).unwrap_or(tensor)
}

/// Refuses attributes that the operator does not have or that occur twice.
fn check_names(attrs: &[(&str, Attr)], known: &[&str]) -> Result<(), Fault> {
    for (i, (name, _)) in attrs.iter().enumerate() {
        if !known.contains(name) {
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(
                Fault::new(format!("it has no attribute `{name}`")).help(format!("its attributes: {known}"))
            );
        }
        if attrs[..i].iter().any(|(other, _)| other == name) {
            return Err(Fault::new(format!("the attribute `{name}` is given twice")).help("remove one"));
        }
    }
    Ok(())
}

fn read_attribute<T: attr::AttrValue>(attrs: &[(&str, Attr)], name: &str) -> Result<T, Fault> {
    let attr = attrs.iter().find(|(n, _)| *n == name);
    let (_, attr) =
        attr.ok_or_else(|| Fault::new(format!("the attribute `{name}` is missing")).help("add it"))?;
    T::from_attr(attr).ok_or_else(|| {
        Fault::new(format!("the attribute `{name}` is of the wrong kind or out of range"))
            .help("see its documentation")
    })
}

/// A tensor that an operator computed; a mismatch of shape and data is a fault, not a panic.
pub(crate) fn result(dtype: DType, shape: impl Into<Vec<usize>>, data: Data) -> Result<Vec<Tensor>, Fault> {
    match Tensor::new(dtype, shape, data) {
        Some(tensor) => Ok(vec![tensor]),
        None => {
            Err(Fault::new("the computed data does not fit the shape")
                .help("this is an error of the operator"))
        }
    }
}

/// Refuses operands that are not all of one floating-point type, and returns that type.
pub(crate) fn one_float(operands: &[Type]) -> Result<DType, Fault> {
    let dtype = operands.first().map_or(DType::F32, |t| t.dtype);
    if dtype.is_float() && operands.iter().all(|t| t.dtype == dtype) {
        return Ok(dtype);
    }
    Err(Fault::new("all operands are of one floating-point type").help("insert `cast`"))
}

/// Refuses a shape of another rank.
pub(crate) fn rank(ty: &Type, rank: usize, operand: &str) -> Result<(), Fault> {
    if ty.shape.rank() == rank {
        return Ok(());
    }
    Err(Fault::new(format!("{operand} has {rank} axes, not {}", ty.shape.rank())).help("insert `reshape`"))
}

/// Refuses an axis that the shape does not have.
pub(crate) fn axis(shape: &Shape, axis: usize) -> Result<(), Fault> {
    if axis < shape.rank() {
        return Ok(());
    }
    Err(Fault::new(format!("the axis {axis} does not exist in {shape}"))
        .help("count axes from 0, outermost first"))
}

/// Splits a shape at an axis: product of the outer dimensions, the axis, product of the inner dimensions.
pub(crate) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

#[cfg(test)]
mod maps_tests;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kebab() {
        let mut names = Op::NAMES.to_vec();
        assert!(
            names.iter().all(|n| n.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
        );
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Op::NAMES.len());
    }
}
