//! Exact time of a program: docs/machine.md section 4, in events instead of cycles.
//!
//! On chip every time is a maximum over times known before, so instructions are settled as soon as everything that they
//! depend on is known, whatever the cycle; only requests to memory are taken in the order (cycle, fetch before load before
//! store). That order is sound: whatever is unknown when nothing more can be settled depends on a request that is
//! pending, and follows it by at least a cycle.
//!
//! Data values play no part. The work is constant per instruction, plus one step per burst and per written beat.

mod rules;
mod sequencer;
mod stop;
mod transfer;
mod unit;

pub use rules::Fault;
pub use stop::{Error, Upset, simulate_upset};

use crate::memory::{Burst, Memory};
use crate::sink::{End, Event, Sink};
use crate::trace::{Counters, Recorder, Trace};
use hw::timing::{self, GemmShape};
use hw::{Geometry, Machine};
use isa::table::{Body, Gemm, Unit as UnitName, Vector};
use isa::walk::Step;
use isa::{Illegal, Program, Walk, regs};
use rules::Rules;
use sequencer::{Dispatcher, Fetch};
use stop::Stop;
use transfer::{LoadBus, StoreBus};
use unit::{Queued, Semaphores, Unit};

const LOAD: usize = 0;
const MATRIX: usize = 1;
const VECTOR: usize = 2;
const STORE: usize = 3;

/// The times of a legal program on a machine.
///
/// # Errors
/// The program cannot be run to its end. Of the other rules of legality none is checked.
pub fn simulate(program: &Program, machine: &Machine, args: &[u32]) -> Result<Trace, Illegal> {
    simulate_with(program, machine, args, Fault::None)
}

/// As [`simulate`], with a deliberate fault.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_with(
    program: &Program,
    machine: &Machine,
    args: &[u32],
    fault: Fault,
) -> Result<Trace, Illegal> {
    let mut recorder = Recorder::new(machine);
    Simulation::new(program, machine, args, fault, &mut recorder).finish()?;
    Ok(recorder.trace())
}

/// As [`simulate`], but tells what happens and keeps nothing of it: memory does not grow with the length of the run.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_into(
    program: &Program,
    machine: &Machine,
    args: &[u32],
    sink: &mut impl Sink,
) -> Result<End, Illegal> {
    Ok(Simulation::new(program, machine, args, Fault::None, sink).finish()?.0)
}

/// The end of a run on a machine that cannot be built: every instruction of `unit`, which is not the store unit, takes one
/// cycle, a load's memory is not asked. What a run gains by it is the most that any improvement of the unit could give.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_at_once(
    program: &Program,
    machine: &Machine,
    args: &[u32],
    unit: UnitName,
) -> Result<End, Illegal> {
    let mut nobody = ();
    let mut simulation = Simulation::new(program, machine, args, Fault::None, &mut nobody);
    if let Some(unit) = unit.queue() {
        simulation.rules.at_once[unit] = true;
    }
    Ok(simulation.finish()?.0)
}

struct Simulation<'a, S> {
    program: &'a Program,
    geometry: Geometry,
    rules: Rules,
    memory: Memory,
    walk: Walk<'a>,
    step: Option<Step>,
    dispatcher: Dispatcher,
    fetch: Fetch,
    units: [Unit; 4],
    load: LoadBus,
    store: StoreBus,
    semaphores: Semaphores,
    sink: &'a mut S,
    /// Where errors are let happen; without, they are refused.
    stop: Option<Stop>,
}

