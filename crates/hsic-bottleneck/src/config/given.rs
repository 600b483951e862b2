//! Which options a training reads. One that is given to a training that does not read it would change nothing, and a
//! sweep over it would measure noise: it is refused, with what would read it.
//!
//! Given is what a user wrote. Options that are resolved hold defaults that nobody wrote, of what is not read too; those
//! that a run stored are therefore not asked.

use std::path::Path;

use hsic_data::dataset::Form;
use hsic_data::fault::Fault;
use hsic_learn::judge::at_rest::FormatInput;
use hsic_learn::method::{Method, Outputs};
use hsic_learn::methods::{METHODS, Methods};
use hsic_learn::options::{InputTerm, LocalLoss, PhsicKernel};
use hsic_learn::update::{UnitLength, UpdateOrder};
use hsic_nn::network::models::ends_in_capsules;
use hsic_nn::network::{BlockSpec, NETWORKS, NetworkSettings, Norm};
use hsic_nn::optimizer::{Algorithm, Entrywise, OptimizerName};

use super::resolution::not_read;
use super::{ConfigError, DataOptions, NormStatistics, TrainConfig, TrainOptions, written};

/// An option that is given and not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its name, as flag and TOML key.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What does not read it: `backprop`.
    pub here: String,
    /// What would read it: `hsic, hsic-local`.
    pub readers: String,
}

impl From<Unread> for Fault {
    fn from(Unread { key, value, here, readers }: Unread) -> Self {
        Self { key, value, expected: not_read(&here, &readers) }
    }
}

impl Unread {
    /// An error of all that is not read, if anything is.
    ///
    /// # Errors
    /// `Faults`, one for each.
    pub fn refuse(unread: Vec<Self>) -> Result<(), ConfigError> {
        if unread.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Faults(unread.into_iter().map(Fault::from).collect()))
    }
}

/// Why an option is not read: what does not read it, and what would.
type Reason = Option<(String, String)>;

/// Options of which the same decides whether they are read.
struct Condition {
    /// Their fields in the options of a stage.
    fields: &'static [&'static str],
    /// Why a training does not read one of them; `None` if it does.
    unread: fn(&TrainConfig, &str) -> Reason,
}

const SGD: &str = "optimizer = sgd";
const MUON: &str = "optimizer = muon";
const IMAGES: &str = "data sets of images";
const MAPS: &str = "networks of maps (conv, resnet-conv, vgg, vgg8b, vgg11b, airbench, airbench-map, capsnet)";

/// Methods that go from block to block by `update`, all at once or in turn by `schedule`.
const ORDERED: &[&str] = &[
    "hsic",
    "hsic-local",
    "phsic",
    "alignment",
    "predsim",
    "mono-forward",
    "greedy",
    "forward-forward",
    "cwc-ff",
    "softhebb",
];

/// Methods by which a block needs its input and the batch alone, so that a batch can come in parts and blocks learn in units.
const BLOCK_BY_BLOCK: &[&str] =
    &["hsic", "hsic-local", "phsic", "alignment", "predsim", "mono-forward", "greedy", "cwc-ff"];

/// Methods that have a linear classifier beside each block.
const CLASSIFIED: &[&str] = &["predsim", "mono-forward", "greedy"];

/// Methods that see a map by its `feature`, in training or where classes are read.
const BY_FEATURE: &[&str] = &["hsic", "hsic-local", "phsic", "alignment", "mono-forward", "forward-forward"];

