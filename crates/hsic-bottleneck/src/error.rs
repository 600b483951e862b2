//! What can go wrong between a data set and a trained network.

use thiserror::Error;

/// A reason why training, evaluation or a run's folder cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Activations are no longer finite.
    #[error("training diverged: block {block} gives values that are not finite; expected a smaller learning rate")]
    Diverged {
        /// Index of the block, from 0.
        block: usize,
    },
    /// The objective cannot be computed at a block.
    #[error("block {block}")]
    Block {
        /// Index of the block, from 0.
        block: usize,
        /// Why.
        source: hsic::Error,
    },
    /// The objective cannot be prepared for a batch.
    #[error("the batch")]
    Batch(#[source] hsic::Error),
}

impl Error {
    /// An objective's error with the block it came from.
    #[must_use]
    pub fn at_block(block: usize, source: hsic::Error) -> Self {
        match source {
            hsic::Error::NotFinite { .. } => Self::Diverged { block },
            source => Self::Block { block, source },
        }
    }
}
