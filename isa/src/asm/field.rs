//! One instruction: from what is written to field values, by the table.

use super::grammar::{At, Fault, Instruction, Item, Value};
use super::lookalike::suggest;
use crate::instr::{Head, Instr};
use crate::table::{Body, Field, Kind, Spec, TABLE, Unit, VEC_ROW_BITS, vec_addr};
use hw::machine::{REGISTERS, SEMAPHORES};

/// The instruction, and whether its `body` field was written.
pub fn instruction(line: &Instruction) -> Result<(Instr, bool), Fault> {
    let mnemonic = line.mnemonic.it;
    let index = TABLE.iter().position(|s| s.mnemonic == mnemonic);
    let Some((index, mut body)) = index.and_then(|i| Some((i, Body::zero(i)?))) else {
        let help = suggest(mnemonic, TABLE.iter().map(|s| s.mnemonic));
        return Err(Fault::new(
            line.mnemonic.left,
            format!("unknown instruction `{mnemonic}`"),
            "the instruction table has no such mnemonic",
            help,
        ));
    };
    let mut fields =
        Fields { spec: &TABLE[index], values: vec![None; TABLE[index].fields.len()], head: Head::default() };
    for item in &line.items {
        fields.item(item)?;
    }
    let has_body =
        fields.spec.fields.iter().zip(&fields.values).any(|(f, v)| f.name == "body" && v.is_some());
    body.set_values(&fields.values.iter().map(|v| v.unwrap_or(0)).collect::<Vec<_>>());
    Ok((Instr { head: fields.head, body }, has_body))
}

struct Fields {
    spec: &'static Spec,
    values: Vec<Option<u32>>,
    head: Head,
}

impl Fields {
    fn item(&mut self, item: &At<Item>) -> Result<(), Fault> {
        match &item.it {
            Item::Wait(list) => self.semaphores(item.left, "wait", list),
            Item::Post(list) => self.semaphores(item.left, "post", list),
            Item::Bare(name @ ("drain" | "mark")) => self.switch(item.left, name),
            Item::Bare(name) => self.flag(item.left, name),
            Item::Field(name, value) => {
                let (place, field) = self.find(item.left, name)?;
                let value = value_of(self.spec.mnemonic, field, value)?;
                self.set(item.left, place, value)
            }
        }
    }

    fn semaphores(&mut self, left: usize, which: &str, list: &[At<i64>]) -> Result<(), Fault> {
        self.not_sequencer(left, which)?;
        let mask = if which == "wait" { &mut self.head.wait } else { &mut self.head.post };
        for number in list {
            let bit = usize::try_from(number.it).ok().filter(|n| *n < SEMAPHORES).map(|n| 1u16 << n);
            match bit {
                Some(bit) if *mask & bit == 0 => *mask |= bit,
                Some(_) => return Err(twice(number.left, &format!("{}", number.it))),
                None => {
                    return Err(Fault::new(
                        number.left,
                        format!("semaphore {} does not exist", number.it),
                        format!("a machine has {SEMAPHORES} semaphores"),
                        format!("use 0 to {}", SEMAPHORES - 1),
                    ));
                }
            }
        }
        Ok(())
    }

    fn switch(&mut self, left: usize, name: &str) -> Result<(), Fault> {
        if name == "drain" {
            self.not_sequencer(left, name)?;
        }
        let bit = if name == "drain" { &mut self.head.drain } else { &mut self.head.mark };
        if std::mem::replace(bit, true) { Err(twice(left, name)) } else { Ok(()) }
    }

    fn not_sequencer(&self, left: usize, name: &str) -> Result<(), Fault> {
        if self.spec.unit != Unit::Sequencer {
            return Ok(());
        }
        Err(Fault::new(
            left,
            format!("`{}` takes no `{name}`", self.spec.mnemonic),
            "the sequencer dispatches in order and has no part in semaphores",
            format!("put `{name}` on an instruction of a unit"),
        ))
    }

