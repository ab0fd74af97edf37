//! Grows a legal program: every instruction gets the waits, posts and drains that its conflicts with earlier ones ask for.
//!
//! A conflict is answered by a post of the earlier instruction (or of a later one of its unit) and a wait of the new one,
//! on the semaphore of this pair of units and of this [`Class`]. A unit learns of posts in their order and needs a new one
//! only for what it does not know, so the k-th wait always meets the k-th post.

use super::bodies::Bodies;
use super::rng::Rng;
use crate::access::{Access, accesses};
use crate::check::hazard::Memories;
use crate::check::{Clock, Event, Start};
use crate::{Body, Head, Instr};
use hw::Geometry;

/// Semaphores of one pair of units, kept apart so that each kind is balanced for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Outside of loops.
    Straight,
    /// Post and wait in the same round.
    Round,
    /// Posted before a loop and at the end of each round, waited for at the begin of each round and after the loop.
    Ring,
}

/// An instruction that has its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub word: usize,
    pub clock: Clock,
    /// In a loop: its posts would unbalance the body.
    pub looped: bool,
}

/// The round that is being written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub first: [u32; 4],
}

/// A request for an instruction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub unit: usize,
    /// What it knows beside what its unit knows, and the waits that tell it.
    pub known: Clock,
    pub waits: u16,
    /// Units whose newest instruction it must know to be done.
    pub join: [bool; 4],
}

impl Wish {
    pub fn of(unit: usize) -> Wish {
        Wish { unit, known: [0; 4], waits: 0, join: [false; 4] }
    }
}

/// How a wish comes true.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    body: Body,
    set: Vec<Access>,
    clock: Clock,
    drain: bool,
    /// The event of each unit that must post.
    posts: [Option<u32>; 4],
}

impl Answer {
    fn cost(&self) -> usize {
        self.posts.iter().flatten().count() + usize::from(self.drain)
    }
}

pub(super) struct Builder<'a> {
    pub rng: Rng,
    pub bodies: Bodies<'a>,
    pub geometry: Geometry,
    pub instrs: Vec<Instr>,
    pub args: Vec<u32>,
    pub most_args: usize,
    pub imem_words: usize,
    pub fetch_words: usize,
    pub queue_depth: [u32; 4],
    scales: u32,
    /// Nothing is added by chance.
    pub plain: bool,
    pub events: [Vec<Placed>; 4],
    pub clocks: [Clock; 4],
    pub round: Option<Round>,
    pub memories: Memories,
    /// (poster, waiter, class) of each semaphore in use, by number in `order`.
    pairs: Vec<(usize, usize, Class)>,
    /// Numbers of the semaphores, shuffled.
    order: Vec<usize>,
    /// (poster, waiter) words of posts and waits within the round that is being written.
    pub edges: Vec<(usize, usize)>,
}

