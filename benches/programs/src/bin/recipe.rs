//! Times training steps of `--recipe airbench` for `benches/compare/recipe.py`: it prints `ready` and then answers each line
//! `run N` with a JSON list of N step times in milliseconds. `first FILE` makes three steps on the first batch with a new network
//! and writes the batch and the tensors before and after them, from which the rules of the recipe are checked.
//!
//! `cargo run --release -p bench-programs --bin recipe -- --method hsic-local --batch-size 1000 --threads 2`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use hsic::LabelFit;
use hsic::random::Stream;
use hsic_bottleneck::assemble::{build_method, build_network};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::config::recipes::TrainingRecipe;
use hsic_bottleneck::config::{TrainConfig, TrainOptions};
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::Network;
use hsic_bottleneck::rule_options::InputTerm;
use safetensors::tensor::{Dtype, TensorView};

const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };
const CLASSES: usize = 10;
const OPTIONS: &[&str] = &["--method", "--batch-size", "--threads", "--unit"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut given = BTreeMap::new();
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if OPTIONS.contains(&name.as_str()) => given.insert(name.as_str(), value.as_str()),
            _ => return Err(format!("{}: expected pairs of {} and a value", pair[0], OPTIONS.join(", ")).into()),
        };
    }
    let option = |name: &str, default: &'static str| given.get(name).copied().unwrap_or(default);
    let (method, rows) = (option("--method", "hsic-local"), option("--batch-size", "1000").parse()?);
    rayon::ThreadPoolBuilder::new().num_threads(option("--threads", "2").parse()?).build_global()?;
    let mut options = TrainOptions::default();
    options.objective.method = Some(method.to_owned());
    options.training.batch_size = Some(rows);
    if method == "hsic-local" {
        // What carries the accuracy: each row's label by the others' fit, and a classifier beside it.
        options.objective.label_fit = Some(LabelFit::LeaveOneOut);
        (options.objective.sigma, options.objective.epsilon) = (Some("1".parse()?), Some(1e-3));
        (options.objective.beta, options.rule.classifier, options.rule.x) =
            (Some(1.0), Some(1.0), Some(InputTerm::None));
        options.training.unit = Some(option("--unit", "1").parse()?);
    }
    let recipe = TrainingRecipe::named("airbench").ok_or("no recipe airbench")?;
    let own = recipe.beside(&options)?;
    let config = options.or(own).resolve()?;
    let batches: Vec<Batch> = (0..4).map(|index| batch(rows, index)).collect();
    let mut network = build_network(&config, SHAPE, CLASSES)?;
    network.see(&batches[0].x);
    let mut update = build_method(&config, CLASSES)?;
    let mut done = 0;

    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if let Some(path) = line.strip_prefix("first ") {
            first(&config, &batches[0], Path::new(path.trim()))?;
            writeln!(stdout, "{}", serde_json::to_string(path)?)?;
            stdout.flush()?;
            continue;
        }
        let steps: usize = line.strip_prefix("run ").ok_or("expected `run N` or `first FILE`")?.trim().parse()?;
        // On the pool, so that a step does not wait for a worker to wake.
        let times = rayon::scope(|_| {
            let times = (0..steps).map(|_| {
                done += 1;
                let start = Instant::now();
                update.step(&mut network, &batches[done % batches.len()], config.learning_rate.peak)?;
                Ok(start.elapsed().as_secs_f64() * 1e3)
            });
            times.collect::<Result<Vec<f64>, hsic_bottleneck::Error>>()
        })?;
        writeln!(stdout, "{}", serde_json::to_string(&times)?)?;
        stdout.flush()?;
    }
    Ok(())
}

/// Three steps on one batch, at the rates of the recipe's beginning.
fn first(config: &TrainConfig, batch: &Batch, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut network = build_network(config, SHAPE, CLASSES)?;
    network.see(&batch.x);
    let mut update = build_method(config, CLASSES)?;
    let labels = batch.labels.iter().map(|&label| label as f32).collect();
    let mut tensors = vec![
        ("x".to_owned(), vec![batch.labels.len(), batch.columns], batch.x.clone()),
        ("labels".to_owned(), vec![batch.labels.len()], labels),
    ];
    let named = |when: &'static str, network: &Network| {
        let tensors = network.tensors().into_iter();
        tensors.map(move |tensor| (format!("{when}.{}", tensor.name), tensor.shape, tensor.values)).collect::<Vec<_>>()
    };
    tensors.extend(named("before", &network));
    let mut losses = Vec::new();
    for _ in 0..3 {
        let report = update.step(&mut network, batch, config.learning_rate.peak)?;
        losses.extend(report.signals.last().map(|signal| signal.loss as f32));
    }
    tensors.push(("losses".to_owned(), vec![losses.len()], losses));
    tensors.extend(named("after", &network));
    let views = tensors.iter().map(|(name, shape, values)| {
        Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values))?))
    });
    let views: Vec<_> = views.collect::<Result<_, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize_to_file(views, None, path)?)
}

/// Images of normal pixels, of which those of a class have a mean of their own.
fn batch(rows: usize, index: u64) -> Batch {
    let mut stream = Stream::new(1, "recipe", index);
    let labels: Vec<usize> = (0..rows).map(|row| row % CLASSES).collect();
    let x = labels.iter().flat_map(|&label| (0..SHAPE.columns()).map(move |at| (label, at)));
    let x = x.map(|(label, at)| (((label * 37 + at) % 11) as f64 / 11.0 - 0.5 + stream.normal()) as f32).collect();
    Batch { x, columns: SHAPE.columns(), labels, classes: CLASSES, values: Vec::new(), smoothing: 0.2, step: index }
}
