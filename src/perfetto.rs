//! Traces for Perfetto (ui.perfetto.dev) in the Trace Event Format: a track for the sequencer, each unit and each port,
//! arrows for semaphores, names of operators. A nanosecond of the trace is a cycle of the machine.

use crate::output::Stream;
use hw::Machine;
use ir::diag::Diagnostic;
use isa::Program;
use isa::table::Unit;
use serde_json::{Value, json};
use sim::attribution::{Attribution, Cause, Flow, Listener, Segment};
use sim::memory::Channel;
use sim::sink::{Event, Requests, Sink};
use std::path::Path;

/// Track of the runs, and of the sequencer; units follow in the order of [`Unit::QUEUED`], then the ports.
const RUNS: usize = 0;
const SEQUENCER: usize = 1;
const FIRST_UNIT: usize = 2;
const PORTS: [(Channel, &str); 3] = [
    (Channel::Fetch, "memory: fetch requests"),
    (Channel::Load, "memory: load requests"),
    (Channel::Store, "memory: store requests"),
];
const FIRST_PORT: usize = FIRST_UNIT + 4;

/// A trace file under way.
pub struct File {
    to: Stream,
    /// Cycle at which the next run begins.
    offset: u64,
    /// Arrows so far.
    flows: u64,
    first: bool,
}

impl File {
    /// Begins the file; it appears with [`File::finish`].
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn begin(path: &Path) -> Result<File, Diagnostic> {
        let mut file = File { to: Stream::begin(path)?, offset: 0, flows: 0, first: true };
        file.to.write(
            "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"unit\":\"1 ns is 1 cycle\"},\"traceEvents\":[\n",
        )?;
        let mut names = vec!["runs", "sequencer"];
        names.extend(Unit::QUEUED.map(|u| u.name()));
        names.extend(PORTS.map(|(_, name)| name));
        for (track, name) in names.into_iter().enumerate() {
            for (event, key, value) in
                [("thread_name", "name", json!(name)), ("thread_sort_index", "sort_index", json!(track))]
            {
                let args = json!({ key: value });
                file.event(&json!({ "ph": "M", "pid": 1, "tid": track, "name": event, "args": args }))?;
            }
        }
        Ok(file)
    }

    /// Adds a run behind those before it, while it is simulated.
    pub fn run<'a>(&'a mut self, name: &str, program: &'a Program, machine: &Machine) -> Run<'a> {
        let writer = Writer { file: self, program, beat: machine.memory.beat_bytes, failed: None };
        Run { name: name.into(), attribution: Attribution::new(program, writer) }
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn finish(mut self) -> Result<(), Diagnostic> {
        self.to.write("\n]}\n")?;
        self.to.finish()
    }

    fn slice(
        &mut self,
        track: usize,
        from: u64,
        to: u64,
        name: &str,
        category: &str,
        args: Value,
    ) -> Result<(), Diagnostic> {
        let (ts, dur) = (self.at(from), microseconds(to - from));
        self.event(&json!({
            "ph": "X", "pid": 1, "tid": track, "ts": ts, "dur": dur, "name": name, "cat": category, "args": args,
        }))
    }

    fn at(&self, cycle: u64) -> f64 {
        microseconds(self.offset + cycle)
    }

    fn event(&mut self, event: &Value) -> Result<(), Diagnostic> {
        let separator = if std::mem::take(&mut self.first) { "" } else { ",\n" };
        self.to.write(format!("{separator}{event}"))
    }
}

/// Of a cycle of a nanosecond. Exact to the nanosecond below 2^43 cycles, which is a day of a real machine.
fn microseconds(cycles: u64) -> f64 {
    cycles as f64 / 1000.0
}

/// A run on its way into the file.
pub struct Run<'a> {
    name: String,
    attribution: Attribution<'a, Writer<'a>>,
}

impl Run<'_> {
    /// Tells what went wrong.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn finish(self) -> Result<(), Diagnostic> {
        self.attribution.listener().failed.map_or(Ok(()), Err)
    }
}

