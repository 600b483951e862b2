//! Times training steps for `benches/compare`: started with the network's shape, it prints `ready` and then answers
//! each line `run N` with a JSON list of N step times in milliseconds. Other steps may run between the lines.
//!
//! `cargo run --release -p hsic-bottleneck --example step -- --widths 256x6 --batch-size 256 --threads 2
//! --schedule parallel --method hsic`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use hsic::Bottleneck;
use hsic::random::Stream;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::network::{Activation, Network, Norm};
use hsic_bottleneck::objective::HsicObjective;
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::update::{Local, Schedule, Update, UpdateOrder};

const COLUMNS: usize = 784;
const CLASSES: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given: BTreeMap<&str, &str> = arguments.chunks_exact(2).map(|p| (p[0].as_str(), p[1].as_str())).collect();
    let option = |name: &str, default: &'static str| given.get(name).copied().unwrap_or(default);
    let (width, count) = option("--widths", "256x6").split_once('x').ok_or("--widths: expected WIDTHxCOUNT")?;
    let m: usize = option("--batch-size", "256").parse()?;
    let schedule = match option("--schedule", "parallel") {
        "parallel" => Schedule::Parallel,
        "sequential" => Schedule::Sequential,
        other => return Err(format!("--schedule {other}: expected parallel or sequential").into()),
    };
    if option("--method", "hsic") != "hsic" {
        return Err("--method: expected hsic".into());
    }
    let x_weight: f64 = option("--x-weight", "1").parse()?;
    rayon::ThreadPoolBuilder::new().num_threads(option("--threads", "2").parse()?).build_global()?;

    let widths = vec![width.parse()?; count.parse()?];
    let mut network = Network::<f32>::mlp(COLUMNS, &widths, CLASSES, Activation::Relu, Norm::Batch, 0);
    let objective = HsicObjective::new(Bottleneck { x_weight, ..Bottleneck::default() })?;
    let optimizer = Optimizer::Sgd { momentum: 0.9, weight_decay: 0.0 };
    let mut update: Box<dyn Update> = Box::new(Local::new(objective, optimizer, UpdateOrder::Jacobi, schedule));
    let batches: Vec<Batch> = (0..8).map(|index| batch(m, index)).collect();

    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready")?;
    stdout.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let steps: usize = line.strip_prefix("run ").ok_or("expected `run N`")?.trim().parse()?;
        let mut times = Vec::with_capacity(steps);
        for step in 0..steps {
            let start = Instant::now();
            // On the pool, so that a step does not wait for a worker to wake.
            rayon::in_place_scope(|_| update.step(&mut network, &batches[step % batches.len()], 5e-4).map(|_| ()))?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        writeln!(stdout, "{}", serde_json::to_string(&times)?)?;
        stdout.flush()?;
    }
    Ok(())
}

/// Sparse rows in [0, 1] with a class-dependent part, of about the shape of digits.
fn batch(m: usize, index: u64) -> Batch {
    let mut stream = Stream::new(1, "bench", index);
    let labels: Vec<usize> = (0..m).map(|_| stream.below(CLASSES as u64) as usize).collect();
    let mut x = vec![0.0f32; m * COLUMNS];
    for (row, &label) in x.chunks_exact_mut(COLUMNS).zip(&labels) {
        for (column, value) in row.iter_mut().enumerate() {
            let inside = (column / 28 + 3 * label) % 14 < 3;
            if stream.uniform() < if inside { 0.6 } else { 0.08 } {
                *value = stream.uniform() as f32;
            }
        }
    }
    Batch { x, columns: COLUMNS, labels, classes: CLASSES }
}
