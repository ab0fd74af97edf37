//! A small generator of random numbers (splitmix64): the same on every platform, for ever.

/// Random numbers from a seed.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A number in `low..=high`.
    pub fn within(&mut self, low: u32, high: u32) -> u32 {
        low + (self.bits() % (u64::from(high.saturating_sub(low)) + 1)) as u32
    }

    /// True in `percent` of cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.within(0, 99) < percent
    }

    /// One of the elements; the default if there is none.
    pub fn pick<T: Copy + Default>(&mut self, of: &[T]) -> T {
        let i = self.within(0, (of.len() as u32).saturating_sub(1));
        of.get(i as usize).copied().unwrap_or_default()
    }
}
