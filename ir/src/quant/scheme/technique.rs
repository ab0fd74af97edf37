//! What a scheme does to make a model smaller, and the scheme without it.

use super::{Scheme, Sparsity, WeightScheme};

/// Something that a scheme does, and could leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Technique {
    /// Two of every four weights are zero.
    Pruning,
    /// Neighbouring outputs keep the same columns.
    SharedPositions,
    /// Weights of less than a byte.
    Weights,
    /// Activations of less than a byte.
    Activations,
    /// Queries and probabilities of less than a byte.
    Attention,
    /// Keys and values of less than a byte.
    Cache,
    /// A token sees the first positions and a window.
    Window,
}

impl Technique {
    /// All of them.
    pub const ALL: [Technique; 7] = [
        Technique::Pruning,
        Technique::SharedPositions,
        Technique::Weights,
        Technique::Activations,
        Technique::Attention,
        Technique::Cache,
        Technique::Window,
    ];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Technique::Pruning => "pruning",
            Technique::SharedPositions => "shared-positions",
            Technique::Weights => "weights",
            Technique::Activations => "activations",
            Technique::Attention => "attention",
            Technique::Cache => "cache",
            Technique::Window => "window",
        }
    }
}

impl Scheme {
    /// Whether it does so.
    pub fn uses(&self, technique: Technique) -> bool {
        match technique {
            Technique::Pruning => self.weights.sparsity == Sparsity::TwoOfFour,
            Technique::SharedPositions => self.weights.shared > 1,
            Technique::Weights => self.weights.bits < 8,
            Technique::Activations => self.activations.bits < 8,
            Technique::Attention => self.attention.bits < 8,
            Technique::Cache => self.kv_cache.bits < 8,
            Technique::Window => self.attention.window.is_some(),
        }
    }

    /// The scheme without it, everything else as it is. Weights get `bits` bits each, whatever else was narrow a byte.
    pub fn without(&self, technique: Technique, bits: u32) -> Scheme {
        let mut scheme = self.clone();
        let mut each = |change: fn(&mut WeightScheme, u32)| {
            change(&mut scheme.weights, bits);
            scheme.lm_head.iter_mut().for_each(|head| change(head, bits));
        };
        match technique {
            Technique::Pruning => each(|w, _| (w.sparsity, w.shared) = (Sparsity::Dense, 1)),
            Technique::SharedPositions => each(|w, _| w.shared = 1),
            Technique::Weights => each(|w, bits| {
                w.bits = w.bits.max(bits);
                w.levels.clear();
            }),
            Technique::Activations => scheme.activations.bits = 8,
            Technique::Attention => scheme.attention.bits = 8,
            Technique::Cache => scheme.kv_cache.bits = 8,
            Technique::Window => (scheme.attention.sink, scheme.attention.window) = (None, None),
        }
        scheme
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_no_longer_used_and_all_else_is() {
        for scheme in super::super::built_in().unwrap() {
            for technique in Technique::ALL.into_iter().filter(|t| scheme.uses(*t)) {
                let without = scheme.without(technique, 8);
                without.verify().unwrap();
                assert_ne!(scheme, without);
                // Dense weights share no positions.
                let goes =
                    |t| t == technique || technique == Technique::Pruning && t == Technique::SharedPositions;
                for other in Technique::ALL {
                    assert_eq!(without.uses(other), scheme.uses(other) && !goes(other), "{}", scheme.name);
                }
            }
        }
        let w2 = Scheme::named("w2s24a8kv4").unwrap();
        assert_eq!(w2.without(Technique::Weights, 4).weights.bits, 4);
    }
}
