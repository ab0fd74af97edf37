//! gemm: decode a weight row once, use it for all tokens.

use super::Refused;
use super::rows::Place;
use super::state::{Outside, State, part};
use hw::Geometry;
use ir::num::{self, Scale};
use isa::table::{Gemm, mode};

#[derive(Default)]
pub(super) struct Scratch {
    /// Decoded weights: lane l of output n at `n * Lp + l`.
    weights: Vec<i8>,
    /// Group sums and accumulators: output n of token t at `t * N + n`.
    sums: Vec<i32>,
    accumulators: Vec<i64>,
    outputs: Vec<i32>,
    residual: Vec<i32>,
    lane_codes: Vec<i8>,
}

/// Performs a gemm; `seen` gets (tile, token, outputs before the residual).
pub(super) fn gemm(
    state: &mut State,
    i: &Gemm,
    scratch: &mut Scratch,
    seen: &mut impl FnMut(u32, u32, &[i32]),
) -> Result<(), Refused> {
    let g = state.geometry;
    if i.tokens == 0 || i.tokens > g.t {
        return Err(Refused::Field("has no tokens, or more than the engine"));
    }
    scratch.weights.resize((g.np * g.lp) as usize, 0);
    for tile in 0..i.ntiles {
        accumulate(state, i, tile, scratch)?;
        for token in 0..i.tokens {
            epilogue(state, i, tile, token, scratch, seen)?;
        }
    }
    Ok(())
}

/// The accumulators of one tile.
fn accumulate(state: &State, i: &Gemm, tile: u32, s: &mut Scratch) -> Result<(), Outside> {
    let g = state.geometry;
    let outputs = (i.tokens * g.n) as usize;
    s.accumulators.clear();
    s.accumulators.resize(outputs, 0);
    for group in 0..i.groups {
        s.sums.clear();
        s.sums.resize(outputs, 0);
        for step in 0..i.steps {
            let k = u64::from(group) * u64::from(i.steps) + u64::from(step);
            weights(state, i, tile, k, s)?;
            let at = (u64::from(i.a_row) + k) * u64::from(g.a_row);
            let row = part(&state.a, "the activation buffer", at, g.a_row.into())?;
            products(&g, row, &s.weights, &mut s.sums);
        }
        scale(state, i, tile, group, s)?;
    }
    Ok(())
}

/// Adds one step's products of all tokens and outputs.
fn products(g: &Geometry, activations: &[u8], weights: &[i8], sums: &mut [i32]) {
    let (lanes, lp) = (g.l as usize, g.lp as usize);
    let mut operand = [0i8; 64];
    for (sums, token) in sums.chunks_exact_mut(g.n as usize).zip(activations.chunks_exact(lp)) {
        operand.iter_mut().zip(token).for_each(|(o, &b)| *o = b as i8);
        for (sum, row) in sums.iter_mut().zip(weights.chunks_exact(lp)) {
            *sum = sum.wrapping_add(num::dot(&operand[..lanes], &row[..lanes]));
        }
    }
}

fn scale(state: &State, i: &Gemm, tile: u32, group: u32, s: &mut Scratch) -> Result<(), Outside> {
    let g = state.geometry;
    let both = s.accumulators.iter_mut().zip(&s.sums);
    if i.mode != mode::W2 {
        both.for_each(|(acc, &sum)| *acc = num::accumulate(*acc, 1, sum));
        return Ok(());
    }
    let row = u64::from(i.g_row) + u64::from(tile) * u64::from(i.groups) + u64::from(group);
    let at = row * u64::from(g.g_row);
    let scales = part(&state.g, "the group-scale buffer", at, g.g_row.into())?;
    for ((acc, &sum), &scale) in both.zip(scales[..g.n as usize].iter().cycle()) {
        *acc = num::accumulate(*acc, scale, sum);
    }
    Ok(())
}

/// Decodes the weight row of a tile and step.
fn weights(state: &State, i: &Gemm, tile: u32, k: u64, s: &mut Scratch) -> Result<(), Outside> {
    let g = state.geometry;
    let index = u64::from(i.w_row) + u64::from(tile) * u64::from(i.wn_stride) + k * u64::from(i.wk_stride);
    let bytes = match i.mode {
        mode::W2 => g.w2_row,
        mode::K4 => g.k4_row,
        _ => g.v4_row,
    };
    let row = part(&state.w, "the weight buffer", index * u64::from(bytes), bytes.into())?;
    match i.mode {
        mode::W2 => decode_w2(row, &mut s.weights),
        mode::K4 => decode_k4(&g, row, &mut s.weights),
        _ => decode_v4(&g, row, &mut s.lane_codes, &mut s.weights),
    }
    Ok(())
}

fn decode_w2(row: &[u8], weights: &mut [i8]) {
    for (four, &byte) in weights.chunks_mut(4).zip(row) {
        four.iter_mut().enumerate().for_each(|(j, w)| *w = num::weight_level(byte >> (2 * j)));
    }
}

/// Output by output; a segment of a single lane has an unused high nibble.
fn decode_k4(g: &Geometry, row: &[u8], weights: &mut [i8]) {
    let (lp, segment) = (g.lp as usize, g.k4_segment as usize);
    weights.chunks_exact_mut(lp).zip(row.chunks_exact(segment)).for_each(|(w, row)| nibbles(row, w));
}

/// Lane by lane, then turned around.
fn decode_v4(g: &Geometry, row: &[u8], codes: &mut Vec<i8>, weights: &mut [i8]) {
    let (lp, np, segment) = (g.lp as usize, g.np as usize, g.v4_segment as usize);
    codes.resize(np, 0);
    for (lane, row) in row.chunks_exact(segment).enumerate() {
        nibbles(row, codes);
        codes.iter().enumerate().for_each(|(n, &code)| weights[n * lp + lane] = code);
    }
}

fn nibbles(bytes: &[u8], codes: &mut [i8]) {
    for (two, &byte) in codes.chunks_mut(2).zip(bytes) {
        two.iter_mut().zip([byte, byte >> 4]).for_each(|(c, b)| *c = num::nibble(b));
    }
}

/// Scales, rounds and writes the outputs of one tile and token.
fn epilogue(
    state: &mut State,
    i: &Gemm,
    tile: u32,
    token: u32,
    s: &mut Scratch,
    seen: &mut impl FnMut(u32, u32, &[i32]),
) -> Result<(), Outside> {
    let g = state.geometry;
    let token_scale = *state.slot(i.slot + token)?;
    let at = (u64::from(i.c_row) + u64::from(tile)) * u64::from(g.c_row);
    let channel = part(&state.c, "the channel buffer", at, g.c_row.into())?;
    let accumulators = &s.accumulators[(token * g.n) as usize..][..g.n as usize];
    s.outputs.clear();
    for (&acc, word) in accumulators.iter().zip(channel.chunks_exact(4)) {
        let channel = Scale::from_word(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let acc = num::wrap(acc, state.accumulator_bits);
        s.outputs.push(num::epilogue(acc, channel, token_scale, i.shift));
    }
    seen(tile, token, &s.outputs);
    let rows = g.n / g.l;
    let offset = u64::from(token) * u64::from(i.dst_stride) + u64::from(tile) * u64::from(rows);
    if i.residual != 0 {
        state.read_rows(Place::of(i.res).plus(offset), rows, &mut s.residual)?;
        s.outputs.iter_mut().zip(&s.residual).for_each(|(y, &r)| *y = num::residual(*y, r));
    }
    state.write_rows(Place::of(i.dst).plus(offset), &s.outputs)
}
