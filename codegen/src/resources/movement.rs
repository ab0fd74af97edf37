//! Load and store.

use super::construct::clog2;
use super::{Module, memory};
use hw::timing::{IN_FLIGHT, STORE_FIFO};
use hw::{Form, Geometry, Machine};

/// Bits of a count of blocks in an instruction, of a block's place on chip, and of a byte's.
const BLOCKS: u32 = 16;
const PLACE: u32 = 18;
const BYTE: u32 = 24;
/// Bits of a form.
const FORM: u32 = 2;
/// Beats that a burst is long, at most 256, and one.
const LENGTH: u32 = 9;

/// `tw_load`.
pub fn load(machine: &Machine) -> Module {
    let beat = machine.memory.beat_bytes;
    let step = clog2(64 / beat);
    let (count, place, address) = (BLOCKS + step, PLACE + step, 32 - clog2(beat));
    let open = clog2(machine.load.outstanding + 1);
    // A place plus a count, which no word of a beat's address exceeds.
    let written = (place + 1).min(21);
    let g = Geometry::of(machine);
    let module = Module::new("tw_load")
        .with("BEAT", beat)
        .with("BURST", machine.load.burst_beats)
        .with("FORMS", g.forms.bits())
        .with("IN_FLIGHT", IN_FLIGHT)
        .with("LP", g.lp)
        .with("OUTSTANDING", machine.load.outstanding)
        .with("PAIR", g.pair())
        // Next address: the sum or the instruction's; beats left: the difference, and which; count: cleared; place plus count.
        .lut(u64::from(address + 2 * count + count + count))
        // The length of a burst: to its border, the lesser one, less one; and what it is added to.
        .lut(u64::from(4 * LENGTH))
        // Whether the last burst, and the last beat, has come: equality, three bits to a LUT.
        .lut(u64::from(2 * count.div_ceil(3)))
        // Open bursts up and down, the space as one of four, handshakes.
        .lut(u64::from(2 * open + 8))
        // The request: whether there is one, its address, what is left, open bursts.
        .ff(u64::from(1 + address + count + open))
        // The beat that is written: enables, bank, place, data; the count, and the two cycles after the last one.
        .ff(u64::from(4 + 4 + written + 8 * beat + count + 2));
    let item = 2 + 4 + place + count;
    if g.forms.bits() == 0 {
        return module.has(1, memory::queue(item, IN_FLIGHT as u32));
    }
    module
        // Beats of codes, their place, whether a beat is written.
        .lut(u64::from(2 * count + 4))
        // Their count; positions that are written.
        .ff(u64::from(count + 1 + 8 * beat))
        .has(1, positions(&g))
        .has(1, memory::queue(item + FORM, IN_FLIGHT as u32))
}

/// `tw_positions`: of what is held one of four windows, of that a quarter or an eighth; of each four columns the code, which is
/// one of as many as there are forms, and four bits.
fn positions(g: &Geometry) -> Module {
    let (held, fours, window) = (u64::from(24 * g.beat), u64::from(2 * g.beat), u64::from(6 * g.beat));
    let quarters = if g.forms.has(Form::P3x4) { window / 4 } else { 0 };
    let eighths = if g.forms.has(Form::P3x8) { 2 * (window / 8) } else { 0 };
    let chosen = if quarters + eighths > 0 { 3 * fours } else { 0 };
    Module::new("tw_positions")
        .with("BEAT", g.beat)
        .with("FORMS", g.forms.bits())
        .with("LP", g.lp)
        .lut(window + quarters + eighths + chosen + 4 * fours + 16)
        .ff(held + 6)
}

/// `tw_store`.
pub fn store(machine: &Machine) -> Module {
    let (beat, burst) = (machine.memory.beat_bytes, machine.store.burst_beats);
    let (beat_bits, count) = (clog2(beat), BLOCKS + clog2(64 / beat));
    // Of the destination of a read: its place in the beat, and whether the burst ends.
    let border = beat_bits + clog2(burst);
    Module::new("tw_store")
        .with("BEAT", beat)
        .with("BURST", burst)
        .with("IN_FLIGHT", IN_FLIGHT)
        // How far the segment moves from its place in a word of the banks to that in the beat.
        .lut(u64::from(beat_bits))
        // Its strobes, the same of a mask.
        .lut(u64::from(beat) * 3)
        // Addresses: the sum, what is added, and which of both instructions starts; steps.
        .lut(u64::from(3 * 32 + 2 * BYTE + BYTE + BLOCKS + 2 * border))
        // Beats left to request, to read and to write: difference, and what starts; bursts, and responses up to as many; credit,
        // with the length and a beat less.
        .lut(u64::from(3 * 2 * count + 2 * count + count.div_ceil(3) + 3 * count))
        .lut(u64::from(4 * LENGTH))
        // Whether it runs, in segments or not; the request's address, its step, beats left, bursts.
        .ff(u64::from(2 + 32 + BYTE + 2 * count))
        // Credit, what is under way, beats left, source, its step, destination, bank, size of the segment.
        .ff(u64::from(count + 3 + count + BYTE + BLOCKS + border + 4 + 3))
        // The read's border, places and strobes; writing and beats left; responses, done.
        .ff(u64::from(2 + 2 * beat_bits + beat + 1 + count + 1 + count))
        .has(1, rotate(beat))
        .has(1, memory::queue(beat * 9 + 1, STORE_FIFO as u32))
        .has(1, memory::queue(count, IN_FLIGHT as u32))
}

/// `tw_rotate`: stages of four ways, a LUT for each bit.
fn rotate(bytes: u32) -> Module {
    let stages = clog2(bytes).div_ceil(2);
    Module::new("tw_rotate").with("BYTES", bytes).lut(u64::from(8 * bytes * stages))
}
