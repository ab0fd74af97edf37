//! Runs compiled programs in the functional simulator and compares at every tap.

use crate::graph_values::{Values, evaluate};
use codegen::generate::{Turn, logits};
use codegen::plan::width::Width;
use codegen::plan::{Map, Value};
use codegen::taps::{Byte, Codes, Part, Tap, taps, width};
use codegen::{Compiled, Target, image};
use ir::num::Scale;
use ir::quant::QuantDecoder;
use ir::tensor::Tensor;
use isa::walk::Step;
use sim::functional::{Observer, State, Tile, run_slices};
use std::collections::{HashMap, HashSet};

/// A network that is being read.
pub struct Run<'a> {
    decoder: &'a QuantDecoder,
    target: &'a Target,
    slices: Vec<State>,
    cache: Vec<Tensor>,
    compiled: HashMap<u32, Compiled>,
}

impl<'a> Run<'a> {
    pub fn new(decoder: &'a QuantDecoder, target: &'a Target) -> Run<'a> {
        let slices = State::of_slices(&target.machine, &image::images(target, decoder).unwrap());
        Run { decoder, target, slices, cache: Vec::new(), compiled: HashMap::new() }
    }

    /// One program: compares every value, then the cache and the logits; gives the last token's logits.
    pub fn turn(&mut self, turn: &Turn) -> Vec<i32> {
        let count = turn.tokens.len() as u32;
        let (target, slot) = (self.target, turn.slot);
        let fresh = || {
            let compiled = target.compile(count, slot).unwrap_or_else(|e| panic!("{e}"));
            target
                .prove(&compiled)
                .unwrap_or_else(|e| panic!("{}, {count} tokens: {e}", target.machine.name));
            compiled
        };
        let compiled = self.compiled.entry(count).or_insert_with(fresh);
        let args = turn.args(compiled);
        isa::check::check(&compiled.program, &target.machine, &args).unwrap_or_else(|e| panic!("{e}"));
        let values = evaluate(self.decoder, turn.position as usize, &turn.tokens, &self.cache);
        let mut watch = Watch::new(target, compiled, &values, turn.position, self.decoder.layers.len());
        run_slices(&mut self.slices, &compiled.program, &args, &mut watch).unwrap_or_else(|e| panic!("{e}"));
        watch.finish();
        let all = values.of[&(Value::Logits, 0)].words.as_ref().unwrap();
        let vocab = target.model.vocab as usize;
        for (t, want) in all.ints().chunks_exact(vocab).enumerate() {
            let word = |at: Byte| self.slices[at.slice as usize].dram.word(at.address);
            let got = logits(target, word, count, t as u32);
            assert_eq!(got, want, "logits of token {t}");
        }
        let last = turn.read() as usize * vocab;
        let of_last = all.ints()[last - vocab..last].to_vec();
        // What padding leaves in the machine's cache means nothing to later tokens.
        let read = &turn.tokens[..turn.read() as usize];
        self.cache = match turn.padding {
            0 => values.cache,
            _ => evaluate(self.decoder, turn.position as usize, read, &self.cache).cache,
        };
        of_last
    }
}

/// Compares while a program runs.
struct Watch<'a> {
    target: &'a Target,
    values: &'a Values,
    layers: usize,
    position: u32,
    taps: HashMap<usize, Tap>,
    /// How often each word was dispatched.
    rounds: HashMap<u32, usize>,
    seen: HashSet<(Value, usize)>,
    bare: HashSet<(Value, usize)>,
    elements: u64,
}

impl<'a> Watch<'a> {
    fn new(
        target: &'a Target,
        compiled: &Compiled,
        values: &'a Values,
        position: u32,
        layers: usize,
    ) -> Self {
        let taps = taps(target, compiled).into_iter().map(|t| (t.word, t)).collect();
        let (rounds, seen, bare) = Default::default();
        Watch { target, values, layers, position, taps, rounds, seen, bare, elements: 0 }
    }

    /// Every value of the graph was compared.
    fn finish(&self) {
        let missing: Vec<_> = self.values.of.keys().filter(|k| !self.seen.contains(k)).collect();
        assert!(missing.is_empty(), "never compared: {missing:?}");
        assert_eq!(self.bare.len(), self.values.bare.len());
        println!("{} elements compared", self.elements);
    }

    fn layer(&self, tap: &Tap, round: usize) -> usize {
        match (tap.segment, tap.value) {
            (1, Value::InputNorm) => round + 1,
            (1, _) => round,
            _ => 0,
        }
    }

