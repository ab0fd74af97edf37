//! What each instruction of a run waited for, read off its trace.
//!
//! A cause counts if without it the instruction would have come a cycle earlier: in the sequencer until its dispatch, in
//! its unit until its start. [`Cause::Memory`] alone lies behind the start: memory held back an address of the instruction.

use crate::memory::Channel;
use crate::trace::{Request, Trace};
use hw::Machine;
use hw::machine::MemoryModel;
use isa::table::{Body, Spec, Unit};
use isa::{Illegal, Program, Walk};
use std::collections::VecDeque;

/// Why an instruction did not come a cycle earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It followed the word before at once and started at once.
    None,
    /// Its word was not in instruction memory.
    Fetch,
    /// The word before was an `arg`, which takes two cycles.
    Argument,
    /// The queue of its unit was full.
    Queue,
    /// Its unit was at work.
    Busy,
    /// A semaphore was at zero.
    Semaphore,
    /// An earlier instruction of its unit was not done.
    Drain,
    /// Memory, or the limit of open bursts, held back one of its addresses.
    Memory,
}

impl Cause {
    /// All, in the order of tables.
    pub const ALL: [Cause; 8] = [
        Cause::None,
        Cause::Fetch,
        Cause::Argument,
        Cause::Queue,
        Cause::Busy,
        Cause::Semaphore,
        Cause::Drain,
        Cause::Memory,
    ];

    /// As tables print it.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::None => "none",
            Cause::Fetch => "fetch",
            Cause::Argument => "argument",
            Cause::Queue => "queue",
            Cause::Busy => "busy",
            Cause::Semaphore => "semaphore",
            Cause::Drain => "drain",
            Cause::Memory => "memory",
        }
    }

    /// Why an instruction cannot wait for this on a machine, whatever the program; `None` if it can.
    pub fn impossible(self, spec: &Spec, machine: &Machine) -> Option<&'static str> {
        let in_unit = matches!(self, Cause::Queue | Cause::Busy | Cause::Semaphore | Cause::Drain);
        let fixed = matches!(machine.memory.model, MemoryModel::Fixed { .. });
        match (spec.unit, self) {
            (Unit::Sequencer, _) if in_unit => {
                Some("the sequencer's own instructions enter no queue and no unit")
            }
            (Unit::Sequencer | Unit::Matrix | Unit::Vector, Cause::Memory) => {
                Some("only load and store send addresses to memory")
            }
            (Unit::Store, Cause::Memory) if fixed => Some(
                "memory of fixed latency takes every address at once, and stores have no limit of open bursts",
            ),
            _ => None,
        }
    }
}

/// What one dispatched instruction waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waited {
    /// Its place in the program.
    pub word: u32,
    /// The instruction with its registers resolved.
    pub body: Body,
    pub causes: Vec<Cause>,
    /// Semaphores that it waited for.
    pub semaphores: Vec<usize>,
}

/// The dispatched instructions of a run, in order, with their causes.
pub(super) fn waited(
    program: &Program,
    machine: &Machine,
    args: &[u32],
    trace: &Trace,
) -> Result<Vec<Waited>, Illegal> {
    let mut reader = Reader::new(machine, trace);
    Walk::new(program, args)
        .zip(&trace.dispatches)
        .map(|(step, d)| Ok(reader.read(&step?, d.cycle)))
        .collect()
}

struct Reader<'a> {
    trace: &'a Trace,
    depth: [usize; 4],
    /// First cycle in which the sequencer could dispatch again, and whether an `arg` delayed it.
    next: u64,
    after_arg: bool,
    /// Instructions of each unit so far.
    count: [usize; 4],
    /// Retire cycles of posts that were not waited for.
    posts: [VecDeque<u64>; 16],
    /// Requests of each unit that were not attributed; empty for units without.
    requests: [VecDeque<Request>; 4],
}

