//! Settings: every number of the program, by flag or TOML key, checked together.
//!
//! Options are what a user gives, all optional; [`TrainOptions::resolve`] fills in the defaults, reports every fault at
//! once and yields a [`TrainConfig`] in which nothing is invalid. A run saves its resolved options.

mod by_size;
mod by_targets;
mod checkpoints;
pub mod given;
mod norm_statistics;
mod options;
pub mod recipes;
mod resolution;
mod restarts;
mod sizes;

use std::path::{Path, PathBuf};

use hsic::{Approximation, Bottleneck};
use hsic_data::augment::Augmentation;
use hsic_data::dataset::{Dataset, LoadOptions, Task};
use hsic_data::fault::Fault;
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::judge::at_rest::Protocol;
use hsic_learn::judge::softmax::FormatSettings;
use hsic_learn::judge::test_time::TestTime;
use hsic_learn::method::{Method, Outputs, Recipe};
use hsic_learn::methods::Methods;
use hsic_learn::update::{Schedule, UnitLength, UpdateOrder};
use hsic_nn::network::{BlockSpec, Design, Entrance, Feature, InputNorm, Width};
use hsic_nn::optimizer::{Average, LearningRate, Optimizer};
use serde::{Deserialize, Serialize};

use crate::files::FileError;

