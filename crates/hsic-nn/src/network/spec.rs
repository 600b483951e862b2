//! Networks as lists of blocks, and lists of widths as text.

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::norm::Norm;
use super::pooled::PoolAt;

/// One block of a network. Activation, norm and the place of pooling are the network's where they are not named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum BlockSpec {
    /// Linear map of all values of the block before.
    Dense {
        /// Units.
        outputs: usize,
        /// Adds the input to the output (as many units as inputs).
        #[serde(default)]
        residual: bool,
        /// Nonlinearity.
        #[serde(skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
        /// What stands before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        norm: Option<Norm>,
    },
    /// Convolution of a map.
    Conv {
        /// Channels.
        outputs: usize,
        /// Lines and columns of the window.
        kernel: usize,
        /// Step of the window.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros on each side.
        #[serde(default)]
        padding: usize,
        /// Side and step of max pooling; 1 for none.
        #[serde(default = "one")]
        pool: usize,
        /// Where it is pooled.
        #[serde(skip_serializing_if = "Option::is_none")]
        pool_at: Option<PoolAt>,
        /// Adds the input to the output (of equal sizes).
        #[serde(default)]
        residual: bool,
        /// Nonlinearity.
        #[serde(skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
        /// What stands before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        norm: Option<Norm>,
    },
    /// Convolution whose channels are squashed in groups: the first capsules.
    PrimaryCapsules {
        /// Types of capsules.
        outputs: usize,
        /// Values of a capsule.
        #[serde(default = "eight")]
        dimensions: usize,
        /// Lines and columns of the window.
        kernel: usize,
        /// Step of the window.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros on each side.
        #[serde(default)]
        padding: usize,
    },
    /// Capsules that the capsules of the block before are routed to by agreement.
    Capsules {
        /// Capsules.
        outputs: usize,
        /// Values of a capsule.
        #[serde(default = "sixteen")]
        dimensions: usize,
        /// Rounds of routing.
        #[serde(default = "three")]
        rounds: usize,
        /// Whether each value has a bias.
        #[serde(default)]
        bias: bool,
    },
}

pub(super) fn three() -> usize {
    3
}

pub(super) fn eight() -> usize {
    8
}

pub(super) fn sixteen() -> usize {
    16
}

fn one() -> usize {
    1
}

impl BlockSpec {
    /// A dense block.
    #[must_use]
    pub fn dense(outputs: usize) -> Self {
        Self::Dense { outputs, residual: false, activation: None, norm: None }
    }

    /// A convolution.
    #[must_use]
    pub fn conv(outputs: usize, kernel: usize, stride: usize, padding: usize, pool: usize) -> Self {
        Self::Conv {
            outputs,
            kernel,
            stride,
            padding,
            pool,
            pool_at: None,
            residual: false,
            activation: None,
            norm: None,
        }
    }

    /// This block, its input added to its output.
    #[must_use]
    pub(super) fn residual(mut self) -> Self {
        if let Self::Dense { residual, .. } | Self::Conv { residual, .. } = &mut self {
            *residual = true;
        }
        self
    }
}

/// A width of a `--widths` list, and whether max pooling follows (`64p`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Units or channels.
    pub outputs: usize,
    /// Whether 2 x 2 max pooling follows.
    pub pool: bool,
}

/// `256x6` is six of 256, `64p` is 64 with pooling after it (`64x2p`: after the last of them); parts are separated by
/// commas. `None` for anything else, for a width of 0 or beyond a million, and for more than 10,000 blocks.
#[must_use]
pub fn parse_widths(text: &str) -> Option<Vec<Width>> {
    let mut widths = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let (part, pool) = part.strip_suffix('p').map_or((part, false), |part| (part, true));
        let (width, count) = part.split_once('x').unwrap_or((part, "1"));
        let (width, count) = (width.parse::<u32>().ok()?, count.parse::<u32>().ok()?);
        if width == 0 || width > 1_000_000 || count == 0 || count > 10_000 {
            return None;
        }
        widths.extend((1..=count).map(|i| Width { outputs: width as usize, pool: pool && i == count }));
    }
    (widths.len() <= 10_000).then_some(widths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_lists_and_repetitions() {
        let plain = |outputs| Width { outputs, pool: false };
        assert_eq!(parse_widths("256x2, 64"), Some(vec![plain(256), plain(256), plain(64)]));
        assert_eq!(parse_widths("8x2p"), Some(vec![plain(8), Width { outputs: 8, pool: true }]));
        for wrong in ["0", "8x99999", "", "p", "8x0", "-1"] {
            assert_eq!(parse_widths(wrong), None, "{wrong}");
        }
    }
}
