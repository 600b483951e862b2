//! Distances between the rows of a table, without overflow, underflow or cancellation.
//!
//! Rows are scaled by a power of two, which is exact, so that squares stay in range for entries from 1e-30 to 1e30
//! and beyond. Few columns: differences are taken directly. Many columns: |a|^2 + |b|^2 - 2 a.b of rows less the column
//! means, through a matrix product of the lower half only; where that cancels, the pair is computed again by
//! differences, so equal rows are at distance 0 exactly and near ones keep their digits.

use crate::product::product;
use faer::reborrow::Reborrow;
use faer::{Accum, MatMut, MatRef};
use rayon::prelude::*;

use crate::scalar::{Scalar, vectorize};
use crate::sums::sum_pairs;

/// Columns of the result that one task computes. Fixed, so that the bits do not depend on the number of threads.
pub(crate) const PANEL: usize = 128;
/// Up to this many columns, differences cost no more than a product.
const NARROW: usize = 8;
/// A squared distance below this fraction of |a|^2 + |b|^2 has lost more than 5 bits and is computed again.
const CANCELLED: f64 = 1.0 / 32.0;
/// Side of the tiles in which the lower half is copied to the upper half: two tiles fit the first-level cache.
const TILE: usize = 32;
/// Blocks below this side are not worth another thread.
const FORK: usize = 512;

/// What is summed over the columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Metric {
    /// (a - b)^2
    Squared,
    /// |a - b|
    Absolute,
}

/// Reused memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace<T> {
    /// The rows, scaled.
    points: Vec<T>,
    /// The rows less the column means, scaled by the same power; columns of a d x m matrix.
    centered: Vec<T>,
    /// Squared lengths of `centered`.
    squares: Vec<T>,
    /// Means of the columns.
    means: Vec<f64>,
}

/// Writes the distances between the rows of `x` (m x d, finite) into the lower half, with the diagonal, of `out`
/// (m x m, column-major); the upper half is left undefined.
///
/// Returns e: true distances are 2^(2e) times what is written for squares, 2^e times for absolute differences.
pub(crate) fn distances<T: Scalar>(
    out: &mut [T],
    x: MatRef<'_, T>,
    metric: Metric,
    workspace: &mut Workspace<T>,
) -> i32 {
    let (m, d) = (x.nrows(), x.ncols());
    if d <= NARROW {
        let exponent = exponent(largest(x));
        workspace.points.clear();
        for k in 0..d {
            workspace.points.extend((0..m).map(|i| T::of(scale(x[(i, k)].to_f64(), -exponent))));
        }
        let points = &workspace.points[..];
        panels(out, m, |first, panel| narrow(panel, first, m, points, metric));
        return exponent;
    }
    let exponent = center_and_scale(x, workspace);
    workspace.points.clear();
    for i in 0..m {
        workspace.points.extend((0..d).map(|k| T::of(scale(x[(i, k)].to_f64(), -exponent))));
    }
    let points = &workspace.points[..];
    if metric == Metric::Absolute {
        panels(out, m, |first, panel| wide(panel, first, m, d, points));
        return exponent;
    }
    workspace.squares.clear();
    workspace.squares.extend(workspace.centered.chunks_exact(d).map(|row| T::of(sum_squares(row))));
    let (centered, squares) = (&workspace.centered[..], &workspace.squares[..]);
    panels(out, m, |first, panel| {
        products(panel, first, m, d, centered);
        from_product(panel, first, m, d, squares, points);
    });
    exponent
}

/// Writes the products of the rows of `x` less the column means into the lower half of `out`; the true ones are
/// 2^(2e) times as large, with the e returned.
pub(crate) fn centered_products<T: Scalar>(out: &mut [T], x: MatRef<'_, T>, workspace: &mut Workspace<T>) -> i32 {
    let exponent = center_and_scale(x, workspace);
    let (m, d, centered) = (x.nrows(), x.ncols(), &workspace.centered[..]);
    panels(out, m, |first, panel| products(panel, first, m, d, centered));
    exponent
}

/// Writes the cosines between the rows of `x` into the lower half of `out`: 0 for rows of zeros, 1 on the diagonal of
/// others.
pub(crate) fn cosines<T: Scalar>(out: &mut [T], x: MatRef<'_, T>, workspace: &mut Workspace<T>) {
    let (m, d) = (x.nrows(), x.ncols());
    workspace.centered.clear();
    for i in 0..m {
        let row = || (0..d).map(|k| x[(i, k)].to_f64());
        let exponent = exponent(row().fold(0.0, |largest, v| v.abs().max(largest)));
        let norm = row().map(|v| scale(v, -exponent).powi(2)).sum::<f64>().sqrt();
        // A row of zeros stays one.
        let divisor = if norm > 0.0 { norm } else { 1.0 };
        workspace.centered.extend(row().map(|v| T::of(scale(v, -exponent) / divisor)));
    }
    let units = &workspace.centered[..];
    panels(out, m, |first, panel| {
        products(panel, first, m, d, units);
        for (offset, column) in panel.chunks_exact_mut(m).enumerate() {
            let diagonal = &mut column[first + offset];
            *diagonal = if *diagonal > T::ZERO { T::ONE } else { T::ZERO };
        }
    });
}

