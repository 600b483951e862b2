//! How values are read from a trained network, and how right they are.
//!
//! The first output of a network that is trained to tell values is the standardized value. Of another network the features of
//! all blocks are frozen, and a line is fitted to them by ridge regression on the training rows ([`hsic::ridge`]).

use faer::MatRef;
use hsic_data::batch::Batch;
use hsic_data::dataset::{Dataset, DatasetError, Quantities, TargetScale};
use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::judge::at_rest::AtRest;

/// How standardized values follow from outputs or features.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueReadout {
    /// The first output is one.
    Output,
    /// They are a line of the features.
    Line(Line),
}

/// A line of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Weight of each column of the features.
    pub weights: Vec<f32>,
    /// What is added.
    pub intercept: f32,
    /// How it was found.
    pub fitted: Fitted,
}

/// How a line was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The penalty, chosen among 13 by rows that are left out one by one: see [`hsic::ridge`].
    pub penalty: f64,
    /// Root of the mean squared error of rows that are left out, in units of the training part's deviation.
    pub left_out_rmse: f64,
    /// Training rows that it was fitted to.
    pub rows: usize,
}

/// How right predicted values are, in the unit of the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// 1 - (sum of squared errors) / (sum of squared deviations from the rows' own mean): 1 is perfect, 0 no better than
    /// that mean. Of rows that are all equal 1 if they are told exactly, else 0.
    pub r2: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
}

impl Score {
    /// Of predicted values beside the true ones.
    ///
    /// # Panics
    /// If there are none, or not as many of each.
    #[must_use]
    pub fn of(predicted: &[f64], truth: &[f64]) -> Self {
        assert!(!truth.is_empty() && predicted.len() == truth.len(), "a prediction for each value");
        let rows = truth.len() as f64;
        let mean = truth.iter().sum::<f64>() / rows;
        let missed: f64 = predicted.iter().zip(truth).map(|(predicted, truth)| (predicted - truth).powi(2)).sum();
        let spread: f64 = truth.iter().map(|truth| (truth - mean).powi(2)).sum();
        let r2 = if spread > 0.0 { 1.0 - missed / spread } else { f64::from(u8::from(missed == 0.0)) };
        Self { r2, rmse: (missed / rows).sqrt() }
    }

    /// Of the training part's mean as the prediction of every row: what a network has to beat.
    #[must_use]
    pub fn baseline(quantities: &Quantities) -> Self {
        Self::of(&vec![quantities.scale.mean; quantities.values.len()], &quantities.values)
    }
}

impl Line {
    /// Fits a line to the features of the first `limit` rows of a data set whose targets are values.
    ///
    /// # Errors
    /// `Batch` if a feature is not finite, or there are fewer than 3 rows; `Data` of samples that lie in a file.
    ///
    /// # Cost
    /// One pass of the rows through the networks, whose features are kept in memory, and that of [`hsic::Ridge::fit`].
    pub fn fit(at_rest: &AtRest<'_>, dataset: &Dataset, limit: usize) -> Result<Self, StepError> {
        let (mut features, mut values) = (Vec::new(), Vec::new());
        at_rest.for_each_batch(dataset, limit, |batch| {
            features.extend(at_rest.features(batch.rows(), &batch.x));
            values.extend_from_slice(&batch.values);
        })?;
        let (rows, columns) = (values.len(), at_rest.columns());
        let features = MatRef::from_row_major_slice(&features, rows, columns);
        let ridge = hsic::Ridge::fit(features, &values).map_err(StepError::of_batch)?;
        let fitted = Fitted { penalty: ridge.penalty, left_out_rmse: ridge.left_out.sqrt(), rows };
        let weights = ridge.weights.iter().map(|&weight| weight as f32).collect();
        Ok(Self { weights, intercept: ridge.intercept as f32, fitted })
    }

    /// The standardized value of each row of features.
    fn values(&self, features: &[f32]) -> Vec<f64> {
        let of = |row: &[f32]| {
            let products = row.iter().zip(&self.weights).map(|(&value, &weight)| f64::from(value) * f64::from(weight));
            f64::from(self.intercept) + products.sum::<f64>()
        };
        features.chunks_exact(self.weights.len()).map(of).collect()
    }
}

