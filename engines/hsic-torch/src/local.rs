//! Local learning on a device: every unit by an objective of its own, no gradient from unit to unit. A unit is a block, or several
//! that learn together by the objective of the last of them, as in `hsic-learn`'s `engine::Local`.

use std::ops::Range;
use std::time::Instant;

use hsic_bottleneck::network::learner::{StateMismatch, restore_learners};
use hsic_bottleneck::network::{Feature, HeadStart, Learner as HostLearner};
use hsic_bottleneck::objective::classifier::start_classifiers;
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::span::Work;
use hsic_bottleneck::step_error::StepError;
use hsic_bottleneck::update::{UnitLength, UpdateOrder, UpdateState};
use tch::{Kind, Tensor};

use crate::block::{Block, Kept};
use crate::device::Device;
use crate::feature::Seen;
use crate::learner::Learner;
use crate::objective::{DeviceBatch, Objective, Signal, Site};
use crate::optimizer::{State, length, step};
use crate::step::{Clock, Measured, Method, Network, Relay, Staged, Step, states_of};

/// How units learn, whatever their objective.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learns {
    pub(crate) optimizer: Optimizer,
    pub(crate) order: UpdateOrder,
    pub(crate) unit: UnitLength,
    /// How linear classifiers beside blocks start, and the seed of what is drawn.
    pub(crate) heads: (HeadStart, u64),
}

/// Each unit by an objective of its own.
pub(crate) struct Local<O> {
    objective: O,
    learns: Learns,
    /// Of blocks.
    units: Vec<Range<usize>>,
    seen: Vec<Seen>,
    states: Vec<State>,
    learners: Vec<Vec<Learner>>,
}

/// A unit between its forward pass and its objective.
struct Passed {
    x: Tensor,
    kept: Vec<Kept>,
    z: Tensor,
}

/// What a step is made at.
#[derive(Clone, Copy)]
struct At {
    rate: f64,
    measured: bool,
    /// Whose random draws there are.
    step: u64,
    clock: Clock,
}

