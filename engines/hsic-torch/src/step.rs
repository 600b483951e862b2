//! Steps on a device: what one is, back-propagation, and a network of which the output block alone learns.
//!
//! A step tells the device what to do and waits for nothing. What it says of itself stays there until it is read
//! ([`Step::told`]).

use std::ops::Range;
use std::time::Instant;

use hsic_bottleneck::network::learner::StateMismatch;
use hsic_bottleneck::optimizer::{Optimizer, OptimizerState};
use hsic_bottleneck::span::{Span, Work};
use hsic_bottleneck::step_error::{BoxError, StepError};
use hsic_bottleneck::update::UpdateState;
use tch::{Kind, Tensor};

use crate::block::{Block, Kept};
use crate::cross_entropy::{Told, told_signal};
use crate::device::Device;
use crate::objective::{DeviceBatch, Signal, Value};
use crate::optimizer::{State, length, step};

/// What a step says of itself, on the device.
#[derive(Default)]
pub(crate) struct Step {
    /// A flag a block: outputs are not finite.
    pub(crate) diverged: Vec<Tensor>,
    /// A flag a block, if its objective has one: single precision was not enough.
    pub(crate) lost: Vec<Option<Tensor>>,
    /// Of a step that is measured, by block.
    pub(crate) measured: Vec<Measured>,
    /// When what was asked for.
    pub(crate) spans: Vec<Span>,
}

/// What is measured of a block.
pub(crate) struct Measured {
    pub(crate) value: Option<Value>,
    pub(crate) gradient_norm: Tensor,
    pub(crate) dead: Option<Tensor>,
}

/// A network on the device.
pub(crate) struct Network {
    pub(crate) blocks: Vec<Block>,
    pub(crate) device: Device,
}

/// How a network is trained by one batch.
pub(crate) trait Method: Send {
    /// Told before the first step (or the next, after a state was restored) how many steps training takes in all.
    fn plan(&mut self, _steps: u64) {}

    /// One step at a learning rate.
    ///
    /// # Errors
    /// What is wrong with the batch.
    fn step(
        &mut self,
        network: &mut Network,
        batch: &DeviceBatch<'_>,
        rate: f64,
        measured: bool,
    ) -> Result<Step, StepError>;

    /// This method as one that trains some blocks of a network alone; `None` where a block needs more than its input and the batch.
    fn staged(&mut self) -> Option<&mut dyn Staged> {
        None
    }

    /// What a checkpoint has of it.
    fn state(&self, device: &Device) -> UpdateState;

    /// Goes on from a record of training this network.
    ///
    /// # Errors
    /// `StateMismatch` if the record is that of another network or method.
    fn restore(&mut self, network: &Network, record: UpdateState) -> Result<(), StateMismatch>;

    /// Whether it learns values too.
    fn learns_values(&self) -> bool {
        true
    }
}

/// Takes the outputs of the last of some blocks and must call its second argument, in which these blocks learn.
pub(crate) type Relay<'r> = dyn FnMut(&Tensor, &mut dyn FnMut()) -> Result<(), BoxError> + 'r;

/// A method that can train some of a network's blocks alone.
pub(crate) trait Staged {
    /// One step of the blocks of a range at the input of the first of them. What is said of blocks is said of these alone.
    ///
    /// # Errors
    /// What is wrong with the batch; what `relay` says.
    fn step_of(
        &mut self,
        network: &mut Network,
        batch: &DeviceBatch<'_>,
        part: (Range<usize>, &Tensor),
        rate: (f64, bool),
        relay: &mut Relay<'_>,
    ) -> Result<Step, StepError>;
}

/// Measures when what is asked of a device.
#[derive(Clone, Copy)]
pub(crate) struct Clock(pub(crate) Instant);

impl Clock {
    pub(crate) fn span(self, work: Work, block: usize, begin: Instant) -> Span {
        let milliseconds = |instant: Instant| instant.duration_since(self.0).as_secs_f64() * 1e3;
        Span {
            work,
            block,
            thread: 0,
            begin_milliseconds: milliseconds(begin),
            end_milliseconds: milliseconds(Instant::now()),
        }
    }
}

