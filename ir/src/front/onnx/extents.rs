//! Shapes that are not all numbers, as values: where a length is known only when the model runs, shape arithmetic goes on
//! with its name.
//!
//! Invariant: such a value is an absent constant in the graph under construction, with its extents beside it; only the
//! operators below may read it, so that it never gets into a finished graph.

use super::call::{Call, Done};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::tensor::Tensor;
use crate::types::{DType, Dim, Type};

/// An element of a shape: a dimension, or a number that stands for one (-1).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Extent {
    Number(i64),
    Name(Dim),
}

impl From<&Dim> for Extent {
    fn from(dim: &Dim) -> Self {
        match dim.fixed().and_then(|n| i64::try_from(n).ok()) {
            Some(n) => Extent::Number(n),
            None => Extent::Name(dim.clone()),
        }
    }
}

impl Extent {
    /// The dimension, unless it is a negative number.
    pub(super) fn dim(&self) -> Option<Dim> {
        match self {
            Extent::Number(n) => u64::try_from(*n).ok().map(Dim::Static),
            Extent::Name(dim) => Some(dim.clone()),
        }
    }
}

/// Operators that move elements of shapes.
pub(super) fn reads(op_type: &str) -> bool {
    matches!(op_type, "Gather" | "Concat" | "Slice" | "Squeeze" | "Unsqueeze" | "Cast" | "Identity")
}

/// Applies an operator that [`reads`] extents, at least one of which is a name.
pub(super) fn apply(call: &mut Call<'_, '_>) -> Done {
    let first = call.extents(0)?;
    let all = match call.node.op_type.as_str() {
        "Gather" => {
            let (id, places) = (call.input(1)?, call.ints(1)?);
            let picked = places.iter().map(|&i| Ok(first[call.axis_of(i, first.len())?].clone()));
            let picked = picked.collect::<Result<Vec<_>, Diagnostic>>()?;
            let rank = call.ty(id).shape.rank();
            return finish(call, picked, rank);
        }
        "Concat" => {
            let parts = (0..call.node.input.len()).map(|i| call.extents(i)).collect::<Result<Vec<_>, _>>()?;
            parts.concat()
        }
        "Slice" => {
            let bounds = [call.ints(1)?, call.ints(2)?];
            let step = call.optional_ints(4)?.and_then(|s| s.first().copied()).unwrap_or(1);
            let size = first.len() as i64;
            let at = |i: i64| (if i < 0 { i.saturating_add(size) } else { i }).clamp(0, size) as usize;
            let [start, end] = bounds.map(|b| at(b.first().copied().unwrap_or(0)));
            if step != 1 {
                return Err(call.refuse("it takes a shape apart in steps"));
            }
            first.get(start..end).unwrap_or_default().to_vec()
        }
        "Squeeze" => return finish(call, first, 0),
        _ => first,
    };
    finish(call, all, 1)
}

/// Names the result of the node: a constant if all extents are numbers.
pub(super) fn finish(call: &mut Call<'_, '_>, extents: Vec<Extent>, rank: usize) -> Done {
    if rank > 1 || rank == 0 && extents.len() != 1 {
        return Err(call.refuse("it makes a shape of more than one axis"));
    }
    let dims = vec![extents.len(); rank];
    let number = |e: &Extent| match e {
        Extent::Number(n) => Some(*n),
        Extent::Name(_) => None,
    };
    let numbers: Option<Vec<i64>> = extents.iter().map(number).collect();
    let id: ValueId = match numbers.and_then(|all| Tensor::i64(dims.clone(), all)) {
        Some(tensor) => call.constant(tensor.to_constant()),
        None => {
            let id = call.constant(Constant::absent(Type::of(DType::I64, dims)));
            call.set_extents(id, extents);
            id
        }
    };
    call.finish(id)
}