impl<'a> Builder<'a> {
    pub fn new(mut rng: Rng, bodies: Bodies<'a>, machine: &hw::Machine) -> Builder<'a> {
        let depth = &machine.sequencer.queue_depth;
        let mut order: Vec<usize> = (0..16).collect();
        (1..16).for_each(|i| order.swap(i, rng.within(0, i as u32) as usize));
        Builder {
            rng,
            bodies,
            geometry: Geometry::of(machine),
            instrs: Vec::new(),
            args: Vec::new(),
            most_args: machine.sequencer.args as usize,
            imem_words: machine.sequencer.imem_words as usize,
            fetch_words: machine.sequencer.fetch_words as usize,
            queue_depth: [depth.load, depth.matrix, depth.vector, depth.store],
            scales: super::memory::Map::of(machine).scales().0,
            plain: false,
            events: Default::default(),
            clocks: [[0; 4]; 4],
            round: None,
            memories: Memories::default(),
            pairs: Vec::new(),
            order,
            edges: Vec::new(),
        }
    }

    /// The semaphore of a pair, a new one if need be; `None` if all are taken.
    pub fn semaphore(&mut self, poster: usize, waiter: usize, class: Class) -> Option<usize> {
        let pair = (poster, waiter, class);
        let known = self.pairs.iter().position(|p| *p == pair);
        if known.is_none() && self.pairs.len() < 16 {
            self.pairs.push(pair);
        }
        known.or(self.pairs.iter().position(|p| *p == pair)).map(|i| self.order[i])
    }

    /// DRAM byte of the first scale word.
    pub fn scales(&self) -> u32 {
        self.scales
    }

    /// Words of the longest body that may start at `start`.
    pub fn longest_body(&self, start: usize) -> usize {
        (start + self.imem_words) / self.fetch_words * self.fetch_words - start
    }

    /// As many semaphores as `mask` has, all of which no pair has; fewer if there are not enough.
    pub fn spare_mask(&self, mask: u16) -> u16 {
        let spare = &self.order[self.pairs.len()..];
        spare.iter().take(mask.count_ones() as usize).fold(0, |m, s| m | 1 << s)
    }

    /// Semaphores that no pair has.
    pub fn spare(&self) -> usize {
        16 - self.pairs.len()
    }

    fn known(&self, poster: usize, waiter: usize) -> Option<usize> {
        self.pairs.iter().position(|p| *p == (poster, waiter, self.class())).map(|i| self.order[i])
    }

    fn class(&self) -> Class {
        if self.round.is_some() { Class::Round } else { Class::Straight }
    }

    /// Outside of loops there is, or can be, a semaphore of this pair.
    pub fn can_post(&self, poster: usize, waiter: usize) -> bool {
        self.spare() > 0 || self.known(poster, waiter).is_some()
    }

    /// Number of instructions of a unit so far.
    pub fn count(&self, unit: usize) -> u32 {
        self.events[unit].len() as u32
    }

    /// What is known with the post of an event.
    pub fn learn(&self, clock: &mut Clock, unit: usize, seq: u32) {
        let posted = self.events[unit][seq as usize].clock;
        (0..4).for_each(|u| clock[u] = clock[u].max(posted[u]));
        clock[unit] = clock[unit].max(seq + 1);
    }

    /// How an instruction could be placed next.
    pub fn answer(&mut self, wish: &Wish, body: Body) -> Option<Answer> {
        let unit = wish.unit;
        let event = Event { unit, seq: self.count(unit) };
        let set = accesses(&body, &self.geometry);
        let mut clock = self.clocks[unit];
        (0..4).for_each(|u| clock[u] = clock[u].max(wish.known[u]));
        let mut answer = Answer { body, set, clock, drain: false, posts: [None; 4] };
        for u in (0..4).filter(|u| wish.join[*u] && *u != unit) {
            if let Some(seq) = self.count(u).checked_sub(1).filter(|seq| *seq >= answer.clock[u]) {
                self.order_after(&mut answer, unit, Event { unit: u, seq })?;
            }
        }
        loop {
            let start = Start { event, clock: answer.clock };
            let conflict = answer.set.iter().find_map(|a| self.memories.conflict(&start, a));
            match conflict.map(|c| c.with) {
                None => return Some(answer),
                Some(with) if with.unit == unit && (self.round.is_some() || self.rng.chance(75)) => {
                    answer.drain = true;
                    answer.clock[unit] = event.seq;
                }
                Some(with) => self.order_after(&mut answer, unit, with)?,
            }
        }
    }

    fn order_after(&mut self, answer: &mut Answer, unit: usize, with: Event) -> Option<()> {
        let poster = self.poster(with, unit)?;
        answer.posts[with.unit] = Some(poster);
        self.learn(&mut answer.clock, with.unit, poster);
        Some(())
    }

    /// An event at or soon after `with` that can still post to `waiter`.
    fn poster(&mut self, with: Event, waiter: usize) -> Option<u32> {
        let taken = self.known(with.unit, waiter).map_or(0, |s| 1 << s);
        if taken == 0 && self.spare() == 0 {
            return None;
        }
        if self.round.is_some_and(|r| with.seq < r.first[with.unit]) {
            return None;
        }
        let can =
            |e: &Placed| (self.round.is_some() || !e.looped) && self.instrs[e.word].head.post & taken == 0;
        let later = self.events[with.unit].iter().zip(0u32..).skip(with.seq as usize);
        let some: Vec<u32> = later.filter(|(e, _)| can(e)).map(|(_, seq)| seq).take(3).collect();
        (!some.is_empty()).then(|| self.rng.pick(&some))
    }

    /// Draws instructions for a wish until one can be placed, and places it. Cheap ones are preferred, for overlap.
    pub fn place(&mut self, wish: &Wish, tries: usize) -> Option<usize> {
        let mut best: Option<Answer> = None;
        let patience = if self.rng.chance(70) { 4 } else { 1 };
        for attempt in 0..tries {
            if best.is_some() && attempt >= patience {
                break;
            }
            let Some(body) = self.bodies.draw(wish.unit, &mut self.rng) else { continue };
            if let Some(answer) = self.answer(wish, body)
                && best.as_ref().is_none_or(|b| answer.cost() < b.cost())
            {
                best = Some(answer);
            }
        }
        self.commit(wish, best?)
    }

    /// Places this instruction; gives its word, `None` if nothing can order it.
    pub fn put(&mut self, wish: &Wish, body: Body) -> Option<usize> {
        let answer = self.answer(wish, body)?;
        self.commit(wish, answer)
    }

    /// Writes the instruction, its registers and its posts; gives its word.
    fn commit(&mut self, wish: &Wish, answer: Answer) -> Option<usize> {
        let unit = wish.unit;
        let class = self.class();
        let mut waits = wish.waits;
        let mut posts = Vec::new();
        for (u, seq) in answer.posts.iter().enumerate().filter_map(|(u, seq)| Some((u, (*seq)?))) {
            let s = self.semaphore(u, unit, class)?;
            waits |= 1 << s;
            posts.push((self.events[u][seq as usize].word, s));
        }
        let body = if self.plain { answer.body } else { self.with_registers(answer.body) };
        let word = self.instrs.len();
        for (poster, s) in posts {
            self.instrs[poster].head.post |= 1 << s;
            self.edges.push((poster, word));
        }
        let drain = answer.drain || (!self.plain && self.rng.chance(6));
        let head = Head { drain, mark: !self.plain && self.rng.chance(10), wait: waits, post: 0 };
        self.instrs.push(Instr { head, body });
        self.record(unit, word, answer.clock, &answer.set);
        Some(word)
    }

    /// Books an instruction that starts with this knowledge.
    pub fn record(&mut self, unit: usize, word: usize, mut clock: Clock, set: &[Access]) {
        let event = Event { unit, seq: self.count(unit) };
        if self.instrs[word].head.drain {
            clock[unit] = event.seq;
        }
        let start = Start { event, clock };
        set.iter().for_each(|access| self.memories.record(&start, access));
        self.clocks[unit] = clock;
        self.events[unit].push(Placed { word, clock, looped: self.round.is_some() });
    }
}
