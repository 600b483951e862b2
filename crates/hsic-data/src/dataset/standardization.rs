//! Standardization of tables, column by column.

use serde::{Deserialize, Serialize};

/// Mean and deviation of each column, by which (value - mean) / deviation is formed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardization {
    /// Mean of each column over the training part.
    pub means: Vec<f64>,
    /// Square root of the mean squared deviation (1/m) of each column; 0 marks a constant column, which becomes 0.
    pub deviations: Vec<f64>,
}

impl Standardization {
    /// Of a table of rows x `columns` values, row-major.
    ///
    /// # Panics
    /// If there are no columns, or no rows.
    #[must_use]
    pub fn of(values: &[f64], columns: usize) -> Self {
        let rows = values.len() / columns;
        let column = |c: usize| values[c..].iter().step_by(columns).copied();
        let (means, deviations) = (0..columns)
            .map(|c| {
                let first = values[c];
                // A constant column is found by comparison: rounding of its mean would leave a deviation of 1e-17.
                if column(c).all(|value| value == first) {
                    return (first, 0.0);
                }
                // Scaled by the largest value, so that squares neither overflow nor vanish.
                let scale = column(c).fold(0.0, |largest: f64, value| largest.max(value.abs()));
                let mean = column(c).map(|value| value / scale).sum::<f64>() / rows as f64;
                let square = column(c).map(|value| (value / scale - mean).powi(2)).sum::<f64>() / rows as f64;
                (mean * scale, square.sqrt() * scale)
            })
            .unzip();
        Self { means, deviations }
    }

    /// Standardizes one row in place.
    ///
    /// # Panics
    /// If `row` has another number of columns.
    pub fn apply(&self, row: &mut [f64]) {
        assert_eq!(row.len(), self.means.len(), "a row has as many values as columns were standardized");
        for (column, value) in row.iter_mut().enumerate() {
            *value = self.scaled(column, *value);
        }
    }

    /// The value of a column whose standardized value this is, in single precision; of a constant column that value. What is left of
    /// a 0 by the rounding of its standardized value is 0.
    #[must_use]
    pub fn restored(&self, column: usize, scaled: f64) -> f64 {
        let mean = self.means[column];
        let value = mean + self.deviations[column] * scaled;
        if value.abs() <= f64::from(f32::EPSILON) * mean.abs() { 0.0 } else { value }
    }

    /// The standardized value of a column.
    pub(super) fn scaled(&self, column: usize, value: f64) -> f64 {
        let deviation = self.deviations[column];
        if deviation > 0.0 { (value - self.means[column]) / deviation } else { 0.0 }
    }
}
