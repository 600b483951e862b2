//! Figure 6 of the paper (5 in the authors' code): format training after 1, 5, 10 epochs of HSIC training.

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::error::Error;

use super::format_curves::{FORMAT_EPOCHS, Variant, ends, fair, plot, trainings};
use super::plot::{Claim, Plot, Verdict};
use super::settings::{format_protocols, hsic, net, numbers};
use super::{Figure, Scope, Set, Training, Trainings};

pub(super) struct FormatEpochs;

/// Epochs of HSIC training, and the paper's accuracy after the first and the last epoch of format training.
const TRAINED: [(u64, f64, f64); 3] = [(1, 85.5, 88.02), (5, 94.1, 94.28), (10, 95.4, 95.51)];

fn label(epochs: u64) -> String {
    format!("{epochs} HSIC epoch{}", if epochs == 1 { "" } else { "s" })
}

/// Learning rate of the authors' layer.
const RATE: f64 = 0.005;

fn options(scope: &Scope, epochs: u64) -> TrainOptions {
    let mut options = hsic(scope, Set::Mnist, 1e-4, 5.0, 50.0);
    options.network.widths = Some(scope.pick("32x3", "256x6", "256x6").to_owned());
    options.network.outputs = Some(scope.pick(32, 128, 128));
    options.training.epochs = Some(epochs);
    options.training.batch_size = Some(scope.pick(64, 256, 256));
    options
}

impl Figure for FormatEpochs {
    fn name(&self) -> &'static str {
        "format-epochs"
    }

    fn title(&self) -> &'static str {
        "Format training after 1, 5 and 10 epochs of HSIC training"
    }

    fn source(&self) -> &'static str {
        "figure 6 of the paper, figure 5 of the authors' code"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |(epochs, ..): (u64, f64, f64)| trainings(&label(epochs), options(scope, epochs), RATE);
        TRAINED.into_iter().flat_map(of).collect()
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let variants = TRAINED.map(|(epochs, first, last)| Variant {
            label: label(epochs),
            fair: Some(fair(&label(epochs))),
            name: label(epochs),
            paper: vec![(1.0, first), (FORMAT_EPOCHS as f64, last)],
        });
        let trained_with = options(scope, 1);
        let caption = format!("{}, {}. {}", net(&trained_with), numbers(&trained_with), format_protocols(RATE));
        let mut plot = plot(scope, trained, &variants, (3.0, 10.0), &caption)?;
        let [_, ends] = ends(&plot);
        plot.claims.push(Claim {
            statement: "The longer HSIC trains, the better the layer on top classifies".to_owned(),
            verdict: if ends.is_sorted() { Verdict::Holds } else { Verdict::Fails },
            evidence: format!("{:.2}, {:.2}, {:.2} % after 1, 5, 10 epochs", ends[0], ends[1], ends[2]),
        });
        Ok(plot)
    }
}
