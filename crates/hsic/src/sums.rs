//! Sums in a fixed order, and rows of matrices as slices in memory that is used again.
//!
//! A sum runs in N chains, whatever the width of the vectors: chain k takes the terms k, k + N, k + 2N, ... N, the precision
//! and the order in which chains and what is left of the terms are joined are bits of the result, so each sum names its own.

use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};

use crate::scalar::{Scalar, vectorize};

/// Euclidean norm, summed in double precision.
#[must_use]
pub fn norm<T: Scalar>(values: &[T]) -> f64 {
    dot(values, values).sqrt()
}

/// Sum of products, in double precision and in 32 chains.
#[must_use]
pub fn dot<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            let (sums, rest) = paired_chains::<32, _, _, _>(
                0.0,
                a,
                b,
                #[inline(always)]
                |sum: f64, a, b| a.to_f64().mul_add(b.to_f64(), sum),
            );
            sums.iter().sum::<f64>() + rest.map(|(a, b)| a.to_f64() * b.to_f64()).sum::<f64>()
        },
    )
}

/// Sum of `term`, which adds the one of two entries to the sum it is given, in 16 chains: what is left of the entries comes
/// first, then chain after chain.
#[inline(always)]
pub fn sum_pairs<T: Scalar>(a: &[T], b: &[T], term: impl Fn(T, T, T) -> T) -> T {
    let (sums, rest) = paired_chains::<16, _, _, _>(T::ZERO, a, b, &term);
    let rest = rest.fold(T::ZERO, |sum, (a, b)| term(sum, a, b));
    sums.into_iter().fold(rest, |total, sum| total + sum)
}

/// N chains that start at `start` and run on by `term` over `values`, and what is left of these.
#[inline(always)]
pub fn chains<const N: usize, S: Copy, A: Copy>(start: S, values: &[A], term: impl Fn(S, A) -> S) -> ([S; N], &[A]) {
    let (chunks, rest) = values.as_chunks::<N>();
    let mut chains = [start; N];
    for chunk in chunks {
        for (chain, &value) in chains.iter_mut().zip(chunk) {
            *chain = term(*chain, value);
        }
    }
    (chains, rest)
}

/// The same over the pairs of two slices.
#[inline(always)]
pub fn paired_chains<'v, const N: usize, S: Copy, A: Copy, B: Copy>(
    start: S,
    a: &'v [A],
    b: &'v [B],
    term: impl Fn(S, A, B) -> S,
) -> ([S; N], impl Iterator<Item = (A, B)> + 'v) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<N>(), b.as_chunks::<N>());
    let mut chains = [start; N];
    for (a, b) in a.iter().zip(b) {
        for ((chain, &a), &b) in chains.iter_mut().zip(a).zip(b) {
            *chain = term(*chain, a, b);
        }
    }
    (chains, a_rest.iter().copied().zip(b_rest.iter().copied()))
}

/// The first `len` entries of a buffer that grows to its largest use.
pub fn grown<T: Scalar>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::ZERO);
    }
    &mut buffer[..len]
}

/// The entries of `z`, row by row, in memory that is used again.
///
/// # Errors
/// `NotFinite` with the first entry that is no number.
pub fn rows_of<'b, T: Scalar>(z: MatRef<'_, T>, buffer: &'b mut Vec<T>) -> Result<&'b mut [T], crate::Error> {
    let columns = z.ncols();
    let rows = grown(buffer, z.nrows() * columns);
    match z.transpose().try_as_col_major() {
        Some(lines) => {
            for (index, row) in rows.chunks_exact_mut(columns).enumerate() {
                row.copy_from_slice(lines.col(index).as_slice());
            }
        }
        None => rows.iter_mut().enumerate().for_each(|(i, value)| *value = z[(i / columns, i % columns)]),
    }
    match rows.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(crate::Error::NotFinite { argument: "z", row: at / columns, col: at % columns }),
        None => Ok(rows),
    }
}

/// The way back: `rows` into `dz`.
pub fn write_rows<T: Scalar>(rows: &[T], mut dz: MatMut<'_, T>) {
    let columns = dz.ncols();
    match dz.rb_mut().transpose_mut().try_as_col_major_mut() {
        Some(mut lines) => {
            for (index, row) in rows.chunks_exact(columns).enumerate() {
                lines.rb_mut().col_mut(index).as_slice_mut().copy_from_slice(row);
            }
        }
        None => rows.iter().enumerate().for_each(|(i, &value)| dz[(i / columns, i % columns)] = value),
    }
}

/// Whether all rows are one and the same.
#[must_use]
pub fn rows_are_equal<T: Scalar>(rows: &[T], columns: usize) -> bool {
    rows.chunks_exact(columns).all(|row| row == &rows[..columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    /// Whole numbers, so that sums in any order are the same.
    fn numbers(len: usize) -> (Vec<f32>, Vec<f32>) {
        (0..len).map(|i| ((i % 7) as f32 - 3.0, (i % 5) as f32 - 1.0)).unzip()
    }

    #[test]
    fn sums_of_whole_numbers_are_exact_at_every_length() {
        // With and without whole chunks, and with what is left of them.
        for len in [0, 1, 15, 16, 31, 32, 33, 100] {
            let (a, b) = numbers(len);
            let expected: i64 = (0..len as i64).map(|i| (i % 7 - 3) * (i % 5 - 1)).sum();
            assert_eq!(dot(&a, &b), expected as f64, "{len}");
            assert_eq!(sum_pairs(&a, &b, |sum, a, b| sum + a * b), expected as f32, "{len}");
            let squares: i64 = (0..len as i64).map(|i| (i % 7 - 3) * (i % 7 - 3)).sum();
            assert_eq!(norm(&a), (squares as f64).sqrt(), "{len}");
        }
        assert_eq!(norm(&[3.0, -4.0]), 5.0);
    }

    #[test]
    fn rows_come_and_go_whatever_the_layout() {
        let columns = Mat::from_fn(3, 2, |i, j| (10 * i + j) as f64);
        let lines = Mat::from_fn(2, 3, |j, i| (10 * i + j) as f64);
        let expected = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
        let mut buffer = Vec::new();
        for z in [columns.as_ref(), lines.as_ref().transpose()] {
            assert_eq!(rows_of(z, &mut buffer).unwrap(), &expected);
        }
        let (mut columns, mut lines) = (Mat::zeros(3, 2), Mat::zeros(2, 3));
        write_rows(&expected, columns.as_mut());
        write_rows(&expected, lines.as_mut().transpose_mut());
        assert_eq!((columns[(2, 0)], columns[(1, 1)]), (20.0, 11.0));
        assert_eq!(lines, columns.transpose());
        columns[(2, 1)] = f64::NAN;
        let found = rows_of(columns.as_ref(), &mut buffer).unwrap_err();
        assert_eq!(found, crate::Error::NotFinite { argument: "z", row: 2, col: 1 });
    }

    #[test]
    fn rows_are_equal_in_all_entries_or_not() {
        assert!(rows_are_equal(&[1.0, 2.0, 1.0, 2.0], 2));
        assert!(!rows_are_equal(&[1.0, 2.0, 1.0, 3.0], 2));
    }
}
