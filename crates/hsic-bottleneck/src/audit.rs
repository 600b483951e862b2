//! Whether a training is local, by trial: what lies above a block is moved, and what the block learns is compared to the bit.
//!
//! The same few steps are made twice, once with other weights in a block and in all behind it, and in what the method learns
//! beside these (their losses are made of it). What learns together is moved together. Where no gradient passes down, every block before comes out with the same
//! bits: its weights, its running statistics, what its optimizer remembers and what is learned beside it.

use hsic::random::Stream;
use hsic_data::batch::Batch;
use hsic_data::dataset::Dataset;
use hsic_learn::error::StepError;
use hsic_learn::update::UpdateState;
use hsic_nn::network::LearnerState;
use hsic_nn::optimizer::OptimizerState;
use serde::Serialize;

use crate::assemble::{build_method, check_targets, network_for};
use crate::config::TrainConfig;
use crate::error::Error;

/// Steps that follow what is moved.
const STEPS: u64 = 2;

/// Deviation of what is added to each number.
const SIZE: f64 = 0.1;

/// What came of moving a block (a unit of several) and those behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Index of the first block that was moved, from 0.
    pub from: usize,
    /// The blocks before it that came out with other bits.
    pub changed: Vec<usize>,
}

/// All that is remembered of a block.
#[derive(PartialEq)]
struct Remembered {
    numbers: Vec<Vec<f32>>,
    optimizer: Option<OptimizerState<f32>>,
    learners: Vec<LearnerState<f32>>,
}

/// Moves each unit of blocks but the first, with all behind it, in turn, and tells which blocks before it learn otherwise. A method is
/// local, as far as these steps show it, if none does.
///
/// # Errors
/// `Network` and `Step` for a network or a method that cannot be made, `Step` if a step diverges; `NeedsClasses`.
///
/// # Cost
/// Three steps, and three more for each block, on one batch.
pub fn audit(config: &TrainConfig, train: &Dataset) -> Result<Vec<Moved>, Error> {
    check_targets(config, train)?;
    let mut batch = Batch::default();
    batch.fill(train, &(0..config.batch_size.min(train.rows())).collect::<Vec<_>>())?;
    batch.smoothing = config.label_smoothing;
    let alone = learned(config, train, &mut batch, None)?;
    let mut moved = |from: usize| {
        let beside = learned(config, train, &mut batch, Some(from))?;
        let changed = (0..from).filter(|&block| beside[block] != alone[block]).collect();
        Ok(Moved { from, changed })
    };
    config.unit.units(alone.len()).into_iter().skip(1).map(|unit| moved(unit.start)).collect()
}

/// What is remembered of each block after a step and [`STEPS`] more, before which the blocks from `from` on are moved.
fn learned(
    config: &TrainConfig,
    train: &Dataset,
    batch: &mut Batch,
    from: Option<usize>,
) -> Result<Vec<Remembered>, Error> {
    let mut network = network_for(config, train)?;
    let mut update = build_method(config, train.kind())?;
    let rate = config.learning_rate.peak;
    batch.step = 0;
    // What a method learns beside blocks is there once it has seen the network.
    update.step(&mut network, batch, rate)?;
    if let Some(from) = from {
        let mut stream = Stream::new(config.seed, "audit", from as u64);
        let mut add = |value: &mut f32| *value += (SIZE * stream.normal()) as f32;
        network.blocks_mut()[from..].iter_mut().for_each(|block| block.parameters_mut().iter_mut().for_each(&mut add));
        let mut state = update.state();
        for learner in state.learners.iter_mut().skip(from).flatten() {
            learner.parameters.iter_mut().for_each(&mut add);
        }
        update.restore(&network, state).map_err(|mismatch| StepError::Own(mismatch.into()))?;
    }
    for step in 1..=STEPS {
        batch.step = step;
        update.step(&mut network, batch, rate)?;
    }
    let UpdateState { optimizers, learners, .. } = update.state();
    let (mut optimizers, mut learners) = (optimizers.into_iter(), learners.into_iter());
    let remembered = network.blocks().iter().map(|block| {
        let numbers =
            [vec![block.parameters()], block.statistics()].concat().into_iter().map(<[f32]>::to_vec).collect();
        Remembered { numbers, optimizer: optimizers.next(), learners: learners.next().unwrap_or_default() }
    });
    Ok(remembered.collect())
}
