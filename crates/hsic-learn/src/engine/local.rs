//! Local learning: every unit by its own objective, no gradient from unit to unit. A unit is a block, or several that learn
//! together, by the objective of the last of them ([`UnitLength`]).
//!
//! The parallel schedule keeps all threads busy without waiting for whole phases: one task forms what the batch's
//! blocks share while the forward pass runs; a unit's own task (objective, gradient, optimizer) starts as soon as
//! its activations and the shared part are there. A task is one unit's whole work; where a block spreads it over threads
//! (convolutions), it does so in fixed parts that are joined in order. So neither the number of threads nor their timing
//! can move a bit.

mod desk;
mod in_parts;
mod kept;
mod staged;
mod task;

use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use hsic::Scalar;
use hsic_data::batch::Batch;
use hsic_nn::network::learner::{StateMismatch, restore_learners};
use hsic_nn::network::{Cache, HeadStart, Network};
use hsic_nn::optimizer::{Optimizer, OptimizerState};

use self::desk::{DEPTH, Desk, Gate, Place};
use self::kept::{Answer, Outputs};
use self::task::{At, Lent, Own, Scratch, prepare};
use super::clock::{cleared, in_order};
use super::pass::Pass;
use super::pool::Pool;
use crate::error::StepError;
use crate::objective::classifier::start_classifiers;
use crate::objective::{ByRule, Objective, Pace, Rule, Signal};
use crate::span::Work;
use crate::update::{
    Schedule, Staged, StepInParts, StepReport, UnitLength, Update, UpdateOrder, UpdateState, restore_optimizers,
};

/// Trains each unit by `objective`.
pub struct Local<O: Objective<T>, T: Scalar = f32> {
    objective: O,
    optimizer: Optimizer,
    order: UpdateOrder,
    schedule: Schedule,
    length: UnitLength,
    /// How linear output layers beside blocks start, and the seed of what is drawn.
    heads: (HeadStart, u64),
    shared: Option<O::Shared>,
    /// The blocks of each unit, once the network has been seen.
    units: Vec<Range<usize>>,
    /// One a block, once the network has been seen.
    owns: Vec<Own<T>>,
    caches: Vec<Cache<T>>,
    /// One a block, and one more.
    outputs: Vec<Vec<T>>,
    scratches: Pool<Scratch<T, O::Scratch>>,
    places: Vec<Mutex<Place<'static, T>>>,
    /// One a block, where batches come in parts.
    kept: Vec<Outputs<T>>,
    answers: Vec<Answer<T>>,
    report: StepReport,
}

impl<O: Objective<T>, T: Scalar> Local<O, T> {
    /// A local method, each block by itself. Gauss-Seidel is sequential by its nature: its schedule is then not asked.
    pub fn new(objective: O, optimizer: Optimizer, order: UpdateOrder, schedule: Schedule) -> Self {
        let schedule = if order == UpdateOrder::GaussSeidel { Schedule::Sequential } else { schedule };
        Self {
            objective,
            optimizer,
            order,
            schedule,
            length: UnitLength::default(),
            heads: (HeadStart::Uniform, 0),
            shared: None,
            units: Vec::new(),
            owns: Vec::new(),
            caches: Vec::new(),
            outputs: Vec::new(),
            scratches: Pool::default(),
            places: Vec::new(),
            kept: Vec::new(),
            answers: Vec::new(),
            report: StepReport::default(),
        }
    }

    /// This method with units of several blocks.
    #[must_use]
    pub fn in_units(mut self, length: UnitLength) -> Self {
        self.length = length;
        self
    }

    /// This method, whose linear output layers beside blocks start so; those of uniform weights start as the objective has them.
    #[must_use]
    pub fn with_heads(mut self, start: HeadStart, seed: u64) -> Self {
        self.heads = (start, seed);
        self
    }

    /// Makes room for a network that was not seen before.
    ///
    /// # Errors
    /// What the objective says of a block that it cannot train.
    fn meet(&mut self, network: &Network<T>) -> Result<(), StepError> {
        let blocks = network.blocks();
        if self.owns.len() == blocks.len() {
            return Ok(());
        }
        let units = self.length.units(blocks.len());
        for unit in &units {
            let index = unit.end - 1;
            self.objective.check(index, unit.end == blocks.len(), blocks[index].shape())?;
        }
        self.admit(network);
        Ok(())
    }

