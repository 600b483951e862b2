//! Format training: the trained network is at_rest, one softmax layer on its outputs learns to name classes.
//!
//! Features are brought to mean 0 and deviation 1 over the training data before the layer sees them (folded into its
//! weights afterwards, so what is saved is one linear map); the authors leave them as they are.

use std::sync::atomic::{AtomicBool, Ordering};

use hsic::random::Stream;
use hsic::sums::paired_chains;
use hsic_data::dataset::{Dataset, DatasetError, Split};
use hsic_nn::optimizer::{Algorithm, Decay, Entrywise, Groups, LearningRate, Optimizer, OptimizerState};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::StepError;
use crate::judge::assignment::{Confusion, largest};
use crate::judge::at_rest::{AtRest, FormatInput};
pub use crate::judge::features::MEMORY_BYTES as FEATURE_BYTES;
use crate::judge::features::{Features, Scale};
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
    ///
    /// # Errors
    /// What is wrong with a file that samples lie in.
    pub fn evaluate(&self, at_rest: &AtRest<'_>, dataset: &Dataset) -> Result<Confusion, DatasetError> {
        let mut table = Confusion::new(dataset.classes(), self.classes);
        at_rest.for_each(dataset, usize::MAX, |labels, features| {
            table.add(labels, &self.scores(features), self.classes);
        })?;
        Ok(table)
    }

    /// This layer on features that come as they are, after it has learned from standardized ones.
    fn unstandardized(&self, Scale { means, deviations }: &Scale) -> Self {
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
/// One pass of all data through the networks. Features of all samples are kept: in memory, or, where the samples lie in a
/// file and the features have more than 64 MiB, in a file beside it.
pub fn format(
    at_rest: &AtRest<'_>,
    data: &Split,
    settings: &FormatSettings,
    stop: &AtomicBool,
) -> Result<Option<Formatted>, StepError> {
    let (columns, classes) = (at_rest.columns(), data.train.classes());
    let (mut train, mut test) = (Features::of(at_rest, &data.train)?, Features::of(at_rest, &data.test)?);
    let scale = if settings.standardize {
        let scale = train.moments()?;
        [&mut train, &mut test].into_iter().for_each(|features| features.standardize(&scale));
        scale
    } else {
        Scale::none(columns)
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
    let rows = train.labels().len();
    let steps = rows.div_ceil(settings.batch_size) as u64;
    let peak = match (settings.learning_rate, settings.optimizer.algorithm) {
        (Some(rate), _) => rate,
        (None, Algorithm::Entrywise(Entrywise::Sgd { .. })) => 2.0 / curvature(&train.first(CURVATURE_ROWS)?, columns),
        (None, _) => 1e-3,
    };
    let learning_rate = LearningRate { peak, decay: settings.decay, warmup_steps: 0 };
    for epoch in 0..settings.epochs {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut order: Vec<usize> = (0..rows).collect();
        Stream::new(settings.seed, "format-order", epoch).shuffle(&mut order);
        for (index, rows) in order.chunks(settings.batch_size).enumerate() {
            let rate = learning_rate.at(epoch * steps + index as u64, steps * settings.epochs);
            step.gradient(&layer, &train, rows)?;
            let parts = (&mut layer.parameters[..], &step.gradient[..]);
            settings.optimizer.step(rate, Groups::default(), parts, &mut state);
        }
        if !layer.parameters.iter().all(|value| value.is_finite()) {
            return Err(StepError::Diverged { block: at_rest.blocks() });
        }
        epochs.push(count(&layer, &test)?.accuracy());
    }
    let (train, test) = (count(&layer, &train)?, count(&layer, &test)?);
    Ok(Some(Formatted { layer: layer.unstandardized(&scale), train, test, epochs }))
}

fn count(layer: &SoftmaxLayer, features: &Features) -> Result<Confusion, DatasetError> {
    let mut table = Confusion::new(layer.classes, layer.classes);
    features.each(|labels, rows| table.add(labels, &layer.scores(rows), layer.classes))?;
    Ok(table)
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
    fn gradient(&mut self, layer: &SoftmaxLayer, features: &Features, rows: &[usize]) -> Result<(), DatasetError> {
        features.take(rows, &mut self.x)?;
        self.labels.clear();
        self.labels.extend(rows.iter().map(|&row| features.labels()[row]));
        self.of_taken(layer);
        Ok(())
    }

    /// The gradient of the rows that were taken.
    fn of_taken(&mut self, layer: &SoftmaxLayer) {
        let (inputs, classes) = (layer.inputs, layer.classes);
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
            let again = formatted.layer.evaluate(&at_rest, &data.test).unwrap().accuracy();
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
        let labels = [0, 2, 1, 1, 0];
        let mut step = Step { x: features.clone(), labels: labels.to_vec(), ..Step::default() };
        step.of_taken(&layer);
        let gradient = step.gradient.clone();
        let loss = |layer: &SoftmaxLayer| cross_entropy(&layer.scores(&features), &labels[..], 3, &mut [0.0; 15]);
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
