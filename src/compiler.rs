//! From the arguments of a verb to a model that is placed on a machine, and the files that describe it.

use crate::accelerator::illegal;
use crate::accuracy::{calibration, shipped};
use crate::folder::{FIRST, IMAGE, args_text};
use crate::manifest::{MachineId, Manifest, ProgramFile};
use crate::output::Folder;
use crate::place::MachineFile;
use crate::scratch::Scratch;
use crate::workload::Workload;
use crate::{model, place};
use bytes::Bytes;
use codegen::model::Model;
use codegen::plan::{Options, Reads};
use codegen::{Compiled, Slot, Target, image};
use hw::Machine;
use ir::constant::Keep;
use ir::decoder::{Decoder, Visibility};
use ir::diag::Diagnostic;
use ir::quant::scheme::ScaleSource;
use ir::quant::{QuantDecoder, QuantEnds, QuantLinear, Scheme};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `run` and `compile` take to make a program.
#[derive(clap::Args)]
pub struct Request {
    /// An ONNX file, a config.json, a text-IR file (.tw), or a built-in name
    #[arg(default_value = "trained-llama")]
    pub model: String,
    /// A built-in machine or a machine file
    #[arg(long, short, default_value = "tiny")]
    pub machine: String,
    /// How the model is quantised: a built-in scheme or a scheme file
    #[arg(long, short, default_value = "w2a8kv4")]
    pub scheme: String,
    /// Positions that the cache holds; if not given 256, or as many as fit, or as many as the run needs
    #[arg(long, value_name = "N")]
    pub cache: Option<u32>,
    /// Texts that fix the scales of activations where the scheme asks for that: an npz file with an array `tokens` [rows, length]
    #[arg(long, value_name = "FILE")]
    pub calibrate: Option<PathBuf>,
    #[command(flatten)]
    pub workload: Workload,
    /// Draw the times of a memory of the kind `random` from this seed instead of the machine file's
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Store weights that no mode of the machine is made for in a wider one: the same results from more bytes
    #[arg(long)]
    pub widen: bool,
    /// Number of a named dimension
    #[arg(long, value_name = "NAME=VALUE", value_parser = model::binding)]
    pub bind: Vec<(String, u64)>,
}

/// A model placed on a machine.
pub struct Product {
    pub name: String,
    pub machine: MachineFile,
    pub decoder: Decoder,
    pub quantised: QuantDecoder,
    pub target: Target,
    /// The memory of each slice before the first run; none if the model file omitted weights.
    pub images: Option<Vec<Bytes>>,
    pub macs: Macs,
    /// Positions cached before the first token that is written, as far as the request tells.
    position: u32,
}

/// Multiplications of the network itself; padding does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macs {
    /// Of linear layers, for each token.
    #[serde(rename = "linear_per_token")]
    pub linear: u64,
    /// Of scores and weighted values, for each token and position that it sees.
    #[serde(rename = "attention_per_position")]
    pub attention: u64,
    /// Of linear layers behind an encoder, once for a sequence.
    #[serde(rename = "once_per_sequence", default)]
    pub once: u64,
    /// Tokens see all of their sequence, not only those before them.
    #[serde(default)]
    pub full_attention: bool,
    /// A token sees at most so many positions, its own with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
}

impl Macs {
    fn new(quantised: &QuantDecoder) -> Macs {
        let c = &quantised.config;
        let elements = |l: &QuantLinear| l.codes.ty().shape.elements().unwrap_or(0);
        let attention = 2 * (c.q_width() * quantised.layers.len()) as u64;
        let (all, full_attention) = (quantised.linears().map(elements).sum::<u64>(), c.is_encoder());
        let seen = match c.attention {
            Visibility::Window { sink, window } => Some((sink + window) as u64),
            Visibility::Causal | Visibility::Full => None,
        };
        if !full_attention {
            return Macs { linear: all, attention, once: 0, full_attention, seen };
        }
        let ends: u64 = quantised.ends.iter().flat_map(QuantEnds::linears).map(elements).sum();
        let convs = quantised.ends.iter().flat_map(|ends| ends.front.convs());
        let stem: u64 = convs.clone().map(|conv| elements(&conv.linear)).sum();
        // A convolution runs as often for a token as those behind it take frames.
        let often = |n| convs.clone().skip(n + 1).map(|conv| conv.windows.stride as u64).product::<u64>();
        let by_token: u64 =
            convs.clone().enumerate().map(|(n, conv)| elements(&conv.linear) * often(n)).sum();
        Macs { linear: all - ends + by_token, attention, once: ends - stem, full_attention, seen }
    }

    /// Of `tokens` tokens from `position` on; a token sees those before it and itself, those of its window, or all of them.
    pub fn of(&self, position: u32, tokens: u32) -> u64 {
        let (first, count) = (u64::from(position), u64::from(tokens));
        let behind = if self.full_attention { count * count } else { count * (count + 1) / 2 };
        let all = (count * first).saturating_add(behind);
        let pairs = self.seen.map_or(all, |most| (first + 1..=first + count).map(|n| n.min(most)).sum());
        let attention = self.attention.saturating_mul(pairs);
        self.linear.saturating_mul(count).saturating_add(attention).saturating_add(self.once)
    }
}

