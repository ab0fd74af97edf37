//! vec: one vector after the other, each read whole before its result is written.

use super::Refused;
use super::rows::Place;
use super::state::{Outside, State, part_mut};
use hw::function::{Operand, Product};
use hw::{Function, Mode};
use ir::num::{self, Scale};
use isa::table::{Vector, out};

#[derive(Default)]
pub(super) struct Scratch {
    a: Vec<i32>,
    b: Vec<i32>,
    half: Vec<i16>,
    gains: Vec<i16>,
    steps: Vec<u32>,
    scales: Vec<Scale>,
    y: Vec<i32>,
    codes: Vec<i8>,
}

/// In each slice by itself, or across all of them: then a vector is what lies in the first slice, in the second, and so on.
pub(super) fn vector(slices: &mut [State], i: &Vector, s: &mut Scratch) -> Result<(), Refused> {
    let together = if i.across == 0 { 1 } else { slices.len() };
    slices.chunks_mut(together).try_for_each(|slices| vectors(slices, i, s))
}

fn vectors(slices: &mut [State], i: &Vector, s: &mut Scratch) -> Result<(), Refused> {
    let Some(function) = i.function() else {
        return Err(Refused::Field("names no function"));
    };
    if function == Function::Rope && i.rows % 2 != 0 {
        return Err(Refused::Field("turns halves of a vector with an odd number of rows"));
    }
    if slices.len() > 1 && !function.spans_slices() {
        return Err(Refused::Field("goes with one slice"));
    }
    if (i.out == out::Q8 || i.out == out::Q4) && i.o_token + i.tokens > slices[0].geometry.t {
        return Err(Refused::Field("writes tokens beyond those of an activation row"));
    }
    for t in 0..i.tokens {
        read_b(slices, i, t, s)?;
        for u in 0..i.subs {
            read_a(slices, i, t, u, s)?;
            if i.product() == Product::Words {
                reduce(&mut slices[0], i, t, u, s)?;
                continue;
            }
            let sum = apply(i, function, t, slices.len() as u32, s);
            if i.product() == Product::Rows {
                let row = u64::from(t) * u64::from(i.d_stride) + u64::from(u) * u64::from(i.rows);
                let parts = s.y.chunks_exact(s.y.len() / slices.len());
                let mut each = slices.iter_mut().zip(parts);
                each.try_for_each(|(state, part)| state.write_rows(Place::of(i.d).plus(row), part))?;
            }
            quantise(slices, i, t, u, sum, s)?;
        }
    }
    Ok(())
}

fn read_a(slices: &[State], i: &Vector, t: u32, u: u32, s: &mut Scratch) -> Result<(), Outside> {
    let row = u64::from(t) * u64::from(i.a_stride) + u64::from(u) * u64::from(i.rows);
    let at = Place::of(i.a).plus(row);
    s.a.clear();
    if i.a_half == 0 {
        return slices.iter().try_for_each(|state| state.read_rows(at, i.rows, &mut s.a));
    }
    s.half.clear();
    slices.iter().try_for_each(|state| state.read_half_rows(at, i.rows, &mut s.half))?;
    s.a.extend(s.half.iter().map(|&a| i32::from(a)));
    Ok(())
}

/// Operand b, which all vectors of a token share.
fn read_b(slices: &[State], i: &Vector, t: u32, s: &mut Scratch) -> Result<(), Outside> {
    let at = Place::of(i.b).plus(u64::from(t) * u64::from(i.b_stride));
    s.b.clear();
    s.gains.clear();
    slices.iter().try_for_each(|state| match i.operand() {
        Operand::None => Ok(()),
        Operand::Words => state.read_rows(at, i.rows, &mut s.b),
        Operand::Halves => state.read_half_rows(at, i.rows, &mut s.gains),
        Operand::HalfRows => state.read_rows(at, i.rows / 2, &mut s.b),
    })
}

/// The function, from `a` and b to `y`; gives the sum of a softmax.
fn apply(i: &Vector, function: Function, t: u32, slices: u32, s: &mut Scratch) -> u32 {
    let length = i.len + t * i.inc;
    s.y.resize(s.a.len(), 0);
    match function {
        Function::Copy => num::copy_vector(&s.a, i.shift, &mut s.y),
        Function::RmsNorm => num::rms_norm(&s.a, &s.gains, i.imm, i.shift, &mut s.y),
        Function::Rope | Function::RopePairs => {
            s.steps.clear();
            s.steps.extend(s.b.iter().map(|&step| step as u32));
            let turn = if function == Function::Rope { num::rope } else { num::rope_pairs };
            turn(&s.a, &s.steps, length as u16, &mut s.y);
        }
        Function::Requantise => s.y.copy_from_slice(&s.a),
        Function::Softmax => {
            s.scales.clear();
            s.scales.extend(s.b.iter().map(|&word| Scale::from_word(word as u32)));
            return num::softmax(&s.a, &s.scales, length as usize, &mut s.y);
        }
        Function::LayerNorm => {
            num::layer_norm(&s.a, &s.b, (length * slices) as usize, i.imm, i.shift, &mut s.y);
        }
        Function::Add => each(s, |a, b| num::add(a, b, i.shift)),
        Function::Mul => each(s, |a, b| num::mul(a, b, i.shift)),
        Function::LogNp => each(s, |a, b| num::log_np(a, Scale::from_word(b as u32))),
        _ => {
            let b = (i.gated != 0).then_some(&s.b[..]);
            function.point().iter().for_each(|point| point.vector(&s.a, b, &mut s.y));
        }
    }
    0
}

