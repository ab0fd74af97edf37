//! Integer tensors of a decoder.

use super::scheme::{Sparsity, TableScheme, WeightScheme};
use super::{Fidelity, exact, grid};
use crate::constant::{Constant, Grid, Keep};
use crate::decoder::{Norm, NormKind, Weight};
use crate::diag::Diagnostic;
use crate::graph::Origin;
use crate::num::{self, FRACTION_BITS};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Type};
use rayon::prelude::*;
use rug::Rational;
use std::sync::Arc;

/// A linear layer on the weight grid of a scheme; the operands and attributes of `group-linear`.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantLinear {
    /// Weight codes `[outputs, inputs]`; `[outputs, inputs / 2]` if sparse.
    pub codes: Constant,
    /// Group scales, `[outputs, inputs / group]`, u8 unless the scheme has wider ones.
    pub groups: Constant,
    /// Channel scale words, i32 `[outputs]`.
    pub channels: Constant,
    /// Zero points of the groups, of the codes' type.
    pub zeros: Option<Constant>,
    /// Places of the kept weights of a sparse layer, u2, shaped as the codes.
    pub positions: Option<Constant>,
    /// Weights along K that share a group scale.
    pub group: usize,
    /// What codes mean; empty if they mean themselves.
    pub levels: Vec<i32>,
    /// The input of each column of the codes, i64 `[inputs]`, if they do not stand in their order.
    pub order: Option<Constant>,
    /// Added to the outputs, i32 `[outputs]`.
    pub bias: Option<QuantVector>,
    /// What became of the weights of the model.
    pub fidelity: Fidelity,
    /// Name of the weight in the model.
    pub name: Arc<str>,
    /// The node of the model that used it.
    pub origin: Origin,
}

/// A tensor with one power-of-two scale: a table of embeddings, the gain of a norm, or a bias.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantVector {
    /// The elements: i16, or i8; i32 of layer norms (gain and bias in a word) and of biases.
    pub constant: Constant,
    /// The `shift` of the operator that reads it.
    pub shift: i32,
    /// Name of the tensor in the model.
    pub name: Arc<str>,
    /// The node of the model that used it.
    pub origin: Origin,
}

impl QuantLinear {
    /// Quantises a weight `[outputs, inputs]`; `factor` is multiplied into the channel scales.
    pub fn new(weight: &Weight, factor: &Rational, scheme: &WeightScheme) -> Result<QuantLinear, Diagnostic> {
        let shape = weight.constant.ty().shape.fixed().unwrap_or_default();
        let &[outputs, inputs] = &shape[..] else { return Err(refused(weight, "it is not a matrix")) };
        let group = scheme.group.unwrap_or(inputs);
        let sparse = scheme.sparsity == Sparsity::TwoOfFour;
        if inputs == 0 || inputs % group != 0 || sparse && group % 4 != 0 {
            let kind = if sparse { "groups of a multiple of 4, of" } else { "groups of" };
            return Err(refused(
                weight,
                &format!("a row of {inputs} weights is not a number of {kind} {group}"),
            )
            .help("use a scheme with a group that divides its rows, or with one scale per output: leave `group` out of its `[weights]`"));
        }
        let kept = if sparse { inputs / 2 } else { inputs };
        let mut parts = Parts::new(weight, [outputs, kept, inputs / group], scheme);
        let (mut order, mut fidelity, mut first) = (None, None, 0);
        for band in weight.constant.bands(BAND, scheme.shared) {
            let elements = band.ty().shape.elements().unwrap_or(0) as usize;
            let rows = Rows::new(&Weight { constant: band, ..weight.clone() }, first, inputs, scheme)?;
            first += elements;
            order = rows.order;
            // The worst of the bands, where all but the last may be exact.
            fidelity = fidelity.filter(|f| *f != Fidelity::Exact).or(Some(rows.fidelity));
            parts.fill(&rows.rows, factor)?;
        }
        let (parts, fidelity) = (parts.finish()?, fidelity.unwrap_or(Fidelity::Absent));
        Ok(QuantLinear {
            codes: parts.codes,
            groups: parts.groups,
            channels: parts.channels,
            zeros: (!scheme.symmetric).then_some(parts.zeros),
            positions: sparse.then_some(parts.positions),
            group,
            levels: scheme.levels.clone(),
            order,
            bias: None,
            fidelity,
            name: weight.name.clone(),
            origin: weight.origin.clone(),
        })
    }

