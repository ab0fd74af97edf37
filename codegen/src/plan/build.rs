//! The steps of the network, in the order in which it is written down.
//!
//! This order alone defines the meaning: which step reads what another wrote. [`super::order`] may move steps of
//! different units past each other where they do not touch.

use super::access::touches;
use super::buffers::{Buffers, CONSTANTS, align};
use super::map::{Chunk, Map};
use super::ring::Ring;
use super::{
    Access, Carry, Flow, Memory, Options, Plan, Produces, Reads, Reg, Segment, Site, Step, Value, order,
};
use crate::model::{Linear, Model};
use crate::nodes::Operator;
use hw::machine::BLOCK_BYTES;
use hw::{Geometry, Machine};
use ir::decoder::NormKind;
use ir::diag::Diagnostic;
use isa::program::Origin;
use isa::table::{Body, Load, Unit, Vector, out, space, vec_parts};
use std::collections::VecDeque;

/// Most tokens of a program: one vector instruction takes that many.
pub const MOST_TOKENS: u32 = 63;

/// Builds the steps of one plan.
pub(super) struct Builder<'a> {
    pub model: &'a Model,
    pub g: Geometry,
    pub map: &'a Map,
    pub buf: Buffers,
    pub reads: Reads,
    pub tokens: u32,
    pub rings: [Ring; 3],
    /// Where chunks of the end of a layer shall lie, if that is free then: linear layer, first tile, W, G and C.
    pub ends: Vec<(Linear, u32, [Option<u32>; 3])>,
    pub steps: Vec<Step>,
    pub origins: Vec<Origin>,
    /// Biases loaded so far.
    pub biases: usize,
    /// Blocks from the record of the layer at hand to the one that weights are loaded from.
    pub record_ahead: u32,
    /// Several chunks may be multiplied together.
    together: bool,
}

const NEXT_NORM: Task = Task("next norm", &[Operator::InputNorm, Operator::FinalNorm]);

/// What a step is for: its name, and the operators that it is a part of.
#[derive(Clone, Copy)]
pub(super) struct Task<'t>(pub &'t str, pub &'t [Operator]);

/// Steps of `tokens` tokens, unordered and without semaphores.
///
/// # Errors
/// A buffer that cannot hold its share, with the buffer, the need and a remedy.
pub fn build(
    model: &Model,
    machine: &Machine,
    map: &Map,
    options: &Options,
    (reads, tokens): (Reads, u32),
) -> Result<Plan, Diagnostic> {
    let buf = Buffers::new(model, machine, map, (reads, tokens))?;
    // Weights that load ahead of attention share the rings with its keys and values; fewer of them always fit.
    let o = map.of(Linear::O).count();
    let most = if options.early { o + map.of(model.first_half()).count() } else { 0 };
    let mut refused = None;
    for together in [true, false].into_iter().filter(|&t| buf.groups > 1 || !t) {
        let mut plans = Vec::new();
        for early in [most, o, 0].into_iter().filter(|&early| early <= most) {
            let mut builder =
                Builder { together, ..Builder::new(model, machine, map, buf.clone(), (reads, tokens)) };
            match builder.plan(early) {
                Ok(plan) => plans.push(plan),
                Err(error) => refused = Some(error),
            }
        }
        // Too many hold up the cached keys.
        let shortest = plans.into_iter().min_by_key(|plan| order::length(plan, machine));
        if let Some(plan) = shortest {
            return Ok(plan);
        }
    }
    Err(refused.unwrap_or_else(|| Diagnostic::internal("no plan was tried")))
}

