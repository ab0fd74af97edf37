//! Waves of a window of cycles, as VCD: every signal of the hardware but memories.
//!
//! A nanosecond of the wave is a cycle, and begins with the clock edge; from its middle on all signals are those of the
//! cycle, pins included.

use super::compare::Setup;
use super::driver::Run;
use super::library::Instance;
use crate::output::Stream;
use ir::diag::Diagnostic;
use sim::pages::Pages;
use std::ops::Range;
use std::path::Path;

/// Cycles of a window before what it shows, and from there on.
const BEFORE: u64 = 4096;
const AFTER: u64 = 512;
/// Cycles of a run that is recorded whole if nothing differs.
const WHOLE: u64 = 4096;
/// Bytes of a file; a window that has more is made shorter.
const MOST_BYTES: u64 = 256 << 20;

/// After so many halvings nothing is left to halve.
const HALVINGS: u32 = 14;

const PICOSECONDS: u64 = 1000;

/// Writes the waves of a window while the hardware runs.
pub struct Recorder {
    to: Stream,
    window: Range<u64>,
    bytes: u64,
    failed: Option<Diagnostic>,
}

impl Recorder {
    fn new(to: Stream, window: Range<u64>) -> Recorder {
        Recorder { to, window, bytes: 0, failed: None }
    }

    /// In the middle of a cycle.
    pub(super) fn settled(&mut self, instance: &mut Instance, cycle: u64) {
        self.take(instance, cycle, PICOSECONDS / 2);
    }

    /// After the edge that begins a cycle.
    pub(super) fn edge(&mut self, instance: &mut Instance, cycle: u64) {
        self.take(instance, cycle, 0);
    }

    fn take(&mut self, instance: &mut Instance, cycle: u64, picoseconds: u64) {
        if self.failed.is_some() || self.bytes > MOST_BYTES || !self.window.contains(&cycle) {
            return;
        }
        let text = instance.wave(cycle * PICOSECONDS + picoseconds);
        self.bytes += text.len() as u64;
        self.failed = self.to.write(text).err();
    }
}

/// A wave that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Cycles that it holds.
    pub cycles: Range<u64>,
    pub bytes: u64,
}

/// What a wave shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A cycle and its surroundings.
    Cycle(u64),
    /// A run of so many cycles, or its beginning.
    Run(u64),
}

impl Subject {
    /// The cycles of a window that is halved so often; they always hold the cycle.
    fn window(self, halvings: u32) -> Range<u64> {
        match self {
            Subject::Cycle(at) => at.saturating_sub(BEFORE >> halvings)..at + (AFTER >> halvings).max(1),
            Subject::Run(cycles) => 0..(cycles + 1).min((WHOLE >> halvings).max(1)),
        }
    }
}

/// Runs a program on hardware that was built for it ([`super::build_recording`]) and writes the waves of what `subject` says
/// to `path`.
///
/// # Errors
/// The file cannot be written, the program has no encoding, or there is no wave.
pub fn record(setup: &Setup, subject: Subject, path: &Path) -> Result<Recorded, Diagnostic> {
    let dram: Vec<Pages> = setup.slices()?.into_iter().map(|s| s.dram).collect();
    let Setup { hardware, machine, program, args, seed, .. } = *setup;
    for halvings in 0..=HALVINGS {
        let cycles = subject.window(halvings);
        let run = Run { machine, program, args, dram: &dram, limit: cycles.end, poison: 0..0 };
        let mut recorder = Recorder::new(Stream::begin(path)?, cycles.clone());
        hardware.session(seed).run_recorded(&run, &mut recorder);
        let Recorder { to, bytes, failed, .. } = recorder;
        failed.map_or(Ok(()), Err)?;
        if 0 < bytes && bytes <= MOST_BYTES {
            to.finish()?;
            return Ok(Recorded { cycles, bytes });
        }
    }
    Err(Diagnostic::new("wave-size", "no wave can be written")
        .because(format!(
            "the hardware does not run, or a single cycle of it has more than {MOST_BYTES} bytes"
        ))
        .help("leave out `--wave`; the first divergence is reported in any case"))
}
