//! How much a model is to read and write: prompt, tokens to write, tokens cached before, batch.

use ir::decoder::Config;
use ir::diag::Diagnostic;

/// The token in front of every text and behind it: texts are lines of bytes.
pub const LINE: u32 = b'\n' as u32;

/// What the machine reads where nothing is said.
pub const PROMPT: &str = "Ada has 12 coins and gets 30 more. Now Ada has ";
/// Positions of the longest model.
const MOST_POSITIONS: u32 = 1 << 16;
/// Tokens that the machine writes at most where nothing is said.
const USUAL_DECODE: u32 = 32;

/// What `run` and `compile` take of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Workload {
    /// Read a prompt of N tokens: a longer text is cut, a shorter one is repeated from its start
    #[arg(long, value_name = "N")]
    pub prefill: Option<u32>,
    /// Write N tokens; if not given, at most 32 and no further than the end of the line
    #[arg(long, alias = "tokens", value_name = "N")]
    pub decode: Option<u32>,
    /// Tokens that are cached already, all zeros: the run starts at this position
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub context: u32,
    /// Sequences that run at once, 1 to 8: each with a cache of its own, all of the same length
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub batch: u32,
}

/// Tokens to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub tokens: Vec<u32>,
    /// Tokens of the text itself; further ones repeat it.
    pub of_text: usize,
}

impl Prompt {
    /// What is read behind the line break that texts start with.
    pub fn text(&self) -> String {
        text(self.tokens.get(1..).unwrap_or_default())
    }
}

/// Tokens as the text that they stand for.
pub fn text(tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().map(|t| *t as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Workload {
    /// Refuses what no machine of this version does; to be asked first.
    ///
    /// # Errors
    /// More tokens than any model is made for, or none.
    pub fn check(&self) -> Result<(), Diagnostic> {
        let counts =
            [("--prefill", self.prefill), ("--decode", self.decode), ("--context", Some(self.context))];
        if let Some((name, _)) = counts.into_iter().find(|(_, n)| *n > Some(MOST_POSITIONS)) {
            return Err(Diagnostic::new("workload-size", "no model is made for so many tokens")
                .at_item(name)
                .because(format!("models of at most {MOST_POSITIONS} positions are supported"))
                .help("ask for fewer"));
        }
        if self.prefill == Some(0) && self.decode == Some(0) {
            return Err(Diagnostic::new("workload-empty", "nothing is to be read or written")
                .at_item("--prefill, --decode")
                .because("a run of no tokens has no cycles")
                .help("ask for a token or more"));
        }
        Ok(())
    }

    /// What is done with a model: an encoder reads one sequence, as long as is said, as the given text, or as its longest, and
    /// writes nothing.
    ///
    /// # Errors
    /// Tokens to write, or cached ones, of an encoder.
    pub fn suited(&self, config: &Config, text: Option<&str>) -> Result<Workload, Diagnostic> {
        if !config.is_encoder() {
            return Ok(self.clone());
        }
        if self.decode.is_some_and(|n| n > 0) || self.context > 0 {
            return Err(Diagnostic::new(
                "encoder-decode",
                "an encoder writes no tokens, and none are cached",
            )
            .at_item(if self.context > 0 { "--context" } else { "--decode" })
            .because("its tokens see all of their sequence, which is read at once")
            .help("leave the option out; `--prefill N` gives the length of the sequence"));
        }
        let of_text = text.map(|text| text.len() as u32 + 1);
        let longest = config.max_positions.and_then(|n| u32::try_from(n).ok());
        Ok(Workload { prefill: self.prefill.or(of_text).or(longest), decode: Some(0), ..self.clone() })
    }

    /// Positions that the cache must hold, as far as they are known; the given prompt has `prompt` tokens. What reads nothing
    /// writes at least one.
    pub fn positions(&self, prompt: usize) -> u64 {
        let writes = self.decode.unwrap_or(u32::from(prompt == 0));
        u64::from(self.context) + prompt as u64 + u64::from(writes)
    }

    /// Tokens to write at most, and whether a line's end ends them.
    pub fn writes(&self) -> (u32, bool) {
        self.decode.map_or((USUAL_DECODE, true), |n| (n, false))
    }

    /// The tokens to read: the bytes of the text behind the line break that texts start with, cut or repeated to
    /// `--prefill`. Where nothing is said of a prompt but that tokens are cached, there is none.
    pub fn prompt(&self, text: Option<&str>) -> Prompt {
        let silent = text.is_none() && self.context > 0;
        let text = std::iter::once(LINE).chain(text.unwrap_or(PROMPT).bytes().map(u32::from));
        let text: Vec<u32> = text.collect();
        let count = self.prefill.map_or(if silent { 0 } else { text.len() }, |n| n as usize);
        Prompt { of_text: text.len(), tokens: text.into_iter().cycle().take(count).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(prefill: Option<u32>, context: u32) -> Workload {
        Workload { prefill, decode: Some(3), context, batch: 1 }
    }

    fn read(w: &Workload, text: Option<&str>) -> String {
        w.prompt(text).tokens.iter().map(|&t| char::from_u32(t).unwrap()).collect()
    }

    #[test]
    fn prompts_are_cut_repeated_or_absent() {
        assert_eq!(read(&workload(None, 0), Some("abc")), "\nabc");
        assert_eq!(read(&workload(Some(2), 0), Some("abc")), "\na");
        assert_eq!(read(&workload(Some(7), 0), Some("abc")), "\nabc\nab");
        assert_eq!(read(&workload(Some(4), 0), None), "\nAda");
        assert_eq!(read(&workload(None, 9), None), "");
        assert_eq!(read(&workload(Some(2), 9), None), "\nA");
        assert_eq!(workload(None, 9).positions(4), 16);
        assert_eq!(Workload { decode: None, ..workload(None, 9) }.positions(0), 10);
    }
}
