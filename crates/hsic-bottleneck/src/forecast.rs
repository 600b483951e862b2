//! What a training will ask of the machine, said before it begins where that is more than one may expect.

use std::time::Instant;

use hsic::faer::{Mat, MatMut};
use hsic::random::Stream;
use hsic::{Approximation, BatchOperator, Bottleneck, Workspace, memory};
use hsic_data::dataset::Dataset;
use hsic_learn::error::StepError;
use hsic_learn::update::Schedule;
use hsic_nn::network::Network;

use crate::config::TrainConfig;
use crate::error::Error;
use crate::log::{Observer, Warning, tell};

/// Fewer rows take no minutes on any machine that trains networks.
const FEW_ROWS: usize = 2048;

/// Seconds of a step that are said before the first one.
const LONG: f64 = 60.0;

/// Rows of the batch that the machine's rate is measured on.
const SAMPLE_ROWS: usize = 512;

/// Columns of that batch.
const SAMPLE_COLUMNS: usize = 64;

/// Says what is amiss with the batch before a training begins: that it holds all data, or that one step will take minutes.
///
/// # Errors
/// What listeners say.
///
/// # Cost
/// For batches of 2,048 rows or more some evaluations of the objective on 512 rows.
pub(crate) fn forewarn(
    config: &TrainConfig,
    network: &Network,
    train: &Dataset,
    listeners: &mut [&mut dyn Observer],
) -> Result<(), Error> {
    let rows = train.rows();
    if config.batch_size > rows {
        let warning = Warning::BatchOverData { batch: config.batch_size, rows };
        tell(listeners, |observer| observer.warning(&warning))?;
    }
    let exact = config.method.reads("approximation") && config.approximation == Approximation::Exact;
    if !exact || config.batch_size.min(rows) < FEW_ROWS {
        return Ok(());
    }
    let units = config.unit.units(network.blocks().len());
    let load = Load {
        rows: config.batch_size.min(rows),
        inputs: network.inputs(),
        columns: units.iter().map(|unit| network.feature().columns(network.blocks()[unit.end - 1].shape())).collect(),
        with_x: config.bottleneck.x_weight > 0.0,
        at_once: match config.schedule {
            Schedule::Sequential => 1,
            Schedule::Parallel => rayon::current_num_threads().min(units.len()),
        },
    };
    let seconds = load.seconds(rate(load.with_x)?);
    if seconds >= LONG {
        let warning = Warning::LongStep { rows: load.rows, seconds: seconds.round(), bytes: load.bytes() };
        tell(listeners, |observer| observer.warning(&warning))?;
    }
    Ok(())
}

/// What a step of the exact objective is made of.
struct Load {
    /// Rows of the batch.
    rows: usize,
    /// Columns of the input.
    inputs: usize,
    /// Columns that the objective sees of each block.
    columns: Vec<usize>,
    /// Whether the objective has its X term.
    with_x: bool,
    /// Blocks that are worked on at once.
    at_once: usize,
}

impl Load {
    /// Operations for what all blocks share, those of the block that takes most, and those of all blocks. The counts are
    /// those that `hsic::objective` names.
    fn operations(&self) -> (f64, f64, f64) {
        let (m, p) = (self.rows as f64, self.inputs as f64);
        let shared = if self.with_x { p * m.powi(2) + 5.0 / 3.0 * m.powi(3) } else { 0.0 };
        let cubes = if self.with_x { 2.7 } else { 1.3 };
        let of_block = |&columns: &usize| cubes * m.powi(3) + 3.0 * m.powi(2) * columns as f64;
        let largest = self.columns.iter().map(of_block).fold(0.0, f64::max);
        (shared, largest, self.columns.iter().map(of_block).sum())
    }

    /// Seconds of a step where one thread makes `rate` operations a second. A block is the work of one thread.
    fn seconds(&self, rate: f64) -> f64 {
        let (shared, largest, all) = self.operations();
        (shared + largest.max(all / self.at_once as f64)) / rate
    }

    /// Memory of its matrices of f32: the factor of the X term, and four for each block that is worked on.
    fn bytes(&self) -> u64 {
        memory::squares(u64::from(self.with_x) + 4 * self.at_once as u64, self.rows, size_of::<f32>())
    }
}

/// Operations a second of one thread of this machine, as far as the objective takes them: the best of three evaluations.
fn rate(with_x: bool) -> Result<f64, Error> {
    let bottleneck = Bottleneck { x_weight: if with_x { 1.0 } else { 0.0 }, ..Bottleneck::default() };
    let mut stream = Stream::new(0, "forecast", 0);
    let x = Mat::from_fn(SAMPLE_ROWS, SAMPLE_COLUMNS, |_, _| stream.normal() as f32);
    let labels: Vec<usize> = (0..SAMPLE_ROWS).map(|row| row % 2).collect();
    let operator = BatchOperator::new(x.as_ref(), &labels, 2, bottleneck).map_err(StepError::of_batch)?;
    let mut workspace = Workspace::default();
    let mut gradient = vec![0.0; SAMPLE_ROWS * SAMPLE_COLUMNS];
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let begin = Instant::now();
        let gradient = MatMut::from_row_major_slice_mut(&mut gradient, SAMPLE_ROWS, SAMPLE_COLUMNS);
        operator.evaluate_into(gradient, x.as_ref(), &mut workspace).map_err(StepError::of_batch)?;
        least = least.min(begin.elapsed().as_secs_f64());
    }
    let sample = Load { rows: SAMPLE_ROWS, inputs: SAMPLE_COLUMNS, columns: vec![SAMPLE_COLUMNS], with_x, at_once: 1 };
    Ok(sample.operations().1 / least.max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_are_those_of_the_objective() {
        let load = |with_x, at_once| Load { rows: 1000, inputs: 784, columns: vec![100, 10, 10], with_x, at_once };
        // 784 m^2 + 5/3 m^3; 2.7 m^3 + 300 m^2 and twice 2.7 m^3 + 30 m^2.
        let (shared, largest, all) = load(true, 1).operations();
        assert!((shared - (784e6 + 5e9 / 3.0)).abs() < 1.0, "{shared}");
        assert!((largest - 3.0e9).abs() < 1.0 && (all - 8.46e9).abs() < 1.0, "{largest} {all}");
        assert!((load(true, 1).seconds(1e9) - (0.784 + 5.0 / 3.0 + 8.46)).abs() < 1e-9);
        // Two at once take half of all, but no less than the largest takes.
        assert!((load(true, 2).seconds(1e9) - (0.784 + 5.0 / 3.0 + 4.23)).abs() < 1e-9);
        assert!((load(true, 3).seconds(1e9) - (0.784 + 5.0 / 3.0 + 3.0)).abs() < 1e-9);
        assert!((load(false, 1).seconds(1e9) - (1.6 + 2.0 * 1.33)).abs() < 1e-9);
        // 1,000,000 numbers of 4 bytes a matrix.
        assert_eq!(
            [load(true, 1).bytes(), load(true, 3).bytes(), load(false, 2).bytes()],
            [20e6, 52e6, 32e6].map(|n| n as u64)
        );
    }

    #[test]
    fn a_machine_has_a_rate() {
        // From a slow processor without vector instructions to more than a core of any.
        for with_x in [true, false] {
            let rate = rate(with_x).unwrap();
            assert!(rate > 1e7 && rate < 1e13, "{rate}");
        }
    }
}
