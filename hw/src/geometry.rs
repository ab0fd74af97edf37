//! Row widths and capacities, derived from a [`Machine`] by the rules of docs/machine.md section 1.

use crate::machine::{BLOCK_BYTES, Machine};

/// Derived sizes of a machine. `tp`, `np`, `lp` are tokens, outputs and lanes rounded up to powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Tokens of the matrix engine.
    pub t: u32,
    /// Its outputs.
    pub n: u32,
    /// Its lanes, and those of the vector engine.
    pub l: u32,
    /// Outputs that drain in a cycle.
    pub d: u32,
    /// `t` as a power of two.
    pub tp: u32,
    /// `n` as a power of two.
    pub np: u32,
    /// `l` as a power of two.
    pub lp: u32,
    /// AXI beat in bytes.
    pub beat: u32,
    /// Bytes of a weight-buffer row in mode w2, k4 and v4.
    pub w2_row: u32,
    /// Bytes of a row in mode k4.
    pub k4_row: u32,
    /// Bytes of a row in mode v4.
    pub v4_row: u32,
    /// Bytes that one cached position fills in a K4 and a V4 row.
    pub k4_segment: u32,
    /// Bytes of a cached position in a V4 row.
    pub v4_segment: u32,
    /// Bytes of a row of group scales.
    pub g_row: u32,
    /// Bytes of a row of channel scales.
    pub c_row: u32,
    /// Bytes of a row of activations.
    pub a_row: u32,
    /// Bytes of a row of a vector bank.
    pub v_row: u32,
    /// Physical word widths in bytes of the weight, group-scale, channel, activation memories and a vector bank.
    pub w_width: u32,
    /// Word width of the group-scale memory.
    pub g_width: u32,
    /// Word width of the channel memory.
    pub c_width: u32,
    /// Word width of the activation memory.
    pub a_width: u32,
    /// Word width of a vector bank.
    pub v_width: u32,
    weight_bytes: u32,
    group_scale_bytes: u32,
    channel_bytes: u32,
    activation_bytes: u32,
    vector_bank_bytes: u32,
}

impl Geometry {
    /// The geometry of a machine.
    pub fn of(machine: &Machine) -> Geometry {
        let m = &machine.matrix;
        let b = &machine.buffers;
        let beat = machine.memory.beat_bytes;
        let (tp, np, lp) =
            (m.tokens.next_power_of_two(), m.outputs.next_power_of_two(), m.lanes.next_power_of_two());
        let w2_row = (np * lp / 4).max(1);
        let k4_segment = (lp / 2).max(1);
        let v4_segment = (np / 2).max(1);
        let (k4_row, v4_row) = (np * k4_segment, lp * v4_segment);
        let (g_row, c_row, a_row, v_row) = (np, 4 * np, tp * lp, 4 * lp);
        Geometry {
            t: m.tokens,
            n: m.outputs,
            l: m.lanes,
            d: m.drain_lanes,
            tp,
            np,
            lp,
            beat,
            w2_row,
            k4_row,
            v4_row,
            k4_segment,
            v4_segment,
            g_row,
            c_row,
            a_row,
            v_row,
            w_width: beat.max(w2_row).max(k4_row).max(v4_row),
            g_width: beat.max(g_row),
            c_width: beat.max(c_row),
            a_width: a_row,
            v_width: beat.max(v_row),
            weight_bytes: b.weight_bytes,
            group_scale_bytes: b.group_scale_bytes,
            channel_bytes: b.channel_bytes,
            activation_bytes: b.activation_bytes,
            vector_bank_bytes: b.vector_bank_bytes,
        }
    }

    /// Rows of each buffer in its access unit (the smallest one of the weight buffer), and the bits of its row address in instructions.
    pub fn row_counts(&self) -> [(&'static str, u32, u32); 5] {
        [
            ("weight", self.weight_bytes / self.w2_row.min(self.k4_row).min(self.v4_row), 16),
            ("group_scale", self.group_scale_bytes / self.g_row, 14),
            ("channel", self.channel_bytes / self.c_row, 12),
            ("activation", self.activation_bytes / self.a_row, 13),
            ("vector", self.vector_bank_bytes / self.v_row, 14),
        ]
    }

    /// V rows that hold `elements` int32 values.
    pub fn rows(&self, elements: u32) -> u32 {
        elements.div_ceil(self.l)
    }

    /// DRAM blocks that hold `bytes`.
    pub fn blocks(bytes: u32) -> u32 {
        bytes.div_ceil(BLOCK_BYTES)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn tiny_rows_are_as_the_contract_says() {
        let g = super::Geometry::of(&crate::presets::load("tiny").unwrap());
        assert_eq!(
            (g.w2_row, g.k4_row, g.v4_row, g.g_row, g.c_row, g.a_row, g.v_row),
            (16, 32, 32, 8, 32, 16, 32)
        );
    }
}
