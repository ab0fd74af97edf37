//! Draws and changes of bytes and text, by seed. The tests of this crate and those of `isa` read this file.

/// How many inputs a test draws: `TILEWRIGHT_ROUNDS` times the usual number.
pub(crate) fn rounds(usual: u64) -> u64 {
    usual * std::env::var("TILEWRIGHT_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// The splitmix64 generator.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    pub(crate) fn number(&mut self) -> i64 {
        let extremes = [0, 1, -1, 2, 3, 16, 31, 1 << 20, 1 << 31, 1 << 40, i64::MAX, i64::MIN];
        *self.pick(&extremes)
    }
}

/// A seed that shows itself when the test that holds it panics.
pub(crate) struct Seed(pub(crate) &'static str, pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} panicked at seed {}", self.0, self.1);
        }
    }
}

pub(crate) fn mutate_bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    match random.below(5) {
        0 => bytes[at] = random.next() as u8,
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..(at + random.below(40)).min(bytes.len()))),
        _ => {
            let from = random.below(bytes.len());
            let piece = bytes[from..(from + random.below(40)).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

pub(crate) fn assert_memory_stayed_small() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(peak.is_none_or(|kib| kib < 3 << 20), "peak of {peak:?} KiB");
}

/// A line with one of its numbers replaced by another.
pub(crate) fn number_replaced(random: &mut Random, line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line).into_owned();
    let digits: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(i, _)| i).collect();
    if digits.is_empty() {
        return line.to_vec();
    }
    let at = *random.pick(&digits);
    let number = random.number();
    format!("{}{number}{}", &text[..at], &text[at + 1..]).into_bytes()
}
