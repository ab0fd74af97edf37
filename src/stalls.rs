//! The part of a report that says what every unit did in every cycle.

use crate::tally::ratio;
use isa::table::Unit;
use serde_json::{Value, json};
use sim::attribution::{Account, Cause};
use std::collections::BTreeMap;

/// A name, and the causes that it stands for.
type Column = (&'static str, fn(&Cause) -> bool);

const COLUMNS: [Column; 10] = [
    ("busy", |c| *c == Cause::Work),
    ("memory", |c| *c == Cause::Memory),
    ("load", |c| matches!(c, Cause::Token { poster: 0, .. })),
    ("matrix", |c| matches!(c, Cause::Token { poster: 1, .. })),
    ("vector", |c| matches!(c, Cause::Token { poster: 2, .. })),
    ("store", |c| matches!(c, Cause::Token { poster: 3, .. })),
    ("drain", |c| *c == Cause::Drain),
    ("fetch", |c| *c == Cause::Fetch),
    ("queue", |c| matches!(c, Cause::Queue { .. })),
    ("other", |c| matches!(c, Cause::Dispatch | Cause::Argument | Cause::End)),
];

/// Cycles by unit and cause; those of each unit sum to the cycles of the run.
pub fn json(account: &Account) -> Value {
    let causes = |sums: &BTreeMap<Cause, u64>| -> Value {
        sums.iter().map(|(cause, n)| (cause.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into()
    };
    let mut stalls = json!({ "unit": "cycles", "sequencer": causes(&account.sequencer) });
    for (unit, sums) in Unit::QUEUED.iter().zip(&account.units) {
        stalls[unit.name()] = causes(sums);
    }
    stalls
}

/// The table for people, in percent of the cycles.
pub fn text(account: &Account, cycles: u64) -> String {
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>8}")).collect();
        format!("{name:<12}{cells}\n")
    };
    let mut out = format!("\n{:<12}{:>16}  waits for {:-<20}  no instruction {:-<7}\n", "", "", "", "");
    out.push_str(&row("% of cycles", COLUMNS.iter().map(|(name, _)| name.to_string()).collect()));
    for (unit, sums) in Unit::QUEUED.iter().zip(&account.units) {
        let part = |test: fn(&Cause) -> bool| {
            let sum = sums.iter().filter(|(cause, _)| test(cause)).map(|(_, n)| n).sum();
            if sum == 0 { "-".into() } else { format!("{:.1}", ratio(sum, cycles) * 100.0) }
        };
        out.push_str(&row(unit.name(), COLUMNS.iter().map(|(_, test)| part(*test)).collect()));
    }
    let causes: Vec<String> = account
        .sequencer
        .iter()
        .map(|(cause, n)| format!("{cause} {:.1}", ratio(*n, cycles) * 100.0))
        .collect();
    out.push_str(&format!("{:<12}{}\n", "sequencer", causes.join(", ")));
    out
}
