//! Ridge regression of values on features, its penalty chosen by leaving each row out, in closed form.
//!
//! Columns are brought to mean 0 and deviation 1 (X of n x d), y to mean 0, so that the intercept is not penalized:
//!
//! w = (X'X + lambda I)^-1 X'y = X'(XX' + lambda I)^-1 y,  lambda = p n,
//!
//! whichever system is the smaller. p is a penalty that does not depend on the number of rows: a column by itself is shrunk
//! by 1 / (1 + p). What a row's prediction misses when the row is left out follows from the fit with all rows (the
//! intercept is fitted anew as well; Allen 1974):
//!
//! e_i = (y_i - x_i w) / (1 - 1/n - h_i),  h_i = x_i (X'X + lambda I)^-1 x_i'
//!     = lambda a_i / (lambda G_ii - 1/n),  G = (XX' + lambda I)^-1,  a = G y.
//!
//! G is taken as N'N with N an inverse Cholesky factor, as everywhere here: h_i = |N x_i'|^2.

use faer::{Accum, MatRef};
use rayon::prelude::*;

use crate::error::{Error, check_finite, check_rows, check_shape};
use crate::factor::{inverse_factor, inverse_factor_scratch};
use crate::product::{lower_times, outer_lower, product};
use crate::view::{rows, rows_mut};

/// Rows on which the penalty is chosen, at the most: evenly spaced ones of a longer table.
pub const CHOSEN_ON: usize = 2048;

/// Penalties that are tried first: 10 to these powers.
const DECADES: std::ops::RangeInclusive<i32> = -5..=5;

/// Rows that are added to a Gram matrix at a time.
const CHUNK: usize = 512;

/// A row whose leverage is 1 but for this says nothing of itself when it is left out: only rounding would be divided.
const LEAST_FREEDOM: f64 = 1e-9;

/// A fitted line.
#[derive(Clone, Debug, PartialEq)]
pub struct Ridge {
    /// Weight of each column as it came.
    pub weights: Vec<f64>,
    /// What is added.
    pub intercept: f64,
    /// The penalty p.
    pub penalty: f64,
    /// Mean squared error of rows that were left out, at that penalty.
    pub left_out: f64,
}

/// Columns with mean 0 and deviation 1, or as they were: values (v - mean) times `scale`.
struct Columns {
    means: Vec<f64>,
    /// 1 / deviation; 0 of a constant column.
    scales: Vec<f64>,
}

impl Columns {
    fn of(x: &[f32], d: usize) -> Self {
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
    fn standardized(&self, x: &[f32]) -> Vec<f64> {
        let columns = || self.means.iter().zip(&self.scales);
        x.chunks_exact(self.means.len())
            .flat_map(|row| row.iter().zip(columns()).map(|(&value, (mean, scale))| (f64::from(value) - mean) * scale))
            .collect()
    }
}

/// The smaller of the two Gram matrices of standardized columns, row-major, lower half, and what stands on the right.
enum System {
    /// X'X and X'y.
    Columns(Vec<f64>, Vec<f64>),
    /// XX' and y.
    Rows(Vec<f64>, Vec<f64>),
}

impl System {
    fn of(columns: &Columns, x: &[f32], y: &[f64]) -> Self {
        let (n, d) = (y.len(), columns.means.len());
        if n <= d {
            let values = columns.standardized(x);
            let values = rows(&values, n, d, d);
            let mut gram = vec![0.0; n * n];
            outer_lower(rows_mut(&mut gram, n, n, n), Accum::Replace, values, values, 1.0);
            return Self::Rows(gram, y.to_vec());
        }
        let (mut gram, mut right) = (vec![0.0; d * d], vec![0.0; d]);
        for (x, y) in x.chunks(CHUNK * d).zip(y.chunks(CHUNK)) {
            let values = columns.standardized(x);
            for (row, y) in values.chunks_exact(d).zip(y) {
                right.iter_mut().zip(row).for_each(|(right, value)| *right += value * y);
            }
            let values = rows(&values, y.len(), d, d).transpose();
            outer_lower(rows_mut(&mut gram, d, d, d), Accum::Add, values, values, 1.0);
        }
        Self::Columns(gram, right)
    }

    /// N with N'N the inverse of the matrix and `ridge` on its diagonal, and that inverse times the right side.
    fn solved(&self, ridge: f64) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let (Self::Columns(gram, right) | Self::Rows(gram, right)) = self;
        let s = right.len();
        let mut ridged = gram.clone();
        (0..s).for_each(|k| ridged[k * s + k] += ridge);
        let mut inverse = vec![0.0; s * s];
        let mut scratch = vec![0.0; inverse_factor_scratch(s)];
        let (ridged, out) = (rows_mut(&mut ridged, s, s, s), rows_mut(&mut inverse, s, s, s));
        inverse_factor(ridged, out, 0.5 * ridge, &mut scratch)?;
        let half: Vec<f64> =
            (0..s).map(|i| inverse[i * s..=i * s + i].iter().zip(right).map(|(a, b)| a * b).sum()).collect();
        let mut solution = vec![0.0; s];
        for (i, half) in half.iter().enumerate() {
            solution.iter_mut().zip(&inverse[i * s..=i * s + i]).for_each(|(out, entry)| *out += entry * half);
        }
        Ok((inverse, solution))
    }

