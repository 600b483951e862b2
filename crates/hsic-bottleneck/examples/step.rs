//! Times training steps for `benches/compare` and `benches/memory`: started with the network's shape, it prints `ready`
//! and then answers lines in JSON. Other steps may run between the lines.
//! - `run N`: N step times in milliseconds.
//! - `memory`: the peak resident bytes until now, and those of parameters and optimizer state.
//! - `products N`: the rates of float32 products of faer, in GFLOP/s.
//! - `first FILE`: does one step at a learning rate of 1 on a new network and writes batch, tensors before and tensors
//!   after it, from which PyTorch's gradients are checked.
//!
//! `cargo run --release -p hsic-bottleneck --example step -- --network vgg --shape 3x32x32 --feature pool:2
//! --batch-size 256 --threads 2 --schedule parallel --method hsic`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use hsic::Bottleneck;
use hsic::random::Stream;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::models::{parse_widths, with_classifier};
use hsic_bottleneck::network::{Feature, NETWORKS, NamedTensor, Network, NetworkSettings, Norm};
use hsic_bottleneck::objective::HsicObjective;
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::update::{Backprop, Local, Schedule, Update, UpdateOrder};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

const CLASSES: usize = 10;
/// Products between two looks at the clock.
const AT_A_TIME: usize = 4;
const OPTIONS: &[&str] = &[
    "--network",
    "--shape",
    "--widths",
    "--feature",
    "--batch-size",
    "--threads",
    "--schedule",
    "--method",
    "--x-weight",
];

/// What is trained, and how.
struct Settings {
    network: String,
    shape: Shape,
    widths: Option<String>,
    feature: Feature,
    batch_size: usize,
    threads: usize,
    schedule: Schedule,
    backprop: bool,
    x_weight: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse()?;
    rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build_global()?;
    let mut network = settings.network()?;
    let mut update = settings.update()?;
    let batches: Vec<Batch> = (0..8).map(|index| batch(settings.batch_size, settings.shape, index)).collect();

    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb {
            "run" => {
                let mut times = Vec::new();
                for step in 0..argument.trim().parse()? {
                    let start = Instant::now();
                    // On the pool, so that a step does not wait for a worker to wake.
                    rayon::in_place_scope(|_| {
                        update.step(&mut network, &batches[step % batches.len()], 5e-4).map(|_| ())
                    })?;
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
                serde_json::to_string(&times)?
            }
            "memory" => memory(&network, update.as_ref())?,
            "products" => products(argument.trim().parse::<usize>()?.max(1), settings.threads)?,
            "first" => first(&settings, &batches[0], Path::new(argument))?,
            other => return Err(format!("{other}: expected `run N`, `memory`, `products N` or `first FILE`").into()),
        };
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

impl Settings {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let mut given = BTreeMap::new();
        for pair in arguments.chunks(2) {
            match pair {
                [name, value] if OPTIONS.contains(&name.as_str()) => given.insert(name.as_str(), value.as_str()),
                _ => return Err(format!("{}: expected pairs of {} and a value", pair[0], OPTIONS.join(", ")).into()),
            };
        }
        let option = |name: &str, default: &'static str| given.get(name).copied().unwrap_or(default);
        let network = option("--network", "mlp").to_owned();
        let shape = option("--shape", if network == "vgg" { "3x32x32" } else { "1x28x28" });
        let sides: Vec<usize> = shape.split('x').map(str::parse).collect::<Result<_, _>>()?;
        let &[channels, height, width] = &sides[..] else {
            return Err(format!("--shape {shape}: expected CxHxW").into());
        };
        Ok(Self {
            network,
            shape: Shape { channels, height, width },
            widths: given.get("--widths").map(|&widths| widths.to_owned()),
            feature: option("--feature", "pool:2").parse()?,
            batch_size: option("--batch-size", "256").parse()?,
            threads: option("--threads", "2").parse()?,
            schedule: match option("--schedule", "parallel") {
                "parallel" => Schedule::Parallel,
                "sequential" => Schedule::Sequential,
                other => return Err(format!("--schedule {other}: expected parallel or sequential").into()),
            },
            backprop: match option("--method", "hsic") {
                "hsic" => false,
                "backprop" => true,
                other => return Err(format!("--method {other}: expected hsic or backprop").into()),
            },
            x_weight: option("--x-weight", "1").parse()?,
        })
    }

    fn network(&self) -> Result<Network, Box<dyn Error>> {
        let kind = NETWORKS.iter().find(|kind| kind.name == self.network);
        let kind = kind.ok_or_else(|| format!("--network {}: no such network", self.network))?;
        let widths = match &self.widths {
            Some(text) => Some(parse_widths(text).ok_or_else(|| format!("--widths {text}: expected 256x6, 32,64p"))?),
            None => None,
        };
        let blocks = (kind.blocks)(&NetworkSettings { widths, outputs: None, classes: CLASSES });
        let blocks = if self.backprop { with_classifier(blocks, CLASSES) } else { blocks };
        let mut network = Network::build(self.shape, &blocks, kind.activation, Norm::Batch, 0)?;
        network.set_feature(self.feature);
        Ok(network)
    }

    fn update(&self) -> Result<Box<dyn Update>, Box<dyn Error>> {
        let optimizer = Optimizer::Sgd { momentum: 0.9, weight_decay: 0.0 };
        if self.backprop {
            return Ok(Box::new(Backprop::new(optimizer)));
        }
        let objective = HsicObjective::new(Bottleneck { x_weight: self.x_weight, ..Bottleneck::default() })?;
        Ok(Box::new(Local::new(objective, optimizer, UpdateOrder::Jacobi, self.schedule)))
    }
}

/// One step at a learning rate of 1, which moves the weights by their gradients.
fn first(settings: &Settings, batch: &Batch, path: &Path) -> Result<String, Box<dyn Error>> {
    let mut network = settings.network()?;
    let named = |when: &'static str, tensors: Vec<NamedTensor<f32>>| {
        tensors.into_iter().map(move |tensor| (format!("{when}.{}", tensor.name), tensor.shape, tensor.values))
    };
    let labels = batch.labels.iter().map(|&label| label as f32).collect();
    let mut tensors = vec![
        ("x".to_owned(), vec![batch.labels.len(), batch.columns], batch.x.clone()),
        ("labels".to_owned(), vec![batch.labels.len()], labels),
    ];
    tensors.extend(named("before", network.tensors()));
    settings.update()?.step(&mut network, batch, 1.0)?;
    tensors.extend(named("after", network.tensors()));
    let views = tensors.iter().map(|(name, shape, values)| {
        Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values))?))
    });
    let views: Vec<_> = views.collect::<Result<_, safetensors::SafeTensorError>>()?;
    safetensors::serialize_to_file(views, None, path)?;
    Ok(serde_json::to_string(path)?)
}

