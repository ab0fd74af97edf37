//! The report of runs: text for people, one JSON object for programs. Every figure is counted by the simulator and says on
//! which rung of trust it stands.

use crate::energy::Bill;
use crate::relief::{self, Reliefs};
use crate::tally::{Cost, Tally, ratio};
use crate::{resources, rung, stalls};
use hw::Machine;
use isa::program::Origin;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Runs of one kind: reading the prompt, or writing one token after the other.
#[derive(Debug, Clone)]
pub struct Phase {
    pub tokens: u64,
    /// Multiplications of the network itself, where they are known.
    pub macs: Option<u64>,
    pub tally: Tally,
    /// What would make it faster.
    pub reliefs: Reliefs,
}

impl Phase {
    /// No run yet.
    pub fn empty() -> Phase {
        Phase { tokens: 0, macs: Some(0), tally: Tally::default(), reliefs: Reliefs::default() }
    }
}

/// All that a report says.
pub struct Summary<'a> {
    /// Absent for a program of no network.
    pub model: Option<&'a str>,
    pub scheme: Option<&'a str>,
    pub machine: &'a Machine,
    /// Name, instructions and bytes of each program.
    pub programs: Vec<(String, u64, u64)>,
    /// Name and runs.
    pub phases: Vec<(&'static str, Phase)>,
    /// Text that the machine wrote is shown, too.
    pub speaks: bool,
    /// What a reader must know of the run.
    pub notes: Vec<String>,
}

impl Summary<'_> {
    fn seconds(&self, cycles: u64) -> f64 {
        cycles as f64 / self.machine.clock_hz as f64
    }

    fn multipliers(&self) -> u64 {
        let m = &self.machine.matrix;
        let slice = u64::from(m.tokens) * u64::from(m.outputs) * u64::from(m.lanes);
        u64::from(self.machine.slices.count) * slice
    }

    fn utilisation(&self, phase: &Phase) -> Option<f64> {
        let possible = phase.tally.cycles * self.multipliers();
        phase.macs.filter(|_| possible > 0).map(|macs| ratio(macs, possible))
    }

    fn tokens_per_second(&self, phase: &Phase) -> Option<f64> {
        (phase.tokens > 0).then(|| phase.tokens as f64 / self.seconds(phase.tally.cycles))
    }

    /// Part of the cycles in which the busier direction of a slice's memory port moved a beat.
    fn bandwidth(&self, tally: &Tally) -> f64 {
        let most = tally.read_bytes.max(tally.write_bytes);
        let ports = u64::from(self.machine.slices.count);
        ratio(most, tally.cycles * ports * u64::from(self.machine.memory.beat_bytes))
    }

    fn total(&self) -> Phase {
        let mut all = Phase::empty();
        all.macs = self.phases.iter().map(|(_, phase)| phase.macs).sum();
        for (_, phase) in &self.phases {
            all.tokens += phase.tokens;
            all.tally.merge(&phase.tally);
        }
        all
    }

    /// The JSON object of DESIGN's `run` and `sim`; what is not modelled is null.
    pub fn json(&self) -> Value {
        let all = self.total();
        let t = &all.tally;
        let main = self.phases.iter().rev().find_map(|(_, p)| self.tokens_per_second(p));
        let mut json = json!({
            "model": self.model,
            "machine": self.machine.name,
            "scheme": self.scheme,
            "cycles": t.cycles,
            "seconds": self.seconds(t.cycles),
            "clock_hz": self.machine.clock_hz,
            "throughput": { "value": main, "unit": "tokens/s" },
            "macs": all.macs,
            "mac_utilization": self.utilisation(&all),
            "dram": {
                "read_bytes": t.read_bytes,
                "write_bytes": t.write_bytes,
                "bandwidth_utilization": self.bandwidth(t),
            },
            "instructions": t.dispatched,
            "program_bytes": self.programs.iter().map(|p| p.2).sum::<u64>(),
            "energy": Bill::json(self.bill(t).as_ref()),
            "resources": resources::json(self.machine),
            "stalls": stalls::json(&t.account),
            "by_op": by_operator(t),
            "prefill": null,
            "decode": null,
            "notes": self.notes,
        });
        for (name, phase) in self.phases.iter().filter(|(_, p)| p.tokens > 0) {
            json[*name] = json!({
                "tokens": phase.tokens,
                "cycles": phase.tally.cycles,
                "seconds": self.seconds(phase.tally.cycles),
                "tokens_per_second": self.tokens_per_second(phase),
                "macs": phase.macs,
                "mac_utilization": self.utilisation(phase),
                "relief": relief::json(&phase.reliefs),
            });
        }
        json["rungs"] = rung::of(&json);
        json
    }

    fn bill(&self, tally: &Tally) -> Option<Bill> {
        bill(self.machine, tally)
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let m = &self.machine.matrix;
        let slices = match self.machine.slices.count {
            1 => String::new(),
            count => format!("{count} slices of "),
        };
        let (array, clock) = (
            format!("{slices}{} x {} x {}", m.tokens, m.outputs, m.lanes),
            self.machine.clock_hz / 1_000_000,
        );
        let scheme = self.scheme.map_or(String::new(), |s| format!(", {s}"));
        let (model, name) = (self.model.unwrap_or("a program"), &self.machine.name);
        put(&mut out, format_args!("{model}{scheme}, on {name}: {array} multipliers at {clock} MHz\n\n"));
        put(
            &mut out,
            format_args!(
                "{:<12}{:>8}{:>12}{:>12}{:>12}{:>10}\n",
                "", "tokens", "cycles", "ms", "tokens/s", "MAC use"
            ),
        );
        for (name, phase) in self.phases.iter().filter(|(_, p)| p.tally.cycles > 0) {
            self.phase(&mut out, name, phase);
        }
        let all = self.total();
        out.push_str(&stalls::text(&all.tally.account, all.tally.cycles));
        operators(&mut out, &all.tally);
        let phases = self.phases.iter().filter(|(_, p)| p.tally.cycles > 0);
        let phases: Vec<_> = phases.map(|(name, p)| (*name, &p.reliefs)).collect();
        out.push_str(&relief::text(&phases));
        let t = &all.tally;
        let bus = percent(self.bandwidth(t));
        put(
            &mut out,
            format_args!(
                "\nDRAM        {} read, {} written, bus {bus} busy\n",
                size(t.read_bytes),
                size(t.write_bytes)
            ),
        );
        for (name, instructions, bytes) in &self.programs {
            put(&mut out, format_args!("{name:<11} {instructions} instructions, {}\n", size(*bytes)));
        }
        put(&mut out, format_args!("dispatched  {} instructions\n", t.dispatched));
        out.push_str(&self.bill(t).map(|bill| bill.text()).unwrap_or_default());
        put(&mut out, format_args!("resources   {}\n", resources::text(self.machine)));
        out.push_str(&rung::legend(self.speaks, all.macs.is_some()));
        for note in &self.notes {
            put(&mut out, format_args!("note        {note}\n"));
        }
        out
    }

    fn phase(&self, out: &mut String, name: &str, phase: &Phase) {
        let (tokens, cycles) = (phase.tokens, phase.tally.cycles);
        let ms = self.seconds(cycles) * 1e3;
        let rate = self.tokens_per_second(phase).map_or("-".into(), |rate| format!("{rate:.0}"));
        let used = self.utilisation(phase).map_or("-".into(), percent);
        put(out, format_args!("{name:<12}{tokens:>8}{cycles:>12}{ms:>12.3}{rate:>12}{used:>10}\n"));
    }
}

