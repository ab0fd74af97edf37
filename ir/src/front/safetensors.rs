//! Files of named tensors (safetensors): a header in JSON, then the elements.
//!
//! Invariants:
//! - elements are never copied: a tensor is a part of the file's bytes, which may be mapped;
//! - a tensor of a type that we do not know is refused when it is asked for, by name, and not before.

use crate::constant::Constant;
use crate::diag::Diagnostic;
use crate::graph::verify;
use crate::types::{DType, Dim, Shape, Type};
use bytes::Bytes;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// Tensors by name, of one file or of several.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensors {
    tensors: BTreeMap<String, Result<Constant, Diagnostic>>,
}

/// The tensors of a file.
pub fn read(file: &[u8]) -> Result<Tensors, Diagnostic> {
    read_shared(Bytes::copy_from_slice(file))
}

/// The tensors of a file whose bytes are shared, such as a mapped one.
pub fn read_shared(file: Bytes) -> Result<Tensors, Diagnostic> {
    let damaged = |e: safetensors::SafeTensorError| {
        Diagnostic::new(
            "safetensors",
            "the file is not in the safetensors format, or it is truncated or corrupt",
        )
        .because(e.to_string())
        .help("check that it was copied whole, and download or write it again")
    };
    // The crate checks that tensors lie inside of the file, do not overlap, and have the length of their type.
    let (header, _) = SafeTensors::read_metadata(&file).map_err(damaged)?;
    let whole = SafeTensors::deserialize(&file).map_err(damaged)?;
    let start = file.as_ptr() as usize;
    let mut tensors = BTreeMap::new();
    for (name, view) in whole.iter() {
        let at = (view.data().as_ptr() as usize).saturating_sub(start);
        let bytes =
            if view.data().is_empty() { Bytes::new() } else { file.slice(at..at + view.data().len()) };
        debug_assert!(bytes.is_empty() || at > header);
        let constant = tensor(view.dtype(), view.shape(), bytes).map_err(|d| d.at_item(name));
        tensors.insert(name.to_string(), constant);
    }
    Ok(Tensors { tensors })
}

fn tensor(dtype: Dtype, shape: &[usize], bytes: Bytes) -> Result<Constant, Diagnostic> {
    let dtype = match dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::Bf16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::U16 => DType::U16,
        Dtype::I8 => DType::I8,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        other => {
            return Err(Diagnostic::new(
                "safetensors-type",
                format!("the element type {other:?} is not supported"),
            )
            .because("supported are F32, F16, BF16, BOOL, I64, I32, I16, U16, I8 and U8")
            .help("write the tensor in another type"));
        }
    };
    let ty = Type::new(dtype, Shape(shape.iter().map(|&n| Dim::from(n)).collect()));
    verify::check_size(&ty)?;
    Constant::new(ty, bytes)
}

impl Tensors {
    /// Adds the tensors of another file.
    pub fn extend(&mut self, other: Tensors) {
        self.tensors.extend(other.tensors);
    }

    /// Whether there are none: the model came without weights.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The tensor of that name, if there is one.
    pub fn get(&self, name: &str) -> Result<Option<&Constant>, Diagnostic> {
        match self.tensors.get(name) {
            None => Ok(None),
            Some(Ok(constant)) => Ok(Some(constant)),
            Some(Err(d)) => Err(d.clone()),
        }
    }
}
