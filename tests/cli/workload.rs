//! How much is read and written: prompt, tokens to write, cached tokens, batch, seed, named dimensions.

use crate::Scratch;
use crate::verbs::LIBRARIES;
use ir::quant::{QuantDecoder, Scheme};
use ir::tensor::{Data, Tensor};
use ir::types::DType;
use serde_json::Value;

#[path = "../../ir/src/corpus.rs"]
mod corpus;
#[path = "../network/onnx_writer.rs"]
mod onnx_writer;

use onnx_writer::Form;

/// Slices share the work of a machine: the same answer in fewer cycles, from hardware that agrees.
#[test]
fn slices_answer_alike() {
    let s = Scratch::new("slices");
    let tiny = s.good(&["machines", "--show", "tiny"]).replacen("\"tiny\"", "\"four\"", 1);
    s.write("four.toml", tiny + "\n[slices]\ncount = 4\ncrossing = 3\n");
    let [one, four] =
        [&["run"][..], &["run", "--machine", "four.toml", "--out", "out", "--rtl"]].map(|a| s.json(a));
    assert!(one["answer"].as_str().is_some_and(|answer| !answer.is_empty()));
    for key in ["answer", "logits", "macs"] {
        assert_eq!(one[key], four[key], "{key}");
    }
    let cycles = |json: &Value| json["decode"]["cycles"].as_u64().unwrap();
    assert!(2 * cycles(&four) < cycles(&one), "{} of {}", cycles(&four), cycles(&one));
    // Together they read what the one does: each its own weights, and one of them instructions.
    let bytes = |json: &Value| json["dram"]["read_bytes"].as_u64().unwrap();
    assert!(20 * bytes(&four).abs_diff(bytes(&one)) < bytes(&one), "{}, {}", bytes(&four), bytes(&one));
    let found = s.json(&["cosim", "out", "--position", "5", "--tokens", "65", "--cache", LIBRARIES]);
    assert_eq!((found["cycle_mismatches"].as_u64(), found["byte_mismatches"].as_u64()), (Some(0), Some(0)));
}

/// With a window, a token behind it costs what any other does: in cycles, bytes and multiplications.
#[test]
fn a_token_behind_the_window_costs_the_same_anywhere() {
    let s = Scratch::new("window");
    let scheme = s.good(&["schemes", "--show", "w2a8kv4"]);
    let with = scheme.replace("[attention]\n", "[attention]\nsink = 4\nwindow = 32\n");
    assert_ne!(scheme, with);
    s.write("window.toml", with);
    let at = |scheme, position| {
        s.json(&["run", "--scheme", scheme, "--context", position, "--decode", "1", "--cache", "256"])
    };
    let [near, far, farther] = ["35", "100", "230"].map(|position| at("window.toml", position));
    for key in ["cycles", "macs"] {
        assert_eq!(near[key], far[key], "{key}");
        assert_eq!(far[key], farther[key], "{key}");
    }
    assert_eq!(far["dram"]["read_bytes"], farther["dram"]["read_bytes"]);
    let cycles = |json: &Value| json["cycles"].as_u64().unwrap();
    let all = at("w2a8kv4", "230");
    assert!(cycles(&farther) < cycles(&all), "{} of {}", cycles(&farther), cycles(&all));
    println!("{} cycles at 35, 100 and 230; {} without a window at 230", cycles(&far), cycles(&all));
}

/// The window of a model's own, with nothing said by the scheme: what is behind it is read, too.
#[test]
fn a_model_brings_its_own_window() {
    let s = Scratch::new("own-window");
    let config = include_str!("../corpus/trained_llama/config.json");
    let own = config.replacen('{', "{\"sliding_window\": 64,", 1).replace("\"llama\"", "\"mistral\"");
    s.write("config.json", own);
    s.write("model.safetensors", include_bytes!("../corpus/trained_llama/model.safetensors"));
    let at = |position| s.json(&["run", "config.json", "--context", position, "--decode", "2"]);
    let [far, farther] = ["100", "200"].map(at);
    assert_eq!(far["cycles"], farther["cycles"]);
    assert!(far["cycles"].as_u64().is_some_and(|cycles| cycles > 0));
}

