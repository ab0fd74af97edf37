//! Where the constant factors of a quantised decoder go.
//!
//! A code with its scale means `(code - zero point) * scale / steps` (steps: 127 or 7 of symmetric codes, 255 or 15 of others).
//! The divisions by steps and the factor of the scores are constants; hardware multiplies by none of them on its own:
//! - linear layers: `c / steps of x` goes into the channel scale;
//! - scores: K's scales stand where channel scales do, so `log2(e) / sqrt(head_dim) / (steps of q * steps of k)` must go
//!   elsewhere: into the channel scales of the query projection (the rotary embedding and the quantiser of q are homogeneous),
//!   times the power of two next above the product of steps, which the shift of the scores takes back, so that q keeps its
//!   magnitude;
//! - values: `1 / (steps of p * steps of v)` is the channel scale of every output, as the same power of two over the product
//!   of steps and a shift.

use super::Scheme;
use super::exact;
use crate::decoder::{Config, Positions};
use crate::diag::Diagnostic;
use crate::num::{FRACTION_BITS, Scale};
use rug::{Integer, Rational};

/// Constant factors of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    /// Factor of the channel scales of linear layers.
    pub linear: Rational,
    /// Factor of the channel scales of the query projection.
    pub query: Rational,
    /// See [`super::QuantDecoder::phase_steps`].
    pub phase_steps: Vec<u32>,
    /// See [`super::QuantDecoder::eps`].
    pub eps: u32,
    /// See [`super::QuantDecoder::score_shift`].
    pub score_shift: i32,
    /// See [`super::QuantDecoder::value_channel`].
    pub value_channel: Scale,
    /// See [`super::QuantDecoder::value_shift`].
    pub value_shift: i32,
}

impl Factors {
    /// The factors of a decoder under a scheme.
    pub fn new(config: &Config, scheme: &Scheme) -> Result<Factors, Diagnostic> {
        let pair = scheme.attention_code().steps() * scheme.cache_code().steps();
        let power = pair.next_power_of_two();
        let bits = power.trailing_zeros();
        let linear = Rational::from((1, scheme.activation_code().steps()));
        let value = Rational::from((power, pair));
        let score = exact::log2_e() / exact::square_root(config.head_dim.max(1) as u64);
        Ok(Factors {
            query: Rational::from(&linear * &value) * score,
            value_channel: exact::nearest_scale(&value).unwrap_or_default(),
            linear,
            phase_steps: phase_steps(config)?,
            eps: eps(config)?,
            score_shift: (bits + FRACTION_BITS) as i32,
            value_shift: bits as i32,
        })
    }
}

fn phase_steps(config: &Config) -> Result<Vec<u32>, Diagnostic> {
    let Positions::Rotary { theta } = config.positions else { return Ok(Vec::new()) };
    let dim = config.head_dim;
    let good = dim > 0 && dim <= 4096 && dim % 2 == 0;
    exact::phase_steps(theta, dim).filter(|_| good).ok_or_else(|| {
        Diagnostic::new("quant-rope", "the rotary embedding cannot be put in integers")
            .because(format!("it has the base {theta} and heads of {dim} elements"))
            .help(
                "the base is a finite number from 1 on; heads have an even number of elements, at most 4096",
            )
    })
}

fn eps(config: &Config) -> Result<u32, Diagnostic> {
    let unit = Rational::from(Integer::from(config.hidden) << (2 * FRACTION_BITS));
    let product = exact::float(config.eps).map(|eps| exact::rounded(&(eps * unit)));
    product.and_then(|n| n.to_u32()).ok_or_else(|| {
        Diagnostic::new("quant-eps", "the epsilon of the norms cannot be put in integers")
            .because(format!("{} times {} elements is not in 0..1", config.eps, config.hidden))
            .help("use an epsilon from 0 to 1 / elements")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::{Activation, Exit, NormKind, Placement, Visibility};

    fn w2a8kv4() -> Scheme {
        Scheme::named("w2a8kv4").unwrap()
    }

    fn config() -> Config {
        Config {
            vocab: 256,
            hidden: 128,
            heads: 4,
            kv_heads: 4,
            head_dim: 32,
            intermediate: 256,
            positions: Positions::Rotary { theta: 1e4 },
            attention: Visibility::Causal,
            placement: Placement::Branch,
            exit: Exit::Layers,
            norm: NormKind::Rms,
            eps: 1e-6,
            activation: Activation::SWIGLU,
            max_positions: None,
        }
    }

    #[test]
    fn factors_of_a_small_decoder() {
        let f = Factors::new(&config(), &w2a8kv4()).unwrap();
        assert_eq!(f.linear, Rational::from((1, 127)));
        assert_eq!((f.score_shift, f.value_shift, f.eps), (26, 10, 549756));
        assert_eq!(f.value_channel, Scale { mantissa: 37744, exponent: -15 });
        let query = 1.0 / 127.0 * 1024.0 / 889.0 * std::f64::consts::LOG2_E / 32f64.sqrt();
        assert!((f.query.to_f64() / query - 1.0).abs() < 1e-14);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let code = |change: fn(&mut Config)| {
            let mut c = config();
            change(&mut c);
            Factors::new(&c, &w2a8kv4()).map_err(|d| d.code)
        };
        assert_eq!(code(|c| c.eps = 0.1), Err("quant-eps"));
        assert_eq!(code(|c| c.eps = -1e-6), Err("quant-eps"));
        assert_eq!(code(|c| c.eps = f64::NAN), Err("quant-eps"));
        assert_eq!(code(|c| c.positions = Positions::Rotary { theta: f64::INFINITY }), Err("quant-rope"));
        assert_eq!(code(|c| c.head_dim = 3), Err("quant-rope"));
    }
}
