//! The programs that are called: where they are, their versions, and what to say when one is missing.

use ir::diag::Diagnostic;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program that some verb calls.
pub struct Tool {
    pub command: &'static str,
    /// Argument that makes it print its version.
    version: &'static str,
    /// Debian package that holds it.
    pub package: &'static str,
    pub needed_for: &'static str,
}

/// All of them.
pub const TOOLS: &[Tool] = &[
    Tool {
        command: "verilator",
        version: "--version",
        package: "verilator",
        needed_for: "cosim: building the RTL as a library",
    },
    Tool {
        command: "g++",
        version: "--version",
        package: "g++",
        needed_for: "cosim: compiling that library",
    },
    Tool {
        command: "make",
        version: "--version",
        package: "make",
        needed_for: "building tilewright itself: its exact numbers are GMP",
    },
    Tool {
        command: "m4",
        version: "--version",
        package: "m4",
        needed_for: "building tilewright itself: as make",
    },
    Tool {
        command: "iverilog",
        version: "-V",
        package: "iverilog",
        needed_for: "the tests: parsing the RTL a second time",
    },
    Tool { command: "yosys", version: "-V", package: "yosys", needed_for: "synth: synthesising the RTL" },
];

/// A tool that is installed.
pub struct Found {
    pub path: PathBuf,
    /// First line of what it says of itself.
    pub version: String,
}

/// Looks a tool up in PATH and asks for its version.
pub fn find(tool: &Tool) -> Option<Found> {
    let path = std::env::var_os("PATH")?;
    let path = std::env::split_paths(&path).map(|dir| dir.join(tool.command)).find(|p| p.is_file())?;
    let output =
        Command::new(&path).arg(tool.version).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("version unknown").trim().to_string();
    Some(Found { path, version })
}

/// Refuses to go on unless the named tools are installed.
///
/// # Errors
/// The first one that is missing, with its package.
pub fn require(commands: &[&str]) -> Result<(), Diagnostic> {
    for tool in TOOLS.iter().filter(|t| commands.contains(&t.command)) {
        if find(tool).is_none() {
            return Err(Diagnostic::new("tool-missing", format!("`{}` is not installed", tool.command))
                .because(format!("it is needed for {}; it is not in PATH", tool.needed_for))
                .help(format!(
                    "apt-get update && apt-get install {}; `tilewright doctor` lists all tools",
                    tool.package
                )));
        }
    }
    Ok(())
}
