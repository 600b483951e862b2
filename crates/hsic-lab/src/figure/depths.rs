//! Figure 2d-f of the paper: nHSIC while back-propagation trains, by depth.

use hsic_bottleneck::error::Error;
use hsic_bottleneck::network::Activation;

use super::activations::both_ways;
use super::monitored::{Paper, Variant, caption, plot, shape, trainings};
use super::plot::Plot;
use super::{Figure, Scope, Training, Trainings};

pub(super) struct Depths;

fn variants() -> [(usize, Variant); 4] {
    let variant = |depth: usize, x, y, accuracy| {
        (depth, Variant { label: format!("{depth} hidden layers"), paper: Paper { x, y, accuracy } })
    };
    [
        variant(5, [28.6, 23.6], [5.6, 8.16], 96.2),
        variant(10, [26.2, 19.9], [4.7, 8.35], 97.1),
        variant(15, [24.9, 17.7], [4.0, 8.40], 97.1),
        variant(20, [22.8, 15.9], [3.5, 8.30], 95.7),
    ]
}

impl Figure for Depths {
    fn name(&self) -> &'static str {
        "depths"
    }

    fn title(&self) -> &'static str {
        "What the last hidden layer knows of input and labels while back-propagation trains, by depth"
    }

    fn source(&self) -> &'static str {
        "figure 2d-f of the paper and of the authors' code"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |(depth, variant): (usize, Variant)| trainings(scope, depth, Activation::Relu, &variant.label);
        variants().into_iter().flat_map(of).collect()
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let nets = variants().map(|(depth, _)| shape(scope, depth)).join(", ");
        let caption = caption(scope, &format!("{nets}, relu,"));
        let mut plot = plot(scope, trained, &variants().map(|(_, variant)| variant), caption)?;
        plot.claims.push(both_ways(&plot));
        Ok(plot)
    }
}