impl ValueReadout {
    /// The values, in the unit of the target, of `x` (m rows), by networks of which a line sees these features.
    #[must_use]
    pub fn values(&self, at_rest: &AtRest<'_>, m: usize, x: &[f32], scale: TargetScale) -> Vec<f64> {
        let standardized = match self {
            Self::Output => {
                let outputs = at_rest.features(m, x);
                outputs.chunks_exact(at_rest.columns()).map(|row| f64::from(row[0])).collect()
            }
            Self::Line(line) => line.values(&at_rest.features(m, x)),
        };
        standardized.into_iter().map(|value| scale.restore(value)).collect()
    }

    /// The predicted values of the first `limit` rows of a data set, in the unit of the target.
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn predicted(
        &self,
        at_rest: &AtRest<'_>,
        dataset: &Dataset,
        scale: TargetScale,
        limit: usize,
    ) -> Result<Vec<f64>, DatasetError> {
        let mut values = Vec::new();
        let each = |batch: &Batch| values.extend(self.values(at_rest, batch.rows(), &batch.x, scale));
        at_rest.for_each_batch(dataset, limit, each)?;
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;
    use hsic_data::dataset::{Samples, Shape, Targets};
    use hsic_nn::network::{Activation, Network, Norm};

    use super::*;
    use crate::judge::at_rest::FormatInput;

    #[test]
    fn scores_are_those_of_their_definition() {
        // Deviations -1.5, -0.5, 0.5, 1.5: 5. Errors 0.5, 0, 0, -1: 1.25.
        let score = Score::of(&[1.5, 2.0, 3.0, 3.0], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((score.r2, score.rmse), (0.75, (1.25f64 / 4.0).sqrt()));
        assert_eq!(Score::of(&[2.0, 2.0], &[2.0, 2.0]).r2, 1.0);
        assert_eq!(Score::of(&[2.0, 2.5], &[2.0, 2.0]).r2, 0.0);
        let quantities = Quantities { values: vec![1.0, 3.0], scale: TargetScale { mean: 3.0, deviation: 2.0 } };
        // Both are told to be 3: errors 2 and 0 beside deviations of 1.
        assert_eq!(Score::baseline(&quantities), Score { r2: -1.0, rmse: 2f64.sqrt() });
    }

    #[test]
    fn a_line_of_features_tells_what_they_hold_in_the_unit_of_the_target() {
        let network = [Network::mlp(4, &[30], 3, Activation::Tanh, Norm::None, 5)];
        let at_rest = AtRest::new(&network, FormatInput::All);
        let mut stream = Stream::new(1, "value readout", 0);
        let x: Vec<f32> = (0..200).map(|_| stream.normal() as f32).collect();
        // What two features say, times 30 and shifted by 1000.
        let features = at_rest.features(50, &x);
        let values: Vec<f64> = features
            .chunks_exact(33)
            .map(|row| 1000.0 + 30.0 * (f64::from(row[2]) - 0.5 * f64::from(row[7])))
            .collect();
        let scale = TargetScale::of(&values).unwrap();
        let dataset = Dataset {
            name: "line".into(),
            samples: Samples::Floats(x.clone()),
            shape: Shape { channels: 1, height: 1, width: 4 },
            targets: Targets::Values(Quantities { values: values.clone(), scale }),
            normalization: None,
        };
        let line = Line::fit(&at_rest, &dataset, usize::MAX).unwrap();
        assert_eq!((line.weights.len(), line.fitted.rows), (33, 50));
        let readout = ValueReadout::Line(line);
        let told = readout.predicted(&at_rest, &dataset, scale, usize::MAX).unwrap();
        let score = Score::of(&told, &values);
        assert!(score.r2 > 0.999, "{score:?}");
        assert_eq!(readout.predicted(&at_rest, &dataset, scale, 7).unwrap(), told[..7]);
        // The first output, where it is the value.
        let last = AtRest::new(&network, FormatInput::Last);
        let told = ValueReadout::Output.values(&last, 50, &x, scale);
        let outputs = network[0].infer(50, &x);
        assert_eq!(told[3], scale.mean + scale.deviation * f64::from(outputs[9]));
    }
}
