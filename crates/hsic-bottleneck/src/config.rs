//! Settings: every number of the program, by flag or TOML key, checked together.
//!
//! Options are what a user gives, all optional; [`TrainOptions::resolve`] fills in the defaults, reports every fault at
//! once and yields a [`TrainConfig`] in which nothing is invalid. A run saves its resolved options.

use std::fmt;
use std::path::{Path, PathBuf};

use hsic::Bottleneck;
use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::dataset::{Dataset, Normalize};
use crate::network::{Activation, NETWORKS};
use crate::optimizer::{Decay, LearningRate, Optimizer};
use crate::update::{METHODS, Schedule, UpdateOrder};

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name, as flag and TOML key.
    pub key: &'static str,
    /// What was given.
    pub value: String,
    /// What may be given.
    pub expected: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: expected {}", self.key, self.value, self.expected)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML of the known keys.
    #[error("{}: {message}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        message: String,
    },
    /// Values outside their ranges.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
}

/// Defines a stage's options: one definition for flag, TOML key and help.
macro_rules! options {
    ($(#[$meta:meta])* $name:ident, $heading:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "clap", derive(clap::Args))]
        #[cfg_attr(feature = "clap", command(next_help_heading = $heading))]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[cfg_attr(feature = "clap", arg(long))]
                pub $field: Option<$type>,
            )*
        }

        impl $name {
            /// These options where given, `other`'s elsewhere.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)* }
            }
        }
    };
}

options! {
    /// What is learned from.
    DataOptions, "Data" {
        /// Name of a data set, or path of a folder of images, .csv, .npy or .npz [default: digits]
        dataset: String,
        /// Folder that holds the data set's files [default: the platform's data folder]
        data_dir: PathBuf,
        /// Training samples drawn (digits) or kept, >= 1 [default: 10,000 digits, or all]
        train_size: usize,
        /// Test samples drawn (digits) or kept, >= 1 [default: 2,000 digits, or all]
        test_size: usize,
        /// Column of a table that holds the label, by name or index from 0 [default: the last]
        label_column: String,
        /// Share of a table or folder kept for testing if it has no test part, in (0, 1) [default: 0.2]
        test_fraction: f64,
        /// Scale a table's columns by the training part's mean and deviation [default: true]
        standardize: bool,
        /// Values of images: as they are, or each channel by the training part's mean and deviation [default: none]
        normalize: Normalize,
        /// Mirror every second training image at random, left to right [default: false]
        flip: bool,
        /// Move training images by up to so many pixels at random, black enters, >= 0 [default: 0]
        shift: usize,
        /// Side in pixels of a square cut out of training images at random, >= 0 [default: 0]
        cutout: usize,
    }
}

options! {
    /// What learns.
    NetworkOptions, "Network" {
        /// Name of the network [default: mlp]
        model: String,
        /// Widths of the hidden blocks, as 256,128 or 256x6; the output block is added [default: 256x6]
        widths: String,
        /// Nonlinearity of every block [default: relu]
        activation: Activation,
        /// Batch norm in every block [default: true]
        batch_norm: bool,
    }
}

options! {
    /// What a block is trained for.
    ObjectiveOptions, "Objective" {
        /// Learning method [default: hsic]
        method: String,
        /// Width of the kernels, in units of the root of the columns, > 0 [default: 5]
        sigma: f64,
        /// Width of the labels' kernel, > 0 [default: sigma]
        sigma_labels: f64,
        /// Weight of nHSIC(Z, Y), >= 0 [default: 500]
        beta: f64,
        /// Weight of nHSIC(Z, X), >= 0; 0 leaves the term out [default: 1]
        x_weight: f64,
        /// Ridge as a fraction of the batch, > 0 [default: 1e-5]
        epsilon: f64,
    }
}

/// Which optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// Gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    #[cfg_attr(feature = "clap", value(name = "adamw"))]
    #[serde(rename = "adamw")]
    AdamW,
}

