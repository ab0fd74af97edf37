//! The products of the matrix engine, and the trees that sum them.

use super::construct::{clog2, mux, split_adders};
use super::matrix::{delay, mul};
use super::{Cells, Module};
use hw::{Geometry, Mode};

/// `tw_products`: `packed` products to a multiplier, whose sums come `later` than those of plain ones.
pub fn products(packed: u32, later: u32, sum_bits: u32, g: &Geometry) -> Module {
    let modes = g.modes.bits();
    let rows = g.a_width / (g.tp * g.lp);
    let outputs = u64::from(g.t * g.n);
    let activations = u64::from(g.t * rows * g.l);
    // Of nibbles one of two digits, whose upper bits are one sign; of narrow ones the lower one has a sign, too. Else bytes, of whose
    // upper half narrow ones have the sign.
    let (lut, ff) = match (packed, g.narrow) {
        (6, narrow) => (4 + u64::from(narrow), 5),
        (_, narrow) => (4 * u64::from(narrow), 8),
    };
    let module = Module::new("tw_products")
        .with("T", g.t)
        .with("N", g.n)
        .with("L", g.l)
        .with("TP", g.tp)
        .with("NP", g.np)
        .with("LP", g.lp)
        .with("MODES", modes)
        .with("PACKED", packed)
        .with("NARROW", u32::from(g.narrow))
        .with("A_WIDTH", g.a_width)
        .with("W_ROW", g.widest_row())
        .with("LATER", later)
        .with("SUM_BITS", sum_bits)
        .lut(activations * lut)
        .ff(activations * ff)
        .has(1, weight_decode(g, packed));
    let module = if rows > 1 { module.has(outputs, gather(g.l, modes & 63)) } else { module };
    match packed {
        1 => module.has(outputs, dot(g.l, g.lp, sum_bits)),
        2 => module.has(outputs / 2, dot_pair(g.l, g.lp, weight_bits(modes), sum_bits)),
        3 => dots(module, later, sum_bits, g),
        5 | 6 => digits(module, packed == 5, sum_bits, g),
        _ => quads(module, later, sum_bits, g),
    }
}

/// Of a weight operand.
fn weight_bits(modes: u32) -> u32 {
    if modes & 40 != 0 {
        8
    } else if modes & 20 != 0 {
        4
    } else {
        3
    }
}

/// Two lanes of an output to a slice, two slices to a cascade, which gets the same term for all outputs of a token.
fn dots(module: Module, later: u32, sum_bits: u32, g: &Geometry) -> Module {
    let halves = g.modes.has(Mode::W8) || g.modes.has(Mode::V8);
    let (whole, rest) = (u64::from(g.l / 4), u64::from(g.l % 4 / 2));
    let tokens = u64::from(g.t);
    module
        // Kinds of weights.
        .lut(3)
        .has(1, delay(2, 1))
        .has(1, delay(1, 5 + later))
        .has(tokens * whole, dot_term(2))
        .has(tokens * rest, dot_term(1))
        .has(u64::from(g.t * g.n), dot_lanes(g, halves, sum_bits))
}

/// `tw_dot_term`: two activations, each one of two or complemented, in front of the carry chain of their sum; that, or nothing, plus a
/// constant.
fn dot_term(slices: u32) -> Module {
    Module::new("tw_dot_term").with("SLICES", slices).lut(2 * 8 + 9 + 11).has(1, delay(11, 3 - slices))
}

/// `tw_dot_lanes`: the sum, once or sixteenfold.
fn dot_lanes(g: &Geometry, halves: bool, sum_bits: u32) -> Module {
    let leaves = (g.lp / 4).max(1);
    let module = Module::new("tw_dot_lanes")
        .with("HALVES", u32::from(halves))
        .with("L", g.l)
        .with("LP", g.lp)
        .with("SUM_BITS", sum_bits)
        .has(u64::from(g.l / 4), dsp_dot(2))
        .has(u64::from(g.l % 4 / 2), dsp_dot(1))
        .has(1, sum(g.l.div_ceil(4), leaves, 14, 14 + clog2(leaves)));
    if halves { module.lut(u64::from(14 + clog2(leaves) + 4)) } else { module }
}

/// `tw_dsp_dot`: the first slice adds C, the second one the cascade; the last one has one more register in front.
fn dsp_dot(slices: u32) -> Module {
    let module = Module::new("tw_dsp_dot").with("SLICES", slices);
    let first = slice(0b0_0011_0101, 0, u32::from(slices == 1));
    if slices == 1 { module.has(1, first) } else { module.has(1, first).has(1, slice(0b0_0001_0101, 0, 1)) }
}

