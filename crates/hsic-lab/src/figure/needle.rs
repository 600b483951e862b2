//! Figure 3 of the paper (8 in the authors' code): how well one single unit tells ten classes apart.

use hsic_bottleneck::config::TrainOptions;
use hsic_bottleneck::dataset::Dataset;
use hsic_bottleneck::error::Error;
use hsic_bottleneck::judge::at_rest::AtRest;
use hsic_bottleneck::judge::at_rest::FormatInput;
use hsic_bottleneck::network::Norm;
use serde::{Deserialize, Serialize};

use super::plot::{Axis, Claim, Marks, Panel, Plot, Point, Series, Style, Value, Verdict, mean};
use super::settings::{backprop, hsic};
use super::{Figure, Scope, Set, Trained, Training, Trainings};

pub(super) struct Needle;

/// Widths before the single unit: those of the figure, and those of an older revision of the code.
const NETS: [&str; 2] = ["64,32,16,8,4,2", "256,128,64,32,16,8"];

const METHODS: [&str; 2] = ["HSIC", "BP"];

/// Parts of [-1, 1] in which activations are counted.
const BINS: usize = 120;

/// Where the activations of the single unit lie.
#[derive(Serialize, Deserialize)]
struct Activations {
    classes: Vec<String>,
    /// Test samples by class and bin.
    counts: Vec<Vec<f64>>,
    /// Share of the test samples that fall into a bin in which their class is the most frequent one of training.
    accuracy: f64,
}

fn label(method: &str, net: &str) -> String {
    format!("{method}, 784-{}-1", net.replace(',', "-"))
}

fn options(scope: &Scope, method: &str, net: &str) -> TrainOptions {
    let mut options = match method {
        "HSIC" => hsic(scope, Set::Mnist, scope.pick(1e-3, 5e-4, 5e-5), 5.0, 500.0),
        // The best of 0.005, 0.05, 0.2, 0.5 on a held-out tenth of the training data, for both nets.
        _ => backprop(scope, Set::Mnist, 0.5),
    };
    options.evaluation.authors_beside = None;
    options.network.model = Some("needle".to_owned());
    options.network.norm = Some(Norm::BatchAffine);
    options.network.widths = Some(net.to_owned());
    options.training.epochs = Some(scope.pick(2, 10, 50));
    options.training.batch_size = Some(scope.pick(64, 256, 256));
    options
}

/// Samples of each class in each bin of the single unit's activation, which lies in [-1, 1].
fn count(at_rest: &AtRest<'_>, column: usize, dataset: &Dataset) -> Result<Vec<Vec<f64>>, Error> {
    let mut counts = vec![vec![0.0; BINS]; dataset.classes()];
    at_rest.for_each(dataset, usize::MAX, |labels, features| {
        for (&label, row) in labels.iter().zip(features.chunks_exact(at_rest.columns())) {
            let place = (f64::from(row[column]) + 1.0) / 2.0 * BINS as f64;
            counts[label][(place.max(0.0) as usize).min(BINS - 1)] += 1.0;
        }
    })?;
    Ok(counts)
}

fn activations(run: &Trained<'_>) -> Result<Activations, Error> {
    run.derived("needle", |run| {
        let (network, data) = (run.network()?, run.data()?);
        let at_rest = AtRest::new(std::slice::from_ref(&network), FormatInput::All);
        // The class scores that back-propagation needs stand behind the single unit.
        let behind = if run.summary.formatted { network.outputs() } else { 0 };
        let column = at_rest.columns() - behind - 1;
        let (train, test) = (count(&at_rest, column, &data.train)?, count(&at_rest, column, &data.test)?);
        let mut right = 0.0;
        for bin in 0..BINS {
            let class =
                (0..train.len()).fold(0, |best, class| if train[class][bin] > train[best][bin] { class } else { best });
            right += test[class][bin];
        }
        let accuracy = right / data.test.rows() as f64;
        Ok(Activations { classes: data.test.class_names().to_vec(), counts: test, accuracy })
    })
}

/// A class's density, smoothed over some bins, as a ridge that stands at height `base`.
fn ridge(name: &str, counts: &[f64], base: f64) -> Series {
    const WIDTH: f64 = 1.5;
    let rows = counts.iter().sum::<f64>().max(1.0);
    let smooth = |bin: usize| {
        let weight = |other: usize| libm::exp(-0.5 * ((bin as f64 - other as f64) / WIDTH).powi(2));
        let total: f64 = (0..BINS).map(weight).sum();
        counts.iter().enumerate().map(|(other, count)| weight(other) * count).sum::<f64>() / total / rows
    };
    let heights: Vec<f64> = (0..BINS).map(smooth).collect();
    // The roots of the densities, so that broad ones are seen beside sharp peaks.
    let top = heights.iter().copied().fold(f64::MIN_POSITIVE, f64::max).sqrt();
    let points = heights.iter().enumerate().map(|(bin, height)| {
        let (x, y) = (2.0 * (bin as f64 + 0.5) / BINS as f64 - 1.0, base + 0.9 * height.sqrt() / top);
        Point { x, y, low: base, high: y }
    });
    Series { name: name.to_owned(), style: Style::Ridge, points: points.collect() }
}

impl Figure for Needle {
    fn name(&self) -> &'static str {
        "needle"
    }

    fn title(&self) -> &'static str {
        "Ten classes in the activation of one tanh unit"
    }

    fn source(&self) -> &'static str {
        "figure 3 of the paper, figure 8 of the authors' code"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let of = |net: &str| METHODS.map(|method| Training::new(label(method, net), options(scope, method, net)));
        NETS.iter().flat_map(|net| of(net)).collect()
    }

    fn plot(&self, _: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let mut plot = Plot {
            caption: "Density of the last unit's activation over the test data by class (root scale, each class to its own \
                      peak), seed 1. Every block of HSIC is trained on one-hot labels, where the code gives the last one the digit \
                      itself; back-propagation has a linear layer of ten class scores on the unit."
                .to_owned(),
            columns: 2,
            ..Plot::default()
        };
        for net in NETS {
            let mut accuracies = Vec::new();
            for method in METHODS {
                let label = label(method, net);
                let seeds = trained.of(&label).iter().map(activations).collect::<Result<Vec<_>, _>>()?;
                let ours: Vec<f64> = seeds.iter().map(|seed| 100.0 * seed.accuracy).collect();
                accuracies.push(mean(&ours));
                plot.values.push(Value {
                    name: format!("{label}: test samples told apart by the unit alone"),
                    unit: "%".to_owned(),
                    paper: None,
                    authors: Vec::new(),
                    ours,
                    band: None,
                    command: trained.command(&label),
                });
                let Some(Activations { classes, counts, .. }) = seeds.into_iter().next() else { continue };
                let ridges = classes.iter().zip(&counts).enumerate();
                plot.panels.push(Panel {
                    title: label,
                    x: Axis::linear("activation of the last unit").within(-1.0, 1.0),
                    y: Axis::linear("class").within(0.0, classes.len() as f64).named(&classes),
                    marks: Marks::Series(
                        ridges.map(|(class, (name, counts))| ridge(name, counts, class as f64)).collect(),
                    ),
                });
            }
            plot.claims.push(Claim {
                statement: format!(
                    "784-{}-1: one unit tells more apart after HSIC than after BP",
                    net.replace(',', "-")
                ),
                verdict: if accuracies[0] > accuracies[1] { Verdict::Holds } else { Verdict::Fails },
                evidence: format!("HSIC {:.2} %, BP {:.2} % of the test samples", accuracies[0], accuracies[1]),
            });
        }
        Ok(plot)
    }
}
