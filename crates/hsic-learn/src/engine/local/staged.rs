//! Some of a network's blocks trained in one process, the others in others.
//!
//! The forward pass goes through all blocks of the stage first, so that their outputs can travel on while they learn.

use std::ops::Range;
use std::time::Instant;

use hsic::Scalar;
use hsic::sums::grown;
use hsic_data::batch::Batch;
use hsic_nn::network::{Cache, Network};

use super::{Local, Own, Slot, Task, prepare};
use crate::engine::clock::{cleared, in_order};
use crate::engine::pass::Pass;
use crate::error::StepError;
use crate::objective::{Objective, Pace, Signal};
use crate::span::{Span, Work};
use crate::update::{Relay, Schedule, Staged, StepReport};

/// A block between its forward pass and its signal.
struct Ready<'a, T: Scalar> {
    task: Option<Task<'a, T>>,
    cache: &'a mut Cache<T>,
    own: &'a mut Own<T>,
    result: Option<(Result<Signal, StepError>, Span)>,
}

impl<O: Objective<T>, T: Scalar> Staged<T> for Local<O, T> {
    fn step_of(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        (blocks, input): (Range<usize>, &[T]),
        learning_rate: f64,
        relay: &mut Relay<'_, T>,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let (m, clock, all) = (pass.m, pass.clock, network.blocks().len());
        cleared(&mut self.report.spans, all);
        if self.slots.len() != all {
            for (index, block) in network.blocks().iter().enumerate() {
                self.objective.check(index, index + 1 == all, block.shape())?;
            }
        }
        self.meet(network);
        self.report.signals.clear();
        self.report.signals.resize(all, Signal::default());
        let feature = self.objective.feature(network.feature());
        let (objective, optimizer, scratches) = (&self.objective, self.optimizer, &self.scratches);
        let earlier = self.shared.take();
        let own_blocks = &mut network.blocks_mut()[blocks.clone()];
        let slots = &mut self.slots[blocks.clone()];
        let spans = &mut self.report.spans;
        let forward = || {
            let mut ready = Vec::with_capacity(blocks.len());
            let mut x = input;
            for (index, (block, slot)) in blocks.clone().zip(own_blocks.iter_mut().zip(slots)) {
                let Slot { z, cache, own } = slot;
                let z = grown(z, m * block.outputs());
                let last = index + 1 == all;
                let pace = objective.pace(pass.step, index, last);
                spans.push(match pace {
                    Pace::Learns(_) => pass.absorb(index, &mut **block, x, z, cache),
                    Pace::Waits => pass.forward(index, &**block, x, z, cache),
                    Pace::Done => pass.rest(index, &**block, x, z),
                });
                let z: &[T] = z;
                let task = Some(Task { index, last, pace, block: block.as_mut(), feature, m, x, z });
                ready.push(Ready { task, cache, own, result: None });
                x = z;
            }
            (ready, x)
        };
        let share = || {
            let mut scratch = scratches.take();
            let begin = Instant::now();
            let shared = prepare(objective, batch, earlier, &mut scratch);
            scratches.give(scratch);
            (shared, clock.span(Work::Operator, 0, begin))
        };
        let ((mut ready, outputs), (shared, span)) = match self.schedule {
            Schedule::Parallel => rayon::join(forward, share),
            Schedule::Sequential => (forward(), share()),
        };
        let shared = shared?;
        let learn = |ready: &mut Ready<'_, T>| {
            if let Some(task) = ready.task.take() {
                let (index, begin) = (task.index, Instant::now());
                let mut scratch = scratches.take();
                let result =
                    task.run(objective, &shared, optimizer, learning_rate, ready.cache, ready.own, &mut scratch);
                scratches.give(scratch);
                ready.result = Some((result, clock.span(Work::Block, index, begin)));
            }
        };
        let schedule = self.schedule;
        let relayed = relay(outputs, &mut || match schedule {
            Schedule::Parallel => at_once(&mut ready, &learn),
            Schedule::Sequential => ready.iter_mut().for_each(learn),
        });
        // What the relay did not let learn learns now: a step is whole or an error.
        ready.iter_mut().for_each(learn);
        self.report.spans.push(span);
        let mut failure = None;
        for (index, ready) in blocks.zip(ready) {
            let Some((result, span)) = ready.result else { continue };
            self.report.spans.push(span);
            match result {
                Ok(signal) => self.report.signals[index] = signal,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        in_order(&mut self.report.spans);
        self.shared = Some(shared);
        relayed.map_err(StepError::Own)?;
        failure.map_or(Ok(&self.report), Err)
    }
}

/// Lets all of them learn, as many at once as there are threads.
fn at_once<T: Scalar>(ready: &mut [Ready<'_, T>], learn: &(impl Fn(&mut Ready<'_, T>) + Sync)) {
    match ready {
        [] => {}
        [one] => learn(one),
        several => {
            let (first, second) = several.split_at_mut(several.len() / 2);
            rayon::join(|| at_once(first, learn), || at_once(second, learn));
        }
    }
}
