//! Row widths and capacities, derived from a [`Machine`] by the rules of docs/machine.md section 1.

use crate::form::Forms;
use crate::function::Functions;
use crate::machine::{BLOCK_BYTES, Machine};
use crate::mode::{Mode, Modes};

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
    /// Slices in lockstep; all other sizes are those of one.
    pub slices: u32,
    /// Cycles from slice to slice.
    pub crossing: u32,
    /// AXI beat in bytes.
    pub beat: u32,
    /// Operand modes.
    pub modes: Modes,
    /// Whether products can have activations of four bits.
    pub narrow: bool,
    /// Forms of pruned weights in DRAM.
    pub forms: Forms,
    /// Functions of the vector engine.
    pub functions: Functions,
    /// Bytes of a row of group scales.
    pub g_row: u32,
    /// Bytes of a row of channel scales.
    pub c_row: u32,
    /// Bytes of it that are read at once: what drains in a cycle, if that is a power of two, else all.
    pub c_part: u32,
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
        let (g_row, c_row, a_row, v_row) = (np, 4 * np, tp * lp, 4 * lp);
        let c_part = if m.drain_lanes.is_power_of_two() { 4 * m.drain_lanes } else { c_row };
        let mut geometry = Geometry {
            t: m.tokens,
            n: m.outputs,
            l: m.lanes,
            d: m.drain_lanes,
            tp,
            np,
            lp,
            slices: machine.slices.count,
            crossing: machine.slices.crossing,
            beat,
            modes: Modes::of(&m.modes),
            narrow: m.narrow,
            forms: Forms::of(&machine.load.forms),
            functions: Functions::of(&machine.vector.functions),
            g_row,
            c_row,
            c_part,
            a_row,
            v_row,
            w_width: 0,
            g_width: beat.max(g_row),
            c_width: beat.max(c_part),
            a_width: 0,
            v_width: beat.max(v_row),
            weight_bytes: b.weight_bytes,
            group_scale_bytes: b.group_scale_bytes,
            channel_bytes: b.channel_bytes,
            activation_bytes: b.activation_bytes,
            vector_bank_bytes: b.vector_bank_bytes,
        };
        geometry.a_width = geometry.modes.a_rows() * a_row;
        geometry.w_width = beat.max(geometry.widest_row());
        geometry
    }

    /// Bytes of a row of the weight buffer.
    pub fn w_row(&self, mode: Mode) -> u32 {
        match mode {
            Mode::W2 | Mode::S2 => (self.np * self.lp / 4).max(1),
            Mode::W2P | Mode::S2P => (self.np * self.lp / 2).max(1),
            _ if mode.by_lane() => self.lp * self.segment(mode),
            _ => self.np * self.segment(mode),
        }
    }

    /// Bytes of the codes of a row of a pruned mode; positions of two bits are as many.
    pub fn kept_codes(&self) -> u32 {
        self.np * self.lp / 4
    }

    /// Beats from codes to positions that are loaded together; 0 without forms.
    pub fn pair(&self) -> u32 {
        if self.forms.bits() == 0 { 0 } else { self.kept_codes() / self.beat }
    }

    /// Bytes of an output in a row of 4 or 8 bits, or of a lane in one that goes by lane: what one cached position fills.
    pub fn segment(&self, mode: Mode) -> u32 {
        let codes = if mode.by_lane() { self.np } else { self.lp };
        (codes * mode.bits() / 8).max(1)
    }

    /// Bytes of the widest row of the weight buffer.
    pub fn widest_row(&self) -> u32 {
        self.modes.iter().map(|m| self.w_row(m)).max().unwrap_or(1)
    }

    /// Bytes of the narrowest row of the weight buffer.
    pub fn narrowest_row(&self) -> u32 {
        self.modes.iter().map(|m| self.w_row(m)).min().unwrap_or(1)
    }

    /// Rows of each buffer in its access unit (the smallest one of the weight buffer), and the bits of its row address in instructions.
    pub fn row_counts(&self) -> [(&'static str, u32, u32); 5] {
        [
            ("weight", self.weight_bytes / self.narrowest_row(), 16),
            ("group_scale", self.group_scale_bytes / self.g_row, 14),
            ("channel", self.channel_bytes / self.c_row, 12),
            ("activation", self.activation_bytes / self.a_row, 16),
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
        assert_eq!(crate::Mode::ALL.map(|mode| g.w_row(mode)), [16, 16, 32, 64, 32, 64, 32, 32]);
        assert_eq!((g.g_row, g.c_row, g.a_row, g.a_width, g.v_row), (8, 32, 16, 32, 32));
        let unit = super::Geometry::of(&crate::presets::load("unit").unwrap());
        assert_eq!(crate::Mode::ALL.map(|mode| unit.w_row(mode)), [1; 8]);
        assert_eq!((unit.a_row, unit.a_width), (1, 1));
    }
}
