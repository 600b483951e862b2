//! What a user can say of the optimizer.

use hsic_data::options::options;
use serde::{Deserialize, Serialize};

use super::Decay;

/// Which optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// Gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    #[cfg_attr(feature = "clap", value(name = "adamw"))]
    #[serde(rename = "adamw")]
    AdamW,
}

options! {
    /// How a gradient changes the weights.
    OptimizerOptions, "Optimizer" {
        /// Optimizer [default: the method's; hsic: sgd]
        optimizer: OptimizerName,
        /// Learning rate, > 0 [default: the method's; hsic: 2e-3]
        learning_rate: f64,
        /// Course of the learning rate [default: cosine]
        decay: Decay,
        /// Steps over which the rate rises from 0 [default: 0]
        warmup_steps: u64,
        /// Momentum of sgd, in [0, 1) [default: 0]
        momentum: f64,
        /// Weight decay, >= 0 [default: 0]
        weight_decay: f64,
        /// Decay of adamw's mean gradient, in [0, 1) [default: 0.9]
        beta1: f64,
        /// Decay of adamw's mean squared gradient, in [0, 1) [default: 0.999]
        beta2: f64,
        /// Added to adamw's root, > 0 [default: 1e-8]
        adam_epsilon: f64,
    }
}
