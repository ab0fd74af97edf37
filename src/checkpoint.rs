//! Models as a folder of `config.json` and safetensors: the files of weights beside a configuration.

use crate::model::Bindings;
use crate::place::{map, read_bytes, reason};
use ir::decoder::Decoder;
use ir::diag::Diagnostic;
use ir::front::config::{self, Network};
use ir::front::safetensors::{self, Tensors};
use ir::graph::Graph;
use std::collections::BTreeSet;
use std::path::Path;

/// A configuration with its weights; without any if no safetensors lie beside it.
pub struct Checkpoint {
    network: Network,
    tensors: Tensors,
}

/// Whether a path is a configuration.
pub fn is_config(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "json")
}

/// Reads a configuration, and maps all safetensors of its folder.
///
/// # Errors
/// An unreadable file, or one that is neither.
pub fn read(path: &Path) -> Result<Checkpoint, Diagnostic> {
    let named = |d: Diagnostic| d.in_file(path.display().to_string());
    let network = config::read(&read_bytes(path)?).map_err(named)?;
    let mut tensors = Tensors::default();
    for file in weights(path)? {
        let read = safetensors::read_shared(map(&file)?);
        tensors.extend(read.map_err(|d| d.in_file(file.display().to_string()))?);
    }
    Ok(Checkpoint { network, tensors })
}

/// A configuration without weights.
///
/// # Errors
/// It is none.
pub fn bare(file: &[u8]) -> Result<Checkpoint, Diagnostic> {
    Ok(Checkpoint { network: config::read(file)?, tensors: Tensors::default() })
}

/// The file that says which tensor is in which file, where there are several.
const INDEX: &str = "model.safetensors.index.json";

/// Refuses a folder whose index names files of weights that are not there.
fn complete(folder: &Path) -> Result<(), Diagnostic> {
    let index = folder.join(INDEX);
    if !index.is_file() {
        return Ok(());
    }
    let named = |d: Diagnostic| d.in_file(index.display().to_string());
    let value: serde_json::Value = serde_json::from_slice(&read_bytes(&index)?).map_err(|e| {
        named(
            Diagnostic::new("checkpoint-index", "the index of the weights is not JSON, or it is cut short")
                .because(e.to_string())
                .help("download it again, or remove it"),
        )
    })?;
    let map = value.get("weight_map").and_then(|map| map.as_object());
    let files = map.into_iter().flat_map(|map| map.values()).filter_map(|file| file.as_str());
    let missing: BTreeSet<&str> = files.filter(|file| !folder.join(file).is_file()).collect();
    match missing.iter().next() {
        None => Ok(()),
        Some(first) => Err(named(
            Diagnostic::new("checkpoint-shard", "files of weights are missing")
                .because(format!("the index names {} that are not in the folder, first `{first}`", missing.len()))
                .help("put all files of weights beside the configuration; for times without weights, take it alone"),
        )),
    }
}

/// The safetensors beside a file, in the order of their names.
fn weights(path: &Path) -> Result<Vec<std::path::PathBuf>, Diagnostic> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unreadable = |e: std::io::Error| {
        Diagnostic::new("folder-unreadable", "the folder of the model cannot be read")
            .because(reason(&e))
            .help("check its permissions")
            .in_file(folder.display().to_string())
    };
    complete(folder)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl Checkpoint {
    /// The graph of `tokens` tokens, 1 if nothing is bound, behind `past` cached ones, none if nothing is bound.
    ///
    /// # Errors
    /// The tensors do not fit the configuration.
    pub fn graph(&self, bindings: &Bindings) -> Result<Graph, Diagnostic> {
        let bound = |name: &str, default| bindings.get(name).copied().unwrap_or(default);
        let number = |name, default| {
            usize::try_from(bound(name, default)).ok().filter(|&n| n < 1 << 24).ok_or_else(|| {
                Diagnostic::new("bind-size", format!("`{name}` is bound to {}", bound(name, default)))
                    .because("a graph reads fewer than 2^24 tokens")
                    .help("bind it to a smaller number")
            })
        };
        self.network.graph(&self.tensors, number("tokens", 1)?, number("past", 0)?)
    }

    /// The decoder.
    ///
    /// # Errors
    /// The model is none, or its tensors do not fit the configuration.
    pub fn decoder(&self) -> Result<Decoder, Diagnostic> {
        self.network.decoder(&self.tensors)
    }
}
