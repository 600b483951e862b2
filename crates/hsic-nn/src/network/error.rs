//! Why a network cannot be built.

use hsic_data::dataset::Shape;
use thiserror::Error;

/// Why a network cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No block.
    #[error("a network without blocks: expected at least one")]
    Empty,
    /// A number of a block is out of its range.
    #[error("block {block}: {key} = {value}: expected {expected}")]
    Number {
        /// Index from 0.
        block: usize,
        /// Which number.
        key: &'static str,
        /// What was given.
        value: usize,
        /// What may be given.
        expected: String,
    },
    /// A residual block changes the sizes.
    #[error("block {block} is residual and makes {to} of {from}: expected equal sizes")]
    Residual {
        /// Index from 0.
        block: usize,
        /// Sizes of its input.
        from: Shape,
        /// Sizes of its output.
        to: Shape,
    },
    /// A block does not take what the one before it gives.
    #[error("block {block} takes {taken} values and the one before it gives {given}: expected as many")]
    Joint {
        /// Index from 0.
        block: usize,
        /// Outputs of the block before it.
        given: usize,
        /// Its inputs.
        taken: usize,
    },
    /// Nothing can be routed.
    #[error("block {block} routes capsules: expected primary-capsules or capsules before it")]
    NoCapsules {
        /// Index from 0.
        block: usize,
    },
}
