//! Pulses on their way through a pipeline, the oldest first.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Delay(VecDeque<u64>);

impl Delay {
    /// A pulse that comes out `cycles` (>= 1) cycles after this one.
    pub fn push(&mut self, cycles: u64) {
        self.0.push_back(cycles);
    }

    /// A cycle begins; whether a pulse comes out in it.
    pub fn pulse(&mut self) -> bool {
        self.0.iter_mut().for_each(|left| *left -= 1);
        let out = self.0.front() == Some(&0);
        if out {
            self.0.pop_front();
        }
        out
    }
}
