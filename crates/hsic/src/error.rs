//! What can go wrong with data that a caller hands over, and the checks that say so.

use std::fmt;

use faer::MatRef;
use thiserror::Error;

use crate::scalar::Scalar;

/// A reason why a figure cannot be computed from what was given.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Two samples that must be paired have different numbers of rows.
    #[error("{left} has {left_rows} rows and {right} has {right_rows}: expected the same number")]
    RowMismatch {
        /// Name of the first argument.
        left: &'static str,
        /// Its rows.
        left_rows: usize,
        /// Name of the second argument.
        right: &'static str,
        /// Its rows.
        right_rows: usize,
    },
    /// The figure is not defined for so few rows.
    #[error("{argument} has {rows} rows: expected at least {required}")]
    TooFewRows {
        /// Name of the argument.
        argument: &'static str,
        /// Its rows.
        rows: usize,
        /// The least number of rows for which the figure is defined.
        required: usize,
    },
    /// The table has rows but no columns.
    #[error("{argument} has no columns: expected at least 1")]
    NoColumns {
        /// Name of the argument.
        argument: &'static str,
    },
    /// An entry is NaN or infinite.
    #[error("{argument}[{row}, {col}] is not a finite number")]
    NotFinite {
        /// Name of the argument.
        argument: &'static str,
        /// Row of the first such entry, from 0.
        row: usize,
        /// Column of the first such entry, from 0.
        col: usize,
    },
    /// A parameter lies outside its range.
    #[error("{name} = {value}: expected {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// What was given.
        value: f64,
        /// The range in words.
        expected: &'static str,
    },
    /// The method needs a kernel with 0 <= k(x, y) <= k(x, x) = 1.
    #[error("{argument} is {kernel}: expected gaussian, laplacian or delta, which are 1 on the diagonal")]
    KernelNotUnit {
        /// Name of the argument.
        argument: &'static str,
        /// Name of the kernel.
        kernel: &'static str,
    },
    /// A class label is not smaller than the number of classes.
    #[error("labels[{row}] = {label}: expected a class below {classes}")]
    LabelRange {
        /// Row of the first such label, from 0.
        row: usize,
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A matrix that is positive definite in exact arithmetic lost that to rounding.
    #[error(
        "the ridged Gram matrix lost positive definiteness to rounding at pivot {pivot}: expected a larger epsilon, or f64"
    )]
    NotPositiveDefinite {
        /// Index of the pivot that was not positive.
        pivot: usize,
    },
    /// Matrices of rows x rows take more memory than there is.
    #[error(
        "matrices of {rows} x {rows} numbers take {}, {}: expected fewer rows",
        Amount(*.needed),
        .available.map_or("more than the system gives".to_owned(), |bytes| format!("and {} are free", Amount(bytes)))
    )]
    Memory {
        /// Length of a side.
        rows: usize,
        /// Bytes that would be taken.
        needed: u64,
        /// Bytes that can be taken, where the system tells.
        available: Option<u64>,
    },
    /// Another thread asked for the work to stop before its result was there.
    #[error("stopped before the result was there")]
    Interrupted,
    /// Leaving one row out is not defined for an approximation of the kernel by few columns.
    #[error("leave-one-out with {approximation}: expected exact or blocks:B")]
    LeaveOneOut {
        /// The approximation.
        approximation: &'static str,
    },
    /// The quotient is 0/0: one of the samples carries no dependence with itself.
    #[error("{estimator} is 0/0: {argument} has no variation that the kernel can see")]
    Undefined {
        /// Name of the estimator.
        estimator: &'static str,
        /// The argument whose own HSIC is not positive.
        argument: &'static str,
    },
}

/// An amount of memory as text: `57.6 GB`.
#[derive(Clone, Copy, Debug)]
pub struct Amount(pub u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000_000 => write!(f, "{:.0} kB", bytes / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.0} MB", bytes / 1e6),
            1_000_000_000..1_000_000_000_000 => write!(f, "{:.1} GB", bytes / 1e9),
            _ => write!(f, "{:.1} TB", bytes / 1e12),
        }
    }
}

/// Checks that `x` has at least `required` rows and one column.
pub(crate) fn check_shape<T: Scalar>(argument: &'static str, x: MatRef<'_, T>, required: usize) -> Result<(), Error> {
    if x.ncols() == 0 {
        return Err(Error::NoColumns { argument });
    }
    if x.nrows() < required {
        return Err(Error::TooFewRows { argument, rows: x.nrows(), required });
    }
    Ok(())
}

/// Checks that two samples are paired.
pub(crate) fn check_rows(
    left: &'static str,
    left_rows: usize,
    right: &'static str,
    right_rows: usize,
) -> Result<(), Error> {
    if left_rows == right_rows { Ok(()) } else { Err(Error::RowMismatch { left, left_rows, right, right_rows }) }
}

/// Checks that every entry is finite; names the first that is not, in row order.
pub(crate) fn check_finite<T: Scalar>(argument: &'static str, x: MatRef<'_, T>) -> Result<(), Error> {
    for row in 0..x.nrows() {
        for col in 0..x.ncols() {
            if !x[(row, col)].is_finite() {
                return Err(Error::NotFinite { argument, row, col });
            }
        }
    }
    Ok(())
}

/// Checks that a parameter is a finite number above zero.
pub(crate) fn check_positive(name: &'static str, value: f64) -> Result<(), Error> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(Error::Parameter { name, value, expected: "a finite number > 0" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_three_digits_or_so() {
        let told = [1_600, 2_340_000, 57_600_000_000, 8_000_000_000_000_000].map(|bytes| Amount(bytes).to_string());
        assert_eq!(told, ["2 kB", "2 MB", "57.6 GB", "8000.0 TB"]);
    }
}
