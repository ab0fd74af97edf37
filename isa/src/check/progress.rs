//! What is known after some instructions in program order, and when two such states cannot be told apart.
//!
//! Rules compare how many instructions of a unit are known to be done with the number of one of them, and nothing else: what
//! counts is the order of these numbers. So numbers are replaced by their places in this order, unit by unit, and what
//! everyone knows to be done is left out. States that are equal then treat every continuation alike.

use super::hazard::Memories;
use super::semaphore::Semaphores;
use super::{Broken, Clock, Event, Start};
use crate::Head;

#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    pub semaphores: Semaphores,
    pub memories: Memories,
    /// Clock of the newest instruction of each unit; own entries count what is done, not what has started.
    clocks: [Clock; 4],
    /// Places of the instructions of each unit.
    pub words: [Vec<u32>; 4],
}

impl Progress {
    /// Takes the waits of the next instruction of a unit, gives its posts.
    pub fn start(&mut self, unit: usize, place: u32, head: &Head) -> Result<Start, Broken> {
        let event = Event { unit, seq: self.words[unit].len() as u32 };
        let mut clock = self.clocks[unit];
        if head.drain {
            clock[unit] = event.seq;
        }
        let waited = self.semaphores.wait(head.wait, event)?;
        (0..4).for_each(|u| clock[u] = clock[u].max(waited[u]));
        self.clocks[unit] = clock;
        let start = Start { event, clock };
        self.semaphores.post(head.post, &start)?;
        self.words[unit].push(place);
        Ok(start)
    }

    /// The same for two states exactly if no continuation tells them apart.
    pub fn form(&self) -> Vec<u64> {
        let order = self.order();
        let mut form = Vec::new();
        self.clocks.iter().for_each(|clock| order.clock(clock, &mut form));
        self.semaphores.form(&order, &mut form);
        self.memories.form(&order, &mut form);
        form
    }

    fn order(&self) -> Order {
        let known = |unit: usize| {
            let clocks = self.clocks.iter().chain(self.semaphores.clocks()).map(|clock| clock[unit]);
            let mut all: Vec<u32> = clocks.chain([self.words[unit].len() as u32]).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        Order([0, 1, 2, 3].map(known))
    }
}

/// All that is known of each unit, in ascending order.
pub(super) struct Order([Vec<u32>; 4]);

impl Order {
    pub fn clock(&self, clock: &Clock, form: &mut Vec<u64>) {
        form.extend((0..4).map(|u| self.0[u].partition_point(|known| *known < clock[u]) as u64));
    }

    /// How many do not know the instruction to be done.
    pub fn unknown(&self, event: Event) -> u64 {
        self.0[event.unit].partition_point(|known| *known <= event.seq) as u64
    }
}
