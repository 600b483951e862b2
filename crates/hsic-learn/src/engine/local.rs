//! Local learning: every block by its own objective, no gradient from block to block.
//!
//! The parallel schedule keeps all threads busy without waiting for whole phases: one task forms what the batch's
//! blocks share while the forward pass runs; a block's own task (objective, gradient, optimizer) starts as soon as
//! its activations and the shared part are there. A task is one block's whole work; where a block spreads it over threads
//! (convolutions), it does so in fixed parts that are joined in order. So neither the number of threads nor their timing
//! can move a bit.

mod in_parts;
mod kept;
mod staged;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_nn::network::learner::{StateMismatch, restore_learners};
use hsic_nn::network::{Block, Cache, Feature, Learner, Network};
use hsic_nn::optimizer::{Optimizer, OptimizerState};

use self::kept::{Answer, Outputs};
use super::clock::{cleared, in_order};
use super::pass::Pass;
use super::pool::{Pool, lock};
use crate::error::StepError;
use crate::objective::{ByRule, Objective, Pace, Rule, Signal, Site};
use crate::span::Span;
use crate::span::Work;
use crate::update::{Schedule, Staged, StepInParts, StepReport, Update, UpdateOrder, UpdateState, restore_optimizers};

/// Memory of one thread.
struct Scratch<T, S> {
    objective: S,
    feature: Vec<T>,
    d_feature: Vec<T>,
    dz: Vec<T>,
    gradient: Vec<T>,
}

impl<T, S: Default> Default for Scratch<T, S> {
    fn default() -> Self {
        Self {
            objective: S::default(),
            feature: Vec::new(),
            d_feature: Vec::new(),
            dz: Vec::new(),
            gradient: Vec::new(),
        }
    }
}

/// What belongs to one block between and within steps.
struct Slot<T: Scalar> {
    z: Vec<T>,
    cache: Cache<T>,
    own: Own<T>,
}

impl<T: Scalar> Default for Slot<T> {
    fn default() -> Self {
        Self { z: Vec::new(), cache: Cache::default(), own: Own::default() }
    }
}

/// What a block's training remembers from step to step.
struct Own<T: Scalar> {
    optimizer: OptimizerState<T>,
    learners: Vec<Learner<T>>,
}

impl<T: Scalar> Default for Own<T> {
    fn default() -> Self {
        Self { optimizer: OptimizerState::default(), learners: Vec::new() }
    }
}

/// Trains each block by `objective`.
pub struct Local<O: Objective<T>, T: Scalar = f32> {
    objective: O,
    optimizer: Optimizer,
    order: UpdateOrder,
    schedule: Schedule,
    shared: Option<O::Shared>,
    /// One a block, once the network has been seen.
    slots: Vec<Slot<T>>,
    scratches: Pool<Scratch<T, O::Scratch>>,
    places: Vec<Mutex<Place<'static, T>>>,
    /// One a block, where batches come in parts.
    outputs: Vec<Outputs<T>>,
    answers: Vec<Answer<T>>,
    report: StepReport,
}

impl<O: Objective<T>, T: Scalar> Local<O, T> {
    /// A local method. Gauss-Seidel is sequential by its nature: its schedule is then not asked.
    pub fn new(objective: O, optimizer: Optimizer, order: UpdateOrder, schedule: Schedule) -> Self {
        let schedule = if order == UpdateOrder::GaussSeidel { Schedule::Sequential } else { schedule };
        Self {
            objective,
            optimizer,
            order,
            schedule,
            shared: None,
            slots: Vec::new(),
            scratches: Pool::default(),
            places: Vec::new(),
            outputs: Vec::new(),
            answers: Vec::new(),
            report: StepReport::default(),
        }
    }

    /// Makes the slots of a network that was not seen before.
    fn meet(&mut self, network: &Network<T>) {
        let blocks = network.blocks();
        if self.slots.len() != blocks.len() {
            let feature = self.objective.feature(network.feature());
            self.slots.clear();
            self.slots.extend(blocks.iter().enumerate().map(|(index, block)| {
                let shape = feature.shape(block.shape());
                let learners = self.objective.learners(index, index + 1 == blocks.len(), shape);
                Slot { own: Own { optimizer: OptimizerState::default(), learners }, ..Slot::default() }
            }));
        }
    }

