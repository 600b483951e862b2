//! Some of a network's blocks trained in one process, the others in others.
//!
//! The forward pass goes through all blocks of the stage first, so that their outputs can travel on while they learn.

use std::ops::Range;
use std::time::Instant;

use hsic::Scalar;
use hsic_data::batch::Batch;
use hsic_nn::network::Network;

use super::Local;
use super::task::{At, Lent, Task, prepare};
use crate::engine::clock::{cleared, in_order};
use crate::engine::pass::Pass;
use crate::error::StepError;
use crate::objective::{Objective, Signal};
use crate::span::{Span, Work};
use crate::update::{Relay, Schedule, Staged, StepReport};

/// A block between its forward pass and its signal.
struct Ready<'a, T: Scalar> {
    block: usize,
    task: Option<Task<'a, T>>,
    result: Option<(Result<(), StepError>, Span)>,
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
        self.meet(network)?;
        let StepReport { signals, spans } = &mut self.report;
        signals.clear();
        signals.resize(all, Signal::default());
        let feature = self.objective.feature(network.feature());
        let (objective, optimizer, scratches) = (&self.objective, self.optimizer, &self.scratches);
        let earlier = self.shared.take();
        let mut lent = Lent {
            blocks: &mut network.blocks_mut()[blocks.clone()],
            outputs: &mut self.outputs[blocks.clone()],
            caches: &mut self.caches[blocks.clone()],
            owns: &mut self.owns[blocks.clone()],
            signals: &mut signals[blocks.clone()],
        };
        let forward = || {
            let mut ready = Vec::with_capacity(blocks.len());
            let mut x = input;
            for block in blocks {
                let (mut own, later) = lent.split_at(1);
                lent = later;
                let last = block + 1 == all;
                let at = At { first: block, last, pace: objective.pace(pass.step, block, last) };
                own.forward(at, pass, x, true, |span| spans.push(span));
                let (task, z) = own.task(at, feature, m, x);
                ready.push(Ready { block, task: Some(task), result: None });
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
                let begin = Instant::now();
                let mut scratch = scratches.take();
                let result = task.run(objective, &shared, optimizer, learning_rate, &mut scratch);
                scratches.give(scratch);
                ready.result = Some((result, clock.span(Work::Block, ready.block, begin)));
            }
        };
        let schedule = self.schedule;
        let relayed = relay(outputs, &mut || match schedule {
            Schedule::Parallel => at_once(&mut ready, &learn),
            Schedule::Sequential => ready.iter_mut().for_each(learn),
        });
        // What the relay did not let learn learns now: a step is whole or an error.
        ready.iter_mut().for_each(learn);
        let mut failure = None;
        let told: Vec<_> = ready.into_iter().filter_map(|ready| ready.result).collect();
        let spans = &mut self.report.spans;
        spans.push(span);
        for (result, span) in told {
            spans.push(span);
            failure = failure.or(result.err());
        }
        in_order(spans);
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
