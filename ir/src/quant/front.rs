//! Integers of what stands before the layers; see [`crate::decoder::Front`].

use super::{QuantLinear, QuantVector};
use crate::op::Windows;

/// From the input to the residual stream, up to positions.
#[derive(Debug, Clone, PartialEq)]
pub enum QuantFront {
    /// Token embedding, i16 `[vocab, hidden]`; its shift is that of `int-embed`.
    Tokens(QuantVector),
    /// Convolutions over frames in order.
    Frames(Vec<QuantConv>),
}

/// A convolution over rows of fixed-point values: each of its windows is quantised as what enters a linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantConv {
    /// The linear layer on windows.
    pub linear: QuantLinear,
    /// The windows.
    pub windows: Windows,
    /// Elements of a row that goes in.
    pub channels: usize,
}

impl QuantFront {
    /// The table of embeddings of tokens.
    pub fn embedding(&self) -> Option<&QuantVector> {
        match self {
            QuantFront::Tokens(embedding) => Some(embedding),
            QuantFront::Frames(_) => None,
        }
    }

    /// The convolutions over frames, in order; none where tokens come in.
    pub fn convs(&self) -> &[QuantConv] {
        match self {
            QuantFront::Tokens(_) => &[],
            QuantFront::Frames(convs) => convs,
        }
    }
}
