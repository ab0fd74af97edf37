//! What machines can do of a scheme. Everything else is refused by name; the integer evaluator runs it all.

use crate::model::{Linear, Model, Widths};
use hw::{Function, Machine, Mode};
use ir::decoder::{Activation, NormKind};
use ir::diag::Diagnostic;
use ir::op::{Code, GroupLinear};
use ir::quant::scheme::{Sparsity, WeightScheme};
use ir::quant::{QuantDecoder, QuantLinear, Scheme};
use ir::types::DType;

/// Levels of the 2-bit codes of mode `w2`, and what signed 2-bit codes can stand for.
const ODD: &[i32] = &[-3, -1, 1, 3];
const SIGNED: std::ops::RangeInclusive<i32> = -2..=1;

/// How the tensors of a scheme are stored, or why no machine of this version computes with it. With `widen`, weights that no mode
/// is made for are stored in the narrowest that holds them.
///
/// # Errors
/// The first class of tensors that no machine computes with, and what would work instead.
pub fn widths(scheme: &Scheme, widen: bool) -> Result<Widths, Diagnostic> {
    let form = Form::of(&scheme.weights);
    let weights = form.mode("weights", widen)?;
    let head = Form::of(scheme.lm_head()).mode("lm_head", widen)?;
    if (head, scheme.lm_head().group) != (weights, scheme.weights.group) {
        let why = "one loop body of instructions loads weights ahead for the next layer, or for the projection to logits";
        return Err(refused(
            "lm_head",
            "a projection to logits that is stored otherwise than the layers",
            why,
        ));
    }
    let kinds = [
        ("activations", "activations", scheme.activation_code()),
        ("attention", "queries and probabilities", scheme.attention_code()),
        ("kv_cache", "keys and values", scheme.cache_code()),
    ];
    for (class, what, code) in kinds {
        let signed = "the vector engine writes signed codes of 4 or 8 bits";
        if !code.symmetric {
            return Err(refused(&format!("{class}.symmetric"), &format!("zero points of {what}"), signed));
        }
        if code.bits != 4 && code.bits != 8 {
            return Err(refused(&format!("{class}.bits"), &format!("{what} of {} bits", code.bits), signed));
        }
    }
    if scheme.embedding.bits != 16 {
        let what = format!("an embedding of {} bits", scheme.embedding.bits);
        return Err(refused("embedding.bits", &what, "the vector engine reads tables of 16 bits"));
    }
    let group = scheme.weights.group.map(|group| u32::try_from(group).unwrap_or(u32::MAX));
    let [activations, attention, cache] = kinds.map(|(_, _, code)| code.bits);
    let wider = (widen && !weights.pruned()).then(|| form.range());
    let shared = u32::try_from(scheme.weights.shared).unwrap_or(1);
    Ok(Widths { weights, wider, shared, group, activations, attention, cache })
}

/// Refuses a decoder that no machine of this version computes.
///
/// # Errors
/// As [`widths`]; or a layer whose weights are not stored as the scheme says.
pub fn decoder(decoder: &QuantDecoder, widen: bool) -> Result<(), Diagnostic> {
    let widths = widths(&decoder.scheme, widen)?;
    for linear in decoder.linears() {
        if linear.order.is_some() {
            return Err(refused(&linear.name, "inputs that are grouped in an order of their own", MODES));
        }
        let mode = Form::of_layer(linear).mode(&linear.name, widen)?;
        if mode != widths.weights || decoder.scheme.weights.group.is_some_and(|group| group != linear.group) {
            return Err(refused(&linear.name, "two ways to store weights", MODES));
        }
    }
    Ok(())
}

