//! What runs cost in energy: counted events times prices, by part, by cause and by operator.
//!
//! All three divide the same total. Prices that no source gives are named beside the figures, and those that were fitted; every
//! figure has the range that the prices' sources leave.

use crate::report::{put, share};
use hw::machine::MemoryModel;
use hw::technology::{Price, Range, Technology};
use hw::{Geometry, Machine};
use isa::Program;
use isa::program::Origin;
use serde_json::{Map, Value, json};
use sim::energy::{Events, Memory, events, fetch};
use sim::sink::{Event, Sink};
use std::collections::BTreeMap;

/// What a report says where off-chip memory has no price.
pub const NO_DRAM: &str =
    "not counted off-chip memory: the machine's memory model names no DRAM with prices\n";
/// The operator of what is spent before any instruction is known.
const FETCH: &str = "(instruction fetch)";

/// Events of any number of runs, by the operators that caused them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    pub by_operator: BTreeMap<Origin, Events>,
}

/// Counts the events of a run while it is simulated; nothing if the machine names no prices.
#[derive(Debug)]
pub struct Counting<'a> {
    program: &'a Program,
    geometry: Geometry,
    /// By [`Program::origin_number`].
    by_origin: Option<Vec<Events>>,
    fetched: Events,
}

impl<'a> Counting<'a> {
    /// Of a run of this program.
    pub fn new(program: &'a Program, machine: &Machine) -> Counting<'a> {
        let by_origin =
            machine.technology.as_ref().map(|_| vec![Events::default(); program.origins.len() + 1]);
        let fetched = fetch(program.instrs.len() as u64);
        Counting { program, geometry: Geometry::of(machine), by_origin, fetched }
    }

    /// What was counted.
    pub fn counted(self) -> Counted {
        let Some(by_origin) = self.by_origin else { return Counted::default() };
        let all = self.program.by_origin(by_origin).chain([(Origin::step(FETCH), self.fetched)]);
        Counted { by_operator: all.collect() }
    }
}

impl Sink for Counting<'_> {
    fn event(&mut self, event: Event) {
        let Some(by_origin) = &mut self.by_origin else { return };
        match event {
            Event::Dispatch { step, .. } => {
                by_origin[self.program.origin_number(step.word as usize)] +=
                    events(&step.instr.body, &self.geometry);
            }
            Event::Drawn { word: Some(word), counts } => {
                // The memories of all slices do the same.
                let all = counts * u64::from(self.geometry.slices);
                by_origin[self.program.origin_number(word as usize)].dram += all;
            }
            Event::Drawn { word: None, counts } => self.fetched.dram += counts,
            _ => {}
        }
    }
}

impl Counted {
    /// Adds the sums of other runs.
    pub fn merge(&mut self, other: &Counted) {
        for (origin, events) in &other.by_operator {
            *self.by_operator.entry(origin.clone()).or_default() += *events;
        }
    }
}

/// Part of the machine, cause, and joules.
type Item = (&'static str, &'static str, Range);

/// What a machine's events cost.
struct Prices<'a> {
    technology: &'a Technology,
    machine: &'a Machine,
    /// DRAM with prices.
    dram: Option<&'a hw::dram::Dram>,
}

