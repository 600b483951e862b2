//! Settings: every number of the program, by flag or TOML key, checked together.
//!
//! Options are what a user gives, all optional; [`TrainOptions::resolve`] fills in the defaults, reports every fault at
//! once and yields a [`TrainConfig`] in which nothing is invalid. A run saves its resolved options.

mod checkpoints;
mod options;

use std::path::{Path, PathBuf};

use hsic::{Approximation, Bottleneck};
use hsic_data::augment::Augmentation;
use hsic_data::dataset::{Dataset, LoadOptions, Normalize};
use hsic_data::fault::{Fault, Faults};
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::judge::at_rest::{NormProtocol, Protocol, ReadoutProtocol};
use hsic_learn::judge::softmax::FormatSettings;
use hsic_learn::method::{Method, Outputs, Recipe, Stages};
use hsic_learn::methods::Methods;
use hsic_learn::update::{Schedule, UpdateOrder};
use hsic_nn::network::models::{Width, parse_widths};
use hsic_nn::network::{Activation, BlockSpec, Entrance, Feature, NETWORKS, Norm};
use hsic_nn::optimizer::{Decay, LearningRate, Optimizer};
use serde::{Deserialize, Serialize};

pub use checkpoints::CheckpointRule;
pub use hsic_data::dataset::DataOptions;
pub use hsic_learn::judge::options::{EvaluationOptions, FormatOptions};
pub use hsic_learn::options::{Numbers, ObjectiveOptions, RuleOptions};
pub use hsic_nn::network::NetworkOptions;
pub use hsic_nn::optimizer::{OptimizerName, OptimizerOptions};
pub use options::TrainingOptions;

/// Name of a network that is a list of blocks.
const CUSTOM: &str = "custom";

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
    /// `[[block]]`: the blocks of a network of one's own.
    #[cfg_attr(feature = "clap", arg(skip))]
    #[serde(rename = "block", skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<BlockSpec>,
    /// `[objective]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub objective: ObjectiveOptions,
    /// `[rule]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub rule: RuleOptions,
    /// `[optimizer]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub optimizer: OptimizerOptions,
    /// `[training]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub training: TrainingOptions,
    /// `[evaluation]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub evaluation: EvaluationOptions,
    /// `[format]`
    #[cfg_attr(feature = "clap", command(flatten))]
    pub format: FormatOptions,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct TrainConfig {
    /// Every option, with its default where none was given.
    pub options: TrainOptions,
    /// Name or path of the data set.
    pub dataset: String,
    /// Random changes of training images.
    pub augmentation: Augmentation,
    /// Name of the network.
    pub model: String,
    /// Blocks before the output block; `None` for the model's own.
    pub widths: Option<Vec<Width>>,
    /// Units of the output block; `None` for the model's own.
    pub outputs: Option<usize>,
    /// Nonlinearity of every block.
    pub activation: Activation,
    /// What stands before it.
    pub norm: Norm,
    /// What the objective sees of a map.
    pub feature: Feature,
    /// What happens between blocks.
    pub entrance: Entrance,
    /// The blocks of a network of one's own; empty for a model by name.
    pub blocks: Vec<BlockSpec>,
    /// The method.
    pub method: &'static Method,
    /// How it is made, with its own options.
    pub recipe: Recipe,
    /// The methods that it was chosen among.
    pub methods: Methods,
    /// Width of the kernels of each network; one in the plain case.
    pub sigmas: Vec<f64>,
    /// The objective's numbers, those of the first width.
    pub bottleneck: Bottleneck,
    /// In which form the objective is computed.
    pub approximation: Approximation,
    /// The optimizer with its numbers.
    pub optimizer: Optimizer,
    /// The learning rate with its course.
    pub learning_rate: LearningRate,
    /// Passes over the training data.
    pub epochs: u64,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Whether an epoch visits the samples in an order of its own.
    pub shuffle: bool,
    /// Which weights a block's input comes from.
    pub order: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads; `None` for all cores.
    pub threads: Option<usize>,
    /// When checkpoints are saved.
    pub checkpoints: CheckpointRule,
    /// Steps between records of the monitor; 0 for none.
    pub monitor_steps: u64,
    /// How unformatted outputs are judged.
    pub protocol: Protocol,
    /// Whether the test accuracy by the authors' protocol is recorded too.
    pub authors_beside: bool,
    /// Format training; no epochs for none.
    pub format: FormatSettings,
}

