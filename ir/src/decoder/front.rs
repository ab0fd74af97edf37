//! What stands before the layers: a table of embeddings, or convolutions over the frames of a signal.

use super::{Config, Projection, Role, Weight};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::op::Windows;
use crate::tensor::Tensor;

/// From the input to the residual stream, up to positions.
#[derive(Debug, Clone, PartialEq)]
pub enum Front {
    /// Token embedding, `[vocab, hidden]`.
    Tokens(Weight),
    /// Convolutions over the frames of a signal in order, each through the function of the configuration; each row of the last one
    /// is a token.
    Frames(Vec<Conv>),
}

/// A convolution along a sequence of rows, as a linear layer on windows of it. It gives a row for every `stride` rows, so that any
/// number of tokens has one number of frames ([`Windows::keeps_pace`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    /// `[outputs, kernel * channels]`; the channels of the first row of a window come first.
    pub linear: Projection,
    /// The windows.
    pub windows: Windows,
}

impl Conv {
    /// Elements of a row that goes in.
    pub fn channels(&self) -> usize {
        self.widths()[1] / self.windows.kernel.max(1)
    }

    /// Outputs and inputs of the linear layer.
    fn widths(&self) -> [usize; 2] {
        let dims = self.linear.weight.constant.ty().shape.fixed();
        dims.and_then(|dims| dims.try_into().ok()).unwrap_or([0; 2])
    }
}

/// Frames that `tokens` tokens are made of, behind convolutions of these windows.
///
/// # Errors
/// There are too many to be counted.
pub(crate) fn frames<'w>(
    tokens: usize,
    windows: impl Iterator<Item = &'w Windows>,
) -> Result<usize, Diagnostic> {
    let frames = windows.map(|windows| windows.stride).try_fold(tokens, usize::checked_mul);
    frames.ok_or_else(|| {
        Diagnostic::new("decoder-tokens", format!("the frames of {tokens} tokens cannot be counted"))
            .because("a token is made of as many frames as the strides of the convolutions multiply to")
            .help("ask for fewer tokens")
    })
}

impl Front {
    /// The table of embeddings of tokens.
    pub fn embedding(&self) -> Option<&Weight> {
        match self {
            Front::Tokens(embedding) => Some(embedding),
            Front::Frames(_) => None,
        }
    }

    /// The convolutions over frames, in order; none where tokens come in.
    pub fn convs(&self) -> &[Conv] {
        match self {
            Front::Tokens(_) => &[],
            Front::Frames(convs) => convs,
        }
    }

    /// All weights with the shape that the configuration asks for: a convolution reads what the one before gives, and the last
    /// one gives the residual stream.
    pub(super) fn weights(&self, config: &Config) -> Vec<Role<'_>> {
        let convs = match self {
            Front::Tokens(table) => return vec![("embedding", table, vec![config.vocab, config.hidden])],
            Front::Frames(convs) => convs,
        };
        let mut channels = convs.first().map_or(0, Conv::channels);
        let mut all = Vec::new();
        for (n, conv) in convs.iter().enumerate() {
            let outputs = if n + 1 == convs.len() { config.hidden } else { conv.widths()[0] };
            let shape = [outputs, conv.windows.kernel.saturating_mul(channels)];
            all.extend(conv.linear.roles(["conv", "conv.bias"], shape));
            channels = outputs;
        }
        all
    }
}

impl Weight {
    /// A table with the first row of another one added to each of its rows; absent if either is. `None` if their rows differ
    /// in width.
    pub(crate) fn with_row(self, other: &Weight) -> Option<Weight> {
        let dims = self.constant.ty().shape.fixed()?;
        let width = *dims.last().filter(|&&width| width > 0)?;
        let constant = match (self.constant.tensor(), other.constant.tensor()) {
            (Some(table), Some(row)) => {
                let row = row.floats().get(..width)?;
                let rows = table.floats().chunks_exact(width);
                let sum = rows.flat_map(|x| x.iter().zip(row).map(|(a, b)| a + b)).collect();
                Tensor::f32(dims, sum)?.to_constant()
            }
            _ => Constant::absent(self.constant.ty().clone()),
        };
        Some(Weight { constant, ..self })
    }
}
