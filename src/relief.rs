//! What would make a run faster: the same programs, simulated again on machines that differ in one thing.
//!
//! Nothing is estimated. A changed machine is one that a machine file can describe, unless a unit is said to take no time;
//! that one bounds what any improvement of the unit can give. A machine on which a program is not legal is left out by name.
//! Machines are simulated side by side, one on each processor, and nothing but the cycles is kept. Of many runs, which differ in
//! their position only, some are simulated again, from the first to the last.

use crate::rung::Rung;
use crate::tally::ratio;
use hw::Machine;
use hw::machine::MemoryModel;
use isa::Program;
use isa::table::Unit;
use rayon::prelude::*;
use serde_json::{Value, json};
use sim::timing::{simulate_at_once, simulate_into};

/// Words of instruction memory and places of a queue, as many as a machine may have.
const MOST_WORDS: u32 = 4096;
const MOST_PLACES: u32 = 64;
/// Runs that are simulated again, of one phase.
const MOST_RUNS: usize = 4;
/// Gains below this are not worth a name.
const WORTH_NAMING: f64 = 1.01;

/// A run that was made: of a legal program.
pub struct Job<'a> {
    pub program: &'a Program,
    pub args: &'a [u32],
    /// Of the run as it was.
    pub cycles: u64,
}

/// What changes would give, and in how many of how many runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reliefs {
    pub all: Vec<Relief>,
    /// Cycles of the runs as they were.
    pub before: u64,
    pub runs: usize,
    pub of: usize,
}

/// What a change would give.
#[derive(Debug, Clone, PartialEq)]
pub struct Relief {
    /// What was changed, and nothing else.
    pub change: String,
    /// Cycles of the runs, or why they cannot be made.
    pub cycles: Result<u64, String>,
    /// The changed machine could be built.
    pub real: bool,
}

enum Change {
    Machine(Box<Machine>),
    AtOnce(Unit),
}

/// Every change that the machine allows, always in the same order.
pub fn reliefs(machine: &Machine, jobs: &[Job]) -> Reliefs {
    let runs = jobs.len().min(MOST_RUNS);
    let some: Vec<&Job> = (0..runs).map(|i| &jobs[i * (jobs.len() - 1) / (runs - 1).max(1)]).collect();
    let row = |(change, how): (String, Change)| {
        let real = matches!(how, Change::Machine(_));
        Relief { change, cycles: total(machine, &how, &some), real }
    };
    let all = changes(machine).into_par_iter().map(row).collect();
    Reliefs { all, before: some.iter().map(|job| job.cycles).sum(), runs, of: jobs.len() }
}

fn total(machine: &Machine, how: &Change, jobs: &[&Job]) -> Result<u64, String> {
    let mut cycles = 0;
    let mut moved: Option<(&Program, Program)> = None;
    for Job { program, args, .. } in jobs {
        let end = match how {
            Change::AtOnce(unit) => simulate_at_once(program, machine, args, *unit),
            Change::Machine(changed) => {
                // The same words, said to be for the other machine.
                let known = moved.take().filter(|(from, _)| std::ptr::eq(*from, *program));
                let there = match known {
                    Some((_, there)) => there,
                    None => {
                        let there = Program { machine_hash: changed.hash(), ..(*program).clone() };
                        // It has run on the machine as it is, so it is legal there.
                        if !isa::check::carries_over(machine, changed) {
                            isa::check::check(&there, changed, args).map_err(|e| e.what)?;
                        }
                        there
                    }
                };
                let end = simulate_into(&there, changed, args, &mut ());
                moved = Some((program, there));
                end
            }
        };
        cycles += end.map_err(|e| e.what)?.cycles;
    }
    Ok(cycles)
}

fn changes(machine: &Machine) -> Vec<(String, Change)> {
    let mut all = vec![
        ("the matrix engine takes no time".to_string(), Change::AtOnce(Unit::Matrix)),
        ("the vector engine takes no time".to_string(), Change::AtOnce(Unit::Vector)),
    ];
    let mut with = |what: String, change: &dyn Fn(&mut Machine)| {
        let mut changed = machine.clone();
        change(&mut changed);
        if changed != *machine && changed.verify().is_ok() {
            all.push((what, Change::Machine(Box::new(changed))));
        }
    };
    with("memory answers after 2 cycles and is always ready".into(), &|m| {
        m.memory.model = MemoryModel::Fixed { read_latency: 2, write_latency: 2 };
    });
    let (beat, drain) = (2 * machine.memory.beat_bytes, 2 * machine.matrix.drain_lanes);
    with(format!("a data bus of {beat} bytes"), &|m| m.memory.beat_bytes = beat);
    let open = 2 * machine.load.outstanding;
    with(format!("{open} open loads"), &|m| m.load.outstanding = open);
    with(format!("{drain} drain lanes"), &|m| m.matrix.drain_lanes = drain);
    with(format!("queues of {MOST_PLACES}"), &|m| {
        let q = &mut m.sequencer.queue_depth;
        (q.load, q.matrix, q.vector, q.store) = (MOST_PLACES, MOST_PLACES, MOST_PLACES, MOST_PLACES);
    });
    with(format!("{MOST_WORDS} words of instruction memory"), &|m| m.sequencer.imem_words = MOST_WORDS);
    if !all.iter().any(|(what, _)| what.starts_with("a data bus")) {
        // No machine file describes a wider bus, or none of this machine: what any could give is bounded.
        all.push(("loads take no time".into(), Change::AtOnce(Unit::Load)));
    }
    all
}

