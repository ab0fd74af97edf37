//! Memories, queues, buffers and the banks of the vector engine.

use super::construct::{clog2, index_bits, mux};
use super::{Cells, Module};
use hw::{Geometry, Machine};

/// `tw_ram`: an enable for each part that has a strobe; memory primitives, see [`Primitive`]; in front of a distributed memory's word,
/// which has no register of its own, flip-flops.
pub fn ram(width: u32, depth: u32, strobe: u32, style: &str) -> Module {
    let fits = |p: &&Primitive| match style {
        "distributed" => p.distributed,
        "ultra" => p.one.uram > 0,
        _ => p.one.uram == 0,
    };
    let cost = |p: &&Primitive| p.cost(width, depth, strobe);
    let module = Module::new("tw_ram")
        .with("DEPTH", depth)
        .with("RAM_STYLE", style)
        .with("STRB", strobe)
        .with("WIDTH", width)
        .lut(u64::from(width / strobe));
    let best = PRIMITIVES.iter().filter(fits).min_by(|a, b| cost(a).total_cmp(&cost(b)));
    match best {
        Some(primitive) => module.holds(primitive.cells(width, depth, strobe)),
        None => module,
    }
}

/// A shape of a memory primitive: one write port, one read port.
struct Primitive {
    bits: u32,
    words: u32,
    /// Bits that one write enable is for; words of fewer bits have one.
    byte: u32,
    distributed: bool,
    /// What Yosys compares shapes by; of distributed memories only the bits that are used count.
    price: f64,
    one: Cells,
}

const fn block(bits: u32, words: u32, bram18: u64) -> Primitive {
    let price = if bram18 == 1 { 129.0 } else { 257.0 };
    let one = Cells { bram18, lut: 0, ff: 0, dsp: 0, uram: 0 };
    Primitive { bits, words, byte: 9, distributed: false, price, one }
}

const fn distributed(bits: u32, words: u32) -> Primitive {
    let one = Cells { lut: 8, ff: 0, dsp: 0, bram18: 0, uram: 0 };
    Primitive { bits, words, byte: bits, distributed: true, price: 16.0, one }
}

const fn ultra(bits: u32, words: u32) -> Primitive {
    let one = Cells { uram: 1, lut: 0, ff: 0, dsp: 0, bram18: 0 };
    Primitive { bits, words, byte: 9, distributed: false, price: 1024.0, one }
}

/// RAM32M16 and RAM64M8 take eight LUTs each; then RAMB18E2 and RAMB36E2; URAM288, which Yosys takes only where it is asked to.
const PRIMITIVES: &[Primitive] = &[
    distributed(14, 32),
    distributed(7, 64),
    block(1, 16384, 1),
    block(2, 8192, 1),
    block(4, 4096, 1),
    block(9, 2048, 1),
    block(18, 1024, 1),
    block(36, 512, 1),
    block(1, 32768, 2),
    block(2, 16384, 2),
    block(4, 8192, 2),
    block(9, 4096, 2),
    block(18, 2048, 2),
    block(36, 1024, 2),
    block(72, 512, 2),
    ultra(72, 4096),
];

impl Primitive {
    fn banks(&self, depth: u32) -> u32 {
        depth.div_ceil(self.words)
    }

    /// Primitives of a memory: each part that has a strobe fills whole bytes of them.
    fn count(&self, width: u32, depth: u32, strobe: u32) -> u32 {
        let byte = self.byte.min(self.bits);
        let part = strobe.next_multiple_of(byte);
        (self.banks(depth) * (width / strobe) * part).div_ceil(self.bits)
    }

    /// Yosys's own measure (`memory_libmap`): primitives, and half a point for each gate that leads to one of several banks.
    fn cost(&self, width: u32, depth: u32, strobe: u32) -> f64 {
        let banks = self.banks(depth);
        let gates = if banks > 1 { (banks - 1) * width + banks * (width / strobe) } else { 0 };
        let primitives = if self.distributed {
            self.price * f64::from(banks * width / self.bits)
        } else {
            self.price * f64::from(self.count(width, depth, strobe))
        };
        primitives + 0.5 * f64::from(gates)
    }

