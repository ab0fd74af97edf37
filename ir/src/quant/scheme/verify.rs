//! Rules of a scheme file: every width is one that the operators have, and nothing contradicts.

use super::{ActivationScheme, ScaleSource, Scheme, Sparsity, WeightScheme};
use crate::diag::Diagnostic;
use crate::op::MAX_POSITIONS;

/// Most weights that share a group scale.
const MAX_GROUP: usize = 1 << 16;

impl Scheme {
    /// Checks the rules of the module head.
    pub(super) fn verify(&self) -> Result<(), Diagnostic> {
        self.weights.verify("weights")?;
        self.lm_head().verify("lm_head")?;
        self.activations.verify()?;
        one_of("attention.bits", self.attention.bits, &[4, 8])?;
        let (sink, window) = (self.attention.sink, self.attention.window);
        let why = "positions are below 65536, and a token sees at least itself";
        let fits = |n: usize, least| (least..MAX_POSITIONS).contains(&n);
        rule("attention.window", window.is_none_or(|n| fits(n, 1)), why, "choose 1 to 65535")?;
        rule("attention.sink", sink.is_none_or(|n| fits(n, 0)), why, "choose 0 to 65535")?;
        let why = "without a window a token sees all positions before it";
        rule("attention.sink", sink.is_none() || window.is_some(), why, "leave it out, or say `window`")?;
        one_of("kv_cache.bits", self.kv_cache.bits, &[4, 8])?;
        one_of("embedding.bits", self.embedding.bits, &[8, 16])
    }
}

impl WeightScheme {
    fn verify(&self, class: &str) -> Result<(), Diagnostic> {
        let at = |key: &str| format!("{class}.{key}");
        one_of(&at("bits"), self.bits, &[2, 4, 8])?;
        one_of(&at("scale_bits"), self.scale_bits, &[8, 16, 32])?;
        if let Some(group) = self.group {
            let fits = (1..=MAX_GROUP).contains(&group);
            rule(&at("group"), fits, &format!("{group} is not in 1..={MAX_GROUP}"), "choose a group in it")?;
            let blocks = self.sparsity == Sparsity::Dense || group % 4 == 0;
            rule(
                &at("group"),
                blocks,
                &format!("with 2:4 weights come in fours; {group} is no multiple"),
                "make the group a multiple of 4",
            )?;
        }
        if self.group.is_none() {
            let why = "only groups have scales of their own";
            rule(&at("scale_bits"), self.scale_bits == 8, why, "leave it out, or say `group`")?;
        }
        let why = format!("{} is none of 1, 4, 8", self.shared);
        rule(&at("shared"), [1, 4, 8].contains(&self.shared), &why, "choose one of 1, 4, 8")?;
        let why = "outputs share the columns that they keep, and dense ones keep all";
        let pruned = self.shared == 1 || self.sparsity == Sparsity::TwoOfFour;
        rule(&at("shared"), pruned, why, "leave it out, or say `sparsity = \"2:4\"`")?;
        self.verify_levels(&at("levels"))
    }

    fn verify_levels(&self, at: &str) -> Result<(), Diagnostic> {
        let levels = &self.levels;
        if levels.is_empty() {
            return Ok(());
        }
        rule(
            at,
            self.symmetric,
            "levels are what codes stand for; a zero point would move them",
            "leave out `levels` or `symmetric = false`",
        )?;
        let most = 1usize << self.bits;
        let why = format!("there are {most} codes, and the levels number {}", levels.len());
        rule(at, (2..=most).contains(&levels.len()), &why, "give two levels or more, at most one per code")?;
        let ascending = levels.windows(2).all(|w| w[0] < w[1]);
        rule(at, ascending, &format!("{levels:?} does not ascend"), "order the levels, each once")?;
        let narrow = levels.iter().all(|level| i8::try_from(*level).is_ok());
        rule(at, narrow, "a multiplier takes 8 bits", "choose levels in -128..=127")
    }
}

impl ActivationScheme {
    fn verify(&self) -> Result<(), Diagnostic> {
        one_of("activations.bits", self.bits, &[4, 8])?;
        let at = "activations.percentile";
        match (self.scale, self.percentile) {
            (ScaleSource::Percentile, None) => {
                rule(at, false, "it is missing", "say how much the range holds: `percentile = 99.99`")
            }
            (ScaleSource::Percentile, Some(p)) => {
                rule(at, p > 50.0 && p <= 100.0, &format!("{p} is not in 50..100"), "99.9 to 99.999 is usual")
            }
            (_, Some(_)) => rule(at, false, "only `scale = \"percentile\"` has a percentile", "leave it out"),
            (_, None) => Ok(()),
        }
    }
}

fn one_of(at: &str, value: u32, allowed: &[u32]) -> Result<(), Diagnostic> {
    let list = allowed.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let why = format!("{value} is none of {list}");
    rule(at, allowed.contains(&value), &why, &format!("choose one of {list}"))
}

fn rule(at: &str, holds: bool, why: &str, help: &str) -> Result<(), Diagnostic> {
    if holds {
        return Ok(());
    }
    Err(Diagnostic::new("scheme-rule", "the scheme contradicts itself, or asks for what no operator has")
        .at_item(at)
        .because(why)
        .help(help))
}
