//! Two lanes of an output in a DSP48E2: exact for all operands, and what matrix engines of them take of a device.

use crate::bench::Bench;
use crate::synthesis::cells;

/// Kinds of weights, and how many sums of two lanes and of four are compared: all there are, of more than 24 bits a part.
#[test]
fn dots_of_lanes_are_exact() {
    let machine = hw::presets::load("gemv").unwrap();
    for (kind, two) in [(0, 1 << 20), (1, 1 << 20), (2, 1 << 24), (3, 1 << 24)] {
        for (lanes, sums) in [(2, two), (4, 1 << 24)] {
            let parameters = [("KIND", kind), ("LANES", lanes)];
            let (events, _) = Bench::build("dot", &machine, &parameters).run(1, 0, &[], &[]);
            assert_eq!(events.done, [sums], "kind {kind}, {lanes} lanes");
        }
    }
}
