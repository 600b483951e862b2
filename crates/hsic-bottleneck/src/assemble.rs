//! From a checked configuration to a network and the method that trains it.

use hsic::parts::{AllHere, Parts};
use hsic::random::Stream;
use hsic_data::batch::Batch;
use hsic_data::dataset::{Dataset, Shape, TargetKind};
use hsic_data::fault::Faults;
use hsic_learn::engine::{InParts, Lookahead};
use hsic_learn::judge::at_rest::{AtRest, FormatInput, Members, NormProtocol, ReadoutProtocol};
use hsic_learn::judge::test_time::TestTime;
use hsic_learn::method::{MethodSettings, Outputs, check_room};
use hsic_learn::update::Update;
use hsic_nn::network::build::build;
use hsic_nn::network::models::{ends_in_capsules, with_classifier, without_classifier};
use hsic_nn::network::{NETWORKS, Network, NetworkSettings};

use hsic_nn::optimizer::Average;

use crate::config::{ConfigError, Numbers, TrainConfig, TrainOptions};
use crate::error::Error;
use crate::training::Training;

/// Most training images that windows are whitened by.
const WHITENED_ROWS: usize = 5_000;

/// The network that a configuration names, with fresh weights, for samples of this shape and targets of this kind (a number
/// is that of classes).
///
/// A method that trains class scores or values gets a linear output block with a unit a class, or one. One whose features a
/// softmax layer reads afterwards gets none, nor does one whose features a line reads for values, unless its size (`outputs`) or its blocks are given.
///
/// # Errors
/// `Network` with the block that cannot be built; `Step` if the samples have no room for a label that the method writes
/// into them.
pub fn build_network(config: &TrainConfig, shape: Shape, targets: impl Into<TargetKind>) -> Result<Network, Error> {
    let targets = targets.into();
    let classes = targets.outputs();
    let side = shape.height.min(shape.width) - usize::from(config.design.whiten);
    let settings = NetworkSettings { widths: config.widths.clone(), outputs: config.outputs, classes, side };
    let kind = NETWORKS.iter().find(|kind| kind.name == config.model);
    let blocks = kind.map_or_else(|| config.blocks.clone(), |kind| (kind.blocks)(&settings));
    let method = config.method;
    let blocks = match method.outputs {
        Outputs::Classes
            if method.takes_capsules && ends_in_capsules(&blocks, classes) && targets != TargetKind::Values =>
        {
            blocks
        }
        Outputs::Classes => with_classifier(blocks, classes),
        // A single unit is no good feature, and values are read from those of all blocks.
        Outputs::Units if targets == TargetKind::Values && kind.is_some() && config.outputs.is_none() => {
            without_classifier(blocks, classes)
        }
        Outputs::Units => blocks,
        _ if kind.is_some() && config.outputs.is_none() => without_classifier(blocks, classes),
        Outputs::Features | Outputs::Labels => blocks,
    };
    let network = build(config.design, shape, &blocks, config.seed)?;
    let mut network = network.with_entrances(config.entrance, config.seed).with_input_norm(config.input_norm);
    network.set_feature(config.feature);
    if let Some(label) = config.recipe.label() {
        check_room(method.name, network.inputs(), classes)?;
        network = network.with_label(label.of(classes));
    }
    Ok(network)
}

/// That network for training on these data: with what does not learn but follows from the training rows.
///
/// # Errors
/// Those of [`build_network`]; what reading a sample says.
///
/// # Cost
/// Of a whitened input two passes over at most 5,000 images.
pub fn network_for(config: &TrainConfig, train: &Dataset) -> Result<Network, Error> {
    let mut network = build_network(config, train.shape, train.kind())?;
    if config.design.whiten {
        let mut rows: Vec<usize> = (0..train.rows()).collect();
        Stream::new(config.seed, "whiten", 0).shuffle(&mut rows);
        rows.truncate(WHITENED_ROWS);
        let mut seen = Batch::default();
        seen.fill(train, &rows)?;
        network.see(&seen.x);
    }
    Ok(network)
}

/// Whether the method of a configuration learns what is to be learned of these data.
///
/// # Errors
/// `NeedsClasses` if their targets are values and the method learns classes alone, or an option of it does.
pub fn check_targets(config: &TrainConfig, data: &Dataset) -> Result<(), Error> {
    if data.of_values().is_none() {
        return Ok(());
    }
    let classifier = config.options.rule.classifier.filter(|&weight| weight > 0.0);
    if config.protocol.is_authors() || config.authors_beside {
        return Err(Error::option_needs_classes(data, "the authors' protocol (readout, bn, authors-beside)"));
    }
    if config.test_time != TestTime::None {
        return Err(Error::option_needs_classes(data, "test-time"));
    }
    if config.label_smoothing > 0.0 {
        return Err(Error::option_needs_classes(data, &format!("label-smoothing = {}", config.label_smoothing)));
    }
    match (config.method.values, classifier) {
        (false, _) => Err(Error::needs_classes(data, config.method.name, config.methods.iter())),
        (true, Some(weight)) => Err(Error::option_needs_classes(data, &format!("classifier = {weight}"))),
        (true, None) => Ok(()),
    }
}