options! {
    /// How a gradient changes the weights.
    OptimizerOptions, "Optimizer" {
        /// Optimizer [default: sgd]
        optimizer: OptimizerName,
        /// Learning rate, > 0 [default: 2e-3]
        learning_rate: f64,
        /// Course of the learning rate [default: cosine]
        decay: Decay,
        /// Steps over which the rate rises from 0 [default: 0]
        warmup_steps: u64,
        /// Momentum of sgd, in [0, 1) [default: 0]
        momentum: f64,
        /// Weight decay, >= 0 [default: 0]
        weight_decay: f64,
        /// Decay of adamw's mean gradient, in [0, 1) [default: 0.9]
        beta1: f64,
        /// Decay of adamw's mean squared gradient, in [0, 1) [default: 0.999]
        beta2: f64,
        /// Added to adamw's root, > 0 [default: 1e-8]
        adam_epsilon: f64,
    }
}

options! {
    /// How long and in which order.
    TrainingOptions, "Training" {
        /// Passes over the training data, >= 1 [default: 5]
        epochs: u64,
        /// Rows of a batch, >= 2 [default: 256]
        batch_size: usize,
        /// Which weights a block's input comes from [default: jacobi]
        update: UpdateOrder,
        /// What runs at once [default: parallel; gauss-seidel: sequential]
        schedule: Schedule,
        /// Seed of weights, order and built-in data [default: 1]
        seed: u64,
        /// Threads, >= 1 [default: all cores]
        threads: usize,
        /// Steps between checkpoints, >= 1 [default: those of an epoch]
        checkpoint_steps: u64,
    }
}

/// Everything that can be set, a table a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TrainOptions {
    /// `[data]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub data: DataOptions,
    /// `[network]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub network: NetworkOptions,
    /// `[objective]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub objective: ObjectiveOptions,
    /// `[optimizer]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub optimizer: OptimizerOptions,
    /// `[training]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub training: TrainingOptions,
}

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Every option, with its default where none was given.
    pub options: TrainOptions,
    /// Name or path of the data set.
    pub dataset: String,
    /// Random changes of training images.
    pub augmentation: Augmentation,
    /// Name of the network.
    pub model: String,
    /// Widths of the hidden blocks.
    pub widths: Vec<usize>,
    /// Nonlinearity of every block.
    pub activation: Activation,
    /// Batch norm in every block.
    pub batch_norm: bool,
    /// Name of the method.
    pub method: String,
    /// The objective's numbers.
    pub bottleneck: Bottleneck,
    /// The optimizer with its numbers.
    pub optimizer: Optimizer,
    /// The learning rate with its course.
    pub learning_rate: LearningRate,
    /// Passes over the training data.
    pub epochs: u64,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Which weights a block's input comes from.
    pub update: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads; `None` for all cores.
    pub threads: Option<usize>,
    /// Steps between checkpoints; `None` for those of an epoch.
    pub checkpoint_steps: Option<u64>,
}

impl TrainConfig {
    /// Checks what only the data can tell: whether its samples can be changed as asked.
    ///
    /// # Errors
    /// `Faults` with every value that cannot be used.
    pub fn check_data(&self, train: &Dataset) -> Result<(), ConfigError> {
        let faults = self.augmentation.faults(train);
        if faults.is_empty() { Ok(()) } else { Err(ConfigError::Faults(faults)) }
    }
}

/// Collects what is out of range.
struct Faults(Vec<Fault>);

impl Faults {
    fn check(&mut self, key: &'static str, value: impl fmt::Display, valid: bool, expected: &str) {
        if !valid {
            self.0.push(Fault { key, value: value.to_string(), expected: expected.to_owned() });
        }
    }

    fn positive(&mut self, key: &'static str, value: f64) {
        self.check(key, value, value > 0.0 && value.is_finite(), "a finite number > 0");
    }

    fn not_negative(&mut self, key: &'static str, value: f64) {
        self.check(key, value, value >= 0.0 && value.is_finite(), "a finite number >= 0");
    }

    fn share(&mut self, key: &'static str, value: f64) {
        self.check(key, value, (0.0..1.0).contains(&value), "a number in [0, 1)");
    }
}

