//! A method on batches in parts, whoever has them.

use hsic::Scalar;
use hsic::parts::Parts;
use hsic_data::batch::Batch;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Block, BlockInParts, Network, class_names};

use crate::error::StepError;
use crate::update::{StepReport, Update, UpdateState};

/// A method whose batches are cut into a fixed number of parts. Of the same number it has the same bits wherever the parts
/// are, and another number rounds otherwise.
pub struct InParts<T: Scalar = f32> {
    inner: Box<dyn Update<T>>,
    parts: Box<dyn Parts<T>>,
}

impl<T: Scalar> InParts<T> {
    /// What `inner` does, on `parts` of each batch.
    ///
    /// # Errors
    /// `Method` if it is none by which a block needs its input and the batch alone.
    pub fn new(mut inner: Box<dyn Update<T>>, parts: Box<dyn Parts<T>>) -> Result<Self, StepError> {
        if inner.in_parts().is_none() {
            return Err(StepError::Method {
                method: "shards",
                found: "a network by this method".to_owned(),
                expected: "one by which a block needs its input and the batch alone, and update = jacobi",
            });
        }
        Ok(Self { inner, parts })
    }

    /// Whether all blocks of a network take a batch in parts.
    ///
    /// # Errors
    /// `Method` with the first that does not.
    pub fn check(network: &Network<T>) -> Result<(), StepError> {
        check_in_parts(network.blocks())
    }
}

impl<T: Scalar> Update<T> for InParts<T> {
    fn plan(&mut self, network: &Network<T>, steps: u64) {
        self.inner.plan(network, steps);
    }

    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        match self.inner.in_parts() {
            Some(inner) => inner.step_in_parts(network, batch, learning_rate, &mut *self.parts),
            None => unreachable!("it was asked before"),
        }
    }

    fn learns_values(&self) -> bool {
        self.inner.learns_values()
    }

    fn products(&self, network: &Network<T>, rows: &[usize]) -> Option<u64> {
        self.inner.products(network, rows)
    }

    fn state(&self) -> UpdateState<T> {
        self.inner.state()
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.inner.restore(network, record)
    }
}

/// Whether all blocks take a batch in parts.
///
/// # Errors
/// `Method` with the first that does not.
pub(crate) fn check_in_parts<T: Scalar>(blocks: &[Box<dyn Block<T>>]) -> Result<(), StepError> {
    match blocks.iter().position(|block| block.in_parts().is_none()) {
        None => Ok(()),
        Some(index) => Err(StepError::Method {
            method: "shards",
            found: format!("block {index} ({})", class_names(&*blocks[index])),
            expected: "dense and convolutional blocks, without dropout between them (dropout = 0)",
        }),
    }
}

/// A block that was checked.
///
/// # Errors
/// `Method` if it is another one.
pub(crate) fn in_parts<T: Scalar>(block: &dyn Block<T>, index: usize) -> Result<&dyn BlockInParts<T>, StepError> {
    block.in_parts().ok_or_else(|| StepError::Method {
        method: "shards",
        found: format!("block {index} ({})", class_names(block)),
        expected: "the blocks of the first step",
    })
}
