//! What can go wrong in a training step.

use thiserror::Error;

/// A reason why a training step cannot be carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StepError {
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
    /// The method cannot train this network or these data.
    #[error("{method} cannot train {found}: expected {expected}")]
    Method {
        /// Name of the method.
        method: &'static str,
        /// What it met.
        found: String,
        /// What it takes.
        expected: &'static str,
    },
}

impl StepError {
    /// An objective's error with the block it came from.
    #[must_use]
    pub fn at_block(block: usize, source: hsic::Error) -> Self {
        match source {
            hsic::Error::NotFinite { .. } => Self::Diverged { block },
            source => Self::Block { block, source },
        }
    }
}
