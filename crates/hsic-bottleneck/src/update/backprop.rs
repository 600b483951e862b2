//! Back-propagation, the rival: cross-entropy of the last block's outputs, gradients through all blocks.

use std::time::Instant;

use hsic::Scalar;

use super::clock::{Clock, cleared};
use super::{StepReport, Update, UpdateRecord};
use crate::batch::Batch;
use crate::error::Error;
use crate::log::Work;
use crate::network::{Cache, Network};
use crate::objective::cross_entropy::cross_entropy;
use crate::objective::{Signal, norm};
use crate::optimizer::{Optimizer, OptimizerState};

/// What belongs to one block between and within steps.
struct Slot<T> {
    z: Vec<T>,
    cache: Cache<T>,
    optimizer: OptimizerState<T>,
}

/// Trains the whole network by the gradient of one loss. Activations of all blocks are kept.
pub struct Backprop<T: Scalar = f32> {
    optimizer: Optimizer,
    slots: Vec<Slot<T>>,
    dz: Vec<T>,
    dx: Vec<T>,
    gradient: Vec<T>,
    report: StepReport,
}

impl<T: Scalar> Backprop<T> {
    /// With one optimizer a block.
    #[must_use]
    pub fn new(optimizer: Optimizer) -> Self {
        Self {
            optimizer,
            slots: Vec::new(),
            dz: Vec::new(),
            dx: Vec::new(),
            gradient: Vec::new(),
            report: StepReport::default(),
        }
    }
}

impl<T: Scalar> Update<T> for Backprop<T> {
    fn step(&mut self, network: &mut Network<T>, batch: &Batch<T>, learning_rate: f64) -> Result<&StepReport, Error> {
        let clock = Clock::start();
        let m = batch.rows();
        let blocks = network.blocks_mut();
        self.slots.resize_with(blocks.len(), || Slot {
            z: Vec::new(),
            cache: Cache::shared(),
            optimizer: OptimizerState::default(),
        });
        self.report.signals.resize(blocks.len(), Signal::default());
        cleared(&mut self.report.spans, blocks.len());
        let mut x: &[T] = &batch.x;
        for (index, (block, slot)) in blocks.iter_mut().zip(&mut self.slots).enumerate() {
            let begin = Instant::now();
            slot.z.resize(m * block.outputs(), T::ZERO);
            block.forward(m, x, &mut slot.z, &mut slot.cache);
            if !slot.z.iter().all(|z| z.is_finite()) {
                return Err(Error::Diverged { block: index });
            }
            block.absorb_statistics(m, &mut slot.cache);
            self.report.spans.push(clock.span(Work::Forward, index, begin));
            x = &slot.z;
        }
        let last = blocks.len() - 1;
        let classes = blocks[last].outputs();
        let begin = Instant::now();
        self.dz.resize(x.len(), T::ZERO);
        let loss = cross_entropy(x, &batch.labels, classes, &mut self.dz);
        self.report.spans.push(clock.span(Work::Operator, 0, begin));
        for index in (0..=last).rev() {
            let begin = Instant::now();
            let block = &mut blocks[index];
            let (before, rest) = self.slots.split_at_mut(index);
            let Slot { z, cache, optimizer } = &mut rest[0];
            let x = before.last().map_or(&batch.x[..], |slot| &slot.z);
            self.gradient.resize(block.parameters().len(), T::ZERO);
            let dx = (index > 0).then(|| {
                self.dx.resize(x.len(), T::ZERO);
                &mut self.dx[..]
            });
            block.gradient(m, x, z, &mut self.dz, cache, &mut self.gradient, dx);
            self.report.signals[index] =
                Signal { loss, terms: [("", 0.0); 2], gradient_norm: norm(&self.gradient), dead: false };
            self.optimizer.step(learning_rate, block.parameters_mut(), &self.gradient, optimizer);
            std::mem::swap(&mut self.dz, &mut self.dx);
            self.report.spans.push(clock.span(Work::Block, index, begin));
        }
        Ok(&self.report)
    }

    fn record(&self) -> UpdateRecord<T> {
        UpdateRecord { optimizers: self.slots.iter().map(|slot| slot.optimizer.clone()).collect() }
    }

    fn load(&mut self, record: UpdateRecord<T>) {
        self.slots = record
            .optimizers
            .into_iter()
            .map(|optimizer| Slot { z: Vec::new(), cache: Cache::shared(), optimizer })
            .collect();
    }
}
