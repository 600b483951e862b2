//! Times training steps for `benches/compare`: started with the network's shape, it prints `ready` and then answers
//! each line `run N` with a JSON list of N step times in milliseconds. Other steps may run between the lines.
//! `first FILE` does one step at a learning rate of 1 on a new network and writes batch, tensors before and tensors
//! after it, from which PyTorch's gradients are checked. `rate MS` multiplies 256 x 256 matrices on each thread at once
//! for so many milliseconds and answers with the rate of all in GFLOP/s.
//!
//! `cargo run --release -p bench-programs --bin step -- --network vgg --shape 3x32x32 --feature pool:2
//! --batch-size 256 --threads 2 --schedule parallel --method hsic`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use faer::{Accum, Mat};
use hsic::Bottleneck;
use hsic::product::product;
use hsic::random::Stream;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::engine::{Backprop, Local};
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::models::with_classifier;
use hsic_bottleneck::network::parse_widths;
use hsic_bottleneck::network::{Feature, NETWORKS, NamedTensor, Network, NetworkSettings, Norm};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::rule_options::Recompute;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};
use safetensors::tensor::{Dtype, TensorView};

const CLASSES: usize = 10;
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
    "--recompute",
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
    recompute: Option<Recompute>,
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
        let (verb, argument) = line.split_once(' ').ok_or("expected `run N`, `first FILE` or `rate MS`")?;
        let answer = match verb {
            "run" => {
                let steps: usize = argument.trim().parse()?;
                // On the pool, so that a step does not wait for a worker to wake.
                let times = rayon::scope(|_| {
                    let times = (0..steps).map(|step| {
                        let start = Instant::now();
                        update.step(&mut network, &batches[step % batches.len()], 5e-4)?;
                        Ok(start.elapsed().as_secs_f64() * 1e3)
                    });
                    times.collect::<Result<Vec<f64>, hsic_bottleneck::Error>>()
                })?;
                serde_json::to_string(&times)?
            }
            "first" => first(&settings, &batches[0], Path::new(argument))?,
            "rate" => serde_json::to_string(&rate(Duration::from_millis(argument.trim().parse()?)))?,
            other => return Err(format!("{other}: expected `run N`, `first FILE` or `rate MS`").into()),
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
            recompute: given.get("--recompute").map(|text| text.parse()).transpose()?,
        })
    }

    fn network(&self) -> Result<Network, Box<dyn Error>> {
        let kind = NETWORKS.iter().find(|kind| kind.name == self.network);
        let kind = kind.ok_or_else(|| format!("--network {}: no such network", self.network))?;
        let widths = match &self.widths {
            Some(text) => Some(parse_widths(text).ok_or_else(|| format!("--widths {text}: expected 256x6, 32,64p"))?),
            None => None,
        };
        let side = self.shape.height.min(self.shape.width);
        let blocks = (kind.blocks)(&NetworkSettings { widths, outputs: None, classes: CLASSES, side });
        let blocks = if self.backprop { with_classifier(blocks, CLASSES) } else { blocks };
        let mut network = Network::build(self.shape, &blocks, kind.activation, Norm::Batch, 0)?;
        network.set_feature(self.feature);
        Ok(network)
    }

    fn update(&self) -> Result<Box<dyn Update>, Box<dyn Error>> {
        let optimizer = Optimizer::momentum(0.9);
        if self.backprop {
            let plain = Backprop::new(optimizer);
            return Ok(Box::new(match self.recompute {
                Some(recompute) => plain.recomputing(recompute),
                None => plain,
            }));
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

/// GFLOP/s of products of 256 x 256 matrices, all threads at once, each with its own.
fn rate(duration: Duration) -> f64 {
    const SIDE: usize = 256;
    let of_thread = |_: rayon::BroadcastContext<'_>| {
        let a = Mat::<f32>::from_fn(SIDE, SIDE, |i, j| ((i + j) % 7) as f32 - 3.0);
        let b = Mat::<f32>::from_fn(SIDE, SIDE, |i, j| ((i * j) % 5) as f32 - 2.0);
        let mut out = Mat::<f32>::zeros(SIDE, SIDE);
        let mut times = || product(out.as_mut(), Accum::Replace, a.as_ref(), b.as_ref(), 1.0);
        times();
        let start = Instant::now();
        let mut products = 0;
        while start.elapsed() < duration {
            times();
            products += 1;
        }
        f64::from(products) * 2.0 * (SIDE as f64).powi(3) / start.elapsed().as_secs_f64() / 1e9
    };
    rayon::broadcast(of_thread).iter().sum()
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
    Batch { x, columns, labels, classes: CLASSES, values: Vec::new(), smoothing: 0.0, step: 0 }
}
