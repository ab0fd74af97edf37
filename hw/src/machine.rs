//! The machine file: what is there, never how it is used. Sizes, widths and timings; no efficiency factor exists.
//!
//! A parsed [`Machine`] has passed [`Machine::verify`], so the rooms above may rely on:
//! * every size is at least 1 and small enough that all addresses fit their instruction fields;
//! * `outputs` is a multiple of `lanes`; if it is larger, if a mode is pruned, or with `rope_pairs`, `lanes` is even; `drain_lanes` divides `lanes`;
//! * beats, bursts, instruction memory and buffers are powers of two where the contract says so;
//! * the operand modes are in order and at least one; the vector functions are in order and begin with `copy`;
//! * every buffer holds a whole number of its rows, of whatever mode, and at least one 64-byte block.

use crate::dram::Dram;
use crate::form::{self, Form};
use crate::function::Function;
use crate::mode::Mode;
use crate::multipliers::Multipliers;
pub use crate::ram::RamStyle;
pub use crate::slices::Slices;
use crate::technology::Technology;
use serde::{Deserialize, Serialize};

/// Bytes of a DRAM block, the unit of load addresses.
pub const BLOCK_BYTES: u32 = 64;
/// Counting semaphores of every machine (the width of the wait and post masks).
pub const SEMAPHORES: usize = 16;
/// Largest count of a semaphore.
pub const SEMAPHORE_MAX: u32 = 63;
/// Sequencer registers; register 0 reads zero.
pub const REGISTERS: usize = 16;
/// Loops that can run inside each other.
pub const LOOP_LEVELS: usize = 4;

/// A machine, as its file describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Name, as reports print it.
    pub name: String,
    /// Core clock in hertz.
    pub clock_hz: u64,
    /// What events on the chip cost; without it, no energy is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
    /// Off-chip memory.
    pub memory: Memory,
    /// Instruction supply.
    pub sequencer: Sequencer,
    /// Load unit.
    pub load: Load,
    /// Store unit.
    pub store: Store,
    /// Matrix engine.
    pub matrix: Matrix,
    /// Vector engine.
    pub vector: Vector,
    /// On-chip memories.
    pub buffers: Buffers,
    /// Copies of all of that but the sequencer; without it, one.
    #[serde(default, skip_serializing_if = "Slices::alone")]
    pub slices: Slices,
}

/// Off-chip memory as the machine, or each of its slices, sees it: one AXI channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// AXI data width in bytes: 8, 16, 32 or 64.
    pub beat_bytes: u32,
    /// Capacity in bytes, a multiple of 4096, at most what 32-bit addresses reach.
    pub size_bytes: u64,
    /// How it behaves in time.
    pub model: MemoryModel,
}

/// Timing behaviour of off-chip memory, in core cycles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MemoryModel {
    /// Always ready; the first beat `read_latency` (>= 2) cycles after acceptance or behind the burst before, one beat a
    /// cycle; the write response `write_latency` (>= 2) cycles after the last beat.
    Fixed {
        /// From acceptance to the first beat.
        read_latency: u32,
        /// From the last beat to the response.
        write_latency: u32,
    },
    /// Latency of each burst drawn from `min_latency..=max_latency` (min >= 2); each channel ready in `ready_percent` of cycles; a read beat
    /// follows the one before at once in `beat_percent` of cases. All drawn from `seed`.
    Random {
        /// What everything is drawn from.
        seed: u64,
        /// Shortest latency of a burst.
        min_latency: u32,
        /// Longest latency of a burst.
        max_latency: u32,
        /// Cycles in which a channel is ready.
        ready_percent: u32,
        /// Beats that follow the one before at once.
        beat_percent: u32,
    },
    /// Banked DRAM: rows, turnarounds and refresh; the device by name (`preset`) or in full.
    Dram(Box<Dram>),
}

/// Sequencer and instruction fetch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequencer {
    /// Instruction words kept on chip, a power of two.
    pub imem_words: u32,
    /// Words per fetch burst, a power of two.
    pub fetch_words: u32,
    /// Words of the argument table, a power of two.
    pub args: u32,
    /// Queues in front of the units.
    pub queue_depth: QueueDepth,
}

/// Instructions that wait in front of each unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueDepth {
    /// Of the load unit.
    pub load: u32,
    /// Of the matrix unit.
    pub matrix: u32,
    /// Of the vector unit.
    pub vector: u32,
    /// Of the store unit.
    pub store: u32,
}

