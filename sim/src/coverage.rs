//! What a set of runs has exercised: a table with a cell for everything that can happen, and the cells that stayed empty.
//!
//! A cell is counted for each kind of memory model: every field of every instruction at the smallest, the largest and a
//! middle value that a machine allows (named values each for itself), every function with every output, every mode with
//! and without residual, and every cause of waiting of every unit, of the sequencer, and of every semaphore.

use crate::trace::Trace;
use hw::Machine;
use hw::machine::MemoryModel;
use isa::random::span;
use isa::table::{Body, FUNS, Field, Kind, MODES, OUTS, Spec, TABLE, Unit};
use isa::{Illegal, Program, Walk};
use std::collections::BTreeMap;
use std::fmt;

type Cells = BTreeMap<(String, String, &'static str), u64>;

/// Counts by row ("vec rows", "matrix waits"), column ("max", "drain") and memory model. A count of 0 is a cell that
/// could have been filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    cells: Cells,
    runs: u64,
}

impl Coverage {
    /// Adds a run.
    ///
    /// # Errors
    /// The program cannot be walked.
    pub fn record(
        &mut self,
        program: &Program,
        machine: &Machine,
        args: &[u32],
        trace: &Trace,
    ) -> Result<(), Illegal> {
        let model = match machine.memory.model {
            MemoryModel::Fixed { .. } => "fixed",
            MemoryModel::Random { .. } => "random",
            MemoryModel::Dram(_) => "dram",
        };
        let mut run = Run { cells: &mut self.cells, machine, model };
        run.possible();
        program.instrs.iter().for_each(|i| run.fields(&i.body, |kind| kind == Kind::Reg));
        for step in Walk::new(program, args) {
            let body = step?.instr.body;
            run.fields(&body, |kind| kind != Kind::Reg);
            run.kinds(&body);
        }
        run.waits(trace);
        self.runs += 1;
        Ok(())
    }

    /// The cells that could have been filled and were not: row, column and memory model.
    pub fn empty_cells(&self) -> Vec<String> {
        let empty = self.cells.iter().filter(|(_, count)| **count == 0);
        empty.map(|((row, column, model), _)| format!("{row}: {column} ({model} latency)")).collect()
    }

    /// Cells that could be filled.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs, {} cells, {} empty", self.runs, self.len(), self.empty_cells().len())?;
        let mut rows: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for ((row, column, model), count) in &self.cells {
            rows.entry((row.as_str(), *model)).or_default().push(format!("{column} {count}"));
        }
        for ((row, model), cells) in rows {
            writeln!(f, "{row:<28} {model:<7} {}", cells.join("  "))?;
        }
        Ok(())
    }
}

struct Run<'a> {
    cells: &'a mut Cells,
    machine: &'a Machine,
    model: &'static str,
}

impl Run<'_> {
    fn add(&mut self, row: &str, column: &str, count: u64) {
        *self.cells.entry((row.into(), column.into(), self.model)).or_default() += count;
    }

    /// Makes a cell for everything that this machine can do.
    fn possible(&mut self) {
        for spec in TABLE {
            for field in spec.fields {
                let (low, high) = span(self.machine, spec, field);
                let named = if let Kind::Enum(names) = field.kind { names.len() as i64 } else { 0 };
                (0..named).for_each(|v| self.field(spec, field, v, 0));
                let ends = if named > 0 { vec![] } else { vec![low, high] };
                let middle = (named == 0 && high - low > 1).then_some(low + 1);
                ends.into_iter().chain(middle).for_each(|v| self.field(spec, field, v, 0));
            }
        }
        FUNS.iter().for_each(|fun| OUTS.iter().for_each(|out| self.add(&format!("vec {fun}"), out, 0)));
        MODES.iter().for_each(|mode| {
            ["plain", "residual"].iter().for_each(|r| self.add(&format!("gemm {mode}"), r, 0))
        });
        self.waits(&Trace::default());
    }

    fn field(&mut self, spec: &Spec, field: &Field, value: i64, count: u64) {
        let (low, high) = span(self.machine, spec, field);
        let column = match field.kind {
            Kind::Enum(names) => names.get(value as usize).copied().unwrap_or("?"),
            _ if value <= low => "min",
            _ if value >= high => "max",
            _ => "mid",
        };
        self.add(&format!("{}.{}", spec.mnemonic, field.name), column, count);
    }

    /// Counts the fields of the wanted kinds.
    fn fields(&mut self, body: &Body, wanted: impl Fn(Kind) -> bool) {
        let spec = body.spec();
        for (field, value) in spec.fields.iter().zip(body.values()).filter(|(f, _)| wanted(f.kind)) {
            let value = if field.kind == Kind::Int { i64::from(value as i32) } else { i64::from(value) };
            self.field(spec, field, value, 1);
        }
    }

    fn kinds(&mut self, body: &Body) {
        let name = |names: &[&'static str], i: u32| names.get(i as usize).copied().unwrap_or("?");
        match body {
            Body::Vector(i) => self.add(&format!("vec {}", name(FUNS, i.fun)), name(OUTS, i.out), 1),
            Body::Gemm(i) => {
                let column = if i.residual == 0 { "plain" } else { "residual" };
                self.add(&format!("gemm {}", name(MODES, i.mode)), column, 1);
            }
            _ => {}
        }
    }

    /// Counts runs in which there was such a wait.
    fn waits(&mut self, trace: &Trace) {
        let any = |cycles: u64| u64::from(cycles > 0);
        let s = trace.counters.sequencer;
        for (column, cycles) in
            [("fetch", s.fetch), ("queue", s.queue), ("argument", s.argument), ("halt", s.halt)]
        {
            self.add("sequencer waits", column, any(cycles));
        }
        for (unit, c) in Unit::QUEUED.iter().zip(&trace.counters.units) {
            let row = format!("{} waits", unit.name());
            self.add(&row, "semaphore", any(c.wait_semaphore));
            self.add(&row, "drain", any(c.wait_drain));
            self.add(&row, "empty", any(c.empty));
        }
        for semaphore in 0..16 {
            let cycles = trace.counters.units.iter().map(|c| c.by_semaphore[semaphore]).sum();
            self.add("semaphore waits", &format!("s{semaphore}"), any(cycles));
        }
    }
}
