//! Models by their `config.json`, as Hugging Face writes it: the graph from the configuration, the weights by name from
//! safetensors, or none.
//!
//! | `model_type` | network |
//! |---|---|
//! | `llama`, `mistral` | [`Decoder`], for any number of tokens |
//! | `qwen2`, `qwen3` | the same with biases of q, k and v, or norms of the heads of q and k |
//! | `opt` | the same with learned positions, layer norms and biases |
//! | `bert` | encoder |
//!
//! Invariants:
//! - what a configuration asks for and is not built is refused by the name of its field;
//! - sizes are bounded before anything is made of them;
//! - a model without tensors is a graph of absent constants; one with tensors has all of them.

mod bert;
mod causal;
mod fields;
mod net;

#[cfg(test)]
mod tests;

use super::layouts::Quantisation;
use super::safetensors::Tensors;
use crate::decoder::Decoder;
use crate::diag::Diagnostic;
use crate::graph::Graph;
use fields::Fields;

/// A configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    name: String,
    family: Family,
    quantisation: Option<Quantisation>,
}

#[derive(Debug, Clone, PartialEq)]
enum Family {
    Causal(causal::Causal),
    Bert(bert::Bert),
}

/// Reads a configuration.
pub fn read(file: &[u8]) -> Result<Network, Diagnostic> {
    let value: serde_json::Value = serde_json::from_slice(file).map_err(|e| {
        Diagnostic::new("config-json", "the configuration is not JSON, or it is truncated or corrupt")
            .because(e.to_string())
            .help("give the config.json of a model")
    })?;
    let fields = Fields::new(&value)?;
    let kind = fields.text("model_type")?;
    let family = match kind {
        "llama" | "mistral" | "qwen2" | "qwen3" => Family::Causal(causal::Causal::rotary(&fields, kind)?),
        "opt" => Family::Causal(causal::Causal::opt(&fields)?),
        "bert" => Family::Bert(bert::Bert::read(&fields)?),
        other => {
            return Err(Diagnostic::new("config-model", format!("models of type `{other}` are not built"))
                .because("the types are bert, llama, mistral, opt, qwen2 and qwen3")
                .help("export the model to ONNX"));
        }
    };
    Ok(Network { name: kind.into(), family, quantisation: fields.quantisation()? })
}

impl Network {
    /// The graph that reads `tokens` tokens behind `past` cached ones. Encoders have no cache.
    ///
    /// Decoders: inputs and outputs are those of [`Decoder::graph`]. Encoders: `tokens` and `token_types`, i64 `[tokens]`, to
    /// `hidden` `[tokens, hidden]` and `pooled` `[1, hidden]`; all tokens are visible.
    pub fn graph(&self, tensors: &Tensors, tokens: usize, past: usize) -> Result<Graph, Diagnostic> {
        if tokens == 0 {
            return Err(Diagnostic::new("config-tokens", "a graph of zero tokens was asked for")
                .because("a network reads at least one token")
                .help("ask for one or more"));
        }
        match &self.family {
            Family::Causal(causal) => causal.decoder(self.net(tensors))?.graph(tokens, past),
            Family::Bert(bert) => bert.graph(self.net(tensors), tokens),
        }
    }

    /// The decoder, or the encoder, whose tokens are all of the first type.
    ///
    /// # Errors
    /// Tensors that do not fit the configuration.
    pub fn decoder(&self, tensors: &Tensors) -> Result<Decoder, Diagnostic> {
        match &self.family {
            Family::Causal(causal) => causal.decoder(self.net(tensors)),
            Family::Bert(bert) => bert.decoder(self.net(tensors)),
        }
    }

    fn net<'t>(&'t self, tensors: &'t Tensors) -> net::Net<'t> {
        net::Net::new(&self.name, tensors, self.quantisation.as_ref())
    }
}