impl<'a> Builder<'a> {
    fn new(
        model: &'a Model,
        machine: &Machine,
        map: &'a Map,
        buf: Buffers,
        (reads, tokens): (Reads, u32),
    ) -> Builder<'a> {
        let b = &machine.buffers;
        let ends = [b.weight_bytes, b.group_scale_bytes, b.channel_bytes];
        let rings = [0, 1, 2].map(|i| Ring::new(buf.rings[i], ends[i]));
        let g = Geometry::of(machine);
        Builder {
            model,
            g,
            map,
            buf,
            reads,
            tokens,
            rings,
            ends: Vec::new(),
            steps: Vec::new(),
            origins: Vec::new(),
            biases: 0,
            record_ahead: 0,
            together: false,
        }
    }

    fn plan(&mut self, early: usize) -> Result<Plan, Diagnostic> {
        if !self.model.kind.causal {
            let (segments, flow) = self.encoder(early)?;
            return Ok(self.made(self.model.layers, segments, flow, Vec::new()));
        }
        if self.model.kind.early {
            let (segments, flow) = self.early(early)?;
            return Ok(self.made(self.model.layers, segments, flow, Vec::new()));
        }
        if !self.model.has_ends() {
            let steps = self.alone(early)?;
            let flow = self.first_scales(0).chain([Flow::Segment(0)]).collect();
            return Ok(self.made(0, vec![Segment { name: "layer", steps }], flow, Vec::new()));
        }
        let prologue = self.prologue();
        let body = self.layer(early)?;
        let epilogue = self.epilogue()?;
        // Weights, channels, and group scales where there are some.
        let loads = if self.model.widths.group.is_some() { 3 } else { 2 };
        let carries = carries(self.buf.groups, self.map.carried, loads, [&prologue, &body, &epilogue]);
        let segments = [("prologue", prologue), ("layer", body), ("epilogue", epilogue)];
        let segments = segments.into_iter().map(|(name, steps)| Segment { name, steps }).collect();
        let next = self.map.strides().into_iter().chain(self.next_scales()).map(Flow::advance);
        let body = [Flow::Segment(1)].into_iter().chain(next).collect();
        let layers = self.model.layers;
        let all = [Flow::Loop { count: layers, body }, Flow::Segment(2)];
        let flow = [Flow::Segment(0)].into_iter().chain(self.first_scales(0)).chain(all).collect();
        Ok(self.made(layers, segments, flow, carries))
    }

    fn made(&mut self, layers: u32, segments: Vec<Segment>, flow: Vec<Flow>, carries: Vec<Carry>) -> Plan {
        let (origins, scales) = (std::mem::take(&mut self.origins), self.model.scales.clone());
        Plan { tokens: self.tokens, layers, map: self.map.clone(), segments, flow, carries, origins, scales }
    }

    /// Fixed scales of the first layer lie behind so many others.
    pub fn first_scales(&self, others: u32) -> impl Iterator<Item = Flow> + use<> {
        let first = Flow::Add { to: Reg::Scales, from: Reg::Zero, imm: others };
        (!self.model.scales.is_empty()).then_some(first).into_iter()
    }

    /// How the register of fixed scales moves on by layer.
    pub fn next_scales(&self) -> Option<(Reg, u32)> {
        (!self.model.scales.is_empty()).then_some((Reg::Scales, Site::OF_LAYER))
    }

    /// A layer without ends: the residual stream comes from memory and goes back.
    fn alone(&mut self, early: usize) -> Result<Vec<Step>, Diagnostic> {
        let (map, buf) = (self.map, self.buf.clone());
        self.constants();
        self.first_gain();
        let task = Task("residual stream", &[]);
        self.load_fixed(task, space::V, buf.x, map.stream.at, map.stream.blocks, Reg::Zero);
        let norm = Task("input norm", &[Operator::InputNorm]);
        self.norm(norm, Value::InputNorm, 0, buf.gains[0], Some(Site::INPUT));
        self.layer_steps(early)?;
        self.store_rows(task, buf.x, (map.logits, Reg::Zero), map.stream.blocks);
        Ok(std::mem::take(&mut self.steps))
    }

    /// One layer, up to the first norm of the next.
    fn layer(&mut self, early: usize) -> Result<Vec<Step>, Diagnostic> {
        self.take_carried()?;
        self.ends = self.end_places();
        self.layer_steps(early)?;
        self.ends = Vec::new();
        self.norm(NEXT_NORM, Value::InputNorm, 0, self.buf.gains[0], Some(Site::NEXT));
        self.load_carried(self.map.record_blocks);
        Ok(std::mem::take(&mut self.steps))
    }

    /// One layer behind its first norm.
    pub fn layer_steps(&mut self, early: usize) -> Result<(), Diagnostic> {
        let mut carried = 0;
        for linear in [Linear::K, Linear::V, Linear::Q] {
            self.project(linear, &mut carried)?;
        }
        self.attend(early, self.model.has_ends() && !self.model.kind.early)
    }

    /// Keys, values or queries, up to their codes.
    pub fn project(&mut self, linear: Linear, carried: &mut usize) -> Result<(), Diagnostic> {
        let (map, input) = (self.map, (self.buf.a_input, self.buf.s_input));
        let (dst, value) = match linear {
            Linear::K => (self.buf.k, Value::K),
            Linear::V => (self.buf.v, Value::V),
            _ => (self.buf.q, Value::Q),
        };
        let place = (dst, map.widths.outputs(linear).stride);
        for batch in self.batches(linear) {
            let held = batch.into_iter().map(|chunk| Ok((chunk, self.chunk(chunk, carried)?)));
            let held: Vec<_> = held.collect::<Result<_, Diagnostic>>()?;
            self.gemms(&held, input, place, None, value);
        }
        self.bias(linear, place, value);
        match linear {
            Linear::K => self.pack_keys(),
            Linear::V => self.pack_values(),
            _ => self.pack_queries(),
        }
        Ok(())
    }

    /// Attention and MLP; with the gain of the next layer's first norm if it is `carried`.
    pub fn attend(&mut self, early: usize, carried: bool) -> Result<(), Diagnostic> {
        let (map, buf) = (self.map, self.buf.clone());
        let input = (buf.a_input, buf.s_input);
        let mut ahead = self.ahead(early)?;
        self.attention()?;
        let gain = map.gains[1];
        let post_norm = Task("post norm", &[Operator::PostNorm]);
        self.load_fixed(post_norm, space::V, buf.gains[1], map.records + gain.at, gain.blocks, Reg::Layer);
        if carried {
            // The last round computes the last norm: its gain lies where the next layer's would.
            let next = map.records + map.record_blocks;
            self.load_fixed(NEXT_NORM, space::V, buf.gains[0], next, map.gains[0].blocks, Reg::Layer);
        }
        self.quantise_attention();
        let up = if self.model.kind.gated { buf.up } else { buf.gate };
        let all = [
            (Linear::O, input, buf.x, Value::AttentionResidual),
            (Linear::Gate, input, buf.gate, Value::Gate),
            (Linear::Up, input, up, Value::Up),
            (Linear::Down, (buf.a_product, buf.s_product), buf.x, Value::MlpResidual),
        ];
        for (linear, input, dst, value) in all.into_iter().filter(|(l, ..)| self.model.has(*l)) {
            if linear == self.model.first_half() {
                self.norm(post_norm, Value::PostNorm, 1, buf.gains[1], Some(Site::MLP));
            }
            if linear == Linear::Down {
                self.activation();
            }
            self.product(linear, input, dst, value, &mut ahead)?;
        }
        Ok(())
    }

    /// Attention without what follows it in a layer.
    pub fn mix(&mut self, early: usize) -> Result<(), Diagnostic> {
        let mut ahead = self.ahead(early)?;
        self.attention()?;
        self.quantise_attention();
        let input = (self.buf.a_input, self.buf.s_input);
        self.product(Linear::O, input, self.buf.x, Value::AttentionResidual, &mut ahead)
    }

    /// Loads so many chunks behind attention before it.
    fn ahead(&mut self, early: usize) -> Result<VecDeque<Held>, Diagnostic> {
        let (map, first) = (self.map, self.model.first_half());
        let after = [Linear::O, first].into_iter().flat_map(|l| map.of(l));
        after.take(early).map(|chunk| self.chunk(chunk, &mut map.carried.clone())).collect()
    }

    /// A linear layer with its bias, of which the first chunks may be there; added to the residual stream if it goes there.
    fn product(
        &mut self,
        linear: Linear,
        input: (u32, u32),
        dst: u32,
        value: Value,
        ahead: &mut VecDeque<Held>,
    ) -> Result<(), Diagnostic> {
        let map = self.map;
        let place = (dst, map.widths.outputs(linear).stride);
        let residual = (dst == self.buf.x).then_some(dst);
        for batch in self.batches(linear) {
            let held = batch.into_iter().map(|chunk| match ahead.pop_front() {
                Some(held) => Ok((chunk, held)),
                None => Ok((chunk, self.chunk(chunk, &mut map.carried.clone())?)),
            });
            let held: Vec<_> = held.collect::<Result<_, Diagnostic>>()?;
            self.gemms(&held, input, place, residual, value);
        }
        self.bias(linear, place, value);
        Ok(())
    }

    /// The chunks of a linear layer by those that are multiplied together: each token group by all of them, so that vector work
    /// on one goes on while the next is multiplied. Two batches have room side by side.
    fn batches(&self, linear: Linear) -> Vec<Vec<&'a Chunk>> {
        let mut batches: Vec<Vec<&Chunk>> = Vec::new();
        let mut used = [0; 3];
        for chunk in self.map.of(linear) {
            let sizes = chunk.held().map(|blocks| blocks * BLOCK_BYTES);
            let room = (0..3).all(|i| used[i] + sizes[i] <= self.rings[i].size() / 2);
            match batches.last_mut().filter(|_| self.together && room) {
                Some(batch) => batch.push(chunk),
                None => {
                    batches.push(vec![chunk]);
                    used = [0; 3];
                }
            }
            (0..3).for_each(|i| used[i] += sizes[i]);
        }
        batches
    }

    /// Appends a step; `more` as for [`touches`].
    pub fn push(&mut self, task: Task, body: Body, more: u32) {
        let origin = self.origin(task);
        let accesses = touches(&body, &self.g, more);
        let (argument, produces, after) = (None, None, Vec::new());
        self.steps.push(Step { body, accesses, more, origin, argument, produces, after });
    }

    pub fn vector(&mut self, task: Task, body: Vector, extra: u32) {
        self.push(task, body.into(), extra);
    }

    /// The step just appended.
    pub fn last(&mut self) -> &mut Step {
        let at = self.steps.len() - 1;
        &mut self.steps[at]
    }

    /// The last step completes `value` for all tokens.
    pub fn all_tokens(&mut self, value: Value) {
        let count = self.tokens;
        self.last().produces =
            Some(Produces { value, token: 0, step: 1, count, head: 0, row: 0, partial: false });
    }

    /// The last step touches cached data in DRAM, in blocks of the layer's record.
    pub fn cached(&mut self, at: u32, blocks: u32, write: bool) {
        self.last().accesses.push(Access { memory: Memory::Cache, from: at, to: at + blocks, write });
    }

    fn origin(&mut self, task: Task) -> u32 {
        let origin = Origin { step: task.0.into(), nodes: self.model.nodes.behind(task.1) };
        let at = self.origins.iter().position(|o| *o == origin);
        at.unwrap_or_else(|| {
            self.origins.push(origin);
            self.origins.len() - 1
        }) as u32
    }

    /// A load of fixed size to a vector address or a byte of the channel buffer.
    pub fn load_fixed(&mut self, task: Task, space: u32, dst: u32, addr: u32, blocks: u32, reg: Reg) {
        let (bank, byte) = match space {
            space::V => (vec_parts(dst).0, vec_parts(dst).1 * self.g.v_row),
            _ => (0, dst),
        };
        let dst = byte / BLOCK_BYTES;
        let load = Load { space, bank, dst, addr, raddr: reg as u32, blocks, ..Default::default() };
        self.push(task, load.into(), 0);
    }

    /// Loads the chunks that a layer starts with; `ahead` is the distance to its record.
    pub fn load_carried(&mut self, ahead: u32) {
        let map = self.map;
        for (i, chunk) in map.chunks[..map.carried].iter().enumerate() {
            let at = self.buf.carried[i];
            // Behind the last layer lies the projection to logits.
            let operators = [Operator::Linear(chunk.linear), Operator::Linear(Linear::Head)];
            let operators = if ahead > 0 { &operators[..] } else { &operators[..1] };
            self.load_chunk(Task("next weights", operators), chunk, at, ahead);
        }
    }

    /// The norm of the residual stream, to codes if it enters a linear layer.
    pub fn norm(&mut self, task: Task, value: Value, which: usize, gain: u32, site: Option<Site>) {
        let width = self.map.widths.hidden;
        let (bank, row) = vec_parts(gain);
        // RMS norms have int16 gains, layer norms words and the number of elements.
        let (b, len) = match self.model.kind.norm {
            NormKind::Rms => (isa::table::vec_addr(bank, 2 * row), 0),
            NormKind::Layer => (gain, width.elements / self.g.slices),
        };
        let norm = Vector {
            fun: self.model.kind.norm_function() as u32,
            out: if site.is_some() { self.input_codes() } else { out::NONE },
            rows: width.stride,
            across: self.across(),
            len,
            a: self.buf.x,
            b,
            d: if self.model.kind.post_norm { self.buf.x } else { self.buf.scratch },
            o: self.buf.a_input,
            o_step: self.buf.s_input,
            shift: self.model.numbers.norm_shift[which],
            imm: self.model.numbers.eps,
            ..Default::default()
        };
        debug_assert_eq!(bank, CONSTANTS);
        self.permuted(task, norm, width.stride, (value, site));
    }

    /// A chunk's place: carried ones are there already, others are loaded.
    pub fn chunk(&mut self, chunk: &Chunk, carried: &mut usize) -> Result<Held, Diagnostic> {
        if let Some(&at) = self.buf.carried.get(*carried) {
            *carried += 1;
            return Ok(Held { at });
        }
        let align = align(&self.g);
        let end = self.ends.iter().find(|e| (e.0, e.1) == (chunk.linear, chunk.first_tile)).map(|e| e.2);
        let mut at = [0; 3];
        for (i, blocks) in chunk.held().into_iter().enumerate() {
            let bytes = blocks * BLOCK_BYTES;
            let free = end.and_then(|end| self.rings[i].take_at(end[i]?, bytes));
            at[i] = match free {
                Some(at) => at,
                None => self.take(i, bytes, align[i])?,
            };
        }
        let task = Task(chunk.linear.name(), &[Operator::Linear(chunk.linear)]);
        self.load_chunk(task, chunk, at, self.record_ahead);
        Ok(Held { at })
    }

    /// Takes the places of the chunks that a layer finds loaded.
    ///
    /// # Errors
    /// They are not free.
    pub fn take_carried(&mut self) -> Result<(), Diagnostic> {
        let map = self.map;
        for (chunk, at) in map.chunks[..map.carried].iter().zip(self.buf.carried.clone()) {
            for (i, blocks) in chunk.held().into_iter().enumerate().filter(|held| held.1 > 0) {
                let taken = self.rings[i].take_at(at[i], blocks * BLOCK_BYTES);
                taken.ok_or_else(|| Diagnostic::internal("weights that are carried over lie on others"))?;
            }
        }
        Ok(())
    }

    /// Places for the last chunks of a layer. They end where the rings do: those of the next layer then load to their start while
    /// these are still multiplied. Before them the matrix engine has caught up with the loads, and a gap costs nothing.
    fn end_places(&self) -> Vec<(Linear, u32, [Option<u32>; 3])> {
        let chunks: Vec<_> = self.map.of(Linear::Down).collect();
        let align = align(&self.g);
        let places = [0, 1, 2].map(|i| {
            let sizes: Vec<u32> = chunks.iter().map(|chunk| chunk.held()[i] * BLOCK_BYTES).collect();
            self.rings[i].before_end(&sizes, align[i])
        });
        let place =
            |(n, chunk): (usize, &&Chunk)| (chunk.linear, chunk.first_tile, [0, 1, 2].map(|i| places[i][n]));
        chunks.iter().enumerate().map(place).collect()
    }

    /// Space of ring `i`: 0 weights, 1 group scales, 2 channels.
    pub fn take(&mut self, i: usize, bytes: u32, align: u32) -> Result<u32, Diagnostic> {
        let name = ["weight", "group_scale", "channel"][i];
        self.rings[i].take(bytes, align).ok_or_else(|| {
            Diagnostic::new("machine-too-small", format!("a layer does not fit the {name} buffer"))
                .at_item(format!("buffers.{name}_bytes"))
                .because(format!("{bytes} bytes more are needed while the pieces in use fill it"))
                .help(format!("raise buffers.{name}_bytes, or compile for a shorter context"))
        })
    }

    pub fn give(&mut self, held: &Held) {
        (0..3).for_each(|i| self.rings[i].give(held.at[i]));
    }
}

