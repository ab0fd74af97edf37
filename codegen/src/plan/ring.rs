//! A buffer whose space is taken round and round, so that a new piece lands on the oldest.
//!
//! Invariant: pieces in use never overlap. What a new piece overwrites was given back before, in the order of the
//! network; that its readers are done is the business of the semaphores.

/// Allocator over the bytes `from..to`.
#[derive(Debug, Clone)]
pub struct Ring {
    from: u32,
    to: u32,
    next: u32,
    used: Vec<(u32, u32)>,
}

impl Ring {
    pub fn new(from: u32, to: u32) -> Ring {
        Ring { from, to: to.max(from), next: from, used: Vec::new() }
    }

    /// Bytes of all of it.
    pub fn size(&self) -> u32 {
        self.to - self.from
    }

    /// Takes `bytes` (at least 1) at a multiple of `align`; `None` if no gap is large enough.
    pub fn take(&mut self, bytes: u32, align: u32) -> Option<u32> {
        let bytes = bytes.max(1);
        let behind = self.used.iter().map(|u| u.1);
        let mut starts: Vec<u32> =
            behind.chain([self.next, self.from]).map(|s| s.next_multiple_of(align)).collect();
        // Upwards from the place of the last piece, then from the bottom.
        starts.sort_by_key(|&s| (s < self.next, s));
        let fits = |&s: &u32| s + bytes <= self.to && self.used.iter().all(|u| s + bytes <= u.0 || u.1 <= s);
        let at = starts.into_iter().find(fits)?;
        self.used.push((at, at + bytes));
        self.next = at + bytes;
        Some(at)
    }

    /// Takes `bytes` (at least 1) from `at` on, if they are free.
    pub fn take_at(&mut self, at: u32, bytes: u32) -> Option<u32> {
        let to = at.checked_add(bytes.max(1))?;
        let free = self.from <= at && to <= self.to && self.used.iter().all(|u| to <= u.0 || u.1 <= at);
        if !free {
            return None;
        }
        self.used.push((at, to));
        self.next = to;
        Some(at)
    }

    /// Places for pieces of so many bytes, in the order of their use, so that the last of them ends where the ring does: from there
    /// down, round and round. `None` for those that are longer than the ring.
    pub fn before_end(&self, sizes: &[u32], align: u32) -> Vec<Option<u32>> {
        let mut below = self.to;
        let mut places: Vec<_> = sizes
            .iter()
            .rev()
            .map(|&bytes| {
                let down = |below: u32| {
                    let at = below.checked_sub(bytes)? / align * align;
                    (at >= self.from).then_some(at)
                };
                let at = down(below).or_else(|| down(self.to))?;
                below = at;
                Some(at)
            })
            .collect();
        places.reverse();
        places
    }

    /// Gives back the piece at `at`.
    pub fn give(&mut self, at: u32) {
        self.used.retain(|u| u.0 != at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_round_and_never_overlaps() {
        let mut ring = Ring::new(64, 64 + 100);
        let a = ring.take(40, 4).unwrap();
        let b = ring.take(40, 4).unwrap();
        assert_eq!((a, b, ring.take(40, 4)), (64, 104, None));
        ring.give(a);
        assert_eq!(ring.take(30, 4), Some(64));
        ring.give(b);
        assert_eq!(ring.take(60, 4), Some(96));
    }

    #[test]
    fn places_before_the_end_are_those_of_a_ring_that_arrives_there() {
        let mut ring = Ring::new(64, 64 + 100);
        let places = ring.before_end(&[200, 30, 40, 50], 4);
        assert_eq!(places, [None, Some(132), Some(72), Some(112)]);
        assert_eq!([72, 108, 112, 160].map(|at| ring.take_at(at, 40)), [Some(72), None, Some(112), None]);
    }
}