impl Sink for Run<'_> {
    fn event(&mut self, event: Event) {
        self.attribution.event(event);
        let writer = self.attribution.listens();
        match event {
            Event::Requests(requests) => writer.requests(requests),
            Event::End(end) => {
                let args = json!({ "cycles": end.cycles });
                let result = writer.file.slice(RUNS, 0, end.cycles, &self.name, "run", args);
                writer.keep(result);
                writer.file.offset += end.cycles;
            }
            _ => {}
        }
    }
}

/// Writes segments.
struct Writer<'a> {
    file: &'a mut File,
    program: &'a Program,
    /// Width of the bus in bytes.
    beat: u32,
    /// The first error; then nothing more is written.
    failed: Option<Diagnostic>,
}

impl Writer<'_> {
    fn keep(&mut self, result: Result<(), Diagnostic>) {
        self.failed = self.failed.take().or(result.err());
    }

    fn instruction(&self, word: u32) -> String {
        self.program.instrs.get(word as usize).map(isa::disasm::instruction).unwrap_or_default()
    }

    fn requests(&mut self, requests: Requests) {
        let Some(port) = PORTS.iter().position(|(c, _)| *c == requests.first.channel) else { return };
        for request in requests.each(self.beat) {
            if self.failed.is_none() {
                let args = json!({ "address": format!("{:#x}", request.addr), "beats": request.beats });
                let (from, to) = (request.cycle, request.cycle + 1);
                let result = self.file.slice(FIRST_PORT + port, from, to, "request", "memory", args);
                self.keep(result);
            }
        }
    }

    fn of_unit(&mut self, unit: usize, s: &Segment) {
        let Some((span, seq)) = s.of else { return };
        let (track, origin) = (FIRST_UNIT + unit, self.program.origin(span.instr as usize));
        let (name, category, args) = match s.cause {
            Cause::Work => {
                let name = if origin.step.is_empty() { Unit::QUEUED[unit].name() } else { &origin.step };
                let args = json!({
                    "nodes": origin.nodes, "instruction": self.instruction(span.instr), "word": span.instr,
                    "sequence": seq, "start": span.start, "done": span.done, "waits for memory": s.memory,
                });
                (name.to_string(), "work", args)
            }
            Cause::Token { .. } | Cause::Drain => (
                format!("waits: {}", s.cause),
                "wait",
                json!({ "instruction": self.instruction(span.instr) }),
            ),
            // The sequencer's track shows why there is none.
            _ => return,
        };
        let result = self.file.slice(track, s.from, s.to, &name, category, args);
        self.keep(result);
    }

    fn of_sequencer(&mut self, s: &Segment) {
        let word = s.of.map(|(span, _)| span.instr);
        let text = word.map(|w| self.instruction(w)).unwrap_or_default();
        let name = match s.cause {
            Cause::Dispatch => text.split(' ').next().unwrap_or_default().to_string(),
            cause => cause.to_string(),
        };
        let category = if s.cause == Cause::Dispatch { "work" } else { "wait" };
        let args = json!({ "instruction": text, "word": word });
        let result = self.file.slice(SEQUENCER, s.from, s.to, &name, category, args);
        self.keep(result);
    }
}

impl Listener for Writer<'_> {
    fn segment(&mut self, s: Segment) {
        match s.unit {
            _ if self.failed.is_some() => {}
            Some(unit) => self.of_unit(unit, &s),
            None => self.of_sequencer(&s),
        }
    }

    /// From the last busy cycle of the one that posts to the start of the one that waits.
    fn flow(&mut self, flow: Flow) {
        if self.failed.is_some() {
            return;
        }
        let name = format!("semaphore {}", flow.semaphore);
        self.file.flows += 1;
        let id = self.file.flows;
        for (phase, (unit, cycle)) in [("s", flow.from), ("f", flow.to)] {
            let (track, ts) = (FIRST_UNIT + unit, self.file.at(cycle));
            let result = self.file.event(&json!({
                "ph": phase, "bp": "e", "id": id, "pid": 1, "tid": track, "ts": ts, "name": name, "cat": "semaphore",
            }));
            self.keep(result);
        }
    }
}