    /// Mean squared error of rows that are left out.
    fn left_out(&self, values: &[f64], y: &[f64], ridge: f64) -> Result<f64, Error> {
        let (n, d) = (y.len(), values.len() / y.len());
        let (inverse, solution) = self.solved(ridge)?;
        let share = 1.0 / n as f64;
        let missed = |i: usize, residual: f64, freedom: f64| {
            // A row that is its own prediction alone: without it, the mean of the others is left.
            if freedom < LEAST_FREEDOM { y[i] / (1.0 - share) } else { residual / freedom }
        };
        let errors: Vec<f64> = match self {
            Self::Rows(..) => {
                let diagonal = |i: usize| (i..n).map(|k| inverse[k * n + i] * inverse[k * n + i]).sum::<f64>();
                (0..n).map(|i| missed(i, ridge * solution[i], ridge * diagonal(i) - share)).collect()
            }
            Self::Columns(..) => {
                let mut turned = vec![0.0; n * d];
                let out = rows_mut(&mut turned, n, d, d).transpose_mut();
                lower_times(out, rows(&inverse, d, d, d), rows(values, n, d, d).transpose());
                let error = |(i, (row, turned)): (usize, (&[f64], &[f64]))| {
                    let leverage = turned.iter().map(|entry| entry * entry).sum::<f64>();
                    let told = row.iter().zip(&solution).map(|(value, weight)| value * weight).sum::<f64>();
                    missed(i, y[i] - told, 1.0 - share - leverage)
                };
                values.chunks_exact(d).zip(turned.chunks_exact(d)).enumerate().map(error).collect()
            }
        };
        Ok(errors.iter().map(|error| error * error).sum::<f64>() * share)
    }
}

impl Ridge {
    /// Fits values (n) to features (n x d, row-major), with the penalty of the least error of rows that are left out: of
    /// 10^-5 to 10^5 by decades, then by half a decade around the best.
    ///
    /// # Errors
    /// `RowMismatch`, `TooFewRows` for n < 3, `NoColumns`, `NotFinite`.
    ///
    /// # Cost
    /// n s^2 operations for the Gram matrix of s = min(n, d), and for each of 13 penalties some s^3, of columns also n s^2, on
    /// at most 2,048 evenly spaced rows; penalties go over the threads of the current rayon pool, with the same bits for
    /// any number of them.
    pub fn fit(x: MatRef<'_, f32>, y: &[f64]) -> Result<Self, Error> {
        check_shape("features", x, 3)?;
        check_rows("features", x.nrows(), "values", y.len())?;
        check_finite("features", x)?;
        if let Some(row) = y.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { argument: "values", row, col: 0 });
        }
        let (n, d) = (x.nrows(), x.ncols());
        let x: Vec<f32> = (0..n).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| x[(i, j)]).collect();
        let (penalty, left_out) = choose(&x, y, d)?;
        let columns = Columns::of(&x, d);
        let mean = y.iter().sum::<f64>() / n as f64;
        let centered: Vec<f64> = y.iter().map(|value| value - mean).collect();
        let system = System::of(&columns, &x, &centered);
        let (_, solution) = system.solved(penalty * n as f64)?;
        let weights = match system {
            System::Columns(..) => solution,
            System::Rows(..) => {
                let mut weights = vec![0.0; d];
                let values = columns.standardized(&x);
                let solution = rows(&solution, 1, n, n);
                product(rows_mut(&mut weights, 1, d, d), Accum::Replace, solution, rows(&values, n, d, d), 1.0);
                weights
            }
        };
        let weights: Vec<f64> = weights.iter().zip(&columns.scales).map(|(weight, scale)| weight * scale).collect();
        let intercept = mean - weights.iter().zip(&columns.means).map(|(weight, mean)| weight * mean).sum::<f64>();
        Ok(Self { weights, intercept, penalty, left_out })
    }
}

/// The penalty of the least error of rows that are left out, and that error.
fn choose(x: &[f32], y: &[f64], d: usize) -> Result<(f64, f64), Error> {
    let n = y.len().min(CHOSEN_ON);
    let place = |i: usize| i * y.len() / n;
    let x: Vec<f32> = (0..n).flat_map(|i| &x[place(i) * d..][..d]).copied().collect();
    let y: Vec<f64> = (0..n).map(|i| y[place(i)]).collect();
    let columns = Columns::of(&x, d);
    let mean = y.iter().sum::<f64>() / n as f64;
    let y: Vec<f64> = y.iter().map(|value| value - mean).collect();
    let (system, values) = (System::of(&columns, &x, &y), columns.standardized(&x));
    let tried = |powers: Vec<f64>| -> Result<Vec<(f64, f64)>, Error> {
        let of = |power: f64| {
            let penalty = 10f64.powf(power);
            Ok((power, system.left_out(&values, &y, penalty * n as f64)?))
        };
        powers.into_par_iter().map(of).collect()
    };
    // Of equal errors the larger penalty: the simpler line.
    let best = |tried: &[(f64, f64)]| {
        tried.iter().copied().reduce(|best, next| if next.1 <= best.1 { next } else { best }).unwrap_or((0.0, 0.0))
    };
    let mut all = tried(DECADES.map(f64::from).collect())?;
    let (power, _) = best(&all);
    all.extend(tried(vec![power - 0.5, power + 0.5])?);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (power, left_out) = best(&all);
    Ok((10f64.powf(power), left_out))
}