impl TrainOptions {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// `Read`; `Parse` with line, key and what was expected.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.into(), message: error.to_string().trim_end().to_owned() })
    }

    /// These options where given, `other`'s elsewhere.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            data: self.data.or(other.data),
            network: self.network.or(other.network),
            objective: self.objective.or(other.objective),
            optimizer: self.optimizer.or(other.optimizer),
            training: self.training.or(other.training),
        }
    }

    /// Fills in the defaults and checks everything.
    ///
    /// # Errors
    /// `Faults` with every value that cannot be used.
    pub fn resolve(mut self) -> Result<TrainConfig, ConfigError> {
        let mut faults = Faults(Vec::new());
        let data = &mut self.data;
        let dataset = data.dataset.get_or_insert_with(|| "digits".to_owned()).clone();
        let test_fraction = *data.test_fraction.get_or_insert(0.2);
        let inside = test_fraction > 0.0 && test_fraction < 1.0;
        faults.check("test-fraction", test_fraction, inside, "a number in (0, 1)");
        data.standardize.get_or_insert(true);
        data.normalize.get_or_insert(Normalize::None);
        let augmentation = Augmentation {
            flip: *data.flip.get_or_insert(false),
            shift: *data.shift.get_or_insert(0),
            cutout: *data.cutout.get_or_insert(0),
        };
        for (key, size) in [("train-size", data.train_size), ("test-size", data.test_size)] {
            faults.check(key, 0, size != Some(0), "a whole number >= 1");
        }

        let network = &mut self.network;
        let model = network.model.get_or_insert_with(|| "mlp".to_owned()).clone();
        let known: Vec<&str> = NETWORKS.iter().map(|network| network.name).collect();
        faults.check("model", &model, known.contains(&model.as_str()), &known.join(", "));
        let text = network.widths.get_or_insert_with(|| "256x6".to_owned());
        let widths = parse_widths(text);
        faults.check(
            "widths",
            text,
            widths.is_some(),
            "positive widths as 256,128 or 256x6, 10,000 blocks at the most",
        );
        let activation = *network.activation.get_or_insert(Activation::Relu);
        let batch_norm = *network.batch_norm.get_or_insert(true);

        let objective = &mut self.objective;
        let method = objective.method.get_or_insert_with(|| "hsic".to_owned()).clone();
        let known: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
        faults.check("method", &method, known.contains(&method.as_str()), &known.join(", "));
        let sigma = *objective.sigma.get_or_insert(5.0);
        let bottleneck = Bottleneck {
            sigma,
            sigma_labels: *objective.sigma_labels.get_or_insert(sigma),
            epsilon: *objective.epsilon.get_or_insert(1e-5),
            beta: *objective.beta.get_or_insert(500.0),
            x_weight: *objective.x_weight.get_or_insert(1.0),
        };
        faults.positive("sigma", bottleneck.sigma);
        faults.positive("sigma-labels", bottleneck.sigma_labels);
        faults.positive("epsilon", bottleneck.epsilon);
        faults.not_negative("beta", bottleneck.beta);
        faults.not_negative("x-weight", bottleneck.x_weight);

        let optimizer = &mut self.optimizer;
        let name = *optimizer.optimizer.get_or_insert(OptimizerName::Sgd);
        let learning_rate = LearningRate {
            peak: *optimizer.learning_rate.get_or_insert(2e-3),
            decay: *optimizer.decay.get_or_insert(Decay::Cosine),
            warmup_steps: *optimizer.warmup_steps.get_or_insert(0),
        };
        let momentum = *optimizer.momentum.get_or_insert(0.0);
        let weight_decay = *optimizer.weight_decay.get_or_insert(0.0);
        let (beta1, beta2) = (*optimizer.beta1.get_or_insert(0.9), *optimizer.beta2.get_or_insert(0.999));
        let epsilon = *optimizer.adam_epsilon.get_or_insert(1e-8);
        faults.positive("learning-rate", learning_rate.peak);
        faults.share("momentum", momentum);
        faults.not_negative("weight-decay", weight_decay);
        faults.share("beta1", beta1);
        faults.share("beta2", beta2);
        faults.positive("adam-epsilon", epsilon);
        let optimizer = match name {
            OptimizerName::Sgd => Optimizer::Sgd { momentum, weight_decay },
            OptimizerName::AdamW => Optimizer::AdamW { beta1, beta2, epsilon, weight_decay },
        };

        let training = &mut self.training;
        let epochs = *training.epochs.get_or_insert(5);
        faults.check("epochs", epochs, epochs >= 1, "a whole number >= 1");
        let batch_size = *training.batch_size.get_or_insert(256);
        faults.check("batch-size", batch_size, batch_size >= 2, "a whole number >= 2");
        let update = *training.update.get_or_insert(UpdateOrder::Jacobi);
        let natural = if update == UpdateOrder::Jacobi { Schedule::Parallel } else { Schedule::Sequential };
        let schedule = *training.schedule.get_or_insert(natural);
        let together = update == UpdateOrder::Jacobi || schedule == Schedule::Sequential;
        faults.check("schedule", "parallel", together, "sequential, since gauss-seidel takes blocks in turn");
        let seed = *training.seed.get_or_insert(1);
        faults.check("threads", training.threads.unwrap_or(1), training.threads != Some(0), "a whole number >= 1");
        faults.check("checkpoint-steps", 0, training.checkpoint_steps != Some(0), "a whole number >= 1");
        let (threads, checkpoint_steps) = (training.threads, training.checkpoint_steps);

        if !faults.0.is_empty() {
            return Err(ConfigError::Faults(faults.0));
        }
        Ok(TrainConfig {
            options: self,
            dataset,
            augmentation,
            model,
            widths: widths.unwrap_or_default(),
            activation,
            batch_norm,
            method,
            bottleneck,
            optimizer,
            learning_rate,
            epochs,
            batch_size,
            update,
            schedule,
            seed,
            threads,
            checkpoint_steps,
        })
    }
}

