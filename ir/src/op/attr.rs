//! Attributes of operators: what the text form shows between braces.
//!
//! Invariant: `T::from_attr(&x.to_attr()) == Some(x)` for every attribute type.

use crate::types::{DType, Dim, Shape};

/// An attribute in the text form.
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// `3`
    Int(i64),
    /// `1e-6`
    Float(f64),
    /// `[1, 2, -1]`
    Ints(Vec<i64>),
    /// `[1, n]`: a shape of which a dimension is a name. A static one is [`Attr::Ints`].
    Shape(Shape),
    /// `true`, `f32`, `mean`: a word out of a closed set.
    Word(String),
}

/// A Rust type that an attribute may have.
pub trait AttrValue: Sized {
    /// The text form.
    fn to_attr(&self) -> Attr;
    /// Back from the text form; `None` if it is of another kind or out of range.
    fn from_attr(attr: &Attr) -> Option<Self>;
}

macro_rules! int_attrs {
    ($($ty:ty)*) => {$(
        impl AttrValue for $ty {
            fn to_attr(&self) -> Attr {
                Attr::Int(*self as i64)
            }
            fn from_attr(attr: &Attr) -> Option<Self> {
                match attr {
                    Attr::Int(x) => (*x).try_into().ok(),
                    _ => None,
                }
            }
        }

        impl AttrValue for Vec<$ty> {
            fn to_attr(&self) -> Attr {
                Attr::Ints(self.iter().map(|&x| x as i64).collect())
            }
            fn from_attr(attr: &Attr) -> Option<Self> {
                match attr {
                    Attr::Ints(list) => list.iter().map(|&x| x.try_into().ok()).collect(),
                    _ => None,
                }
            }
        }
    )*};
}

int_attrs! { i64 i32 u32 usize }

impl AttrValue for f64 {
    fn to_attr(&self) -> Attr {
        Attr::Float(*self)
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Float(x) => Some(*x),
            _ => None,
        }
    }
}

impl AttrValue for bool {
    fn to_attr(&self) -> Attr {
        Attr::Word(self.to_string())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Word(word) => word.parse().ok(),
            _ => None,
        }
    }
}

impl AttrValue for DType {
    fn to_attr(&self) -> Attr {
        Attr::Word(self.to_string())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Word(word) => word.parse().ok(),
            _ => None,
        }
    }
}

impl AttrValue for Shape {
    fn to_attr(&self) -> Attr {
        let ints = self.0.iter().map(|d| d.fixed().and_then(|n| i64::try_from(n).ok())).collect();
        match ints {
            Some(ints) => Attr::Ints(ints),
            None => Attr::Shape(self.clone()),
        }
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Shape(shape) => Some(shape.clone()),
            Attr::Ints(list) => {
                let dims = list.iter().map(|&x| Some(Dim::Static(x.try_into().ok()?)));
                dims.collect::<Option<_>>().map(Shape)
            }
            _ => None,
        }
    }
}
