//! Format training: the trained network is at_rest, one softmax layer on its outputs learns to name classes.
//!
//! Features are brought to mean 0 and deviation 1 over the training data before the layer sees them (folded into its
//! weights afterwards, so what is saved is one linear map); the authors leave them as they are.

use std::sync::atomic::{AtomicBool, Ordering};

use hsic::random::Stream;
use hsic::sums::paired_chains;
use hsic_data::dataset::{Dataset, Split};
use hsic_nn::optimizer::{Algorithm, Decay, Entrywise, Groups, LearningRate, Optimizer, OptimizerState};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::judge::assignment::{Confusion, largest};
use crate::judge::at_rest::{AtRest, FormatInput};
use crate::objective::cross_entropy::cross_entropy;

/// Weights that the layer starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum FormatStart {
    /// All 0: the loss has no other valley than one.
    Zero,
    /// Uniform in +-1 / sqrt(inputs), as PyTorch's layers start and so the authors' does. At a small rate the layer is busy
    /// forgetting them for some epochs.
    Uniform,
}

/// How the layer is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FormatSettings {
    /// What it sees.
    pub input: FormatInput,
    /// Passes over the training data; 0 for no format training.
    pub epochs: u64,
    /// Where it starts.
    pub start: FormatStart,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Learning rate at the start; `None` for 2 over the largest eigenvalue of the features'
    /// second moments, half of what would be stable without momentum (the loss's curvature is at most half of that
    /// eigenvalue), for AdamW 1e-3.
    pub learning_rate: Option<f64>,
    /// Its course.
    pub decay: Decay,
    /// Whether features are brought to mean 0 and deviation 1.
    pub standardize: bool,
    /// Seed of the order.
    pub seed: u64,
}

/// A linear map to class scores.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxLayer {
    inputs: usize,
    classes: usize,
    /// W (classes x inputs, row-major), then b.
    parameters: Vec<f32>,
}

impl SoftmaxLayer {
    /// All zero: the loss has no other valley than one.
    #[must_use]
    pub fn new(inputs: usize, classes: usize) -> Self {
        Self { inputs, classes, parameters: vec![0.0; classes * (inputs + 1)] }
    }

    /// With weights and biases drawn from +-1 / sqrt(inputs).
    #[must_use]
    pub fn uniform(inputs: usize, classes: usize, stream: &mut Stream) -> Self {
        let mut layer = Self::new(inputs, classes);
        let bound = 1.0 / (inputs as f64).sqrt();
        layer.parameters.iter_mut().for_each(|value| *value = (bound * (2.0 * stream.uniform() - 1.0)) as f32);
        layer
    }

    /// From W (classes x inputs, row-major) and b (classes).
    #[must_use]
    pub fn from_parts(classes: usize, weight: &[f32], bias: &[f32]) -> Option<Self> {
        let whole = classes > 0 && bias.len() == classes && weight.len().is_multiple_of(classes);
        let parameters = [weight, bias].concat();
        whole.then(|| Self { inputs: weight.len() / classes, classes, parameters })
    }

    /// Columns that it takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// W (classes x inputs, row-major).
    #[must_use]
    pub fn weight(&self) -> &[f32] {
        &self.parameters[..self.classes * self.inputs]
    }

    /// b.
    #[must_use]
    pub fn bias(&self) -> &[f32] {
        &self.parameters[self.classes * self.inputs..]
    }

    /// Class scores (m x classes) of features (m x inputs).
    #[must_use]
    pub fn scores(&self, features: &[f32]) -> Vec<f32> {
        let mut scores = vec![0.0; features.len() / self.inputs * self.classes];
        scores.par_chunks_mut(self.classes).zip(features.par_chunks(self.inputs)).for_each(|(scores, row)| {
            for (class, score) in scores.iter_mut().enumerate() {
                *score = dot(&self.weight()[class * self.inputs..][..self.inputs], row) + self.bias()[class];
            }
        });
        scores
    }

    /// Samples of a data set by class and predicted class.
    #[must_use]
    pub fn evaluate(&self, at_rest: &AtRest<'_>, dataset: &Dataset) -> Confusion {
        let mut table = Confusion::new(dataset.classes(), self.classes);
        at_rest
            .for_each(dataset, usize::MAX, |labels, features| table.add(labels, &self.scores(features), self.classes));
        table
    }