/// Imports the model of a request, and suits the workload to it.
///
/// # Errors
/// Whatever is wrong with the model, or a workload that it does not take; `prompt` is what it is to read, if anything is given.
pub fn import(request: &Request, prompt: Option<&str>) -> Result<(Decoder, Workload), Diagnostic> {
    request.workload.check()?;
    let decoder = model::decoder(&request.model, &model::bindings(&request.bind)?)?;
    let workload = request.workload.suited(&decoder.config, prompt)?;
    Ok((decoder, workload))
}

/// Quantises and places.
///
/// # Errors
/// Whatever is wrong with scheme, machine or workload; `prompt` is the number of tokens to read.
pub fn produce(
    request: &Request,
    (decoder, workload): (Decoder, &Workload),
    prompt: usize,
) -> Result<Product, Diagnostic> {
    produce_under(request, &place::scheme(&request.scheme)?, (decoder, workload), prompt)
}

/// The same under another scheme than that of the request.
///
/// # Errors
/// As [`produce`].
pub fn produce_under(
    request: &Request,
    scheme: &Scheme,
    (decoder, workload): (Decoder, &Workload),
    prompt: usize,
) -> Result<Product, Diagnostic> {
    let mut machine = place::machine(&request.machine)?;
    if let Some(seed) = request.seed {
        machine.seed(seed)?;
    }
    codegen::support::widths(scheme, request.widen).map_err(|e| e.in_file(request.scheme.clone()))?;
    let scratch = Scratch::default();
    let quantised = quantised(request, &decoder, scheme, &|bytes| scratch.keep(bytes))?;
    let model = Model::stored(&quantised, request.widen)?;
    let target =
        placed(&model, &machine.machine, (request.cache, workload.batch), workload.positions(prompt))?;
    let images = match image::absent(&quantised) {
        Some(_) => None,
        None => Some(images(&target, &quantised, &scratch).map_err(|e| e.in_file(request.model.clone()))?),
    };
    let macs = Macs::new(&quantised);
    let position = if model.kind.causal { workload.context + workload.prefill.unwrap_or(0) } else { 0 };
    Ok(Product { name: request.model.clone(), machine, decoder, quantised, target, images, macs, position })
}

/// The memory of each slice before the first run.
fn images(target: &Target, quantised: &QuantDecoder, scratch: &Scratch) -> Result<Vec<Bytes>, Diagnostic> {
    let size = image::size(target);
    let rooms = (0..target.machine.slices.count).map(|_| scratch.room(size));
    let mut rooms = rooms.collect::<Result<Vec<_>, _>>()?;
    image::write(target, quantised, rooms.iter_mut().map(|room| &mut room[..]).collect())?;
    Ok(rooms.into_iter().map(Bytes::from_owner).collect())
}

/// Quantises, with scales from the texts of the request if the scheme asks for them.
fn quantised(
    request: &Request,
    decoder: &Decoder,
    scheme: &Scheme,
    keep: Keep,
) -> Result<QuantDecoder, Diagnostic> {
    let Some(file) = &request.calibrate else {
        return QuantDecoder::streamed(decoder, scheme, None, keep);
    };
    if scheme.activations.scale == ScaleSource::RunTime {
        return Err(Diagnostic::new("calibration-unused", "the scheme has nothing to calibrate")
            .at_item("--calibrate")
            .because(format!("the scheme `{}` finds the scales of activations at run time", scheme.name))
            .help("leave `--calibrate` out, or give a scheme with `activations.scale`"));
    }
    let calibration = calibration(file, decoder, &shipped()?)?;
    QuantDecoder::streamed(decoder, scheme, Some(&calibration), keep)
}

/// Positions of the cache where nobody says how many: a longer cache leaves less room for the tokens of a prefill step.
const USUAL_POSITIONS: u32 = 256;

/// `needed`: positions that the cache must hold.
fn placed(
    model: &Model,
    machine: &Machine,
    (cache, batch): (Option<u32>, u32),
    needed: u64,
) -> Result<Target, Diagnostic> {
    let at = |context| Target::new(model, machine, &Options { context, batch, ..Options::default() });
    let enough = u32::try_from(needed).unwrap_or(u32::MAX);
    if !model.kind.causal {
        return match cache {
            None => at(Some(enough)),
            Some(_) => Err(Diagnostic::new("encoder-cache", "an encoder has no cache of its own size")
                .at_item("--cache")
                .because("its tokens see all of their sequence, and nothing is kept from one to the next")
                .help("leave `--cache` out; `--prefill N` gives the length of the sequence")),
        };
    }
    match cache {
        Some(positions) if positions < enough => {
            Err(Diagnostic::new("context-full", format!("a cache of {positions} positions is too small"))
                .at_item("--cache")
                .because(format!("cached tokens, prompt and tokens to write are {needed}"))
                .help("leave `--cache` out, or ask for less"))
        }
        Some(_) => at(cache),
        None if enough > USUAL_POSITIONS.min(model.max_positions) => at(Some(enough)),
        None => {
            at(Some(USUAL_POSITIONS.min(model.max_positions))).or_else(|first| at(None).map_err(|_| first))
        }
    }
}

