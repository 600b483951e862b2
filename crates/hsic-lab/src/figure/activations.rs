//! Figure 2a-c of the paper: nHSIC while back-propagation trains, by activation.

use hsic_bottleneck::error::Error;
use hsic_bottleneck::network::Activation;

use super::monitored::{Paper, Variant, caption, plot, shape, trainings};
use super::plot::{Claim, Plot, Verdict, mean};
use super::{Figure, Scope, Training, Trainings};

pub(super) struct Activations;

/// Hidden layers between the first and the last.
const LAYERS: usize = 5;

fn variants() -> [(Activation, Variant); 4] {
    let variant = |label: &str, x, y, accuracy| Variant { label: label.to_owned(), paper: Paper { x, y, accuracy } };
    [
        (Activation::Relu, variant("relu", [28.7, 23.7], [5.5, 8.1], 96.2)),
        (Activation::Tanh, variant("tanh", [29.4, 23.9], [6.1, 7.5], 94.9)),
        (Activation::Elu, variant("elu", [33.6, 29.4], [6.7, 7.8], 95.9)),
        (Activation::Sigmoid, variant("sigmoid", [18.0, 9.6], [4.2, 5.4], 90.0)),
    ]
}

impl Figure for Activations {
    fn name(&self) -> &'static str {
        "activations"
    }

    fn title(&self) -> &'static str {
        "What the last hidden layer knows of input and labels while back-propagation trains, by activation"
    }

    fn source(&self) -> &'static str {
        "figure 2a-c of the paper and of the authors' code"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |(activation, variant): (Activation, Variant)| trainings(scope, LAYERS, activation, &variant.label);
        variants().into_iter().flat_map(of).collect()
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let caption = caption(scope, &shape(scope, LAYERS));
        let mut plot = plot(scope, trained, &variants().map(|(_, variant)| variant), caption)?;
        plot.claims.push(both_ways(&plot));
        Ok(plot)
    }
}

/// Back-propagation by itself lowers nHSIC with the input and raises that with the labels.
pub(super) fn both_ways(plot: &Plot) -> Claim {
    let pairs = plot.values.chunks(5).map(|values| {
        let of = |index: usize| values.get(index).map_or(f64::NAN, |value| mean(&value.ours));
        (of(1) < of(0), of(3) > of(2))
    });
    let (all, x, y) =
        pairs.fold((0, 0, 0), |(all, x, y), (falls, rises)| (all + 1, x + usize::from(falls), y + usize::from(rises)));
    Claim {
        statement: "Back-propagation by itself lowers nHSIC(X, Z_L) and raises nHSIC(Y, Z_L)".to_owned(),
        verdict: match x + y {
            both if both == 2 * all => Verdict::Holds,
            0 => Verdict::Fails,
            _ => Verdict::Partly,
        },
        evidence: format!("nHSIC(X, Z_L) falls in {x}, nHSIC(Y, Z_L) rises in {y} of {all} curves"),
    }
}
