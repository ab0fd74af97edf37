//! Accuracy of a network of images on scenes ([`Scenes`]), and of a language model on texts: bits per token, next-token accuracy, answers right.
//!
//! In a row of text each token but the first is predicted from those before it. A question is answered right when the greedy
//! continuation of its prompt, behind a newline, begins as expected. Rows and questions are spread over all threads; no figure
//! depends on their number, and nothing of a row is kept but its figures.

mod depth;
mod npz;
mod rows;
mod texts;

pub use depth::{DepthFigures, Scenes};
pub use npz::{Array, read_array, read_npz, write_npy};
pub use rows::Rows;
pub use texts::{Question, Texts};

use crate::diag::Diagnostic;
use crate::eval::Evaluator;
use crate::session::{Predictor, arg_max, row, token_tensor};
use crate::tensor::Tensor;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Accuracy on a set of rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Mean of -log2 of the probability of the token that came.
    pub bits_per_token: f64,
    /// Share of tokens that were the most probable.
    pub next_token: f64,
    /// Number of tokens predicted.
    pub tokens: usize,
}

impl Prediction {
    /// 2 to the power of bits per token.
    pub fn perplexity(&self) -> f64 {
        self.bits_per_token.exp2()
    }
}

/// All figures of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// On the rows of text.
    pub prediction: Prediction,
    /// Share of questions answered right; `None` if there were none.
    pub answers_right: Option<f64>,
}

/// Measures a model; `done` is called behind each row and each question.
///
/// # Errors
/// A model without weights, or texts that it cannot read.
pub fn measure(
    model: &dyn Predictor,
    texts: &Texts,
    done: &(dyn Fn() + Sync),
) -> Result<Figures, Diagnostic> {
    let prediction = predict(model, &texts.rows, done)?;
    let questions = &texts.questions;
    let right = answers_right(model, questions, done)?;
    let answers_right = (!questions.is_empty()).then(|| share(right, questions.len()));
    Ok(Figures { prediction, answers_right })
}

/// Predicts the tokens of rows.
///
/// # Errors
/// A model without weights, or rows that it cannot read.
pub fn predict(
    model: &dyn Predictor,
    rows: &Rows,
    done: &(dyn Fn() + Sync),
) -> Result<Prediction, Diagnostic> {
    rows.check(model.vocab())?;
    let graph = model.graph(rows.length() - 1, 0)?;
    let evaluator = Evaluator::new(&graph)?;
    let score = |n| {
        let scores = score(&evaluator, &rows.row(n));
        done();
        scores
    };
    let scores: Vec<(f64, usize)> = (0..rows.len()).into_par_iter().map(score).collect::<Result<_, _>>()?;
    let tokens = rows.len() * (rows.length() - 1);
    let bits: f64 = scores.iter().map(|(bits, _)| bits).sum();
    let right = scores.iter().map(|(_, right)| right).sum();
    Ok(Prediction { bits_per_token: bits / tokens as f64, next_token: share(right, tokens), tokens })
}

/// The logits of each token of a text.
fn logits(evaluator: &Evaluator, tokens: &[u32]) -> Result<Tensor, Diagnostic> {
    let mut outputs = evaluator.run(&[token_tensor(tokens)?])?;
    match outputs.is_empty() {
        false => Ok(outputs.swap_remove(0)),
        true => Err(Diagnostic::internal("the graph of a decoder has no outputs")),
    }
}

/// Bits of a row, and how many of its tokens were the most probable.
fn score(evaluator: &Evaluator, tokens: &[u32]) -> Result<(f64, usize), Diagnostic> {
    let logits = logits(evaluator, &tokens[..tokens.len() - 1])?;
    let (mut bits, mut right) = (0.0, 0);
    for (t, &target) in tokens[1..].iter().enumerate() {
        let logits = row(&logits, t);
        bits += surprise(&logits, target as usize);
        right += usize::from(arg_max(&logits) == target as usize);
    }
    Ok((bits, right))
}

/// -log2 of the softmax probability of the target.
fn surprise(logits: &[f64], target: usize) -> f64 {
    let top = logits.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
    let sum: f64 = logits.iter().map(|x| (x - top).exp()).sum();
    logits.get(target).map_or(f64::INFINITY, |x| (top - x + sum.ln()) / std::f64::consts::LN_2)
}

/// Number of questions answered as expected.
///
/// A greedy continuation begins as expected if and only if each expected token is the most probable one behind the prompt and the
/// expected tokens before it; so a question is read once, with its answer.
///
/// # Errors
/// A model without weights, or one whose tokens are not bytes.
pub fn answers_right(
    model: &dyn Predictor,
    questions: &[Question],
    done: &(dyn Fn() + Sync),
) -> Result<usize, Diagnostic> {
    if !questions.is_empty() {
        Rows::bytes_fit(model.vocab())?;
    }
    let mut by_length: BTreeMap<usize, Vec<(Vec<u32>, usize)>> = BTreeMap::new();
    for question in questions.iter().filter(|q| !q.answer.is_empty()) {
        let prompt = question.prompt_tokens();
        let first = prompt.len();
        let tokens: Vec<u32> = prompt.into_iter().chain(question.answer.bytes().map(u32::from)).collect();
        by_length.entry(tokens.len()).or_default().push((tokens, first));
    }
    let lengths: Vec<_> = by_length.into_iter().collect();
    let right = lengths.par_iter().map(|(length, questions)| {
        let graph = model.graph(length - 1, 0)?;
        let evaluator = Evaluator::new(&graph)?;
        let right = questions.par_iter().map(|(tokens, first)| {
            let logits = logits(&evaluator, &tokens[..tokens.len() - 1])?;
            done();
            let expected = tokens.iter().enumerate().skip(*first);
            Ok(expected.into_iter().all(|(t, &token)| arg_max(&row(&logits, t - 1)) == token as usize))
        });
        let right: Vec<bool> = right.collect::<Result<_, Diagnostic>>()?;
        Ok(right.into_iter().filter(|&right| right).count())
    });
    let right: Vec<usize> = right.collect::<Result<_, Diagnostic>>()?;
    let empty = questions.iter().filter(|q| q.answer.is_empty()).count();
    Ok(empty + right.iter().sum::<usize>())
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests;
