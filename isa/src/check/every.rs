//! The walk of all runs of a program at once.
//!
//! Registers and the fields that they add to are ranges ([`Value`]). One instruction stands for what it does in any run:
//! * every rule of one instruction holds in a field that takes a register from a value on, up to a value (all that an
//!   instruction touches grows with its sizes), or at multiples of a value. So it holds for a range if it holds at both ends
//!   and at the second value, with each end of the other field;
//! * what it touches is the union over the range. An instruction that may write is ordered like one that does, which is
//!   enough, as the same instructions run in the same order whatever they touch.
//!
//! A loop with a range of counts is left before each round that may be one too many: from there on there are two states of
//! the walk, and a state that equals one that was at the head of the loop with at least as many rounds left adds nothing
//! ([`Progress::form`]). Balanced bodies come back to such a state after few rounds; where [`STATES`] do not suffice, the
//! program is refused. A register that only one `add rd, rd, imm` of the body changes is, in every round, all that
//! it is in any.

use super::progress::Progress;
use super::runs::{Runs, Value};
use super::{Broken, Rules, fields, shape};
use crate::access::{Access, accesses};
use crate::table::{Add, Body, Loop};
use crate::walk::{sums, too_wide};
use crate::{Illegal, Instr, Program};
use hw::machine::REGISTERS;
use hw::{Function, Machine};
use std::collections::BTreeMap;

/// States at the head of a loop, within one round of the loops around it, that are told apart.
const STATES: usize = 16;

/// Checks that every run of a program is legal on a machine.
///
/// # Errors
/// The first broken rule that is met. There may be no run that breaks it: the module head says what is taken together.
pub fn check(program: &Program, machine: &Machine, runs: &Runs) -> Result<(), Illegal> {
    shape::check(program, machine)?;
    let args = program.args.iter().map(|a| runs.value(&a.value)).collect();
    let mut walk = Walk { rules: Rules::new(program, machine), args, heads: BTreeMap::new(), open: vec![] };
    walk.open.push(State::default());
    while let Some(mut state) = walk.open.pop() {
        while walk.step(&mut state).map_err(|(place, b)| refuse(program, &state, place, b))? {}
    }
    Ok(())
}

type Refused = (usize, Broken);

/// A loop that runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Round {
    start: usize,
    end: usize,
    /// Rounds left, this one included.
    fewest: u32,
    most: u32,
    /// What registers are at the head and behind the loop, in any round and run.
    walked: Vec<(usize, Value, Value)>,
}

/// A point of the walk.
#[derive(Debug, Clone)]
struct State {
    registers: [Value; REGISTERS],
    next: usize,
    /// The outermost first.
    running: Vec<Round>,
    progress: Progress,
    /// Rounds of each loop whose count is a range, for messages.
    rounds: BTreeMap<usize, u32>,
}

impl Default for State {
    fn default() -> State {
        State {
            registers: [Value::of(0); REGISTERS],
            next: 0,
            running: Vec::new(),
            progress: Progress::default(),
            rounds: BTreeMap::new(),
        }
    }
}

impl State {
    fn set(&mut self, rd: u32, value: Value) {
        if rd != 0 {
            self.registers[rd as usize % REGISTERS] = value;
        }
    }

    fn register(&self, r: u32) -> Value {
        self.registers[r as usize % REGISTERS]
    }
}

/// What registers and units know, and with it the most rounds that were left.
type Seen = BTreeMap<(Vec<Value>, Vec<u64>), u32>;

struct Walk<'a> {
    rules: Rules<'a>,
    args: Vec<Value>,
    /// States at the head of each loop whose count is a range, by the loops that run; the innermost with no round left.
    heads: BTreeMap<Vec<Round>, Seen>,
    open: Vec<State>,
}

