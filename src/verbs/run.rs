//! `run MODEL`: the main job, end to end. The simulated machine reads the prompt and writes on by itself.

use crate::accuracy::{Accuracy, shipped};
use crate::cli::{Outcome, Report};
use crate::compiler::{Product, Request, import, produce};
use crate::frames::Frames;
use crate::model;
use crate::output::Folder;
use crate::progress::Progress;
use crate::report::Summary;
use crate::talk::Talk;
use crate::workload::Prompt;
use crate::{ablation, perfetto, rtl, rung};
use codegen::image;
use hw::machine::MemoryModel;
use ir::accuracy::write_npy;
use ir::diag::Diagnostic;
use std::path::PathBuf;

/// Compile a model for a machine, run it, and report
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    request: Request,
    /// What the machine reads; if not given a sum, or nothing if tokens are cached
    #[arg(long, short)]
    prompt: Option<String>,
    /// What an encoder of a signal reads: an npy file, or an npz file with an array `frames`, f32 [frames, channels]; if not given zeros
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Measure how well the model predicts the shipped texts, as floats and quantised; `eval` does so on any
    #[arg(long)]
    accuracy: bool,
    /// Folder for program, listing, plan, graph, memory image and report
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Write the SystemVerilog of the machine into the folder, too
    #[arg(long, requires = "out")]
    rtl: bool,
    /// Write what happened when, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Run the same work without each technique of the scheme, and compare speed, bytes and energy
    #[arg(long, conflicts_with_all = ["input", "accuracy", "out", "rtl", "trace"])]
    ablate: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    if args.ablate {
        return ablation::run(&args.request, args.prompt.as_deref());
    }
    // Before any work: a folder that cannot be written is told at once.
    let folder = args.out.as_deref().map(Folder::begin).transpose()?;
    let working = Progress::begin("compiling", 0);
    let (decoder, mut workload) = import(&args.request, args.prompt.as_deref())?;
    let frames = args.input.as_deref().map(|file| Frames::read(file, &decoder)).transpose()?;
    if let Some(frames) = &frames {
        frames.expect(args.request.workload.prefill)?;
        workload.prefill = Some(frames.tokens);
    }
    let prompt = workload.prompt(args.prompt.as_deref());
    let product = produce(&args.request, (decoder, &workload), prompt.tokens.len())?;
    let programs = product.programs()?;
    drop(working);
    // Told before the machine runs: a model that the texts are not for.
    let texts = args.accuracy.then(shipped).transpose()?;
    let absent = |what: &str, name: &str, option: &str| {
        Diagnostic::new("weights-absent", what)
            .at_item(name)
            .because("its file omits weights; what remains are sizes")
            .help(format!("leave out `{option}`, or give a file that holds the weights"))
    };
    match (image::absent(&product.quantised), &texts, &frames) {
        (Some(name), Some(_), _) => {
            return Err(absent("the accuracy of this model cannot be measured", name, "--accuracy"));
        }
        (Some(name), _, Some(_)) => return Err(absent("this model cannot read anything", name, "--input")),
        _ => {}
    }
    let mut accuracy = texts.as_ref().map(|texts| Accuracy::begin(texts, &product.decoder, 2)).transpose()?;
    let mut talk = Talk::new(&product, workload.context, !args.json);
    frames.iter().for_each(|frames| talk.hear(frames));
    talk.trace = args.trace.as_deref().map(perfetto::File::begin).transpose()?;
    // An encoder writes nothing; what it says are its logits, if it has some.
    let encoder = product.target.map.sequence.is_some();
    let answer = talk.hold(&prompt, &workload)?.filter(|_| !encoder);
    let logits = talk.logits.take().filter(|logits| encoder && !logits.is_empty());
    let logits: Option<Vec<f64>> = logits.map(|all| all.into_iter().map(fixed).collect());
    let hidden = talk.hidden().filter(|_| frames.is_some());
    if let Some(accuracy) = &mut accuracy {
        accuracy.float(&product.decoder)?;
        accuracy.quantised(&product.quantised)?;
    }
    talk.trace.take().map(perfetto::File::finish).transpose()?;
    talk.relieve();
    let summary = Summary {
        model: Some(&product.name),
        scheme: Some(&product.quantised.scheme.name),
        machine: &product.machine.machine,
        programs: programs.iter().map(|n| size(n.name, &n.compiled.program)).collect(),
        phases: vec![("prefill", talk.prefill), ("decode", talk.decode)],
        speaks: answer.is_some(),
        notes: notes(args, &product, &prompt)?,
    };
    let mut json = summary.json();
    json["prompt"] = answer.as_ref().map(|_| prompt.text()).into();
    json["answer"] = answer.into();
    json["logits"] = logits.clone().into();
    json["weights_exact"] = product.images.as_ref().map(|_| product.quantised.on_grid()).into();
    json["accuracy"] = accuracy.as_ref().map(Accuracy::json).into();
    json["rungs"] = rung::of(&json);
    let table = accuracy.as_ref().map(|a| format!("\n{}", a.text())).unwrap_or_default();
    let said = logits.map(|all| format!("\nlogits      {}\n", listed(&all))).unwrap_or_default();
    let width = product.quantised.config.hidden;
    let given = |all: &Vec<i32>| {
        let (tokens, first): (_, Vec<f64>) =
            (all.len() / width, all.iter().take(width).copied().map(fixed).collect());
        format!("\noutput      {tokens} tokens, the first {}\n", listed(&first))
    };
    let said = hidden.as_ref().map_or(said, given);
    let mut report = Report::new(format!("\n\n{}{said}{table}", summary.text()), json);
    if let (Some(mut folder), Some(out)) = (folder, &args.out) {
        let manifest = product.write(&mut folder, &programs)?;
        if args.rtl {
            rtl::write(&product.machine.machine, &mut folder, "rtl/")?;
        }
        if let Some(all) = &hidden {
            let elements = all.iter().copied().map(fixed);
            folder.add("output.npy", write_npy(&[all.len() / width, width], elements))?;
        }
        folder.add("report.json", format!("{:#}\n", report.json))?;
        folder.finish(manifest)?;
        report.text.push_str(&format!("\nwritten to {}\n", out.display()));
    }
    Ok(report)
}