    /// This layer on features that come as they are, after it has learned from standardized ones.
    fn unstandardized(&self, means: &[f32], deviations: &[f32]) -> Self {
        let mut layer = self.clone();
        let (weight, bias) = layer.parameters.split_at_mut(self.classes * self.inputs);
        for (weight, bias) in weight.chunks_exact_mut(self.inputs).zip(bias) {
            let mut shift = 0.0;
            for ((weight, &mean), &deviation) in weight.iter_mut().zip(means).zip(deviations) {
                *weight /= deviation;
                shift += f64::from(*weight) * f64::from(mean);
            }
            *bias -= shift as f32;
        }
        layer
    }
}

/// Sum of products, in eight chains.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (sums, rest) = paired_chains::<8, _, _, _>(0.0f32, a, b, |sum, a, b| sum + a * b);
    sums.iter().sum::<f32>() + rest.map(|(a, b)| a * b).sum::<f32>()
}

/// What format training gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Formatted {
    /// The layer, on features as the frozen networks give them.
    pub layer: SoftmaxLayer,
    /// Samples of the training data by class and predicted class.
    pub train: Confusion,
    /// Samples of the test data by class and predicted class.
    pub test: Confusion,
    /// Test accuracy after each epoch, a fraction.
    pub epochs: Vec<f64>,
}

/// Trains a softmax layer on frozen networks. The networks are only read. `stop` is looked at after every pass over the
/// data; `None` if it was set.
///
/// # Errors
/// `Diverged` if the layer's scores are no longer finite (its index is that of a block after the last).
///
/// # Cost
/// One pass of all data through the networks; features of all samples are kept in memory.
pub fn format(
    at_rest: &AtRest<'_>,
    data: &Split,
    settings: &FormatSettings,
    stop: &AtomicBool,
) -> Result<Option<Formatted>, StepError> {
    let (columns, classes) = (at_rest.columns(), data.train.classes());
    let collect = |dataset: &Dataset| {
        let (mut features, mut labels) = (Vec::with_capacity(dataset.rows() * columns), Vec::new());
        at_rest.for_each(dataset, usize::MAX, |rows, values| {
            labels.extend_from_slice(rows);
            features.extend_from_slice(values);
        });
        (features, labels)
    };
    let ((mut train, labels), (mut test, test_labels)) = (collect(&data.train), collect(&data.test));
    let (means, deviations) = if settings.standardize {
        let (means, deviations) = moments(&train, columns);
        for row in train.chunks_exact_mut(columns).chain(test.chunks_exact_mut(columns)) {
            for ((value, &mean), &deviation) in row.iter_mut().zip(&means).zip(&deviations) {
                *value = (*value - mean) / deviation;
            }
        }
        (means, deviations)
    } else {
        (vec![0.0; columns], vec![1.0; columns])
    };

    let mut layer = match settings.start {
        FormatStart::Zero => SoftmaxLayer::new(columns, classes),
        FormatStart::Uniform => {
            SoftmaxLayer::uniform(columns, classes, &mut Stream::new(settings.seed, "format-init", 0))
        }
    };
    let mut state = OptimizerState::default();
    let mut step = Step::default();
    let mut epochs = Vec::new();
    let steps = labels.len().div_ceil(settings.batch_size) as u64;
    let peak = settings.learning_rate.unwrap_or_else(|| match settings.optimizer.algorithm {
        Algorithm::Entrywise(Entrywise::Sgd { .. }) => {
            2.0 / curvature(&train[..train.len().min(CURVATURE_ROWS * columns)], columns)
        }
        _ => 1e-3,
    });
    let learning_rate = LearningRate { peak, decay: settings.decay, warmup_steps: 0 };
    for epoch in 0..settings.epochs {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut order: Vec<usize> = (0..labels.len()).collect();
        Stream::new(settings.seed, "format-order", epoch).shuffle(&mut order);
        for (index, rows) in order.chunks(settings.batch_size).enumerate() {
            let rate = learning_rate.at(epoch * steps + index as u64, steps * settings.epochs);
            step.gradient(&layer, &train, &labels, rows);
            let parts = (&mut layer.parameters[..], &step.gradient[..]);
            settings.optimizer.step(rate, Groups::default(), parts, &mut state);
        }
        if !layer.parameters.iter().all(|value| value.is_finite()) {
            return Err(StepError::Diverged { block: at_rest.blocks() });
        }
        epochs.push(count(&layer, &test, &test_labels).accuracy());
    }
    let (train, test) = (count(&layer, &train, &labels), count(&layer, &test, &test_labels));
    Ok(Some(Formatted { layer: layer.unstandardized(&means, &deviations), train, test, epochs }))
}