/// A decoder that reads five tokens.
const SMALL: onnx_writer::Sizes = onnx_writer::Sizes {
    tokens: 5,
    vocab: 256,
    hidden: 64,
    heads: 4,
    kv_heads: 2,
    head_dim: 16,
    intermediate: 96,
    layers: 1,
    form: Form::Apart,
};

fn tokens(json: &Value, phase: &str) -> Option<u64> {
    json[phase]["tokens"].as_u64()
}

fn notes(json: &Value) -> String {
    json["notes"].to_string()
}

#[test]
fn prompts_have_the_length_that_is_asked_for() {
    let s = Scratch::new("prefill");
    let long = s.json(&["run", "--prompt", "one two", "--prefill", "20", "--decode", "0"]);
    assert_eq!((tokens(&long, "prefill"), long["decode"].is_null()), (Some(20), true));
    assert_eq!(long["prompt"], "one two\none two\none");
    assert!(notes(&long).contains("the prompt's 8 tokens are repeated to 20"), "{long}");
    let short = s.json(&["run", "--prompt", "one two", "--prefill", "4", "--decode", "0"]);
    assert_eq!((tokens(&short, "prefill"), short["prompt"].as_str()), (Some(4), Some("one")));
    assert!(notes(&short).contains("cut to 4"));
    let whole = s.json(&["run", "--prompt", "one two", "--decode", "0"]);
    assert_eq!((tokens(&whole, "prefill"), notes(&whole)), (Some(8), "[]".into()));
    // What was read is the text that is named: a prompt that is the repeated text gives the same run.
    let same = s.json(&["run", "--prompt", "one two\none two\none", "--decode", "0"]);
    assert_eq!((&same["cycles"], &same["by_op"]), (&long["cycles"], &long["by_op"]));
}

#[test]
fn as_many_tokens_are_written_as_asked_for() {
    let s = Scratch::new("decode");
    let until_line = s.json(&["run"]);
    assert_eq!((tokens(&until_line, "decode"), until_line["answer"].as_str()), (Some(9), Some("42 coins.")));
    let more = s.json(&["run", "--decode", "12"]);
    assert_eq!(tokens(&more, "decode"), Some(12));
    assert!(more["answer"].as_str().unwrap().starts_with("42 coins.\n"));
    // The cache grows with what is asked for.
    assert_eq!(tokens(&s.json(&["run", "--prefill", "250", "--decode", "10"]), "decode"), Some(10));
}

#[test]
fn cached_tokens_move_the_start_and_are_said_to_be_zeros() {
    let s = Scratch::new("context");
    let json = s.json(&["run", "--context", "200", "--decode", "2", "--out", "run"]);
    assert!(json["prefill"].is_null() && tokens(&json, "decode") == Some(2));
    assert!(notes(&json).contains("the 200 cached tokens are zeros"), "{json}");
    // The same steps as those of the folder's program at these positions.
    let step = |position: &str| s.json(&["sim", "run", "--position", position]);
    let (first, second) = (step("200"), step("201"));
    let sum = |key: &str| first[key].as_u64().unwrap() + second[key].as_u64().unwrap();
    assert_eq!(
        (sum("cycles"), sum("macs")),
        (json["cycles"].as_u64().unwrap(), json["macs"].as_u64().unwrap())
    );
    assert_eq!(s.json(&["sim", "run"])["cycles"], first["cycles"]);
    let prompt = s.json(&["run", "--context", "8", "--prefill", "16", "--decode", "1"]);
    assert_eq!((tokens(&prompt, "prefill"), tokens(&prompt, "decode")), (Some(16), Some(1)));
    s.json(&["compile", "--context", "300", "--prefill", "16", "--decode", "5", "--out", "out"]);
    assert_eq!(s.json(&["sim", "out"])["position"], 316);
    assert_eq!(s.json(&["sim", "out", "--program", "prefill"])["position"], 0);
}

