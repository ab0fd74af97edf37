//! A matrix as it was quantised elsewhere: codes, and scales that groups of each row share.

use super::Constant;
use crate::diag::Diagnostic;
use crate::op::{Dequantise, Gather, Operator};
use crate::tensor::Tensor;
use crate::types::Type;

/// Codes `[outputs, inputs]` with scales, and zero points if there are any, `[outputs, groups]`. A weight is
/// `(code - zero) * scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    codes: Constant,
    scales: Constant,
    zeros: Option<Constant>,
    group: usize,
    order: Option<Constant>,
}

impl Grid {
    /// A grid in groups of `group` inputs. The parts must fit one another.
    pub fn new(
        codes: Constant,
        scales: Constant,
        zeros: Option<Constant>,
        group: usize,
    ) -> Result<Grid, Diagnostic> {
        let op = Dequantise { axis: 1, block: group };
        let types: Vec<Type> = [&codes, &scales].into_iter().chain(&zeros).map(|c| c.ty().clone()).collect();
        let matrix = types.iter().all(|t| t.shape.rank() == 2) && group > 0;
        let fits = if matrix {
            op.infer(&types).map(|_| ()).map_err(|f| f.why)
        } else {
            Err("it is no matrix".into())
        };
        fits.map_err(|why| {
            Diagnostic::new("weight-grid", "codes and scales of a weight do not fit one another")
                .because(why)
                .help("check the file of weights, and the quantisation that the configuration states")
        })?;
        Ok(Grid { codes, scales, zeros, group, order: None })
    }

    /// The grid of a weight whose inputs are not grouped in their order: input `k` of the weight is column `order[k]` of
    /// the codes. `order` must be a permutation of the inputs.
    pub fn with_order(mut self, order: &[usize]) -> Result<Grid, Diagnostic> {
        let inputs = self.codes.ty().shape.0.get(1).and_then(|d| d.fixed()).unwrap_or(0);
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        let tensor = Tensor::i64([order.len()], order.iter().map(|&k| k as i64).collect());
        match tensor.filter(|_| sorted.into_iter().map(|k| k as u64).eq(0..inputs)) {
            Some(tensor) => self.order = Some(tensor.to_constant()),
            None => {
                return Err(Diagnostic::new(
                    "weight-grid",
                    "the order of a weight's inputs is no permutation",
                )
                .because(format!("it names {} of {inputs} inputs", order.len()))
                .help("check the file of weights"));
            }
        }
        Ok(self)
    }

    /// For each input of the weight its column of the codes, i64 `[inputs]`; the same where it is left out.
    pub fn order(&self) -> Option<&Constant> {
        self.order.as_ref()
    }

    /// For each column of the codes its input of the weight, i64 `[inputs]`; the same where it is left out.
    pub fn inputs(&self) -> Option<Constant> {
        let order = self.order.as_ref()?.tensor()?.to_i64s()?;
        let mut inputs: Vec<i64> = (0..order.len() as i64).collect();
        inputs.sort_by_key(|&k| order[k as usize]);
        Some(Tensor::i64([inputs.len()], inputs)?.to_constant())
    }

    /// Integers `[outputs, inputs]`, grouped.
    pub fn codes(&self) -> &Constant {
        &self.codes
    }

    /// Floats `[outputs, groups]`.
    pub fn scales(&self) -> &Constant {
        &self.scales
    }

    /// Integers `[outputs, groups]`; zero where they are left out.
    pub fn zeros(&self) -> Option<&Constant> {
        self.zeros.as_ref()
    }

    /// Inputs that share a scale.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Type of the weights: f32, of the shape of the codes.
    pub fn ty(&self) -> Type {
        Type::new(crate::types::DType::F32, self.codes.ty().shape.clone())
    }

    /// The weights, unless a part is absent.
    pub fn tensor(&self) -> Option<Tensor> {
        let parts: Option<Vec<Tensor>> =
            [&self.codes, &self.scales].into_iter().chain(&self.zeros).map(|c| c.tensor()).collect();
        let parts = parts?;
        let op = Dequantise { axis: 1, block: self.group };
        let mut weights = op.evaluate(&parts.iter().collect::<Vec<_>>()).ok()?.into_iter().next()?;
        if let Some(order) = &self.order {
            weights = Gather { axis: 1 }.evaluate(&[&weights, &order.tensor()?]).ok()?.into_iter().next()?;
        }
        Tensor::f32(weights.shape(), weights.floats().to_vec())
    }
}