/// Every option that not all trainings read. Those of a validation part are read whatever else is given: `validation` is
/// added to a command to choose settings, and `test-size` may stay in it.
static CONDITIONS: &[Condition] = &[
    Condition {
        fields: &["data_dir"],
        unread: |config, _| {
            let named = "data sets that are files under a name (see hsic data list)";
            by_form(config, |form| form == Form::Files, named)
        },
    },
    Condition {
        fields: &["label_column", "test_dataset", "drop", "columns", "missing"],
        unread: |config, _| by_form(config, |form| form == Form::Table, "tables (.csv, .tsv, .npy)"),
    },
    Condition {
        fields: &["header", "encoding"],
        unread: |config, _| {
            let is_array = Path::new(&config.dataset).extension().is_some_and(|end| end.eq_ignore_ascii_case("npy"));
            by_form(config, |form| form == Form::Table && !is_array, "tables of text (.csv, .tsv)")
        },
    },
    Condition {
        fields: &["test_fraction", "split_seed"],
        unread: |config, field| {
            let drawn = config.load.test_dataset.is_none() || field == "split_seed" && config.load.validation > 0.0;
            unless(drawn, "data with a test-dataset", "data without a test part")
        },
    },
    Condition {
        fields: &["arrays"],
        unread: |config, _| by_form(config, |form| form == Form::Arrays, "arrays (.npz)"),
    },
    Condition {
        fields: &["task"],
        unread: |config, _| by_form(config, Form::may_be_table, "tables (.csv, .npy, .npz)"),
    },
    Condition {
        fields: &["test_fraction"],
        unread: |config, _| {
            let splits = |form| !matches!(form, Form::Drawn | Form::Files | Form::Folder { parted: true });
            by_form(config, splits, "tables, folders and archives without a test part")
        },
    },
    Condition {
        fields: &["split_seed"],
        unread: |config, _| {
            let splits = |form| !matches!(form, Form::Drawn | Form::Files | Form::Folder { parted: true });
            let named = "tables, folders and archives without a test part, or with validation";
            by_form(config, |form| config.load.validation > 0.0 || splits(form), named)
        },
    },
    Condition {
        fields: &["standardize"],
        unread: |config, _| by_form(config, Form::may_be_table, "tables (.csv, .tsv, .npy, .npz)"),
    },
    Condition {
        fields: &["image_size", "image_fit", "skip_broken"],
        unread: |config, _| {
            let files = |form| matches!(form, Form::Folder { .. } | Form::Archive);
            by_form(config, files, "folders and archives of images")
        },
    },
    Condition {
        fields: &["normalize", "flip", "shift", "cutout"],
        unread: |config, _| by_form(config, Form::may_be_images, IMAGES),
    },
    Condition {
        fields: &["shift_border"],
        // How far images of one's own are moved may be open until they are there.
        unread: |config, _| unless(config.options.data.shift != Some(0), of("shift", "0"), "a shift above 0"),
    },
    Condition {
        fields: &["outputs"],
        unread: |config, _| {
            let named = NETWORKS.iter().any(|network| network.name == config.model);
            unless(named, of("model", &config.model), "networks by name, other than custom")
        },
    },
    Condition {
        fields: &["activation"],
        unread: |config, _| {
            let asks = |block: &BlockSpec| match block {
                BlockSpec::Dense { activation, .. } | BlockSpec::Conv { activation, .. } => activation.is_none(),
                _ => false,
            };
            let here = "blocks that name theirs or have none";
            unless(blocks(config).iter().any(asks), here, "dense and convolutional blocks that do not name theirs")
        },
    },
    Condition {
        fields: &["norm"],
        unread: |config, _| {
            let asks = |block: &BlockSpec| match block {
                BlockSpec::Dense { norm, .. } | BlockSpec::Conv { norm, .. } => norm.is_none(),
                _ => false,
            };
            let here = "blocks that name theirs or have none";
            unless(blocks(config).iter().any(asks), here, "dense and convolutional blocks that do not name theirs")
        },
    },
    Condition {
        fields: &["norm_statistics"],
        // That nothing is formed anew holds of a network without statistics, too.
        unread: |config, _| {
            let read = has_norm(config) || config.norm_statistics != NormStatistics::Anew;
            unless(read, "a network without batch norm", "networks with batch norm")
        },
    },
    Condition {
        fields: &["dropout_by"],
        unread: |config, _| unless(config.entrance.dropout > 0.0, of("dropout", "0"), "a dropout above 0"),
    },
    Condition { fields: &["pool_at"], unread: |config, _| unless(has_maps(config), of("model", &config.model), MAPS) },
    Condition { fields: &["whiten"], unread: |config, _| by_form(config, Form::may_be_images, IMAGES) },
    Condition {
        fields: &["start"],
        unread: |config, _| {
            let convolves = blocks(config).iter().any(|block| matches!(block, BlockSpec::Conv { .. }));
            unless(convolves, of("model", &config.model), "networks with convolutions")
        },
    },
    Condition { fields: &["feature"], unread: |config, _| unless(has_maps(config), of("model", &config.model), MAPS) },
    Condition {
        fields: &["feature"],
        unread: |config, _| {
            let layered = config.format.epochs > 0 && config.format.input == FormatInput::All;
            let others = layered || config.monitor_steps > 0;
            let told = format!("{}, or with monitor-steps or format-input = all", BY_FEATURE.join(", "));
            by_method(config, others || BY_FEATURE.contains(&config.method.name), told)
        },
    },
    Condition {
        fields: &["beta", "x_weight", "approximation", "label_fit"],
        unread: |config, field| by_method(config, reads(config, field), readers(field)),
    },
    Condition {
        fields: &["sigma", "sigma_labels", "epsilon"],
        unread: |config, field| {
            // The monitor measures nHSIC whatever the method is.
            let told = format!("{}, or with monitor-steps", readers(field));
            by_method(config, config.monitor_steps > 0 || reads(config, field), told)
        },
    },
    Condition {
        fields: &["x"],
        unread: |config, _| {
            let without = config.bottleneck.x_weight == 0.0 && config.options.rule.x != Some(InputTerm::None);
            unless(!without, "x-weight = 0", "x-weight > 0")
        },
    },
    Condition {
        fields: &["label_smoothing"],
        unread: |config, _| {
            let capsules = ends_in_capsules(&blocks(config), 2) && config.method.takes_capsules;
            let read = !capsules && (config.method.name != "hsic" || has_head(config.method, config));
            let told = "methods with a cross-entropy: hsic with classifier > 0, others but on capsnet";
            unless(read, of("method", config.method.name), told)
        },
    },
    Condition {
        fields: &["similarity_weight"],
        unread: |config, _| {
            let loss = config.options.rule.local_loss.unwrap_or(LocalLoss::Both);
            let here = if loss == LocalLoss::Pred { "local-loss = pred" } else { "local-loss = sim" };
            unless(loss == LocalLoss::Both, here, "local-loss = both")
        },
    },
    Condition {
        fields: &["decoder_size"],
        unread: |config, _| {
            let read = config.options.rule.local_loss != Some(LocalLoss::Sim);
            unless(read, "local-loss = sim", "local-loss = pred or both")
        },
    },
    Condition {
        fields: &["decoder_size"],
        unread: |config, _| unless(has_maps(config), of("model", &config.model), MAPS),
    },
    Condition {
        fields: &["phsic_sigma"],
        unread: |config, _| {
            let read = config.options.rule.phsic_kernel == Some(PhsicKernel::Gaussian);
            unless(read, "phsic-kernel = cosine", "phsic-kernel = gaussian")
        },
    },
    Condition {
        fields: &["group_power"],
        unread: |config, _| unless(config.options.rule.groups != Some(0), "groups = 0", "groups >= 1"),
    },
    Condition {
        fields: &["auxiliary_width"],
        unread: |config, _| unless(config.options.rule.auxiliary != Some(1), "auxiliary = 1", "auxiliary >= 2"),
    },
    Condition {
        fields: &["momentum"],
        unread: |config, _| {
            let by_adamw = matches!(config.optimizer.algorithm, Algorithm::Entrywise(Entrywise::AdamW { .. }));
            unless(!by_adamw, optimizer(config), "optimizer = sgd or muon")
        },
    },
    Condition {
        fields: &["nesterov"],
        unread: |config, _| {
            let by_sgd = matches!(config.optimizer.algorithm, Algorithm::Entrywise(Entrywise::Sgd { .. }));
            unless(by_sgd, optimizer(config), SGD)
        },
    },
    Condition {
        fields: &["beta1", "beta2", "adam_epsilon"],
        unread: |config, _| {
            let (Algorithm::Entrywise(rule) | Algorithm::Muon { rest: rule, .. }) = config.optimizer.algorithm;
            unless(matches!(rule, Entrywise::AdamW { .. }), optimizer(config), "optimizer = adamw, muon-rest = adamw")
        },
    },
    Condition {
        fields: &["muon_rest"],
        unread: |config, _| {
            unless(matches!(config.optimizer.algorithm, Algorithm::Muon { .. }), optimizer(config), MUON)
        },
    },
    Condition {
        fields: &["rest_momentum"],
        unread: |config, _| {
            let by_sgd = matches!(config.optimizer.algorithm, Algorithm::Muon { rest: Entrywise::Sgd { .. }, .. });
            unless(by_sgd, optimizer(config), "optimizer = muon with muon-rest = sgd")
        },
    },
    Condition {
        fields: &["norm_bias_rate"],
        unread: |config, _| {
            let shifts = norms(config).any(|norm| matches!(norm, Norm::BatchAffine | Norm::BatchBias));
            let told = "networks with norm = batch-affine or batch-bias";
            unless(shifts, "a network without shifts after norms", told)
        },
    },
    Condition {
        fields: &["head_start"],
        unread: |config, _| {
            let told = "methods whose outputs are trained to name classes, or with classifier > 0";
            let read = has_head(config.method, config) && !ends_in_capsules(&blocks(config), 2);
            by_method(config, read, told.to_owned())
        },
    },
    Condition {
        fields: &["head_rate"],
        unread: |config, _| {
            let told = "methods whose outputs are trained to name classes, or with classifier > 0";
            by_method(config, has_head(config.method, config), told)
        },
    },
    Condition {
        fields: &["classifier_rate"],
        unread: |config, _| by_method(config, has_classifiers(config), "methods with a classifier beside each block"),
    },
    Condition {
        fields: &["update"],
        unread: |config, _| by_method(config, ORDERED.contains(&config.method.name), ORDERED.join(", ")),
    },
    Condition {
        fields: &["schedule"],
        unread: |config, _| {
            // SoftHebb's blocks go one after the other.
            let scheduled: Vec<&str> = ORDERED.iter().copied().filter(|&name| name != "softhebb").collect();
            by_method(config, scheduled.contains(&config.method.name), scheduled.join(", "))
        },
    },
    Condition {
        fields: &["unit"],
        unread: |config, _| by_method(config, BLOCK_BY_BLOCK.contains(&config.method.name), BLOCK_BY_BLOCK.join(", ")),
    },
    Condition {
        fields: &["shards"],
        unread: |config, _| by_method(config, BLOCK_BY_BLOCK.contains(&config.method.name), BLOCK_BY_BLOCK.join(", ")),
    },
    Condition {
        fields: &["shards"],
        unread: |config, _| {
            let here = "update = gauss-seidel, by which a block waits for those before it";
            unless(config.order == UpdateOrder::Jacobi, here, "update = jacobi")
        },
    },
    Condition {
        fields: &["shards"],
        unread: |config, _| {
            unless(config.unit == UnitLength::default(), of("unit", &config.unit.to_string()), "unit = 1")
        },
    },
    Condition {
        fields: &["shards"],
        unread: |config, _| {
            unless(config.entrance.dropout == 0.0, of("dropout", &config.entrance.dropout.to_string()), "dropout = 0")
        },
    },
    Condition {
        fields: &["bn"],
        unread: |config, _| {
            // Averages of several networks are normalized by the batch, too.
            let read = has_norm(config) || config.sigmas.len() > 1;
            unless(read, "a network without batch norm", "networks with batch norm, and several sigmas")
        },
    },
    Condition { fields: &["test_time"], unread: |config, _| by_form(config, Form::may_be_images, IMAGES) },
    Condition {
        fields: &["authors_beside"],
        unread: |config, _| {
            let here = format!("{} on a network without batch norm", config.method.name);
            let read = has_norm(config) || !config.is_formatted();
            unless(read, here, "networks with batch norm, and methods whose outputs name no classes")
        },
    },
    Condition {
        fields: &[
            "format_input",
            "format_start",
            "format_optimizer",
            "format_learning_rate",
            "format_decay",
            "format_momentum",
            "format_weight_decay",
            "format_batch_size",
            "format_standardize",
        ],
        unread: |config, _| unless(config.format.epochs > 0, "format-epochs = 0", "format-epochs >= 1"),
    },
    Condition {
        fields: &["format_momentum"],
        unread: |config, _| {
            let read = config.options.format.format_optimizer != Some(OptimizerName::AdamW);
            unless(read, "format-optimizer = adamw", "format-optimizer = sgd")
        },
    },
];

