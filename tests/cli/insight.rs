//! What a run shows beyond its sums: traces, golden files, differences, lists of what is built in.

use crate::Scratch;
use serde_json::Value;
use std::collections::BTreeMap;
use tilewright::sim::functional::{Observer, State, run_on};
use tilewright::{hw, isa};

fn lines(text: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(text).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Slices of a track must not overlap, each arrow must begin and end within one, and the busy time is that of the report.
#[test]
fn traces_open_in_perfetto() {
    let s = Scratch::new("perfetto");
    let json = s.json(&["run", "--prefill", "20", "--decode", "2", "--out", "out", "--trace", "run.json"]);
    let trace: Value = serde_json::from_slice(&s.read("run.json")).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let cycle = |v: &Value| (v.as_f64().unwrap() * 1000.0).round() as u64;
    let mut names = BTreeMap::new();
    let mut slices: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    let mut busy: BTreeMap<u64, u64> = BTreeMap::new();
    for e in events {
        let track = e["tid"].as_u64().unwrap();
        match e["ph"].as_str().unwrap() {
            "M" if e["name"] == "thread_name" => {
                names.insert(track, e["args"]["name"].as_str().unwrap());
            }
            "X" => {
                let (from, length) = (cycle(&e["ts"]), cycle(&e["dur"]));
                slices.entry(track).or_default().push((from, from + length));
                if e["cat"] == "work" {
                    *busy.entry(track).or_default() +=
                        length - e["args"]["waits for memory"].as_u64().unwrap_or(0);
                }
            }
            _ => {}
        }
    }
    for (track, all) in &slices {
        let mut all = all.clone();
        all.sort_unstable();
        assert!(all.windows(2).all(|w| w[0].1 <= w[1].0), "track {track} overlaps");
        assert!(all.iter().all(|(from, to)| from < to && *to <= json["cycles"].as_u64().unwrap()));
    }
    for (track, name) in &names {
        if let Some(causes) = json["stalls"].get(*name) {
            let of = |name| causes.get(name).and_then(Value::as_u64).unwrap_or(0);
            assert_eq!(busy[track], of(if *name == "sequencer" { "dispatching" } else { "busy" }), "{name}");
        }
    }
    let arrows: Vec<_> = events.iter().filter(|e| e["cat"] == "semaphore").collect();
    let inside =
        |e: &Value| slices[&e["tid"].as_u64().unwrap()].iter().any(|s| (s.0..s.1).contains(&cycle(&e["ts"])));
    assert!(arrows.len() > 100 && arrows.iter().all(|e| inside(e)));
    for pair in arrows.chunks(2) {
        assert_eq!(
            (&pair[0]["ph"], &pair[1]["ph"], &pair[0]["id"]),
            (&"s".into(), &"f".into(), &pair[1]["id"])
        );
        assert!(cycle(&pair[0]["ts"]) < cycle(&pair[1]["ts"]));
    }
    assert!(events.iter().any(|e| e["name"] == "softmax"
        && e["args"]["nodes"] == serde_json::json!(["/m/model/layers.*/self_attn/Softmax"])));
    s.good(&["sim", "out", "--trace", "sim.json"]);
    assert!(serde_json::from_slice::<Value>(&s.read("sim.json")).unwrap()["traceEvents"].is_array());
    assert!(s.bad(&["run", "--trace", "no/such/folder.json"]).starts_with("error[file-unwritable]"));
}

/// A machine that obeys a golden file.
struct Replay {
    memories: BTreeMap<String, Vec<u8>>,
    lines: std::vec::IntoIter<Value>,
    steps: usize,
}

impl Replay {
    fn apply(&mut self, line: &Value) {
        for write in line["writes"].as_array().into_iter().flatten() {
            let (name, at, hex) =
                (write[0].as_str().unwrap(), write[1].as_u64().unwrap() as usize, write[2].as_str().unwrap());
            let bytes = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
            let bytes: Vec<u8> = bytes.collect();
            self.memories.get_mut(name).unwrap()[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

impl Observer for Replay {
    fn after(&mut self, step: &isa::walk::Step, slices: &[State]) {
        let state = &slices[0];
        let line = self.lines.next().unwrap();
        assert_eq!(
            (line["n"].as_u64(), line["word"].as_u64()),
            (Some(self.steps as u64), Some(step.word.into()))
        );
        self.apply(&line);
        self.steps += 1;
        let dram = state.dram.get(0, state.dram.size() as usize).unwrap();
        let named = [("dram", &dram), ("w", &state.w), ("g", &state.g), ("c", &state.c), ("a", &state.a)];
        for (name, memory) in named {
            assert!(&self.memories[name] == memory, "{name} after {line}");
        }
        for (k, bank) in state.v.iter().enumerate() {
            assert!(&self.memories[&format!("v{k}")] == bank, "bank {k} after {line}");
        }
        let slots = state.s.iter().flat_map(|s| {
            let [low, high] = s.mantissa.to_le_bytes();
            [low, high, s.exponent as u8]
        });
        assert!(slots.eq(self.memories["s"].iter().copied()), "token scales after {line}");
    }
}

#[test]
fn golden_files_hold_the_whole_state_after_every_instruction() {
    let s = Scratch::new("golden");
    s.good(&["compile", "--machine", "three", "--out", "out"]);
    let json = s.json(&["golden", "out", "--out", "g.jsonl", "--position", "7", "--tokens", "65"]);
    let mut all = lines(&s.read("g.jsonl"));
    let head = all.remove(0);
    assert_eq!((head["golden"].as_u64(), json["instructions"].as_u64()), (Some(1), Some(all.len() as u64)));
    let memories = head["memories"].as_object().unwrap();
    let mut memories: BTreeMap<String, Vec<u8>> =
        memories.iter().map(|(name, n)| (name.clone(), vec![0; n.as_u64().unwrap() as usize])).collect();
    let image = s.read("out/image.bin");
    memories.get_mut("dram").unwrap()[..image.len()].copy_from_slice(&image);
    let program = isa::binary::read(&s.read("out/program.bin")).unwrap();
    let args: Vec<u32> =
        head["arguments"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect();
    assert_eq!(args, program.arg_values(7, &[65]));
    // Registers: what the words set is what the next arguments say.
    let set: Vec<&Value> = all.iter().filter(|l| !l["registers"].as_object().unwrap().is_empty()).collect();
    assert!(!set.is_empty() && set.iter().all(|l| l["unit"] == "sequencer"));
    let mut state = State::new(&hw::presets::load("three").unwrap(), &image);
    let mut replay = Replay { memories, lines: all.into_iter(), steps: 0 };
    run_on(&mut state, &program, &args, &mut replay).unwrap();
    assert!(replay.steps > 300 && replay.lines.next().is_none());
}

#[test]
fn results_are_compared() {
    let s = Scratch::new("diff");
    s.good(&["run", "--prefill", "9", "--decode", "2", "--out", "a"]);
    let b = s.json(&["run", "--prefill", "9", "--decode", "2", "-m", "odd"]);
    s.write("b.json", b.to_string());
    let same = s.json(&["diff", "a", "a"]);
    assert!(same["differences"].as_array().unwrap().is_empty() && same["equal"].as_u64() > Some(50));
    let json = s.json(&["diff", "a", "b.json"]);
    let row = |key: &str| json["differences"].as_array().unwrap().iter().find(|r| r["key"] == key).cloned();
    let a: Value = serde_json::from_slice(&s.read("a/report.json")).unwrap();
    let cycles = row("cycles").unwrap();
    assert_eq!((&cycles["left"], &cycles["right"]), (&a["cycles"], &b["cycles"]));
    let change = b["cycles"].as_f64().unwrap() / a["cycles"].as_f64().unwrap() - 1.0;
    assert!((cycles["change"].as_f64().unwrap() - change).abs() < 1e-9);
    assert_eq!(row("machine").unwrap()["right"], "odd");
    assert!(row("macs").is_none() && row("answer").is_none(), "the network is the same: {json}");
    assert!(s.good(&["diff", "a", "b.json"]).contains("cycles"));
    s.write("no.json", "{");
    std::fs::create_dir(s.0.join("empty")).unwrap();
    assert!(s.bad(&["diff", "a", "no.json"]).starts_with("error[result-syntax]"));
    assert!(s.bad(&["diff", "empty", "a"]).starts_with("error[result-absent]"));
}

#[test]
fn what_is_built_in_is_listed() {
    let s = Scratch::new("lists");
    let models = s.json(&["models"]);
    for model in models["models"].as_array().unwrap() {
        assert!(model["parameters"].as_u64() > Some(0) && model["weights"].is_boolean());
        s.good(&["import", model["name"].as_str().unwrap(), "-o", "m.tw"]);
    }
    assert_eq!(models["models"][0]["parameters"], 722_048);
    let schemes = s.json(&["schemes"]);
    for scheme in schemes["schemes"].as_array().unwrap() {
        let name = scheme["name"].as_str().unwrap();
        let compile = ["compile", "--scheme", name, "--out", "out"];
        match scheme["hardware"].as_bool().unwrap() {
            true => drop(s.good(&compile)),
            false => assert!(s.bad(&compile).starts_with("error[scheme-unsupported]")),
        }
        s.write("mine.toml", s.good(&["schemes", "--show", name]));
        assert_eq!(s.json(&["schemes", "--show", "mine.toml"])["weights"], scheme["weights"]);
    }
    assert!(s.good(&["models"]).contains("trained-llama") && s.good(&["schemes"]).contains("w2a8kv4"));
}

/// The figures are those of the same program on a machine that a machine file describes.
#[test]
fn reliefs_are_runs_on_other_machines() {
    let s = Scratch::new("relief");
    // The first token that is read is the line break.
    let json = s.json(&["run", "--context", "150", "--decode", "1", "--out", "out"]);
    let relief = &json["decode"]["relief"];
    let program = isa::binary::read(&s.read("out/program.bin")).unwrap();
    let args = program.arg_values(150, &[10]);
    let tiny = s.good(&["machines", "--show", "tiny"]);
    for (change, from, to) in [
        ("a data bus of 32 bytes", "beat_bytes = 16", "beat_bytes = 32"),
        ("8 open loads", "outstanding = 4", "outstanding = 8"),
    ] {
        assert!(tiny.contains(from), "{tiny}");
        let changes = relief["changes"].as_array().unwrap();
        let row = changes.iter().find(|r| r["change"] == change).unwrap_or_else(|| panic!("{relief}"));
        let machine = hw::Machine::parse(&tiny.replace(from, to), "changed").unwrap();
        let cycles = tilewright::sim::timing::simulate(&program, &machine, &args).unwrap().cycles;
        assert_eq!(row["cycles"].as_u64(), Some(cycles), "{change}");
        let speedup = json["cycles"].as_f64().unwrap() / cycles as f64;
        assert!((row["speedup"].as_f64().unwrap() - speedup).abs() < 1e-9);
    }
    assert!(relief["bottleneck"].is_string(), "{relief}");
}
