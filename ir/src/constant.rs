//! Constants of a graph: packed bytes, shared between graphs, or only a type.
//!
//! Invariants:
//! - the bytes have exactly the length that the type states, and the type of present bytes is static;
//! - a matrix on a grid stays in its codes; such constants are weights of decoders and never get into a graph;
//! - bytes are never copied when a graph is imported or rewritten: they may be a part of a mapped file.

mod grid;

pub use grid::Grid;

use crate::diag::Diagnostic;
use crate::pack;
use crate::tensor::Tensor;
use crate::types::{Shape, Type};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Puts bytes where they do not take memory of the process, and gives them back from there.
pub type Keep<'a> = &'a (dyn Fn(Bytes) -> Result<Bytes, Diagnostic> + Sync);

/// The value of a constant of a graph: packed bytes, shared between graphs, or only its type.
#[derive(Clone, PartialEq, Eq)]
pub struct Constant {
    ty: Type,
    elements: Elements,
}

#[derive(Clone, PartialEq, Eq)]
enum Elements {
    Absent,
    Packed(Bytes),
    Grid(Arc<Grid>),
}

impl Constant {
    /// A constant from packed little-endian bytes (see [`crate::types::DType::byte_len`]).
    pub fn new(ty: Type, bytes: impl Into<Bytes>) -> Result<Self, Diagnostic> {
        let bytes = bytes.into();
        if ty.byte_len() == Some(bytes.len() as u64) {
            return Ok(Constant { ty, elements: Elements::Packed(bytes) });
        }
        let needs = ty.byte_len().map_or("a known number of".into(), |n| n.to_string());
        Err(Diagnostic::new("constant-size", format!("a constant of type {ty} has {} bytes", bytes.len()))
            .because(format!("the type needs {needs} bytes"))
            .help("give the data the length that its type states, or leave it out as `absent`"))
    }

    /// A constant from bytes that are known to have the right length.
    pub(crate) fn packed(ty: Type, bytes: Bytes) -> Self {
        Constant { ty, elements: Elements::Packed(bytes) }
    }

    /// A constant of which only the type is known: enough for time, energy and area.
    pub fn absent(ty: Type) -> Self {
        Constant { ty, elements: Elements::Absent }
    }

    /// Type.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// A matrix of floats that stand on a grid.
    pub fn on_grid(grid: Grid) -> Self {
        Constant { ty: grid.ty(), elements: Elements::Grid(Arc::new(grid)) }
    }

    /// The grid that the elements stand on, if the file said so.
    pub fn grid(&self) -> Option<&Grid> {
        match &self.elements {
            Elements::Grid(grid) => Some(grid),
            _ => None,
        }
    }

    /// Packed bytes, unless absent or on a grid.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.elements {
            Elements::Packed(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether only the type is known.
    pub fn is_absent(&self) -> bool {
        matches!(self.elements, Elements::Absent)
    }

    /// The elements, unless absent.
    pub fn tensor(&self) -> Option<Tensor> {
        if let Some(grid) = self.grid() {
            return grid.tensor();
        }
        let shape = self.ty.shape.fixed()?;
        let elements = shape.iter().product();
        let data = pack::unpack(self.ty.dtype, self.bytes()?, elements);
        Tensor::new(self.ty.dtype, shape, data)
    }

    /// Bands of rows of a matrix, in order, of about `elements` each; bytes are not copied. A whole one if it is none, or stands on a
    /// grid. Each band begins with a byte and, but for the last, has a multiple of `together` rows.
    pub fn bands(&self, elements: usize, together: usize) -> Vec<Constant> {
        let shape = self.ty.shape.fixed().unwrap_or_default();
        let (Elements::Packed(bytes), &[rows, columns]) = (&self.elements, &shape[..]) else {
            return vec![self.clone()];
        };
        // Eight elements of any type are whole bytes.
        let unit = 8 * together.max(1);
        let band = (elements / columns.max(1)).next_multiple_of(unit).max(unit);
        let part = |from: usize| {
            let ty = |rows| Type::of(self.ty.dtype, [rows, columns]);
            let at = |row| Some(ty(row).byte_len()? as usize);
            let to = rows.min(from + band);
            Some(Constant::packed(ty(to - from), bytes.slice(at(from)?..at(to)?)))
        };
        let parts: Option<Vec<Constant>> = (0..rows).step_by(band).map(part).collect();
        parts.filter(|parts| !parts.is_empty()).unwrap_or_else(|| vec![self.clone()])
    }

    /// The same elements, with packed bytes where `keep` puts them.
    ///
    /// # Errors
    /// It has no room.
    pub fn kept(self, keep: Keep) -> Result<Constant, Diagnostic> {
        let elements = match self.elements {
            Elements::Packed(bytes) => Elements::Packed(keep(bytes)?),
            other => other,
        };
        Ok(Constant { elements, ..self })
    }

    /// The same bytes under another shape of as many elements.
    pub fn with_shape(&self, shape: Shape) -> Option<Constant> {
        let same = shape.elements().is_some() && shape.elements() == self.ty.shape.elements();
        let same = same && (self.grid().is_none() || shape == self.ty.shape);
        same.then(|| Constant { ty: Type::new(self.ty.dtype, shape), elements: self.elements.clone() })
    }
}

impl Constant {
    /// The same bytes under another type that takes as many of them.
    pub fn with_type(&self, ty: Type) -> Option<Constant> {
        let same = ty.byte_len().is_some() && ty.byte_len() == self.ty.byte_len();
        let same = same && (self.grid().is_none() || ty == self.ty);
        same.then(|| Constant { ty, elements: self.elements.clone() })
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.elements {
            Elements::Packed(b) => write!(f, "Constant({}, {} bytes)", self.ty, b.len()),
            Elements::Absent => write!(f, "Constant({}, absent)", self.ty),
            Elements::Grid(grid) => write!(f, "Constant({}, codes {})", self.ty, grid.codes().ty()),
        }
    }
}