/// Options that a training reads and the evaluation of a run does not: it sees data through the numbers of the training.
const OF_TRAINING: &[&str] =
    &["task", "standardize", "image-size", "image-fit", "normalize", "flip", "shift", "shift-border", "cutout"];

fn of(key: &str, value: &str) -> String {
    format!("{key} = {value}")
}

fn unless(read: bool, here: impl Into<String>, readers: impl Into<String>) -> Reason {
    (!read).then(|| (here.into(), readers.into()))
}

/// Of a data set whose form is not known, loading it says what is amiss.
fn by_form(config: &TrainConfig, read: impl Fn(Form) -> bool, readers: &str) -> Reason {
    unless(Form::of(&config.dataset).is_none_or(read), of("dataset", &config.dataset), readers)
}

/// Of a method of one's own it is not known what it reads.
fn by_method(config: &TrainConfig, read: bool, readers: impl Into<String>) -> Reason {
    let own = METHODS.iter().all(|method| method.name != config.method.name);
    unless(own || read, config.method.name, readers)
}

fn reads(config: &TrainConfig, field: &str) -> bool {
    config.method.reads(&key(field))
}

fn readers(field: &str) -> String {
    Methods::known().readers(&key(field))
}

fn key(field: &str) -> String {
    field.replace('_', "-")
}