    /// The same, its matrices where `keep` puts them.
    ///
    /// # Errors
    /// It has no room.
    pub fn kept(self, keep: Keep) -> Result<QuantLinear, Diagnostic> {
        let part = |part: Option<Constant>| part.map(|constant| constant.kept(keep)).transpose();
        let (codes, groups) = (self.codes.kept(keep)?, self.groups.kept(keep)?);
        Ok(QuantLinear { codes, groups, zeros: part(self.zeros)?, positions: part(self.positions)?, ..self })
    }

    /// The same with a bias; `factor` is what outputs are multiplied with.
    pub fn with_bias(self, bias: Option<&Weight>, factor: &Rational) -> Result<QuantLinear, Diagnostic> {
        Ok(QuantLinear { bias: bias.map(|bias| QuantVector::bias(bias, factor)).transpose()?, ..self })
    }
}

/// Rows of a weight on the grid of a scheme.
struct Rows {
    rows: Vec<grid::Row>,
    order: Option<Constant>,
    fidelity: Fidelity,
}

impl Rows {
    /// Those of a weight, or of a band of it from its element `first` on.
    fn new(weight: &Weight, first: usize, inputs: usize, scheme: &WeightScheme) -> Result<Rows, Diagnostic> {
        let file = weight.constant.grid();
        let why = match file.and_then(|file| grid::keep(file, scheme)) {
            Some(Ok(grid::Kept { rows, rounding })) => {
                let exact = rounding == 0.0;
                let fidelity = if exact { Fidelity::Exact } else { Fidelity::ScalesRounded(rounding) };
                return Ok(Rows { rows, order: file.and_then(Grid::inputs), fidelity });
            }
            Some(Err(why)) => Some(why),
            None => None,
        };
        let Some(tensor) = weight.constant.tensor() else {
            return Ok(Rows { rows: Vec::new(), order: None, fidelity: Fidelity::Absent });
        };
        finite(weight, first, &tensor)?;
        let together = tensor.floats().par_chunks(inputs * scheme.shared);
        let rows: Vec<grid::Row> = together.flat_map_iter(|w| grid::quantise(w, inputs, scheme)).collect();
        let fidelity = match why {
            Some(why) => Fidelity::Requantised(why),
            None if rows.iter().all(|row| row.exact) => Fidelity::Exact,
            None => Fidelity::Rounded,
        };
        Ok(Rows { rows, order: None, fidelity })
    }
}

/// Weights that are floats at a time, about.
const BAND: usize = 1 << 22;

/// The tensors of a linear layer, absent until they are filled.
struct Parts<'w> {
    weight: &'w Weight,
    /// Of what is filled, in the order of the tensors.
    bytes: [Vec<u8>; 5],
    codes: Constant,
    groups: Constant,
    channels: Constant,
    zeros: Constant,
    positions: Constant,
}

impl Parts<'_> {
    fn new<'w>(weight: &'w Weight, [outputs, kept, groups]: [usize; 3], scheme: &WeightScheme) -> Parts<'w> {
        let absent = |dtype, shape: &[usize]| Constant::absent(Type::of(dtype, shape));
        Parts {
            weight,
            bytes: Default::default(),
            codes: absent(scheme.dtype(), &[outputs, kept]),
            groups: absent(scheme.scale_dtype(), &[outputs, groups]),
            channels: absent(DType::I32, &[outputs]),
            zeros: absent(scheme.dtype(), &[outputs, groups]),
            positions: absent(DType::U2, &[outputs, kept]),
        }
    }

    /// Appends rows, of whole bytes of every tensor unless they are the last; `factor` is multiplied into the channel scales.
    fn fill(&mut self, rows: &[grid::Row], factor: &Rational) -> Result<(), Diagnostic> {
        let all = |part: fn(&grid::Row) -> &Vec<i32>| rows.iter().flat_map(part).copied().collect();
        let channels = rows.iter().map(|row| channel_word(row.channel, factor)).collect::<Option<_>>();
        let channels = channels.ok_or_else(|| refused(self.weight, "its weights are too large"))?;
        let parts: [Vec<i32>; 5] = [
            all(|row| &row.codes),
            all(|row| &row.groups),
            channels,
            all(|row| &row.zeros),
            all(|row| &row.positions),
        ];
        let types = self.tensors().map(|tensor| tensor.ty().dtype);
        for ((bytes, dtype), data) in self.bytes.iter_mut().zip(types).zip(parts) {
            let band = constant(self.weight, dtype, &[data.len()], data)?;
            bytes.extend(band.bytes().unwrap_or_default());
        }
        Ok(())
    }

    fn tensors(&mut self) -> [&mut Constant; 5] {
        [&mut self.codes, &mut self.groups, &mut self.channels, &mut self.zeros, &mut self.positions]
    }

    fn finish(mut self) -> Result<Self, Diagnostic> {
        let bytes = std::mem::take(&mut self.bytes);
        for (tensor, bytes) in self.tensors().into_iter().zip(bytes).filter(|(_, bytes)| !bytes.is_empty()) {
            *tensor = Constant::new(tensor.ty().clone(), bytes)?;
        }
        Ok(self)
    }
}

