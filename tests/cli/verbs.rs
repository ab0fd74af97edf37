//! Each verb where all is well.

use crate::Scratch;
use serde_json::{Value, json};

const PROGRAM: &str =
    ".machine tiny\n.base 0x1000\nset rd=r1 imm=64\nload space=w raddr=r1 blocks=4 post 0\nhalt\n";

fn keys(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn asm_and_disasm_are_inverse() {
    let s = Scratch::new("asm");
    s.write("a.asm", PROGRAM);
    let json = s.json(&["asm", "a.asm", "-o", "a.bin"]);
    assert_eq!(keys(&json), ["bytes", "instructions", "machine_hash", "output", "schema_version"]);
    assert_eq!((json["instructions"].as_u64(), json["output"].as_str()), (Some(3), Some("a.bin")));
    s.write("b.asm", s.good(&["disasm", "a.bin"]));
    s.good(&["asm", "b.asm", "-o", "b.bin"]);
    assert_eq!(s.read("a.bin"), s.read("b.bin"));
    s.good(&["disasm", "a.bin", "-o", "c.asm"]);
    assert_eq!(s.read("b.asm"), s.read("c.asm"));
    let json = s.json(&["disasm", "a.bin"]);
    assert_eq!(json["listing"].as_str().map(str::as_bytes), Some(&s.read("b.asm")[..]));
}

#[test]
fn machines_are_listed_and_their_files_are_machines() {
    let s = Scratch::new("machines");
    let all = s.json(&["machines"]);
    for machine in all["machines"].as_array().unwrap() {
        let name = machine["name"].as_str().unwrap();
        s.write("mine.toml", s.good(&["machines", "--show", name]));
        let shown = s.json(&["machines", "--show", "mine.toml"]);
        assert_eq!(shown["hash"], machine["hash"], "{name}");
        assert!(machine["multipliers"].as_u64() > Some(0));
    }
    assert!(s.good(&["machines"]).contains("tiny"));
}

#[test]
fn doctor_names_every_tool_and_what_is_missing() {
    let s = Scratch::new("doctor");
    let output = s.command(&["doctor", "--json"]).env("PATH", "").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(keys(&json), ["missing", "schema_version", "tools"]);
    let tools: Vec<&str> =
        json["tools"].as_array().unwrap().iter().map(|t| t["tool"].as_str().unwrap()).collect();
    assert_eq!(tools, ["verilator", "g++", "make", "m4", "iverilog", "yosys"]);
    assert_eq!(json["missing"].as_array().unwrap().len(), tools.len());
    let text = s.command(&["doctor"]).env("PATH", "").output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("apt-get install verilator g++ make m4 iverilog yosys"), "{text}");
}

#[test]
fn import_prints_text_that_it_reads_back() {
    let s = Scratch::new("import");
    let json = s.json(&["import", "trained-llama", "-o", "a.tw"]);
    let all =
        ["absent_constants", "inputs", "model", "nodes", "operators", "output", "outputs", "schema_version"];
    assert_eq!(keys(&json), all);
    assert_eq!(json["outputs"][0]["name"], "logits");
    s.good(&["import", "a.tw", "-o", "b.tw"]);
    assert_eq!(s.read("a.tw"), s.read("b.tw"));
    assert!(s.good(&["import", "a.tw"]).starts_with("graph "));
}

