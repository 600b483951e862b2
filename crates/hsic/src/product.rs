//! Products on one thread, and those whose result is symmetric or triangular by panels.
//!
//! The same bits on every processor: faer sums each entry of a product in an order that the width of the vectors does
//! not touch, but for results of a single row or column, which are done here.

use faer::linalg::matmul::matmul;
use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

use crate::scalar::{Scalar, vectorize};
use crate::sums::sum_pairs;

/// Rows of one panel of a triangular product: large enough for the full rate of a product, small enough that little of
/// the half that nobody reads is computed.
const PANEL: usize = 32;

/// `alpha lhs rhs` into (or onto) `out`.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Cost
/// 2 m n k operations; no allocation.
pub fn product<T: Scalar>(out: MatMut<'_, T>, accum: Accum, lhs: MatRef<'_, T>, rhs: MatRef<'_, T>, alpha: T) {
    assert_eq!((out.nrows(), out.ncols()), (lhs.nrows(), rhs.ncols()), "the result has the shape of the product");
    assert_eq!(lhs.ncols(), rhs.nrows(), "as many columns on the left as rows on the right");
    if out.ncols() == 1 {
        times_column(out, accum, lhs, rhs, alpha);
    } else if out.nrows() == 1 {
        times_column(out.transpose_mut(), accum, rhs.transpose(), lhs.transpose(), alpha);
    } else {
        matmul(out, accum, lhs, rhs, alpha, Par::Seq);
    }
}

/// [`product`] with a single column: each entry a dot product, summed in 16 chains where both vectors are contiguous.
fn times_column<T: Scalar>(mut out: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T) {
    let (m, k) = (a.nrows(), a.ncols());
    let contiguous = a.transpose().try_as_col_major().zip(b.try_as_col_major());
    vectorize(
        #[inline(always)]
        || {
            for i in 0..m {
                let sum = match contiguous {
                    Some((a, b)) => dot(a.col(i).as_slice(), b.col(0).as_slice()),
                    None => {
                        let mut sum = T::ZERO;
                        for j in 0..k {
                            sum = a[(i, j)].mul_add(b[(j, 0)], sum);
                        }
                        sum
                    }
                };
                let before = if accum == Accum::Add { out[(i, 0)] } else { T::ZERO };
                out[(i, 0)] = sum.mul_add(alpha, before);
            }
        },
    );
}

#[inline(always)]
fn dot<T: Scalar>(a: &[T], b: &[T]) -> T {
    sum_pairs(
        a,
        b,
        #[inline(always)]
        |sum, a, b| a.mul_add(b, sum),
    )
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
        product(
            out.rb_mut().submatrix_mut(start, 0, end - start, end),
            accum,
            a.subrows(start, end - start),
            b.subrows(0, end).transpose(),
            alpha,
        );
        start = end;
    }
}

/// `a b` for two lower triangular matrices with explicit zeros above the diagonal. The lower half of `out` is written,
/// with zeros above it inside the panels, as [`lower_transpose_times_lower`] reads it.
pub(crate) fn lower_times_lower<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let m = a.nrows();
    let mut row = 0;
    while row < m {
        let row_end = (row + PANEL).min(m);
        let mut col = 0;
        while col < row_end {
            let col_end = (col + PANEL).min(row_end);
            // Row i of a ends at i, column j of b starts at j: the sum runs from j to i.
            product(
                out.rb_mut().submatrix_mut(row, col, row_end - row, col_end - col),
                Accum::Replace,
                a.submatrix(row, col, row_end - row, row_end - col),
                b.submatrix(col, col, row_end - col, col_end - col),
                T::ONE,
            );
            col = col_end;
        }
        row = row_end;
    }
}

/// `a b` for a lower triangular `a` with explicit zeros above the diagonal and any `b` (m x d).
pub(crate) fn lower_times<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let (m, d) = (a.nrows(), b.ncols());
    let mut row = 0;
    while row < m {
        let end = (row + PANEL).min(m);
        product(
            out.rb_mut().submatrix_mut(row, 0, end - row, d),
            Accum::Replace,
            a.submatrix(row, 0, end - row, end),
            b.subrows(0, end),
            T::ONE,
        );
        row = end;
    }
}

/// `a b'` for any `a` (n x m) and a lower triangular `b` with explicit zeros above the diagonal.
pub(crate) fn times_lower_transpose<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let m = b.nrows();
    for col in (0..m).step_by(PANEL) {
        let end = (col + PANEL).min(m);
        product(
            out.rb_mut().subcols_mut(col, end - col),
            Accum::Replace,
            a.subcols(0, end),
            b.submatrix(col, 0, end - col, end).transpose(),
            T::ONE,
        );
    }
}

/// `alpha a b` for any `a` (n x m) and a lower triangular `b` with explicit zeros above the diagonal.
pub(crate) fn times_lower<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T) {
    let m = b.nrows();
    for col in (0..m).step_by(PANEL) {
        let end = (col + PANEL).min(m);
        product(
            out.rb_mut().subcols_mut(col, end - col),
            Accum::Replace,
            a.subcols(col, m - col),
            b.submatrix(col, col, m - col, end - col),
            alpha,
        );
    }
}

