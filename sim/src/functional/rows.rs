//! Rows of vector banks as numbers. Only the machine's lanes are read and written, never the padding of a row.

use super::state::{Outside, State, part, part_mut};
use isa::table::vec_parts;

const NAME: &str = "the vector bank";

/// A vector address plus rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub bank: u32,
    /// In rows, or in int16 rows where the caller says so.
    pub row: u64,
}

impl Place {
    pub fn of(field: u32) -> Place {
        let (bank, row) = vec_parts(field);
        Place { bank, row: row.into() }
    }

    pub fn plus(self, rows: u64) -> Place {
        Place { row: self.row + rows, ..self }
    }
}

impl State {
    /// Adds `rows` rows of int32.
    pub(super) fn read_rows(&self, at: Place, rows: u32, into: &mut Vec<i32>) -> Result<(), Outside> {
        let (width, lanes) = (self.geometry.v_row, self.geometry.l as usize);
        let bytes = rows_of(self.bank(at.bank)?, at.row, rows, width)?;
        for row in bytes.chunks_exact(width as usize) {
            into.extend(row.chunks_exact(4).take(lanes).map(word));
        }
        Ok(())
    }

    /// Adds `rows` int16 rows.
    pub(super) fn read_half_rows(&self, at: Place, rows: u32, into: &mut Vec<i16>) -> Result<(), Outside> {
        let (width, lanes) = (self.geometry.v_row / 2, self.geometry.l as usize);
        let bytes = rows_of(self.bank(at.bank)?, at.row, rows, width)?;
        for row in bytes.chunks_exact(width as usize) {
            into.extend(row.chunks_exact(2).take(lanes).map(|b| i16::from_le_bytes([b[0], b[1]])));
        }
        Ok(())
    }

    /// Writes as many rows as `values` fill.
    pub(super) fn write_rows(&mut self, at: Place, values: &[i32]) -> Result<(), Outside> {
        let (width, lanes) = (self.geometry.v_row as usize, self.geometry.l as usize);
        let length = (values.len() / lanes * width) as u64;
        let bytes = part_mut(self.bank_mut(at.bank)?, NAME, at.row * width as u64, length)?;
        for (row, values) in bytes.chunks_exact_mut(width).zip(values.chunks_exact(lanes)) {
            for (b, v) in row.chunks_exact_mut(4).zip(values) {
                b.copy_from_slice(&v.to_le_bytes());
            }
        }
        Ok(())
    }
}

fn word(b: &[u8]) -> i32 {
    i32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

fn rows_of(bank: &[u8], row: u64, rows: u32, width: u32) -> Result<&[u8], Outside> {
    part(bank, NAME, row * u64::from(width), u64::from(rows) * u64::from(width))
}