fn count(layer: &SoftmaxLayer, features: &[f32], labels: &[usize]) -> Confusion {
    let mut table = Confusion::new(layer.classes, layer.classes);
    table.add(labels, &layer.scores(features), layer.classes);
    table
}

/// Mean and deviation by column; a constant column has deviation 1.
fn moments(values: &[f32], columns: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = (values.len() / columns) as f64;
    let mut means = vec![0.0f64; columns];
    for row in values.chunks_exact(columns) {
        means.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value));
    }
    means.iter_mut().for_each(|mean| *mean /= rows);
    let mut squares = vec![0.0f64; columns];
    for row in values.chunks_exact(columns) {
        for ((square, &mean), &value) in squares.iter_mut().zip(&means).zip(row) {
            *square += (f64::from(value) - mean).powi(2);
        }
    }
    let deviation = |square: &f64| (square / rows).sqrt();
    let deviations = squares.iter().map(deviation).map(|d| if d > 1e-6 { d as f32 } else { 1.0 }).collect();
    (means.into_iter().map(|mean| mean as f32).collect(), deviations)
}

/// Rows from which the curvature is estimated.
const CURVATURE_ROWS: usize = 2048;

/// The largest eigenvalue of X'X / m (with a column of ones for the bias), by power iteration from the all-ones vector.
fn curvature(values: &[f32], columns: usize) -> f64 {
    const ITERATIONS: usize = 30;
    let rows = values.len() / columns;
    let mut direction = vec![1.0f64; columns];
    let mut eigenvalue = 0.0;
    for _ in 0..ITERATIONS {
        let length = direction.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        direction.iter_mut().for_each(|value| *value /= length);
        let mut next = vec![0.0f64; columns];
        for row in values.chunks_exact(columns) {
            let along: f64 = row.iter().zip(&direction).map(|(&value, direction)| f64::from(value) * direction).sum();
            next.iter_mut().zip(row).for_each(|(next, &value)| *next += along * f64::from(value));
        }
        next.iter_mut().for_each(|value| *value /= rows as f64);
        eigenvalue = next.iter().map(|value| value * value).sum::<f64>().sqrt();
        direction = next;
    }
    eigenvalue.max(1.0)
}

/// Memory of one step.
#[derive(Default)]
struct Step {
    x: Vec<f32>,
    labels: Vec<usize>,
    d_scores: Vec<f32>,
    gradient: Vec<f32>,
}

impl Step {
    /// The gradient of the mean cross-entropy of some rows.
    fn gradient(&mut self, layer: &SoftmaxLayer, features: &[f32], labels: &[usize], rows: &[usize]) {
        let (inputs, classes) = (layer.inputs, layer.classes);
        self.x.clear();
        self.labels.clear();
        for &row in rows {
            self.x.extend_from_slice(&features[row * inputs..(row + 1) * inputs]);
            self.labels.push(labels[row]);
        }
        let scores = layer.scores(&self.x);
        self.d_scores.resize(scores.len(), 0.0);
        cross_entropy(&scores, &self.labels[..], classes, &mut self.d_scores);
        self.gradient.clear();
        self.gradient.resize(layer.parameters.len(), 0.0);
        let (weight, bias) = self.gradient.split_at_mut(classes * inputs);
        let (x, d_scores) = (&self.x, &self.d_scores);
        weight.par_chunks_mut(inputs).zip(bias.par_iter_mut()).enumerate().for_each(|(class, (weight, bias))| {
            for (row, d_scores) in x.chunks_exact(inputs).zip(d_scores.chunks_exact(classes)) {
                let slope = d_scores[class];
                *bias += slope;
                weight.iter_mut().zip(row).for_each(|(weight, &x)| *weight += slope * x);
            }
        });
    }
}