/// Load unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Longest AXI burst in beats, a power of two.
    pub burst_beats: u32,
    /// Bursts that may be open at once.
    pub outstanding: u32,
    /// Forms in which pruned weights may lie in DRAM, beside the plain one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<Form>,
}

/// Store unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Longest AXI burst in beats, a power of two.
    pub burst_beats: u32,
}

/// Matrix engine: `tokens * outputs * lanes` products a cycle, of operands of up to 8 x 8 bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// Tokens that share a weight.
    pub tokens: u32,
    /// Outputs of a token, side by side.
    pub outputs: u32,
    /// Products summed into one output each cycle; also the lanes of the vector engine.
    pub lanes: u32,
    /// Outputs that leave through the epilogue each cycle.
    pub drain_lanes: u32,
    /// Width of an accumulator.
    pub accumulator_bits: u32,
    /// Operand modes, in the order of [`Mode::ALL`].
    pub modes: Vec<Mode>,
    /// What the multipliers are made of.
    pub multipliers: Multipliers,
    /// Whether products can be told that their activations have four bits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narrow: bool,
}

/// Vector engine: as many lanes as the matrix engine has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Functions, in the order of [`Function::ALL`].
    pub functions: Vec<Function>,
}

/// On-chip memories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buffers {
    /// Weights and cached codes.
    pub weight_bytes: u32,
    /// What that memory is made of, on an FPGA.
    #[serde(default, skip_serializing_if = "RamStyle::is_auto")]
    pub weight_ram: RamStyle,
    /// Group scales.
    pub group_scale_bytes: u32,
    /// Channel scales and scales of cached positions.
    pub channel_bytes: u32,
    /// What that memory is made of, on an FPGA.
    #[serde(default, skip_serializing_if = "RamStyle::is_auto")]
    pub channel_ram: RamStyle,
    /// Quantised activations.
    pub activation_bytes: u32,
    /// What that memory is made of, on an FPGA.
    #[serde(default, skip_serializing_if = "RamStyle::is_auto")]
    pub activation_ram: RamStyle,
    /// Token-scale slots.
    pub token_scales: u32,
    /// Vector banks, separate memories.
    pub vector_banks: u32,
    /// Size of each of them.
    pub vector_bank_bytes: u32,
}

/// A machine file that cannot be used: where, why, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{at}: {why}\n  help: {help}")]
pub struct MachineError {
    /// File, line and column, or the key.
    pub at: String,
    /// The rule that is broken.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl Machine {
    /// Parses and verifies a machine file; `origin` names it in errors.
    ///
    /// # Errors
    /// Not TOML, unknown or missing keys, or a value that the machine family does not allow.
    pub fn parse(text: &str, origin: &str) -> Result<Machine, MachineError> {
        let machine: Machine = toml::from_str(text).map_err(|e| MachineError {
            at: place(text, origin, e.span()),
            why: e.message().to_string(),
            help: "compare with `tilewright machines --show tiny`".into(),
        })?;
        machine.verify().map_err(|e| MachineError { at: format!("{origin}: {}", e.at), ..e })?;
        Ok(machine)
    }

