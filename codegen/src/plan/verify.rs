//! Checks a plan with its semaphores, independently of how they were found.
//!
//! Invariants, checked over the flow with three rounds of each loop:
//! 1. capacity: every access lies inside its memory;
//! 2. dependences: a step starts after every earlier step of another unit with which it shares data (one of them writing) or
//!    a port of a vector bank is done; after every earlier step of its own unit whose results it reads is done;
//! 3. semaphores: one posting and one waiting unit each; the k-th post precedes the k-th wait in program order; never more
//!    than 63 counts; the body of a loop leaves each as it found it; nothing is left at the end.
//!
//! Three rounds suffice: what a step of round r depends on lies in round r - 1 or later, or is covered by it, and every
//! round has the same tokens.

use super::sync::{Clock, Syncs, join};
use super::touched::{Touched, unit_of};
use super::{Access, Flow, Memory, Plan, Reg, Step};
use hw::machine::SEMAPHORE_MAX;
use hw::{Geometry, Machine};
use ir::diag::Diagnostic;
use isa::table::Unit;

/// Rounds of a loop that are looked at.
const ROUNDS: u32 = 3;

/// Checks the invariants of the module head.
///
/// # Errors
/// The first violated one, with the steps.
pub fn verify(plan: &Plan, syncs: &Syncs, machine: &Machine) -> Result<(), Diagnostic> {
    capacity(plan, machine)?;
    let mut run = Run::new(plan, syncs);
    run.flow(&plan.flow)?;
    match run.outstanding().iter().position(|&count| count != 0) {
        Some(s) => Err(broken("a semaphore is not empty at the end", format!("semaphore {s}"))),
        None => Ok(()),
    }
}

fn broken(what: &str, why: String) -> Diagnostic {
    Diagnostic::internal(if why.is_empty() { what.to_string() } else { format!("{what}: {why}") })
}

/// Places of each memory, in the unit of its accesses.
fn places(memory: Memory, plan: &Plan, machine: &Machine) -> u32 {
    let (g, b) = (Geometry::of(machine), &machine.buffers);
    match memory {
        Memory::W => b.weight_bytes,
        Memory::G => b.group_scale_bytes,
        Memory::C => b.channel_bytes,
        Memory::A => b.activation_bytes / g.a_row,
        Memory::S => b.token_scales,
        Memory::V(bank) if u32::from(bank) < b.vector_banks => b.vector_bank_bytes / g.v_row,
        Memory::V(_) => 0,
        Memory::Cache => plan.map.cache_blocks,
    }
}

fn capacity(plan: &Plan, machine: &Machine) -> Result<(), Diagnostic> {
    for segment in &plan.segments {
        for (at, step) in segment.steps.iter().enumerate() {
            let outside = |a: &&Access| a.from >= a.to || a.to > places(a.memory, plan, machine);
            if let Some(a) = step.accesses.iter().find(outside) {
                let why = format!("step {at} of the {} touches {a:?}", segment.name);
                return Err(broken("a step leaves its memory", why));
            }
        }
    }
    Ok(())
}

/// A step that was executed.
struct Done<'a> {
    step: &'a Step,
    /// What its unit knew at its start.
    start: Clock,
    place: (usize, u32, usize),
}

/// Posts and waits of a semaphore so far, as indices of executed steps.
#[derive(Default, Clone)]
struct Tokens {
    posts: Vec<usize>,
    waits: Vec<usize>,
}

