//! The bytes of off-chip memory. Room is taken by pages that something was written to; all others are those of the image that the
//! memory began with, which may be a part of a file, or hold zeros.
//!
//! Copies share their pages until one of them writes, so that a memory of gigabytes costs what is touched of it.

use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a page: large enough that the list of a 4 GiB memory is short, small enough to be copied at a write.
const PAGE: usize = 1 << 16;

type Page = [u8; PAGE];

/// A memory of a given size that was an image at first, and zero behind it.
#[derive(Debug, Clone)]
pub struct Pages {
    size: u64,
    /// Whole pages.
    image: Bytes,
    /// A page that was never written is `None`. Bytes of the last one beyond `size` are zero.
    pages: Vec<Option<Arc<Page>>>,
}

/// Bytes in which two memories differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Difference {
    pub bytes: u64,
    /// Address of the first one, and what either memory holds there.
    pub first: Option<(u64, u8, u8)>,
}

impl Pages {
    /// A memory of `size` bytes that begins with `image`, as far as it fits; zeros follow.
    pub fn new(size: u64, image: &[u8]) -> Pages {
        let pages = vec![None; size.div_ceil(PAGE as u64) as usize];
        let mut memory = Pages { size, image: Bytes::new(), pages };
        let fits = size.min(image.len() as u64) as usize;
        // It fits.
        let _ = memory.write(0, &image[..fits]);
        memory
    }

    /// The same; the image is not copied but for its last page.
    pub fn over(size: u64, image: &Bytes) -> Pages {
        let fits = size.min(image.len() as u64) as usize;
        let whole = fits / PAGE * PAGE;
        let mut memory = Pages { image: image.slice(..whole), ..Pages::new(size, &[]) };
        // It fits.
        let _ = memory.write(whole as u64, &image[whole..fits]);
        memory
    }

    /// Bytes of the memory.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Copies the bytes from address `at` on; `None`, and `to` is as it was, if they are not all there.
    pub fn read(&self, at: u64, to: &mut [u8]) -> Option<()> {
        self.inside(at, to.len())?;
        for (page, from, part) in pieces(at, to.len()) {
            match self.page(page) {
                Some(page) => to[part.clone()].copy_from_slice(&page[from..from + part.len()]),
                None => to[part].fill(0),
            }
        }
        Some(())
    }

    /// Overwrites the bytes from address `at` on; `None`, and nothing happens, if they are not all there.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Option<()> {
        self.inside(at, bytes.len())?;
        for (page, to, part) in pieces(at, bytes.len()) {
            let before = self.image.as_chunks().0.get(page).unwrap_or(&ZEROS);
            let page = self.pages.get_mut(page)?.get_or_insert_with(|| Arc::new(*before));
            Arc::make_mut(page)[to..to + part.len()].copy_from_slice(&bytes[part]);
        }
        Some(())
    }

    /// `length` bytes from address `at` on; `None` if they are not all there.
    pub fn get(&self, at: u64, length: usize) -> Option<Vec<u8>> {
        self.inside(at, length)?;
        let mut bytes = vec![0; length];
        self.read(at, &mut bytes)?;
        Some(bytes)
    }

    /// The four bytes at an address; `None` if they are not all there.
    pub fn word(&self, at: u32) -> Option<[u8; 4]> {
        let mut word = [0; 4];
        self.read(at.into(), &mut word)?;
        Some(word)
    }

    /// All bytes in order: a number of bytes, and what they are unless zero.
    pub fn parts(&self) -> impl Iterator<Item = (u64, Option<&[u8]>)> {
        (0u64..).step_by(PAGE).zip(0..self.pages.len()).map(|(from, page)| {
            let length = (self.size - from).min(PAGE as u64);
            (length, self.page(page).map(|page| &page[..length as usize]))
        })
    }

    /// A page that was written or is one of the image.
    fn page(&self, page: usize) -> Option<&Page> {
        let written = self.pages.get(page).and_then(Option::as_deref);
        written.or_else(|| self.image.as_chunks().0.get(page))
    }

    /// The bytes up to the last one that is not zero.
    pub fn used(&self) -> Vec<u8> {
        let last = |bytes: &[u8]| bytes.iter().rposition(|b| *b != 0);
        let pages = (0..self.pages.len()).rev();
        let end = pages.filter_map(|n| Some(n * PAGE + last(self.page(n)?)? + 1)).next();
        self.get(0, end.unwrap_or(0)).unwrap_or_default()
    }

    /// Where this memory and another one differ; bytes that only one of them has are different.
    pub fn difference(&self, other: &Pages) -> Difference {
        let common = self.size.min(other.size);
        let mut found = Difference { bytes: self.size.abs_diff(other.size), first: None };
        for (from, page) in (0u64..).step_by(PAGE).zip(0..self.pages.len().min(other.pages.len())) {
            let [left, right] = [self, other].map(|memory| memory.page(page).unwrap_or(&ZEROS));
            if std::ptr::eq(left, right) || left == right {
                continue;
            }
            let bytes = (from..common).zip(left.iter().zip(right));
            for (at, (l, r)) in bytes.filter(|(_, (l, r))| l != r) {
                found.bytes += 1;
                found.first = found.first.or(Some((at, *l, *r)));
            }
        }
        found
    }

    fn inside(&self, at: u64, length: usize) -> Option<()> {
        (at.checked_add(length as u64)? <= self.size).then_some(())
    }
}

