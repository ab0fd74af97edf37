//! Arrays of an npz file: a ZIP archive (PKWARE APPNOTE 6.3.10) of npy files (NumPy enhancement proposal 1), stored or
//! deflated.
//!
//! Invariants: sizes come from the central directory; no more than [`MAX_BYTES`] are unpacked of a file, however often its entries
//! name the same data; every offset is checked.

use crate::diag::Diagnostic;
use std::borrow::Cow;

/// Most bytes that the arrays of a file may take together.
pub const MAX_BYTES: usize = 1 << 30;

/// What an npy file begins with.
const NPY: &[u8] = b"\x93NUMPY";

/// An array as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Name, without `.npy`.
    pub name: String,
    /// Element type in NumPy's notation, for example `|u1`.
    pub dtype: String,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub bytes: Vec<u8>,
}

impl Array {
    /// The bytes of an array of that element type.
    pub fn of_type(&self, dtype: &str) -> Result<&[u8], Diagnostic> {
        if self.dtype == dtype {
            return Ok(&self.bytes);
        }
        Err(Diagnostic::new("npz-type", format!("the array `{}` is of type {}", self.name, self.dtype))
            .because(format!("type {dtype} is needed"))
            .help("convert the array"))
    }
}

/// All arrays of an npz file.
pub fn read_npz(file: &[u8]) -> Result<Vec<Array>, Diagnostic> {
    let end = find_end(file).ok_or_else(|| broken("it does not end as a ZIP archive does"))?;
    let count = word16(file, end + 10).ok_or_else(|| broken("it is cut short"))?;
    let mut at = word32(file, end + 16).ok_or_else(|| broken("it is cut short"))?;
    let (mut arrays, mut left) = (Vec::new(), MAX_BYTES);
    for _ in 0..count {
        let entry = Entry::read(file, at).ok_or_else(|| broken("its directory is damaged"))?;
        left = left.checked_sub(entry.unpacked).ok_or_else(|| broken("its arrays are too large"))?;
        arrays.push(read_npy(&entry.name, entry.unpack(file)?)?);
        at = entry.next;
    }
    Ok(arrays)
}

/// The array of an npy file, or that of this name of an npz file.
///
/// # Errors
/// No such file, or no array of that name.
pub fn read_array(file: &[u8], name: &str) -> Result<Array, Diagnostic> {
    if file.starts_with(NPY) {
        return read_npy(name, file.into());
    }
    let arrays = read_npz(file)?;
    let names: Vec<String> = arrays.iter().map(|a| a.name.clone()).collect();
    arrays.into_iter().find(|a| a.name == name).ok_or_else(|| {
        Diagnostic::new("npz-array", format!("the file holds no array `{name}`"))
            .because(format!("it holds: {}", names.join(", ")))
            .help(format!("name the array `{name}`, or give an npy file"))
    })
}

/// An npy file of f64, row-major.
pub fn write_npy(shape: &[usize], elements: impl Iterator<Item = f64>) -> Vec<u8> {
    let dims: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({}), }}", dims.trim_end());
    // Version, length and header fill whole 64 bytes, the last of which ends a line.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut file = [NPY, &[1, 0], &(length as u16).to_le_bytes(), header.as_bytes()].concat();
    file.resize(10 + length - 1, b' ');
    file.push(b'\n');
    file.extend(elements.flat_map(f64::to_le_bytes));
    file
}

fn broken(why: &str) -> Diagnostic {
    Diagnostic::new("npz-invalid", "the file is not a readable npz file")
        .because(why)
        .help("download or export the file again")
}

fn word16(file: &[u8], at: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
}