impl QuantVector {
    /// Gain of an RMS norm of K elements, times sqrt(K), with a shift of at most `most`; its shift is that of
    /// `int-rms-norm`.
    pub fn gain(weight: &Weight, most: i32) -> Result<QuantVector, Diagnostic> {
        let elements = weight.constant.ty().shape.elements().unwrap_or(0);
        QuantVector::new(weight, DType::I16, (elements as f64).sqrt(), [23 - FRACTION_BITS as i32, most])
    }

    /// Gains of the norms of a network, with one shift: one loop body of instructions serves all layers. Biases of layer norms
    /// stand in the words of their gains.
    pub fn norms(norms: &[&Norm], kind: NormKind) -> Result<Vec<QuantVector>, Diagnostic> {
        let each =
            |most| norms.iter().map(|n| QuantVector::gain(&n.gain, most)).collect::<Result<Vec<_>, _>>();
        let most = each(i32::MAX)?.iter().map(|gain| gain.shift).min();
        let gains = each(most.unwrap_or(i32::MAX))?;
        match kind {
            NormKind::Rms => Ok(gains),
            NormKind::Layer => gains.into_iter().zip(norms).map(|(g, n)| g.with_norm_bias(n)).collect(),
        }
    }

    /// Words of `int-layer-norm`: the gain below, the bias of the norm above.
    fn with_norm_bias(self, norm: &Norm) -> Result<QuantVector, Diagnostic> {
        let shape = self.constant.ty().shape.fixed().unwrap_or_default();
        let (Some(gains), Some(bias)) = (self.constant.tensor(), &norm.bias) else {
            let all_there = norm.bias.is_none() && self.constant.tensor().is_some();
            let constant = match self.constant.tensor().filter(|_| all_there) {
                Some(gains) => {
                    let words = gains.ints().iter().map(|&g| g & 0xffff).collect();
                    constant(&norm.gain, DType::I32, &shape, words)?
                }
                None => Constant::absent(Type::of(DType::I32, shape)),
            };
            return Ok(QuantVector { constant, ..self });
        };
        let Some(floats) = bias.constant.tensor() else {
            return Ok(QuantVector { constant: Constant::absent(Type::of(DType::I32, shape)), ..self });
        };
        finite(bias, 0, &floats)?;
        let unit = f64::from(1u32 << num::NORM_BIAS_BITS);
        let word = |(&gain, &bias): (&i32, &f32)| {
            let code = (f64::from(bias) * unit).round();
            (code.abs() <= f64::from(i16::MAX)).then_some((code as i32) << 16 | gain & 0xffff)
        };
        let words = gains.ints().iter().zip(floats.floats()).map(word).collect::<Option<Vec<i32>>>();
        let words = words.ok_or_else(|| refused(bias, "the bias of a layer norm reaches beyond 16"))?;
        Ok(QuantVector { constant: constant(bias, DType::I32, &shape, words)?, ..self })
    }

    /// A bias in fixed point, times `factor`, each element rounded once.
    fn bias(weight: &Weight, factor: &Rational) -> Result<QuantVector, Diagnostic> {
        let shape = weight.constant.ty().shape.fixed().unwrap_or_default();
        let constant = match weight.constant.tensor() {
            None => Constant::absent(Type::of(DType::I32, shape)),
            Some(tensor) => {
                finite(weight, 0, &tensor)?;
                let unit = Rational::from(factor << FRACTION_BITS);
                let word = |&x: &f32| exact::rounded(&(exact::float(x.into())? * &unit)).to_i32();
                let words = tensor.floats().iter().map(word).collect::<Option<Vec<i32>>>();
                let words = words.ok_or_else(|| refused(weight, "its elements are too large"))?;
                constant(weight, DType::I32, &shape, words)?
            }
        };
        Ok(QuantVector { constant, shift: 0, name: weight.name.clone(), origin: weight.origin.clone() })
    }

