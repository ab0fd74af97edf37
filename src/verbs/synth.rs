//! `synth --machine M`: predicted against synthesised cells.

use crate::cli::{Outcome, Report};
use crate::progress::Progress;
use crate::resources::cells;
use crate::synth::{self, Row, Synthesis, error_percent};
use crate::{cosim, place};
use codegen::resources::Cells;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Synthesise the hardware of a machine with Yosys and compare its cells with the prediction
#[derive(clap::Args)]
pub struct Args {
    /// A built-in machine or a machine file
    #[arg(long, short)]
    machine: String,
    /// What to synthesise for
    #[arg(long, value_enum, default_value = "xcup")]
    target: Target,
    /// Only this module, with all its parameters; may be given several times
    #[arg(long, value_name = "NAME")]
    module: Vec<String>,
    /// Calls of Yosys at a time; as many as there are processors if not given
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Where synthesised modules are kept; $XDG_CACHE_HOME/tilewright or ~/.cache/tilewright if not given
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Families of devices.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Target {
    /// AMD UltraScale+
    Xcup,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    let machine = place::machine(&args.machine)?.machine;
    let Target::Xcup = args.target;
    let cache = cosim::cache(args.cache.as_deref())?;
    let workers = args.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let working = Progress::begin("synthesising", 0);
    let found = synth::synthesise(&machine, &args.module, &cache, workers)?;
    drop(working);
    let json = json!({
        "machine": machine.name,
        "target": "xcup",
        "predicted": cells(&found.predicted),
        "synthesised": cells(&found.synthesised),
        "error_percent": errors(&found.predicted, &found.synthesised),
        "modules": found.rows.iter().map(facts).collect::<Vec<_>>(),
    });
    Ok(Report::new(text(&found), json))
}

fn errors(predicted: &Cells, synthesised: &Cells) -> Value {
    let rounded = |p, s| (10.0 * error_percent(p, s)).round() / 10.0;
    json!({
        "lut": rounded(predicted.lut, synthesised.lut),
        "ff": rounded(predicted.ff, synthesised.ff),
        "dsp": rounded(predicted.dsp, synthesised.dsp),
        "bram36": rounded(predicted.bram18, synthesised.bram18),
        "uram": rounded(predicted.uram, synthesised.uram),
    })
}

fn facts(row: &Row) -> Value {
    json!({
        "module": row.module,
        "instances": row.count.1,
        "predicted_instances": row.count.0,
        "predicted": cells(&row.predicted),
        "synthesised": cells(&row.synthesised),
    })
}

/// Modules by their LUTs, the largest first; then the sums.
fn text(found: &Synthesis) -> String {
    let mut text = format!("{:>7}  {}  module\n", "count", HEADS.join("  "));
    let mut rows: Vec<&Row> = found.rows.iter().collect();
    rows.sort_by_key(|r| std::cmp::Reverse((r.count.1 * r.synthesised.lut, r.count.1 * r.synthesised.ff)));
    for row in rows {
        let count = if row.count.0 == row.count.1 {
            row.count.1.to_string()
        } else {
            format!("{}/{}", row.count.0, row.count.1)
        };
        text.push_str(&line(&count, &row.predicted, &row.synthesised, &row.module));
    }
    text.push_str(&line("", &found.predicted, &found.synthesised, "all instances"));
    text.push_str(
        "\nPredicted / synthesised cells of one instance, without what it instantiates; errors in percent.\n",
    );
    text
}

const HEADS: [&str; 5] =
    ["            LUT         ", "             FF         ", "        DSP", "       BRAM36", "   URAM"];

fn line(count: &str, predicted: &Cells, synthesised: &Cells, module: &str) -> String {
    let large = |p: u64, s: u64| format!("{p:>7} /{s:>7} {:>+6.1} %", error_percent(p, s));
    let (p, s) = (predicted, synthesised);
    format!(
        "{count:>7}  {}  {}  {:>4} /{:>5}  {:>5} /{:>6}  {:>2} /{:>3}  {module}\n",
        large(p.lut, s.lut),
        large(p.ff, s.ff),
        p.dsp,
        s.dsp,
        p.bram36(),
        s.bram36(),
        p.uram,
        s.uram,
    )
}