    /// Several banks: a multiplexer for each bit, an enable for each bank and part, and the registered number of the bank, unless
    /// the word itself is registered behind them.
    fn cells(&self, width: u32, depth: u32, strobe: u32) -> Cells {
        let banks = self.banks(depth);
        let mut cells = u64::from(self.count(width, depth, strobe)) * self.one;
        if banks > 1 {
            cells.lut += u64::from(width) * mux(banks) + u64::from(banks * (width / strobe));
            cells.ff += if self.distributed { 0 } else { u64::from(clog2(banks)) };
        }
        cells.ff += if self.distributed { u64::from(width) } else { 0 };
        cells
    }
}

/// `tw_queue`: the entry that goes round the memory, and whether it does; count and the two addresses, which are none if there is one
/// entry.
pub fn queue(width: u32, depth: u32) -> Module {
    let (address, count) = (clog2(depth), clog2(depth + 1));
    Module::new("tw_queue")
        .with("DEPTH", depth)
        .with("WIDTH", width)
        // The head is that entry or the memory's word.
        .lut(u64::from(width))
        .lut(queue_control(address, count))
        .ff(u64::from(width + 1 + count + 2 * address))
        .has(1, ram(width, depth, width, "distributed"))
}

/// Of a queue the count up and down, whether it is full, and the next addresses.
fn queue_control(address: u32, count: u32) -> u64 {
    u64::from(2 * address + count + 3)
}

/// `tw_buffer`: which slice of a word is written, unless one bit says so; of slices in pairs, which of two words goes to the second.
pub fn buffer(bytes: u32, width: u32, slice: u32, pair: u32, style: &str) -> Module {
    let slices = width / slice;
    Module::new("tw_buffer")
        .with("BYTES", bytes)
        .with("PAIR", pair)
        .with("RAM_STYLE", style)
        .with("SLICE", slice)
        .with("WIDTH", width)
        .lut(if slices > 2 || pair > 0 { u64::from(slices) } else { 0 })
        .lut(if pair > 0 { u64::from(8 * slice) } else { 0 })
        .has(1, ram(width * 8, bytes / width, slice * 8, style))
}

/// `tw_row`: a multiplexer for each bit of the row, and the number of the row in its word.
pub fn row(width: u32, row: u32, addr_w: u32, word_aw: u32) -> Module {
    let rows = width / row;
    Module::new("tw_row")
        .with("ADDR_W", addr_w)
        .with("ROW", row)
        .with("WIDTH", width)
        .with("WORD_AW", word_aw)
        .lut(u64::from(row * 8) * mux(rows))
        .ff(u64::from(clog2(rows)))
}

/// `tw_place`: the strobe of each byte, if it is in the row that is meant.
fn place(width: u32, row: u32, addr_w: u32, word_aw: u32) -> Module {
    let module = Module::new("tw_place")
        .with("ADDR_W", addr_w)
        .with("ROW", row)
        .with("WIDTH", width)
        .with("WORD_AW", word_aw);
    if width > row { module.lut(u64::from(width)) } else { module }
}

fn scales(bytes: u32, width: u32, beat: u32, (of, addr_w): (u32, u32), style: &str) -> Module {
    Module::new("tw_scales")
        .with("ADDR_W", addr_w)
        .with("BEAT", beat)
        .with("BYTES", bytes)
        .with("RAM_STYLE", style)
        .with("ROW", of)
        .with("WIDTH", width)
        .has(1, buffer(bytes, width, beat, 0, style))
        .has(1, row(width, of, addr_w, index_bits(bytes / width)))
}

/// `tw_weights`: the address is one of four shifts of the row's number, by mode; the row comes down from its place in the
/// word.
fn weights(machine: &Machine, g: &Geometry) -> Module {
    let (bytes, beat) = (machine.buffers.weight_bytes, g.beat);
    let narrowest = (g.np * g.lp / 4).max(1);
    let (word, row) = (g.w_width, g.widest_row());
    let steps = clog2(word) - clog2(narrowest);
    let address = clog2(bytes / word);
    Module::new("tw_weights")
        .with("BEAT", beat)
        .with("BYTES", bytes)
        .with("LP", g.lp)
        .with("NP", g.np)
        .with("PAIR", g.pair())
        .with("RAM_STYLE", machine.buffers.weight_ram.name())
        .with("ROW", row)
        .with("WIDTH", word)
        .lut(u64::from(address + steps))
        .lut(row_of_word(row, word, narrowest))
        .ff(u64::from(steps))
        .has(1, buffer(bytes, word, beat, g.pair(), machine.buffers.weight_ram.name()))
}

