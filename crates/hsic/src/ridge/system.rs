//! The linear system of a ridge regression, of columns or of rows, and what rows that are left out miss by it.

use faer::Accum;

use crate::error::Error;
use crate::factor::{inverse_factor, inverse_factor_scratch};
use crate::product::{lower_times, outer_lower, product};
use crate::view::{rows, rows_mut};

/// Rows that are added to a Gram matrix at a time.
const CHUNK: usize = 512;

/// A row whose leverage is 1 but for this says nothing of itself when it is left out: only rounding would be divided.
const LEAST_FREEDOM: f64 = 1e-9;

/// Columns with mean 0 and deviation 1, or as they were: values (v - mean) times `scale`.
pub(super) struct Columns {
    pub(super) means: Vec<f64>,
    /// 1 / deviation; 0 of a constant column.
    pub(super) scales: Vec<f64>,
}

impl Columns {
    pub(super) fn of(x: &[f32], d: usize) -> Self {
        let n = (x.len() / d) as f64;
        let mut means = vec![0.0; d];
        for row in x.chunks_exact(d) {
            means.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value));
        }
        means.iter_mut().for_each(|mean| *mean /= n);
        let mut squares = vec![0.0; d];
        for row in x.chunks_exact(d) {
            for ((square, mean), &value) in squares.iter_mut().zip(&means).zip(row) {
                *square += (f64::from(value) - mean).powi(2);
            }
        }
        // What rounding of single precision leaves of a constant column is none.
        let scale = |(square, mean): (&f64, &f64)| {
            let deviation = (square / n).sqrt();
            if deviation > 1e-6 * mean.abs().max(1e-30) { 1.0 / deviation } else { 0.0 }
        };
        let scales = squares.iter().zip(&means).map(scale).collect();
        Self { means, scales }
    }

    /// The standardized values of rows.
    pub(super) fn standardized(&self, x: &[f32]) -> Vec<f64> {
        let columns = || self.means.iter().zip(&self.scales);
        x.chunks_exact(self.means.len())
            .flat_map(|row| row.iter().zip(columns()).map(|(&value, (mean, scale))| (f64::from(value) - mean) * scale))
            .collect()
    }
}

/// Which Gram matrix is the smaller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// X'X.
    Columns,
    /// XX'.
    Rows,
}

/// The smaller of the two Gram matrices of standardized columns, and what stands on the right for each target.
pub(super) struct System {
    side: Side,
    /// Row-major, order x order, the lower half.
    gram: Vec<f64>,
    /// X'Y or Y (order x targets, row-major).
    right: Vec<f64>,
    order: usize,
    targets: usize,
}

impl System {
    /// Of rows `x` (n x d) and centered targets `y` (n x `targets`), both row-major.
    pub(super) fn of(columns: &Columns, x: &[f32], y: &[f64], targets: usize) -> Self {
        let (n, d) = (y.len() / targets, columns.means.len());
        if n <= d {
            let values = columns.standardized(x);
            let values = rows(&values, n, d, d);
            let mut gram = vec![0.0; n * n];
            outer_lower(rows_mut(&mut gram, n, n, n), Accum::Replace, values, values, 1.0);
            return Self { side: Side::Rows, gram, right: y.to_vec(), order: n, targets };
        }
        let (mut gram, mut right) = (vec![0.0; d * d], vec![0.0; d * targets]);
        for (x, y) in x.chunks(CHUNK * d).zip(y.chunks(CHUNK * targets)) {
            let values = columns.standardized(x);
            for (row, y) in values.chunks_exact(d).zip(y.chunks_exact(targets)) {
                for (right, value) in right.chunks_exact_mut(targets).zip(row) {
                    right.iter_mut().zip(y).for_each(|(right, y)| *right += value * y);
                }
            }
            let values = rows(&values, y.len() / targets, d, d).transpose();
            outer_lower(rows_mut(&mut gram, d, d, d), Accum::Add, values, values, 1.0);
        }
        Self { side: Side::Columns, gram, right, order: d, targets }
    }

