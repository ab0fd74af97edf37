//! What must come before what, and the program order that follows.
//!
//! A step depends on the latest earlier step of every other unit with which it shares data or a bank port; units work in
//! order, so that one is enough. Dispatch is in order too, and a full queue holds up every unit: steps are therefore
//! written in the order in which they would start on machine timing with free queues ([`schedule`]). The order of each
//! unit stays as built, and dependences stay as they are.

use super::touched::{Latest, Touched, unit_of};
use super::{Flow, Memory, Plan, Step};
use hw::machine::{BLOCK_BYTES, MemoryModel};
use hw::timing::{GemmShape, VECTOR_LATENCY, beats, gemm_occupancy, matrix_latency, vector_occupancy};
use hw::{Geometry, Machine};
use isa::table::{Body, Vector};

/// Cycles of memory latency that the estimate assumes; only the order follows from it.
const MEMORY_LATENCY: u64 = 40;

/// For each step, the latest step of each unit that it has to wait for; see [`Touched::sources`].
fn dependences(steps: &[Step]) -> Vec<Latest> {
    let mut touched = Touched::default();
    let found = steps.iter().enumerate().map(|(i, step)| {
        let mut sources = touched.sources(step);
        touched.record(step, i);
        step.after
            .iter()
            .for_each(|&a| sources[unit_of(&steps[a])] = sources[unit_of(&steps[a])].max(Some(a)));
        sources
    });
    found.collect()
}

/// Adds what steps of the body and the epilogue owe to steps before their segment.
///
/// Most of it is covered: a step that waits for one of its own segment waits for all earlier ones of that unit. For the rest
/// there are two ways that need no token across the border: wait for the first step of that unit in the same segment,
/// if it comes before; or have a later step of the waiting unit in the earlier segment wait for it.
pub fn cross(plan: &mut Plan) {
    if plan.carries.is_empty() {
        return;
    }
    // The body behind itself first: what that adds serves the body behind the prologue, too.
    for (earlier, later) in [(1, 1), (0, 1), (1, 2)] {
        cross_one(plan, earlier, later);
    }
}

fn cross_one(plan: &mut Plan, earlier: usize, later: usize) {
    let past = plan.segments[earlier].steps.clone();
    let mut touched = Touched::default();
    past.iter().enumerate().for_each(|(i, step)| touched.record(step, i));
    // Cached data of other layers lies elsewhere.
    touched.forget(Memory::Cache);
    let mut first: [Option<usize>; 4] = [None; 4];
    for at in 0..plan.segments[later].steps.len() {
        let step = &plan.segments[later].steps[at];
        let own = unit_of(step);
        let sources = touched.sources(step);
        touched.record(step, past.len() + at);
        let mut inside = [false; 4];
        step.after.iter().for_each(|&a| inside[unit_of(&plan.segments[later].steps[a])] = true);
        for unit in (0..4).filter(|&u| u != own && !inside[u]) {
            if let Some(owed) = sources[unit].filter(|&s| s < past.len())
                && !carried(plan, (earlier, owed), (later, at), unit)
            {
                owe(plan, (earlier, owed), (later, at), first[unit]);
            }
        }
        first[own].get_or_insert(at);
    }
}

/// Whether a carried token of `unit` tells the step, or one before it in its unit, of the step `owed` of the segment before.
fn carried(plan: &Plan, (earlier, owed): (usize, usize), (later, at): (usize, usize), unit: usize) -> bool {
    let to = plan.segments[later].steps[at].unit();
    plan.carries.iter().filter(|c| c.from.queue() == Some(unit) && c.to == to).any(|c| {
        let mut tokens = c.posts[earlier].iter().zip(&c.waits[later - 1]);
        tokens.any(|(&post, &wait)| owed <= post && wait <= at)
    })
}

/// The step `at` waits for `owed` of the segment before; `first` is the first step of that unit before `at`.
fn owe(plan: &mut Plan, (earlier, owed): (usize, usize), (later, at): (usize, usize), first: Option<usize>) {
    if let Some(first) = first {
        plan.segments[later].steps[at].after.push(first);
        return;
    }
    let to = plan.segments[later].steps[at].unit();
    let past = &plan.segments[earlier].steps;
    // Neither way is open where a third unit tells of it; the verifier makes sure of that.
    if let Some(last) = (owed + 1..past.len()).rev().find(|&i| past[i].unit() == to) {
        plan.segments[earlier].steps[last].after.push(owed);
    }
}

/// Puts the steps of every segment into the order of their estimated starts.
pub fn schedule(plan: &mut Plan, machine: &Machine) {
    for segment in 0..plan.segments.len() {
        let order = starts(&plan.segments[segment].steps, machine);
        permute(plan, segment, &order);
    }
}

/// Indices of the steps in the order of their estimated starts.
fn starts(steps: &[Step], machine: &Machine) -> Vec<usize> {
    let (start, _) = estimates(steps, machine);
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|&i| (start[i], i));
    order
}