    /// Block after block, activations in two buffers that take turns.
    fn sequential(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        rate: f64,
        pass: Pass,
    ) -> Result<(), StepError> {
        let (Pass { m, clock, .. }, feature) = (pass, self.objective.feature(network.feature()));
        let last = network.blocks().len() - 1;
        let mut scratch = self.scratches.take();
        let begin = Instant::now();
        let shared = prepare(&self.objective, batch, self.shared.take(), &mut scratch)?;
        self.report.spans.push(clock.span(Work::Operator, 0, begin));
        // The first two slots lend their activations, the first its cache.
        let mut cache = std::mem::take(&mut self.slots[0].cache);
        let mut x = std::mem::take(&mut self.slots[0].z);
        let mut z = self.slots.get_mut(1).map(|slot| std::mem::take(&mut slot.z)).unwrap_or_default();
        x.clear();
        x.extend_from_slice(&batch.x);
        for (index, block) in network.blocks_mut().iter_mut().enumerate() {
            let len = m * block.outputs();
            let (input, output) = (&x[..m * block.inputs()], grown(&mut z, len));
            let last = index == last;
            let pace = self.objective.pace(pass.step, index, last);
            self.report.spans.push(match (pace, self.order) {
                (Pace::Done, _) => pass.rest(index, &**block, input, output),
                (Pace::Learns(_), UpdateOrder::Jacobi) => pass.absorb(index, &mut **block, input, output, &mut cache),
                _ => pass.forward(index, &**block, input, output, &mut cache),
            });
            let begin = Instant::now();
            let task = Task { index, last, pace, block: block.as_mut(), feature, m, x: input, z: &z[..len] };
            self.report.signals[index] = task.run(
                &self.objective,
                &shared,
                self.optimizer,
                rate,
                &mut cache,
                &mut self.slots[index].own,
                &mut scratch,
            )?;
            if self.order == UpdateOrder::GaussSeidel && matches!(pace, Pace::Learns(_)) {
                pass.absorb(index, &mut **block, input, &mut z[..len], &mut cache);
            }
            self.report.spans.push(clock.span(Work::Block, index, begin));
            std::mem::swap(&mut x, &mut z);
        }
        if network.blocks().len() % 2 == 1 {
            // Each buffer to its own place again, or both would grow to the batch's size.
            std::mem::swap(&mut x, &mut z);
        }
        self.slots[0].cache = cache;
        self.slots[0].z = x;
        if let Some(slot) = self.slots.get_mut(1) {
            slot.z = z;
        }
        self.shared = Some(shared);
        self.scratches.give(scratch);
        Ok(())
    }

    fn parallel(&mut self, network: &mut Network<T>, batch: &Batch<T>, rate: f64, pass: Pass) -> Result<(), StepError> {
        let (feature, blocks) = (self.objective.feature(network.feature()), network.blocks().len());
        let earlier = self.shared.take();
        let mut places = recycled(std::mem::take(&mut self.places));
        places.resize_with(blocks, Mutex::default);
        let desk = Desk {
            objective: &self.objective,
            optimizer: self.optimizer,
            rate,
            pass,
            feature,
            spans: Mutex::new(std::mem::take(&mut self.report.spans)),
            scratches: &self.scratches,
            prepared: OnceLock::new(),
            gate: Mutex::new(Gate { open: false, waiting: 0 }),
            places,
            next: AtomicUsize::new(0),
            group: blocks.div_ceil(DEPTH),
        };
        let slots = &mut self.slots;
        rayon::join(|| desk.forward(0, network.blocks_mut(), slots, &batch.x), || desk.prepare(batch, earlier));
        let Desk { prepared, mut places, spans, .. } = desk;
        self.report.spans = spans.into_inner().unwrap_or_else(PoisonError::into_inner);
        in_order(&mut self.report.spans);
        let results =
            places.iter_mut().map(|place| place.get_mut().unwrap_or_else(PoisonError::into_inner).result.take());
        let mut failure = None;
        for (signal, result) in self.report.signals.iter_mut().zip(results) {
            match result {
                Some(Ok(found)) => *signal = found,
                Some(Err(error)) => failure = failure.or(Some(error)),
                None => {}
            }
        }
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

/// Most levels of nested joins in a step, so that the depth of a network does not fill the stack.
const DEPTH: usize = 64;

/// The parallel step: where blocks wait for their turn, in the order of the network.
///
/// Joins fork the tasks, since they allocate nothing. A fork that comes to run takes the first block that nobody has
/// taken, not the one it was made for: early blocks are the large ones, and what starts last should be small.
struct Desk<'a, O: Objective<T>, T: Scalar> {
    objective: &'a O,
    optimizer: Optimizer,
    rate: f64,
    pass: Pass,
    feature: Feature,
    spans: Mutex<Vec<Span>>,
    scratches: &'a Pool<Scratch<T, O::Scratch>>,
    prepared: OnceLock<Result<O::Shared, StepError>>,
    gate: Mutex<Gate>,
    places: Vec<Mutex<Place<'a, T>>>,
    next: AtomicUsize,
    group: usize,
}

/// Whether blocks may start: the shared part is there.
struct Gate {
    open: bool,
    /// Forks that came before.
    waiting: usize,
}

/// One block between its forward pass and its signal.
struct Place<'a, T: Scalar> {
    task: Option<(Task<'a, T>, &'a mut Cache<T>, &'a mut Own<T>)>,
    result: Option<Result<Signal, StepError>>,
}

impl<T: Scalar> Default for Place<'_, T> {
    fn default() -> Self {
        Self { task: None, result: None }
    }
}

