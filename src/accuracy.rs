//! How well a model predicts the evaluation texts, as floats and quantised.
//!
//! Rung 1 of the ladder of trust: the float evaluator, held to the vectors that come with the models. Rung 2: the quantised
//! evaluator, whose figures are these. Rung 3: the functional simulation, which gives the same bits, so that rung 2's
//! figures are the machine's.

use crate::compiler::Product;
use crate::rung::Rung;
use ir::accuracy::{Figures, Texts, measure};
use ir::diag::Diagnostic;
use ir::session::Predictor;
use serde_json::{Value, json};
use std::fmt::Write;

/// Rows of text, and sums; for no calibration.
const ROWS: &[u8] = include_bytes!("../examples/data/llama_eval.npz");
const QUESTIONS: &str = include_str!("../examples/data/llama_questions.json");
/// The figures do not depend on it.
const THREADS: usize = 2;

/// Figures of a model, as floats and quantised.
pub struct Accuracy {
    scheme: &'static str,
    float: Figures,
    quantised: Figures,
    rows: usize,
}

/// The shipped texts, for a model whose tokens are bytes.
///
/// # Errors
/// The model has fewer tokens than there are bytes.
pub fn texts(vocab: usize) -> Result<Texts, Diagnostic> {
    if vocab < 256 {
        return Err(Diagnostic::new("accuracy-vocabulary", "the accuracy of this model cannot be measured")
            .at_item("--accuracy")
            .because(format!("the texts are bytes; the model knows {vocab} tokens of the 256 there are"))
            .help("leave out `--accuracy`, or take a model whose tokens are bytes"));
    }
    Texts::parse(ROWS, QUESTIONS)
}

impl Accuracy {
    /// Measures both forms of a model.
    ///
    /// # Errors
    /// A form that cannot be evaluated, as one without weights.
    pub fn of(product: &Product, texts: &Texts) -> Result<Accuracy, Diagnostic> {
        Accuracy::measured(&product.decoder, &product.quantised, product.quantised.scheme.name, texts)
    }

    fn measured(
        float: &dyn Predictor,
        quantised: &dyn Predictor,
        scheme: &'static str,
        texts: &Texts,
    ) -> Result<Accuracy, Diagnostic> {
        let of = |model| measure(model, texts, THREADS);
        Ok(Accuracy { scheme, float: of(float)?, quantised: of(quantised)?, rows: texts.rows.len() })
    }

    /// The object of the report.
    pub fn json(&self) -> Value {
        let figures = |f: &Figures, rung: Rung| {
            json!({
                "bits_per_byte": f.prediction.bits_per_byte,
                "next_byte": f.prediction.next_byte,
                "sums_right": f.sums_right,
                "rung": rung.number(),
                "source": rung.name(),
            })
        };
        json!({
            "texts": { "rows": self.rows, "bytes": self.float.prediction.bytes, "sums": self.float.sums },
            "float": figures(&self.float, Rung::Float),
            "quantised": figures(&self.quantised, Rung::Quantised),
        })
    }

    /// The table of the report.
    pub fn text(&self) -> String {
        let mut out = format!(
            "\n{:<12}{:>14}{:>11}{:>12}   rung of trust\n",
            "accuracy", "bits per byte", "next byte", "sums right"
        );
        for (name, f, rung) in
            [("float", &self.float, Rung::Float), (self.scheme, &self.quantised, Rung::Quantised)]
        {
            let (bits, next) = (f.prediction.bits_per_byte, percent(f.prediction.next_byte));
            let sums = percent(f.sums_right);
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "{name:<12}{bits:>14.4}{next:>11}{sums:>12}   {}: {}",
                rung.number(),
                rung.name()
            );
        }
        let (bytes, sums) = (self.float.prediction.bytes, self.float.sums);
        let _ = writeln!(out, "measured on {bytes} bytes of text in {} rows, and on {sums} sums", self.rows);
        out
    }
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
        let figures = |bits_per_byte, next_byte, sums_right| Figures {
            prediction: Prediction { bits_per_byte, next_byte, bytes: 8192 },
            sums_right,
            sums: 200,
        };
        let (float, quantised) = (figures(0.5, 0.875, 1.0), figures(0.625, 0.75, 0.25));
        let accuracy = Accuracy { scheme: "w2a8kv4", float, quantised, rows: 64 };
        insta::assert_snapshot!(format!("{}\n{:#}", accuracy.text(), accuracy.json()));
    }

    #[test]
    fn the_built_in_model_predicts_as_floats_and_quantised() {
        let graph = crate::model::load("trained-llama", &Default::default()).unwrap();
        let decoder = ir::decoder::recognise(&graph).unwrap().decoder;
        let scheme = ir::quant::Scheme::named("w2a8kv4").unwrap();
        let quantised = ir::quant::QuantDecoder::new(&decoder, scheme).unwrap();
        let mut texts = texts(decoder.config.vocab).unwrap();
        texts.rows.truncate(4);
        texts.questions.truncate(4);
        let found = Accuracy::measured(&decoder, &quantised, scheme.name, &texts).unwrap();
        for figures in [found.float, found.quantised] {
            assert!(figures.prediction.bits_per_byte < 0.7 && figures.prediction.next_byte > 0.8);
            assert_eq!((figures.sums, figures.prediction.bytes), (4, 4 * 128));
        }
        assert_ne!(found.float, found.quantised);
    }

    #[test]
    fn models_that_do_not_read_bytes_are_refused() {
        assert_eq!(texts(50).unwrap_err().code, "accuracy-vocabulary");
    }
}
