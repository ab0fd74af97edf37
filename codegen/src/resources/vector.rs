//! The vector engine.

use super::Module;
use super::construct::{gate, split_adders};
use super::matrix::{delay, mul};
use hw::function::Functions;
use hw::{Function, Geometry};

/// Bits of an element.
const WORD: u64 = 32;
/// Of a sum over the elements of a vector.
const SUM: u64 = 56;

/// `tw_vector`: its instruction, passes, rows and addresses; of each lane both operands, of which each bit is chosen from words of 32
/// and the halves of words of 16, and a comparison that says whether its element is there.
pub fn vector(g: &Geometry) -> Module {
    let f = g.functions;
    let (lanes, odd) = (u64::from(g.l), u64::from(g.l / 2));
    let norm = f.has(Function::RmsNorm) || f.has(Function::LayerNorm);
    let scalars = [norm, f.has(Function::LayerNorm), f.has(Function::Requantise), f.has(Function::Sum)];
    Module::new("tw_vector")
        .with("FUNCTIONS", f.bits())
        .with("L", g.l)
        .with("LP", g.lp)
        .with("N", g.n)
        .with("NP", g.np)
        .with("T", g.t)
        .with("CROSSING", g.crossing)
        .with("SLICES", g.slices)
        // Five sums of rows of 15 bits and what starts them; counters of rows, vectors and words with their ends; the elements that
        // are left; the shift and the enables of each pass.
        .lut(5 * 2 * 15 + 2 * (16 + 6 + 6 + 6 + 12) + 4 * WORD + 30)
        .lut(lanes * (2 * WORD + 8))
        // The instruction; counters of passes, rows, rounds, words; addresses of tokens and vectors; the elements that are left.
        // The exponent of a given scale.
        .lut(if f.has(Function::Requantise) { 8 } else { 0 })
        .ff(150 + 4 + 16 + 6 + 12 + 12 + 87 + 2 * WORD)
        // Which stage holds a row, its first, its last.
        .ff(24 + 18 + 24 + 2 * u64::from(g.crossing) + u64::from(g.slices > 1))
        .ff(lanes * 2 * WORD)
        .has(1, delay(1, 3))
        .has(1, delay(1, 6))
        .has(1, delay(1, 4))
        .has(lanes - odd, lane(f, false))
        .has(odd, lane(f, true))
        .has(1, reduce(g))
        .has(1, scalar(scalars))
        .has(1, write(g))
        .has(1, turn(g))
        .lut(across(g))
}

/// What `tw_vector` chooses for vectors across slices: maxima, sums, elements, the stages at which they stand and a pass ends.
fn across(g: &Geometry) -> u64 {
    if g.slices == 1 { 0 } else { 32 + 56 + 16 + 3 + u64::from(g.crossing) }
}

/// `tw_vturn`: whose turn it is, now and 19 cycles later; enable and place of codes, which cross, and the choice of all.
fn turn(g: &Geometry) -> Module {
    let module =
        Module::new("tw_vturn").with("CROSSING", g.crossing).with("SLICES", g.slices).with("WIDTH", 8 * g.lp);
    if g.slices == 1 {
        return module;
    }
    module
        .lut(7 + 3 + 19 + 8 * u64::from(g.lp))
        .ff(7 + u64::from(g.crossing))
        .has(1, delay(7, 19))
        .has(1, delay(21, g.crossing))
}

fn any(f: Functions, list: &[Function]) -> bool {
    list.iter().any(|x| f.has(*x))
}

/// Functions with a gate from a table or a step.
fn point(f: Functions) -> bool {
    use Function::{Add, Copy, LayerNorm, Requantise, RmsNorm, Rope, RopePairs, Softmax, Sum, TopK};
    let others = [Copy, RmsNorm, Rope, Softmax, Add, LayerNorm, RopePairs, Requantise, Sum, TopK];
    f.iter().any(|x| !others.contains(&x))
}

/// What is in a lane if one of its functions is.
struct Part {
    there: bool,
    lut: u64,
    ff: u64,
}

