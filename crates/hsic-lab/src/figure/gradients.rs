//! Gradient norms by layer: do they vanish or explode?

use hsic_bottleneck::error::Error;
use hsic_bottleneck::network::Norm;

use super::plot::{Axis, Claim, Marks, Panel, Plot, Series, Style, Value, Verdict, mean};
use super::settings::{backprop, hsic};
use super::{Figure, Scope, Set, Trained, Training, Trainings};

pub(super) struct Gradients;

/// Hidden blocks.
const DEPTHS: [usize; 3] = [5, 50, 100];

/// How a net is trained.
const METHODS: [&str; 3] = ["HSIC", "BP", "BP without batch norm"];

fn label(method: &str, depth: usize) -> String {
    format!("{method}, {depth} blocks")
}

impl Figure for Gradients {
    fn name(&self) -> &'static str {
        "gradients"
    }

    fn title(&self) -> &'static str {
        "Norm of the gradient by block: vanishing, exploding, or neither"
    }

    fn source(&self) -> &'static str {
        "ours"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let mut trainings = Vec::new();
        for depth in DEPTHS {
            for method in METHODS {
                let mut options = match method {
                    "HSIC" => hsic(scope, Set::Mnist, 1e-3, 5.0, 500.0),
                    _ => backprop(scope, Set::Mnist, 0.005),
                };
                options.evaluation.authors_beside = None;
                options.network.norm = (method == METHODS[2]).then_some(Norm::None);
                options.network.widths = Some(format!("{}x{depth}", scope.pick(16, 128, 128)));
                options.training.epochs = Some(1);
                options.training.batch_size = Some(scope.pick(100, 256, 256));
                options.training.monitor_steps = Some(1);
                options.data.train_size = Some(scope.pick(300, 2_560, 5_120));
                options.data.test_size = Some(scope.pick(100, 1_000, 1_000));
                trainings.push(Training::new(label(method, depth), options));
            }
        }
        trainings
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let mut plot = Plot {
            caption: format!(
                "Plain dense blocks of width {} on {}; norm of the gradient with respect to a block's weights and bias at the \
                 first step, of the block's own objective (HSIC) or of the cross-entropy (BP). A rule without a chain has \
                 nothing that could grow or shrink along it.",
                scope.pick(16, 128, 128),
                scope.label(Set::Mnist)
            ),
            columns: METHODS.len(),
            ..Plot::default()
        };
        for method in METHODS {
            let mut series = Vec::new();
            let mut spreads = Vec::new();
            for depth in DEPTHS {
                let label = label(method, depth);
                let runs = trained.of(&label).iter().map(Trained::monitored).collect::<Result<Vec<_>, _>>()?;
                let first: Vec<&Vec<f64>> = runs.iter().filter_map(|run| Some(&run.first()?.gradient_norm)).collect();
                let at = |block: usize| (block as f64 + 1.0, first.iter().map(|norms| norms[block]).collect());
                series.push(Series::of_seeds(&format!("{depth} blocks"), Style::Curve, (0..=depth).map(at)));
                // The output block differs in kind: one of class scores, or of ten units.
                let ratio = |norms: &&Vec<f64>| norms[0] / norms[depth - 1];
                let factors: Vec<f64> = first.iter().map(ratio).collect();
                spreads.push(mean(&factors));
                plot.values.push(Value {
                    name: format!("{label}: first block's gradient over the last hidden block's"),
                    unit: String::new(),
                    paper: None,
                    authors: Vec::new(),
                    ours: factors,
                    band: (method == "HSIC").then_some((0.02, 50.0)),
                    command: trained.command(&label),
                });
            }
            let told: Vec<String> =
                DEPTHS.iter().zip(&spreads).map(|(d, s)| format!("{} at {d} blocks", factor(*s))).collect();
            let local = method == "HSIC";
            let tame = spreads.iter().all(|&factor| (0.02..=50.0).contains(&factor));
            plot.claims.push(Claim {
                statement: match local {
                    true => "HSIC: gradients neither vanish nor explode with depth".to_owned(),
                    false => format!("{method}: gradients vanish or explode with depth"),
                },
                verdict: if tame == local { Verdict::Holds } else { Verdict::Fails },
                evidence: format!("first block over last hidden block: {}", told.join(", ")),
            });
            let y = wide(&series);
            plot.panels.push(Panel {
                title: method.to_owned(),
                x: Axis::linear("block, from the input"),
                y,
                marks: Marks::Series(series),
            });
        }
        Ok(plot)
    }
}

/// An axis of at least four decades: less is no vanishing and no explosion, and shall not look like it.
fn wide(series: &[Series]) -> Axis {
    let values = series.iter().flat_map(|series| &series.points).map(|point| point.y.log10());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let axis = Axis::log("norm of the gradient");
    if !low.is_finite() || high - low > 4.0 {
        return axis;
    }
    let middle = f64::midpoint(low, high).round();
    axis.within(10f64.powf(middle - 2.0), 10f64.powf(middle + 2.0))
}

/// A factor for a sentence.
fn factor(value: f64) -> String {
    if (0.01..1000.0).contains(&value) { format!("{value:.2}") } else { format!("{value:.1e}") }
}
