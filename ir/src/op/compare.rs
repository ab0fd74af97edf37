//! Comparison, logic, selection, and conversion between element types.

use super::broadcast::{broadcast, positions};
use super::elementwise::{out_shape, zip};
use super::{Fault, Operator, operator, result};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};
use std::cmp::Ordering;
use std::ops::RangeInclusive;

macro_rules! comparison {
    ($($(#[$doc:meta])* $ty:ident $name:literal, $test:expr;)*) => {$(
        operator! { $(#[$doc])* $ty $name {} }

        impl Operator for $ty {
            fn arity(&self) -> RangeInclusive<usize> {
                2..=2
            }
            fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
                truth_type(operands, operands[0].dtype)
            }
            fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
                let test: fn(Option<Ordering>) -> bool = $test;
                compare(operands[0], operands[1], test)
            }
        }
    )*};
}

comparison! {
    /// a = b
    Equal "equal", |o| o == Some(Ordering::Equal);
    /// a < b
    Less "less", |o| o == Some(Ordering::Less);
    /// a <= b
    LessEqual "less-equal", |o| o.is_some_and(Ordering::is_le);
    /// a > b
    Greater "greater", |o| o == Some(Ordering::Greater);
    /// a >= b
    GreaterEqual "greater-equal", |o| o.is_some_and(Ordering::is_ge);
}

fn truth_type(operands: &[Type], dtype: DType) -> Result<Vec<Type>, Fault> {
    if operands.iter().any(|t| t.dtype != dtype) {
        return Err(Fault::new(format!("both operands are of type {dtype}")).help("insert `cast`"));
    }
    Ok(vec![Type::new(DType::Bool, broadcast(&operands[0].shape, &operands[1].shape)?)])
}

fn compare(a: &Tensor, b: &Tensor, test: fn(Option<Ordering>) -> bool) -> Result<Vec<Tensor>, Fault> {
    let shape = out_shape(a, b)?;
    let data = match (a.data(), b.data()) {
        (Data::Float(x), Data::Float(y)) => zip(a, b, &shape, x, y, |p, q| test(p.partial_cmp(&q))),
        (Data::Long(x), Data::Long(y)) => zip(a, b, &shape, x, y, |p, q| test(Some(p.cmp(&q)))),
        (Data::Int(x), Data::Int(y)) => zip(a, b, &shape, x, y, |p, q| test(Some(p.cmp(&q)))),
        (Data::Bool(x), Data::Bool(y)) => zip(a, b, &shape, x, y, |p, q| test(Some(p.cmp(&q)))),
        _ => return Err(Fault::new("the operands are of different types")),
    };
    result(DType::Bool, shape, Data::Bool(data))
}

macro_rules! logic {
    ($($(#[$doc:meta])* $ty:ident $name:literal, $f:expr;)*) => {$(
        operator! { $(#[$doc])* $ty $name {} }

        impl Operator for $ty {
            fn arity(&self) -> RangeInclusive<usize> {
                2..=2
            }
            fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
                truth_type(operands, DType::Bool)
            }
            fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
                let shape = out_shape(operands[0], operands[1])?;
                let (Data::Bool(x), Data::Bool(y)) = (operands[0].data(), operands[1].data()) else {
                    return Err(Fault::new("both operands are of type bool"));
                };
                let f: fn(bool, bool) -> bool = $f;
                let data = zip(operands[0], operands[1], &shape, x, y, f);
                result(DType::Bool, shape, Data::Bool(data))
            }
        }
    )*};
}

logic! {
    /// Both.
    And "and", |a, b| a && b;
    /// At least one.
    Or "or", |a, b| a || b;
    /// Exactly one.
    Xor "xor", |a, b| a != b;
}

operator! {
    /// The opposite truth value.
    Not "not" {}
}

impl Operator for Not {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        match operands[0].dtype {
            DType::Bool => Ok(vec![operands[0].clone()]),
            _ => Err(Fault::new("the operand is of type bool").help("insert `cast`")),
        }
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let Data::Bool(v) = operands[0].data() else { return Err(Fault::new("the operand is of type bool")) };
        result(DType::Bool, operands[0].shape(), Data::Bool(v.iter().map(|x| !x).collect()))
    }
}

operator! {
    /// Whether the element is no number.
    IsNan "is-nan" {}
}

impl Operator for IsNan {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        super::one_float(operands)?;
        Ok(vec![Type::new(DType::Bool, operands[0].shape.clone())])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let data = operands[0].floats().iter().map(|x| x.is_nan()).collect();
        result(DType::Bool, operands[0].shape(), Data::Bool(data))
    }
}