    /// Embedding; its shift is that of `int-embed`.
    pub fn table(weight: &Weight, scheme: TableScheme) -> Result<QuantVector, Diagnostic> {
        let dtype = if scheme.bits == 8 { DType::I8 } else { DType::I16 };
        QuantVector::new(weight, dtype, 1.0, [-(FRACTION_BITS as i32), i32::MAX])
    }

    /// The elements times `factor`, rounded half away from zero, with as many fractional bits as fit; the shift is those bits
    /// plus `bias`, and at most `most`.
    fn new(
        weight: &Weight,
        dtype: DType,
        factor: f64,
        [bias, most]: [i32; 2],
    ) -> Result<QuantVector, Diagnostic> {
        let shape = weight.constant.ty().shape.fixed().unwrap_or_default();
        let (name, origin) = (weight.name.clone(), weight.origin.clone());
        let bands = weight.constant.bands(BAND, 1);
        let (mut top, mut first) = (0f64, 0);
        for band in &bands {
            let Some(tensor) = band.tensor() else {
                let constant = Constant::absent(Type::of(dtype, shape));
                return Ok(QuantVector { constant, shift: bias, name, origin });
            };
            finite(weight, first, &tensor)?;
            first += tensor.floats().len();
            top = tensor.floats().iter().fold(top, |m, &x| m.max(f64::from(x).abs() * factor));
        }
        let bits = fraction_bits(top, dtype).ok_or_else(|| refused(weight, "its elements are too large"))?;
        let bits = bits.min(most.saturating_sub(bias));
        let code = |&x: &f32| (f64::from(x) * factor * f64::from(bits).exp2()).round() as i32;
        let mut bytes = Vec::new();
        for tensor in bands.iter().filter_map(Constant::tensor) {
            let codes: Vec<i32> = tensor.floats().iter().map(code).collect();
            bytes.extend(constant(weight, dtype, &[codes.len()], codes)?.bytes().unwrap_or_default());
        }
        let constant = Constant::new(Type::of(dtype, shape), bytes)?;
        Ok(QuantVector { constant, shift: bits + bias, name, origin })
    }
}

/// The most fractional bits, within what a shift field holds, with which `top` rounds to the type.
fn fraction_bits(top: f64, dtype: DType) -> Option<i32> {
    let (_, high) = dtype.range()?;
    (-32..=32).rev().find(|&bits| (top * f64::from(bits).exp2()).round() <= high as f64)
}

/// The nearest scale word of `channel * factor`.
fn channel_word(channel: f64, factor: &Rational) -> Option<i32> {
    let exact = exact::float(channel)? * factor;
    Some(exact::nearest_scale(&exact)?.word() as i32)
}

fn constant(weight: &Weight, dtype: DType, shape: &[usize], data: Vec<i32>) -> Result<Constant, Diagnostic> {
    let tensor = Tensor::new(dtype, shape, Data::Int(data));
    Ok(tensor.ok_or_else(|| refused(weight, "its elements do not fit its shape"))?.to_constant())
}

/// Of a weight's elements from the `first` on.
fn finite(weight: &Weight, first: usize, tensor: &Tensor) -> Result<(), Diagnostic> {
    match tensor.floats().iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(i) => Err(refused(weight, &format!("element {} is not a finite number", first + i))),
    }
}

