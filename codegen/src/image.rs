//! What lies in memory before the first run: weights, gains, embeddings and constants, as bytes at the places of the map.
//!
//! Padding is zero everywhere: a padded output has a channel scale of 0 and is therefore 0 whatever its codes, a padded input
//! meets an activation of 0.

use crate::compile::Target;
use crate::model::{Kind, Linear, Model, Numbers, Widths, Window};
use crate::narrow;
use crate::nodes::{Nodes, of, outside};
use crate::plan::Map;
use crate::plan::map::Chunk;
use crate::plan::width::Width;
use crate::support;
use hw::machine::BLOCK_BYTES;
use hw::{Geometry, Mode};
use ir::constant::Constant;
use ir::decoder::{Exit, Placement};
use ir::diag::Diagnostic;
use ir::num::Scale;
use ir::op::Windows;
use ir::quant::{QuantConv, QuantDecoder, QuantLayer, QuantLinear, QuantVector};
use ir::tensor::Tensor;
use ir::types::DType;

/// Positions where the model does not say how many it was made for.
const USUAL_POSITIONS: usize = 2048;

impl Model {
    /// The sizes and constants of a quantised decoder, whose weights are stored in their own mode.
    ///
    /// # Errors
    /// A scheme that no machine has, sizes beyond this compiler, or layers that differ in a constant.
    pub fn of(decoder: &QuantDecoder) -> Result<Model, Diagnostic> {
        Model::stored(decoder, false)
    }

    /// The same; with `widen`, weights that no mode is made for, or none that the machine has, go into a wider one. Results are
    /// the same bits.
    ///
    /// # Errors
    /// As [`Model::of`].
    pub fn stored(decoder: &QuantDecoder, widen: bool) -> Result<Model, Diagnostic> {
        support::decoder(decoder, widen)?;
        if decoder.config.is_encoder() && decoder.ends.is_none() {
            return Err(Diagnostic::new(
                "model-unsupported",
                "layers of an encoder without its ends are not compiled",
            )
            .at_item("layers")
            .because("an encoder goes over its sequence between an embedding and a last norm")
            .help("export the whole encoder"));
        }
        let c = &decoder.config;
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let norms = decoder.layers.first().map(|l| &l.input_norm);
        let first = norms.or(decoder.ends.as_ref().map(|e| &e.final_norm)).map_or(0, |norm| norm.shift);
        let last = decoder.ends.as_ref().map_or(first, |ends| ends.final_norm.shift);
        let same = |l: &QuantLayer| [l.input_norm.shift, l.post_norm.shift, last] == [first; 3];
        if let Some(i) = decoder.layers.iter().position(|l| !same(l)) {
            return Err(Diagnostic::new("model-unsupported", "the layers differ in the shift of a norm")
                .at_item(format!("layer {i}"))
                .because("one loop body of instructions serves all layers")
                .help("quantise the gains of all norms with one shift"));
        }
        let embedding = decoder.ends.as_ref().and_then(|ends| ends.front.embedding());
        let positions = decoder.ends.as_ref().and_then(|ends| ends.positions.as_ref());
        let model = Model {
            name: decoder.name.to_string(),
            vocab: size(c.vocab),
            logits: size(logits(decoder)),
            hidden: size(c.hidden),
            intermediate: size(c.intermediate),
            layers: size(decoder.layers.len()),
            heads: size(c.heads),
            kv_heads: size(c.kv_heads),
            head_dim: size(c.head_dim),
            max_positions: size(c.max_positions.unwrap_or(USUAL_POSITIONS)),
            stem: decoder.ends.iter().flat_map(|ends| ends.front.convs()).map(window).collect(),
            kind: Kind {
                norm: c.norm,
                learned: Kind::learned(c.positions),
                activation: support::activation(c.activation)?,
                gated: c.activation.gated,
                causal: !c.is_encoder(),
                window: Kind::window(c.attention),
                post_norm: c.placement == Placement::Stream,
                early: c.exit == Exit::Attention,
                pooled: decoder.ends.as_ref().and_then(|e| e.head.as_ref()).is_some_and(|h| h.pool.is_some()),
                biases: Linear::ALL.map(|linear| biased(decoder, linear)),
            },
            widths: support::widths(&decoder.scheme, widen)?,
            numbers: Numbers {
                embedding_shift: embedding.map_or(0, |table| table.shift),
                positions_shift: positions.map_or(0, |table| table.shift),
                eps: decoder.eps,
                norm_shift: [first; 3],
                linear_shift: [0; Linear::COUNT],
                score_shift: decoder.score_shift,
                value_shift: decoder.value_shift,
            },
            scales: decoder.inputs.iter().map(|fixed| fixed.scale.word()).collect(),
            nodes: Nodes::of(decoder),
        };
        model.check()?;
        Ok(model)
    }
}

