//! The accelerators for an Alveo U280: the one proposed here, and those that follow papers. Every number of the latter says in its file
//! what it stands on; what is assumed is varied by a quarter either way.

use crate::Scratch;
use hw::Machine;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tilewright::hw;

/// A published figure of an accelerator, and the run that gives it.
struct Published {
    machine: &'static str,
    scheme: &'static str,
    context: &'static str,
    figure: fn(&Value) -> f64,
    unit: &'static str,
    value: f64,
    /// Part of the value by which the run may differ.
    within: f64,
}

const PUBLISHED: [Published; 2] = [
    Published {
        machine: "accllm-u280",
        scheme: "w2s24a8kv4-g128",
        context: "1024",
        figure: rate,
        unit: "tokens/s",
        value: 164.0,
        within: 0.1,
    },
    Published {
        machine: "flightllm-u280",
        scheme: "w4a8-g64",
        context: "128",
        figure: |json| json["decode"]["seconds"].as_f64().unwrap() * 1e3,
        unit: "ms",
        value: 17.506,
        within: 0.05,
    },
];

fn rate(json: &Value) -> f64 {
    json["decode"]["tokens_per_second"].as_f64().unwrap()
}

/// A token of LLaMA-2-7B behind so many others.
fn command<'a>(machine: &'a str, scheme: &'a str, context: &'a str) -> [&'a str; 11] {
    let size = ["--context", context, "--decode", "1"];
    let [a, b, c, d] = size;
    ["run", "llama2-7b", "--machine", machine, "--scheme", scheme, a, b, c, d, "--json"]
}

fn token(s: &Scratch, machine: &str, scheme: &str, context: &str) -> Value {
    serde_json::from_str(&s.good(&command(machine, scheme, context))).unwrap()
}

/// What the card has beside its shell.
fn fits_the_card(json: &Value) {
    let taken = |what: &str| json["resources"][what].as_f64().unwrap();
    for (what, most) in
        [("lut", 1_131_000.0), ("ff", 2_265_000.0), ("dsp", 8304.0), ("bram36", 1776.0), ("uram", 960.0)]
    {
        assert!(taken(what) <= most, "{}, {what}: {}", json["machine"], taken(what));
    }
}

/// A token of LLaMA-2-7B behind 1,024 others takes a 240th of a second at most, with a window of 512 a 250th.
#[test]
fn llm_u280_fits_its_card_and_decodes_at_240_tokens_a_second() {
    let s = Scratch::new("llm-u280");
    let [json, window, shared] = ["w2s24a8kv4-g128", "w2s24a8kv4-g128-w512", "w2s24x4a8kv4-g128"]
        .map(|scheme| token(&s, "llm-u280", scheme, "1024"));
    fits_the_card(&json);
    assert!(rate(&json) >= 240.0, "{}", rate(&json));
    assert!(rate(&window) >= 250.0, "{}", rate(&window));
    assert!(rate(&shared) > rate(&json), "{}", rate(&shared));
}

