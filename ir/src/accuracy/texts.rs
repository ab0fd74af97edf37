//! The texts that accuracy is measured on.

use super::npz::read_npz;
use crate::diag::Diagnostic;

/// A prompt and how its continuation must begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The prompt, without the newline before it.
    pub prompt: String,
    /// The beginning of the continuation.
    pub answer: String,
}

impl Question {
    /// A newline, then the prompt.
    pub fn prompt_tokens(&self) -> Vec<u32> {
        std::iter::once(b'\n').chain(self.prompt.bytes()).map(u32::from).collect()
    }
}

/// Rows to be predicted, and questions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// Rows of one length.
    pub rows: Vec<Vec<u8>>,
    /// Questions.
    pub questions: Vec<Question>,
}

impl Texts {
    /// From an npz file with an array `tokens`, uint8 `[rows, length]`, and a JSON list of pairs (prompt, answer).
    pub fn parse(npz: &[u8], questions: &str) -> Result<Texts, Diagnostic> {
        let arrays = read_npz(npz)?;
        let tokens = arrays.iter().find(|a| a.name == "tokens").ok_or_else(|| {
            let names: Vec<_> = arrays.iter().map(|a| a.name.as_str()).collect();
            Diagnostic::new("accuracy-tokens", "the file holds no array `tokens`")
                .because(format!("it holds: {}", names.join(", ")))
                .help("give a file of evaluation texts")
        })?;
        let bytes = tokens.of_type("|u1")?;
        let &[_, length] = &tokens.shape[..] else {
            return Err(Diagnostic::new("accuracy-tokens", "the array `tokens` is not a list of rows")
                .because(format!("its shape is {:?}", tokens.shape))
                .help("give an array of shape [rows, length]"));
        };
        let rows = bytes.chunks_exact(length.max(1)).map(<[u8]>::to_vec).collect();
        let pairs: Vec<(String, String)> = serde_json::from_str(questions).map_err(|e| {
            Diagnostic::new("accuracy-questions", "the questions are not a list of pairs of texts")
                .because(e.to_string())
                .help("write [[\"prompt\", \"answer\"], ...]")
        })?;
        let questions = pairs.into_iter().map(|(prompt, answer)| Question { prompt, answer }).collect();
        Ok(Texts { rows, questions })
    }
}
