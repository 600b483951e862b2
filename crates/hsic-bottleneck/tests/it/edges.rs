//! Numbers at the edge of what they can be: every method on four networks comes to finite weights, or says at which block it
//! cannot go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hsic::random::Stream;
use hsic_bottleneck::assemble::{build_method, build_network};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::{Numbers, TrainOptions};
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::methods::METHODS;

const SHAPE: Shape = Shape { channels: 1, height: 8, width: 8 };
const ROWS: usize = 12;
const CLASSES: usize = 3;
const STEPS: u64 = 3;

/// Networks, and what their widths are.
const NETWORKS: [(&str, &str); 4] = [("mlp", "7,6"), ("residual-mlp", "6x2"), ("vgg", "6p,6p"), ("resnet-conv", "6x1")];

/// Rows of normal values, changed.
fn batch(step: u64, change: impl Fn(usize, usize, f32) -> f32) -> Batch {
    let mut stream = Stream::new(4, "edges", step);
    let columns = SHAPE.columns();
    let x = (0..ROWS * columns).map(|at| change(at / columns, at % columns, stream.normal() as f32)).collect();
    let labels = (0..ROWS).map(|row| row % CLASSES).collect();
    Batch { x, columns, labels, classes: CLASSES, values: Vec::new(), smoothing: 0.0, step }
}

/// The batch of each step.
type Batches = Box<dyn Fn(u64) -> Batch>;

/// What is wrong with each kind of data.
fn kinds() -> Vec<(&'static str, Batches)> {
    let with = |change: fn(usize, usize, f32) -> f32| -> Batches { Box::new(move |step| batch(step, change)) };
    vec![
        ("NaN", with(|row, column, x| if (row, column) == (3, 5) { f32::NAN } else { x })),
        ("infinity", with(|row, column, x| if (row, column) == (3, 5) { f32::INFINITY } else { x })),
        ("denormals", with(|_, _, x| x * f32::MIN_POSITIVE / 8.0)),
        ("1e-30", with(|_, _, x| x * 1e-30)),
        ("1e30", with(|_, _, x| x * 1e30)),
        ("largest", with(|_, _, x| x.signum() * f32::MAX)),
        ("constant columns", with(|_, column, x| if column % 2 == 0 { 1.5 } else { x })),
        ("constant", with(|_, _, _| 0.7)),
        ("zeros", with(|_, _, _| 0.0)),
        ("duplicated rows", with(|row, column, _| ((row % 2 * 31 + column * 7) % 11) as f32)),
        ("one class", Box::new(|step| Batch { labels: vec![1; ROWS], ..batch(step, |_, _, x| x) })),
        (
            "a row a class",
            Box::new(|step| {
                let whole = batch(step, |_, _, x| x);
                Batch { x: whole.x[..CLASSES * SHAPE.columns()].to_vec(), labels: (0..CLASSES).collect(), ..whole }
            }),
        ),
    ]
}

/// How a training ended.
#[derive(Debug, PartialEq)]
enum End {
    Finite,
    Refused,
}

/// Trains for some steps: whether it came to its end or was refused by name, or what is amiss. A panic is told as such.
fn tried(options: TrainOptions, batches: &dyn Fn(u64) -> Batch) -> Result<End, String> {
    let work = || -> Result<End, String> {
        let Ok(config) = options.resolve() else { return Ok(End::Refused) };
        let Ok(mut network) = build_network(&config, SHAPE, CLASSES) else { return Ok(End::Refused) };
        let Ok(mut update) = build_method(&config, CLASSES) else { return Ok(End::Refused) };
        update.plan(&network, STEPS);
        for step in 0..STEPS {
            if let Err(error) = update.step(&mut network, &batches(step), config.learning_rate.peak) {
                let mut told = error.to_string();
                let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
                while let Some(inner) = source {
                    told.push_str(&format!(": {inner}"));
                    source = inner.source();
                }
                let named = told.contains("block") || told.contains("the batch") || told.contains("cannot train");
                return if named {
                    Ok(End::Refused)
                } else {
                    Err(format!("step {step}: an error that names no block: {told}"))
                };
            }
            // What a step gives must be finite, or the next says that it is not: weights are looked at after the last.
            if step + 1 == STEPS {
                let parameters = network.blocks().iter().enumerate();
                for (index, block) in parameters {
                    if !block.parameters().iter().all(|value| value.is_finite()) {
                        return Err(format!("block {index} has weights that are no numbers, without a word"));
                    }
                }
            }
        }
        Ok(End::Finite)
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
        Err(format!("a panic: {}", said.unwrap_or_default()))
    })
}

#[test]
fn every_method_says_where_it_cannot_go_on_or_stays_finite() {
    let mut amiss = Vec::new();
    for method in METHODS {
        for (model, widths) in NETWORKS {
            let options = || {
                let mut options = TrainOptions::default();
                options.objective.method = Some(method.name.to_owned());
                options.network.model = Some(model.to_owned());
                options.network.widths = Some(widths.to_owned());
                options
            };
            // On numbers as they should be all of them train, but for one that takes dense blocks alone.
            let dense_alone = method.name == "difference-target-propagation" && model != "mlp";
            let expected = if dense_alone { End::Refused } else { End::Finite };
            assert_eq!(tried(options(), &|step| batch(step, |_, _, x| x)), Ok(expected), "{} on {model}", method.name);
            for (kind, batches) in kinds() {
                if let Err(told) = tried(options(), &*batches) {
                    amiss.push(format!("{} on {model}, {kind}: {told}", method.name));
                }
            }
            if method.reads("sigma") {
                for sigma in [1e-6, 1e-3, 1e3, 1e6] {
                    for epsilon in [1e-12, 1.0] {
                        let mut options = options();
                        options.objective.sigma = Some(Numbers(vec![sigma]));
                        options.objective.epsilon = Some(epsilon);
                        if let Err(told) = tried(options, &|step| batch(step, |_, _, x| x)) {
                            amiss.push(format!(
                                "{} on {model}, sigma {sigma:e}, epsilon {epsilon:e}: {told}",
                                method.name
                            ));
                        }
                    }
                }
            }
        }
    }
    assert!(amiss.is_empty(), "{} of them:\n{}", amiss.len(), amiss.join("\n"));
}
