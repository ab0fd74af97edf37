//! `machines`: what is built in, and a preset to copy.

use crate::cli::{Outcome, Report};
use crate::{place, resources};
use hw::Machine;
use serde_json::{Value, json};

/// List the built-in machines, or print the file of one
#[derive(clap::Args)]
pub struct Args {
    /// Print the machine file of this preset (or check and print one of your own)
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
    /// With --show: what each kind of module takes of an UltraScale+ device, predicted, the most first
    #[arg(long, requires = "show")]
    modules: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    match &args.show {
        Some(name) => show(name, args.modules),
        None => list(),
    }
}

fn show(name: &str, modules: bool) -> Outcome {
    let found = place::machine(name)?;
    let mut json = facts(&found.machine);
    json["file"] = found.text.clone().into();
    let text = if modules { resources::modules_text(&found.machine) } else { found.text };
    if modules {
        json["modules"] = resources::modules_json(&found.machine);
    }
    Ok(Report::new(text, json))
}

fn list() -> Outcome {
    let mut text = String::from(
        "name            clock  multipliers  tokens x outputs x lanes   on chip      LUT    DSP  hash\n",
    );
    let mut all = Vec::new();
    for (name, _) in hw::presets::all() {
        let machine = place::machine(name)?.machine;
        text.push_str(&row(&machine));
        all.push(facts(&machine));
    }
    text.push_str("\n`tilewright machines --show tiny > mine.toml` gives one to change; `--machine mine.toml` uses it.\n");
    Ok(Report::new(text, json!({ "machines": all })))
}

fn row(m: &Machine) -> String {
    let array = format!("{} x {} x {}", m.matrix.tokens, m.matrix.outputs, m.matrix.lanes);
    let cells = codegen::resources::predict(m).total();
    format!(
        "{:<14} {:>4} MHz  {:>11}  {array:>24}  {:>4} KiB  {:>7}  {:>5}  {:#010x}\n",
        m.name,
        m.clock_hz / 1_000_000,
        multipliers(m),
        on_chip_bytes(m) / 1024,
        cells.lut,
        cells.dsp,
        m.hash()
    )
}

fn facts(m: &Machine) -> Value {
    json!({
        "name": m.name,
        "hash": format!("{:#010x}", m.hash()),
        "clock_hz": m.clock_hz,
        "multipliers": multipliers(m),
        "tokens": m.matrix.tokens,
        "outputs": m.matrix.outputs,
        "lanes": m.matrix.lanes,
        "slices": m.slices.count,
        "on_chip_bytes": on_chip_bytes(m),
        "resources": resources::json(m),
    })
}

/// Products that the matrix engine makes in a cycle, at the most.
fn multipliers(m: &Machine) -> u32 {
    m.slices.count * m.matrix.tokens * m.matrix.outputs * m.matrix.lanes
}

/// Bytes of all buffers that a machine file sizes.
fn on_chip_bytes(m: &Machine) -> u32 {
    let b = &m.buffers;
    let vector = b.vector_banks * b.vector_bank_bytes;
    let slice = b.weight_bytes + b.group_scale_bytes + b.channel_bytes + b.activation_bytes + vector;
    m.slices.count * slice
}
