//! How the elements of a vector lie in rows of lanes.
//!
//! Elements come in blocks; each block fills whole rows, the rest of them is padding and always holds zero. So a
//! quantisation group is a whole number of rows, and the two halves of a head pair up row by row. Where weights are 2:4 pruned
//! and a step takes two rows, a group is a whole number of steps, and four columns that belong together lie in one.

use hw::Geometry;

/// A vector of elements in rows of `lanes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    pub elements: u32,
    /// Elements that lie without a gap.
    pub block: u32,
    pub lanes: u32,
    /// Rows of a block.
    pub block_rows: u32,
    /// Rows that hold the elements.
    pub rows: u32,
    /// Rows with those that the last output tile of the matrix engine fills beside them: rows of one token.
    pub stride: u32,
}

impl Width {
    /// The layout of `elements` on a machine, in blocks of `block` which fill a multiple of `multiple` rows, 1 or 2.
    pub fn new(elements: u32, block: u32, multiple: u32, geometry: &Geometry) -> Width {
        let block = block.clamp(1, elements.max(1));
        let block_rows = block.div_ceil(geometry.l).next_multiple_of(multiple);
        let rows = elements.div_ceil(block) * block_rows;
        let per_tile = geometry.n / geometry.l;
        let whole = if per_tile % multiple == 0 { per_tile } else { per_tile * multiple };
        Width { elements, block, lanes: geometry.l, block_rows, rows, stride: rows.next_multiple_of(whole) }
    }

    /// Place of an element: row times lanes plus lane.
    pub fn place(&self, element: u32) -> u32 {
        element / self.block * self.block_rows * self.lanes + element % self.block
    }

    /// The element at a place, `None` for padding.
    pub fn element(&self, place: u32) -> Option<u32> {
        let padded = self.block_rows * self.lanes;
        let (block, at) = (place / padded, place % padded);
        let element = block * self.block + at;
        (at < self.block && element < self.elements).then_some(element)
    }
}

/// Largest block that both a group and half a head are whole numbers of.
pub fn head_block(group: u32, head_dim: u32) -> u32 {
    let (mut a, mut b) = (group, head_dim / 2);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_one_to_one_on_every_machine() {
        for (name, _) in hw::presets::PRESETS {
            let g = Geometry::of(&hw::presets::load(name).unwrap());
            for (elements, block, multiple) in [(128, 32, 1), (96, 16, 2), (7, 7, 1), (64, 24, 2), (1, 1, 1)]
            {
                let w = Width::new(elements, block, multiple, &g);
                assert_eq!((w.block_rows % multiple, w.stride % multiple), (0, 0), "{name}");
                let back: Vec<_> = (0..w.stride * g.l).filter_map(|p| w.element(p)).collect();
                assert_eq!(back, (0..elements).collect::<Vec<_>>(), "{name}");
                assert!((0..elements).all(|e| w.element(w.place(e)) == Some(e)), "{name}");
            }
        }
    }

    #[test]
    fn head_blocks_divide_both() {
        assert_eq!(
            [head_block(32, 32), head_block(32, 128), head_block(32, 96), head_block(32, 6)],
            [16, 32, 16, 1]
        );
    }
}
