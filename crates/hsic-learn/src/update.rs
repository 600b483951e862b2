//! One training step of a method.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use hsic::Scalar;
use hsic::parts::Parts;
use hsic_data::batch::Batch;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Learner, LearnerState, Network};
use hsic_nn::optimizer::OptimizerState;
use serde::{Deserialize, Serialize};

use crate::error::{BoxError, StepError};
use crate::objective::Signal;
use crate::span::Span;

/// Which weights a block's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// Every block sees the weights of before the step; all may run at once.
    Jacobi,
    /// A block sees the new weights of the blocks before it (the authors' order).
    GaussSeidel,
}

/// What runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Block after block on one thread: the activations of two blocks at a time, whatever the depth.
    Sequential,
    /// Blocks on all threads; the activations of all blocks. The same bits as sequential.
    Parallel,
}

/// How many consecutive blocks learn together, by one objective: a gradient within such a unit and none from outside. The output
/// block stands alone.
///
/// Between local learning (1) and back-propagation (all) lies what Belilovsky et al. (2019, arXiv 1812.11446) call blocks of
/// several layers. A block that holds others, as a residual one, is never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum UnitLength {
    /// So many, >= 1; the last unit before the output block may have fewer.
    Blocks(usize),
    /// All before the output block.
    All,
}

impl Default for UnitLength {
    fn default() -> Self {
        Self::Blocks(1)
    }
}

impl fmt::Display for UnitLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocks(blocks) => write!(f, "{blocks}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl FromStr for UnitLength {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let blocks = text.parse().ok().filter(|&blocks: &usize| blocks >= 1);
        blocks.map(Self::Blocks).ok_or_else(|| "expected all or a whole number >= 1".to_owned())
    }
}

hsic_data::serde_as_text!(UnitLength);

impl UnitLength {
    /// The units of a network of so many blocks.
    #[must_use]
    pub fn units(self, blocks: usize) -> Vec<Range<usize>> {
        let Some(hidden) = blocks.checked_sub(1) else { return Vec::new() };
        let length = match self {
            Self::Blocks(blocks) => blocks.max(1),
            Self::All => hidden.max(1),
        };
        let before = (0..hidden).step_by(length).map(|start| start..start.saturating_add(length).min(hidden));
        before.chain(std::iter::once(hidden..blocks)).collect()
    }
}

/// What a step says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepReport {
    /// The objective at each block, before the step. Empty in a step that measured nothing, as most are on a device that one
    /// had to wait for.
    pub signals: Vec<Signal>,
    /// When what was done: the forward pass and the own work of each block, and what all share. In the order of their
    /// beginnings.
    pub spans: Vec<Span>,
}

/// What must be kept to go on exactly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateState<T = f32> {
    /// Optimizer state, by block.
    pub optimizers: Vec<OptimizerState<T>>,
    /// What the method trains beside each block; empty for a method that trains nothing else.
    pub learners: Vec<Vec<LearnerState<T>>>,
    /// The average of each block's parameters, then statistics, of a training whose weights look ahead; else empty.
    pub average: Vec<Vec<T>>,
}

impl<T: Scalar> UpdateState<T> {
    /// That of a method that keeps these beside the weights, by block, and trains nothing else.
    pub(crate) fn of<'s>(optimizers: impl Iterator<Item = &'s OptimizerState<T>>) -> Self
    where
        T: 's,
    {
        Self { optimizers: optimizers.cloned().collect(), ..Self::default() }
    }

    /// The same of a method that trains these beside the blocks.
    pub(crate) fn with_learners<'s>(self, learners: impl Iterator<Item = &'s [Learner<T>]>) -> Self {
        let learners = learners.map(|learners| learners.iter().map(Learner::state).collect()).collect();
        Self { learners, ..self }
    }
}

