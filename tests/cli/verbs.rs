//! Each verb where all is well.

use crate::Scratch;

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
    assert_eq!(tools, ["verilator", "g++", "make", "iverilog", "yosys"]);
    assert_eq!(json["missing"].as_array().unwrap().len(), tools.len());
    let text = s.command(&["doctor"]).env("PATH", "").output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("apt-get install verilator g++ make iverilog yosys"), "{text}");
}

#[test]
fn import_prints_text_that_it_reads_back() {
    let s = Scratch::new("import");
    let json = s.json(&["import", "trained-llama", "-o", "a.tw"]);
    assert_eq!(keys(&json), ["inputs", "model", "nodes", "operators", "output", "outputs", "schema_version"]);
    assert_eq!(json["outputs"][0]["name"], "logits");
    s.good(&["import", "a.tw", "-o", "b.tw"]);
    assert_eq!(s.read("a.tw"), s.read("b.tw"));
    assert!(s.good(&["import", "a.tw"]).starts_with("graph "));
}

#[test]
fn verbs_of_the_plan_that_are_not_built_are_refused_by_name() {
    let s = Scratch::new("not-built");
    for verb in ["golden", "synth", "diff", "schemes", "models"] {
        let output = s.run(&[verb, "x"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains(&format!("`{verb}` is not built yet")));
    }
}

#[test]
fn wrong_usage_is_two() {
    let s = Scratch::new("usage");
    for args in [&["asm"][..], &["machines", "--what"], &["frobnicate"], &[]] {
        assert_eq!(s.run(args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(s.run(&["--version"]).status.code(), Some(0));
}