fn word32(file: &[u8], at: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// The end-of-directory record is 22 bytes and a comment of at most 2^16.
fn find_end(file: &[u8]) -> Option<usize> {
    let last = file.len().checked_sub(22)?;
    (last.saturating_sub(1 << 16)..=last).rev().find(|&at| file[at..].starts_with(b"PK\x05\x06"))
}

/// An entry of the central directory.
struct Entry {
    name: String,
    method: usize,
    packed: usize,
    unpacked: usize,
    local: usize,
    next: usize,
}

impl Entry {
    fn read(file: &[u8], at: usize) -> Option<Entry> {
        if !file.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let lengths = [28, 30, 32].map(|field| word16(file, at + field));
        let [name, extra, comment] = [lengths[0]?, lengths[1]?, lengths[2]?];
        Some(Entry {
            name: String::from_utf8_lossy(file.get(at + 46..at + 46 + name)?).into_owned(),
            method: word16(file, at + 10)?,
            packed: word32(file, at + 20)?,
            unpacked: word32(file, at + 24)?,
            local: word32(file, at + 42)?,
            next: at + 46 + name + extra + comment,
        })
    }

    fn unpack<'f>(&self, file: &'f [u8]) -> Result<Cow<'f, [u8]>, Diagnostic> {
        let data = self.data(file).ok_or_else(|| broken("an entry lies outside of it"))?;
        let bytes = match self.method {
            0 if self.packed == self.unpacked => Cow::from(data),
            0 => return Err(broken("an entry is not as long as stated")),
            8 => Cow::from(inflate(data, self.unpacked)?),
            other => {
                return Err(broken(&format!("compression method {other} is neither stored nor deflated")));
            }
        };
        if bytes.len() == self.unpacked {
            Ok(bytes)
        } else {
            Err(broken("an entry is not as long as stated"))
        }
    }

    fn data<'f>(&self, file: &'f [u8]) -> Option<&'f [u8]> {
        let (name, extra) =
            (word16(file, self.local.checked_add(26)?)?, word16(file, self.local.checked_add(28)?)?);
        let start = self.local.checked_add(30 + name + extra)?;
        file.get(start..start.checked_add(self.packed)?)
    }
}

fn inflate(data: &[u8], size: usize) -> Result<Vec<u8>, Diagnostic> {
    let unpacked = miniz_oxide::inflate::decompress_to_vec_with_limit(data, size);
    unpacked.map_err(|_| broken("the compressed data is damaged"))
}

/// The array of an npy file. What was unpacked is kept and not copied, as arrays may fill half of the memory.
fn read_npy(name: &str, file: Cow<'_, [u8]>) -> Result<Array, Diagnostic> {
    let (header, start) = npy_parts(&file).ok_or_else(|| broken("an entry is not an npy file"))?;
    let mut array =
        npy_header(name, header).ok_or_else(|| broken("the header of an array is not understood"))?;
    array.bytes = match file {
        Cow::Borrowed(file) => file[start..].to_vec(),
        Cow::Owned(mut file) => {
            file.drain(..start);
            file
        }
    };
    let elements = array.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let width = array.dtype.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    let expected = elements.zip(width).and_then(|(n, w): (usize, usize)| n.checked_mul(w));
    if expected == Some(array.bytes.len()) {
        Ok(array)
    } else {
        Err(broken("an array is not as long as its shape says"))
    }
}

/// The header, and where the elements start.
fn npy_parts(file: &[u8]) -> Option<(&str, usize)> {
    let rest = file.strip_prefix(NPY)?;
    let (start, length): (usize, usize) =
        if rest.first()? == &1 { (4, word16(rest, 2)?) } else { (6, word32(rest, 2)?) };
    let header = rest.get(start..start.checked_add(length)?)?;
    Some((std::str::from_utf8(header).ok()?, NPY.len() + start + length))
}

/// An array without its elements.
fn npy_header(name: &str, header: &str) -> Option<Array> {
    let after = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let dtype = after("descr")?.strip_prefix('\'')?.split('\'').next()?.to_string();
    let row_major = after("fortran_order")?.starts_with("False");
    let (dims, _) = after("shape")?.strip_prefix('(')?.split_once(')')?;
    let dims = dims.split(',').map(str::trim).filter(|d| !d.is_empty());
    let shape = dims.map(|d| d.parse().ok()).collect::<Option<_>>()?;
    let name = name.trim_end_matches(".npy").to_string();
    row_major.then_some(Array { name, dtype, shape, bytes: Vec::new() })
}
