//! A compiled folder: a program, the machine that it was made for, and what its memory holds.

use crate::compiler::Macs;
use crate::manifest::{self, Manifest};
use crate::place;
use bytes::Bytes;
use hw::Machine;
use ir::diag::Diagnostic;
use isa::Program;
use std::path::Path;

/// Where a program of several tokens begins if nothing else is said: at the start of a text.
pub const FIRST: u32 = 0;

/// What `compile` wrote.
pub struct Compiled {
    pub model: Option<String>,
    pub scheme: Option<String>,
    pub machine: Machine,
    pub program: Program,
    /// Memory before the run; none if the model file omitted weights.
    pub image: Option<Bytes>,
    /// Positions of its cache, token ids of the model, and tokens that the program reads, where the manifest tells.
    context: Option<u32>,
    vocabulary: Option<u32>,
    pub tokens: Option<u32>,
    /// These are one of each of so many sequences.
    pub sequences: Option<u32>,
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
        if let Some(token) = tokens.iter().find(|t| self.vocabulary.is_some_and(|n| **t >= n)) {
            let most = self.vocabulary.unwrap_or(0).saturating_sub(1);
            return refuse(
                format!("there is no token {token}"),
                format!("the model's tokens are 0 to {most}"),
                "give tokens in this range",
            );
        }
        let on = if self.sequences.is_some() { 1 } else { reads };
        let (end, context) = (u64::from(position) + u64::from(on), self.context.unwrap_or(u32::MAX));
        if end > u64::from(context) {
            let why = format!(
                "the program reads {on} tokens of a sequence and the cache holds {context} positions"
            );
            return refuse(
                format!("position {position} is beyond the cache"),
                why,
                "choose a smaller position",
            );
        }
        let step = codegen::plan::map::starts(&hw::Geometry::of(&self.machine), on);
        if position % step != 0 {
            let why = format!("a program of {reads} tokens starts at multiples of {step}");
            return refuse(format!("position {position} is not aligned"), why, "choose a multiple");
        }
        Ok(self.program.arg_values(position, tokens))
    }
}

impl Compiled {
    /// The memory of each slice before the run, for those who need the bytes.
    ///
    /// # Errors
    /// As [`Compiled::bytes`]; or the image is none of as many slices.
    pub fn images(&self) -> Result<Vec<Bytes>, Diagnostic> {
        let (bytes, slices) = (self.bytes()?, self.machine.slices.count as usize);
        if bytes.len() % slices != 0 {
            let what = format!("the memory image has not as many bytes for each of {slices} slices");
            return Err(Diagnostic::new("folder-damaged", what)
                .at_item("image.bin")
                .because(format!("it has {} bytes", bytes.len()))
                .help("compile again"));
        }
        let one = bytes.len() / slices;
        Ok((0..slices).map(|slice| bytes.slice(slice * one..(slice + 1) * one)).collect())
    }

    /// The memory before the run, for those who need the bytes.
    ///
    /// # Errors
    /// The model file omitted weights.
    pub fn bytes(&self) -> Result<&Bytes, Diagnostic> {
        self.image.as_ref().ok_or_else(|| {
            Diagnostic::new("weights-absent", "the folder holds no memory image")
                .because("the model file omits weights: the program has times, but no bytes to compute with")
                .help("leave the bytes out, or compile a model file that holds its weights")
        })
    }
}

/// The memories of slices as one file: one behind the other, each as long as the longest.
pub fn joined(mut memories: Vec<Vec<u8>>) -> Vec<u8> {
    let longest = memories.iter().map(Vec::len).max().unwrap_or(0);
    memories.iter_mut().for_each(|memory| memory.resize(longest, 0));
    match <[Vec<u8>; 1]>::try_from(memories) {
        Ok([memory]) => memory,
        Err(memories) => memories.concat(),
    }
}

/// The values of the argument table as the testbench reads them: hexadecimal, one to a line.
pub fn args_text(values: &[u32]) -> String {
    values.iter().map(|v| format!("{v:08x}\n")).collect()
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
    let entry = manifest.programs.iter().find(|p| p.file == file);
    let (tokens, sequences) = (entry.and_then(|p| p.tokens), entry.and_then(|p| p.sequences));
    let image = if manifest.weights_absent { None } else { Some(memory(path, &manifest, &found)?) };
    Ok(Compiled {
        context: manifest.context,
        vocabulary: manifest.vocabulary,
        tokens,
        sequences,
        position: if tokens == Some(1) || sequences.is_some() { manifest.position } else { FIRST },
        macs: manifest.macs,
        model: manifest.model,
        scheme: manifest.scheme,
        image,
        machine: found,
        program,
    })
}

/// Name of the memory image.
pub const IMAGE: &str = "image.bin";

fn manifest(path: &Path) -> Result<Manifest, Diagnostic> {
    if path.join(manifest::NAME).is_file() {
        return Manifest::read(path);
    }
    Err(Diagnostic::new("folder-foreign", "this is no compiled folder")
        .because(format!("it has no {}", manifest::NAME))
        .help("make one with `tilewright compile MODEL --machine M --out DIR`")
        .in_file(path.display().to_string()))
}

/// The memory image of a folder.
fn memory(path: &Path, manifest: &Manifest, machine: &Machine) -> Result<Bytes, Diagnostic> {
    let image = place::map(&path.join(IMAGE))?;
    manifest.check(path, IMAGE, &image)?;
    if image.len() as u64 > machine.memory.size_bytes {
        return Err(Diagnostic::new("image-size", "the memory image does not fit the machine")
            .because(format!(
                "it has {} bytes, and the machine's memory {}",
                image.len(),
                machine.memory.size_bytes
            ))
            .help("compile the folder again, or give the machine more memory")
            .in_file(path.join(IMAGE).display().to_string()));
    }
    Ok(image)
}