/// Copies the lower half of a square matrix to the upper half.
pub(crate) fn mirror<T: Scalar>(matrix: MatMut<'_, T>) {
    let m = matrix.nrows();
    let mut matrix = matrix;
    if m <= TILE {
        for j in 0..m {
            for i in j + 1..m {
                matrix[(j, i)] = matrix[(i, j)];
            }
        }
        return;
    }
    let half = (m / 2).next_multiple_of(TILE);
    let (first, upper, lower, last) = matrix.split_at_mut(half, half);
    let copy = || transpose(upper, lower.rb());
    if m < FORK {
        copy();
        mirror(first);
        mirror(last);
    } else {
        rayon::join(copy, || rayon::join(|| mirror(first), || mirror(last)));
    }
}

/// Writes the transpose of `source`.
fn transpose<T: Scalar>(target: MatMut<'_, T>, source: MatRef<'_, T>) {
    let (rows, cols) = (target.nrows(), target.ncols());
    let mut target = target;
    if rows.max(cols) <= TILE {
        for j in 0..cols {
            for i in 0..rows {
                target[(i, j)] = source[(j, i)];
            }
        }
        return;
    }
    let (one, two) = if rows >= cols {
        let half = (rows / 2).next_multiple_of(TILE);
        let (top, bottom) = target.split_at_row_mut(half);
        let (left, right) = source.split_at_col(half);
        ((top, left), (bottom, right))
    } else {
        let half = (cols / 2).next_multiple_of(TILE);
        let (left, right) = target.split_at_col_mut(half);
        let (top, bottom) = source.split_at_row(half);
        ((left, top), (right, bottom))
    };
    if rows.max(cols) < FORK {
        transpose(one.0, one.1);
        transpose(two.0, two.1);
    } else {
        rayon::join(|| transpose(one.0, one.1), || transpose(two.0, two.1));
    }
}

/// value * 2^exponent, in two steps so that the power itself cannot leave the range.
pub(crate) fn scale(value: f64, exponent: i32) -> f64 {
    let half = exponent / 2;
    value * 2f64.powi(half) * 2f64.powi(exponent - half)
}

/// Runs `work` on each panel of columns, with the index of its first column.
pub(crate) fn panels<T: Scalar>(out: &mut [T], m: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if m <= PANEL {
        work(0, out);
    } else {
        out.par_chunks_mut(m * PANEL).enumerate().for_each(|(index, panel)| work(index * PANEL, panel));
    }
}

/// e such that `largest` / 2^e lies in [1/2, 2); 0 for 0.
fn exponent(largest: f64) -> i32 {
    if largest > 0.0 { largest.log2().floor() as i32 } else { 0 }
}

/// Largest magnitude in `x`.
fn largest<T: Scalar>(x: MatRef<'_, T>) -> f64 {
    x.col_iter()
        .fold(0.0, |largest, column| column.iter().fold(largest, |largest: f64, v| largest.max(v.to_f64().abs())))
}

/// Fills `centered` with the rows less the column means, over 2^e; returns e.
fn center_and_scale<T: Scalar>(x: MatRef<'_, T>, workspace: &mut Workspace<T>) -> i32 {
    let (m, d) = (x.nrows(), x.ncols());
    let raw = exponent(largest(x));
    workspace.means.clear();
    let mut spread = 0.0f64;
    for k in 0..d {
        // Counted from the first entry: a constant column becomes 0 exactly.
        let first = scale(x[(0, k)].to_f64(), -raw);
        let mean = first + (0..m).map(|i| scale(x[(i, k)].to_f64(), -raw) - first).sum::<f64>() / m as f64;
        spread = (0..m).fold(spread, |spread, i| spread.max((scale(x[(i, k)].to_f64(), -raw) - mean).abs()));
        workspace.means.push(mean);
    }
    let rest = exponent(spread);
    workspace.centered.clear();
    for i in 0..m {
        workspace.centered.extend(
            workspace
                .means
                .iter()
                .enumerate()
                .map(|(k, &mean)| T::of(scale(scale(x[(i, k)].to_f64(), -raw) - mean, -rest))),
        );
    }
    raw + rest
}

/// Sum of squares in double precision.
fn sum_squares<T: Scalar>(row: &[T]) -> f64 {
    row.iter().map(|v| v.to_f64() * v.to_f64()).sum()
}

/// Distances of a panel from `points` with one column of the table after another.
fn narrow<T: Scalar>(panel: &mut [T], first: usize, m: usize, points: &[T], metric: Metric) {
    vectorize(
        #[inline(always)]
        || {
            for (offset, column) in panel.chunks_exact_mut(m).enumerate() {
                let j = first + offset;
                let column = &mut column[j..];
                column.fill(T::ZERO);
                for feature in points.chunks_exact(m) {
                    let (feature, pivot) = (&feature[j..], feature[j]);
                    match metric {
                        Metric::Squared => {
                            for (out, &v) in column.iter_mut().zip(feature) {
                                let difference = v - pivot;
                                *out = difference.mul_add(difference, *out);
                            }
                        }
                        Metric::Absolute => {
                            for (out, &v) in column.iter_mut().zip(feature) {
                                *out += (v - pivot).abs();
                            }
                        }
                    }
                }
            }
        },
    );
}

