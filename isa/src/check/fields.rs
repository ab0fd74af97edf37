//! Rules of one instruction with its registers resolved: sizes, alignment, overlap, ranges.
//!
//! Invariant, on which [`super::every`] relies: a rule holds in a field that takes a register from a value on, up to a value, or at
//! multiples of a value.

use super::Broken;
use crate::Program;
use crate::access::{Access, Role, Space, accesses};
use crate::table::{Body, Gemm, Load, OUTS, StoreSegments, Vector, out, space, vec_parts};
use hw::function::{Operand, Product};
use hw::machine::BLOCK_BYTES;
use hw::{Form, Function, Geometry, Machine, Mode};

/// Sizes of the spaces, and what of DRAM the program may touch.
#[derive(Debug)]
pub(crate) struct Limits {
    sizes: [u64; Space::COUNT],
    /// (first, end, writable), sorted; empty: everything.
    regions: Vec<(u64, u64, bool)>,
    program: (u64, u64),
}

impl Limits {
    pub fn new(program: &Program, machine: &Machine) -> Limits {
        let b = &machine.buffers;
        let mut sizes = [0; Space::COUNT];
        for (space, size) in [
            (Space::Weight, b.weight_bytes),
            (Space::GroupScale, b.group_scale_bytes),
            (Space::Channel, b.channel_bytes),
            (Space::Activation, b.activation_bytes),
            (Space::TokenScale, b.token_scales),
        ] {
            sizes[space.index()] = size.into();
        }
        sizes[Space::Dram.index()] = machine.memory.size_bytes;
        for bank in 0..b.vector_banks {
            sizes[Space::Vector(bank as u8).index()] = b.vector_bank_bytes.into();
        }
        let region = |r: &crate::program::Region| {
            (u64::from(r.addr), u64::from(r.addr) + u64::from(r.bytes), r.writable)
        };
        let mut regions: Vec<_> = program.regions.iter().map(region).collect();
        regions.sort_unstable();
        let first = u64::from(program.base);
        Limits { sizes, regions, program: (first, first + 32 * program.instrs.len() as u64) }
    }

    /// Every access lies inside its space.
    pub fn check(&self, set: &[Access]) -> Result<(), Broken> {
        for access in set {
            let (end, size) = (access.end(), self.sizes[access.space.index()]);
            if end > size {
                let unit = if access.space == Space::TokenScale { "slots" } else { "bytes" };
                let what = format!("touches {} up to {end}, which has {size} {unit}", access.space);
                return Err(Broken::new(
                    what,
                    "ranges lie inside their spaces",
                    "correct addresses or sizes",
                ));
            }
            if access.space == Space::Dram {
                access.ranges().try_for_each(|(from, end)| self.dram(access.write, from, end))?;
            }
        }
        Ok(())
    }

    fn dram(&self, write: bool, from: u64, end: u64) -> Result<(), Broken> {
        let help = "correct the address, or declare the region";
        if write && from < self.program.1 && self.program.0 < end {
            let what = format!("writes DRAM {from:#x} to {end:#x}, where the program lies");
            return Err(Broken::new(what, "words may have been fetched before", help));
        }
        if self.regions.is_empty() {
            return Ok(());
        }
        let before = self.regions.partition_point(|r| r.0 <= from);
        let fits = |r: &&(u64, u64, bool)| end <= r.1 && (r.2 || !write);
        if self.regions[..before].iter().rev().any(|r| fits(&r)) {
            return Ok(());
        }
        let (does, which) = if write { ("writes", "writable region") } else { ("reads", "region") };
        let what = format!("{does} DRAM {from:#x} to {end:#x}, which is no {which} of the program");
        Err(Broken::new(what, "a program touches only the memory that it declares", help))
    }
}