#[test]
fn a_configuration_is_a_model_with_the_weights_that_lie_beside_it() {
    let s = Scratch::new("config");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/trained_llama");
    let config = format!("{folder}/config.json");
    let bound = ["--bind", "tokens=16"];
    let whole = s.json(&[&["import", &config], &bound[..]].concat());
    assert_eq!(
        (whole["absent_constants"].as_u64(), whole["inputs"][0]["type"].as_str()),
        (Some(0), Some("i64[16]"))
    );
    s.write("config.json", std::fs::read(&config).unwrap());
    let shapes = s.json(&["import", "config.json"]);
    assert_eq!(shapes["absent_constants"].as_u64(), Some(39));
    assert_eq!(shapes["nodes"], whole["nodes"]);
    assert!(s.good(&["import", "config.json"]).contains("runs on shapes only"));
    // The checkpoint compiles to what the export of the same network compiles to, up to the names of its nodes.
    s.good(&["compile", &config, "--out", "a"]);
    s.good(&["compile", &format!("{folder}/prefill.onnx"), "--out", "b"]);
    for file in ["image.bin", "plan.txt"] {
        assert!(s.read(&format!("a/{file}")) == s.read(&format!("b/{file}")), "{file}");
    }
}

/// Modules that are quickly synthesised, of every part of the machine `tiny`. All of them take minutes: `tests/identity/resources.rs`.
#[test]
fn synthesised_modules_are_as_predicted() {
    let s = Scratch::new("synth");
    let modules =
        ["tw_ram", "tw_queue", "tw_row", "tw_stall", "tw_load", "tw_mul", "tw_acc", "tw_gather", "tw_interp"];
    let named: Vec<&str> = modules.iter().flat_map(|m| ["--module", m]).collect();
    let json = s.json(&[&["synth", "--machine", "tiny", "--cache", "kept"], &named[..]].concat());
    let all = ["error_percent", "machine", "modules", "predicted", "schema_version", "synthesised", "target"];
    assert_eq!(keys(&json), all);
    let rows = json["modules"].as_array().unwrap();
    for module in modules {
        assert!(
            rows.iter()
                .any(|r| r["module"].as_str().unwrap().starts_with(&format!("{module} "))
                    || r["module"] == module),
            "{module}"
        );
    }
    for row in rows {
        let (p, s) = (&row["predicted"], &row["synthesised"]);
        assert_eq!(row["instances"], row["predicted_instances"], "{row}");
        for exact in ["dsp", "bram36", "uram"] {
            assert_eq!(p[exact], s[exact], "{row}");
        }
        for close in ["lut", "ff"] {
            let (p, s) = (p[close].as_f64().unwrap(), s[close].as_f64().unwrap());
            assert!((p - s).abs() <= 0.1 * s, "{close} of {row}");
        }
    }
    assert!(json["predicted"]["bram36"].as_f64() > Some(0.0) && json["predicted"]["dsp"].as_u64() > Some(0));
}

