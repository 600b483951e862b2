//! The forward pass of training, block by block.

use std::time::Instant;

use hsic::Scalar;
use hsic_data::batch::Batch;
use hsic_nn::network::{Block, Cache};
use rayon::prelude::*;

use super::clock::Clock;
use crate::error::StepError;
use crate::span::{Span, Work};

/// Rows of a part of a batch in evaluation mode.
const REST_ROWS: usize = 64;

/// The forward pass of one step. Whoever carries it out says where a block's outputs go and in which order blocks run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// Rows of the batch.
    pub(crate) m: usize,
    /// Index of the step, which the random numbers of blocks follow from: the same block run again in a step draws the same.
    pub(crate) step: u64,
    /// Measures when what is done.
    pub(crate) clock: Clock,
}

impl Pass {
    /// The step on a batch starts now.
    pub(crate) fn start<T: Scalar>(batch: &Batch<T>) -> Self {
        Self { m: batch.rows(), step: batch.step, clock: Clock::start() }
    }

    /// Room for exactly the outputs of `block`, in memory that is used again. Where blocks of many widths take turns with
    /// one buffer, [`grown`](hsic::sums::grown) fills nothing twice.
    pub(crate) fn room<'z, T: Scalar>(self, block: &dyn Block<T>, z: &'z mut Vec<T>) -> &'z mut [T] {
        z.resize(self.m * block.outputs(), T::ZERO);
        z
    }

    /// The outputs `z` of block `index` at `x`, and nothing else: running statistics stay, and numbers that are none are
    /// left to whoever reads them.
    pub(crate) fn forward<T: Scalar>(
        self,
        index: usize,
        block: &dyn Block<T>,
        x: &[T],
        z: &mut [T],
        cache: &mut Cache<T>,
    ) -> Span {
        let begin = Instant::now();
        self.run(block, x, z, cache);
        self.clock.span(Work::Forward, index, begin)
    }

    /// The outputs in evaluation mode, of a block that has learned: by its running statistics, without dropout. Rows are
    /// worked on in fixed parts, so that threads are invisible.
    pub(crate) fn rest<T: Scalar>(self, index: usize, block: &dyn Block<T>, x: &[T], z: &mut [T]) -> Span {
        let begin = Instant::now();
        let (inputs, outputs) = (block.inputs(), block.outputs());
        let parts = x.par_chunks(REST_ROWS * inputs).zip(z.par_chunks_mut(REST_ROWS * outputs));
        parts.for_each(|(x, z)| block.infer(x.len() / inputs, x, z));
        self.clock.span(Work::Forward, index, begin)
    }

    /// The same as [`forward`](Self::forward), after which the block's running statistics take the batch in. For methods whose objective looks at every
    /// output and says itself that it is not finite.
    pub(crate) fn absorb<T: Scalar>(
        self,
        index: usize,
        block: &mut dyn Block<T>,
        x: &[T],
        z: &mut [T],
        cache: &mut Cache<T>,
    ) -> Span {
        let begin = Instant::now();
        self.run(block, x, z, cache);
        block.absorb_statistics(self.m, cache);
        self.clock.span(Work::Forward, index, begin)
    }

    /// The same for all other methods: statistics take nothing in that is not finite.
    ///
    /// # Errors
    /// `Diverged` with the block's index if one of its outputs is not finite.
    pub(crate) fn train<T: Scalar>(
        self,
        index: usize,
        block: &mut dyn Block<T>,
        x: &[T],
        z: &mut [T],
        cache: &mut Cache<T>,
    ) -> Result<Span, StepError> {
        let begin = Instant::now();
        self.run(block, x, z, cache);
        check_finite(index, z)?;
        block.absorb_statistics(self.m, cache);
        Ok(self.clock.span(Work::Forward, index, begin))
    }

    fn run<T: Scalar>(self, block: &dyn Block<T>, x: &[T], z: &mut [T], cache: &mut Cache<T>) {
        cache.set_draw(Some(self.step));
        block.forward(self.m, x, z, cache);
    }
}

/// Whether the values of a block can be trained on.
///
/// # Errors
/// `Diverged` with the block's index if one is not finite.
pub(crate) fn check_finite<T: Scalar>(block: usize, values: &[T]) -> Result<(), StepError> {
    if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err(StepError::Diverged { block }) }
}
