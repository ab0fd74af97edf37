//! Models: built-in names, ONNX files, configurations and text-IR files, to a graph in normal form or to a decoder.

use crate::checkpoint::{self, Checkpoint};
use crate::place::{map, read_text};
use bytes::Bytes;
use ir::decoder::{Decoder, recognise};
use ir::diag::Diagnostic;
use ir::front::onnx;
use ir::graph::Graph;
use std::collections::BTreeMap;
use std::path::Path;

/// A built-in model.
#[derive(Debug, Clone, Copy)]
pub enum BuiltIn {
    /// An ONNX file. The decoder is rebuilt for any number of tokens, so one of its files is enough.
    Onnx(&'static [u8]),
    /// A configuration, without weights.
    Shape(&'static [u8]),
}

macro_rules! shape {
    ($name:literal) => {
        ($name, BuiltIn::Shape(include_bytes!(concat!("../examples/models/shapes/", $name, ".json"))))
    };
}

/// Built-in models by name.
pub const BUILT_IN: &[(&str, BuiltIn)] = &[
    (
        "trained-llama",
        BuiltIn::Onnx(include_bytes!("../examples/models/trained_llama_w2_prefill/model.onnx")),
    ),
    shape!("llama2-7b"),
    shape!("llama2-13b"),
    shape!("llama3-8b"),
    shape!("mistral-7b"),
    shape!("qwen2.5-7b"),
    shape!("opt-6.7b"),
];

fn built_in(model: &str) -> Option<BuiltIn> {
    BUILT_IN.iter().find(|(name, _)| *name == model).map(|(_, built_in)| *built_in)
}

/// Numbers for the named dimensions of a model.
pub type Bindings = BTreeMap<String, u64>;

/// `NAME=VALUE`, as `--bind` takes it.
///
/// # Errors
/// No `=`, or no number behind it.
pub fn binding(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_string(), value.parse().map_err(|_| format!("`{value}` is not a number"))?))
}

/// The graph of a model in normal form.
///
/// # Errors
/// No such model, an unreadable file, or one that is not a model.
pub fn load(model: &str, bindings: &Bindings) -> Result<Graph, Diagnostic> {
    let path = Path::new(model);
    let graph = match built_in(model) {
        Some(BuiltIn::Onnx(bytes)) => import(Bytes::from_static(bytes), None, bindings),
        Some(BuiltIn::Shape(json)) => {
            known(bindings, CONFIG).and_then(|()| checkpoint::bare(json)?.graph(bindings))
        }
        None if !path.exists() => Err(unknown(model)),
        None if path.extension().is_some_and(|e| e == "tw") => {
            known(bindings, &[]).and_then(|()| ir::text::parse(&read_text(path)?))
        }
        None if checkpoint::is_config(path) => {
            known(bindings, CONFIG).and_then(|()| checkpoint::read(path)?.graph(bindings))
        }
        None => import(map(path)?, path.parent(), bindings),
    };
    let graph = graph.map_err(|e| if e.code == "model-unknown" { e } else { e.in_file(model) })?;
    ir::pass::run(&ir::pass::normalise(), graph, |_, _| {})
}

/// The decoder of a model, for any number of tokens.
///
/// # Errors
/// As [`load`], or the model is no decoder that can be compiled.
pub fn decoder(model: &str, bindings: &Bindings) -> Result<Decoder, Diagnostic> {
    let path = Path::new(model);
    let configured = |read: Result<Checkpoint, Diagnostic>| {
        known(bindings, CONFIG)?;
        read?.decoder()
    };
    let decoder = match built_in(model) {
        Some(BuiltIn::Shape(json)) => configured(checkpoint::bare(json)),
        None if path.exists() && checkpoint::is_config(path) => configured(checkpoint::read(path)),
        _ => recognise(&load(model, bindings)?).map(|found| found.decoder),
    };
    decoder.map_err(|e| e.in_file(model))
}

fn import(bytes: Bytes, folder: Option<&Path>, bindings: &Bindings) -> Result<Graph, Diagnostic> {
    let external = match folder {
        Some(folder) => external(&bytes, folder)?,
        None => BTreeMap::new(),
    };
    onnx::import_shared(bytes, &onnx::Options { bindings: bindings.clone(), external })
}

/// Files of weights beside the model; constants of files that are not there stay absent.
fn external(bytes: &Bytes, folder: &Path) -> Result<BTreeMap<String, Bytes>, Diagnostic> {
    let mut files = BTreeMap::new();
    for name in onnx::external_files(bytes)? {
        let mut parts = Path::new(&name).components().peekable();
        let inside = parts.peek().is_some() && parts.all(|c| matches!(c, std::path::Component::Normal(_)));
        let path = folder.join(&name);
        if !inside || path.exists() && !path.is_file() {
            return Err(Diagnostic::new(
                "external-location",
                "weights cannot be read from where the model says",
            )
            .because(format!("it names `{name}`; weights are read from files in the folder of the model"))
            .help("put the file beside the model, and export the model with its name"));
        }
        if path.exists() {
            files.insert(name, map(&path)?);
        }
    }
    Ok(files)
}

/// Files of weights that an ONNX file names and that are not there.
///
/// # Errors
/// The file cannot be read.
pub fn missing_files(model: &str) -> Result<Vec<String>, Diagnostic> {
    let path = Path::new(model);
    let other = path.extension().is_some_and(|e| e == "tw") || checkpoint::is_config(path);
    let (Some(folder), true) = (path.parent().filter(|_| !other), path.is_file()) else {
        return Ok(Vec::new());
    };
    let names = onnx::external_files(&map(path)?)?;
    Ok(names.into_iter().filter(|name| !folder.join(name).exists()).collect())
}

/// Dimensions of a network that is built from its configuration.
const CONFIG: &[&str] = &["tokens", "past"];

/// Refuses a number for a dimension that a model does not have.
fn known(bindings: &Bindings, names: &[&str]) -> Result<(), Diagnostic> {
    let unknown = bindings.keys().find(|name| !names.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| Err(onnx::unknown_binding(name, names.iter().copied())))
}

/// The numbers of `--bind`.
///
/// # Errors
/// Two numbers for one name.
pub fn bindings(given: &[(String, u64)]) -> Result<Bindings, Diagnostic> {
    let mut all = Bindings::new();
    for (name, number) in given {
        if let Some(before) = all.insert(name.clone(), *number).filter(|before| before != number) {
            return Err(Diagnostic::new("bind-twice", format!("`{name}` is bound twice"))
                .because(format!("it is bound to {before} and to {number}"))
                .help("bind each name once")
                .at_item("--bind"));
        }
    }
    Ok(all)
}

fn unknown(model: &str) -> Diagnostic {
    let known: Vec<&str> = BUILT_IN.iter().map(|(n, _)| *n).collect();
    Diagnostic::new("model-unknown", format!("there is no model `{model}`"))
        .because("it is neither a built-in name nor a file")
        .help(format!(
            "built in: {}; or give the path of an ONNX file, a config.json or a text-IR file (.tw)",
            known.join(", ")
        ))
}
