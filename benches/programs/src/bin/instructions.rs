//! Three small fixed jobs for `benches/instructions`, which counts their instructions and compares their bits between
//! instruction sets. Prints the SHA-256 of all numbers that the job ends with.
//!
//! `cargo run --release -p bench-programs --bin instructions -- perceptron`

use std::error::Error;
use std::io::Write;

use faer::Mat;
use hsic::random::Stream;
use hsic::{Bottleneck, Estimator, Kernel, gamma_test, permutation_test};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::engine::Local;
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::{Activation, BlockSpec, Feature, Network, Norm};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};
use sha2::{Digest, Sha256};

const CLASSES: usize = 10;

type Hash = Result<Sha256, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    // One thread, this one: no instruction is spent on waiting, and none of the job's is another thread's.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    let job = std::env::args().nth(1).unwrap_or_default();
    let hash = match job.as_str() {
        "perceptron" => perceptron()?,
        "convolutional" => convolutional()?,
        "statistics" => statistics()?,
        other => return Err(format!("{other:?}: expected perceptron, convolutional or statistics").into()),
    };
    let mut stdout = std::io::stdout().lock();
    for byte in hash.finalize() {
        write!(stdout, "{byte:02x}")?;
    }
    writeln!(stdout)?;
    Ok(())
}

/// Callgrind counts what happens in here, by the function's name.
#[inline(never)]
fn counted<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Dense blocks, one of them residual; the last batch is shorter, as an epoch's is; both terms of the objective.
fn perceptron() -> Hash {
    let shape = Shape { channels: 1, height: 28, width: 28 };
    let residual = BlockSpec::Dense { outputs: 96, residual: true, activation: None, norm: None };
    let blocks = [BlockSpec::dense(96), residual, BlockSpec::dense(64), BlockSpec::dense(CLASSES)];
    let network = Network::build(shape, &blocks, Activation::Relu, Norm::Batch, 1)?;
    train(network, &[batch(96, shape, 0), batch(96, shape, 1), batch(65, shape, 2)])
}

/// Convolutions with pooling, a stride and a residual block, then a dense output; objectives see maps of 2 x 2.
fn convolutional() -> Hash {
    let shape = Shape { channels: 3, height: 16, width: 16 };
    let residual = BlockSpec::Conv {
        outputs: 24,
        kernel: 3,
        stride: 1,
        padding: 1,
        pool: 1,
        pool_at: None,
        residual: true,
        activation: None,
        norm: None,
    };
    let blocks = [
        BlockSpec::conv(16, 3, 1, 1, 2),
        BlockSpec::conv(24, 3, 1, 1, 1),
        residual,
        BlockSpec::conv(32, 3, 2, 1, 1),
        BlockSpec::dense(CLASSES),
    ];
    let mut network = Network::build(shape, &blocks, Activation::Relu, Norm::Batch, 1)?;
    network.set_feature(Feature::Pool(2));
    train(network, &[batch(32, shape, 0), batch(32, shape, 1), batch(21, shape, 2)])
}

/// One step that makes room, then one counted step for each batch.
fn train(mut network: Network, batches: &[Batch]) -> Hash {
    let objective = HsicObjective::new(Bottleneck::default())?;
    let optimizer = Optimizer::momentum(0.9).decayed(1e-4);
    let mut update = Local::new(objective, optimizer, UpdateOrder::Jacobi, Schedule::Sequential);
    update.step(&mut network, &batches[0], 0.01)?;
    counted(|| batches.iter().try_for_each(|batch| update.step(&mut network, batch, 0.01).map(drop)))?;
    let mut hash = Sha256::new();
    for tensor in network.tensors() {
        hash.update(bytemuck::cast_slice(&tensor.values));
    }
    Ok(hash)
}

/// Every estimator and both tests, on two samples of 150 rows that depend on each other a little.
fn statistics() -> Hash {
    let (m, d) = (150, 20);
    let mut stream = Stream::new(1, "instructions", 0);
    let x = Mat::from_fn(m, d, |_, _| stream.normal());
    let y = Mat::from_fn(m, 3, |i, j| 0.1 * x[(i, j)].powi(2) + stream.normal());
    let (x, y) = (x.as_ref(), y.as_ref());
    let (wide, narrow) = (Kernel::gaussian(5.0)?, Kernel::gaussian_median());
    let mut figures = Vec::new();
    counted(|| -> Result<(), hsic::Error> {
        for estimator in Estimator::ALL {
            figures.push(estimator.measure(x, y, &wide, &narrow)?.value);
        }
        for test in [gamma_test(x, y, &narrow, &narrow)?, permutation_test(x, y, &narrow, &narrow, 999, 1)?] {
            figures.extend([test.statistic, test.p_value]);
        }
        Ok(())
    })?;
    Ok(Sha256::new_with_prefix(bytemuck::cast_slice(&figures)))
}

/// Rows in [0, 1], mostly 0, bright where their class has it.
fn batch(m: usize, shape: Shape, index: u64) -> Batch {
    let mut stream = Stream::new(1, "batch", index);
    let labels: Vec<usize> = (0..m).map(|_| stream.below(CLASSES as u64) as usize).collect();
    let columns = shape.columns();
    let mut x = vec![0.0; m * columns];
    for (row, &label) in x.chunks_exact_mut(columns).zip(&labels) {
        for (column, value) in row.iter_mut().enumerate() {
            let inside = (column / shape.width + 3 * label) % (shape.height / 2) < 3;
            if stream.uniform() < if inside { 0.6 } else { 0.08 } {
                *value = stream.uniform() as f32;
            }
        }
    }
    Batch { x, columns, labels, classes: CLASSES, values: Vec::new(), smoothing: 0.0, step: 0 }
}
