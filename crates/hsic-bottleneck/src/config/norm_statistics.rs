//! Which running statistics of batch norm a trained network keeps.

use hsic_nn::optimizer::Decay;
use serde::{Deserialize, Serialize};

/// Steps of training under which running statistics still remember where they started: each step leaves nine tenths of
/// them, and weights move fast at first.
const FEW_STEPS: u64 = 100;

/// Running statistics follow the weights with a lag of some ten steps. While weights still move at the end (a rate that
/// stays, few steps), the network at rest is then another than the one that was trained. Forming them anew, with the final
/// weights, is how averaged weights get theirs (Izmailov et al. 2018, stochastic weight averaging).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum NormStatistics {
    /// Anew where the rate stays to the end or fewer than 100 steps were made, else running
    Auto,
    /// Formed by one pass over the training data, as they are and with the final weights
    Anew,
    /// Those that followed the weights through training
    Running,
}

impl NormStatistics {
    /// Whether they are formed anew after so many steps at a rate of this course.
    #[must_use]
    pub fn are_formed_anew(self, decay: Decay, steps: u64) -> bool {
        match self {
            Self::Auto => decay == Decay::Constant || steps < FEW_STEPS,
            Self::Anew => true,
            Self::Running => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_themselves_they_are_formed_anew_where_they_lag() {
        let auto = |decay, steps| NormStatistics::Auto.are_formed_anew(decay, steps);
        assert!(auto(Decay::Constant, 1_000_000) && auto(Decay::Cosine, 99) && auto(Decay::Linear, 99));
        assert!(!auto(Decay::Cosine, 100) && !auto(Decay::Linear, 100));
        assert!(NormStatistics::Anew.are_formed_anew(Decay::Cosine, 100));
        assert!(!NormStatistics::Running.are_formed_anew(Decay::Constant, 1));
    }
}