fn refused(weight: &Weight, why: &str) -> Diagnostic {
    Diagnostic::new("quant-weight", "a weight cannot be quantised")
        .because(why)
        .help("check the export of the model, or use a scheme that fits its shapes")
        .at_item(&*weight.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::Scale;
    use crate::quant::scheme::Scheme;

    /// A matrix of more than a band is its halves, one above the other; what is wrong in it is named by its place in the whole.
    #[test]
    fn bands_make_up_the_whole() {
        let (rows, columns) = (70_016, 64);
        assert!(rows * columns > BAND);
        let mut data: Vec<f32> =
            (0..rows * columns).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
        let all = Scheme::named("w2s24a8kv4").unwrap().weights;
        for scheme in [w2a8kv4(), WeightScheme { group: Some(32), ..all }] {
            let of = |data: &[f32]| {
                let weight = weight(&[data.len() / columns, columns], data.to_vec());
                QuantLinear::new(&weight, &Rational::from((1, 3)), &scheme).unwrap()
            };
            let (whole, halves) = (of(&data), data.chunks(data.len() / 2).map(of).collect::<Vec<_>>());
            let parts: [fn(&QuantLinear) -> Option<&Constant>; 4] =
                [|l| Some(&l.codes), |l| Some(&l.groups), |l| Some(&l.channels), |l| l.positions.as_ref()];
            for part in parts {
                let bytes = |l| part(l).and_then(Constant::bytes);
                let both = halves.iter().filter_map(bytes).collect::<Vec<_>>().concat();
                assert!(bytes(&whole).unwrap_or_default() == both);
            }
        }
        let table = |data: &[f32]| QuantVector::table(&weight(&[rows, columns], data.to_vec()), WORDS);
        let vector = table(&data).unwrap();
        let (words, unit) = (vector.constant.tensor().unwrap(), f64::from(vector.shift + 16).exp2());
        let near = |(w, x): (&i32, &f32)| (f64::from(*w) / unit - f64::from(*x)).abs() <= 0.5 / unit;
        assert!(words.ints().iter().zip(&data).all(near));
        data[rows * columns - 5] = f32::NAN;
        let refused = table(&data).unwrap_err().render();
        assert!(refused.contains(&format!("element {} is not", rows * columns - 5)), "{refused}");
    }

    const WORDS: TableScheme = TableScheme { bits: 16 };

    fn w2a8kv4() -> WeightScheme {
        Scheme::named("w2a8kv4").unwrap().weights
    }

    fn weight(shape: &[usize], data: Vec<f32>) -> Weight {
        let constant = Tensor::f32(shape, data).unwrap().to_constant();
        Weight { constant, name: "w".into(), origin: Origin::default() }
    }

    #[test]
    fn vectors_use_all_bits() {
        let table = QuantVector::table(&weight(&[2, 2], vec![1.0, -0.5, 0.25, 0.0]), WORDS).unwrap();
        assert_eq!(table.constant.tensor().unwrap().ints(), [16384, -8192, 4096, 0]);
        assert_eq!(table.shift, 14 - 16);
        let bytes = TableScheme { bits: 8 };
        let table = QuantVector::table(&weight(&[2, 2], vec![1.0, -0.5, 0.25, 0.0]), bytes).unwrap();
        assert_eq!((table.constant.ty().dtype, table.shift), (DType::I8, 6 - 16));
        let gain = QuantVector::gain(&weight(&[4], vec![1.0, 2.0, 0.5, -1.0]), i32::MAX).unwrap();
        assert_eq!(gain.constant.tensor().unwrap().ints(), [16384 / 2, 16384, 4096, -8192]);
        assert_eq!(gain.shift, 12 + 7);
        let (small, large) = (weight(&[4], vec![0.5; 4]), weight(&[4], vec![3.0; 4]));
        let norms = [small, large].map(|gain| Norm { gain, bias: None });
        let gains = QuantVector::norms(&[&norms[0], &norms[1]], NormKind::Rms).unwrap();
        assert_eq!([gains[0].shift, gains[1].shift], [12 + 7; 2]);
        assert_eq!(gains[0].constant.tensor().unwrap().ints(), [4096; 4]);
    }

    #[test]
    fn linear_parts() {
        let data = [[0.5f32, -1.5].repeat(16), [1.0, -3.0].repeat(16)].concat();
        let linear = QuantLinear::new(&weight(&[2, 32], data), &Rational::from(510), &w2a8kv4()).unwrap();
        assert_eq!(linear.fidelity, Fidelity::Exact);
        assert_eq!(linear.codes.tensor().unwrap().ints()[..4], [2, 0, 2, 0]);
        assert_eq!(linear.groups.tensor().unwrap().ints(), [255, 255]);
        let words = linear.channels.tensor().unwrap();
        let scales: Vec<f64> = words.ints().iter().map(|&w| Scale::from_word(w as u32).to_f64()).collect();
        assert!((scales[0] - 1.0).abs() < 1e-4 && (scales[1] - 2.0).abs() < 1e-4, "{scales:?}");
    }

    #[test]
    fn refuses_what_cannot_be_quantised() {
        let error = |w: &Weight| QuantLinear::new(w, &Rational::from(1), &w2a8kv4()).unwrap_err();
        assert!(error(&weight(&[1, 33], vec![1.0; 33])).why.contains("33"));
        assert!(error(&weight(&[1, 32], vec![f32::NAN; 32])).why.contains("element 0"));
        assert!(QuantVector::table(&weight(&[1, 1], vec![f32::MAX]), WORDS).is_err());
        let absent =
            Weight { constant: Constant::absent(Type::of(DType::F32, [4, 64])), ..weight(&[0], vec![]) };
        assert!(QuantLinear::new(&absent, &Rational::from(1), &w2a8kv4()).unwrap().groups.is_absent());
    }
}