operator! {
    /// `where(condition, a, b)`: a where the condition is true, otherwise b.
    Where "where" {}
}

impl Operator for Where {
    fn arity(&self) -> RangeInclusive<usize> {
        3..=3
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        let (condition, a, b) = (&operands[0], &operands[1], &operands[2]);
        if condition.dtype != DType::Bool || a.dtype != b.dtype {
            let why = "the condition is of type bool, and both choices are of one type";
            return Err(Fault::new(why).help("insert `cast`"));
        }
        let choices = broadcast(&a.shape, &b.shape)?;
        Ok(vec![Type::new(a.dtype, broadcast(&condition.shape, &choices)?)])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let types: Vec<Type> = operands.iter().map(|t| t.ty()).collect();
        let shape = self.infer(&types)?.first().and_then(|t| t.shape.fixed()).unwrap_or_default();
        let Data::Bool(condition) = operands[0].data() else {
            return Err(Fault::new("the condition is of type bool"));
        };
        let at = positions(operands[0].shape(), &shape);
        // Both choices stand one after the other in one vector, so that one pick serves all element types.
        let (a, b) = (operands[1], operands[2]);
        let mut both = Data::zeros(a.dtype(), a.data().len() + b.data().len());
        both.write(0, a.data());
        both.write(a.data().len(), b.data());
        let (i, j) = (positions(a.shape(), &shape), positions(b.shape(), &shape));
        let choose = |k: usize| if condition[at[k]] { i[k] } else { a.data().len() + j[k] };
        let picked: Vec<usize> = (0..at.len()).map(choose).collect();
        result(a.dtype(), shape, both.pick(&picked))
    }
}

operator! {
    /// Converts to another element type. Floats become integers by truncation; what does not fit saturates in i64 and i32 if
    /// it was a float, and keeps its low bits otherwise; anything that is not zero becomes true.
    Cast "cast" {
        /// The type of the result.
        to: DType,
    }
}

impl Operator for Cast {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }
    fn infer(&self, operands: &[Type]) -> Result<Vec<Type>, Fault> {
        Ok(vec![Type::new(self.to, operands[0].shape.clone())])
    }
    fn evaluate(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, Fault> {
        let tensor = operands[0];
        let data = match (tensor.data(), self.to) {
            (Data::Float(v), DType::Bool) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
            (Data::Float(v), to) if to.is_float() => Data::Float(v.clone()),
            (Data::Float(v), to) => integers(v.iter().map(|&x| truncate(x, to)), to),
            (_, to) => {
                let wide = tensor.to_i64s().unwrap_or_default();
                match to {
                    DType::Bool => Data::Bool(wide.iter().map(|&x| x != 0).collect()),
                    to if to.is_float() => Data::Float(wide.iter().map(|&x| x as f32).collect()),
                    to => integers(wide.into_iter().map(|x| low_bits(x, to)), to),
                }
            }
        };
        result(self.to, tensor.shape(), data)
    }
}

fn integers(values: impl Iterator<Item = i64>, dtype: DType) -> Data {
    match dtype {
        DType::I64 => Data::Long(values.collect()),
        _ => Data::Int(values.map(|x| x as i32).collect()),
    }
}

fn truncate(x: f32, dtype: DType) -> i64 {
    match dtype {
        DType::I64 => x as i64,
        DType::I32 => (x as i32).into(),
        narrow => low_bits(x as i64, narrow),
    }
}

fn low_bits(x: i64, dtype: DType) -> i64 {
    let unused = 64 - dtype.bits();
    if dtype.is_signed() {
        x << unused >> unused
    } else {
        (x << unused) as u64 as i64 >> unused & dtype.range().map_or(0, |r| r.1)
    }
}
