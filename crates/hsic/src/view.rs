//! Row-major slices as faer matrices.

use faer::{MatMut, MatRef};

use crate::scalar::Scalar;

/// A row-major m x d view with `stride` entries from row to row.
#[inline]
pub(crate) fn rows<T: Scalar>(data: &[T], m: usize, d: usize, stride: usize) -> MatRef<'_, T> {
    MatRef::from_column_major_slice_with_stride(data, d, m, stride).transpose()
}

/// Rows of a slice as a matrix, to be written.
#[inline]
pub(crate) fn rows_mut<T: Scalar>(data: &mut [T], m: usize, d: usize, stride: usize) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_with_stride_mut(data, d, m, stride).transpose_mut()
}

/// Distance between the rows of an m x m scratch matrix: whole vectors, and no power of two, so that a column does not
/// fall into a few sets of the cache.
#[inline]
pub(crate) fn stride(m: usize) -> usize {
    m.next_multiple_of(16) + 16
}
