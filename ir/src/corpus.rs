//! The models that tests read, with their test vectors. An absent file fails the test.

use crate::front::onnx::{self, Options};
use crate::graph::Graph;
use crate::tensor::Tensor;
use std::fs;
use std::path::{Path, PathBuf};

/// A model file with its test vector.
pub(crate) struct Case {
    pub name: String,
    pub model: Vec<u8>,
    pub options: Options,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

/// Folders of the models of this crate's tests: `(model, vectors)` for the prefill and the decode file of each network.
const FOLDERS: [[&str; 2]; 4] = [
    ["examples/models/trained_llama_w2_prefill", "examples/models/trained_llama_w2_decode"],
    ["tests/corpus/trained_llama/prefill", "tests/corpus/trained_llama/decode"],
    ["tests/corpus/trained_llama_w2s24/prefill", "tests/corpus/trained_llama_w2s24/decode"],
    ["tests/corpus/tiny_llama/prefill", "tests/corpus/tiny_llama/decode"],
];

/// Prefill and decode of each network; the first is the network of the README.
pub(crate) fn llamas() -> impl Iterator<Item = [Case; 2]> {
    FOLDERS.into_iter().map(|pair| pair.map(load))
}

/// The network of the README.
pub(crate) fn llama() -> [Case; 2] {
    FOLDERS[0].map(load)
}

fn load(folder: &str) -> Case {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let model = read(&root.join("model.onnx"));
    let mut options = Options::default();
    for file in onnx::external_files(&model).unwrap() {
        // Prefill and decode share one file of weights, which lies beside their folders.
        let bytes = read(&root.join("..").join(&file));
        options.external.insert(file, bytes.into());
    }
    let vectors = if root.join("test_data_set_0").is_dir() { root.join("test_data_set_0") } else { root };
    let tensors = |kind: &str| -> Vec<Tensor> {
        let path = |i: usize| vectors.join(format!("{kind}_{i}.pb"));
        let files = (0..).map(path).take_while(|p: &PathBuf| p.exists());
        files.map(|p| onnx::read_tensor(&read(&p)).unwrap().1).collect()
    };
    let (inputs, outputs) = (tensors("input"), tensors("output"));
    assert!(!inputs.is_empty() && !outputs.is_empty(), "no vectors in {}", vectors.display());
    Case { name: folder.into(), model, options, inputs, outputs }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

impl Case {
    pub(crate) fn import(&self) -> Graph {
        onnx::import(&self.model, &self.options).unwrap_or_else(|d| panic!("{}: {d}", self.name))
    }
}

/// max|a - b| / max|b|
pub(crate) fn relative_error(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    let largest = b.iter().map(|x| x.abs()).fold(0.0, f32::max);
    assert!(a.iter().all(|x| x.is_finite()));
    worst / largest
}
