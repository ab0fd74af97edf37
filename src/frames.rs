//! Frames of a signal, from a file into an encoder, and what it gives.
//!
//! A file is an npy file, or an npz file with an array `frames`: f32 `[frames, channels]`. Numbers become fixed point with 16
//! fractional bits, rounded to nearest.

use crate::place::map;
use ir::accuracy::{Array, read_array};
use ir::decoder::{Decoder, Ends};
use ir::diag::Diagnostic;
use ir::num::FRACTION_BITS;
use std::path::Path;

/// The frames of a sequence, row-major.
pub struct Frames {
    /// Fixed point.
    pub words: Vec<i32>,
    pub channels: usize,
    /// Tokens that they make.
    pub tokens: u32,
}

impl Frames {
    /// Reads the frames of a file for a model.
    ///
    /// # Errors
    /// A model that reads tokens, or frames that it cannot read.
    pub fn read(file: &Path, decoder: &Decoder) -> Result<Frames, Diagnostic> {
        let convs = decoder.ends.iter().flat_map(|Ends { front, .. }| front.convs());
        let Some(channels) = convs.clone().next().map(|conv| conv.channels()) else {
            return Err(Diagnostic::new("input-unused", "the model takes no frames")
                .at_item("--input")
                .because("it reads tokens, not a signal")
                .help("leave `--input` out; `--prompt` gives a text"));
        };
        let by_token = convs.map(|conv| conv.windows.stride).product::<usize>().max(1);
        let at = |e: Diagnostic| e.in_file(file.display().to_string());
        let array = read_array(&map(file)?, "frames").map_err(at)?;
        let words = words(&array).map_err(at)?;
        let refuse = |why: String| {
            at(Diagnostic::new("input-frames", "the model cannot read these frames").because(why).help(format!(
                "give an array [frames, channels] of {channels} channels, {by_token} frames for each token"
            )))
        };
        let [frames, own] = array.shape[..] else {
            return Err(refuse(format!("its shape is {:?}", array.shape)));
        };
        if own != channels || frames == 0 || frames % by_token != 0 {
            return Err(refuse(format!("there are {frames} frames of {own} channels")));
        }
        let tokens = u32::try_from(frames / by_token).map_err(|_| refuse("there are too many".into()))?;
        Ok(Frames { words, channels, tokens })
    }

    /// Refuses another length of the sequence.
    ///
    /// # Errors
    /// Both lengths.
    pub fn expect(&self, tokens: Option<u32>) -> Result<(), Diagnostic> {
        match tokens.filter(|&tokens| tokens != self.tokens) {
            None => Ok(()),
            Some(tokens) => {
                let what = format!("the frames make {} tokens, not {tokens}", self.tokens);
                Err(Diagnostic::new("input-frames", what)
                    .at_item("--prefill")
                    .because("an encoder reads the frames of one whole sequence")
                    .help("leave `--prefill` out"))
            }
        }
    }
}

/// Elements in fixed point, saturated.
fn words(array: &Array) -> Result<Vec<i32>, Diagnostic> {
    let bytes = array.of_type("<f4")?.chunks_exact(4);
    let floats = bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Ok(floats.map(|x| (f64::from(x) * f64::from(1u32 << FRACTION_BITS)).round() as i32).collect())
}
