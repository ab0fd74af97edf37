//! A prompt and its continuation on the simulated machine.

use crate::accelerator::{Accelerator, Pass};
use crate::cli::print;
use crate::compiler::Product;
use crate::progress::Progress;
use crate::report::Phase;
use crate::workload::{LINE, Prompt, Workload, text};
use codegen::generate::{arg_max, turns};
use ir::diag::Diagnostic;

/// What was said, and what it cost.
pub struct Talk<'p> {
    product: &'p Product,
    machine: Accelerator,
    pub prefill: Phase,
    pub decode: Phase,
    /// Show the text as it comes.
    aloud: bool,
}

impl<'p> Talk<'p> {
    /// A machine with `context` cached tokens of zeros.
    pub fn new(product: &'p Product, context: u32, aloud: bool) -> Talk<'p> {
        let machine = Accelerator::new(product.target.clone(), &product.image, context);
        Talk { product, machine, prefill: Phase::empty(), decode: Phase::empty(), aloud }
    }

    /// Reads and writes; returns what was written.
    ///
    /// # Errors
    /// Told before anything is printed: a prompt that the machine cannot take. A program that is not legal.
    pub fn hold(&mut self, prompt: &Prompt, workload: &Workload) -> Result<String, Diagnostic> {
        turns(&self.product.target, self.machine.position(), &prompt.tokens)?;
        self.say(&prompt.text());
        let (most, line) = workload.writes();
        // Without a prompt, the first step reads the token that texts start with, which the machine did not write.
        let mut next = match prompt.tokens[..] {
            [] => None,
            _ => Some(arg_max(&self.read(&prompt.tokens, false)?)),
        };
        let mut written = Vec::new();
        for _ in 0..most {
            if line && next == Some(LINE) || self.machine.position() >= self.product.target.map.context {
                break;
            }
            written.extend(next);
            self.say(&text(next.as_slice()));
            next = Some(arg_max(&self.read(&[next.unwrap_or(LINE)], true)?));
        }
        Ok(text(&written))
    }

    fn say(&self, text: &str) {
        if self.aloud {
            print(text);
        }
    }

    fn read(&mut self, tokens: &[u32], decode: bool) -> Result<Vec<i32>, Diagnostic> {
        let (product, phase) = (self.product, if decode { &mut self.decode } else { &mut self.prefill });
        let working = Progress::begin("simulating", tokens.len() as u64);
        self.machine.read(tokens, |pass: Pass| {
            phase.tokens += u64::from(pass.tokens);
            phase.macs = phase.macs.map(|n| n + product.macs.of(pass.position, pass.tokens));
            phase.tally.add(&pass.compiled.program, &product.machine.machine, &pass.trace, &pass.detail);
            (0..pass.tokens).for_each(|_| working.step());
        })
    }
}
