//! Load and store.

use super::Refused;
use super::state::{Outside, State, part, part_mut};
use crate::pages::Pages;
use hw::form::{self, POSITION_BEATS};
use hw::machine::BLOCK_BYTES;
use hw::{Form, Geometry};
use isa::table::{Load, StoreBlocks, StoreSegments, space};

fn blocks(n: u32) -> u64 {
    u64::from(n) * u64::from(BLOCK_BYTES)
}

pub(super) fn load(state: &mut State, i: &Load) -> Result<(), Outside> {
    let State { dram, w, g, c, v, .. } = state;
    let banks = v.len() as u64;
    let (name, target) = match i.space {
        space::W => ("the weight buffer", w),
        space::G => ("the group-scale buffer", g),
        space::C => ("the channel buffer", c),
        _ => {
            let at = u64::from(i.bank);
            let outside = Outside { space: "the vector banks", unit: "bank", at, length: 1, size: banks };
            ("the vector bank", v.get_mut(i.bank as usize).ok_or(outside)?)
        }
    };
    let (at, length) = (blocks(i.addr), blocks(i.blocks));
    let form = Form::of(i.form).unwrap_or_default();
    let target = part_mut(target, name, blocks(i.dst), form.on_chip(i.blocks))?;
    let Some(sharing) = form.sharing() else {
        return dram.read(at, target).ok_or_else(|| outside(dram, at, length));
    };
    let data = dram.get(at, length as usize).ok_or_else(|| outside(dram, at, length))?;
    widen(&data, target, sharing, &state.geometry);
    Ok(())
}

/// Packets of a form with `sharing` outputs to a position into rows of the weight buffer.
fn widen(data: &[u8], rows: &mut [u8], sharing: u32, g: &Geometry) {
    let (beat, half) = (g.beat as usize, g.kept_codes() as usize);
    let mut parts = rows.chunks_exact_mut(2 * half).flat_map(|row| {
        let (codes, positions) = row.split_at_mut(half);
        codes.chunks_exact_mut(beat).zip(positions.chunks_exact_mut(beat))
    });
    // Fours of an output, and those whose positions come with a beat of codes.
    let (fours, of_beat) = (g.lp / 2, 2 * g.beat / sharing);
    for packet in data.chunks_exact((POSITION_BEATS + 4 * sharing) as usize * beat) {
        let (narrow, codes) = packet.split_at(POSITION_BEATS as usize * beat);
        for ((n, codes), (to, positions)) in (0..).zip(codes.chunks_exact(beat)).zip(&mut parts) {
            to.copy_from_slice(codes);
            positions.fill(0);
            for four in 0..2 * g.beat {
                let (output, at) = (four / fours, four % fours);
                let [low, high] =
                    form::positions(bits(narrow, 3 * (n * of_beat + output / sharing * fours + at)));
                positions[(four / 2) as usize] |= ((low | high << 2) << (four % 2 * 4)) as u8;
            }
        }
    }
}

/// Three bits from a bit on.
fn bits(bytes: &[u8], at: u32) -> u32 {
    (0..3).map(|i| u32::from(bytes[((at + i) / 8) as usize] >> ((at + i) % 8) & 1) << i).sum()
}

pub(super) fn store_blocks(state: &mut State, i: &StoreBlocks) -> Result<(), Outside> {
    store(state, i.bank, blocks(i.src), blocks(i.addr), blocks(i.blocks))
}

pub(super) fn store_segments(state: &mut State, i: &StoreSegments) -> Result<(), Refused> {
    let bytes = 1 << i.seg_log2;
    if bytes > state.geometry.beat.min(state.geometry.v_row) {
        return Err(Refused::Field("has segments longer than a beat or a vector row"));
    }
    for n in 0..u64::from(i.count) {
        let src = u64::from(i.src) + n * u64::from(i.src_stride);
        let dst = u64::from(i.addr) + n * u64::from(i.dst_stride);
        store(state, i.bank, src, dst, bytes.into())?;
    }
    Ok(())
}

fn store(state: &mut State, bank: u32, src: u64, dst: u64, bytes: u64) -> Result<(), Outside> {
    state.bank(bank)?;
    let State { dram, v, .. } = state;
    let from = part(&v[bank as usize], "the vector bank", src, bytes)?;
    dram.write(dst, from).ok_or_else(|| outside(dram, dst, bytes))
}

fn outside(dram: &Pages, at: u64, length: u64) -> Outside {
    Outside { space: "DRAM", unit: "byte", at, length, size: dram.size() }
}
