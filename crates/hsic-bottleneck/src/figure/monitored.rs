//! What the figures 2a-c and 2d-f share: nHSIC of the last hidden layer with input and labels while back-propagation
//! trains.

use super::plot::{Axis, Marks, Panel, Plot, Series, Style, Value, mean};
use super::settings::{as_code, backprop};
use super::{Profile, Scope, Set, Trained, Training, Trainings};
use crate::config::{Numbers, TrainOptions};
use crate::error::Error;
use crate::monitor::MonitorReport;
use crate::network::Activation;

/// What the paper's figure shows of one curve.
pub(super) struct Paper {
    /// nHSIC(X, Z_L) at the start and the end.
    pub(super) x: [f64; 2],
    /// nHSIC(Y, Z_L) at the start and the end.
    pub(super) y: [f64; 2],
    /// Training accuracy at the end, in percent.
    pub(super) accuracy: f64,
}

/// One curve of such a figure.
pub(super) struct Variant {
    /// Label of its training and name in the legend.
    pub(super) label: String,
    /// What the paper's figure shows.
    pub(super) paper: Paper,
}

/// Reports of the monitor whose mean is a value at the end.
const LAST: usize = 10;

/// The label of the same training with samples in the order of the file, as the code has them.
fn in_code(label: &str) -> String {
    format!("{label}, file order")
}

/// Both trainings of a curve.
pub(super) fn trainings(scope: &Scope, layers: usize, activation: Activation, label: &str) -> [Training; 2] {
    let options = options(scope, layers, activation);
    [Training::new(label, options.clone()), Training::new(in_code(label), as_code(options))]
}

/// Back-propagation of 784-256x(layers + 1)-128-10 as in the scripts, monitored with sigma 5.
fn options(scope: &Scope, layers: usize, activation: Activation) -> TrainOptions {
    let mut options = backprop(scope, Set::Mnist, 0.005);
    options.evaluation.authors_beside = None;
    options.objective.sigma = Some(Numbers(vec![5.0]));
    options.network.widths = Some(format!("{}x{}", scope.pick(32, 256, 256), layers + 1));
    options.network.outputs = Some(scope.pick(32, 128, 128));
    options.network.activation = Some(activation);
    options.training.epochs = Some(scope.pick(2, 3, 5));
    options.training.batch_size = Some(scope.pick(64, 256, 256));
    options.training.monitor_steps = Some(scope.pick(3, 5, 5));
    options
}

/// The last hidden layer's entry in a report: the last of all is the layer of class scores.
fn hidden(values: &[f64]) -> f64 {
    values.get(values.len().wrapping_sub(2)).copied().unwrap_or(f64::NAN)
}

/// Panels of the three quantities, and the values at start and end.
///
/// # Errors
/// `Run` for a record that cannot be read.
pub(super) fn plot(
    scope: &Scope,
    trained: &Trainings<'_>,
    variants: &[Variant],
    caption: String,
) -> Result<Plot, Error> {
    type Quantity = (&'static str, &'static str, fn(&MonitorReport) -> f64);
    let quantities: [Quantity; 3] = [
        ("Input", "nHSIC(X, Z_L)", |report| hidden(&report.nhsic_x)),
        ("Labels", "nHSIC(Y, Z_L)", |report| hidden(&report.nhsic_y)),
        ("Accuracy", "accuracy on the batch (%)", |report| 100.0 * report.batch_accuracy),
    ];
    let mut plot = Plot { caption, columns: 3, ..Plot::default() };
    let of_paper = scope.profile == Profile::Paper;
    let mut series: [Vec<Series>; 3] = Default::default();
    for Variant { label, paper } in variants {
        let monitored = |label: &str| trained.of(label).iter().map(Trained::monitored).collect::<Result<Vec<_>, _>>();
        let (runs, code) = (monitored(label)?, monitored(&in_code(label))?);
        let reports = runs.iter().map(Vec::len).min().unwrap_or(0);
        for ((_, quantity, value), series) in quantities.iter().zip(&mut series) {
            let at = |index: usize| {
                let step = runs.first().map_or(0, |run| run[index].step);
                (step as f64, runs.iter().map(|run| value(&run[index])).collect())
            };
            series.push(Series::of_seeds(label, Style::Curve, (0..reports).map(at)));
            let end = |run: &Vec<MonitorReport>| {
                let last: Vec<f64> = run.iter().rev().take(LAST).map(value).collect();
                mean(&last)
            };
            let mut state = |when: &str, paper: f64, [authors, ours]: [Vec<f64>; 2], margin: (f64, f64)| {
                plot.values.push(Value {
                    name: format!("{label}, {quantity} {when}"),
                    unit: if quantity.ends_with("(%)") { "%" } else { "" }.to_owned(),
                    paper: of_paper.then_some(paper),
                    authors,
                    ours,
                    band: of_paper.then_some((paper - margin.0, paper + margin.1)),
                    command: trained.command(label),
                });
            };
            let both = [&code, &runs];
            let start = || both.map(|runs| runs.iter().filter_map(|run| run.first()).map(value).collect());
            let ends = both.map(|runs| runs.iter().map(end).collect());
            match *quantity {
                "nHSIC(X, Z_L)" => {
                    state("at the start", paper.x[0], start(), (3.0, 3.0));
                    state("at the end", paper.x[1], ends, (3.0, 3.0));
                }
                "nHSIC(Y, Z_L)" => {
                    state("at the start", paper.y[0], start(), (1.0, 1.0));
                    state("at the end", paper.y[1], ends, (1.0, 1.0));
                }
                _ => state("at the end", paper.accuracy, ends, (2.0, 2.0)),
            }
        }
    }
    for ((title, label, _), series) in quantities.into_iter().zip(series) {
        plot.panels.push(Panel {
            title: title.to_owned(),
            x: Axis::linear("step"),
            y: Axis::linear(label),
            marks: Marks::Series(series),
        });
    }
    Ok(plot)
}