/// Equal bytes, whichever pages are held.
impl PartialEq for Pages {
    fn eq(&self, other: &Pages) -> bool {
        self.difference(other).bytes == 0
    }
}

impl Eq for Pages {}

static ZEROS: Page = [0; PAGE];

/// What `length` bytes from `at` on are of each page that they touch: the page, the first byte in it, the part of the bytes.
fn pieces(at: u64, length: usize) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let here = at + done as u64;
        let from = (here % PAGE as u64) as usize;
        let part = done..length.min(done + PAGE - from);
        done = part.end;
        (!part.is_empty()).then_some(((here / PAGE as u64) as usize, from, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 3 * PAGE as u64 + 100;

    #[test]
    fn bytes_across_pages_are_read_as_they_were_written() {
        let mut memory = Pages::new(SIZE, &[7, 8, 9]);
        let bytes: Vec<u8> = (0..2 * PAGE + 50).map(|i| (i % 251) as u8 + 1).collect();
        let at = PAGE as u64 - 20;
        memory.write(at, &bytes).unwrap();
        assert_eq!(memory.get(at, bytes.len()).as_ref(), Some(&bytes));
        let mut expected = vec![0; SIZE as usize];
        expected[..3].copy_from_slice(&[7, 8, 9]);
        expected[at as usize..][..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(memory.get(0, SIZE as usize), Some(expected.clone()));
        expected.truncate(at as usize + bytes.len());
        assert_eq!(memory.used(), expected);
        assert_eq!(memory.word(1), Some([8, 9, 0, 0]));
    }

    /// An image under a memory is what a copied one is, and stays as it is.
    #[test]
    fn an_image_lies_under_what_is_written() {
        for length in [0, 100, PAGE, 2 * PAGE + 7, SIZE as usize + 9] {
            let image: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let below = Bytes::from(image.clone());
            let (mut over, mut copied) = (Pages::over(SIZE, &below), Pages::new(SIZE, &image));
            for (at, data) in [(5, [1, 2]), (PAGE as u64 - 1, [3, 0]), (SIZE - 2, [4, 5])] {
                assert_eq!((over.write(at, &data), copied.write(at, &data)), (Some(()), Some(())));
            }
            assert_eq!(
                (over.get(0, SIZE as usize), over.used()),
                (copied.get(0, SIZE as usize), copied.used())
            );
            assert_eq!((over == copied, below[..] == image[..]), (true, true), "{length}");
        }
    }

    #[test]
    fn nothing_lies_beyond_the_end() {
        let mut memory = Pages::new(SIZE, &vec![1; SIZE as usize + 9]);
        assert_eq!(memory.get(SIZE - 4, 4), Some(vec![1; 4]));
        for (at, length) in [(SIZE - 3, 4), (SIZE, 1), (u64::MAX, 2)] {
            assert_eq!((memory.get(at, length), memory.write(at, &vec![5; length])), (None, None));
        }
        assert_eq!(memory, Pages::new(SIZE, &vec![1; SIZE as usize]));
        assert_eq!(Pages::new(0, &[1]).parts().count(), 0);
    }

    #[test]
    fn copies_part_when_one_is_written_and_zeros_are_zeros() {
        let mut memory = Pages::new(SIZE, &[1]);
        let before = memory.clone();
        memory.write(SIZE - 1, &[0]).unwrap();
        assert_eq!((memory == before, memory.used()), (true, vec![1]));
        memory.write(2 * PAGE as u64, &[3, 0, 4]).unwrap();
        let first = Some((2 * PAGE as u64, 3, 0));
        assert_eq!(memory.difference(&before), Difference { bytes: 2, first });
        assert_eq!(before.parts().filter(|p| p.1.is_some()).count(), 1);
        assert_eq!(memory.parts().map(|p| p.0).sum::<u64>(), SIZE);
    }

    #[test]
    fn a_memory_of_all_addresses_costs_what_is_touched() {
        let mut memory = Pages::new(1 << 32, &[]);
        memory.write((1 << 32) - 2, &[5, 6]).unwrap();
        assert_eq!(memory.parts().filter(|p| p.1.is_some()).count(), 1);
        assert_eq!(memory.word(u32::MAX - 3), Some([0, 0, 5, 6]));
    }
}
