//! The host's side of a generation: which program runs next, with which arguments, and what it answered.
//!
//! A prompt is read in chunks, of which the last is padded where that takes fewer cycles than to read what is left token by token.
//! Then one token at a time. Two programs serve all lengths.
//! Where tokens see a window, a prompt behind what the cache holds is read token by token.
//! The host writes programs and arguments and reads logits; it never touches the cache.

use crate::compile::{Compiled, Slot, Target};
use crate::plan::Reads;
use crate::plan::map::starts;
use crate::taps::{Byte, element, logit};
use hw::Geometry;
use ir::diag::Diagnostic;

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub reads: Reads,
    pub slot: Slot,
    /// Tokens that it reads; the program is the one compiled for this number.
    pub tokens: Vec<u32>,
    /// So many at the end mean nothing: no other token sees them, and later ones take their places in the cache.
    pub padding: u32,
    /// Tokens cached before it.
    pub position: u32,
}

const OF: Reads = Reads::Of(0);

impl Turn {
    /// A step at a position: a token of each sequence.
    pub fn step(position: u32, tokens: Vec<u32>) -> Turn {
        let reads = if tokens.len() > 1 { Reads::Each } else { OF };
        Turn { reads, slot: Slot::Decode, tokens, padding: 0, position }
    }

    /// The same of another sequence.
    pub fn of(&self, sequence: u32) -> Turn {
        Turn { reads: Reads::Of(sequence), ..self.clone() }
    }

    /// Tokens that mean something.
    pub fn read(&self) -> u32 {
        self.tokens.len() as u32 - self.padding
    }

    /// The position behind the run.
    pub fn end(&self) -> u32 {
        self.position + if self.reads == Reads::Each { 1 } else { self.read() }
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
        let tokens = tokens.to_vec();
        return Ok(vec![Turn { reads: OF, slot: Slot::Decode, tokens, padding: 0, position }]);
    }
    let (mut turns, mut at, mut left) = (Vec::new(), position, tokens);
    while !left.is_empty() {
        // Behind the end of the cache, positions take each other's places one at a time.
        let fits = at % starts(&Geometry::of(&target.machine), target.chunk) == 0
            && u64::from(at) + u64::from(target.chunk) <= u64::from(target.map.held);
        let together = if fits && left.len() as u32 >= target.padded_from { target.chunk } else { 1 };
        let (now, rest) = left.split_at(left.len().min(together as usize));
        let padding = together - now.len() as u32;
        target.accepts(together, padding, at)?;
        let tokens = now.iter().copied().chain((0..padding).map(|_| 0)).collect();
        let slot = if together == 1 { Slot::Decode } else { Slot::Chunk };
        turns.push(Turn { reads: OF, slot, tokens, padding, position: at });
        (at, left) = (at + now.len() as u32, rest);
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