/// The first constant of which only the type is known, if there is one: then there is nothing to lay out, only times.
pub fn absent(decoder: &QuantDecoder) -> Option<&str> {
    let linears = decoder.linears().map(|l| (&l.codes, &*l.name));
    let norms = decoder.layers.iter().flat_map(|l| [&l.input_norm, &l.post_norm]);
    let ends = decoder.ends.iter();
    let outer = ends.flat_map(|e| [Some(&e.final_norm), e.front.embedding(), e.positions.as_ref()]);
    let vectors = norms.chain(outer.flatten());
    let biases = decoder.linears().filter_map(|l| l.bias.as_ref());
    let vectors = vectors.chain(biases).map(|v| (&v.constant, &*v.name));
    linears.chain(vectors).find(|(constant, _)| constant.is_absent()).map(|(_, name)| name)
}

/// Bytes of the image of a slice.
pub fn size(target: &Target) -> usize {
    target.map.cache as usize * BLOCK_BYTES as usize
}

/// The bytes of the memory of each slice from address 0 up to the cache, with zeros where the programs go.
///
/// # Errors
/// A weight is absent: there is nothing to lay out.
pub fn images(target: &Target, decoder: &QuantDecoder) -> Result<Vec<Vec<u8>>, Diagnostic> {
    let mut images = vec![vec![0; size(target)]; target.machine.slices.count as usize];
    let slices: Vec<&mut [u8]> = images.iter_mut().map(|image| &mut image[..]).collect();
    write(target, decoder, slices)?;
    Ok(images)
}

/// The same into zeros, [`size`] bytes of each slice. One matrix after the other is unpacked.
///
/// # Errors
/// As [`images`].
pub fn write(target: &Target, decoder: &QuantDecoder, slices: Vec<&mut [u8]>) -> Result<(), Diagnostic> {
    let map = &target.map;
    let g = Geometry::of(&target.machine);
    let mut image = Image { slices, g: &g, map };
    for (l, layer) in decoder.layers.iter().enumerate() {
        let record = map.records + l as u32 * map.record_blocks;
        image.norm(record + map.gains[0].at, &layer.input_norm)?;
        image.norm(record + map.gains[1].at, &layer.post_norm)?;
        for (linear, weights) in Linear::ALL.into_iter().filter_map(|l| Some((l, of(layer, l)?))) {
            image.layer(record, linear, weights, &target.model.widths)?;
        }
    }
    image.constants(decoder);
    let Some(ends) = &decoder.ends else { return Ok(()) };
    let record = map.records + target.model.layers * map.record_blocks;
    image.norm(record + map.gains[0].at, &ends.final_norm)?;
    for (linear, weights) in outside(ends) {
        image.layer(record, linear, weights, &target.model.widths)?;
    }
    for (table, at) in [(ends.front.embedding(), map.embedding), (ends.positions.as_ref(), map.positions)] {
        let Some(table) = table.map(tensor).transpose()? else { continue };
        for (n, row) in table.ints().chunks_exact(target.model.hidden as usize).enumerate() {
            image.halves(at + n as u32 * map.embedding_blocks, &map.widths.hidden, row);
        }
    }
    Ok(())
}

fn window(conv: &QuantConv) -> Window {
    let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let Windows { kernel, stride, pad } = conv.windows;
    Window { kernel: size(kernel), stride: size(stride), pad: size(pad), channels: size(conv.channels) }
}

/// Outputs of the projection to logits; none if there is none.
fn logits(decoder: &QuantDecoder) -> usize {
    let head = decoder.ends.as_ref().and_then(|ends| ends.head.as_ref());
    let shape = head.and_then(|head| head.lm_head.codes.ty().shape.fixed());
    shape.and_then(|s| s.first().copied()).unwrap_or(0)
}

fn biased(decoder: &QuantDecoder, linear: Linear) -> bool {
    match linear {
        Linear::Conv1 | Linear::Conv2 | Linear::Pool | Linear::Head => {
            let mut ends = decoder.ends.iter().flat_map(outside);
            ends.any(|(l, weights)| l == linear && weights.bias.is_some())
        }
        _ => decoder.layers.iter().any(|l| of(l, linear).is_some_and(|l| l.bias.is_some())),
    }
}

fn tensor(vector: &QuantVector) -> Result<Tensor, Diagnostic> {
    present(&vector.constant, &vector.name)
}