/// `tw_vlane`.
fn lane(f: Functions, odd: bool) -> Module {
    use Function::{Add, Exp, LayerNorm, LogNp, Reciprocal, Relu6, Requantise, RmsNorm, Rope, RopePairs};
    use Function::{Softmax, Softplus, Sum};
    let part = |there, lut, ff| Part { there, lut, ff };
    let (turn, norm) = (any(f, &[Rope, RopePairs]), any(f, &[RmsNorm, LayerNorm]));
    let (weigh, point) = (f.has(Softmax), point(f));
    let (late, joined) = (any(f, &[Reciprocal, LogNp]), any(f, &[Softplus, LogNp]));
    let parts = [
        // The element shifted to 17 bits: three stages of four ways. The product by the factor of a pass: 49 bits.
        part(true, 47 + 33 + 17 + 6, 2 * WORD + 2),
        // The product's first operand, of 18 bits, from up to six places; sums of products, of 64 bits.
        part(true, 3 * 18, WORD + 18 + 50 + 2 * 50 + 2 * WORD + 64),
        // Times qmax: a difference of 64 bits; the code and its limits.
        part(true, 64 + 30, 8),
        // Second product and the choice of its operands; what the results are chosen from.
        part(norm || point || turn || f.has(Add), 2 * WORD + 2 * 64, 64),
        // Summands.
        part(norm || weigh || any(f, &[Sum]), WORD, 18),
        // The saturated element under a given scale.
        part(f.has(Requantise), 12 + 17, 0),
        // The difference from the mean, saturated; which element it is.
        part(f.has(LayerNorm), 33 + WORD, 0),
        part(weigh || any(f, &[LayerNorm, Sum]), WORD, 0),
        // The scale word as an integer: a shift of 16 bits to 47, and its saturation.
        part(weigh, 10 + 120 + 4, 47 + 2),
        // The argument of a table: a phase, a magnitude, a difference.
        part(weigh || point || turn, WORD, WORD + 2 * 18),
        part(weigh, WORD, 0),
        part(point, 2 * WORD + WORD, 0),
        part(f.has(Relu6), 8, 0),
        // The element as it goes into the products.
        part(true, WORD, WORD),
        // Turns: both of a pair of elements and of sine and cosine; the sum and the difference of their products.
        part(turn, 32 + 18 + 64, 4 * WORD + 3 * 18),
        part(f.has(Add) || turn || joined, 64, 0),
        // The first product's operands: a phase's, or of the element.
        part(any(f, &[Exp, LogNp]), WORD + 16, 0),
        // A logarithm as an argument; the power of two in it and the end of the words.
        part(f.has(Exp), 2 * WORD + 26, 0),
        // The power of two above a magnitude: whether a bit is there above each place.
        part(f.has(Reciprocal), WORD + 6 + WORD, 1),
        // A number whose leading one is looked for, its sign, and the function of it.
        part(late, 18, WORD + 1),
        // What the second product adds: an element, or the power of two of a logarithm.
        part(joined, WORD + 8, 0),
        part(f.has(Softplus), WORD, 0),
        // A ratio: a shift of 49 bits to each of them, saturated; 1 and the ratio; which number that is.
        part(f.has(LogNp), 49 + 49 * 3 + WORD + 8 + WORD + 1 + 2 * WORD, 48 + 6),
        part(true, 24, 0),
    ];
    let there = || parts.iter().filter(|p| p.there);
    let module = Module::new("tw_vlane")
        .with("FUNCTIONS", f.bits())
        .with("ODD", u32::from(odd))
        .lut(there().map(|p| p.lut).sum())
        .ff(there().map(|p| p.ff).sum())
        .has(1, mul(32, if f.has(Exp) { 19 } else { 17 }))
        .has(1, functions(f))
        .has(1, delay(32, 4))
        .has(1, delay(32, 6))
        .has(1, delay(32, 2))
        .has(1, mul(32, 18))
        .has(1, mul(32, 32))
        .has(1, round());
    let module = module.has(u64::from(f.has(LogNp)), delay(5, 2));
    if f.has(LayerNorm) { module.has(1, delay(16, 6)) } else { module }
}

