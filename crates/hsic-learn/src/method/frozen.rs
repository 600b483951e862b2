//! Nothing but the output block learns: the floor of every comparison.
//!
//! The blocks before it keep the weights that they started with, so their activations are random features of the input;
//! the linear output block learns to name classes by the cross-entropy, or to tell values by the squared error. A rule that does not beat this has taught its
//! hidden blocks nothing. (Pogodin and Latham 2020 call it `last layer`: 92.0 % on MNIST, 83.3 % on Fashion-MNIST, 39.2 %
//! on CIFAR-10 with 3 x 1024 units and without batch norm.)
//!
//! Batch norm follows its statistics along, since they are no learned numbers.

use std::time::Instant;

use hsic::Scalar;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Cache, Network};
use hsic_nn::optimizer::{Optimizer, OptimizerState};

use super::{Method, Outputs, Recipe};
use crate::engine::clock::cleared;
use crate::engine::pass::Pass;
use crate::error::StepError;
use crate::objective::Signal;
use crate::objective::Told;
use crate::objective::cross_entropy::told_loss;
use crate::span::Work;
use crate::update::{StepReport, Update, UpdateState};

/// The method `frozen`.
pub static METHOD: Method = Method {
    name: "frozen",
    summary: "random features: only the linear output block learns (the floor of a comparison)",
    reference: "ours, as a control",
    cost: "a forward pass and the gradient of one linear block; memory of two blocks' activations",
    source: include_str!("frozen.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: true,
    local: true,
    parallel: false,
    reads: &["label_smoothing"],
    resolve: |options, _| {
        options.adamw(1e-3);
        Recipe::new(|settings| Ok(Box::new(RandomFeatures::new(settings.optimizer)))).with_output_alone()
    },
};

/// Trains the last block by the cross-entropy of its outputs, or for values by their squared error.
pub struct RandomFeatures<T: Scalar = f32> {
    optimizer: Optimizer,
    state: OptimizerState<T>,
    cache: Cache<T>,
    x: Vec<T>,
    z: Vec<T>,
    dz: Vec<T>,
    gradient: Vec<T>,
    report: StepReport,
}

impl<T: Scalar> RandomFeatures<T> {
    /// With this optimizer for the last block.
    #[must_use]
    pub fn new(optimizer: Optimizer) -> Self {
        Self {
            optimizer,
            state: OptimizerState::default(),
            cache: Cache::shared(),
            x: Vec::new(),
            z: Vec::new(),
            dz: Vec::new(),
            gradient: Vec::new(),
            report: StepReport::default(),
        }
    }
}

impl<T: Scalar> Update<T> for RandomFeatures<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let Pass { m, clock, .. } = pass;
        StepError::check_scores(network.blocks(), batch.classes)?;
        let blocks = network.blocks_mut();
        let last = blocks.len() - 1;
        cleared(&mut self.report.spans, blocks.len());
        self.x.clear();
        self.x.extend_from_slice(&batch.x);
        for (index, block) in blocks.iter_mut().enumerate() {
            let (x, z) = (&self.x[..m * block.inputs()], grown(&mut self.z, m * block.outputs()));
            self.report.spans.push(pass.train(index, &mut **block, x, z, &mut self.cache)?);
            if index < last {
                std::mem::swap(&mut self.x, &mut self.z);
            }
        }
        let begin = Instant::now();
        let block = &mut blocks[last];
        let (inputs, outputs) = (m * block.inputs(), m * block.outputs());
        self.dz.resize(outputs, T::ZERO);
        let z = &self.z[..outputs];
        let loss = told_loss(z, (Told::of(batch), &batch.values), block.outputs(), &mut self.dz);
        self.gradient.resize(block.parameters().len(), T::ZERO);
        block.gradient(m, &self.x[..inputs], z, &mut self.dz, &mut self.cache, &mut self.gradient, None);
        self.optimizer.step(learning_rate, block.groups(), (block.parameters_mut(), &self.gradient), &mut self.state);
        self.report.spans.push(clock.span(Work::Block, last, begin));
        self.report.signals.clear();
        self.report.signals.resize(last + 1, Signal { loss, ..Signal::default() });
        self.report.signals[last].gradient_norm = norm(&self.gradient);
        Ok(&self.report)
    }

    fn learns_values(&self) -> bool {
        true
    }

    fn products(&self, network: &Network<T>, rows: &[usize]) -> Option<u64> {
        let mut each = network.blocks().last()?.products()?.learned;
        for block in network.blocks() {
            each += block.products()?.forward;
        }
        Some(each * rows.iter().sum::<usize>() as u64)
    }

    fn state(&self) -> UpdateState<T> {
        // Blocks before the last have no state.
        let mut optimizers = vec![OptimizerState::default(); self.report.signals.len().saturating_sub(1)];
        optimizers.push(self.state.clone());
        UpdateState { optimizers, ..UpdateState::default() }
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        let mut optimizers = record.optimizers;
        self.report.signals.resize(network.blocks().len(), Signal::default());
        self.state = optimizers.pop().unwrap_or_default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, Norm};

    use super::*;

    #[test]
    fn hidden_weights_stay_and_the_output_block_learns_as_by_back_propagation() {
        let network = || Network::<f32>::mlp(6, &[5, 4], 3, Activation::Identity, Norm::None, 3);
        let batch = Batch {
            x: (0..48).map(|i| (i as f32 * 0.7).sin()).collect(),
            columns: 6,
            labels: (0..8).map(|i| i % 3).collect(),
            classes: 3,
            values: Vec::new(),
            smoothing: 0.0,
            step: 0,
        };
        let sgd = Optimizer::sgd();
        let (mut frozen, mut whole, start) = (network(), network(), network());
        RandomFeatures::new(sgd).step(&mut frozen, &batch, 0.1).unwrap();
        crate::engine::Backprop::new(sgd).step(&mut whole, &batch, 0.1).unwrap();
        for block in 0..2 {
            assert_eq!(frozen.blocks()[block].parameters(), start.blocks()[block].parameters());
        }
        assert_ne!(frozen.blocks()[2].parameters(), start.blocks()[2].parameters());
        assert_eq!(frozen.blocks()[2].parameters(), whole.blocks()[2].parameters());
    }
}