impl<'a, O: Objective<T>, T: Scalar> Desk<'a, O, T> {
    /// Forms what the blocks share, then lets them start.
    fn prepare(&self, batch: &Batch<T>, earlier: Option<O::Shared>) {
        let mut scratch = self.scratches.take();
        let begin = Instant::now();
        let prepared = self.prepared.get_or_init(|| prepare(self.objective, batch, earlier, &mut scratch));
        self.record(self.pass.clock.span(Work::Operator, 0, begin));
        self.scratches.give(scratch);
        if prepared.is_ok() {
            let waiting = {
                let mut gate = lock(&self.gate);
                gate.open = true;
                gate.waiting
            };
            self.run(waiting);
        }
    }

    fn record(&self, span: Span) {
        lock(&self.spans).push(span);
    }

    /// The forward pass from block `first` on; blocks behind it are forked off on the way.
    fn forward(&self, first: usize, blocks: &'a mut [Box<dyn Block<T>>], slots: &'a mut [Slot<T>], x: &'a [T]) {
        let count = self.group.min(blocks.len());
        let (blocks, later_blocks) = blocks.split_at_mut(count);
        let (slots, later_slots) = slots.split_at_mut(count);
        let (m, feature) = (self.pass.m, self.feature);
        let mut x = x;
        for (index, (block, slot)) in (first..).zip(blocks.iter_mut().zip(slots)) {
            let Slot { z, cache, own } = slot;
            let z = grown(z, m * block.outputs());
            let last = index + 1 == self.places.len();
            let pace = self.objective.pace(self.pass.step, index, last);
            self.record(match pace {
                Pace::Learns(_) => self.pass.absorb(index, &mut **block, x, z, cache),
                Pace::Waits => self.pass.forward(index, &**block, x, z, cache),
                Pace::Done => self.pass.rest(index, &**block, x, z),
            });
            let z: &[T] = z;
            let task = Task { index, last, pace, block: block.as_mut(), feature, m, x, z };
            lock(&self.places[index]).task = Some((task, cache, own));
            x = z;
        }
        let start = || {
            let open = {
                let mut gate = lock(&self.gate);
                gate.waiting += if gate.open { 0 } else { count };
                gate.open
            };
            if open {
                self.run(count);
            }
        };
        if later_blocks.is_empty() {
            start();
        } else {
            rayon::join(|| self.forward(first + count, later_blocks, later_slots, x), start);
        }
    }

    /// Runs the next `count` blocks, at once where threads are free. As many are behind their forward pass.
    fn run(&self, count: usize) {
        if count > 1 {
            rayon::join(|| self.run(count - count / 2), || self.run(count / 2));
        } else if count == 1 {
            let index = self.next.fetch_add(1, Ordering::AcqRel);
            let place = &self.places[index];
            let task = lock(place).task.take();
            if let (Some((task, cache, own)), Some(Ok(shared))) = (task, self.prepared.get()) {
                let begin = Instant::now();
                let mut scratch = self.scratches.take();
                let result = task.run(self.objective, shared, self.optimizer, self.rate, cache, own, &mut scratch);
                self.scratches.give(scratch);
                lock(place).result = Some(result);
                self.record(self.pass.clock.span(Work::Block, index, begin));
            }
        }
    }
}

