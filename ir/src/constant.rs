//! Constants of a graph: packed bytes, shared between graphs, or only a type.
//!
//! Invariants:
//! - the bytes have exactly the length that the type states, and the type of present bytes is static;
//! - bytes are never copied when a graph is imported or rewritten: they may be a part of a mapped file.

use crate::diag::Diagnostic;
use crate::pack;
use crate::tensor::Tensor;
use crate::types::{Shape, Type};
use bytes::Bytes;
use std::fmt;

/// The value of a constant of a graph: packed bytes, shared between graphs, or only its type.
#[derive(Clone, PartialEq, Eq)]
pub struct Constant {
    ty: Type,
    bytes: Option<Bytes>,
}

impl Constant {
    /// A constant from packed little-endian bytes (see [`crate::types::DType::byte_len`]).
    pub fn new(ty: Type, bytes: impl Into<Bytes>) -> Result<Self, Diagnostic> {
        let bytes = bytes.into();
        if ty.byte_len() == Some(bytes.len() as u64) {
            return Ok(Constant { ty, bytes: Some(bytes) });
        }
        let needs = ty.byte_len().map_or("a known number of".into(), |n| n.to_string());
        Err(Diagnostic::new("constant-size", format!("a constant of type {ty} has {} bytes", bytes.len()))
            .because(format!("the type needs {needs} bytes"))
            .help("give the data the length that its type states, or leave it out as `absent`"))
    }

    /// A constant from bytes that are known to have the right length.
    pub(crate) fn packed(ty: Type, bytes: Bytes) -> Self {
        Constant { ty, bytes: Some(bytes) }
    }

    /// A constant of which only the type is known: enough for time, energy and area.
    pub fn absent(ty: Type) -> Self {
        Constant { ty, bytes: None }
    }

    /// Type.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// Packed bytes, unless absent.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// Whether only the type is known.
    pub fn is_absent(&self) -> bool {
        self.bytes.is_none()
    }

    /// The elements, unless absent.
    pub fn tensor(&self) -> Option<Tensor> {
        let shape = self.ty.shape.fixed()?;
        let elements = shape.iter().product();
        let data = pack::unpack(self.ty.dtype, self.bytes()?, elements);
        Tensor::new(self.ty.dtype, shape, data)
    }

    /// The same bytes under another shape of as many elements.
    pub fn with_shape(&self, shape: Shape) -> Option<Constant> {
        let same = shape.elements().is_some() && shape.elements() == self.ty.shape.elements();
        same.then(|| Constant { ty: Type::new(self.ty.dtype, shape), bytes: self.bytes.clone() })
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bytes {
            Some(b) => write!(f, "Constant({}, {} bytes)", self.ty, b.len()),
            None => write!(f, "Constant({}, absent)", self.ty),
        }
    }
}
