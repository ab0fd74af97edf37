//! Predicted against synthesised cells: the hardware of a machine through Yosys, module by module.
//!
//! Every module is synthesised once for each set of parameters, alone, with its instances as black boxes; counts are sums over the
//! instances. So a large array costs no more than a small one, logic is not shared across modules, and a module that another machine
//! has, too, is not synthesised again.

mod netlist;
mod yosys;

use crate::{output, rtl, tools};
use codegen::resources::Cells;
use hw::Machine;
use ir::diag::Diagnostic;
use netlist::Part;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A module with its parameters: what one instance holds, without what it instantiates.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name and parameters.
    pub module: String,
    /// Instances: predicted, in the elaborated design.
    pub count: (u64, u64),
    /// Cells of one, as predicted.
    pub predicted: Cells,
    /// Cells of one, as synthesised.
    pub synthesised: Cells,
}

/// A machine, predicted and synthesised.
#[derive(Debug, Clone)]
pub struct Synthesis {
    /// By module and parameters.
    pub rows: Vec<Row>,
    /// Of all instances.
    pub predicted: Cells,
    /// Of all instances.
    pub synthesised: Cells,
}

/// Synthesises the hardware of a machine, or of it the modules of these names if there are any; `cache` keeps what was synthesised, by content.
///
/// # Errors
/// Yosys is not installed or refuses the hardware, or the cache cannot be written.
pub fn synthesise(
    machine: &Machine,
    only: &[String],
    cache: &Path,
    workers: usize,
) -> Result<Synthesis, Diagnostic> {
    tools::require(&["yosys"])?;
    let version = tools::TOOLS.iter().find(|t| t.command == "yosys").and_then(tools::find).map(|f| f.version);
    let files = rtl::design(machine)?;
    let work = output::unfinished(&cache.join(format!("design-{:08x}", machine.hash())));
    let design = yosys::elaborate(&files, "tw_top", &work)?;
    let mut parts = netlist::parts(&design, "\\tw_top").unwrap_or_default();
    parts.retain(|part| wanted(only, &part.key));
    let cells = all(&parts, cache, &version.unwrap_or_default(), workers)?;
    let mut predicted = codegen::resources::predict(machine).flat();
    predicted.retain(|module, _| wanted(only, module));
    Ok(compare(predicted, &parts, &cells))
}

fn wanted(only: &[String], key: &str) -> bool {
    only.is_empty() || only.iter().any(|name| key.split(' ').next() == Some(name))
}

/// Cells of every part, in its order: those that are kept, and of the others what Yosys makes of them, in as many calls at a time as
/// there are workers.
fn all(parts: &[Part], cache: &Path, version: &str, workers: usize) -> Result<Vec<Cells>, Diagnostic> {
    let places: Vec<PathBuf> = parts
        .iter()
        .map(|p| cache.join(format!("cells-{:016x}.json", yosys::key(&p.text, version))))
        .collect();
    let mut missing: Vec<usize> = (0..parts.len()).filter(|&i| kept(&places[i]).is_none()).collect();
    // The longest first, so that each worker gets its share of them.
    missing.sort_by_key(|&i| std::cmp::Reverse(parts[i].text.len()));
    let shares: Vec<Vec<usize>> = (0..workers.max(1))
        .map(|w| missing.iter().copied().skip(w).step_by(workers.max(1)).collect())
        .collect();
    let synthesise = |share: &[usize]| -> Result<(), Diagnostic> {
        let (Some(first), of) = (share.first(), share.iter().map(|&i| &parts[i]).collect::<Vec<_>>()) else {
            return Ok(());
        };
        let cells = yosys::synthesise(&of, &output::unfinished(&places[*first].with_extension("work")))?;
        share.iter().zip(cells).try_for_each(|(&i, cells)| keep(&places[i], &cells))
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = shares.iter().map(|share| scope.spawn(|| synthesise(share))).collect();
        running
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    places.iter().map(|place| kept(place).ok_or_else(|| lost(place))).collect()
}

fn kept(place: &Path) -> Option<Cells> {
    let value: [u64; 5] = serde_json::from_str(&std::fs::read_to_string(place).ok()?).ok()?;
    let [lut, ff, dsp, bram18, uram] = value;
    Some(Cells { lut, ff, dsp, bram18, uram })
}

fn keep(place: &Path, cells: &Cells) -> Result<(), Diagnostic> {
    output::file(
        place,
        format!("{:?}\n", [cells.lut, cells.ff, cells.dsp, cells.bram18, cells.uram]).as_bytes(),
    )
}

fn lost(place: &Path) -> Diagnostic {
    Diagnostic::new("synth-files", "what was synthesised is not there any more")
        .because("the cache has changed meanwhile")
        .help("run the command again")
        .in_file(place.display().to_string())
}

fn compare(predicted: BTreeMap<String, (u64, Cells)>, parts: &[Part], cells: &[Cells]) -> Synthesis {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let row = |module: &String| Row {
        module: module.clone(),
        count: (0, 0),
        predicted: Cells::default(),
        synthesised: Cells::default(),
    };
    for (module, (count, cells)) in predicted {
        let row = rows.entry(module.clone()).or_insert_with(|| row(&module));
        (row.count.0, row.predicted) = (count, cells);
    }
    for (part, cells) in parts.iter().zip(cells) {
        let row = rows.entry(part.key.clone()).or_insert_with(|| row(&part.key));
        (row.count.1, row.synthesised) = (part.count, *cells);
    }
    let rows: Vec<Row> = rows.into_values().collect();
    let sum = |of: &dyn Fn(&Row) -> Cells| {
        rows.iter().fold(Cells::default(), |mut sum, row| {
            sum += of(row);
            sum
        })
    };
    let (predicted, synthesised) = (sum(&|r| r.count.0 * r.predicted), sum(&|r| r.count.1 * r.synthesised));
    Synthesis { rows, predicted, synthesised }
}

/// By how many percent a prediction is too large; of nothing predicted as something, 100.
pub fn error_percent(predicted: u64, synthesised: u64) -> f64 {
    match (predicted, synthesised) {
        (0, 0) => 0.0,
        (_, 0) => 100.0,
        _ => 100.0 * (predicted as f64 - synthesised as f64) / synthesised as f64,
    }
}
