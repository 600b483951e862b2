//! Blocks at once: speed-up by threads, and accuracy by seconds.

use hsic_bottleneck::config::{OptimizerName, TrainOptions};
use hsic_bottleneck::error::Error;

use super::plot::{Axis, Claim, Marks, Panel, Plot, Series, Style, Value, Verdict, mean};
use super::{Figure, Scope, Set, Training, Trainings};

pub(super) struct Parallel;

/// Blocks before the output block.
const DEPTHS: [usize; 2] = [6, 49];

/// Numbers of threads: 1, 2, 4, ... and all.
fn threads() -> Vec<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut threads: Vec<usize> = (0..).map(|power| 1 << power).take_while(|&threads| threads < cores).collect();
    threads.push(cores);
    threads
}

fn timed(method: &str, depth: usize, threads: usize) -> String {
    format!("{method}, {} blocks, {}", depth + 1, counted(threads))
}

fn counted(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

/// Width of the dense blocks that are timed, and rows of their batches.
fn timed_sizes(scope: &Scope) -> (usize, usize) {
    (scope.pick(16, 256, 256), scope.pick(64, 256, 256))
}

/// A training whose accuracy by seconds is shown.
fn raced(scope: &Scope, name: &str) -> TrainOptions {
    let mut options = TrainOptions { data: scope.data(Set::Mnist), ..TrainOptions::default() };
    options.network.widths = Some(scope.pick("32x3", "256x6", "256x6").to_owned());
    options.training.epochs = Some(scope.pick(2, 3, 5));
    match name {
        RACED_BP => {
            options.objective.method = Some("backprop".to_owned());
            options.optimizer.optimizer = Some(OptimizerName::AdamW);
            options.optimizer.learning_rate = Some(1e-3);
            options.training.batch_size = Some(128);
        }
        RACED_FOURIER => options.objective.approximation = "fourier:128".parse().ok(),
        _ => {}
    }
    options
}

const RACED_HSIC: &str = "HSIC";
const RACED_FOURIER: &str = "HSIC, 128 Fourier features";
const RACED_BP: &str = "BP, AdamW";
const RACED: [&str; 3] = [RACED_HSIC, RACED_FOURIER, RACED_BP];

impl Figure for Parallel {
    fn name(&self) -> &'static str {
        "parallel"
    }

    fn title(&self) -> &'static str {
        "Blocks in parallel: speed-up by threads, and accuracy by time"
    }

    fn source(&self) -> &'static str {
        "ours"
    }

    fn trainings(&self, scope: &Scope) -> Vec<Training> {
        let mut trainings = Vec::new();
        for depth in DEPTHS {
            for threads in threads() {
                for (name, method) in [("HSIC", "hsic"), ("BP", "backprop")] {
                    let mut options = TrainOptions { data: scope.data(Set::Mnist), ..TrainOptions::default() };
                    options.optimizer.optimizer = Some(OptimizerName::Sgd);
                    options.objective.method = Some(method.to_owned());
                    let (width, batch) = timed_sizes(scope);
                    options.network.widths = Some(format!("{width}x{depth}"));
                    options.training.epochs = Some(1);
                    options.training.batch_size = Some(batch);
                    options.training.threads = Some(threads);
                    options.data.train_size = Some(scope.pick(192, 5_120, 10_240));
                    options.data.test_size = Some(100);
                    trainings.push(Training::new(timed(name, depth, threads), options).alone());
                }
            }
        }
        trainings.extend(RACED.map(|name| Training::new(name, raced(scope, name)).alone()));
        trainings
    }

    fn plot(&self, scope: &Scope, trained: &Trainings<'_>) -> Result<Plot, Error> {
        let threads = threads();
        let most = threads.last().copied().unwrap_or(1);
        let ((width, batch), race) = (timed_sizes(scope), raced(scope, RACED_BP));
        let mut plot = Plot {
            caption: format!(
                "Left: time of a step on one thread over that on several, dense blocks of width {width}, batch {batch}; blocks \
                 have their weights' bits whatever the number of threads. Right: test accuracy against seconds since the start \
                 of training, evaluation included; dense blocks {}, default settings, for BP AdamW at rate {}, batch {}.",
                race.network.widths.unwrap_or_default(),
                race.optimizer.learning_rate.unwrap_or_default(),
                race.training.batch_size.unwrap_or_default()
            ),
            columns: 2,
            ..Plot::default()
        };
        let mut speedups =
            vec![Series::plain("as many as threads", Style::Guide, [(1.0, 1.0), (most as f64, most as f64)])];
        for depth in DEPTHS {
            for name in ["HSIC", "BP"] {
                let time =
                    |threads| trained.each(&timed(name, depth, threads), |run| run.summary.milliseconds_per_step);
                let one = time(1);
                let at = |&threads: &usize| {
                    let speedups = one.iter().zip(time(threads)).map(|(one, many)| one / many).collect();
                    (threads as f64, speedups)
                };
                let series =
                    Series::of_seeds(&format!("{name}, {} blocks", depth + 1), Style::Line, threads.iter().map(at));
                plot.values.push(Value {
                    name: format!("{name}, {} blocks: speed-up on {}", depth + 1, counted(most)),
                    unit: String::new(),
                    paper: None,
                    authors: Vec::new(),
                    ours: series.points.last().map(|point| point.y).into_iter().collect(),
                    band: None,
                    command: "hsic reproduce parallel".to_owned(),
                });
                speedups.push(series);
            }
        }
        let last = speedups.iter().filter(|series| series.name.starts_with("HSIC")).filter_map(|s| s.points.last());
        let least = last.map(|point| point.y).fold(f64::INFINITY, f64::min);
        plot.claims.push(Claim {
            statement: "Blocks learn at once: a step is faster by nearly the number of threads".to_owned(),
            verdict: match least / most as f64 {
                share if share > 0.8 => Verdict::Holds,
                share if share > 0.5 => Verdict::Partly,
                _ => Verdict::Fails,
            },
            evidence: format!("HSIC is at least {least:.2} times as fast on {}", counted(most)),
        });
        let mut races = Vec::new();
        for name in RACED {
            let mut points: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
            for run in trained.of(name) {
                for (index, report) in run.epochs()?.iter().enumerate() {
                    points.resize(points.len().max(index + 1), Default::default());
                    points[index].0.push(report.seconds);
                    points[index].1.push(100.0 * report.test_accuracy);
                }
            }
            let by_time = points.into_iter().map(|(seconds, accuracies)| (mean(&seconds), accuracies));
            races.push(Series::of_seeds(name, Style::Line, by_time));
        }
        plot.panels.push(Panel {
            title: "A training step".to_owned(),
            x: Axis::linear("threads"),
            y: Axis::linear("speed-up over one thread"),
            marks: Marks::Series(speedups),
        });
        plot.panels.push(Panel {
            title: scope.label(Set::Mnist).to_owned(),
            x: Axis::linear("time of training (s)"),
            y: Axis::linear("test accuracy (%)"),
            marks: Marks::Series(races),
        });
        Ok(plot)
    }
}