impl<'a> Prices<'a> {
    /// `None` if the machine names no technology.
    fn of(machine: &'a Machine) -> Option<Prices<'a>> {
        let technology = machine.technology.as_ref()?;
        let dram = match &machine.memory.model {
            MemoryModel::Dram(dram) if dram.device.energy.is_some() => Some(&**dram),
            _ => None,
        };
        Some(Prices { technology, machine, dram })
    }

    /// The prices of events and of time.
    fn items(&self, events: &Events, seconds: f64) -> Vec<Item> {
        let t = self.technology;
        let times = |price: &Price, count: u64| price.si() * count as f64;
        let mut items = vec![
            ("matrix engine", "multiplications", times(&t.multiply, events.multiplications)),
            ("matrix engine", "group sums", times(&t.accumulate, events.group_sums)),
            ("matrix engine", "results", times(&t.epilogue, events.results)),
            ("vector engine", "vector operations", times(&t.lane, events.lane_operations)),
            ("leakage", "leakage", t.leakage.si() * seconds),
        ];
        for memory in Memory::ALL {
            let (moved, Some(sram)) = (events.of(memory), t.sram(self.bytes(memory))) else { continue };
            items.push((memory.name(), "buffer reads", times(&sram.read, moved.read)));
            items.push((memory.name(), "buffer writes", times(&sram.write, moved.written)));
        }
        items.extend(
            self.dram.into_iter().flat_map(|dram| off_chip(dram, self.machine.slices.count, events, seconds)),
        );
        items
    }

    /// Size of the physical memory behind an access.
    fn bytes(&self, memory: Memory) -> u64 {
        let (b, words) = (&self.machine.buffers, self.machine.sequencer.imem_words);
        u64::from(match memory {
            Memory::Weight => b.weight_bytes,
            Memory::GroupScale => b.group_scale_bytes,
            Memory::Channel => b.channel_bytes,
            Memory::Activation => b.activation_bytes,
            Memory::TokenScale => 3 * b.token_scales,
            Memory::Vector => b.vector_bank_bytes,
            Memory::Instruction => 32 * words,
        })
    }

    /// Names of the prices of a kind.
    fn named(&self, kind: fn(&Price) -> bool) -> Vec<String> {
        let chip = self.technology.prices();
        let dram = self.dram.and_then(|d| d.device.energy.as_ref()).into_iter();
        let dram = dram.flat_map(|e| e.prices()).map(|(name, price)| (format!("DRAM {name}"), price));
        chip.into_iter().chain(dram).filter(|(_, price)| kind(price)).map(|(name, _)| name).collect()
    }
}

/// All channels of a slice do the same; each slice has a memory of its own.
fn off_chip(dram: &hw::dram::Dram, slices: u32, events: &Events, seconds: f64) -> Vec<Item> {
    let Some(energy) = &dram.device.energy else { return Vec::new() };
    let (channels, counts) = (f64::from(dram.channels), &events.dram);
    let access = f64::from(dram.access_bytes());
    let refreshes = seconds * dram.device.clock_hz as f64 / f64::from(dram.device.timing.refi);
    let items = [
        ("row activations", energy.activation.si() * (counts.activations as f64 * channels)),
        ("DRAM reads", energy.read.si() * (counts.reads as f64 * access)),
        ("DRAM writes", energy.write.si() * (counts.writes as f64 * access)),
        ("refresh", energy.refresh.si() * (refreshes * channels * f64::from(slices))),
        ("DRAM background", energy.background.si() * (seconds * channels * f64::from(slices))),
    ];
    items.map(|(cause, joules)| ("DRAM", cause, joules)).into()
}

/// A total and what it is made of, in joules.
pub struct Bill {
    pub total: Range,
    seconds: f64,
    by_part: BTreeMap<&'static str, Range>,
    by_cause: BTreeMap<&'static str, Range>,
    by_operator: BTreeMap<Origin, Range>,
    technology: String,
    /// Prices that no source gives, and those that were chosen so that a measured sum comes out.
    assumed: Vec<String>,
    fitted: Vec<String>,
    /// Off-chip memory is in it.
    dram: bool,
}

impl Bill {
    /// Of what was counted on a machine; `cycles` divides all of the time among operators. `None` if the machine names no
    /// technology.
    pub fn of(machine: &Machine, counted: &Counted, cycles: &BTreeMap<Origin, u64>) -> Option<Bill> {
        let prices = Prices::of(machine)?;
        let mut bill = Bill {
            total: Range::default(),
            seconds: cycles.values().sum::<u64>() as f64 / machine.clock_hz as f64,
            by_part: BTreeMap::new(),
            by_cause: BTreeMap::new(),
            by_operator: BTreeMap::new(),
            technology: prices.technology.name.clone(),
            assumed: prices.named(Price::is_assumed),
            fitted: prices.named(Price::is_fitted),
            dram: prices.dram.is_some(),
        };
        let timed = cycles.iter().map(|(o, n)| (o, Events::default(), *n));
        for (origin, events, cycles) in counted.by_operator.iter().map(|(o, e)| (o, *e, 0)).chain(timed) {
            let operator = bill.by_operator.entry(origin.clone()).or_default();
            for (part, cause, joules) in prices.items(&events, cycles as f64 / machine.clock_hz as f64) {
                bill.total += joules;
                *operator += joules;
                *bill.by_part.entry(part).or_default() += joules;
                *bill.by_cause.entry(cause).or_default() += joules;
            }
        }
        Some(bill)
    }

    /// What off-chip memory costs is in it.
    pub fn counts_dram(&self) -> bool {
        self.dram
    }