fn present(constant: &Constant, name: &str) -> Result<Tensor, Diagnostic> {
    constant.tensor().ok_or_else(|| {
        Diagnostic::new("weights-absent", "the model lacks weights")
            .at_item(name)
            .because("the shape of this tensor is known; its elements are neither in the model nor in a file that lies beside it")
            .help("put the file of weights that the model names into the model's folder, or export the model with its weights")
    })
}

struct Image<'a> {
    slices: Vec<&'a mut [u8]>,
    g: &'a Geometry,
    map: &'a Map,
}

impl Image<'_> {
    fn put(&mut self, slice: u32, byte: u32, data: &[u8]) {
        let (image, byte) = (self.slices.get_mut(slice as usize), byte as usize);
        if let Some(place) = image.and_then(|image| image.get_mut(byte..byte + data.len())) {
            place.copy_from_slice(data);
        }
    }

    fn all(&self) -> std::ops::Range<u32> {
        0..self.slices.len() as u32
    }

    /// Gains of a norm, in the words or halves of its constant.
    fn norm(&mut self, block: u32, norm: &QuantVector) -> Result<(), Diagnostic> {
        let values = tensor(norm)?;
        match values.dtype() {
            DType::I16 => self.halves(block, &self.map.widths.hidden, values.ints()),
            _ => self.words(block, &self.map.widths.hidden, values.ints()),
        }
        Ok(())
    }

    /// int32 rows from a block on.
    fn words(&mut self, block: u32, width: &Width, values: &[i32]) {
        for slice in self.all() {
            for (element, row, lane) in width.in_slice(slice) {
                let Some(value) = values.get(element as usize) else { continue };
                self.put(slice, block * BLOCK_BYTES + 4 * (row * self.g.lp + lane), &value.to_le_bytes());
            }
        }
    }

    /// int16 rows from a block on.
    fn halves(&mut self, block: u32, width: &Width, values: &[i32]) {
        for slice in self.all() {
            for (element, row, lane) in width.in_slice(slice) {
                let Some(&value) = values.get(element as usize) else { continue };
                let byte = block * BLOCK_BYTES + 2 * (row * self.g.lp + lane);
                self.put(slice, byte, &(value as i16).to_le_bytes());
            }
        }
    }

    /// Rope steps and the channel scale of weighted values.
    fn constants(&mut self, decoder: &QuantDecoder) {
        let head = self.map.widths.head;
        let steps: Vec<i32> = decoder.phase_steps.iter().map(|&step| step as i32).collect();
        self.words(self.map.rope.at, &head, &steps);
        let word = decoder.value_channel.word().to_le_bytes();
        for tile in 0..head.stride * self.g.l / self.g.n {
            for n in 0..self.g.n {
                let at = self.map.value_channels.at * BLOCK_BYTES + tile * self.g.c_row + 4 * n;
                self.all().for_each(|slice| self.put(slice, at, &word));
            }
        }
    }

    /// A linear layer of a record and its bias.
    fn layer(
        &mut self,
        record: u32,
        linear: Linear,
        weights: &QuantLinear,
        widths: &Widths,
    ) -> Result<(), Diagnostic> {
        self.linear(record, linear, weights, widths)?;
        if let Some(bias) = &weights.bias {
            let at = record + self.map.biases[linear as usize].at;
            self.words(at, self.map.outputs(linear), tensor(bias)?.ints());
        }
        Ok(())
    }

    /// All chunks of a linear layer in a record.
    fn linear(
        &mut self,
        record: u32,
        linear: Linear,
        weights: &QuantLinear,
        widths: &Widths,
    ) -> Result<(), Diagnostic> {
        let part = |c: &Constant| present(c, &weights.name);
        let tensors = [part(&weights.codes)?, part(&weights.groups)?, part(&weights.channels)?];
        let parts = [&tensors[0], &tensors[1], &tensors[2]].map(Tensor::ints);
        let positions = weights.positions.as_ref().map(part).transpose()?;
        let positions = positions.as_ref().map_or(&[][..], Tensor::ints);
        let zeros = weights.zeros.as_ref().map(part).transpose()?;
        let zeros = zeros.as_ref().map_or(&[][..], Tensor::ints);
        let group = weights.group;
        let bits = Bits { mode: widths.weights, levels: &weights.levels, zeros, group, positions };
        let map = self.map;
        for chunk in map.of(linear) {
            self.all().for_each(|slice| self.chunk((record, slice), chunk, parts, &bits, widths.group));
        }
        Ok(())
    }

    fn chunk(
        &mut self,
        (record, slice): (u32, u32),
        chunk: &Chunk,
        [codes, groups, channels]: [&[i32]; 3],
        bits: &Bits,
        group: Option<u32>,
    ) {
        let (n, l, g) = (self.g.n, self.g.l, *self.g);
        let (inputs, outputs) = (*self.map.inputs(chunk.linear), *self.map.outputs(chunk.linear));
        let k = inputs.elements as usize;
        let per_output = group.map_or(0, |group| k / group as usize);
        let kept = k / bits.mode.a_rows() as usize;
        let steps = inputs.rows / bits.mode.a_rows();
        let base = |at: u32| (record + at) * BLOCK_BYTES;
        let width = g.w_row(bits.mode) as usize;
        let mut rows = vec![0u8; chunk.held()[0] as usize * BLOCK_BYTES as usize];
        for tile in 0..chunk.tiles {
            let place = (chunk.first_tile + tile) * n;
            let real: Vec<(u32, usize)> =
                (0..n).filter_map(|o| Some((o, outputs.of_slice(slice, place + o)? as usize))).collect();
            (0..n).for_each(|o| {
                self.put(
                    slice,
                    base(chunk.channels.at) + tile * g.c_row + 4 * o,
                    &PADDED.word().to_le_bytes(),
                )
            });
            for &(o, e) in &real {
                self.put(slice, base(chunk.channels.at) + tile * g.c_row + 4 * o, &channels[e].to_le_bytes());
                for (i, &scale) in groups[e * per_output..][..per_output].iter().enumerate() {
                    let at = (tile * per_output as u32 + i as u32) * g.g_row + o;
                    self.put(slice, base(chunk.groups.at) + at, &[scale as u8]);
                }
            }
            for step in 0..steps {
                let row = &mut rows[(tile * steps + step) as usize * width..][..width];
                for lane in 0..l {
                    let Some(weight) = bits.weight(&inputs, step, lane) else { continue };
                    for &(o, e) in &real {
                        bits.put(row, &g, (o, lane), codes, e * kept + weight as usize);
                    }
                }
            }
        }
        self.put(slice, base(chunk.weights.at), &narrow::rows(rows, chunk.form, &g));
    }
}

