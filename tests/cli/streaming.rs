//! Models larger than the memory that a run may take: their weights are read, quantised and laid out one after the other.

use crate::Scratch;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::Command;

const HIDDEN: usize = 256;
const INTERMEDIATE: usize = 704;
const VOCAB: usize = 256;

/// Writes a LLaMA of so many layers in bfloat16, with numbers that mean nothing; gives its elements.
fn checkpoint(s: &Scratch, layers: usize) -> usize {
    let config = json!({
        "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": VOCAB,
        "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 10_000.0, "hidden_act": "silu",
        "tie_word_embeddings": false,
    });
    s.write("config.json", config.to_string());
    let outer = ["model.embed_tokens", "lm_head"].map(|name| (name.to_string(), vec![VOCAB, HIDDEN]));
    let mut tensors = vec![("model.norm".to_string(), vec![HIDDEN])];
    tensors.extend(outer);
    for layer in 0..layers {
        let square = ["q", "k", "v", "o"].map(|x| (format!("self_attn.{x}_proj"), vec![HIDDEN, HIDDEN]));
        let wide = ["gate", "up"].map(|x| (format!("mlp.{x}_proj"), vec![INTERMEDIATE, HIDDEN]));
        let norms = ["input", "post_attention"].map(|x| (format!("{x}_layernorm"), vec![HIDDEN]));
        let down = [("mlp.down_proj".to_string(), vec![HIDDEN, INTERMEDIATE])];
        let of_layer = square.into_iter().chain(wide).chain(norms).chain(down);
        tensors.extend(of_layer.map(|(name, shape)| (format!("model.layers.{layer}.{name}"), shape)));
    }
    let (mut header, mut elements) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let from = 2 * elements;
        elements += shape.iter().product::<usize>();
        let about = json!({ "dtype": "BF16", "shape": shape, "data_offsets": [from, 2 * elements] });
        header.insert(format!("{name}.weight"), about);
    }
    let header = serde_json::Value::from(header).to_string();
    let mut file = BufWriter::new(File::create(s.0.join("model.safetensors")).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    // Between -0.1 and 0.1, in steps that repeat in no row.
    for i in 0..elements as u64 {
        let x = (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1 << 24) as f32;
        file.write_all(&((0.2 * x - 0.1).to_bits() >> 16).to_le_bytes()[..2]).unwrap();
    }
    file.flush().unwrap();
    elements
}

#[test]
fn weights_are_never_all_in_memory() {
    let s = Scratch::new("streaming");
    let elements = checkpoint(&s, 64);
    let tiny = s.good(&["machines", "--show", "tiny"]);
    let larger = tiny.replace("size_bytes = 4_194_304", "size_bytes = 134_217_728");
    s.write("large.toml", larger.replace("imem_words = 512", "imem_words = 2048"));
    // Kilobytes of memory that a process may have for itself; what it maps of files does not count.
    let run = |kilobytes: usize| {
        let line = format!("ulimit -d {kilobytes} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_tilewright")]).current_dir(&s.0);
        command.args(["run", "config.json", "--machine", "large.toml", "--scheme", "w8a8", "--decode", "1"]);
        command
            .args(["--prompt", "a", "--out", "out", "--json"])
            .env("RAYON_NUM_THREADS", "2")
            .output()
            .unwrap()
    };
    let limit = 44_000;
    assert!(elements > 1024 * limit, "codes of 8 bits fit the limit");
    let output = run(limit);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = s.0.join("out/image.bin").metadata().unwrap().len();
    assert!(image > elements as u64, "{image} of {elements}");
    assert!(!run(4_000).status.success(), "the limit does not bind");
}
