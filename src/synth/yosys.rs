//! Calls of Yosys: a design elaborated, modules synthesised.

use super::netlist::Part;
use codegen::resources::Cells;
use codegen::rtl::{RtlFile, TWINS};
use ir::diag::Diagnostic;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What UltraScale+ has, as black boxes.
const PRIMITIVES: &str = "read_verilog -lib +/xilinx/cells_sim.v; read_verilog -lib +/xilinx/cells_xtra.v";
/// Ports stay ports of a module: no buffers of pads, none of the clock.
const SYNTHESIS: &str =
    "synth_xilinx -family xcup -noiopad -noclkbuf -run prepare:check; tee -q -o cells.txt stat";

/// A folder for files of a call; it vanishes with this.
pub struct Scratch<'a>(&'a Path);

impl<'a> Scratch<'a> {
    /// Makes it.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn make(folder: &'a Path) -> Result<Scratch<'a>, Diagnostic> {
        fs::create_dir_all(folder).map_err(|e| unusable(folder, &e))?;
        Ok(Scratch(folder))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Diagnostic> {
        fs::write(self.0.join(name), text).map_err(|e| unusable(self.0, &e))
    }

    fn read(&self, name: &str) -> Result<String, Diagnostic> {
        fs::read_to_string(self.0.join(name)).map_err(|e| unusable(self.0, &e))
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0);
    }
}

/// The design of these files below `top`, elaborated, as RTLIL; twins of primitives are left out.
///
/// # Errors
/// Yosys refuses the design.
pub fn elaborate(files: &[RtlFile], top: &str, work: &Path) -> Result<String, Diagnostic> {
    let scratch = Scratch::make(work)?;
    let read: Vec<&RtlFile> =
        files.iter().filter(|f| !TWINS.contains(&f.name.trim_end_matches(".sv"))).collect();
    read.iter().try_for_each(|f| scratch.write(&f.name, &f.text))?;
    let names: Vec<&str> = read.iter().map(|f| f.name.as_str()).collect();
    call(
        &scratch,
        &format!(
            "{PRIMITIVES}; read_verilog -sv {}; hierarchy -check -top {top}; proc; opt_clean; write_rtlil design.il",
            names.join(" ")
        ),
    )?;
    scratch.read("design.il")
}

/// Cells of modules after synthesis, without those of their instances, in the order of `parts`. Modules stay apart: what is not among
/// them is a black box.
///
/// # Errors
/// Yosys refuses a module.
pub fn synthesise(parts: &[&Part], work: &Path) -> Result<Vec<Cells>, Diagnostic> {
    let scratch = Scratch::make(work)?;
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    let boxes = parts.iter().flat_map(|p| &p.boxes);
    texts.extend(boxes.map(|(name, text)| (name.as_str(), text.as_str())));
    texts.extend(parts.iter().map(|p| (p.name.as_str(), p.text.as_str())));
    scratch.write("modules.il", &texts.into_values().collect::<String>())?;
    call(&scratch, &format!("read_rtlil modules.il; {PRIMITIVES}; {SYNTHESIS}"))?;
    let report = scratch.read("cells.txt")?;
    parts.iter().map(|part| cells(&report, &part.name).ok_or_else(|| strange(&report))).collect()
}

fn strange(report: &str) -> Diagnostic {
    Diagnostic::new("synth-report", "the report of Yosys is not understood")
        .because(format!("it names a cell that is not counted, or lacks a module:\n{report}"))
        .help("`tilewright doctor` shows the version that is installed; 0.23 is known to work")
}

/// Everything that changes what a module becomes: its text, the commands, the version of Yosys.
pub fn key(rtlil: &str, version: &str) -> u64 {
    let bytes = [rtlil, PRIMITIVES, SYNTHESIS, version].into_iter().flat_map(|t| t.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn call(scratch: &Scratch, commands: &str) -> Result<(), Diagnostic> {
    let output = Command::new("yosys").current_dir(scratch.0).args(["-q", "-p", commands]).output();
    let output = output.map_err(|e| unusable(scratch.0, &e))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.lines().rev().find(|l| l.contains("ERROR")).unwrap_or("it says nothing");
    Err(Diagnostic::new("synth-failed", "Yosys does not synthesise the hardware")
        .because(error.to_string())
        .help("this is an error of tilewright, or Yosys is not 0.23 or newer; please report it with the machine file"))
}

/// The cells of a module in a report; nothing if it is not there, or one of its cells has no place in the count.
fn cells(report: &str, module: &str) -> Option<Cells> {
    let name = module.strip_prefix('\\').unwrap_or(module);
    let (_, section) = report.split_once(&format!("\n=== {name} ===\n"))?;
    let section = section.split("\n===").next()?.split_once("Number of cells:")?.1;
    let mut cells = Cells::default();
    for line in section.lines().skip(1) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(count)) = (words.next(), words.next().and_then(|n| n.parse::<u64>().ok()))
        else {
            continue;
        };
        cells += count * primitive(name)?;
    }
    Some(cells)
}

/// What a primitive counts as. A LUT that is memory or a shift register is a LUT; inverters go into the pins that they feed; carry
/// chains and wide multiplexers lie beside their LUTs.
fn primitive(name: &str) -> Option<Cells> {
    let lut = |lut| Cells { lut, ..Cells::default() };
    Some(match name {
        "LUT1" | "LUT2" | "LUT3" | "LUT4" | "LUT5" | "LUT6" | "SRL16E" | "SRLC32E" => lut(1),
        "RAM32X1D" | "RAM64X1D" => lut(2),
        "RAM32M" | "RAM64M" | "RAM128X1D" => lut(4),
        "RAM32M16" | "RAM64M8" | "RAM256X1D" => lut(8),
        "FDRE" | "FDSE" | "FDCE" | "FDPE" => Cells { ff: 1, ..Cells::default() },
        "DSP48E2" => Cells { dsp: 1, ..Cells::default() },
        "RAMB18E2" => Cells { bram18: 1, ..Cells::default() },
        "RAMB36E2" => Cells { bram18: 2, ..Cells::default() },
        "URAM288" => Cells { uram: 1, ..Cells::default() },
        "INV" | "CARRY4" | "CARRY8" | "MUXF7" | "MUXF8" | "MUXF9" | "GND" | "VCC" => Cells::default(),
        name if name.contains("tw_") => Cells::default(),
        _ => return None,
    })
}

fn unusable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new("synth-files", "the files of a synthesis cannot be written")
        .because(error.to_string())
        .help("free space, or name a folder that you may write with `--cache`")
        .in_file(path.display().to_string())
}
