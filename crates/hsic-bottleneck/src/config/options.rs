//! What a user can say of the course of training.

use hsic_data::options::options;
use hsic_learn::update::{Schedule, UpdateOrder};
use serde::{Deserialize, Serialize};

options! {
    /// How long and in which order.
    TrainingOptions, "Training" {
        /// Passes over the training data, >= 1 [default: 5]
        epochs: u64,
        /// Rows of a batch, >= 2 [default: 256]
        batch_size: usize,
        /// Visit the samples of each epoch in an order of its own, or in that of the file (the authors') [default: true]
        shuffle: bool,
        /// Which weights a block's input comes from [default: jacobi]
        update: UpdateOrder,
        /// What runs at once [default: parallel; gauss-seidel: sequential]
        schedule: Schedule,
        /// Seed of weights, order and built-in data [default: 1]
        seed: u64,
        /// Threads, >= 1 [default: all cores]
        threads: usize,
        /// Save a checkpoint every so many steps, >= 1; of these three, what comes first saves
        checkpoint_steps: u64,
        /// Save a checkpoint every so many epochs, >= 1 [default: 1 if none of the three is given]
        checkpoint_epochs: u64,
        /// Record nHSIC(X, Z), nHSIC(Y, Z), gradient norms and batch accuracy every so many steps; 0 for never
        /// [default: 0; 50 costs under 5 % of back-propagation]
        monitor_steps: u64,
        /// Save a checkpoint so many minutes after the last, > 0
        checkpoint_minutes: f64,
    }
}