/// Estimated cycles of a run at half of the context, in which no two segments overlap.
pub fn length(plan: &Plan, machine: &Machine) -> u64 {
    let segments: Vec<u64> = plan.segments.iter().map(|s| estimates(&s.steps, machine).1).collect();
    flow(&plan.flow, &segments)
}

fn flow(parts: &[Flow], segments: &[u64]) -> u64 {
    let part = |part: &Flow| match part {
        Flow::Segment(n) => segments[*n],
        Flow::Add { .. } => 0,
        Flow::Loop { count, body } => u64::from(*count) * flow(body, segments),
    };
    parts.iter().map(part).sum()
}

/// The estimated start of each step, and the end of the last.
fn estimates(steps: &[Step], machine: &Machine) -> (Vec<u64>, u64) {
    let geometry = Geometry::of(machine);
    let dependences = dependences(steps);
    let (mut free, mut start, mut done) = ([0u64; 4], vec![0u64; steps.len()], vec![0u64; steps.len()]);
    for (i, step) in steps.iter().enumerate() {
        let unit = step.unit().queue().unwrap_or(0);
        let ready = dependences[i].iter().flatten().map(|&d| done[d] + 1).max().unwrap_or(0);
        start[i] = free[unit].max(ready);
        let (occupancy, latency) = estimate(step, &geometry, machine);
        free[unit] = start[i] + occupancy.max(1);
        done[i] = start[i] + occupancy + latency;
    }
    let end = done.iter().copied().max().unwrap_or(0);
    (start, end)
}

/// Occupancy and latency of a step at half of the context.
fn estimate(step: &Step, g: &Geometry, machine: &Machine) -> (u64, u64) {
    let beat = u64::from(machine.memory.beat_bytes);
    let more = step.more / 2;
    match &step.body {
        Body::Load(b) => {
            let beats = u64::from(b.blocks + more) * u64::from(BLOCK_BYTES) / beat;
            (beats * LOAD_RATE / load_rate(machine), MEMORY_LATENCY)
        }
        Body::StoreBlocks(b) => (u64::from(b.blocks) * u64::from(BLOCK_BYTES) / beat, MEMORY_LATENCY),
        Body::StoreSegments(b) => (b.count.into(), MEMORY_LATENCY),
        Body::Gemm(b) => {
            let (tiles, groups) = if b.rntiles > 0 { (more, 0) } else { (0, more) };
            let ksteps = u64::from(b.groups + groups) * u64::from(b.steps);
            let tokens = b.tokens.into();
            let beats = beats(machine.matrix.multipliers, b.mode, b.narrow != 0, tokens);
            let shape = GemmShape { tokens, ntiles: (b.ntiles + tiles).into(), ksteps, beats };
            (gemm_occupancy(shape, g.n.into(), g.d.into()), matrix_latency(&machine.matrix))
        }
        Body::Vector(b) => {
            let whole = Vector { rows: b.rows + more, ..*b };
            (vector_occupancy(whole.shape(g)), VECTOR_LATENCY)
        }
        _ => (1, 0),
    }
}

/// One beat a cycle.
const LOAD_RATE: u64 = 1_000;

/// Beats in so many cycles that a memory delivers whose pace is in the description: what its beats follow each other by, and no
/// more than the outstanding bursts hold in the time of one. Banked memories keep up with the unit, as far as the order needs.
fn load_rate(machine: &Machine) -> u64 {
    let (latency, percent) = match &machine.memory.model {
        MemoryModel::Fixed { read_latency, .. } => (u64::from(*read_latency), 100),
        MemoryModel::Random { min_latency, max_latency, beat_percent, .. } => {
            ((u64::from(*min_latency) + u64::from(*max_latency)) / 2, u64::from(*beat_percent).max(1))
        }
        MemoryModel::Dram(_) => return LOAD_RATE,
    };
    let pace = LOAD_RATE * percent / 100;
    let burst = u64::from(machine.load.burst_beats);
    let held = u64::from(machine.load.outstanding) * burst;
    pace.min(held * LOAD_RATE / (latency + burst * 100 / percent).max(1)).max(1)
}

/// Reorders a segment; everything that names its steps follows.
fn permute(plan: &mut Plan, segment: usize, order: &[usize]) {
    let mut place = vec![0; order.len()];
    for (new, &old) in order.iter().enumerate() {
        place[old] = new;
    }
    let mut steps: Vec<Step> = order.iter().map(|&old| plan.segments[segment].steps[old].clone()).collect();
    for step in &mut steps {
        step.after.iter_mut().for_each(|a| *a = place[*a]);
    }
    plan.segments[segment].steps = steps;
    for carry in &mut plan.carries {
        if let Some(posts) = carry.posts.get_mut(segment) {
            posts.iter_mut().for_each(|p| *p = place[*p]);
        }
        if let Some(waits) = segment.checked_sub(1).and_then(|i| carry.waits.get_mut(i)) {
            waits.iter_mut().for_each(|w| *w = place[*w]);
        }
    }
}