    /// The machine as the text of a machine file, which parses to an equal machine.
    ///
    /// # Errors
    /// A number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, MachineError> {
        toml::to_string(self).map_err(|e| MachineError {
            at: self.name.clone(),
            why: e.to_string(),
            help: "use numbers below 2^63".into(),
        })
    }

    /// Identifies everything that the RTL and the legality of programs depend on: FNV-1a over [`Machine::canonical`],
    /// folded to 32 bits, never 0.
    pub fn hash(&self) -> u32 {
        let wide = self
            .canonical()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        ((wide >> 32) as u32 ^ wide as u32).max(1)
    }

    /// A line `key=value` for each number of the file, in the order of the file format; without the name, the technology and the memory
    /// model, which lie outside the chip. The text is part of the contract: it changes when the machine changes, and only then.
    pub fn canonical(&self) -> String {
        // Without `..`: a new key must be put here or named as one that the chip does not depend on.
        let Machine {
            name: _,
            technology: _,
            clock_hz,
            memory,
            sequencer,
            load,
            store,
            matrix,
            vector,
            buffers,
            slices,
        } = self;
        let Vector { functions } = vector;
        let Memory { beat_bytes, size_bytes, model: _ } = memory;
        let Sequencer { imem_words, fetch_words, args, queue_depth } = sequencer;
        let QueueDepth { load: load_depth, matrix: matrix_depth, vector: vector_depth, store: store_depth } =
            queue_depth;
        let Matrix { tokens, outputs, lanes, drain_lanes, accumulator_bits, modes, multipliers, narrow } =
            matrix;
        let Load { burst_beats: load_burst, outstanding, forms } = load;
        let Store { burst_beats: store_burst } = store;
        let Buffers {
            weight_bytes,
            weight_ram,
            group_scale_bytes,
            channel_bytes,
            channel_ram,
            activation_bytes,
            activation_ram,
            token_scales,
            vector_banks,
            vector_bank_bytes,
        } = buffers;
        let numbers = [
            ("sequencer.imem_words", imem_words),
            ("sequencer.fetch_words", fetch_words),
            ("sequencer.args", args),
            ("sequencer.queue_depth.load", load_depth),
            ("sequencer.queue_depth.matrix", matrix_depth),
            ("sequencer.queue_depth.vector", vector_depth),
            ("sequencer.queue_depth.store", store_depth),
            ("load.burst_beats", load_burst),
            ("load.outstanding", outstanding),
            ("store.burst_beats", store_burst),
            ("matrix.tokens", tokens),
            ("matrix.outputs", outputs),
            ("matrix.lanes", lanes),
            ("matrix.drain_lanes", drain_lanes),
            ("matrix.accumulator_bits", accumulator_bits),
            ("buffers.weight_bytes", weight_bytes),
            ("buffers.group_scale_bytes", group_scale_bytes),
            ("buffers.channel_bytes", channel_bytes),
            ("buffers.activation_bytes", activation_bytes),
            ("buffers.token_scales", token_scales),
            ("buffers.vector_banks", vector_banks),
            ("buffers.vector_bank_bytes", vector_bank_bytes),
        ];
        let lines = numbers.iter().map(|(key, value)| format!("{key}={value}\n"));
        let memory = format!("memory.beat_bytes={beat_bytes}\nmemory.size_bytes={size_bytes}\n");
        let names: Vec<&str> = modes.iter().map(|m| m.name()).collect();
        let modes = format!("matrix.modes={names:?}\nmatrix.multipliers={}\n", multipliers.name());
        let names: Vec<&str> = functions.iter().map(|f| f.name()).collect();
        let functions = format!("vector.functions={names:?}\n");
        let styles = [("weight", weight_ram), ("channel", channel_ram), ("activation", activation_ram)]
            .into_iter()
            .filter(|(_, style)| !style.is_auto())
            .map(|(of, style)| format!("buffers.{of}_ram={}\n", style.name()))
            .collect();
        let narrow = if *narrow { "matrix.narrow=true\n" } else { "" }.to_string();
        let Slices { count, crossing } = slices;
        let slices = match slices.alone() {
            true => String::new(),
            false => format!("slices.count={count}\nslices.crossing={crossing}\n"),
        };
        [format!("clock_hz={clock_hz}\n"), memory]
            .into_iter()
            .chain(lines)
            .chain([modes, functions, form::canonical(forms), slices, styles, narrow])
            .collect()
    }

    /// Checks the invariants of this module's head.
    ///
    /// # Errors
    /// The first violated one.
    pub fn verify(&self) -> Result<(), MachineError> {
        let m = &self.matrix;
        let b = &self.buffers;
        let s = &self.sequencer;
        range("clock_hz", self.clock_hz, 1, 10_000_000_000)?;
        one_of("memory.beat_bytes", self.memory.beat_bytes, &[8, 16, 32, 64])?;
        range("memory.size_bytes", self.memory.size_bytes, 4096, 1 << 32)?;
        multiple("memory.size_bytes", self.memory.size_bytes, 4096)?;
        self.memory.model.verify(self.clock_hz, self.memory.size_bytes)?;
        self.technology.as_ref().map_or(Ok(()), Technology::verify)?;
        power("sequencer.imem_words", s.imem_words, 16, 4096)?;
        power("sequencer.fetch_words", s.fetch_words, 1, u64::from(s.imem_words / 4))?;
        rule(
            "sequencer.fetch_words",
            s.fetch_words * 32 >= self.memory.beat_bytes
                && s.fetch_words * 32 <= 4096.min(256 * self.memory.beat_bytes),
            "one fetch burst must be 1 to 256 beats and at most 4096 bytes",
            "change sequencer.fetch_words or memory.beat_bytes",
        )?;
        power("sequencer.args", s.args, 16, 1024)?;
        let q = &s.queue_depth;
        for (at, depth) in [("load", q.load), ("matrix", q.matrix), ("vector", q.vector), ("store", q.store)]
        {
            range(&format!("sequencer.queue_depth.{at}"), depth, 1, 64)?;
        }
        power(
            "load.burst_beats",
            self.load.burst_beats,
            1,
            u64::from(4096 / self.memory.beat_bytes).min(256),
        )?;
        range("load.outstanding", self.load.outstanding, 1, 64)?;
        power(
            "store.burst_beats",
            self.store.burst_beats,
            1,
            u64::from(4096 / self.memory.beat_bytes).min(256),
        )?;
        range("matrix.tokens", m.tokens, 1, 32)?;
        range("matrix.outputs", m.outputs, 1, 64)?;
        range("matrix.lanes", m.lanes, 1, 64)?;
        multiple("matrix.outputs", m.outputs, m.lanes)?;
        rule(
            "matrix.outputs",
            m.outputs == m.lanes || m.lanes % 2 == 0,
            "with an odd number of lanes the packing of cached values needs outputs = lanes",
            "set outputs = lanes, or make lanes even",
        )?;
        range("matrix.drain_lanes", m.drain_lanes, 1, u64::from(m.lanes))?;
        rule(
            "matrix.drain_lanes",
            m.lanes % m.drain_lanes == 0,
            "must divide matrix.lanes",
            "choose a divisor of matrix.lanes",
        )?;
        range("matrix.accumulator_bits", m.accumulator_bits, 32, 48)?;
        rule(
            "matrix.modes",
            !m.modes.is_empty() && m.modes.is_sorted_by(|a, b| a < b),
            "modes are missing, or twice there, or out of order",
            &format!("list some of {:?} in this order", Mode::NAMES),
        )?;
        let functions = &self.vector.functions;
        rule(
            "vector.functions",
            functions.first() == Some(&Function::Copy) && functions.is_sorted_by(|a, b| a < b),
            "functions are twice there or out of order, or copy, which every program needs, is missing",
            &format!("list `copy` and some more of {:?} in this order", Function::NAMES),
        )?;
        rule(
            "vector.functions",
            !functions.contains(&Function::RopePairs) || m.lanes % 2 == 0,
            "rope_pairs turns neighbouring lanes against each other, and matrix.lanes is odd",
            "make matrix.lanes even, or leave rope_pairs out",
        )?;
        rule(
            "matrix.modes",
            !m.modes.contains(&Mode::V8)
                || m.lanes.is_power_of_two()
                || m.outputs.next_power_of_two() <= 4 * m.lanes.next_power_of_two(),
            "with v8, codes of a row of lanes would straddle two rows of a vector bank",
            "make matrix.lanes a power of two, lower matrix.outputs, or leave v8 out",
        )?;
        let pruned = m.modes.iter().any(|mode| mode.pruned());
        rule(
            "matrix.modes",
            !pruned || m.lanes % 2 == 0,
            "with w2p and s2p two lanes share four columns, and matrix.lanes is odd",
            "make matrix.lanes even, or leave w2p and s2p out",
        )?;
        m.multipliers.verify(m)?;
        self.slices.verify()?;
        form::verify(self)?;
        range("buffers.vector_banks", b.vector_banks, 4, 16)?;
        range("buffers.token_scales", b.token_scales, 1, 256)?;
        for (at, bytes) in [
            ("weight", b.weight_bytes),
            ("group_scale", b.group_scale_bytes),
            ("channel", b.channel_bytes),
            ("activation", b.activation_bytes),
            ("vector_bank", b.vector_bank_bytes),
        ] {
            power(&format!("buffers.{at}_bytes"), bytes, 1024, 1 << 24)?;
        }
        let g = crate::Geometry::of(self);
        for (at, rows, bits) in g.row_counts() {
            range(&format!("buffers: {at} rows"), rows, 1, 1 << bits)?;
        }
        let widest = g.widest_row();
        rule(
            "buffers.weight_bytes",
            b.weight_bytes >= widest,
            &format!("{} bytes, and the widest row of its modes has {widest}", b.weight_bytes),
            &format!("choose at least {widest}"),
        )?;
        rule(
            "buffers.activation_bytes",
            b.activation_bytes >= g.a_width,
            &format!("{} bytes, and a step of its modes reads {}", b.activation_bytes, g.a_width),
            &format!("choose at least {}", g.a_width),
        )?;
        Ok(())
    }
}

