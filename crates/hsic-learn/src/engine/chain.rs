//! A chain of gradients through all blocks: forward, the loss at the top, and back, with less memory where blocks run again or
//! a batch is taken in slices.

mod slices;

use std::time::Instant;

use hsic::Scalar;
use hsic::sums::norm;
use hsic_data::batch::Batch;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Block, Cache, Network};
use hsic_nn::optimizer::{Optimizer, OptimizerState};

use self::slices::{Fate, add, slices};
use super::angle::Angle;
use super::clock::cleared;
use super::pass::Pass;
use super::top::Top;
use super::transport::{Feedback, Transport};
use crate::error::StepError;
use crate::objective::{Signal, margin};
use crate::options::Recompute;
use crate::span::Span;
use crate::span::Work;
use crate::update::{StepReport, Update, UpdateState};

/// What a block leaves for the backward pass.
struct Slot<T> {
    z: Vec<T>,
    cache: Cache<T>,
}

impl<T: Scalar> Default for Slot<T> {
    fn default() -> Self {
        Self { z: Vec::new(), cache: Cache::shared() }
    }
}

/// Trains the whole network by the gradient of one loss, or by what other weights make of it on its way back.
pub struct Backprop<T: Scalar = f32> {
    optimizer: Optimizer,
    /// Weight of a reconstruction from capsules, and the seed of its decoder.
    reconstruction: (f64, u64),
    /// The loss, once the network has been seen.
    top: Option<Top<T>>,
    recompute: Option<Recompute>,
    /// Slices of a batch whose gradients are added up, >= 1.
    accumulate: usize,
    slice: Batch<T>,
    /// What gradients go back through, if not the blocks' own weights.
    transport: Option<Transport<T>>,
    angle: Angle<T>,
    optimizers: Vec<OptimizerState<T>>,
    /// For the blocks of one segment; of all blocks, if nothing is computed again.
    pool: Vec<Slot<T>>,
    /// The input of each segment but the first.
    inputs: Vec<Vec<T>>,
    dz: Vec<T>,
    dx: Vec<T>,
    gradient: Vec<T>,
    /// Gradients of all blocks, where they are clipped by their common norm or added up over slices.
    held: Vec<Vec<T>>,
    report: StepReport,
}