pub(crate) fn check(body: &Body, g: &Geometry) -> Result<(), Broken> {
    match body {
        Body::Load(i) => load(i, g)?,
        Body::StoreBlocks(i) => at_least_one(&[("blocks", i.blocks)])?,
        Body::StoreSegments(i) => segments(i, g)?,
        Body::Gemm(i) => gemm(i, g)?,
        Body::Vector(i) => vector(i, g)?,
        Body::Nop(_) | Body::Set(_) | Body::Add(_) | Body::Arg(_) | Body::Loop(_) | Body::Halt(_) => {}
    }
    Ok(())
}

fn rule(holds: bool, what: &str, why: &'static str, help: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken::new(what, why, help)) }
}

fn at_least_one(sizes: &[(&str, u32)]) -> Result<(), Broken> {
    match sizes.iter().find(|s| s.1 == 0) {
        None => Ok(()),
        Some((name, _)) => {
            let what = format!("`{name}` is 0");
            Err(Broken::new(what, "a unit has no empty instructions", "leave the instruction out"))
        }
    }
}

fn load(i: &Load, g: &Geometry) -> Result<(), Broken> {
    at_least_one(&[("blocks", i.blocks)])?;
    let form = Form::of(i.form).unwrap_or_default();
    if form == Form::Plain {
        return Ok(());
    }
    let what = format!("the form is {}, and this machine does not have it", form.name());
    rule(g.forms.has(form), &what, "a machine loads the forms that its file lists", "choose one of these")?;
    let why = "positions belong to pruned weights, which the weight buffer holds";
    rule(
        i.space == space::W,
        "the form has positions, and the destination is not `w`",
        why,
        "load it as it lies",
    )?;
    let what = format!("`blocks` is {}, no multiple of {}", i.blocks, form.blocks());
    rule(
        i.blocks % form.blocks() == 0,
        &what,
        "beats of such a form come in whole packets",
        "load whole packets",
    )?;
    let row = 2 * g.kept_codes();
    let what = format!("`dst` is block {}, and rows have {row} bytes", i.dst);
    let why = "codes and positions of a beat go to one row";
    rule(i.dst * BLOCK_BYTES % row == 0, &what, why, "begin with a row")?;
    let what = format!("{} blocks are no whole rows of {row} bytes", i.blocks);
    rule(form.on_chip(i.blocks) % u64::from(row) == 0, &what, why, "load whole rows")
}

fn segments(i: &StoreSegments, g: &Geometry) -> Result<(), Broken> {
    at_least_one(&[("count", i.count)])?;
    let bytes = 1u32 << i.seg_log2;
    let most = g.beat.min(g.v_row);
    let what = format!("segments of {bytes} bytes, and a beat or vector row has {most}");
    rule(
        bytes <= most,
        &what,
        "a segment is one access of the bank and one beat of the bus",
        "use more segments",
    )?;
    let aligned = [i.src, i.src_stride, i.addr, i.dst_stride].iter().all(|a| a % bytes == 0);
    let what = format!("addresses or strides are no multiples of the segment's {bytes} bytes");
    rule(aligned, &what, "segments are naturally aligned at both ends", "align them, or use smaller segments")
}

fn gemm(i: &Gemm, g: &Geometry) -> Result<(), Broken> {
    at_least_one(&[("tokens", i.tokens), ("ntiles", i.ntiles), ("groups", i.groups), ("steps", i.steps)])?;
    tokens(i.tokens, g)?;
    mode(Mode::of(i.mode), "", g)?;
    rule(
        i.narrow == 0 || g.narrow,
        "`narrow` is set, and this machine has no products of 4-bit activations",
        "matrix.narrow of the machine file says whether it does",
        "compile for this machine",
    )?;
    rule(
        i.a_row % Mode::of(i.mode).map_or(1, Mode::a_rows) == 0,
        "`a_row` is odd",
        "a step of a pruned mode reads two activation rows, which share a word of the buffer",
        "start at an even row",
    )?;
    if i.residual != 0 && i.res != i.dst {
        let set = accesses(&(*i).into(), g);
        apart(&set, Role::Residual, Role::D, "the residual overlaps the result without being equal to it")?;
    }
    written_once(&accesses(&(*i).into(), g))
}