impl Walk<'_> {
    /// Dispatches a word; false when this walk is over.
    fn step(&mut self, state: &mut State) -> Result<bool, Refused> {
        let place = state.next;
        let Some(instr) = self.rules.program.instrs.get(place) else { return Ok(false) };
        state.next += 1;
        let at = |b| (place, b);
        match &instr.body {
            Body::Nop(_) => {}
            Body::Set(i) => state.set(i.rd, Value::of(i.imm)),
            Body::Add(i) => state.set(i.rd, state.register(i.rs).plus(i.imm)),
            Body::Arg(i) => {
                let value = self.argument(&state.register(i.rs).plus(i.imm)).map_err(at)?;
                state.set(i.rd, value);
            }
            Body::Loop(i) => {
                self.enter(state, place, i).map_err(at)?;
                return self.head(state).and_then(|on| if on { self.wrap(state) } else { Ok(false) });
            }
            Body::Halt(_) => {
                state.progress.semaphores.balanced().map_err(at)?;
                return Ok(false);
            }
            _ => self.issue(state, place, instr)?,
        }
        self.wrap(state)
    }

    fn argument(&self, entry: &Value) -> Result<Value, Broken> {
        let given = self.args.len();
        let entries = self.args.get(entry.low as usize..=entry.high as usize);
        let all = entries.and_then(|all| all.iter().copied().reduce(|a, b| a.or(&b)));
        let which = if entry.single().is_some() {
            format!("{}", entry.low)
        } else {
            format!("{} to {}", entry.low, entry.high)
        };
        all.ok_or_else(|| {
            Broken::new(
                format!("reads argument {which}, and the program declares {given}"),
                "what is not declared can have any value",
                "name an argument that the program declares",
            )
        })
    }

    fn enter(&self, state: &mut State, place: usize, i: &Loop) -> Result<(), Broken> {
        let count = state.register(i.rcount).plus(i.count);
        if count.high >= 1 << 16 {
            let what = format!("runs up to {} times", count.high);
            return Err(Broken::new(what, "a loop runs at most 65535 times", "bound the count"));
        }
        let (start, end) = (place + 1, place + 1 + i.body as usize);
        let (fewest, most) = (count.low, count.high);
        let mut walked = Vec::new();
        if fewest < most {
            state.rounds.insert(place, 0);
            for (r, by) in self.inductions(start, end) {
                let first = state.registers[r];
                walked.push((r, first.walked(by, 0, most - 1), first.walked(by, fewest, most)));
            }
        }
        state.running.push(Round { start, end, fewest, most, walked });
        Ok(())
    }

    /// Registers that one `add rd, rd, imm` of a body changes, once in a round, and nothing else.
    fn inductions(&self, start: usize, end: usize) -> Vec<(usize, u32)> {
        let mut changes: [Vec<Option<u32>>; REGISTERS] = Default::default();
        let mut inner = start;
        for (i, instr) in self.rules.program.instrs[start..end].iter().enumerate() {
            let change = match instr.body {
                Body::Loop(l) => {
                    inner = inner.max(start + i + 1 + l.body as usize);
                    continue;
                }
                Body::Add(Add { rd, rs, imm }) => (rd, (rd == rs && start + i >= inner).then_some(imm)),
                Body::Set(s) => (s.rd, None),
                Body::Arg(a) => (a.rd, None),
                _ => continue,
            };
            changes[change.0 as usize % REGISTERS].push(change.1);
        }
        let once = |(r, all): (usize, &Vec<Option<u32>>)| match all[..] {
            [Some(by)] if r > 0 => Some((r, by)),
            _ => None,
        };
        changes.iter().enumerate().filter_map(once).collect()
    }

    /// Before a round of the innermost loop, or behind its last; false if the same was there before.
    fn head(&mut self, state: &mut State) -> Result<bool, Refused> {
        let Some(round) = state.running.last() else { return Ok(true) };
        if round.most == 0 {
            leave(state);
            return Ok(true);
        }
        let walked = round.walked.clone();
        let (start, most, may_leave) = (round.start, round.most, round.fewest == 0);
        walked.iter().for_each(|(r, head, _)| state.registers[*r] = *head);
        state.next = start;
        if may_leave {
            let mut loops = state.running.clone();
            loops.iter_mut().last().into_iter().for_each(|own| own.most = 0);
            let seen = self.heads.entry(loops).or_default();
            let form = (state.registers.to_vec(), state.progress.form());
            if seen.get(&form).is_some_and(|left| *left >= most) {
                return Ok(false);
            }
            seen.insert(form, most);
            if seen.len() > STATES {
                return Err((
                    start - 1,
                    Broken::new(
                        format!(
                            "the count is a range, and {STATES} rounds do not come back to a state that was there"
                        ),
                        "a loop that runs any number of times is legal if each round leaves what the one before left",
                        "let the body wait for what it starts, set registers anew in each round, or give a number",
                    ),
                ));
            }
            let mut out = state.clone();
            leave(&mut out);
            // Loops whose bodies end there, too, have ended a round.
            if self.wrap(&mut out)? {
                self.open.push(out);
            }
        }
        if let Some(rounds) = state.rounds.get_mut(&(start - 1)) {
            *rounds += 1;
        }
        Ok(true)
    }

    /// Ends the round of each loop whose body ends before the next word.
    fn wrap(&mut self, state: &mut State) -> Result<bool, Refused> {
        while let Some(round) = state.running.last_mut().filter(|r| r.end == state.next) {
            round.fewest = round.fewest.saturating_sub(1);
            round.most -= 1;
            if !self.head(state)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn issue(&self, state: &mut State, place: usize, instr: &Instr) -> Result<(), Refused> {
        let Some(unit) = instr.unit().queue() else { return Ok(()) };
        let mut body = instr.body;
        let mut values = [Value::of(0); 2];
        for (value, (field, register)) in values.iter_mut().zip(sums(&mut body).into_iter().flatten()) {
            *value = state.register(std::mem::take(register)).plus(*field);
        }
        let ranges = Ranges { body, values };
        let set = ranges.rules(&self.rules).map_err(|b| (place, ranges.said(b)))?;
        let issued = self.rules.issue(&mut state.progress, (unit, place), &instr.head, &set);
        issued.map_err(|b| (place, ranges.said(b)))
    }
}

/// Goes on behind the innermost loop.
fn leave(state: &mut State) {
    let Some(round) = state.running.pop() else { return };
    state.next = round.end;
    round.walked.iter().for_each(|(r, _, behind)| state.registers[*r] = *behind);
}

/// An instruction and the values of its fields that take registers.
struct Ranges {
    body: Body,
    values: [Value; 2],
}

impl Ranges {
    fn at(&self, values: [u32; 2]) -> Body {
        let mut body = self.body;
        for (value, (field, _)) in values.into_iter().zip(sums(&mut body).into_iter().flatten()) {
            *field = value;
        }
        body
    }

    /// The rules of one instruction; all that it may touch.
    fn rules(&self, rules: &Rules) -> Result<Vec<Access>, Broken> {
        let [x, y] = self.values;
        let most = self.at([x.high, y.high]);
        if let Some(wide) = too_wide(&most) {
            let why = "the unit's queue holds the width of the field";
            return Err(Broken::new(wide, why, "keep the sum within the field"));
        }
        fields::check(&most, &rules.geometry)?;
        one_exponent(&most, y)?;
        let mut set = accesses(&most, &rules.geometry);
        if x.single().is_none() || y.single().is_none() {
            let second = |v: Value| v.low + v.step.min(v.high - v.low);
            let others =
                [[x.low, y.low], [x.low, y.high], [x.high, y.low], [second(x), y.low], [x.low, second(y)]];
            others.iter().try_for_each(|at| fields::check(&self.at(*at), &rules.geometry))?;
            let low = accesses(&self.at([x.low, y.high]), &rules.geometry);
            for (all, low) in set.iter_mut().zip(low).filter(|(all, low)| all.at > low.at) {
                *all = low.moved_up_to(all.at);
            }
        }
        rules.limits.check(&set)?;
        Ok(set)
    }

    /// With the values for which the rule does not hold throughout.
    fn said(&self, mut broken: Broken) -> Broken {
        let [x, y] = self.values;
        let (low, high) = (self.at([x.low, y.low]), self.at([x.high, y.high]));
        let pairs = low.values().into_iter().zip(high.values());
        for (field, (low, high)) in self.body.spec().fields.iter().zip(pairs).filter(|(_, (l, h))| l != h) {
            broken.what.push_str(&format!(", where `{}` is {low} to {high} over all runs", field.name));
        }
        broken
    }
}

/// The mantissas of scale words of one exponent are a range; those between two exponents are none.
fn one_exponent(body: &Body, len: Value) -> Result<(), Broken> {
    let Body::Vector(i) = body else { return Ok(()) };
    if i.function() != Some(Function::Requantise) || len.low >> 16 == len.high >> 16 {
        return Ok(());
    }
    let what = format!("a scale word between {:#x} and {:#x}", len.low, len.high);
    Err(Broken::new(what, "scales of several exponents are no range", "take the word from one argument"))
}

fn refuse(program: &Program, state: &State, place: usize, broken: Broken) -> Illegal {
    let rounds = |(word, n): (&usize, &u32)| format!(", after {n} rounds of the loop at {word}");
    let after: String = state.rounds.iter().map(rounds).collect();
    Illegal::new(program, place, broken.what + &after, broken.why, broken.help)
}

#[cfg(test)]
mod tests;
