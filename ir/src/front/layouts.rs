//! Weights of linear layers in the layouts of checkpoints: floats, GPTQ, AWQ, compressed-tensors.
//!
//! | layout | tensors of a layer `NAME` |
//! |---|---|
//! | floats | `weight` `[outputs, inputs]` |
//! | GPTQ (Frantar et al., 2022; AutoGPTQ) | `qweight` i32 `[inputs / n, outputs]`, `qzeros` i32 `[groups, outputs / n]`, `scales` `[groups, outputs]`, `g_idx` i32 `[inputs]`, the group of each input; n codes to a word, the first in the lowest bits. Zero points are stored less one, unless the format is `gptq_v2` |
//! | AWQ (Lin et al., 2023; AutoAWQ `gemm`) | `qweight` i32 `[inputs, outputs / 8]`, `qzeros` i32 `[groups, outputs / 8]`, `scales` `[groups, outputs]`; in a word the columns 0, 2, 4, 6, 1, 3, 5, 7 from the lowest bits on |
//! | compressed-tensors, packed | `weight_packed` i32 `[outputs, inputs / n]` of codes plus half their range, `weight_scale` `[outputs, groups]`, `weight_shape`, `weight_zero_point` i32 `[outputs / n, groups]` packed along the outputs, `weight_g_idx` |
//! | compressed-tensors, integers | `weight` i8 `[outputs, inputs]`, `weight_scale`, `weight_zero_point` `[outputs, groups]` |
//! | compressed-tensors, sparse 2:4 | the floats or codes that are kept, `compressed` `[outputs, inputs / 2]`, and `bitmask` u8 `[outputs, inputs / 8]`, a bit for each weight, the first in the lowest |
//!
//! Invariant: codes and scales come out exactly as they were put in; nothing is rounded.

use super::safetensors::Tensors;
use crate::constant::{Constant, Grid};
use crate::diag::Diagnostic;
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Shape, Type};

/// What a configuration says of the quantisation of its weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quantisation {
    /// `quant_method`.
    pub method: String,
    /// Bits of a code.
    pub bits: u32,
    /// Whether zero points of GPTQ are stored as they are.
    pub plain_zeros: bool,
}

/// The weight of a linear layer `[outputs, inputs]`; absent if there are no tensors at all.
pub fn linear(
    tensors: &Tensors,
    name: &str,
    [outputs, inputs]: [usize; 2],
    quantisation: Option<&Quantisation>,
) -> Result<Constant, Diagnostic> {
    let ty = Type::of(DType::F32, [outputs, inputs]);
    if tensors.is_empty() {
        return Ok(Constant::absent(ty));
    }
    let layer = Layer { tensors, name, outputs, inputs };
    let found = match quantisation {
        Some(q) if layer.has("qweight")? && q.method == "awq" => layer.awq(q)?,
        Some(q) if layer.has("qweight")? => layer.gptq(q)?,
        Some(q) if layer.has("weight_packed")? => layer.packed(q)?,
        _ if layer.has("bitmask")? => layer.sparse()?,
        _ if layer.has("weight_scale")? => {
            let codes = layer.needed("weight")?.clone();
            layer.scaled(codes)?
        }
        _ => layer.needed("weight")?.clone(),
    };
    if found.ty().shape == ty.shape && found.ty().dtype.is_float() {
        return Ok(found);
    }
    Err(layer.refuse(format!("its weight is {}, and the configuration asks for {ty}", found.ty())))
}

/// A layer whose weight is looked for.
struct Layer<'t> {
    tensors: &'t Tensors,
    name: &'t str,
    outputs: usize,
    inputs: usize,
}

/// Inputs of a layer, sorted by their groups.
struct Places {
    /// The input at each place.
    sorted: Vec<usize>,
    /// The place of each input.
    of_input: Vec<usize>,
}

/// Order in which AutoAWQ puts eight columns into a word, from the lowest bits on.
const AWQ_ORDER: [usize; 8] = [0, 2, 4, 6, 1, 3, 5, 7];