/// `tw_vfun`: the OR of the points and rises of its tables, 29 bits; phase and its fold, place in a table, the shift by whole powers of
/// two, sign and saturation.
fn functions(f: Functions) -> Module {
    use Function::{
        Exp, Gelu, GeluTanh, HardSigmoid, HardSwish, LogNp, Reciprocal, Rope, RopePairs, Sigmoid,
    };
    use Function::{Silu, Softmax, Softplus, Tanh};
    // Contents of a table decide its LUTs: the number is that of the table's 256 points, of 17 and 12 bits.
    let tables = [
        ("tw_rom_sin", 85, any(f, &[Rope, RopePairs])),
        ("tw_rom_sigmoid", 87, any(f, &[Silu, Sigmoid, Tanh])),
        ("tw_rom_phi", 83, f.has(Gelu)),
        ("tw_rom_phi_tanh", 71, f.has(GeluTanh)),
        ("tw_rom_hard_sigmoid", 23, any(f, &[HardSwish, HardSigmoid])),
        ("tw_rom_exp2", 82, any(f, &[Softmax, Exp])),
        ("tw_rom_softplus", 84, f.has(Softplus)),
        ("tw_rom_recip", 91, f.has(Reciprocal)),
        ("tw_rom_log2", 94, f.has(LogNp)),
    ];
    let count = tables.iter().filter(|t| t.2).count() as u32;
    let (turn, weigh) = (tables[0].2, any(f, &[Softmax, Softplus]));
    let (lead, log) = (any(f, &[Reciprocal, LogNp]), f.has(LogNp));
    let module = Module::new("tw_vfun")
        .with("FUNCTIONS", f.bits())
        .lut(29 * gate(2 * count))
        .lut(if turn { 17 + 18 } else { 0 })
        .lut(if weigh { 2 * 18 + 17 + 4 } else { 0 })
        .lut(20 + 18 + 2 * 18 + 12)
        // Twice a power, its end and its sign; the segment behind the leading one and its end; a step of one bit more.
        .lut(if f.has(Exp) { 17 + 3 * 18 + 8 } else { 0 })
        .lut(if lead { 20 + 5 + 18 + 7 } else { 0 })
        .lut(if f.has(Softplus) { 12 + 8 + 6 } else { 0 })
        .lut(if log { 10 } else { 0 })
        .ff(8 + 12 + 12 + 17 + 12 + 18 + if log { 5 } else { 0 });
    let module = tables
        .iter()
        .fold(module, |m, (name, lut, there)| m.has(u64::from(*there), Module::new(name).lut(*lut)));
    // The leading one is found in five steps of halves, of which those of the highest bits are short.
    let module = module.has(u64::from(lead), Module::new("tw_lead").lut(189));
    module.has(1, interp()).has(1, delay(8, 4))
}

/// `tw_interp`: the sum; of the product the bits that are added and the one that rounds, the base and the result.
fn interp() -> Module {
    Module::new("tw_interp").lut(17).ff(14 + 17 + 17).has(1, mul(12, 13))
}

/// `tw_round`: a shifter of 65 bits, three stages of four ways; rounding with a bias; saturation before and after.
fn round() -> Module {
    // What goes into the shifter, and its stages: a LUT a bit.
    let shifter = 65 + 3 * 65;
    // Limits of the shift, one place less; saturation: whether all upper bits are equal, and, after it, the choice.
    let places = 3 * 6;
    let saturation = 2 * 14 + WORD;
    // The sum with the bias.
    Module::new("tw_round").lut(shifter + places + saturation + 65).ff(2 + 6 + 3 * 65 + WORD)
}

