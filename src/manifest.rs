//! The manifest of a folder: who wrote it, what it is for, and which files it holds.
//!
//! Invariant: every file that this program wrote into the folder is listed with length and checksum, so that a folder
//! which somebody has changed is never replaced, and a damaged memory image never simulated.

use crate::cli::SCHEMA_VERSION;
use crate::compiler::Macs;
use crate::place;
use hw::Machine;
use ir::diag::Diagnostic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Its name in the folder.
pub const NAME: &str = "manifest.json";

/// Where Verilator builds, unless it is told otherwise.
const BUILD: &str = "obj_dir";

/// What the file says. A folder that was put together by hand needs `schema_version`, `tilewright` and `programs` only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema_version: u32,
    /// Version of the program that wrote it.
    pub tilewright: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// Token ids of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u32>,
    /// Positions of the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// Tokens cached before a run that names no position.
    #[serde(default)]
    pub position: u32,
    /// The model file omitted weights: there is no memory image, the programs have times only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weights_absent: bool,
    /// Products of the network itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<Macs>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileRecord>,
}

/// The machine that a folder was made for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineId {
    pub name: String,
    pub hash: String,
}

impl MachineId {
    /// Of a machine.
    pub fn of(machine: &Machine) -> MachineId {
        MachineId { name: machine.name.clone(), hash: format!("{:#010x}", machine.hash()) }
    }
}

/// A program of the folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgramFile {
    pub file: String,
    /// Tokens that a run of it reads; absent for a program of no network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
    /// These are one of each of so many sequences, all at the same position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequences: Option<u32>,
    pub instructions: u64,
}

/// Length and checksum of a file, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    pub bytes: u64,
    /// FNV-1a, 64 bits, in hexadecimal.
    pub checksum: String,
}

impl FileRecord {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> FileRecord {
        FileRecord::of_parts(&[bytes])
    }

    /// Of these parts in order.
    pub fn of_parts(parts: &[&[u8]]) -> FileRecord {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        let sum = checksum_of(parts.iter().map(|part| (part.len() as u64, Some(*part))));
        FileRecord { bytes, checksum: format!("{sum:016x}") }
    }
}

impl Manifest {
    /// One without any facts.
    pub fn new() -> Manifest {
        Manifest {
            schema_version: SCHEMA_VERSION,
            tilewright: env!("CARGO_PKG_VERSION").into(),
            ..Manifest::default()
        }
    }

    /// Whether a folder has a manifest of this program, be it of another version: other programs have files of that
    /// name, too.
    pub fn marks(folder: &Path) -> bool {
        let text = std::fs::read_to_string(folder.join(NAME)).unwrap_or_default();
        text.contains("\"tilewright\":")
    }

    /// The manifest of a folder.
    ///
    /// # Errors
    /// There is none, it does not hold what a manifest must, or it is of another version.
    pub fn read(folder: &Path) -> Result<Manifest, Diagnostic> {
        let file = folder.join(NAME);
        let text = place::read_text(&file)?;
        let syntax = |what: &str, why: String| {
            Err(Diagnostic::new("manifest-syntax", what.to_string())
                .because(why)
                .help("compile the folder again")
                .in_file(file.display().to_string()))
        };
        let found: Manifest = match serde_json::from_str(&text) {
            Ok(found) => found,
            Err(e) => return syntax("the manifest cannot be read", e.to_string()),
        };
        if found.schema_version != SCHEMA_VERSION {
            let why = format!("it has version {}; this program reads {SCHEMA_VERSION}", found.schema_version);
            return syntax("the manifest is of another version", why);
        }
        Ok(found)
    }

    /// Refuses a file whose bytes are not those that were written; a file that is not listed is taken as it is.
    ///
    /// # Errors
    /// Length or checksum differ.
    pub fn check(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let (Some(expected), found) = (self.files.get(name), FileRecord::of(bytes)) else { return Ok(()) };
        if *expected == found {
            return Ok(());
        }
        let why = if expected.bytes == found.bytes {
            format!("its checksum is {}, and {NAME} says {}", found.checksum, expected.checksum)
        } else {
            format!("it has {} bytes, and {NAME} says {}", found.bytes, expected.bytes)
        };
        Err(Diagnostic::new("folder-damaged", "the file is not what was written")
            .because(why)
            .help(format!("compile the folder again, or take `{name}` out of the files in {NAME}"))
            .in_file(folder.join(name).display().to_string()))
    }

    /// Names of the files of a folder that are not there as they were written: changed, or somebody else's. What Verilator
    /// builds is nobody's work.
    pub fn changed(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(folder, "", &mut found);
        found.sort();
        found
    }

    fn collect(&self, folder: &Path, prefix: &str, found: &mut Vec<String>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let (path, kind) = (entry.path(), entry.file_type());
            if kind.is_ok_and(|k| k.is_dir()) {
                if entry.file_name() == BUILD {
                    continue;
                }
                self.collect(&path, &format!("{name}/"), found);
            } else if name != NAME && !self.holds(&name, &path) {
                found.push(name);
            }
        }
    }

    fn holds(&self, name: &str, path: &Path) -> bool {
        let Some(expected) = self.files.get(name) else { return false };
        std::fs::read(path).is_ok_and(|bytes| FileRecord::of(&bytes) == *expected)
    }
}

/// FNV-1a, 64 bits, of parts in order: a number of bytes, and what they are unless zero.
pub fn checksum_of<'a>(parts: impl Iterator<Item = (u64, Option<&'a [u8]>)>) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    parts.fold(0xcbf2_9ce4_8422_2325, |sum, (length, bytes)| match bytes {
        Some(bytes) => bytes.iter().fold(sum, |h, b| (h ^ u64::from(*b)).wrapping_mul(PRIME)),
        // A zero multiplies alone; a part is shorter than 2^32.
        None => sum.wrapping_mul(PRIME.wrapping_pow(length as u32)),
    })
}
