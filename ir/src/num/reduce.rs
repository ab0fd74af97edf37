//! Reductions: numbers of a whole vector. The order of its elements counts for none of them but equals in [`top_k`].

use super::basic::{rshr, sat32};

fn total(x: &[i32]) -> i64 {
    x.iter().map(|&x| i64::from(x)).sum()
}

/// Mean, rounded half up; 0 of nothing.
pub fn mean(x: &[i32]) -> i64 {
    let count = x.len() as i64;
    (total(x) + count / 2).div_euclid(count.max(1))
}

/// `sum / 2^shift`, rounded half up and saturated.
pub fn sum(x: &[i32], shift: i32) -> i32 {
    sat32(rshr(total(x), shift))
}

/// The `k` largest elements and their places, the largest first, of equal ones the first; all, if there are fewer.
pub fn top_k(x: &[i32], k: usize) -> Vec<(i32, u32)> {
    let mut ranked: Vec<(i32, u32)> = x.iter().copied().zip(0..).collect();
    ranked.sort_by_key(|&(x, place)| (std::cmp::Reverse(x), place));
    ranked.truncate(k);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_round_half_up() {
        assert_eq!([&[1, 2][..], &[-1, -2], &[1, 1, 2], &[-1, -1, -2], &[]].map(mean), [2, -1, 1, -1, 0]);
        assert_eq!([&[i32::MIN; 3], &[i32::MAX; 3]].map(|x| mean(x)), [i32::MIN, i32::MAX].map(i64::from));
    }

    #[test]
    fn sums_are_exact_before_their_one_rounding() {
        assert_eq!([sum(&[i32::MAX; 4], 2), sum(&[i32::MAX; 4], 1), sum(&[], 3)], [i32::MAX, i32::MAX, 0]);
        assert_eq!([sum(&[1, 2], 1), sum(&[-1, -2], 1), sum(&[1, 2], -4)], [2, -1, 48]);
        assert_eq!(sum(&[i32::MIN; 4], 1), i32::MIN);
    }

    #[test]
    fn the_first_of_equal_elements_ranks_higher() {
        let x = [3, i32::MIN, 9, 3, 9, i32::MIN];
        assert_eq!(top_k(&x, 4), [(9, 2), (9, 4), (3, 0), (3, 3)]);
        assert_eq!(top_k(&x, 9)[4..], [(i32::MIN, 1), (i32::MIN, 5)]);
    }
}
