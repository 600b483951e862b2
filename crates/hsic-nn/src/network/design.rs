//! What all blocks of a network are built with, whatever they are.

use super::activation::Activation;
use super::norm::Norm;
use super::pooled::PoolAt;
use super::start::{HeadStart, Start};

/// What all blocks of a network are built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Design {
    /// Nonlinearity of blocks that do not name theirs.
    pub activation: Activation,
    /// What stands before it in blocks that do not name theirs.
    pub norm: Norm,
    /// Where maps are pooled.
    pub pool_at: PoolAt,
    /// How weights start.
    pub start: Start,
    /// How a linear output layer starts.
    pub head_start: HeadStart,
    /// Whether the first block sees whitened windows of the input in its place ([`Whitened`](super::Whitened)).
    pub whiten: bool,
}

impl Design {
    /// With pooling at the end of blocks, and PyTorch's start.
    #[must_use]
    pub const fn new(activation: Activation, norm: Norm) -> Self {
        Self {
            activation,
            norm,
            pool_at: PoolAt::Block,
            start: Start::Uniform,
            head_start: HeadStart::Uniform,
            whiten: false,
        }
    }
}
