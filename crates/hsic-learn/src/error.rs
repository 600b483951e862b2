//! What can go wrong in a training step.

use std::error::Error;

use hsic::Scalar;
use hsic_data::dataset::DatasetError;
use hsic_nn::network::Block;

/// An error of anybody's: a rule or a listener of one's own may return what it likes.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why an objective cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// The statistics cannot be computed.
    #[error(transparent)]
    Hsic(#[from] hsic::Error),
    /// Cross-entropy takes a score of every class.
    #[error("{outputs} outputs for {classes} classes: expected an output of the network for each class")]
    Classes {
        /// Outputs of the last block.
        outputs: usize,
        /// Classes of the data.
        classes: usize,
    },
    /// An objective of one's own says so.
    #[error(transparent)]
    Own(#[from] BoxError),
}

/// A reason why a training step cannot be carried out.
#[derive(Debug, thiserror::Error)]
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
        source: ObjectiveError,
    },
    /// The objective cannot be prepared for a batch.
    #[error("the batch")]
    Batch(#[source] ObjectiveError),
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
    /// Samples that lie in a file cannot be read.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A method of one's own says so.
    #[error(transparent)]
    Own(#[from] BoxError),
}

impl StepError {
    /// An objective's error with the block it came from.
    #[must_use]
    pub fn at_block(block: usize, source: impl Into<ObjectiveError>) -> Self {
        match source.into() {
            ObjectiveError::Hsic(hsic::Error::NotFinite { .. }) => Self::Diverged { block },
            source => Self::Block { block, source },
        }
    }

    /// Whether the last of `blocks` has a score of every class.
    pub(crate) fn check_scores<T: Scalar>(blocks: &[Box<dyn Block<T>>], classes: usize) -> Result<(), Self> {
        let Some(last) = blocks.last() else { return Ok(()) };
        match last.outputs() {
            outputs if outputs < classes => {
                Err(Self::at_block(blocks.len() - 1, ObjectiveError::Classes { outputs, classes }))
            }
            _ => Ok(()),
        }
    }

    /// An error of what the blocks share of a batch.
    #[must_use]
    pub fn of_batch(source: impl Into<ObjectiveError>) -> Self {
        Self::Batch(source.into())
    }
}
