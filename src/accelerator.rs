//! A model on a simulated machine: it reads tokens, and gives logits and the times of every instruction.
//!
//! Every pass runs a program twice: for its bytes (`sim::functional`) and for its cycles (`sim::timing`). Nothing but the
//! machine's own memory carries over from one pass to the next. Without weights there are cycles only, and as no pass's depend on
//! another's, they are simulated side by side, one on each processor.

use crate::frames::Frames;
use crate::perfetto;
use crate::tally::{Running, Tally};
use bytes::Bytes;
use codegen::generate::{Turn, hidden, logits, turns};
use codegen::plan::Reads;
use codegen::taps::{Byte, frame};
use codegen::{Compiled, Slot, Target};
use ir::diag::Diagnostic;
use isa::Illegal;
use rayon::prelude::*;
use sim::functional::{State, run_slices};
use sim::timing::simulate_into;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Passes whose sums are kept at once.
const AT_A_TIME: usize = 64;

/// A model on a machine, and the text that it has read so far.
pub struct Accelerator {
    target: Target,
    /// What each slice holds, if there are weights.
    slices: Option<Vec<State>>,
    position: u32,
    programs: BTreeMap<(Reads, u32), Arc<Compiled>>,
    /// Whether the cycles of a chunk and of a step are known.
    measured: bool,
}

/// One run of one program.
pub struct Pass {
    pub turn: Turn,
    pub compiled: Arc<Compiled>,
    /// The argument table.
    pub args: Vec<u32>,
    pub tally: Tally,
}

impl Accelerator {
    /// A machine the memories of whose slices begin with `images`, with `position` cached tokens of zeros.
    pub fn new(target: Target, images: Option<&[Bytes]>, position: u32) -> Accelerator {
        let slices = images.map(|images| State::over(&target.machine, images));
        Accelerator { target, slices, position, programs: BTreeMap::new(), measured: false }
    }

    /// Tokens cached so far.
    pub fn position(&self) -> u32 {
        self.position
    }

    /// Reads tokens in as few passes as the programs allow, each sequence of a batch the same, or one by one, all sequences together;
    /// returns the logits of the last one, if there are weights. Passes are written into the trace, if there is one, under this name.
    ///
    /// # Errors
    /// A token that the model does not know, a full context, a program that is not legal, or a trace that cannot be written.
    pub fn read(
        &mut self,
        (tokens, singly): (&[u32], bool),
        mut trace: Option<(&mut perfetto::File, &str)>,
        mut seen: impl FnMut(Pass),
    ) -> Result<Option<Vec<i32>>, Diagnostic> {
        let batch = self.target.options.batch;
        let step = |(at, &token)| Turn::step(at, vec![token; batch as usize]);
        let turns: Vec<Turn> = match singly {
            true => (self.position..).zip(tokens).map(step).collect(),
            false => {
                self.measure(tokens.len())?;
                let of_first = turns(&self.target, self.position, tokens)?;
                (0..batch).flat_map(|n| of_first.iter().map(move |turn| turn.of(n))).collect()
            }
        };
        let (last, read) = turns.last().map_or((0, 0), |turn| (turn.tokens.len() as u32, turn.read()));
        if self.slices.is_none() && trace.is_none() {
            for some in turns.chunks(AT_A_TIME) {
                self.times(some)?.into_iter().for_each(&mut seen);
            }
            return Ok(None);
        }
        for turn in turns {
            seen(self.pass(&turn, trace.as_mut().map(|(file, name)| (&mut **file, *name)))?);
        }
        // Those of an encoder are of its sequence.
        let (of, at) =
            if self.target.map.sequence.is_some() { (1, 0) } else { (last, read.saturating_sub(1)) };
        let logits = |slices: &Vec<State>| logits(&self.target, |at| word(slices, at), of, at);
        Ok(self.slices.as_ref().map(logits))
    }