fn speedup(relief: &Relief, before: u64) -> Option<f64> {
    relief.cycles.as_ref().ok().filter(|after| **after > 0).map(|after| ratio(before, *after))
}

/// The change that helps most, if it is worth a name.
fn bottleneck(all: &[Relief], before: u64) -> Option<&Relief> {
    let best = all.iter().filter(|r| r.cycles.is_ok()).min_by_key(|r| r.cycles.clone().ok());
    best.filter(|r| speedup(r, before).is_some_and(|s| s >= WORTH_NAMING))
}

/// The part of a report for programs.
pub fn json(reliefs: &Reliefs) -> Value {
    let Reliefs { ref all, before, runs, of } = *reliefs;
    let row = |r: &Relief| {
        json!({
            "change": r.change,
            "cycles": r.cycles.as_ref().ok(),
            "speedup": speedup(r, before),
            "impossible": r.cycles.as_ref().err(),
            "rungs": if r.real { vec![Rung::Timing.number()] } else { Vec::new() },
        })
    };
    json!({
        "bottleneck": bottleneck(all, before).map(|r| r.change.clone()),
        "changes": all.iter().map(row).collect::<Vec<_>>(),
        "runs": runs,
        "of_runs": of,
        "cycles": before,
    })
}

/// The part of a report for people: each phase by its name.
pub fn text(phases: &[(&str, &Reliefs)]) -> String {
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
        format!("{name:<54}{cells}\n")
    };
    let mut out = String::from("\n");
    let names = phases.iter().map(|(name, _)| name.to_string()).collect();
    out.push_str(&row("how many times as fast, simulated again, if only ...", names));
    for (i, first) in phases.first().into_iter().flat_map(|(_, r)| r.all.iter().enumerate()) {
        let cell = |(_, r): &(&str, &Reliefs)| {
            let times = r.all.get(i).and_then(|change| speedup(change, r.before));
            times.map_or("impossible".into(), |s| format!("{s:.2}"))
        };
        let bound = if first.real { "" } else { " (a bound)" };
        out.push_str(&row(&format!("  {}{bound}", first.change), phases.iter().map(cell).collect()));
    }
    for (name, reliefs) in phases {
        let what = bottleneck(&reliefs.all, reliefs.before)
            .map_or("nothing of this helps by 1 % alone", |r| &r.change);
        let some = match (reliefs.runs, reliefs.of) {
            (runs, of) if runs < of => format!(" ({runs} of {of} runs, from the first to the last)"),
            _ => String::new(),
        };
        out.push_str(&format!("{:<12}{name}: {what}{some}\n", "bottleneck"));
    }
    let all = phases.iter().flat_map(|(_, r)| &r.all);
    for why in all.filter_map(|r| Some((r, r.cycles.as_ref().err()?))) {
        out.push_str(&format!("{:<12}{}: {}\n", "impossible", why.0.change, why.1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::timing::simulate;

    /// Loads that nothing waits for: only the memory and its bus can help.
    #[test]
    fn the_bottleneck_of_loads_is_the_bus() {
        let mut text = String::from(".machine tiny\n");
        (0..20).for_each(|i| text.push_str(&format!("load space=w addr={} blocks=60\n", 100 + 64 * i)));
        text.push_str("halt\n");
        let program = isa::asm::assemble(&text).unwrap();
        let machine = hw::presets::load("tiny").unwrap();
        let before = simulate(&program, &machine, &[]).unwrap().cycles;
        let job = || Job { program: &program, args: &[], cycles: before };
        let twice = reliefs(&machine, &[job(), job()]);
        let all = &twice.all;
        assert_eq!((twice.before, twice.runs, twice.of), (2 * before, 2, 2));
        let of = |change: &str| all.iter().find(|r| r.change.contains(change)).unwrap();
        assert!(speedup(of("a data bus of 32 bytes"), 2 * before).unwrap() > 1.8, "{all:?}");
        assert_eq!(of("matrix engine").cycles, Ok(2 * before));
        assert_eq!(json(&twice)["bottleneck"], "a data bus of 32 bytes");
        // Of many runs, which are alike here, some.
        let many = reliefs(&machine, &(0..100).map(|_| job()).collect::<Vec<_>>());
        assert_eq!((many.before, many.runs, many.of), (4 * before, 4, 100));
        assert_eq!(json(&many)["changes"][0]["speedup"], json(&twice)["changes"][0]["speedup"]);
        // The machine that is named is the one that was simulated.
        let wide = Machine::parse(
            &hw::presets::text("tiny").unwrap().replace("beat_bytes = 16", "beat_bytes = 32"),
            "",
        );
        assert_eq!(of("32 bytes").cycles, Ok(2 * simulate(&program, &wide.unwrap(), &[]).unwrap().cycles));
    }

    #[test]
    fn what_a_program_does_not_permit_is_named() {
        let no = Relief { change: "a change".into(), cycles: Err("why not".into()), real: true };
        let yes = Relief { change: "another".into(), cycles: Ok(50), real: false };
        let reliefs = Reliefs { all: vec![no, yes], before: 100, runs: 8, of: 64 };
        insta::assert_snapshot!(super::text(&[("decode", &reliefs)]));
    }
}
