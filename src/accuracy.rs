//! How well a model predicts texts, as floats and under schemes.
//!
//! Rung 1 of the ladder of trust: the float evaluator, held to the vectors that come with the models. Rung 2: the quantised
//! evaluator, whose figures are these. Rung 3: the functional simulation, which gives the same bits, so that rung 2's
//! figures are the machine's.

use crate::place::map;
use crate::progress::Progress;
use crate::rung::Rung;
use ir::accuracy::{Figures, Question, Rows, Texts, measure};
use ir::decoder::Decoder;
use ir::diag::Diagnostic;
use ir::quant::{Calibration, QuantDecoder};
use ir::session::Predictor;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Rows of text, and sums; for no calibration.
const ROWS: &[u8] = include_bytes!("../examples/data/llama_eval.npz");
const QUESTIONS: &str = include_str!("../examples/data/llama_questions.json");

/// The shipped texts.
///
/// # Errors
/// None; they are tested.
pub fn shipped() -> Result<Texts, Diagnostic> {
    Ok(Texts { rows: Rows::parse(ROWS)?, questions: Question::parse(QUESTIONS)? })
}

/// Rows of tokens of an npz file.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn rows(file: &Path) -> Result<Rows, Diagnostic> {
    Rows::parse(&map(file)?).map_err(|e| e.in_file(file.display().to_string()))
}

/// What a decoder does with the texts of a file, which are none of those that accuracy is measured on.
///
/// # Errors
/// Texts that cannot be read, that the decoder does not know, or that are of the evaluation.
pub fn calibration(file: &Path, decoder: &Decoder, texts: &Texts) -> Result<Calibration, Diagnostic> {
    let rows = rows(file)?;
    let at = |e: Diagnostic| e.in_file(file.display().to_string());
    rows.check(decoder.config.vocab).map_err(at)?;
    if let Some((own, other)) = rows.common(&texts.rows) {
        return Err(at(Diagnostic::new(
            "calibration-overlap",
            "the calibration uses texts of the evaluation",
        )
        .because(format!("its row {own} is row {other} of what accuracy is measured on"))
        .help("calibrate on other texts; figures would be better than the scheme is")));
    }
    let all = rows.all();
    let all: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
    Calibration::new(decoder, &all)
}

/// Figures of the forms of a model on texts.
pub struct Accuracy<'t> {
    texts: &'t Texts,
    progress: Progress,
    forms: Vec<Form>,
}

struct Form {
    name: String,
    rung: Rung,
    figures: Figures,
    /// Whether no weight was rounded.
    exact: bool,
    /// What happened to codes that the file carries.
    notes: Vec<String>,
}

