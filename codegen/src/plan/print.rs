//! The text of a plan: one line for each step, with what it touches and what it waits for.

use super::sync::Syncs;
use super::{Access, Memory, Plan, Step};
use std::fmt::Write;

/// The plan with its semaphores as text. For people and snapshots; it is not read back.
pub fn print(plan: &Plan, syncs: &Syncs) -> String {
    let mut text =
        format!("plan of {} tokens, {} layers, context {}\n", plan.tokens, plan.layers, plan.map.context);
    for (i, (from, to)) in syncs.semaphores.iter().enumerate() {
        let _ = writeln!(text, "semaphore {i}: {} -> {}", from.name(), to.name());
    }
    for (segment, found) in plan.segments.iter().zip(&syncs.steps) {
        let _ = writeln!(text, "\n{}:", segment.name);
        for (at, step) in segment.steps.iter().enumerate() {
            let sync = found.get(at).copied().unwrap_or_default();
            let origin = plan.origins.get(step.origin as usize).map_or("", |o| &o.step);
            let _ = write!(text, "{at:4} {:6} {origin:17}", step.unit().name());
            let drain = if sync.drain { " drain" } else { "" };
            let _ = writeln!(
                text,
                "{}{}{}{drain}",
                data(step),
                list(" wait", sync.wait),
                list(" post", sync.post)
            );
        }
    }
    text
}

fn list(name: &str, mask: u16) -> String {
    let bits: Vec<String> = (0..16).filter(|b| mask >> b & 1 != 0).map(|b: u32| b.to_string()).collect();
    if bits.is_empty() { String::new() } else { format!("{name} {}", bits.join(",")) }
}

/// What a step reads and writes; equal ranges of several tokens are shown as the span of all.
fn data(step: &Step) -> String {
    let mut spans: Vec<Access> = Vec::new();
    for a in &step.accesses {
        match spans.iter_mut().find(|s| s.memory == a.memory && s.write == a.write && step.accesses.len() > 6)
        {
            Some(span) => (span.from, span.to) = (span.from.min(a.from), span.to.max(a.to)),
            None => spans.push(*a),
        }
    }
    let mut text = String::new();
    for (write, arrow) in [(false, " <-"), (true, " ->")] {
        let part: Vec<String> = spans.iter().filter(|s| s.write == write).map(span).collect();
        if !part.is_empty() {
            let _ = write!(text, "{arrow} {}", part.join(" "));
        }
    }
    text
}

fn span(a: &Access) -> String {
    let memory = match a.memory {
        Memory::W => "w".to_string(),
        Memory::G => "g".to_string(),
        Memory::C => "c".to_string(),
        Memory::A => "a".to_string(),
        Memory::S => "s".to_string(),
        Memory::V(bank) => format!("v{bank}"),
        Memory::Cache => "cache".to_string(),
    };
    format!("{memory}[{}..{}]", a.from, a.to)
}
