//! How each ONNX operator is expressed in ours: one table, one file per family.
//!
//! A converter reads its node through a [`Call`] and names the results with `finish`. To support another operator, list
//! it here and write its converter in the file of its family.

mod arithmetic;
mod constants;
mod movement;
mod networks;

use super::call::{Call, Done};
use crate::op::*;

/// Converts one node.
pub(super) type Converter = fn(&mut Call<'_, '_>) -> Done;

/// The converter of an ONNX operator, if it is supported.
pub(super) fn converter(op_type: &str) -> Option<Converter> {
    Some(match op_type {
        "Constant" => constants::constant,
        "ConstantOfShape" => constants::constant_of_shape,
        "Shape" => constants::shape,
        "Size" => constants::size,
        "Range" => constants::range,

        "Neg" => |c| arithmetic::apply(c, Neg {}),
        "Abs" => |c| arithmetic::apply(c, Abs {}),
        "Exp" => |c| arithmetic::apply(c, Exp {}),
        "Log" => |c| arithmetic::apply(c, Log {}),
        "Sqrt" => |c| arithmetic::apply(c, Sqrt {}),
        "Reciprocal" => |c| arithmetic::apply(c, Reciprocal {}),
        "Sin" => |c| arithmetic::apply(c, Sin {}),
        "Cos" => |c| arithmetic::apply(c, Cos {}),
        "Tanh" => |c| arithmetic::apply(c, Tanh {}),
        "Sigmoid" => |c| arithmetic::apply(c, Sigmoid {}),
        "Erf" => |c| arithmetic::apply(c, Erf {}),
        "Relu" => |c| arithmetic::apply(c, Relu {}),
        "Not" => |c| arithmetic::apply(c, Not {}),
        "Add" => |c| arithmetic::apply(c, Add {}),
        "Sub" => |c| arithmetic::apply(c, Sub {}),
        "Mul" => |c| arithmetic::apply(c, Mul {}),
        "Div" => |c| arithmetic::apply(c, Div {}),
        "Pow" => arithmetic::pow,
        "Min" => |c| arithmetic::fold_left(c, Min {}),
        "Max" => |c| arithmetic::fold_left(c, Max {}),
        "Equal" => |c| arithmetic::apply(c, Equal {}),
        "Less" => |c| arithmetic::apply(c, Less {}),
        "LessOrEqual" => |c| arithmetic::apply(c, LessEqual {}),
        "Greater" => |c| arithmetic::apply(c, Greater {}),
        "GreaterOrEqual" => |c| arithmetic::apply(c, GreaterEqual {}),
        "And" => |c| arithmetic::apply(c, And {}),
        "Or" => |c| arithmetic::apply(c, Or {}),
        "Where" => |c| arithmetic::apply(c, Where {}),
        "Cast" => arithmetic::cast,
        "Clip" => arithmetic::clip,
        "Identity" | "Dropout" => arithmetic::identity,

        "Reshape" => movement::reshape,
        "Flatten" => movement::flatten,
        "Squeeze" => movement::squeeze,
        "Unsqueeze" => movement::unsqueeze,
        "Transpose" => movement::transpose,
        "Slice" => movement::slice,
        "Split" => movement::split,
        "Concat" => movement::concat,
        "Expand" => movement::expand,
        "Gather" => movement::gather,
        "ScatterND" => movement::scatter_nd,
        "Trilu" => movement::trilu,

        "MatMul" => networks::mat_mul,
        "Gemm" => networks::gemm,
        "Softmax" => networks::softmax,
        "ReduceMean" => |c| networks::reduce(c, |axes, keep| ReduceMean { axes, keep }.into()),
        "ReduceSum" => |c| networks::reduce(c, |axes, keep| ReduceSum { axes, keep }.into()),
        "ReduceMax" => |c| networks::reduce(c, |axes, keep| ReduceMax { axes, keep }.into()),
        "ReduceMin" => |c| networks::reduce(c, |axes, keep| ReduceMin { axes, keep }.into()),
        "RMSNormalization" | "SimplifiedLayerNormalization" => networks::rms_norm,
        "Gelu" => networks::gelu,
        _ => return None,
    })
}
