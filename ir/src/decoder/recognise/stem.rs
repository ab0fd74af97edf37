//! Matches convolutions over the frames of a signal, which stand before the layers of encoders of speech.

use super::matcher::Matcher;
use super::{Conv, Op, Projection, Weight};
use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::ValueId;
use crate::num::Point;
use crate::op::{Operator, Transpose, Windows};
use crate::types::Shape;

/// Convolutions as they were found.
pub(super) struct Stem {
    pub(super) convs: Vec<Conv>,
    /// What each of them goes through.
    pub(super) function: Point,
    /// Table of positions, a row for each token.
    pub(super) positions: Weight,
    pub(super) batch: usize,
    pub(super) tokens: usize,
}

impl Matcher<'_> {
    /// Matches convolutions of a graph input `[batch, channels, frames]`, each behind a function, moved to `[batch, tokens,
    /// hidden]`, plus a table of positions. `None` where a value is not a sum of moved channels and a table: a layer ends there.
    pub(super) fn stem(&self, value: ValueId) -> Result<Option<Stem>, Diagnostic> {
        let Some((id, sum)) = self.find(value, is!(Op::Add(_))) else { return Ok(None) };
        let sides = [[sum.inputs[0], sum.inputs[1]], [sum.inputs[1], sum.inputs[0]]];
        let found =
            sides.into_iter().find_map(|[rows, table]| Some((self.moved(rows)?, self.weight(table, value)?)));
        let Some((mut x, table)) = found else { return Ok(None) };
        let [batch, tokens, hidden] = self.three(value)?;
        let constant = table.constant.with_shape(Shape::of([tokens, hidden]));
        let constant = constant
            .ok_or_else(|| self.mismatch(Some(id), "a row of positions for each token", "another table"))?;
        let positions = Weight { constant, ..table };
        let (mut convs, mut functions) = (Vec::new(), Vec::new());
        while self.graph.input_name(x).is_none() {
            let node = self.graph.producer(x).map(|p| p.0);
            let active = self.activated(x);
            let (function, from) = active
                .ok_or_else(|| self.mismatch(node, "an activation of a convolution", "something else"))?;
            let (channels, conv) = self.conv(from)?;
            x = channels;
            convs.push(conv);
            functions.push(function);
        }
        convs.reverse();
        let function = functions.first().copied().filter(|first| functions.iter().all(|f| f == first));
        let function = function.ok_or_else(|| {
            self.mismatch(Some(id), "convolutions with one activation", "other ones, or none")
        })?;
        let [_, _, frames] = self.three(x)?;
        let made = super::frames(tokens, convs.iter().map(|conv: &Conv| &conv.windows))?;
        self.expect(made == frames, Some(id), "as many frames as tokens times strides")?;
        Ok(Some(Stem { convs, function, positions, batch, tokens }))
    }

    /// Channels moved behind tokens; what was moved.
    fn moved(&self, value: ValueId) -> Option<ValueId> {
        let (_, node) = self.find(value, |op| matches!(op, Op::Transpose(t) if t.perm == [0, 2, 1]))?;
        Some(node.inputs[0])
    }

    fn three(&self, value: ValueId) -> Result<[usize; 3], Diagnostic> {
        let node = self.graph.producer(value).map(|p| p.0);
        let dims = <[usize; 3]>::try_from(self.dims(value)?);
        dims.map_err(|_| self.mismatch(node, "a batch of sequences", "another number of axes"))
    }

    /// Matches a convolution along one axis; returns what it reads.
    fn conv(&self, value: ValueId) -> Result<(ValueId, Conv), Diagnostic> {
        let expected = "a convolution of all channels along one axis, padded alike at both ends";
        let (id, node) = self.node(value, expected, is!(Op::Conv(_)))?;
        let refuse = || self.mismatch(Some(id), expected, "another one");
        let Op::Conv(op) = &node.op else { return Err(refuse()) };
        let (&[stride], &[pad, behind], &[1], 1) =
            (&op.strides[..], &op.pads[..], &op.dilations[..], op.groups)
        else {
            return Err(refuse());
        };
        let mut weights = node.inputs[1..].iter().map(|&operand| self.weight(operand, value));
        let constant = || self.mismatch(Some(id), "constant weights", "computed ones");
        let weight = weights.next().flatten().ok_or_else(constant)?;
        let bias = weights.next().map(|bias| bias.ok_or_else(constant)).transpose()?;
        let (matrix, kernel) = matrix(&weight.constant).ok_or_else(refuse)?;
        let linear = Projection { weight: Weight { constant: matrix, ..weight }, bias };
        let conv = Conv { linear, windows: Windows { kernel, stride, pad } };
        self.expect(
            pad == behind && conv.windows.keeps_pace(),
            Some(id),
            "a convolution with a row for each stride rows",
        )?;
        Ok((node.inputs[0], conv))
    }
}

/// A kernel `[outputs, channels, kernel]` as a linear layer `[outputs, kernel * channels]` on windows, and the kernel's length; an
/// absent one stays absent.
fn matrix(constant: &Constant) -> Option<(Constant, usize)> {
    let &[outputs, channels, kernel] = &constant.ty().shape.fixed()?[..] else { return None };
    let shape = Shape::of([outputs, kernel.checked_mul(channels)?]);
    let turned = match constant.tensor() {
        Some(tensor) => Transpose { perm: vec![0, 2, 1] }.evaluate(&[&tensor]).ok()?.first()?.to_constant(),
        None => constant.clone(),
    };
    Some((turned.with_shape(shape)?, kernel))
}