impl<'a> Reader<'a> {
    fn new(machine: &Machine, trace: &'a Trace) -> Reader<'a> {
        let d = &machine.sequencer.queue_depth;
        let of = |channel| trace.requests_of(channel).copied().collect();
        Reader {
            trace,
            depth: [d.load, d.matrix, d.vector, d.store].map(|d| d as usize),
            next: 0,
            after_arg: false,
            count: [0; 4],
            posts: Default::default(),
            requests: [of(Channel::Load), VecDeque::new(), VecDeque::new(), of(Channel::Store)],
        }
    }

    fn read(&mut self, step: &isa::walk::Step, dispatch: u64) -> Waited {
        let queue = step.instr.unit().queue();
        let mut waited =
            Waited { word: step.word, body: step.instr.body, causes: vec![], semaphores: vec![] };
        self.in_sequencer(queue, dispatch, &mut waited);
        if let Some(unit) = queue {
            let head = step.instr.head;
            self.in_unit(unit, dispatch, head.wait, head.drain, &mut waited);
            let done = self.trace.units[unit].get(self.count[unit]).map_or(0, |s| s.done);
            bits(head.post).for_each(|s| self.posts[s].push_back(done));
        }
        if waited.causes.is_empty() {
            waited.causes.push(Cause::None);
        }
        if let Some(unit) = queue {
            self.in_memory(unit, &mut waited);
            self.count[unit] += 1;
        }
        self.after_arg = matches!(step.instr.body, Body::Arg(_));
        self.next = dispatch + if self.after_arg { hw::timing::ARG_CYCLES } else { 1 };
        waited
    }

    fn in_sequencer(&self, queue: Option<usize>, dispatch: u64, waited: &mut Waited) {
        let room = queue.and_then(|u| {
            let before = self.count[u].checked_sub(self.depth[u])?;
            self.trace.units[u].get(before).map(|s| s.start + 1)
        });
        if dispatch == self.next {
            waited.causes.extend(self.after_arg.then_some(Cause::Argument));
        } else {
            waited.causes.push(if room == Some(dispatch) { Cause::Queue } else { Cause::Fetch });
        }
    }

    fn in_unit(&mut self, unit: usize, dispatch: u64, waits: u16, drain: bool, waited: &mut Waited) {
        let (spans, seq) = (&self.trace.units[unit], self.count[unit]);
        let Some(start) = spans.get(seq).map(|s| s.start) else { return };
        let posted = bits(waits).map(|s| (s, self.posts[s].pop_front().map_or(0, |done| done + 1)));
        let decisive: Vec<usize> = posted.filter(|p| p.1 == start).map(|p| p.0).collect();
        if start == dispatch + 1 {
            return;
        }
        let done = |back: usize| seq.checked_sub(back).and_then(|i| spans.get(i)).map(|s| s.done + 1);
        let drained = drain && done(1) == Some(start) || done(hw::timing::IN_FLIGHT) == Some(start);
        waited.causes.extend((!decisive.is_empty()).then_some(Cause::Semaphore));
        waited.causes.extend(drained.then_some(Cause::Drain));
        if decisive.is_empty() && !drained {
            waited.causes.push(Cause::Busy);
        }
        waited.semaphores = decisive;
    }

    /// Addresses leave one a cycle from the cycle after the start on, unless something holds them back.
    fn in_memory(&mut self, unit: usize, waited: &mut Waited) {
        let (spans, seq) = (&self.trace.units[unit], self.count[unit]);
        let Some(start) = spans.get(seq).map(|s| s.start) else { return };
        let until = spans.get(seq + 1).map_or(u64::MAX, |s| s.start);
        let (mut count, mut last) = (0, start);
        while let Some(request) = self.requests[unit].front().filter(|r| r.cycle < until) {
            (count, last) = (count + 1, request.cycle);
            self.requests[unit].pop_front();
        }
        waited.causes.extend((last > start + count).then_some(Cause::Memory));
    }
}

/// The numbers of the bits of a mask.
fn bits(mask: u16) -> impl Iterator<Item = usize> {
    (0..16).filter(move |s| mask >> s & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the instructions of a program wait for, by name.
    fn causes(source: &str) -> Vec<String> {
        let machine = hw::presets::load("tiny").unwrap();
        let program =
            isa::asm::assemble(&format!(".isa {}\n.machine tiny\n{source}\nhalt\n", isa::table::ISA_VERSION))
                .unwrap();
        let trace = crate::timing::simulate(&program, &machine, &[1]).unwrap();
        let waited = waited(&program, &machine, &[1], &trace).unwrap();
        waited.iter().map(|w| w.causes.iter().map(|c| c.name()).collect::<Vec<_>>().join("+")).collect()
    }

    #[test]
    fn each_cause_is_told_from_the_others() {
        let copy = "vec fun=copy tokens=1 subs=1 rows=9 a=v0:0 d=v1:0";
        // The loop lets fetch run ahead: what follows waits for nothing of it.
        let found = causes(&format!(
            ".arg a = 1\nloop count=300 body=1\nnop\n{copy}\narg rd=r1 imm=0\n{copy}\n{copy} drain\n{copy}\n{copy}\n{copy}\n{copy} post 0\n\
             store.blocks bank=1 src=0 addr=4096 blocks=1 wait 0"
        ));
        let tail = &found[found.len() - 10..];
        assert_eq!(found[0], "fetch");
        assert_eq!(
            tail,
            [
                "none",
                "none",
                "argument+busy",
                "drain",
                "busy",
                "busy",
                "queue+busy",
                "queue+busy",
                "semaphore",
                "none"
            ]
        );
    }

    #[test]
    fn an_address_that_is_held_back_counts_as_memory() {
        let found = causes("load space=w dst=0 addr=0 blocks=32\nload space=w dst=0 addr=0 blocks=1");
        assert!(found[0].contains("memory"), "{found:?}");
        assert!(!causes("load space=w dst=0 addr=0 blocks=1")[0].contains("memory"));
    }
}
