//! Exact time of a program by stepping every unit through every cycle: the slow reference of [`crate::timing`].
//!
//! Written from docs/machine.md section 4 as the hardware is built, a state machine for each unit: nothing is computed ahead,
//! there is no formula for the time of an instruction, memory is behind its pins ([`AxiMemory`]), and the sequencer runs the
//! words that its fetch port brings. Both give the same trace of every legal program, but for what DRAM drew, which no pin
//! shows.
//!
//! It runs legal programs on memory that answers without errors; what upsets a run is told by [`crate::timing`] alone.
//!
//! In a cycle every machine sees the registers of all others as they were at the end of the cycle before, and the memory's
//! pins of this cycle. So [`Machinery::cycle`] first decides what happens in it, and then lets every machine take its step.

mod compute;
mod delay;
mod fetch;
mod issue;
mod load;
mod sequencer;
mod store;

use crate::axi::{AxiMemory, Inputs, MAX_BEAT, Outputs};
use crate::memory::Channel;
use crate::pages::Pages;
use crate::trace::{Counters, Dispatch, Request, Trace};
use compute::{Matrix, Vector};
use fetch::Fetch;
use hw::Machine;
use isa::table::Body;
use isa::{Illegal, Program};
use issue::{Issue, Semaphores};
use load::Load;
use sequencer::{Next, Sequencer};
use store::Store;

/// A cycle in which nothing moves may be followed by others; after this many nothing ever will (fetched words take two).
const STILL: u32 = 8;

/// The times of a legal program on a machine, cycle by cycle.
///
/// # Errors
/// The program cannot be run to its end. Of the other rules of legality none is checked.
pub fn simulate(program: &Program, machine: &Machine, args: &[u32]) -> Result<Trace, Illegal> {
    Machinery::new(program, machine, args)?.run()
}

struct Machinery<'a> {
    program: &'a Program,
    sequencer: Sequencer<'a>,
    fetch: Fetch,
    issue: [Issue; 4],
    semaphores: Semaphores,
    load: Load,
    matrix: Matrix,
    vector: Vector,
    store: Store,
    memory: AxiMemory,
    inputs: Inputs,
    dispatches: Vec<Dispatch>,
    now: u64,
}

