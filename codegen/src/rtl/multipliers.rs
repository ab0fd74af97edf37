//! The multipliers of a machine: what the hardware holds, by role. Every one is an instance of `tw_mul`, or a DSP48E2
//! whose twin has one.

use hw::Multipliers;
use hw::{Function, Geometry, Machine};

/// Multipliers of one role; operands are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multiplier {
    pub role: &'static str,
    pub count: u32,
    pub a_bits: u32,
    pub b_bits: u32,
}

/// Bits of the signed operands of a DSP48E2's multiplier.
const DSP48E2: (u32, u32) = (27, 18);

impl Multiplier {
    /// DSP48E2 slices of one such multiplier. Wider operands are cut: the part with the sign fills the slice's operand, each
    /// part below it is unsigned and so one bit narrower.
    pub fn dsp48e2(&self) -> u32 {
        let parts = |bits: u32, most: u32| 1 + bits.saturating_sub(most).div_ceil(most - 1);
        parts(self.a_bits.max(self.b_bits), DSP48E2.0) * parts(self.a_bits.min(self.b_bits), DSP48E2.1)
    }
}

/// Every multiplier of a machine.
pub fn multipliers(machine: &Machine) -> Vec<Multiplier> {
    let g = Geometry::of(machine);
    // A product has 16 bits, a group at most 255 steps.
    let group_bits = 16 + g.lp.ilog2() + 8;
    let of = |role, count, a_bits, b_bits| Multiplier { role, count, a_bits, b_bits };
    let products = g.t * g.n * g.l;
    // What the first multiplier of a lane takes beside a: a position, or 1 / ln 2 of powers of e.
    let factor_bits = if machine.vector.functions.contains(&Function::Exp) { 19 } else { 17 };
    let shared = match machine.matrix.multipliers {
        Multipliers::Plain => Some(of("matrix: products", products, 8, 8)),
        // A cascade has two slices: the last lane of an odd number fills one.
        Multipliers::Dsp48e2 => {
            let pairs = g.t * g.n / 2 * g.l.next_multiple_of(2);
            Some(of("matrix: pairs of products", pairs, DSP48E2.0, DSP48E2.1))
        }
        Multipliers::Quad => Some(of("matrix: quads of products", products / 4, DSP48E2.0, DSP48E2.1)),
        Multipliers::Dot => Some(of("matrix: products of two lanes", products / 2, DSP48E2.0, DSP48E2.1)),
        // Adders of digits: none is a multiplier.
        Multipliers::Crumb | Multipliers::Nibble => None,
    };
    let others = [
        of("matrix: group scales", g.t * g.n, group_bits, 9),
        of("epilogue: channel times token mantissa", g.d, 17, 17),
        of("epilogue: accumulator times scale", g.d, machine.matrix.accumulator_bits, 33),
        of("vector lane: phase", g.l, 32, factor_bits),
        of("vector lane: interpolation", g.l, 12, 13),
        of("vector lane: first product", g.l, 32, 18),
        of("vector lane: second product", g.l, 32, 32),
        of("vector scalar: interpolation", 1, 12, 13),
        of("vector scalar: ratio of scales", 1, 17, 18),
    ];
    shared.into_iter().chain(others).collect()
}
