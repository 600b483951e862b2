//! The loss at the last block of a method that sends one gradient through all blocks.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic_data::batch::Batch;
use hsic_nn::network::learner::{StateMismatch, restore_learners};
use hsic_nn::network::{Block, Learner, LearnerState, Network};
use hsic_nn::optimizer::Optimizer;

use crate::error::StepError;
use crate::objective::{CrossEntropy, Margin, Objective, Signal, Site};

/// An objective at the last block, with what it shares, its memory, and what it trains beside the network.
pub(crate) struct Top<T: Scalar>(Box<dyn Loss<T>>);

/// Any objective, whatever its types.
trait Loss<T: Scalar>: Send {
    fn evaluate(
        &mut self,
        batch: &Batch<T>,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
    ) -> Result<Signal, StepError>;

    fn learners(&self) -> &[Learner<T>];

    fn learners_mut(&mut self) -> &mut Vec<Learner<T>>;
}

/// One of them.
struct Of<O: Objective<T>, T: Scalar> {
    objective: O,
    shared: Option<O::Shared>,
    scratch: O::Scratch,
    learners: Vec<Learner<T>>,
}

impl<O: Objective<T>, T: Scalar> Loss<T> for Of<O, T> {
    fn evaluate(
        &mut self,
        batch: &Batch<T>,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
    ) -> Result<Signal, StepError> {
        let Self { objective, shared, scratch, learners } = self;
        let prepared = objective.prepare(batch, shared.take(), scratch).map_err(StepError::of_batch)?;
        let signal = objective.signal(&prepared, site, z, dz, learners, scratch);
        *shared = Some(prepared);
        signal.map_err(|source| StepError::at_block(site.block, source))
    }

    fn learners(&self) -> &[Learner<T>] {
        &self.learners
    }

    fn learners_mut(&mut self) -> &mut Vec<Learner<T>> {
        &mut self.learners
    }
}

impl<T: Scalar> Top<T> {
    /// The loss of a network: margins and reconstruction where it ends in capsules, else cross-entropy.
    /// `reconstruction` is its weight and the seed of its decoder.
    pub(crate) fn of(network: &Network<T>, (weight, seed): (f64, u64)) -> Self {
        match network.capsule() {
            Some(dimensions) => Self::new(network, Margin::new(dimensions, network.inputs(), weight, seed)),
            None => Self::new(network, CrossEntropy),
        }
    }

    fn new<O: Objective<T> + 'static>(network: &Network<T>, objective: O) -> Self {
        let blocks = network.blocks();
        let last = blocks.len() - 1;
        let learners = objective.learners(last, true, blocks[last].shape());
        Self(Box::new(Of { objective, shared: None, scratch: O::Scratch::default(), learners }))
    }

    /// The loss at the outputs `z` of the `last` block, of which the index and the block, and dL/dz into `dz`.
    ///
    /// # Errors
    /// As those of [`Objective::prepare`] and [`Objective::signal`].
    pub(crate) fn evaluate(
        &mut self,
        batch: &Batch<T>,
        (index, last): (usize, &dyn Block<T>),
        z: &[T],
        dz: &mut [T],
    ) -> Result<Signal, StepError> {
        let (m, columns) = (batch.rows(), last.outputs());
        let (z, dz) = (MatRef::from_row_major_slice(z, m, columns), MatMut::from_row_major_slice_mut(dz, m, columns));
        // Losses here are of the outputs and of the batch: nothing asks for the block's own input.
        let site = Site { block: index, last: true, shape: last.shape(), x: batch.matrix() };
        self.0.evaluate(batch, site, z, dz)
    }

    /// Whether the loss trains anything beside the network.
    pub(crate) fn learns(&self) -> bool {
        !self.0.learners().is_empty()
    }

    /// A step of what the loss trains beside the network.
    pub(crate) fn step(&mut self, optimizer: Optimizer, rate: f64) {
        self.0.learners_mut().iter_mut().for_each(|learner| learner.step(optimizer, rate));
    }

    /// What a checkpoint keeps of that, by block; nothing if there is none.
    pub(crate) fn state(&self, blocks: usize) -> Vec<Vec<LearnerState<T>>> {
        if self.0.learners().is_empty() {
            return Vec::new();
        }
        let mut records = vec![Vec::new(); blocks.saturating_sub(1)];
        records.push(self.0.learners().iter().map(Learner::state).collect());
        records
    }

    /// Goes on from a record for a network of so many blocks.
    ///
    /// # Errors
    /// `StateMismatch` if it is that of another loss.
    pub(crate) fn restore(&mut self, blocks: usize, records: Vec<Vec<LearnerState<T>>>) -> Result<(), StateMismatch> {
        let mut learners: Vec<Vec<Learner<T>>> = (1..blocks).map(|_| Vec::new()).collect();
        learners.push(std::mem::take(self.0.learners_mut()));
        let loaded = restore_learners(learners.iter_mut(), records);
        *self.0.learners_mut() = learners.pop().unwrap_or_default();
        loaded
    }
}
