//! The passes over m x m and m x d memory between the objective's products: centering, kernels, Laplacian, norms.

use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef};

use crate::product::product;
use crate::scalar::{Scalar, vectorize};
use crate::sums::{chains, grown};
use crate::view::rows_mut;

/// Takes the mean of each of `count` rows of length d off it.
pub(super) fn center_lines<T: Scalar>(a: &mut [T], count: usize, d: usize, ld: usize) {
    let share = T::of(1.0 / d as f64);
    vectorize(
        #[inline(always)]
        || {
            for row in a.chunks_mut(ld).take(count) {
                let row = &mut row[..d];
                let mean = vec_sum(row) * share;
                for value in row {
                    *value -= mean;
                }
            }
        },
    );
}

/// Takes the column means off an m x d matrix.
pub(crate) fn center_columns<T: Scalar>(a: &mut [T], means: &mut Vec<T>, m: usize, d: usize, ld: usize) {
    let means = grown(means, d);
    let share = T::of(1.0 / m as f64);
    vectorize(
        #[inline(always)]
        || {
            means.fill(T::ZERO);
            for row in a.chunks(ld).take(m) {
                for (mean, &value) in means.iter_mut().zip(row) {
                    *mean = value.mul_add(share, *mean);
                }
            }
            for row in a.chunks_mut(ld).take(m) {
                for (value, &mean) in row.iter_mut().zip(means.iter()) {
                    *value -= mean;
                }
            }
        },
    );
}

pub(crate) struct Spread {
    pub(crate) largest: f64,
    pub(crate) varies: bool,
}

/// Copies `v` to `centered` (row-major, `ld` entries from row to row) less its column means. Any constant would do, as
/// distances do not see it; the means make the entries, and with them the rounding of D, smallest.
pub(crate) fn center_rows<T: Scalar>(v: MatRef<'_, T>, centered: &mut [T], ld: usize, means: &mut Vec<T>) -> Spread {
    let (m, d) = (v.nrows(), v.ncols());
    let means = grown(means, d);
    let centered = &mut centered[..m * ld];
    let share = T::of(1.0 / m as f64);
    let (mut raw, mut largest) = (T::ZERO, T::ZERO);
    // Rows that are contiguous are read where they lie.
    let source = v.transpose().try_as_col_major();
    if source.is_none() {
        rows_mut(centered, m, d, ld).copy_from(v);
    }
    vectorize(
        #[inline(always)]
        || {
            means.fill(T::ZERO);
            for i in 0..m {
                let row = match source {
                    Some(source) => source.col(i).as_slice(),
                    None => &centered[i * ld..i * ld + d],
                };
                for (mean, &value) in means.iter_mut().zip(row) {
                    *mean = value.mul_add(share, *mean);
                }
                raw = Scalar::max(raw, vec_max(row));
            }
            for (i, row) in centered.chunks_exact_mut(ld).enumerate() {
                let row = &mut row[..d];
                match source {
                    Some(source) => {
                        for ((entry, &value), &mean) in row.iter_mut().zip(source.col(i).as_slice()).zip(means.iter()) {
                            *entry = value - mean;
                        }
                    }
                    None => {
                        for (value, &mean) in row.iter_mut().zip(means.iter()) {
                            *value -= mean;
                        }
                    }
                }
                largest = Scalar::max(largest, vec_max(row));
            }
        },
    );
    let (raw, largest) = (raw.to_f64(), largest.to_f64());
    // Equal rows leave nothing, or the rounding of their mean.
    Spread { largest, varies: largest > 4.0 * T::EPSILON * raw }
}

/// Multiplies rows of extreme size by a power of two, by which they change without rounding, and returns it: squares
/// then stay in range in f32 too.
pub(crate) fn bring_into_range<T: Scalar>(centered: &mut [T], largest: f64) -> f64 {
    if (1e-9..=1e9).contains(&largest) || !largest.is_finite() {
        return 1.0;
    }
    let power = -largest.log2().floor();
    // In two steps, since at the far ends the whole power is no f32.
    let half = (power / 2.0).trunc();
    let (first, second) = (T::of(half.exp2()), T::of((power - half).exp2()));
    for value in centered {
        *value = *value * first * second;
    }
    power.exp2()
}

/// Largest magnitude; NaN is passed over (it shows on the Gram matrix's diagonal).
#[inline(always)]
fn vec_max<T: Scalar>(values: &[T]) -> T {
    // The order of the comparison passes NaN over, in one instruction where `max` takes three.
    let (chains, rest) = chains::<32, _, _>(
        T::ZERO,
        values,
        #[inline(always)]
        |largest, value| {
            let size = Scalar::abs(value);
            if size > largest { size } else { largest }
        },
    );
    let largest = rest.iter().fold(T::ZERO, |a, &b| Scalar::max(a, Scalar::abs(b)));
    chains.into_iter().fold(largest, |a, b| Scalar::max(a, b))
}

/// Sum in a fixed order: 16 running sums, then those.
#[inline(always)]
pub(crate) fn vec_sum<T: Scalar>(values: &[T]) -> T {
    let (sums, rest) = chains::<16, _, _>(
        T::ZERO,
        values,
        #[inline(always)]
        |sum, value| sum + value,
    );
    sums.into_iter().chain(rest.iter().copied()).sum()
}

#[inline(always)]
pub(crate) fn vec_sum_squares<T: Scalar>(values: &[T]) -> T {
    let (sums, rest) = chains::<16, _, _>(
        T::ZERO,
        values,
        #[inline(always)]
        |sum, value| value.mul_add(value, sum),
    );
    sums.into_iter().chain(rest.iter().map(|&v| v * v)).sum()
}

