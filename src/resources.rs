//! What a machine takes of an UltraScale+ device, as reports say it: predicted from the source of its RTL.

use codegen::resources::{Cells, predict};
use hw::Machine;
use serde_json::{Value, json};

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
