//! A step on a batch in parts, of which other processes may have some.
//!
//! Blocks exchange sums in their order on one thread, so that all processes do the same; a block works on its parts at once.
//! What an objective sees of a block is gathered, and every process evaluates the whole of it, all blocks at once: it has the
//! rows of dL/dz that it needs, and the state of learners beside a block is the same everywhere. So are weights and
//! optimizers, since a gradient is added up in the order of parts, the same in all processes.

use std::ops::Range;
use std::time::Instant;

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::parts::{Parts, own_rows, part_rows};
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_nn::network::{Block, Cache, Feature, Network};
use rayon::prelude::*;

use super::Local;
use super::kept::{Answer, Outputs};
use super::task::{Own, Scratch, prepare};
use crate::engine::clock::{Clock, cleared, in_order};
use crate::engine::in_parts::{check_in_parts, in_parts};
use crate::engine::pass::Pass;
use crate::error::StepError;
use crate::objective::{Objective, ObjectiveInParts, Pace, Signal, Site};
use crate::span::{Span, Work};
use crate::update::{Schedule, StepInParts, StepReport};

/// The rows of a batch, and which of them this process has.
struct Rows {
    m: usize,
    own: Range<usize>,
    /// Of a part.
    each: usize,
    /// Parts of the batch.
    parts: usize,
}

impl Rows {
    /// Its own rows of `columns` values, of those of all rows.
    fn of<'v, T>(&self, values: &'v [T], columns: usize) -> &'v [T] {
        &values[self.own.start * columns..self.own.end * columns]
    }

    fn of_mut<'v, T>(&self, values: &'v mut [T], columns: usize) -> &'v mut [T] {
        &mut values[self.own.start * columns..self.own.end * columns]
    }
}

/// What the tasks of a step read.
struct Step<'s, O: Objective<T>, T: Scalar> {
    objective: &'s O,
    feature: Feature,
    rows: Rows,
    batch: &'s Batch<T>,
    pass: Pass,
    /// How many blocks there are.
    blocks: usize,
}

impl<O: Objective<T>, T: Scalar> Step<'_, O, T> {
    fn pace(&self, index: usize) -> Pace {
        self.objective.pace(self.pass.step, index, index + 1 == self.blocks)
    }

    /// The rule, if sums over parts are enough for a block.
    fn by_sums(&self, index: usize) -> Option<&dyn ObjectiveInParts<T, Shared = O::Shared, Scratch = O::Scratch>> {
        self.objective.in_parts(index + 1 == self.blocks, self.rows.m, self.rows.parts)
    }

    /// Whether the outputs of a block are gathered as they are; else its features, unless sums are enough.
    fn is_gathered(&self, index: usize, block: &dyn Block<T>) -> bool {
        self.objective.reads_input() || self.feature.is_whole(block.shape()) && self.by_sums(index).is_none()
    }

    /// This process's own rows of a block's outputs.
    fn own<'z>(&self, index: usize, block: &dyn Block<T>, outputs: &'z Outputs<T>) -> &'z [T] {
        let d = block.outputs();
        if self.is_gathered(index, block) { self.rows.of(&outputs.z, d) } else { &outputs.z[..self.rows.own.len() * d] }
    }

    /// The forward pass of a block at its own rows of the input, and what others have of it.
    fn forward(
        &self,
        index: usize,
        x: &[T],
        (block, cache): (&mut dyn Block<T>, &mut Cache<T>),
        outputs: &mut Outputs<T>,
        parts: &mut dyn Parts<T>,
    ) -> Result<Span, StepError> {
        let begin = Instant::now();
        let (m, d, map, own) = (self.rows.m, block.outputs(), block.shape(), self.rows.own.len());
        let gathered = self.is_gathered(index, block);
        let all = grown(&mut outputs.z, if gathered { m * d } else { own * d });
        let z = if gathered { self.rows.of_mut(all, d) } else { &mut *all };
        let pace = self.pace(index);
        if pace == Pace::Done {
            let (inputs, each) = (block.inputs(), self.rows.each);
            let parts = x.par_chunks(each * inputs).zip(z.par_chunks_mut(each * d));
            parts.for_each(|(x, z)| block.infer(x.len() / inputs, x, z));
        } else {
            cache.set_draw(Some(self.pass.step));
            in_parts(block, index)?.forward_in_parts(m, x, z, cache, parts);
            if matches!(pace, Pace::Learns(_)) {
                block.absorb_statistics(m, cache);
            }
        }
        if gathered {
            parts.gather(m, all);
        }
        if !self.feature.is_whole(map) {
            let (columns, by_sums) = (self.feature.columns(map), self.by_sums(index).is_some());
            let features = grown(&mut outputs.features, if by_sums { own } else { m } * columns);
            match (gathered, by_sums) {
                (false, true) => self.feature.extract(map, all, features),
                (true, true) => self.feature.extract(map, self.rows.of(all, d), features),
                (true, false) => self.feature.extract(map, all, features),
                (false, false) => {
                    self.feature.extract(map, all, self.rows.of_mut(features, columns));
                    parts.gather(m, features);
                }
            }
        }
        Ok(self.pass.clock.span(Work::Forward, index, begin))
    }

    /// The objective of a block, and its own rows of dL/dz.
    fn evaluate(
        &self,
        index: usize,
        blocks: &[Box<dyn Block<T>>],
        outputs: &[Outputs<T>],
        (own, answer): (&mut Own<T>, &mut Answer<T>),
        (shared, scratch): (&O::Shared, &mut Scratch<T, O::Scratch>),
    ) -> Result<Signal, StepError> {
        let (m, block) = (self.rows.m, &*blocks[index]);
        let (d, inputs, map) = (block.outputs(), block.inputs(), block.shape());
        let x = match index.checked_sub(1) {
            None => MatRef::from_row_major_slice(&self.batch.x, m, inputs),
            Some(before) if self.is_gathered(before, &*blocks[before]) => {
                MatRef::from_row_major_slice(&outputs[before].z[..m * inputs], m, inputs)
            }
            // Nothing reads it.
            Some(_) => MatRef::from_row_major_slice(&[], m, 0),
        };
        let is_whole = self.feature.is_whole(map);
        let columns = self.feature.columns(map);
        let seen = &(if is_whole { &outputs[index].z } else { &outputs[index].features })[..m * columns];
        let slope = grown(&mut scratch.d_feature, m * columns);
        let site = Site { block: index, last: index + 1 == blocks.len(), shape: map, x };
        let signal = self.objective.signal(
            shared,
            site,
            MatRef::from_row_major_slice(seen, m, columns),
            MatMut::from_row_major_slice_mut(slope, m, columns),
            &mut own.learners,
            &mut scratch.objective,
        );
        let signal = signal.map_err(|source| StepError::at_block(index, source))?;
        let dz = grown(&mut answer.dz, self.rows.own.len() * d);
        let slope = self.rows.of(slope, columns);
        if is_whole {
            dz.copy_from_slice(slope);
        } else {
            let z = self.own(index, block, &outputs[index]);
            self.feature.spread(map, z, self.rows.of(seen, columns), slope, dz);
        }
        Ok(signal)
    }
}

