//! Exact numbers: every arithmetic function that the hardware performs, defined once.
//!
//! The evaluator and the functional simulator call these functions and the RTL is their twin: all three agree on every
//! bit. The contract is `docs/machine.md`, section 3. Every function is total: no input panics.
//!
//! | here | RTL twin | what |
//! |---|---|---|
//! | [`rshr`], [`sat32`] | `tw_round` | round half up, saturate |
//! | [`norm16`] | `tw_norm16` | largest magnitude or sum to mantissa and exponent |
//! | [`recip`], [`rsqrt`], [`softmax_slot`], [`mean`], [`sum`] | `tw_scalar`, `tw_divide` | once per vector |
//! | [`exp2n`], [`sin`], [`cos`], [`sigmoid`], [`phi`], [`phi_tanh`], [`hard_sigmoid`], [`log2`] | `tw_vfun` | once per element |
//! | [`quantise`], [`copy`], [`Point`], [`exp`], [`softplus`], [`reciprocal`], [`log_np`], [`add`], [`mul`], [`softmax_value`], [`saturating_code`] | `tw_vlane` | once per element |
//! | [`rms_norm`], [`layer_norm`], [`rope`], [`rope_pairs`], [`softmax`], [`quantise_vector`], [`requantise`] | `tw_vector` | whole vectors: passes over `tw_vlane`, reductions |
//! | [`top_k`] | `tw_vreduce` | rounds over `tw_vector` |
//! | [`weight_level`], [`signed_code`] | `tw_weight_decode` | operand decoding |
//! | [`dot`] | `tw_dot` | exact group sum |
//! | [`accumulate`], [`wrap`] | `tw_acc` | group scale, accumulator |
//! | [`epilogue`], [`residual`] | `tw_epilogue` | channel and token scale, rounding, residual |
//! | [`affine_code`], [`affine_vector`] | none yet | zero points: evaluator only |
//! | [`tables`] | `tw_rom_*`, `tw_interp` | correctly rounded points, lines between them |
//!
//! Fixed-point words are `i32` with [`FRACTION_BITS`] fractional bits unless a type says otherwise.

mod affine;
mod basic;
pub mod error;
mod function;
mod gemm;
mod point;
mod reduce;
mod scale;
#[rustfmt::skip]
pub mod tables;
mod vector;

pub use affine::{affine_code, affine_vector, requantise, saturating_code};
pub use basic::{FRACTION_BITS, bit_length, max_abs, rshr, sat32};
pub use function::{
    cos, exp, exp2n, hard_sigmoid, log_np, log2, phi, phi_tanh, recip, reciprocal, rsqrt, sigmoid, sin,
    softplus,
};
pub use gemm::{accumulate, dot, epilogue, residual, signed_code, weight_level, wrap};
pub use point::{Point, add, mul};
pub use reduce::{mean, sum, top_k};
pub use scale::{Scale, norm16};
pub use vector::{
    NORM_BIAS_BITS, copy, copy_vector, layer_norm, quantise, quantise_vector, rms_norm, rope, rope_pairs,
    softmax, softmax_slot, softmax_value,
};
