//! Where the things come from that a user names: machines, programs, files.

use bytes::Bytes;
use hw::machine::MemoryModel;
use hw::{Machine, MachineError};
use ir::diag::Diagnostic;
use ir::quant::Scheme;
use isa::Program;
use std::io::Read;
use std::path::Path;

/// Longest text, and longest input of unknown length, that is read at all: far more than any machine file, listing or graph
/// needs.
const MOST_TEXT_BYTES: u64 = 1 << 30;

/// A machine and the file it came from.
pub struct MachineFile {
    pub machine: Machine,
    pub text: String,
}

impl MachineFile {
    /// Draws the times of memory from another seed, if any are drawn.
    ///
    /// # Errors
    /// Never for a machine that was parsed.
    pub fn seed(&mut self, seed: u32) -> Result<(), Diagnostic> {
        if let MemoryModel::Random { seed: drawn, .. } = &mut self.machine.memory.model {
            *drawn = seed.into();
            self.text = self.machine.to_toml().map_err(machine_error)?;
        }
        Ok(())
    }
}

/// The machine of a built-in name or of a file.
///
/// # Errors
/// Neither a name nor a readable file, or a file that describes no machine.
pub fn machine(name: &str) -> Result<MachineFile, Diagnostic> {
    let text = match hw::presets::text(name) {
        Some(text) => text.to_string(),
        None if Path::new(name).exists() => read_text(Path::new(name))?,
        None => return Err(unknown_machine(name)),
    };
    let machine = Machine::parse(&text, name).map_err(machine_error)?;
    Ok(MachineFile { machine, text })
}

/// The scheme of a built-in name or of a file.
///
/// # Errors
/// Neither a name nor a readable file, or a file that describes no scheme.
pub fn scheme(name: &str) -> Result<Scheme, Diagnostic> {
    let path = Path::new(name);
    if ir::quant::scheme::text(name).is_none() && path.exists() {
        return Scheme::parse(&read_text(path)?).map_err(|e| e.in_file(name));
    }
    Scheme::named(name)
}

fn unknown_machine(name: &str) -> Diagnostic {
    let known: Vec<&str> = hw::presets::all().map(|(n, _)| *n).collect();
    Diagnostic::new("machine-unknown", format!("there is no machine `{name}`"))
        .because("it is neither a built-in name nor a file")
        .help(format!("built in are {}; or give the path of a machine file", known.join(", ")))
}

/// The diagnostic of a machine file's error. Its place is file, line and column already.
fn machine_error(e: MachineError) -> Diagnostic {
    Diagnostic::new("machine-file", "the machine file cannot be used")
        .because(e.why)
        .help(e.help)
        .in_file(e.at)
}

/// A program from its binary form.
///
/// # Errors
/// Unreadable, or no program.
pub fn program(path: &Path) -> Result<Program, Diagnostic> {
    isa::binary::read(&read_bytes(path)?).map_err(|e| e.in_file(path.display().to_string()))
}

/// A file's bytes.
///
/// # Errors
/// It cannot be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, &e))?;
    let length = file.metadata().map_err(|e| unreadable(path, &e))?;
    // A pipe does not say how long it is, and a device may never end.
    let most = if length.is_file() { length.len() } else { MOST_TEXT_BYTES };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| unreadable(path, &e))?;
    if bytes.len() as u64 > most {
        return Err(too_long(path, format!("it does not end within {most} bytes")));
    }
    Ok(bytes)
}

/// A file's bytes, read from the disk when they are used.
///
/// # Errors
/// It cannot be read.
pub fn map(path: &Path) -> Result<Bytes, Diagnostic> {
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, &e))?;
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return read_bytes(path).map(Bytes::from);
    }
    // SAFETY: the map is private and read-only. Whoever shortens the file while it is read ends this process, as with
    // every program that maps its input.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| unreadable(path, &e))?;
    Ok(Bytes::from_owner(map))
}

/// A file's text.
///
/// # Errors
/// It cannot be read, is absurdly long, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Diagnostic> {
    let length = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?.len();
    if length > MOST_TEXT_BYTES {
        return Err(too_long(
            path,
            format!("it has {length} bytes; at most {MOST_TEXT_BYTES} of text are read"),
        ));
    }
    String::from_utf8(read_bytes(path)?).map_err(|e| {
        let offset = e.utf8_error().valid_up_to();
        Diagnostic::new("file-text", "the file is not text")
            .because("it is not UTF-8 from this byte on")
            .help("give a text file; binary programs go to `tilewright disasm`")
            .at(ir::diag::Spot::Byte(offset as u64))
            .in_file(path.display().to_string())
    })
}

fn too_long(path: &Path, why: String) -> Diagnostic {
    Diagnostic::new("file-size", "the file is too long")
        .because(why)
        .help("check that this is the file you meant")
        .in_file(path.display().to_string())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new("file-unreadable", "the file cannot be read")
        .because(reason(error))
        .help("check its name and its permissions")
        .in_file(path.display().to_string())
}

/// The reason without the number that the operating system gives it.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
