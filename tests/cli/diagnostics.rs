//! What a user is told, word by word: place, reason, remedy. None of these leaves anything behind.

use crate::Scratch;

/// Everything that is told about some commands, one after the other.
fn told(s: &Scratch, commands: &[&[&str]]) -> String {
    commands.iter().map(|args| format!("$ tilewright {}\n{}\n", args.join(" "), s.bad(args))).collect()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|i| bytes[i..i + to.len()].copy_from_slice(to));
    bytes
}

fn program(s: &Scratch) -> Vec<u8> {
    s.write("a.asm", ".machine 0x12345678\nload space=w blocks=1\nhalt\n");
    s.good(&["asm", "a.asm", "-o", "a.bin"]);
    s.read("a.bin")
}

#[test]
fn broken_programs() {
    let s = Scratch::new("broken-programs");
    let bytes = program(&s);
    s.write("truncated.bin", &bytes[..40]);
    let mut flipped = bytes.clone();
    flipped[50] ^= 4;
    s.write("corrupt.bin", flipped);
    let mut newer = bytes.clone();
    newer[8] = 99;
    s.write("newer.bin", newer);
    s.write("empty.bin", "");
    s.write("header.bin", &bytes[..10]);
    insta::assert_snapshot!(told(
        &s,
        &[
            &["disasm", "truncated.bin"],
            &["disasm", "corrupt.bin"],
            &["disasm", "newer.bin"],
            &["disasm", "empty.bin"],
            &["disasm", "header.bin"],
            &["disasm", "a.asm"],
            &["disasm", "missing.bin"],
        ]
    ));
}

#[test]
fn broken_assembly() {
    let s = Scratch::new("broken-assembly");
    s.write("field.asm", ".machine tiny\n\nload space=w\n  gemm tokns=2\nhalt\n");
    s.write("binary.asm", [0x2e, 0xff, 0x00]);
    s.write("good.asm", ".machine tiny\nhalt\n");
    insta::assert_snapshot!(told(
        &s,
        &[
            &["asm", "field.asm"],
            &["asm", "binary.asm"],
            &["asm", "missing.asm"],
            &["asm", "good.asm", "-o", "no/such/folder.bin"],
        ]
    ));
}

#[test]
fn broken_machines() {
    let s = Scratch::new("broken-machines");
    let tiny = s.good(&["machines", "--show", "tiny"]);
    s.write("unknown-key.toml", tiny.replace("[load]", "[load]\nefficiency = 0.9"));
    s.write("bad-value.toml", tiny.replace("lanes = 8", "lanes = 7"));
    s.write("bad-type.toml", tiny.replace("tokens = 2", "tokens = \"two\""));
    let quads = s.good(&["machines", "--show", "quads"]);
    s.write("pruned-quads.toml", quads.replace("\"v8\"", "\"v8\", \"s2p\""));
    s.write("narrow-plain.toml", tiny.replace("# narrow = true", "narrow = true"));
    s.write("missing-key.toml", tiny.replace("outstanding = 4", ""));
    s.write("truncated.toml", &tiny[..tiny.find("[sequencer]").unwrap()]);
    s.write("absurd.toml", tiny.replace("size_bytes = 4_194_304", "size_bytes = 8_589_934_592"));
    insta::assert_snapshot!(told(
        &s,
        &[
            &["machines", "--show", "unknown-key.toml"],
            &["machines", "--show", "bad-value.toml"],
            &["machines", "--show", "bad-type.toml"],
            &["machines", "--show", "pruned-quads.toml"],
            &["machines", "--show", "narrow-plain.toml"],
            &["machines", "--show", "missing-key.toml"],
            &["machines", "--show", "truncated.toml"],
            &["machines", "--show", "absurd.toml"],
            &["machines", "--show", "missing.toml"],
        ]
    ));
}

