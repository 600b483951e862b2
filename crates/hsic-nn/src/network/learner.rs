//! A block with what its training needs: the small networks that a learning rule keeps beside those it trains (local
//! classifiers, predictors of gradients, inverses).

use hsic::Scalar;
use hsic::sums::norm;

use super::block::{Block, Cache};

use crate::optimizer::{Optimizer, OptimizerState};

/// A block that a rule trains for its own use.
pub struct Learner<T: Scalar = f32> {
    block: Box<dyn Block<T>>,
    cache: Cache<T>,
    outputs: Vec<T>,
    gradient: Vec<T>,
    optimizer: OptimizerState<T>,
}

/// What a checkpoint keeps of a learner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LearnerState<T = f32> {
    /// Learned numbers, as the block stores them.
    pub parameters: Vec<T>,
    /// Running statistics, one slice after another.
    pub statistics: Vec<T>,
    /// State of its optimizer.
    pub optimizer: OptimizerState<T>,
}

/// A record does not belong to the learners that it was to restore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of block {block} has {found} numbers, expected {expected}")]
pub struct StateMismatch {
    /// Which part.
    pub what: &'static str,
    /// Index of the block.
    pub block: usize,
    /// Numbers in the record.
    pub found: usize,
    /// Numbers of the learner.
    pub expected: usize,
}

impl<T: Scalar> Learner<T> {
    /// A learner around a block with fresh weights.
    #[must_use]
    pub fn new(block: Box<dyn Block<T>>) -> Self {
        Self {
            block,
            cache: Cache::default(),
            outputs: Vec::new(),
            gradient: Vec::new(),
            optimizer: OptimizerState::default(),
        }
    }

