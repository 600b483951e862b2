//! A unit's part of a step: blocks that learn together, by the objective of the last of them.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_nn::network::{Block, Cache, Feature, Learner};
use hsic_nn::optimizer::{Optimizer, OptimizerState};

use crate::engine::pass::Pass;
use crate::error::StepError;
use crate::objective::{Objective, Pace, Signal, Site};
use crate::span::Span;

/// Memory of one thread.
pub(super) struct Scratch<T, S> {
    pub(super) objective: S,
    feature: Vec<T>,
    pub(super) d_feature: Vec<T>,
    dz: Vec<T>,
    dx: Vec<T>,
    pub(super) gradient: Vec<T>,
}

impl<T, S: Default> Default for Scratch<T, S> {
    fn default() -> Self {
        Self {
            objective: S::default(),
            feature: Vec::new(),
            d_feature: Vec::new(),
            dz: Vec::new(),
            dx: Vec::new(),
            gradient: Vec::new(),
        }
    }
}

/// What a block's training remembers from step to step.
pub(super) struct Own<T: Scalar> {
    pub(super) optimizer: OptimizerState<T>,
    pub(super) learners: Vec<Learner<T>>,
}

/// Consecutive blocks and what belongs to each of them, lent for a step.
pub(super) struct Lent<'a, T: Scalar> {
    pub(super) blocks: &'a mut [Box<dyn Block<T>>],
    /// Their outputs, in memory that may be larger.
    pub(super) outputs: &'a mut [Vec<T>],
    pub(super) caches: &'a mut [Cache<T>],
    pub(super) owns: &'a mut [Own<T>],
    pub(super) signals: &'a mut [Signal],
}

impl<'a, T: Scalar> Lent<'a, T> {
    /// The same, lent on for a shorter time.
    pub(super) fn again(&mut self) -> Lent<'_, T> {
        let Self { blocks, outputs, caches, owns, signals } = self;
        Lent { blocks, outputs, caches, owns, signals }
    }

    /// The first `count` blocks, and those behind.
    pub(super) fn split_at(self, count: usize) -> (Self, Self) {
        let (blocks, later_blocks) = self.blocks.split_at_mut(count);
        let (outputs, later_outputs) = self.outputs.split_at_mut(count);
        let (caches, later_caches) = self.caches.split_at_mut(count);
        let (owns, later_owns) = self.owns.split_at_mut(count);
        let (signals, later_signals) = self.signals.split_at_mut(count);
        let later = Self {
            blocks: later_blocks,
            outputs: later_outputs,
            caches: later_caches,
            owns: later_owns,
            signals: later_signals,
        };
        (Self { blocks, outputs, caches, owns, signals }, later)
    }

    /// The forward pass of the blocks, which are a unit, from `x`, as its pace has it; `span` hears of each.
    pub(super) fn forward(&mut self, at: At, pass: Pass, x: &[T], absorbs: bool, mut span: impl FnMut(Span)) {
        for offset in 0..self.blocks.len() {
            let (index, block, cache) = (at.first + offset, &mut *self.blocks[offset], &mut self.caches[offset]);
            let (before, rest) = self.outputs.split_at_mut(offset);
            let x = before.last().map_or(x, |z| &z[..pass.m * block.inputs()]);
            let z = grown(&mut rest[0], pass.m * block.outputs());
            span(match at.pace {
                Pace::Done => pass.rest(index, block, x, z),
                Pace::Learns(_) if absorbs => pass.absorb(index, block, x, z, cache),
                _ => pass.forward(index, block, x, z, cache),
            });
        }
    }

    /// What is left of the step after the forward pass.
    pub(super) fn task(self, at: At, feature: Feature, m: usize, x: &'a [T]) -> (Task<'a, T>, &'a [T]) {
        let Self { blocks, outputs, caches, owns, signals } = self;
        let columns = blocks.last().map_or(0, |block| block.outputs());
        let outputs: &'a [Vec<T>] = outputs;
        let z = outputs.last().map_or(&[][..], |z| &z[..m * columns]);
        (Task { at, blocks, feature, m, x, outputs, caches, owns, signals }, z)
    }
}

/// Where a unit stands, and what it does in a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// Index of its first block.
    pub(super) first: usize,
    /// Whether no unit follows.
    pub(super) last: bool,
    pub(super) pace: Pace,
}

