//! Writes `ir/src/num/tables.rs`, or with `--check` proves that the file is fresh and that every table function keeps
//! the worst error that `ir::num::error` states, measured against MPFR over the whole input range.

mod bounds;
mod exact;
mod text;

/// The functions under test, from their only home. Not by way of the crate `ir`, whose dependencies would have to be built
/// and kept in the lock file of this one.
#[path = "../../../ir/src/num/mod.rs"]
#[allow(dead_code, unused_imports)]
mod num;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ir/src/num/tables.rs");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => write(&path),
        ["--check"] => check(&path),
        other => Err(format!("usage: tilewright-tables [--check], got {other:?}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn write(path: &Path) -> Result<(), String> {
    std::fs::write(path, text::tables()?).map_err(|e| format!("{}: {e}", path.display()))
}

fn check(path: &Path) -> Result<(), String> {
    let found = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    if found != text::tables()? {
        return Err(format!("{} is not what this crate writes; run it without --check", path.display()));
    }
    bounds::check()
}