#[test]
fn a_seed_draws_other_times_and_never_other_bytes() {
    let s = Scratch::new("seed");
    let run = |machine: &str, seed: &str| {
        s.json(&["run", "-m", machine, "--seed", seed, "--prefill", "5", "--decode", "2", "--out", seed])
    };
    let (a, b, again) = (run("three", "1"), run("three", "2"), run("three", "1"));
    assert_ne!(a["cycles"], b["cycles"]);
    assert_eq!((&a, &a["answer"]), (&again, &b["answer"]));
    // The folder's machine file has the seed: its steps are those of the run.
    let steps: u64 =
        ["5", "6"].map(|p| s.json(&["sim", "2", "--position", p])["cycles"].as_u64().unwrap()).iter().sum();
    assert_eq!(b["decode"]["cycles"].as_u64(), Some(steps));
    assert!(notes(&run("tiny", "1")).contains("the seed changes nothing"));
}

#[test]
fn named_dimensions_are_bound() {
    let s = Scratch::new("bind");
    let sizes = onnx_writer::Sizes { tokens: 9, layers: 2, ..SMALL };
    s.write("named.onnx", onnx_writer::write(&sizes, 3));
    let run = ["run", "named.onnx", "--prefill", "12", "--decode", "2", "--bind"];
    let json = s.json(&[&run[..], &["tokens=9"]].concat());
    assert_eq!((tokens(&json, "prefill"), tokens(&json, "decode")), (Some(12), Some(2)));
    insta::assert_snapshot!(
        [&run[..6], &[&run[..], &["tokens=8"]].concat()]
            .map(|args| format!("$ tilewright {}\n{}", args.join(" "), s.bad(args)))
            .join("\n")
    );
    assert_eq!(s.run(&[&run[..], &["tokens"]].concat()).status.code(), Some(2));
}

/// Files for onnxruntime: operators of its own; and one whose logits leave the network early.
#[test]
fn files_for_onnxruntime_run() {
    let s = Scratch::new("runtime");
    for form in [Form::Fused, Form::Turning] {
        let sizes = onnx_writer::Sizes { form, ..SMALL };
        s.write("fused.onnx", onnx_writer::write(&sizes, 3));
        let json = s.json(&["run", "fused.onnx", "--prefill", "6", "--decode", "2", "--bind", "tokens=5"]);
        assert_eq!(tokens(&json, "decode"), Some(2));
    }
    let genai = format!("{}/tests/corpus/tiny_llama_genai_int4/model.onnx", env!("CARGO_MANIFEST_DIR"));
    let mut run = vec!["run", &genai, "--scheme", "w4a8", "--prefill", "9", "--decode", "2"];
    for bound in ["batch_size=1", "sequence_length=8", "past_sequence_length=0", "total_sequence_length=8"] {
        run.extend(["--bind", bound]);
    }
    let json = s.json(&run);
    assert_eq!((tokens(&json, "prefill"), tokens(&json, "decode")), (Some(9), Some(2)));
    assert!(notes(&json).contains("behind the attention of layer 0"), "{json}");
}