/// Class and probabilities of one sample's scores.
#[must_use]
pub fn softmax(scores: &[f32]) -> (usize, Vec<f64>) {
    let class = largest(scores);
    let weights: Vec<f64> = scores.iter().map(|&score| libm::exp(f64::from(score - scores[class]))).collect();
    let total: f64 = weights.iter().sum();
    (class, weights.into_iter().map(|weight| weight / total).collect())
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::{LoadOptions, load};
    use hsic_nn::network::{Activation, Network, Norm};

    use super::*;

    fn settings(input: FormatInput, standardize: bool) -> FormatSettings {
        FormatSettings {
            input,
            epochs: 20,
            start: FormatStart::Zero,
            batch_size: 50,
            optimizer: Optimizer::momentum(0.9),
            learning_rate: None,
            decay: Decay::Cosine,
            standardize,
            seed: 1,
        }
    }

    fn digits() -> Split {
        let options = LoadOptions { train_size: Some(600), test_size: Some(200), ..LoadOptions::default() };
        load("digits", &options).unwrap()
    }

    #[test]
    fn random_features_are_enough_for_most_digits_and_the_network_stays_as_it_was() {
        let data = digits();
        let networks = [Network::mlp(784, &[200], 100, Activation::Relu, Norm::Batch, 1)];
        let before = networks[0].tensors();
        for input in [FormatInput::Last, FormatInput::All] {
            let at_rest = AtRest::new(&networks, input);
            let formatted = format(&at_rest, &data, &settings(input, true), &AtomicBool::new(false)).unwrap().unwrap();
            assert!(
                formatted.test.accuracy() > 0.4 && formatted.train.accuracy() > 0.6,
                "{input:?} {}",
                formatted.test.accuracy()
            );
            // The layer that is kept takes features as they come: only rounding may differ from what was counted.
            let again = formatted.layer.evaluate(&at_rest, &data.test).accuracy();
            assert!((again - formatted.test.accuracy()).abs() < 0.011, "{again}");
        }
        assert_eq!(networks[0].tensors(), before);
        let at_rest = AtRest::new(&networks, FormatInput::Last);
        assert_eq!(format(&at_rest, &data, &settings(FormatInput::Last, true), &AtomicBool::new(true)).unwrap(), None);
    }

    #[test]
    fn the_curvature_is_the_largest_eigenvalue() {
        // X'X / m = [[2, 1], [1, 2]]: eigenvalues 3 and 1.
        let root = 3.0f32.sqrt();
        let values = [root, root, 1.0, -1.0];
        assert!((curvature(&values, 2) - 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_agrees_with_central_differences() {
        let mut layer = SoftmaxLayer::new(9, 3);
        let mut stream = Stream::new(1, "test", 0);
        layer.parameters.iter_mut().for_each(|value| *value = 0.3 * stream.normal() as f32);
        let features: Vec<f32> = (0..45).map(|_| stream.normal() as f32).collect();
        let (labels, rows) = ([0, 2, 1, 1, 0], [4, 0, 2]);
        let mut step = Step::default();
        step.gradient(&layer, &features, &labels, &rows);
        let gradient = step.gradient.clone();
        let loss = |layer: &SoftmaxLayer| {
            let x: Vec<f32> = rows.iter().flat_map(|&row| features[row * 9..(row + 1) * 9].to_vec()).collect();
            cross_entropy(&layer.scores(&x), &rows.map(|row| labels[row])[..], 3, &mut [0.0; 9])
        };
        for (i, &expected) in gradient.iter().enumerate() {
            let (kept, h) = (layer.parameters[i], 1e-2);
            layer.parameters[i] = kept + h;
            let up = loss(&layer);
            layer.parameters[i] = kept - h;
            let down = loss(&layer);
            layer.parameters[i] = kept;
            // Single precision: 1e-7 / h of cancellation, h^2 of truncation.
            assert!((f64::from(expected) - (up - down) / f64::from(2.0 * h)).abs() < 2e-4, "{i}");
        }
    }
}
