//! Laws of the repository, as tests: what may import what, sizes, heads, no panics in libraries, links that lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below the root that is not built, with its path relative to the root.
fn files() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut open = vec![root().to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if ["target", ".git", "out"].contains(&name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
                continue;
            }
            found.push((path.strip_prefix(root()).unwrap().to_str().unwrap().to_string(), path));
        }
    }
    found.sort();
    assert!(found.len() > 50, "only {} files under {}", found.len(), root().display());
    found
}

fn texts(ending: &str) -> Vec<(String, String)> {
    let of_kind = files().into_iter().filter(|(name, _)| name.ends_with(ending));
    of_kind.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

/// Rust sources of libraries and of the command line, without tests, examples and tools.
fn sources() -> Vec<(String, String)> {
    let library = |name: &str| {
        name.starts_with("src/") || ROOMS.iter().any(|r| name.starts_with(&format!("{}/src/", r.0)))
    };
    let all: Vec<_> = texts(".rs").into_iter().filter(|(name, _)| library(name)).collect();
    let test_only = test_modules(&all);
    let tests = |n: &str| {
        n.ends_with("tests.rs")
            || test_only.iter().any(|m| n == format!("{m}.rs") || n.starts_with(&format!("{m}/")))
    };
    all.into_iter().filter(|(name, _)| !tests(name)).collect()
}

fn no_complaints(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Each room and what it may import.
const ROOMS: &[(&str, &[&str])] = &[
    ("ir", &[]),
    ("hw", &["ir"]),
    ("isa", &["ir", "hw"]),
    ("sim", &["ir", "hw", "isa"]),
    ("codegen", &["ir", "hw", "isa"]),
];

#[test]
fn imports_go_one_way() {
    let mut complaints = Vec::new();
    for (room, allowed) in ROOMS {
        let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        for (other, _) in ROOMS {
            let imported = manifest.lines().any(|l| l.split(['.', ' ', '=']).next() == Some(*other));
            if imported && !allowed.contains(other) {
                complaints.push(format!("{room}/Cargo.toml imports {other}; it may import {allowed:?}"));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn libraries_leave_files_processes_and_environment_to_the_command_line() {
    let mut complaints = Vec::new();
    for (name, text) in sources().iter().filter(|(n, _)| !n.starts_with("src/")) {
        for (number, line) in untested(text) {
            for word in ["std::fs", "std::process", "std::env", "std::time", "println!(", "eprintln!("] {
                if line.contains(word) {
                    complaints.push(format!("{name}:{number}: `{word}` belongs into src/"));
                }
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn files_are_short() {
    let mut complaints = Vec::new();
    for (ending, most) in [(".rs", 600), (".sv", 600), (".md", 600)] {
        for (name, text) in texts(ending) {
            let lines = text.lines().count();
            // Data and generated pages are not read from end to end.
            let data = text.contains("@generated") || text.contains("Generated from");
            if lines > most && !data {
                complaints.push(format!("{name}: {lines} lines, at most {most}"));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn every_source_file_begins_with_what_it_is() {
    let missing = sources().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    no_complaints(missing.map(|(name, _)| format!("{name}: no module head (`//!`)")).collect());
}

/// Numbered lines of a source outside of its tests and comments.
fn untested(text: &str) -> Vec<(usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().enumerate().map(|(i, l)| (i + 1, l));
    lines.filter(|(_, l)| !l.trim_start().starts_with("//")).collect()
}

/// Files of modules that only exist in tests: `#[cfg(test)]` before `mod name;`.
fn test_modules(sources: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, text) in sources {
        let dir = match name.rsplit_once('/') {
            Some((dir, "lib.rs" | "mod.rs" | "main.rs")) => dir.to_string(),
            _ => name.trim_end_matches(".rs").to_string(),
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|p| p[0] == "#[cfg(test)]") {
            if let Some(module) = pair[1].strip_suffix(';').and_then(|l| l.rsplit(' ').next()) {
                found.insert(format!("{dir}/{module}"));
            }
        }
    }
    found
}

#[test]
fn libraries_do_not_panic_on_purpose() {
    let mut complaints = Vec::new();
    for (name, text) in &sources() {
        for (number, line) in untested(text) {
            for word in [".unwrap()", ".expect(\"", "panic!(", "todo!(", "unimplemented!("] {
                if line.contains(word) {
                    complaints.push(format!("{name}:{number}: `{word}` outside of tests"));
                }
            }
        }
    }
    no_complaints(complaints);
}

/// What, why and what to do: in the statement that makes a diagnostic, or in the caller of a function that gives an unfinished one.
#[test]
fn diagnostics_give_a_reason_and_a_remedy() {
    let mut complaints = Vec::new();
    for (name, text) in &sources() {
        let text: Vec<&str> = untested(text).into_iter().map(|(_, line)| line).collect();
        let text = text.join("\n");
        for made in text.split("Diagnostic::new(").skip(1) {
            let end = made.find("\n}").unwrap_or(made.len());
            let finished = |part: &str| part.contains(".because(") && part.contains(".help(");
            if !finished(&made[..end]) {
                complaints
                    .push(format!("{name}: Diagnostic::new({}", made.lines().next().unwrap_or_default()));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn ignored_tests_say_why_and_how_to_run_them() {
    let mut complaints = Vec::new();
    for (name, text) in texts(".rs") {
        for (i, line) in text.lines().enumerate().filter(|(_, l)| l.trim_start().starts_with("#[ignore")) {
            if !(line.contains("= \"") && line.contains("cargo test")) {
                complaints
                    .push(format!("{name}:{}: an ignored test states its reason and its command", i + 1));
            }
        }
    }
    no_complaints(complaints);
}

/// The binaries that cargo finds: `tests/*.rs` and `tests/*/main.rs` of every package. Each one links everything again, so
/// a test is a module of one of these.
#[test]
fn integration_tests_are_these_binaries() {
    let is_binary = |name: &str| {
        let parts: Vec<&str> = name.split('/').collect();
        let from = usize::from(parts[0] != "tests");
        parts.get(from) == Some(&"tests")
            && match parts[from + 1..] {
                [file] => file.ends_with(".rs"),
                [_, file] => file == "main.rs",
                _ => false,
            }
    };
    let binaries: Vec<String> = files().into_iter().map(|f| f.0).filter(|n| is_binary(n)).collect();
    let expected = [
        "codegen/tests/datapath/main.rs",
        "sim/tests/random.rs",
        "tests/cli.rs",
        "tests/identity/main.rs",
        "tests/laws.rs",
        "tests/network/main.rs",
    ];
    assert_eq!(binaries, expected);
}

/// A snapshot is named after its test, or has a name of its own that stands in the source: that of a file with `_` for the
/// dot, for which the source may leave the ending to be added.
#[test]
fn snapshots_have_their_tests() {
    let mut complaints = Vec::new();
    for (name, text) in texts(".snap") {
        let source = text.lines().find_map(|l| l.strip_prefix("source: ")).unwrap_or_default();
        let Ok(code) = fs::read_to_string(root().join(source)) else {
            complaints.push(format!("{name}: its source `{source}` is gone"));
            continue;
        };
        let own = name.trim_end_matches(".snap").rsplit("__").next().unwrap();
        let (stem, ending) = own.rsplit_once('_').unwrap_or((own, ""));
        let names = [
            format!("fn {own}("),
            format!("\"{own}\""),
            format!("\"{stem}.{ending}\""),
            format!("\"{stem}\""),
        ];
        if !names.iter().any(|n| code.contains(n)) {
            complaints.push(format!("{name}: {source} has no test `{own}`"));
        }
    }
    no_complaints(complaints);
}

/// The Rust version that the workspace states.
fn rust_version() -> String {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let line = manifest.lines().find_map(|l| l.strip_prefix("rust-version = ")).unwrap();
    line.trim_matches('"').to_string()
}

#[test]
fn the_readme_names_the_rust_version() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("Rust {} or newer", rust_version())));
}

/// With the least Rust of all packages in the lock file; dependencies of other systems count only if they are here.
#[test]
fn the_rust_version_is_enough_for_every_dependency() {
    let version = |text: &str| text.split('.').map(|n| n.parse().unwrap()).collect::<Vec<u32>>();
    let stated = version(&rust_version());
    for manifest in ["Cargo.toml", "tools/tables/Cargo.toml"] {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo
            .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
            .arg(root().join(manifest));
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        assert!(packages.len() > 1, "{manifest}");
        for package in packages {
            let needed = package["rust_version"].as_str().map(version).unwrap_or_default();
            assert!(needed <= stated, "{manifest}: {} needs Rust {needed:?}", package["name"]);
        }
    }
}

/// The script runs first with a cargo that is too old, as Debian's is.
#[test]
fn setup_refuses_an_old_cargo() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("old-cargo-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let cargo = dir.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho 'cargo 1.65.0'\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let output = std::process::Command::new(root().join("scripts/setup")).env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let _ = fs::remove_dir_all(&dir);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Rust 1.65.0") && said.contains(&rust_version()), "{said}");
}

#[test]
fn links_lead_somewhere() {
    let mut complaints = Vec::new();
    for (name, text) in texts(".md") {
        let dir = root().join(&name).parent().unwrap().to_path_buf();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") && !dir.join(target).exists() {
                complaints.push(format!("{name}: `{target}` does not exist"));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn the_repository_speaks_of_the_project_alone() {
    // In two parts, so that this file does not hold them.
    let words = [
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("TO", "DO"),
        ("FIX", "ME"),
        ("chat", "bot"),
        ("language model assis", "tant"),
    ];
    let mut complaints = Vec::new();
    for (name, path) in files() {
        let Ok(text) = fs::read_to_string(path) else { continue };
        for word in words.map(|(a, b)| format!("{a}{b}")) {
            if let Some(i) = text.lines().position(|l| l.contains(&word)) {
                complaints.push(format!("{name}:{}: `{word}`", i + 1));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn architecture_fits_three_pages() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 180, "{} lines; a page holds sixty", text.lines().count());
}
