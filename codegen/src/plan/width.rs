//! How the elements of a vector lie in rows of lanes.
//!
//! Elements come in blocks; each block fills whole rows, the rest of them is padding and always holds zero. So a
//! quantisation group is a whole number of rows, and the two halves of a head pair up row by row. Where weights are 2:4 pruned
//! and a step takes two rows, a group is a whole number of steps, and four columns that belong together lie in one.
//!
//! Slices of a machine share the rows of a vector: each has as many, one behind the other, and codes of all of them lie so
//! in the activations of every slice. Heads stay whole. What belongs to all heads alike is whole in every slice.

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
    /// Rows that hold the elements, of all slices.
    pub rows: u32,
    /// Rows that a slice has of them, the first slice the first ones.
    pub share: u32,
    /// Those with what the last output tile of the matrix engine fills beside them: rows of one token in a slice.
    pub stride: u32,
    pub(super) slices: u32,
    /// Neighbouring slices that have the same rows.
    pub(super) copies: u32,
}

/// Where an element lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The first slice that has it.
    pub slice: u32,
    pub row: u32,
    pub lane: u32,
}

impl Width {
    /// The layout of `elements` on a machine, in blocks of `block` which fill a multiple of `multiple` rows, 1 or 2; all of them
    /// in every slice.
    pub fn new(elements: u32, block: u32, multiple: u32, geometry: &Geometry) -> Width {
        let block = block.clamp(1, elements.max(1));
        let block_rows = block.div_ceil(geometry.l).next_multiple_of(multiple);
        let rows = elements.div_ceil(block) * block_rows;
        let stride = rows.next_multiple_of(whole(multiple, geometry));
        let (lanes, slices) = (geometry.l, geometry.slices);
        Width { elements, block, lanes, block_rows, rows, share: stride, stride, slices, copies: slices }
    }

    /// The same, shared by the slices.
    pub fn shared(elements: u32, block: u32, multiple: u32, geometry: &Geometry) -> Width {
        let all = Width::new(elements, block, multiple, geometry);
        let share = all.rows.div_ceil(geometry.slices).next_multiple_of(whole(multiple, geometry));
        Width { share, stride: share, copies: 1, ..all }
    }

    /// Heads of this layout one behind the other, `share` of them in a slice and the same in `copies` neighbours.
    pub fn heads(
        &self,
        heads: u32,
        (share, copies): (u32, u32),
        multiple: u32,
        geometry: &Geometry,
    ) -> Width {
        let (rows, share) = (heads * self.rows, share * self.rows);
        let stride = share.next_multiple_of(whole(multiple, geometry));
        Width { elements: heads * self.elements, rows, share, stride, copies, ..*self }
    }

    /// Rows of the shares of all slices, one behind the other.
    pub fn gathered(&self) -> u32 {
        self.share * self.slices.div_ceil(self.copies)
    }

    /// Whether nothing of the rows is padding.
    pub fn is_full(&self) -> bool {
        self.gathered() * self.lanes == self.elements
    }

    /// Where an element lies.
    pub fn place(&self, element: u32) -> Place {
        let place = element / self.block * self.block_rows * self.lanes + element % self.block;
        let (row, lane) = (place / self.lanes, place % self.lanes);
        Place { slice: row / self.share * self.copies, row: row % self.share, lane }
    }

    /// The element that a slice has at a place of its rows, row times lanes plus lane; `None` for padding.
    pub fn of_slice(&self, slice: u32, place: u32) -> Option<u32> {
        let share = self.share * self.lanes;
        if place < share { self.element(slice / self.copies * share + place) } else { None }
    }

    /// The elements of a slice with their rows and lanes, in order.
    pub fn in_slice(&self, slice: u32) -> impl Iterator<Item = (u32, u32, u32)> + use<'_> {
        let places = (0..self.share * self.lanes).filter_map(move |p| Some((self.of_slice(slice, p)?, p)));
        places.map(|(element, place)| (element, place / self.lanes, place % self.lanes))
    }

    /// The element at a place of the rows of all slices, `None` for padding.
    pub fn element(&self, place: u32) -> Option<u32> {
        let padded = self.block_rows * self.lanes;
        let (block, at) = (place / padded, place % padded);
        let element = block * self.block + at;
        (at < self.block && element < self.elements).then_some(element)
    }
}

/// Rows that a stride is a multiple of: output tiles, and `multiple` rows.
fn whole(multiple: u32, geometry: &Geometry) -> u32 {
    let per_tile = geometry.n / geometry.l;
    if per_tile % multiple == 0 { per_tile } else { per_tile * multiple }
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

    fn sliced(name: &str, count: u32) -> Geometry {
        let mut machine = hw::presets::load(name).unwrap();
        machine.slices.count = count;
        Geometry::of(&machine)
    }

    #[test]
    fn places_are_one_to_one_on_every_machine() {
        for (name, _) in hw::presets::PRESETS {
            for (elements, block, multiple) in [(128, 32, 1), (96, 16, 2), (7, 7, 1), (64, 24, 2), (1, 1, 1)]
            {
                for slices in [1, 2, 3, 8] {
                    let g = sliced(name, slices);
                    let w = Width::shared(elements, block, multiple, &g);
                    assert_eq!((w.block_rows % multiple, w.stride % multiple), (0, 0), "{name}");
                    let all: Vec<_> = (0..slices).flat_map(|s| w.in_slice(s).map(move |i| (s, i))).collect();
                    let places: Vec<_> = (0..elements)
                        .map(|e| (w.place(e), e))
                        .map(|(p, e)| (p.slice, (e, p.row, p.lane)))
                        .collect();
                    assert_eq!(all, places, "{name}, {slices} slices");
                    assert!(w.rows <= w.gathered() && w.share <= w.stride);
                }
            }
        }
    }

    /// Six heads of q and three of k on four slices: two heads in each, of one head of k; none in the last.
    #[test]
    fn heads_stay_whole() {
        let g = sliced("tiny", 4);
        let head = Width::new(8, 4, 1, &g);
        let (q, kv) = (head.heads(6, (2, 1), 1, &g), head.heads(3, (1, 1), 1, &g));
        let heads = |w: &Width| -> Vec<Vec<u32>> {
            let of = |slice| w.in_slice(slice).map(|(e, ..)| e / 8).step_by(8).collect();
            (0..4).map(of).collect()
        };
        assert_eq!(heads(&q), [vec![0, 1], vec![2, 3], vec![4, 5], vec![]]);
        assert_eq!(heads(&kv), [vec![0], vec![1], vec![2], vec![]]);
        let both = head.heads(2, (1, 2), 1, &g);
        assert_eq!(heads(&both), [[0], [0], [1], [1]]);
        assert_eq!(both.place(8), Place { slice: 2, row: 0, lane: 0 });
        // A head by itself is in all of them.
        assert!((0..4).all(|slice| head.in_slice(slice).count() == 8));
    }

    #[test]
    fn head_blocks_divide_both() {
        assert_eq!(
            [head_block(32, 32), head_block(32, 128), head_block(32, 96), head_block(32, 6)],
            [16, 32, 16, 1]
        );
    }
}
