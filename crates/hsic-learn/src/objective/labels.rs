//! The targets of a batch, as rules share them.

use hsic_data::batch::Batch;

/// The classes that rows are to be told by, as cross-entropy takes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told<'a> {
    /// Class of each row.
    pub labels: &'a [usize],
    /// Share of each row's target that is spread over all classes alike, in [0, 1) (Szegedy et al. 2016).
    pub smoothing: f64,
}

impl<'a> Told<'a> {
    /// The classes of a batch.
    #[must_use]
    pub fn of<T>(batch: &'a Batch<T>) -> Self {
        Self { labels: &batch.labels, smoothing: batch.smoothing }
    }
}

impl<'a> From<&'a [usize]> for Told<'a> {
    fn from(labels: &'a [usize]) -> Self {
        Self { labels, smoothing: 0.0 }
    }
}

/// The class of each row of a batch, or its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// Class of each row, below `classes`; empty where rows have values.
    pub of_rows: Vec<usize>,
    /// Number of classes of the data; 0 where rows have values.
    pub classes: usize,
    /// Standardized value of each row; empty where rows have classes, as they have for every rule that does not say that it
    /// learns values.
    pub values: Vec<f64>,
    /// Share of each row's target that cross-entropy spreads over all classes.
    pub smoothing: f64,
}

impl Labels {
    /// Those of a batch, in the memory of an earlier batch's.
    #[must_use]
    pub fn of<T>(batch: &Batch<T>, earlier: Option<Self>) -> Self {
        let mut labels = earlier.unwrap_or_default();
        labels.of_rows.clone_from(&batch.labels);
        labels.classes = batch.classes;
        labels.values.clone_from(&batch.values);
        labels.smoothing = batch.smoothing;
        labels
    }

    /// The classes as cross-entropy takes them.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        Told { labels: &self.of_rows, smoothing: self.smoothing }
    }

    /// These as what the HSIC objective takes.
    #[must_use]
    pub fn targets(&self) -> hsic::Targets<'_> {
        if self.values.is_empty() {
            hsic::Targets::Classes { labels: &self.of_rows, classes: self.classes }
        } else {
            hsic::Targets::of_values(&self.values)
        }
    }
}