/// One loss at the outputs: its gradient through all blocks, or to the output block alone.
pub(crate) struct ByOutputs {
    optimizer: Optimizer,
    /// Whether blocks before the last stay as they are.
    frozen: bool,
    states: Vec<State>,
}

impl ByOutputs {
    /// Of a network of so many blocks.
    pub(crate) fn new(optimizer: Optimizer, frozen: bool, blocks: usize) -> Self {
        Self { optimizer, frozen, states: (0..blocks).map(|_| State::default()).collect() }
    }
}

impl Method for ByOutputs {
    fn step(
        &mut self,
        network: &mut Network,
        batch: &DeviceBatch<'_>,
        rate: f64,
        measured: bool,
    ) -> Result<Step, StepError> {
        let clock = Clock(Instant::now());
        let mut told = Step::default();
        let mut x = batch.x.shallow_clone();
        let (last, draws) = (network.blocks.len() - 1, Some(batch.host.step));
        let mut kept: Vec<Option<Kept>> = Vec::new();
        for (index, block) in network.blocks.iter_mut().enumerate() {
            let begin = Instant::now();
            let (z, own) = block.forward(&x, draws);
            block.absorb(&own, None);
            told.diverged.push(z.isfinite().all().logical_not());
            told.spans.push(clock.span(Work::Forward, index, begin));
            kept.push((!self.frozen || index == last).then_some(own));
            x = z;
        }
        let begin = Instant::now();
        let Signal { dz, value, .. } = told_signal(&Told::of(batch), &x, measured);
        told.spans.push(clock.span(Work::Operator, 0, begin));
        let mut gradients = Vec::new();
        let mut d = Some(dz);
        for (index, (block, kept)) in network.blocks.iter().zip(&kept).enumerate().rev() {
            let begin = Instant::now();
            let (Some(kept), Some(dz)) = (kept, d.take()) else { continue };
            let (gradient, dx) = block.gradient(kept, dz, index > 0 && !self.frozen);
            gradients.push((index, length(&gradient), gradient));
            d = dx;
            told.spans.push(clock.span(Work::Block, index, begin));
        }
        // A bound is one of the gradient of all blocks.
        let squares: Vec<Tensor> = gradients.iter().map(|(_, length, _)| length.square()).collect();
        let whole = Tensor::stack(&squares, 0).sum(Kind::Double).sqrt();
        let mut norms: Vec<Tensor> = network.blocks.iter().map(|_| whole.zeros_like()).collect();
        for (index, length, gradient) in gradients {
            let block = &network.blocks[index];
            step(self.optimizer, rate, block.groups(), (&block.parameters, &gradient), &whole, &mut self.states[index]);
            norms[index] = length;
        }
        told.lost.resize_with(network.blocks.len(), || None);
        if let Some(Value { loss, .. }) = value {
            let of_block = |gradient_norm| Measured {
                value: Some(Value { loss: loss.shallow_clone(), terms: [("", None), ("", None)] }),
                gradient_norm,
                dead: None,
            };
            told.measured = norms.into_iter().map(of_block).collect();
        }
        Ok(told)
    }

    fn state(&self, device: &Device) -> UpdateState {
        UpdateState {
            optimizers: self.states.iter().map(|state| state.record(device)).collect(),
            ..UpdateState::default()
        }
    }

    fn restore(&mut self, network: &Network, record: UpdateState) -> Result<(), StateMismatch> {
        for (block, own) in record.learners.iter().enumerate() {
            if let Some(own) = own.first() {
                let found = own.parameters.len();
                return Err(StateMismatch { what: "the list of learners", block, found, expected: 0 });
            }
        }
        self.states = states_of(&record.optimizers, &network.device);
        Ok(())
    }
}

/// Records of optimizers on the device, by block.
pub(crate) fn states_of(records: &[OptimizerState<f32>], device: &Device) -> Vec<State> {
    records.iter().map(|record| State::of(record, device)).collect()
}
