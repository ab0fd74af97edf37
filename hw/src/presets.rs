//! The machines that are built in. A preset is a machine file like any other; `machines --show` prints it to be copied.

use crate::machine::{Machine, MachineError};

/// Name and text of the machines that tests and measurements are made on: each shows something of its own.
pub const PRESETS: &[(&str, &str)] = &[
    ("tiny", include_str!("../machines/tiny.toml")),
    ("unit", include_str!("../machines/unit.toml")),
    ("three", include_str!("../machines/three.toml")),
    ("odd", include_str!("../machines/odd.toml")),
    ("paired", include_str!("../machines/paired.toml")),
    ("quads", include_str!("../machines/quads.toml")),
    ("gemv", include_str!("../machines/gemv.toml")),
    ("crumbs", include_str!("../machines/crumbs.toml")),
    ("nibbles", include_str!("../machines/nibbles.toml")),
    ("bench-4096", include_str!("../machines/bench-4096.toml")),
];

/// Name and text of the accelerators: whole devices, of which tests verilate some slices.
pub const ACCELERATORS: &[(&str, &str)] = &[
    ("llm-u280", include_str!("../machines/llm-u280.toml")),
    ("accllm-u280", include_str!("../machines/accllm-u280.toml")),
    ("flightllm-u280", include_str!("../machines/flightllm-u280.toml")),
];

/// Every built-in machine.
pub fn all() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    PRESETS.iter().chain(ACCELERATORS)
}

/// The text of a built-in machine file, or `None` if there is none of that name.
pub fn text(name: &str) -> Option<&'static str> {
    all().find(|(n, _)| *n == name).map(|(_, t)| *t)
}

/// A built-in machine.
///
/// # Errors
/// The name is not one of [`all`].
pub fn load(name: &str) -> Result<Machine, MachineError> {
    let known = || all().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
    let text = text(name).ok_or_else(|| MachineError {
        at: format!("machine `{name}`"),
        why: "no built-in machine has this name".into(),
        help: format!("use one of {}, or give the path of a machine file", known()),
    })?;
    Machine::parse(text, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_named_as_its_file() {
        for (name, _) in all() {
            assert_eq!(&load(name).unwrap().name, name);
        }
    }
}