/// `256x6` is six of 256; parts are separated by commas.
fn parse_widths(text: &str) -> Option<Vec<usize>> {
    let mut widths = Vec::new();
    for part in text.split(',') {
        let (width, count) = part.trim().split_once('x').unwrap_or((part.trim(), "1"));
        let (width, count) = (width.parse::<u32>().ok()?, count.parse::<u32>().ok()?);
        if width == 0 || width > 1_000_000 || count > 10_000 {
            return None;
        }
        widths.extend(std::iter::repeat_n(width as usize, count as usize));
    }
    (widths.len() <= 10_000).then_some(widths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_survive_a_round_trip() {
        let config = TrainOptions::default().resolve().unwrap();
        assert_eq!(config.widths, [256; 6]);
        let text = toml::to_string(&config.options).unwrap();
        let again: TrainOptions = toml::from_str(&text).unwrap();
        assert_eq!(again.resolve().unwrap(), config);
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut options = TrainOptions::default();
        options.objective.beta = Some(-3.0);
        options.objective.sigma = Some(0.0);
        options.objective.method = Some("magic".to_owned());
        options.network.widths = Some("256,none".to_owned());
        options.training.batch_size = Some(1);
        options.optimizer.momentum = Some(1.0);
        let message = options.resolve().unwrap_err().to_string();
        for expected in [
            "beta = -3: expected a finite number >= 0",
            "sigma = 0: expected a finite number > 0",
            "method = magic: expected hsic",
            "widths = 256,none: expected positive widths as 256,128 or 256x6",
            "batch-size = 1: expected a whole number >= 2",
            "momentum = 1: expected a number in [0, 1)",
        ] {
            assert!(message.contains(expected), "{expected}\n---\n{message}");
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<TrainOptions>("[objective]\nsigme = 3.0\n").unwrap_err().to_string();
        assert!(error.contains("sigme") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let mut flags = TrainOptions::default();
        flags.training.epochs = Some(7);
        let file: TrainOptions = toml::from_str("[training]\nepochs = 2\nseed = 3\n").unwrap();
        let config = flags.or(file).resolve().unwrap();
        assert_eq!((config.epochs, config.seed), (7, 3));
    }

    #[test]
    fn widths_are_lists_and_repetitions() {
        assert_eq!(parse_widths("256x2, 64"), Some(vec![256, 256, 64]));
        assert_eq!(parse_widths("0"), None);
        assert_eq!(parse_widths("8x99999"), None);
    }
}