/// A sum of digits for each output of each token; of crumbs with odd levels a term, shared by outputs unless each has activations of
/// its own.
fn digits(module: Module, crumbs: bool, sum_bits: u32, g: &Geometry) -> Module {
    let has = |mode| g.modes.has(mode);
    let levels = clog2(g.lp).max(1);
    let bytes = has(Mode::W8) || has(Mode::V8);
    let places = match (crumbs, bytes) {
        (true, true) => 4,
        (true, false) => 1 + u32::from(has(Mode::W4) || has(Mode::V4)),
        (false, _) => 2 + u32::from(bytes),
    };
    let twice = crumbs && (has(Mode::W2) || has(Mode::W2P));
    let terms = if has(Mode::W2P) { g.t * g.n } else { g.t };
    let module = module
        // The place: bits of the beat or their sum; the kind of weights.
        .lut(2 + u64::from(twice))
        .has(1, delay(3, 2 + levels))
        .has(u64::from(g.t * g.n), dot_digits(g, crumbs, places, twice, sum_bits));
    if twice { module.has(u64::from(terms), digit_term(g)) } else { module }
}

/// `tw_digit_term`: the sum, or nothing.
fn digit_term(g: &Geometry) -> Module {
    let bits = 8 + clog2(g.lp);
    Module::new("tw_digit_term")
        .with("L", g.l)
        .with("LP", g.lp)
        .lut(u64::from(bits))
        .ff(u64::from(8 * g.l + bits))
        .has(1, sum(g.l, g.lp, 8, bits))
}

/// `tw_dot_digits`: operands; two parts are added; each bit is that of one of up to five places; the sum with the term.
fn dot_digits(g: &Geometry, crumbs: bool, places: u32, twice: bool, sum_bits: u32) -> Module {
    let (a_bits, parts) = if crumbs { (8, 1) } else { (5, 2) };
    let part = a_bits + 1 + clog2(g.lp);
    let whole = part + 3 * (parts - 1);
    let step = 2 * parts;
    let choices = places + u32::from(twice);
    // Bits of the widest place, at least with the doubled one.
    let shifted = (whole + step * (places - 1)).max(whole + u32::from(twice)).min(sum_bits);
    let both = if parts == 2 { u64::from(whole + 1) } else { 0 };
    Module::new("tw_dot_digits")
        .with("A_BITS", a_bits)
        .with("L", g.l)
        .with("LP", g.lp)
        .with("PARTS", parts)
        .with("PLACES", places)
        .with("STEP", step)
        .with("SUM_BITS", sum_bits)
        .with("TERM_BITS", if twice { 8 + clog2(g.lp) } else { 1 })
        .with("TWICE", u32::from(twice))
        .lut(both + u64::from(shifted) * if choices > 1 { mux(choices) } else { 0 } + u64::from(sum_bits + 1))
        .ff(u64::from(g.l * (a_bits + 2 * parts + 1) + shifted + 1 + sum_bits))
        .has(u64::from(parts), digit_sum(g.l, g.lp, a_bits))
}

/// `tw_digit_sum`: of an adder of two products the first is a LUT for each bit, the second one is in front of the carry chain; the
/// others add what is there. Each has a bit below that carries.
fn digit_sum(l: u32, lp: u32, a_bits: u32) -> Module {
    let mut module = Module::new("tw_digit_sum").with("A_BITS", a_bits).with("L", l).with("LP", lp);
    let (mut nodes, mut bits, mut height) = (l, a_bits + 1, 0);
    // A product that has no neighbour, or is the only one.
    module = module.lut(u64::from(l.div_ceil(2) * bits)).has(1, delay(1, clog2(lp).max(1)));
    if lp == 1 {
        return module.ff(u64::from(bits));
    }
    while nodes > 1 {
        (nodes, bits, height) = (nodes.div_ceil(2), bits + 1, height + 1);
        module = module.lut(u64::from(nodes * (bits + 1))).ff(u64::from(nodes * bits));
        // Lanes of which this level adds the complement's 1.
        let least = lp >> height;
        let adders = l.min(2 * least).saturating_sub(least);
        module = if height > 1 { module.has(u64::from(adders), delay(1, height - 1)) } else { module };
    }
    module
}

/// Two tokens and two outputs to a slice; of each token the sum of its activations, minus a constant.
fn quads(module: Module, later: u32, sum_bits: u32, g: &Geometry) -> Module {
    let (tokens, pairs) = (u64::from(g.t), u64::from(g.t / 2));
    let term = g.t * (8 + clog2(g.lp) + 3);
    module
        // Kinds of weights; of each term the bits of its sum less a constant, or of another constant, and those above it.
        .lut(2 + u64::from(term))
        .has(1, delay(2, 1))
        .has(1, delay(2, 1 + later))
        .has(1, delay(2, 3))
        .has(pairs * u64::from(g.l), quad_pack())
        .has(tokens, sum(g.l, g.lp, 8, 8 + clog2(g.lp)))
        .has(tokens, delay(sum_bits, 3))
        .has(pairs * u64::from(g.n / 2), dot_quad(g.l, g.lp, sum_bits))
}