/// `tw_vreduce`: of each lane its key, and with ranks whether it counts: three comparisons and an equality; a tree of the larger of two
/// keys, which compares and chooses; the sum of the lanes; the largest key and the sum so far.
fn reduce(g: &Geometry) -> Module {
    let rank = g.functions.has(Function::TopK);
    let (lanes, bits) = (u64::from(g.l), u64::from(g.lp.ilog2()));
    let key = if rank { WORD + 1 + bits } else { WORD };
    let sum = WORD + bits;
    let splits = u64::from((g.lp / 8).max(1));
    let module = Module::new("tw_vreduce")
        .with("L", g.l)
        .with("LP", g.lp)
        .with("RANK", u32::from(rank))
        .lut(lanes * WORD + (lanes - 1) * 2 * key)
        .lut(split_adders(lanes, g.lp, sum))
        .lut(key + SUM + 2)
        .ff(lanes * WORD + splits * (key + sum) + key + sum + SUM + 8);
    if rank { module.lut(lanes * (WORD + 13 + 2 * 16 + 2) + 3 * 16).ff(lanes + 3 * 16 + 16) } else { module }
}

/// `tw_scalar`.
fn scalar([norm, mean, given, total]: [bool; 4]) -> Module {
    let of = |there: bool, count: u64| if there { count } else { 0 };
    let module = Module::new("tw_scalar")
        .with("GIVEN", u32::from(given))
        .with("MEAN", u32::from(mean))
        .with("RSQRT", u32::from(norm))
        .with("TOTAL", u32::from(total))
        // What is normalised, the result's exponent and mantissa, the table's point.
        .lut(2 * 64 + 24 + 2 * 8 + 29)
        // Epsilon shifted by pairs of places, and its sum.
        .lut(of(norm, 2 * 62 + SUM))
        .lut(of(mean || total, 25))
        // The dividend and the quotient, complemented or not.
        .lut(of(mean, 16 + 48 + WORD))
        .lut(of(given, 20) + of(total, WORD))
        .ff(7 + 7 + 2 + 4 + 2 + 64 + 33 + 6 + 29 + 12 + WORD + 17 + 17 + 8 + 8 + 16 + 24)
        .ff(of(norm, 62 + 7 + 8) + of(mean, 10))
        // Bits of a length are known at the leading one, found in six steps by halves; the shift to it is of six stages.
        .has(1, Module::new("tw_norm16").lut(371).ff(119))
        .has(1, Module::new("tw_rom_recip").lut(91))
        .has(u64::from(norm), Module::new("tw_rom_rsqrt").lut(86))
        .has(1, interp())
        // Four times a comparison of 17 bits, a difference and a choice of 16, chained.
        .has(u64::from(mean), Module::new("tw_divide").lut(4 * (17 + 16 + 16) + 32).ff(16 + 16 + 32))
        .has(1, mul(17, 18));
    if total { module.has(1, round()).has(1, delay(1, 4)) } else { module }
}

/// `tw_vwrite`: a row is results, codes, a scale, an element or its place: of five sources for the lowest 16 bits of each word, of four
/// for the next 8, of three above; strobes; addresses of rows, codes, slots and segments.
fn write(g: &Geometry) -> Module {
    let words = u64::from(g.lp);
    let bytes = 2 + u64::from(g.lp.ilog2());
    Module::new("tw_vwrite")
        .with("L", g.l)
        .with("LP", g.lp)
        .with("N", g.n)
        .with("NP", g.np)
        .with("T", g.t)
        .lut(words * (16 * 3 + 8 * 2 + 8 * 2 + 6))
        .lut(5 * 14 + 3 * 14 + 3 * 8 + 2 * 16 + 3 * (14 + bytes) + 37)
        .ff(words * 36 + 14 + 15 + 16 + 16 + 5 + 8 + 8 + 14 + 4 + 10 + 6 + 6 + 14 + bytes)
        .has(1, pack(g))
}

/// `tw_vpack`: codes of a byte or of half of one, then to any byte of the row: each byte is one of the lanes' or none.
fn pack(g: &Geometry) -> Module {
    let (lanes, words) = (u64::from(g.l), u64::from(g.lp));
    let ways = if g.l > 1 { lanes.div_ceil(4) } else { 1 };
    Module::new("tw_vpack")
        .with("BYTE_BITS", 2 + g.lp.ilog2())
        .with("L", g.l)
        .with("LP", g.lp)
        .lut(words * WORD * ways + 8 * lanes + 4 * words)
}
