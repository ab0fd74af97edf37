//! Unit timing contracts (docs/machine.md section 4): one definition for planner, simulator and RTL.
//!
//! A unit accepts its next instruction at `start + occupancy` at the earliest; results are done at `start + occupancy + latency`.
//! Load, store and fetch have no occupancy function: the memory decides; their fixed delays are the constants here.

use crate::machine::Matrix;
use crate::mode::Mode;
use crate::multipliers::Multipliers;

/// Cycles from the end of a gemm's occupancy to its retire pulse, with plain multipliers: operand read, product, lane sum, group
/// sum, scaling, accumulation, epilogue, write.
pub const MATRIX_LATENCY: u64 = 16;
/// Cycles between two passes of a vector instruction: lane pipeline, reduction, scalar functions.
pub const VECTOR_GAP: u64 = 24;
/// Cycles from the end of a vector instruction's occupancy to its retire pulse.
pub const VECTOR_LATENCY: u64 = 1;
/// Earliest cycle of the first fetch request.
pub const FETCH_START: u64 = 1;
/// From the beat that completes an instruction word to its earliest dispatch.
pub const FETCH_TO_DISPATCH: u64 = 2;
/// From the last read beat of a load to its retire pulse.
pub const LOAD_RETIRE: u64 = 2;
/// From a store's read of a beat to the beat's earliest appearance on the W channel.
pub const STORE_READ: u64 = 2;
/// Beats between the store's buffer read and the W channel.
pub const STORE_FIFO: usize = 4;
/// From the last write response of a store to its retire pulse.
pub const STORE_RETIRE: u64 = 1;
/// Instructions of one unit between start and done at the most (the depth of its retirement queue).
pub const IN_FLIGHT: usize = 32;
/// Dispatch cycles of `arg`: the argument table is a synchronous memory.
pub const ARG_CYCLES: u64 = 2;

/// What a matrix instruction's time depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GemmShape {
    /// Token rows in use.
    pub tokens: u64,
    /// Output tiles.
    pub ntiles: u64,
    /// Steps along K of each tile.
    pub ksteps: u64,
    /// Cycles of a step: [`beats`].
    pub beats: u64,
}

/// Cycles that a step of a gemm takes. A quad holds four products of 2-bit weights, and of 4-bit ones with narrow activations, of
/// others those of one token: even tokens come first, then odd ones, if there are any. Dot multipliers take weights of up to 4
/// bits: of bytes the lower halves come first, then the upper ones. Digits are multiplied a pair a beat, those of the activation
/// first, of which narrow ones have one.
pub fn beats(multipliers: Multipliers, mode: u32, narrow: bool, tokens: u64) -> u64 {
    let bits = Mode::of(mode).map_or(0, Mode::bits);
    match multipliers {
        Multipliers::Quad => 1 + u64::from(bits > if narrow { 4 } else { 2 } && tokens > 1),
        Multipliers::Dot => 1 + u64::from(bits > 4),
        Multipliers::Crumb => u64::from(bits.div_ceil(2)),
        Multipliers::Nibble => (2 - u64::from(narrow)) * u64::from(bits.div_ceil(4)),
        Multipliers::Plain | Multipliers::Dsp48e2 => 1,
    }
}

/// Cycles for which a gemm keeps the matrix unit. `outputs` and `drain_lanes` are the machine's.
pub fn gemm_occupancy(shape: GemmShape, outputs: u64, drain_lanes: u64) -> u64 {
    let drain = shape.tokens * (outputs / drain_lanes);
    let products = shape.ksteps * shape.beats;
    products + (shape.ntiles - 1) * products.max(drain) + drain
}