    fn part(&mut self, tap: &Tap, part: &Part, layer: usize, slices: &[State], slice: u32) {
        let want = &self.values.of[&(tap.value, layer)];
        let state = &slices[slice as usize];
        let (g, map) = (&state.geometry, &self.target.map);
        let (heads, of) = match tap.value {
            Value::RopeK | Value::PackedV => (self.target.model.kv_heads, Some(map.widths.kv)),
            Value::RopeQ | Value::Attention | Value::Scores | Value::Softmax => {
                (self.target.model.heads, Some(map.widths.q))
            }
            _ => (1, None),
        };
        // The head of the network that is this one of the slice; some slices have fewer than others.
        let first = part.head * map.widths.head.rows * g.l;
        let head = match of.map(|width| width.of_slice(slice, first)) {
            None => 0,
            Some(Some(element)) => element / self.target.model.head_dim,
            Some(None) => return,
        };
        let part = &Part { head, ..*part };
        let here =
            format!("{:?} of layer {layer}, token {}, head {head}, slice {slice}", tap.value, part.token);
        let lie = width(map, tap.value);
        for (e, place) in places(part, lie.as_ref(), map, self.position, slice, g.l) {
            let element = |t: &Tensor| t.ints()[index(t, tap.value, part, heads, e)];
            let (row, lane) = (place / g.l, place % g.l);
            if let Some(words) = &want.words {
                let at = ((part.row + row) * g.v_row + 4 * lane) as usize;
                let got = i32::from_le_bytes(state.v[part.bank as usize][at..at + 4].try_into().unwrap());
                assert_eq!(got, element(words), "{here}, element {e}");
                self.elements += 1;
            }
            if let (Some(codes), Some(Codes { row: a, apart, token, .. })) = (&want.codes, part.codes) {
                let at = ((a + slice * apart + row) * g.a_row + token * g.lp + lane) as usize;
                for (other, state) in
                    slices.iter().enumerate().filter(|(i, _)| apart > 0 || *i as u32 == slice)
                {
                    let (got, want) = (state.a[at] as i8, element(codes));
                    assert_eq!(i32::from(got), want, "{here}, code of element {e} in slice {other}");
                    self.elements += 1;
                }
            }
        }
        if let (Some(scales), Some(Codes { slot, .. })) = (&want.scales, part.codes) {
            let n = scales.ints().len() / heads as usize;
            let at = match tap.value {
                Value::Softmax => part.head as usize * n + part.token as usize,
                _ => (part.token * heads + part.head) as usize,
            };
            let want = Scale::from_word(scales.ints()[at] as u32);
            assert_eq!(state.s[slot as usize], want, "{here}, scale");
        }
    }
}

/// Elements of a part in a slice and their places from its first row on.
fn places(
    part: &Part,
    width: Option<&Width>,
    map: &Map,
    position: u32,
    slice: u32,
    lanes: u32,
) -> Vec<(u32, u32)> {
    match width {
        Some(w) => {
            let (from, to) = (part.first * lanes, (part.first + part.rows) * lanes);
            let all = w.in_slice(slice).map(|(e, row, lane)| (e, row * lanes + lane));
            all.filter(|&(_, p)| (from..to).contains(&p)).map(|(e, p)| (e, p - from)).collect()
        }
        // Positions up to the token's own, or those of them that it sees, where they lie in the ring.
        None => {
            let own = position + part.token;
            let [sink, window] = map.window.unwrap_or([own + 1, 1]);
            let seen = (0..=own).filter(|&e| e < sink || e + window > own);
            let place = |e| if e < sink { e } else { sink + (e - sink) % window };
            seen.map(|e| (e, place(e))).collect()
        }
    }
}

/// Where element `e` of a part is in the graph's tensor.
fn index(tensor: &Tensor, value: Value, part: &Part, heads: u32, e: u32) -> usize {
    let shape = tensor.shape();
    match value {
        Value::Scores | Value::Softmax => {
            (part.head as usize * shape[1] + part.token as usize) * shape[2] + e as usize
        }
        _ => part.token as usize * shape[1] + part.head as usize * (shape[1] / heads as usize) + e as usize,
    }
}

impl Observer for Watch<'_> {
    fn after(&mut self, step: &Step, slices: &[State]) {
        let round = self.rounds.entry(step.word).or_default();
        *round += 1;
        let round = *round - 1;
        let Some(tap) = self.taps.get(&(step.word as usize)).cloned() else { return };
        let layer = self.layer(&tap, round);
        assert!(layer <= self.layers);
        if tap.partial {
            return;
        }
        for (slice, part) in (0..slices.len() as u32).flat_map(|s| tap.parts.iter().map(move |p| (s, p))) {
            self.part(&tap, part, layer, slices, slice);
        }
        self.seen.insert((tap.value, layer));
    }

    fn gemm_tile(&mut self, step: &Step, Tile { tile, token, slice }: Tile, outputs: &[i32]) {
        let round = self.rounds.get(&step.word).copied().unwrap_or(0);
        let Some(tap) = self.taps.get(&(step.word as usize)) else { return };
        let key = (tap.value, self.layer(tap, round));
        let Some(want) = self.values.bare.get(&key) else { return };
        let lie = width(&self.target.map, tap.value).unwrap();
        let part = &tap.parts[token as usize];
        for (n, &got) in outputs.iter().enumerate() {
            let place = part.first * lie.lanes + tile * outputs.len() as u32 + n as u32;
            if let Some(e) = lie.of_slice(slice as u32, place) {
                let at = part.token as usize * want.shape()[1] + e as usize;
                assert_eq!(got, want.ints()[at], "{:?} without residual, element {e}", tap.value);
                self.elements += 1;
            }
        }
        self.bare.insert(key);
    }
}
