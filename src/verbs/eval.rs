//! `eval MODEL`: how well a model predicts texts, as floats and under each of some schemes, or depths, as floats.

use crate::accuracy::{Accuracy, calibration, rows, shipped};
use crate::cli::{Outcome, Report};
use crate::place::{map, read_text, scheme};
use crate::{depth, model, progress::Progress};
use ir::accuracy::{Question, Scenes, Texts};
use ir::diag::Diagnostic;
use ir::quant::scheme::{BUILT_IN, ScaleSource};
use ir::quant::{QuantDecoder, Scheme};
use serde_json::json;
use std::path::PathBuf;

/// Measure how well a model predicts texts, as floats and under schemes, or depths
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file, a config.json, a text-IR file (.tw), or a built-in name
    #[arg(default_value = "trained-llama")]
    model: String,
    /// Texts: an npz file with an array `tokens` of shape [rows, length], each row on its own; if not given, the shipped ones.
    /// Or scenes: arrays `rgb` u8 [scenes, 3, H, W] and `depth` f16 [scenes, H, W] in metres, for networks of images whose map is the inverse of depth
    #[arg(long, short, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Questions: a JSON list of pairs [prompt, answer] of texts, for models whose tokens are bytes
    #[arg(long, short, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Built-in schemes or scheme files; if not given, all built-in ones
    #[arg(long, short, value_name = "S,..", value_delimiter = ',')]
    scheme: Vec<String>,
    /// Texts that fix the scales of activations where a scheme asks for that; none of the evaluation's
    #[arg(long, short, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// Number of a named dimension
    #[arg(long, value_name = "NAME=VALUE", value_parser = model::binding)]
    bind: Vec<(String, u64)>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Outcome {
    if let Some(scenes) = scenes(args)? {
        return depths(args, &scenes);
    }
    let schemes = schemes(&args.scheme)?;
    let texts = texts(args)?;
    let working = Progress::begin("importing", 0);
    let decoder = model::decoder(&args.model, &model::bindings(&args.bind)?)?;
    if decoder.config.is_encoder() {
        return Err(Diagnostic::new("eval-encoder", "an encoder predicts no next token")
            .at_item(args.model.clone())
            .because("accuracy is measured by what a model expects behind each token, and an encoder sees what is there")
            .help("`import` shows its graph, `run` its times on a machine"));
    }
    // Told before anything is measured.
    let needs = schemes.iter().find(|scheme| scheme.activations.scale != ScaleSource::RunTime);
    let calibration = match &args.calibrate {
        Some(file) => Some(calibration(file, &decoder, &texts)?),
        None => needs.map_or(Ok(None), |scheme| QuantDecoder::new(&decoder, scheme).map(|_| None))?,
    };
    drop(working);
    let mut accuracy = Accuracy::begin(&texts, &decoder, 1 + schemes.len())?;
    accuracy.float(&decoder)?;
    for scheme in &schemes {
        let quantised = match &calibration {
            Some(calibration) => QuantDecoder::calibrated(&decoder, scheme, calibration)?,
            None => QuantDecoder::new(&decoder, scheme)?,
        };
        accuracy.quantised(&quantised)?;
    }
    Ok(report(args, &accuracy))
}

/// The scenes of the data, if it is no texts.
fn scenes(args: &Args) -> Result<Option<Scenes>, Diagnostic> {
    let Some(file) = &args.data else { return Ok(None) };
    let bytes = map(file)?;
    let scenes = Scenes::are_in(&bytes).then(|| Scenes::parse(&bytes)).transpose();
    scenes.map_err(|e| e.in_file(file.display().to_string()))
}

fn depths(args: &Args, scenes: &Scenes) -> Outcome {
    let more = [
        (!args.scheme.is_empty(), "--scheme"),
        (args.calibrate.is_some(), "--calibrate"),
        (args.questions.is_some(), "--questions"),
    ];
    if let Some((_, option)) = more.into_iter().find(|(given, _)| *given) {
        return Err(Diagnostic::new("eval-scenes", "networks of images are measured as floats only")
            .at_item(option)
            .because("no scheme quantises feature maps yet, and scenes have no questions")
            .help(format!("leave out {option}")));
    }
    let working = Progress::begin("importing", 0);
    let graph = model::load(&args.model, &model::bindings(&args.bind)?)?;
    drop(working);
    let (text, mut json) = depth::accuracy(&graph, scenes)?;
    json["model"] = args.model.clone().into();
    json["data"] = args.data.as_ref().map(|f| f.display().to_string()).into();
    Ok(Report::new(format!("{}\n{text}", args.model), json))
}

fn report(args: &Args, accuracy: &Accuracy) -> Report {
    let named = |file: &Option<PathBuf>| file.as_ref().map(|f| f.display().to_string());
    let mut json = accuracy.json();
    json["model"] = args.model.clone().into();
    json["data"] = named(&args.data).into();
    json["calibration"] = json!(named(&args.calibrate));
    Report::new(format!("{}\n{}", args.model, accuracy.text()), json)
}

fn schemes(names: &[String]) -> Result<Vec<Scheme>, Diagnostic> {
    match names {
        [] => BUILT_IN.iter().map(|(name, _)| Scheme::named(name)).collect(),
        names => names.iter().map(|name| scheme(name)).collect(),
    }
}

fn texts(args: &Args) -> Result<Texts, Diagnostic> {
    let shipped = if args.data.is_none() { shipped()? } else { Texts::default() };
    let rows = args.data.as_deref().map(rows).transpose()?.unwrap_or(shipped.rows);
    let asked = args
        .questions
        .as_deref()
        .map(|file| Question::parse(&read_text(file)?).map_err(|e| e.in_file(file.display().to_string())));
    Ok(Texts { rows, questions: asked.transpose()?.unwrap_or(shipped.questions) })
}
