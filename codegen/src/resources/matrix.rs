//! The matrix engine.

use super::Module;
use super::construct::{clog2, gate, index_bits, multiplier, mux};
use super::products::products;
use hw::{Geometry, Machine};

/// `tw_delay`: one or two registers a bit, more are a shift register in a LUT of up to 32.
pub fn delay(width: u32, depth: u32) -> Module {
    let module = Module::new("tw_delay").with("DEPTH", depth).with("WIDTH", width);
    let bits = u64::from(width);
    if depth < 3 {
        module.ff(bits * u64::from(depth))
    } else {
        module.lut(bits * u64::from(depth.div_ceil(32)))
    }
}

/// `tw_mul`.
pub fn mul(a: u32, b: u32) -> Module {
    Module::new("tw_mul").with("A_BITS", a).with("B_BITS", b).holds(multiplier(a, b))
}

/// `tw_select`: a multiplexer for each bit; of a single element, zero if the number is another.
fn select(count: u32, width: u32, bits: u32) -> Module {
    let module = Module::new("tw_select").with("BITS", bits).with("COUNT", count).with("WIDTH", width);
    module.lut(u64::from(width) * mux(count.max(2)))
}

/// `tw_matrix`.
pub fn matrix(machine: &Machine, g: &Geometry) -> Module {
    let acc_bits = machine.matrix.accumulator_bits;
    let modes = g.modes.bits();
    let packed = machine.matrix.multipliers.packed();
    let rows_per_tile = g.n / g.l;
    let parts_per_row = g.l / g.d;
    let slots = g.t * rows_per_tile * parts_per_row;
    let (part_bits, slot_bits, col_bits) =
        (index_bits(parts_per_row), index_bits(slots), index_bits(g.n / g.d));
    let sum_bits = 16 + clog2(g.lp);
    let later = match packed {
        1 => 0,
        2 => clog2(g.lp).max(2) - 1,
        3 => clog2(g.lp).max(3) - 2,
        5 | 6 => clog2(g.lp).max(1) - 1,
        _ => clog2(g.lp).max(1),
    };
    let group_bits = sum_bits + 8;
    let outputs = u64::from(g.t * g.n);
    let module = Module::new("tw_matrix")
        .with("T", g.t)
        .with("N", g.n)
        .with("L", g.l)
        .with("D", g.d)
        .with("TP", g.tp)
        .with("NP", g.np)
        .with("LP", g.lp)
        .with("ACC_BITS", acc_bits)
        .with("MODES", modes)
        .with("PACKED", packed)
        .with("NARROW", u32::from(g.narrow))
        .with("A_WIDTH", g.a_width)
        .with("W_ROW", g.widest_row())
        // Counters of steps, groups and tiles, and their ends; rows of operands; slots, their rows, parts and columns; addresses.
        .lut(405 + u64::from(g.lp))
        // The instruction; what is under way; counters; rows; valid steps, groups and slots; slots and addresses.
        .ff(150 + 3 + 16 + 16 + 8 + 16 + 16 + 16 + 14 + u64::from(30 + 3 * later))
        .ff(u64::from(
            6 + clog2(rows_per_tile) + clog2(parts_per_row) + slot_bits + col_bits + 3 * 14 + 2 * 12,
        ))
        // Group scales; of each drain lane channel, accumulator and residual; the token's scale.
        .ff(u64::from(g.n * 8 + g.d * (24 + acc_bits + 32) + 24))
        .has(1, delay(if packed >= 5 { 6 } else { 5 }, 1))
        .has(1, delay(1, 5 + later))
        .has(1, delay(1, 1))
        .has(1, delay(1, 6 + later))
        .has(1, delay(2, 8 + later))
        .has(1, delay(14, 5 + later))
        .has(1, delay(20 + clog2(g.c_row / g.c_part), 6 + later))
        .has(1, delay(slot_bits + 8, 8 + later))
        .has(1, delay(19, 13 + later))
        .has(1, delay(part_bits + 1, 14 + later))
        .has(1, delay(part_bits, 2))
        .has(1, delay(19, 16 + later))
        .has(1, products(packed, later, sum_bits, g))
        .has(outputs, acc(sum_bits, group_bits, acc_bits))
        .has(1, select(slots, g.d * acc_bits, slot_bits))
        .has(1, select(parts_per_row, g.d * 32, part_bits))
        .has(u64::from(g.d), epilogue(acc_bits));
    let module = if g.c_part == g.c_row && g.n > g.d {
        module.has(1, delay(col_bits, 7 + later)).has(1, select(g.n / g.d, g.d * 32, col_bits))
    } else {
        module
    };
    let module = if g.narrow { module.ff(1) } else { module };
    // Of two beats: which one it is, and the valid steps of odd tokens.
    if packed == 4 { module.lut(3).ff(u64::from(1 + 6 + later)) } else { module }
}

/// `tw_acc`: a group's sum and the accumulator start from nothing or from their register, in the LUT in front of each bit of the
/// carry chain; and the gate of the shadow's enable. The register of the scaled sum has the bits that the accumulator takes.
fn acc(sum_bits: u32, group_bits: u32, acc_bits: u32) -> Module {
    Module::new("tw_acc")
        .with("ACC_BITS", acc_bits)
        .with("GROUP_BITS", group_bits)
        .with("SUM_BITS", sum_bits)
        .lut(u64::from(group_bits + acc_bits + 1))
        .ff(u64::from(group_bits + acc_bits.min(group_bits + 9) + 2 * acc_bits))
        .has(1, mul(group_bits, 9))
}

/// `tw_epilogue`.
fn epilogue(acc_bits: u32) -> Module {
    let acc = u64::from(acc_bits);
    let product = acc + 32;
    Module::new("tw_epilogue")
        .with("ACC_BITS", acc_bits)
        // Shift: three exponents, and its limits; whether the accumulator is zero.
        .lut(3 * 10 + 12 + gate(acc_bits))
        // Multiples of 16: two LUTs a bit, one for the upper 32, which have two ways; then up to 15: three.
        .lut(2 * (product + 1) - 32 + 3 * (product + 1))
        // Saturated: whether the upper bits are all alike, and the choice; plus the residual, saturated again.
        .lut(2 * gate(acc_bits + 1) + 32 + 33 + 32)
        // Scale, shift, its copies; two registers of the product, two of the shifter, the rounded one; value and result.
        .ff(33 + 10 + 2 * 7 + 4 + 2 * product + 2 * (product + 1) + product + 64)
        // The sign and whether there is a limit: shift registers.
        .lut(2)
        .has(1, mul(17, 17))
        .has(1, mul(acc_bits, 33))
}
