//! The models that tests read, with their test vectors. An absent file fails the test.
//!
//! Some files omit their weights, or inputs too large to be kept: [`Case::complete`] draws them, as `tests/corpus/README.md`
//! defines it. Nothing of this is part of the product. The tests of this crate and those of the whole read this file.
#![allow(dead_code)] // Either of the two uses a part of it.

use bytes::Bytes;
use ir::front::onnx::{self, Options};
use ir::graph::Graph;
use ir::pass;
use ir::tensor::Tensor;
use prost::Message;
use std::fs;
use std::path::{Path, PathBuf};

/// A model file with its test vector.
pub(crate) struct Case {
    pub name: String,
    pub model: Bytes,
    pub options: Options,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    /// The stored outputs hold every n-th element only; 1 where nothing is said.
    every: Vec<usize>,
}

/// Folders of the models of this crate's tests: `(model, vectors)` for the prefill and the decode file of each network.
const FOLDERS: [[&str; 2]; 4] = [
    ["examples/models/trained_llama_w2_prefill", "examples/models/trained_llama_w2_decode"],
    ["tests/corpus/trained_llama/prefill", "tests/corpus/trained_llama/decode"],
    ["tests/corpus/trained_llama_w2s24/prefill", "tests/corpus/trained_llama_w2s24/decode"],
    ["tests/corpus/tiny_llama/prefill", "tests/corpus/tiny_llama/decode"],
];

/// Where the elements of omitted tensors would be.
const OMITTED: &str = "weights_omitted.bin";

/// Prefill and decode of each network; the first is the network of the README.
pub(crate) fn llamas() -> impl Iterator<Item = [Case; 2]> {
    FOLDERS.into_iter().map(|pair| pair.map(load))
}

/// The network of the README.
pub(crate) fn llama() -> [Case; 2] {
    FOLDERS[0].map(load)
}

/// The model of a folder of `tests/corpus`.
pub(crate) fn model(name: &str) -> Case {
    load(&format!("tests/corpus/{name}"))
}

fn load(folder: &str) -> Case {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.find(|p| p.join("tests/corpus").is_dir()).unwrap().join(folder);
    // Prefill and decode share a file of weights: they lie beside it, and their vectors in folders of their own.
    let path = Some(root.with_extension("onnx")).filter(|f| f.exists()).unwrap_or(root.join("model.onnx"));
    let model = Bytes::from(read(&path));
    let mut options = Options::default();
    for file in onnx::external_files(&model).unwrap().into_iter().filter(|f| f != OMITTED) {
        let bytes = read(&path.with_file_name(&file));
        options.external.insert(file, bytes.into());
    }
    let vectors = if root.join("test_data_set_0").is_dir() { root.join("test_data_set_0") } else { root };
    let about = fs::read_to_string(vectors.join("vectors.json")).unwrap_or_else(|_| "{}".into());
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    let tensor = |path: PathBuf| onnx::read_tensor(&read(&path)).unwrap().1;
    let input = |i: usize| {
        let path = vectors.join(format!("input_{i}.pb"));
        let drawn = &about["drawn"][i.to_string()];
        path.exists().then(|| tensor(path)).or_else(|| drawn.is_object().then(|| drawn_input(drawn)))
    };
    let inputs = (0..).map_while(input).collect();
    let paths = (0..).map(|i| vectors.join(format!("output_{i}.pb"))).take_while(|p| p.exists());
    let every = about["every"].as_array().map_or(vec![], |all| all.iter().map(natural).collect());
    Case { name: folder.into(), model, options, inputs, outputs: paths.map(tensor).collect(), every }
}