    /// Simulates a chunk and a single step once, if a prompt leaves a rest that either may read.
    fn measure(&mut self, tokens: usize) -> Result<(), Diagnostic> {
        let chunk = self.target.chunk;
        let whole = chunk == 1 || self.target.map.sequence.is_some() || tokens % chunk as usize == 0;
        if whole || std::mem::replace(&mut self.measured, true) {
            return Ok(());
        }
        let mut cycles = |tokens: u32, slot| {
            let turn =
                Turn { reads: Reads::Of(0), slot, tokens: vec![0; tokens as usize], padding: 0, position: 0 };
            let compiled = self.program(&turn)?;
            let times =
                simulate_into(&compiled.program, &self.target.machine, &turn.args(&compiled), &mut ());
            times.map(|t| t.cycles).map_err(|e| illegal(&e))
        };
        let (together, single) = (cycles(chunk, Slot::Chunk)?, cycles(1, Slot::Decode)?);
        self.target.padded_from = self.target.pays(together, single);
        Ok(())
    }

    /// Puts frames into memory, for an encoder to read.
    pub fn hear(&mut self, frames: &Frames) {
        let Some(slices) = &mut self.slices else { return };
        for (n, row) in (0..).zip(frames.words.chunks_exact(frames.channels.max(1))) {
            for (channel, word) in (0..).zip(row) {
                let Byte { slice, address } = frame(&self.target, n, channel);
                // The map has a place for each frame of the sequence.
                let _ =
                    slices.get_mut(slice as usize).map(|s| s.dram.write(address.into(), &word.to_le_bytes()));
            }
        }
    }

    /// What an encoder without logits gave, of all tokens, if there are weights.
    pub fn hidden(&self) -> Option<Vec<i32>> {
        let tokens = self.target.map.sequence.filter(|_| !self.target.model.has_ends())?;
        let slices = self.slices.as_ref()?;
        Some((0..tokens).flat_map(|token| hidden(&self.target, |at| word(slices, at), token)).collect())
    }

    /// Passes of a machine without weights.
    fn times(&mut self, turns: &[Turn]) -> Result<Vec<Pass>, Diagnostic> {
        let compiled = turns.iter().map(|turn| self.program(turn));
        let compiled: Vec<_> = compiled.collect::<Result<_, _>>()?;
        let machine = &self.target.machine;
        let pass = |(turn, compiled): (&Turn, Arc<Compiled>)| {
            let args = turn.args(&compiled);
            let mut running = Running::new(&compiled.program, machine);
            simulate_into(&compiled.program, machine, &args, &mut running).map_err(|e| illegal(&e))?;
            let tally = running.tally();
            Ok(Pass { turn: turn.clone(), compiled, args, tally })
        };
        let passes = turns.par_iter().zip(compiled).map(pass).collect::<Result<Vec<_>, Diagnostic>>()?;
        self.position = turns.last().map_or(self.position, Turn::end);
        Ok(passes)
    }

    fn pass(&mut self, turn: &Turn, trace: Option<(&mut perfetto::File, &str)>) -> Result<Pass, Diagnostic> {
        let compiled = self.program(turn)?;
        let args = turn.args(&compiled);
        let machine = &self.target.machine;
        if let Some(slices) = &mut self.slices {
            run_slices(slices, &compiled.program, &args, &mut ()).map_err(|e| illegal(&e))?;
        }
        let program = &compiled.program;
        let run =
            trace.map(|(file, name)| file.run(&format!("{name} at {}", turn.position), program, machine));
        let mut told = (Running::new(program, machine), run);
        simulate_into(program, machine, &args, &mut told).map_err(|e| illegal(&e))?;
        let (running, run) = told;
        run.map_or(Ok(()), perfetto::Run::finish)?;
        let tally = running.tally();
        self.position = turn.end();
        Ok(Pass { turn: turn.clone(), compiled, args, tally })
    }

    fn program(&mut self, turn: &Turn) -> Result<Arc<Compiled>, Diagnostic> {
        let key = (turn.reads, turn.tokens.len() as u32);
        if let Some(known) = self.programs.get(&key) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(self.target.compile_for(key.0, key.1, turn.slot)?);
        // Once for all positions.
        self.target.prove(&made).map_err(|e| illegal(&e))?;
        self.programs.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

fn word(slices: &[State], Byte { slice, address }: Byte) -> Option<[u8; 4]> {
    slices.get(slice as usize)?.dram.word(address)
}

/// The diagnostic of a program that cannot run.
pub fn illegal(e: &Illegal) -> Diagnostic {
    Diagnostic::new("program-illegal", e.what.clone())
        .at_item(format!("instruction {}: {}", e.instr, e.text))
        .because(e.why.clone())
        .help(e.help.clone())
}
