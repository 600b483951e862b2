//! Figure 8 of the paper (7 in the authors' code): a residual convolutional net, format-trained, beside back-propagation.

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::network::Feature;

use super::format_curves::{FORMAT_EPOCHS, Variant, curves};
use super::plot::{Axis, Marks, Panel, Plot, Series, Style, Value};
use super::settings::{backprop, by_epoch, hsic, with_authors_format};
use super::{Figure, Profile, Scope, Set, Training, Trainings};

pub(super) struct Resnet;

/// Format-trained HSIC after each epoch of format training as far as it was read off the authors' vector figures, and
/// back-propagation after the last.
fn paper(set: Set) -> (Vec<(f64, f64)>, f64) {
    match set {
        Set::Digits | Set::Mnist => (vec![(1.0, 98.89), (5.0, 98.94)], 98.61),
        Set::FashionMnist => (vec![(1.0, 88.64), (5.0, 89.05)], 88.60),
        Set::Cifar10 => (vec![(1.0, 55.5), (2.0, 58.5), (3.0, 59.9), (4.0, 60.5), (5.0, 60.86)], 61.09),
    }
}

fn common(scope: &Scope, mut options: TrainOptions) -> TrainOptions {
    options.network.model = Some("resnet-conv".to_owned());
    options.network.widths = Some(scope.pick("4x2", "16x3", "64x6").to_owned());
    options.network.outputs = Some(scope.pick(32, 128, 512));
    options.training.epochs = Some(scope.pick(1, 2, 5));
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
    with_authors_format(options, FORMAT_EPOCHS, 0.01)
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
            let (curve, end) = paper(set);
            let variant = Variant { label: hsic, fair: None, name: "HSIC + format".to_owned(), paper: curve };
            let curves = curves(scope, trained, &format!("{name}, resnet-conv"), &variant, (2.0, 8.0))?;
            plot.values.extend(curves.values);
            let mut series = curves.authors;
            series.push(Series { name: "HSIC + format, fair".to_owned(), ..curves.fair });
            series.push(by_epoch(trained, &backprop, "BP", &[], |report| Some(report.test_accuracy))?);
            if of_paper {
                series.push(Series::plain("BP, paper", Style::Paper, [(5.0, end)]));
            }
            plot.values.push(Value {
                name: format!("{name}, resnet-conv, BP"),
                unit: "%".to_owned(),
                paper: of_paper.then_some(end),
                authors: trained.each(&backprop, |run| 100.0 * run.summary.authors_test_accuracy.unwrap_or(f64::NAN)),
                ours: trained.each(&backprop, |run| 100.0 * run.summary.test_accuracy),
                band: of_paper.then_some((end - 2.0, end + 8.0)),
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