/// Goes on from the optimizer states of a record, by block.
pub(crate) fn restore_optimizers<'s, T: Scalar>(
    optimizers: impl Iterator<Item = &'s mut OptimizerState<T>>,
    records: Vec<OptimizerState<T>>,
) {
    optimizers.zip(records).for_each(|(optimizer, record)| *optimizer = record);
}

/// A learning method: how one batch changes a network.
pub trait Update<T: Scalar = f32>: Send {
    /// Told before the first step (or the next, after a record was loaded) how many steps training takes in all; without
    /// it a method that trains blocks in turn trains all of them at once.
    fn plan(&mut self, _network: &Network<T>, _steps: u64) {}

    /// One step. The report is of the network before it.
    ///
    /// # Errors
    /// `Diverged` with the block whose activations are no longer finite; `Block` with what else the objective says.
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError>;

    /// Whether it learns values too, where a batch has these for targets; else classes alone.
    fn learns_values(&self) -> bool {
        false
    }

    /// Multiply-adds of a training of this network by steps of so many rows each: of weights with values of the samples, in
    /// the network and in what the method trains beside it ([`Products`](hsic_nn::network::Products)). What grows otherwise
    /// does not count: kernels, norms, the optimizer, looks at other data. `None` unless the method says so, or of a
    /// network that does not.
    fn products(&self, _network: &Network<T>, _rows: &[usize]) -> Option<u64> {
        None
    }

    /// This method as one that trains some blocks of a network alone, where a block needs its own input and the batch and
    /// nothing else; `None` where it needs more.
    fn staged(&mut self) -> Option<&mut dyn Staged<T>> {
        None
    }

    /// This method as one that takes a batch in parts, where a block needs its own input and the batch and nothing else;
    /// `None` where it needs more.
    fn in_parts(&mut self) -> Option<&mut dyn StepInParts<T>> {
        None
    }

    /// What a checkpoint holds.
    fn state(&self) -> UpdateState<T>;

    /// Goes on from a record of training this `network`.
    ///
    /// # Errors
    /// `StateMismatch` if the record is that of another network or method.
    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch>;
}

/// Takes the outputs of the last of some blocks (m x outputs) and must call its second argument, in which these blocks learn:
/// meanwhile the outputs can be on their way to the next ones.
pub type Relay<'r, T> = dyn FnMut(&[T], &mut dyn FnMut()) -> Result<(), BoxError> + 'r;

/// A method that can train some of a network's blocks in one process, while other processes train the others: what it needs of
/// the blocks before is their outputs, and nothing of those behind.
///
/// Steps of all parts of a network, each with the outputs of the one before it for its input, are together the step of
/// [`Update::step`], to the last bit.
pub trait Staged<T: Scalar = f32>: Update<T> {
    /// One step of the blocks of a range alone, at `input` (m x inputs of the first of them; the batch's own rows for the
    /// first block of the network). What all blocks share is formed from the batch here too. Outputs that `relay` is told are
    /// those of the weights before the step. Signals of other blocks in the report are empty.
    ///
    /// # Errors
    /// Those of [`Update::step`]; `Own` with what `relay` says.
    fn step_of(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        part: (Range<usize>, &[T]),
        learning_rate: f64,
        relay: &mut Relay<'_, T>,
    ) -> Result<&StepReport, StepError>;
}

/// A method that can take a batch in parts, of which this process has some and other processes the others.
///
/// All processes have the whole batch at hand, since it follows from the data, and end the step with the same weights and the
/// same state. For the same number of parts the bits are the same however many processes there are; they differ from those of
/// [`Update::step`] by rounding.
pub trait StepInParts<T: Scalar = f32>: Update<T> {
    /// One step. The signals of the report are those of the whole batch, its spans those of this process.
    ///
    /// # Errors
    /// Those of [`Update::step`], in all processes; `Method` with the first block that does not take a batch in parts.
    fn step_in_parts(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
        parts: &mut dyn Parts<T>,
    ) -> Result<&StepReport, StepError>;
}
