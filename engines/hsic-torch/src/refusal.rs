//! What a device does not train, by name.

use hsic::Approximation;
use hsic_bottleneck::config::TrainConfig;
use hsic_bottleneck::network::{Activation, Between, BlockSpec, InputNorm};

use crate::methods::NAMES;

/// The first setting that has no place on a device, with what is expected; `None` for a training that it carries out.
pub(crate) fn refusal(config: &TrainConfig) -> Option<String> {
    let mut told = Vec::new();
    let mut refuse = |is_so: bool, what: String| told.extend(is_so.then_some(what));
    let instead = "or hsic train";
    let name = config.method.name;
    refuse(!NAMES.contains(&name), format!("method = {name}: expected one of {}, {instead}", NAMES.join(", ")));
    refuse(
        config.sigmas.len() > 1,
        format!("sigma: expected one number; of several there are several networks, {instead}"),
    );
    let form = config.approximation;
    let known = matches!(form, Approximation::Exact | Approximation::Fourier(_));
    refuse(!known, format!("approximation = {form}: expected exact or fourier:R, {instead}"));
    let between = config.entrance.between;
    refuse(between != Between::None, format!("between = {between}: expected none, {instead}"));
    refuse(config.input_norm != InputNorm::None, format!("input-norm = rms: expected none, {instead}"));
    let open = |spec: &BlockSpec| match spec {
        BlockSpec::Dense { activation, .. } | BlockSpec::Conv { activation, .. } => {
            *activation == Some(Activation::OpenRelu)
        }
        _ => false,
    };
    let is_open = config.design.activation == Activation::OpenRelu || config.blocks.iter().any(open);
    refuse(is_open, format!("activation = open-relu: expected another, {instead}"));
    if let Some(shards) = config.shards {
        refuse(true, format!("shards = {shards}: expected none, {instead}"));
    }
    refuse(
        config.options.rule.recompute.is_some(),
        format!("recompute: expected none; a device keeps the activations of all blocks, {instead}"),
    );
    let slices = config.options.rule.accumulate.unwrap_or(1);
    refuse(slices > 1, format!("accumulate = {slices}: expected 1, {instead}"));
    told.into_iter().next()
}