impl Layer<'_> {
    fn refuse(&self, why: impl Into<String>) -> Diagnostic {
        Diagnostic::new("checkpoint", "the weight of a layer cannot be read")
            .because(why)
            .help("check the files of weights against the configuration; docs of the layouts: GPTQ, AWQ, compressed-tensors")
            .at_item(self.name)
    }

    /// A part, with or without `.weight` in its name as writers have it.
    fn part(&self, part: &str) -> Result<Option<&Constant>, Diagnostic> {
        match self.tensors.get(&format!("{}.{part}", self.name))? {
            None => self.tensors.get(&format!("{}.weight.{part}", self.name)),
            found => Ok(found),
        }
    }

    fn has(&self, part: &str) -> Result<bool, Diagnostic> {
        self.part(part).map(|p| p.is_some())
    }

    fn needed(&self, part: &str) -> Result<&Constant, Diagnostic> {
        self.part(part)?.ok_or_else(|| self.refuse(format!("the file has no tensor `{}.{part}`", self.name)))
    }

    /// A part of type i32 with these dimensions, as words.
    fn words(&self, part: &str, dims: [usize; 2]) -> Result<Vec<u32>, Diagnostic> {
        let constant = self.needed(part)?;
        let expected = Type::of(DType::I32, dims);
        let tensor = constant.tensor().filter(|_| *constant.ty() == expected);
        let tensor = tensor
            .ok_or_else(|| self.refuse(format!("`{part}` is {} instead of {expected}", constant.ty())))?;
        Ok(tensor.ints().iter().map(|&w| w as u32).collect())
    }

    /// Type of the codes, and how many there are in a word.
    fn code(&self, bits: u32) -> Result<(DType, usize), Diagnostic> {
        match bits {
            2 => Ok((DType::U2, 16)),
            4 => Ok((DType::U4, 8)),
            8 => Ok((DType::U8, 4)),
            _ => Err(self.refuse(format!("its codes have {bits} bits; 2, 4 and 8 are supported"))),
        }
    }

    fn divided(&self, n: usize, by: usize, what: &str) -> Result<usize, Diagnostic> {
        if by > 0 && n % by == 0 {
            Ok(n / by)
        } else {
            Err(self.refuse(format!("{n} {what} do not divide by {by}")))
        }
    }

    fn constant(&self, dtype: DType, dims: [usize; 2], codes: Vec<i32>) -> Result<Constant, Diagnostic> {
        let tensor = Tensor::new(dtype, dims, Data::Int(codes));
        Ok(tensor.ok_or_else(|| self.refuse("its codes do not fit its shape"))?.to_constant())
    }

    fn grid(
        &self,
        codes: Constant,
        scales: Constant,
        zeros: Option<Constant>,
        places: Option<Places>,
    ) -> Result<Constant, Diagnostic> {
        let groups = scales.ty().shape.fixed().and_then(|s| s.get(1).copied()).unwrap_or(0);
        let group = self.divided(self.inputs, groups, "inputs in groups")?;
        let named = |d: Diagnostic| d.at_item(self.name);
        let grid = Grid::new(codes, scales, zeros, group).map_err(named)?;
        Ok(Constant::on_grid(match places {
            None => grid,
            Some(places) => grid.with_order(&places.of_input).map_err(named)?,
        }))
    }

    /// Where the inputs stand once they are sorted by their groups, if a part names the group of each and they are not
    /// sorted already. Groups are of one size.
    fn places(&self, part: &str, group: usize) -> Result<Option<Places>, Diagnostic> {
        let Some(constant) = self.part(part)? else { return Ok(None) };
        let groups = constant.tensor().and_then(|t| t.to_i64s()).unwrap_or_default();
        let mut sorted: Vec<usize> = (0..groups.len()).collect();
        sorted.sort_by_key(|&k| groups[k]);
        let even = sorted.iter().enumerate().all(|(i, &k)| groups[k] == (i / group.max(1)) as i64);
        if groups.len() != self.inputs || !even {
            return Err(self.refuse(format!("`{part}` does not put the inputs into groups of {group}")));
        }
        if sorted.iter().copied().eq(0..groups.len()) {
            return Ok(None);
        }
        let mut of_input = vec![0; sorted.len()];
        sorted.iter().enumerate().for_each(|(place, &k)| of_input[k] = place);
        Ok(Some(Places { sorted, of_input }))
    }

    /// Scales `[groups, outputs]` as `[outputs, groups]`.
    fn turned_scales(&self) -> Result<(Constant, usize), Diagnostic> {
        let constant = self.needed("scales")?;
        let dims = constant.ty().shape.fixed().unwrap_or_default();
        let (&[groups, outputs], Some(tensor)) = (&dims[..], constant.tensor()) else {
            return Err(self.refuse(format!("its scales are {}", constant.ty())));
        };
        if outputs != self.outputs {
            return Err(self.refuse(format!("it has scales for {outputs} outputs")));
        }
        let turned =
            (0..outputs * groups).map(|i| tensor.floats()[i % groups * outputs + i / groups]).collect();
        let turned = Tensor::new(tensor.dtype(), [outputs, groups], Data::Float(turned));
        let turned = turned.ok_or_else(|| self.refuse("its scales are no floats"))?;
        Ok((turned.to_constant(), groups))
    }

    fn gptq(&self, q: &Quantisation) -> Result<Constant, Diagnostic> {
        let (dtype, n) = self.code(q.bits)?;
        let (outputs, inputs) = (self.outputs, self.inputs);
        let words = self.words("qweight", [self.divided(inputs, n, "inputs")?, outputs])?;
        let (scales, groups) = self.turned_scales()?;
        let group = self.divided(inputs, groups, "inputs in groups")?;
        let places = self.places("g_idx", group)?;
        let field = |word: u32, i: usize| (word >> (i as u32 * q.bits) & ((1 << q.bits) - 1)) as i32;
        let code = |i: usize| {
            let k = places.as_ref().map_or(i % inputs, |p| p.sorted[i % inputs]);
            field(words[k / n * outputs + i / inputs], k % n)
        };
        let codes = self.constant(dtype, [outputs, inputs], (0..outputs * inputs).map(code).collect())?;
        let row = self.divided(outputs, n, "outputs")?;
        let packed = self.words("qzeros", [groups, row])?;
        let less = i32::from(!q.plain_zeros);
        let zero = |i: usize| field(packed[i % groups * row + i / groups / n], i / groups % n) + less;
        let zeros = (0..outputs * groups).map(zero).collect();
        let zeros = self.constant(DType::I16, [outputs, groups], zeros)?;
        self.grid(codes, scales, Some(zeros), places)
    }

    fn awq(&self, q: &Quantisation) -> Result<Constant, Diagnostic> {
        if q.bits != 4 {
            return Err(self.refuse(format!("AWQ codes have 4 bits, not {}", q.bits)));
        }
        let (outputs, inputs) = (self.outputs, self.inputs);
        let row = self.divided(outputs, 8, "outputs")?;
        let words = self.words("qweight", [inputs, row])?;
        let (scales, groups) = self.turned_scales()?;
        let packed = self.words("qzeros", [groups, row])?;
        let place = |column: usize| AWQ_ORDER.iter().position(|&c| c == column % 8).unwrap_or(0) * 4;
        let field = |words: &[u32], k: usize, column: usize| {
            (words[k * row + column / 8] >> place(column) & 15) as i32
        };
        let codes = (0..outputs * inputs).map(|i| field(&words, i % inputs, i / inputs)).collect();
        let zeros = (0..outputs * groups).map(|i| field(&packed, i % groups, i / groups)).collect();
        let codes = self.constant(DType::U4, [outputs, inputs], codes)?;
        let zeros = self.constant(DType::U4, [outputs, groups], zeros)?;
        self.grid(codes, scales, Some(zeros), None)
    }

    fn packed(&self, q: &Quantisation) -> Result<Constant, Diagnostic> {
        let (dtype, n) = self.code(q.bits)?;
        let signed = match dtype {
            DType::U2 => DType::I2,
            DType::U4 => DType::I4,
            _ => DType::I8,
        };
        let (outputs, inputs, half) = (self.outputs, self.inputs, 1 << (q.bits - 1));
        let row = inputs.div_ceil(n);
        let words = self.words("weight_packed", [outputs, row])?;
        let field = |word: u32, i: usize| (word >> (i as u32 * q.bits) & ((1 << q.bits) - 1)) as i32 - half;
        let scales = self.needed("weight_scale")?.clone();
        let groups = scales.ty().shape.fixed().and_then(|s| s.get(1).copied()).unwrap_or(0);
        let places = self.places("weight_g_idx", self.divided(inputs, groups, "inputs in groups")?)?;
        let code = |i: usize| {
            let k = places.as_ref().map_or(i % inputs, |p| p.sorted[i % inputs]);
            field(words[i / inputs * row + k / n], k % n)
        };
        let codes = self.constant(signed, [outputs, inputs], (0..outputs * inputs).map(code).collect())?;
        let zeros = match self.part("weight_zero_point")?.map(|z| z.ty().dtype) {
            None => None,
            Some(DType::I32) => {
                let packed = self.words("weight_zero_point", [outputs.div_ceil(n), groups])?;
                let zero = |i: usize| field(packed[i / groups / n * groups + i % groups], i / groups % n);
                Some(self.constant(
                    DType::I8,
                    [outputs, groups],
                    (0..outputs * groups).map(zero).collect(),
                )?)
            }
            Some(_) => self.part("weight_zero_point")?.cloned(),
        };
        self.grid(codes, scales, zeros, places)
    }

    /// Codes of a byte each, with their scales.
    fn scaled(&self, codes: Constant) -> Result<Constant, Diagnostic> {
        let scales = self.needed("weight_scale")?.clone();
        // One scale per output is a group of all inputs.
        let scales = match scales.ty().shape.rank() {
            1 => scales.with_shape(Shape::of([self.outputs, 1])),
            _ => Some(scales),
        };
        let scales = scales.ok_or_else(|| self.refuse("it has not one scale for each output"))?;
        self.grid(codes, scales, self.part("weight_zero_point")?.cloned(), None)
    }

    fn sparse(&self) -> Result<Constant, Diagnostic> {
        let kept = self.needed("compressed")?;
        let mask = self.needed("bitmask")?;
        let (outputs, inputs) = (self.outputs, self.inputs);
        let half = self.divided(inputs, 4, "inputs")? * 2;
        let row = inputs.div_ceil(8);
        let fits = kept.ty().shape == Shape::of([outputs, half])
            && *mask.ty() == Type::of(DType::U8, [outputs, row]);
        let (Some(values), Some(mask), true) = (kept.tensor(), mask.tensor(), fits) else {
            return Err(self.refuse(format!("`compressed` is {} and `bitmask` {}", kept.ty(), mask.ty())));
        };
        let set = |output: usize, input: usize| mask.ints()[output * row + input / 8] >> (input % 8) & 1 == 1;
        let mut dense = Data::zeros(values.dtype(), outputs * inputs);
        for output in 0..outputs {
            for four in 0..inputs / 4 {
                let places: Vec<usize> =
                    (four * 4..four * 4 + 4).filter(|&input| set(output, input)).collect();
                if places.len() != 2 {
                    return Err(
                        self.refuse(format!("{} of four weights are kept in row {output}", places.len()))
                    );
                }
                for (i, input) in places.into_iter().enumerate() {
                    let value = values.data().slice(output * half + four * 2 + i, 1);
                    dense.write(output * inputs + input, &value);
                }
            }
        }
        let tensor = Tensor::new(values.dtype(), [outputs, inputs], dense);
        let constant = tensor.ok_or_else(|| self.refuse("its elements do not fit its shape"))?.to_constant();
        if values.dtype().is_float() { Ok(constant) } else { self.scaled(constant) }
    }
}

#[cfg(test)]
#[path = "layouts_tests.rs"]
mod tests;
