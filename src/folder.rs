//! A compiled folder: a program, the machine that it was made for, and what its memory holds.

use crate::output::MANIFEST;
use crate::place;
use hw::Machine;
use ir::diag::Diagnostic;
use isa::Program;
use serde_json::Value;
use std::path::Path;

/// What `compile` wrote.
pub struct Compiled {
    pub model: String,
    pub scheme: Option<String>,
    pub machine: Machine,
    pub program: Program,
    pub image: Vec<u8>,
}

/// Reads a compiled folder; `program` is the name of one of its programs, `machine` what the user says it is for.
///
/// # Errors
/// Not a compiled folder, or one of its files is damaged or for another machine.
pub fn open(path: &Path, program: &str, machine: Option<&str>) -> Result<Compiled, Diagnostic> {
    let manifest = manifest(path)?;
    let found = place::machine(&path.join("machine.toml").to_string_lossy())?.machine;
    let program = place::program(&path.join(format!("{program}.bin")))?;
    isa::binary::check_machine(&program, &found)?;
    if let Some(name) = machine {
        isa::binary::check_machine(&program, &place::machine(name)?.machine)?;
    }
    let text = |key: &str| manifest[key].as_str().map(str::to_string);
    Ok(Compiled {
        model: text("model").unwrap_or_default(),
        scheme: text("scheme"),
        image: place::read_bytes(&path.join("image.bin"))?,
        machine: found,
        program,
    })
}

fn manifest(path: &Path) -> Result<Value, Diagnostic> {
    let file = path.join(MANIFEST);
    if !file.is_file() {
        return Err(Diagnostic::new("folder-foreign", "this is no compiled folder")
            .because(format!("it has no {MANIFEST}"))
            .help("make one with `tilewright compile MODEL --machine M --out DIR`")
            .in_file(path.display().to_string()));
    }
    serde_json::from_str(&place::read_text(&file)?).map_err(|e| {
        Diagnostic::new("manifest-syntax", "the manifest is no JSON")
            .because(e.to_string())
            .help("compile the folder again")
            .in_file(file.display().to_string())
    })
}
