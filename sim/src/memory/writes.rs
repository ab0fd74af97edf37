//! Room for write bursts: a burst occupies a place of the write buffer from its address to its response.

use std::collections::VecDeque;

#[derive(Debug, Clone)]
pub(super) struct Writes {
    /// Bursts that the buffer holds; `None`: any number.
    room: Option<usize>,
    /// Bursts accepted and not answered.
    open: usize,
    /// The newest responses, oldest first, at most as many as the buffer holds.
    answered: VecDeque<u64>,
}

impl Writes {
    pub fn new(room: Option<usize>) -> Writes {
        Writes { room, open: 0, answered: VecDeque::new() }
    }

    /// The first cycle with room for the next burst, the one after the response that makes it; `None` if that response
    /// is not given yet.
    pub fn room(&self) -> Option<u64> {
        let Some(room) = self.room else { return Some(0) };
        let missing = room.checked_sub(self.open + 1)?;
        let frees = self.answered.len().checked_sub(missing + 1);
        Some(frees.and_then(|i| self.answered.get(i)).map_or(0, |at| at + 1))
    }

    pub fn accept(&mut self) {
        self.open += 1;
    }

    pub fn answer(&mut self, at: u64) {
        self.open = self.open.saturating_sub(1);
        if let Some(room) = self.room {
            self.answered.push_back(at);
            if self.answered.len() > room {
                self.answered.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_after_the_response_of_the_burst_that_had_it() {
        let mut writes = Writes::new(Some(2));
        assert_eq!(writes.room(), Some(0));
        writes.accept();
        assert_eq!(writes.room(), Some(0));
        writes.accept();
        assert_eq!(writes.room(), None);
        writes.answer(10);
        assert_eq!(writes.room(), Some(11));
        writes.accept();
        writes.answer(20);
        assert_eq!(writes.room(), Some(21));
        writes.answer(30);
        assert_eq!(writes.room(), Some(21));
    }
}
