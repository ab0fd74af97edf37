//! The smallest and the largest value of each field that a legal instruction of a machine can hold.
//!
//! Generators aim at both ends, coverage asks for both and for something between. Fields to which a register adds are
//! meant after the addition.

use super::memory::Map;
use crate::table::{Field, Kind, Spec, out, vec_addr};
use hw::{Form, Function, Geometry, Machine, Mode};

/// (smallest, largest) value of a field; signed fields as signed numbers.
pub fn span(machine: &Machine, spec: &Spec, field: &Field) -> (i64, i64) {
    let g = Geometry::of(machine);
    let b = &machine.buffers;
    let width = (1i64 << field.width) - 1;
    let up_to = |most: u32| (0, i64::from(most).min(width));
    let from_one = |most: u32| (1, i64::from(most).min(width));
    let bank_rows = b.vector_bank_bytes / g.v_row;
    let last_row = i64::from(vec_addr(b.vector_banks - 1, bank_rows - 1));
    let map = Map::of(machine);
    let a_rows = b.activation_bytes / g.a_row;
    let modes: Vec<Mode> = g.modes.iter().collect();
    let (first, last) = modes.first().zip(modes.last()).map_or((0, 0), |(f, l)| (*f as i64, *l as i64));
    match (spec.mnemonic, field.name) {
        (_, "bank") => up_to(b.vector_banks - 1),
        ("load", "dst") => up_to(b.weight_bytes.max(b.vector_bank_bytes) / 64 - 1),
        ("load", "addr") => up_to(map.size / 64 - 1),
        ("load", "blocks") => from_one(b.weight_bytes.max(b.vector_bank_bytes) / 64),
        ("store.blocks", "src") => up_to(b.vector_bank_bytes / 64 - 1),
        ("store.blocks", "addr") => (i64::from(map.out / 64), i64::from(map.size / 64 - 1)),
        ("store.blocks", "blocks") => from_one(b.vector_bank_bytes / 64),
        ("store.segments", "src") => up_to(b.vector_bank_bytes - 1),
        ("store.segments", "seg_log2") => up_to(g.beat.min(g.v_row).ilog2()),
        ("store.segments", "addr") => (i64::from(map.out), i64::from(map.size - 1)),
        ("store.segments", "count") => (1, width),
        ("gemm", "tokens") => from_one(g.t),
        ("gemm", "ntiles") => from_one((b.channel_bytes / g.c_row).min(bank_rows / (g.n / g.l))),
        ("gemm", "groups" | "steps") => from_one(a_rows),
        ("gemm", "mode") => (first, last),
        ("gemm", "a_row") => up_to(a_rows - modes.iter().map(|m| m.a_rows()).min().unwrap_or(1)),
        ("gemm", "w_row") => up_to(b.weight_bytes / g.narrowest_row() - 1),
        ("gemm", "g_row") => up_to(b.group_scale_bytes / g.g_row - 1),
        ("gemm", "c_row") => up_to(b.channel_bytes / g.c_row - 1),
        ("gemm", "slot") => up_to(b.token_scales - 1),
        ("vec", "tokens" | "subs") => (1, width),
        ("vec", "rows") => from_one(bank_rows),
        ("vec", "o_token") => up_to(g.t - 1),
        ("vec", "across") => up_to((g.slices - 1).min(1)),
        ("gemm", "narrow") => up_to(g.narrow.into()),
        ("loop", "body") => (1, LONG_BODY),
        (_, _) => match field.kind {
            Kind::Vec => (0, last_row),
            Kind::Enum(names) => (0, names.len() as i64 - 1),
            Kind::Int => (-(1 << (field.width - 1)), (1 << (field.width - 1)) - 1),
            Kind::Num | Kind::Reg | Kind::Flag => (0, width),
        },
    }
}

/// A body of this many words counts as the longest.
pub const LONG_BODY: i64 = 24;

/// A part of a field's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// The smallest value; the only one if the span has one.
    Min,
    /// Anything between.
    Mid,
    /// The largest value.
    Max,
    /// One of the named values of the field.
    Named(&'static str),
}

impl Bucket {
    /// Where a value of a field lies; signed fields as signed numbers. Values outside of the span count as its ends.
    pub fn of(machine: &Machine, spec: &Spec, field: &Field, value: i64) -> Bucket {
        let (low, high) = span(machine, spec, field);
        match field.kind {
            Kind::Enum(names) => Bucket::Named(names.get(value as usize).copied().unwrap_or("?")),
            _ if value <= low => Bucket::Min,
            _ if value >= high => Bucket::Max,
            _ => Bucket::Mid,
        }
    }

    /// The values of this part as (smallest, largest).
    pub fn values(self, machine: &Machine, spec: &Spec, field: &Field) -> (i64, i64) {
        let (low, high) = span(machine, spec, field);
        match (self, field.kind) {
            (Bucket::Named(name), Kind::Enum(names)) => {
                let at = names.iter().position(|n| *n == name).unwrap_or(0) as i64;
                (at, at)
            }
            (Bucket::Mid, _) => (low + 1, high - 1),
            (Bucket::Max, _) => (high, high),
            _ => (low, low),
        }
    }

    /// Every part that the span of a field has on a machine.
    pub fn all(machine: &Machine, spec: &Spec, field: &Field) -> Vec<Bucket> {
        if let Kind::Enum(names) = field.kind {
            let Geometry { modes, functions, forms, .. } = Geometry::of(machine);
            let there = |value: &usize| match field.name {
                "mode" => Mode::of(*value as u32).is_some_and(|m| modes.has(m)),
                "form" => Form::of(*value as u32).is_some_and(|f| forms.has(f)),
                "fun" => Function::of(*value as u32).is_some_and(|f| functions.has(f)),
                "out" => out::staged(*value as u32).is_none_or(|m| modes.has(m)),
                _ => true,
            };
            return (0..names.len()).filter(there).map(|value| Bucket::Named(names[value])).collect();
        }
        let (low, high) = span(machine, spec, field);
        let parts = [(Bucket::Min, true), (Bucket::Mid, high - low > 1), (Bucket::Max, high > low)];
        parts.into_iter().filter(|p| p.1).map(|p| p.0).collect()
    }

    /// As tables print it.
    pub const fn name(self) -> &'static str {
        match self {
            Bucket::Min => "min",
            Bucket::Mid => "mid",
            Bucket::Max => "max",
            Bucket::Named(name) => name,
        }
    }
}