impl PartialEq for TrainConfig {
    /// Everything else follows from the options, but for the threads, which a run that is taken up may have others of.
    fn eq(&self, other: &Self) -> bool {
        self.options == other.options && self.threads == other.threads
    }
}

impl TrainConfig {
    /// Whether the network's outputs name classes without a softmax layer on them.
    #[must_use]
    pub fn is_formatted(&self) -> bool {
        matches!(self.method.outputs, Outputs::Classes | Outputs::Labels)
    }

    /// How the data are loaded.
    #[must_use]
    pub fn load_options(&self) -> LoadOptions {
        let data = &self.options.data;
        LoadOptions {
            data_dir: data.data_dir.clone(),
            seed: self.seed,
            train_size: data.train_size,
            test_size: data.test_size,
            label_column: data.label_column.clone(),
            test_fraction: data.test_fraction.unwrap_or(0.2),
            standardize: data.standardize.unwrap_or(true),
            standardization: None,
            normalize: data.normalize.unwrap_or_default(),
            validation: data.validation.unwrap_or(0.0),
        }
    }

    /// Checks what only the data can tell: whether its samples can be changed as asked.
    ///
    /// # Errors
    /// `Faults` with every value that cannot be used.
    pub fn check_data(&self, train: &Dataset) -> Result<(), ConfigError> {
        let faults = self.augmentation.faults(train);
        if faults.is_empty() { Ok(()) } else { Err(ConfigError::Faults(faults)) }
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
            blocks: if self.blocks.is_empty() { other.blocks } else { self.blocks },
            objective: self.objective.or(other.objective),
            rule: self.rule.or(other.rule),
            optimizer: self.optimizer.or(other.optimizer),
            training: self.training.or(other.training),
            evaluation: self.evaluation.or(other.evaluation),
            format: self.format.or(other.format),
        }
    }

    /// Fills in the defaults and checks everything.
    ///
    /// # Errors
    /// `Faults` with every value that cannot be used.
    pub fn resolve(self) -> Result<TrainConfig, ConfigError> {
        self.resolve_among(&Methods::known())
    }

    /// The same, where the method may be one of one's own.
    ///
    /// # Errors
    /// `Faults` with every value that cannot be used.
    pub fn resolve_among(mut self, methods: &Methods) -> Result<TrainConfig, ConfigError> {
        let mut faults = Faults::default();
        let method = self.objective.method.get_or_insert_with(|| "hsic".to_owned()).clone();
        let chosen = methods.named(&method);
        let recipe = match chosen {
            Some(known) => {
                let expected = format!("not given for {method}, which does not read it");
                if let Ok(toml::Value::Table(given)) = toml::Value::try_from(&self.rule) {
                    for (key, value) in given.iter().filter(|(key, _)| !known.reads(key)) {
                        faults.check(key, value, false, &expected);
                    }
                }
                let mut stages = Stages {
                    data: &self.data,
                    network: &mut self.network,
                    blocks: &self.blocks,
                    objective: &mut self.objective,
                    rule: &mut self.rule,
                    optimizer: &mut self.optimizer,
                };
                Some((known, (known.resolve)(&mut stages, &mut faults)))
            }
            None => {
                faults.check("method", &method, false, &methods.names());
                None
            }
        };
        let meaning = chosen.map(|chosen| chosen.outputs);
        if matches!(meaning, Some(Outputs::Features | Outputs::Labels)) {
            self.format.format_epochs.get_or_insert(10);
            self.format.format_input.get_or_insert(FormatInput::All);
        }
        let data = &mut self.data;
        let dataset = data.dataset.get_or_insert_with(|| "digits".to_owned()).clone();
        let test_fraction = *data.test_fraction.get_or_insert(0.2);
        let inside = test_fraction > 0.0 && test_fraction < 1.0;
        faults.check("test-fraction", test_fraction, inside, "a number in (0, 1)");
        data.standardize.get_or_insert(true);
        faults.share("validation", *data.validation.get_or_insert(0.0));
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
        let mut known: Vec<&str> = NETWORKS.iter().map(|network| network.name).collect();
        known.push(CUSTOM);
        faults.check("model", &model, known.contains(&model.as_str()), &known.join(", "));
        let custom = model == CUSTOM;
        faults.check("block", self.blocks.len(), custom || self.blocks.is_empty(), "no list but for model = custom");
        faults.check("block", 0, !custom || !self.blocks.is_empty(), "a [[block]] list for model = custom");
        let widths = network.widths.as_deref().map(|text| (text, parse_widths(text)));
        let known = "positive widths as 256,128 or 256x6, 10,000 blocks at the most";
        if let Some((text, widths)) = &widths {
            faults.check("widths", text, widths.is_some(), known);
            faults.check("widths", text, !custom, "none for model = custom");
        }
        let widths = widths.and_then(|(_, widths)| widths);
        faults.check("outputs", 0, network.outputs != Some(0), "a whole number >= 1");
        let outputs = network.outputs;
        let own = NETWORKS.iter().find(|network| network.name == model);
        let activation = *network.activation.get_or_insert(own.map_or(Activation::Relu, |own| own.activation));
        let norm = *network.norm.get_or_insert(own.map_or(Norm::Batch, |own| own.norm));
        let feature = *network.feature.get_or_insert(Feature::Pool(2));
        let entrance = Entrance {
            between: *network.between.get_or_insert_default(),
            dropout: *network.dropout.get_or_insert(0.0),
        };
        faults.share("dropout", entrance.dropout);

        let objective = &mut self.objective;
        let sigmas = objective.sigma.get_or_insert_with(|| Numbers(vec![5.0])).0.clone();
        faults.check("sigma", "", !sigmas.is_empty(), "a finite number > 0, or several as 1,5,10");
        let sigma = sigmas.first().copied().unwrap_or(1.0);
        let bottleneck = Bottleneck {
            sigma,
            sigma_labels: objective.sigma_labels.unwrap_or(sigma),
            epsilon: *objective.epsilon.get_or_insert(1e-5),
            beta: *objective.beta.get_or_insert(500.0),
            x_weight: *objective.x_weight.get_or_insert(1.0),
        };
        for &sigma in &sigmas {
            faults.positive("sigma", sigma);
        }
        faults.positive("sigma-labels", bottleneck.sigma_labels);
        faults.positive("epsilon", bottleneck.epsilon);
        faults.not_negative("beta", bottleneck.beta);
        faults.not_negative("x-weight", bottleneck.x_weight);
        let approximation = *objective.approximation.get_or_insert_default();

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
        let shuffle = *training.shuffle.get_or_insert(true);
        let update = *training.update.get_or_insert(UpdateOrder::Jacobi);
        let natural = if update == UpdateOrder::Jacobi { Schedule::Parallel } else { Schedule::Sequential };
        let schedule = *training.schedule.get_or_insert(natural);
        let together = update == UpdateOrder::Jacobi || schedule == Schedule::Sequential;
        faults.check("schedule", "parallel", together, "sequential, since gauss-seidel takes blocks in turn");
        let seed = *training.seed.get_or_insert(1);
        faults.check("threads", training.threads.unwrap_or(1), training.threads != Some(0), "a whole number >= 1");
        let threads = training.threads;
        if training.checkpoint_steps.is_none() && training.checkpoint_minutes.is_none() {
            training.checkpoint_epochs.get_or_insert(1);
        }
        let checkpoints = CheckpointRule {
            steps: training.checkpoint_steps,
            epochs: training.checkpoint_epochs,
            minutes: training.checkpoint_minutes,
        };
        faults.check("checkpoint-steps", 0, checkpoints.steps != Some(0), "a whole number >= 1");
        faults.check("checkpoint-epochs", 0, checkpoints.epochs != Some(0), "a whole number >= 1");
        faults.positive("checkpoint-minutes", checkpoints.minutes.unwrap_or(1.0));

        let monitor_steps = *training.monitor_steps.get_or_insert(0);
        let protocol = Protocol {
            readout: *self.evaluation.readout.get_or_insert(ReadoutProtocol::Fair),
            norm: *self.evaluation.bn.get_or_insert(NormProtocol::Fair),
            batch_size,
        };
        let authors_beside = *self.evaluation.authors_beside.get_or_insert(false);
        let format = self.format.resolve(seed, &mut faults);
        let expected = format!("at least 1 for {method}, whose outputs name no classes");
        faults.check("format-epochs", 0, meaning != Some(Outputs::Features) || format.epochs > 0, &expected);
        let read = chosen.is_some_and(|chosen| chosen.reads("approximation")) || approximation == Approximation::Exact;
        faults.check("approximation", approximation, read, &format!("exact for {method}, which does not read it"));
        if let Approximation::Nystroem(landmarks) = approximation {
            let expected = "at most as many landmarks as rows of a batch (batch-size)";
            faults.check("approximation", approximation, landmarks <= batch_size, expected);
        }
        let combined = sigmas.len() > 1;
        faults.check("format-epochs", 0, !combined || format.epochs > 0, "at least 1 with several sigmas");
        faults.check(
            "sigma",
            Numbers(sigmas.clone()),
            !combined || method == "hsic",
            "one number for another method than hsic",
        );

        let (Some((method, recipe)), true) = (recipe, faults.0.is_empty()) else {
            return Err(ConfigError::Faults(faults.0));
        };
        Ok(TrainConfig {
            blocks: self.blocks.clone(),
            options: self,
            dataset,
            augmentation,
            model,
            widths,
            outputs,
            activation,
            norm,
            feature,
            entrance,
            method,
            recipe,
            methods: methods.clone(),
            sigmas,
            bottleneck,
            approximation,
            optimizer,
            learning_rate,
            epochs,
            batch_size,
            shuffle,
            order: update,
            schedule,
            seed,
            threads,
            checkpoints,
            monitor_steps,
            protocol,
            authors_beside,
            format,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_survive_a_round_trip() {
        let config = TrainOptions::default().resolve().unwrap();
        assert_eq!((config.widths.as_deref(), config.activation), (None, Activation::Relu));
        let text = toml::to_string(&config.options).unwrap();
        let again: TrainOptions = toml::from_str(&text).unwrap();
        assert_eq!(again.resolve().unwrap(), config);
    }

    #[test]
    fn a_setting_that_the_method_does_not_read_is_told() {
        let mut options = TrainOptions::default();
        options.rule.recompute = Some(hsic_learn::options::Recompute::Auto);
        let message = options.clone().resolve().unwrap_err().to_string();
        assert_eq!(message, "recompute = \"auto\": expected not given for hsic, which does not read it");
        options.objective.method = Some("backprop".to_owned());
        assert!(options.resolve().is_ok());
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut options = TrainOptions::default();
        options.objective.beta = Some(-3.0);
        options.objective.sigma = Some(Numbers(vec![0.0]));
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
    fn an_approximation_is_text_that_fits_method_and_batch() {
        let of = |text: &str| toml::from_str::<TrainOptions>(&format!("[objective]\napproximation = \"{text}\"\n"));
        let config = of("nystroem:200").unwrap().resolve().unwrap();
        assert_eq!(config.approximation, Approximation::Nystroem(200));
        assert!(toml::to_string(&config.options).unwrap().contains("approximation = \"nystroem:200\"\n"));
        let error = of("fourier:7").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("fourier:R with an even R >= 2"), "{error}");
        let mut options = of("nystroem:300").unwrap();
        options.objective.method = Some("backprop".to_owned());
        let expected = [
            "approximation = nystroem:300: expected exact for backprop, which does not read it",
            "approximation = nystroem:300: expected at most as many landmarks as rows of a batch (batch-size)",
        ];
        assert_eq!(options.resolve().unwrap_err().to_string(), expected.join("\n"));
        assert_eq!(of("exact").unwrap().resolve().unwrap(), TrainOptions::default().resolve().unwrap());
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
}
