//! What a machine takes of an UltraScale+ device, as reports say it: predicted from the source of its RTL.

use codegen::resources::{Cells, predict};
use hw::Machine;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The counts by the names that reports use; area is not predicted.
pub fn json(machine: &Machine) -> Value {
    let mut all = cells(&predict(machine).total());
    all["area_um2"] = Value::Null;
    all["target"] = "xcup".into();
    all
}

/// Counts alone.
pub fn cells(c: &Cells) -> Value {
    json!({ "lut": c.lut, "ff": c.ff, "dsp": c.dsp, "bram36": c.bram36(), "uram": c.uram })
}

/// Kinds of modules of a machine, whatever their parameters: how many there are, and what all of them take without what they
/// instantiate; the most LUTs first.
fn modules(machine: &Machine) -> Vec<(String, u64, Cells)> {
    let mut kinds: BTreeMap<String, (u64, Cells)> = BTreeMap::new();
    for (key, (count, cells)) in predict(machine).flat() {
        let name = key.split(' ').next().unwrap_or_default();
        let kind = kinds.entry(name.into()).or_default();
        kind.0 += count;
        kind.1 += count * cells;
    }
    let mut list: Vec<_> = kinds.into_iter().map(|(name, (count, cells))| (name, count, cells)).collect();
    list.sort_by_key(|(_, _, cells)| std::cmp::Reverse((cells.lut, cells.dsp, cells.bram18)));
    list
}

/// The kinds of modules, one object each.
pub fn modules_json(machine: &Machine) -> Value {
    let one = |(name, count, of): &(String, u64, Cells)| {
        let mut entry = cells(of);
        entry["module"] = name.as_str().into();
        entry["count"] = (*count).into();
        entry
    };
    modules(machine).iter().map(one).collect()
}

/// The kinds of modules as a table, and their sum.
pub fn modules_text(machine: &Machine) -> String {
    let row = |name: &str, count: &str, c: &Cells| {
        format!(
            "{name:<22} {count:>7} {:>9} {:>9} {:>6} {:>8} {:>5}\n",
            c.lut,
            c.ff,
            c.dsp,
            c.bram36(),
            c.uram
        )
    };
    let mut text = format!(
        "{:<22} {:>7} {:>9} {:>9} {:>6} {:>8} {:>5}\n",
        "module, alone", "count", "LUT", "FF", "DSP", "BRAM36", "URAM"
    );
    for (name, count, cells) in modules(machine) {
        text.push_str(&row(&name, &count.to_string(), &cells));
    }
    text.push_str(&row("all", "", &predict(machine).total()));
    text
}

/// The same in a line.
pub fn text(machine: &Machine) -> String {
    let c = predict(machine).total();
    format!(
        "{} LUT, {} FF, {} DSP, {} BRAM36, {} URAM of an UltraScale+ device, predicted",
        c.lut,
        c.ff,
        c.dsp,
        c.bram36(),
        c.uram
    )
}
