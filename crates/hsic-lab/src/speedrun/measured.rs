//! What a finished training says of the time that another one takes, and what is too long for a budget.

use hsic_bottleneck::error::Error;
use serde::{Deserialize, Serialize};

use crate::figure::Trained;

/// A training that was not begun, because it would not have fitted into the budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its epochs.
    pub epochs: u64,
    /// Whether it is one on all training data.
    pub whole: bool,
    /// Seconds that it would take, by the measured time of an epoch.
    pub needs_seconds: f64,
    /// Seconds that are left of the budget.
    pub left_seconds: f64,
}

/// The time of a training, in its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// Seconds of an epoch of all training rows.
    epoch: f64,
    /// Seconds that do not grow with the epochs: evaluation of all data, format training.
    once: f64,
}

impl Measured {
    /// Of a finished training on a share of the rows.
    ///
    /// # Errors
    /// `Run` for records that cannot be read.
    pub(super) fn of(trained: &Trained<'_>, rows: f64) -> Result<Self, Error> {
        let (seconds, epochs) = (trained.summary.seconds, trained.summary.epochs.max(1) as f64);
        // Of several networks the folder tells no epochs.
        let in_epochs = trained.epochs()?.last().map_or(seconds, |report| report.seconds);
        Ok(Self::split(seconds, in_epochs, epochs, rows))
    }

    fn split(seconds: f64, in_epochs: f64, epochs: f64, rows: f64) -> Self {
        Self { epoch: in_epochs / (epochs * rows), once: (seconds - in_epochs).max(0.0) }
    }

    /// Seconds of a training of so many epochs on a share of the rows.
    pub(super) fn seconds(self, epochs: u64, rows: f64) -> f64 {
        self.once + self.epoch * epochs as f64 * rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_epochs_and_rows_and_what_is_done_once_does_not() {
        // Two epochs of 90 % of the rows took 18 of 20 seconds: an epoch of all of them takes 10.
        let measured = Measured::split(20.0, 18.0, 2.0, 0.9);
        assert!((measured.seconds(2, 0.9) - 20.0).abs() < 1e-12);
        assert!((measured.seconds(3, 1.0) - 32.0).abs() < 1e-12);
        assert!((measured.seconds(1, 0.9) - 11.0).abs() < 1e-12);
    }
}