pub use checkpoints::CheckpointRule;
pub use hsic_data::stage::DataOptions;
pub use hsic_learn::judge::options::{EvaluationOptions, FormatOptions};
pub use hsic_learn::options::{Numbers, ObjectiveOptions, RuleOptions};
pub use hsic_nn::network::NetworkOptions;
pub use hsic_nn::optimizer::{OptimizerName, OptimizerOptions};
pub use norm_statistics::NormStatistics;
pub use options::{Course, TrainingOptions};
pub use restarts::Restarts;
pub use sizes::Sizes;

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
    /// The file is not the one that training left.
    #[error(transparent)]
    Changed(#[from] FileError),
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
    /// How it is loaded.
    pub load: LoadOptions,
    /// Random changes of training images.
    pub augmentation: Augmentation,
    /// Name of the network.
    pub model: String,
    /// Blocks before the output block; `None` for the model's own.
    pub widths: Option<Vec<Width>>,
    /// Units of the output block; `None` for the model's own.
    pub outputs: Option<usize>,
    /// What all blocks are built with.
    pub design: Design,
    /// What the objective sees of a map.
    pub feature: Feature,
    /// What happens to a row of the input.
    pub input_norm: InputNorm,
    /// What happens between blocks.
    pub entrance: Entrance,
    /// The blocks of a network of one's own; empty for a model by name.
    pub blocks: Vec<BlockSpec>,
    /// The method.
    pub method: &'static Method,
    /// How it is made, with its own options.
    pub recipe: Recipe,
    /// Share of each row's target that cross-entropy spreads over all classes alike.
    pub label_smoothing: f64,
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
    /// Which weights a training goes on from.
    pub average: Average,
    /// The learning rate with its course.
    pub learning_rate: LearningRate,
    /// Passes over the training data; those of a named data set where they follow from the data, which are not known yet
    /// (see [`is_sized`](Self::is_sized)).
    pub epochs: u64,
    /// Rows of a batch; as with the epochs.
    pub batch_size: usize,
    /// Whether the last batch of an epoch is left out if it is short of rows.
    pub drop_last: bool,
    /// Epochs after which the learning rate's course begins anew.
    pub restarts: Restarts,
    /// Running statistics that the trained network keeps.
    pub norm_statistics: NormStatistics,
    /// Whether an epoch visits the samples in an order of its own.
    pub shuffle: bool,
    /// Which weights a block's input comes from.
    pub order: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
    /// What learns together.
    pub unit: UnitLength,
    /// Fixed parts that each batch is cut into; `None` where batches stay whole.
    pub shards: Option<usize>,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads; `None` for those of the pool that training is called on, or all cores.
    pub threads: Option<usize>,
    /// When checkpoints are saved.
    pub checkpoints: CheckpointRule,
    /// Steps between records of the monitor; 0 for none.
    pub monitor_steps: u64,
    /// Epochs between readouts of the blocks; 0 for none.
    pub probe_epochs: u64,
    /// Whether some judged samples are kept.
    pub keep_samples: bool,
    /// How unformatted outputs are judged.
    pub protocol: Protocol,
    /// Whether the test accuracy by the authors' protocol is recorded too.
    pub authors_beside: bool,
    /// Looks at each image whose accuracy is told beside the plain one.
    pub test_time: TestTime,
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
        self.method.outputs.name_classes()
    }

    /// Whether all blocks can be updated at once after (or during) one forward pass.
    #[must_use]
    pub fn blocks_at_once(&self) -> bool {
        self.recipe.blocks_at_once().unwrap_or(self.method.parallel)
    }

    /// How the data are loaded.
    #[must_use]
    pub fn load_options(&self) -> LoadOptions {
        self.load.clone()
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

/// A value of TOML as a user writes it for a flag.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Array(values) => values.iter().map(written).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

impl TrainOptions {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// `Read`; `Parse` with line, key and what was expected.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::of_text(path, &text)
    }

    /// [`read`](Self::read) of what a file holds.
    pub(crate) fn of_text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text)
            .map_err(|error| ConfigError::Parse { path: path.into(), message: error.to_string().trim_end().to_owned() })
    }

    /// The options of a run's folder: what one of an earlier version leaves unsaid is what that version did.
    #[must_use]
    pub fn as_stored(mut self) -> Self {
        // Data were divided by the seed of training. Any other one would judge rows that were trained on.
        self.data.split_seed = self.data.split_seed.or(self.training.seed);
        // Of methods whose outputs are read, not trained to name classes, only the softmax layer was trained that was
        // asked for, on the last block's outputs unless others were.
        let outputs =
            Methods::known().named(self.objective.method.as_deref().unwrap_or("hsic")).map(|known| known.outputs);
        // A run of this version whose data have not been loaded yet leaves the epochs open and says what the layer sees.
        if outputs == Some(Outputs::Units) && self.format.format_input.is_none() {
            self.format.format_epochs.get_or_insert(0);
            self.format.format_input = Some(FormatInput::Last);
        }
        // All targets were classes.
        self.data.task = self.data.task.or(Some(Task::Classification));
        Self { network: self.network.as_stored(), training: self.training.as_stored(), ..self }
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
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::Activation;

    use super::*;

    #[test]
    fn the_defaults_are_valid_and_survive_a_round_trip() {
        let config = TrainOptions::default().resolve().unwrap();
        assert_eq!((config.widths.as_deref(), config.design.activation), (None, Activation::Relu));
        let text = toml::to_string(&config.options).unwrap();
        let again: TrainOptions = toml::from_str(&text).unwrap();
        assert_eq!(again.resolve().unwrap(), config);
    }

    #[test]
    fn a_setting_that_the_method_does_not_read_is_told() {
        let mut options = TrainOptions::default();
        options.rule.recompute = Some(hsic_learn::options::Recompute::Auto);
        let message = options.clone().resolve().unwrap_err().to_string();
        let expected = "recompute = auto: expected not given for hsic, which does not read it; read by \
                        feedback-alignment, sign-symmetry, backprop";
        assert_eq!(message, expected);
        options.objective.method = Some("backprop".to_owned());
        assert!(options.resolve().is_ok());
    }

    #[test]
    fn comparisons_with_the_true_gradient_have_one_default_a_method() {
        for method in Methods::known().iter().filter(|method| method.reads("angle-steps")) {
            let mut options = TrainOptions::default();
            options.objective.method = Some(method.name.to_owned());
            let found = options.resolve().unwrap().options.rule.angle_steps;
            assert_eq!(found, Some(if method.name == "dni" { 50 } else { 0 }), "{}", method.name);
        }
    }

    #[test]
    fn whether_blocks_learn_at_once_is_said_of_the_options() {
        let at_once = |method: &str, decoupled| {
            let mut options = TrainOptions::default();
            options.objective.method = Some(method.to_owned());
            options.rule.decoupled = decoupled;
            options.resolve().unwrap().blocks_at_once()
        };
        assert!(!at_once("greedy", None) && at_once("greedy", Some(true)) && !at_once("greedy", Some(false)));
        assert!(at_once("hsic", None) && !at_once("backprop", None));
    }

    #[test]
    fn a_value_that_follows_another_is_not_told_beside_it() {
        let mut options = TrainOptions::default();
        options.objective.sigma = Some(Numbers(vec![-1.0]));
        assert_eq!(options.clone().resolve().unwrap_err().to_string(), "sigma = -1: expected a finite number > 0");
        options.objective.sigma_labels = Some(-2.0);
        let told = options.resolve().unwrap_err().to_string();
        assert!(told.ends_with("sigma-labels = -2: expected a finite number > 0"), "{told}");
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
    fn the_case_of_names_is_forgiven_and_the_nearest_name_is_told() {
        let of = |data: &str, model: &str, method: &str| {
            let mut options = TrainOptions::default();
            options.data.dataset = Some(data.to_owned());
            options.network.model = Some(model.to_owned());
            options.objective.method = Some(method.to_owned());
            options.resolve()
        };
        let config = of("MNIST", "CapsNet", "BackProp").unwrap();
        assert_eq!((&*config.dataset, &*config.model, config.method.name), ("mnist", "capsnet", "backprop"));
        // What the method makes of a network of that name follows the name as it is known.
        assert_eq!(config, of("mnist", "capsnet", "backprop").unwrap());
        let error = of("digits", "vg11b", "backprob").unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].ends_with("backprop, frozen; did you mean backprop?"), "{error}");
        assert!(lines[1].ends_with("capsnet, custom; did you mean vgg11b?"), "{error}");
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
