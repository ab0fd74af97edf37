//! The matrix engine.

use super::construct::{clog2, gate, index_bits, multiplier, mux, split_adders};
use super::{Cells, Module};
use hw::machine::Multipliers;
use hw::{Geometry, Machine, Mode};

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
    let paired = machine.matrix.multipliers == Multipliers::Dsp48e2;
    let rows_per_tile = g.n / g.l;
    let parts_per_row = g.l / g.d;
    let slots = g.t * rows_per_tile * parts_per_row;
    let (part_bits, slot_bits, col_bits) =
        (index_bits(parts_per_row), index_bits(slots), index_bits(g.n / g.d));
    let weight_bits = if modes & 40 != 0 {
        8
    } else if modes & 20 != 0 {
        4
    } else {
        3
    };
    let sum_bits = 16 + clog2(g.lp);
    let later = if !paired { 0 } else { (clog2(g.lp).max(2)) - 1 };
    let group_bits = sum_bits + 8;
    let rows = g.a_width / (g.tp * g.lp);
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
        .with("PAIRED", u32::from(paired))
        .with("A_WIDTH", g.a_width)
        .with("W_ROW", g.widest_row())
        // Counters of steps, groups and tiles, and their ends; rows of operands; slots, their rows, parts and columns; addresses.
        .lut(405 + u64::from(g.lp))
        // The instruction; what is under way; counters; rows; valid steps, groups and slots; slots and addresses.
        .ff(150 + 3 + 16 + 16 + 8 + 13 + 16 + 16 + 14 + u64::from(30 + 3 * later))
        .ff(u64::from(
            6 + clog2(rows_per_tile) + clog2(parts_per_row) + slot_bits + col_bits + 3 * 14 + 2 * 12,
        ))
        // Activations, group scales; of each drain lane channel, accumulator and residual; the token's scale.
        .ff(u64::from(g.t * rows * g.l * 8 + g.n * 8 + g.d * (24 + acc_bits + 32) + 24))
        .has(1, delay(3, 1))
        .has(1, delay(1, 5 + later))
        .has(1, delay(1, 1))
        .has(1, delay(1, 6 + later))
        .has(1, delay(2, 8 + later))
        .has(1, delay(14, 5 + later))
        .has(1, delay(20, 6 + later))
        .has(1, delay(col_bits, 7 + later))
        .has(1, delay(slot_bits + 8, 8 + later))
        .has(1, delay(19, 13 + later))
        .has(1, delay(part_bits + 1, 14 + later))
        .has(1, delay(part_bits, 2))
        .has(1, delay(19, 16 + later))
        .has(1, weight_decode(g))
        .has(outputs, acc(sum_bits, group_bits, acc_bits))
        .has(1, select(g.n / g.d, g.d * 32, col_bits))
        .has(1, select(slots, g.d * acc_bits, slot_bits))
        .has(1, select(parts_per_row, g.d * 32, part_bits))
        .has(u64::from(g.d), epilogue(acc_bits));
    let module = if rows > 1 { module.has(outputs, gather(g.l, modes & 63)) } else { module };
    if paired {
        module.has(outputs / 2, dot_pair(g.l, g.lp, weight_bits, sum_bits))
    } else {
        module.has(outputs, dot(g.l, g.lp, sum_bits))
    }
}

/// `tw_weight_decode`: each bit of the lower half of an operand is chosen by the mode from codes of two bits, which are one source, and
/// from rows of four and eight bits; each bit of the upper half from its sign and rows of eight. A LUT takes three sources and the mode.
fn weight_decode(g: &Geometry) -> Module {
    let modes = |list: &[Mode]| list.iter().filter(|m| g.modes.has(**m)).count() as u32;
    let operands = u64::from(g.n * g.l);
    let two = modes(&[Mode::W2, Mode::S2, Mode::W2P, Mode::S2P]);
    let (nibbles, bytes) = (modes(&[Mode::W4, Mode::V4]), modes(&[Mode::W8, Mode::V8]));
    let pruned = modes(&[Mode::W2P, Mode::S2P]) > 0;
    let dense = g.modes.bits() & 63 != 0;
    // What the mode chooses between: the code of two bits counts twice, as its own bits and turned over.
    let sources = u32::from(two > 0) * 2 + nibbles + bytes;
    let lower = 4 * choice(sources);
    let upper = if bytes > 0 { 4 * choice(1 + bytes) } else { 0 };
    let pick = if pruned { 2 } else { 0 };
    // Without wider codes the two upper bits of a nibble are alike, and the lowest is a code's or set.
    let lower_bits = if nibbles + bytes > 0 {
        4
    } else if modes(&[Mode::S2, Mode::S2P]) > 0 {
        3
    } else {
        2
    };
    let upper_bits = if bytes > 0 { 4 } else { 0 };
    let lower = if nibbles + bytes > 0 { lower } else { 0 };
    Module::new("tw_weight_decode")
        .with("L", g.l)
        .with("LP", g.lp)
        .with("MODES", g.modes.bits())
        .with("N", g.n)
        .with("NP", g.np)
        .with("ROW", g.widest_row())
        .lut(operands * (lower + upper + if dense || pruned { pick } else { 0 }))
        .ff(operands * (lower_bits + upper_bits + pick))
}