impl MemoryModel {
    fn verify(&self, clock_hz: u64, size_bytes: u64) -> Result<(), MachineError> {
        match *self {
            MemoryModel::Dram(ref dram) => dram.verify(clock_hz, size_bytes),
            MemoryModel::Fixed { read_latency, write_latency } => {
                range("memory.model.read_latency", read_latency, 2, 100_000)?;
                range("memory.model.write_latency", write_latency, 2, 100_000)
            }
            MemoryModel::Random { min_latency, max_latency, ready_percent, beat_percent, .. } => {
                range("memory.model.min_latency", min_latency, 2, 100_000)?;
                range("memory.model.max_latency", max_latency, u64::from(min_latency), 100_000)?;
                range("memory.model.ready_percent", ready_percent, 5, 100)?;
                range("memory.model.beat_percent", beat_percent, 5, 100)
            }
        }
    }
}

fn place(text: &str, origin: &str, span: Option<std::ops::Range<usize>>) -> String {
    let Some(span) = span else { return origin.to_string() };
    let before = text.get(..span.start).unwrap_or("");
    let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
    format!("{origin}:{}:{column}", before.matches('\n').count() + 1)
}

pub(crate) fn rule(at: &str, holds: bool, why: &str, help: &str) -> Result<(), MachineError> {
    if holds { Ok(()) } else { Err(MachineError { at: at.into(), why: why.into(), help: help.into() }) }
}

