//! What a set of runs has exercised: a table with a cell for everything that can happen, and the cells that stayed empty.
//!
//! The axes are instruction, field, part of the field's span ([`Bucket`]), cause of waiting ([`Cause`]) and memory model, in
//! full product. A cell exists if a machine among those recorded has that part of the span and [`Cause::impossible`] names no
//! reason against it; a count of 0 is a cell that nothing has filled. Instructions without fields have one cell for each
//! cause and model. Beside the product stand, by memory model, what is not a field: every function with every output that it goes with, every
//! mode with and without residual and with narrow activations, and every semaphore that was waited for.

mod cause;

pub use cause::Cause;

use crate::trace::Trace;
use hw::Machine;
use isa::random::{Bucket, Corner};
use isa::table::{Body, FUNS, Kind, MODES, OUTS, Spec, TABLE, out};
use isa::{Illegal, Program};
use std::collections::BTreeMap;
use std::fmt;

/// A line of the table: mnemonic (as its place in the instruction table), field (as its place in the instruction) and part.
type Row = (usize, Option<(usize, Bucket)>);

/// Counts by cell; a count of 0 is a cell that could have been filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By row, cause and number of the memory model in `models`.
    waits: BTreeMap<(Row, Cause, usize), u64>,
    /// By row ("vec rope"), column ("q8") and memory model.
    kinds: BTreeMap<(String, String, usize), u64>,
    models: Vec<String>,
    runs: u64,
}

impl Coverage {
    /// An empty table for these memory models.
    pub fn new(models: &[&str]) -> Coverage {
        Coverage { models: models.iter().map(|m| m.to_string()).collect(), ..Coverage::default() }
    }

    /// Adds a run on the memory model of this number.
    ///
    /// # Errors
    /// The program cannot be walked.
    pub fn record(
        &mut self,
        program: &Program,
        machine: &Machine,
        args: &[u32],
        model: usize,
        trace: &Trace,
    ) -> Result<(), Illegal> {
        self.open(machine, model);
        for waited in cause::waited(program, machine, args, trace)? {
            // Register numbers stand in the program's word; the resolved instruction has its fields' final values.
            let written = program.instrs.get(waited.word as usize).map_or(waited.body, |i| i.body);
            for row in rows_of(machine, &written, &waited.body) {
                for cause in &waited.causes {
                    *self.waits.entry((row, *cause, model)).or_default() += 1;
                }
            }
            if let Some((row, columns)) = kind(&waited.body) {
                columns.into_iter().flatten().for_each(|column| self.add(&row, column, model, 1));
            }
            for s in waited.semaphores {
                self.add("semaphore", &format!("s{s}"), model, 1);
            }
        }
        self.runs += 1;
        Ok(())
    }

    /// Adds what another table of the same models counted.
    pub fn merge(&mut self, other: &Coverage) {
        other.waits.iter().for_each(|(cell, n)| *self.waits.entry(*cell).or_default() += n);
        other.kinds.iter().for_each(|(cell, n)| *self.kinds.entry(cell.clone()).or_default() += n);
        self.runs += other.runs;
    }

    /// The cells that could have been filled and were not.
    pub fn empty_cells(&self) -> Vec<String> {
        let waits = self.waits.iter().filter(|(_, n)| **n == 0);
        let waits = waits
            .map(|((row, cause, m), _)| format!("{} x {} x {}", name(row), cause.name(), self.models[*m]));
        let kinds = self.kinds.iter().filter(|(_, n)| **n == 0);
        let kinds = kinds.map(|((row, column, m), _)| format!("{row} x {column} x {}", self.models[*m]));
        waits.chain(kinds).collect()
    }

    /// The corners of the product with an empty cell on the memory model of this number.
    pub fn empty_corners(&self, model: usize) -> Vec<Corner> {
        let empty = self.waits.iter().filter(|((_, _, m), n)| *m == model && **n == 0);
        let corner =
            |row: &Row| row.1.map(|(field, bucket)| Corner { index: row.0, field, bucket, with: None });
        let mut corners: Vec<Corner> = empty.filter_map(|((row, _, _), _)| corner(row)).collect();
        let kinds = self.kinds.iter().filter(|((_, _, m), n)| *m == model && **n == 0);
        corners.extend(kinds.filter_map(|((row, column, _), _)| of_kind(row, column)));
        corners.dedup();
        corners
    }

    /// Cells that could be filled.
    pub fn len(&self) -> usize {
        self.waits.len() + self.kinds.len()
    }

