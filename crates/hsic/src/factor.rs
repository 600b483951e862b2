//! Cholesky factors and their inverses.
//!
//! W = L^-1 of A = L L' for a symmetric positive definite A, by halves, so that all but the 32 x 32 blocks on the
//! diagonal is matrix products:
//!
//! A = [A11 .; A21 A22],  W11 = L11^-1,  L21 = A21 W11',  S = A22 - L21 L21',  W22 = chol(S)^-1,
//! W21 = -W22 L21 W11.
//!
//! A recursion through Schur complements of the *inverse* would need no factor, but loses everything at the condition
//! numbers met here (1e5); this one has the errors of Cholesky's.

use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut};

use crate::error::Error;
use crate::product::{lower_times, outer_lower, product, times_lower, times_lower_transpose};
use crate::scalar::{Scalar, vectorize};
use crate::view::rows_mut;

/// Order of the blocks that are eliminated entry by entry.
const BASE: usize = 32;

/// Entries of scratch that [`inverse_factor`] needs for order m.
pub(crate) fn inverse_factor_scratch(m: usize) -> usize {
    let mut total = 0;
    let mut n = m;
    while n > BASE {
        let half = split(n);
        total += half * half.max(n - half);
        n = half.max(n - half);
    }
    total
}

/// Writes W = L^-1, zeros above the diagonal included. The lower half of `a` is read and destroyed.
///
/// # Errors
/// `NotPositiveDefinite` with the index of the pivot that was not a finite number above `least`. Pivots of A + c I are c
/// at the least if A is positive semidefinite: one below c / 2 says that rounding has outgrown the ridge.
///
/// # Cost
/// 2/3 m^3 operations.
pub(crate) fn inverse_factor<T: Scalar>(
    a: MatMut<'_, T>,
    w: MatMut<'_, T>,
    least: T,
    scratch: &mut [T],
) -> Result<(), Error> {
    halve(a, w, (least, 0), scratch)
}

/// The first half's order: a multiple of the base where there is room.
fn split(n: usize) -> usize {
    (n / 2).next_multiple_of(BASE)
}

fn halve<T: Scalar>(
    mut a: MatMut<'_, T>,
    mut w: MatMut<'_, T>,
    (least, offset): (T, usize),
    scratch: &mut [T],
) -> Result<(), Error> {
    let n = a.nrows();
    if n <= BASE {
        return eliminate(a, w, least, offset, false);
    }
    let h = split(n);
    let (a11, _, mut a21, mut a22) = a.rb_mut().split_at_mut(h, h);
    let (mut w11, mut w12, mut w21, mut w22) = w.rb_mut().split_at_mut(h, h);
    w12.fill(T::ZERO);
    let (here, rest) = scratch.split_at_mut(h * h.max(n - h));
    halve(a11, w11.rb_mut(), (least, offset), rest)?;
    let mut l21 = rows_mut(here, n - h, h, h);
    times_lower_transpose(l21.rb_mut(), a21.rb(), w11.rb());
    outer_lower(a22.rb_mut(), Accum::Add, l21.rb(), l21.rb(), -T::ONE);
    times_lower(a21.rb_mut(), l21.rb(), w11.rb(), -T::ONE);
    halve(a22, w22.rb_mut(), (least, offset + h), rest)?;
    lower_times(w21.rb_mut(), w22.rb(), a21.rb());
    Ok(())
}

/// Entries of scratch that [`cholesky`] needs for order m.
pub(crate) fn cholesky_scratch(m: usize) -> usize {
    (m + BASE) * BASE
}

/// The lower half of `a` becomes L, A = L L'; above the diagonal, near it, lies junk.
///
/// Block column by block column: what the columns before it leave of this one, its diagonal block by elimination, the
/// rest times the inverse of that.
///
/// # Errors
/// `NotPositiveDefinite` with the index of the pivot that was not a positive finite number.
///
/// # Cost
/// 1/3 m^3 operations.
pub(crate) fn cholesky<T: Scalar>(mut a: MatMut<'_, T>, scratch: &mut [T]) -> Result<(), Error> {
    let m = a.nrows();
    let (inverse, column) = scratch.split_at_mut(BASE * BASE);
    for start in (0..m).step_by(BASE) {
        let end = (start + BASE).min(m);
        let width = end - start;
        let (left, right) = a.rb_mut().subrows_mut(start, m - start).split_at_col_mut(start);
        let (left, mut right) = (left.rb(), right.subcols_mut(0, width));
        product(right.rb_mut(), Accum::Add, left, left.subrows(0, width).transpose(), -T::ONE);
        let (diagonal, below) = right.split_at_row_mut(width);
        let mut inverse = rows_mut(inverse, width, width, BASE);
        eliminate(diagonal, inverse.rb_mut(), T::ZERO, start, true)?;
        let mut copy = rows_mut(column, m - end, width, BASE);
        copy.copy_from(below.rb());
        product(below, Accum::Replace, copy.rb(), inverse.rb().transpose(), T::ONE);
    }
    Ok(())
}

