//! The authors' ways to train, as their scripts have them (METHODS of the published code: plain SGD, a constant rate,
//! pixels in [0, 1], no augmentation). [`as_code`] adds what their code does besides: samples in the order of the file, and
//! blocks that take turns.

use hsic_bottleneck::config::{Numbers, OptimizerName, TrainOptions};
use hsic_bottleneck::dataset::source;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::judge::assignment::Assignment;
use hsic_bottleneck::judge::at_rest::FormatInput;
use hsic_bottleneck::judge::at_rest::{AtRest, Protocol};
use hsic_bottleneck::judge::softmax::FormatStart;
use hsic_bottleneck::log::EpochReport;
use hsic_bottleneck::optimizer::Decay;
use hsic_bottleneck::update::UpdateOrder;

use super::plot::Series;
use super::{Scope, Set, Trainings};
use crate::figure::plot::Style;

/// Options of plain SGD with a constant rate.
fn sgd(scope: &Scope, set: Set, learning_rate: f64, weight_decay: f64) -> TrainOptions {
    let mut options = TrainOptions { data: scope.data(set), ..TrainOptions::default() };
    options.optimizer.optimizer = Some(OptimizerName::Sgd);
    options.optimizer.learning_rate = Some(learning_rate);
    options.optimizer.decay = Some(Decay::Constant);
    options.optimizer.weight_decay = Some(weight_decay);
    options.evaluation.authors_beside = Some(true);
    options
}

/// HSIC training as theirs: weight decay 1e-3, momentum that never acts.
pub(super) fn hsic(scope: &Scope, set: Set, learning_rate: f64, sigma: f64, beta: f64) -> TrainOptions {
    let mut options = sgd(scope, set, learning_rate, 1e-3);
    options.objective.sigma = Some(Numbers(vec![sigma]));
    options.objective.beta = Some(beta);
    options
}

/// Back-propagation as theirs: weight decay 1e-5.
pub(super) fn backprop(scope: &Scope, set: Set, learning_rate: f64) -> TrainOptions {
    let mut options = sgd(scope, set, learning_rate, 1e-5);
    options.objective.method = Some("backprop".to_owned());
    options
}

/// A training in the order of the published code: samples come as in the file, in every epoch, and each block sees the new
/// weights of those before it.
pub(super) fn as_code(mut options: TrainOptions) -> TrainOptions {
    options.training.shuffle = Some(false);
    if options.objective.method.is_none() {
        options.training.update = Some(UpdateOrder::GaussSeidel);
    }
    options
}

/// Adds format training as ours has it: standardized outputs, momentum, a rate from their curvature that falls to 0.
pub(super) fn with_fair_format(mut options: TrainOptions, epochs: u64) -> TrainOptions {
    options.format.format_epochs = Some(epochs);
    options.format.format_input = Some(FormatInput::Last);
    options
}

/// Adds format training as theirs: one layer on the last outputs as they are, from random weights, SGD at
/// a constant rate, weight decay 1e-3.
pub(super) fn with_authors_format(mut options: TrainOptions, epochs: u64, learning_rate: f64) -> TrainOptions {
    let format = &mut options.format;
    format.format_epochs = Some(epochs);
    format.format_learning_rate = Some(learning_rate);
    format.format_decay = Some(Decay::Constant);
    format.format_momentum = Some(0.0);
    format.format_start = Some(FormatStart::Uniform);
    format.format_weight_decay = Some(1e-3);
    format.format_standardize = Some(false);
    format.format_batch_size = options.training.batch_size;
    options
}