/// Words of a sub: a sum, or the largest elements and their places.
fn reduce(state: &mut State, i: &Vector, t: u32, u: u32, s: &Scratch) -> Result<(), Outside> {
    let valid = s.a.get(..(i.len + t * i.inc) as usize).unwrap_or(&s.a);
    let first = u64::from(u) * u64::from(i.rounds());
    let (words, places) = (token(i.d, t, i.d_stride), token(i.o, t, i.o_step));
    if i.function() == Some(Function::Sum) {
        return word(state, words, first, num::sum(valid, i.shift) as u32);
    }
    for (n, (value, place)) in (first..).zip(num::top_k(valid, i.rounds() as usize)) {
        word(state, words, n, value as u32)?;
        word(state, places, n, place)?;
    }
    Ok(())
}

/// First row of a token.
fn token(field: u32, t: u32, stride: u32) -> Place {
    Place::of(field).plus(u64::from(t) * u64::from(stride))
}

/// Writes word n from a row on.
fn word(state: &mut State, at: Place, n: u64, value: u32) -> Result<(), Outside> {
    let byte = at.row * u64::from(state.geometry.v_row) + 4 * n;
    let word = part_mut(state.bank_mut(at.bank)?, "the vector bank", byte, 4)?;
    word.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// A function of two elements, element by element.
fn each(s: &mut Scratch, of: impl Fn(i32, i32) -> i32) {
    s.y.iter_mut().zip(s.a.iter().zip(&s.b)).for_each(|(y, (&a, &b))| *y = of(a, b));
}

/// Codes and scale of the result, as `out` says.
fn quantise(
    slices: &mut [State],
    i: &Vector,
    t: u32,
    u: u32,
    sum: u32,
    s: &mut Scratch,
) -> Result<(), Outside> {
    let bits = out::bits(i.out);
    if bits == 0 {
        return Ok(());
    }
    let qmax = (1 << (bits - 1)) - 1;
    s.codes.resize(s.y.len(), 0);
    let scale = match i.product() {
        Product::Rows | Product::Words => num::quantise_vector(&s.y, qmax, &mut s.codes),
        Product::Codes => {
            let (mantissa, exponent) = i.given_scale();
            let given = Scale { mantissa, exponent: exponent as i8 };
            num::requantise(&s.y, given, qmax, &mut s.codes);
            given
        }
    };
    match out::staged(i.out) {
        None => {
            let scale = softmax_scale(i, scale, sum);
            slices.iter_mut().try_for_each(|state| activations(state, i, t, u, scale, &s.codes))
        }
        // Keys and values stay in their slice.
        Some(mode) => {
            staging(&mut slices[0], i, mode, t, u, &s.codes)?;
            let scales = token(i.o, t, i.o_step).plus(i.imm.into());
            word(&mut slices[0], scales, u.into(), scale.word())
        }
    }
}

fn softmax_scale(i: &Vector, scale: Scale, sum: u32) -> Scale {
    if i.function() == Some(Function::Softmax) { num::softmax_slot(scale, sum) } else { scale }
}

/// A token of activation rows, padding included, and its slot.
fn activations(
    state: &mut State,
    i: &Vector,
    t: u32,
    u: u32,
    scale: Scale,
    codes: &[i8],
) -> Result<(), Outside> {
    let g = state.geometry;
    *state.slot(i.o_step + u * g.t + i.o_token + t)? = scale;
    let rows = (codes.len() / g.l as usize) as u64;
    let first = u64::from(i.o) + u64::from(u) * rows;
    let bytes = rows * u64::from(g.a_row);
    let rows = part_mut(&mut state.a, "the activation buffer", first * u64::from(g.a_row), bytes)?;
    let (token, lp) = ((i.o_token + t) as usize, g.lp as usize);
    for (row, codes) in rows.chunks_exact_mut(g.a_row as usize).zip(codes.chunks_exact(g.l as usize)) {
        let row = &mut row[token * lp..][..lp];
        row.fill(0);
        row.iter_mut().zip(codes).for_each(|(b, &code)| *b = code as u8);
    }
    Ok(())
}

/// Keys and values: codes of each row as a segment, or a part of one.
fn staging(state: &mut State, i: &Vector, mode: Mode, t: u32, u: u32, codes: &[i8]) -> Result<(), Outside> {
    let g = state.geometry;
    let at = Place::of(i.o).plus(u64::from(t) * u64::from(i.o_step));
    let base = at.row * u64::from(g.v_row);
    let per_segment = g.n / g.l;
    let (segment, per_byte) = (g.segment(mode), 8 / mode.bits());
    let written = if mode.by_lane() { g.l.div_ceil(per_byte) } else { segment };
    let bank = state.bank_mut(at.bank)?;
    for (j, codes) in (0u32..).zip(codes.chunks_exact(g.l as usize)) {
        let byte = if mode.by_lane() {
            let index = u * i.rows.div_ceil(per_segment) + j / per_segment;
            u64::from(index * segment + j % per_segment * (g.l / per_byte))
        } else {
            u64::from(u * i.rows + j) * u64::from(segment)
        };
        let bytes = part_mut(bank, "the vector bank", base + byte, written.into())?;
        bytes.fill(0);
        let mask = u8::MAX >> (8 - mode.bits());
        for (b, several) in bytes.iter_mut().zip(codes.chunks(per_byte as usize)) {
            let places = (0..8).step_by(mode.bits() as usize);
            *b = several.iter().zip(places).fold(0, |b, (&code, at)| b | (code as u8 & mask) << at);
        }
    }
    Ok(())
}
