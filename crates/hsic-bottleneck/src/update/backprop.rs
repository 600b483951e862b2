//! Back-propagation, the rival: cross-entropy of the last block's outputs, gradients through all blocks.
//!
//! delta_L = dCE/da_L, delta_i = (W_{i+1}' delta_{i+1}) o f'(a_i), dW_i = delta_i h_{i-1}'. Activations of all blocks are
//! kept until the backward pass has used them.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use hsic::Scalar;
use serde::{Deserialize, Serialize};

use super::clock::{Clock, cleared};
use super::{ADAMW_RATES, Method, Outputs, StepReport, Update, UpdateRecord, adamw};
use crate::batch::Batch;
use crate::error::Error;
use crate::log::Work;
use crate::network::learner::RecordMismatch;
use crate::network::{Cache, Network};
use crate::objective::cross_entropy::cross_entropy;
use crate::objective::{Signal, norm};
use crate::optimizer::{Optimizer, OptimizerState};

/// The method `backprop`.
pub static METHOD: Method = Method {
    name: "backprop",
    summary: "back-propagation of the cross-entropy through all blocks (the rival)",
    reference: "Rumelhart, Hinton, Williams, Nature 323, 1986",
    cost: "the measure of the others: a forward and a backward pass; memory of all activations",
    source: include_str!("backprop.rs"),
    outputs: Outputs::Classes,
    local: false,
    parallel: false,
    rates: ADAMW_RATES,
    reads: &["recompute"],
    settle: |options, _| adamw(options, 1e-3),
    build: |settings| Ok(Box::new(Backprop::new(settings.optimizer))),
};

/// Which activations are kept for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Recompute {
    /// The inputs of every k-th block, k the root of the number of blocks.
    Auto,
    /// The inputs of every so-manieth block, >= 1.
    Every(usize),
}

impl fmt::Display for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Every(blocks) => write!(f, "{blocks}"),
        }
    }
}

impl From<Recompute> for String {
    fn from(recompute: Recompute) -> Self {
        recompute.to_string()
    }
}

impl FromStr for Recompute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let blocks = text.parse().ok().filter(|&blocks: &usize| blocks >= 1);
        blocks.map(Self::Every).ok_or_else(|| "expected auto or a whole number >= 1".to_owned())
    }
}

impl TryFrom<String> for Recompute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

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
            slot.cache.set_draw(batch.step);
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
        let optimizers = self.slots.iter().map(|slot| slot.optimizer.clone()).collect();
        UpdateRecord { optimizers, learners: Vec::new() }
    }

    fn load(&mut self, _network: &Network<T>, record: UpdateRecord<T>) -> Result<(), RecordMismatch> {
        self.slots = record
            .optimizers
            .into_iter()
            .map(|optimizer| Slot { z: Vec::new(), cache: Cache::shared(), optimizer })
            .collect();
        Ok(())
    }
}