/// Gaussian elimination of [A | I] to [L' | L^-1], row by row. `keep` says that L is to be written to `a`, too.
fn eliminate<T: Scalar>(
    mut a: MatMut<'_, T>,
    mut w: MatMut<'_, T>,
    least: T,
    offset: usize,
    keep: bool,
) -> Result<(), Error> {
    let n = a.nrows();
    // The symmetric block is read as its upper half, so that a step works along rows.
    let mut left = [[T::ZERO; BASE]; BASE];
    let mut right = [[T::ZERO; BASE]; BASE];
    for i in 0..n {
        let row = a.rb().row(i);
        for (j, line) in left.iter_mut().enumerate().take(i + 1) {
            line[i] = row[j];
        }
        right[i][i] = T::ONE;
    }
    let failed = vectorize(
        #[inline(always)]
        || {
            for k in 0..n {
                let pivot = left[k][k];
                if !(pivot > least && pivot.is_finite()) {
                    return Some(k);
                }
                let scale = T::ONE / pivot.sqrt();
                for j in 0..BASE {
                    left[k][j] *= scale;
                    right[k][j] *= scale;
                }
                let (pivot_left, pivot_right) = (left[k], right[k]);
                for i in k + 1..n {
                    let factor = -pivot_left[i];
                    for j in 0..BASE {
                        left[i][j] = factor.mul_add(pivot_left[j], left[i][j]);
                        right[i][j] = factor.mul_add(pivot_right[j], right[i][j]);
                    }
                }
            }
            None
        },
    );
    if let Some(k) = failed {
        return Err(Error::NotPositiveDefinite { pivot: offset + k });
    }
    for i in 0..n {
        for j in 0..n {
            w[(i, j)] = if j <= i { right[i][j] } else { T::ZERO };
        }
        for j in (0..=i).filter(|_| keep) {
            a[(i, j)] = left[j][i];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::*;
    use crate::random::Stream;

    fn positive_definite(m: usize, ridge: f64) -> Mat<f64> {
        let mut stream = Stream::new(3, "factor", m as u64);
        let x = Mat::from_fn(m, m / 2 + 1, |_, _| stream.normal());
        let mut a = &x * x.transpose();
        for i in 0..m {
            a[(i, i)] += ridge;
        }
        a
    }

    #[test]
    fn the_factor_whitens_the_matrix() {
        for m in [1, 2, 31, 32, 33, 64, 65, 100, 127, 129, 200, 256, 300] {
            let ridge = 1e-2;
            let a = positive_definite(m, ridge);
            let mut copy = a.clone();
            let mut w = Mat::from_fn(m, m, |_, _| f64::NAN);
            let mut scratch = vec![f64::NAN; inverse_factor_scratch(m)];
            inverse_factor(copy.as_mut(), w.as_mut(), 0.0, &mut scratch).unwrap();
            let identity = &w * &a * w.transpose();
            for i in 0..m {
                for j in 0..m {
                    let expected = f64::from(i == j);
                    // Forward error of Cholesky: eps * condition (m^2 / ridge at the most) with room for m.
                    let tolerance = f64::EPSILON * (4 * m * m) as f64 / ridge;
                    assert!((identity[(i, j)] - expected).abs() < tolerance, "{m} {i} {j} {}", identity[(i, j)]);
                    assert!(j <= i || w[(i, j)] == 0.0);
                }
            }
        }
    }

    #[test]
    fn the_factor_times_its_transpose_is_the_matrix() {
        for m in [1, 2, 31, 32, 33, 64, 100, 256, 300] {
            let a = positive_definite(m, 1e-2);
            let mut l = a.clone();
            cholesky(l.as_mut(), &mut vec![f64::NAN; cholesky_scratch(m)]).unwrap();
            for i in 0..m {
                for j in 0..=i {
                    let product: f64 = (0..=j).map(|k| l[(i, k)] * l[(j, k)]).sum();
                    // Backward error of Cholesky: m eps times the largest entry (about m / 2).
                    assert!((product - a[(i, j)]).abs() < f64::EPSILON * (m * m) as f64, "{m} {i} {j}");
                }
            }
        }
        let mut a = positive_definite(70, 1.0);
        a[(50, 50)] = -1.0;
        let error = cholesky(a.as_mut(), &mut vec![0.0; cholesky_scratch(70)]).unwrap_err();
        assert_eq!(error, Error::NotPositiveDefinite { pivot: 50 });
    }

    #[test]
    fn an_indefinite_matrix_is_refused_with_its_pivot() {
        let mut a = positive_definite(70, 1.0);
        a[(50, 50)] = -1.0;
        let mut w = Mat::zeros(70, 70);
        let mut scratch = vec![0.0; inverse_factor_scratch(70)];
        let error = inverse_factor(a.as_mut(), w.as_mut(), 0.0, &mut scratch).unwrap_err();
        assert_eq!(error, Error::NotPositiveDefinite { pivot: 50 });
    }
}