impl<'a> Machinery<'a> {
    fn new(program: &'a Program, machine: &Machine, args: &'a [u32]) -> Result<Machinery<'a>, Illegal> {
        let memory = AxiMemory::new(machine, vec![image(program, machine)?]);
        let q = &machine.sequencer.queue_depth;
        Ok(Machinery {
            program,
            sequencer: Sequencer::new(program, args),
            fetch: Fetch::new(machine, program),
            issue: [q.load, q.matrix, q.vector, q.store].map(Issue::new),
            semaphores: Semaphores::default(),
            load: Load::new(machine),
            matrix: Matrix::new(machine),
            vector: Vector::new(machine),
            store: Store::new(machine),
            inputs: memory.inputs(),
            memory,
            dispatches: Vec::new(),
            now: 0,
        })
    }

    fn run(mut self) -> Result<Trace, Illegal> {
        let mut still = 0;
        while !(self.sequencer.halted() && self.issue.iter().all(Issue::idle)) {
            let moved = self.cycle()?;
            still = if moved { 0 } else { still + 1 };
            if still > STILL {
                return Err(self.stuck());
            }
        }
        Ok(self.trace())
    }

    /// One cycle; whether anything is under way.
    fn cycle(&mut self) -> Result<bool, Illegal> {
        let Inputs { fetch_r, load_r, store_b, .. } = self.inputs;
        let working = [self.load.busy(), self.matrix.busy(), self.vector.busy(), self.store.busy()];
        let next = self.sequencer.next(&self.fetch, |unit| self.issue[unit].full());
        let started: [Option<isa::Instr>; 4] =
            std::array::from_fn(|u| self.issue[u].start(self.now, working[u], &mut self.semaphores));
        let outputs = Outputs {
            fetch_ar: self.fetch.address(self.now, self.sequencer.base()),
            load_ar: self.load.address(),
            store_aw: self.store.address(),
            store_w: self.store.data(),
        };
        let quiet = outputs == Outputs::default() && fetch_r.is_none() && started.iter().all(Option::is_none);
        let moved = !quiet || working.contains(&true) || next.moves() || self.waits_for_memory();

        // Registers take their new values.
        let done = [
            self.load.retires(),
            self.matrix.retires(),
            self.vector.retires(),
            self.store.retires(store_b.is_some()),
        ];
        for unit in (0..4).filter(|u| done[*u]) {
            self.issue[unit].retire(self.now, &mut self.semaphores);
        }
        let mut words = [0; MAX_BEAT];
        let words = &mut words[..self.memory.beat_bytes() as usize];
        let fetched = fetch_r.as_ref().map(|beat| {
            self.memory.data(beat, words);
            (beat, &*words)
        });
        self.fetch.step(self.inputs.fetch_arready && outputs.fetch_ar.is_some(), fetched);
        let accepted = self.inputs.load_arready && outputs.load_ar.is_some();
        self.load.step(started[0].as_ref(), accepted, load_r.is_some_and(|r| r.last));
        self.matrix.step(started[1].as_ref());
        self.vector.step(started[2].as_ref());
        let address = self.inputs.store_awready && outputs.store_aw.is_some();
        let data = self.inputs.store_wready && outputs.store_w.is_some();
        self.store.step(started[3].as_ref(), address, data);
        self.dispatch(next)?;
        self.semaphores.step();
        self.inputs = self.memory.tick(&outputs, &[]).map_err(|e| {
            self.illegal(self.sequencer.word(), &format!("breaks the memory's protocol: {e}"))
        })?;
        self.now += 1;
        Ok(moved)
    }

    fn dispatch(&mut self, next: Next) -> Result<(), Illegal> {
        let word = self.sequencer.word();
        let dispatched = self.sequencer.step(next).map_err(|what| self.illegal(word, what))?;
        if let Some(instr) = dispatched {
            if is_empty(&instr.body) {
                return Err(self.illegal(word, "does nothing: a size is 0"));
            }
            self.dispatches.push(Dispatch { instr: word, cycle: self.now });
            if let Some(unit) = instr.unit().queue() {
                self.issue[unit].enqueue(word, instr, self.now);
            }
        }
        Ok(())
    }

    /// An answer of memory is due, or an instruction is between its end of work and its retire pulse.
    fn waits_for_memory(&self) -> bool {
        self.fetch.open() || self.issue.iter().any(Issue::in_flight)
    }

    fn trace(self) -> Trace {
        let of = |channel| {
            let all = self.memory.handshakes().iter().filter(move |h| h.0 == channel);
            all.map(|&(channel, burst, cycle)| Request {
                channel,
                addr: burst.addr,
                beats: burst.beats,
                cycle,
            })
        };
        let requests = [Channel::Fetch, Channel::Load, Channel::Store].into_iter().flat_map(of).collect();
        let counters = Counters {
            sequencer: self.sequencer.counters(),
            units: self.issue.each_ref().map(|unit| unit.counters),
        };
        Trace {
            cycles: self.now,
            dispatches: self.dispatches,
            requests,
            counters,
            units: self.issue.map(|unit| unit.spans),
        }
    }

    fn stuck(&self) -> Illegal {
        let head = self.issue.iter().filter_map(Issue::head).min();
        self.illegal(head.unwrap_or(self.sequencer.word()), "never comes to its turn")
    }

    fn illegal(&self, word: u32, what: &str) -> Illegal {
        let help = "run the legality checker on this program";
        Illegal::new(self.program, word as usize, what, "the machine would hang or run astray", help)
    }
}

/// No unit has a state for an instruction without work.
fn is_empty(body: &Body) -> bool {
    match body {
        Body::Load(i) => i.blocks == 0,
        Body::Gemm(i) => [i.tokens, i.ntiles, i.groups, i.steps].contains(&0),
        Body::Vector(i) => [i.tokens, i.subs, i.rows].contains(&0),
        Body::StoreBlocks(i) => i.blocks == 0,
        Body::StoreSegments(i) => i.count == 0,
        _ => false,
    }
}

/// Memory that holds the program's words, and zeros for data, which no time depends on.
fn image(program: &Program, machine: &Machine) -> Result<Pages, Illegal> {
    let refuse = |i: usize, what: String| {
        Illegal::new(program, i, what, "the machine cannot fetch it", "correct the program, or its base")
    };
    let end = u64::from(program.base) + 32 * program.instrs.len() as u64;
    if end > machine.memory.size_bytes {
        return Err(refuse(0, format!("the program ends at byte {end:#x}, behind the end of memory")));
    }
    let mut memory = Pages::new(machine.memory.size_bytes, &[]);
    for (i, at) in (0..program.instrs.len()).zip((u64::from(program.base)..).step_by(32)) {
        let word = program.instrs[i].encode().map_err(|e| refuse(i, e.to_string()))?;
        memory.write(at, word.map(u64::to_le_bytes).as_flattened());
    }
    Ok(memory)
}
