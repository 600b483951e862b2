//! What one block is trained for, on a device.

use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::{Feature, Learner as HostLearner};
use hsic_bottleneck::step_error::StepError;
use tch::{Kind, Tensor};

use crate::device::Device;
use crate::learner::Learner;

/// A batch on the device.
pub(crate) struct DeviceBatch<'b> {
    /// As the loop of training made it.
    pub(crate) host: &'b Batch,
    /// m x columns.
    pub(crate) x: Tensor,
    /// The class of each row; empty where rows have values.
    pub(crate) labels: Tensor,
    /// The value of each row; empty where rows have classes.
    pub(crate) values: Tensor,
}

impl<'b> DeviceBatch<'b> {
    /// Brings a batch to the device.
    pub(crate) fn of(host: &'b Batch, device: &Device) -> Self {
        Self::with(host, device.take_rows(host.rows(), &host.x), device)
    }

    /// A batch whose rows `x` are there, of which the targets alone travel.
    pub(crate) fn with(host: &'b Batch, x: Tensor, device: &Device) -> Self {
        let labels: Vec<i64> = host.labels.iter().map(|&label| label as i64).collect();
        let values: Vec<f32> = host.values.iter().map(|&value| value as f32).collect();
        Self { host, x, labels: device.take_whole(&labels), values: device.take(&values) }
    }
}

/// Where in a network an objective is evaluated.
pub(crate) struct Site<'s> {
    /// Whether no block follows.
    pub(crate) last: bool,
    /// Sizes of what the objective sees of the block's output, as a map.
    pub(crate) feature: Shape,
    /// Channels of the output itself.
    pub(crate) channels: usize,
    /// The block's input (m x inputs).
    pub(crate) x: &'s Tensor,
}

/// The value of an objective at one block, numbers on the device.
pub(crate) struct Value {
    /// What is minimized.
    pub(crate) loss: Tensor,
    /// Its parts by name; unused names are empty.
    pub(crate) terms: [(&'static str, Option<Tensor>); 2],
}

impl Clone for Value {
    /// The same numbers on the device.
    fn clone(&self) -> Self {
        let term = |(name, term): &(&'static str, Option<Tensor>)| (*name, term.as_ref().map(Tensor::shallow_clone));
        Self { loss: self.loss.shallow_clone(), terms: [term(&self.terms[0]), term(&self.terms[1])] }
    }
}

/// What an objective says at one block.
pub(crate) struct Signal {
    /// dL/dz (m x columns).
    pub(crate) dz: Tensor,
    /// Where it was asked for.
    pub(crate) value: Option<Value>,
    /// A flag on the device: all rows are equal.
    pub(crate) dead: Option<Tensor>,
    /// A flag on the device: single precision was not enough, and the gradient is 0.
    pub(crate) lost: Option<Tensor>,
}

/// A local rule's objective.
pub(crate) trait Objective: Send {
    /// What the objective sees of a block's map; `chosen` is the user's choice.
    fn feature(&self, chosen: Feature) -> Feature {
        chosen
    }

    /// What the rule trains beside a block, with fresh weights, as the CPU has it.
    fn learners(&self, _block: usize, _last: bool, _shape: Shape) -> Vec<HostLearner<f32>> {
        Vec::new()
    }

    /// Whether learners of this place have no bias that is learned.
    fn is_unbiased(&self, _learner: usize) -> bool {
        false
    }

    /// Forms what all blocks share of a batch.
    ///
    /// # Errors
    /// What is wrong with the batch.
    fn prepare(&mut self, batch: &DeviceBatch<'_>) -> Result<(), StepError>;

    /// The objective at a block's features `z` (m x columns), the value only if it is `measured`. Gradients of learners are left in
    /// them.
    ///
    /// # Errors
    /// What is wrong with the block.
    fn signal(
        &mut self,
        site: &Site<'_>,
        z: &Tensor,
        learners: &mut [Learner],
        measured: bool,
    ) -> Result<Signal, StepError>;

    /// Whether it learns values too.
    fn learns_values(&self) -> bool {
        false
    }
}

/// Whether all rows (m x columns) are equal.
pub(crate) fn rows_are_equal(z: &Tensor) -> Tensor {
    z.eq_tensor(&z.narrow(0, 0, 1)).all()
}

/// A sum of products of all entries, in double precision.
pub(crate) fn dot(a: &Tensor, b: &Tensor) -> Tensor {
    (a * b).sum(Kind::Double)
}