/// The modes in which a machine stores a model: those of its tensors, or wider ones where that is allowed.
///
/// # Errors
/// A mode is missing: names it, what needs it, and the modes that are there.
pub fn modes(model: &Model, machine: &Machine) -> Result<Widths, Diagnostic> {
    let there = |mode: &Mode| machine.matrix.modes.contains(mode);
    let wider = model.widths.wider.and_then(|range| WIDER.into_iter().find(|m| there(m) && holds(*m, range)));
    let weights = wider.filter(|_| !there(&model.widths.weights)).unwrap_or(model.widths.weights);
    let w = Widths { weights, ..model.widths };
    let needs = [("weights", w.weights), ("cached keys", w.keys()), ("cached values", w.values())];
    let Some((what, mode)) = needs.into_iter().find(|(_, mode)| !there(mode)) else { return Ok(w) };
    let help = if what == "weights" && w.wider.is_none() && !mode.pruned() && WIDER.iter().any(there) {
        "store the weights in a wider mode with `--widen`, choose a scheme that fits, or add the mode to the machine file"
    } else if mode.pruned() && !machine.matrix.multipliers.prune() {
        "choose a scheme without 2:4 pruning, or a machine of other multipliers than quads, which can have the mode"
    } else if mode.pruned() && machine.matrix.lanes % 2 != 0 {
        "choose a scheme without 2:4 pruning, or a machine with the mode, whose matrix.lanes are even"
    } else {
        "choose a scheme that fits them, or add the mode to the machine file"
    };
    let names: Vec<&str> = machine.matrix.modes.iter().map(|m| m.name()).collect();
    Err(Diagnostic::new("mode-missing", format!("this machine has no mode {} for {what}", mode.name()))
        .at_item("matrix.modes")
        .because(format!("its matrix engine has the modes {}", names.join(", ")))
        .help(help))
}

/// The vector function of an MLP.
///
/// # Errors
/// The function is not one of the vector engine, or not times the other factor.
pub fn activation(of: Activation) -> Result<Function, Diagnostic> {
    let name = of.function.name();
    let found = Function::ALL.iter().find(|f| f.point() == Some(of.function));
    let found = found.ok_or_else(|| Diagnostic::internal(format!("no vector function computes {name}")))?;
    if of.gated && !found.takes_gate() {
        return Err(Diagnostic::new(
            "activation-gated",
            format!("no machine has {name} times a second factor"),
        )
        .because("the vector engine multiplies results of other functions; of this one it adds or squares")
        .help("use a network whose MLP applies it to one projection"));
    }
    Ok(*found)
}

/// Functions of the vector engine that a model needs, and what for.
fn needed(model: &Model) -> Vec<(Function, &'static str)> {
    let kind = &model.kind;
    let mut all = vec![
        (Function::Copy, "embeddings and codes"),
        (kind.norm_function(), "norms"),
        (Function::Softmax, "attention"),
        (kind.activation, "the activation of the feed-forward part"),
    ];
    if kind.pooled {
        all.push((Function::Tanh, "the pooling layer"));
    }
    if !model.scales.is_empty() {
        all.push((Function::Requantise, "fixed scales of activations"));
    }
    if kind.learned.is_none() {
        all.push((Function::Rope, "rotary embeddings"));
    }
    if kind.learned.is_some() || kind.biases.contains(&true) {
        all.push((Function::Add, "biases and learned positions"));
    }
    all
}

