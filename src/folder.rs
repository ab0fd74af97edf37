//! A compiled folder: a program, the machine that it was made for, and what its memory holds.

use crate::compiler::Macs;
use crate::output::MANIFEST;
use crate::place;
use hw::Machine;
use ir::diag::Diagnostic;
use isa::Program;
use serde_json::Value;
use std::path::Path;

/// What `compile` wrote.
pub struct Compiled {
    pub model: String,
    pub scheme: Option<String>,
    pub machine: Machine,
    pub program: Program,
    pub image: Vec<u8>,
    /// Positions of its cache, and tokens that the program reads, where the manifest tells.
    context: Option<u32>,
    pub tokens: Option<u32>,
    /// Tokens cached before a run where none are named.
    pub position: u32,
    /// Products of the network, where the manifest tells.
    pub macs: Option<Macs>,
}

impl Compiled {
    /// The argument table of a run at `position`; tokens that are not given are 0.
    ///
    /// # Errors
    /// The run would leave the cache, does not start where such a program may, or the tokens are too many.
    pub fn args(&self, position: u32, tokens: &[u32]) -> Result<Vec<u32>, Diagnostic> {
        let reads = self.tokens.unwrap_or(1);
        let refuse = |what: String, why: String, help: &str| {
            Err(Diagnostic::new("run-unsupported", what).because(why).help(help))
        };
        if tokens.len() as u64 > u64::from(reads) {
            let what = format!("{} tokens are too many", tokens.len());
            return refuse(
                what,
                format!("the program reads {reads}"),
                "give as many, or run the other program",
            );
        }
        let (end, context) = (u64::from(position) + u64::from(reads), self.context.unwrap_or(u32::MAX));
        if end > u64::from(context) {
            let why = format!("the program reads {reads} tokens and the cache holds {context} positions");
            return refuse(
                format!("position {position} is beyond the cache"),
                why,
                "choose a smaller position",
            );
        }
        let outputs = self.machine.matrix.outputs;
        if reads > 1 && position % outputs != 0 {
            let why = format!(
                "a program of several tokens starts at multiples of {outputs}, the machine's outputs"
            );
            return refuse(format!("position {position} is not aligned"), why, "choose a multiple");
        }
        Ok(self.program.arg_values(position, tokens))
    }
}

/// Reads a compiled folder; `program` is the name of one of its programs, `machine` what the user says it is for.
///
/// # Errors
/// Not a compiled folder, or one of its files is damaged or for another machine.
pub fn open(path: &Path, program: &str, machine: Option<&str>) -> Result<Compiled, Diagnostic> {
    let manifest = manifest(path)?;
    let found = place::machine(&path.join("machine.toml").to_string_lossy())?.machine;
    let file = format!("{program}.bin");
    let program = place::program(&path.join(&file))?;
    isa::binary::check_machine(&program, &found)?;
    if let Some(name) = machine {
        isa::binary::check_machine(&program, &place::machine(name)?.machine)?;
    }
    let text = |key: &str| manifest[key].as_str().map(str::to_string);
    let context = manifest["context"].as_u64().and_then(|n| u32::try_from(n).ok());
    let entry =
        manifest["programs"].as_array().and_then(|all| all.iter().find(|p| p["file"] == file.as_str()));
    let tokens = entry.and_then(|p| p["tokens"].as_u64()).and_then(|n| u32::try_from(n).ok());
    let macs = |key: &str| manifest["macs"][key].as_u64();
    let macs = macs("linear_per_token").zip(macs("attention_per_position"));
    // A program of several tokens reads from the start of a text.
    let position = manifest["position"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Ok(Compiled {
        context,
        tokens,
        position: if tokens == Some(1) { position } else { 0 },
        macs: macs.map(|(linear, attention)| Macs { linear, attention }),
        model: text("model").unwrap_or_default(),
        scheme: text("scheme"),
        image: place::read_bytes(&path.join("image.bin"))?,
        machine: found,
        program,
    })
}

fn manifest(path: &Path) -> Result<Value, Diagnostic> {
    let file = path.join(MANIFEST);
    if !file.is_file() {
        return Err(Diagnostic::new("folder-foreign", "this is no compiled folder")
            .because(format!("it has no {MANIFEST}"))
            .help("make one with `tilewright compile MODEL --machine M --out DIR`")
            .in_file(path.display().to_string()));
    }
    serde_json::from_str(&place::read_text(&file)?).map_err(|e| {
        Diagnostic::new("manifest-syntax", "the manifest is no JSON")
            .because(e.to_string())
            .help("compile the folder again")
            .in_file(file.display().to_string())
    })
}