    fn flag(&mut self, left: usize, name: &str) -> Result<(), Fault> {
        let (place, field) = self.find(left, name)?;
        if field.kind == Kind::Flag {
            return self.set(left, place, 1);
        }
        Err(Fault::new(
            left,
            format!("field `{name}` has no value"),
            "only flags stand alone",
            format!("write `{name}={}`", example(field)),
        ))
    }

    fn find(&self, left: usize, name: &str) -> Result<(usize, &'static Field), Fault> {
        let place = self.spec.fields.iter().position(|f| f.name == name);
        place.map(|p| (p, &self.spec.fields[p])).ok_or_else(|| {
            Fault::new(
                left,
                format!("`{}` has no field `{name}`", self.spec.mnemonic),
                "its fields are given by the instruction table",
                suggest(name, self.spec.fields.iter().map(|f| f.name)),
            )
        })
    }

    fn set(&mut self, left: usize, place: usize, value: u32) -> Result<(), Fault> {
        match self.values[place].replace(value) {
            Some(_) => Err(twice(left, self.spec.fields[place].name)),
            None => Ok(()),
        }
    }
}

fn twice(left: usize, name: &str) -> Fault {
    Fault::new(left, format!("`{name}` is given twice"), "each may be given once", "remove one of them")
}

/// A value as somebody would write it for this field.
fn example(field: &Field) -> &'static str {
    match field.kind {
        Kind::Num => "4",
        Kind::Int => "-2",
        Kind::Reg => "r1",
        Kind::Vec => "v1:0",
        Kind::Enum(names) => names.first().copied().unwrap_or(""),
        Kind::Flag => "1",
    }
}

fn value_of(mnemonic: &str, field: &Field, value: &At<Value>) -> Result<u32, Fault> {
    match (field.kind, &value.it) {
        (Kind::Num | Kind::Flag, Value::Number(n)) => {
            within(field, value.left, *n, 0, (1 << field.width) - 1)
        }
        (Kind::Int, Value::Number(n)) => {
            let half = 1 << (field.width - 1);
            within(field, value.left, *n, -half, half - 1)
        }
        (Kind::Reg, Value::Register(r)) => within(field, value.left, *r, 0, REGISTERS as i64 - 1),
        (Kind::Vec, Value::Vector(bank, row)) => {
            let row = within(field, value.left, *row, 0, (1 << VEC_ROW_BITS) - 1)?;
            let bank = within(field, value.left, *bank, 0, (1 << (field.width - VEC_ROW_BITS)) - 1)?;
            Ok(vec_addr(bank, row))
        }
        (Kind::Enum(names), Value::Name(n)) => named(field, value.left, n, names),
        _ => Err(Fault::new(
            value.left,
            format!("field `{}` of `{mnemonic}` takes {}", field.name, kind_name(field.kind)),
            field.doc.trim(),
            format!("write `{}={}`", field.name, example(field)),
        )),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Num => "a number",
        Kind::Int => "a number with an optional sign",
        Kind::Reg => "a register",
        Kind::Vec => "a vector address",
        Kind::Enum(_) => "a name",
        Kind::Flag => "no value, or 0 or 1",
    }
}

fn within(field: &Field, left: usize, value: i64, low: i64, high: i64) -> Result<u32, Fault> {
    if (low..=high).contains(&value) {
        return Ok(value as u32);
    }
    Err(Fault::new(
        left,
        format!("{value} does not fit field `{}`", field.name),
        format!("the field has {} bits: {low} to {high}", field.width),
        "use a smaller value, or put the rest into a register",
    ))
}

fn named(field: &Field, left: usize, name: &str, names: &[&'static str]) -> Result<u32, Fault> {
    names.iter().position(|n| *n == name).map(|p| p as u32).ok_or_else(|| {
        Fault::new(
            left,
            format!("field `{}` has no value `{name}`", field.name),
            "its values have names",
            suggest(name, names.iter().copied()),
        )
    })
}