impl<T: Scalar> Backprop<T> {
    /// With one optimizer a block; activations of all blocks are kept.
    #[must_use]
    pub fn new(optimizer: Optimizer) -> Self {
        Self {
            optimizer,
            reconstruction: (margin::WEIGHT, 0),
            top: None,
            recompute: None,
            accumulate: 1,
            slice: Batch::default(),
            transport: None,
            angle: Angle::new(0),
            optimizers: Vec::new(),
            pool: Vec::new(),
            inputs: Vec::new(),
            dz: Vec::new(),
            dx: Vec::new(),
            gradient: Vec::new(),
            held: Vec::new(),
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

    /// Comes to the same weights in less memory: see [`Recompute`].
    #[must_use]
    pub fn recomputing(mut self, recompute: impl Into<Option<Recompute>>) -> Self {
        self.recompute = recompute.into();
        self
    }

    /// Cuts each batch into so many slices (one at least, and none with a single row) and adds their gradients up before the
    /// one step: the same step in the memory of a slice, but for rounding and where something is drawn or formed slice by slice, as
    /// dropout and the statistics of batch norm are.
    #[must_use]
    pub fn accumulating(mut self, slices: usize) -> Self {
        self.accumulate = slices.max(1);
        self
    }

    /// Gradients go back through other weights, drawn from `seed` where they are random; no longer back-propagation. Errors
    /// call it `method`.
    #[must_use]
    pub fn with_feedback(self, method: &'static str, feedback: Feedback, seed: u64) -> Self {
        self.through_transport(Transport::new(method, feedback, seed))
    }

    pub(crate) fn through_transport(mut self, transport: Transport<T>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Compares the gradients with back-propagation's every so many steps; never if that is 0.
    #[must_use]
    pub fn with_angle(mut self, every: u64) -> Self {
        self.angle = Angle::new(every);
        self
    }
}

/// Consecutive blocks that are kept together, and when what is done.
#[derive(Clone, Copy)]
struct Segment {
    /// Index of the first block.
    first: usize,
    /// Whether running statistics take the batch in: not when a block runs again.
    absorbs: bool,
    pass: Pass,
}

impl Segment {
    /// The training pass of block `offset` of the segment.
    fn forward<T: Scalar>(
        self,
        offset: usize,
        block: &mut dyn Block<T>,
        x: &[T],
        z: &mut Vec<T>,
        cache: &mut Cache<T>,
        spans: &mut Vec<Span>,
    ) -> Result<(), StepError> {
        let (index, z) = (self.first + offset, self.pass.room(block, z));
        spans.push(match self.absorbs {
            true => self.pass.train(index, block, x, z, cache)?,
            false => self.pass.forward(index, block, x, z, cache),
        });
        Ok(())
    }

    /// Runs the blocks, each in a slot of its own.
    fn keep<T: Scalar>(
        self,
        blocks: &mut [Box<dyn Block<T>>],
        x: &[T],
        pool: &mut [Slot<T>],
        spans: &mut Vec<Span>,
    ) -> Result<(), StepError> {
        let mut x = x;
        for (offset, (block, Slot { z, cache })) in blocks.iter_mut().zip(pool).enumerate() {
            self.forward(offset, &mut **block, x, z, cache, spans)?;
            x = z;
        }
        Ok(())
    }

    /// Runs the blocks for the last one's output alone, in the cache and the activations of the first two slots.
    fn pass<T: Scalar>(
        self,
        blocks: &mut [Box<dyn Block<T>>],
        x: &[T],
        pool: &mut [Slot<T>],
        output: &mut Vec<T>,
        spans: &mut Vec<Span>,
    ) -> Result<(), StepError> {
        let [Slot { z, cache }, rest @ ..] = pool else { return Ok(()) };
        // A segment of one block needs no place in between.
        let mut none = Vec::new();
        let (mut from, mut to) = (z, rest.first_mut().map_or(&mut none, |slot| &mut slot.z));
        let last = blocks.len() - 1;
        for (offset, block) in blocks.iter_mut().enumerate() {
            let x = if offset == 0 { x } else { &from[..] };
            let z = if offset == last { &mut *output } else { &mut *to };
            self.forward(offset, &mut **block, x, z, cache, spans)?;
            std::mem::swap(&mut from, &mut to);
        }
        Ok(())
    }
}

impl<T: Scalar> Backprop<T> {
    /// Forward through all blocks, and back: the gradient of every block's parameters, which meets its `fate`.
    fn pass(
        &mut self,
        blocks: &mut [Box<dyn Block<T>>],
        batch: &Batch<T>,
        pass: Pass,
        fate: Fate,
    ) -> Result<(), StepError> {
        let Pass { m, clock, .. } = pass;
        let Some(top) = &mut self.top else { return Ok(()) };
        let length = self.recompute.map_or(blocks.len(), |recompute| recompute.segment(blocks.len()));
        let last = (blocks.len() - 1) / length;
        self.optimizers.resize_with(blocks.len(), OptimizerState::default);
        self.pool.resize_with(length, Slot::default);
        self.inputs.resize_with(last, Vec::new);
        if !matches!(fate, Fate::Applied(_)) {
            self.held.resize_with(blocks.len(), Vec::new);
        }
        let spans = &mut self.report.spans;
        let whole = Segment { first: 0, absorbs: true, pass };
        for (index, blocks) in blocks.chunks_mut(length).enumerate() {
            let segment = Segment { first: index * length, ..whole };
            let (before, after) = self.inputs.split_at_mut(index);
            let x = before.last().map_or(&batch.x, |x| x);
            match after.first_mut() {
                Some(output) => segment.pass(blocks, x, &mut self.pool, output, spans)?,
                None => segment.keep(blocks, x, &mut self.pool, spans)?,
            }
        }
        let mut signal = Signal::default();
        for (index, blocks) in blocks.chunks_mut(length).enumerate().rev() {
            let segment = Segment { first: index * length, absorbs: false, ..whole };
            let input = index.checked_sub(1).map_or(&batch.x, |before| &self.inputs[before]);
            if index == last {
                let begin = Instant::now();
                let outputs = &self.pool[blocks.len() - 1].z;
                self.dz.resize(outputs.len(), T::ZERO);
                let offset = blocks.len() - 1;
                signal = top.evaluate(batch, (segment.first + offset, &*blocks[offset]), outputs, &mut self.dz)?;
                fate.weigh(&mut signal, &mut self.dz);
                if let Fate::Applied(rate) | Fate::Clipped(rate) = fate {
                    top.step(self.optimizer, rate);
                }
                spans.push(clock.span(Work::Operator, 0, begin));
            } else {
                segment.keep(blocks, input, &mut self.pool, spans)?;
            }
            for (offset, block) in blocks.iter_mut().enumerate().rev() {
                let (begin, index) = (Instant::now(), segment.first + offset);
                let (before, rest) = self.pool.split_at_mut(offset);
                let Slot { z, cache } = &mut rest[0];
                let x = before.last().map_or(input, |slot| &slot.z);
                self.gradient.resize(block.parameters().len(), T::ZERO);
                let dx = (index > 0).then(|| {
                    self.dx.resize(x.len(), T::ZERO);
                    &mut self.dx[..]
                });
                let (dz, gradient) = (&mut self.dz[..], &mut self.gradient[..]);
                match self.transport.as_mut().filter(|_| index > 0) {
                    Some(transport) => {
                        transport.through(index, &mut **block, |block| block.gradient(m, x, z, dz, cache, gradient, dx))
                    }
                    None => block.gradient(m, x, z, dz, cache, gradient, dx),
                }
                let mut signal = signal;
                if self.angle.is_asked() {
                    signal.terms = [self.angle.term(index, &self.gradient), ("", 0.0)];
                }
                match fate {
                    Fate::Applied(rate) => {
                        signal.gradient_norm = norm(&self.gradient);
                        let (groups, state) = (block.groups(), &mut self.optimizers[index]);
                        self.optimizer.step(rate, groups, (block.parameters_mut(), &self.gradient), state);
                    }
                    Fate::Clipped(_) | Fate::Added { first: true, .. } => {
                        signal.gradient_norm = norm(&self.gradient);
                        std::mem::swap(&mut self.held[index], &mut self.gradient);
                    }
                    Fate::Added { first: false, .. } => {
                        signal.loss += self.report.signals[index].loss;
                        add(&mut self.held[index], &self.gradient);
                    }
                }
                self.report.signals[index] = signal;
                std::mem::swap(&mut self.dz, &mut self.dx);
                spans.push(clock.span(Work::Block, index, begin));
            }
        }
        Ok(())
    }
}

impl<T: Scalar> Update<T> for Backprop<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        if let Some(transport) = &mut self.transport {
            transport.meet(network)?;
        }
        StepError::check_scores(network.blocks(), batch.classes)?;
        self.angle.measure(network, batch, pass);
        let top = self.top.get_or_insert_with(|| Top::of(network, self.reconstruction));
        let slices = slices(self.accumulate, pass.m);
        if slices > 1 && top.learns() {
            let (found, expected) = ("a decoder beside the network".to_owned(), "none (reconstruction-weight = 0)");
            return Err(StepError::Method { method: "accumulate", found, expected });
        }
        let blocks = network.blocks_mut();
        self.report.signals.resize(blocks.len(), Signal::default());
        cleared(&mut self.report.spans, blocks.len());
        let clips = self.optimizer.bound.is_some();
        if slices == 1 {
            let fate = if clips { Fate::Clipped(learning_rate) } else { Fate::Applied(learning_rate) };
            self.pass(blocks, batch, pass, fate)?;
        } else {
            let mut slice = std::mem::take(&mut self.slice);
            for index in 0..slices {
                let rows = pass.m * index / slices..pass.m * (index + 1) / slices;
                slice.take(batch, rows.clone());
                // No two slices draw the same.
                let step = batch.step * self.accumulate as u64 + index as u64;
                let pass = Pass { m: rows.len(), step, ..pass };
                let share = rows.len() as f64 / batch.rows() as f64;
                self.pass(blocks, &slice, pass, Fate::Added { share, first: index == 0 })?;
            }
            self.slice = slice;
            for (signal, gradient) in self.report.signals.iter_mut().zip(&self.held) {
                signal.gradient_norm = norm(gradient);
            }
        }
        if clips || slices > 1 {
            let length = self.report.signals.iter().map(|signal| signal.gradient_norm.powi(2)).sum::<f64>().sqrt();
            for ((block, gradient), state) in blocks.iter_mut().zip(&self.held).zip(&mut self.optimizers) {
                let (groups, numbers) = (block.groups(), (block.parameters_mut(), &gradient[..]));
                self.optimizer.step_of(length, learning_rate, groups, numbers, state);
            }
        }
        Ok(&self.report)
    }

    fn learns_values(&self) -> bool {
        self.transport.is_none()
    }

    fn products(&self, network: &Network<T>, rows: &[usize]) -> Option<u64> {
        let blocks = network.blocks();
        let length = self.recompute.map_or(blocks.len(), |recompute| recompute.segment(blocks.len()));
        let again = (blocks.len() - 1) / length * length;
        let mut each = 0;
        for (index, block) in blocks.iter().enumerate() {
            let products = block.products()?;
            each += if index < again { 2 * products.forward } else { products.forward };
            each += if index > 0 { 2 * products.learned } else { products.learned };
        }
        // The comparison with back-propagation's gradient is another training's work.
        (!self.angle.is_asked()).then(|| each * rows.iter().sum::<usize>() as u64)
    }

    fn state(&self) -> UpdateState<T> {
        let learners = self.top.as_ref().map_or_else(Vec::new, |top| top.state(self.optimizers.len()));
        UpdateState { optimizers: self.optimizers.clone(), learners, average: Vec::new() }
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        let top = self.top.insert(Top::of(network, self.reconstruction));
        top.restore(network.blocks().len(), record.learners)?;
        self.optimizers = record.optimizers;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;
    use hsic_data::dataset::Shape;
    use hsic_nn::network::models::with_classifier;
    use hsic_nn::network::parse_widths;
    use hsic_nn::network::{Entrance, NETWORKS, NetworkSettings, Norm};

    use super::*;

    pub(super) const SHAPE: Shape = Shape { channels: 1, height: 8, width: 8 };
    pub(super) const SGD: Optimizer = Optimizer::momentum(0.9).decayed(1e-4);

    pub(super) fn network(name: &str, widths: &str, norm: Norm, dropout: f64) -> Network {
        let kind = NETWORKS.iter().find(|kind| kind.name == name).unwrap();
        let settings = NetworkSettings { widths: parse_widths(widths), outputs: None, classes: 4, side: 8 };
        let blocks = with_classifier((kind.blocks)(&settings), 4);
        let network = Network::build(SHAPE, &blocks, kind.activation, norm, 1).unwrap();
        network.with_entrances(Entrance { dropout, ..Entrance::default() }, 1)
    }

    pub(super) fn batch(step: u64) -> Batch {
        let mut stream = Stream::new(5, "batch", step);
        let m = if step == 2 { 11 } else { 24 };
        let labels: Vec<usize> = (0..m).map(|_| stream.below(4) as usize).collect();
        let x = (0..m * SHAPE.columns()).map(|_| stream.normal() as f32).collect();
        Batch { x, columns: SHAPE.columns(), labels, classes: 4, values: Vec::new(), smoothing: 0.0, step }
    }

    #[test]
    fn what_is_computed_again_gives_the_same_bits() {
        let rules = (1..5).chain([100]).map(Recompute::Every).chain([Recompute::Auto]);
        for (name, widths) in [("mlp", "16x5"), ("residual-mlp", "12x4"), ("vgg", "4p,6p,8")] {
            for norm in [Norm::Batch, Norm::BatchAffine] {
                for dropout in [0.0, 0.3] {
                    let trained = |mut update: Backprop| {
                        let mut network = network(name, widths, norm, dropout);
                        let report = |step| update.step(&mut network, &batch(step), 0.05).unwrap().signals.clone();
                        let signals: Vec<_> = (0..4).map(report).collect();
                        (network.tensors(), signals, update.state())
                    };
                    let plain = trained(Backprop::new(SGD));
                    for rule in rules.clone() {
                        let found = trained(Backprop::new(SGD).recomputing(rule));
                        assert!(found == plain, "{name} {norm:?} dropout {dropout} recompute {rule}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_block_runs_twice_but_those_of_the_last_segment() {
        let mut network = network("mlp", "16x6", Norm::Batch, 0.0);
        let mut update = Backprop::new(SGD).recomputing(Recompute::Every(3));
        let spans = &update.step(&mut network, &batch(0), 0.05).unwrap().spans;
        let forward = spans.iter().filter(|span| span.work == Work::Forward);
        let found: Vec<usize> = forward.map(|span| span.block).collect();
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 0, 1, 2]);
        assert_eq!((update.pool.len(), update.inputs.len()), (3, 2));
    }

    #[test]
    fn segments_are_no_longer_than_the_network_and_about_its_root_by_themselves() {
        let auto: Vec<usize> = [1, 2, 4, 5, 16, 64, 100, 257].map(|n| Recompute::Auto.segment(n)).to_vec();
        assert_eq!(auto, [1, 1, 2, 3, 4, 8, 10, 17]);
        assert_eq!(Recompute::Every(9).segment(4), 4);
    }
}
