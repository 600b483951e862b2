//! Where training stands, apart from tensors.

use serde::{Deserialize, Serialize};

/// Where training stands, apart from tensors: what a run needs beside them to go on as if it had never stopped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Steps done.
    pub step: u64,
    /// Steps of the current epoch that its sums hold.
    pub epoch_steps: u64,
    /// Sums of loss and terms over those steps, by block.
    pub epoch_sums: Vec<[f64; 3]>,
    /// How many of those steps measured each of the two terms, by block.
    #[serde(default)]
    pub epoch_measured: Vec<[u64; 2]>,
    /// Blocks that were warned of as dead.
    pub dead: Vec<bool>,
    /// Seconds of training so far, by all processes that took part.
    pub seconds: f64,
    /// Median time of a step; 0 before training is done.
    pub milliseconds_per_step: f64,
    /// Length of `metrics.jsonl` in a run's folder, which the folder fills in; what was written later is written again.
    pub metrics_bytes: u64,
}
