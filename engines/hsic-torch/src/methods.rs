//! The methods that a device knows, and networks on it.

use hsic::Approximation;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::method::mono_forward::MonoForward as MonoForwardRule;
use hsic_bottleneck::method::phsic::Phsic as PhsicRule;
use hsic_bottleneck::method::predsim::PredSim as PredSimRule;
use hsic_bottleneck::network::Network as HostNetwork;
use hsic_bottleneck::objective::similarity::Similarity;
use hsic_bottleneck::optimizer::Average;
use hsic_bottleneck::rule_options::PhsicKernel;

use crate::block::{Block, Place};
use crate::bottleneck::{Form, Hsic};
use crate::cross_entropy::{Classified, MonoForward};
use crate::device::Device;
use crate::fourier::Fourier;
use crate::local::{Learns, Local};
use crate::lookahead::Lookahead;
use crate::phsic::Phsic;
use crate::predsim::PredSim;
use crate::step::{ByOutputs, Method, Network};

/// The methods, by name.
pub(crate) const NAMES: [&str; 7] = ["hsic", "hsic-local", "phsic", "predsim", "mono-forward", "backprop", "frozen"];

/// Those by which a block needs its input and the batch alone.
#[cfg(feature = "mpi")]
pub(crate) const STAGED: [&str; 5] = ["hsic", "hsic-local", "phsic", "predsim", "mono-forward"];

/// The CPU's network on the device, for samples of these sizes; masks of dropout follow from the seed.
///
/// # Errors
/// The first block that has no place there.
pub(crate) fn network(host: &HostNetwork, samples: Shape, seed: u64, device: &Device) -> Result<Network, String> {
    let refuse =
        |what: &str| format!("{what}: expected dense and convolutional blocks, plain or residual, or hsic train");
    if host.label().is_some() || host.capsule().is_some() {
        return Err(refuse("a network of capsules or of labels that are written over samples"));
    }
    let mut from = samples;
    let mut blocks = Vec::new();
    for (index, block) in host.blocks().iter().enumerate() {
        let own = Block::of(&**block, Place { index, from, planar: index == 0, seed }, device);
        blocks.push(own.map_err(|what| refuse(&format!("block {index} is {what}")))?);
        from = block.shape();
    }
    Ok(Network { blocks, device: device.clone() })
}

/// The method of a configuration, for so many classes (1 where targets are values).
///
/// # Errors
/// What has no place on the device.
pub(crate) fn method(
    config: &TrainConfig,
    classes: usize,
    host: &HostNetwork,
    network: &Network,
) -> Result<Box<dyn Method>, String> {
    let learns = Learns {
        optimizer: config.optimizer,
        order: config.order,
        unit: config.unit,
        heads: (config.design.head_start, config.seed),
    };
    let hsic = || hsic(config, classes, &network.device);
    let by_outputs = |frozen| Box::new(ByOutputs::new(config.optimizer, frozen, network.blocks.len()));
    let method: Box<dyn Method> = match config.method.name {
        "hsic" => Box::new(Local::new(hsic()?, learns, network, host.feature())?),
        "hsic-local" => Box::new(Local::new(Classified::new(hsic()?), learns, network, host.feature())?),
        "phsic" => {
            let rule = Phsic::new(phsic(config)?, &network.device);
            Box::new(Local::new(Classified::new(rule), learns, network, host.feature())?)
        }
        "predsim" => {
            let rule = PredSim::new(predsim(config, classes)?, &network.device);
            Box::new(Local::new(Classified::new(rule), learns, network, host.feature())?)
        }
        "mono-forward" => {
            let rule = MonoForward::new(MonoForwardRule { classes, seed: config.seed });
            Box::new(Local::new(Classified::new(rule), learns, network, host.feature())?)
        }
        "backprop" => by_outputs(false),
        "frozen" => by_outputs(true),
        name => return Err(format!("method = {name}: expected one of {}, or hsic train", NAMES.join(", "))),
    };
    Ok(match config.average {
        Average::None => method,
        Average::Lookahead => Box::new(Lookahead::new(method)),
    })
}

/// What is said of an option that no configuration comes without.
fn open(key: &str) -> String {
    format!("{key} is open: expected a configuration that is resolved")
}

/// The rule of `phsic` that a configuration names.
fn phsic(config: &TrainConfig) -> Result<PhsicRule, String> {
    let rule = &config.options.rule;
    let sigma = rule.phsic_sigma.ok_or_else(|| open("phsic-sigma"))?;
    let similarity = match rule.phsic_kernel.ok_or_else(|| open("phsic-kernel"))? {
        PhsicKernel::Cosine => Similarity::Cosine { centered: true },
        PhsicKernel::Gaussian => Similarity::Gaussian { sigma },
    };
    Ok(PhsicRule {
        similarity,
        groups: rule.groups.ok_or_else(|| open("groups"))?,
        power: rule.group_power.ok_or_else(|| open("group-power"))?,
        balance: rule.balance.ok_or_else(|| open("balance"))?,
    })
}

/// The rule of `predsim` that a configuration names.
fn predsim(config: &TrainConfig, classes: usize) -> Result<PredSimRule, String> {
    let rule = &config.options.rule;
    Ok(PredSimRule {
        loss: rule.local_loss.ok_or_else(|| open("local-loss"))?,
        weight: rule.similarity_weight.ok_or_else(|| open("similarity-weight"))?,
        decoder_size: rule.decoder_size.ok_or_else(|| open("decoder-size"))?,
        classes,
        seed: config.seed,
    })
}

/// The HSIC objective of a configuration.
fn hsic(config: &TrainConfig, classes: usize, device: &Device) -> Result<Hsic, String> {
    let x = config.options.rule.x.ok_or_else(|| open("x"))?;
    let weight = config.options.rule.classifier.ok_or_else(|| open("classifier"))?;
    let rule = HsicObjective::new(config.bottleneck).map_err(|error| error.to_string())?.classifying(weight, classes);
    let form = match config.approximation {
        Approximation::Exact => Form::Exact,
        Approximation::Fourier(features) => Form::Fourier(Fourier::new(features, config.seed)),
        other => return Err(format!("approximation = {other}: expected exact or fourier:R")),
    };
    Ok(Hsic::new(config.bottleneck, x, (weight > 0.0).then_some((weight, rule)), form, device))
}
