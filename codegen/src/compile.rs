//! From a model and a machine to programs: chooses context and chunk, then plans, verifies and emits.

use crate::model::{Linear, Model};
use crate::plan::build::{MOST_TOKENS, build};
use crate::plan::map::starts;
use crate::plan::sync::{Syncs, synchronise};
use crate::plan::verify::verify;
use crate::plan::{Map, Options, Plan, Reads, order};
use crate::program::{Emitted, emit};
use crate::support;
use hw::machine::BLOCK_BYTES;
use hw::{Geometry, Machine};
use ir::diag::Diagnostic;
use isa::check::Runs;
use isa::{Illegal, Program};

/// Tokens of a prefill step where the options name none.
const USUAL_CHUNK: u32 = 16;

/// A model placed on a machine: the memory map that all its programs share.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub model: Model,
    pub machine: Machine,
    pub options: Options,
    pub map: Map,
    /// Tokens of a prefill step: a whole number of output tiles, or a part of one, or 1 if no larger step fits.
    pub chunk: u32,
    /// Fewest tokens that a padded one reads in fewer cycles than as many single steps: by the estimates that order the plan, until
    /// somebody has simulated both and says when it [`pays`](Target::pays).
    pub padded_from: u32,
}

/// A program for a number of tokens, at any position: for more than one token, at multiples of [`starts`].
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    pub reads: Reads,
    pub tokens: u32,
    pub program: Program,
    pub plan: Plan,
    pub syncs: Syncs,
    /// Instruction of each step of each segment.
    pub places: Vec<Vec<usize>>,
}

/// Places of the programs of a target in memory; each run may replace the program of its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Decode = 0,
    Chunk = 1,
}