#[test]
fn broken_models() {
    let s = Scratch::new("broken-models");
    let model = include_bytes!("../../examples/models/trained_llama_w2_prefill/model.onnx");
    s.write("truncated.onnx", &model[..2000]);
    s.write("noise.onnx", [0x55; 100]);
    s.write("empty.onnx", "");
    s.write("shapes.onnx", include_bytes!("../corpus/trained_llama/prefill.onnx"));
    s.write("broken.tw", "graph \"g\" {\n  input %0 \"x\": f32[2\n}\n");
    let outside = include_bytes!("../corpus/trained_llama/prefill.onnx").to_vec();
    let (from, to) = (b"weights.bin", b"../eights.b");
    let outside: Vec<u8> = replaced(&outside, from, to);
    s.write("outside.onnx", outside);
    let config = include_str!("../corpus/trained_llama/config.json");
    s.write("config.json", config);
    std::fs::create_dir(s.0.join("shards")).unwrap();
    s.write("shards/config.json", config);
    let index = r#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    s.write("shards/model.safetensors.index.json", index);
    s.write(
        "shards/model-00001-of-00002.safetensors",
        include_bytes!("../corpus/trained_llama/model.safetensors"),
    );
    insta::assert_snapshot!(told(
        &s,
        &[
            &["import", "truncated.onnx"],
            &["import", "noise.onnx"],
            &["import", "empty.onnx"],
            &["import", "broken.tw"],
            &["import", "missing.onnx"],
            &["run", "shapes.onnx", "--accuracy"],
            &["import", "outside.onnx"],
            &["import", "config.json", "--bind", "token=3"],
            &["import", "shards/config.json"],
        ]
    ));
}

#[test]
fn errors_are_json_too() {
    let s = Scratch::new("json-errors");
    let output = s.run(&["disasm", "missing.bin", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["error"]["code"], "file-unreadable");
    for key in ["what", "at", "why", "help"] {
        assert!(!json["error"][key].as_str().unwrap().is_empty(), "{key}");
    }
}

#[test]
fn broken_requests() {
    let s = Scratch::new("broken-requests");
    let tiny = s.good(&["machines", "--show", "tiny"]);
    let small = tiny.replace("vector_bank_bytes = 32_768", "vector_bank_bytes = 1024");
    s.write("small.toml", small);
    s.write("short.toml", tiny.replace("size_bytes = 4_194_304", "size_bytes = 65_536"));
    std::fs::create_dir(s.0.join("thesis")).unwrap();
    s.write("thesis/chapter.txt", "years of work");
    std::fs::create_dir(s.0.join("bert")).unwrap();
    let bert = r#"{"model_type": "bert", "vocab_size": 64, "hidden_size": 64, "num_attention_heads": 4,
        "intermediate_size": 128, "num_hidden_layers": 2, "max_position_embeddings": 40}"#;
    s.write("bert/config.json", bert);
    insta::assert_snapshot!(told(
        &s,
        &[
            &["run", "missing.onnx"],
            &["run", "--machine", "huge"],
            &["run", "--scheme", "w1a1"],
            &["compile", "--machine", "small.toml", "--out", "out"],
            &["compile", "--machine", "short.toml", "--out", "out"],
            &["run", "--cache", "0"],
            &["run", "--cache", "16"],
            &["run", "--cache", "64", "--context", "60", "--decode", "5"],
            &["run", "--decode", "4000"],
            &["run", "--prefill", "4000000000"],
            &["run", "--batch", "9"],
            &["run", "--prefill", "0", "--decode", "0"],
            &["run", "--bind", "tokens=3"],
            &["run", "bert/config.json", "--decode", "3"],
            &["run", "bert/config.json", "--cache", "30"],
            &["run", "bert/config.json", "--prefill", "41"],
            &["eval", "bert/config.json"],
            &["import", "trained-llama", "--bind", "a=1", "--bind", "a=2"],
            &["run", "--out", "thesis"],
            &["rtl", "--machine", "tiny", "--out", "thesis"],
            &["sim", "thesis"],
            &["sim", "missing"],
        ]
    ));
}

