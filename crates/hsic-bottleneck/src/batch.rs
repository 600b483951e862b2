//! Batches: rows in a seeded order.

use faer::MatRef;
use hsic::Scalar;

/// Rows of a data set, as numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch<T = f32> {
    /// m x columns, row-major.
    pub x: Vec<T>,
    /// Columns of x.
    pub columns: usize,
    /// The class of each row.
    pub labels: Vec<usize>,
    /// Number of classes of the data set.
    pub classes: usize,
}

impl<T: Scalar> Batch<T> {
    /// Rows m.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// x as an m x columns matrix.
    #[must_use]
    pub fn matrix(&self) -> MatRef<'_, T> {
        MatRef::from_row_major_slice(&self.x, self.rows(), self.columns)
    }
}
