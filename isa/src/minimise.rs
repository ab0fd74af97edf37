//! Delta debugging: the smallest legal program found that still fails.
//!
//! Every candidate passes [`crate::check`] before it is tried, so whatever remains is a fault of the machine and not of
//! the program. Words go first, in halves, quarters, ... of the program; then semaphore pairs and drains, rounds, and
//! fields. A word that goes takes the other ends of its semaphores with it.

use crate::check::check;
use crate::table::{Body, Loop};
use crate::{Instr, Program};
use hw::Machine;

/// Shrinks a program for which `fails` holds, as far as it keeps holding.
pub fn minimise(
    program: &Program,
    machine: &Machine,
    args: &[u32],
    fails: impl Fn(&Program) -> bool,
) -> Program {
    let mut search = Search { best: program.clone(), machine, args, fails };
    loop {
        let before = search.best.clone();
        search.words();
        search.heads();
        search.fields();
        if search.best == before {
            return before;
        }
    }
}

struct Search<'a, F> {
    best: Program,
    machine: &'a Machine,
    args: &'a [u32],
    fails: F,
}

impl<F: Fn(&Program) -> bool> Search<'_, F> {
    /// Adopts a candidate if it is smaller, legal, and still fails.
    fn adopt(&mut self, candidate: Program) -> bool {
        let good = candidate != self.best
            && check(&candidate, self.machine, self.args).is_ok()
            && (self.fails)(&candidate);
        if good {
            self.best = candidate;
        }
        good
    }

    fn words(&mut self) {
        let mut chunk = self.best.instrs.len() / 2;
        while chunk > 0 {
            let mut from = 0;
            while from + 1 < self.best.instrs.len() {
                let keep = |i: usize| !(from..from + chunk).contains(&i);
                if !self.adopt(without(&self.best, keep)) {
                    from += chunk;
                }
            }
            chunk /= 2;
        }
    }

    /// Pairs of posts and waits, drains, marks.
    fn heads(&mut self) {
        for s in 0..16 {
            for pair in pairs(&self.best.instrs, s) {
                let mut candidate = self.best.clone();
                candidate.instrs[pair.0].head.post &= !(1 << s);
                candidate.instrs[pair.1].head.wait &= !(1 << s);
                self.adopt(candidate);
            }
        }
        for i in 0..self.best.instrs.len() {
            let mut candidate = self.best.clone();
            let head = &mut candidate.instrs[i].head;
            (head.drain, head.mark) = (false, false);
            self.adopt(candidate);
        }
    }

    /// Each field to the smallest value that still fails of 0, 1 and its half.
    fn fields(&mut self) {
        for i in 0..self.best.instrs.len() {
            for field in 0..self.best.instrs[i].body.values().len() {
                let value = self.best.instrs[i].body.values()[field];
                for smaller in [0, 1, value / 2].into_iter().filter(|v| *v < value) {
                    let mut candidate = self.best.clone();
                    let mut values = candidate.instrs[i].body.values();
                    values[field] = smaller;
                    candidate.instrs[i].body.set_values(&values);
                    if self.adopt(candidate) {
                        break;
                    }
                }
            }
        }
    }
}

/// Words of the k-th post and the k-th wait of a semaphore, in the order of the text.
fn pairs(instrs: &[Instr], s: usize) -> Vec<(usize, usize)> {
    let having = |mask: fn(&Instr) -> u16| {
        instrs.iter().zip(0..).filter(move |(i, _)| mask(i) >> s & 1 != 0).map(|(_, at)| at)
    };
    having(|i| i.head.post).zip(having(|i| i.head.wait)).collect()
}

/// The program without the words that are not kept. Bodies shrink with their words; an empty one takes its loop along.
fn without(program: &Program, keep: impl Fn(usize) -> bool) -> Program {
    let last = program.instrs.len().saturating_sub(1);
    let mut kept: Vec<bool> = (0..=last).map(|i| i == last || keep(i)).collect();
    let mut next = program.clone();
    // Inner loops before those that hold them.
    for i in (0..=last).rev() {
        if let Body::Loop(l) = &program.instrs[i].body {
            let body = kept.iter().skip(i + 1).take(l.body as usize).filter(|k| **k).count() as u32;
            kept[i] &= body > 0;
            next.instrs[i].body = Loop { body, ..*l }.into();
        }
    }
    for s in 0..16 {
        for (post, wait) in pairs(&program.instrs, s).into_iter().filter(|(p, w)| !kept[*p] || !kept[*w]) {
            next.instrs[post].head.post &= !(1 << s);
            next.instrs[wait].head.wait &= !(1 << s);
        }
    }
    let mut flags = kept.iter();
    next.instrs.retain(|_| flags.next().is_none_or(|k| *k));
    let mut flags = kept.iter();
    next.origin_of.retain(|_| flags.next().is_none_or(|k| *k));
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::case;
    use crate::walk::Walk;

    #[test]
    fn what_remains_is_small_legal_and_still_fails() {
        let machine = hw::presets::load("tiny").unwrap();
        for seed in 0..6 {
            let case = case(&machine, seed).unwrap();
            // A store that needs the result of a vector instruction that a gemm precedes.
            let fails = |p: &Program| {
                let mut units =
                    Walk::new(p, &case.args).filter_map(|s| Some(s.ok()?.instr)).filter(|i| i.head.wait != 0);
                units.any(|i| matches!(i.body, Body::Vector(_)))
            };
            if !fails(&case.program) {
                continue;
            }
            let small = minimise(&case.program, &machine, &case.args, fails);
            assert!(fails(&small) && check(&small, &machine, &case.args).is_ok());
            assert!(small.instrs.len() <= 5, "seed {seed}: {}", crate::disasm::listing(&small));
        }
    }
}