/// How a configuration has its network trained.
#[must_use]
pub fn training(config: &TrainConfig) -> Training {
    Training {
        epochs: config.epochs,
        batch_size: config.batch_size,
        drop_last: config.drop_last,
        restarts: config.restarts.clone(),
        norm_statistics: config.norm_statistics,
        learning_rate: config.learning_rate,
        shuffle: config.shuffle,
        augmentation: config.augmentation,
        label_smoothing: config.label_smoothing,
        seed: config.seed,
        threads: config.threads,
        outputs: config.method.outputs,
        protocol: config.protocol,
        authors_beside: config.authors_beside,
        monitor_steps: config.monitor_steps,
        probe_epochs: config.probe_epochs,
        kernels: config.bottleneck,
        states: config.checkpoints,
    }
}

/// The method that a configuration names, for targets of this kind (a number is that of classes).
///
/// # Errors
/// `Step` with what the method says of its settings.
pub fn build_method(config: &TrainConfig, targets: impl Into<TargetKind>) -> Result<Box<dyn Update>, Error> {
    let here = |count| -> Box<dyn Parts<f32>> { Box::new(AllHere::new(count)) };
    build_method_on(config, targets, config.shards.map(here))
}

/// That method on batches in parts, if there are any, wherever they are.
///
/// # Errors
/// Those of [`build_method`], and `Step` if it is none that takes a batch in parts.
pub fn build_method_on(
    config: &TrainConfig,
    targets: impl Into<TargetKind>,
    parts: Option<Box<dyn Parts<f32>>>,
) -> Result<Box<dyn Update>, Error> {
    let settings = MethodSettings {
        bottleneck: config.bottleneck,
        approximation: config.approximation,
        classes: targets.into().outputs(),
        seed: config.seed,
        optimizer: config.optimizer,
        order: config.order,
        schedule: config.schedule,
        unit: config.unit,
        head_start: config.design.head_start,
    };
    let update = config.recipe.make(&settings)?;
    let update = match parts {
        Some(parts) => Box::new(InParts::new(update, parts)?),
        None => update,
    };
    Ok(match config.average {
        Average::None => update,
        Average::Lookahead => Box::new(Lookahead::new(update)),
    })
}

/// Whether a batch can be cut into the parts that a configuration asks for, if it does: whether all blocks of its network take
/// it so, and its method.
///
/// # Errors
/// `Step` with the first block that does not, or the method; `Config` if there are more parts than rows.
///
/// # Cost
/// That of making the network.
pub fn check_shards(config: &TrainConfig, data: &Dataset) -> Result<(), Error> {
    let Some(shards) = config.shards else { return Ok(()) };
    let mut faults = Faults::default();
    // The rows of a batch of data of one's own follow from these.
    faults.check("shards", shards, shards <= config.batch_size, "from 1 to the rows of a batch (batch-size)");
    if !faults.0.is_empty() {
        return Err(ConfigError::Faults(faults.0).into());
    }
    build_method(config, data.kind())?;
    InParts::check(&build_network(config, data.shape, data.kind())?)?;
    Ok(())
}

/// The configuration of one of several networks: one sigma, judged fairly, no format training.
///
/// # Errors
/// `Faults` if it cannot be used by itself.
pub(crate) fn member_config(config: &TrainConfig, sigma: f64) -> Result<TrainConfig, ConfigError> {
    let mut options: TrainOptions = config.options.clone();
    options.objective.sigma = Some(Numbers(vec![sigma]));
    options.format.format_epochs = Some(0);
    options.evaluation.readout = Some(ReadoutProtocol::Fair);
    options.evaluation.bn = Some(NormProtocol::Fair);
    options.evaluation.authors_beside = Some(false);
    options.evaluation.test_time = Some(TestTime::None);
    options.resolve_among(&config.methods)
}

/// What the softmax layer of a run sees. The authors train theirs with running statistics, but on combined networks with
/// those of the batch.
pub(crate) fn format_input<'n>(
    config: &TrainConfig,
    members: impl Into<Members<'n>>,
    input: FormatInput,
) -> AtRest<'n> {
    let members = members.into();
    let at_rest = AtRest::new(members, input);
    if members.are_several() { at_rest.under(&config.protocol) } else { at_rest }
}
