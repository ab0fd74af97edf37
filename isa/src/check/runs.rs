//! What the arguments and registers of a program can be, over all of its runs.

use crate::program::{ArgValue, Ring};

/// All runs that a program is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runs {
    /// No run starts behind this position.
    pub last: u32,
    /// Runs start at multiples of this position; 0 counts as 1.
    pub step: u32,
    /// Ids of tokens are below; id 0 is always one.
    pub vocab: u32,
}

/// Values `low`, `low + step`, ... up to `high`, or some of them; a `step` of 0 for a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value {
    pub low: u32,
    pub high: u32,
    pub step: u32,
}

impl Runs {
    /// Every entry of the argument table that a run can have.
    pub(super) fn value(&self, value: &ArgValue) -> Value {
        match *value {
            ArgValue::Const(c) => Value::of(c),
            ArgValue::Token { scale, constant, .. } => {
                let most = u128::from(scale) * u128::from(self.vocab.saturating_sub(1));
                Value::spread(constant, most, scale.into())
            }
            ArgValue::Ring { ring, .. } => self.around(value, ring),
            ArgValue::Position { div, quotient, remainder, constant } => {
                let (most, step) = self.position(div.max(1), quotient.into(), remainder.into());
                Value::spread(constant, most, step)
            }
        }
    }

    /// Of a ring: its values at every position, up to a whole round; behind the first they come again.
    fn around(&self, value: &ArgValue, ring: Ring) -> Value {
        let round = ring.places().saturating_add(ring.window);
        // Steps need not divide a round: all positions are among what is said of it.
        let step = if self.last < ring.places() { self.step.max(1) } else { 1 };
        let positions = (0..=self.last.min(round)).step_by(step as usize);
        let all = positions.map(|p| Value::of(value.at(p, &[])));
        all.reduce(|a, b| a.or(&b)).unwrap_or(Value::of(0))
    }

    /// The most that `(p / div) * quotient + (p % div) * remainder` is, and what all its values are multiples of.
    fn position(&self, div: u32, quotient: u64, remainder: u64) -> (u128, u64) {
        let step = self.step.max(1);
        let last = self.last / step * step;
        let at = |whole: u32, rest: u32| {
            u128::from(whole) * u128::from(quotient) + u128::from(rest) * u128::from(remainder)
        };
        // Remainders are multiples of this, so that the largest is one of them below `div`.
        let rests = gcd(step.into(), div.into()) as u32;
        let whole = last / div;
        let before = if whole > 0 { at(whole - 1, div - rests) } else { 0 };
        let wholes = if step % div == 0 { step / div } else { 1 };
        let by_whole = if whole > 0 { quotient * u64::from(wholes) } else { 0 };
        let by_rest = if rests < div && last > 0 { remainder * u64::from(rests) } else { 0 };
        (at(whole, last % div).max(before), gcd(by_whole, by_rest))
    }
}

impl Value {
    pub fn of(value: u32) -> Value {
        Value { low: value, high: value, step: 0 }
    }

    /// Values from `low` on, at most `width` above it, in steps; every value of 32 bits if they wrap.
    fn spread(low: u32, width: u128, step: u64) -> Value {
        let all = Value { low: 0, high: u32::MAX, step: 1 };
        let high = u128::from(low) + width;
        let Ok(high) = u32::try_from(high) else { return all };
        if width == 0 {
            Value::of(low)
        } else {
            Value { low, high, step: step.clamp(1, width as u64) as u32 }
        }
    }

    /// The only value.
    pub fn single(&self) -> Option<u32> {
        (self.low == self.high).then_some(self.low)
    }

    fn width(&self) -> u128 {
        u128::from(self.high - self.low)
    }

    /// Each value plus `by`, modulo 2^32.
    pub fn plus(&self, by: u32) -> Value {
        Value::spread(self.low.wrapping_add(by), self.width(), self.step.into())
    }

    /// Each value plus `by`, a signed number, once for each of `fewest` to `most` rounds.
    pub fn walked(&self, by: u32, fewest: u32, most: u32) -> Value {
        let first = if (by as i32) < 0 { most } else { fewest };
        let by_round = u64::from((by as i32).unsigned_abs());
        let width = self.width() + u128::from(by_round) * u128::from(most - fewest);
        let low = self.low.wrapping_add(by.wrapping_mul(first));
        let step = gcd(self.step.into(), if most > fewest { by_round } else { 0 });
        Value::spread(low, width, step)
    }

