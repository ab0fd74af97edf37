//! `run MODEL`: the main job, end to end. The simulated machine reads the prompt and writes on by itself.

use crate::accelerator::{Accelerator, Pass};
use crate::accuracy::{self, Accuracy};
use crate::cli::{Outcome, Report, print};
use crate::compiler::{Product, Request, produce};
use crate::output::Folder;
use crate::progress::Progress;
use crate::report::{Phase, Summary};
use crate::rtl;
use codegen::generate::{arg_max, turns};
use ir::accuracy::Texts;
use ir::diag::Diagnostic;
use std::path::PathBuf;

/// Where the model falls silent: its texts are lines.
const END: u32 = b'\n' as u32;

/// Compile a model for a machine, run it, and report
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    request: Request,
    /// What the machine reads
    #[arg(long, short, default_value = "Ada has 12 coins and gets 30 more. Now Ada has ")]
    prompt: String,
    /// Read the first N tokens of the prompt only
    #[arg(long, value_name = "N")]
    prefill: Option<usize>,
    /// Write at most N tokens; writing ends with the line
    #[arg(long, alias = "tokens", value_name = "N", default_value_t = 32)]
    decode: usize,
    /// Measure bits per byte, next-byte accuracy and sums right on the evaluation texts, as floats and quantised
    #[arg(long)]
    accuracy: bool,
    /// Folder for program, listing, plan, graph, memory image and report
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Write the SystemVerilog of the machine into the folder, too
    #[arg(long, requires = "out")]
    rtl: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    // Before any work: a folder that cannot be written is told at once.
    let folder = args.out.as_deref().map(Folder::begin).transpose()?;
    let working = Progress::begin("compiling", 0);
    let product = produce(&args.request)?;
    let programs = product.programs()?;
    drop(working);
    // Told before the machine runs: a model that the texts are not for.
    let texts = args.accuracy.then(|| accuracy::texts(product.decoder.config.vocab)).transpose()?;
    let mut talk = Talk::new(&product, args);
    let answer = talk.hold(args)?;
    let accuracy = texts.map(|texts| measure(&product, &texts)).transpose()?;
    let summary = Summary {
        model: &product.name,
        scheme: Some(product.quantised.scheme.name),
        machine: &product.machine.machine,
        programs: programs.iter().map(|n| size(n.name, &n.compiled.program)).collect(),
        phases: vec![("prefill", talk.prefill), ("decode", talk.decode)],
    };
    let mut json = summary.json();
    json["prompt"] = args.prompt.clone().into();
    json["answer"] = answer.into();
    json["weights_exact"] = product.quantised.on_grid().into();
    json["accuracy"] = accuracy.as_ref().map(Accuracy::json).into();
    let table = accuracy.as_ref().map(Accuracy::text).unwrap_or_default();
    let mut report = Report::new(format!("\n\n{}{table}", summary.text()), json);
    if let (Some(folder), Some(out)) = (folder, &args.out) {
        product.write(&folder, &programs)?;
        if args.rtl {
            rtl::write(&product.machine.machine, &folder, "rtl/")?;
        }
        folder.add("report.json", format!("{:#}\n", report.json))?;
        folder.finish()?;
        report.text.push_str(&format!("\nwritten to {}\n", out.display()));
    }
    Ok(report)
}

fn measure(product: &Product, texts: &Texts) -> Result<Accuracy, Diagnostic> {
    let _working = Progress::begin("measuring accuracy", 0);
    Accuracy::of(product, texts)
}

fn size(name: &str, program: &isa::Program) -> (String, u64, u64) {
    let words = program.instrs.len() as u64;
    (name.to_string(), words, words * 32)
}

/// A prompt and its continuation on the machine.
struct Talk<'p> {
    product: &'p Product,
    machine: Accelerator,
    prefill: Phase,
    decode: Phase,
    /// Show the text as it comes.
    aloud: bool,
}

impl<'p> Talk<'p> {
    fn new(product: &'p Product, args: &Args) -> Talk<'p> {
        let machine = Accelerator::new(product.target.clone(), &product.image);
        Talk { product, machine, prefill: Phase::default(), decode: Phase::default(), aloud: !args.json }
    }

    /// Reads and writes; returns what was written.
    fn hold(&mut self, args: &Args) -> Result<String, Diagnostic> {
        let tokens = tokens(&args.prompt, args.prefill);
        // Told before anything is printed: a prompt that the machine cannot take.
        turns(&self.product.target, 0, &tokens)?;
        self.say(&text(&tokens[1..]));
        let mut logits = read(self.product, &mut self.machine, &tokens, &mut self.prefill)?;
        let mut written = Vec::new();
        while written.len() < args.decode && self.machine.position() < self.machine.target().map.context {
            let next = arg_max(&logits);
            if next == END {
                break;
            }
            written.push(next);
            self.say(&text(&[next]));
            logits = read(self.product, &mut self.machine, &[next], &mut self.decode)?;
        }
        Ok(text(&written))
    }

    fn say(&self, text: &str) {
        if self.aloud {
            print(text);
        }
    }
}

fn read(
    product: &Product,
    machine: &mut Accelerator,
    tokens: &[u32],
    phase: &mut Phase,
) -> Result<Vec<i32>, Diagnostic> {
    let working = Progress::begin("simulating", tokens.len() as u64);
    machine.read(tokens, |pass: Pass| {
        phase.tokens += u64::from(pass.tokens);
        phase.macs += (pass.position..pass.position + pass.tokens).map(|p| product.macs(p)).sum::<u64>();
        phase.tally.add(&pass.compiled.program, &product.machine.machine, &pass.trace);
        (0..pass.tokens).for_each(|_| working.step());
    })
}

/// Byte tokens of a prompt behind the line break that texts start with.
fn tokens(prompt: &str, most: Option<usize>) -> Vec<u32> {
    let bytes = std::iter::once(b'\n').chain(prompt.bytes()).map(u32::from);
    bytes.take(most.unwrap_or(usize::MAX).max(1)).collect()
}

fn text(tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens.iter().map(|t| *t as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
