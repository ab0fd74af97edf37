//! Sums over runs: cycles, what units waited for, time by operator, traffic. All of it is counted from traces.

use crate::energy::Counted;
use hw::Machine;
use isa::Program;
use isa::program::Origin;
use isa::table::Unit;
use sim::attribution::{self, Account, Detail};
use sim::memory::Channel;
use sim::trace::{Span, Trace};
use std::collections::BTreeMap;

/// What an operator cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Cycles that are its alone; over all operators and the idle rest they sum to the cycles of the run.
    pub cycles: u64,
    /// Instructions started.
    pub instructions: u64,
}

/// Sums over any number of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub cycles: u64,
    pub dispatched: u64,
    /// Every cycle of every unit, by cause.
    pub account: Account,
    pub by_operator: BTreeMap<Origin, Cost>,
    /// Cycles in which no unit had an instruction under way.
    pub idle: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    /// What costs energy; counted only where the machine names prices.
    pub energy: Counted,
}

/// Units by whose instruction a cycle is counted, the first that has one under way: compute before data movement.
const PRIORITY: [Unit; 4] = [Unit::Matrix, Unit::Vector, Unit::Store, Unit::Load];

impl Tally {
    /// Adds a run.
    pub fn add(&mut self, program: &Program, machine: &Machine, trace: &Trace, detail: &Detail) {
        self.cycles += trace.cycles;
        self.dispatched += trace.dispatches.len() as u64;
        attribution::attribute(program, trace, detail, &mut self.account);
        self.operators(program, trace);
        let beat = u64::from(machine.memory.beat_bytes);
        for request in &trace.requests {
            let bytes = u64::from(request.beats) * beat;
            match request.channel {
                Channel::Fetch | Channel::Load => self.read_bytes += bytes,
                Channel::Store | Channel::StoreData => self.write_bytes += bytes,
            }
        }
    }

    /// Adds the sums of other runs.
    pub fn merge(&mut self, other: &Tally) {
        self.cycles += other.cycles;
        self.dispatched += other.dispatched;
        self.idle += other.idle;
        self.read_bytes += other.read_bytes;
        self.write_bytes += other.write_bytes;
        self.account.merge(&other.account);
        self.energy.merge(&other.energy);
        for (origin, cost) in &other.by_operator {
            let sum = self.by_operator.entry(origin.clone()).or_default();
            sum.cycles += cost.cycles;
            sum.instructions += cost.instructions;
        }
    }

    /// Gives every cycle to one operator: that of the oldest instruction under way in the first unit that has one.
    fn operators(&mut self, program: &Program, trace: &Trace) {
        let mut free = vec![(0, trace.cycles)];
        for unit in PRIORITY {
            let Some(spans) = unit.queue().map(|q| &trace.units[q]) else { continue };
            free = self.claim(program, spans, &free);
        }
        self.idle += free.iter().map(|(from, to)| to - from).sum::<u64>();
    }

    /// Takes the cycles of a unit's instructions out of the free ones; both are in order.
    fn claim(&mut self, program: &Program, spans: &[Span], free: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut left = Vec::with_capacity(free.len());
        let mut free = free.iter().copied().peekable();
        let mut reached = 0;
        for span in spans {
            let cost = self.by_operator.entry(program.origin(span.instr as usize).clone()).or_default();
            cost.instructions += 1;
            let (start, done) = (span.start.max(reached), span.done.max(reached));
            reached = done;
            while let Some((from, to)) = free.peek_mut() {
                if *from >= done {
                    break;
                }
                if *from < start {
                    left.push((*from, start.min(*to)));
                }
                let (begin, end) = ((*from).max(start), (*to).min(done));
                cost.cycles += end.saturating_sub(begin);
                if *to > done {
                    *from = done;
                    break;
                }
                free.next();
            }
        }
        left.extend(free);
        left
    }
}

/// A part of a whole; 0 of nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two units: load 0..10 and 12..20, matrix 4..6 and 5..14.
    #[test]
    fn every_cycle_is_counted_once() {
        let text =
            ".machine tiny\n.origin \"weights\"\nload blocks=1\n.origin \"product\"\ngemm tokens=1\nhalt";
        let program = isa::asm::assemble(text).unwrap();
        let span = |instr, start, done| Span { instr, start, done };
        let trace = Trace {
            cycles: 25,
            units: [
                vec![span(0, 0, 10), span(0, 12, 20)],
                vec![span(1, 4, 6), span(1, 5, 14)],
                vec![],
                vec![],
            ],
            ..Default::default()
        };
        let mut tally = Tally::default();
        tally.add(&program, &hw::presets::load("tiny").unwrap(), &trace, &Detail::default());
        assert_eq!(tally.by_operator[&Origin::step("product")], Cost { cycles: 10, instructions: 2 });
        assert_eq!(tally.by_operator[&Origin::step("weights")], Cost { cycles: 4 + 6, instructions: 2 });
        assert_eq!(tally.idle, 5);
    }
}
