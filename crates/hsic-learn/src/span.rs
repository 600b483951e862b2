//! What a step did when, on which thread.

use serde::{Deserialize, Serialize};

/// A piece of work of a step. Spans of a thread follow one another, except where a block spreads its own work over
/// threads (convolutions, wide layers): a thread that waits for another's part does other work meanwhile, whose span lies
/// within.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// What was done.
    pub work: Work,
    /// Index of the block, from 0; 0 for what all blocks share.
    pub block: usize,
    /// Index of the thread, from 0.
    pub thread: usize,
    /// Milliseconds from the beginning of the step.
    pub begin_milliseconds: f64,
    /// Milliseconds from the beginning of the step until it was done.
    pub end_milliseconds: f64,
}

/// Kinds of work in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A block's forward pass, in back-propagation too.
    Forward,
    /// What the blocks share: the batch's operator, or the loss of back-propagation.
    Operator,
    /// A block's own work: objective, gradient, optimizer (Gauss-Seidel: and its forward pass with the new weights; in
    /// back-propagation its backward pass and optimizer).
    Block,
}
