//! Figure 8 of the paper (7 in the authors' code): a residual convolutional net, format-trained, beside back-propagation.

use super::plot::{Axis, Marks, Panel, Plot, Series, Style, Value};
use super::settings::{backprop, by_epoch, hsic, paper, with_authors_format};
use super::{Figure, Profile, Scope, Set, Trained, Training, Trainings};
use crate::config::TrainOptions;
use crate::error::Error;
use crate::evaluation::Frozen;
use crate::format::{FormatInput, FormatSettings, format};
use crate::network::Feature;
use crate::optimizer::{Decay, Optimizer};

pub(super) struct Resnet;

/// After the last epoch: format-trained HSIC, back-propagation (read off the authors' vector figures).
fn ends(set: Set) -> [f64; 2] {
    match set {
        Set::Mnist => [98.94, 98.61],
        Set::FashionMnist => [89.05, 88.60],
        Set::Cifar10 => [60.86, 61.09],
    }
}

/// The format curve after the epochs 1 to 5, as far as it was read.
fn curve(set: Set) -> &'static [f64] {
    match set {
        Set::Cifar10 => &[55.5, 58.5, 59.9, 60.5, 60.86],
        Set::Mnist | Set::FashionMnist => &[],
    }
}

const EPOCHS: u64 = 5;

fn common(scope: &Scope, mut options: TrainOptions) -> TrainOptions {
    options.network.model = Some("resnet-conv".to_owned());
    options.network.widths = Some(scope.pick("4x2", "16x3", "64x6").to_owned());
    options.network.outputs = Some(scope.pick(32, 128, 512));
    options.training.epochs = Some(scope.pick(1, 2, EPOCHS));
    options.training.batch_size = Some(scope.pick(64, 128, 512));
    options.data.train_size = scope.pick(Some(300), Some(4_000), None);
    options.data.test_size = scope.pick(Some(200), Some(1_000), None);
    options
}

fn hsic_options(scope: &Scope, set: Set) -> TrainOptions {
    let beta = if set == Set::Mnist { 200.0 } else { 500.0 };
    let mut options = common(scope, hsic(scope, set, 0.01, 5.0, beta));
    // The published code flattens maps.
    options.network.feature = Some(Feature::Flat);
    with_authors_format(options, EPOCHS, 0.01)
}

/// Format training as ours has it, on the same frozen network: test accuracy after each epoch, a fraction.
fn fair_format(run: &Trained<'_>) -> Result<Vec<f64>, Error> {
    run.derived("fair-format", |run| {
        let (network, data) = (run.network()?, run.data()?);
        let settings = FormatSettings {
            input: FormatInput::Last,
            epochs: EPOCHS,
            batch_size: 256,
            optimizer: Optimizer::Sgd { momentum: 0.9, weight_decay: 0.0 },
            learning_rate: None,
            decay: Decay::Cosine,
            standardize: true,
            seed: run.config.seed,
        };
        let frozen = Frozen::new(std::slice::from_ref(&network), FormatInput::Last);
        let formatted = format(&frozen, &data, &settings, &std::sync::atomic::AtomicBool::new(false))?;
        Ok(formatted.map(|formatted| formatted.epochs).unwrap_or_default())
    })
}

impl Figure for Resnet {
    fn name(&self) -> &'static str {
        "resnet"
    }

    fn title(&self) -> &'static str {
        "A residual convolutional net: HSIC and format training beside back-propagation"
    }

    fn source(&self) -> &'static str {
        "figure 8 of the paper, figure 7 of the authors' code"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |&set: &Set| {
            let name = scope.label(set);
            [
                Training::new(format!("{name}, HSIC + format"), hsic_options(scope, set)),
                Training::new(format!("{name}, BP"), common(scope, backprop(scope, set, 0.01))),
            ]
        };
        scope.sets().iter().flat_map(of).collect()
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let mut plot = Plot {
            caption: "Format training by epoch on a net that HSIC trained before, as the authors train that layer and as \
                      ours does (standardized outputs, momentum, a rate that falls); back-propagation of the same net with \
                      the same layer."
                .to_owned(),
            columns: scope.sets().len(),
            ..Plot::default()
        };
        for &set in scope.sets() {
            let (name, of_paper) = (scope.label(set), scope.profile == Profile::Paper);
            let (hsic, backprop) = (format!("{name}, HSIC + format"), format!("{name}, BP"));
            let mut authors: Vec<Vec<f64>> = Vec::new();
            let mut fair: Vec<Vec<f64>> = Vec::new();
            for run in trained.of(&hsic) {
                authors.push(run.format_epochs()?);
                fair.push(fair_format(run)?);
            }
            let seeds = |name: &str, curves: &[Vec<f64>]| {
                let epochs = curves.iter().map(Vec::len).min().unwrap_or(0);
                let at = |epoch: usize| curves.iter().map(|curve| 100.0 * curve[epoch]).collect();
                Series::of_seeds(name, Style::Line, (0..epochs).map(|epoch| ((epoch + 1) as f64, at(epoch))))
            };
            let mut series = vec![
                seeds("HSIC + format, fair", &fair),
                seeds("HSIC + format, authors' protocol", &authors),
                by_epoch(trained, &backprop, "BP", &[], |report| Some(report.test_accuracy))?,
            ];
            let [end_hsic, end_backprop] = ends(set);
            if of_paper {
                let known = curve(set);
                series.push(if known.is_empty() {
                    Series::plain("HSIC + format, paper", Style::Paper, [(EPOCHS as f64, end_hsic)])
                } else {
                    paper("HSIC + format", known)
                });
                series.push(Series::plain("BP, paper", Style::Paper, [(EPOCHS as f64, end_backprop)]));
            }
            let last = |curves: &[Vec<f64>]| curves.iter().filter_map(|c| c.last()).map(|v| 100.0 * v).collect();
            let band = |paper: f64| of_paper.then_some((paper - 2.0, paper + 8.0));
            plot.values.push(Value {
                name: format!("{name}, resnet-conv, HSIC + format"),
                unit: "%".to_owned(),
                paper: of_paper.then_some(end_hsic),
                authors: last(&authors),
                ours: last(&fair),
                band: band(end_hsic),
                command: trained.command(&hsic),
            });
            plot.values.push(Value {
                name: format!("{name}, resnet-conv, BP"),
                unit: "%".to_owned(),
                paper: of_paper.then_some(end_backprop),
                authors: trained.each(&backprop, |run| 100.0 * run.summary.authors_test_accuracy.unwrap_or(f64::NAN)),
                ours: trained.each(&backprop, |run| 100.0 * run.summary.test_accuracy),
                band: band(end_backprop),
                command: trained.command(&backprop),
            });
            plot.panels.push(Panel {
                title: name.to_owned(),
                x: Axis::linear("epoch (of format training, of BP)"),
                y: Axis::linear("test accuracy (%)"),
                marks: Marks::Series(series),
            });
        }
        Ok(plot)
    }
}
