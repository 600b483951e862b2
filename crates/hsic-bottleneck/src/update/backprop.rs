//! Back-propagation, the rival: cross-entropy of the last block's outputs, gradients through all blocks.
//!
//! delta_L = dCE/da_L, delta_i = (W_{i+1}' delta_{i+1}) o f'(a_i), dW_i = delta_i h_{i-1}'. Activations of all blocks are
//! kept until the backward pass has used them.
//!
//! A network that ends in a capsule for each class (model = capsnet) is trained by the margins of their lengths and by
//! how well a decoder draws the input from the class's own capsule:
//! L = sum_k T_k max(0, 0.9 - |v_k|)^2 + 0.5 (1 - T_k) max(0, |v_k| - 0.1)^2 + w |x - decoder(v)|^2 (Sabour, Frosst,
//! Hinton 2017), w = 0.0005 (reconstruction-weight; 0: no decoder).

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use hsic::Scalar;
use serde::{Deserialize, Serialize};

use super::clock::{Clock, cleared};
use super::top::Top;
use super::{ADAMW_RATES, Method, Outputs, StepReport, Update, UpdateRecord, adamw};
use crate::batch::Batch;
use crate::error::Error;
use crate::log::Work;
use crate::network::learner::RecordMismatch;
use crate::network::{Cache, Network};
use crate::objective::{Signal, margin, norm};
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
    reads: &["recompute", "reconstruction_weight"],
    settle: |options, faults| {
        adamw(options, 1e-3);
        margin::settle(options, faults);
    },
    build: |settings| {
        let weight = settings.rule.reconstruction_weight.unwrap_or(margin::WEIGHT);
        Ok(Box::new(Backprop::new(settings.optimizer).with_reconstruction(weight, settings.seed)))
    },
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
    /// Weight of a reconstruction from capsules, and the seed of its decoder.
    reconstruction: (f64, u64),
    /// The loss, once the network has been seen.
    top: Option<Top<T>>,
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
            reconstruction: (margin::WEIGHT, 0),
            top: None,
            slots: Vec::new(),
            dz: Vec::new(),
            dx: Vec::new(),
            gradient: Vec::new(),
            report: StepReport::default(),
        }
    }

    /// With this weight of the reconstruction where a network ends in capsules (0 for none), by a decoder whose first
    /// weights follow from the seed.
    #[must_use]
    pub fn with_reconstruction(mut self, weight: f64, seed: u64) -> Self {
        self.reconstruction = (weight, seed);
        self
    }
}

impl<T: Scalar> Update<T> for Backprop<T> {
    fn step(&mut self, network: &mut Network<T>, batch: &Batch<T>, learning_rate: f64) -> Result<&StepReport, Error> {
        let clock = Clock::start();
        let m = batch.rows();
        let top = self.top.get_or_insert_with(|| Top::of(network, self.reconstruction));
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
        let begin = Instant::now();
        self.dz.resize(x.len(), T::ZERO);
        let signal = top.evaluate(batch, (last, &*blocks[last]), x, &mut self.dz)?;
        top.step(self.optimizer, learning_rate);
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
            self.report.signals[index] = Signal { gradient_norm: norm(&self.gradient), ..signal };
            self.optimizer.step(learning_rate, block.parameters_mut(), &self.gradient, optimizer);
            std::mem::swap(&mut self.dz, &mut self.dx);
            self.report.spans.push(clock.span(Work::Block, index, begin));
        }
        Ok(&self.report)
    }

    fn record(&self) -> UpdateRecord<T> {
        let optimizers = self.slots.iter().map(|slot| slot.optimizer.clone()).collect();
        let learners = self.top.as_ref().map_or_else(Vec::new, |top| top.record(self.slots.len()));
        UpdateRecord { optimizers, learners }
    }

    fn load(&mut self, network: &Network<T>, record: UpdateRecord<T>) -> Result<(), RecordMismatch> {
        let top = self.top.insert(Top::of(network, self.reconstruction));
        top.load(network.blocks().len(), record.learners)?;
        self.slots = record
            .optimizers
            .into_iter()
            .map(|optimizer| Slot { z: Vec::new(), cache: Cache::shared(), optimizer })
            .collect();
        Ok(())
    }
}