/// What the process has held, before the answer itself takes any memory, and what of it lasts from step to step.
fn memory(network: &Network, update: &dyn Update) -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("the system tells no VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    let parameters: usize = network.tensors().iter().map(|tensor| tensor.values.len()).sum();
    let states = update.record().optimizers;
    let states: usize = states.iter().map(|state| state.first.len() + state.second.len()).sum();
    let content = BTreeMap::from([
        ("peak_bytes", kilobytes * 1024),
        ("parameter_bytes", (parameters * size_of::<f32>()) as u64),
        ("optimizer_bytes", (states * size_of::<f32>()) as u64),
    ]);
    Ok(serde_json::to_string(&content)?)
}

/// GFLOP/s of products of order 256 and 1024 on all threads, and of order 256 on each thread by itself, as blocks are
/// trained: each the median of `repeats` times.
fn products(repeats: usize, threads: usize) -> Result<String, Box<dyn Error>> {
    let rate = |n: usize, apart: usize, par: Par| {
        let mut stream = Stream::new(1, "products", n as u64);
        let (a, b) = (Mat::from_fn(n, n, |_, _| stream.uniform() as f32), Mat::from_fn(n, n, |i, j| (i ^ j) as f32));
        let mut results = vec![Mat::<f32>::zeros(n, n); apart];
        let mut times: Vec<f64> = (0..repeats)
            .map(|_| {
                let start = Instant::now();
                // Several products a thread, so that starting the threads does not count.
                results.par_iter_mut().for_each(|result| {
                    for _ in 0..AT_A_TIME {
                        matmul(result.as_mut(), Accum::Replace, a.as_ref(), b.as_ref(), 1.0, par);
                    }
                });
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        (2 * n.pow(3) * apart * AT_A_TIME) as f64 / times[repeats / 2] / 1e9
    };
    let all = Par::rayon(threads);
    Ok(serde_json::to_string(&[rate(256, 1, all), rate(1024, 1, all), rate(256, threads, Par::Seq)])?)
}

/// Sparse rows in [0, 1] with a class-dependent part, of about the shape of digits.
fn batch(m: usize, shape: Shape, index: u64) -> Batch {
    let mut stream = Stream::new(1, "bench", index);
    let labels: Vec<usize> = (0..m).map(|_| stream.below(CLASSES as u64) as usize).collect();
    let columns = shape.columns();
    let mut x = vec![0.0f32; m * columns];
    for (row, &label) in x.chunks_exact_mut(columns).zip(&labels) {
        for (column, value) in row.iter_mut().enumerate() {
            let inside = (column / shape.width + 3 * label) % (shape.height / 2).max(1) < 3;
            if stream.uniform() < if inside { 0.6 } else { 0.08 } {
                *value = stream.uniform() as f32;
            }
        }
    }
    Batch { x, columns, labels, classes: CLASSES }
}
