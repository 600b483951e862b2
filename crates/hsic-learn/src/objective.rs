//! What one block is trained for: a function of its own activations and of the batch.

pub mod classified;
pub mod classifier;
pub mod cross_entropy;
pub mod goodness;
pub mod labels;
pub mod margin;
pub mod rule;
pub mod similarity;
#[cfg(test)]
pub(crate) mod testing;

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::parts::Parts;
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::{Feature, Learner};

use crate::error::{ObjectiveError, StepError};

pub use classified::Classified;
pub use cross_entropy::CrossEntropy;
pub use labels::{Labels, Told};
pub use margin::Margin;
pub use rule::{ByRule, Rule};

/// The value of a local objective at one block, by named terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signal {
    /// What is minimized.
    pub loss: f64,
    /// Its parts (for HSIC: nHSIC(Z, X) and nHSIC(Z, Y)); unused names are empty. NaN for one
    /// that was not measured in this step: means are over those that were.
    pub terms: [(&'static str, f64); 2],
    /// Euclidean norm of the gradient with respect to the block's parameters; the trainer of the block fills it in.
    pub gradient_norm: f64,
    /// The block gives one and the same row for every sample and can learn nothing.
    pub dead: bool,
}

/// Where in a network an objective is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a, T> {
    /// Index of the block, from 0; of a unit of several the last one's.
    pub block: usize,
    /// Whether no block follows.
    pub last: bool,
    /// Sizes of the block's output as a map.
    pub shape: Shape,
    /// The block's input (m x inputs), of a unit of several that of the first; where a batch comes in parts and the rule does not [read](Objective::reads_input) it, it
    /// may have no columns.
    pub x: MatRef<'a, T>,
}

/// What a block does in a step of a rule that may train blocks in turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// It has not begun: its outputs are those of training, and its running statistics stay.
    Waits,
    /// It learns, at this multiple of the learning rate.
    Learns(f64),
    /// It has learned: its outputs are those of evaluation, by its running statistics, which stay.
    Done,
}

/// A local learning rule's objective.
pub trait Objective<T: Scalar = f32>: Send + Sync {
    /// Computed once a batch for all blocks.
    type Shared: Send + Sync;
    /// Memory of one thread, used again from call to call.
    type Scratch: Default + Send;

    /// Whether the rule learns values too, where a batch has these for targets; else classes alone.
    fn learns_values(&self) -> bool {
        false
    }

    /// Whether the rule reads a block's input ([`Site::x`]): processes that have some rows of a batch each then exchange it.
    fn reads_input(&self) -> bool {
        true
    }

    /// What the objective sees of a block's map; `chosen` is the user's choice.
    fn feature(&self, chosen: Feature) -> Feature {
        chosen
    }

    /// What the rule trains beside a block (number `block`, `last` or not), with fresh weights; nothing, unless the rule
    /// says otherwise. `shape` are the sizes of the block's outputs as [`feature`](Self::feature) shows them.
    fn learners(&self, _block: usize, _last: bool, _shape: Shape) -> Vec<Learner<T>> {
        Vec::new()
    }

    /// Told before the first step how many blocks there are (units, where several learn together) and how many steps training
    /// takes.
    fn plan(&mut self, _blocks: usize, _steps: u64) {}

    /// What a block (the unit of this number, where several learn together) does in a step: it learns at the full rate, unless the rule trains blocks in turn. Of one that does not
    /// learn the signal is told and the gradient not asked for.
    fn pace(&self, _step: u64, _block: usize, _last: bool) -> Pace {
        Pace::Learns(1.0)
    }

    /// This rule as one whose value at a block (the `last` or another) comes of sums over the parts of a batch of so many
    /// rows; `None` where it is made of all rows, which processes then gather.
    fn in_parts(
        &self,
        _last: bool,
        _rows: usize,
        _parts: usize,
    ) -> Option<&dyn ObjectiveInParts<T, Shared = Self::Shared, Scratch = Self::Scratch>> {
        None
    }

    /// Whether the rule can train a block (number `block`, `last` or not, with outputs of sizes `shape`).
    ///
    /// # Errors
    /// `Method` with what it cannot train.
    fn check(&self, _block: usize, _last: bool, _shape: Shape) -> Result<(), StepError> {
        Ok(())
    }

    /// What all blocks share for this batch, in the memory of an earlier batch's.
    ///
    /// # Errors
    /// What [`hsic::Error`] says of the batch, or an error of the rule's own.
    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError>;

    /// The objective of a block at its activations `z` (m x d, as [`feature`](Self::feature) shows them), its gradient
    /// dL/dz into `dz`. Gradients of the block's learners are left in them; whoever trains the block steps them with it.
    ///
    /// # Errors
    /// What [`hsic::Error`] says of `z`, or an error of the rule's own.
    fn signal(
        &self,
        shared: &Self::Shared,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError>;
}

/// A rule that takes a batch in parts, of which other processes may have some.
pub trait ObjectiveInParts<T: Scalar = f32>: Objective<T> {
    /// As [`Objective::signal`] of a rule without learners, of this process's own rows `z` and `dz`: the signal of the whole
    /// batch, in every process. The block's input in `site` has no columns.
    ///
    /// # Errors
    /// Those of [`Objective::signal`], in all processes.
    fn signal_in_parts(
        &self,
        shared: &Self::Shared,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        scratch: &mut Self::Scratch,
        parts: &mut dyn Parts<T>,
    ) -> Result<Signal, ObjectiveError>;
}
