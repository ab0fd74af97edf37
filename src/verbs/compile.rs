//! `compile MODEL`: everything that a machine and its host need, in a folder.

use crate::cli::{Outcome, Report};
use crate::compiler::{Request, import, produce};
use crate::output::Folder;
use crate::progress::Progress;
use serde_json::json;
use std::path::PathBuf;

/// Compile a model for a machine
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    request: Request,
    /// Folder for graph.tw, plan.txt, programs with listings and arguments, image.bin, machine.toml and manifest.json
    #[arg(long, short)]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let mut folder = Folder::begin(&args.out)?;
    let working = Progress::begin("compiling", 0);
    let (decoder, workload) = import(&args.request, None)?;
    let prompt = workload.prefill.unwrap_or(0);
    let product = produce(&args.request, (decoder, &workload), prompt as usize)?;
    let programs = product.programs()?;
    let manifest = product.write(&mut folder, &programs)?;
    folder.finish(manifest)?;
    drop(working);
    let mut text = format!(
        "{}: for {}, {} positions\n",
        args.out.display(),
        product.machine.machine.name,
        product.target.map.context
    );
    let mut entries = Vec::new();
    for p in &programs {
        let (words, tokens) = (p.compiled.program.instrs.len(), p.compiled.tokens);
        text.push_str(&format!("  {:<8} {tokens:>3} tokens, {words} instructions\n", p.name));
        entries.push(json!({ "name": p.name, "tokens": tokens, "instructions": words, "bytes": words * 32 }));
    }
    let notes = product.notes();
    notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
    let json = json!({
        "model": product.name,
        "machine": product.machine.machine.name,
        "scheme": product.quantised.scheme.name,
        "context": product.target.map.context,
        "programs": entries,
        "image_bytes": product.images.as_ref().map(|images| images.iter().map(bytes::Bytes::len).sum::<usize>()),
        "weights_exact": product.quantised.on_grid(),
        "notes": notes,
        "output": args.out.to_string_lossy(),
    });
    Ok(Report::new(text, json))
}