    /// The same for a network of which the objective is not asked.
    fn admit(&mut self, network: &Network<T>) {
        let blocks = network.blocks();
        let feature = self.objective.feature(network.feature());
        self.units = self.length.units(blocks.len());
        self.owns.clear();
        for unit in &self.units {
            for (index, block) in unit.clone().zip(&blocks[unit.clone()]) {
                let ends = index + 1 == unit.end;
                let learners =
                    || self.objective.learners(index, index + 1 == blocks.len(), feature.shape(block.shape()));
                let mut learners = if ends { learners() } else { Vec::new() };
                let (start, seed) = self.heads;
                start_classifiers(start, (seed, index), &mut learners);
                self.owns.push(Own { optimizer: OptimizerState::default(), learners });
            }
        }
        self.caches.resize_with(blocks.len(), Cache::default);
        self.outputs.resize_with(blocks.len() + 1, Vec::new);
    }

    /// Unit after unit; activations are those of one unit and of its input, in buffers that take turns.
    fn sequential(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        rate: f64,
        pass: Pass,
    ) -> Result<(), StepError> {
        let (Pass { m, clock, .. }, feature) = (pass, self.objective.feature(network.feature()));
        let Self { objective, shared, units, owns, caches, outputs, report, .. } = self;
        let StepReport { signals, spans } = report;
        let jacobi = self.order == UpdateOrder::Jacobi;
        let mut scratch = self.scratches.take();
        let begin = Instant::now();
        let prepared = prepare(objective, batch, shared.take(), &mut scratch)?;
        spans.push(clock.span(Work::Operator, 0, begin));
        outputs[0].clear();
        outputs[0].extend_from_slice(&batch.x);
        for (unit, range) in units.iter().enumerate() {
            let last = unit + 1 == units.len();
            let at = At { first: range.start, last, pace: objective.pace(pass.step, unit, last) };
            let (input, own) = outputs.split_at_mut(1);
            let x = &input[0][..m * network.blocks()[range.start].inputs()];
            let mut lent = Lent {
                blocks: &mut network.blocks_mut()[range.clone()],
                outputs: &mut own[..range.len()],
                caches: &mut caches[..range.len()],
                owns: &mut owns[range.clone()],
                signals: &mut signals[range.clone()],
            };
            lent.forward(at, pass, x, jacobi, |span| spans.push(span));
            let begin = Instant::now();
            lent.again().task(at, feature, m, x).0.run(objective, &prepared, self.optimizer, rate, &mut scratch)?;
            if !jacobi && matches!(at.pace, Pace::Learns(_)) {
                lent.forward(at, pass, x, true, |_| ());
            }
            spans.push(clock.span(Work::Block, range.end - 1, begin));
            outputs.swap(0, range.len());
        }
        // Each buffer to its own place again, or all would grow to the size of the largest.
        units.iter().rev().for_each(|range| outputs.swap(0, range.len()));
        *shared = Some(prepared);
        self.scratches.give(scratch);
        Ok(())
    }

    fn parallel(&mut self, network: &mut Network<T>, batch: &Batch<T>, rate: f64, pass: Pass) -> Result<(), StepError> {
        let feature = self.objective.feature(network.feature());
        let blocks = network.blocks().len();
        let earlier = self.shared.take();
        let mut places = recycled(std::mem::take(&mut self.places));
        places.resize_with(self.units.len(), Mutex::default);
        let StepReport { signals, spans } = &mut self.report;
        let desk = Desk {
            objective: &self.objective,
            optimizer: self.optimizer,
            rate,
            pass,
            feature,
            spans: Mutex::new(std::mem::take(spans)),
            scratches: &self.scratches,
            prepared: OnceLock::new(),
            gate: Mutex::new(Gate::default()),
            places,
            next: AtomicUsize::new(0),
            group: self.units.len().div_ceil(DEPTH),
        };
        let lent = Lent {
            blocks: network.blocks_mut(),
            outputs: &mut self.outputs[..blocks],
            caches: &mut self.caches,
            owns: &mut self.owns,
            signals,
        };
        let units = &self.units;
        rayon::join(|| desk.forward(0, units, lent, &batch.x), || desk.prepare(batch, earlier));
        let Desk { prepared, mut places, spans: told, .. } = desk;
        *spans = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        in_order(spans);
        let mut results =
            places.iter_mut().map(|place| place.get_mut().unwrap_or_else(PoisonError::into_inner).result.take());
        let failure = results.find_map(|result| result.and_then(Result::err));
        drop(results);
        self.places = recycled(places);
        if let Some(shared) = prepared.into_inner() {
            self.shared = Some(shared?);
        }
        failure.map_or(Ok(()), Err)
    }
}

impl<R: Rule> Local<ByRule<R>> {
    /// Trains each block by a rule of one's own, by AdamW, all blocks at once.
    pub fn by_rule(rule: R) -> Self {
        Self::new(ByRule(rule), Optimizer::adamw(), UpdateOrder::Jacobi, Schedule::Parallel)
    }

