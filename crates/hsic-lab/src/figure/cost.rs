//! Time of a step by depth, width and batch, beside the forms that the paper claims.
//!
//! The paper states O(L D^3) for back-propagation and O(L M^2) for HSIC (L blocks of width D, batch M). Counted in
//! multiplications and additions, back-propagation costs 6 L M D^2; HSIC costs 4 L M D^2 for output and weight gradient,
//! about 4 L M^2 D for distances and their gradient and 5 L M^3 for the normalized Gram matrix.

use hsic_bottleneck::error::Error;
use hsic_bottleneck::update::Schedule;

use super::plot::{Axis, Claim, Marks, Panel, Plot, Series, Style, Value, Verdict};
use super::settings::{backprop, hsic};
use super::{Figure, Scope, Set, Training, Trainings};

pub(super) struct Cost;

/// What is varied.
#[derive(Clone, Copy, PartialEq)]
enum Varied {
    Depth,
    Width,
    Batch,
}

impl Varied {
    const ALL: [Self; 3] = [Self::Depth, Self::Width, Self::Batch];

    fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth L (blocks)",
            Self::Width => "width D (units)",
            Self::Batch => "batch M (rows)",
        }
    }

    fn values(self, scope: &Scope) -> &'static [usize] {
        match self {
            Self::Depth => scope.pick(&[2, 4], &[5, 10, 20], &[5, 10, 20, 50, 100]),
            Self::Width => scope.pick(&[16, 32], &[64, 128, 256, 512], &[64, 128, 256, 512, 1024, 2048]),
            Self::Batch => scope.pick(&[16, 32], &[64, 128, 256, 512], &[32, 64, 128, 256, 512, 1024]),
        }
    }

    /// Depth, width and batch where this one is `value`.
    fn sizes(self, scope: &Scope, value: usize) -> [usize; 3] {
        let [depth, width, batch] = scope.pick([2, 16, 32], [5, 256, 256], [5, 256, 256]);
        match self {
            Self::Depth => [value, width, batch],
            Self::Width => [depth, value, batch],
            Self::Batch => [depth, width, value],
        }
    }

    /// The exponents that the paper's forms give, of back-propagation and of HSIC.
    fn claimed(self) -> [f64; 2] {
        match self {
            Self::Depth => [1.0, 1.0],
            Self::Width => [3.0, 0.0],
            Self::Batch => [0.0, 2.0],
        }
    }
}

const METHODS: [&str; 2] = ["BP", "HSIC"];

fn label(method: &str, [depth, width, batch]: [usize; 3]) -> String {
    format!("{method}, L {depth}, D {width}, M {batch}")
}

/// Steps of each training, and so of each median.
const STEPS: usize = 12;

impl Figure for Cost {
    fn name(&self) -> &'static str {
        "cost"
    }

    fn title(&self) -> &'static str {
        "Time of a training step by depth, width and batch"
    }

    fn source(&self) -> &'static str {
        "ours; the forms are claimed in the paper's section on cost"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let mut trainings: Vec<Training> = Vec::new();
        for varied in Varied::ALL {
            for &value in varied.values(scope) {
                let sizes @ [depth, width, batch] = varied.sizes(scope, value);
                for method in METHODS {
                    let mut options = match method {
                        "HSIC" => hsic(scope, Set::Digits, 1e-3, 5.0, 500.0),
                        _ => backprop(scope, Set::Digits, 0.005),
                    };
                    options.evaluation.authors_beside = None;
                    options.network.widths = Some(format!("{width}x{depth}"));
                    options.training.epochs = Some(1);
                    options.training.batch_size = Some(batch);
                    options.training.schedule = (method == "HSIC").then_some(Schedule::Sequential);
                    options.training.threads = Some(1);
                    options.data.train_size = Some(STEPS * batch);
                    options.data.test_size = Some(100);
                    let training = Training::new(label(method, sizes), options).alone();
                    if !trainings.contains(&training) {
                        trainings.push(training);
                    }
                }
            }
        }
        trainings
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let mut plot = Plot {
            caption: format!(
                "Median of {STEPS} steps on one thread, blocks in turn; L = {}, D = {}, M = {} where they are not varied. \
                 Thin lines have the slopes of the paper's forms, O(L D^3) for back-propagation and O(L M^2) for HSIC.",
                Varied::Width.sizes(scope, 0)[0],
                Varied::Depth.sizes(scope, 0)[1],
                Varied::Depth.sizes(scope, 0)[2],
            ),
            columns: 3,
            ..Plot::default()
        };
        for varied in Varied::ALL {
            let values = varied.values(scope);
            let mut series = Vec::new();
            let mut told = Vec::new();
            let mut holds = 0;
            for (method, claimed) in METHODS.into_iter().zip(varied.claimed()) {
                let at = |&value: &usize| {
                    let label = label(method, varied.sizes(scope, value));
                    (value as f64, trained.each(&label, |run| run.summary.milliseconds_per_step))
                };
                let measured = Series::of_seeds(method, Style::Line, values.iter().map(at));
                // Of the upper half, where what is fixed no longer counts.
                let upper = &measured.points[measured.points.len() / 2..];
                let exponent = match (upper.first(), upper.last(), measured.points.first()) {
                    (Some(from), Some(to), Some(_)) if to.x > from.x => (to.y / from.y).ln() / (to.x / from.x).ln(),
                    (_, Some(to), Some(from)) => (to.y / from.y).ln() / (to.x / from.x).ln(),
                    _ => f64::NAN,
                };
                if let (Some(first), Some(last)) = (measured.points.first(), measured.points.last()) {
                    let from = last.y * (first.x / last.x).powf(claimed);
                    let name = format!("{method} as claimed, exponent {claimed}");
                    series.push(Series::plain(&name, Style::Guide, [(first.x, from), (last.x, last.y)]));
                }
                series.insert(series.len() - 1, measured);
                holds += usize::from((exponent - claimed).abs() < 0.35);
                told.push(format!("{method} {exponent:.2} (claimed {claimed})"));
                plot.values.push(Value {
                    name: format!("{method}: exponent of the time in {}", varied.name()),
                    unit: String::new(),
                    paper: Some(claimed),
                    authors: Vec::new(),
                    ours: vec![exponent],
                    band: None,
                    command: "hsic reproduce cost".to_owned(),
                });
            }
            plot.claims.push(Claim {
                statement: format!("The time of a step grows with {} as O(L D^3) and O(L M^2) say", varied.name()),
                verdict: [Verdict::Fails, Verdict::Partly, Verdict::Holds][holds],
                evidence: format!(
                    "exponents over the upper half of the range: {}. Counted: BP 6 L M D^2; HSIC 4 L M D^2 + 4 L M^2 D + \
                     5 L M^3",
                    told.join(", ")
                ),
            });
            plot.panels.push(Panel {
                title: format!("By {}", varied.name()),
                x: Axis::log(varied.name()),
                y: Axis::log("time of a step (ms)"),
                marks: Marks::Series(series),
            });
        }
        Ok(plot)
    }
}
