//! Steps on a device: local rules, back-propagation, and a network of which the output block alone learns.
//!
//! A step tells the device what to do and waits for nothing. What it says of itself stays there until it is read
//! ([`Step::told`]).

use std::time::Instant;

use hsic_bottleneck::network::learner::{StateMismatch, restore_learners};
use hsic_bottleneck::network::{Feature, Learner as HostLearner};
use hsic_bottleneck::optimizer::{Optimizer, OptimizerState};
use hsic_bottleneck::span::{Span, Work};
use hsic_bottleneck::step_error::StepError;
use hsic_bottleneck::update::{UpdateOrder, UpdateState};
use tch::{Kind, Tensor};

use crate::block::{Block, Kept};
use crate::cross_entropy::{Told, told_signal};
use crate::device::Device;
use crate::feature::Seen;
use crate::learner::Learner;
use crate::objective::{DeviceBatch, Objective, Signal, Site, Value};
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

/// Measures when what is asked of a device.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn span(self, work: Work, block: usize, begin: Instant) -> Span {
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

/// Each block by an objective of its own.
pub(crate) struct Local<O> {
    objective: O,
    optimizer: Optimizer,
    order: UpdateOrder,
    seen: Vec<Seen>,
    states: Vec<State>,
    learners: Vec<Vec<Learner>>,
}

impl<O: Objective> Local<O> {
    /// Of a network, whose maps objectives see as `chosen`.
    ///
    /// # Errors
    /// What the rule trains beside a block, if it has no place on the device.
    pub(crate) fn new(
        objective: O,
        (optimizer, order): (Optimizer, UpdateOrder),
        network: &Network,
        chosen: Feature,
    ) -> Result<Self, String> {
        let feature = objective.feature(chosen);
        let seen = |block: &Block| Seen::of(feature, block.shape(), &network.device);
        let seen = network.blocks.iter().map(seen).collect();
        let states = network.blocks.iter().map(|_| State::default()).collect();
        let mut local = Self { objective, optimizer, order, seen, states, learners: Vec::new() };
        for (index, hosts) in local.host_learners().iter().enumerate() {
            let from = local.seen[index].shape();
            let own = |(place, host): (usize, &HostLearner<f32>)| {
                Learner::of(host, from, local.objective.is_unbiased(place), &network.device)
            };
            let learners = hosts.iter().enumerate().map(own).collect::<Result<_, _>>()?;
            local.learners.push(learners);
        }
        Ok(local)
    }

    /// What the rule trains beside the blocks, with fresh weights, as the CPU has it.
    fn host_learners(&self) -> Vec<Vec<HostLearner<f32>>> {
        let last = self.seen.len() - 1;
        let of_block = |(index, seen): (usize, &Seen)| self.objective.learners(index, index == last, seen.shape());
        self.seen.iter().enumerate().map(of_block).collect()
    }
}

impl<O: Objective> Method for Local<O> {
    fn step(
        &mut self,
        network: &mut Network,
        batch: &DeviceBatch<'_>,
        rate: f64,
        measured: bool,
    ) -> Result<Step, StepError> {
        let clock = Clock(Instant::now());
        let mut told = Step::default();
        self.objective.prepare(batch)?;
        told.spans.push(clock.span(Work::Operator, 0, clock.0));
        let mut x = batch.x.shallow_clone();
        let (last, draws) = (network.blocks.len() - 1, Some(batch.host.step));
        for (index, block) in network.blocks.iter_mut().enumerate() {
            let begin = Instant::now();
            let (z, kept) = block.forward(&x, draws);
            if self.order == UpdateOrder::Jacobi {
                block.absorb(&kept, None);
            }
            told.spans.push(clock.span(Work::Forward, index, begin));
            told.diverged.push(z.isfinite().all().logical_not());
            let begin = Instant::now();
            let (seen, learners) = (&self.seen[index], &mut self.learners[index]);
            let site = Site { last: index == last, feature: seen.shape(), channels: block.shape().channels, x: &x };
            let Signal { dz, value, dead, lost } =
                self.objective.signal(&site, &seen.extract(&z), learners, measured)?;
            let (gradient, _) = block.gradient(&kept, seen.spread(&z, dz), false);
            let norm = length(&gradient);
            step(self.optimizer, rate, (&mut block.parameters, &gradient), &norm, &mut self.states[index]);
            learners.iter_mut().for_each(|learner| learner.step(self.optimizer, rate));
            told.lost.push(lost);
            if measured {
                told.measured.push(Measured { value, gradient_norm: norm, dead });
            }
            x = if self.order == UpdateOrder::GaussSeidel {
                let (z, kept) = block.forward(&x, draws);
                block.absorb(&kept, None);
                z
            } else {
                z
            };
            told.spans.push(clock.span(Work::Block, index, begin));
        }
        Ok(told)
    }

    fn state(&self, device: &Device) -> UpdateState {
        let of_block = |learners: &Vec<Learner>| learners.iter().map(|learner| learner.record(device)).collect();
        UpdateState {
            optimizers: self.states.iter().map(|state| state.record(device)).collect(),
            learners: self.learners.iter().map(of_block).collect(),
            ..UpdateState::default()
        }
    }

    fn restore(&mut self, network: &Network, record: UpdateState) -> Result<(), StateMismatch> {
        let mut hosts = self.host_learners();
        restore_learners(hosts.iter_mut(), record.learners)?;
        for (learner, host) in self.learners.iter_mut().flatten().zip(hosts.iter().flatten()) {
            learner.load(host, &network.device);
        }
        self.states = states_of(&record.optimizers, &network.device);
        Ok(())
    }

    fn learns_values(&self) -> bool {
        self.objective.learns_values()
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
            let parameters = &mut network.blocks[index].parameters;
            step(self.optimizer, rate, (parameters, &gradient), &whole, &mut self.states[index]);
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
fn states_of(records: &[OptimizerState<f32>], device: &Device) -> Vec<State> {
    records.iter().map(|record| State::of(record, device)).collect()
}
