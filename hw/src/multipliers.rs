//! What the multipliers of the matrix engine are made of, and which products share one.
//!
//! | name | holds, at the most | what they share |
//! |---|---|---|
//! | `plain` | one product | |
//! | `dsp48e2` | two of 8 x 8 bits | two tokens a weight; if their number is odd, two outputs an activation |
//! | `quad` | four of 8 x 2 or 4 x 4 bits, or two of 8 x 8 bits | two tokens and two outputs; of others, two outputs an activation |
//! | `dot` | two of 8 x 4 bits, and their sum | an output and a token: two of its lanes |
//! | `crumb` | one of 8 x 2 bits, in LUTs | nothing: wider weights are multiplied digit by digit |
//! | `nibble` | one of 4 x 4 bits, in gates | nothing: so are wider weights and activations |
//!
//! A packing changes cost and time, never bits. Latency and cycles of a step: [`crate::timing`]. Quads and nibbles are faster
//! if they know that activations have four bits, which `matrix.narrow` says: [`Multipliers::narrows`].

use crate::machine::{MachineError, Matrix, rule};
use serde::{Deserialize, Serialize};

/// What the multipliers of the matrix engine are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Multipliers {
    /// A multiplier of 8 x 8 bits for each product; synthesis chooses what it becomes.
    Plain,
    /// Explicit DSP48E2 slices with two products each, which share a weight or an activation.
    Dsp48e2,
    /// Explicit DSP48E2 slices for two tokens and two outputs: four products of 2-bit weights or of 4 x 4 bits, or two of
    /// 8 x 8 bits.
    Quad,
    /// Explicit DSP48E2 slices for two lanes of an output: the sum of two products of up to 4-bit weights, each with an
    /// activation of its own.
    Dot,
    /// Adders without multipliers: activations of 8 bits and a digit of 2 bits of a weight.
    Crumb,
    /// The same of digits of 4 bits: of an activation and of a weight.
    Nibble,
}

impl Multipliers {
    /// As machine files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Multipliers::Plain => "plain",
            Multipliers::Dsp48e2 => "dsp48e2",
            Multipliers::Quad => "quad",
            Multipliers::Dot => "dot",
            Multipliers::Crumb => "crumb",
            Multipliers::Nibble => "nibble",
        }
    }

    /// As the hardware's parameter `PACKED` says it: the products that share a multiplier, 3 for two of one output, 5 and 6
    /// for digits of 2 and of 4 bits.
    pub fn packed(self) -> u32 {
        match self {
            Multipliers::Plain => 1,
            Multipliers::Dsp48e2 => 2,
            Multipliers::Dot => 3,
            Multipliers::Quad => 4,
            Multipliers::Crumb => 5,
            Multipliers::Nibble => 6,
        }
    }

    /// Whether they multiply 2:4 pruned weights: each output meets activations of its own, and a quad has the same for two.
    pub fn prune(self) -> bool {
        self != Multipliers::Quad
    }

    /// Whether they take fewer beats of activations of four bits.
    pub fn narrows(self) -> bool {
        matches!(self, Multipliers::Quad | Multipliers::Nibble)
    }

    /// Whether an engine can be made of them.
    ///
    /// # Errors
    /// What shares a multiplier does not come in twos, or not at all in one of its modes.
    pub(crate) fn verify(self, matrix: &Matrix) -> Result<(), MachineError> {
        let pruned = matrix.modes.iter().any(|mode| mode.pruned());
        let shared = matches!(self, Multipliers::Dsp48e2 | Multipliers::Quad);
        rule(
            "matrix.multipliers",
            !shared || matrix.outputs % 2 == 0,
            "each DSP48E2 multiplies for two outputs, and their number is odd",
            "make matrix.outputs even, or choose plain, dot, crumb or nibble multipliers",
        )?;
        rule(
            "matrix.multipliers",
            !pruned || self.prune(),
            "with w2p and s2p each output meets activations of its own, and a quad has the same for two",
            "choose other multipliers than quads, or leave w2p and s2p out",
        )?;
        rule(
            "matrix.multipliers",
            !pruned || !shared || matrix.tokens % 2 == 0,
            "with w2p and s2p each DSP48E2 multiplies for two tokens, and their number is odd",
            "make matrix.tokens even, choose plain, dot, crumb or nibble multipliers, or leave w2p and s2p out",
        )?;
        rule(
            "matrix.multipliers",
            self != Multipliers::Quad || matrix.tokens % 2 == 0,
            "each quad multiplies for two tokens, and their number is odd",
            "make matrix.tokens even, or choose other multipliers than quads",
        )?;
        rule(
            "matrix.multipliers",
            self != Multipliers::Dot || matrix.lanes % 2 == 0,
            "each DSP48E2 multiplies for two lanes of an output, and their number is odd",
            "make matrix.lanes even, or choose other multipliers",
        )?;
        rule(
            "matrix.narrow",
            !matrix.narrow || self.narrows(),
            &format!(
                "{} multipliers take as many beats of activations of four bits as of others",
                self.name()
            ),
            "leave matrix.narrow out, or choose quad or nibble multipliers",
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{Mode, Multipliers};

    #[test]
    fn what_shares_a_multiplier_comes_in_twos() {
        let quads = crate::presets::load("quads").unwrap();
        let refused = |change: fn(&mut crate::machine::Matrix)| {
            let mut machine = quads.clone();
            change(&mut machine.matrix);
            machine.verify().unwrap_err().why
        };
        assert!(refused(|m| m.tokens = 3).starts_with("each quad multiplies for two tokens"));
        assert!(refused(|m| m.modes.push(Mode::W2P)).starts_with("with w2p and s2p each output meets"));
        assert!(refused(|m| (m.outputs, m.lanes, m.drain_lanes) = (7, 7, 7)).starts_with("each DSP48E2"));
        let three_pruned = |m: &mut crate::machine::Matrix| {
            (m.tokens, m.multipliers) = (3, Multipliers::Dsp48e2);
            m.modes.push(Mode::W2P);
        };
        assert!(refused(three_pruned).starts_with("with w2p and s2p each DSP48E2"));
        let odd_lanes = |m: &mut crate::machine::Matrix| {
            (m.outputs, m.lanes, m.drain_lanes, m.multipliers) = (7, 7, 7, Multipliers::Dot);
        };
        assert!(refused(odd_lanes).starts_with("each DSP48E2 multiplies for two lanes of an output"));
    }

    #[test]
    fn narrow_activations_are_for_multipliers_that_gain_by_them() {
        let mut machine = crate::presets::load("tiny").unwrap();
        machine.matrix.narrow = true;
        for multipliers in [
            Multipliers::Plain,
            Multipliers::Dsp48e2,
            Multipliers::Quad,
            Multipliers::Dot,
            Multipliers::Crumb,
            Multipliers::Nibble,
        ] {
            machine.matrix.multipliers = multipliers;
            machine.matrix.modes.retain(|m| multipliers.prune() || !m.pruned());
            match machine.verify() {
                Ok(()) => assert!(multipliers.narrows(), "{multipliers:?}"),
                Err(refused) => {
                    assert_eq!((refused.at.as_str(), multipliers.narrows()), ("matrix.narrow", false))
                }
            }
        }
    }
}
