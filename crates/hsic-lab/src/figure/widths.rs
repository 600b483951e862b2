//! Figure 7a of the paper (6a in the authors' code): narrow and wide nets.

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::error::Error;

use super::format_curves::{FORMAT_EPOCHS, Variant, ends, fair, plot, trainings};
use super::plot::{Claim, Plot, Verdict};
use super::settings::{format_protocols, hsic, net, numbers};
use super::{Figure, Scope, Set, Training, Trainings};

pub(super) struct Widths;

/// Width of all layers, and the paper's accuracy after format training.
const WIDTHS: [(usize, f64); 3] = [(8, 87.14), (32, 94.48), (64, 95.35)];

fn label(width: usize) -> String {
    format!("width {width}")
}

/// Learning rate of the authors' layer.
const RATE: f64 = 0.01;

fn options(scope: &Scope, width: usize) -> TrainOptions {
    let mut options = hsic(scope, Set::Mnist, 2e-4, 5.0, 50.0);
    options.network.widths = Some(format!("{width}x{}", scope.pick(3, 6, 6)));
    options.network.outputs = Some(width);
    options.training.epochs = Some(scope.pick(2, 5, 5));
    options.training.batch_size = Some(scope.pick(64, 256, 256));
    options
}

impl Figure for Widths {
    fn name(&self) -> &'static str {
        "widths"
    }

    fn title(&self) -> &'static str {
        "Format training on nets of width 8, 32 and 64"
    }

    fn source(&self) -> &'static str {
        "figure 7a of the paper, figure 6a of the authors' code"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |(width, _): (usize, f64)| trainings(&label(width), options(scope, width), RATE);
        WIDTHS.into_iter().flat_map(of).collect()
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let variants = WIDTHS.map(|(width, end)| Variant {
            label: label(width),
            fair: Some(fair(&label(width))),
            name: label(width),
            paper: vec![(FORMAT_EPOCHS as f64, end)],
        });
        let nets = WIDTHS.map(|(width, _)| net(&options(scope, width))).join(", ");
        let numbers = numbers(&options(scope, WIDTHS[0].0));
        let caption = format!("{nets}, {numbers}, then format training. {}", format_protocols(RATE));
        let mut plot = plot(scope, trained, &variants, (3.0, 10.0), &caption)?;
        let [_, ends] = ends(&plot);
        plot.claims.push(Claim {
            statement: "A wider net classifies better".to_owned(),
            verdict: if ends.is_sorted() { Verdict::Holds } else { Verdict::Fails },
            evidence: format!("{:.2}, {:.2}, {:.2} % with width 8, 32, 64", ends[0], ends[1], ends[2]),
        });
        Ok(plot)
    }
}
