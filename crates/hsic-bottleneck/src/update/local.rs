//! Local learning: every block by its own objective, no gradient from block to block.
//!
//! The parallel schedule keeps all threads busy without waiting for whole phases: one task forms what the batch's
//! blocks share while the forward pass runs; a block's own task (objective, gradient, optimizer) starts as soon as
//! its activations and the shared part are there. A task is one block's whole work; where a block spreads it over threads
//! (convolutions), it does so in fixed parts that are joined in order. So neither the number of threads nor their timing
//! can move a bit.

use std::sync::{Mutex, OnceLock, PoisonError};

use faer::{MatMut, MatRef};
use hsic::Scalar;

use super::{Schedule, StepReport, Update, UpdateOrder, UpdateRecord};
use crate::batch::Batch;
use crate::error::Error;
use crate::network::{Block, Cache, Feature, Network};
use crate::objective::{Objective, Signal, norm};
use crate::optimizer::{Optimizer, OptimizerState};

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
struct Slot<T> {
    z: Vec<T>,
    cache: Cache<T>,
    optimizer: OptimizerState<T>,
}

impl<T> Default for Slot<T>
where
    OptimizerState<T>: Default,
    Cache<T>: Default,
{
    fn default() -> Self {
        Self { z: Vec::new(), cache: Cache::default(), optimizer: OptimizerState::default() }
    }
}

/// Trains each block by `objective`.
pub struct Local<O: Objective<T>, T: Scalar = f32> {
    objective: O,
    optimizer: Optimizer,
    order: UpdateOrder,
    schedule: Schedule,
    shared: Option<O::Shared>,
    slots: Vec<Slot<T>>,
    scratches: Mutex<Vec<Scratch<T, O::Scratch>>>,
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
            scratches: Mutex::new(Vec::new()),
            report: StepReport::default(),
        }
    }

    /// Block after block, activations in two buffers that take turns.
    fn sequential(&mut self, network: &mut Network<T>, batch: &Batch<T>, rate: f64) -> Result<(), Error> {
        let (m, feature) = (batch.rows(), network.feature());
        let mut scratch = take(&self.scratches);
        let shared = prepare(&self.objective, batch, self.shared.take(), &mut scratch)?;
        // The first two slots lend their activations, the first its cache.
        let mut cache = std::mem::take(&mut self.slots[0].cache);
        let mut x = std::mem::take(&mut self.slots[0].z);
        let mut z = self.slots.get_mut(1).map(|slot| std::mem::take(&mut slot.z)).unwrap_or_default();
        x.clear();
        x.extend_from_slice(&batch.x);
        for (index, block) in network.blocks_mut().iter_mut().enumerate() {
            let len = m * block.outputs();
            z.resize(len.max(z.len()), T::ZERO);
            let input = &x[..m * block.inputs()];
            block.forward(m, input, &mut z[..len], &mut cache);
            if self.order == UpdateOrder::Jacobi {
                block.absorb_statistics(m, &mut cache);
            }
            let task = Task { index, block: block.as_mut(), feature, m, x: input, z: &z[..len] };
            self.report.signals[index] = task.run(
                &self.objective,
                &shared,
                self.optimizer,
                rate,
                &mut cache,
                &mut self.slots[index].optimizer,
                &mut scratch,
            )?;
            if self.order == UpdateOrder::GaussSeidel {
                block.forward(m, input, &mut z[..len], &mut cache);
                block.absorb_statistics(m, &mut cache);
            }
            std::mem::swap(&mut x, &mut z);
        }
        self.slots[0].cache = cache;
        self.slots[0].z = x;
        if let Some(slot) = self.slots.get_mut(1) {
            slot.z = z;
        }
        self.shared = Some(shared);
        give(&self.scratches, scratch);
        Ok(())
    }

    fn parallel(&mut self, network: &mut Network<T>, batch: &Batch<T>, rate: f64) -> Result<(), Error> {
        let Self { objective, optimizer, scratches, slots, report, .. } = self;
        let (objective, optimizer, scratches) = (&*objective, *optimizer, &*scratches);
        let (m, feature) = (batch.rows(), network.feature());
        let earlier = self.shared.take();
        let prepared = OnceLock::new();
        let results: Vec<Mutex<Option<Result<Signal, Error>>>> = slots.iter().map(|_| Mutex::new(None)).collect();
        let desk = Mutex::new(Desk { shared: None, waiting: Vec::new() });
        rayon::scope_fifo(|scope| {
            let (desk, prepared, results) = (&desk, &prepared, &results);
            scope.spawn_fifo(move |scope| {
                let mut scratch = take(scratches);
                let shared = prepared.get_or_init(|| prepare(objective, batch, earlier, &mut scratch));
                give(scratches, scratch);
                let waiting = {
                    let mut desk = lock(desk);
                    desk.shared = shared.as_ref().ok();
                    std::mem::take(&mut desk.waiting)
                };
                if let Ok(shared) = shared {
                    for job in waiting {
                        scope.spawn_fifo(move |_| job(shared));
                    }
                }
            });
            let mut x: &[T] = &batch.x;
            for (index, (block, slot)) in network.blocks_mut().iter_mut().zip(slots.iter_mut()).enumerate() {
                let Slot { z, cache, optimizer: state } = slot;
                let len = m * block.outputs();
                z.resize(len.max(z.len()), T::ZERO);
                block.forward(m, x, &mut z[..len], cache);
                block.absorb_statistics(m, cache);
                let z: &[T] = &z[..len];
                let task = Task { index, block: block.as_mut(), feature, m, x, z };
                let job: Job<'_, O::Shared> = Box::new(move |shared| {
                    let mut scratch = take(scratches);
                    let result = task.run(objective, shared, optimizer, rate, cache, state, &mut scratch);
                    give(scratches, scratch);
                    *lock(&results[index]) = Some(result);
                });
                let mut desk = lock(desk);
                match desk.shared {
                    Some(shared) => {
                        drop(desk);
                        scope.spawn_fifo(move |_| job(shared));
                    }
                    None => desk.waiting.push(job),
                }
                x = z;
            }
        });
        drop(desk);
        self.shared = match prepared.into_inner() {
            Some(shared) => Some(shared?),
            None => None,
        };
        for (signal, result) in report.signals.iter_mut().zip(results) {
            if let Some(result) = result.into_inner().unwrap_or_else(PoisonError::into_inner) {
                *signal = result?;
            }
        }
        Ok(())
    }
}