    /// This method by another optimizer.
    #[must_use]
    pub fn with_optimizer(mut self, optimizer: Optimizer) -> Self {
        self.optimizer = optimizer;
        self
    }
}

/// An empty vector in the memory of another one, whose entries may have lived shorter.
fn recycled<A, B>(mut vector: Vec<A>) -> Vec<B> {
    vector.clear();
    // An iterator over the vector's own memory is collected in place.
    vector.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}

impl<O: Objective<T>, T: Scalar> Update<T> for Local<O, T> {
    fn plan(&mut self, network: &Network<T>, steps: u64) {
        self.objective.plan(self.length.units(network.blocks().len()).len(), steps);
    }

    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let blocks = network.blocks().len();
        cleared(&mut self.report.spans, blocks);
        self.meet(network)?;
        self.report.signals.resize(blocks, Signal::default());
        match self.schedule {
            Schedule::Sequential => self.sequential(network, batch, learning_rate, pass)?,
            Schedule::Parallel => self.parallel(network, batch, learning_rate, pass)?,
        }
        Ok(&self.report)
    }

    fn learns_values(&self) -> bool {
        self.objective.learns_values()
    }

    fn products(&self, network: &Network<T>, rows: &[usize]) -> Option<u64> {
        let (blocks, feature) = (network.blocks(), self.objective.feature(network.feature()));
        // Gauss-Seidel shows the next unit what the new weights give.
        let passes = if self.order == UpdateOrder::GaussSeidel { 2 } else { 1 };
        let (units, mut total) = (self.length.units(blocks.len()), 0);
        for (unit, range) in units.iter().enumerate() {
            let (last, index) = (unit + 1 == units.len(), range.end - 1);
            let (mut forward, mut back, mut beside) = (0, 0, 0);
            for (offset, block) in blocks[range.clone()].iter().enumerate() {
                let products = block.products()?;
                forward += products.forward;
                // No gradient leaves the unit by its first block.
                back += if offset > 0 { 2 * products.learned } else { products.learned };
            }
            for learner in self.objective.learners(index, last, feature.shape(blocks[index].shape())) {
                let products = learner.block().products()?;
                beside += products.forward + 2 * products.learned;
            }
            for (step, &rows) in rows.iter().enumerate() {
                let each = match self.objective.pace(step as u64, unit, last) {
                    Pace::Learns(_) => passes * forward + back,
                    Pace::Waits | Pace::Done => forward,
                };
                total += rows as u64 * (each + beside);
            }
        }
        Some(total)
    }

    fn staged(&mut self) -> Option<&mut dyn Staged<T>> {
        // A unit of several blocks cannot be cut.
        match (self.order, self.length) {
            (UpdateOrder::Jacobi, UnitLength::Blocks(1)) => Some(self),
            _ => None,
        }
    }

    fn in_parts(&mut self) -> Option<&mut dyn StepInParts<T>> {
        match (self.order, self.length) {
            (UpdateOrder::Jacobi, UnitLength::Blocks(1)) => Some(self),
            _ => None,
        }
    }

    fn state(&self) -> UpdateState<T> {
        UpdateState::of(self.owns.iter().map(|own| &own.optimizer))
            .with_learners(self.owns.iter().map(|own| &own.learners[..]))
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.admit(network);
        restore_learners(self.owns.iter_mut().map(|own| &mut own.learners), record.learners)?;
        restore_optimizers(self.owns.iter_mut().map(|own| &mut own.optimizer), record.optimizers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, Norm};

    use super::*;
    use crate::method::alignment::Alignment;

    #[test]
    fn products_are_those_of_forward_passes_and_of_gradients_of_weights() {
        let network = Network::<f32>::mlp(4, &[6, 5], 3, Activation::Relu, Norm::Batch, 1);
        let maps = [4 * 6, 6 * 5, 5 * 3];
        let forward: u64 = maps.iter().sum();
        let products = |order, length, rows: &[usize]| {
            let update = Local::new(Alignment, Optimizer::momentum(0.9), order, Schedule::Parallel);
            Update::products(&update.in_units(length), &network, rows)
        };
        let each = UnitLength::Blocks(1);
        assert_eq!(products(UpdateOrder::Jacobi, each, &[12, 7]), Some(19 * 2 * forward));
        // A block's outputs are formed again behind its step.
        assert_eq!(products(UpdateOrder::GaussSeidel, each, &[12, 7]), Some(19 * 3 * forward));
        // Within a unit the second block passes a gradient to the first.
        assert_eq!(products(UpdateOrder::Jacobi, UnitLength::Blocks(2), &[12]), Some(12 * (2 * forward + maps[1])));
        assert_eq!(products(UpdateOrder::Jacobi, each, &[]), Some(0));
    }
}