/// An empty vector in the memory of another one, whose entries may have lived shorter.
fn recycled<A, B>(mut vector: Vec<A>) -> Vec<B> {
    vector.clear();
    // An iterator over the vector's own memory is collected in place.
    vector.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}

/// One block's part of a step.
struct Task<'a, T: Scalar> {
    index: usize,
    last: bool,
    pace: Pace,
    block: &'a mut dyn Block<T>,
    feature: Feature,
    m: usize,
    x: &'a [T],
    z: &'a [T],
}

impl<T: Scalar> Task<'_, T> {
    #[allow(clippy::too_many_arguments, reason = "the step's shared parts and the block's own, lent apart")]
    fn run<O: Objective<T>>(
        self,
        objective: &O,
        shared: &O::Shared,
        optimizer: Optimizer,
        rate: f64,
        cache: &mut Cache<T>,
        own: &mut Own<T>,
        scratch: &mut Scratch<T, O::Scratch>,
    ) -> Result<Signal, StepError> {
        let (m, d) = (self.m, self.block.outputs());
        let Scratch { objective: memory, feature, d_feature, dz, gradient } = scratch;
        let dz = grown(dz, m * d);
        let map = self.block.shape();
        let x = MatRef::from_row_major_slice(self.x, m, self.block.inputs());
        let site = Site { block: self.index, last: self.last, shape: map, x };
        let Own { optimizer: state, learners } = own;
        let mut evaluate = |z: &[T], dz: &mut [T]| {
            let columns = z.len() / m;
            let (z, dz) =
                (MatRef::from_row_major_slice(z, m, columns), MatMut::from_row_major_slice_mut(dz, m, columns));
            let signal = objective.signal(shared, site, z, dz, learners, memory);
            signal.map_err(|source| StepError::at_block(self.index, source))
        };
        let mut signal = if self.feature.is_whole(map) {
            evaluate(self.z, dz)?
        } else {
            let columns = m * self.feature.columns(map);
            let (feature, d_feature) = (grown(feature, columns), grown(d_feature, columns));
            self.feature.extract(map, self.z, feature);
            let signal = evaluate(feature, d_feature)?;
            self.feature.spread(map, self.z, feature, d_feature, dz);
            signal
        };
        let Pace::Learns(pace) = self.pace else { return Ok(signal) };
        let rate = rate * pace;
        let gradient = grown(gradient, self.block.parameters().len());
        self.block.gradient(m, self.x, self.z, dz, cache, gradient, None);
        signal.gradient_norm = norm(gradient);
        optimizer.step(rate, self.block.groups(), (self.block.parameters_mut(), gradient), state);
        learners.iter_mut().for_each(|learner| learner.step(optimizer, rate));
        Ok(signal)
    }
}

fn prepare<O: Objective<T>, T: Scalar>(
    objective: &O,
    batch: &Batch<T>,
    earlier: Option<O::Shared>,
    scratch: &mut Scratch<T, O::Scratch>,
) -> Result<O::Shared, StepError> {
    objective.prepare(batch, earlier, &mut scratch.objective).map_err(StepError::of_batch)
}

impl<O: Objective<T>, T: Scalar> Update<T> for Local<O, T> {
    fn plan(&mut self, network: &Network<T>, steps: u64) {
        self.objective.plan(network.blocks().len(), steps);
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
        if self.slots.len() != blocks {
            for (index, block) in network.blocks().iter().enumerate() {
                self.objective.check(index, index + 1 == blocks, block.shape())?;
            }
        }
        self.meet(network);
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

    fn staged(&mut self) -> Option<&mut dyn Staged<T>> {
        match self.order {
            UpdateOrder::Jacobi => Some(self),
            UpdateOrder::GaussSeidel => None,
        }
    }

    fn in_parts(&mut self) -> Option<&mut dyn StepInParts<T>> {
        match self.order {
            UpdateOrder::Jacobi => Some(self),
            UpdateOrder::GaussSeidel => None,
        }
    }

    fn state(&self) -> UpdateState<T> {
        UpdateState::of(self.slots.iter().map(|slot| &slot.own.optimizer))
            .with_learners(self.slots.iter().map(|slot| &slot.own.learners[..]))
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.slots.clear();
        self.meet(network);
        restore_learners(self.slots.iter_mut().map(|slot| &mut slot.own.learners), record.learners)?;
        restore_optimizers(self.slots.iter_mut().map(|slot| &mut slot.own.optimizer), record.optimizers);
        Ok(())
    }
}
