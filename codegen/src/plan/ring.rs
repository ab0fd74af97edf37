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
}