/// Of a word of bytes the row that begins at a multiple of its length, from the lowest byte up: a byte is one of as many as there are
/// places for rows that reach no farther.
fn row_of_word(row: u32, word: u32, narrowest: u32) -> u64 {
    let (mut luts, mut low, mut high) = (0, 0, narrowest);
    while low < row {
        luts += u64::from(8 * (high - low)) * one_of(word / high);
        (low, high) = (high, 2 * high);
    }
    luts
}

/// `tw_memories`: the strobes of the two rows of a word of activations are chosen by its lowest bit.
pub fn memories(machine: &Machine, g: &Geometry) -> Module {
    let b = &machine.buffers;
    let a_words = b.activation_bytes / g.a_width;
    let tokens = u64::from(g.a_width / g.a_row * g.tp);
    let channels = (g.c_part, 12 + clog2(g.c_row / g.c_part));
    Module::new("tw_memories")
        .with("BEAT", g.beat)
        .lut(if tokens > 1 { tokens } else { 0 })
        .has(1, weights(machine, g))
        .has(1, scales(b.group_scale_bytes, g.g_width, g.beat, (g.g_row, 14), "auto"))
        .has(1, scales(b.channel_bytes, g.c_width, g.beat, channels, b.channel_ram.name()))
        .has(1, row(g.a_width, g.a_row, 16, index_bits(a_words)))
        .has(1, ram(g.a_width * 8, a_words, g.lp * 8, b.activation_ram.name()))
        .has(1, ram(24, b.token_scales, 24, "auto"))
        .has(1, vbanks(machine, g))
}

/// LUTs of one bit of `ways` where each is a signal of its own: of four by each, and what chooses among these.
fn one_of(ways: u32) -> u64 {
    if ways > 4 { u64::from(ways.div_ceil(4)) + one_of(ways.div_ceil(4)) } else { u64::from(ways > 1) }
}

/// `tw_port`: a multiplexer for each bit of the row, of as many ways as the banks have rows in a word, all together.
fn port(banks: u32, width: u32, row: u32, addr_w: u32, word_aw: u32) -> Module {
    let rows = width / row;
    Module::new("tw_port")
        .with("ADDR_W", addr_w)
        .with("BANKS", banks)
        .with("ROW", row)
        .with("WIDTH", width)
        .with("WORD_AW", word_aw)
        .lut(u64::from(row * 8) * one_of(banks * rows))
        .ff(u64::from(clog2(banks) + clog2(rows)))
}

/// Users of a bank that read, and that write.
const READERS: u64 = 4;
const WRITERS: u64 = 3;

/// `tw_vbanks`. In front of each bank: whether a user means it, of each and of any; its bits and strobes, an AND-OR of three users,
/// which is a LUT; its word to write, the same, and to read, of four users, which is three.
fn vbanks(machine: &Machine, g: &Geometry) -> Module {
    let b = &machine.buffers;
    let (banks, bytes, width) = (b.vector_banks, b.vector_bank_bytes, g.v_width);
    let words = bytes / width;
    let (aw, of) = (index_bits(words), 4 * g.lp);
    let bits = u64::from(8 * width);
    let front = READERS + WRITERS + 2 + bits + u64::from(width) + 4 * u64::from(aw);
    Module::new("tw_vbanks")
        .with("BANKS", banks)
        .with("BEAT", g.beat)
        .with("BYTES", bytes)
        .with("LP", g.lp)
        .with("WIDTH", width)
        .lut(u64::from(banks) * front)
        .has(3, port(banks, width, of, 14, aw))
        .has(1, port(banks, width, g.beat, 21, aw))
        .has(1, place(width, g.beat, 21, aw))
        .has(2, place(width, of, 14, aw))
        .has(u64::from(banks), ram(width * 8, words, 8, "auto"))
}