/// Sums of absolute differences of a panel from `points` with one row after another.
fn wide<T: Scalar>(panel: &mut [T], first: usize, m: usize, d: usize, points: &[T]) {
    vectorize(
        #[inline(always)]
        || {
            // Rows in the outer loop: the panel's own rows stay in the cache.
            for i in first..m {
                let a = &points[i * d..][..d];
                for (offset, column) in panel.chunks_exact_mut(m).enumerate().take(i + 1 - first) {
                    column[i] = difference(a, &points[(first + offset) * d..][..d], Metric::Absolute);
                }
            }
        },
    );
}

/// Sum over the columns for one pair of rows.
#[inline(always)]
fn difference<T: Scalar>(a: &[T], b: &[T], metric: Metric) -> T {
    sum_pairs(
        a,
        b,
        #[inline(always)]
        |sum, x, y| match metric {
            Metric::Squared => (x - y).mul_add(x - y, sum),
            Metric::Absolute => sum + (x - y).abs(),
        },
    )
}

/// Products of all rows from `first` on with the rows of the panel.
fn products<T: Scalar>(panel: &mut [T], first: usize, m: usize, d: usize, rows: &[T]) {
    let width = panel.len() / m;
    let rows = MatRef::from_column_major_slice(rows, d, m).subcols(first, m - first);
    let out = MatMut::from_column_major_slice_mut(panel, m, width).subrows_mut(first, m - first);
    product(out, Accum::Replace, rows.transpose(), rows.subcols(0, width), T::ONE);
}

/// Turns products into squared distances, and computes again those that cancelled.
fn from_product<T: Scalar>(panel: &mut [T], first: usize, m: usize, d: usize, squares: &[T], points: &[T]) {
    const CHUNK: usize = 32;
    vectorize(
        #[inline(always)]
        || {
            let (minus_two, cancelled) = (T::of(-2.0), T::of(CANCELLED));
            for (offset, column) in panel.chunks_exact_mut(m).enumerate() {
                let j = first + offset;
                let (own, pivot) = (squares[j], &points[j * d..][..d]);
                let chunks = column[j..].chunks_mut(CHUNK).zip(squares[j..].chunks(CHUNK)).enumerate();
                for (chunk, (out, squares)) in chunks {
                    let mut near = 0u32;
                    for (out, &square) in out.iter_mut().zip(squares) {
                        let sum = own + square;
                        *out = out.mul_add(minus_two, sum);
                        near += u32::from(*out <= sum * cancelled);
                    }
                    if near == 0 {
                        continue;
                    }
                    for (index, (out, &square)) in out.iter_mut().zip(squares).enumerate() {
                        if *out <= (own + square) * cancelled {
                            let i = j + chunk * CHUNK + index;
                            *out = difference(&points[i * d..][..d], pivot, Metric::Squared);
                        }
                    }
                }
            }
        },
    );
}

/// The two middle numbers (equal if their number is odd) among the positive entries strictly below the diagonal of
/// `lower` (m x m, column-major); `None` if none is positive.
///
/// Positive floating-point numbers have the order of their bits, so the digits of the wanted one are found by counting,
/// 11 bits at a time, without a copy of the m^2 / 2 numbers.
pub(crate) fn middle<T: Scalar>(lower: &[T], m: usize) -> Option<(f64, f64)> {
    const DIGIT: u32 = 11;
    let entries = || {
        lower
            .chunks_exact(m)
            .enumerate()
            .flat_map(|(j, column)| &column[j + 1..])
            .map(|v| v.to_f64())
            .filter(|&v| v > 0.0)
    };
    let count = entries().count() as u64;
    let mut rank = count.checked_sub(1)? / 2;
    let (mut prefix, mut shift) = (0u64, 66u32);
    let mut equal = 0;
    while shift > 0 {
        let above = shift;
        shift -= DIGIT;
        let mut counts = [0u64; 1 << DIGIT];
        for bits in entries().map(f64::to_bits) {
            // At the first digit nothing is above: every entry counts.
            if above >= 64 || bits >> above == prefix {
                counts[(bits >> shift) as usize & ((1 << DIGIT) - 1)] += 1;
            }
        }
        let mut digit = 0;
        while rank >= counts[digit] {
            rank -= counts[digit];
            digit += 1;
        }
        prefix = prefix << DIGIT | digit as u64;
        equal = counts[digit];
    }
    let lower_middle = f64::from_bits(prefix);
    if count % 2 == 1 || rank + 1 < equal {
        return Some((lower_middle, lower_middle));
    }
    let next = entries().filter(|&v| v > lower_middle).fold(f64::INFINITY, f64::min);
    Some((lower_middle, next))
}