    /// The values of both.
    pub fn or(&self, other: &Value) -> Value {
        let (low, high) = (self.low.min(other.low), self.high.max(other.high));
        let step = gcd(gcd(self.step.into(), other.step.into()), self.low.abs_diff(other.low).into());
        Value::spread(low, u128::from(high - low), step)
    }
}

/// The greatest common divisor; 0 divides nothing but itself.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_positions_are_those_of_every_position() {
        let mut tight = 0;
        for (last, step, div) in
            [(0, 1, 4), (3, 1, 8), (99, 1, 16), (96, 16, 16), (96, 8, 16), (90, 32, 16), (90, 6, 4)]
        {
            for (quotient, remainder) in [(1, 0), (512, 8), (0, 4), (64, 4), (3, 100)] {
                let runs = Runs { last, step, vocab: 1 };
                let arg = ArgValue::Position { div, quotient, remainder, constant: 7 };
                let value = runs.value(&arg);
                let all: Vec<u32> = (0..=last).step_by(step as usize).map(|p| arg.at(p, &[])).collect();
                let of =
                    |v: &u32| v - value.low == 0 || (value.step > 0 && (v - value.low) % value.step == 0);
                assert!(
                    all.iter().all(|v| (value.low..=value.high).contains(v) && of(v)),
                    "{runs:?} {arg:?}"
                );
                assert_eq!(value.low, 7);
                tight += u32::from(all.iter().max() == Some(&value.high));
            }
        }
        assert!(tight >= 30, "{tight} of 35");
    }

    /// Those of rings, too, at every position.
    #[test]
    fn values_of_rings_are_those_of_every_position() {
        for (last, step, slot) in
            [(9, 1, true), (12, 4, true), (500, 1, true), (500, 1, false), (500, 16, true)]
        {
            let (runs, ring) = (Runs { last, step, vocab: 1 }, Ring { sink: 3, window: 13, slot });
            let arg = ArgValue::Ring { ring, div: 4, quotient: 64, remainder: 8, constant: 7 };
            let value = runs.value(&arg);
            for p in (0..=last).step_by(step as usize) {
                let v = arg.at(p, &[]);
                assert!((value.low..=value.high).contains(&v) && (v - 7) % 8 == 0, "{runs:?} {p}");
                assert!((v - value.low) % value.step.max(1) == 0);
            }
            assert_eq!((value.low, value.high), (7, 7 + last.min(15) / 4 * 64 + last.min(15) % 4 * 8));
        }
        let ring = Ring { sink: 3, window: 13, slot: true };
        assert_eq!([0, 15, 16, 28, 29].map(|p| ring.of(p)), [0, 15, 3, 15, 3]);
        assert_eq!([0, 15, 16, 28].map(|p| Ring { slot: false, ..ring }.of(p)), [0, 15, 15, 15]);
    }

    #[test]
    fn what_wraps_is_anything() {
        let any = Value { low: 0, high: u32::MAX, step: 1 };
        let token = |constant| ArgValue::Token { index: 0, scale: 64, constant };
        let runs = Runs { last: 0, step: 1, vocab: 3 };
        assert_eq!(runs.value(&token(64)), Value { low: 64, high: 192, step: 64 });
        assert_eq!(runs.value(&token(u32::MAX - 100)), any);
        let value = Value { low: 8, high: 24, step: 8 };
        assert_eq!(value.plus(u32::MAX), Value { low: 7, high: 23, step: 8 });
        assert_eq!(value.plus(u32::MAX - 15), any);
        assert_eq!(value.walked(12, 1, 3), Value { low: 20, high: 60, step: 4 });
        assert_eq!(value.walked(4u32.wrapping_neg(), 0, 2), Value { low: 0, high: 24, step: 4 });
        assert_eq!(value.walked(4u32.wrapping_neg(), 0, 3), any);
        assert_eq!(Value::of(3).or(&Value::of(9)), Value { low: 3, high: 9, step: 6 });
    }
}
