//! The host's side of a generation: which program runs next, with which arguments, and what it answered.
//!
//! A prompt is read in chunks, then what is left: in one program if its position allows ([`starts`]), else token by token. Then one token at a time.
//! Where tokens see a window, a prompt behind what the cache holds is read token by token.
//! The host writes programs and arguments and reads logits; it never touches the cache.

use crate::compile::{Compiled, Slot, Target, starts};
use crate::plan::Reads;
use crate::taps::{Byte, element, logit};
use ir::diag::Diagnostic;

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub reads: Reads,
    pub slot: Slot,
    /// Tokens that it reads; the program is the one compiled for this number.
    pub tokens: Vec<u32>,
    /// Tokens cached before it.
    pub position: u32,
}

const OF: Reads = Reads::Of(0);

impl Turn {
    /// A step at a position: a token of each sequence.
    pub fn step(position: u32, tokens: Vec<u32>) -> Turn {
        let reads = if tokens.len() > 1 { Reads::Each } else { OF };
        Turn { reads, slot: Slot::Decode, tokens, position }
    }

    /// The same of another sequence.
    pub fn of(&self, sequence: u32) -> Turn {
        Turn { reads: Reads::Of(sequence), ..self.clone() }
    }

    /// The position behind the run.
    pub fn end(&self) -> u32 {
        self.position + if self.reads == Reads::Each { 1 } else { self.tokens.len() as u32 }
    }

    /// The argument table of the run.
    pub fn args(&self, compiled: &Compiled) -> Vec<u32> {
        compiled.program.arg_values(self.position, &self.tokens)
    }
}

/// Runs that read `tokens` behind `position` cached ones of the first sequence.
///
/// # Errors
/// A token that the model does not know, or more tokens than the cache holds.
pub fn turns(target: &Target, position: u32, tokens: &[u32]) -> Result<Vec<Turn>, Diagnostic> {
    // Without an embedding tokens are not looked up: the host puts the residual stream into memory.
    let unknown = |t: &&u32| target.model.reads_tokens() && **t >= target.model.vocab;
    if let Some(&token) = tokens.iter().find(unknown) {
        return Err(Diagnostic::new("token-unknown", format!("the model has no token {token}"))
            .because(format!("its vocabulary has {} entries", target.model.vocab))
            .help("encode the text for this model"));
    }
    if let Some(all) = target.map.sequence {
        if position > 0 || tokens.len() != all as usize {
            let asked = format!("{} tokens at position {position} are no sequence of {all}", tokens.len());
            return Err(Diagnostic::new("sequence-length", asked)
                .because(
                    "tokens of an encoder see all of their sequence, and the program is made for its length",
                )
                .help("compile for the length of the sequence"));
        }
        return Ok(vec![Turn { reads: OF, slot: Slot::Decode, tokens: tokens.to_vec(), position }]);
    }
    let (mut turns, mut at, mut left) = (Vec::new(), position, tokens);
    while !left.is_empty() {
        let aligned = |tokens: u32| at % starts(&target.machine, tokens) == 0;
        // Behind the end of the cache, positions take each other's places one at a time.
        let whole = (left.len() as u32).min(target.map.held.saturating_sub(at).max(1));
        let (slot, count) = match whole {
            n if n >= target.chunk && aligned(target.chunk) => (Slot::Chunk, target.chunk),
            n if n > 1 && n < target.chunk && aligned(n) => (Slot::Rest, n),
            _ => (Slot::Decode, 1),
        };
        let slot = if count == 1 { Slot::Decode } else { slot };
        target.accepts(count, at)?;
        let (now, rest) = left.split_at(count as usize);
        turns.push(Turn { reads: OF, slot, tokens: now.to_vec(), position: at });
        (at, left) = (at + count, rest);
    }
    Ok(turns)
}

/// Logits of a token of a run of `tokens` tokens, from the memory behind it. Fixed point, 16 fractional bits.
pub fn logits(
    target: &Target,
    memory: impl Fn(Byte) -> Option<[u8; 4]>,
    tokens: u32,
    token: u32,
) -> Vec<i32> {
    let entry = |entry| memory(logit(target, tokens, token, entry)).map_or(0, i32::from_le_bytes);
    (0..target.model.logits).map(entry).collect()
}

/// The elements of a token of an encoder that gives its normed stream. Fixed point, 16 fractional bits.
pub fn hidden(target: &Target, memory: impl Fn(Byte) -> Option<[u8; 4]>, token: u32) -> Vec<i32> {
    let element = |e| memory(element(target, token, e)).map_or(0, i32::from_le_bytes);
    (0..target.model.hidden).map(element).collect()
}

/// The entry with the largest logit, the first of equals.
pub fn arg_max(logits: &[i32]) -> u32 {
    let best = logits.iter().enumerate().max_by_key(|&(i, &l)| (l, std::cmp::Reverse(i)));
    best.map_or(0, |(i, _)| i as u32)
}