/// The blocks of the network, but for what the method makes of its output block.
fn blocks(config: &TrainConfig) -> Vec<BlockSpec> {
    // Which kinds there are does not depend on the number of classes, nor on the side of images.
    let settings = NetworkSettings { widths: config.widths.clone(), outputs: config.outputs, classes: 2, side: 64 };
    let kind = NETWORKS.iter().find(|kind| kind.name == config.model);
    kind.map_or_else(|| config.blocks.clone(), |kind| (kind.blocks)(&settings))
}

fn has_maps(config: &TrainConfig) -> bool {
    blocks(config).iter().any(|block| !matches!(block, BlockSpec::Dense { .. }))
}

/// The norms of the network's dense and convolutional blocks.
fn norms(config: &TrainConfig) -> impl Iterator<Item = Norm> {
    let own = config.design.norm;
    blocks(config).into_iter().filter_map(move |block| match block {
        BlockSpec::Dense { norm, .. } | BlockSpec::Conv { norm, .. } => Some(norm.unwrap_or(own)),
        _ => None,
    })
}

fn has_norm(config: &TrainConfig) -> bool {
    norms(config).any(|norm| norm != Norm::None)
}

/// Whether a method trains a linear layer to name classes: the network's last, or one beside each block.
fn has_head(method: &Method, config: &TrainConfig) -> bool {
    let beside = method.reads("classifier") && config.options.rule.classifier.is_some_and(|weight| weight > 0.0);
    method.outputs == Outputs::Classes || beside
}

