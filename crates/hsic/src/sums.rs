//! Sums in double precision and in a fixed order, and rows of matrices as slices in memory that is used again.

use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};

use crate::scalar::{Scalar, vectorize};

/// Euclidean norm, summed in double precision.
#[must_use]
pub fn norm<T: Scalar>(values: &[T]) -> f64 {
    dot(values, values).sqrt()
}

/// Sum of products, in double precision and in 32 chains, whatever the width of the vectors.
#[must_use]
pub fn dot<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    let mut sums = [0.0f64; 32];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<32>(), b.as_chunks::<32>());
    vectorize(
        #[inline(always)]
        || {
            for (a, b) in a.iter().zip(b) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum = a.to_f64().mul_add(b.to_f64(), *sum);
                }
            }
        },
    );
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a.to_f64() * b.to_f64());
    sums.iter().sum::<f64>() + rest.sum::<f64>()
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

pub(crate) fn grow<T: Scalar>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::ZERO);
    }
}
