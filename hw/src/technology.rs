//! What events cost: prices as data, each with value, unit, source, and a range where sources disagree.
//!
//! A [`Technology`] of a verified machine has prices that are finite, not negative, and inside their ranges; it prices at
//! least one size of memory, in ascending order.

use crate::machine::{MachineError, rule};
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Mul};

/// Name and text of every built-in technology.
pub const PRESETS: &[(&str, &str)] = &[
    ("asic45", include_str!("../technology/asic45.toml")),
    ("asic28", include_str!("../technology/asic28.toml")),
    ("u280", include_str!("../technology/u280.toml")),
];

/// What a source begins with if there is none.
pub const ASSUMPTION: &str = "assumption";

/// What it begins with if the price was chosen so that a measured sum comes out.
pub const FITTED: &str = "fitted";

/// An amount that is known to lie in a range.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Range {
    /// The best guess.
    pub value: f64,
    /// Not less than this.
    pub low: f64,
    /// Not more than this.
    pub high: f64,
}

impl Add for Range {
    type Output = Range;

    fn add(self, o: Range) -> Range {
        Range { value: self.value + o.value, low: self.low + o.low, high: self.high + o.high }
    }
}

impl AddAssign for Range {
    fn add_assign(&mut self, o: Range) {
        *self = *self + o;
    }
}

impl Mul<f64> for Range {
    type Output = Range;

    fn mul(self, factor: f64) -> Range {
        Range { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }
}

/// Units of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Picojoules for each event.
    #[serde(rename = "pJ")]
    Picojoule,
    /// Picojoules for each byte.
    #[serde(rename = "pJ/B")]
    PicojoulePerByte,
    /// Picojoules for each bit.
    #[serde(rename = "pJ/bit")]
    PicojoulePerBit,
    /// Milliwatts all the time.
    #[serde(rename = "mW")]
    Milliwatt,
}

impl Unit {
    /// Joules or watts for each event, byte or second.
    fn scale(self) -> f64 {
        match self {
            Unit::Picojoule | Unit::PicojoulePerByte => 1e-12,
            Unit::PicojoulePerBit => 8e-12,
            Unit::Milliwatt => 1e-3,
        }
    }
}

/// A price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// In `unit`.
    pub value: f64,
    /// Smallest value of the sources, if they disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Largest value of the sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// What it is a price of.
    pub unit: Unit,
    /// Where it comes from, or [`ASSUMPTION`] and why, or [`FITTED`] and to what.
    pub source: String,
}

impl Price {
    /// In joules for each event or byte, or in watts.
    pub fn si(&self) -> Range {
        let low = self.low.unwrap_or(self.value);
        Range { value: self.value, low, high: self.high.unwrap_or(self.value) } * self.unit.scale()
    }

    /// No source gives it.
    pub fn is_assumed(&self) -> bool {
        self.source.starts_with(ASSUMPTION)
    }

    /// Chosen so that a measured sum comes out.
    pub fn is_fitted(&self) -> bool {
        self.source.starts_with(FITTED)
    }

    pub(crate) fn verify(&self, at: &str, units: &[Unit]) -> Result<(), MachineError> {
        let (low, high) = (self.low.unwrap_or(self.value), self.high.unwrap_or(self.value));
        let ordered = 0.0 <= low && low <= self.value && self.value <= high && high <= 1e12;
        rule(at, ordered, "not 0 <= low <= value <= high <= 1e12", "correct the price")?;
        rule(
            at,
            units.contains(&self.unit),
            "has a unit that does not fit",
            "compare with a built-in technology",
        )?;
        rule(
            at,
            !self.source.is_empty(),
            "has no source",
            "name the source, or say `assumption: ` and why, or `fitted to` what",
        )
    }
}

/// Prices of an access of an on-chip memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sram {
    /// The largest memory that these prices are for.
    pub bytes: u64,
    /// Of each byte read.
    pub read: Price,
    /// Of each byte written.
    pub write: Price,
}

/// Prices on the chip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Choice", into = "Choice")]
pub struct Technology {
    /// Name, as reports print it.
    pub name: String,
    /// A product of 8 x 8 bits and its addition.
    pub multiply: Price,
    /// A group sum scaled and accumulated.
    pub accumulate: Price,
    /// A result of the matrix engine scaled, rounded and saturated.
    pub epilogue: Price,
    /// A lane of the vector engine in a row of a pass.
    pub lane: Price,
    /// Memories by size, ascending; those beyond the last one cost as much as it.
    pub sram: Vec<Sram>,
    /// All the time.
    pub leakage: Price,
}

/// A built-in technology by name, or all of one.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Choice {
    Named(String),
    Full(Box<Full>),
}

/// The fields of [`Technology`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    name: String,
    multiply: Price,
    accumulate: Price,
    epilogue: Price,
    lane: Price,
    leakage: Price,
    sram: Vec<Sram>,
}

impl From<Full> for Technology {
    fn from(f: Full) -> Technology {
        let Full { name, multiply, accumulate, epilogue, lane, leakage, sram } = f;
        Technology { name, multiply, accumulate, epilogue, lane, sram, leakage }
    }
}

impl TryFrom<Choice> for Technology {
    type Error = String;

