//! Accuracy of a language model on texts: bits per byte, next-byte accuracy, sums right.
//!
//! Tokens are bytes. In a row of text each byte but the first is predicted from those before it. A sum is right when the
//! greedy continuation of its prompt, behind a newline, begins as expected.

mod npz;
mod texts;

pub use npz::{Array, read_npz};
pub use texts::{Question, Texts};

use crate::diag::Diagnostic;
use crate::eval::Evaluator;
use crate::session::{Predictor, arg_max, generate, rows, token_tensor};

/// Accuracy on a set of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Mean of -log2 of the probability of the byte that came.
    pub bits_per_byte: f64,
    /// Share of bytes that were the most probable.
    pub next_byte: f64,
    /// Number of bytes predicted.
    pub bytes: usize,
}

/// All figures of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// On the rows of text.
    pub prediction: Prediction,
    /// Share of sums right.
    pub sums_right: f64,
    /// Number of sums asked.
    pub sums: usize,
}

/// Measures a model on `threads` threads. The figures do not depend on their number.
pub fn measure(model: &dyn Predictor, texts: &Texts, threads: usize) -> Result<Figures, Diagnostic> {
    let prediction = predict(model, &texts.rows, threads)?;
    let right = sums_right(model, &texts.questions, threads)?;
    let sums = texts.questions.len();
    Ok(Figures { prediction, sums_right: share(right, sums), sums })
}

/// Predicts the bytes of rows of one length.
pub fn predict(model: &dyn Predictor, rows: &[Vec<u8>], threads: usize) -> Result<Prediction, Diagnostic> {
    let length = rows.first().map_or(0, Vec::len);
    if length < 2 || rows.iter().any(|row| row.len() != length) {
        return Err(Diagnostic::new("accuracy-rows", "the rows of text cannot be predicted")
            .because("rows are of one length, of two bytes or more")
            .help("cut the text into rows of one length"));
    }
    let graph = model.graph(length - 1, 0)?;
    let evaluator = Evaluator::new(&graph)?;
    let scores = in_parallel(rows, threads, |row| score(&evaluator, row))?;
    let bytes = rows.len() * (length - 1);
    let bits: f64 = scores.iter().map(|(bits, _)| bits).sum();
    let right = scores.iter().map(|(_, right)| right).sum();
    Ok(Prediction { bits_per_byte: bits / bytes as f64, next_byte: share(right, bytes), bytes })
}

/// Bits of a row, and how many of its bytes were the most probable.
fn score(evaluator: &Evaluator, row: &[u8]) -> Result<(f64, usize), Diagnostic> {
    let tokens: Vec<u32> = row[..row.len() - 1].iter().map(|&b| b.into()).collect();
    let outputs = evaluator.run(&[token_tensor(&tokens)?])?;
    let logits = outputs.first().map(rows).unwrap_or_default();
    let pairs = || logits.iter().zip(row[1..].iter().map(|&b| usize::from(b)));
    let right = pairs().filter(|(logits, target)| arg_max(logits) == *target).count();
    Ok((pairs().map(|(logits, target)| surprise(logits, target)).sum(), right))
}

/// -log2 of the softmax probability of the target.
fn surprise(logits: &[f64], target: usize) -> f64 {
    let top = logits.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
    let sum: f64 = logits.iter().map(|x| (x - top).exp()).sum();
    logits.get(target).map_or(f64::INFINITY, |x| (top - x + sum.ln()) / std::f64::consts::LN_2)
}

/// Number of questions answered as expected.
pub fn sums_right(
    model: &dyn Predictor,
    questions: &[Question],
    threads: usize,
) -> Result<usize, Diagnostic> {
    let right = in_parallel(questions, threads, |question| {
        let expected: Vec<u32> = question.answer.bytes().map(u32::from).collect();
        let on_track = |written: &[u32]| expected.starts_with(written);
        Ok(generate(model, &question.prompt_tokens(), expected.len(), on_track)? == expected)
    })?;
    Ok(right.into_iter().filter(|&right| right).count())
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Maps items on several threads; results in the order of the items.
fn in_parallel<T: Sync, U: Send>(
    items: &[T],
    threads: usize,
    f: impl Fn(&T) -> Result<U, Diagnostic> + Sync,
) -> Result<Vec<U>, Diagnostic> {
    let size = items.len().div_ceil(threads.max(1)).max(1);
    let map = &|part: &[T]| part.iter().map(&f).collect();
    let parts: Vec<Result<Vec<U>, Diagnostic>> = std::thread::scope(|scope| {
        let running: Vec<_> = items.chunks(size).map(|part| scope.spawn(move || map(part))).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(lost()))).collect()
    });
    Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn lost() -> Diagnostic {
    Diagnostic::new("accuracy-thread", "a thread of the measurement ended early")
        .because("it met an internal error")
        .help("report it with the message printed before")
}

#[cfg(test)]
mod tests;