fn natural(value: &serde_json::Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn drawn_input(about: &serde_json::Value) -> Tensor {
    let dims: Vec<usize> = about["dims"].as_array().unwrap().iter().map(natural).collect();
    let number = |key: &str| about[key].as_f64().unwrap();
    let (name, count) = (about["name"].as_str().unwrap(), dims.iter().product());
    Tensor::f32(dims, draw(name, number("offset"), number("scale")).take(count).collect()).unwrap()
}

/// `offset + scale * (2 u - 1)`, u the upper 24 bits of splitmix64, started at the FNV-1a hash of the name.
fn draw(name: &str, offset: f64, scale: f64) -> impl Iterator<Item = f32> {
    let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let u = ((z ^ z >> 31) >> 40) as f64 / f64::from(1 << 24);
        (offset + scale * (2.0 * u - 1.0)) as f32
    })
}

/// The parts of a model that tell how its omitted tensors are drawn.
mod omitted {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Model {
        #[prost(message, optional, tag = "7")]
        pub(super) graph: Option<Graph>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Graph {
        #[prost(message, repeated, tag = "5")]
        pub(super) initializer: Vec<Tensor>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Tensor {
        #[prost(int64, repeated, packed = "false", tag = "1")]
        pub(super) dims: Vec<i64>,
        #[prost(string, tag = "8")]
        pub(super) name: String,
        /// `gen1 offset=O scale=S`
        #[prost(string, tag = "12")]
        pub(super) doc_string: String,
        #[prost(message, repeated, tag = "13")]
        pub(super) external_data: Vec<Entry>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Entry {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }
}

fn omitted_weights(model: &Bytes) -> Vec<u8> {
    let model = omitted::Model::decode(model.clone()).unwrap();
    let mut bytes = Vec::new();
    for tensor in model.graph.iter().flat_map(|g| &g.initializer).filter(|t| !t.external_data.is_empty()) {
        let entry = |key: &str| &tensor.external_data.iter().find(|e| e.key == key).unwrap().value;
        let number = |key: &str| -> f64 {
            let words = tensor.doc_string.split_whitespace();
            words.filter_map(|w| w.strip_prefix(key)?.strip_prefix('=')).next().unwrap().parse().unwrap()
        };
        let (at, length): (usize, usize) =
            (entry("offset").parse().unwrap(), entry("length").parse().unwrap());
        assert_eq!(length as i64, 4 * tensor.dims.iter().product::<i64>());
        bytes.resize(bytes.len().max(at + length), 0);
        let elements = draw(&tensor.name, number("offset"), number("scale"));
        bytes[at..at + length].chunks_exact_mut(4).zip(elements).for_each(|(b, x)| {
            b.copy_from_slice(&x.to_le_bytes());
        });
    }
    bytes
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

impl Case {
    /// The case with the weights that its file omits.
    pub(crate) fn complete(mut self) -> Case {
        self.options.external.insert(OMITTED.into(), omitted_weights(&self.model).into());
        self
    }

    pub(crate) fn import(&self) -> Graph {
        onnx::import_shared(self.model.clone(), &self.options)
            .unwrap_or_else(|d| panic!("{}: {d}", self.name))
    }

    /// The graph in normal form.
    pub(crate) fn normal(&self) -> Graph {
        pass::run(&pass::normalise(), self.import(), |_, _| ()).unwrap()
    }

    /// The largest error of outputs against the vectors of this case: `max|a - b| / max|b|` of each.
    pub(crate) fn error(&self, outputs: &[Tensor]) -> f32 {
        assert!(!outputs.is_empty() && outputs.len() == self.outputs.len(), "{}", self.name);
        let error = |(i, (a, b)): (usize, (&Tensor, &Tensor))| match self.every.get(i) {
            None | Some(1) => {
                assert_eq!(a.ty(), b.ty());
                relative_error(a.floats(), b.floats())
            }
            Some(&n) => {
                let some: Vec<f32> = a.floats().iter().step_by(n).copied().collect();
                relative_error(&some, b.floats())
            }
        };
        outputs.iter().zip(&self.outputs).enumerate().map(error).fold(0.0, f32::max)
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

#[test]
fn drawn_numbers_are_those_of_their_definition() {
    let known = [-0.9324476718902588, -0.987493634223938, -0.3450760841369629, 0.31245195865631104];
    assert!(draw("pixel_values", 0.0, 1.0).zip(known).all(|(a, b)| f64::from(a) == b));
}