/// Schemes that cannot be read, and every kind that no machine computes with.
#[test]
fn refused_schemes() {
    let s = Scratch::new("refused-schemes");
    let w2 = ir::quant::scheme::text("w2a8kv4").unwrap();
    let change = |name: &str, from: &str, to: &str| {
        assert!(w2.contains(from), "{from}");
        s.write(name, w2.replacen(from, to, 1));
    };
    change("broken.toml", "bits = 2", "bits = two");
    change("levels.toml", "[-3, -1, 1, 3]", "[-4, -1, 1, 4]");
    change("zeros.toml", "levels = [-3, -1, 1, 3]", "symmetric = false");
    change("head.toml", "[kv_cache]", "[lm_head]\nbits = 8\n[kv_cache]");
    change(
        "group.toml",
        "[kv_cache]",
        "[lm_head]\nbits = 2\nlevels = [-3, -1, 1, 3]\ngroup = 64\n[kv_cache]",
    );
    change("fixed.toml", "[attention]", "scale = \"mse\"\n[attention]");
    change("cache-zeros.toml", "bits = 4", "bits = 4\nsymmetric = false");
    change("table.toml", "bits = 16", "bits = 8");
    change("mine.toml", "name = \"w2a8kv4\"", "name = \"mine\"");
    change("pruned.toml", "bits = 2\nlevels = [-3, -1, 1, 3]", "bits = 4\nsparsity = \"2:4\"");
    let names = ["broken", "levels", "zeros", "head", "group", "fixed", "cache-zeros", "table", "pruned"];
    let files = names.map(|name| format!("{name}.toml"));
    let commands: Vec<[&str; 5]> =
        files.iter().map(|scheme| ["compile", "--scheme", scheme, "--out", "out"]).collect();
    let missing = [("w8a8", "three"), ("w2s24a8kv4", "three"), ("w2s24a8kv4", "quads")]
        .map(|(scheme, machine)| ["compile", "--scheme", scheme, "--machine", machine, "--out", "out"]);
    let commands: Vec<&[&str]> =
        commands.iter().map(|c| &c[..]).chain(missing.iter().map(|c| &c[..])).collect();
    insta::assert_snapshot!(told(&s, &commands));
    assert_eq!(s.json(&["compile", "--scheme", "mine.toml", "--out", "out"])["scheme"], "mine");
}

#[test]
fn damaged_folders() {
    let s = Scratch::new("damaged-folders");
    s.good(&["compile", "--out", "out"]);
    let program = s.read("out/program.bin");
    let manifest = s.read("out/manifest.json");
    let image = s.read("out/image.bin");
    let flipped: Vec<u8> = image.iter().map(|b| b ^ 1).collect();
    let mut text = Vec::new();
    for (name, bytes) in [
        ("out/program.bin", &program[..program.len() / 2]),
        ("out/machine.toml", b"name = 1"),
        ("out/manifest.json", &manifest[..20]),
        ("out/manifest.json", b"{}"),
        ("out/image.bin", &image[..1000]),
        ("out/image.bin", &flipped),
    ] {
        let whole = s.read(name);
        s.write(name, bytes);
        text.push(told(&s, &[&["sim", "out"]]));
        s.write(name, whole);
    }
    s.good(&["sim", "out"]);
    text.push(told(
        &s,
        &[
            &["sim", "out", "--position", "256"],
            &["sim", "out", "--program", "prefill", "--position", "3"],
            &["sim", "out", "--tokens", "1,2"],
            &["sim", "out", "--tokens", "256"],
            &["sim", "out", "--program", "other"],
        ],
    ));
    insta::assert_snapshot!(hide_checksums(&text.concat()));
}

/// The checksum depends on every constant of the model; where it is told does not.
fn hide_checksums(text: &str) -> String {
    let mut parts = text.split("0x");
    let first = parts.next().unwrap_or_default().to_string();
    let text = parts.fold(first, |all, part| format!("{all}0x________{}", &part[8..]));
    let hidden = |word: &str| match word.trim_end_matches(',') {
        w if w.len() == 16 && w.bytes().all(|b| b.is_ascii_hexdigit()) => word.replace(w, "(checksum)"),
        _ => word.to_string(),
    };
    text.split(' ')
        .map(|w| w.split('\n').map(hidden).collect::<Vec<_>>().join("\n"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn missing_tools() {
    let s = Scratch::new("missing-tools");
    s.good(&["compile", "--out", "out"]);
    let before = s.names();
    let output = s.command(&["cosim", "out"]).env("PATH", "").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(s.names(), before);
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap());
}

/// Places that are no files: a folder has no bytes, a pipe has some and no length, a full disk takes none.
#[test]
#[cfg(target_os = "linux")]
fn what_is_no_file_is_told_or_read() {
    let s = Scratch::new("no-file");
    let told = s.bad(&["run", "."]);
    assert!(told.starts_with("error[file-unreadable]") && told.contains("is a directory"), "{told}");
    let mut child = s.command(&["asm", "/dev/stdin", "-o", "a.bin"]);
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b".machine tiny\nhalt\n").unwrap();
    assert!(child.wait().unwrap().success() && s.good(&["disasm", "a.bin"]).contains("halt"));
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = s.command(&["machines"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error[output-unwritable]") && told.contains("no space left"), "{told}");
}