/// A program with the name that its files have.
pub struct Named {
    pub name: &'static str,
    pub compiled: Compiled,
}

impl Product {
    /// What happened to the codes of the model file, and to the width of its weights; empty if nothing did.
    pub fn notes(&self) -> Vec<String> {
        let (bits, mode) = (self.quantised.scheme.weights.bits, self.target.model.widths.weights);
        let widened = (mode.bits() != bits).then(|| {
            format!(
                "weights of {bits} bits are stored as {} of the mode {}, as asked for",
                mode.bits(),
                mode.name()
            )
        });
        let wide = self.target.model.widths.activations == 4 && !self.target.machine.matrix.narrow;
        let narrow = wide.then(|| {
            "activations of 4 bits take a byte on the chip and run at the rate of 8-bit ones".to_string()
        });
        let early = self.target.model.kind.early.then(|| {
            let last = self.target.model.layers - 1;
            format!("the logits stand behind the attention of layer {last}: what follows it is left out")
        });
        self.quantised.notes().into_iter().chain(widened).chain(narrow).chain(early).collect()
    }

    /// The programs of a compiled folder: one token, or one of each sequence, and a chunk of a prompt if that is more; the whole
    /// sequence of an encoder.
    ///
    /// # Errors
    /// One does not compile.
    pub fn programs(&self) -> Result<Vec<Named>, Diagnostic> {
        let compiled = match self.target.map.sequence {
            Some(tokens) => self.target.compile(tokens, Slot::Decode)?,
            None => self.target.step()?,
        };
        let mut all = vec![Named { name: "program", compiled }];
        if self.target.chunk > 1 && self.target.map.sequence.is_none() {
            all.push(Named {
                name: "prefill",
                compiled: self.target.compile(self.target.chunk, Slot::Chunk)?,
            });
        }
        Ok(all)
    }

    /// Writes graph, plans, programs with the arguments of a run on zeros, and memory image; gives the manifest to finish
    /// the folder with. What is written is proven for all positions first; what is run only, when it is run.
    ///
    /// # Errors
    /// A program is not legal, or the operating system refuses.
    pub fn write(&self, folder: &mut Folder, programs: &[Named]) -> Result<Manifest, Diagnostic> {
        programs.iter().try_for_each(|p| self.target.prove(&p.compiled)).map_err(|e| illegal(&e))?;
        let mut plans = String::new();
        let mut entries = Vec::new();
        let mut programs_at = Vec::new();
        for Named { name, compiled } in programs {
            folder.add(&format!("{name}.bin"), isa::binary::write(&compiled.program)?)?;
            folder.add(&format!("{name}.asm"), isa::disasm::listing(&compiled.program))?;
            let (each, tokens) = (compiled.reads == Reads::Each, compiled.tokens);
            let position = if each || tokens == 1 { self.position } else { FIRST };
            folder.add(&format!("{name}.args"), args_text(&compiled.program.arg_values(position, &[])))?;
            plans.push_str(&codegen::plan::print::print(&compiled.plan, &compiled.syncs));
            plans.push('\n');
            programs_at.push((compiled.program.base as usize, image::words(&compiled.program)?));
            entries.push(ProgramFile {
                file: format!("{name}.bin"),
                tokens: Some(tokens),
                sequences: each.then_some(tokens),
                instructions: compiled.program.instrs.len() as u64,
            });
        }
        folder.add("plan.txt", plans)?;
        folder.add("graph.tw", ir::text::print_without_weights(&self.quantised.graph(1, 0)?))?;
        if let Some(images) = &self.images {
            programs_at.sort();
            folder.add_parts(IMAGE, &with_programs(images, &programs_at))?;
        }
        folder.add("machine.toml", &self.machine.text)?;
        Ok(Manifest {
            model: Some(self.name.clone()),
            scheme: Some(self.quantised.scheme.name.to_string()),
            machine: Some(MachineId::of(&self.machine.machine)),
            vocabulary: self.target.model.reads_tokens().then_some(self.target.model.vocab),
            context: Some(self.target.map.context),
            position: self.position,
            weights_absent: self.images.is_none(),
            macs: Some(self.macs),
            programs: entries,
            ..Manifest::new()
        })
    }
}

/// The memories one behind the other; words of programs stand in the first instead of the zeros that it holds for them, in order.
fn with_programs<'a>(images: &'a [Bytes], programs: &'a [(usize, Vec<u8>)]) -> Vec<&'a [u8]> {
    let Some((first, rest)) = images.split_first() else { return Vec::new() };
    let (mut parts, mut at): (Vec<&[u8]>, usize) = (Vec::new(), 0);
    for (base, words) in programs {
        parts.extend([first.get(at..*base).unwrap_or_default(), words]);
        at = base + words.len();
    }
    parts.push(first.get(at..).unwrap_or_default());
    parts.extend(rest.iter().map(|image| &image[..]));
    parts
}
