//! The instruction streams of built-in machines, as text to be read: one decode program for all positions, one prefill program for all
//! lengths. They are the same in every compilation, and small.

use crate::Scratch;

/// Bytes of all programs of a model at the most.
const MOST_BYTES: u64 = 1 << 20;

/// Listings of a compiled folder's programs, which are small and the same if it is compiled again.
fn streams(s: &Scratch, args: &[&str], files: &[&str]) -> Vec<String> {
    let compiled = |out: &str| {
        s.good(&[&["compile"], args, &["--out", out]].concat());
        let bytes: u64 = s
            .names()
            .iter()
            .filter(|n| n.contains(out) && n.ends_with(".bin") && !n.ends_with("image.bin"))
            .map(|n| std::fs::metadata(n).unwrap().len())
            .sum();
        assert!(0 < bytes && bytes <= MOST_BYTES, "{args:?}: {bytes} bytes");
        println!("{args:?}: {bytes} bytes");
        files
            .iter()
            .map(|file| String::from_utf8(s.read(&format!("{out}/{file}"))).unwrap())
            .collect::<Vec<_>>()
    };
    let [first, second] = ["first", "second"].map(compiled);
    assert_eq!(first, second, "{args:?} is not the same twice");
    ["first", "second"].iter().for_each(|out| std::fs::remove_dir_all(s.0.join(out)).unwrap());
    first
}

#[test]
fn decoding_llama2_7b_on_llm_u280() {
    let s = Scratch::new("streams-7b");
    let stream = |scheme, context| {
        let args = [
            "llama2-7b",
            "--machine",
            "llm-u280",
            "--scheme",
            scheme,
            "--cache",
            "2048",
            "--context",
            context,
        ];
        streams(&s, &args, &["program.asm"])
    };
    let text = stream("w2s24a8kv4-g128", "1024");
    assert_eq!(text, stream("w2s24a8kv4-g128", "2000"), "the position is in the text");
    stream("w2s24a8kv4-g128-w512", "1024");
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn reading_and_writing_on_tiny() {
    let s = Scratch::new("streams-tiny");
    let text = streams(&s, &["trained-llama"], &["program.asm", "prefill.asm"]);
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn streams_of_the_other_accelerators_are_small() {
    let s = Scratch::new("streams-others");
    for (machine, scheme) in [("accllm-u280", "w2s24a8kv4-g128"), ("flightllm-u280", "w4a8-g64")] {
        let args = ["llama2-7b", "--machine", machine, "--scheme", scheme, "--cache", "1536"];
        streams(&s, &args, &["program.asm"]);
    }
}
