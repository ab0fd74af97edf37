//! Figures of the HBM2 of an Alveo U280, measured on the model in the way in which they were measured on the card: one
//! port of 32 bytes at 450 MHz before one pseudo-channel (Shuhai, FCCM 2020).
//!
//! Of the controller, `request_clocks + response_clocks` is chosen such that a row hit takes what the card takes. All else
//! follows from the device: the two other latencies, and bandwidth.

use super::*;
use crate::memory::{Memory, Port};

const CLOCK_HZ: u64 = 450_000_000;
const BEAT: u32 = 32;

fn memory() -> Memory {
    memory_of("hbm2")
}

fn memory_of(device: &str) -> Memory {
    Memory::new(&machine(hw::dram::Dram::preset(device).unwrap().device, 1, CLOCK_HZ, BEAT))
}

/// From handshake to the only beat, in nanoseconds.
fn latency(memory: &mut Memory, addr: u32, cycle: u64) -> f64 {
    let last = memory.read_last(Port::Load, Burst { addr, beats: 1 }, cycle);
    (last - cycle) as f64 * 1e9 / CLOCK_HZ as f64
}

fn within(percent: f64, measured: f64, expected: f64, what: &str) {
    let error = (measured / expected - 1.0) * 100.0;
    println!("{what}: {measured:.2} against {expected:.2}: {error:+.2} %");
    assert!(error.abs() <= percent, "{what}: {measured} against {expected}");
}

#[test]
fn a_single_read_takes_as_long_as_on_the_card() {
    let mut memory = memory();
    let (row, column) = (1 << 14, 64);
    within(1.0, latency(&mut memory, 0, 10), 122.2, "closed row, ns");
    within(1.0, latency(&mut memory, column, 300), 106.7, "open row, ns");
    within(1.0, latency(&mut memory, row, 600), 137.8, "another row, ns");
    within(1.0, latency(&mut memory, row + column, 900), 106.7, "open row, ns");
}

/// Bytes per second of bursts of which `open` are under way at once.
fn bandwidth(burst: impl Fn(u64) -> Burst, count: u64, open: usize) -> f64 {
    bandwidth_of(memory(), burst, count, open)
}

fn bandwidth_of(mut memory: Memory, burst: impl Fn(u64) -> Burst, count: u64, open: usize) -> f64 {
    let (mut lasts, mut cycle, mut bytes) = (Vec::new(), 0, 0);
    for i in 0..count {
        let burst = burst(i);
        let room = lasts.len().checked_sub(open).map_or(0, |i: usize| lasts[i] + 1);
        cycle = room.max(cycle + 1);
        lasts.push(memory.read_last(Port::Load, burst, cycle));
        bytes += u64::from(burst.beats * BEAT);
    }
    bytes as f64 * CLOCK_HZ as f64 / *lasts.last().unwrap() as f64
}

#[test]
fn a_stream_is_as_fast_as_on_the_card() {
    let stream = |i| Burst { addr: (i as u32 * 1024) % (1 << 20), beats: 32 };
    within(5.0, 32.0 * bandwidth(stream, 4_000, 8) / 1e9, 425.0, "32 channels streaming, GB/s");
}

/// Of devices without a measured figure: what the port takes, or the pins can move but for the time of refreshes.
#[test]
fn streams_of_every_device_lose_little_but_refreshes() {
    for (name, _) in PRESETS {
        let device = hw::dram::Dram::preset(name).unwrap().device;
        let (t, access) = (device.timing, device.organisation.access_bytes);
        let pins = device.clock_hz as f64 / f64::from(t.bl) * f64::from(access);
        let port = (CLOCK_HZ * u64::from(BEAT)) as f64;
        let expected = port.min(pins * (1.0 - f64::from(t.rfc + t.rp_all) / f64::from(t.refi)));
        let stream = |i| Burst { addr: (i as u32 * 1024) % (1 << 20), beats: 32 };
        let measured = bandwidth_of(memory_of(name), stream, 4_000, 16);
        within(5.0, measured / 1e9, expected / 1e9, &format!("{name} streaming, GB/s"));
    }
}

/// Single accesses to other rows: no figure of the card is known; what binds is known in closed form.
#[test]
fn random_reads_are_bound_by_the_row_cycle_and_by_activations() {
    let t = hw::dram::Dram::preset("hbm2").unwrap().device.timing;
    let single = |addr| Burst { addr, beats: 1 };
    let clock = 900e6 * (1.0 - f64::from(t.rfc + t.rp_all) / f64::from(t.refi));
    // Rows of one bank in turn: an access for each row cycle.
    let bank = bandwidth(|i| single((i as u32 * (1 << 14)) % (1 << 20)), 4_000, 16);
    within(5.0, bank / 1e9, 32.0 * clock / f64::from(t.rc) / 1e9, "rows of one bank, GB/s");
    // All banks in turn: an access for each activation. The lowest bit and bits 6 to 8 choose the bank, bits 9 on the row.
    let banks = |i: u64| single(32 * (i & 1 | (i >> 1 & 7) << 6 | (i >> 4 & 63) << 9) as u32);
    let turns = bandwidth(banks, 8_000, 64);
    within(5.0, turns / 1e9, 32.0 * clock / f64::from(t.rrd_s) / 1e9, "rows of all banks, GB/s");
    // At random: activations in order, each after that of its bank by the row cycle.
    let mut rng = Rng(11);
    let places: Vec<u32> = (0..20_000).map(|_| rng.below(1 << 15) as u32 * 32).collect();
    let random = bandwidth(|i| single(places[i as usize]), 20_000, 64);
    let (mut last, mut banks) = (0, [0u64; 16]);
    for place in &places {
        let bank = &mut banks[(place >> 5 & 1 | place >> 10 & 14) as usize];
        last = (last + u64::from(t.rrd_s)).max(*bank + u64::from(t.rc));
        *bank = last;
    }
    let expected = places.len() as f64 * 32.0 * clock / last as f64;
    within(5.0, random / 1e9, expected / 1e9, "random rows, GB/s");
}
