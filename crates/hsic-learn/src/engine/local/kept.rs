//! What a step on a batch in parts keeps of each block, in memory that is used again.

use crate::error::StepError;
use crate::objective::Signal;
use crate::span::Span;

/// What the forward pass leaves of a block.
pub(super) struct Outputs<T> {
    /// Of all rows where these are gathered, else of this process's own.
    pub(super) z: Vec<T>,
    /// What the objective sees of all rows, or of its own where sums are enough; empty where that is `z`.
    pub(super) features: Vec<T>,
}

impl<T> Default for Outputs<T> {
    fn default() -> Self {
        Self { z: Vec::new(), features: Vec::new() }
    }
}

/// What the objective says of a block.
pub(super) struct Answer<T> {
    /// dL/dz of this process's own rows.
    pub(super) dz: Vec<T>,
    pub(super) result: Option<(Result<Signal, StepError>, Span)>,
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self { dz: Vec::new(), result: None }
    }
}
