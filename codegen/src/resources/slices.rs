//! What joins the slices of a machine.

use super::Module;
use super::construct::gate;
use super::matrix::delay;
use hw::Geometry;
use hw::timing::IN_FLIGHT;

/// Bits of a maximum and of a sum.
const FOUND: u64 = 32 + 56;

/// `tw_join`: of each slice a counter of events that goes up and down, and whether it has one; their AND.
pub fn join(g: &Geometry) -> Module {
    let module = Module::new("tw_join").with("MOST", IN_FLIGHT as u32).with("SLICES", g.slices);
    if g.slices == 1 {
        return module;
    }
    let bits = u64::from((IN_FLIGHT as u32 + 1).next_power_of_two().ilog2());
    let slices = u64::from(g.slices);
    module.lut(slices * (bits + 1 + 2) + gate(g.slices)).ff(slices * bits)
}

/// `tw_across`: each node of the tree compares and chooses a maximum, adds two sums and merges two rows of codes, of which the lowest
/// ones are gated by whose turn it is; all of it is registered.
pub fn across(g: &Geometry) -> Module {
    let width = u64::from(8 * g.lp);
    let levels = g.slices.next_power_of_two().ilog2();
    let module = Module::new("tw_across")
        .with("CROSSING", g.crossing)
        .with("SLICES", g.slices)
        .with("WIDTH", 8 * g.lp);
    // Nodes above at least one slice, and those of them above two parts that both hold one.
    let nodes: u64 = (1..=levels).map(|level| u64::from(g.slices.div_ceil(1 << level))).sum();
    let joins = u64::from(g.slices - 1);
    let module =
        module.lut(joins * (32 + 32 + 56 + width) + 2 * u64::from(g.slices)).ff(nodes * (FOUND + width));
    match g.crossing - levels {
        0 => module,
        rest => module.has(1, delay(FOUND as u32 + 8 * g.lp, rest)),
    }
}
