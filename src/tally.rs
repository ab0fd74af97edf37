//! Sums over runs: cycles, what units waited for, time by operator, traffic. All of it is counted while a run is simulated,
//! and nothing is kept of the run.

use crate::energy::{Counted, Counting};
use hw::Machine;
use isa::Program;
use isa::program::Origin;
use isa::table::Unit;
use sim::attribution::{Account, Attribution};
use sim::memory::Channel;
use sim::sink::{Event, Sink};
use sim::trace::Span;
use std::collections::{BTreeMap, VecDeque};

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
}

/// A run's sums, while it is simulated.
#[derive(Debug)]
pub struct Running<'a> {
    program: &'a Program,
    beat: u64,
    slices: u64,
    sums: Tally,
    attribution: Attribution<'a, Account>,
    energy: Counting<'a>,
    /// By [`Program::origin_number`].
    costs: Vec<Cost>,
    units: [Started; 4],
    /// First cycle that is not given to an operator.
    given: u64,
}

/// Instructions of a unit of which not all cycles are given away.
#[derive(Debug, Default)]
struct Started {
    /// Those that are not over end never.
    spans: VecDeque<Span>,
    /// Of them, those that are over.
    over: usize,
    /// First cycle behind those before.
    reached: u64,
}

impl<'a> Running<'a> {
    /// Of a run of this program.
    pub fn new(program: &'a Program, machine: &Machine) -> Running<'a> {
        Running {
            program,
            beat: machine.memory.beat_bytes.into(),
            slices: machine.slices.count.into(),
            sums: Tally::default(),
            attribution: Attribution::new(program, Account::default()),
            energy: Counting::new(program, machine),
            costs: vec![Cost::default(); program.origins.len() + 1],
            units: Default::default(),
            given: 0,
        }
    }

    /// The sums of the run, when it is over.
    pub fn tally(self) -> Tally {
        let costs = self.program.by_origin(self.costs).filter(|(_, cost)| cost.instructions > 0);
        let (by_operator, account) = (costs.collect(), self.attribution.listener());
        Tally { by_operator, account, energy: self.energy.counted(), ..self.sums }
    }

    /// Gives every cycle before `end` to one operator: that of the oldest instruction under way in the first unit that has
    /// one. All that starts or ends before is known.
    fn give(&mut self, end: u64) {
        let mut free = vec![(self.given, end)];
        for unit in PRIORITY.into_iter().filter_map(Unit::queue) {
            free = self.claim(unit, end, &free);
        }
        self.sums.idle += free.iter().map(|(from, to)| to - from).sum::<u64>();
        self.given = end;
    }

    /// Takes the cycles of a unit's instructions out of the free ones; both are in order.
    fn claim(&mut self, unit: usize, end: u64, free: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut left = Vec::with_capacity(free.len());
        let mut free = free.iter().copied().peekable();
        let unit = &mut self.units[unit];
        while let Some(span) = unit.spans.front().filter(|s| s.start < end).copied() {
            let cost = &mut self.costs[self.program.origin_number(span.instr as usize)];
            let (start, done) = (span.start.max(unit.reached), span.done.max(unit.reached));
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
            if span.done > end {
                break;
            }
            unit.reached = done;
            unit.spans.pop_front();
            unit.over -= 1;
        }
        left.extend(free);
        left
    }
}

/// Instructions under way or over that are kept before it is worth giving their cycles away.
const KEPT: usize = 512;

impl Sink for Running<'_> {
    fn event(&mut self, event: Event) {
        self.attribution.event(event);
        self.energy.event(event);
        match event {
            Event::Dispatch { .. } => self.sums.dispatched += 1,
            Event::Start { unit, word, cycle } => {
                self.costs[self.program.origin_number(word as usize)].instructions += 1;
                self.units[unit].spans.push_back(Span { instr: word, start: cycle, done: u64::MAX });
            }
            Event::Done { unit, cycle } => {
                let unit = &mut self.units[unit];
                if let Some(span) = unit.spans.get_mut(unit.over) {
                    span.done = cycle;
                }
                unit.over += 1;
            }
            Event::Requests(requests) => {
                let bytes = requests.count * u64::from(requests.first.beats) * self.beat;
                match requests.first.channel {
                    Channel::Fetch => self.sums.read_bytes += bytes,
                    Channel::Load => self.sums.read_bytes += bytes * self.slices,
                    Channel::Store | Channel::StoreData => self.sums.write_bytes += bytes * self.slices,
                }
            }
            Event::Until(cycle) if self.units.iter().any(|u| u.spans.len() > KEPT) => self.give(cycle + 1),
            Event::End(end) => {
                self.sums.cycles = end.cycles;
                self.give(end.cycles);
            }
            Event::Until(_) | Event::Free { .. } | Event::Drawn { .. } => {}
        }
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
        let machine = hw::presets::load("tiny").unwrap();
        let ends = [(0, 0, 10), (0, 12, 20), (1, 4, 6), (1, 5, 14)];
        // However often cycles are given away on the way: what is not over then ends later.
        for until in 0..25 {
            let mut running = Running::new(&program, &machine);
            let starts = |from: u64, to: u64| ends.into_iter().filter(move |e| (from..to).contains(&e.1));
            let over = |from: u64, to: u64| ends.into_iter().filter(move |e| (from..to).contains(&e.2));
            for (from, to) in [(0, until), (until, 25)] {
                for (unit, cycle, _) in starts(from, to) {
                    running.event(Event::Start { unit, word: unit as u32, cycle });
                }
                for (unit, _, cycle) in over(from, to) {
                    running.event(Event::Done { unit, cycle });
                }
                running.give(to);
            }
            let tally = running.tally();
            assert_eq!(tally.by_operator[&Origin::step("product")], Cost { cycles: 10, instructions: 2 });
            assert_eq!(tally.by_operator[&Origin::step("weights")], Cost { cycles: 4 + 6, instructions: 2 });
            assert_eq!(tally.idle, 5, "{until}");
        }
    }
}