/// What moves in the HBM costs what its sources say for a bit, either way, and about 52 mJ for a token; what was fitted is labelled.
#[test]
fn a_token_s_energy_is_told_by_part_with_the_range_of_its_sources() {
    let s = Scratch::new("token-energy");
    let json = token(&s, "llm-u280", "w2s24a8kv4-g128", "1024");
    let number = |v: &Value| v.as_f64().unwrap();
    let (energy, dram) = (&json["energy"], &json["dram"]);
    let bits = 8.0 * (number(&dram["read_bytes"]) + number(&dram["write_bytes"]));
    let causes = ["DRAM reads", "DRAM writes"];
    let moved = |of: &dyn Fn(&str) -> f64| causes.into_iter().map(of).sum::<f64>();
    let [value, low, high] = [
        moved(&|cause| number(&energy["by_cause"][cause])),
        moved(&|cause| number(&energy["range"]["by_cause"][cause][0])),
        moved(&|cause| number(&energy["range"]["by_cause"][cause][1])),
    ];
    // 1.4 pJ a bit in the core and 2.5 for I/O; 3.97 at the device elsewhere. Writes of less than an access cost all of it.
    let device = hw::dram::Dram::preset("hbm2").unwrap().device.energy.unwrap().read.si();
    assert_eq!(
        [device.value, device.low, device.high].map(|j| (j / 8e-12 * 100.0).round()),
        [390.0, 390.0, 397.0]
    );
    for (joules, price) in [(value, 3.9e-12), (low, 3.9e-12), (high, 3.97e-12)] {
        let of_bytes = bits * price;
        assert!(
            of_bytes <= joules * (1.0 + 1e-9) && joules < 1.002 * of_bytes,
            "{joules} against {of_bytes}"
        );
        assert!((0.050..0.056).contains(&joules), "{joules}");
    }
    let parts = energy["range"]["by_part"].as_object().unwrap();
    for (part, range) in parts {
        let [low, high] = [0, 1].map(|i| number(&range[i]));
        let value = number(&energy["by_part"][part]);
        assert!(low <= value && value <= high && low < high, "{part}: {low} {value} {high}");
    }
    assert!(parts.len() >= 10, "{parts:?}");
    assert_eq!(energy["assumptions"], json!(["accumulate", "epilogue", "lane"]));
    let fitted: Vec<&str> =
        energy["fitted"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    assert_eq!((fitted.len(), fitted[0]), (5, "multiply"), "{fitted:?}");
    let command = command("llm-u280", "w2s24a8kv4-g128", "1024");
    let text = s.good(&command[..command.len() - 1]);
    let said = [
        "energy by part\nDRAM  ",
        " mJ .. ",
        "\nassumption  accumulate, epilogue, lane\nfitted      multiply, sram",
    ];
    said.iter().for_each(|said| assert!(text.contains(said), "{said}: {text}"));
}

/// A prompt keeps the multipliers busy, and so do sequences that share weights.
#[test]
fn llm_u280_reads_prompts_at_the_rate_of_its_multipliers() {
    let s = Scratch::new("prefill");
    let size = ["--machine", "llm-u280", "--scheme", "w2s24a8kv4-g128"];
    let run = |more: &[&str]| s.json(&[&["run", "llama2-7b"], &size[..], more].concat());
    let json = run(&["--prefill", "32", "--decode", "1"]);
    let used = |phase: &str, json: &Value| json[phase]["mac_utilization"].as_f64().unwrap();
    assert!(used("prefill", &json) >= 0.7, "{}", used("prefill", &json));
    let eight = run(&["--context", "1024", "--decode", "1", "--batch", "8"]);
    assert_eq!(eight["decode"]["tokens"], 8);
    assert!(used("decode", &eight) >= 0.7 && rate(&eight) >= 390.0, "{}", rate(&eight));
}

/// One program for all positions of a model: the last one costs what the first does, and the bytes of the cache between them.
#[test]
fn llm_u280_decodes_at_the_last_position() {
    let s = Scratch::new("accelerators-positions");
    for (model, positions) in [("llama2-7b", 4096), ("llama3-8b", 8192)] {
        let read = |context: u64| {
            let (context, cache) = (context.to_string(), u64::to_string(&positions));
            let work = ["--context", &context, "--cache", &cache, "--decode", "1", "--json"];
            let machine = ["run", model, "--machine", "llm-u280", "--scheme", "w2s24a8kv4-g128"];
            let json: Value = serde_json::from_str(&s.good(&[&machine[..], &work[..]].concat())).unwrap();
            json["dram"]["read_bytes"].as_u64().unwrap()
        };
        let (first, last) = (1023, positions - 1);
        // Of 32 layers and 32 slices with a head each: codes of 4 bits of a key and a value of 128 elements, and their scales.
        let position = 32 * 32 * 2 * (128 / 2 + 4);
        assert_eq!(read(last) - read(first), (last - first) * position, "{model}");
    }
}

/// Of the bytes that the memory gives when nothing but loads runs, a token takes 92 % at least.
#[test]
fn llm_u280_takes_what_its_memory_gives() {
    let s = Scratch::new("bandwidth");
    let load = "loop count=400 body=1\nload space=w addr=0x10000 blocks=2048\n";
    s.write(
        "loads.asm",
        format!(".machine llm-u280\n.region data addr=0x400000 bytes=0x20000 ro\n{load}halt\n"),
    );
    std::fs::create_dir(s.0.join("loads")).unwrap();
    s.write("loads/machine.toml", hw::presets::text("llm-u280").unwrap());
    s.good(&["asm", "loads.asm", "--output", "loads/program.bin"]);
    let programs = json!([{ "file": "program.bin", "instructions": 3 }]);
    let manifest =
        json!({ "schema_version": 1, "tilewright": "", "weights_absent": true, "programs": programs });
    s.write("loads/manifest.json", manifest.to_string());
    let rate = |json: &Value| json["dram"]["read_bytes"].as_f64().unwrap() / json["cycles"].as_f64().unwrap();
    let most = rate(&s.json(&["sim", "loads"]));
    let token = rate(&token(&s, "llm-u280", "w2s24a8kv4-g128", "1024"));
    println!("{token:.1} of {most:.1} bytes a cycle, {:.1} %", 100.0 * token / most);
    assert!(token >= 0.92 * most, "{token} of {most} bytes a cycle");
}

#[test]
fn accelerators_of_papers_reach_what_was_published() {
    let s = Scratch::new("papers");
    for p in &PUBLISHED {
        let json = token(&s, p.machine, p.scheme, p.context);
        fits_the_card(&json);
        let (found, apart) = ((p.figure)(&json), (p.figure)(&json) / p.value - 1.0);
        println!("{}: {found:.3} {}, published {}: {:+.1} %", p.machine, p.unit, p.value, apart * 100.0);
        assert!(apart.abs() <= p.within, "{}: {found} {}", p.machine, p.unit);
        let fitted = marks(p.machine).into_iter().filter(|(_, mark)| mark.starts_with("fitted")).count();
        assert!((1..=2).contains(&fitted), "{}: {fitted} fitted parameters", p.machine);
    }
    // The paper's attention has a window of a size that is not published.
    let window = rate(&token(&s, "accllm-u280", "w2s24a8kv4-g128-w512", "1024"));
    assert!((window / PUBLISHED[0].value - 1.0).abs() <= PUBLISHED[0].within, "{window}");
}

/// What each number of a built-in machine file stands on, by its key: the comment behind it. A file that says nothing of one is refused.
fn marks(machine: &str) -> BTreeMap<String, String> {
    let mut section = String::new();
    let mut marks = BTreeMap::new();
    for line in hw::presets::text(machine).unwrap().lines() {
        let (said, mark) = line.split_once('#').map_or((line, ""), |(said, mark)| (said, mark.trim()));
        if let Some(name) = said.trim().strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = said.split_once('=') {
            let key = format!("{section}{}", key.trim());
            let known =
                ["card", "published", "assumption", "fitted"].iter().any(|word| mark.starts_with(word));
            assert!(
                known || ["name", "technology"].contains(&&key[..]),
                "{machine}: {key} stands on nothing"
            );
            marks.insert(key, mark.to_string());
        }
    }
    marks
}

/// Numbers below a place of the machine, with their keys.
fn numbers(at: &Value, key: &str, found: &mut Vec<(String, u64)>) {
    match at {
        Value::Object(map) => map.iter().for_each(|(name, at)| numbers(at, &format!("{key}.{name}"), found)),
        _ => found.extend(at.as_u64().map(|number| (key.to_string(), number))),
    }
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

/// Something that is assumed or fitted.
struct Assumed {
    key: String,
    mark: String,
    /// With their keys; none if it is no number.
    numbers: Vec<(String, u64)>,
}

/// Everything of the file that is assumed or fitted: what its
/// DRAM calls an assumption is among it.
fn assumed(machine: &str, json: &Value) -> Vec<Assumed> {
    let own = marks(machine).into_iter();
    let own = own.filter(|(_, mark)| mark.starts_with("fitted") || mark.contains("assumption"));
    let device = "memory.model.device";
    let sources = json.pointer(&pointer(device)).unwrap()["sources"].as_object().unwrap().iter();
    let sources =
        sources.map(|(key, source)| (format!("{device}.{key}"), source.as_str().unwrap().to_string()));
    let sources = sources.filter(|(_, source)| source.starts_with("assumption"));
    let all = own.chain(sources);
    all.map(|(key, mark)| {
        let mut found = Vec::new();
        numbers(json.pointer(&pointer(&key)).unwrap(), &key, &mut found);
        Assumed { key, mark, numbers: found }
    })
    .collect()
}

/// The machine with another number, if it may have that.
fn with(json: &Value, key: &str, number: u64) -> Option<Machine> {
    let mut json = json.clone();
    *json.pointer_mut(&pointer(key)).unwrap() = number.into();
    let machine: Machine = serde_json::from_value(json).ok()?;
    machine.verify().is_ok().then_some(machine)
}

/// The nearest number to a quarter less or more that the machine may have, on that side of the number that it has.
fn nearest(json: &Value, key: &str, number: u64, more: bool) -> Option<(u64, Machine)> {
    let aim = if more { (5 * number).div_ceil(4) } else { 3 * number / 4 };
    let near = (0..=64).flat_map(|d| [aim.saturating_sub(d), aim + d]);
    let powers = (0..40).map(|n| 1u64 << n);
    let right = |n: &u64| if more { *n > number } else { *n < number };
    let mut all: Vec<u64> = near.chain(powers).filter(right).collect();
    all.sort_by_key(|n| n.abs_diff(aim));
    all.into_iter().find_map(|n| Some((n, with(json, key, n)?)))
}

/// What the run gives on a machine: its figure, or the code of what refuses it.
fn figure(s: &Scratch, p: &Published, machine: &Machine) -> Result<f64, String> {
    s.write("varied.toml", machine.to_toml().unwrap());
    let output = s.run(&command("varied.toml", p.scheme, p.context));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    match json["error"]["code"].as_str() {
        Some(code) => Err(code.to_string()),
        None => Ok((p.figure)(&json)),
    }
}

/// Every assumption by a quarter either way, one after the other; a size that must be a power of two, or a multiple, goes to the nearest
/// that it may be. Prints what becomes of the published figure. A number that a program needs at least has no lower one.
#[test]
#[ignore = "100 runs, two minutes: cargo test --test cli assumptions_by_a_quarter -- --ignored --nocapture"]
fn assumptions_by_a_quarter() {
    let s = Scratch::new("assumptions");
    for p in &PUBLISHED {
        let machine = hw::presets::load(p.machine).unwrap();
        let json = serde_json::to_value(&machine).unwrap();
        let whole = figure(&s, p, &machine).unwrap();
        // Of what is assumed, and of what is fitted.
        let mut ranges = [(whole, whole); 2];
        println!("\n{}: {whole:.3} {}, published {}", p.machine, p.unit, p.value);
        println!("{:<48}{:>12}  {:<36}{:<36}", "", "value", "a quarter less", "a quarter more");
        for Assumed { key, mark, numbers } in assumed(p.machine, &json) {
            let fitted = mark.starts_with("fitted");
            let range = &mut ranges[usize::from(fitted)];
            let fitted = if fitted { " (fitted)" } else { "" };
            if numbers.is_empty() {
                println!("{key:<48}{:>12}  not varied", "no number");
            }
            for (key, number) in numbers {
                let [less, more] = [false, true].map(|side| match nearest(&json, &key, number, side) {
                    None => "none is possible".to_string(),
                    Some((n, machine)) => match figure(&s, p, &machine) {
                        Err(code) => format!("{n}: {code}"),
                        Ok(found) => {
                            *range = (range.0.min(found), range.1.max(found));
                            format!("{n}: {found:.3} ({:+.1} %)", (found / whole - 1.0) * 100.0)
                        }
                    },
                });
                println!("{:<48}{number:>12}  {less:<36}{more:<36}", format!("{key}{fitted}"));
            }
        }
        let [(least, most), (low, high)] = ranges;
        println!("{}: {least:.3} to {most:.3} {}; what is fitted: {low:.3} to {high:.3}", p.machine, p.unit);
        assert!(least < most, "nothing that is assumed matters");
    }
}