impl<'t> Accuracy<'t> {
    /// Of `forms` forms, none of which is measured yet.
    ///
    /// # Errors
    /// The model does not know the tokens of the texts.
    pub fn begin(texts: &'t Texts, model: &dyn Predictor, forms: usize) -> Result<Accuracy<'t>, Diagnostic> {
        texts.rows.check(model.vocab())?;
        let steps = forms * (texts.rows.len() + texts.questions.len());
        Ok(Accuracy {
            texts,
            progress: Progress::begin("measuring accuracy", steps as u64),
            forms: Vec::new(),
        })
    }

    /// Measures the float form.
    ///
    /// # Errors
    /// It cannot be evaluated, as one without weights.
    pub fn float(&mut self, model: &dyn Predictor) -> Result<(), Diagnostic> {
        self.measure("float", Rung::Float, model, true, Vec::new())
    }

    /// Measures a quantised form.
    ///
    /// # Errors
    /// It cannot be evaluated, as one without weights.
    pub fn quantised(&mut self, model: &QuantDecoder) -> Result<(), Diagnostic> {
        self.measure(&model.scheme.name, Rung::Quantised, model, model.on_grid(), model.notes())
    }

    fn measure(
        &mut self,
        name: &str,
        rung: Rung,
        model: &dyn Predictor,
        exact: bool,
        notes: Vec<String>,
    ) -> Result<(), Diagnostic> {
        let figures = measure(model, self.texts, &|| self.progress.step())?;
        self.forms.push(Form { name: name.to_string(), rung, figures, exact, notes });
        Ok(())
    }

    fn tokens(&self) -> usize {
        self.texts.rows.len() * (self.texts.rows.length() - 1)
    }

    /// The object of a report: what was read, and the figures of each form.
    pub fn json(&self) -> Value {
        let bytes = self.texts.rows.are_bytes();
        let form = |form: &Form| {
            let (f, p) = (&form.figures, &form.figures.prediction);
            json!({
                "form": form.name,
                "bits_per_byte": bytes.then_some(p.bits_per_token),
                "bits_per_token": p.bits_per_token,
                "perplexity": p.perplexity(),
                "next_token": p.next_token,
                "answers_right": f.answers_right,
                "weights_exact": form.exact,
                "notes": form.notes,
                "rung": form.rung.number(),
                "source": form.rung.name(),
            })
        };
        let (rows, questions) = (self.texts.rows.len(), self.texts.questions.len());
        json!({
            "texts": { "rows": rows, "tokens": self.tokens(), "bytes": bytes, "questions": questions },
            "results": self.forms.iter().map(form).collect::<Vec<_>>(),
        })
    }

    /// The table of a report.
    pub fn text(&self) -> String {
        let bytes = self.texts.rows.are_bytes();
        let (unit, next) = if bytes { ("bits/byte", "next byte") } else { ("bits/token", "next token") };
        let width = self.forms.iter().map(|f| f.name.len()).fold(10, usize::max) + 2;
        let mut out = format!(
            "{:<width$}{unit:>10}{:>13}{next:>12}{:>15}   rung of trust\n",
            "form", "perplexity", "answers right"
        );
        for Form { name, rung, figures, .. } in &self.forms {
            let p = &figures.prediction;
            let (bits, perplexity, next) = (p.bits_per_token, short(p.perplexity()), percent(p.next_token));
            let right = figures.answers_right.map_or("-".into(), percent);
            let (number, source) = (rung.number(), rung.name());
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "{name:<width$}{bits:>10.4}{perplexity:>13}{next:>12}{right:>15}   {number}: {source}"
            );
        }
        let (tokens, rows) = (self.tokens(), self.texts.rows.len());
        let _ = write!(out, "measured on {tokens} {} of {rows} rows", if bytes { "bytes" } else { "tokens" });
        let questions = self.texts.questions.len();
        let _ = if questions == 0 { writeln!(out) } else { writeln!(out, ", and on {questions} questions") };
        for Form { name, notes, .. } in &self.forms {
            notes.iter().for_each(|note| out.push_str(&format!("note on {name}: {note}\n")));
        }
        out
    }
}

/// Four digits behind the point, or six in all where that is too long.
fn short(x: f64) -> String {
    if x < 1e6 { format!("{x:.4}") } else { format!("{x:.5e}") }
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ir::accuracy::Prediction;

    #[test]
    fn figures_are_shown_with_what_they_stand_on() {
        let figures = |bits_per_token, next_token, answers_right| Figures {
            prediction: Prediction { bits_per_token, next_token, tokens: 8192 },
            answers_right,
        };
        let form = |name: &str, rung, figures| {
            let notes = if name == "float" { vec![] } else { vec!["codes are not kept".into()] };
            Form { name: name.into(), rung, figures, exact: true, notes }
        };
        let mut texts = shipped().unwrap();
        let mut shown = String::new();
        for answers in [Some(0.25), None] {
            let forms = vec![
                form("float", Rung::Float, figures(0.5, 0.875, answers.map(|_| 1.0))),
                form("w2a8kv4", Rung::Quantised, figures(0.625, 0.75, answers)),
            ];
            let accuracy = Accuracy { texts: &texts, progress: Progress::begin("", 0), forms };
            shown.push_str(&format!("{}\n{:#}\n\n", accuracy.text(), accuracy.json()));
            texts.questions.clear();
        }
        insta::assert_snapshot!(shown);
    }
}
