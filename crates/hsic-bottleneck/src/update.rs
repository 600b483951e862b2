//! One training step of a method.

pub mod backprop;
mod clock;
pub mod local;

use hsic::{Approximation, Bottleneck, Scalar};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::error::Error;
use crate::log::Span;
use crate::network::Network;
use crate::objective::{HsicObjective, Signal};
use crate::optimizer::{Optimizer, OptimizerState};

pub use backprop::Backprop;
pub use local::Local;

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

/// What must be kept to go on exactly: optimizer state by block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateRecord<T = f32> {
    /// By block.
    pub optimizers: Vec<OptimizerState<T>>,
}

/// A learning method: how one batch changes a network.
pub trait Update<T: Scalar = f32>: Send {
    /// One step. The report is of the network before it.
    ///
    /// # Errors
    /// `Diverged` with the block whose activations are no longer finite; `Block` with what else the objective says.
    fn step(&mut self, network: &mut Network<T>, batch: &Batch<T>, learning_rate: f64) -> Result<&StepReport, Error>;

    /// What a checkpoint holds.
    fn record(&self) -> UpdateRecord<T>;

    /// Goes on from a record.
    fn load(&mut self, record: UpdateRecord<T>);
}

/// What methods are made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MethodSettings {
    /// The HSIC objective's numbers.
    pub bottleneck: Bottleneck,
    /// In which form it is computed.
    pub approximation: Approximation,
    /// Seed of what a method draws.
    pub seed: u64,
    /// The optimizer of each block.
    pub optimizer: Optimizer,
    /// Which weights a block's input comes from.
    pub order: UpdateOrder,
    /// What runs at once.
    pub schedule: Schedule,
}

/// A learning method by name.
pub struct Method {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: what it does, and its source.
    pub summary: &'static str,
    /// Whether the last block is trained to name classes: unit k then stands for class k, and the output block is
    /// linear.
    pub formatted: bool,
    /// Makes the method.
    pub build: fn(&MethodSettings) -> Result<Box<dyn Update>, hsic::Error>,
}

/// Every method.
pub static METHODS: &[Method] = &[
    Method {
        name: "hsic",
        summary: "HSIC bottleneck, block by block (Ma, Lewis, Kleijn 2020)",
        formatted: false,
        build: |settings| {
            let objective = HsicObjective::approximate(settings.bottleneck, settings.approximation, settings.seed)?;
            Ok(Box::new(Local::new(objective, settings.optimizer, settings.order, settings.schedule)))
        },
    },
    Method {
        name: "backprop",
        summary: "back-propagation of the cross-entropy through all blocks (the rival)",
        formatted: true,
        build: |settings| Ok(Box::new(Backprop::new(settings.optimizer))),
    },
];