#[test]
fn wrong_usage_is_two() {
    let s = Scratch::new("usage");
    for args in [&["asm"][..], &["machines", "--what"], &["frobnicate"], &[]] {
        assert_eq!(s.run(args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(s.run(&["--version"]).status.code(), Some(0));
}

/// Keys of the object that `run` and `sim` print.
const REPORT: [&str; 30] = [
    "schema_version",
    "model",
    "machine",
    "scheme",
    "cycles",
    "seconds",
    "clock_hz",
    "throughput.value",
    "throughput.unit",
    "macs",
    "mac_utilization",
    "dram.read_bytes",
    "dram.write_bytes",
    "dram.bandwidth_utilization",
    "instructions",
    "program_bytes",
    "energy.total_joules",
    "energy.power_watts",
    "energy.by_part.leakage",
    "energy.range.by_cause.multiplications",
    "energy.by_operator.0.joules",
    "stalls.matrix.busy",
    "stalls.sequencer.dispatching",
    "by_op.0.cycles",
    "resources.lut",
    "resources.ff",
    "resources.dsp",
    "resources.bram36",
    "resources.uram",
    "resources.target",
];
/// Keys of what is not modelled yet, or was not asked for.
const NULL: [&str; 2] = ["accuracy", "resources.area_um2"];

fn at<'v>(json: &'v serde_json::Value, path: &str) -> &'v serde_json::Value {
    json.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or_else(|| panic!("no key {path}"))
}

/// Of the keys of a report, those that are no figures.
const NO_FIGURES: [&str; 9] =
    ["schema_version", "model", "machine", "scheme", "clock_hz", "prompt", "notes", "position", "rungs"];

fn every_figure_names_its_rung(json: &serde_json::Value) {
    let nothing =
        |v: &serde_json::Value| v.is_null() || v.as_object().is_some_and(|o| o.values().all(|v| v.is_null()));
    let figures =
        json.as_object().unwrap().iter().filter(|(k, v)| !NO_FIGURES.contains(&k.as_str()) && !nothing(v));
    let figures: Vec<&str> = figures.map(|(k, _)| k.as_str()).filter(|k| *k != "accuracy").collect();
    assert_eq!(keys(&json["rungs"]), figures);
    assert!(json["rungs"].as_object().unwrap().values().all(|r| !r.as_array().unwrap().is_empty()));
}

#[test]
fn run_answers_reports_and_writes_everything() {
    let s = Scratch::new("run");
    let json = s.json(&["run", "--out", "out", "--rtl"]);
    assert_eq!(json["answer"], "42 coins.");
    for path in REPORT {
        assert!(!at(&json, path).is_null(), "{path}");
    }
    for path in NULL {
        assert!(at(&json, path).is_null(), "{path}");
    }
    every_figure_names_its_rung(&json);
    let total = json["cycles"].as_u64().unwrap();
    let phases = ["prefill", "decode"].map(|p| json[p]["cycles"].as_u64().unwrap());
    assert_eq!(phases.iter().sum::<u64>(), total);
    let operators = json["by_op"].as_array().unwrap();
    assert_eq!(operators.iter().map(|o| o["cycles"].as_u64().unwrap()).sum::<u64>(), total);
    for (op, node) in [("scores", "MatMul"), ("softmax", "Softmax"), ("weighted values", "MatMul_1")] {
        let row = operators.iter().find(|o| o["op"] == op).unwrap();
        assert_eq!(row["nodes"], serde_json::json!([format!("/m/model/layers.*/self_attn/{node}")]));
    }
    let gate = operators.iter().find(|o| o["op"] == "gate").unwrap();
    assert_eq!(gate["nodes"], serde_json::json!(["/m/model/layers.*/mlp/gate_proj/MatMul"]));
    for unit in ["load", "matrix", "vector", "store", "sequencer"] {
        let causes = json["stalls"][unit].as_object().unwrap();
        assert_eq!(causes.values().map(|c| c.as_u64().unwrap()).sum::<u64>(), total, "{unit}");
    }
    let rate = json["decode"]["tokens"].as_f64().unwrap() / json["decode"]["seconds"].as_f64().unwrap();
    assert!((json["decode"]["tokens_per_second"].as_f64().unwrap() - rate).abs() < 1e-6);
    for name in
        ["graph.tw", "plan.txt", "program.bin", "program.asm", "image.bin", "machine.toml", "rtl/tw_top.sv"]
    {
        assert!(!s.read(&format!("out/{name}")).is_empty(), "{name}");
    }
    let report: serde_json::Value = serde_json::from_slice(&s.read("out/report.json")).unwrap();
    assert_eq!(report, json);
    assert_eq!(s.good(&["disasm", "out/program.bin"]).into_bytes(), s.read("out/program.asm"));
}

/// A machine with prices reports energy with its range, divided in three ways.
#[test]
fn energy_is_reported_where_the_machine_names_its_prices() {
    let s = Scratch::new("energy");
    let tiny = s.good(&["machines", "--show", "tiny"]);
    let model = tiny.lines().find(|l| l.starts_with("model =")).unwrap();
    let dram = tiny.replace(model, "model = { kind = \"dram\", preset = \"lpddr4\" }");
    s.write("priced.toml", dram);
    let json = s.json(&["run", "--machine", "priced.toml", "--decode", "2", "--out", "out"]);
    assert_eq!(json["answer"], "42");
    every_figure_names_its_rung(&json);
    let energy = &json["energy"];
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    let total = number(&energy["total_joules"]);
    let close = |sum: f64| assert!((sum - total).abs() < 1e-9 * total, "{sum} of {total}");
    close(energy["by_part"].as_object().unwrap().values().map(number).sum());
    close(energy["by_cause"].as_object().unwrap().values().map(number).sum());
    close(energy["by_operator"].as_array().unwrap().iter().map(|o| number(&o["joules"])).sum());
    close(number(&energy["power_watts"]) * number(&json["seconds"]));
    let range = &energy["range"]["total_joules"];
    assert!(
        number(&range[0]) < total && total < number(&range[1]) && number(&energy["by_part"]["DRAM"]) > 0.0
    );
    assert!(energy["assumptions"].as_array().unwrap().contains(&"lane".into()));
    let text = s.good(&["sim", "out"]);
    // Time: leakage of 20 mW, and the background of a channel of 37.9 mW.
    for (cause, watts) in [("leakage", 0.02), ("DRAM background", 0.0379)] {
        let joules = watts * number(&json["seconds"]);
        assert!((number(&energy["by_cause"][cause]) - joules).abs() < 1e-9 * joules, "{cause}");
    }
    for part in ["energy by part\n", "energy by cause\n", "energy by operator\n", "\nassumption  accumulate"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn run_speaks_and_the_same_run_gives_the_same_bytes() {
    let s = Scratch::new("run-text");
    let text = s.good(&["run", "--prompt", "Ada has 12 coins and gets 30 more. Now Ada has ", "--out", "a"]);
    assert!(text.starts_with("Ada has 12 coins and gets 30 more. Now Ada has 42 coins.\n"), "{text}");
    assert!(text.contains("time by operator") && text.contains("tokens/s"), "{text}");
    assert!(
        text.contains("rung of trust\n1  ") && text.contains("\n4           all else but bounds: timing"),
        "{text}"
    );
    s.good(&["run", "--out", "b"]);
    for name in ["report.json", "program.bin", "plan.txt", "image.bin", "graph.tw", "manifest.json"] {
        assert_eq!(s.read(&format!("a/{name}")), s.read(&format!("b/{name}")), "{name}");
    }
}

#[test]
fn a_compiled_folder_is_simulated_on_its_machine_only() {
    let s = Scratch::new("compile");
    let json = s.json(&["compile", "trained-llama", "--machine", "tiny", "--out", "out"]);
    assert_eq!(json["programs"][0]["name"], "program");
    assert!(s.read("out/image.bin").len() > 100_000);
    let json =
        s.json(&["sim", "out", "--position", "5", "--tokens", "65", "--functional", "--trace", "t.tsv"]);
    for path in ["cycles", "stalls.load.busy", "dram.read_bytes", "memory_checksum"] {
        assert!(!at(&json, path).is_null(), "{path}");
    }
    every_figure_names_its_rung(&json);
    assert_eq!(json["decode"]["tokens"], 1);
    assert!(json["macs"].as_u64() > Some(500_000) && json["prefill"].is_null());
    let trace = String::from_utf8(s.read("t.tsv")).unwrap();
    assert!(trace.lines().count() as u64 > 100 && trace.starts_with("unit\tsequence\tword\tstart\tdone"));
    assert_eq!(s.json(&["sim", "out", "--machine", "tiny"])["machine"], "tiny");
    assert!(s.bad(&["sim", "out", "--machine", "unit"]).starts_with("error[machine-mismatch]"));
    let json = s.json(&["sim", "out", "--reference"]);
    assert!(json["reference"]["cycles"] == json["cycles"] && json["reference"]["mismatches"] == 0);

    let json = s.json(&["sim", "out", "--args", "args", "--memory", "memory"]);
    assert_eq!(s.read("args"), s.read("out/program.args"));
    let mut memory = s.read("memory");
    assert!(memory.last() != Some(&0) && memory != s.read("out/image.bin"));
    memory.resize(tilewright::hw::presets::load("tiny").unwrap().memory.size_bytes as usize, 0);
    let sum = memory
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(json["memory_checksum"], format!("{sum:#018x}"));
}

#[test]
fn rtl_is_written_whole() {
    let s = Scratch::new("rtl");
    let json = s.json(&["rtl", "--machine", "three", "--out", "rtl"]);
    let list = String::from_utf8(s.read("rtl/files.f")).unwrap();
    assert!(!s.read("rtl/tb/tb.cpp").is_empty() && !s.read("rtl/tb/Makefile").is_empty());
    assert!(list.lines().count() > 10 && json["files"].as_u64() > Some(10));
    for name in list.lines() {
        let text = String::from_utf8(s.read(&format!("rtl/{name}"))).unwrap();
        let part = name.trim_end_matches(".sv");
        assert!(
            text.contains(&format!("module {part}")) || text.contains(&format!("package {part}")),
            "{name}"
        );
    }
}

/// The figures that came with the model under this scheme: 0.5215 bits per byte, 0.8804 of the bytes, 0.895 of the sums.
#[test]
fn accuracy_is_that_of_the_training() {
    let s = Scratch::new("accuracy");
    let run = s.json(&["run", "--decode", "0", "--accuracy"]);
    let texts = serde_json::json!({ "rows": 64, "tokens": 8192, "bytes": true, "questions": 200 });
    assert_eq!(run["accuracy"]["texts"], texts);
    for (n, (form, rung)) in [("float", 1), ("w2a8kv4", 2)].into_iter().enumerate() {
        let result = &run["accuracy"]["results"][n];
        let figure = |name: &str| result[name].as_f64().unwrap();
        assert_eq!((&result["form"], &result["rung"]), (&form.into(), &rung.into()));
        assert!((figure("bits_per_byte") - 0.5215).abs() < 0.002, "{result}");
        assert!((figure("perplexity").log2() - figure("bits_per_token")).abs() < 1e-9, "{result}");
        assert!((figure("next_token") - 0.8804).abs() < 0.002, "{result}");
        assert!((figure("answers_right") - 0.895).abs() < 0.05, "{result}");
        assert_eq!(result["weights_exact"], true);
    }
}

/// The published table has these very lines; its columns are as wide as the longest name of all schemes.
#[test]
fn the_table_of_accuracies_is_fresh() {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let table: Vec<String> = include_str!("../../docs/accuracy.md").lines().map(words).collect();
    let s = Scratch::new("table");
    let shown = s.good(&["eval", "trained-llama", "--scheme", "w2a8kv4"]);
    let figures: Vec<&str> = shown.lines().filter(|l| l.contains(" evaluator")).collect();
    assert_eq!(figures.len(), 2);
    for line in figures {
        assert!(table.contains(&words(line)), "`scripts/accuracy` makes the table anew; it lacks\n{line}");
    }
}

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");

/// A decoder that no scheme is defined for is measured as floats: the trained LLaMA, said to have biases, all zero.
#[test]
fn other_decoders_are_evaluated() {
    let s = Scratch::new("floats");
    let corpus = format!("{}/tests/corpus/trained_llama", env!("CARGO_MANIFEST_DIR"));
    let config = std::fs::read_to_string(format!("{corpus}/config.json")).unwrap();
    let weights = std::fs::read(format!("{corpus}/model.safetensors")).unwrap();
    let qwen = config
        .replace("\"llama\"", "\"qwen2\"")
        .replace("\"attention_bias\": false", "\"attention_bias\": true");
    for (folder, config) in [("llama", &config), ("qwen", &qwen)] {
        std::fs::create_dir(s.0.join(folder)).unwrap();
        s.write(&format!("{folder}/config.json"), config);
        s.write(&format!("{folder}/model.safetensors"), &weights);
    }
    std::fs::write(s.0.join("qwen/biases.safetensors"), biases(&config)).unwrap();
    let llama = s.json(&["eval", "llama/config.json", "--scheme", "w8a8"]);
    let qwen = s.json(&["eval", "qwen/config.json", "--scheme", "w8a8"]);
    assert_eq!(qwen["results"].as_array().unwrap().len(), 2);
    // As floats and as integers: biases of zero change nothing.
    assert_eq!(qwen["results"], llama["results"]);
}

/// Zeros for the biases of q, k and v of each layer, as a file of tensors.
fn biases(config: &str) -> Vec<u8> {
    let config: Value = serde_json::from_str(config).unwrap();
    let size = |name: &str| config[name].as_u64().unwrap() as usize;
    let dim = size("hidden_size") / size("num_attention_heads");
    let widths = [
        ("q", size("hidden_size")),
        ("k", dim * size("num_key_value_heads")),
        ("v", dim * size("num_key_value_heads")),
    ];
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for layer in 0..size("num_hidden_layers") {
        for (part, width) in widths {
            let name = format!("model.layers.{layer}.self_attn.{part}_proj.bias");
            header.insert(
                name,
                json!({ "dtype": "F32", "shape": [width], "data_offsets": [end, end + 4 * width] }),
            );
            end += 4 * width;
        }
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; end]].concat()
}

/// A network of images is measured on scenes, as floats; options that mean texts are refused, not left unused.
#[test]
fn depths_of_scenes_are_measured() {
    let s = Scratch::new("depths");
    let model = format!("{}/tests/corpus/trained_depth/model.onnx", env!("CARGO_MANIFEST_DIR"));
    let scenes = format!("{DATA}/depth_eval.npz");
    let found = s.json(&["eval", &model, "--data", &scenes]);
    assert_eq!(keys(&found), ["data", "model", "results", "scenes", "schema_version"]);
    assert!(found["results"][0]["abs_rel"].as_f64().is_some_and(|e| (0.2..0.3).contains(&e)), "{found}");
    let refused = s.bad(&["eval", &model, "--data", &scenes, "--scheme", "w4a4"]);
    assert!(refused.starts_with("error[eval-scenes]"), "{refused}");
    let texts = s.bad(&["eval", "--data", &scenes]);
    assert!(texts.starts_with("error[accuracy-scenes]"), "{texts}");
}

/// Fixed scales come from other texts than those of the evaluation, and from nothing else.
#[test]
fn evaluation_texts_never_calibrate() {
    let s = Scratch::new("calibrate");
    let [eval, calib] = ["eval", "calib"].map(|name| format!("{DATA}/llama_{name}.npz"));
    let w8a8 = ir::quant::scheme::text("w8a8").unwrap();
    for scale in ["min-max", "percentile", "mse"] {
        let percentile = if scale == "percentile" { "percentile = 99.99\n" } else { "" };
        let text = w8a8.replace("[attention]", &format!("scale = \"{scale}\"\n{percentile}[attention]"));
        s.write(&format!("{scale}.toml"), text.replace("\"w8a8\"", &format!("\"{scale}\"")));
    }
    let schemes = "min-max.toml,percentile.toml,mse.toml,w8a8";
    let found = s.json(&["eval", "--data", &eval, "--scheme", schemes, "--calibrate", &calib]);
    assert_eq!(keys(&found), ["calibration", "data", "model", "results", "schema_version", "texts"]);
    let bits = |n: usize| found["results"][n]["bits_per_byte"].as_f64().unwrap();
    let forms: Vec<&str> = (0..5).map(|n| found["results"][n]["form"].as_str().unwrap()).collect();
    assert_eq!(forms, ["float", "min-max", "percentile", "mse", "w8a8"]);
    assert!((1..5).all(|n| (bits(n) - bits(0)).abs() < 0.02), "{found}");
    assert!(found["results"][0]["answers_right"].is_null());
    assert!(
        s.bad(&["eval", "--data", &eval, "--scheme", "mse.toml"]).starts_with("error[scheme-calibration]")
    );
    let fixed = ["run", "--decode", "2", "--scheme", "mse.toml", "--calibrate", &calib];
    assert_eq!(s.json(&fixed)["scheme"], "mse");
    let unused = s.bad(&["run", "--scheme", "w8a8", "--calibrate", &calib]);
    assert!(unused.starts_with("error[calibration-unused]"), "{unused}");
    let overlap = s.bad(&["eval", "--data", &eval, "--scheme", "mse.toml", "--calibrate", &eval]);
    assert!(overlap.starts_with("error[calibration-overlap]"), "{overlap}");
    let shipped = s.bad(&["eval", "--scheme", "mse.toml", "--calibrate", &eval]);
    assert!(shipped.starts_with("error[calibration-overlap]"), "{shipped}");
}

/// Built libraries are kept between runs of the tests, under the hash of what they were built from.
pub const LIBRARIES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cosim");

#[test]
fn cosim_finds_no_difference_until_the_rtl_is_edited() {
    let s = Scratch::new("cosim");
    s.good(&["run", "--out", "out", "--rtl"]);
    let cosim = ["cosim", "out", "--position", "5", "--tokens", "65", "--cache", LIBRARIES];
    let json = s.json(&cosim);
    assert_eq!(
        keys(&json),
        [
            "byte_mismatches",
            "cycle_mismatches",
            "cycles",
            "divergence_cycle",
            "first_divergence",
            "instructions",
            "schema_version",
            "wave"
        ]
    );
    assert!(json["instructions"].as_u64() > Some(100) && json["first_divergence"].is_null());
    assert_eq!((json["cycle_mismatches"].as_u64(), json["byte_mismatches"].as_u64()), (Some(0), Some(0)));
    let name = "out/rtl/tw_mul.sv";
    let text = String::from_utf8(s.read(name)).unwrap();
    let edited = text.replacen(" * ", " + ", 1);
    assert_ne!(text, edited);
    s.write(name, edited);
    let output = s.run(&cosim);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("DIFFERENT") && text.contains("\nfirst: vector #0: bytes differ at cycle "),
        "{text}"
    );
}

#[test]
fn weights_beside_a_model_are_read() {
    let s = Scratch::new("external-weights");
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/trained_llama/decode.onnx");
    let json = s.json(&["run", model, "--decode", "2", "--prompt", "Ada"]);
    assert_eq!((&json["decode"]["tokens"], &json["weights_exact"]), (&2.into(), &false.into()));
}

/// What somebody put into a folder of ours, or changed in it, is not lost when the folder is written again.
#[test]
fn a_folder_with_somebodys_work_is_not_replaced() {
    let s = Scratch::new("changed-output");
    let rtl = ["rtl", "--machine", "unit", "--out", "out"];
    s.good(&rtl);
    std::fs::create_dir(s.0.join("out/tb/obj_dir")).unwrap();
    s.write("out/tb/obj_dir/Vtw_top.o", "built");
    s.good(&rtl);
    s.write("out/tw_top.sv", "module tw_top; endmodule\n");
    s.write("out/notes.txt", "");
    let told = s.bad(&rtl);
    assert!(told.contains("output-changed") && told.contains("`notes.txt`, `tw_top.sv`"), "{told}");
    assert_eq!(s.read("out/tw_top.sv"), b"module tw_top; endmodule\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_run_leaves_no_output_and_the_next_one_tidies_up() {
    let s = Scratch::new("killed");
    for milliseconds in [20, 80, 160, 240, 320, 400] {
        let mut child = s.command(&["run", "--out", "out", "--rtl"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        child.kill().unwrap();
        let whole = child.wait().unwrap().success();
        assert!(whole || !s.0.join("out").exists() || s.0.join("out/manifest.json").exists());
    }
    s.good(&["run", "--out", "out", "--rtl"]);
    let left: Vec<_> = std::fs::read_dir(&s.0).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["out"]);
}