/// A chunk on chip: bytes in W, G and C.
pub(super) struct Held {
    pub at: [u32; 3],
}

/// Tokens that cross segments: each carried chunk to its first gemm, and the norm of each token group to the group's first gemm.
/// A carried chunk is `each` loads.
fn carries(
    groups: u32,
    carried: usize,
    each: usize,
    [prologue, body, epilogue]: [&Vec<Step>; 3],
) -> Vec<Carry> {
    let of = |steps: &Vec<Step>, unit| -> Vec<usize> {
        (0..steps.len()).filter(|&i| steps[i].unit() == unit).collect()
    };
    let norms = |steps: &Vec<Step>| -> Vec<usize> {
        let norm = |&i: &usize| matches!(steps[i].produces, Some(p) if p.value == Value::InputNorm);
        of(steps, Unit::Vector).into_iter().filter(norm).collect()
    };
    // The last load of a chunk tells of all.
    let loads = |steps| {
        let all = of(steps, Unit::Load);
        (0..carried).map(|i| all[all.len() - each * (carried - i) + each - 1]).collect()
    };
    let first_gemms = |steps: &Vec<Step>| -> Vec<usize> {
        let first = |&i: &usize| matches!(steps[i].produces, Some(p) if p.token == 0);
        of(steps, Unit::Matrix).into_iter().filter(first).take(carried).collect()
    };
    let of_groups = |steps: &Vec<Step>| -> Vec<usize> {
        let gemms = of(steps, Unit::Matrix);
        let first = |u| gemms.iter().copied().find(|&i| steps[i].produces.is_some_and(|p| p.token == u));
        (0..groups).filter_map(first).collect()
    };
    vec![
        Carry {
            from: Unit::Vector,
            to: Unit::Matrix,
            posts: [norms(prologue), norms(body)],
            waits: [of_groups(body), of_groups(epilogue)],
        },
        Carry {
            from: Unit::Load,
            to: Unit::Matrix,
            posts: [loads(prologue), loads(body)],
            waits: [first_gemms(body), first_gemms(epilogue)],
        },
    ]
}