impl<O: Objective> Local<O> {
    /// Of a network, whose maps objectives see as `chosen`.
    ///
    /// # Errors
    /// What the rule trains beside a block, if it has no place on the device.
    pub(crate) fn new(objective: O, learns: Learns, network: &Network, chosen: Feature) -> Result<Self, String> {
        let feature = objective.feature(chosen);
        let seen = |block: &Block| Seen::of(feature, block.shape(), &network.device);
        let seen: Vec<Seen> = network.blocks.iter().map(seen).collect();
        let states = network.blocks.iter().map(|_| State::default()).collect();
        let units = learns.unit.units(seen.len());
        let mut local = Self { objective, learns, units, seen, states, learners: Vec::new() };
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

    /// What the rule trains beside the blocks, with fresh weights, as the CPU has it: beside the last of each unit.
    fn host_learners(&self) -> Vec<Vec<HostLearner<f32>>> {
        let last = self.seen.len() - 1;
        let (start, seed) = self.learns.heads;
        let of_block = |(index, seen): (usize, &Seen)| {
            let ends = self.units.iter().any(|unit| unit.end == index + 1);
            let learners = || self.objective.learners(index, index == last, seen.shape());
            let mut learners = if ends { learners() } else { Vec::new() };
            start_classifiers(start, (seed, index), &mut learners);
            learners
        };
        self.seen.iter().enumerate().map(of_block).collect()
    }

    /// The forward pass of a unit from `x`; running statistics move with it where it `absorbs`.
    fn forward(
        network: &mut Network,
        unit: Range<usize>,
        x: &Tensor,
        at: At,
        absorbs: bool,
        told: &mut Step,
    ) -> Passed {
        let mut passed = Passed { x: x.shallow_clone(), kept: Vec::with_capacity(unit.len()), z: x.shallow_clone() };
        for index in unit {
            let begin = Instant::now();
            let block = &mut network.blocks[index];
            let (z, kept) = block.forward(&passed.z, Some(at.step));
            if absorbs {
                block.absorb(&kept, None);
            }
            told.spans.push(at.clock.span(Work::Forward, index, begin));
            told.diverged.push(z.isfinite().all().logical_not());
            passed.kept.push(kept);
            passed.z = z;
        }
        passed
    }

    /// The objective at a unit's outputs, the gradient back to its first block, and the optimizer's step. Every block of it has the
    /// unit's value, with the norm of its own gradient.
    fn learn(
        &mut self,
        network: &mut Network,
        unit: Range<usize>,
        passed: &Passed,
        at: At,
        told: &mut Step,
    ) -> Result<(), StepError> {
        let Some(index) = unit.clone().next_back() else { return Ok(()) };
        let begin = Instant::now();
        let Self { objective, learns, seen, states, learners, .. } = self;
        let (optimizer, last) = (learns.optimizer, index + 1 == network.blocks.len());
        let (seen, learners, channels) = (&seen[index], &mut learners[index], network.blocks[index].shape().channels);
        let site = Site { last, feature: seen.shape(), channels, x: &passed.x };
        let Signal { dz, value, dead, lost } =
            objective.signal(&site, &seen.extract(&passed.z), learners, at.measured)?;
        let mut dz = seen.spread(&passed.z, dz);
        let mut gradients = Vec::with_capacity(unit.len());
        for (offset, (block, kept)) in network.blocks[unit.clone()].iter().zip(&passed.kept).enumerate().rev() {
            let (gradient, dx) = block.gradient(kept, dz.shallow_clone(), offset > 0);
            gradients.push((length(&gradient), gradient));
            dz = dx.unwrap_or(dz);
        }
        gradients.reverse();
        // A bound is one of the gradient of the whole unit.
        let whole = match &gradients[..] {
            [(length, _)] => length.shallow_clone(),
            several => {
                let squares: Vec<Tensor> = several.iter().map(|(length, _)| length.square()).collect();
                Tensor::stack(&squares, 0).sum(Kind::Double).sqrt()
            }
        };
        let blocks = network.blocks[unit.clone()].iter().zip(&mut states[unit.clone()]);
        for ((block, state), (gradient_norm, gradient)) in blocks.zip(gradients) {
            step(optimizer, at.rate, block.groups(), (&block.parameters, &gradient), &whole, state);
            if at.measured {
                let dead = dead.as_ref().map(Tensor::shallow_clone);
                told.measured.push(Measured { value: value.clone(), gradient_norm, dead });
            }
        }
        learners.iter_mut().for_each(|learner| learner.step(optimizer, at.rate));
        told.lost.extend(unit.clone().skip(1).map(|_| None));
        told.lost.push(lost);
        told.spans.push(at.clock.span(Work::Block, index, begin));
        Ok(())
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
        let at = At { rate, measured, step: batch.host.step, clock };
        let mut told = Step::default();
        self.objective.prepare(batch)?;
        told.spans.push(clock.span(Work::Operator, 0, clock.0));
        let mut x = batch.x.shallow_clone();
        let jacobi = self.learns.order == UpdateOrder::Jacobi;
        for unit in self.units.clone() {
            let passed = Self::forward(network, unit.clone(), &x, at, jacobi, &mut told);
            self.learn(network, unit.clone(), &passed, at, &mut told)?;
            x = if jacobi {
                passed.z
            } else {
                // Told of once.
                Self::forward(network, unit, &x, at, true, &mut Step::default()).z
            };
        }
        Ok(told)
    }

    fn staged(&mut self) -> Option<&mut dyn Staged> {
        let by_blocks = self.units.len() == self.seen.len() && self.learns.order == UpdateOrder::Jacobi;
        by_blocks.then_some(self as &mut dyn Staged)
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

impl<O: Objective> Staged for Local<O> {
    fn step_of(
        &mut self,
        network: &mut Network,
        batch: &DeviceBatch<'_>,
        (blocks, input): (Range<usize>, &Tensor),
        (rate, measured): (f64, bool),
        relay: &mut Relay<'_>,
    ) -> Result<Step, StepError> {
        let clock = Clock(Instant::now());
        let at = At { rate, measured, step: batch.host.step, clock };
        let mut told = Step::default();
        self.objective.prepare(batch)?;
        told.spans.push(clock.span(Work::Operator, 0, clock.0));
        // All blocks first, so that their outputs can travel on while they learn.
        let (mut z, mut passed) = (input.shallow_clone(), Vec::with_capacity(blocks.len()));
        for index in blocks.clone() {
            let block = Self::forward(network, index..index + 1, &z, at, true, &mut told);
            z = block.z.shallow_clone();
            passed.push(block);
        }
        let mut learned = None;
        let mut learn = || {
            learned.get_or_insert_with(|| {
                let mut each = blocks.clone().zip(&passed);
                each.try_for_each(|(index, passed)| self.learn(network, index..index + 1, passed, at, &mut told))
            });
        };
        let relayed = relay(&z, &mut learn);
        // What the relay did not let learn learns now: a step is whole or an error.
        learn();
        relayed.map_err(StepError::Own)?;
        learned.unwrap_or(Ok(()))?;
        Ok(told)
    }
}