/// LUTs of a bit that three bits of a mode choose from so many sources.
fn choice(sources: u32) -> u64 {
    match sources {
        0 | 1 => 0,
        2 | 3 => 1,
        _ => u64::from(sources.div_ceil(2)),
    }
}

/// `tw_gather`: one of four activations for each bit.
fn gather(l: u32, dense: u32) -> Module {
    Module::new("tw_gather").with("DENSE", dense).with("L", l).lut(u64::from(8 * l))
}

/// `tw_dot`: the sum of up to eight products, twice if there are more, and the sum of those; operands, products, sums.
fn dot(l: u32, lp: u32, sum_bits: u32) -> Module {
    let (lanes, bits, splits) = (u64::from(l), u64::from(sum_bits), u64::from((lp / 8).max(1)));
    let partial = bits - u64::from(clog2((lp / 8).max(1)));
    Module::new("tw_dot")
        .with("L", l)
        .with("LP", lp)
        .with("SUM_BITS", sum_bits)
        .lut(split_adders(lanes, lp, bits))
        .ff(lanes * 32 + splits * partial + bits)
        .has(lanes, mul(8, 8))
}

fn dot_pair(l: u32, lp: u32, weight_bits: u32, sum_bits: u32) -> Module {
    let (pairs, leaves) = (l.div_ceil(2), (lp / 2).max(1));
    let part = weight_bits + 9;
    Module::new("tw_dot_pair")
        .with("L", l)
        .with("LP", lp)
        .with("SUM_BITS", sum_bits)
        .with("W_BITS", weight_bits)
        .has(u64::from(pairs), dsp_pair(weight_bits))
        .has(2, sum(pairs, leaves, part, part + clog2(leaves)))
}

/// `tw_dsp_pair`: a cascade of two slices.
fn dsp_pair(weight_bits: u32) -> Module {
    let slice = |mode: u32, constant: u32, deep: u32| {
        Module::new("tw_dsp")
            .with("OPMODE", mode)
            .with("RND", constant)
            .with("DEEP", deep)
            .holds(Cells { dsp: 1, ..Cells::default() })
    };
    Module::new("tw_dsp_pair")
        .with("W_BITS", weight_bits)
        .has(1, slice(0b1_0000_0101, 1 << 17, 0))
        .has(1, slice(0b0_0001_0101, 0, 1))
}

/// `tw_sum`: an adder and a register for each node; the sums of a level have a bit more than what they add.
fn sum(count: u32, leaves: u32, bits_in: u32, bits_out: u32) -> Module {
    let mut module = Module::new("tw_sum")
        .with("COUNT", count)
        .with("IN", bits_in)
        .with("LEAVES", leaves)
        .with("OUT", bits_out);
    let (mut nodes, mut bits) = (count, bits_in);
    if leaves == 1 {
        return module.ff(u64::from(bits));
    }
    while nodes > 1 {
        // A node without a neighbour goes on as it is.
        module = module
            .lut(u64::from(nodes / 2 * (bits + 1)))
            .ff(u64::from(nodes / 2 * (bits + 1) + nodes % 2 * bits));
        (nodes, bits) = (nodes.div_ceil(2), bits + 1);
    }
    module
}

/// `tw_acc`: a group's sum and the accumulator start from nothing or from their register, which is a LUT for each bit of that
/// operand and one for each bit of the adder; and the gate of the shadow's enable. The register of the scaled sum has the bits that
/// the accumulator takes.
fn acc(sum_bits: u32, group_bits: u32, acc_bits: u32) -> Module {
    Module::new("tw_acc")
        .with("ACC_BITS", acc_bits)
        .with("GROUP_BITS", group_bits)
        .with("SUM_BITS", sum_bits)
        .lut(u64::from(2 * group_bits + 2 * acc_bits + 1))
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
