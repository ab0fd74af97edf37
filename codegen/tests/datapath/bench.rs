//! Builds and runs a test bench.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A built test bench: a directory with the simulator.
pub struct Bench {
    dir: PathBuf,
    exe: PathBuf,
}

/// What a run printed.
#[derive(Default)]
pub struct Events {
    pub start: Vec<u64>,
    pub free: Vec<u64>,
    pub done: Vec<u64>,
}

fn tool(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&out.stderr));
    text
}

impl Bench {
    /// Builds `tb_<unit>` with these parameters, unless the same sources were built before.
    pub fn build(unit: &str, machine: &hw::Machine, parameters: &[(&str, u32)]) -> Bench {
        let top = format!("tb_{unit}");
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/datapath");
        let source = |name: String| (std::fs::read_to_string(here.join(&name)).unwrap(), name);
        let benches = ["tb_player.sv".to_string(), format!("{top}.sv")].map(source);
        let mut files: Vec<_> = benches.into_iter().map(|(text, name)| (name, text)).collect();
        // Of the design only what stands below the units: compile order puts it first.
        let emitted = codegen::rtl::emit(machine).unwrap().into_iter().map(|f| (f.name, f.text));
        files.extend(emitted.take_while(|(name, _)| name != "tw_datapath.sv"));
        let version = tool(Command::new("verilator").arg("--version"));
        let mut hash = DefaultHasher::new();
        (&files, parameters, version).hash(&mut hash);
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{top}-{:016x}", hash.finish()));
        let exe = dir.join("obj").join(format!("V{top}"));
        if !exe.exists() {
            let building = dir.with_extension(format!("{}", std::process::id()));
            std::fs::create_dir_all(&building).unwrap();
            let mut verilator = Command::new("verilator");
            // The bench is no product: it may be terse about widths.
            verilator
                .args(["--binary", "--timing", "-O3", "-CFLAGS", "-O1", "-Wno-WIDTH", "-Wno-BLKSEQ"])
                .args(["--x-assign", "unique", "--x-initial", "unique", "--Mdir", "obj", "--top-module"])
                .arg(&top)
                .current_dir(&building);
            for (name, value) in parameters {
                verilator.arg(format!("-G{name}={value}"));
            }
            for (name, text) in &files {
                std::fs::write(building.join(name), text).unwrap();
                verilator.arg(name);
            }
            tool(&mut verilator);
            // Another process may have been faster: then its result stays.
            if std::fs::rename(&building, &dir).is_err() {
                let _ = std::fs::remove_dir_all(&building);
            }
        }
        Bench { dir, exe }
    }

    /// Runs it on memory images; returns events and the named memories after the run.
    pub fn run(
        &self,
        seed: u64,
        count: usize,
        images: &[(&str, String)],
        results: &[&str],
    ) -> (Events, Vec<Vec<u8>>) {
        let dir = self.dir.join(format!("run-{seed}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in images {
            std::fs::write(dir.join(format!("{name}.hex")), text).unwrap();
        }
        let mut run = Command::new(&self.exe);
        run.current_dir(&dir).arg(format!("+count={count}"));
        run.args(["+verilator+rand+reset+2", &format!("+verilator+seed+{}", seed + 1)]);
        let text = tool(&mut run);
        let mut events = Events::default();
        for line in text.lines() {
            let Some((what, cycle)) = line.split_once(' ').and_then(|(w, c)| Some((w, c.parse().ok()?)))
            else {
                assert!(line.starts_with('-'), "unexpected output: {line}");
                continue;
            };
            match what {
                "start" => events.start.push(cycle),
                "free" => events.free.push(cycle),
                "done" => events.done.push(cycle),
                _ => panic!("unexpected output: {line}"),
            }
        }
        let memories = results.iter().map(|name| {
            let text = std::fs::read_to_string(dir.join(format!("{name}.hex"))).unwrap();
            bytes_of(&text)
        });
        let memories = memories.collect();
        let _ = std::fs::remove_dir_all(&dir);
        (events, memories)
    }
}

/// `$readmemh` text of little-endian rows of `width` bytes.
pub fn hex_rows(bytes: &[u8], width: usize) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + bytes.len() / width);
    for row in bytes.chunks(width) {
        for byte in row.iter().rev() {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

/// Little-endian bytes of `$writememh` text.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for word in text.split_whitespace().filter(|w| !w.starts_with('/') && !w.starts_with('@')) {
        let pairs = word.as_bytes().rchunks(2);
        bytes.extend(pairs.map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()));
    }
    bytes
}

/// A 256-bit word of fields, the first in the lowest bits, as `$readmemh` text; `top` goes to bits 255:248.
pub fn hex_word(fields: &[(u64, u32)], top: u8) -> String {
    let mut bytes = [0u8; 32];
    let mut at = 0;
    for &(value, width) in fields {
        for bit in 0..width {
            bytes[(at / 8) as usize] |= ((value >> bit & 1) as u8) << (at % 8);
            at += 1;
        }
    }
    assert!(at <= 248);
    bytes[31] = top;
    hex_rows(&bytes, 32)
}
