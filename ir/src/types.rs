//! Element types, dimensions, shapes.
//!
//! Invariants:
//! - sizes are computed with checked arithmetic: a hostile shape yields `None`, never a wrapped number;
//! - a [`Dim::Symbol`] equals itself only; two different names are never assumed equal.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! dtypes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $bits:literal,)*) => {
        /// Type of one element of a tensor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DType { $($(#[$doc])* $variant,)* }

        impl DType {
            /// Every type, in the order of declaration.
            pub const ALL: &'static [DType] = &[$(DType::$variant,)*];

            /// Name in the text form.
            pub fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// Bits that one element takes in storage. A bool takes a byte.
            pub fn bits(self) -> u32 {
                match self { $(DType::$variant => $bits,)* }
            }
        }
    };
}

dtypes! {
    /// IEEE 754 binary32.
    F32 "f32" 32,
    /// IEEE 754 binary16.
    F16 "f16" 16,
    /// The upper half of a binary32.
    Bf16 "bf16" 16,
    /// 64-bit signed integer: token ids, positions, indices.
    I64 "i64" 64,
    /// 32-bit signed integer.
    I32 "i32" 32,
    /// 16-bit signed integer.
    I16 "i16" 16,
    /// 16-bit unsigned integer.
    U16 "u16" 16,
    /// 8-bit signed integer.
    I8 "i8" 8,
    /// 8-bit unsigned integer.
    U8 "u8" 8,
    /// 4-bit signed integer, two to a byte.
    I4 "i4" 4,
    /// 4-bit unsigned integer, two to a byte.
    U4 "u4" 4,
    /// 2-bit signed integer, four to a byte.
    I2 "i2" 2,
    /// 2-bit unsigned integer, four to a byte.
    U2 "u2" 2,
    /// Truth value, one byte, 0 or 1.
    Bool "bool" 8,
}

impl DType {
    /// Whether this is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16 | DType::Bf16)
    }

    /// Whether this is an integer type; a bool is not.
    pub fn is_int(self) -> bool {
        !self.is_float() && self != DType::Bool
    }

    /// Whether this is a signed integer type.
    pub fn is_signed(self) -> bool {
        use DType::*;
        matches!(self, I64 | I32 | I16 | I8 | I4 | I2)
    }

    /// Smallest and largest value of an integer type.
    pub fn range(self) -> Option<(i64, i64)> {
        let bits = self.bits();
        match (self.is_int(), self.is_signed()) {
            (false, _) => None,
            (true, true) => Some((i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))),
            (true, false) => Some((0, (1i64 << bits) - 1)),
        }
    }

    /// Bytes that `elements` packed elements take: elements follow one another without gaps, the first in the
    /// lowest bits; the last byte is filled up with zeros.
    pub fn byte_len(self, elements: u64) -> Option<u64> {
        Some(elements.checked_mul(u64::from(self.bits()))?.div_ceil(8))
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        DType::ALL.iter().copied().find(|d| d.name() == name).ok_or(())
    }
}

/// Length of a tensor along one axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Known.
    Static(u64),
    /// Named, to be bound to a number before a graph is evaluated or compiled.
    Symbol(Arc<str>),
}

impl Dim {
    /// The number, if it is known.
    pub fn fixed(&self) -> Option<u64> {
        match self {
            Dim::Static(n) => Some(*n),
            Dim::Symbol(_) => None,
        }
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Self {
        Dim::Static(n as u64)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Static(n) => n.fmt(f),
            Dim::Symbol(name) => name.fmt(f),
        }
    }
}

/// Lengths of a tensor along its axes, outermost first. Elements are stored row-major.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// A shape of known dimensions.
    pub fn of(dims: impl AsRef<[usize]>) -> Self {
        Shape(dims.as_ref().iter().map(|&n| n.into()).collect())
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The dimensions as numbers, if all are known and fit in memory addresses.
    pub fn fixed(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|d| usize::try_from(d.fixed()?).ok()).collect()
    }

    /// Number of elements, if it is known and fits in 64 bits.
    pub fn elements(&self) -> Option<u64> {
        self.0.iter().try_fold(1u64, |n, d| n.checked_mul(d.fixed()?))
    }

    /// Number of elements if empty axes had one, and 1 for each unknown dimension: a bound of the work that loops over
    /// the axes do. `None` if it does not fit in 64 bits.
    pub fn extent(&self) -> Option<u64> {
        self.0.iter().try_fold(1u64, |n, d| n.checked_mul(d.fixed().unwrap_or(1).max(1)))
    }

    /// The first name of an unknown dimension.
    pub fn symbol(&self) -> Option<&str> {
        self.0.iter().find_map(|d| match d {
            Dim::Symbol(name) => Some(&**name),
            Dim::Static(_) => None,
        })
    }
}

/// Axes of a shape that are printed.
const SHOWN_AXES: usize = 16;

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, dim) in self.0.iter().enumerate() {
            // No graph has that many axes; a refused shape is not printed whole.
            if i == SHOWN_AXES {
                return write!(f, ", ..] of {} axes", self.rank());
            }
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{dim}")?;
        }
        f.write_str("]")
    }
}

/// Type of a value: its element type and its shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Type {
    /// Element type.
    pub dtype: DType,
    /// Shape.
    pub shape: Shape,
}

impl Type {
    /// A type.
    pub fn new(dtype: DType, shape: Shape) -> Self {
        Type { dtype, shape }
    }

    /// A type of known dimensions.
    pub fn of(dtype: DType, dims: impl AsRef<[usize]>) -> Self {
        Type { dtype, shape: Shape::of(dims) }
    }

    /// Bytes in packed storage, if the shape is known.
    pub fn byte_len(&self) -> Option<u64> {
        self.dtype.byte_len(self.shape.elements()?)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_sizes() {
        assert_eq!(DType::I2.range(), Some((-2, 1)));
        assert_eq!(DType::I64.range(), Some((i64::MIN, i64::MAX)));
        assert_eq!(DType::U16.range(), Some((0, 65535)));
        assert_eq!(DType::I4.byte_len(3), Some(2));
        assert_eq!(Type::of(DType::F32, [usize::MAX, 2]).byte_len(), None);
        assert_eq!(Type::of(DType::F32, []).to_string(), "f32[]");
    }
}