/// What runs cost in energy; `None` if the machine names no prices.
pub(crate) fn bill(machine: &Machine, tally: &Tally) -> Option<Bill> {
    let times = tally.by_operator.iter().map(|(origin, cost)| (origin.clone(), cost.cycles));
    let times = times.chain([(Origin::step(IDLE), tally.idle)]).collect();
    Bill::of(machine, &tally.energy, &times)
}

/// The cycles of no operator.
const IDLE: &str = "(no unit at work)";

/// Every origin with its cycles, the costliest first: the step of the plan, and the nodes of the model behind it.
fn by_operator(tally: &Tally) -> Value {
    let idle = (Origin::step(IDLE), Cost { cycles: tally.idle, instructions: 0 });
    let mut all: Vec<_> = tally.by_operator.iter().chain([(&idle.0, &idle.1)]).collect();
    all.sort_by_key(|(origin, cost)| (Reverse(cost.cycles), *origin));
    let row = |(origin, cost): (&Origin, &Cost)| {
        json!({
            "op": origin.step,
            "nodes": origin.nodes,
            "cycles": cost.cycles,
            "share": ratio(cost.cycles, tally.cycles),
            "instructions": cost.instructions,
        })
    };
    all.into_iter().map(row).collect()
}

/// Steps of the plan with their cycles, the costliest first, whatever nodes stand behind them.
fn by_step(tally: &Tally) -> Vec<(&str, u64)> {
    let mut sums = BTreeMap::from([(IDLE, tally.idle)]);
    for (origin, cost) in &tally.by_operator {
        *sums.entry(origin.step.as_str()).or_default() += cost.cycles;
    }
    let mut all: Vec<_> = sums.into_iter().collect();
    all.sort_by_key(|(name, cycles)| (Reverse(*cycles), *name));
    all
}

fn operators(out: &mut String, tally: &Tally) {
    const WIDTH: f64 = 40.0;
    const MOST: usize = 18;
    put(out, format_args!("\n{:<20}{:>12}\n", "time by operator", "cycles"));
    let all = by_step(tally);
    let (shown, rest) = all.split_at(all.len().min(MOST));
    let others = rest.iter().map(|(_, cycles)| cycles).sum();
    for (name, cycles) in shown.iter().copied().chain([("others", others)]).filter(|row| row.1 > 0) {
        let part = ratio(cycles, tally.cycles);
        let bar = "#".repeat((part * WIDTH).round() as usize);
        put(out, format_args!("{name:<20}{cycles:>12}{:>8}  {bar}\n", percent(part)));
    }
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// A part of a whole, as text.
pub(crate) fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { percent(part / whole) } else { percent(0.0) }
}

/// Bytes with a unit that fits.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// Writing to a string cannot fail.
pub(crate) fn put(out: &mut String, args: std::fmt::Arguments) {
    let _ = out.write_fmt(args);
}