impl<O: Objective<T>, T: Scalar> Step<'_, O, T> {
    /// The objective of a block by sums over parts, and its own rows of dL/dz.
    fn evaluate_by_sums(
        &self,
        index: usize,
        block: &dyn Block<T>,
        outputs: &Outputs<T>,
        answer: &mut Answer<T>,
        (shared, scratch): (&O::Shared, &mut Scratch<T, O::Scratch>),
        parts: &mut dyn Parts<T>,
    ) -> Result<Signal, StepError> {
        let Some(rule) = self.by_sums(index) else { return Ok(Signal::default()) };
        let (m, map) = (self.rows.own.len(), block.shape());
        let (is_whole, columns) = (self.feature.is_whole(map), self.feature.columns(map));
        let z = self.own(index, block, outputs);
        let dz = grown(&mut answer.dz, m * block.outputs());
        let x = MatRef::from_row_major_slice(&[], self.rows.m, 0);
        let site = Site { block: index, last: index + 1 == self.blocks, shape: map, x };
        let mut evaluate = |seen: &[T], slope: &mut [T]| {
            let slope = MatMut::from_row_major_slice_mut(slope, m, columns);
            let seen = MatRef::from_row_major_slice(seen, m, columns);
            let signal = rule.signal_in_parts(shared, site, seen, slope, &mut scratch.objective, parts);
            signal.map_err(|source| StepError::at_block(index, source))
        };
        if is_whole {
            return evaluate(z, dz);
        }
        let (seen, slope) = (&outputs.features[..m * columns], grown(&mut scratch.d_feature, m * columns));
        let signal = evaluate(seen, slope)?;
        self.feature.spread(map, z, seen, slope, dz);
        Ok(signal)
    }
}

/// Evaluates the blocks from number `first` on, as many at once as there are threads.
fn evaluate_all<T: Scalar>(
    first: usize,
    owns: &mut [Own<T>],
    answers: &mut [Answer<T>],
    evaluate: &(impl Fn(usize, &mut Own<T>, &mut Answer<T>) + Sync),
) {
    match (owns, answers) {
        ([own], [answer]) => evaluate(first, own, answer),
        (owns, answers) if owns.len() > 1 => {
            let half = owns.len() / 2;
            let ((owns, more_owns), (answers, more)) = (owns.split_at_mut(half), answers.split_at_mut(half));
            rayon::join(
                || evaluate_all(first, owns, answers, evaluate),
                || evaluate_all(first + half, more_owns, more, evaluate),
            );
        }
        _ => {}
    }
}

/// What a task came to, and when.
fn timed<R>(clock: Clock, work: Work, block: usize, task: impl FnOnce() -> R) -> (R, Span) {
    let begin = Instant::now();
    let result = task();
    (result, clock.span(work, block, begin))
}

