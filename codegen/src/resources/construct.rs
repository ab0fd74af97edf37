//! What a construct of the language becomes on UltraScale+: LUTs of six inputs, carry chains, flip-flops, DSP48E2.
//!
//! A carry chain has a LUT in front of each bit of an adder, for the sum of the two operand bits; so has a comparison of order. Carry
//! chains, the multiplexers behind LUTs (MUXF7, MUXF8) and inverters are no LUTs.

/// Bits that count to below `n`, as `$clog2`.
pub fn clog2(n: u32) -> u32 {
    n.max(1).next_power_of_two().trailing_zeros()
}

/// As many bits, but at least one: of an index.
pub fn index_bits(n: u32) -> u32 {
    clog2(n).max(1)
}

/// LUTs of one bit of an AND or OR of `inputs`: the first takes six, each further one five more.
pub fn gate(inputs: u32) -> u64 {
    u64::from(inputs.saturating_sub(1).div_ceil(5))
}

/// The sum of so many numbers of so many bits, written as one expression: carry-save adders and one adder behind them. The two LUTs of
/// a bit of a carry-save adder become three where several follow each other.
pub fn adders(numbers: u64, bits: u64) -> u64 {
    let before = match numbers {
        0 | 1 => return 0,
        2 => 0,
        3 => 2,
        4 => 3,
        _ => 3 * (numbers - 2),
    };
    (before + 1) * bits
}

/// The same of a tree with a register above each eight leaves: sums of up to eight numbers, and the sum of those.
pub fn split_adders(numbers: u64, leaves: u32, bits: u64) -> u64 {
    let splits = u64::from((leaves / 8).max(1));
    let each = leaves.min(8).into();
    let low: u64 = (0..splits).map(|k| adders(numbers.saturating_sub(k * each).min(each), bits)).sum();
    low + adders(splits, bits)
}

/// LUTs of one bit chosen from `ways` by a binary number: four by each LUT, and eight or sixteen by the multiplexers behind two or
/// four LUTs.
pub fn mux(ways: u32) -> u64 {
    match ways {
        0 | 1 => 0,
        2..=4 => 1,
        5..=16 => u64::from(ways.div_ceil(4)),
        _ => u64::from(ways.div_ceil(4)) + mux(ways.div_ceil(16)),
    }
}

/// A signed multiplier. An operand that is wider than the slice's is cut 17 bits above its lower end, so that the parts are as wide as
/// the slice's cascade shifts; the products are added from there on, with a LUT for each bit.
pub fn multiplier(a: u32, b: u32) -> super::Cells {
    let (wide, narrow) = (a.max(b), a.min(b));
    let (cut, rest) = if wide > DSP48E2.0 {
        (wide, narrow)
    } else if narrow > DSP48E2.1 {
        (narrow, wide)
    } else {
        return super::Cells { dsp: 1, ..Default::default() };
    };
    let mut cells = multiplier(PART + 1, rest);
    cells += multiplier(cut - PART, rest);
    cells.lut += u64::from(a + b - PART);
    cells
}

/// Bits of the signed operands of a slice's multiplier.
const DSP48E2: (u32, u32) = (27, 18);
/// Bits of the lower part of an operand that is cut.
const PART: u32 = 17;
