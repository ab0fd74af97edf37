//! Rows of tokens, as they lie in a file.

use super::npz::{Array, read_npz};
use crate::diag::Diagnostic;
use std::collections::HashMap;

/// Element types that tokens may have, and their bytes.
const TYPES: &[(&str, usize)] =
    &[("|u1", 1), ("<u2", 2), ("<i2", 2), ("<u4", 4), ("<i4", 4), ("<u8", 8), ("<i8", 8)];

/// Rows of one length. They stay as the file has them; a row is decoded when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    data: Vec<u8>,
    width: usize,
    signed: bool,
    length: usize,
}

impl Rows {
    /// From an npz file with an array `tokens` `[rows, length]` of integers.
    ///
    /// # Errors
    /// No such file.
    pub fn parse(npz: &[u8]) -> Result<Rows, Diagnostic> {
        let mut arrays = read_npz(npz)?;
        let names: Vec<String> = arrays.iter().map(|a| a.name.clone()).collect();
        let tokens = arrays.iter().position(|a| a.name == "tokens").ok_or_else(|| {
            refused("the file holds no array `tokens`", format!("it holds: {}", names.join(", ")))
                .help("give a file of texts: an array `tokens` of shape [rows, length]")
        })?;
        let Array { dtype, shape, bytes, .. } = arrays.swap_remove(tokens);
        let &[_, length] = &shape[..] else {
            let why = format!("its shape is {shape:?}");
            return Err(refused("the array `tokens` is not a list of rows", why)
                .help("give an array of shape [rows, length]"));
        };
        let width = TYPES.iter().find(|(name, _)| *name == dtype).map(|(_, width)| *width);
        let width = width.ok_or_else(|| {
            let known: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            let why = format!("they are of type {dtype}; known are {}", known.join(", "));
            refused("the tokens are not integers", why).help("convert the array")
        })?;
        Ok(Rows { data: bytes, width, signed: dtype.contains('i'), length })
    }

    /// Rows of bytes; `None` unless they are of one length.
    pub fn of_bytes(rows: &[Vec<u8>]) -> Option<Rows> {
        let length = rows.first().map_or(0, Vec::len);
        rows.iter().all(|r| r.len() == length).then(|| Rows {
            data: rows.concat(),
            width: 1,
            signed: false,
            length,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.width * self.length).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens of a row.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether tokens are bytes, so that bits per token are bits per byte.
    pub fn are_bytes(&self) -> bool {
        self.width == 1
    }

    /// A row; empty beyond the last. A token that no model knows is `u32::MAX`.
    pub fn row(&self, n: usize) -> Vec<u32> {
        self.numbers(n).map(|token| u32::try_from(token).unwrap_or(u32::MAX)).collect()
    }

    /// What stands in a row of the file.
    fn numbers(&self, n: usize) -> impl Iterator<Item = i128> {
        let (size, unused) = (self.width * self.length, 128 - 8 * self.width as u32);
        let number = move |bytes: &[u8]| {
            let low = bytes.iter().rev().fold(0u128, |n, &b| n << 8 | u128::from(b));
            if self.signed { (low << unused) as i128 >> unused } else { low as i128 }
        };
        let row = self.data.get(n.saturating_mul(size)..).unwrap_or_default();
        row.chunks_exact(self.width.max(1)).take(self.length).map(number)
    }

    /// All rows, decoded.
    pub fn all(&self) -> Vec<Vec<u32>> {
        (0..self.len()).map(|n| self.row(n)).collect()
    }

    /// The first rows.
    pub fn truncate(&mut self, rows: usize) {
        self.data.truncate(rows.saturating_mul(self.width * self.length));
    }

    /// Refuses rows in which nothing is to be predicted, or with tokens that a model does not know.
    ///
    /// # Errors
    /// Which row it is.
    pub fn check(&self, vocab: usize) -> Result<(), Diagnostic> {
        if self.is_empty() || self.length < 2 {
            let why = format!("there are {} of {} tokens", self.len(), self.length);
            return Err(refused("there is nothing to predict in the rows", why)
                .help("give one row or more, of two tokens or more"));
        }
        for n in 0..self.len() {
            if let Some(token) = self.numbers(n).find(|token| !(0..vocab as i128).contains(token)) {
                let why = format!(
                    "row {n} has the token {token}, and the model knows those from 0 to {}",
                    vocab.saturating_sub(1)
                );
                return Err(refused("the model does not know all tokens of the rows", why)
                    .help("give texts in the tokens of this model"));
            }
        }
        Ok(())
    }

    /// Refuses a model that does not know all bytes.
    pub(super) fn bytes_fit(vocab: usize) -> Result<(), Diagnostic> {
        if vocab >= 256 {
            return Ok(());
        }
        Err(Diagnostic::new("accuracy-vocabulary", "the accuracy of this model cannot be measured on texts")
            .because(format!("the texts are bytes; the model knows {vocab} tokens of the 256 there are"))
            .help("take a model whose tokens are bytes"))
    }

    /// The first row of these that begins like one of others, as far as both go, and which one that is.
    pub fn common(&self, others: &Rows) -> Option<(usize, usize)> {
        let length = self.length.min(others.length);
        let start = |rows: &Rows, n: usize| rows.row(n)[..length].to_vec();
        let known: HashMap<Vec<u32>, usize> =
            (0..others.len()).rev().map(|n| (start(others, n), n)).collect();
        (0..self.len()).find_map(|n| known.get(&start(self, n)).map(|&other| (n, other)))
    }
}

fn refused(what: &str, why: String) -> Diagnostic {
    Diagnostic::new("accuracy-tokens", what)
        .because(why)
        .help("give rows of equally many tokens, at least two, in an integer array `tokens`")
}