    /// A learner for use where nothing else runs: the block may spread its work over all threads.
    #[must_use]
    pub fn shared(block: Box<dyn Block<T>>) -> Self {
        Self { cache: Cache::shared(), ..Self::new(block) }
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> &dyn Block<T> {
        &*self.block
    }

    /// The block, to be changed from outside its own training.
    pub fn block_mut(&mut self) -> &mut dyn Block<T> {
        &mut *self.block
    }

    /// The block's outputs (m x outputs) for `x`, in training mode.
    pub fn forward(&mut self, m: usize, x: &[T]) -> &[T] {
        let len = m * self.block.outputs();
        if self.outputs.len() < len {
            self.outputs.resize(len, T::ZERO);
        }
        self.block.forward(m, x, &mut self.outputs[..len], &mut self.cache);
        self.block.absorb_statistics(m, &mut self.cache);
        &self.outputs[..len]
    }

    /// What the last [`forward`](Self::forward) gave, which was of `m` rows.
    #[must_use]
    pub fn outputs(&self, m: usize) -> &[T] {
        &self.outputs[..m * self.block.outputs()]
    }

    /// From `dy` = dL/doutputs (used up) of the last [`forward`](Self::forward), which was of this `x`, to the gradient
    /// that the next [`step`](Self::step) takes, and to `dx` where it is asked for.
    pub fn backward(&mut self, m: usize, x: &[T], dy: &mut [T], dx: Option<&mut [T]>) {
        self.gradient.resize(self.block.parameters().len(), T::ZERO);
        let outputs = &self.outputs[..m * self.block.outputs()];
        self.block.gradient(m, x, outputs, dy, &mut self.cache, &mut self.gradient, dx);
    }

    /// The gradient of the last [`backward`](Self::backward); empty before the first.
    #[must_use]
    pub fn gradient(&self) -> &[T] {
        &self.gradient
    }

    /// Norm of that gradient.
    #[must_use]
    pub fn gradient_norm(&self) -> f64 {
        norm(&self.gradient)
    }

    /// One step of its optimizer along the last gradient; none if there was no [`backward`](Self::backward) yet.
    pub fn step(&mut self, optimizer: Optimizer, rate: f64) {
        if self.gradient.len() == self.block.parameters().len() {
            let groups = self.block.groups();
            optimizer.step(rate, groups, (self.block.parameters_mut(), &self.gradient), &mut self.optimizer);
        }
    }

    /// What a checkpoint keeps.
    #[must_use]
    pub fn state(&self) -> LearnerState<T> {
        LearnerState {
            parameters: self.block.parameters().to_vec(),
            statistics: self.block.statistics().concat(),
            optimizer: self.optimizer.clone(),
        }
    }

    /// Goes on from a record; `block` is the index to name where it does not fit.
    ///
    /// # Errors
    /// `StateMismatch` with the first part of another length; the learner is then as it was.
    pub fn restore(&mut self, block: usize, record: LearnerState<T>) -> Result<(), StateMismatch> {
        let parameters = self.block.parameters().len();
        let statistics: usize = self.block.statistics().iter().map(|part| part.len()).sum();
        let whole = |what, found, expected| {
            if found == expected { Ok(()) } else { Err(StateMismatch { what, block, found, expected }) }
        };
        whole("parameters", record.parameters.len(), parameters)?;
        whole("statistics", record.statistics.len(), statistics)?;
        for state in [&record.optimizer.first, &record.optimizer.second] {
            if !state.is_empty() {
                whole("optimizer state", state.len(), parameters)?;
            }
        }
        self.block.parameters_mut().copy_from_slice(&record.parameters);
        let mut rest = &record.statistics[..];
        for part in self.block.statistics_mut() {
            let (own, later) = rest.split_at(part.len());
            part.copy_from_slice(own);
            rest = later;
        }
        self.optimizer = record.optimizer;
        Ok(())
    }
}

/// Restores the learners of all blocks from their records; none at all are those of a method without learners.
///
/// # Errors
/// `StateMismatch` with the first that does not fit.
pub fn restore_learners<'l, T: Scalar>(
    learners: impl ExactSizeIterator<Item = &'l mut Vec<Learner<T>>>,
    records: Vec<Vec<LearnerState<T>>>,
) -> Result<(), StateMismatch> {
    let mismatch = |what, block, found, expected| Err(StateMismatch { what, block, found, expected });
    let records = if records.is_empty() { vec![Vec::new(); learners.len()] } else { records };
    if learners.len() != records.len() {
        return mismatch("the list of learners", 0, records.len(), learners.len());
    }
    for (block, (learners, records)) in learners.zip(records).enumerate() {
        if learners.len() != records.len() {
            return mismatch("the list of learners", block, records.len(), learners.len());
        }
        for (learner, record) in learners.iter_mut().zip(records) {
            learner.restore(block, record)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;
    use crate::network::{Activation, Dense, Norm};

    fn learner(seed: u64) -> Learner<f64> {
        let mut stream = Stream::new(seed, "learner", 0);
        Learner::new(Box::new(Dense::new(3, 2, Activation::Tanh, Norm::Batch, &mut stream)))
    }

    #[test]
    fn a_restored_learner_goes_on_with_the_same_bits() {
        let adamw = Optimizer::adamw();
        let x: Vec<f64> = (0..15).map(|i| f64::from(i).sin()).collect();
        let step = |learner: &mut Learner<f64>| {
            let mut dy: Vec<f64> = learner.forward(5, &x).iter().map(|y| y - 0.3).collect();
            learner.backward(5, &x, &mut dy, None);
            learner.step(adamw, 0.1);
        };
        let mut first = learner(1);
        step(&mut first);
        let mut second = learner(2);
        second.restore(0, first.state()).unwrap();
        step(&mut first);
        step(&mut second);
        assert_eq!(first.state(), second.state());
        assert!(first.gradient_norm() > 0.0 && first.state() != learner(1).state());
    }

    #[test]
    fn a_record_of_another_learner_is_told_and_changes_nothing() {
        let mut record = learner(1).state();
        record.parameters.pop();
        let mut other = learner(2);
        let error = other.restore(4, record).unwrap_err().to_string();
        assert_eq!(error, "parameters of block 4 has 7 numbers, expected 8");
        assert_eq!(other.state(), learner(2).state());
        let error = restore_learners([vec![learner(1)]].iter_mut(), Vec::new()).unwrap_err();
        assert_eq!((error.found, error.expected), (0, 1));
    }
}