    /// Operators, the costliest first.
    fn operators(&self) -> Vec<(&Origin, Range)> {
        let mut all: Vec<_> = self.by_operator.iter().map(|(origin, joules)| (origin, *joules)).collect();
        all.sort_by(|a, b| b.1.value.total_cmp(&a.1.value).then(a.0.cmp(b.0)));
        all
    }

    fn watts(&self) -> Range {
        self.total * if self.seconds > 0.0 { 1.0 / self.seconds } else { 0.0 }
    }

    /// The object of a report; what a machine without technology has is null.
    pub fn json(bill: Option<&Bill>) -> Value {
        let Some(b) = bill else {
            return json!({ "total_joules": null, "power_watts": null, "by_part": null });
        };
        let values = |of: &BTreeMap<&'static str, Range>| {
            of.iter().map(|(name, joules)| (name.to_string(), json!(joules.value))).collect::<Map<_, _>>()
        };
        let ranges = |of: &BTreeMap<&'static str, Range>| {
            of.iter().map(|(name, joules)| (name.to_string(), range(joules))).collect::<Map<_, _>>()
        };
        let operator = |(origin, joules): (&Origin, Range)| {
            json!({
                "op": origin.step,
                "nodes": origin.nodes,
                "joules": joules.value,
                "range": range(&joules),
            })
        };
        json!({
            "total_joules": b.total.value,
            "power_watts": b.watts().value,
            "by_part": values(&b.by_part),
            "by_cause": values(&b.by_cause),
            "by_operator": b.operators().into_iter().map(operator).collect::<Vec<_>>(),
            "range": {
                "total_joules": range(&b.total),
                "power_watts": range(&b.watts()),
                "by_part": ranges(&b.by_part),
                "by_cause": ranges(&b.by_cause),
            },
            "technology": b.technology,
            "assumptions": b.assumed,
            "fitted": b.fitted,
            "off_chip_counted": b.dram,
        })
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let row = |out: &mut String, name: &str, joules: Range| {
            let part = share(joules.value, self.total.value);
            let [value, low, high] = [joules.value, joules.low, joules.high].map(amount);
            put(out, format_args!("{name:<24}{value:>12}{part:>9}   {low} .. {high}\n"));
        };
        let head = |out: &mut String, by: &str| put(out, format_args!("\nenergy by {by}\n"));
        head(&mut out, "part");
        self.by_part.iter().for_each(|(name, joules)| row(&mut out, name, *joules));
        head(&mut out, "cause");
        self.by_cause.iter().for_each(|(name, joules)| row(&mut out, name, *joules));
        head(&mut out, "operator");
        let operators = self.steps();
        let (shown, rest) = operators.split_at(operators.len().min(12));
        shown.iter().for_each(|(name, joules)| row(&mut out, name, *joules));
        let others = rest.iter().fold(Range::default(), |sum, (_, joules)| sum + *joules);
        if !rest.is_empty() {
            row(&mut out, "others", others);
        }
        let watts = self.watts();
        put(&mut out, format_args!("\nenergy      {}, ", amount(self.total.value)));
        put(&mut out, format_args!("{} to {}; ", amount(self.total.low), amount(self.total.high)));
        put(&mut out, format_args!("{:.3} W, {:.3} to {:.3}\n", watts.value, watts.low, watts.high));
        put(&mut out, format_args!("prices      {}: counted events times prices\n", self.technology));
        for (kind, names) in [("assumption", &self.assumed), ("fitted", &self.fitted)] {
            if !names.is_empty() {
                put(&mut out, format_args!("{kind:<12}{}\n", names.join(", ")));
            }
        }
        if !self.dram {
            out.push_str(NO_DRAM);
        }
        out
    }

    /// Steps of the plan, whatever nodes stand behind them, the costliest first.
    fn steps(&self) -> Vec<(&str, Range)> {
        let mut sums = BTreeMap::<&str, Range>::new();
        for (origin, joules) in &self.by_operator {
            *sums.entry(origin.step.as_str()).or_default() += *joules;
        }
        let mut all: Vec<_> = sums.into_iter().collect();
        all.sort_by(|a, b| b.1.value.total_cmp(&a.1.value).then(a.0.cmp(b.0)));
        all
    }
}

fn range(joules: &Range) -> Value {
    json!([joules.low, joules.high])
}

/// Joules with a unit that fits.
pub(crate) fn amount(joules: f64) -> String {
    let units = [(1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ")];
    let (scale, unit) = units.into_iter().find(|(scale, _)| joules >= *scale).unwrap_or((1e-12, "pJ"));
    format!("{:.1} {unit}", joules / scale)
}

#[cfg(test)]
mod tests;
