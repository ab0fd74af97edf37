//! Semaphores: which steps post and wait so that every dependence holds, with as few tokens as possible.
//!
//! Each ordered pair of units has one semaphore, and each carry has its own. A unit works in order, so a token tells of every
//! earlier step of the unit that posts it, and of all that those knew. The pass keeps for each unit what it knows
//! (a vector clock) and adds a token only where that is not enough. Same-unit reads after writes become `drain`.

use super::touched::{Touched, unit_of};
use super::{Carry, Plan, Step};
use hw::machine::SEMAPHORES;
use ir::diag::Diagnostic;
use isa::table::Unit;

/// Synchronisation of one step: masks of semaphores, and drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sync {
    pub drain: bool,
    pub wait: u16,
    pub post: u16,
}

/// Synchronisation of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Syncs {
    /// Of each step of each segment.
    pub steps: Vec<Vec<Sync>>,
    /// Posting and waiting unit of each semaphore in use.
    pub semaphores: Vec<(Unit, Unit)>,
}

/// What is known to be done: for each unit, one more than the last such step (0: nothing).
pub(super) type Clock = [usize; 4];

pub(super) fn join(clock: &mut Clock, other: &Clock) {
    clock.iter_mut().zip(other).for_each(|(a, b)| *a = (*a).max(*b));
}

/// Finds tokens and drains for all segments.
///
/// # Errors
/// More pairs of units than semaphores: a fault of the builder.
pub fn synchronise(plan: &Plan) -> Result<Syncs, Diagnostic> {
    let mut syncs = Syncs::default();
    for part in &plan.segments {
        let mut found = Vec::new();
        segment(&part.steps, &mut syncs.semaphores, &mut found);
        syncs.steps.push(found);
    }
    for carry in &plan.carries {
        mark(carry, &mut syncs);
    }
    if syncs.semaphores.len() > SEMAPHORES {
        let what = format!("the plan needs {} semaphores, there are {SEMAPHORES}", syncs.semaphores.len());
        return Err(Diagnostic::internal(what));
    }
    Ok(syncs)
}

fn mark(carry: &Carry, syncs: &mut Syncs) {
    let bit = 1u16.checked_shl(syncs.semaphores.len() as u32).unwrap_or(0);
    syncs.semaphores.push((carry.from, carry.to));
    for (segment, posts, waits) in [
        (0, carry.posts[0].as_slice(), &[][..]),
        (1, &carry.posts[1], &carry.waits[0]),
        (2, &[], &carry.waits[1]),
    ] {
        posts.iter().for_each(|&p| syncs.steps[segment][p].post |= bit);
        waits.iter().for_each(|&w| syncs.steps[segment][w].wait |= bit);
    }
}

/// Tokens inside a segment, given that nothing is known at its start.
fn segment(steps: &[Step], semaphores: &mut Vec<(Unit, Unit)>, syncs: &mut Vec<Sync>) {
    syncs.resize(steps.len(), Sync::default());
    // What each unit knows, and what was known at the start of each step.
    let mut knows = [Clock::default(); 4];
    let mut at_start: Vec<Clock> = Vec::with_capacity(steps.len());
    let mut touched = Touched::default();
    for (i, step) in steps.iter().enumerate() {
        let own = unit_of(step);
        let mut sources = touched.sources(step);
        touched.record(step, i);
        step.after
            .iter()
            .for_each(|&a| sources[unit_of(&steps[a])] = sources[unit_of(&steps[a])].max(Some(a)));
        for unit in (0..4).filter(|&u| u != own) {
            let Some(source) = sources[unit].filter(|&s| s >= knows[own][unit]) else { continue };
            // What `unit` knew when it started the source, and the source itself.
            let told = at_start[source];
            join(&mut knows[own], &told);
            knows[own][unit] = knows[own][unit].max(source + 1);
            let bit = bit_of(semaphores, Unit::QUEUED[unit], step.unit());
            syncs[source].post |= bit;
            syncs[i].wait |= bit;
        }
        if sources[own].is_some_and(|s| s >= knows[own][own]) {
            syncs[i].drain = true;
            knows[own][own] = i;
        }
        at_start.push(knows[own]);
    }
}

fn bit_of(semaphores: &mut Vec<(Unit, Unit)>, from: Unit, to: Unit) -> u16 {
    let at = semaphores.iter().position(|&s| s == (from, to));
    let at = at.unwrap_or_else(|| {
        semaphores.push((from, to));
        semaphores.len() - 1
    });
    1u16.checked_shl(at as u32).unwrap_or(0)
}