pub(crate) fn norm_squared<T: Scalar>(values: &[T]) -> f64 {
    vectorize(
        #[inline(always)]
        || vec_sum_squares(values),
    )
    .to_f64()
}

/// Squared Frobenius norm of a lower half.
pub(super) fn lower_norm_squared<T: Scalar>(a: &[T], m: usize, ld: usize) -> f64 {
    vectorize(
        #[inline(always)]
        || {
            // A loop, not a sum over a closure: what is not inlined here is not compiled for the vectors.
            let mut total = 0.0;
            for i in 0..m {
                total += vec_sum_squares(&a[i * ld..=i * ld + i]).to_f64();
            }
            total
        },
    )
}

/// From products of rows to K - 1, lower half in place, with the row sums of the whole symmetric matrix.
pub(super) fn exponentiate<T: Scalar>(s: &mut [T], diagonal: &[T], sums: &mut [T], factor: T, m: usize, ld: usize) {
    let minus_two = T::of(-2.0);
    vectorize(
        #[inline(always)]
        || {
            sums.fill(T::ZERO);
            for i in 0..m {
                let row = &mut s[i * ld..i * ld + i];
                let norm = diagonal[i];
                let (before, from) = sums.split_at_mut(i);
                for ((entry, sum), &other) in row.iter_mut().zip(before.iter_mut()).zip(&diagonal[..i]) {
                    // Rounding may make a distance of equal rows negative.
                    let distance = entry.mul_add(minus_two, norm + other);
                    let distance = if distance < T::ZERO { T::ZERO } else { distance };
                    *entry = Scalar::exp_m1(-factor * distance);
                    *sum += *entry;
                }
                from[0] = vec_sum(row);
                s[i * ld + i] = T::ZERO;
            }
        },
    );
}

/// H E H + ridge I, lower half; `sums` become row means.
pub(super) fn center_and_ridge<T: Scalar>(out: &mut [T], e: &[T], sums: &mut [T], ridge: T, m: usize, ld: usize) {
    let share = T::of(1.0 / m as f64);
    vectorize(
        #[inline(always)]
        || {
            for sum in sums.iter_mut() {
                *sum *= share;
            }
            let mean = vec_sum(sums) * share;
            for i in 0..m {
                let shift = mean - sums[i];
                let row = &mut out[i * ld..=i * ld + i];
                for ((entry, &value), &other) in row.iter_mut().zip(&e[i * ld..=i * ld + i]).zip(&sums[..=i]) {
                    *entry = (value - other) + shift;
                }
                row[i] += ridge;
            }
        },
    );
}

/// diag(W 1) - W for W = G o (E + 1), from lower halves to the whole matrix, in the place of G.
pub(super) fn laplacian<T: Scalar>(g: &mut [T], e: &[T], sums: &mut [T], m: usize, ld: usize) {
    const TILE: usize = 16;
    vectorize(
        #[inline(always)]
        || {
            sums.fill(T::ZERO);
            for i in 0..m {
                let row = &mut g[i * ld..i * ld + i];
                let (before, from) = sums.split_at_mut(i);
                for ((entry, sum), &value) in row.iter_mut().zip(before.iter_mut()).zip(&e[i * ld..i * ld + i]) {
                    *entry = -*entry * (value + T::ONE);
                    *sum -= *entry;
                }
                from[0] = -vec_sum(row);
            }
            for i in 0..m {
                g[i * ld + i] = sums[i];
            }
            for row in (0..m).step_by(TILE) {
                let height = TILE.min(m - row);
                for col in (0..row).step_by(TILE) {
                    let mut tile = [[T::ZERO; TILE]; TILE];
                    for (r, line) in tile.iter_mut().enumerate().take(height) {
                        line.copy_from_slice(&g[(row + r) * ld + col..(row + r) * ld + col + TILE]);
                    }
                    for c in 0..TILE {
                        let target = &mut g[(col + c) * ld + row..(col + c) * ld + row + height];
                        for (entry, line) in target.iter_mut().zip(&tile) {
                            *entry = line[c];
                        }
                    }
                }
                for r in 1..height {
                    for c in 0..r {
                        g[(row + c) * ld + row + r] = g[(row + r) * ld + row + c];
                    }
                }
            }
        },
    );
}

/// H R H of a symmetric R whose lower half is stored, in place.
pub(super) fn center_lower<T: Scalar>(r: &mut [T], m: usize, ld: usize, sums: &mut [T]) {
    let sums = &mut sums[..m];
    sums.fill(T::ZERO);
    vectorize(
        #[inline(always)]
        || {
            for i in 0..m {
                let row = &r[i * ld..i * ld + i];
                let (above, rest) = sums.split_at_mut(i);
                for (sum, &value) in above.iter_mut().zip(row) {
                    *sum += value;
                }
                rest[0] += vec_sum(row) + r[i * ld + i];
            }
            let share = T::of(1.0 / m as f64);
            let mut total = T::ZERO;
            for sum in sums.iter_mut() {
                *sum *= share;
                total += *sum;
            }
            let mean = total * share;
            for i in 0..m {
                let shift = sums[i] - mean;
                for (value, &sum) in r[i * ld..=i * ld + i].iter_mut().zip(sums.iter()) {
                    *value -= sum + shift;
                }
            }
        },
    );
}

/// N'N, lower half, for a lower triangular N with zeros above.
pub(super) fn transpose_times_self_lower<T: Scalar>(mut out: MatMut<'_, T>, n: MatRef<'_, T>) {
    let m = n.nrows();
    for start in (0..m).step_by(64) {
        let end = (start + 64).min(m);
        product(
            out.rb_mut().submatrix_mut(start, 0, end - start, end),
            Accum::Replace,
            n.submatrix(start, start, m - start, end - start).transpose(),
            n.submatrix(start, 0, m - start, end),
            T::ONE,
        );
    }
}
