//! What the figures 2a-c and 2d-f share: nHSIC of the last hidden layer with input and labels while back-propagation
//! trains.

use hsic_bottleneck::config::{Numbers, TrainOptions};
use hsic_bottleneck::error::Error;
use hsic_bottleneck::judge::monitor::MonitorReport;
use hsic_bottleneck::network::Activation;

use super::plot::{Axis, Marks, Panel, Plot, Series, Style, Value, mean};
use super::settings::{as_code, backprop, by_epoch, net, numbers};
use super::{Profile, Scope, Set, Trained, Training, Trainings};

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

/// How the nets were trained and looked at, `nets` being what tells them apart.
pub(super) fn caption(scope: &Scope, nets: &str) -> String {
    let options = options(scope, 0, Activation::Relu);
    format!(
        "{nets} by back-propagation, {}; nHSIC with sigma {} after every {} steps, on the step's batch. Samples are shuffled; \
         in the table the authors' protocol has them in the order of the file. The start is the first record, the end the \
         mean of the last {LAST}.",
        numbers(&TrainOptions { objective: Default::default(), ..options.clone() }),
        options.objective.sigma.as_ref().map_or_else(String::new, ToString::to_string),
        options.training.monitor_steps.unwrap_or_default(),
    )
}

/// The net of so many hidden layers, with the layer of class scores.
pub(super) fn shape(scope: &Scope, layers: usize) -> String {
    format!("{}-10", net(&options(scope, layers, Activation::Relu)))
}

/// The last hidden layer's entry in a report: the last of all is the layer of class scores.
fn hidden(values: &[f64]) -> f64 {
    values.get(values.len().wrapping_sub(2)).copied().unwrap_or(f64::NAN)
}

/// The monitor's reports without those of each epoch's last batch where it is a short one: nHSIC depends on the rows of a
/// batch.
fn of_whole_batches(run: &Trained<'_>) -> Result<Vec<MonitorReport>, Error> {
    let steps = run.summary.steps / run.summary.epochs.max(1);
    let whole = run.run.data()?.train_rows % run.config.batch_size == 0;
    let mut reports = run.monitored()?;
    reports.retain(|report| whole || !report.step.is_multiple_of(steps));
    Ok(reports)
}

/// What the monitor sees of Z_L.
struct Quantity {
    title: &'static str,
    label: &'static str,
    of: fn(&MonitorReport) -> f64,
    /// What the paper's figure shows at the start and the end.
    paper: fn(&Paper) -> [f64; 2],
    /// How far from the paper's value ours may lie.
    margin: f64,
}

const QUANTITIES: [Quantity; 2] = [
    Quantity {
        title: "Input",
        label: "nHSIC(X, Z_L)",
        of: |report| hidden(&report.nhsic_x),
        paper: |paper| paper.x,
        margin: 3.0,
    },
    Quantity {
        title: "Labels",
        label: "nHSIC(Y, Z_L)",
        of: |report| hidden(&report.nhsic_y),
        paper: |paper| paper.y,
        margin: 1.0,
    },
];

/// Panels of nHSIC with input and labels and of training accuracy, and the values at start and end. Accuracy is that of
/// the whole training data: on the batch of a step, after it, a deep net is some points better than elsewhere.
///
/// # Errors
/// `Run` for a record that cannot be read.
pub(super) fn plot(
    scope: &Scope,
    trained: &Trainings<'_>,
    variants: &[Variant],
    caption: String,
) -> Result<Plot, Error> {
    let of_paper = |value: f64| (scope.profile == Profile::Paper).then_some(value);
    let mut plot = Plot { caption, columns: 3, ..Plot::default() };
    let mut series: [Vec<Series>; 3] = Default::default();
    for Variant { label, paper } in variants {
        let monitored = |label: &str| trained.of(label).iter().map(of_whole_batches).collect::<Result<Vec<_>, _>>();
        let both = [monitored(&in_code(label))?, monitored(label)?];
        let runs = &both[1];
        let reports = runs.iter().map(Vec::len).min().unwrap_or(0);
        let mut state = |what: &str, unit: &str, paper: f64, [authors, ours]: [Vec<f64>; 2], margin: f64| {
            plot.values.push(Value {
                name: format!("{label}, {what}"),
                unit: unit.to_owned(),
                paper: of_paper(paper),
                authors,
                ours,
                band: of_paper(paper).map(|paper| (paper - margin, paper + margin)),
                command: trained.command(label),
            });
        };
        for (Quantity { label: what, of, paper: known, margin, .. }, series) in QUANTITIES.iter().zip(&mut series) {
            let at = |index: usize| {
                let step = runs.first().map_or(0, |run| run[index].step);
                (step as f64, runs.iter().map(|run| of(&run[index])).collect())
            };
            series.push(Series::of_seeds(label, Style::Curve, (0..reports).map(at)));
            let end = |run: &Vec<MonitorReport>| mean(&run.iter().rev().take(LAST).map(of).collect::<Vec<_>>());
            let starts = both.each_ref().map(|runs| runs.iter().filter_map(|run| run.first()).map(of).collect());
            let ends = both.each_ref().map(|runs| runs.iter().map(end).collect());
            let [first, last] = known(paper);
            state(&format!("{what} at the start"), "", first, starts, *margin);
            state(&format!("{what} at the end"), "", last, ends, *margin);
        }
        let accuracy = |label: &str| trained.each(label, |run| 100.0 * run.summary.train_accuracy);
        let ends = [accuracy(&in_code(label)), accuracy(label)];
        state("training accuracy at the end", "%", paper.accuracy, ends, 2.0);
        series[2].push(by_epoch(trained, label, label, &[], |report| Some(report.train_accuracy))?);
    }
    let [x, y, accuracy] = series;
    for (Quantity { title, label, .. }, series) in QUANTITIES.iter().zip([x, y]) {
        plot.panels.push(panel(title, "step", label, series));
    }
    plot.panels.push(panel("Accuracy", "epoch", "training accuracy (%)", accuracy));
    Ok(plot)
}

fn panel(title: &str, x: &str, y: &str, series: Vec<Series>) -> Panel {
    Panel { title: title.to_owned(), x: Axis::linear(x), y: Axis::linear(y), marks: Marks::Series(series) }
}