/// The machine has the mode of a product, or the one that reads the codes of an output.
fn mode(mode: Option<Mode>, what: &str, g: &Geometry) -> Result<(), Broken> {
    let Some(missing) = mode.filter(|m| !g.modes.has(*m)) else { return Ok(()) };
    let what = format!("{what}mode {}, which this machine lacks", missing.name());
    rule(false, &what, "matrix.modes of the machine file lists what it has", "compile for this machine")
}

fn tokens(tokens: u32, g: &Geometry) -> Result<(), Broken> {
    let what = format!("{tokens} tokens, and the engine has {}", g.t);
    rule(tokens <= g.t, &what, "an activation row holds the engine's tokens", "split the instruction")
}

fn vector(i: &Vector, g: &Geometry) -> Result<(), Broken> {
    at_least_one(&[("tokens", i.tokens), ("subs", i.subs), ("rows", i.rows)])?;
    let Some(function) = i.function() else { return Ok(()) };
    let what = format!("function {}, which this machine lacks", function.name());
    let why = "vector.functions of the machine file lists what it has";
    rule(g.functions.has(function), &what, why, "compile for this machine")?;
    let what = format!("`gated` is set, and {} has no factor b", function.name());
    let why = "only functions of one element are multiplied by b";
    rule(i.gated == 0 || function.takes_gate(), &what, why, "multiply by an instruction of its own")?;
    rule(
        function != Function::Rope || i.rows % 2 == 0,
        "`rows` is odd",
        "rope turns the first half of the rows against the second",
        "pad to an even number",
    )?;
    let valid = function != Function::Softmax || i.len > 0;
    rule(valid, "`len` is 0", "a softmax has at least one valid score", "leave the instruction out")?;
    if matches!(function, Function::LayerNorm | Function::Sum | Function::TopK) {
        let most = (i.rows * g.l).min(u32::from(u16::MAX));
        let last = u64::from(i.len) + u64::from(i.inc * (i.tokens - 1));
        let what = format!("`len` is {} to {last}, and a vector has {} elements", i.len, i.rows * g.l);
        let holds = i.len > 0 && last <= u64::from(most);
        let why = "means, sums and the largest are those of 1 to 65535 elements which are there";
        rule(holds, &what, why, "correct the length")?;
    }
    if function == Function::TopK {
        let what = format!("the {} largest of {} elements", i.imm, i.len);
        let some = (1..=MOST_RANKS.min(i.len)).contains(&i.imm);
        rule(some, &what, "there are 1 to 63 of them, and no more than elements", "correct `imm`")?;
    }
    let goes = function.product().goes_with(i.out != out::NONE);
    let what = format!("`out` is {}", OUTS.get(i.out as usize).unwrap_or(&"?"));
    let why = "requantise writes codes alone, sums and the largest stand alone";
    rule(goes, &what, why, "name another output, or copy the result")?;
    if function == Function::Requantise {
        given_scale(i)?;
    }
    if i.across != 0 {
        across(i, function, g)?;
    }
    let half = i.a_half == 0 || function == Function::Copy;
    rule(half, "`a_half` is set", "only copy reads int16 as operand a", "copy to int32 first")?;
    mode(out::staged(i.out), "codes for ", g)?;
    if i.out == out::Q8 || i.out == out::Q4 {
        tokens(i.o_token + i.tokens, g)?;
    }
    let bank = |field| vec_parts(field).0;
    let two = i.operand() == Operand::None || bank(i.a) != bank(i.b);
    let help = "place one of them in another bank";
    rule(two, "operands a and b lie in the same bank", "both are read in the same cycle", help)?;
    let shared = i.product() == Product::Rows && bank(i.o) == bank(i.d);
    let two = out::staged(i.out).is_none() || !shared;
    rule(two, "result and staging rows lie in the same bank", "both are written in the same cycle", help)?;
    let set = accesses(&(*i).into(), g);
    let in_place = i.product() == Product::Rows
        && i.a == i.d
        && i.a_half == 0
        && (i.tokens == 1 || i.a_stride == i.d_stride);
    if !in_place {
        apart(&set, Role::A, Role::D, "operand a overlaps the result without being equal to it")?;
    }
    apart(&set, Role::B, Role::D, "operand b overlaps the result")?;
    for read in [Role::A, Role::B] {
        for write in [Role::Codes, Role::Scales, Role::Places] {
            apart(&set, read, write, "an operand overlaps the staging rows or places")?;
        }
    }
    written_once(&set)
}

