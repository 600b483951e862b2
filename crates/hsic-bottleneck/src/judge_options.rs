//! What a user can say of how a trained network is judged.

use serde::{Deserialize, Serialize};

use crate::evaluation::{FormatInput, NormProtocol, ReadoutProtocol};
use crate::format::FormatStart;
use crate::optimizer::{Decay, OptimizerName};
use crate::options::options;

options! {
    /// How unformatted outputs are judged.
    EvaluationOptions, "Evaluation" {
        /// From outputs to classes: fair, or authors (fitted on the evaluated data, for like-for-like comparison only)
        /// [default: fair]
        readout: ReadoutProtocol,
        /// Batch norm in evaluation: fair (running statistics), or authors (those of the evaluated batch, for
        /// like-for-like comparison only) [default: fair]
        bn: NormProtocol,
        /// Record the test accuracy by the authors' protocol beside the one above [default: false]
        authors_beside: bool,
    }
}

options! {
    /// How a softmax layer learns on the frozen network, after it.
    FormatOptions, "Format training" {
        /// Passes of format training over the training data; 0 for none [default: 0]
        format_epochs: u64,
        /// What the softmax layer sees: the last block's outputs or the features of all blocks [default: last]
        format_input: FormatInput,
        /// Weights that the layer starts from: zero, or uniform (the authors') [default: zero]
        format_start: FormatStart,
        /// Optimizer of the layer [default: sgd]
        format_optimizer: OptimizerName,
        /// Its learning rate, > 0 [default: from the features' curvature; adamw: 1e-3]
        format_learning_rate: f64,
        /// Course of that rate [default: cosine]
        format_decay: Decay,
        /// Momentum of sgd, in [0, 1) [default: 0.9]
        format_momentum: f64,
        /// Weight decay, >= 0 [default: 0]
        format_weight_decay: f64,
        /// Rows of its batches, >= 1 [default: 256]
        format_batch_size: usize,
        /// Bring features to mean 0 and deviation 1 first [default: true]
        format_standardize: bool,
    }
}
