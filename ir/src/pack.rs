//! Packed little-endian storage of elements, and the 16-bit float formats.
//!
//! Invariant: `unpack(pack(x)) == x` for all data within the range of its type.

use crate::tensor::Data;
use crate::types::DType;

/// Packs elements: one after the other without gaps, the first in the lowest bits of the first byte.
pub(crate) fn pack(dtype: DType, data: &Data) -> Vec<u8> {
    match data {
        Data::Float(v) if dtype == DType::F32 => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::Float(v) if dtype == DType::Bf16 => v.iter().flat_map(|&x| to_bf16(x).to_le_bytes()).collect(),
        Data::Float(v) => v.iter().flat_map(|&x| to_f16(x).to_le_bytes()).collect(),
        Data::Long(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::Bool(v) => v.iter().map(|&x| x.into()).collect(),
        Data::Int(v) => match dtype.bits() {
            32 => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            16 => v.iter().flat_map(|&x| (x as u16).to_le_bytes()).collect(),
            8 => v.iter().map(|&x| x as u8).collect(),
            bits => pack_bits(v, bits as usize),
        },
    }
}

fn pack_bits(values: &[i32], bits: usize) -> Vec<u8> {
    let per_byte = 8 / bits;
    let mask = (1 << bits) - 1;
    let byte = |chunk: &[i32]| {
        let parts = chunk.iter().enumerate();
        parts.fold(0u8, |byte, (i, &x)| byte | ((x & mask) as u8) << (i * bits))
    };
    values.chunks(per_byte).map(byte).collect()
}

/// Unpacks integers of 2 or 4 bits; elements that `bytes` does not hold are zero.
pub(crate) fn unpack_ints(dtype: DType, bytes: &[u8], elements: usize) -> Vec<i32> {
    unpack_bits(dtype, bytes, elements)
}

/// Unpacks `elements` elements. `bytes` must be long enough.
pub(crate) fn unpack(dtype: DType, bytes: &[u8], elements: usize) -> Data {
    fn words<const N: usize, T>(bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.chunks_exact(N).filter_map(|c| c.try_into().ok()).map(f).collect()
    }
    match dtype {
        DType::F32 => Data::Float(words(bytes, f32::from_le_bytes)),
        DType::F16 => Data::Float(words(bytes, |b| from_f16(u16::from_le_bytes(b)))),
        DType::Bf16 => Data::Float(words(bytes, |b| from_bf16(u16::from_le_bytes(b)))),
        DType::I64 => Data::Long(words(bytes, i64::from_le_bytes)),
        DType::I32 => Data::Int(words(bytes, i32::from_le_bytes)),
        DType::I16 => Data::Int(words(bytes, |b| i16::from_le_bytes(b).into())),
        DType::U16 => Data::Int(words(bytes, |b| u16::from_le_bytes(b).into())),
        DType::I8 => Data::Int(bytes.iter().map(|&b| (b as i8).into()).collect()),
        DType::U8 => Data::Int(bytes.iter().map(|&b| b.into()).collect()),
        DType::Bool => Data::Bool(bytes.iter().map(|&b| b != 0).collect()),
        DType::I4 | DType::U4 | DType::I2 | DType::U2 => Data::Int(unpack_bits(dtype, bytes, elements)),
    }
}

fn unpack_bits(dtype: DType, bytes: &[u8], elements: usize) -> Vec<i32> {
    let bits = dtype.bits() as usize;
    let unused = 32 - bits;
    let element = |i: usize| {
        let byte = bytes.get(i * bits / 8).map_or(0, |&b| u32::from(b));
        let top = byte >> (i * bits % 8) << unused;
        if dtype.is_signed() { top as i32 >> unused } else { (top >> unused) as i32 }
    };
    (0..elements).map(element).collect()
}

/// Widens a bfloat16.
pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Rounds to bfloat16, to nearest, ties to even.
pub fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    let tie = bits >> 16 & 1;
    (bits.wrapping_add(0x7fff + tie) >> 16) as u16
}

/// Widens a binary16.
pub fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 31);
    let fraction = u32::from(bits & 1023);
    let magnitude = match exponent {
        0 => fraction as f32 * 2f32.powi(-24),
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        e => f32::from_bits((e + 112) << 23 | fraction << 13),
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

/// Rounds to binary16, to nearest, ties to even.
pub fn to_f16(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16 & 0x8000) as u16;
    let magnitude = x.abs();
    if x.is_nan() {
        return sign | 0x7e00;
    }
    if magnitude < 2f32.powi(-14) {
        // Subnormals are multiples of 2^-24, which an f32 addition rounds correctly when its unit is 2^-24.
        let shifted = magnitude + 0.5;
        return sign | (shifted.to_bits() - 0.5f32.to_bits()) as u16;
    }
    let bits = magnitude.to_bits();
    let rounded = bits + 0xfff + (bits >> 13 & 1);
    let half = (rounded >> 13).saturating_sub(112 << 10);
    sign | half.min(0x7c00) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_survives() {
        for bits in 0..=u16::MAX {
            let wide = from_f16(bits);
            if !wide.is_nan() {
                assert_eq!(to_f16(wide), bits);
            }
        }
        assert_eq!(to_f16(65520.0), 0x7c00);
        assert_eq!(to_f16(65519.0), 0x7bff);
    }

    #[test]
    fn every_bf16_survives() {
        for bits in 0..=u16::MAX {
            let wide = from_bf16(bits);
            if !wide.is_nan() {
                assert_eq!(to_bf16(wide), bits);
            }
        }
    }

    #[test]
    fn small_integers_survive() {
        for &dtype in DType::ALL {
            let Some((low, high)) = dtype.range().filter(|_| dtype != DType::I64) else { continue };
            let values: Vec<i32> = [low, high, 0, 1, low, high, high].iter().map(|&x| x as i32).collect();
            let bytes = pack(dtype, &Data::Int(values.clone()));
            assert_eq!(Some(bytes.len() as u64), dtype.byte_len(7));
            assert_eq!(unpack(dtype, &bytes, 7), Data::Int(values));
        }
    }
}