/// Most elements that one instruction ranks.
const MOST_RANKS: u32 = 63;
/// Exponents of a scale that an instruction names: those that mean something for int32.
const GIVEN_EXPONENTS: std::ops::RangeInclusive<i32> = -15..=31;

/// A vector that lies across slices.
fn across(i: &Vector, function: Function, g: &Geometry) -> Result<(), Broken> {
    let why = "`across` joins the slices of a machine that has several";
    rule(g.slices > 1, "`across` is set, and this machine has one slice", why, "leave it out")?;
    let what = format!("`across` is set, and {} goes with the elements of one slice", function.name());
    let why = "maxima, sums of squares and means are those of all slices, and nothing else is";
    rule(function.spans_slices(), &what, why, "leave `across` out")?;
    let what = format!("`across` is set, and `out` is {}", OUTS.get(i.out as usize).unwrap_or(&"?"));
    let why = "codes of all slices go to activations; keys and values stay where they are";
    rule(out::staged(i.out).is_none(), &what, why, "leave `across` out")?;
    if function == Function::LayerNorm {
        let (elements, all) = (i.rows * g.l, u64::from(i.rows) * u64::from(g.l) * u64::from(g.slices));
        let what = format!("`len` is {}, and each of {} slices has {elements} elements", i.len, g.slices);
        let whole = i.len == elements && i.inc == 0 && all <= u64::from(u16::MAX);
        let why = "a mean across slices is that of all their elements, 65535 at the most";
        rule(whole, &what, why, "fill the rows of every slice")?;
    }
    Ok(())
}

/// The scale that a requantise names.
fn given_scale(i: &Vector) -> Result<(), Broken> {
    let (mantissa, exponent) = i.given_scale();
    let what = format!("a scale of {mantissa} * 2^{exponent}");
    let holds = mantissa >= 1 << 15 && i.inc == 0 && GIVEN_EXPONENTS.contains(&exponent);
    let why = "a mantissa lies in [2^15, 2^16) for every token, its exponent in -15 to 31";
    rule(holds, &what, why, "correct `len`, its register, `inc` or `shift`")
}

/// Two operands that must not share a byte.
fn apart(set: &[Access], one: Role, other: Role, what: &str) -> Result<(), Broken> {
    let find = |role| set.iter().find(|a| a.role == role);
    let (Some(x), Some(y)) = (find(one), find(other)) else { return Ok(()) };
    let boxes = x.space != y.space || x.end() <= y.at || y.end() <= x.at;
    let overlap = |(from, end): (u64, u64)| y.ranges().any(|(f, e)| from < e && f < end);
    rule(
        boxes || !x.ranges().any(overlap),
        what,
        "later parts of the instruction would read what earlier parts wrote",
        "move one of them",
    )
}

/// No byte is written twice by one instruction.
fn written_once(set: &[Access]) -> Result<(), Broken> {
    let mut ranges: Vec<_> = set
        .iter()
        .filter(|a| a.write && a.space != Space::Dram)
        .flat_map(|a| a.ranges().map(|r| (a.space, r.0, r.1)))
        .collect();
    ranges.sort_unstable();
    let twice = ranges.windows(2).any(|w| w[0].0 == w[1].0 && w[0].2 > w[1].1);
    rule(
        !twice,
        "writes a row twice",
        "tokens, codes and scales have rows of their own",
        "enlarge the strides",
    )
}
