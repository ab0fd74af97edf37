//! Folding: computing at once what depends on constants only.
//!
//! Invariant: what folding allocates is bounded by the size of the operands and a fixed budget, whatever the model says.

use crate::constant::Constant;
use crate::op::{Fault, Op};
use crate::tensor::Tensor;
use crate::types::Type;

/// Results of at most this many elements are always folded while the budget lasts: masks of a few thousand tokens.
const SMALL: u64 = 1 << 22;
/// Elements that all folded results of one graph may have in excess of their operands.
const BUDGET: u64 = 1 << 26;

/// Folds while its budget lasts.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    budget: u64,
}

impl Default for Folder {
    fn default() -> Self {
        Folder { budget: BUDGET }
    }
}

impl Folder {
    /// Takes a result of `elements` elements, computed of `operands` elements, out of the budget; `false` if it is too
    /// large.
    pub(crate) fn afford(&mut self, elements: u64, operands: u64) -> bool {
        let excess = elements.saturating_sub(operands);
        if excess > SMALL || excess > self.budget {
            return false;
        }
        self.budget -= excess;
        true
    }

    /// The results of `op`, if they can and should be computed now; absent if an operand is.
    pub(crate) fn fold(&mut self, op: &Op, operands: &[&Constant]) -> Result<Option<Vec<Constant>>, Fault> {
        let types: Vec<Type> = operands.iter().map(|c| c.ty().clone()).collect();
        let results = op.infer(&types)?;
        if !op.folds() {
            return Ok(None);
        }
        if operands.iter().any(|c| c.is_absent()) {
            return Ok(Some(results.into_iter().map(Constant::absent).collect()));
        }
        let sum = |types: &[Type], size: fn(&Type) -> Option<u64>| {
            types.iter().try_fold(0u64, |n, t| n.checked_add(size(t)?))
        };
        let Some(held) = sum(&types, |t| t.shape.elements()) else { return Ok(None) };
        let extents = sum(&types, |t| t.shape.extent()).zip(sum(&results, |t| t.shape.extent()));
        if !extents.is_some_and(|(from, to)| self.afford(from.max(to), held)) {
            return Ok(None);
        }
        let tensors: Vec<Tensor> = operands.iter().filter_map(|c| c.tensor()).collect();
        let computed = op.evaluate(&tensors.iter().collect::<Vec<_>>())?;
        Ok(Some(computed.iter().map(Tensor::to_constant).collect()))
    }
}
