//! A prompt and its continuation on the simulated machine.

use crate::accelerator::{Accelerator, Pass};
use crate::cli::print;
use crate::compiler::Product;
use crate::frames::Frames;
use crate::perfetto;
use crate::progress::Progress;
use crate::relief::{Job, reliefs};
use crate::report::Phase;
use crate::workload::{LINE, Prompt, Workload, text};
use codegen::Compiled;
use codegen::generate::{arg_max, turns};
use codegen::plan::Reads;
use ir::diag::Diagnostic;
use std::sync::Arc;

/// A run that was made.
struct Run {
    compiled: Arc<Compiled>,
    args: Vec<u32>,
    cycles: u64,
}

impl Run {
    fn job(&self) -> Job<'_> {
        Job { program: &self.compiled.program, args: &self.args, cycles: self.cycles }
    }
}

/// What was said, and what it cost.
pub struct Talk<'p> {
    product: &'p Product,
    machine: Accelerator,
    pub prefill: Phase,
    pub decode: Phase,
    /// Every run of both.
    runs: [Vec<Run>; 2],
    /// Where every run is written, too.
    pub trace: Option<perfetto::File>,
    /// Of the last token that was read, or of an encoder's sequence, if there are weights; fixed point, 16 fractional bits.
    pub logits: Option<Vec<i32>>,
    /// Show the text as it comes.
    aloud: bool,
}

impl<'p> Talk<'p> {
    /// A machine with `context` cached tokens of zeros.
    pub fn new(product: &'p Product, context: u32, aloud: bool) -> Talk<'p> {
        let machine = Accelerator::new(product.target.clone(), product.images.as_deref(), context);
        let (prefill, decode) = (Phase::empty(), Phase::empty());
        Talk { product, machine, prefill, decode, runs: Default::default(), trace: None, logits: None, aloud }
    }

    /// Reads and writes; returns what was written, if there are weights: without them as many tokens are zeros.
    ///
    /// # Errors
    /// Told before anything is printed: a prompt that the machine cannot take. A program that is not legal.
    pub fn hold(&mut self, prompt: &Prompt, workload: &Workload) -> Result<Option<String>, Diagnostic> {
        turns(&self.product.target, self.machine.position(), &prompt.tokens)?;
        self.say(&prompt.text());
        let (most, line) = workload.writes();
        // Without a prompt, the first step reads the token that texts start with, which the machine did not write.
        let mut next = match prompt.tokens[..] {
            [] => None,
            _ => self.read(&prompt.tokens, false)?,
        };
        let mut written = Vec::new();
        if self.product.images.is_none() && self.trace.is_none() {
            // What is read does not depend on what was written.
            let room = self.product.target.map.context.saturating_sub(self.machine.position());
            self.read(&vec![LINE; most.min(room) as usize], true)?;
            return Ok(None);
        }
        for _ in 0..most {
            if line && next == Some(LINE) || self.machine.position() >= self.product.target.map.context {
                break;
            }
            written.extend(next);
            self.say(&text(next.as_slice()));
            next = self.read(&[next.unwrap_or(LINE)], true)?;
        }
        Ok(self.product.images.as_ref().map(|_| text(&written)))
    }

    /// Gives an encoder the frames that it reads.
    pub fn hear(&mut self, frames: &Frames) {
        self.machine.hear(frames);
    }

    /// What an encoder without logits gave, of all tokens, if there are weights; fixed point, 16 fractional bits.
    pub fn hidden(&self) -> Option<Vec<i32>> {
        self.machine.hidden()
    }

    /// Simulates every run again on other machines.
    pub fn relieve(&mut self) {
        let _working = Progress::begin("simulating other machines", 0);
        for (phase, runs) in [&mut self.prefill, &mut self.decode].into_iter().zip(&self.runs) {
            let jobs: Vec<Job> = runs.iter().map(Run::job).collect();
            phase.reliefs = reliefs(&self.product.machine.machine, &jobs);
        }
    }

    fn say(&self, text: &str) {
        if self.aloud && self.product.images.is_some() {
            // What does not arrive now does not at the end either, and is told there.
            let _ = print(text);
        }
    }

    /// Reads tokens; gives the likeliest next one.
    fn read(&mut self, tokens: &[u32], decode: bool) -> Result<Option<u32>, Diagnostic> {
        let product = self.product;
        let (name, phase) =
            if decode { ("decode", &mut self.decode) } else { ("prefill", &mut self.prefill) };
        let sequences = u64::from(product.target.options.batch);
        let working = Progress::begin("simulating", tokens.len() as u64 * sequences);
        let trace = self.trace.as_mut().map(|file| (file, name));
        let logits = self.machine.read((tokens, decode), trace, |pass: Pass| {
            let (tokens, at) = (pass.turn.read(), pass.turn.position);
            phase.tokens += u64::from(tokens);
            let macs = match pass.turn.reads {
                Reads::Of(_) => product.macs.of(at, tokens),
                Reads::Each => product.macs.of(at, 1).saturating_mul(tokens.into()),
            };
            phase.macs = phase.macs.map(|n| n + macs);
            phase.tally.merge(&pass.tally);
            (0..tokens).for_each(|_| working.step());
            self.runs[usize::from(decode)].push(Run {
                compiled: pass.compiled,
                args: pass.args,
                cycles: pass.tally.cycles,
            });
        })?;
        let likeliest = logits.as_deref().map(arg_max);
        self.logits = logits;
        Ok(likeliest)
    }
}