/// Refuses a machine that lacks a vector function which the model needs, or whose rows do not suit it.
///
/// # Errors
/// Names the function, what needs it, and the functions that are there.
pub fn functions(model: &Model, machine: &Machine) -> Result<(), Diagnostic> {
    if !machine.slices.alone() && !model.stem.is_empty() {
        let title = format!("convolutions are not compiled for machines of {} slices", machine.slices.count);
        return Err(Diagnostic::new("slices-unplanned", title)
            .at_item("slices.count")
            .because("windows of frames lie one behind the other, and slices would share each of them")
            .help("choose a machine without `slices`"));
    }
    let (there, lanes) = (&machine.vector.functions, machine.matrix.lanes);
    let group = model.widths.group.unwrap_or(lanes);
    let (slices, outputs) = (machine.slices.count, machine.matrix.outputs);
    if model.kind.norm == NormKind::Layer && !machine.slices.alone() && model.hidden % (slices * outputs) != 0
    {
        let title = format!("{slices} slices do not share layer norms of {} elements", model.hidden);
        return Err(Diagnostic::new("rows-padded", title)
            .at_item("slices.count")
            .because(format!(
                "each slice has whole output tiles of {outputs}, and padding would count as elements"
            ))
            .help("choose a machine whose slices times outputs divide the model's width"));
    }
    if model.kind.norm == NormKind::Layer && group % lanes != 0 {
        return Err(Diagnostic::new("rows-padded", "this machine has no layer norm of padded rows")
            .at_item("matrix.lanes")
            .because(format!("groups of {group} weights fill no whole rows of {lanes} lanes, and padding would count as elements"))
            .help("choose a scheme without groups, or a machine whose lanes divide the group"));
    }
    let needed = needed(model);
    let Some((missing, what)) = needed.iter().find(|(f, _)| !there.contains(f)) else { return Ok(()) };
    let names: Vec<&str> = there.iter().map(|f| f.name()).collect();
    let why = format!("its vector engine has the functions {}", names.join(", "));
    let title = format!("this machine has no function {} for {what}", missing.name());
    Err(Diagnostic::new("function-missing", title)
        .at_item("vector.functions")
        .because(why)
        .help("add the function to the machine file"))
}

/// Bits of an accumulator that holds every sum of a linear layer.
pub fn accumulator_bits(model: &Model, linear: Linear) -> u32 {
    let (levels, dtype) = match model.widths.weights {
        Mode::W2 | Mode::W2P => (ODD.to_vec(), DType::U2),
        Mode::S2 | Mode::S2P => (vec![], DType::I2),
        Mode::W4 | Mode::V4 => (vec![], DType::I4),
        Mode::W8 | Mode::V8 => (vec![], DType::I8),
    };
    let op = GroupLinear { group: 1, shift: 0, levels, sparse: model.widths.weights.pruned() };
    let code = Code { bits: model.widths.activations, symmetric: true };
    op.accumulator_bits(model.inputs(linear) as usize, code, dtype, DType::U8)
}

const MODES: &str = "the matrix engine multiplies 2-bit weights of the levels -3, -1, 1, 3 or -2 to 1, all of them or 2:4 pruned, \
                     and signed 4-bit and 8-bit ones, all of them; all layers alike";

/// How weights are stored.
struct Form<'a> {
    dtype: DType,
    levels: &'a [i32],
    zeros: bool,
    sparse: bool,
    scales: DType,
}

/// Modes whose weights are integers, the narrowest first.
const WIDER: [Mode; 3] = [Mode::S2, Mode::W4, Mode::W8];

/// Whether a mode of integers has all numbers of a range.
fn holds(mode: Mode, (low, high): (i32, i32)) -> bool {
    let half = 1 << (mode.bits() - 1);
    -half <= low && high < half
}

