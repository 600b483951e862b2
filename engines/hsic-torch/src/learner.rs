//! What a rule trains beside a block, on a device.

use hsic_bottleneck::dataset::Shape;
use hsic_bottleneck::network::{Learner as HostLearner, LearnerState};
use hsic_bottleneck::optimizer::{Optimizer, OptimizerState};
use tch::Tensor;

use crate::block::{Block, Kept, Place};
use crate::device::Device;
use crate::optimizer::{State, length, step};

/// A small network of one block without norm, with the state of its optimizer.
pub(crate) struct Learner {
    block: Block,
    optimizer: State,
    gradient: Option<Tensor>,
}

impl Learner {
    /// That of the CPU, for inputs of sizes `from`, with what its optimizer remembers.
    ///
    /// # Errors
    /// Its block, if that has no place here.
    pub(crate) fn of(host: &HostLearner<f32>, from: Shape, is_unbiased: bool, device: &Device) -> Result<Self, String> {
        let block = Block::of(host.block(), Place { index: 0, from, planar: false, seed: 0 }, device)?;
        let block = if is_unbiased { block.without_bias() } else { block };
        Ok(Self { block, optimizer: State::of(&host.state().optimizer, device), gradient: None })
    }

    /// Takes the numbers of the CPU's learner and what its optimizer remembers.
    pub(crate) fn load(&mut self, host: &HostLearner<f32>, device: &Device) {
        self.block.load(host.block(), device);
        self.optimizer = State::of(&host.state().optimizer, device);
    }

    /// Its outputs (m x outputs), and what the way back needs.
    pub(crate) fn forward(&self, x: &Tensor) -> (Tensor, Kept) {
        self.block.forward(x, None)
    }

    /// From dL/doutputs to the gradient that the next [`step`](Self::step) takes, and to dL/dx.
    pub(crate) fn backward(&mut self, kept: &Kept, dy: Tensor) -> Tensor {
        let (gradient, dx) = self.block.gradient(kept, dy, true);
        self.gradient = Some(gradient);
        // It was asked for.
        dx.unwrap_or_else(|| kept.x().zeros_like())
    }

    /// One step of its optimizer along the last gradient.
    pub(crate) fn step(&mut self, optimizer: Optimizer, rate: f64) {
        if let Some(gradient) = &self.gradient {
            let norm = length(gradient);
            let (groups, numbers) = (self.block.groups(), (&self.block.parameters, gradient));
            step(optimizer, rate, groups, numbers, &norm, &mut self.optimizer);
        }
    }

    /// What a checkpoint keeps.
    pub(crate) fn record(&self, device: &Device) -> LearnerState<f32> {
        let optimizer: OptimizerState<f32> = self.optimizer.record(device);
        LearnerState { parameters: device.read(&self.block.parameters), statistics: Vec::new(), optimizer }
    }
}