struct Run<'a> {
    plan: &'a Plan,
    syncs: &'a Syncs,
    /// Segments begun so far.
    round: u32,
    done: Vec<Done<'a>>,
    touched: Touched,
    knows: [Clock; 4],
    tokens: [Tokens; 16],
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, syncs: &'a Syncs) -> Run<'a> {
        Run {
            plan,
            syncs,
            round: 0,
            done: Vec::new(),
            touched: Touched::default(),
            knows: Default::default(),
            tokens: Default::default(),
        }
    }

    fn outstanding(&self) -> Vec<i64> {
        self.tokens.iter().map(|t| t.posts.len() as i64 - t.waits.len() as i64).collect()
    }

    fn flow(&mut self, parts: &[Flow]) -> Result<(), Diagnostic> {
        for part in parts {
            match part {
                Flow::Segment(segment) => {
                    self.round += 1;
                    for at in 0..self.plan.segments[*segment].steps.len() {
                        self.step(*segment, self.round, at)?;
                    }
                }
                // Cached data of other layers lies elsewhere.
                Flow::Add { to: Reg::Cache, .. } => self.touched.forget(Memory::Cache),
                Flow::Add { .. } => {}
                Flow::Loop { count, body } => {
                    for _ in 0..ROUNDS.min(*count) {
                        let before = self.outstanding();
                        self.flow(body)?;
                        if self.outstanding() != before {
                            let what = "the body of a loop does not leave its semaphores as it found them";
                            return Err(broken(what, String::new()));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, segment: usize, round: u32, at: usize) -> Result<(), Diagnostic> {
        let step = &self.plan.segments[segment].steps[at];
        let sync = self.syncs.steps[segment][at];
        let (own, now) = (unit_of(step), self.done.len());
        let name = self.plan.segments[segment].name;
        let here = || format!("step {at} of the {name}, segment {round} of the run");
        for s in (0..16).filter(|s| sync.wait >> s & 1 != 0) {
            self.owner(s, step.unit(), false).map_err(|what| broken(what, here()))?;
            let k = self.tokens[s].waits.len();
            let Some(&source) = self.tokens[s].posts.get(k) else {
                return Err(broken("a wait comes before its post", format!("{}, semaphore {s}", here())));
            };
            self.tokens[s].waits.push(now);
            let told = self.done[source].start;
            join(&mut self.knows[own], &told);
            let poster = unit_of(self.done[source].step);
            self.knows[own][poster] = self.knows[own][poster].max(source + 1);
        }
        if sync.drain {
            self.knows[own][own] = now;
        }
        self.covered(step, own, here)?;
        self.touched.record(step, now);
        self.done.push(Done { step, start: self.knows[own], place: (segment, round, at) });
        for s in (0..16).filter(|s| sync.post >> s & 1 != 0) {
            self.owner(s, step.unit(), true).map_err(|what| broken(what, here()))?;
            self.tokens[s].posts.push(now);
            self.bounded(s, own).map_err(|what| broken(what, format!("{}, semaphore {s}", here())))?;
        }
        Ok(())
    }

    fn owner(&self, semaphore: usize, unit: Unit, posts: bool) -> Result<(), &'static str> {
        let pair = self.syncs.semaphores.get(semaphore).ok_or("a semaphore has no owner")?;
        let owner = if posts { pair.0 } else { pair.1 };
        if owner == unit { Ok(()) } else { Err("a unit uses a semaphore of another") }
    }

    /// All that the step depends on is known to be done.
    fn covered(&self, step: &Step, own: usize, here: impl Fn() -> String) -> Result<(), Diagnostic> {
        let sources = self.touched.sources(step).into_iter().enumerate();
        let missing = |(unit, source): (usize, Option<usize>)| source.filter(|&s| s >= self.knows[own][unit]);
        let Some(source) = sources.filter_map(missing).next() else { return Ok(()) };
        let (segment, round, at) = self.done[source].place;
        let name = self.plan.segments[segment].name;
        let why = format!("{}, against step {at} of the {name}, segment {round}", here());
        Err(broken("a step does not wait for what it depends on", why))
    }

    /// Counts that the semaphore can hold when its poster has just posted.
    fn bounded(&self, semaphore: usize, poster: usize) -> Result<(), &'static str> {
        let tokens = &self.tokens[semaphore];
        let waiter = self.syncs.semaphores[semaphore].1.queue().unwrap_or(0);
        let known = self.knows[poster][waiter];
        let taken = tokens.waits.partition_point(|&w| w < known);
        match tokens.posts.len() - taken <= SEMAPHORE_MAX as usize {
            true => Ok(()),
            false => Err("a semaphore may overflow"),
        }
    }
}
