//! What all blocks of a network are built with, whatever they are.

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::norm::Norm;
use super::pooled::PoolAt;

/// How weights start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Uniform in +-1/sqrt(fan-in), PyTorch's default.
    #[default]
    Uniform,
    /// The same, but that the first channels of a convolution, as many as come in, pass one of these on as it is (Zagoruyko
    /// and Komodakis 2017).
    Dirac,
}

/// How the weights of a linear output layer start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum HeadStart {
    /// As the others do.
    #[default]
    Uniform,
    /// At 0: no class is favored before something is learned, and the blocks before it stand still for a step where its
    /// gradient is all that they learn from.
    Zero,
}

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
