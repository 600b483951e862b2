//! The authors' ways to train, as their scripts have them (METHODS of the published code: plain SGD, a constant rate,
//! pixels in [0, 1], no augmentation). [`as_code`] adds what their code does besides: samples in the order of the file, and
//! blocks that take turns.

use hsic_bottleneck::config::{Numbers, OptimizerName, TrainOptions};
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
            let assignment = Assignment::of_outputs(formatted, &at_rest.outputs(&data.train, 5_000).counts);
            let authors = Protocol::authors(formatted, run.config.batch_size);
            let of = |protocol: &Protocol| at_rest.accuracy_under(protocol, &assignment, &data.test);
            Ok([of(&run.config.protocol), of(&authors)])
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