impl Target {
    /// Places a model on a machine.
    ///
    /// # Errors
    /// The model or the machine is beyond this compiler, or the machine is too small: place, reason, remedy.
    pub fn new(model: &Model, machine: &Machine, options: &Options) -> Result<Target, Diagnostic> {
        model.check()?;
        let model = &Model { widths: support::modes(model, machine)?, ..model.clone() };
        support::functions(model, machine)?;
        accumulators(model, machine)?;
        let n = machine.matrix.outputs;
        let most = options.context.unwrap_or(model.max_positions);
        if most == 0 || most > model.max_positions {
            return Err(Diagnostic::new(
                "context-unsupported",
                format!("a context of {most} is not possible"),
            )
            .at_item("context")
            .because(format!("the model was made for 1 to {} positions", model.max_positions))
            .help("ask for a context in this range"));
        }
        batch(model, options.batch)?;
        if !model.kind.causal {
            return Target::encoder(model, machine, options, most);
        }
        let at = |context, chunk| Target::placed(model, machine, options, context, chunk);
        // What depends on the context is the space that it takes, which the steps show before they are ordered.
        let fits = |context| {
            let map = Map::new(model, machine, options, context, 1);
            map.and_then(|map| build(model, machine, &map, options, steps(options))).is_ok()
        };
        let context = options.context.unwrap_or_else(|| largest(most, fits).unwrap_or(most));
        let single = at(context, 1)?;
        let wanted = options.chunk.unwrap_or(USUAL_CHUNK.max(n)).min(single.map.held).min(MOST_TOKENS);
        for chunk in
            (2..=wanted).rev().filter(|&c| c % n == 0 || c < n && starts(&Geometry::of(machine), c) == c)
        {
            match at(context, chunk) {
                Ok(target) => return Ok(target),
                Err(error) if options.chunk.is_some() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(single)
    }

    /// A model whose tokens see each other, for sequences of so many: in chunks of a whole number of output tiles, of those that
    /// fit the one with the fewest tokens of padding and the fewest chunks, each of which costs about a tile's time to begin.
    fn encoder(
        model: &Model,
        machine: &Machine,
        options: &Options,
        sequence: u32,
    ) -> Result<Target, Diagnostic> {
        let n = machine.matrix.outputs;
        let most =
            options.chunk.unwrap_or(MOST_TOKENS).min(MOST_TOKENS).min(sequence.next_multiple_of(n)) / n;
        let mut sizes: Vec<u32> = (1..=most.max(1)).map(|tiles| tiles * n).collect();
        sizes.sort_by_key(|&chunk| (sequence.next_multiple_of(chunk) + sequence.div_ceil(chunk) * n, chunk));
        let mut refused = None;
        for chunk in sizes {
            let padded = sequence.next_multiple_of(chunk);
            let map = Map::new(model, machine, options, padded, chunk)?;
            // Attention, which takes most room, may go over a part of a chunk at a time, in whole blocks of memory.
            let row = map.widths.hidden.stride * Geometry::of(machine).v_row;
            let parts = (1..=chunk).filter(|n| chunk % n == 0).map(|n| chunk / n);
            for attending in parts.filter(|&tokens| tokens == chunk || tokens * row % BLOCK_BYTES == 0) {
                let (model, machine, options) = (model.clone(), machine.clone(), options.clone());
                let map = Map { sequence: Some(sequence), attending, ..map.clone() };
                let target = Target { model, machine, options, map, chunk, padded_from: chunk };
                match target.compile(sequence, Slot::Decode) {
                    Ok(_) => return Ok(target),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
        Err(refused.unwrap_or_else(|| Diagnostic::internal("no chunk was tried")))
    }

    /// The target if its chunk compiles.
    fn placed(
        model: &Model,
        machine: &Machine,
        options: &Options,
        context: u32,
        chunk: u32,
    ) -> Result<Target, Diagnostic> {
        let map = Map::new(model, machine, options, context, chunk)?;
        let (model, machine, options) = (model.clone(), machine.clone(), options.clone());
        let target = Target { model, machine, options, map, chunk, padded_from: chunk };
        let cycles = |compiled: &Compiled| order::length(&compiled.plan, &target.machine);
        let together = cycles(&target.compile(chunk, Slot::Chunk)?);
        let (reads, tokens) = steps(&target.options);
        let mut single = target.compile_for(reads, tokens, Slot::Decode)?;
        if single.reads == Reads::Each {
            single = target.compile(1, Slot::Decode)?;
        }
        let single = cycles(&single);
        Ok(Target { padded_from: target.pays(together, single), ..target })
    }

    /// Fewest tokens of which as many single steps take longer than a chunk, with these cycles of both.
    pub fn pays(&self, together: u64, single: u64) -> u32 {
        let singly = (together / single.max(1)).min(self.chunk.into()) as u32;
        (singly + 1).min(self.chunk)
    }

    /// The program for `tokens` tokens of the first sequence.
    ///
    /// # Errors
    /// As of [`Target::compile_for`].
    pub fn compile(&self, tokens: u32, slot: Slot) -> Result<Compiled, Diagnostic> {
        self.compile_for(Reads::Of(0), tokens, slot)
    }

    /// The program of a step of all sequences.
    ///
    /// # Errors
    /// As of [`Target::compile_for`].
    pub fn step(&self) -> Result<Compiled, Diagnostic> {
        let (reads, tokens) = steps(&self.options);
        self.compile_for(reads, tokens, Slot::Decode)
    }

    /// The program for `tokens` tokens.
    ///
    /// # Errors
    /// More tokens than the target's chunk or none, or a machine that is too small for them.
    pub fn compile_for(&self, reads: Reads, tokens: u32, slot: Slot) -> Result<Compiled, Diagnostic> {
        let possible = match (self.map.sequence, reads) {
            (Some(all), _) => tokens == all,
            (None, Reads::Each) => tokens == self.options.batch,
            (None, Reads::Of(_)) => tokens == 1 || tokens == self.chunk,
        };
        if !possible {
            let what = format!("a program of {tokens} tokens is not possible");
            return Err(Diagnostic::new("tokens-unsupported", what)
                .at_item("tokens")
                .because(match self.map.sequence {
                    Some(all) => format!("this target takes sequences of {all}"),
                    None => format!("this target takes 1, or {} at once", self.chunk),
                })
                .help("fill up a prompt's last chunk, compile an encoder for the sequence"));
        }
        // An encoder goes over its sequence in chunks of its own.
        let together = self.map.sequence.map_or(tokens, |_| self.map.tokens);
        let mut plan = build(&self.model, &self.machine, &self.map, &self.options, (reads, together))?;
        order::cross(&mut plan);
        if self.options.reorder {
            order::schedule(&mut plan, &self.machine);
        }
        let syncs = synchronise(&plan)?;
        verify(&plan, &syncs, &self.machine)?;
        let Emitted { program, places } = emit(&plan, &syncs, &self.machine, slot as u32)?;
        Ok(Compiled { reads, tokens, program, plan, syncs, places })
    }

    /// The runs that [`Target::accepts`] of a program of `tokens` tokens.
    pub fn runs(&self, tokens: u32) -> Runs {
        if self.map.sequence.is_some() {
            return Runs { last: 0, step: 1, vocab: self.model.vocab };
        }
        let step = starts(&Geometry::of(&self.machine), tokens);
        let most = if tokens > 1 { self.map.held } else { self.map.context };
        Runs { last: most.saturating_sub(tokens), step, vocab: self.model.vocab }
    }

    /// Proves a program legal at every position that it may start at, for all tokens.
    ///
    /// # Errors
    /// The rule that it breaks, which is an error of this compiler.
    pub fn prove(&self, compiled: &Compiled) -> Result<(), Illegal> {
        // Tokens of several sequences are at one position.
        let tokens = if compiled.reads == Reads::Each { 1 } else { compiled.tokens };
        isa::check::every(&compiled.program, &self.machine, &self.runs(tokens))
    }

    /// Whether a program of `tokens` tokens, of which the last ones may be padding, may start at `position`.
    ///
    /// # Errors
    /// Why not.
    pub fn accepts(&self, tokens: u32, padding: u32, position: u32) -> Result<(), Diagnostic> {
        let step = starts(&Geometry::of(&self.machine), tokens);
        if position % step != 0 {
            let what = format!("{tokens} tokens cannot start at position {position}");
            return Err(Diagnostic::new("position-unaligned", what)
                .at_item("position")
                .because(format!("so many start at multiples of {step}, within output tiles of the machine"))
                .help("run single tokens up to there"));
        }
        let read = tokens.saturating_sub(padding);
        if u64::from(position) + u64::from(read) > u64::from(self.map.context) {
            let what = format!("{read} tokens at position {position} exceed the context");
            return Err(Diagnostic::new("context-full", what)
                .at_item("position")
                .because(format!("runs may reach {} positions", self.map.context))
                .help("compile for a longer context"));
        }
        if tokens > 1 && u64::from(position) + u64::from(tokens) > u64::from(self.map.held) {
            let what = format!("{tokens} tokens at position {position} go over the end of the window");
            return Err(Diagnostic::new("window-chunk", what)
                .at_item("position")
                .because(format!(
                    "the cache holds {} positions, and behind them one token at a time takes the place of the oldest",
                    self.map.held
                ))
                .help("run single tokens from there on"));
        }
        Ok(())
    }
}

/// What a step reads.
fn steps(options: &Options) -> (Reads, u32) {
    if options.batch > 1 { (Reads::Each, options.batch) } else { (Reads::Of(0), 1) }
}

/// Most sequences of a batch.
const MOST_SEQUENCES: u32 = 8;

fn batch(model: &Model, sequences: u32) -> Result<(), Diagnostic> {
    let refuse = |why: String, help: &str| {
        Err(Diagnostic::new("batch-unsupported", format!("a batch of {sequences} is not possible"))
            .at_item("batch")
            .because(why)
            .help(help))
    };
    match sequences {
        1 => Ok(()),
        n if n == 0 || n > MOST_SEQUENCES => refuse(
            format!("steps of 1 to {MOST_SEQUENCES} sequences are planned"),
            "choose a batch in this range; sequences may also run one after the other",
        ),
        _ if !model.kind.causal => refuse(
            "this model reads a whole sequence at once and keeps nothing".into(),
            "run its sequences one after the other",
        ),
        _ if !model.has_ends() => refuse(
            "a layer without embedding and logits reads and writes one residual stream".into(),
            "leave the batch out, or give the whole model",
        ),
        _ => Ok(()),
    }
}

/// No sum of a linear layer wraps in the machine's accumulators. Scores and weighted values, of 8 by 8 bits over at most
/// 2^16 positions, fit the narrowest that a machine may have.
fn accumulators(model: &Model, machine: &Machine) -> Result<(), Diagnostic> {
    let bits = machine.matrix.accumulator_bits;
    let needed = |l: &Linear| support::accumulator_bits(model, *l);
    let all = || Linear::ALL.into_iter().filter(|&l| model.has(l));
    let Some(linear) = all().find(|l| needed(l) > bits) else { return Ok(()) };
    let most = all().map(|l| needed(&l)).max().unwrap_or(0);
    Err(Diagnostic::new(
        "accumulator-narrow",
        format!("accumulators of {bits} bits are too narrow for this model"),
    )
    .at_item("matrix.accumulator_bits")
    .because(format!(
        "sums over the {} inputs of `{}` may need {} bits, and accumulators wrap",
        model.inputs(linear),
        linear.name(),
        needed(&linear)
    ))
    .help(format!("set matrix.accumulator_bits of the machine to {most} or more")))
}

/// The largest value of 1..=most for which `fits` holds, given that it holds below every value for which it does.
fn largest(most: u32, fits: impl Fn(u32) -> bool) -> Option<u32> {
    if fits(most) {
        return Some(most);
    }
    let (mut low, mut high) = (0, most);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    (low > 0).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the trained example, or of a smaller network with shared heads.
    fn model(small: bool) -> Model {
        if small {
            return crate::model::tests::small();
        }
        let sizes = Model {
            vocab: 256,
            logits: 256,
            hidden: 128,
            intermediate: 256,
            layers: 4,
            ..crate::model::tests::small()
        };
        Model { kv_heads: 4, head_dim: 32, ..sizes }
    }

    #[test]
    fn every_preset_takes_both_models() {
        for (name, _) in hw::presets::PRESETS {
            let machine = hw::presets::load(name).unwrap();
            for small in [false, true] {
                let target = Target::new(&model(small), &machine, &Options::default());
                let target = target.unwrap_or_else(|e| panic!("{name}: {e}"));
                for tokens in [1, target.chunk] {
                    let compiled = target.compile(tokens, Slot::Chunk).unwrap();
                    target.prove(&compiled).unwrap_or_else(|e| panic!("{name}, {tokens} tokens: {e}"));
                    let steps: Vec<usize> = compiled.plan.segments.iter().map(|s| s.steps.len()).collect();
                    let words = compiled.program.instrs.len();
                    println!(
                        "{name} small {small}: {tokens} tokens, context {}, {steps:?} steps, {words} words, {} semaphores",
                        target.map.context,
                        compiled.syncs.semaphores.len()
                    );
                }
            }
        }
    }

    /// One position more than the cache holds is one too many, for one token and for a chunk.
    #[test]
    fn what_is_proven_ends_with_the_context() {
        let machine = hw::presets::load("tiny").unwrap();
        let target = Target::new(&model(true), &machine, &Options::default()).unwrap();
        for tokens in [1, target.chunk] {
            let compiled = target.compile(tokens, Slot::Chunk).unwrap();
            let runs = target.runs(tokens);
            assert!(
                target.accepts(tokens, 0, runs.last).is_ok()
                    && target.accepts(tokens, 0, runs.last + 1).is_err()
            );
            let said = |runs: &Runs| isa::check::every(&compiled.program, &machine, runs).map_err(|e| e.what);
            assert_eq!(said(&runs), Ok(()));
            let beyond =
                said(&Runs { last: target.map.context + machine.matrix.outputs, ..runs }).unwrap_err();
            assert!(beyond.contains("over all runs"), "{beyond}");
            let unknown = said(&Runs { vocab: runs.vocab + 1, ..runs }).unwrap_err();
            assert!(unknown.contains("which is no region") && unknown.contains("`addr` is"), "{unknown}");
        }
    }

    /// Sequences of whole chunks and of others, on every preset.
    #[test]
    fn encoders_compile_and_are_legal() {
        for (name, _) in hw::presets::PRESETS {
            let machine = hw::presets::load(name).unwrap();
            for (post_norm, sequence, vocab) in [(false, 32, 0), (true, 27, 50), (false, 1, 50)] {
                let small = model(true);
                let pooled = post_norm && machine.vector.functions.contains(&hw::Function::Tanh);
                let kind =
                    crate::model::Kind { causal: false, post_norm, gated: false, pooled, ..small.kind };
                let logits = if pooled { 3 } else { 0 };
                let model = Model { vocab, logits, max_positions: sequence, kind, ..small };
                let target = Target::new(&model, &machine, &Options::default());
                let target = target.unwrap_or_else(|e| panic!("{name}: {e}"));
                let compiled = target.compile(sequence, Slot::Decode).unwrap();
                target.prove(&compiled).unwrap_or_else(|e| panic!("{name}, {sequence} tokens: {e}"));
                let words = compiled.program.instrs.len();
                println!("{name}: {sequence} tokens in chunks of {}, {words} words", target.chunk);
            }
        }
    }

    /// Frames through two convolutions, of which the second gives a token for two frames.
    #[test]
    fn encoders_of_frames_compile_and_are_legal() {
        let window = |stride, channels| crate::model::Window { kernel: 3, stride, pad: 1, channels };
        let mut done = 0;
        for (name, _) in hw::presets::PRESETS {
            let machine = hw::presets::load(name).unwrap();
            for sequence in [32, 21] {
                let small = model(true);
                let kind = crate::model::Kind { causal: false, gated: false, learned: Some(0), ..small.kind };
                let widths = crate::model::Widths { group: None, ..small.widths };
                let (stem, max_positions) = (vec![window(1, 40), window(2, 64)], sequence);
                let model = Model { vocab: 0, logits: 0, max_positions, stem, kind, widths, ..small };
                let target = match Target::new(&model, &machine, &Options::default()) {
                    Ok(target) => target,
                    Err(error) => {
                        let known = ["frames-unaligned", "function-missing", "machine-too-small"];
                        assert!(known.contains(&error.code), "{name}: {error}");
                        println!("{name}: {error}");
                        continue;
                    }
                };
                let compiled = target.compile(sequence, Slot::Decode).unwrap();
                target.prove(&compiled).unwrap_or_else(|e| panic!("{name}, {sequence} tokens: {e}"));
                let words = compiled.program.instrs.len();
                println!("{name}: {sequence} tokens in chunks of {}, {words} words", target.chunk);
                done += 1;
            }
        }
        assert!(done >= 4, "{done}");
    }

    #[test]
    fn accumulators_hold_every_sum() {
        let mut machine = hw::presets::load("tiny").unwrap();
        // 256 inputs of `down`, times 128 * 3 * 255, and a sign: 26 bits. 2^15 inputs: 33 bits.
        let mut wide = model(false);
        wide.intermediate = 1 << 15;
        for (bits, fits) in [(32, false), (33, true)] {
            machine.matrix.accumulator_bits = bits;
            assert_eq!(accumulators(&model(false), &machine), Ok(()));
            let found = accumulators(&wide, &machine);
            assert_eq!(found.is_ok(), fits, "{bits}");
            if let Err(refused) = found {
                assert_eq!(refused.code, "accumulator-narrow");
                let said = refused.render();
                assert!(said.contains("32768 inputs of `down` may need 33 bits"), "{said}");
                assert!(said.contains("accumulator_bits of the machine to 33 or more"), "{said}");
                assert_eq!(Target::new(&wide, &machine, &Options::default()).unwrap_err(), refused);
            }
        }
    }
}
