//! Semaphores: who posts, who waits, what a wait learns, and how high a count can get.

use super::progress::Order;
use super::{Broken, Clock, Event, Start};
use crate::table::Unit;
use hw::machine::SEMAPHORE_MAX;
use std::collections::VecDeque;

/// What is known of all semaphores at a point of program order.
#[derive(Debug, Clone, Default)]
pub(super) struct Semaphores {
    all: [Semaphore; 16],
}

#[derive(Debug, Clone, Default)]
struct Semaphore {
    poster: Option<usize>,
    waiter: Option<usize>,
    /// What is known to be done with each post that was not waited for yet.
    posts: VecDeque<Clock>,
    /// Sequence numbers of the waits that the newest post did not know to have started.
    waits: VecDeque<u32>,
}

fn masked(mask: u16) -> impl Iterator<Item = usize> {
    (0..16).filter(move |s| mask >> s & 1 != 0)
}

impl Semaphores {
    /// Takes a count of each semaphore of a mask; gives what these posts know.
    pub fn wait(&mut self, mask: u16, event: Event) -> Result<Clock, Broken> {
        let mut clock = [0; 4];
        for s in masked(mask) {
            let semaphore = &mut self.all[s];
            one_unit(s, &mut semaphore.waiter, event.unit, "waiting")?;
            let Some(post) = semaphore.posts.pop_front() else {
                return Err(Broken::new(
                    format!("waits for semaphore {s}, for which there is no post before it in the program"),
                    "posts precede their waits in program order, so that queues of any depth cannot lock up",
                    "post it earlier, or do not wait",
                ));
            };
            (0..4).for_each(|u| clock[u] = clock[u].max(post[u]));
            semaphore.waits.push_back(event.seq);
        }
        Ok(clock)
    }

    /// Adds a count to each semaphore of a mask when the instruction is done.
    pub fn post(&mut self, mask: u16, start: &Start) -> Result<(), Broken> {
        let Event { unit, seq } = start.event;
        for s in masked(mask) {
            let semaphore = &mut self.all[s];
            one_unit(s, &mut semaphore.poster, unit, "posting")?;
            let mut clock = start.clock;
            clock[unit] = seq + 1;
            semaphore.posts.push_back(clock);
            if let Some(waiter) = semaphore.waiter {
                while semaphore.waits.front().is_some_and(|w| *w < clock[waiter]) {
                    semaphore.waits.pop_front();
                }
            }
            let most = semaphore.posts.len() + semaphore.waits.len();
            if most > SEMAPHORE_MAX as usize {
                return Err(Broken::new(
                    format!("semaphore {s} may count to {most}"),
                    "a semaphore counts to 63; no later wait is known to have started when this post is made",
                    "let the posting unit wait for the waiting one now and then",
                ));
            }
        }
        Ok(())
    }

    /// What is known with the posts that are left.
    pub fn clocks(&self) -> impl Iterator<Item = &Clock> {
        self.all.iter().flat_map(|s| &s.posts)
    }

    /// See [`super::progress`].
    pub fn form(&self, order: &Order, form: &mut Vec<u64>) {
        for s in &self.all {
            form.extend([s.poster, s.waiter].map(|unit| unit.map_or(0, |unit| unit as u64 + 1)));
            form.push(s.posts.len() as u64);
            s.posts.iter().for_each(|clock| order.clock(clock, form));
            form.push(s.waits.len() as u64);
            let unit = s.waiter.unwrap_or(0);
            form.extend(s.waits.iter().map(|seq| order.unknown(Event { unit, seq: *seq })));
        }
    }

    /// Every post was waited for.
    pub fn balanced(&self) -> Result<(), Broken> {
        match self.all.iter().position(|s| !s.posts.is_empty()) {
            None => Ok(()),
            Some(s) => Err(Broken::new(
                format!("semaphore {s} ends at {}", self.all[s].posts.len()),
                "counts return to zero, so that the next run starts from zero",
                "wait for every post",
            )),
        }
    }
}

fn one_unit(s: usize, known: &mut Option<usize>, unit: usize, does: &str) -> Result<(), Broken> {
    let first = *known.get_or_insert(unit);
    if first == unit {
        return Ok(());
    }
    let (first, unit) = (Unit::QUEUED[first].name(), Unit::QUEUED[unit].name());
    Err(Broken::new(
        format!("the {unit} unit is a second {does} unit of semaphore {s}, after the {first} unit"),
        "the k-th wait matches the k-th post only if each side has one order",
        "use another semaphore",
    ))
}
