//! Writes the hardware of a machine: SystemVerilog, file list, C header, manual of its registers, testbench.

use crate::output::Folder;
use codegen::rtl::{RtlFile, companions, emit, testbench};
use hw::Machine;
use ir::diag::Diagnostic;

/// The files of a machine's hardware.
///
/// # Errors
/// A template does not render, which is an error of this program.
pub fn files(machine: &Machine) -> Result<Vec<RtlFile>, Diagnostic> {
    let mut files = design(machine)?;
    files.extend(companions(machine));
    files.extend(testbench(machine).map_err(|e| unwritten(&e.to_string()))?);
    Ok(files)
}

/// The design alone.
///
/// # Errors
/// As [`files`].
pub fn design(machine: &Machine) -> Result<Vec<RtlFile>, Diagnostic> {
    emit(machine).map_err(|e| unwritten(&e.to_string()))
}

fn unwritten(why: &str) -> Diagnostic {
    Diagnostic::new("rtl-template", "the hardware of this machine cannot be written")
        .because(why)
        .help("this is an error of tilewright; please report it with the machine file")
}

/// Writes them into a folder, under names with this prefix.
///
/// # Errors
/// As [`files`], or the operating system refuses.
pub fn write(machine: &Machine, folder: &mut Folder, prefix: &str) -> Result<usize, Diagnostic> {
    let files = files(machine)?;
    files.iter().try_for_each(|f| folder.add(&format!("{prefix}{}", f.name), &f.text))?;
    Ok(files.len())
}