impl<O: Objective<T>, T: Scalar> StepInParts<T> for Local<O, T> {
    fn step_in_parts(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
        parts: &mut dyn Parts<T>,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let (m, clock, blocks) = (pass.m, pass.clock, network.blocks().len());
        cleared(&mut self.report.spans, blocks);
        self.meet(network)?;
        if self.kept.len() != blocks {
            check_in_parts(network.blocks())?;
            self.kept.resize_with(blocks, Outputs::default);
            self.answers.resize_with(blocks, Answer::default);
        }
        self.report.signals.resize(blocks, Signal::default());
        let feature = self.objective.feature(network.feature());
        let rows = Rows { m, own: own_rows(parts, m), each: part_rows(m, parts.count()), parts: parts.count() };
        let step = Step { objective: &self.objective, feature, rows, batch, pass, blocks };
        let (spans, scratches, earlier) = (&mut self.report.spans, &self.scratches, self.shared.take());
        let (caches, outputs) = (&mut self.caches[..], &mut self.kept[..]);
        let mut forward = || -> Result<(), StepError> {
            let mut x = step.rows.of(&batch.x, network.inputs());
            for (index, (block, (cache, outputs))) in
                network.blocks_mut().iter_mut().zip(caches.iter_mut().zip(outputs.iter_mut())).enumerate()
            {
                spans.push(step.forward(index, x, (&mut **block, cache), outputs, parts)?);
                x = step.own(index, &**block, outputs);
            }
            Ok(())
        };
        let share = || {
            let mut scratch = scratches.take();
            let shared = timed(clock, Work::Operator, 0, || prepare(step.objective, batch, earlier, &mut scratch));
            scratches.give(scratch);
            shared
        };
        let (passed, (shared, span)) = match self.schedule {
            Schedule::Parallel => rayon::join(forward, share),
            Schedule::Sequential => (forward(), share()),
        };
        passed?;
        self.report.spans.push(span);
        let shared = shared?;

        let outputs = &self.kept[..];
        let evaluate = |index: usize, own: &mut Own<T>, answer: &mut Answer<T>| {
            if step.by_sums(index).is_some() {
                return;
            }
            let mut scratch = scratches.take();
            let (result, span) = timed(clock, Work::Block, index, || {
                step.evaluate(index, network.blocks(), outputs, (own, &mut *answer), (&shared, &mut scratch))
            });
            scratches.give(scratch);
            answer.result = Some((result, span));
        };
        match self.schedule {
            Schedule::Parallel => evaluate_all(0, &mut self.owns, &mut self.answers, &evaluate),
            Schedule::Sequential => {
                let blocks = self.owns.iter_mut().zip(&mut self.answers).enumerate();
                blocks.for_each(|(index, (own, answer))| evaluate(index, own, answer));
            }
        }
        // These ask others for sums, in their order.
        for (index, (block, answer)) in network.blocks().iter().zip(&mut self.answers).enumerate() {
            if step.by_sums(index).is_some() {
                let mut scratch = scratches.take();
                let (result, span) = timed(clock, Work::Block, index, || {
                    let with = (&shared, &mut scratch);
                    step.evaluate_by_sums(index, &**block, &outputs[index], answer, with, parts)
                });
                scratches.give(scratch);
                let failed = result.is_err();
                answer.result = Some((result, span));
                if failed {
                    break;
                }
            }
        }
        let mut failure = None;
        for (signal, answer) in self.report.signals.iter_mut().zip(&mut self.answers) {
            let Some((result, span)) = answer.result.take() else { continue };
            self.report.spans.push(span);
            match result {
                Ok(found) => *signal = found,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        // All processes come to the same result of the same numbers, so that none waits for another that has ended.
        if let Some(error) = failure {
            return Err(error);
        }

        let mut scratch = self.scratches.take();
        for index in 0..blocks {
            let Pace::Learns(pace) = step.pace(index) else { continue };
            let begin = Instant::now();
            let (before, rest) = network.blocks_mut().split_at_mut(index);
            let block = &mut *rest[0];
            let x = match before.last() {
                None => step.rows.of(&batch.x, block.inputs()),
                Some(last) => step.own(index - 1, &**last, &outputs[index - 1]),
            };
            let z = step.own(index, block, &outputs[index]);
            let dz = &mut self.answers[index].dz[..step.rows.own.len() * block.outputs()];
            let (cache, own) = (&mut self.caches[index], &mut self.owns[index]);
            let gradient = grown(&mut scratch.gradient, block.parameters().len());
            in_parts(block, index)?.gradient_in_parts(m, x, z, dz, cache, gradient, parts);
            self.report.signals[index].gradient_norm = norm(gradient);
            let rate = learning_rate * pace;
            let groups = block.groups();
            self.optimizer.step(rate, groups, (block.parameters_mut(), gradient), &mut own.optimizer);
            own.learners.iter_mut().for_each(|learner| learner.step(self.optimizer, rate));
            self.report.spans.push(clock.span(Work::Block, index, begin));
        }
        self.scratches.give(scratch);
        self.shared = Some(shared);
        in_order(&mut self.report.spans);
        Ok(&self.report)
    }
}