/// Frames of a file through an encoder of speech: what is written is what the integer graph gives.
#[test]
fn an_encoder_hears_frames() {
    let s = Scratch::new("frames");
    let case = corpus::model("whisper_tiny_encoder").complete();
    s.write("model.onnx", &case.model);
    s.write("weights_omitted.bin", &case.options.external["weights_omitted.bin"]);
    let scheme = ir::quant::scheme::text("w2a8kv4").unwrap().replace("group = 32\n", "");
    s.write("scheme.toml", &scheme);
    let mut machine = hw::presets::load("tiny").unwrap();
    let buffers = &mut machine.buffers;
    (buffers.activation_bytes, buffers.vector_bank_bytes) = (1 << 15, 1 << 17);
    (buffers.weight_bytes, machine.memory.size_bytes) = (1 << 17, 1 << 25);
    s.write("machine.toml", machine.to_toml().unwrap());
    let floats: Vec<f32> = (0..4 * 80).map(|i| ((i * 37) as f32).sin()).collect();
    let npy = |shape: &str| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        let data: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &data].concat()
    };
    s.write("frames.npy", npy("(4, 80)"));
    s.write("other.npy", npy("(80, 4)"));
    let run = ["run", "model.onnx", "--scheme", "scheme.toml", "--machine", "machine.toml", "--input"];
    let text = s.good(&[&run[..], &["frames.npy", "--out", "out"]].concat());
    assert!(text.contains("output      2 tokens, the first ") && !text.contains("are zeros"), "{text}");
    let decoder = ir::decoder::recognise(&case.normal()).unwrap().decoder;
    let quantised = QuantDecoder::new(&decoder, &Scheme::parse(&scheme).unwrap()).unwrap();
    let words = floats.iter().map(|x| (f64::from(*x) * 65536.0).round() as i32).collect();
    let frames = Tensor::new(DType::I32, [4, 80], Data::Int(words)).unwrap();
    let wanted = ir::eval::evaluate(&quantised.graph(2, 0).unwrap(), &[frames]).unwrap();
    let given = ir::accuracy::read_array(&std::fs::read(s.0.join("out/output.npy")).unwrap(), "").unwrap();
    assert_eq!((&given.dtype[..], &given.shape[..]), ("<f8", &[2, 384][..]));
    let given = given.bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()) * 65536.0);
    assert!(given.eq(wanted[0].ints().iter().map(|&word| f64::from(word))));
    for (more, told) in [
        (vec!["other.npy"], "there are 80 frames of 4 channels"),
        (vec!["frames.npy", "--prefill", "3"], "the frames make 2 tokens, not 3"),
        (vec!["scheme.toml"], "not a readable npz file"),
    ] {
        let refused = s.bad(&[&run[..], &more].concat());
        assert!(refused.contains(told), "{refused}");
    }
    assert!(s.bad(&["run", "--input", "frames.npy"]).starts_with("error[input-unused]"));
    std::fs::remove_file(s.0.join("weights_omitted.bin")).unwrap();
    assert!(s.bad(&[&run[..], &["frames.npy"]].concat()).starts_with("error[weights-absent]"));
}

/// A small encoder of the BERT family, without weights.
#[test]
fn encoders_read_one_sequence() {
    let s = Scratch::new("encoder");
    let config = r#"{"model_type": "bert", "vocab_size": 256, "hidden_size": 64, "num_attention_heads": 4,
        "intermediate_size": 128, "num_hidden_layers": 2, "max_position_embeddings": 40}"#;
    std::fs::create_dir(s.0.join("bert")).unwrap();
    s.write("bert/config.json", config);
    let run = |more: &[&str]| s.json(&[&["run", "bert/config.json", "--scheme", "w8a8"], more].concat());
    let longest = run(&[]);
    assert_eq!((tokens(&longest, "prefill"), longest["decode"].is_null()), (Some(40), true));
    let short = run(&["--prefill", "20", "--out", "out"]);
    assert_eq!(tokens(&short, "prefill"), Some(20));
    assert!(notes(&short).contains("through every layer in chunks of"), "{short}");
    assert!(short["cycles"].as_u64() < longest["cycles"].as_u64());
    // Each token meets every weight of the layers, and all 20 of the sequence.
    let linear = 2 * (4 * 64 * 64 + 2 * 64 * 128);
    assert_eq!(short["macs"], 20 * linear + 20 * 20 * 2 * 64 * 2);
    // The folder's program is the same one, here on zeros.
    let again = s.json(&["sim", "out"]);
    assert_eq!((&again["macs"], &again["instructions"]), (&short["macs"], &short["instructions"]));
}
