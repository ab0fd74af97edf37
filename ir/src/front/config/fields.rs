//! The fields of a configuration, each refused by name if it is missing, of another kind, or absurd.

use crate::diag::Diagnostic;
use crate::front::layouts::Quantisation;
use serde_json::Value;

/// Largest size of a configuration; the vocabularies of today are near 2^18.
const MAX_SIZE: u64 = 1 << 24;
/// Most layers.
const MAX_LAYERS: usize = 1 << 12;

/// An object of a configuration.
pub(super) struct Fields<'j>(&'j serde_json::Map<String, Value>);

/// A value as a message shows it.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

impl<'j> Fields<'j> {
    pub(super) fn new(value: &'j Value) -> Result<Self, Diagnostic> {
        value.as_object().map(Fields).ok_or_else(|| {
            Diagnostic::new("config-json", "the configuration is not an object")
                .because("a configuration is an object of named fields")
                .help("give the config.json of a model")
        })
    }

    /// A field; null counts as missing.
    fn get(&self, name: &str) -> Option<&'j Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    fn wrong(&self, name: &str, why: impl Into<String>) -> Diagnostic {
        Diagnostic::new("config-field", "a field of the configuration cannot be used")
            .because(why)
            .help("check the configuration, or export the model to ONNX")
            .at_item(name)
    }

    /// Refuses a network that a field asks for.
    pub(super) fn refuse(&self, name: &str, why: &str) -> Diagnostic {
        self.wrong(name, format!("{why} is not built"))
    }

    pub(super) fn text(&self, name: &str) -> Result<&'j str, Diagnostic> {
        let text = self.get(name).and_then(Value::as_str);
        text.ok_or_else(|| match self.get(name) {
            None => self.wrong(name, "it is missing"),
            Some(found) => self.wrong(name, format!("it is {}, not a text", shortened(found))),
        })
    }

    /// A text that must be one of those that are built, if it is there.
    pub(super) fn one_of(&self, name: &str, built: &[&str]) -> Result<(), Diagnostic> {
        match self.get(name) {
            None => Ok(()),
            Some(Value::String(text)) if built.contains(&text.as_str()) => Ok(()),
            Some(other) => Err(self.refuse(name, &format!("{other} instead of {}", built.join(" or ")))),
        }
    }

    /// A size from 1 to 2^24, with a default if there is one.
    pub(super) fn size(&self, name: &str, default: Option<usize>) -> Result<usize, Diagnostic> {
        match (self.get(name), default) {
            (None, Some(default)) => Ok(default),
            (value, _) => {
                let size = value.and_then(Value::as_u64).filter(|n| (1..=MAX_SIZE).contains(n));
                let size = size.and_then(|n| usize::try_from(n).ok());
                size.ok_or_else(|| match value {
                    None => self.wrong(name, "it is missing"),
                    Some(found) => self.wrong(
                        name,
                        format!("it is {}, not a whole number from 1 to {MAX_SIZE}", shortened(found)),
                    ),
                })
            }
        }
    }

    pub(super) fn layers(&self) -> Result<usize, Diagnostic> {
        let name = "num_hidden_layers";
        let layers = self.size(name, None)?;
        if layers <= MAX_LAYERS {
            return Ok(layers);
        }
        Err(self.wrong(name, format!("it is {layers}; at most {MAX_LAYERS} are built")))
    }

    pub(super) fn number(&self, name: &str, default: f64) -> Result<f64, Diagnostic> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => {
                let number = value.as_f64().filter(|x| x.is_finite());
                number.ok_or_else(|| self.wrong(name, format!("it is {}, not a number", shortened(value))))
            }
        }
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Diagnostic> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(name, "it is neither true nor false")),
        }
    }

    /// An object in a field.
    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'j>>, Diagnostic> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields(map))),
            Some(_) => Err(self.wrong(name, "it is no object")),
        }
    }

    /// What the configuration says of quantised weights.
    pub(super) fn quantisation(&self) -> Result<Option<Quantisation>, Diagnostic> {
        let found = match self.object("quantization_config")? {
            None => self.object("compression_config")?,
            found => found,
        };
        let Some(fields) = found else { return Ok(None) };
        let method = fields.text("quant_method")?;
        let bits = match method {
            "gptq" => fields.size("bits", None)?,
            "awq" => {
                fields.one_of("version", &["gemm", "GEMM"])?;
                fields.size("bits", Some(fields.size("w_bit", Some(4))?))?
            }
            "compressed-tensors" => {
                fields.one_of("format", &["pack-quantized", "int-quantized", "naive-quantized", "dense"])?;
                fields.group_bits()?
            }
            other => return Err(fields.refuse("quant_method", &format!("`{other}`"))),
        };
        let plain_zeros = fields.get("checkpoint_format").and_then(Value::as_str) == Some("gptq_v2");
        Ok(Some(Quantisation { method: method.into(), bits: bits as u32, plain_zeros }))
    }

    /// Bits of the weights of compressed-tensors, which must be one number for all groups; 8 if there are none.
    fn group_bits(&self) -> Result<usize, Diagnostic> {
        let Some(groups) = self.object("config_groups")? else { return Ok(8) };
        let mut found = None;
        for name in groups.0.keys() {
            let weights = groups.object(name)?.map(|g| g.object("weights")).transpose()?.flatten();
            let Some(weights) = weights else { continue };
            weights.one_of("type", &["int"])?;
            let bits = weights.size("num_bits", None)?;
            if *found.get_or_insert(bits) != bits {
                return Err(self.refuse("config_groups", "a network of more than one width of weights"));
            }
        }
        Ok(found.unwrap_or(8))
    }
}
