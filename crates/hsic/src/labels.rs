//! Class labels through the Gaussian kernel, in closed form.
//!
//! One-hot rows of different classes lie at squared distance 2, so the kernel takes two values, 1 and
//! a = exp(-2 / (2 sigma^2 C)), and K_Y = a 11' + (1 - a) Y Y'. With B = sqrt(1 - a) H Y (m x C) and c = epsilon m,
//!
//! R_Y = B (c I + B'B)^-1 B',   B'B = (1 - a) (diag(n) - n n' / m),   n = class counts:
//!
//! a C x C system in place of an m x m inverse. The factor U = B S^-T with S S' = c I + B'B has U U' = R_Y, and its
//! rows depend on the class alone.

use faer::MatRef;

use crate::error::{Error, check_positive};
use crate::factor::{inverse_factor, inverse_factor_scratch};
use crate::scalar::Scalar;
use crate::targets::{Targets, ValueMemory, factor_values};
use crate::view::{rows, rows_mut};

/// A factor U of the normalized Gram matrix of class labels, R_Y = U U' (m x C), or of values (m x r).
#[derive(Clone, Debug)]
pub struct LabelFactor<T> {
    rows: usize,
    columns: usize,
    present: usize,
    u: Vec<T>,
    trace: f64,
    memory: Vec<f64>,
    of_values: ValueMemory,
}

impl<T: Scalar> LabelFactor<T> {
    /// Factors the labels of one batch.
    ///
    /// # Arguments
    /// - `labels`: the class of each of m rows; `classes`: their number C, also the divisor in the kernel's exponent.
    /// - `sigma`: bandwidth of exp(-D / (2 sigma^2 C)); `epsilon`: ridge as a fraction of m.
    ///
    /// # Errors
    /// `TooFewRows` if m < 2, `LabelRange`, `Parameter` for a sigma or epsilon that is not positive.
    ///
    /// # Cost
    /// O(C^3 + m C), in double precision whatever `T` is.
    pub fn new(labels: &[usize], classes: usize, sigma: f64, epsilon: f64) -> Result<Self, Error> {
        Self::of(Targets::Classes { labels, classes }, sigma, epsilon)
    }

    /// Factors the targets of one batch, classes or values. The kernel of values of q columns is
    /// exp(-|y - y'|^2 / (2 sigma^2 q)).
    ///
    /// # Errors
    /// As [`LabelFactor::new`], and `NotFinite` for a value.
    ///
    /// # Cost
    /// That of [`LabelFactor::new`], or for values m r^2 + r^3 operations, r the rank of their kernel to 1e-10 of the ridge
    /// (near 20 where sigma is their deviation, whatever m is).
    pub fn of(targets: Targets<'_>, sigma: f64, epsilon: f64) -> Result<Self, Error> {
        let mut factor = Self {
            rows: 0,
            columns: 0,
            present: 0,
            u: Vec::new(),
            trace: 0.0,
            memory: Vec::new(),
            of_values: ValueMemory::default(),
        };
        factor.fill_of(targets, sigma, epsilon)?;
        Ok(factor)
    }

    /// Makes the factor of other targets in the memory of an existing one.
    ///
    /// # Errors
    /// As [`LabelFactor::of`].
    pub fn fill_of(&mut self, targets: Targets<'_>, sigma: f64, epsilon: f64) -> Result<(), Error> {
        match targets {
            Targets::Classes { labels, classes } => self.fill(labels, classes, sigma, epsilon),
            Targets::Values { values, columns } => {
                self.u.clear();
                let u = &mut self.u;
                (self.columns, self.trace) =
                    factor_values(values, columns, sigma, epsilon, &mut self.of_values, |entry| u.push(T::of(entry)))?;
                self.rows = targets.rows();
                // Values that vary leave one direction at the least.
                self.present = 2;
                Ok(())
            }
        }
    }

