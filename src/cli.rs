//! Arguments, exit codes, and how failures are told.
//!
//! Exit codes: 0 success; 1 the user's input, a comparison or an installed tool failed; 2 wrong usage. Reports go to standard output, diagnostics and progress to standard error. With `--json` standard output
//! holds exactly one JSON object, of the error if there is one.

use crate::place::reason;
use crate::verbs;
use clap::{Parser, Subcommand};
use ir::diag::Diagnostic;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::process::ExitCode;

/// Version of every JSON object that a verb prints; raised when a key changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// Co-design simulator and RTL generator for low-bit neural-network accelerators.
#[derive(Parser)]
#[command(name = "tilewright", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(verbs::run::Args),
    Compile(verbs::compile::Args),
    Sim(verbs::sim::Args),
    Eval(verbs::eval::Args),
    Rtl(verbs::rtl::Args),
    Synth(verbs::synth::Args),
    Cosim(verbs::cosim::Args),
    Import(verbs::import::Args),
    Asm(verbs::asm::Args),
    Disasm(verbs::disasm::Args),
    Golden(verbs::golden::Args),
    Diff(verbs::diff::Args),
    Machines(verbs::machines::Args),
    Schemes(verbs::schemes::Args),
    Models(verbs::models::Args),
    Doctor(verbs::doctor::Args),
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// What a verb gives back.
pub struct Report {
    /// For people; printed unless `--json` is given. Ends in a newline if not empty.
    pub text: String,
    /// For programs; printed with `--json`.
    pub json: Value,
    /// Whether the comparison or check that was asked for holds.
    pub passed: bool,
}

impl Report {
    /// A report of something that succeeded. `schema_version` is added to the object.
    pub fn new(text: impl Into<String>, json: Value) -> Report {
        Report { text: text.into(), json: versioned(json), passed: true }
    }

    /// The same, of a check that failed.
    pub fn failed(self) -> Report {
        Report { passed: false, ..self }
    }
}

/// The result of a verb.
pub type Outcome = Result<Report, Diagnostic>;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let (json, outcome) = match cli.verb {
        Verb::Run(a) => (a.json, verbs::run::run(&a)),
        Verb::Compile(a) => (a.json, verbs::compile::run(&a)),
        Verb::Eval(a) => (a.json, verbs::eval::run(&a)),
        Verb::Sim(a) => (a.json, verbs::sim::run(&a)),
        Verb::Rtl(a) => (a.json, verbs::rtl::run(&a)),
        Verb::Synth(a) => (a.json, verbs::synth::run(&a)),
        Verb::Cosim(a) => (a.json, verbs::cosim::run(&a)),
        Verb::Import(a) => (a.json, verbs::import::run(&a)),
        Verb::Asm(a) => (a.json, verbs::asm::run(&a)),
        Verb::Disasm(a) => (a.json, verbs::disasm::run(&a)),
        Verb::Golden(a) => (a.json, verbs::golden::run(&a)),
        Verb::Diff(a) => (a.json, verbs::diff::run(&a)),
        Verb::Schemes(a) => (a.json, verbs::schemes::run(&a)),
        Verb::Models(a) => (a.json, verbs::models::run(&a)),
        Verb::Machines(a) => (a.json, verbs::machines::run(&a)),
        Verb::Doctor(a) => (a.json, verbs::doctor::run(&a)),
        Verb::Other(words) => return unknown(&words),
    };
    match outcome {
        Ok(report) => match print(&if json { line(&report.json) } else { report.text }) {
            Ok(()) => ExitCode::from(u8::from(!report.passed)),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(1)
            }
        },
        Err(error) => {
            if json {
                let _ = print(&line(&versioned(json!({ "error": error_json(&error) }))));
            }
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

fn unknown(words: &[OsString]) -> ExitCode {
    let verb = words.first().map(|w| w.to_string_lossy().into_owned()).unwrap_or_default();
    let error = Diagnostic::new("verb-unknown", format!("there is no verb `{verb}`"))
        .because("a verb comes first, then what it works on")
        .help("`tilewright --help` lists the verbs");
    eprintln!("{error}");
    ExitCode::from(2)
}

fn versioned(mut json: Value) -> Value {
    if let Value::Object(map) = &mut json {
        map.insert("schema_version".into(), SCHEMA_VERSION.into());
    }
    json
}

fn error_json(error: &Diagnostic) -> Value {
    let at = error.place.to_string();
    json!({ "code": error.code, "what": error.what, "at": at, "why": error.why, "help": error.help })
}

fn line(json: &Value) -> String {
    format!("{json}\n")
}

/// Prints to standard output; a reader that has gone (`| head`) is no error of ours.
///
/// # Errors
/// What is printed does not arrive, as on a full disk.
pub fn print(text: &str) -> Result<(), Diagnostic> {
    use std::io::{ErrorKind, Write};
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Diagnostic::new("output-unwritable", "the report cannot be written to standard output")
                .because(reason(&e))
                .help("check where it leads, and that the disk is not full"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