/// `tw_weight_decode`: each bit of the lower half of an operand is chosen by the mode from codes of two bits, which are one source, and
/// from rows of four and eight bits; each bit of the upper half from its sign and rows of eight. A LUT takes three sources and the mode.
fn weight_decode(g: &Geometry, packed: u32) -> Module {
    let modes = |list: &[Mode]| list.iter().filter(|m| g.modes.has(**m)).count() as u32;
    let operands = u64::from(g.n * g.l);
    let two = modes(&[Mode::W2, Mode::S2, Mode::W2P, Mode::S2P]);
    let (nibbles, bytes) = (modes(&[Mode::W4, Mode::V4]), modes(&[Mode::W8, Mode::V8]));
    let pruned = modes(&[Mode::W2P, Mode::S2P]) > 0;
    let dense = g.modes.bits() & 63 != 0;
    // What the mode chooses between: the code of two bits counts twice, as its own bits and turned over; in dots only if it is both.
    let kinds = |list: &[Mode]| u32::from(modes(list) > 0);
    let codes = match packed {
        3 => kinds(&[Mode::W2, Mode::W2P]) + kinds(&[Mode::S2, Mode::S2P]),
        _ => u32::from(two > 0) * 2,
    };
    let sources = codes + nibbles + bytes;
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
    let upper_bits = if bytes > 0 && packed != 3 { 4 } else { 0 };
    let upper = if packed == 3 { 0 } else { upper };
    // Above the lower weight of a dot stands its sign.
    let signs = if packed == 3 { operands / 2 } else { 0 };
    let lower = if nibbles + bytes > 0 { lower } else { 0 };
    // A digit is one of two or four of a weight, and the bit below it; of nibbles of bytes alone.
    let (lower, upper, lower_bits, upper_bits) = match (packed, bytes > 0, nibbles > 0) {
        (5, true, _) => (lower + upper + 5, 0, 3, 0),
        (5, false, true) => (lower + 2, 0, 3, 0),
        (5, false, false) => (0, 0, 2, 0),
        (6, true, _) => (lower + upper + 5, 0, 5, 0),
        _ => (lower, upper, lower_bits, upper_bits),
    };
    Module::new("tw_weight_decode")
        .with("L", g.l)
        .with("LP", g.lp)
        .with("MODES", g.modes.bits())
        .with("N", g.n)
        .with("NP", g.np)
        .with("PACKED", packed)
        .with("ROW", g.widest_row())
        .lut(operands * (lower + upper + if dense || pruned { pick } else { 0 }) + signs)
        .ff(operands * (lower_bits + upper_bits + pick) + signs)
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
    Module::new("tw_dsp_pair")
        .with("W_BITS", weight_bits)
        .has(1, slice(CONSTANT, 1 << 17, 0))
        .has(1, slice(0b0_0001_0101, 0, 1))
}

/// What a slice adds to its product: the constant.
const CONSTANT: u32 = 0b1_0000_0101;

/// `tw_dsp`.
fn slice(mode: u32, constant: u64, deep: u32) -> Module {
    Module::new("tw_dsp")
        .with("OPMODE", mode)
        .with("RND", constant)
        .with("DEEP", deep)
        .holds(Cells { dsp: 1, ..Cells::default() })
}

/// `tw_dot_quad`: trees for the four parts; of each output the upper part of the sum of one token; each of the four sums is chosen
/// from three, which is a LUT for each bit, and added to the term.
fn dot_quad(l: u32, lp: u32, sum_bits: u32) -> Module {
    let bits = u64::from(sum_bits);
    let part = 10 + clog2(lp);
    Module::new("tw_dot_quad")
        .with("L", l)
        .with("LP", lp)
        .with("SUM_BITS", sum_bits)
        .lut(2 * (bits - 9) + 4 * 2 * bits)
        .ff(4 * bits)
        .has(u64::from(l), dsp_quad())
        .has(4, sum(l, lp, 10, part))
}

/// `tw_dsp_quad`: a slice, whose constant is 255 in each of four lanes of 9 bits.
fn dsp_quad() -> Module {
    let constant = (0..4).map(|lane| 255 << (9 * lane)).sum();
    Module::new("tw_dsp_quad").has(1, slice(CONSTANT, constant, 0))
}

/// `tw_quad_pack`: each bit of the lower half is one of two activations, the two highest ones are alike; the upper half is a
/// difference, or the sign.
fn quad_pack() -> Module {
    Module::new("tw_quad_pack").lut(8 + 2 * 9)
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
