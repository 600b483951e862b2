//! What the other rows of a batch tell of each row's target: the leave-one-out form of the objective's second term.
//!
//! The ridge fit in the space of the kernel, with an intercept, that is made without row i misses that row by r_i. It follows
//! from the fit with all rows (Allen 1974): with A = Kc + c I, c = epsilon m, B = A^-1 and Y the targets less their means
//! (one-hot classes, or values),
//!
//! r_i = C_i / d_i,  C = B Y,  d_i = B_ii - 1/(c m),
//!
//! and the fit is J = 1 - S / |Y|^2,  S = sum |r_i|^2. This is exact although Kc and Y are centered with all rows: the
//! intercept, which no penalty holds, is fitted anew without row i and takes up what centering moved. The term 1/(c m) is
//! what the constant direction has of B_ii (A 1 = c 1). Without it, as for a fit that has no intercept, row i would tell of
//! itself through the means: for c m below 1, J would be near 1 whatever was learned. The gradient, with G_i = r_i / d_i and
//! w_i = |r_i|^2 / d_i:
//!
//! dS/dA = -(B G C' + C G' B) + 2 B diag(w) B.
//!
//! nHSIC(Z, Y) judges a fit by the rows that it was made with, and is near its bound as soon as Z has as many columns as the
//! batch has rows. J is not: it is 0 or less where nothing was learned. A class of one row in the batch cannot be told by
//! the others and adds its whole square.

use faer::prelude::ReborrowMut;
use faer::{Accum, MatRef};

use super::passes::{center_lines, transpose_times_self_lower};
use crate::product::{lower_times, lower_transpose_times, outer_lower};
use crate::scalar::Scalar;
use crate::targets::Targets;
use crate::view::{rows, rows_mut, stride};

/// Memory of an evaluation that the fit works in, rows m x stride(m).
pub(super) struct Room<'w, T> {
    /// N.
    pub(super) factor: &'w [T],
    /// Written.
    pub(super) product: &'w mut [T],
    /// m x 3 k, written.
    pub(super) labels: &'w mut [T],
    /// 3 k rows of stride(m), written.
    pub(super) labels_back: &'w mut [T],
    /// What the gradient is added to.
    pub(super) gradient: &'w mut [T],
}

/// Targets less their means, m x k: one-hot classes, or values.
#[derive(Clone, Debug)]
pub(super) struct CenteredTargets<T> {
    columns: usize,
    values: Vec<T>,
    /// |Y|^2.
    square: f64,
}

impl<T: Scalar> CenteredTargets<T> {
    pub(super) fn of(targets: Targets<'_>) -> Self {
        let mut centered = Self { columns: 0, values: Vec::new(), square: 0.0 };
        centered.fill(targets);
        centered
    }

    /// Takes those of another batch in the memory of this one.
    pub(super) fn fill(&mut self, targets: Targets<'_>) {
        let m = targets.rows();
        self.columns = match targets {
            Targets::Classes { classes, .. } => classes,
            Targets::Values { columns, .. } => columns,
        };
        let value = |row: usize, column: usize| match targets {
            Targets::Classes { labels, .. } => f64::from(u8::from(labels[row] == column)),
            Targets::Values { values, columns } => values[row * columns + column],
        };
        self.values.clear();
        self.values.resize(m * self.columns, T::ZERO);
        self.square = 0.0;
        for column in 0..self.columns {
            let mean = (0..m).map(|row| value(row, column)).sum::<f64>() / m as f64;
            for row in 0..m {
                let centered = value(row, column) - mean;
                self.square += centered * centered;
                self.values[row * self.columns + column] = T::of(centered);
            }
        }
    }

    /// Number of columns.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn in_double(&self) -> CenteredTargets<f64> {
        CenteredTargets {
            columns: self.columns,
            values: self.values.iter().map(|value| value.to_f64()).collect(),
            square: self.square,
        }
    }

    /// The fit J of the kernel whose inverse Cholesky factor N (B = N'N) `room.factor` holds; -`weight` dJ/dK is added to
    /// the lower half of `room.gradient`. 0, and nothing is added, where all rows have one target.
    ///
    /// # Cost
    /// 4/3 m^3 + O(k m^2) operations: B, and B diag(w) B by its lower half.
    pub(super) fn add_gradient(&self, weight: f64, m: usize, room: Room<'_, T>) -> f64 {
        if self.square == 0.0 {
            return 0.0;
        }
        let (k, ld) = (self.columns, stride(m));
        let Room { factor, product: inverse, labels, labels_back, gradient } = room;
        let n: MatRef<'_, T> = rows(factor, m, m, ld);
        // B, both halves.
        transpose_times_self_lower(rows_mut(inverse, m, m, ld), n);
        for i in 0..m {
            for j in 0..i {
                inverse[j * ld + i] = inverse[i * ld + j];
            }
        }
        // Without what the constant direction has of it, 1/(c m) in every entry, its rounding included: the diagonal is d.
        center_lines(inverse, m, m, ld);
        let (half, rest) = labels.split_at_mut(m * k);
        let (fitted, residuals) = rest.split_at_mut(m * k);
        // C = N' (N Y), then G.
        lower_times(rows_mut(half, m, k, k), n, rows(&self.values, m, k, k));
        lower_transpose_times(rows_mut(fitted, m, k, k), n, rows(half, m, k, k));
        let mut missed = 0.0;
        for i in 0..m {
            let own = inverse[i * ld + i].to_f64();
            let row = i * k..(i + 1) * k;
            let mut square = 0.0;
            for (c, g) in fitted[row.clone()].iter().zip(&mut residuals[row]) {
                let residual = c.to_f64() / own;
                square += residual * residual;
                *g = T::of(residual / own);
            }
            missed += square;
            // Row i of B times the root of w_i: its outer product with itself is summed over i.
            let root = T::of((square / own).sqrt());
            inverse[i * ld..i * ld + m].iter_mut().for_each(|entry| *entry *= root);
        }
        // B G, in the place of N Y.
        lower_times(rows_mut(half, m, k, k), n, rows(residuals, m, k, k));
        lower_transpose_times(rows_mut(residuals, m, k, k), n, rows(half, m, k, k));
        // A is centered, so is its gradient: each factor is, over its rows.
        let (fitted_back, rest) = labels_back.split_at_mut(k * ld);
        for (lines, columns) in [(&mut *fitted_back, &*fitted), (&mut rest[..k * ld], &*residuals)] {
            for (row, values) in columns[..m * k].chunks_exact(k).enumerate() {
                values.iter().enumerate().for_each(|(column, value)| lines[column * ld + row] = *value);
            }
            center_lines(lines, k, m, ld);
        }
        let share = weight / self.square;
        let mut g = rows_mut(gradient, m, m, ld);
        let roots = rows(inverse, m, m, ld).transpose();
        outer_lower(g.rb_mut(), Accum::Add, roots, roots, T::of(2.0 * share));
        let (fitted, solved) = (rows(fitted_back, k, m, ld).transpose(), rows(rest, k, m, ld).transpose());
        outer_lower(g.rb_mut(), Accum::Add, solved, fitted, T::of(-share));
        outer_lower(g, Accum::Add, fitted, solved, T::of(-share));
        1.0 - missed / self.square
    }
}