    fn try_from(choice: Choice) -> Result<Technology, String> {
        match choice {
            Choice::Full(full) => Ok((*full).into()),
            Choice::Named(name) => Technology::preset(&name).ok_or_else(|| {
                let known: Vec<_> = PRESETS.iter().map(|p| p.0).collect();
                format!("no technology is called `{name}`; built in are {}", known.join(", "))
            }),
        }
    }
}

impl From<Technology> for Choice {
    fn from(t: Technology) -> Choice {
        let Technology { name, multiply, accumulate, epilogue, lane, sram, leakage } = t;
        Choice::Full(Box::new(Full { name, multiply, accumulate, epilogue, lane, leakage, sram }))
    }
}

impl Technology {
    /// A built-in technology, or `None` if there is none of that name.
    pub fn preset(name: &str) -> Option<Technology> {
        let (_, text) = PRESETS.iter().find(|(n, _)| *n == name)?;
        toml::from_str::<Full>(text).ok().map(Technology::from)
    }

    /// Prices of a memory of this size; `None` if no memory is priced.
    pub fn sram(&self, bytes: u64) -> Option<&Sram> {
        self.sram.iter().find(|s| bytes <= s.bytes).or(self.sram.last())
    }

    /// Every price with its name.
    pub fn prices(&self) -> Vec<(String, &Price)> {
        let logic = [
            ("multiply", &self.multiply),
            ("accumulate", &self.accumulate),
            ("epilogue", &self.epilogue),
            ("lane", &self.lane),
            ("leakage", &self.leakage),
        ];
        let named = logic.map(|(name, price)| (name.to_string(), price)).into_iter();
        let sram = self.sram.iter().flat_map(|s| {
            [(format!("sram {} read", s.bytes), &s.read), (format!("sram {} write", s.bytes), &s.write)]
        });
        named.chain(sram).collect()
    }

    /// Checks the invariants of this module's head.
    ///
    /// # Errors
    /// The first violated one.
    pub(crate) fn verify(&self) -> Result<(), MachineError> {
        for (name, price) in self.prices() {
            let unit = match name.as_str() {
                "leakage" => Unit::Milliwatt,
                _ if name.starts_with("sram") => Unit::PicojoulePerByte,
                _ => Unit::Picojoule,
            };
            price.verify(&format!("technology.{name}"), &[unit])?;
        }
        let ascending = !self.sram.is_empty() && self.sram.is_sorted_by(|a, b| a.bytes < b.bytes);
        rule(
            "technology.sram",
            ascending,
            "no sizes, or not in ascending order",
            "list sizes from small to large",
        )
    }
}

/// Prices of a channel of DRAM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DramPrices {
    /// A row opened and closed.
    pub activation: Price,
    /// Data read, up to the pins of the chip.
    pub read: Price,
    /// Data written.
    pub write: Price,
    /// A refresh of all banks.
    pub refresh: Price,
    /// All the time.
    pub background: Price,
}

impl DramPrices {
    /// Every price with its name.
    pub fn prices(&self) -> [(&'static str, &Price); 5] {
        [
            ("activation", &self.activation),
            ("read", &self.read),
            ("write", &self.write),
            ("refresh", &self.refresh),
            ("background", &self.background),
        ]
    }

    pub(crate) fn verify(&self, at: &str) -> Result<(), MachineError> {
        for (name, price) in self.prices() {
            let units: &[Unit] = match name {
                "read" | "write" => &[Unit::PicojoulePerBit, Unit::PicojoulePerByte],
                "background" => &[Unit::Milliwatt],
                _ => &[Unit::Picojoule],
            };
            price.verify(&format!("{at}.{name}"), units)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dram::{self, Dram};

    #[test]
    fn every_price_has_a_source_and_a_range_in_order() {
        for (name, _) in PRESETS {
            let technology = Technology::preset(name).unwrap_or_else(|| panic!("{name}"));
            technology.verify().unwrap();
            assert_eq!(&technology.name, name);
        }
        for (name, _) in dram::PRESETS {
            Dram::preset(name).unwrap().device.energy.unwrap().verify(name).unwrap();
        }
    }

    #[test]
    fn a_memory_costs_what_the_next_larger_one_does() {
        let asic45 = Technology::preset("asic45").unwrap();
        let size = |bytes| asic45.sram(bytes).unwrap().bytes;
        assert_eq!([size(1), size(8192), size(8193), size(1 << 30)], [8192, 8192, 32_768, 1_048_576]);
    }

    #[test]
    fn a_machine_names_a_technology_or_holds_all_of_it() {
        let tiny = crate::presets::text("tiny").unwrap();
        let line = tiny.lines().find(|l| l.starts_with("technology =")).unwrap();
        let parse = |other: &str| crate::Machine::parse(&tiny.replace(line, other), "m.toml");
        let named = parse("technology = \"asic28\"").unwrap();
        assert_eq!(named.technology.as_ref().map(|t| t.name.as_str()), Some("asic28"));
        assert_eq!(parse("").unwrap().technology, None);
        assert_eq!(named.hash(), parse("").unwrap().hash());
        let text = toml::to_string(&named).unwrap();
        assert_eq!(crate::Machine::parse(&text, "full.toml").unwrap(), named);
        let free = text.replacen("value = ", "value = -", 1);
        assert!(crate::Machine::parse(&free, "m.toml").unwrap_err().at.contains("technology"));
        assert!(parse("technology = \"vacuum tubes\"").is_err());
    }
}
