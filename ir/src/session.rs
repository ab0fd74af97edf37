//! Reading and writing text with a decoder in the evaluator.
//!
//! Invariant: a session that reads tokens in any number of steps returns the same logits as one that reads them at once: bit
//! for bit for a quantised decoder, up to rounding for a float one.

use crate::decoder::Decoder;
use crate::diag::Diagnostic;
use crate::eval::evaluate;
use crate::graph::Graph;
use crate::num::FRACTION_BITS;
use crate::quant::QuantDecoder;
use crate::tensor::{Data, Tensor};

/// A decoder whose graph exists for any number of tokens and any length of the cache.
///
/// The first input of a graph is the tokens and the first output the logits, `[tokens, vocab]`; the other inputs (none
/// without a cache) are the other outputs of the graph before.
pub trait Predictor: Sync {
    /// The graph that reads `tokens` tokens behind `past` cached ones.
    fn graph(&self, tokens: usize, past: usize) -> Result<Graph, Diagnostic>;
    /// Number of token ids.
    fn vocab(&self) -> usize;
}

impl Predictor for Decoder {
    fn graph(&self, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        Decoder::graph(self, tokens, past)
    }
    fn vocab(&self) -> usize {
        self.config.vocab
    }
}

impl Predictor for QuantDecoder {
    fn graph(&self, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        QuantDecoder::graph(self, tokens, past)
    }
    fn vocab(&self) -> usize {
        self.config.vocab
    }
}

/// A text being read: the cache and the position.
pub struct Session<'p> {
    predictor: &'p dyn Predictor,
    cache: Vec<Tensor>,
    position: usize,
}

impl<'p> Session<'p> {
    /// An empty text.
    pub fn new(predictor: &'p dyn Predictor) -> Self {
        Session { predictor, cache: Vec::new(), position: 0 }
    }

    /// Number of tokens read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Reads tokens on; returns their logits `[tokens, vocab]`.
    pub fn read(&mut self, tokens: &[u32]) -> Result<Tensor, Diagnostic> {
        let graph = self.predictor.graph(tokens.len(), self.position)?;
        let inputs = [&[token_tensor(tokens)?], &self.cache[..]].concat();
        let mut outputs = evaluate(&graph, &inputs)?.into_iter();
        let logits = outputs.next().ok_or_else(|| {
            Diagnostic::new("session-outputs", "the graph of the decoder has no outputs")
                .because("the first output of a decoder is its logits")
                .help("this is an error of whoever built the graph")
        })?;
        self.cache = outputs.collect();
        self.position += tokens.len();
        Ok(logits)
    }
}

/// Reads a prompt and writes up to `count` tokens greedily, as long as `more` says of those written.
pub fn generate(
    predictor: &dyn Predictor,
    prompt: &[u32],
    count: usize,
    mut more: impl FnMut(&[u32]) -> bool,
) -> Result<Vec<u32>, Diagnostic> {
    let mut session = Session::new(predictor);
    let (mut written, mut logits) = (Vec::new(), session.read(prompt)?);
    while written.len() < count {
        let last = row(&logits, logits.shape()[0].saturating_sub(1));
        written.push(arg_max(&last) as u32);
        if written.len() == count || !more(&written) {
            break;
        }
        logits = session.read(&written[written.len() - 1..])?;
    }
    Ok(written)
}

/// Token ids as the operand of a graph.
pub fn token_tensor(tokens: &[u32]) -> Result<Tensor, Diagnostic> {
    let tensor = Tensor::i64([tokens.len()], tokens.iter().map(|&t| t.into()).collect());
    tensor.ok_or_else(|| Diagnostic::internal("the tokens do not make a tensor"))
}

/// Logits of the `n`th token as real numbers: fixed-point ones are scaled. Empty if there is none.
pub fn row(logits: &Tensor, n: usize) -> Vec<f64> {
    let width = logits.shape().last().copied().unwrap_or(0);
    let place = n.saturating_mul(width)..n.saturating_mul(width).saturating_add(width);
    let unit = f64::from(1u32 << FRACTION_BITS);
    match logits.data() {
        Data::Float(v) => v.get(place).unwrap_or_default().iter().map(|&x| x.into()).collect(),
        Data::Int(v) => v.get(place).unwrap_or_default().iter().map(|&x| f64::from(x) / unit).collect(),
        Data::Long(_) | Data::Bool(_) => Vec::new(),
    }
}

/// Position of the largest element, the first of several; 0 for none.
pub fn arg_max(row: &[f64]) -> usize {
    let better = |best: usize, (i, x): (usize, &f64)| if *x > row[best] { i } else { best };
    row.iter().enumerate().fold(0, better)
}
