//! Quantisation schemes: which bits every class of tensor gets. A scheme is data; nothing else decides a width.

use crate::diag::Diagnostic;

/// A scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// Name on the command line.
    pub name: &'static str,
    /// Weights of all linear layers, the projection to logits included.
    pub weights: WeightScheme,
    /// Bits of an activation that enters a linear layer: per token, found at run time, symmetric.
    pub activations: u32,
    /// Bits of q and of the probabilities: per token and head, found at run time, symmetric.
    pub attention: u32,
    /// Bits of K (after the rotary embedding) and V: per token and head, found at run time, symmetric.
    pub cache: u32,
    /// Bits of the embedding and of the gains of norms: one power-of-two scale per tensor.
    pub tables: u32,
}

/// How weights are stored: two-level groups along K, `weight = level / 2 * group scale * channel scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightScheme {
    /// Bits of a code.
    pub bits: u32,
    /// Level of each code.
    pub levels: &'static [i32],
    /// Weights that share a group scale, an unsigned byte.
    pub group: usize,
}

/// 2-bit weights, 8-bit activations, 4-bit cache.
pub const W2A8KV4: Scheme = Scheme {
    name: "w2a8kv4",
    weights: WeightScheme { bits: 2, levels: &[-3, -1, 1, 3], group: 32 },
    activations: 8,
    attention: 8,
    cache: 4,
    tables: 16,
};

/// Every scheme there is.
pub const SCHEMES: &[Scheme] = &[W2A8KV4];

impl Scheme {
    /// The scheme of that name.
    pub fn named(name: &str) -> Result<&'static Scheme, Diagnostic> {
        SCHEMES.iter().find(|s| s.name == name).ok_or_else(|| {
            let known: Vec<_> = SCHEMES.iter().map(|s| s.name).collect();
            Diagnostic::new("scheme-unknown", format!("there is no quantisation scheme `{name}`"))
                .because(format!("the schemes are: {}", known.join(", ")))
                .help("use one of them")
        })
    }

    /// Largest code of symmetric integers of that many bits.
    pub fn qmax(bits: u32) -> u32 {
        (1 << (bits - 1)) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_found_by_name_only() {
        for scheme in SCHEMES {
            assert_eq!(Scheme::named(scheme.name), Ok(scheme));
            assert_eq!(scheme.weights.levels.len(), 1 << scheme.weights.bits);
        }
        let error = Scheme::named("w4a4").unwrap_err();
        assert_eq!(error.code, "scheme-unknown");
        assert!(error.why.contains("w2a8kv4"));
        assert_eq!((Scheme::qmax(8), Scheme::qmax(4)), (127, 7));
    }
}
