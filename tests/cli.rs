//! The command line end to end: verbs, exit codes, JSON keys, diagnostics, and that nothing is left half-written.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "cli/ablation.rs"]
mod ablation;
#[path = "cli/accelerators.rs"]
mod accelerators;
#[path = "cli/diagnostics.rs"]
mod diagnostics;
#[path = "cli/examples.rs"]
mod examples;
#[path = "cli/insight.rs"]
mod insight;
#[path = "cli/streaming.rs"]
mod streaming;
#[path = "cli/streams.rs"]
mod streams;
#[path = "cli/verbs.rs"]
mod verbs;
#[path = "cli/waves.rs"]
mod waves;
#[path = "cli/workload.rs"]
mod workload;

/// An empty folder in which a test runs the program; removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("tilewright-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tilewright"));
        command.args(args).current_dir(&self.0);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a run that succeeds.
    fn good(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one JSON object that a run prints.
    fn json(&self, args: &[&str]) -> Value {
        let text = self.good(&[args, &["--json"]].concat());
        assert_eq!(text.lines().count(), 1, "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema_version"], 1);
        value
    }

    /// What a run says that fails on its input.
    fn bad(&self, args: &[&str]) -> String {
        let before = self.names();
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?} printed a report");
        assert_eq!(self.names(), before, "{args:?} left something behind");
        String::from_utf8(output.stderr).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.0, &mut names);
        names.sort();
        names
    }
}

fn collect(dir: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.to_string_lossy().into_owned());
        if path.is_dir() {
            collect(&path, names);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