/// Whether a method trains a linear classifier beside each block.
fn has_classifiers(config: &TrainConfig) -> bool {
    let asked = config.method.reads("classifier") && config.options.rule.classifier.is_some_and(|weight| weight > 0.0);
    asked || CLASSIFIED.contains(&config.method.name) && config.options.rule.local_loss != Some(LocalLoss::Sim)
}

/// The optimizer as it is given.
fn optimizer(config: &TrainConfig) -> String {
    of("optimizer", config.options.optimizer.optimizer.unwrap_or(OptimizerName::Sgd).name())
}

/// Every option that is given: key and value.
pub(super) fn entries(options: &TrainOptions) -> Vec<(String, toml::Value)> {
    let Ok(toml::Value::Table(stages)) = toml::Value::try_from(options) else { return Vec::new() };
    let stages = stages
        .into_iter()
        .filter_map(|(_, stage)| if let toml::Value::Table(table) = stage { Some(table) } else { None });
    stages.flatten().collect()
}

impl TrainConfig {
    /// What a user gave and this training does not read.
    #[must_use]
    pub fn unread(&self, given: &TrainOptions) -> Vec<Unread> {
        let reason = |key: &str| -> Reason {
            let asked =
                CONDITIONS.iter().flat_map(|condition| condition.fields.iter().map(move |field| (condition, *field)));
            asked
                .filter(|(_, field)| self::key(field) == key)
                .find_map(|(condition, field)| (condition.unread)(self, field))
        };
        let unread = |(key, value): (String, toml::Value)| {
            let (here, readers) = reason(&key)?;
            Some(Unread { key, value: written(&value), here, readers })
        };
        entries(given).into_iter().filter_map(unread).collect()
    }