/// A unit between its forward pass and its signals.
pub(super) struct Task<'a, T: Scalar> {
    at: At,
    blocks: &'a mut [Box<dyn Block<T>>],
    feature: Feature,
    m: usize,
    x: &'a [T],
    outputs: &'a [Vec<T>],
    caches: &'a mut [Cache<T>],
    owns: &'a mut [Own<T>],
    signals: &'a mut [Signal],
}

impl<T: Scalar> Task<'_, T> {
    /// Index of the block whose objective it is, the unit's last.
    pub(super) fn block(&self) -> usize {
        self.at.first + self.blocks.len() - 1
    }

    /// The objective at the unit's outputs, the gradient back to its first block, and the optimizer's step. Every block of it has
    /// the unit's signal, with the norm of its own gradient.
    pub(super) fn run<O: Objective<T>>(
        self,
        objective: &O,
        shared: &O::Shared,
        optimizer: Optimizer,
        rate: f64,
        scratch: &mut Scratch<T, O::Scratch>,
    ) -> Result<(), StepError> {
        let index = self.block();
        let Self { at, blocks, feature, m, x, outputs, caches, owns, signals } = self;
        let (Some(end), Some(own)) = (blocks.last(), owns.last_mut()) else { return Ok(()) };
        let Scratch { objective: memory, feature: seen, d_feature, dz, dx, gradient } = scratch;
        let map = end.shape();
        // What block `offset` was given.
        let input = |offset: usize, columns: usize| match offset {
            0 => x,
            _ => &outputs[offset - 1][..m * columns],
        };
        let site = Site { block: index, last: at.last, shape: map, x: MatRef::from_row_major_slice(x, m, x.len() / m) };
        let learners = &mut own.learners;
        let mut evaluate = |z: &[T], dz: &mut [T]| {
            let columns = z.len() / m;
            let (z, dz) =
                (MatRef::from_row_major_slice(z, m, columns), MatMut::from_row_major_slice_mut(dz, m, columns));
            let signal = objective.signal(shared, site, z, dz, learners, memory);
            signal.map_err(|source| StepError::at_block(index, source))
        };
        let z = &outputs[blocks.len() - 1][..m * end.outputs()];
        let signal = if feature.is_whole(map) {
            evaluate(z, grown(dz, z.len()))?
        } else {
            let columns = m * feature.columns(map);
            let (seen, d_feature) = (grown(seen, columns), grown(d_feature, columns));
            feature.extract(map, z, seen);
            let signal = evaluate(seen, d_feature)?;
            feature.spread(map, z, seen, d_feature, grown(dz, z.len()));
            signal
        };
        signals.fill(signal);
        let Pace::Learns(pace) = at.pace else { return Ok(()) };
        let rate = rate * pace;
        let mut left = blocks.iter().map(|block| block.parameters().len()).sum();
        let gradient = grown(gradient, left);
        for (offset, (block, cache)) in blocks.iter().zip(caches).enumerate().rev() {
            let start = left - block.parameters().len();
            let (own, z) = (&mut gradient[start..left], &outputs[offset][..m * block.outputs()]);
            let dz_here = &mut dz[..m * block.outputs()];
            let dx_here = (offset > 0).then(|| grown(dx, m * block.inputs()));
            block.gradient(m, input(offset, block.inputs()), z, dz_here, cache, own, dx_here);
            signals[offset].gradient_norm = norm(own);
            if offset > 0 {
                std::mem::swap(dz, dx);
            }
            left = start;
        }
        let length = if optimizer.bound.is_some() { norm(gradient) } else { 0.0 };
        let mut start = 0;
        for (block, own) in blocks.iter_mut().zip(&mut *owns) {
            let (groups, parameters) = (block.groups(), block.parameters_mut());
            let gradient = &gradient[start..start + parameters.len()];
            start += parameters.len();
            optimizer.step_of(length, rate, groups, (parameters, gradient), &mut own.optimizer);
        }
        owns.iter_mut().flat_map(|own| &mut own.learners).for_each(|learner| learner.step(optimizer, rate));
        Ok(())
    }
}

/// What all units share of a batch.
pub(super) fn prepare<O: Objective<T>, T: Scalar>(
    objective: &O,
    batch: &Batch<T>,
    earlier: Option<O::Shared>,
    scratch: &mut Scratch<T, O::Scratch>,
) -> Result<O::Shared, StepError> {
    objective.prepare(batch, earlier, &mut scratch.objective).map_err(StepError::of_batch)
}