type Job<'scope, S> = Box<dyn FnOnce(&'scope S) + Send + 'scope>;

/// Where blocks wait for what the batch shares.
struct Desk<'scope, S> {
    shared: Option<&'scope S>,
    waiting: Vec<Job<'scope, S>>,
}

/// One block's part of a step.
struct Task<'a, T: Scalar> {
    index: usize,
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
        state: &mut OptimizerState<T>,
        scratch: &mut Scratch<T, O::Scratch>,
    ) -> Result<Signal, Error> {
        let (m, d) = (self.m, self.block.outputs());
        let Scratch { objective: memory, feature, d_feature, dz, gradient } = scratch;
        let dz = grown(dz, m * d);
        let mut evaluate = |z: &[T], dz: &mut [T]| {
            let columns = z.len() / m;
            let (z, dz) =
                (MatRef::from_row_major_slice(z, m, columns), MatMut::from_row_major_slice_mut(dz, m, columns));
            let signal = objective.signal(shared, self.index, z, dz, memory);
            signal.map_err(|source| Error::at_block(self.index, source))
        };
        let map = self.block.shape();
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
        let gradient = grown(gradient, self.block.parameters().len());
        self.block.gradient(m, self.x, self.z, dz, cache, gradient, None);
        signal.gradient_norm = norm(gradient);
        optimizer.step(rate, self.block.parameters_mut(), gradient, state);
        Ok(signal)
    }
}

fn prepare<O: Objective<T>, T: Scalar>(
    objective: &O,
    batch: &Batch<T>,
    earlier: Option<O::Shared>,
    scratch: &mut Scratch<T, O::Scratch>,
) -> Result<O::Shared, Error> {
    objective.prepare(batch, earlier, &mut scratch.objective).map_err(Error::Batch)
}

/// The first `len` entries of a buffer that grows to its largest use.
fn grown<T: Scalar>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::ZERO);
    }
    &mut buffer[..len]
}

/// A lock whose holder cannot have left it in a bad state: what it guards is replaced whole.
fn lock<V>(mutex: &Mutex<V>) -> std::sync::MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The scratch given back last, whose memory is still near.
fn take<V: Default>(pool: &Mutex<Vec<V>>) -> V {
    lock(pool).pop().unwrap_or_default()
}

fn give<V>(pool: &Mutex<Vec<V>>, scratch: V) {
    lock(pool).push(scratch);
}

impl<O: Objective<T>, T: Scalar> Update<T> for Local<O, T> {
    fn step(&mut self, network: &mut Network<T>, batch: &Batch<T>, learning_rate: f64) -> Result<&StepReport, Error> {
        let blocks = network.blocks().len();
        self.slots.resize_with(blocks, Slot::default);
        self.report.signals.resize(blocks, Signal::default());
        match self.schedule {
            Schedule::Sequential => self.sequential(network, batch, learning_rate)?,
            Schedule::Parallel => self.parallel(network, batch, learning_rate)?,
        }
        Ok(&self.report)
    }

    fn record(&self) -> UpdateRecord<T> {
        UpdateRecord { optimizers: self.slots.iter().map(|slot| slot.optimizer.clone()).collect() }
    }

    fn load(&mut self, record: UpdateRecord<T>) {
        self.slots.clear();
        self.slots.extend(record.optimizers.into_iter().map(|optimizer| Slot { optimizer, ..Slot::default() }));
    }
}