    /// What a user's file gives and this training does not read. A file may be that of a run, where defaults stand for
    /// what nobody gave: an option of the value that it would have without the file is not told.
    #[must_use]
    pub fn unread_of_file(&self, file: &TrainOptions) -> Vec<Unread> {
        let mut unread = self.unread(file);
        if !unread.is_empty()
            && let Ok(bare) = self.options.clone().without(&unread).resolve_among(&self.methods)
        {
            let defaults = entries(&bare.options);
            unread.retain(|given| {
                !defaults.iter().any(|(key, value)| *key == given.key && written(value) == given.value)
            });
        }
        unread
    }

    /// What a user gave and the evaluation of a run with this configuration does not read.
    #[must_use]
    pub fn unread_by_evaluation(&self, given: &DataOptions) -> Vec<Unread> {
        let given = TrainOptions { data: given.clone(), ..TrainOptions::default() };
        let mut unread = self.unread(&given);
        for (key, value) in entries(&given) {
            let size = key == "train-size" && self.load.validation == 0.0;
            if (size || OF_TRAINING.contains(&&*key)) && unread.iter().all(|other| other.key != key) {
                let readers = if size { "hsic train, and where validation > 0" } else { "hsic train" };
                let (here, value) = ("an evaluation".to_owned(), written(&value));
                unread.push(Unread { key, value, here, readers: readers.to_owned() });
            }
        }
        unread
    }
}

impl TrainOptions {
    /// These options without some that are not read.
    #[must_use]
    pub fn without(self, unread: &[Unread]) -> Self {
        self.without_keys(unread.iter().map(|given| &*given.key))
    }

    /// These options without those of some keys.
    pub(super) fn without_keys<'k>(self, keys: impl Iterator<Item = &'k str>) -> Self {
        let keys: Vec<&str> = keys.collect();
        if keys.is_empty() {
            return self;
        }
        let Ok(toml::Value::Table(mut stages)) = toml::Value::try_from(&self) else { return self };
        for (_, stage) in &mut stages {
            if let toml::Value::Table(stage) = stage {
                keys.iter().for_each(|&key| drop(stage.remove(key)));
            }
        }
        toml::Value::Table(stages).try_into().unwrap_or(self)
    }
}

#[cfg(test)]
mod tests;