/// The channel scale of an output that is padding: nothing, whatever its codes and the token's scale.
const PADDED: Scale = Scale { mantissa: 0, exponent: i8::MIN };

/// How weight codes become bits of a row.
struct Bits<'a> {
    mode: Mode,
    levels: &'a [i32],
    /// What codes stand above, of each group; empty if nothing.
    zeros: &'a [i32],
    /// Weights of a group.
    group: usize,
    /// Of the kept weights, if the mode is pruned.
    positions: &'a [i32],
}

impl Bits<'_> {
    /// Which of an output's stored weights a lane of a step multiplies; none meets padding.
    fn weight(&self, inputs: &Width, step: u32, lane: u32) -> Option<u32> {
        if !self.mode.pruned() {
            return inputs.element(step * inputs.lanes + lane);
        }
        let four = inputs.element(2 * step * inputs.lanes + lane / 2 * 4)?;
        Some(four / 2 + lane % 2)
    }

    /// Puts weight `i` of `codes` into a row of zeros, for an output and a lane.
    fn put(&self, row: &mut [u8], g: &Geometry, (output, lane): (u32, u32), codes: &[i32], i: usize) {
        let (bits, zero) = (self.mode.bits(), self.zeros.get(i / self.group.max(1)).copied().unwrap_or(0));
        let level = self.levels.get(codes[i] as usize).copied().unwrap_or(codes[i] - zero);
        let stored = if matches!(self.mode, Mode::W2 | Mode::W2P) { (level + 3) / 2 } else { level };
        // Two-bit rows have no gap between outputs, others start each at a byte.
        let output_bits = if bits == 2 { 2 * g.lp } else { 8 * g.segment(self.mode) };
        let bit = output * output_bits + lane * bits;
        row[(bit / 8) as usize] |= (stored as u8 & u8::MAX >> (8 - bits)) << (bit % 8);
        if let Some(&position) = self.positions.get(i) {
            let bit = 2 * g.np * g.lp + bit;
            row[(bit / 8) as usize] |= (position as u8 & 3) << (bit % 8);
        }
    }
}

/// Words of a program as bytes.
///
/// # Errors
/// An instruction that does not encode; those of legal programs all do.
pub fn words(program: &isa::Program) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::with_capacity(program.instrs.len() * 32);
    for instr in &program.instrs {
        let word = instr
            .encode()
            .map_err(|e| Diagnostic::internal(format!("an instruction has no encoding: {e}")))?;
        word.iter().for_each(|part| bytes.extend(part.to_le_bytes()));
    }
    Ok(bytes)
}
