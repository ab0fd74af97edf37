//! Loops that are legal for every number of rounds.
//!
//! Before the loop each unit of the body runs an instruction that knows everything before; after it, one that knows
//! everything in it. Between rounds every ordered pair of units in the body is tied by a ring semaphore: the last
//! instruction of a round posts, the first of the next waits; the instructions before and after close the ring.
//!
//! Units work in the innermost of nested loops, so that the rounds of all levels together are rounds of one ring.

use super::builder::{Builder, Class, Round, Wish};
use super::registers::{COUNT, OFFSET};
use crate::access::accesses;
use crate::check::{Clock, Event, Start};
use crate::table::{Add, Loop, Set};
use crate::{Body, Instr};
use hw::machine::LOOP_LEVELS;

/// Bytes or blocks between the addresses of two rounds.
const STEP: u32 = 64;

impl Builder<'_> {
    /// Writes a loop of about `length` words. `None`: it cannot be finished, and the program must be given up.
    pub fn repeat(&mut self, length: u32) -> Option<()> {
        let units = self.units_of_body();
        let Some(before) = self.gather(&units) else { return Some(()) };
        self.ring(&units, &before)?;
        self.push(Set { rd: OFFSET, imm: 0 });
        let levels = self.levels(&[0, 1, 2, 2, 5], &[0, 1, 1, 2]);
        let head = self.instrs.len() - 1;
        self.round = Some(Round { first: std::array::from_fn(|u| self.count(u)) });
        self.edges.clear();
        self.body(&units, length)?;
        if self.instrs[head..].iter().any(|i| uses_offset(&i.body)) {
            self.push(Add { rd: OFFSET, rs: OFFSET, imm: STEP });
        }
        let last: Vec<usize> = units.iter().filter_map(|u| self.events[*u].last().map(|e| e.word)).collect();
        self.ring(&units, &last)?;
        self.replay(&units, head + 1)?;
        self.round = None;
        self.close(&levels);
        self.release(&units)
    }

    /// A nest in which units have nothing to do.
    pub fn idle_nest(&mut self) {
        let levels = self.levels(&[0, 1, 2, 3], &[0, 1, 2, 3]);
        (0..=self.rng.within(0, 2)).for_each(|_| self.noise());
        self.close(&levels);
    }

    /// Opens loops inside each other, one to as many as there are: the innermost runs one of `inner` rounds, the others one of
    /// `outer`. Gives their places, the outermost first; the innermost is the last word.
    fn levels(&mut self, inner: &[u32], outer: &[u32]) -> Vec<usize> {
        let all = LOOP_LEVELS as u32;
        let drawn = self.rng.within(2, all);
        let count = self.rng.pick(&[1, 1, 1, drawn]);
        let mut levels = Vec::new();
        for level in 1..=count {
            let rounds = self.rng.pick(if level == count { inner } else { outer });
            if level > 1 && self.rng.chance(15) {
                self.noise();
            }
            levels.push(self.head(rounds));
        }
        levels
    }

    /// A loop that runs so many rounds, by its field or by a register.
    fn head(&mut self, rounds: u32) -> usize {
        let in_register = self.rng.chance(50);
        let extra = self.rng.within(0, 65535);
        let count = if in_register { self.rng.pick(&[0, 65535, extra]) } else { rounds };
        let register = if in_register { self.rng.pick(&COUNT) } else { 0 };
        if in_register {
            self.load_register(register, rounds.wrapping_sub(count));
        }
        self.push(Loop { count, rcount: register, body: 0 })
    }

    /// Ends their bodies, together or a word apart.
    fn close(&mut self, levels: &[usize]) {
        for (i, head) in levels.iter().rev().enumerate() {
            if i > 0 && self.rng.chance(25) {
                self.noise();
            }
            let words = self.instrs.len() - head - 1;
            if let Body::Loop(l) = &mut self.instrs[*head].body {
                l.body = words as u32;
            }
        }
    }

    /// One to three units, as many as there are semaphores for.
    fn units_of_body(&mut self) -> Vec<usize> {
        let mut units = vec![0, 1, 2, 3];
        (1..4).for_each(|i| units.swap(i, self.rng.within(0, i as u32) as usize));
        let most = match self.spare() {
            0..5 => 1,
            5..9 => 2,
            _ => 3,
        };
        units.truncate(self.rng.within(1, most) as usize);
        units
    }

    /// The instructions before the loop.
    fn gather(&mut self, units: &[usize]) -> Option<Vec<usize>> {
        let join = std::array::from_fn(|u| !units.contains(&u));
        units.iter().map(|unit| self.place(&Wish { join, ..Wish::of(*unit) }, 30)).collect()
    }

    /// Lets each of these instructions, one per unit, post to all other units.
    fn ring(&mut self, units: &[usize], words: &[usize]) -> Option<()> {
        for (u, word) in units.iter().zip(words) {
            for v in units.iter().filter(|v| *v != u) {
                let s = self.semaphore(*u, *v, Class::Ring)?;
                self.instrs[*word].head.post |= 1 << s;
            }
        }
        Some(())
    }

    /// What the ring's posts tell a unit, and its waits for them.
    fn ring_wish(&mut self, units: &[usize], unit: usize) -> Option<Wish> {
        let mut wish = Wish::of(unit);
        for u in units.iter().filter(|u| **u != unit) {
            wish.waits |= 1 << self.semaphore(*u, unit, Class::Ring)?;
            if let Some(newest) = self.count(*u).checked_sub(1) {
                self.learn(&mut wish.known, *u, newest);
            }
        }
        Some(wish)
    }

    fn body(&mut self, units: &[usize], length: u32) -> Option<()> {
        // The ring tells of what was before the loop, not of the round's own beginning.
        let wishes: Vec<Wish> = units.iter().map(|u| self.ring_wish(units, *u)).collect::<Option<_>>()?;
        for wish in wishes {
            let word = self.place(&wish, 200)?;
            self.offset(word);
        }
        for _ in 0..length {
            let unit = self.rng.pick(units);
            if let Some(word) = self.place(&Wish::of(unit), 8) {
                self.offset(word);
            }
            if self.rng.chance(10) {
                self.noise();
            }
        }
        Some(())
    }

    /// Now and then lets an address move from round to round.
    fn offset(&mut self, word: usize) {
        let moves = self.rng.chance(40);
        match &mut self.instrs[word].body {
            Body::Load(i) if moves && i.raddr == 0 => i.raddr = OFFSET,
            Body::StoreBlocks(i) if moves && i.raddr == 0 => i.raddr = OFFSET,
            Body::StoreSegments(i) if moves && i.raddr == 0 => i.raddr = OFFSET,
            _ => {}
        }
    }

    /// Runs a second round in mind: what a unit reads of its own round before needs a drain; other conflicts end the attempt.
    fn replay(&mut self, units: &[usize], first: usize) -> Option<()> {
        let known: Vec<Wish> = units.iter().map(|u| self.ring_wish(units, *u)).collect::<Option<_>>()?;
        let mut known: [Option<Clock>; 4] =
            std::array::from_fn(|u| known.iter().find(|w| w.unit == u).map(|w| w.known));
        let round: Vec<(usize, usize, Body)> =
            self.instrs[first..].iter().zip(first..).filter_map(moved).collect();
        let resolved = self.resolved(first);
        for (word, unit, _) in round {
            let set = accesses(&resolved[word - first], &self.geometry);
            let event = Event { unit, seq: self.count(unit) };
            let mut clock = self.clocks[unit];
            if let Some(ring) = known[unit].take() {
                (0..4).for_each(|u| clock[u] = clock[u].max(ring[u]));
            }
            for poster in self.edges.clone().iter().filter(|e| e.1 == word).map(|e| e.0) {
                let of = self.instrs[poster].unit().queue()?;
                let seq = self.events[of].iter().rposition(|e| e.word == poster)? as u32;
                self.learn(&mut clock, of, seq);
            }
            if self.instrs[word].head.drain {
                clock[unit] = event.seq;
            }
            while let Some(with) = set.iter().find_map(|a| self.memories.conflict(&Start { event, clock }, a))
            {
                if with.with.unit != unit {
                    return None;
                }
                self.instrs[word].head.drain = true;
                clock[unit] = event.seq;
            }
            self.record(unit, word, clock, &set);
        }
        Some(())
    }

    /// The words from `first` on as they are in the second round.
    fn resolved(&self, first: usize) -> Vec<Body> {
        let program = super::bare(&self.instrs, &self.args);
        let mut walk = crate::Walk::new(&program, &self.args);
        walk.enter_at(first, OFFSET, STEP);
        let steps = walk.take(self.instrs.len() - first).map_while(Result::ok);
        steps.map(|s| s.instr.body).collect()
    }

    /// The instructions after the loop.
    fn release(&mut self, units: &[usize]) -> Option<()> {
        let wishes: Vec<Wish> = units.iter().map(|u| self.ring_wish(units, *u)).collect::<Option<_>>()?;
        wishes.iter().try_for_each(|wish| self.place(wish, 200).map(|_| ()))
    }
}

fn moved((instr, word): (&Instr, usize)) -> Option<(usize, usize, Body)> {
    Some((word, instr.unit().queue()?, instr.body))
}

fn uses_offset(body: &Body) -> bool {
    match body {
        Body::Load(i) => i.raddr == OFFSET,
        Body::StoreBlocks(i) => i.raddr == OFFSET,
        Body::StoreSegments(i) => i.raddr == OFFSET,
        _ => false,
    }
}
