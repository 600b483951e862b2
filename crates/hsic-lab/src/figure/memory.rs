//! Peak memory by depth.

use hsic_bottleneck::error::Error;
use hsic_bottleneck::rule_options::Recompute;
use hsic_bottleneck::update::Schedule;

use super::plot::{Axis, Claim, Marks, Panel, Plot, Series, Style, Value, Verdict};
use super::settings::{backprop, hsic};
use super::{Figure, Scope, Set, Training, Trainings};

pub(super) struct Memory;

const METHODS: [&str; 4] = ["HSIC, blocks in turn", "HSIC, blocks at once", "BP", "BP, recomputed"];

fn depths(scope: &Scope) -> &'static [usize] {
    scope.pick(&[2, 8], &[5, 20, 50], &[5, 20, 50, 100, 200])
}

fn label(method: &str, depth: usize) -> String {
    format!("{method}, {depth} blocks")
}

impl Figure for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn title(&self) -> &'static str {
        "Peak memory of training by depth"
    }

    fn source(&self) -> &'static str {
        "ours"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let mut trainings = Vec::new();
        for &depth in depths(scope) {
            for method in METHODS {
                let mut options = match method {
                    "BP" | "BP, recomputed" => backprop(scope, Set::Digits, 0.005),
                    _ => hsic(scope, Set::Digits, 1e-3, 5.0, 500.0),
                };
                // Back-propagation has one way through its blocks.
                let schedule = match method {
                    "HSIC, blocks in turn" => Some(Schedule::Sequential),
                    "HSIC, blocks at once" => Some(Schedule::Parallel),
                    _ => None,
                };
                options.rule.recompute = (method == METHODS[3]).then_some(Recompute::Auto);
                options.evaluation.authors_beside = None;
                options.network.widths = Some(format!("{}x{depth}", scope.pick(32, 256, 256)));
                options.training.epochs = Some(1);
                options.training.batch_size = Some(scope.pick(100, 512, 512));
                options.training.schedule = schedule;
                options.data.train_size = Some(scope.pick(300, 2_560, 2_560));
                options.data.test_size = Some(100);
                trainings.push(Training::new(label(method, depth), options).alone());
            }
        }
        trainings
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        const MIB: f64 = 1024.0 * 1024.0;
        let depths = depths(scope);
        let peak = |method: &str, depth: usize| {
            trained.each(&label(method, depth), |run| {
                run.summary.peak_memory_bytes.map_or(f64::NAN, |bytes| bytes as f64 / MIB)
            })
        };
        // Weights and gradients of all blocks, the batch's data and the program itself have to be there in any case.
        let weights = |method: &str, depth: usize| {
            trained.each(&label(method, depth), |run| run.summary.parameters as f64 * 4.0 / MIB)
        };
        let beyond = |method: &str, depth: usize| -> Vec<f64> {
            peak(method, depth).into_iter().zip(weights(method, depth)).map(|(peak, weights)| peak - weights).collect()
        };
        let mut plot = Plot {
            caption: format!(
                "Peak resident memory of the whole process: dense blocks of width {}, batch {}, plain SGD, each training in a \
                 process of its own; recomputed: the inputs of every sqrt(L)-th of L blocks are kept, the rest is computed again. \
                 On the right the same without the weights.",
                scope.pick(32, 256, 256),
                scope.pick(100, 512, 512)
            ),
            columns: 2,
            ..Plot::default()
        };
        let growth = |method: &str| {
            let (first, last) = (depths[0], depths[depths.len() - 1]);
            let of = |depth| beyond(method, depth).iter().sum::<f64>() / beyond(method, depth).len() as f64;
            (of(last) - of(first)) / (last - first) as f64
        };
        // Memory of trainings as small as those of the smoke profile moves by more than blocks take.
        let band = scope.pick(None, Some((-0.05, 0.05)), Some((-0.05, 0.05)));
        for method in METHODS {
            plot.values.push(Value {
                name: format!("{method}: memory of one more block, without its weights"),
                unit: "MiB".to_owned(),
                paper: None,
                authors: Vec::new(),
                ours: vec![growth(method)],
                band: band.filter(|_| method == METHODS[0]),
                command: "hsic reproduce memory".to_owned(),
            });
        }
        let (local, chain) = (growth(METHODS[0]), growth("BP"));
        plot.claims.push(Claim {
            statement: "Activation memory does not grow with depth when blocks are trained in turn".to_owned(),
            verdict: if local < 0.1 * chain { Verdict::Holds } else { Verdict::Fails },
            evidence: format!(
                "one more block costs {local:.3} MiB beyond its weights, by back-propagation {chain:.3} MiB"
            ),
        });
        let mut panel = |title: &str, axis: &str, value: &dyn Fn(&str, usize) -> Vec<f64>| {
            let of = |method: &&str| {
                let points = depths.iter().map(|&depth| (depth as f64, value(method, depth)));
                Series::of_seeds(method, Style::Line, points)
            };
            plot.panels.push(Panel {
                title: title.to_owned(),
                x: Axis::linear("blocks"),
                y: Axis::linear(axis),
                marks: Marks::Series(METHODS.iter().map(of).collect()),
            });
        };
        panel("Whole process", "peak memory (MiB)", &peak);
        panel("Without the weights", "peak memory beyond the weights (MiB)", &beyond);
        Ok(plot)
    }
}
