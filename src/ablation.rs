//! The same work under a scheme and without each of its techniques: what each is worth in speed, bytes and energy.
//!
//! Every row is a simulation of its own. What a machine cannot run is a row that says why.

use crate::cli::{Outcome, Report};
use crate::compiler::{Product, Request, import, produce_under};
use crate::energy::{NO_DRAM, amount};
use crate::place;
use crate::progress::Progress;
use crate::report::{bill, put, share, size};
use crate::talk::Talk;
use crate::workload::{Prompt, Workload};
use hw::technology::Range;
use hw::{Machine, Mode};
use ir::decoder::Decoder;
use ir::diag::Diagnostic;
use ir::quant::Scheme;
use ir::quant::scheme::Technique;
use serde_json::{Value, json};

/// What a run cost for each token that it wrote, or read if it wrote none.
struct Figures {
    /// Tokens that it wrote, or read.
    tokens: u64,
    writes: bool,
    tokens_per_second: f64,
    bytes: f64,
    /// None if the machine names no prices.
    joules: Option<Range>,
    /// Off-chip memory is in them.
    counts_dram: bool,
}

/// A scheme, and what a run under it cost or why there is none.
struct Row {
    /// What is off: names of techniques.
    off: Vec<Technique>,
    what: String,
    figures: Result<Figures, Diagnostic>,
}

/// What is the same in all rows.
struct Work<'a> {
    request: &'a Request,
    decoder: Decoder,
    workload: Workload,
    prompt: Prompt,
}

impl Work<'_> {
    fn product(&self, scheme: &Scheme) -> Result<Product, Diagnostic> {
        produce_under(self.request, scheme, (self.decoder.clone(), &self.workload), self.prompt.tokens.len())
    }

    /// Of a run; where the machine ends it at the end of a line, with the weights that decide when.
    fn figures(&self, mut product: Product) -> Result<Figures, Diagnostic> {
        if self.workload.decode.is_some() {
            product.images = None;
        }
        let mut talk = Talk::new(&product, self.workload.context, false);
        talk.hold(&self.prompt, &self.workload)?;
        let writes = talk.decode.tokens > 0;
        let phase = if writes { &talk.decode } else { &talk.prefill };
        let (machine, tally, tokens) = (&product.machine.machine, &phase.tally, phase.tokens.max(1) as f64);
        let bill = bill(machine, tally);
        Ok(Figures {
            tokens: phase.tokens,
            writes,
            tokens_per_second: tokens * machine.clock_hz as f64 / tally.cycles.max(1) as f64,
            bytes: (tally.read_bytes + tally.write_bytes) as f64 / tokens,
            joules: bill.as_ref().map(|bill| bill.total * (1.0 / tokens)),
            counts_dram: bill.is_some_and(|bill| bill.counts_dram()),
        })
    }
}

/// Runs the request, and without each technique.
pub fn run(request: &Request, prompt: Option<&str>) -> Outcome {
    let working = Progress::begin("simulating", 0);
    let (decoder, workload) = import(request, prompt)?;
    let scheme = place::scheme(&request.scheme)?;
    let prompt = workload.prompt(prompt);
    let mut work = Work { request, decoder, workload, prompt };
    let product = work.product(&scheme)?;
    let machine = product.machine.machine.clone();
    let whole = work.figures(product)?;
    // As many tokens in every row, whatever other weights would say.
    work.workload.decode =
        Some(if whole.writes { u32::try_from(whole.tokens).unwrap_or(u32::MAX) } else { 0 });
    let rows: Vec<Row> = variants(&scheme, &machine)
        .into_iter()
        .map(|(off, what, scheme)| {
            let figures = work.product(&scheme).and_then(|product| work.figures(product));
            Row { off, what, figures }
        })
        .collect();
    drop(working);
    let absent: Vec<Technique> = Technique::ALL.into_iter().filter(|t| !scheme.uses(*t)).collect();
    let json = json!({
        "model": request.model,
        "machine": machine.name,
        "scheme": scheme.name,
        "tokens": whole.tokens,
        "phase": phase(&whole),
        "energy_counts_dram": whole.counts_dram,
        "rows": rows_json(&whole, &rows),
        "not_in_scheme": absent.iter().map(|t| t.name()).collect::<Vec<_>>(),
        "rungs": { "rows": [4] },
    });
    let head = format!("{}, {}, on {}", request.model, scheme.name, machine.name);
    Ok(Report::new(text(&head, &whole, &rows, &absent), json))
}

