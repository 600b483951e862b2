//! What is to be learned of each row: a class, or a value.

use serde::{Deserialize, Serialize};

use super::standardization::Standardization;

/// A class for each row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// Class of each row, an index into `names`.
    pub labels: Vec<u16>,
    /// Name of each class.
    pub names: Vec<String>,
}

/// A value for each row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantities {
    /// Value of each row, finite, in the unit of the file.
    pub values: Vec<f64>,
    /// How they are standardized for a network.
    pub scale: TargetScale,
}

/// Mean and deviation of the training part's targets: a network learns (value - mean) / deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetScale {
    /// Mean over the training part, in the unit of the file.
    pub mean: f64,
    /// Square root of the mean squared deviation (1/m), > 0.
    pub deviation: f64,
}

impl TargetScale {
    /// Leaves values as they are.
    pub const UNIT: Self = Self { mean: 0.0, deviation: 1.0 };

    /// Of these values; `None` if there are none, or all are equal.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let Standardization { means, deviations } = Standardization::of(values, 1);
        Some(Self { mean: means[0], deviation: deviations[0] }).filter(Self::is_usable)
    }

    /// Whether it can standardize: what a file claims may be anything.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.mean.is_finite() && self.deviation > 0.0 && self.deviation.is_finite()
    }

    /// What a network learns in the place of a value.
    #[must_use]
    pub fn standardize(&self, value: f64) -> f64 {
        (value - self.mean) / self.deviation
    }

    /// The value, in the unit of the file, of what a network gives.
    #[must_use]
    pub fn restore(&self, standardized: f64) -> f64 {
        self.mean + self.deviation * standardized
    }
}

/// Of which kind the targets of a data set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// So many classes.
    Classes(usize),
    /// Values.
    Values,
}

impl TargetKind {
    /// What a network that tells the targets has at least: an output for each class, or one for a value.
    #[must_use]
    pub fn outputs(self) -> usize {
        match self {
            Self::Classes(classes) => classes,
            Self::Values => 1,
        }
    }
}

impl From<usize> for TargetKind {
    fn from(classes: usize) -> Self {
        Self::Classes(classes)
    }
}

/// What is to be learned of each row of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Targets {
    /// Which class it is of.
    Classes(Classes),
    /// A number.
    Values(Quantities),
}

impl Targets {
    /// Rows of these classes by name.
    #[must_use]
    pub fn classes(labels: Vec<u16>, names: Vec<String>) -> Self {
        Self::Classes(Classes { labels, names })
    }

    /// Of which kind they are.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Classes(classes) => TargetKind::Classes(classes.names.len()),
            Self::Values(_) => TargetKind::Values,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.labels.len(),
            Self::Values(quantities) => quantities.values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The targets of `rows`, in that order; a row may come more than once. Classes and scale stay.
    ///
    /// # Panics
    /// If one of them is not below [`len`](Self::len).
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Classes(Classes { labels, names }) => {
                Self::classes(rows.iter().map(|&row| labels[row]).collect(), names.clone())
            }
            Self::Values(Quantities { values, scale }) => {
                Self::Values(Quantities { values: rows.iter().map(|&row| values[row]).collect(), scale: *scale })
            }
        }
    }

    /// Keeps the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Classes(classes) => classes.labels.truncate(rows),
            Self::Values(quantities) => quantities.values.truncate(rows),
        }
    }

    /// Appends those of the other part of the same data set.
    pub(super) fn extend(&mut self, more: &Self) {
        match (self, more) {
            (Self::Classes(all), Self::Classes(more)) => all.labels.extend_from_slice(&more.labels),
            (Self::Values(all), Self::Values(more)) => all.values.extend_from_slice(&more.values),
            _ => unreachable!("both parts of a data set have classes, or both values"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_goes_there_and_back_and_equal_values_have_none() {
        // Mean 3, squared deviations 4, 1, 0, 1, 4: 10 / 5.
        let scale = TargetScale::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        // A sum of five squares of values up to 1 in double precision.
        assert!(scale.mean == 3.0 && (scale.deviation - 2f64.sqrt()).abs() < 1e-15, "{scale:?}");
        assert!(scale.standardize(3.0) == 0.0 && (scale.standardize(1.0) + 2f64.sqrt()).abs() < 1e-14);
        // Two roundings of 1e-16 of numbers up to 5.
        assert!((scale.restore(scale.standardize(4.7)) - 4.7).abs() < 1e-14);
        assert_eq!((TargetScale::of(&[7.1; 3]), TargetScale::of(&[])), (None, None));
        // Squares of these would overflow.
        assert!(TargetScale::of(&[1e300, -1e300]).is_some_and(|scale| (scale.deviation / 1e300 - 1.0).abs() < 1e-15));
        for wrong in [TargetScale { mean: f64::NAN, deviation: 1.0 }, TargetScale { mean: 0.0, deviation: -1.0 }] {
            assert!(!wrong.is_usable(), "{wrong:?}");
        }
    }

    #[test]
    fn rows_are_selected_cut_and_joined_with_their_kind() {
        let values = |values: &[f64]| {
            Targets::Values(Quantities { values: values.to_vec(), scale: TargetScale { mean: 1.0, deviation: 2.0 } })
        };
        assert_eq!(values(&[1.0, 2.5, 4.0]).select(&[2, 0, 2]), values(&[4.0, 1.0, 4.0]));
        let (mut cut, mut classes) =
            (values(&[1.0, 2.5, 4.0]), Targets::classes(vec![0, 1], vec!["a".into(), "b".into()]));
        cut.truncate(1);
        cut.extend(&values(&[9.0]));
        assert_eq!((cut.len(), cut), (2, values(&[1.0, 9.0])));
        classes.extend(&classes.select(&[1]));
        classes.truncate(3);
        assert_eq!(classes, Targets::classes(vec![0, 1, 1], vec!["a".into(), "b".into()]));
        assert_eq!((classes.kind(), values(&[1.0]).kind()), (TargetKind::from(2), TargetKind::Values));
        assert_eq!((classes.kind().outputs(), TargetKind::Values.outputs()), (2, 1));
        assert!(!classes.is_empty() && classes.select(&[]).is_empty());
    }
}