impl<'a, S: Sink> Simulation<'a, S> {
    fn new(
        program: &'a Program,
        machine: &Machine,
        args: &'a [u32],
        fault: Fault,
        sink: &'a mut S,
    ) -> Simulation<'a, S> {
        let (beat, rules) = (machine.memory.beat_bytes, Rules::new(machine, fault));
        Simulation {
            program,
            geometry: Geometry::of(machine),
            memory: Memory::new(machine),
            walk: Walk::new(program, args),
            step: None,
            dispatcher: Dispatcher::default(),
            fetch: Fetch::new(machine, program.base, program.instrs.len()),
            units: std::array::from_fn(|u| Unit::new(rules.queue_depth[u], rules.in_flight)),
            rules,
            load: LoadBus::new(beat),
            store: StoreBus::new(beat),
            semaphores: Default::default(),
            sink,
            stop: None,
        }
    }

    fn finish(mut self) -> Result<(End, Stop), Illegal> {
        self.advance()?;
        loop {
            while self.settle()? {}
            if !self.request() {
                break;
            }
        }
        if let (Some(step), Some(stop)) = (self.step, &self.stop)
            && stop.last_dispatch < u64::MAX
        {
            let arrived = self.fetch.arrived(step.word);
            let fetched = arrived.map(|a| a + self.rules.fetch_to_dispatch);
            self.halt_at(stop.last_dispatch, fetched);
        }
        match self.step {
            None if self.units.iter().all(Unit::idle) => {
                let end = self.end();
                self.sink.event(Event::End(&end));
                Ok((end, self.stop.unwrap_or_default()))
            }
            _ => Err(self.stuck()),
        }
    }

    /// Takes the next word from the walk.
    fn advance(&mut self) -> Result<(), Illegal> {
        let refused = match self.walk.next().transpose() {
            Ok(step) => {
                self.step = step;
                return Ok(());
            }
            Err(refused) => refused,
        };
        let word = self.walk.next_word();
        match (&mut self.stop, self.program.instrs.get(word as usize)) {
            (Some(_), None) => {
                self.step = None;
                self.notice(regs::ERROR_END, word, 0);
                Ok(())
            }
            // The table is whole, so the argument lies beyond it: noticed like a word that is no encoding.
            (Some(stop), Some(instr)) if matches!(instr.body, Body::Arg(_)) => {
                stop.upset.illegal_word = Some(word);
                self.step = Some(Step { word, instr: *instr, base: word });
                Ok(())
            }
            _ => Err(refused),
        }
    }

    /// Settles what can be settled; whether that was anything.
    fn settle(&mut self) -> Result<bool, Illegal> {
        let mut any = false;
        while self.dispatch()? {
            any = true;
        }
        for unit in [LOAD, MATRIX, VECTOR, STORE] {
            while let Some((queued, start)) = self.units[unit].start(&mut self.semaphores, &self.rules) {
                any = true;
                self.begin(unit, &queued, start)?;
            }
        }
        Ok(any)
    }

    /// Dispatches the next word if its cycle is known.
    fn dispatch(&mut self) -> Result<bool, Illegal> {
        let Some(step) = self.step else { return Ok(false) };
        let Some(arrived) = self.fetch.arrived(step.word) else { return Ok(false) };
        if self.stop.as_ref().is_some_and(|s| s.upset.illegal_word == Some(step.word)) {
            self.notice(regs::ERROR_ILLEGAL, step.word, arrived + self.rules.fetch_to_dispatch);
            return Ok(true);
        }
        let queue = step.instr.unit().queue();
        let room = queue.map_or(Some(0), |u| self.units[u].room(self.rules.queue_depth[u]));
        let Some(room) = room else { return Ok(false) };
        if let Some(stop) = &self.stop
            && self.dispatcher.when(step.word, arrived, room, &self.rules) > stop.last_dispatch
        {
            self.halt_at(stop.last_dispatch, Some(arrived + self.rules.fetch_to_dispatch));
            return Ok(true);
        }
        let is_arg = matches!(step.instr.body, Body::Arg(_));
        let cycle = self.dispatcher.dispatch(step.word, arrived, room, is_arg, &self.rules);
        self.sink.event(Event::Dispatch { step: &step, cycle, arrived });
        let Step { word, instr, base } = step;
        if let Some(u) = queue {
            self.units[u].enqueue(Queued { word, instr, dispatch: cycle });
        }
        self.advance()?;
        let next = self.step.map_or(base, |s| s.word);
        self.fetch.keep_from(cycle + 1, if self.rules.fetch_keeps_loops { base } else { base.max(next) });
        if matches!(instr.body, Body::Halt(_)) && word as usize + 1 != self.program.instrs.len() {
            return Err(self.illegal(word, "`halt` is not the last word", "end the program with its `halt`"));
        }
        Ok(true)
    }

    /// An instruction starts in its unit.
    fn begin(&mut self, unit: usize, queued: &Queued, start: u64) -> Result<(), Illegal> {
        self.sink.event(Event::Start { unit, word: queued.word, cycle: start });
        let empty = |s: &Self| Err(s.illegal(queued.word, "does nothing: a size is 0", "give it work"));
        match &queued.instr.body {
            Body::Gemm(i) => match self.gemm(i) {
                0 => return empty(self),
                occupancy => self.fixed(unit, start, occupancy, self.rules.matrix_latency),
            },
            Body::Vector(i) => match self.vector(i) {
                0 => return empty(self),
                occupancy => self.fixed(unit, start, occupancy, self.rules.vector_latency),
            },
            Body::Load(i) if i.blocks > 0 && self.rules.at_once[LOAD] => self.fixed(unit, start, 1, 0),
            Body::Load(i) if i.blocks > 0 => self.load.start(i.addr, i.blocks, start, &self.rules),
            Body::StoreBlocks(i) if i.blocks > 0 => {
                self.store.blocks(i, start);
                self.advance_store();
            }
            Body::StoreSegments(i) if i.count > 0 => {
                self.store.segments(i, start);
                self.advance_store();
            }
            _ => return empty(self),
        }
        Ok(())
    }

    /// Puts the store's next bursts on the bus, as far as the memory is known to have room.
    fn advance_store(&mut self) {
        if let Some((free, memory)) = self.store.advance(&mut self.memory, &self.rules, self.sink) {
            self.set_free(STORE, free, memory);
        }
    }

    /// Of a unit whose time follows from the instruction alone.
    fn fixed(&mut self, unit: usize, start: u64, occupancy: u64, latency: u64) {
        let (occupancy, latency) = if self.rules.at_once[unit] { (1, 0) } else { (occupancy, latency) };
        let free = start + occupancy;
        self.set_free(unit, free, 0);
        self.retire(unit, free + latency);
    }

    fn set_free(&mut self, unit: usize, cycle: u64, memory: u64) {
        self.units[unit].set_free(cycle);
        self.sink.event(Event::Free { unit, cycle, memory });
    }

    fn retire(&mut self, unit: usize, cycle: u64) {
        self.units[unit].retire(cycle, &mut self.semaphores);
        self.sink.event(Event::Done { unit, cycle });
    }

    fn gemm(&self, i: &Gemm) -> u64 {
        let ksteps = u64::from(i.groups) * u64::from(i.steps);
        let tokens = i.tokens.into();
        let narrow = i.narrow != 0 && self.rules.narrow;
        let beats = timing::beats(self.rules.multipliers, i.mode, narrow, tokens);
        let shape = GemmShape { tokens, ntiles: i.ntiles.into(), ksteps, beats };
        let (outputs, drain) = (u64::from(self.geometry.n), u64::from(self.geometry.d));
        match (shape.tokens, shape.ntiles, ksteps) {
            (0, _, _) | (_, 0, _) | (_, _, 0) => 0,
            (tokens, ntiles, _) if !self.rules.matrix_pace => {
                ntiles * ksteps * beats + tokens * (outputs / drain)
            }
            _ => timing::gemm_occupancy(shape, outputs, drain),
        }
    }

    fn vector(&self, i: &Vector) -> u64 {
        let shape = i.shape(&self.geometry);
        match i.rows {
            0 => 0,
            _ => {
                let passes = shape.vectors * shape.passes;
                timing::vector_occupancy(shape) + passes * self.rules.vector_gap_extra
            }
        }
    }

    /// Lets the memory take the earliest pending request, and with a load's all that nothing else can come between; whether
    /// there was one.
    fn request(&mut self) -> bool {
        let before = self.memory.counts();
        let asked = [None, self.units[LOAD].newest(), self.units[STORE].oldest()];
        let Some(port) = self.next_request() else { return false };
        if let (Some(before), Some(after)) = (before, self.memory.counts()) {
            self.sink.event(Event::Drawn { word: asked[port], counts: after - before });
        }
        true
    }

    /// The same; gives its port.
    fn next_request(&mut self) -> Option<usize> {
        let fetch = self.fetch.request(&self.memory);
        let load = self.load.request(&self.memory, &self.rules);
        let store = self.store.request();
        let pending = [fetch, load, store].into_iter().zip(0..).filter_map(|(at, port)| Some((at?, port)));
        let (cycle, port) = pending.min()?;
        self.sink.event(Event::Until(cycle));
        match port {
            0 => {
                let (burst, last) = self.fetch.commit(cycle, &mut self.memory, self.sink);
                self.answered(burst, last);
            }
            1 => {
                let limit = fetch.unwrap_or(u64::MAX).min(store.map_or(u64::MAX, |at| at + 1));
                let told = (&mut *self.sink, self.stop.as_mut());
                if let Some(end) = self.load.advance(limit, &mut self.memory, &self.rules, told) {
                    self.set_free(LOAD, end.request + 1, end.memory);
                    self.retire(LOAD, end.last_beat + self.rules.load_retire);
                }
            }
            _ => {
                if let Some((burst, response, ends)) = self.store.commit(&mut self.memory) {
                    self.answered(burst, response);
                    if ends {
                        self.retire(STORE, response + self.rules.store_retire);
                    }
                }
                self.advance_store();
            }
        }
        Some(port)
    }

    /// Memory has given the last of its answers to a burst.
    fn answered(&mut self, burst: Burst, cycle: u64) {
        if let Some(stop) = &mut self.stop {
            stop.answered(burst, self.geometry.beat, cycle);
        }
    }

    /// Closes the accounts.
    fn end(&mut self) -> End {
        let dispatched = self.dispatcher.next();
        let last = self.units.iter().filter_map(Unit::last_done).max();
        let cycles = last.map_or(dispatched, |done| dispatched.max(done + 1));
        self.dispatcher.counters.halt = cycles - dispatched;
        for unit in &mut self.units {
            unit.counters.empty += cycles - unit.free.unwrap_or(cycles);
        }
        let units = self.units.each_ref().map(|u| u.counters);
        End { cycles, counters: Counters { sequencer: self.dispatcher.counters, units } }
    }

    /// Why nothing can happen any more.
    fn stuck(&self) -> Illegal {
        let heads = UnitName::QUEUED.iter().zip(&self.units);
        let head =
            heads.filter_map(|(name, u)| Some((name.name(), u.queue.front()?))).min_by_key(|h| h.1.dispatch);
        let (word, what) = match (head, self.step) {
            (Some((unit, head)), _) => {
                (head.word, format!("never starts: the {unit} unit waits for a post that never comes"))
            }
            (None, Some(step)) => {
                (step.word, "is never fetched: the loop around it fills instruction memory".into())
            }
            (None, None) => (self.walk.next_word(), "never ends".into()),
        };
        self.illegal(word, &what, "run the legality checker on this program")
    }

    fn illegal(&self, word: u32, what: &str, help: &str) -> Illegal {
        Illegal::new(self.program, word as usize, what, "the machine would hang", help)
    }
}

#[cfg(test)]
mod tests;