/// `a' b` for two lower triangular matrices with explicit zeros above the diagonal; all of `out` (m x m) is written.
pub(crate) fn lower_transpose_times_lower<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let m = a.nrows();
    for row in (0..m).step_by(PANEL) {
        let end = (row + PANEL).min(m);
        for col in (0..m).step_by(PANEL) {
            let col_end = (col + PANEL).min(m);
            // Row i of a' starts at i, column j of b at j.
            let from = row.max(col);
            product(
                out.rb_mut().submatrix_mut(row, col, end - row, col_end - col),
                Accum::Replace,
                a.submatrix(from, row, m - from, end - row).transpose(),
                b.submatrix(from, col, m - from, col_end - col),
                T::ONE,
            );
        }
    }
}

/// `a' b` for a lower triangular `a` with explicit zeros above the diagonal and any `b` (m x d).
pub(crate) fn lower_transpose_times<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let m = a.nrows();
    for row in (0..m).step_by(PANEL) {
        let end = (row + PANEL).min(m);
        product(
            out.rb_mut().subrows_mut(row, end - row),
            Accum::Replace,
            a.submatrix(row, row, m - row, end - row).transpose(),
            b.subrows(row, m - row),
            T::ONE,
        );
    }
}

/// `a' b` for any `a` (m x d) and a lower triangular `b` with explicit zeros above the diagonal.
pub(crate) fn transpose_times_lower<T: Scalar>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let m = a.nrows();
    for col in (0..m).step_by(PANEL) {
        let end = (col + PANEL).min(m);
        product(
            out.rb_mut().subcols_mut(col, end - col),
            Accum::Replace,
            a.subrows(col, m - col).transpose(),
            b.submatrix(col, col, m - col, end - col),
            T::ONE,
        );
    }
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::*;
    use crate::random::Stream;

    #[test]
    fn single_rows_and_columns_are_the_products_of_the_definition() {
        let mut stream = Stream::new(8, "product", 0);
        for (m, k, n) in [(1, 1, 1), (1, 40, 1), (5, 40, 1), (1, 37, 6), (16, 16, 1), (1, 0, 3)] {
            let mut normal = |rows, columns| Mat::from_fn(rows, columns, |_, _| stream.normal());
            let (a, b, start) = (normal(m, k), normal(k, n), normal(m, n));
            // Contiguous rows on the left as well as contiguous columns.
            let by_rows = a.transpose().to_owned();
            for a in [a.as_ref(), by_rows.transpose()] {
                for (accum, keep) in [(Accum::Replace, 0.0), (Accum::Add, 1.0)] {
                    let mut out = start.clone();
                    product(out.as_mut(), accum, a, b.as_ref(), 0.5);
                    for i in 0..m {
                        for j in 0..n {
                            let sum: f64 = (0..k).map(|l| a[(i, l)] * b[(l, j)]).sum();
                            // 40 terms of size 1: rounding below 40 * 40 * 1e-16.
                            let expected = keep * start[(i, j)] + 0.5 * sum;
                            assert!((out[(i, j)] - expected).abs() < 1e-12, "{m} {k} {n} {i} {j}");
                        }
                    }
                }
            }
        }
    }
    #[test]
    fn products_with_a_triangle_are_those_of_the_definition() {
        let mut stream = Stream::new(9, "triangle", 0);
        // One panel, panels that end with the matrix and that do not.
        for m in [1, 5, 32, 33, 64, 90] {
            let n = m / 2 + 1;
            let mut normal = |rows, columns| Mat::from_fn(rows, columns, |_, _| stream.normal());
            let (a, b) = (normal(n, m), normal(m, n));
            let lower = Mat::from_fn(m, m, |i, j| if j <= i { a[(i % n, j)] + 1.0 } else { 0.0 });
            let of = |f: &dyn Fn(MatMut<'_, f64>), rows, columns| {
                let mut out = Mat::from_fn(rows, columns, |_, _| f64::NAN);
                f(out.as_mut());
                out
            };
            let (l, a, b) = (lower.as_ref(), a.as_ref(), b.as_ref());
            let pairs = [
                (of(&|out| times_lower_transpose(out, a, l), n, m), a * l.transpose()),
                (of(&|out| times_lower(out, a, l, -0.5), n, m), a * l * faer::Scale(-0.5)),
                (of(&|out| lower_times(out, l, b), m, n), l * b),
                (of(&|out| lower_transpose_times(out, l, b), m, n), l.transpose() * b),
                (of(&|out| transpose_times_lower(out, b, l), n, m), b.transpose() * l),
                (of(&|out| lower_transpose_times_lower(out, l, l), m, m), l.transpose() * l),
            ];
            for (index, (found, expected)) in pairs.iter().enumerate() {
                // Sums of 90 products of size 1 to 5: rounding below 90 * 90 * 25 * 1e-16.
                let difference = (found - expected).norm_max();
                assert!(difference < 1e-10, "{m}: product {index} differs by {difference}");
            }
        }
    }
}
