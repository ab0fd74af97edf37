//! Operands at the places that random instructions use again and again. Without them most products are zeros, which are equal
//! whatever the hardware does.

use super::bodies::HOT;
use super::builder::{Builder, Wish};
use crate::Body;
use crate::table::{Load, Vector, out, space, vec_addr};

/// Activation rows and slots that a gemm reads: its first ones, and as many as its steps and tokens span.
const A_ROWS: u32 = 24;
const SLOTS: u32 = 9;
/// Most blocks of a load.
const BLOCKS: u32 = 96;

/// Loads weights, scales and vectors, and quantises some of these. What a machine is too small for is left out.
pub(super) fn load(b: &mut Builder) {
    let (g, buffers) = (b.geometry, b.bodies.machine.buffers.clone());
    let blocks = |rows: u32, row: u32, size: u32| (rows * row / 64).clamp(6, BLOCKS).min(size / 64);
    let weights = blocks(2 * HOT, g.widest_row(), buffers.weight_bytes);
    let groups = blocks(HOT, g.g_row, buffers.group_scale_bytes);
    let channels = blocks(16, g.c_row, buffers.channel_bytes);
    let rows = blocks(2 * HOT, g.v_row, buffers.vector_bank_bytes);
    let scales = [(space::W, 0, weights), (space::G, 0, groups), (space::C, 0, channels)];
    let banks = (0..buffers.vector_banks.min(4)).map(|bank| (space::V, bank, rows));
    for (space, bank, blocks) in scales.into_iter().chain(banks) {
        let addr = b.bodies.source(blocks, space == space::C, &mut b.rng);
        put(b, 0, Load { space, bank, addr, blocks, ..Default::default() }.into());
    }
    // Sub u fills activation rows u * rows and on, and the slots of one row of tokens.
    let tokens = g.t.min(4);
    let subs = (SLOTS + g.t).div_ceil(g.t).min(63);
    let rows = A_ROWS.div_ceil(subs);
    let bank = b.rng.within(0, 1);
    let quantise = Vector {
        out: if b.rng.chance(80) { out::Q8 } else { out::Q4 },
        tokens,
        subs,
        rows,
        a: vec_addr(bank, 0),
        a_stride: b.rng.within(0, 2),
        d: vec_addr(2, 0),
        d_stride: subs * rows,
        ..Default::default()
    };
    put(b, 2, quantise.into());
}

fn put(b: &mut Builder, unit: usize, body: Body) {
    if b.bodies.legal(&body) {
        b.put(&Wish::of(unit), body);
    }
}
