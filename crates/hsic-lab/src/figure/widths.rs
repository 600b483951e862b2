//! Figure 7a of the paper (6a in the authors' code): narrow and wide nets.

use hsic_bottleneck::error::Error;

use super::format_curves::{FORMAT_EPOCHS, Variant, ends, fair, plot, trainings};
use super::plot::{Claim, Plot, Verdict};
use super::settings::hsic;
use super::{Figure, Scope, Set, Training, Trainings};

pub(super) struct Widths;

/// Width of all layers, and the paper's accuracy after format training.
const WIDTHS: [(usize, f64); 3] = [(8, 87.14), (32, 94.48), (64, 95.35)];

fn label(width: usize) -> String {
    format!("width {width}")
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
        let of = |(width, _): (usize, f64)| {
            let mut options = hsic(scope, Set::Mnist, 2e-4, 5.0, 50.0);
            options.network.widths = Some(format!("{width}x{}", scope.pick(3, 6, 6)));
            options.network.outputs = Some(width);
            options.training.epochs = Some(scope.pick(2, 5, 5));
            options.training.batch_size = Some(scope.pick(64, 256, 256));
            trainings(&label(width), options, 0.01)
        };
        WIDTHS.into_iter().flat_map(of).collect()
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let variants = WIDTHS.map(|(width, end)| Variant {
            label: label(width),
            fair: Some(fair(&label(width))),
            name: label(width),
            paper: vec![(FORMAT_EPOCHS as f64, end)],
        });
        let caption = "784-Wx7, rate 2e-4, sigma 5, beta 50, then format training. Authors' protocol: samples and blocks in \
                       the order of the code, a layer that learns at rate 0.01 on outputs as they are, from random weights. \
                       Fair: samples shuffled, blocks at once, a layer on standardized outputs with momentum and a rate that \
                       falls.";
        let mut plot = plot(scope, trained, &variants, (3.0, 10.0), caption)?;
        let [_, ends] = ends(&plot);
        plot.claims.push(Claim {
            statement: "A wider net classifies better".to_owned(),
            verdict: if ends.is_sorted() { Verdict::Holds } else { Verdict::Fails },
            evidence: format!("{:.2}, {:.2}, {:.2} % with width 8, 32, 64", ends[0], ends[1], ends[2]),
        });
        Ok(plot)
    }
}
