//! The ladder of trust: what a figure of a report stands on, and how that is checked.

use serde_json::{Map, Value, json};

/// A rung; each is held to the one below it, the last to the emitted hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// The float evaluator on the model's graph, held to the vectors of onnxruntime.
    Float = 1,
    /// The integer evaluator, whose distance from the float one is measured.
    Quantised = 2,
    /// Functional simulation, equal to the integer evaluator in every bit.
    Functional = 3,
    /// Timing simulation, equal to the RTL in every cycle.
    Timing = 4,
    /// Predicted cells, held to those that Yosys counts.
    Cells = 5,
}

impl Rung {
    /// Its number, as reports print it.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Float => "float evaluator",
            Rung::Quantised => "integer evaluator, whose bits are the machine's",
            Rung::Functional => "functional simulation, every bit as in the integer evaluator",
            Rung::Timing => "timing simulation, every cycle as in the RTL",
            Rung::Cells => "predicted from the RTL's source, `synth` compares with Yosys",
        }
    }
}

/// The rungs of the keys of a report's object.
const OF_KEY: &[(&str, &[Rung])] = &[
    ("cycles", &[Rung::Timing]),
    ("seconds", &[Rung::Timing]),
    ("throughput", &[Rung::Timing]),
    ("macs", &[Rung::Float]),
    ("mac_utilization", &[Rung::Float, Rung::Timing]),
    ("dram", &[Rung::Timing]),
    ("energy", &[Rung::Timing]),
    ("instructions", &[Rung::Timing]),
    ("program_bytes", &[Rung::Timing]),
    ("stalls", &[Rung::Timing]),
    ("resources", &[Rung::Cells]),
    ("by_op", &[Rung::Timing]),
    ("prefill", &[Rung::Timing]),
    ("decode", &[Rung::Timing]),
    ("answer", &[Rung::Functional]),
    ("logits", &[Rung::Functional]),
    ("memory_checksum", &[Rung::Functional]),
    ("weights_exact", &[Rung::Quantised]),
];

/// Null, or an object of nothing else.
fn nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(|o| o.values().all(Value::is_null))
}

/// For each figure of a report's object, the numbers of the rungs that it stands on.
pub fn of(report: &Value) -> Value {
    let numbers = |rungs: &[Rung]| rungs.iter().map(|r| r.number()).collect::<Vec<_>>();
    let present = OF_KEY.iter().filter(|(key, _)| report.get(*key).is_some_and(|v| !nothing(v)));
    Value::Object(present.map(|(key, rungs)| (key.to_string(), json!(numbers(rungs)))).collect::<Map<_, _>>())
}

/// The legend of a report for people; `text` if it shows what a machine wrote, `macs` if the network's products are known.
pub fn legend(text: bool, macs: bool) -> String {
    let rows = [
        (macs, Rung::Float, "products in MAC use", "counted in the graph that the float evaluator runs"),
        (text, Rung::Functional, "text", Rung::Functional.name()),
        (true, Rung::Timing, "all else but bounds", Rung::Timing.name()),
    ];
    let mut out = String::from("\nrung of trust\n");
    for (_, rung, figures, why) in rows.into_iter().filter(|row| row.0) {
        out.push_str(&format!("{:<12}{figures}: {why}\n", rung.number()));
    }
    out
}