impl Form<'_> {
    /// The least and the largest weight.
    fn range(&self) -> (i32, i32) {
        let ends = (self.levels.iter().min(), self.levels.iter().max());
        let most = self.dtype.range().map_or(i32::MAX, |(_, high)| high as i32);
        match (ends, self.dtype.range()) {
            ((Some(&low), Some(&high)), _) => (low, high),
            (_, Some(_)) if self.zeros => (-most, most),
            (_, Some((low, high))) => (low as i32, high as i32),
            (_, None) => (i32::MIN, i32::MAX),
        }
    }
    fn of(scheme: &WeightScheme) -> Form<'_> {
        Form {
            dtype: scheme.dtype(),
            levels: &scheme.levels,
            zeros: !scheme.symmetric,
            sparse: scheme.sparsity == Sparsity::TwoOfFour,
            scales: scheme.scale_dtype(),
        }
    }

    fn of_layer(linear: &QuantLinear) -> Form<'_> {
        Form {
            dtype: linear.codes.ty().dtype,
            levels: &linear.levels,
            zeros: linear.zeros.is_some(),
            sparse: linear.positions.is_some(),
            scales: linear.groups.ty().dtype,
        }
    }

    /// The operand mode of such weights; with `widen`, of what is made for none the narrowest that holds it.
    fn mode(&self, at: &str, widen: bool) -> Result<Mode, Diagnostic> {
        let plain = widen && !self.sparse && self.scales == DType::U8;
        match self.native(at) {
            Ok(mode) => Ok(mode),
            Err(error) => {
                let wider = WIDER.into_iter().find(|&mode| plain && holds(mode, self.range()));
                wider.ok_or(error)
            }
        }
    }

    /// The operand mode that is made for such weights.
    fn native(&self, at: &str) -> Result<Mode, Diagnostic> {
        let dense = self.dense(at)?;
        match dense.kept() {
            _ if !self.sparse => Ok(dense),
            Some(mode) => Ok(mode),
            None => Err(refused(at, &format!("2:4 pruned weights of {} bits", dense.bits()), MODES)),
        }
    }

    /// The same, whether or not they are pruned.
    fn dense(&self, at: &str) -> Result<Mode, Diagnostic> {
        let what = match self {
            Form { zeros: true, .. } => "zero points of weights".to_string(),
            Form { scales, .. } if *scales != DType::U8 => format!("group scales of {} bits", scales.bits()),
            Form { dtype, levels: [], .. } if dtype.bits() == 2 => return Ok(Mode::S2),
            Form { dtype, levels: [], .. } if dtype.bits() == 4 => return Ok(Mode::W4),
            Form { dtype, levels: [], .. } if dtype.bits() == 8 => return Ok(Mode::W8),
            Form { dtype, levels, .. } if dtype.bits() == 2 && *levels == ODD => return Ok(Mode::W2),
            Form { dtype, levels, .. } if dtype.bits() == 2 && levels.iter().all(|l| SIGNED.contains(l)) => {
                return Ok(Mode::S2);
            }
            Form { levels, .. } if !levels.is_empty() => format!("the levels {levels:?}"),
            Form { dtype, .. } => format!("{}-bit weights", dtype.bits()),
        };
        Err(refused(at, &what, MODES))
    }
}

fn refused(at: &str, what: &str, why: &str) -> Diagnostic {
    Diagnostic::new("scheme-unsupported", format!("no machine computes with {what}"))
        .at_item(at)
        .because(why)
        .help(
            "use `--scheme w2a8kv4`, `w2s24a8kv4`, `w4a8`, `w4a4` or `w8a8`; `--widen` stores other weights of bytes or less in a wider mode; `tilewright eval` measures how well a model does under any scheme",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::num::Point;

    #[test]
    fn a_machine_without_a_function_is_refused_by_its_name() {
        let mut machine = hw::presets::load("tiny").unwrap();
        let model = crate::model::tests::small();
        functions(&model, &machine).unwrap();
        machine.vector.functions.retain(|f| *f != Function::Softmax);
        let refused = functions(&model, &machine).unwrap_err();
        assert_eq!(refused.code, "function-missing");
        assert!(refused.render().contains("no function softmax for attention"), "{}", refused.render());
    }

    #[test]
    fn a_function_that_is_never_gated_is_refused_in_a_gated_mlp() {
        for (function, gated) in [(Point::Exp, true), (Point::Reciprocal, true), (Point::Softplus, false)] {
            assert_eq!(activation(Activation { function, gated }).unwrap().point(), Some(function));
        }
        let refused = activation(Activation { function: Point::Softplus, gated: true }).unwrap_err();
        insta::assert_snapshot!(refused.render());
    }
}