    /// Nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.runs == 0
    }

    fn add(&mut self, row: &str, column: &str, model: usize, count: u64) {
        *self.kinds.entry((row.into(), column.into(), model)).or_default() += count;
    }

    /// Makes a cell for everything that this machine can do.
    fn open(&mut self, machine: &Machine, model: usize) {
        for (index, spec) in TABLE.iter().enumerate() {
            let causes: Vec<Cause> =
                Cause::ALL.into_iter().filter(|c| c.impossible(spec, machine).is_none()).collect();
            for row in rows(machine, index, spec) {
                for cause in &causes {
                    self.waits.entry((row, *cause, model)).or_default();
                }
            }
        }
        for fun in hw::Geometry::of(machine).functions.iter() {
            let outs = (0..).zip(OUTS).filter(|(out, _)| fun.product().goes_with(*out != out::NONE));
            outs.for_each(|(_, out)| self.add(&format!("vec {}", fun.name()), out, model, 0));
        }
        MODES.iter().for_each(|mode| {
            ["plain", "residual"].iter().for_each(|r| self.add(&format!("gemm {mode}"), r, model, 0))
        });
        let g = hw::Geometry::of(machine);
        let modes = g.modes.iter().filter(|_| g.narrow);
        modes.for_each(|mode| self.add(&format!("gemm {}", mode.name()), "narrow", model, 0));
        (0..16).for_each(|s| self.add("semaphore", &format!("s{s}"), model, 0));
    }
}

/// Every row of an instruction on a machine.
fn rows(machine: &Machine, index: usize, spec: &Spec) -> Vec<Row> {
    if spec.fields.is_empty() {
        return vec![(index, None)];
    }
    let of_field =
        |(i, field)| Bucket::all(machine, spec, field).into_iter().map(move |b| (index, Some((i, b))));
    spec.fields.iter().enumerate().flat_map(of_field).collect()
}

/// The rows in which an instruction counts: one for each field.
fn rows_of(machine: &Machine, written: &Body, resolved: &Body) -> Vec<Row> {
    let (spec, index) = (resolved.spec(), resolved.index());
    if spec.fields.is_empty() {
        return vec![(index, None)];
    }
    let values = written.values().into_iter().zip(resolved.values());
    let row = |(i, (written, resolved)): (usize, (u32, u32))| {
        let field = &spec.fields[i];
        let value = match field.kind {
            Kind::Reg => i64::from(written),
            Kind::Int => i64::from(resolved as i32),
            _ => i64::from(resolved),
        };
        (index, Some((i, Bucket::of(machine, spec, field, value))))
    };
    values.enumerate().map(row).collect()
}

/// The corner of a vector function with an output.
fn of_kind(row: &str, column: &str) -> Option<Corner> {
    let (index, spec) = TABLE.iter().enumerate().find(|(_, spec)| spec.mnemonic == "vec")?;
    let field = |name| spec.fields.iter().position(|f| f.name == name);
    let named = |names: &[&'static str], name| names.iter().find(|n| **n == name).map(|n| Bucket::Named(n));
    let function = named(FUNS, row.strip_prefix("vec ")?)?;
    let out = (field("out")?, named(OUTS, column)?);
    Some(Corner { index, field: field("fun")?, bucket: function, with: Some(out) })
}

/// What is no field, in up to two columns.
fn kind(body: &Body) -> Option<(String, [Option<&'static str>; 2])> {
    let name = |names: &[&'static str], i: u32| names.get(i as usize).copied().unwrap_or("?");
    match body {
        Body::Vector(i) => Some((format!("vec {}", name(FUNS, i.fun)), [Some(name(OUTS, i.out)), None])),
        Body::Gemm(i) => {
            let column = if i.residual == 0 { "plain" } else { "residual" };
            let narrow = (i.narrow != 0).then_some("narrow");
            Some((format!("gemm {}", name(MODES, i.mode)), [Some(column), narrow]))
        }
        _ => None,
    }
}

fn name((index, field): &Row) -> String {
    let spec = &TABLE[*index];
    match field {
        None => spec.mnemonic.to_string(),
        Some((i, bucket)) => format!("{}.{} {}", spec.mnemonic, spec.fields[*i].name, bucket.name()),
    }
}

impl fmt::Display for Coverage {
    /// A line for each row and a column for each cause; a cell shows the counts of the memory models in order, `-` where
    /// there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs, {} cells, {} empty", self.runs, self.len(), self.empty_cells().len())?;
        writeln!(f, "counts by memory model: {}", self.models.join(" / "))?;
        let counts = |count: &dyn Fn(usize) -> Option<u64>| {
            let of = |m| count(m).map_or("-".to_string(), |n| n.to_string());
            (0..self.models.len()).map(of).collect::<Vec<_>>().join("/")
        };
        write!(f, "{:<28}", "")?;
        Cause::ALL.iter().try_for_each(|c| write!(f, " {:>24}", c.name()))?;
        writeln!(f)?;
        let mut rows: Vec<Row> = self.waits.keys().map(|k| k.0).collect();
        rows.dedup();
        for row in rows {
            write!(f, "{:<28}", name(&row))?;
            for cause in Cause::ALL {
                write!(f, " {:>24}", counts(&|m| self.waits.get(&(row, cause, m)).copied()))?;
            }
            writeln!(f)?;
        }
        let mut kinds: Vec<(&String, &String)> = self.kinds.keys().map(|k| (&k.0, &k.1)).collect();
        kinds.dedup();
        for (row, column) in kinds {
            let count = counts(&|m| self.kinds.get(&(row.clone(), column.clone(), m)).copied());
            writeln!(f, "{:<28} {count:>24}", format!("{row} {column}"))?;
        }
        Ok(())
    }
}
