//! gemm: decode a weight row once, use it for all tokens.

use super::Refused;
use super::rows::Place;
use super::state::{Outside, State, part};
use hw::{Geometry, Mode, mode};
use ir::num::{self, Scale};
use isa::table::Gemm;

#[derive(Default)]
pub(super) struct Scratch {
    /// Decoded weights: lane l of output n at `n * Lp + l`.
    weights: Vec<i8>,
    /// Of a pruned mode, in the same order: the column of the step that each meets.
    columns: Vec<u8>,
    /// Activations of a step of which four bits count, each as a byte.
    narrowed: Vec<u8>,
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
    let mode = Mode::of(i.mode).ok_or(Refused::Field("has a mode that does not exist"))?;
    scratch.weights.resize((g.np * g.lp) as usize, 0);
    for tile in 0..i.ntiles {
        accumulate(state, i, mode, tile, scratch)?;
        for token in 0..i.tokens {
            epilogue(state, i, tile, token, scratch, seen)?;
        }
    }
    Ok(())
}

/// The accumulators of one tile.
fn accumulate(state: &State, i: &Gemm, mode: Mode, tile: u32, s: &mut Scratch) -> Result<(), Outside> {
    let g = state.geometry;
    let outputs = (i.tokens * g.n) as usize;
    s.accumulators.clear();
    s.accumulators.resize(outputs, 0);
    for group in 0..i.groups {
        s.sums.clear();
        s.sums.resize(outputs, 0);
        for step in 0..i.steps {
            let k = u64::from(group) * u64::from(i.steps) + u64::from(step);
            weights(state, i, mode, tile, k, s)?;
            let rows = u64::from(mode.a_rows());
            let at = (u64::from(i.a_row) + k * rows) * u64::from(g.a_row);
            let step = part(&state.a, "the activation buffer", at, rows * u64::from(g.a_row))?;
            let step = match i.narrow {
                0 => step,
                _ => {
                    s.narrowed.clear();
                    s.narrowed.extend(step.iter().map(|&byte| num::signed_code(byte, 4) as u8));
                    &s.narrowed
                }
            };
            if mode.pruned() {
                kept_products(&g, step, &s.weights, &s.columns, &mut s.sums);
            } else {
                products(&g, step, &s.weights, &mut s.sums);
            }
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

/// Adds one step's products of a pruned mode: two rows of activations, of which each lane of an output picks its own.
fn kept_products(g: &Geometry, activations: &[u8], weights: &[i8], columns: &[u8], sums: &mut [i32]) {
    let (lanes, lp) = (g.l as usize, g.lp as usize);
    let (first, second) = activations.split_at(g.a_row as usize);
    let (mut step, mut operand) = ([0i8; 128], [0i8; 64]);
    let tokens = first.chunks_exact(lp).zip(second.chunks_exact(lp));
    for (sums, (first, second)) in sums.chunks_exact_mut(g.n as usize).zip(tokens) {
        let both = first[..lanes].iter().chain(&second[..lanes]);
        step.iter_mut().zip(both).for_each(|(o, &b)| *o = b as i8);
        let outputs = weights.chunks_exact(lp).zip(columns.chunks_exact(lp));
        for (sum, (row, columns)) in sums.iter_mut().zip(outputs) {
            operand.iter_mut().zip(&columns[..lanes]).for_each(|(o, &c)| *o = step[usize::from(c)]);
            *sum = sum.wrapping_add(num::dot(&operand[..lanes], &row[..lanes]));
        }
    }
}

fn scale(state: &State, i: &Gemm, tile: u32, group: u32, s: &mut Scratch) -> Result<(), Outside> {
    let g = state.geometry;
    let both = s.accumulators.iter_mut().zip(&s.sums);
    if i.scaled == 0 {
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
fn weights(state: &State, i: &Gemm, mode: Mode, tile: u32, k: u64, s: &mut Scratch) -> Result<(), Outside> {
    let g = state.geometry;
    let index = u64::from(i.w_row) + u64::from(tile) * u64::from(i.wn_stride) + k * u64::from(i.wk_stride);
    let bytes = g.w_row(mode);
    let row = part(&state.w, "the weight buffer", index * u64::from(bytes), bytes.into())?;
    if mode.pruned() {
        let (kept, positions) = row.split_at(row.len() / 2);
        codes(mode, kept, &mut s.weights);
        columns(&g, positions, &mut s.columns);
    } else if mode.bits() == 2 {
        codes(mode, row, &mut s.weights);
    } else if mode.by_lane() {
        turned(&g, mode, row, &mut s.lane_codes, &mut s.weights);
    } else {
        let outputs = s.weights.chunks_exact_mut(g.lp as usize);
        outputs.zip(row.chunks_exact(g.segment(mode) as usize)).for_each(|(w, row)| codes(mode, row, w));
    }
    Ok(())
}

/// What the positions of kept weights mean.
fn columns(g: &Geometry, positions: &[u8], columns: &mut Vec<u8>) {
    let position = |i: u32| u32::from(positions[(i / 4) as usize] >> (i % 4 * 2) & 3);
    columns.clear();
    columns.extend((0..g.np * g.lp).map(|i| mode::column(i % g.lp, position(i)) as u8));
}

/// A row by lane, turned around.
fn turned(g: &Geometry, mode: Mode, row: &[u8], lane_codes: &mut Vec<i8>, weights: &mut [i8]) {
    let (lp, segment) = (g.lp as usize, g.segment(mode) as usize);
    lane_codes.resize(g.np as usize, 0);
    for (lane, row) in row.chunks_exact(segment).enumerate() {
        codes(mode, row, lane_codes);
        lane_codes.iter().enumerate().for_each(|(n, &code)| weights[n * lp + lane] = code);
    }
}

/// Codes from the lowest bit of a byte up; what `operands` does not hold is padding.
fn codes(mode: Mode, bytes: &[u8], operands: &mut [i8]) {
    let per_byte = 8 / mode.bits() as usize;
    for (several, &byte) in operands.chunks_mut(per_byte).zip(bytes) {
        for (j, operand) in several.iter_mut().enumerate() {
            let code = byte >> (j as u32 * mode.bits());
            *operand = match mode {
                Mode::W2 | Mode::W2P => num::weight_level(code),
                Mode::S2 | Mode::S2P => num::signed_code(code, 2),
                Mode::W4 | Mode::V4 => num::signed_code(code, 4),
                Mode::W8 | Mode::V8 => code as i8,
            };
        }
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
        s.residual.clear();
        state.read_rows(Place::of(i.res).plus(offset), rows, &mut s.residual)?;
        s.outputs.iter_mut().zip(&s.residual).for_each(|(y, &r)| *y = num::residual(*y, r));
    }
    state.write_rows(Place::of(i.dst).plus(offset), &s.outputs)
}
