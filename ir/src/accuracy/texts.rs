//! The texts that accuracy is measured on.

use super::Rows;
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

    /// From a JSON list of pairs (prompt, answer).
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(json: &str) -> Result<Vec<Question>, Diagnostic> {
        let pairs: Vec<(String, String)> = serde_json::from_str(json).map_err(|e| {
            Diagnostic::new("accuracy-questions", "the questions are not a list of pairs of texts")
                .because(e.to_string())
                .help("write [[\"prompt\", \"answer\"], ...]")
        })?;
        if let Some(n) = pairs.iter().position(|(_, answer)| answer.is_empty()) {
            return Err(Diagnostic::new("accuracy-questions", "a question has no answer")
                .because(format!("the answer of pair {n} is empty, and would always be right"))
                .help("write [[\"prompt\", \"answer\"], ...]"));
        }
        Ok(pairs.into_iter().map(|(prompt, answer)| Question { prompt, answer }).collect())
    }
}

/// Rows to be predicted, and questions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// Rows of tokens.
    pub rows: Rows,
    /// Questions.
    pub questions: Vec<Question>,
}
