//! A batch cut into a fixed number of parts, all of which are in one process or some in each of several.
//!
//! Sums over a batch are formed a part each and added in the order of the parts. So their bits depend on the number of parts
//! and on nothing else: not on how many threads work on them, nor on how many processes have them.

use std::ops::Range;

use crate::scalar::Scalar;

/// Which parts of each batch a process has, and how what all of them come to reaches every process.
///
/// Processes that train together call these in the same order with the same sizes.
pub trait Parts<T>: Send {
    /// Parts that a batch is cut into, >= 1.
    fn count(&self) -> usize;

    /// The parts that this process has, some in a row.
    fn own(&self) -> Range<usize>;

    /// Fills in what other processes have: `all` are `rows` rows of one length, and a process has written those of its
    /// [own parts](own_rows).
    fn gather(&mut self, rows: usize, all: &mut [T]);

    /// Into `sum` the sum of the numbers of all parts, added in their order. `own` are those of this process's parts side by
    /// side, each as many as `sum` has; a part without rows has zeros.
    fn sum(&mut self, own: &[T], sum: &mut [T]);
}

/// Rows of a part of a batch of `rows` rows. Parts at the end have fewer, or none, where so many parts do not divide them.
#[must_use]
pub fn part_rows(rows: usize, count: usize) -> usize {
    rows.div_ceil(count)
}

/// The rows of a process's own parts, of a batch of so many.
#[must_use]
pub fn own_rows<T>(parts: &dyn Parts<T>, rows: usize) -> Range<usize> {
    let (own, each) = (parts.own(), part_rows(rows, parts.count()));
    (own.start * each).min(rows)..(own.end * each).min(rows)
}

/// The numbers of parts, side by side, added in their order.
pub fn add_in_order<T: Scalar>(parts: &[T], sum: &mut [T]) {
    if sum.is_empty() {
        return;
    }
    let mut parts = parts.chunks_exact(sum.len());
    match parts.next() {
        Some(first) => sum.copy_from_slice(first),
        None => sum.fill(T::ZERO),
    }
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, &own)| *sum += own);
    }
}

/// All parts are in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllHere(usize);

impl AllHere {
    /// So many parts.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn new(count: usize) -> Self {
        assert!(count >= 1, "a batch has at least one part");
        Self(count)
    }
}

impl<T: Scalar> Parts<T> for AllHere {
    fn count(&self) -> usize {
        self.0
    }

    fn own(&self) -> Range<usize> {
        0..self.0
    }

    fn gather(&mut self, _rows: usize, _all: &mut [T]) {}

    fn sum(&mut self, own: &[T], sum: &mut [T]) {
        add_in_order(own, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of one of several processes, for sizes alone.
    struct Some(usize, Range<usize>);

    impl Parts<f64> for Some {
        fn count(&self) -> usize {
            self.0
        }

        fn own(&self) -> Range<usize> {
            self.1.clone()
        }

        fn gather(&mut self, _rows: usize, _all: &mut [f64]) {}

        fn sum(&mut self, _own: &[f64], _sum: &mut [f64]) {}
    }

    #[test]
    fn parts_cover_the_rows_and_may_be_empty_at_the_end() {
        let rows_of = |rows, own| own_rows(&Some(8, own), rows);
        assert_eq!([rows_of(256, 0..4), rows_of(256, 4..8)], [0..128, 128..256]);
        // Parts of 2 rows: four of them, one of 1 row, three without any.
        assert_eq!([rows_of(9, 0..3), rows_of(9, 3..5), rows_of(9, 5..8)], [0..6, 6..9, 9..9]);
        assert_eq!([rows_of(1, 0..1), rows_of(1, 1..8)], [0..1, 1..1]);
    }

    #[test]
    fn numbers_are_added_in_the_order_of_parts() {
        let mut sum = [0.0f32; 2];
        // 1e8 + 1 is 1e8 in single precision, so that every other order of the first column ends elsewhere.
        AllHere::new(3).sum(&[1e8, 1.0, 1.0, 2.0, -1e8, 4.0], &mut sum);
        assert_eq!(sum, [0.0, 7.0]);
        AllHere::new(3).sum(&[1e8, 1.0, -1e8, 2.0, 1.0, 4.0], &mut sum);
        assert_eq!(sum, [1.0, 7.0]);
    }
}