    /// N with N'N the inverse of the matrix and `ridge` on its diagonal, and that inverse times the right side.
    fn solved(&self, ridge: f64) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let (s, t) = (self.order, self.targets);
        let mut ridged = self.gram.clone();
        (0..s).for_each(|k| ridged[k * s + k] += ridge);
        let mut inverse = vec![0.0; s * s];
        let mut scratch = vec![0.0; inverse_factor_scratch(s)];
        let (ridged, out) = (rows_mut(&mut ridged, s, s, s), rows_mut(&mut inverse, s, s, s));
        inverse_factor(ridged, out, 0.5 * ridge, &mut scratch)?;
        let mut half = vec![0.0; s * t];
        for (i, half) in half.chunks_exact_mut(t).enumerate() {
            for (entry, right) in inverse[i * s..=i * s + i].iter().zip(self.right.chunks_exact(t)) {
                half.iter_mut().zip(right).for_each(|(half, right)| *half += entry * right);
            }
        }
        let mut solution = vec![0.0; s * t];
        for (i, half) in half.chunks_exact(t).enumerate() {
            for (out, entry) in solution.chunks_exact_mut(t).zip(&inverse[i * s..=i * s + i]) {
                out.iter_mut().zip(half).for_each(|(out, half)| *out += entry * half);
            }
        }
        Ok((inverse, solution))
    }

    /// The weight of each standardized column for each target (d x targets, row-major), of rows `x`.
    ///
    /// # Errors
    /// `NotPositiveDefinite` where rounding has outgrown the ridge.
    pub(super) fn weights(&self, columns: &Columns, x: &[f32], ridge: f64) -> Result<Vec<f64>, Error> {
        let (_, solution) = self.solved(ridge)?;
        let (n, d, t) = (self.order, columns.means.len(), self.targets);
        if self.side == Side::Columns {
            return Ok(solution);
        }
        let mut weights = vec![0.0; d * t];
        let values = columns.standardized(x);
        let (solution, values) = (rows(&solution, n, t, t).transpose(), rows(&values, n, d, d));
        product(rows_mut(&mut weights, d, t, t).transpose_mut(), Accum::Replace, solution, values, 1.0);
        Ok(weights)
    }

    /// Mean over the rows of the squared errors of all targets when a row is left out. `values` are the standardized rows.
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub(super) fn left_out(&self, values: &[f64], y: &[f64], ridge: f64) -> Result<f64, Error> {
        let t = self.targets;
        let (n, d) = (y.len() / t, values.len() * t / y.len());
        let (inverse, solution) = self.solved(ridge)?;
        let share = 1.0 / n as f64;
        let missed = |y: f64, residual: f64, freedom: f64| {
            // A row that is its own prediction alone: without it, the mean of the others is left.
            if freedom < LEAST_FREEDOM { y / (1.0 - share) } else { residual / freedom }
        };
        let errors: Vec<f64> = match self.side {
            Side::Rows => {
                let diagonal = |i: usize| (i..n).map(|k| inverse[k * n + i] * inverse[k * n + i]).sum::<f64>();
                let of = |i: usize| {
                    let freedom = ridge * diagonal(i) - share;
                    (i * t..(i + 1) * t).map(move |k| (k, freedom))
                };
                (0..n).flat_map(of).map(|(k, freedom)| missed(y[k], ridge * solution[k], freedom)).collect()
            }
            Side::Columns => {
                let mut turned = vec![0.0; n * d];
                let out = rows_mut(&mut turned, n, d, d).transpose_mut();
                lower_times(out, rows(&inverse, d, d, d), rows(values, n, d, d).transpose());
                let mut errors = Vec::with_capacity(y.len());
                let of_rows = values.chunks_exact(d).zip(turned.chunks_exact(d)).zip(y.chunks_exact(t));
                for ((row, turned), y) in of_rows {
                    let leverage = turned.iter().map(|entry| entry * entry).sum::<f64>();
                    let mut told = vec![0.0; t];
                    for (value, weights) in row.iter().zip(solution.chunks_exact(t)) {
                        told.iter_mut().zip(weights).for_each(|(told, weight)| *told += value * weight);
                    }
                    errors.extend(y.iter().zip(told).map(|(&y, told)| missed(y, y - told, 1.0 - share - leverage)));
                }
                errors
            }
        };
        Ok(errors.iter().map(|error| error * error).sum::<f64>() * share)
    }
}
