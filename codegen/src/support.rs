//! What the machine's modes can do of a scheme. Everything else is refused by name; the integer evaluator runs it all.

use ir::diag::Diagnostic;
use ir::op::{Code, GroupLinear};
use ir::quant::scheme::{ScaleSource, Sparsity, WeightScheme};
use ir::quant::{QuantDecoder, QuantLinear, Scheme};
use ir::types::DType;

/// Levels of the 2-bit codes of mode `w2`.
const W2_LEVELS: &[i32] = &[-3, -1, 1, 3];

/// Refuses a scheme that no machine of this version computes with.
///
/// # Errors
/// The first class of tensors that is stored otherwise, and what would work instead.
pub fn scheme(scheme: &Scheme) -> Result<(), Diagnostic> {
    Form::of(&scheme.weights).check("weights")?;
    Form::of(scheme.lm_head()).check("lm_head")?;
    if scheme.lm_head().group != scheme.weights.group {
        return Err(refused("lm_head.group", "two sizes of groups", W2));
    }
    if scheme.activations.scale != ScaleSource::RunTime {
        let why = "the vector engine finds the scale of every token at run time";
        return Err(refused("activations.scale", "fixed scales of activations", why));
    }
    let signed = "the vector engine writes signed codes: 8 bits for operands, 4 for the cache";
    let kinds = [
        ("activations", "activations", scheme.activation_code(), 8),
        ("attention", "queries and probabilities", scheme.attention_code(), 8),
        ("kv_cache", "keys and values", scheme.cache_code(), 4),
    ];
    for (class, what, code, bits) in kinds {
        if !code.symmetric {
            return Err(refused(&format!("{class}.symmetric"), &format!("zero points of {what}"), signed));
        }
        if code.bits != bits {
            return Err(refused(&format!("{class}.bits"), &format!("{what} of {} bits", code.bits), signed));
        }
    }
    if scheme.embedding.bits != 16 {
        let what = format!("an embedding of {} bits", scheme.embedding.bits);
        return Err(refused("embedding.bits", &what, "the vector engine reads tables of 16 bits"));
    }
    Ok(())
}

/// Refuses a decoder that no machine of this version computes.
///
/// # Errors
/// As [`scheme`]; or a layer whose weights are not stored as the scheme says.
pub fn decoder(decoder: &QuantDecoder) -> Result<(), Diagnostic> {
    scheme(&decoder.scheme)?;
    for linear in decoder.linears() {
        Form::of_layer(linear).check(&linear.name)?;
        if Some(linear.group) != decoder.scheme.weights.group {
            return Err(refused(&linear.name, "two sizes of groups", W2));
        }
    }
    Ok(())
}

/// Bits of an accumulator that holds every sum of a linear layer of so many inputs.
pub fn accumulator_bits(inputs: u32) -> u32 {
    let op = GroupLinear { group: 1, shift: 0, levels: W2_LEVELS.to_vec(), sparse: false };
    op.accumulator_bits(inputs as usize, Code { bits: 8, symmetric: true }, DType::U2)
}

const W2: &str =
    "the matrix engine multiplies 2-bit weights of the levels -3, -1, 1, 3, dense, in groups of one size";

/// How weights are stored.
struct Form<'a> {
    dtype: DType,
    levels: &'a [i32],
    zeros: bool,
    sparse: bool,
    grouped: bool,
}

impl Form<'_> {
    fn of(scheme: &WeightScheme) -> Form<'_> {
        Form {
            dtype: scheme.dtype(),
            levels: &scheme.levels,
            zeros: !scheme.symmetric,
            sparse: scheme.sparsity == Sparsity::TwoOfFour,
            grouped: scheme.group.is_some(),
        }
    }

    fn of_layer(linear: &QuantLinear) -> Form<'_> {
        Form {
            dtype: linear.codes.ty().dtype,
            levels: &linear.levels,
            zeros: linear.zeros.is_some(),
            sparse: linear.positions.is_some(),
            grouped: true,
        }
    }

    fn check(&self, at: &str) -> Result<(), Diagnostic> {
        let what = match self {
            Form { sparse: true, .. } => "2:4 pruned weights".to_string(),
            Form { dtype, .. } if dtype.bits() != 2 => format!("{}-bit weights", dtype.bits()),
            Form { zeros: true, .. } => "zero points of weights".to_string(),
            Form { levels: [], .. } => "weights that are their own levels".to_string(),
            Form { levels, .. } if *levels != W2_LEVELS => format!("the levels {levels:?}"),
            Form { grouped: false, .. } => "weights without groups".to_string(),
            _ => return Ok(()),
        };
        Err(refused(at, &what, W2))
    }
}

fn refused(at: &str, what: &str, why: &str) -> Diagnostic {
    Diagnostic::new("scheme-unsupported", format!("no machine computes with {what}"))
        .at_item(at)
        .because(why)
        .help("use `--scheme w2a8kv4`; `tilewright eval` measures how well a model does under any scheme")
}