    /// Makes the factor of other labels in the memory of an existing one.
    ///
    /// # Errors
    /// As [`LabelFactor::new`].
    pub fn fill(&mut self, labels: &[usize], classes: usize, sigma: f64, epsilon: f64) -> Result<(), Error> {
        let m = labels.len();
        check_positive("sigma of the labels", sigma)?;
        check_positive("epsilon", epsilon)?;
        if m < 2 {
            return Err(Error::TooFewRows { argument: "labels", rows: m, required: 2 });
        }
        if let Some(row) = labels.iter().position(|&label| label >= classes) {
            return Err(Error::LabelRange { row, label: labels[row], classes });
        }
        // Counts, the C x C system, its inverse root, the table of rows by class, scratch.
        let square = classes * classes;
        self.memory.clear();
        self.memory.resize(classes + 3 * square + inverse_factor_scratch(classes), 0.0);
        let (counts, rest) = self.memory.split_at_mut(classes);
        let (system, rest) = rest.split_at_mut(square);
        let (inverse, rest) = rest.split_at_mut(square);
        let (table, scratch) = rest.split_at_mut(square);
        for &label in labels {
            counts[label] += 1.0;
        }
        // 1 - a without cancellation at large sigma.
        let spread = -f64::exp_m1(-1.0 / (sigma * sigma * classes as f64));
        let ridge = epsilon * m as f64;
        for i in 0..classes {
            for j in 0..classes {
                let diagonal = if i == j { spread * counts[i] + ridge } else { 0.0 };
                system[i * classes + j] = diagonal - spread * counts[i] * counts[j] / m as f64;
            }
        }
        let stride = classes.max(1);
        let of = |square| rows_mut(square, classes, classes, stride);
        inverse_factor(of(system), of(inverse), 0.0, scratch)?;
        // Row of class k: sqrt(1 - a) (e_k - n/m)' S^-T.
        for k in 0..classes {
            let centered = |i: usize| f64::from(i == k) - counts[i] / m as f64;
            for j in 0..classes {
                let row = &inverse[j * classes..=j * classes + j];
                table[k * classes + j] =
                    spread.sqrt() * row.iter().enumerate().map(|(i, &entry)| entry * centered(i)).sum::<f64>();
            }
        }
        self.u.clear();
        for &label in labels {
            self.u.extend(table[label * classes..][..classes].iter().map(|&entry| T::of(entry)));
        }
        let norm = |k: usize| table[k * classes..][..classes].iter().map(|entry| entry * entry).sum::<f64>();
        self.trace = (0..classes).map(|k| counts[k] * norm(k)).sum();
        self.present = counts.iter().filter(|&&n| n > 0.0).count();
        (self.rows, self.columns) = (m, classes);
        Ok(())
    }

    /// This factor in double precision, its entries as they are.
    pub(crate) fn in_double(&self) -> LabelFactor<f64> {
        LabelFactor {
            rows: self.rows,
            columns: self.columns,
            present: self.present,
            u: self.u.iter().map(|entry| entry.to_f64()).collect(),
            trace: self.trace,
            memory: Vec::new(),
            of_values: ValueMemory::default(),
        }
    }

    /// U, m x C, or m x r of values.
    #[must_use]
    pub fn u(&self) -> MatRef<'_, T> {
        rows(&self.u, self.rows, self.columns, self.columns.max(1))
    }

    /// tr R_Y, the least upper bound of nHSIC(Z, Y) over all Z; below C - 1, or below r for values.
    #[must_use]
    pub fn trace(&self) -> f64 {
        self.trace
    }

    /// Whether the labels have all but vanished: tr R_Y < 0.5 (classes in the batch - 1), as when sigma is so large
    /// that the ridge outweighs the kernel (of values: below 0.5). Training on such labels learns next to nothing.
    #[must_use]
    pub fn vanished(&self) -> bool {
        self.trace < 0.5 * (self.present as f64 - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_of_balanced_classes_is_the_closed_form() {
        // tr R_Y = (C - 1) r, r = ((1 - a)/C) / ((1 - a)/C + epsilon); values to three decimals in the same table.
        for (sigma, published) in
            [(1.0, 8.991), (2.0, 8.964), (5.0, 8.780), (6.0, 8.687), (10.0, 8.181), (100.0, 0.818)]
        {
            let labels: Vec<usize> = (0..250).map(|i| i % 10).collect();
            let factor = LabelFactor::<f64>::new(&labels, 10, sigma, 1e-5).unwrap();
            let share = (1.0 - f64::exp(-1.0 / (sigma * sigma * 10.0))) / 10.0;
            assert!((factor.trace() - 9.0 * share / (share + 1e-5)).abs() < 1e-9, "{sigma} {}", factor.trace());
            assert!((factor.trace() - published).abs() < 5e-4);
            assert_eq!(factor.vanished(), sigma == 100.0);
        }
    }

    #[test]
    fn a_label_out_of_range_is_named() {
        let error = LabelFactor::<f32>::new(&[0, 1, 2], 2, 1.0, 1e-5).unwrap_err();
        assert_eq!(error, Error::LabelRange { row: 2, label: 2, classes: 2 });
    }
}
