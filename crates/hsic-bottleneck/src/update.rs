//! One training step of a method.

mod angle;
pub mod backprop;
mod clock;
pub mod direct_feedback;
pub mod dni;
pub mod feedback_alignment;
pub mod forward_forward;
pub mod frozen;
pub mod local;
pub mod sign_symmetry;
pub mod softhebb;
pub mod target_propagation;
mod top;

use ::hsic::{Approximation, Bottleneck, Scalar};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::config::{OptimizerName, RuleOptions, TrainOptions};
use crate::fault::Faults;
use crate::network::learner::RecordMismatch;
use crate::network::{LearnerRecord, Network};
use crate::objective::{Signal, alignment, cwc_ff, greedy, hsic, hsic_local, mono_forward, phsic, predsim};
use crate::optimizer::{Optimizer, OptimizerState};
use crate::span::Span;
use crate::step_error::StepError;

pub use backprop::Backprop;
pub use direct_feedback::DirectFeedback;
pub use feedback_alignment::Feedback;
pub use frozen::RandomFeatures;

pub use dni::Dni;
pub use forward_forward::ForwardForward;
pub use local::Local;
pub use softhebb::SoftHebb;
pub use target_propagation::TargetPropagation;

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

/// What a step says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepReport {
    /// The objective at each block, before the step.
    pub signals: Vec<Signal>,
    /// When what was done: the forward pass and the own work of each block, and what all share. In the order of their
    /// beginnings.
    pub spans: Vec<Span>,
}

/// What must be kept to go on exactly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateRecord<T = f32> {
    /// Optimizer state, by block.
    pub optimizers: Vec<OptimizerState<T>>,
    /// What the method trains beside each block; empty for a method that trains nothing else.
    pub learners: Vec<Vec<LearnerRecord<T>>>,
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

    /// What a checkpoint holds.
    fn record(&self) -> UpdateRecord<T>;

    /// Goes on from a record of training this `network`.
    ///
    /// # Errors
    /// `RecordMismatch` if the record is that of another network or method.
    fn load(&mut self, network: &Network<T>, record: UpdateRecord<T>) -> Result<(), RecordMismatch>;
}

/// What methods are made from.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodSettings {
    /// The HSIC objective's numbers.
    pub bottleneck: Bottleneck,
    /// In which form it is computed.
    pub approximation: Approximation,
    /// The numbers of other rules, defaults filled in.
    pub rule: RuleOptions,
    /// Classes of the data.
    pub classes: usize,
    /// Seed of what a method draws.
    pub seed: u64,
    /// The optimizer of each block.
    pub optimizer: Optimizer,
    /// Which weights a block's input comes from.
    pub order: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
}

/// What the outputs of a trained network mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// Unit k stands for class k; the output block is linear and trained to name classes.
    Classes,
    /// Each class has a unit, but which is read off training data.
    Units,
    /// They mean nothing by themselves: the class whose label, written over a sample, makes the blocks most active is read.
    Labels,
    /// Nothing names classes before a softmax layer has learned to, on the features of all blocks.
    Features,
}

/// A learning method by name.
pub struct Method {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: what it does.
    pub summary: &'static str,
    /// Who published it, where.
    pub reference: &'static str,
    /// What a step costs beside a step of back-propagation, in operations and memory.
    pub cost: &'static str,
    /// The file that it is in: what its head says is its explanation.
    pub source: &'static str,
    /// What the network's outputs mean.
    pub outputs: Outputs,
    /// Whether no gradient travels between blocks.
    pub local: bool,
    /// Whether all blocks can be updated at once after (or during) one forward pass.
    pub parallel: bool,
    /// Fields of [`RuleOptions`] that it reads, and `approximation` if it does.
    pub reads: &'static [&'static str],
    /// Fills in what the method has defaults of its own for, and checks its own numbers.
    pub settle: fn(&mut TrainOptions, &mut Faults),
    /// Makes the method.
    pub build: fn(&MethodSettings) -> Result<Box<dyn Update>, StepError>,
}

impl Method {
    /// The method of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        METHODS.iter().copied().find(|method| method.name == name)
    }

    /// Whether it reads the option of a TOML key.
    #[must_use]
    pub fn reads(&self, key: &str) -> bool {
        self.reads.iter().any(|field| field.replace('_', "-") == key)
    }

    /// What the method is and how it works: the doc comment at the head of its file.
    #[must_use]
    pub fn explanation(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        let text = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        // Formulas stand in fences, which only a page needs.
        let text = text.filter(|line| !line.starts_with("```")).collect::<Vec<_>>().join("\n");
        // So do links.
        text.replace("[`", "`").replace("`]", "`")
    }
}

/// Fills in AdamW and its rate where they are not given.
pub(crate) fn adamw(options: &mut TrainOptions, rate: f64) {
    options.optimizer.optimizer.get_or_insert(OptimizerName::AdamW);
    options.optimizer.learning_rate.get_or_insert(rate);
}

/// Every method.
pub static METHODS: &[&Method] = &[
    &hsic::METHOD,
    &hsic_local::METHOD,
    &phsic::METHOD,
    &alignment::METHOD,
    &predsim::METHOD,
    &mono_forward::METHOD,
    &greedy::METHOD,
    &forward_forward::METHOD,
    &cwc_ff::METHOD,
    &softhebb::METHOD,
    &dni::METHOD,
    &direct_feedback::METHOD,
    &feedback_alignment::METHOD,
    &sign_symmetry::METHOD,
    &target_propagation::METHOD,
    &backprop::METHOD,
    &frozen::METHOD,
];