pub(crate) fn range(at: &str, value: impl Into<u64>, low: u64, high: u64) -> Result<(), MachineError> {
    let value = value.into();
    rule(
        at,
        (low..=high).contains(&value),
        &format!("{value} is not in {low}..={high}"),
        &format!("choose a value in {low}..={high}"),
    )
}

pub(crate) fn power(at: &str, value: u32, low: u64, high: u64) -> Result<(), MachineError> {
    range(at, value, low, high)?;
    rule(at, value.is_power_of_two(), &format!("{value} is not a power of two"), "round it to a power of two")
}

fn multiple(at: &str, value: impl Into<u64>, of: u32) -> Result<(), MachineError> {
    let value = value.into();
    rule(
        at,
        value % u64::from(of) == 0,
        &format!("{value} is not a multiple of {of}"),
        &format!("round it to a multiple of {of}"),
    )
}

fn one_of(at: &str, value: u32, allowed: &[u32]) -> Result<(), MachineError> {
    rule(
        at,
        allowed.contains(&value),
        &format!("{value} is not one of {allowed:?}"),
        &format!("choose one of {allowed:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_buffer_holds_a_row_of_every_mode() {
        let mut machine = crate::presets::load("tiny").unwrap();
        machine.matrix = Matrix { tokens: 1, outputs: 64, lanes: 64, drain_lanes: 64, ..machine.matrix };
        machine.buffers.weight_bytes = 1024;
        let refused = machine.verify().unwrap_err();
        assert_eq!(
            (refused.at.as_str(), refused.help.as_str()),
            ("buffers.weight_bytes", "choose at least 4096")
        );
        machine.buffers.weight_bytes = 4096;
        machine.verify().unwrap();
    }

    /// Every number of a file is in the canonical text under its key, but for what lies outside the chip.
    #[test]
    fn the_canonical_text_is_the_file() {
        for (name, text) in crate::presets::all() {
            let machine = crate::presets::load(name).unwrap();
            let mut file = Vec::new();
            flatten("", &toml::from_str(text).unwrap(), &mut file);
            let named = |line: &str| line.starts_with("matrix.multipliers") || line.contains("_ram=");
            file.iter_mut().filter(|l| named(l)).for_each(|l| *l = l.replace('"', ""));
            file.retain(|l| !["name=", "technology=", "memory.model"].iter().any(|free| l.starts_with(free)));
            let canonical = machine.canonical();
            let mut lines: Vec<&str> = canonical.lines().collect();
            lines.sort_unstable();
            file.sort_unstable();
            assert_eq!(lines, file, "{name}");
        }
    }

    fn flatten(prefix: &str, table: &toml::Table, lines: &mut Vec<String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => flatten(&format!("{prefix}{key}."), inner, lines),
                _ => lines.push(format!("{prefix}{key}={value}")),
            }
        }
    }

    /// Programs and hardware that were made before carry these: a change of one makes them strangers to each other.
    #[test]
    fn hashes_of_the_presets_stay() {
        let hash = |name| format!("{:08x}", crate::presets::load(name).unwrap().hash());
        assert_eq!(
            ["tiny", "unit", "three", "odd", "paired", "quads", "gemv", "crumbs", "nibbles", "llm-u280"]
                .map(hash),
            [
                "d0e82606", "0f76f66d", "6682bc7d", "cfd46b1d", "4537afb3", "dcb5203a", "9e2eb206",
                "724778b0", "8edf3ef5", "8a279d64"
            ]
        );
    }
}
