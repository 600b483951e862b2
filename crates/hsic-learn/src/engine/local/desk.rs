//! The parallel step: where units wait for their turn, in the order of the network.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use hsic::Scalar;
use hsic_data::batch::Batch;
use hsic_nn::network::Feature;
use hsic_nn::optimizer::Optimizer;

use super::task::{At, Lent, Scratch, Task, prepare};
use crate::engine::pass::Pass;
use crate::engine::pool::{Pool, lock};
use crate::error::StepError;
use crate::objective::Objective;
use crate::span::{Span, Work};

/// Most levels of nested joins in a step, so that the depth of a network does not fill the stack.
pub(super) const DEPTH: usize = 64;

/// Joins fork the tasks, since they allocate nothing. A fork that comes to run takes the first unit that nobody has
/// taken, not the one it was made for: early blocks are the large ones, and what starts last should be small.
pub(super) struct Desk<'a, O: Objective<T>, T: Scalar> {
    pub(super) objective: &'a O,
    pub(super) optimizer: Optimizer,
    pub(super) rate: f64,
    pub(super) pass: Pass,
    pub(super) feature: Feature,
    pub(super) spans: Mutex<Vec<Span>>,
    pub(super) scratches: &'a Pool<Scratch<T, O::Scratch>>,
    pub(super) prepared: OnceLock<Result<O::Shared, StepError>>,
    pub(super) gate: Mutex<Gate>,
    pub(super) places: Vec<Mutex<Place<'a, T>>>,
    pub(super) next: AtomicUsize,
    pub(super) group: usize,
}

/// Whether units may start: the shared part is there.
#[derive(Default)]
pub(super) struct Gate {
    open: bool,
    /// Forks that came before.
    waiting: usize,
}

/// One unit between its forward pass and its signals.
pub(super) struct Place<'a, T: Scalar> {
    task: Option<Task<'a, T>>,
    pub(super) result: Option<Result<(), StepError>>,
}

impl<T: Scalar> Default for Place<'_, T> {
    fn default() -> Self {
        Self { task: None, result: None }
    }
}

impl<'a, O: Objective<T>, T: Scalar> Desk<'a, O, T> {
    /// Forms what the blocks share, then lets units start.
    pub(super) fn prepare(&self, batch: &Batch<T>, earlier: Option<O::Shared>) {
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

    /// The forward pass from unit `first` on, of blocks that are lent from there; units behind it are forked off on the way.
    pub(super) fn forward(&self, first: usize, units: &[Range<usize>], lent: Lent<'a, T>, x: &'a [T]) {
        let count = self.group.min(units.len());
        let (units, later_units) = units.split_at(count);
        let (mut lent, mut x) = (lent, x);
        for (unit, blocks) in (first..).zip(units) {
            let (mut own, later) = lent.split_at(blocks.len());
            lent = later;
            let last = unit + 1 == self.places.len();
            let pace = self.objective.pace(self.pass.step, unit, last);
            let at = At { first: blocks.start, last, pace };
            own.forward(at, self.pass, x, true, |span| self.record(span));
            let (task, z) = own.task(at, self.feature, self.pass.m, x);
            lock(&self.places[unit]).task = Some(task);
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
        if later_units.is_empty() {
            start();
        } else {
            rayon::join(|| self.forward(first + count, later_units, lent, x), start);
        }
    }

    /// Runs the next `count` units, at once where threads are free. As many are behind their forward pass.
    fn run(&self, count: usize) {
        if count > 1 {
            rayon::join(|| self.run(count - count / 2), || self.run(count / 2));
        } else if count == 1 {
            let place = &self.places[self.next.fetch_add(1, Ordering::AcqRel)];
            let task = lock(place).task.take();
            if let (Some(task), Some(Ok(shared))) = (task, self.prepared.get()) {
                let (begin, block) = (Instant::now(), task.block());
                let mut scratch = self.scratches.take();
                let result = task.run(self.objective, shared, self.optimizer, self.rate, &mut scratch);
                self.scratches.give(scratch);
                lock(place).result = Some(result);
                self.record(self.pass.clock.span(Work::Block, block, begin));
            }
        }
    }
}