/// Every technique off by itself, and weights wider and dense, which machines multiply when they do not multiply pruned ones.
fn variants(scheme: &Scheme, machine: &Machine) -> Vec<(Vec<Technique>, String, Scheme)> {
    let bits = wider(scheme.weights.bits, machine);
    let mut all = Vec::new();
    for technique in Technique::ALL.into_iter().filter(|t| scheme.uses(*t)) {
        let what = match technique {
            Technique::Pruning => "dense weights".to_string(),
            Technique::SharedPositions => "positions of each output".to_string(),
            Technique::Weights => format!("weights of {bits} bits"),
            Technique::Activations => "activations of 8 bits".to_string(),
            Technique::Attention => "queries and probabilities of 8 bits".to_string(),
            Technique::Cache => "cache of 8 bits".to_string(),
            Technique::Window => "all positions seen".to_string(),
        };
        let without = scheme.without(technique, bits);
        let both = technique == Technique::Weights && scheme.uses(Technique::Pruning);
        let dense = both.then(|| without.without(Technique::Pruning, bits));
        all.push((vec![technique], what, without));
        let off = vec![Technique::Pruning, Technique::Weights];
        all.extend(dense.map(|dense| (off, format!("dense weights of {bits} bits"), dense)));
    }
    all
}

/// The next width of weights that the machine multiplies; the next one of all if it multiplies none.
fn wider(bits: u32, machine: &Machine) -> u32 {
    let wider = [(4, Mode::W4), (8, Mode::W8)].into_iter().filter(|(wide, _)| *wide > bits);
    let there = wider.clone().find(|(_, mode)| machine.matrix.modes.contains(mode));
    there.or(wider.clone().next()).map_or(bits, |(wide, _)| wide)
}

fn phase(whole: &Figures) -> &'static str {
    if whole.writes { "decode" } else { "prefill" }
}

fn rows_json(whole: &Figures, rows: &[Row]) -> Vec<Value> {
    let first = row_json(whole, &[], "the whole scheme", Ok(whole));
    let others = rows.iter().map(|row| row_json(whole, &row.off, &row.what, row.figures.as_ref()));
    std::iter::once(first).chain(others).collect()
}

fn row_json(whole: &Figures, off: &[Technique], what: &str, found: Result<&Figures, &Diagnostic>) -> Value {
    let off: Vec<&str> = off.iter().map(|t| t.name()).collect();
    let figures = found.ok();
    let joules = figures.and_then(|f| f.joules);
    let relative = figures.map(|f| {
        let energy = f.joules.zip(whole.joules).map(|(a, b)| a.value / b.value);
        json!({
            "tokens_per_second": f.tokens_per_second / whole.tokens_per_second,
            "dram_bytes_per_token": f.bytes / whole.bytes,
            "joules_per_token": energy,
        })
    });
    json!({
        "off": off,
        "what": what,
        "tokens_per_second": figures.map(|f| f.tokens_per_second),
        "dram_bytes_per_token": figures.map(|f| f.bytes),
        "joules_per_token": joules.map(|j| j.value),
        "joules_range": joules.map(|j| [j.low, j.high]),
        "relative": relative,
        "refused": found.err().map(|e| json!({ "code": e.code, "what": e.what, "why": e.why })),
    })
}

fn text(head: &str, whole: &Figures, rows: &[Row], absent: &[Technique]) -> String {
    let mut out = String::new();
    let (does, tokens) = (if whole.writes { "written" } else { "read" }, whole.tokens);
    let s = if tokens == 1 { "" } else { "s" };
    put(&mut out, format_args!("{head}: each technique off by itself; {tokens} token{s} {does}\n\n"));
    put(&mut out, format_args!("{:<36}{:>18}{:>22}{:>20}\n", "", "tokens/s", "DRAM/token", "energy/token"));
    line(&mut out, "the whole scheme", whole, whole);
    for row in rows {
        match &row.figures {
            Ok(figures) => line(&mut out, &row.what, figures, whole),
            Err(e) => put(&mut out, format_args!("{:<36}not run, {}: {}\n", row.what, e.code, e.what)),
        }
    }
    out.push('\n');
    if whole.joules.is_some() && !whole.counts_dram {
        out.push_str(NO_DRAM);
    }
    if !absent.is_empty() {
        let names: Vec<&str> = absent.iter().map(|t| t.name()).collect();
        put(&mut out, format_args!("not in the scheme {}\n", names.join(", ")));
    }
    out
}

fn line(out: &mut String, what: &str, f: &Figures, whole: &Figures) {
    let part = |part: f64, of: f64| share(part, of);
    put(
        out,
        format_args!(
            "{what:<36}{:>9.1}{:>9}",
            f.tokens_per_second,
            part(f.tokens_per_second, whole.tokens_per_second)
        ),
    );
    put(out, format_args!("{:>13}{:>9}", size(f.bytes.round() as u64), part(f.bytes, whole.bytes)));
    match f.joules.zip(whole.joules) {
        Some((joules, all)) => {
            put(out, format_args!("{:>11}{:>9}\n", amount(joules.value), part(joules.value, all.value)));
        }
        None => put(out, format_args!("{:>11}\n", "-")),
    }
}