/// Cycles from the end of a gemm's occupancy to its retire pulse. Slices are followed by an adder tree with a
/// register for each level, one at least, where plain multipliers have one for all. Pairs of slices have summed two lanes before it,
/// those of dot multipliers four. Sums of digits are shifted and completed behind theirs, and have no products before it.
pub fn matrix_latency(matrix: &Matrix) -> u64 {
    let levels = matrix.lanes.next_power_of_two().ilog2();
    match matrix.multipliers {
        Multipliers::Plain => MATRIX_LATENCY,
        Multipliers::Dsp48e2 => MATRIX_LATENCY + u64::from(levels.saturating_sub(1).max(1)),
        Multipliers::Quad => MATRIX_LATENCY + u64::from(levels.max(1)),
        Multipliers::Dot => MATRIX_LATENCY + u64::from(levels.saturating_sub(2).max(1)),
        Multipliers::Crumb | Multipliers::Nibble => MATRIX_LATENCY - 1 + u64::from(levels.max(1)),
    }
}

/// What a vector instruction's time depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorShape {
    /// Vectors: tokens times subs.
    pub vectors: u64,
    /// Passes over each vector.
    pub passes: u64,
    /// Rows of each vector, in a slice.
    pub rows: u64,
    /// Of a vector that lies across slices: cycles from slice to slice; else 0.
    pub crossing: u64,
    /// Rows of codes that come from other slices.
    pub gathered: u64,
}

/// Cycles for which a vector instruction keeps the vector unit.
pub fn vector_occupancy(shape: VectorShape) -> u64 {
    shape.vectors * (shape.passes * (shape.rows + VECTOR_GAP + shape.crossing) + shape.gathered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_waits_for_the_drain_of_the_one_before() {
        let short = GemmShape { tokens: 2, ntiles: 3, ksteps: 1, beats: 1 };
        assert_eq!(gemm_occupancy(short, 8, 4), 1 + 2 * 4 + 4);
        let long = GemmShape { ksteps: 16, ..short };
        assert_eq!(gemm_occupancy(long, 8, 4), 16 + 2 * 16 + 4);
        assert_eq!(gemm_occupancy(GemmShape { beats: 2, ..long }, 8, 4), 32 + 2 * 32 + 4);
    }

    #[test]
    fn what_does_not_fit_into_a_slice_takes_two_beats() {
        let quad = |mode, tokens| beats(Multipliers::Quad, mode as u32, false, tokens);
        assert_eq!([quad(Mode::W2, 4), quad(Mode::S2, 2), quad(Mode::W8, 1)], [1; 3]);
        assert_eq!([quad(Mode::W4, 2), quad(Mode::W8, 3), quad(Mode::V8, 4)], [2; 3]);
        assert_eq!(beats(Multipliers::Dsp48e2, Mode::W8 as u32, false, 4), 1);
        let dot = |mode| beats(Multipliers::Dot, mode as u32, false, 1);
        assert_eq!([Mode::W2P, Mode::W4, Mode::V4, Mode::W8, Mode::V8].map(dot), [1, 1, 1, 2, 2]);
        let crumb = |mode| beats(Multipliers::Crumb, mode as u32, false, 1);
        assert_eq!([Mode::S2P, Mode::W4, Mode::V4, Mode::W8, Mode::V8].map(crumb), [1, 2, 2, 4, 4]);
        let nibble = |mode| beats(Multipliers::Nibble, mode as u32, false, 1);
        assert_eq!([Mode::S2P, Mode::W4, Mode::V4, Mode::W8, Mode::V8].map(nibble), [2, 2, 2, 4, 4]);
    }

    #[test]
    fn narrow_activations_take_fewer_beats() {
        let quad = |mode| beats(Multipliers::Quad, mode as u32, true, 4);
        assert_eq!([Mode::W2, Mode::W4, Mode::V4, Mode::W8, Mode::V8].map(quad), [1, 1, 1, 2, 2]);
        let nibble = |mode| beats(Multipliers::Nibble, mode as u32, true, 1);
        assert_eq!([Mode::S2P, Mode::W4, Mode::V4, Mode::W8, Mode::V8].map(nibble), [1, 1, 1, 2, 2]);
    }
}