/// What makes this run differ from a conversation.
fn notes(args: &Args, product: &Product, prompt: &Prompt) -> Result<Vec<String>, Diagnostic> {
    let machine = &product.machine.machine;
    let mut notes = product.notes();
    if let Some(name) = image::absent(&product.quantised) {
        let missing = model::missing_files(&args.request.model)?;
        let files =
            if missing.is_empty() { String::new() } else { format!("; {} is not there", missing.join(", ")) };
        notes.push(format!(
            "the file omits weights (`{name}`{files}): all times are exact, nothing is computed, and tokens are zeros"
        ));
    }
    let (context, mut read) = (args.request.workload.context, prompt.tokens.len());
    if !product.target.model.stem.is_empty() && args.input.is_some() {
        read = prompt.of_text;
    } else if !product.target.model.stem.is_empty() {
        let frames = product.target.model.frames(read as u32)[0];
        notes.push(format!("the {frames} frames of the signal are zeros: times do not depend on them"));
        read = prompt.of_text;
    }
    if context > 0 {
        notes.push(format!(
            "the {context} cached tokens are zeros: all times are exact, what the machine writes has no meaning"
        ));
    }
    if read > prompt.of_text {
        notes.push(format!("the prompt's {} tokens are repeated to {read}", prompt.of_text));
    } else if read > 0 && read < prompt.of_text {
        notes.push(format!("the prompt's {} tokens are cut to {read}", prompt.of_text));
    }
    if let Some(sequence) = product.target.map.sequence {
        let padding = product.target.map.context - sequence;
        let chunk = product.target.chunk;
        notes.push(format!(
            "the sequence goes through every layer in chunks of {chunk} tokens, {padding} of them padding"
        ));
    } else if read > 1 && product.target.chunk == 1 {
        notes.push(
            "the prompt is read token by token: no step of more fits the buffers or the context of this machine"
                .to_string(),
        );
    }
    let random = matches!(machine.memory.model, MemoryModel::Random { .. });
    if args.request.seed.is_some() && !random {
        notes.push("the seed changes nothing: this machine's memory draws no times".into());
    }
    Ok(notes)
}

/// A number of 16 fractional bits.
fn fixed(word: i32) -> f64 {
    f64::from(word) / 65_536.0
}

/// The first numbers of a list, and how many follow.
fn listed(all: &[f64]) -> String {
    let first: Vec<String> = all.iter().take(16).map(|x| format!("{x:.4}")).collect();
    let rest = all.len().saturating_sub(16);
    if rest == 0 { first.join(" ") } else { format!("{} and {rest} more", first.join(" ")) }
}

fn size(name: &str, program: &isa::Program) -> (String, u64, u64) {
    let words = program.instrs.len() as u64;
    (name.to_string(), words, words * 32)
}
