//! Row-major slices as faer matrices, and the products of a symmetric or triangular result by panels.

use faer::linalg::matmul::matmul;
use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

use crate::scalar::Scalar;

/// Rows of one panel of a triangular product: large enough for the full rate of a product, small enough that little of
/// the half that nobody reads is computed.
const PANEL: usize = 64;

/// A row-major m x d view with `stride` entries from row to row.
#[inline]
pub(crate) fn rows<T: Scalar>(data: &[T], m: usize, d: usize, stride: usize) -> MatRef<'_, T> {
    MatRef::from_column_major_slice_with_stride(data, d, m, stride).transpose()
}

/// The same, to be written.
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

/// Lower half of `alpha a b'` into (or onto) the m x m `out`; entries above the diagonal, inside a panel, hold junk.
pub(crate) fn outer_lower<T: Scalar>(
    mut out: MatMut<'_, T>,
    accum: Accum,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    alpha: T,
) {
    let m = a.nrows();
    let mut start = 0;
    while start < m {
        let end = (start + PANEL).min(m);
        matmul(
            out.rb_mut().submatrix_mut(start, 0, end - start, end),
            accum,
            a.subrows(start, end - start),
            b.subrows(0, end).transpose(),
            alpha,
            Par::Seq,
        );
        start = end;
    }
}

/// `a b` for two lower triangular matrices with explicit zeros above the diagonal. The lower half of `out` is written,
/// and zeros above it as far as [`lower_transpose_times`] reads.
pub(crate) fn lower_times_lower<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let m = a.nrows();
    let mut row = 0;
    while row < m {
        let row_end = (row + PANEL).min(m);
        let mut col = 0;
        while col < row_end {
            let col_end = (col + 2 * PANEL).min(row_end);
            // Row i of a ends at i, column j of b starts at j: the sum runs from j to i.
            matmul(
                out.rb_mut().submatrix_mut(row, col, row_end - row, col_end - col),
                Accum::Replace,
                a.submatrix(row, col, row_end - row, row_end - col),
                b.submatrix(col, col, row_end - col, col_end - col),
                T::ONE,
                Par::Seq,
            );
            col = col_end;
        }
        let width = row_end.next_multiple_of(2 * PANEL).min(m) - row_end;
        out.rb_mut().submatrix_mut(row, row_end, row_end - row, width).fill(T::ZERO);
        row = row_end;
    }
}

/// `a b` for a lower triangular `a` with explicit zeros above the diagonal and any `b` (m x d).
pub(crate) fn lower_times<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let (m, d) = (a.nrows(), b.ncols());
    let mut row = 0;
    while row < m {
        let end = (row + PANEL).min(m);
        matmul(
            out.rb_mut().submatrix_mut(row, 0, end - row, d),
            Accum::Replace,
            a.submatrix(row, 0, end - row, end),
            b.subrows(0, end),
            T::ONE,
            Par::Seq,
        );
        row = end;
    }
}

/// `a' b` for a lower triangular `a` with explicit zeros above the diagonal. `lower` says that `b` (m x m) is lower
/// triangular too, and that the zeros of its upper half are to be skipped.
pub(crate) fn lower_transpose_times<T: Scalar>(
    mut out: MatMut<'_, T>,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    lower: bool,
) {
    let (m, d) = (a.nrows(), b.ncols());
    let width = if lower { 2 * PANEL } else { d.max(1) };
    let mut row = 0;
    while row < m {
        let end = (row + PANEL).min(m);
        let mut col = 0;
        while col < d {
            let col_end = (col + width).min(d);
            // Row i of a' starts at i; column j of a lower triangular b starts at j.
            let from = if lower { row.max(col) } else { row };
            matmul(
                out.rb_mut().submatrix_mut(row, col, end - row, col_end - col),
                Accum::Replace,
                a.submatrix(from, row, m - from, end - row).transpose(),
                b.submatrix(from, col, m - from, col_end - col),
                T::ONE,
                Par::Seq,
            );
            col = col_end;
        }
        row = end;
    }
}