/// The dense net that options name, from its inputs to its last units: `784-256x6-128`.
pub(super) fn net(options: &TrainOptions) -> String {
    let inputs = options.data.dataset.as_deref().and_then(source).map(|source| source.facts().shape.columns());
    let parts = [
        inputs.map(|inputs| inputs.to_string()),
        options.network.widths.clone(),
        options.network.outputs.map(|outputs| outputs.to_string()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("-")
}

/// The numbers of HSIC that options name: `rate 1e-4, sigma 5, beta 50`.
pub(super) fn numbers(options: &TrainOptions) -> String {
    let told = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {}", short(value)));
    let sigma = options.objective.sigma.as_ref().map(|sigma| format!("sigma {sigma}"));
    let parts = [told("rate", options.optimizer.learning_rate), sigma, told("beta", options.objective.beta)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A number in its shortest form.
pub(super) fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:e}") } else { value.to_string() }
}

/// What the two protocols of format training are, the authors' layer learning at a rate.
pub(super) fn format_protocols(rate: f64) -> String {
    format!(
        "Authors' protocol: samples and blocks in the order of the code, a layer that learns at rate {} on outputs as they \
         are, from random weights. Fair: samples shuffled, blocks at once, a layer on standardized outputs with momentum \
         and a rate that falls.",
        short(rate)
    )
}

/// A curve by epoch of what each run of a label reports, in percent; `start` is the value before training.
///
/// # Errors
/// `Run` for a record that cannot be read.
pub(super) fn by_epoch(
    trained: &Trainings<'_>,
    label: &str,
    name: &str,
    start: &[f64],
    value: impl Fn(&EpochReport) -> Option<f64>,
) -> Result<Series, Error> {
    let mut points: Vec<(f64, Vec<f64>)> = Vec::new();
    if !start.is_empty() {
        points.push((0.0, start.iter().map(|value| 100.0 * value).collect()));
    }
    let first = points.len();
    for run in trained.of(label) {
        for (index, report) in run.epochs()?.iter().enumerate() {
            if points.len() <= first + index {
                points.push((report.epoch as f64, Vec::new()));
            }
            points[first + index].1.extend(value(report).map(|value| 100.0 * value));
        }
    }
    Ok(Series::of_seeds(name, Style::Line, points))
}

/// Test accuracy before training, fair and by the authors' protocol, by seed.
///
/// # Errors
/// What loading the data says.
pub(super) fn untrained(trained: &Trainings<'_>, label: &str) -> Result<[Vec<f64>; 2], Error> {
    let mut start = [Vec::new(), Vec::new()];
    for run in trained.of(label) {
        let both: [f64; 2] = run.derived("untrained", |run| {
            let (network, data) = (run.untrained()?, run.data()?);
            let formatted = run.summary.formatted;
            let at_rest = AtRest::new(std::slice::from_ref(&network), FormatInput::Last);
            let assignment = Assignment::of_outputs(formatted, &at_rest.outputs(&data.train, 5_000)?.counts);
            let authors = Protocol::authors(formatted, run.config.batch_size);
            let of = |protocol: &Protocol| at_rest.accuracy_under(protocol, &assignment, &data.test);
            Ok([of(&run.config.protocol)?, of(&authors)?])
        })?;
        start[0].push(both[0]);
        start[1].push(both[1]);
    }
    Ok(start)
}

/// Values of the paper's curve after the epochs 1, 2, ...
pub(super) fn paper(name: &str, values: &[f64]) -> Series {
    let points = values.iter().enumerate().map(|(index, &value)| ((index + 1) as f64, value));
    Series::plain(&format!("{name}, paper"), Style::Paper, points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Profile, Sources};

    #[test]
    fn what_a_caption_says_is_what_the_options_say() {
        let scope = Scope { profile: Profile::Paper, seeds: vec![1], sources: Sources::default() };
        let mut options = hsic(&scope, Set::Mnist, 1e-4, 5.0, 50.0);
        options.network.widths = Some("256x6".to_owned());
        options.network.outputs = Some(128);
        assert_eq!(
            (net(&options).as_str(), numbers(&options).as_str()),
            ("784-256x6-128", "rate 1e-4, sigma 5, beta 50")
        );
        assert_eq!([0.005, 2e-4, 0.0].map(short), ["0.005", "2e-4", "0"]);
        assert!(format_protocols(0.004).contains("at rate 0.004 on"));
    }
}
