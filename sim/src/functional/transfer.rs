//! Load and store.

use super::Refused;
use super::state::{Outside, State, part, part_mut};
use crate::pages::Pages;
use hw::machine::BLOCK_BYTES;
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
    let target = part_mut(target, name, blocks(i.dst), length)?;
    dram.read(at, target).ok_or_else(|| outside(dram, at, length))
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
