//! The labels of a batch, as rules share them.

use hsic_data::batch::Batch;

/// The class of each row of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Class of each row, below `classes`.
    pub of_rows: Vec<usize>,
    /// Number of classes of the data.
    pub classes: usize,
}

impl Labels {
    /// Those of a batch, in the memory of an earlier batch's.
    #[must_use]
    pub fn of<T>(batch: &Batch<T>, earlier: Option<Self>) -> Self {
        let mut labels = earlier.unwrap_or_default();
        labels.of_rows.clone_from(&batch.labels);
        labels.classes = batch.classes;
        labels
    }
}
