//! How each ONNX operator is expressed in ours: one table, one file per family.
//!
//! A converter reads its node through a [`Call`] and names the results with `finish`. To support another operator, list
//! it here and write its converter in the file of its family.

mod arithmetic;
mod attention;
mod constants;
mod maps;
mod movement;
mod networks;
mod norms;
mod quantised;
mod resize;
mod selection;

use super::call::{Call, Done};
use crate::op::*;

/// Converts one node.
pub(super) type Converter = fn(&mut Call<'_, '_>) -> Done;

macro_rules! converters {
    ($($name:literal => $converter:expr,)*) => {
        /// Names of the operators that are supported, in the order of the table.
        pub(super) const NAMES: &[&str] = &[$($name,)*];

        /// The converter of an ONNX operator, if it is supported.
        pub(super) fn converter(op_type: &str) -> Option<Converter> {
            Some(match op_type {
                $($name => $converter,)*
                _ => return None,
            })
        }
    };
}

converters! {
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
    "Mod" => arithmetic::modulo,
    "Sum" => |c| arithmetic::fold_left(c, Add {}),
    "Mean" => arithmetic::mean,
    "Floor" => |c| arithmetic::apply(c, Floor {}),
    "Ceil" => |c| arithmetic::apply(c, Ceil {}),
    "Round" => |c| arithmetic::apply(c, Round {}),
    "Sign" => |c| arithmetic::apply(c, Sign {}),
    "Softplus" => |c| arithmetic::apply(c, Softplus {}),
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
    "Xor" => |c| arithmetic::apply(c, Xor {}),
    "IsNaN" => |c| arithmetic::apply(c, IsNan {}),
    "Where" => |c| arithmetic::apply(c, Where {}),
    "Cast" => arithmetic::cast,
    "CastLike" => arithmetic::cast_like,
    "Clip" => arithmetic::clip,
    "Identity" => arithmetic::identity,
    "Dropout" => arithmetic::dropout,

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

    "TopK" => selection::top_k,
    "NonZero" => selection::non_zero,
    "OneHot" => selection::one_hot,
    "GatherElements" => selection::gather_elements,
    "ScatterElements" => selection::scatter_elements,
    "CumSum" => selection::cum_sum,
    "Tile" => selection::tile,

    "MatMul" => networks::mat_mul,
    "Gemm" => networks::gemm,
    "Softmax" => networks::softmax,
    "LogSoftmax" => networks::log_softmax,
    "ReduceMean" => |c| networks::reduce(c, |axes, keep| ReduceMean { axes, keep }.into()),
    "ReduceSum" => |c| networks::reduce(c, |axes, keep| ReduceSum { axes, keep }.into()),
    "ReduceMax" => |c| networks::reduce(c, |axes, keep| ReduceMax { axes, keep }.into()),
    "ReduceMin" => |c| networks::reduce(c, |axes, keep| ReduceMin { axes, keep }.into()),
    "ReduceProd" => |c| networks::reduce(c, |axes, keep| ReduceProd { axes, keep }.into()),
    "ReduceL2" => |c| networks::reduce_squares(c, true),
    "ReduceSumSquare" => |c| networks::reduce_squares(c, false),
    "Gelu" => networks::gelu,
    "BiasGelu" => networks::gelu,
    "FastGelu" => networks::fast_gelu,
    "QuickGelu" => |c| networks::swish(c, 1.702),
    "Swish" => |c| networks::swish(c, 1.0),
    "HardSigmoid" => networks::hard_sigmoid,
    "HardSwish" => networks::hard_swish,

    "Conv" => maps::conv,
    "ConvTranspose" => maps::conv_transpose,
    "MaxPool" => maps::max_pool,
    "AveragePool" => maps::average_pool,
    "GlobalMaxPool" => |c| maps::global_pool(c, true),
    "GlobalAveragePool" => |c| maps::global_pool(c, false),
    "BatchNormalization" => maps::batch_norm,
    "DepthToSpace" => maps::depth_to_space,
    "SpaceToDepth" => maps::space_to_depth,
    "Pad" => maps::pad,
    "Resize" => resize::resize,

    "LayerNormalization" => norms::layer_norm,
    "RMSNormalization" => norms::rms_norm,
    "SimplifiedLayerNormalization" => norms::rms_norm,
    "SkipLayerNormalization" => |c| norms::skip_norm(c, false),
    "SkipSimplifiedLayerNormalization" => |c| norms::skip_norm(c, true),

    "Attention" => attention::attention,
    "RotaryEmbedding" => attention::rotary_embedding,
    "GroupQueryAttention" => attention::group_query_attention,

    "DequantizeLinear" => quantised::dequantize_linear,
    "QuantizeLinear" => quantised::quantize_linear,
    "DynamicQuantizeLinear" => quantised::dynamic_quantize_linear,
    "QLinearConv" => quantised::qlinear_conv,
    "QLinearMatMul" => quantised::qlinear_mat_mul,
    "QLinearAdd" => quantised::qlinear_add,
    "MatMulNBits" => quantised::mat_mul_n_bits,
}
