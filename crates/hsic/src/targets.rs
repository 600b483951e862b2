//! What rows are to be told by: classes, or values.

use faer::{Accum, MatRef};

use crate::error::{Error, check_positive};
use crate::factor::{inverse_factor, inverse_factor_scratch};
use crate::product::outer_lower;
use crate::scalar::Scalar;
use crate::sums::grown;
use crate::view::{rows, rows_mut};

/// The target of each row of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets<'t> {
    /// A class each.
    Classes {
        /// Class of each row, below `classes`.
        labels: &'t [usize],
        /// Number of classes.
        classes: usize,
    },
    /// Numbers, best of mean 0 and deviation 1: the kernel's width is in their unit.
    Values {
        /// Those of a row side by side, row by row.
        values: &'t [f64],
        /// Numbers of a row, which also divide the kernel's exponent.
        columns: usize,
    },
}

impl<'t> Targets<'t> {
    /// A value for each row.
    #[must_use]
    pub fn of_values(values: &'t [f64]) -> Self {
        Self::Values { values, columns: 1 }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Classes { labels, .. } => labels.len(),
            Self::Values { values, columns } => values.len() / columns.max(&1),
        }
    }

    /// Those of `len` rows from `start` on.
    pub(crate) fn part(&self, start: usize, len: usize) -> Self {
        match *self {
            Self::Classes { labels, classes } => Self::Classes { labels: &labels[start..start + len], classes },
            Self::Values { values, columns } => {
                Self::Values { values: &values[start * columns..(start + len) * columns], columns }
            }
        }
    }

    /// What an error calls them.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Classes { .. } => "labels",
            Self::Values { .. } => "values",
        }
    }
}

/// Share of the ridge that what is left of the kernel may have, summed over its diagonal: R_Y is then right to 1e-10.
const LEFT_OF_RIDGE: f64 = 1e-10;

/// A pivot this small is rounding: kernels are 1 on the diagonal.
const LEAST_PIVOT: f64 = 1e-14;

/// Memory of the factor of values, used again from batch to batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueMemory {
    /// Columns of L, one after another, m entries each.
    columns: Vec<f64>,
    /// Diagonal of what is left of the kernel.
    left: Vec<f64>,
    /// L in rows, centered.
    centered: Vec<f64>,
    system: Vec<f64>,
    inverse: Vec<f64>,
    scratch: Vec<f64>,
}

/// A factor U of the normalized Gram matrix of values through the Gaussian kernel
/// k(y, y') = exp(-|y - y'|^2 / (2 sigma^2 q)) of q columns, written to `u` in rows; gives its number of columns and tr R_Y.
///
/// K = L L' by a Cholesky factor with the largest pivot first, which asks for one column of K at a time and ends where the
/// trace of what is left is 1e-10 of the ridge c = epsilon m. With B = H L (m x r), R_Y = B (c I + B'B)^-1 B' = U U',
/// U = B S^-T, S S' = c I + B'B: an r x r system. The error in R_Y is at most 1e-10 in the spectral norm. Values of deviation 1
/// and a sigma of 1 have r near 20, whatever m is; r grows as range / sigma, and is m where sigma is so small that the kernel
/// sees every value by itself.
///
/// # Cost
/// m r exponentials and m r^2 + r^3 operations, in double precision; memory 2 m r numbers. No m x m matrix is formed.
pub(crate) fn factor_values(
    values: &[f64],
    q: usize,
    sigma: f64,
    epsilon: f64,
    memory: &mut ValueMemory,
    mut write: impl FnMut(f64),
) -> Result<(usize, f64), Error> {
    if q == 0 {
        return Err(Error::NoColumns { argument: "values" });
    }
    let m = values.len() / q;
    check_positive("sigma of the values", sigma)?;
    check_positive("epsilon", epsilon)?;
    if m < 2 {
        return Err(Error::TooFewRows { argument: "values", rows: m, required: 2 });
    }
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::NotFinite { argument: "values", row: place / q, col: place % q });
    }
    let ridge = epsilon * m as f64;
    let r = pivoted(values, q, sigma, LEFT_OF_RIDGE * ridge, memory);
    let ValueMemory { columns, centered, system, inverse, scratch, .. } = memory;
    grown(centered, m * r);
    for (k, column) in columns[..m * r].chunks_exact(m).enumerate() {
        let mean = column.iter().sum::<f64>() / m as f64;
        column.iter().enumerate().for_each(|(row, entry)| centered[row * r + k] = entry - mean);
    }
    for square in [&mut *system, &mut *inverse] {
        grown(square, r * r);
    }
    grown(scratch, inverse_factor_scratch(r));
    let b: MatRef<'_, f64> = rows(&centered[..m * r], m, r, r);
    outer_lower(rows_mut(system, r, r, r), Accum::Replace, b.transpose(), b.transpose(), 1.0);
    (0..r).for_each(|k| system[k * r + k] += ridge);
    // Pivots of B'B + c I are c at the least.
    inverse_factor(rows_mut(system, r, r, r), rows_mut(inverse, r, r, r), 0.5 * ridge, scratch)?;
    let mut trace = 0.0;
    for row in centered[..m * r].chunks_exact(r) {
        for k in 0..r {
            let entry: f64 = inverse[k * r..=k * r + k].iter().zip(row).map(|(a, b)| a * b).sum();
            trace += entry * entry;
            write(entry);
        }
    }
    Ok((r, trace))
}

/// Columns of L with K - L L' of a trace of `left` at the most; gives their number, 1 at least.
fn pivoted(values: &[f64], q: usize, sigma: f64, left: f64, memory: &mut ValueMemory) -> usize {
    let m = values.len() / q;
    let factor = 0.5 / (sigma * sigma * q as f64);
    memory.left.clear();
    memory.left.resize(m, 1.0);
    let mut r = 0;
    loop {
        let diagonal = &memory.left;
        let pivot = (1..m).fold(0, |best, row| if diagonal[row] > diagonal[best] { row } else { best });
        let largest = diagonal[pivot];
        if r > 0 && (r == m || largest <= LEAST_PIVOT || diagonal.iter().sum::<f64>() <= left) {
            return r;
        }
        grown(&mut memory.columns, m * (r + 1));
        let (before, column) = memory.columns.split_at_mut(m * r);
        let column = &mut column[..m];
        let middle = &values[pivot * q..][..q];
        for (entry, row) in column.iter_mut().zip(values.chunks_exact(q)) {
            let apart: f64 = row.iter().zip(middle).map(|(value, middle)| (value - middle) * (value - middle)).sum();
            *entry = Scalar::exp(-factor * apart);
        }
        for earlier in before.chunks_exact(m) {
            let weight = earlier[pivot];
            column.iter_mut().zip(earlier).for_each(|(entry, earlier)| *entry -= weight * earlier);
        }
        let root = largest.sqrt();
        for (entry, left) in column.iter_mut().zip(&mut memory.left) {
            *entry /= root;
            *left = (*left - *entry * *entry).max(0.0);
        }
        memory.left[pivot] = 0.0;
        r += 1;
    }
}
