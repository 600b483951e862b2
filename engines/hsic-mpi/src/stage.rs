//! One stage as a session: the loop of training runs in every process, in step, and what it asks of a network goes through
//! all stages.
//!
//! What the last stage gets is the network's answer. The others get numbers of the right count in its place, which nobody
//! looks at: what is made of an answer is made there.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::inference::Inference;
use hsic_bottleneck::network::learner::StateMismatch;
use hsic_bottleneck::network::{NamedTensor, StoredTensor};
use hsic_bottleneck::session::{InStages, Session, Visit};
use hsic_bottleneck::stages::StagePart;
use hsic_bottleneck::step_error::StepError;
use hsic_bottleneck::update::{StepReport, UpdateState};
use mpi::Tag;

use crate::exchange::{Names, Timed, is_timed, now, packed, unpack};
use crate::link::Link;

/// Outputs of a training step, and behind them whether it is the last one.
const OUTPUTS: Tag = 1;
/// Signals of a training step.
const SIGNALS: Tag = 2;
/// When what was done in it.
const TIMES: Tag = 3;
/// Activations of a network that is asked.
const ASKED: Tag = 4;
/// Features of the blocks up to here.
const FEATURES: Tag = 5;
/// Parameters and statistics.
const WEIGHTS: Tag = 6;

/// The blocks of a process, in training.
pub(crate) struct Stage<'s> {
    /// All blocks; those of other stages stay as they were made.
    session: &'s mut dyn InStages,
    link: &'s Link,
    cuts: &'s [Range<usize>],
    /// The user asks for the end: looked at by the first stage, before it sends.
    asked: &'s AtomicBool,
    /// The step at work is the last one: set in all stages at the same step.
    last_step: &'s AtomicBool,
    /// The last message, and the one on its way.
    incoming: Vec<f32>,
    outgoing: Vec<f32>,
    report: StepReport,
    names: Names,
    /// Names of terms by block.
    terms: Vec<[&'static str; 2]>,
    /// Whether the last stage has heard them.
    named: bool,
    /// Columns of the input of each block, and tensors.
    inputs: Vec<usize>,
    tensors: Vec<usize>,
}

impl<'s> Stage<'s> {
    /// Of this process: its cut of the session's blocks.
    pub(crate) fn new(
        session: &'s mut dyn InStages,
        (link, cuts): (&'s Link, &'s [Range<usize>]),
        (asked, last_step): (&'s AtomicBool, &'s AtomicBool),
    ) -> Self {
        let (inputs, tensors) = (session.block_inputs(), session.block_tensors());
        Self {
            session,
            link,
            cuts,
            asked,
            last_step,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            report: StepReport::default(),
            names: Names::default(),
            terms: vec![[""; 2]; inputs.len()],
            named: false,
            inputs,
            tensors,
        }
    }

    /// Its blocks.
    pub(crate) fn blocks(&self) -> Range<usize> {
        self.cuts[self.link.stage()].clone()
    }

    /// Its blocks, and where their tensors are among all.
    pub(crate) fn part(&self) -> StagePart {
        let blocks = self.blocks();
        StagePart { tensors: self.tensors_of(&blocks), blocks }
    }

    /// Where the tensors of some blocks are among all.
    fn tensors_of(&self, blocks: &Range<usize>) -> Range<usize> {
        let until = |block: usize| self.tensors[..block].iter().sum();
        until(blocks.start)..until(blocks.end)
    }

    /// Brings the weights of all blocks to the last stage, whose network is then the trained one.
    ///
    /// # Errors
    /// What the session says of its own state.
    pub(crate) fn gather(&mut self) -> Result<(), StepError> {
        let own = self.part().tensors;
        if !self.link.is_last() {
            for tensor in &self.session.weights()[own] {
                self.link.send(self.link.stages() - 1, WEIGHTS, &tensor.values());
            }
            return Ok(());
        }
        let named = |stored: StoredTensor<'_, f32>| NamedTensor {
            values: stored.values(),
            name: stored.name,
            shape: stored.shape,
        };
        let mut weights: Vec<NamedTensor<f32>> = self.session.weights().into_iter().map(named).collect();
        for (stage, blocks) in self.cuts[..self.link.stage()].iter().enumerate() {
            for tensor in &mut weights[self.tensors_of(blocks)] {
                tensor.values = self.link.receive_any(stage, WEIGHTS);
            }
        }
        let state = self.session.state();
        self.session.restore(&weights, state).map_err(|error| StepError::Own(Box::new(error)))
    }

    /// Tells the last stage of a step, or hears of it from all others. Whether a step was measured is the same for all.
    fn share(&mut self, step: u64, began: f64) {
        let measured = !self.report.signals.is_empty();
        let timed = is_timed(step) || (measured && !self.named);
        self.named |= measured;
        let (own, threads) = (self.blocks(), rayon::current_num_threads());
        if !self.link.is_last() {
            let last = self.link.stages() - 1;
            let signals = if measured { &self.report.signals[own] } else { &[] };
            if measured {
                self.link.send(last, SIGNALS, &packed(signals));
            }
            if timed {
                let names = signals.iter().map(|signal| signal.terms.map(|(name, _)| name.to_owned()));
                let told = Timed { names: names.collect(), spans: self.report.spans.clone(), began, threads };
                // Numbers and names are always told.
                let text = serde_json::to_vec(&told).unwrap_or_default();
                self.link.send(last, TIMES, &text);
            }
            return;
        }
        let mut times = Vec::new();
        for (stage, blocks) in self.cuts[..self.link.stage()].iter().enumerate() {
            let numbers: Vec<f64> = if measured { self.link.receive_any(stage, SIGNALS) } else { Vec::new() };
            if timed {
                let text: Vec<u8> = self.link.receive_any(stage, TIMES);
                if let Ok(told) = serde_json::from_slice::<Timed>(&text) {
                    for (terms, names) in self.terms[blocks.clone()].iter_mut().zip(&told.names) {
                        *terms = [0, 1].map(|index| self.names.kept(&names[index]));
                    }
                    times.push(told);
                }
            }
            if measured {
                unpack(&numbers, &self.terms[blocks.clone()], &mut self.report.signals[blocks.clone()]);
            }
        }
        if timed {
            self.draw_together(times, began, threads);
        }
    }

    /// The spans of all stages from the begin of the first, each stage on threads of its own.
    fn draw_together(&mut self, times: Vec<Timed>, began: f64, threads: usize) {
        let own = Timed { names: Vec::new(), spans: std::mem::take(&mut self.report.spans), began, threads };
        let all: Vec<Timed> = times.into_iter().chain([own]).collect();
        let first = all.iter().map(|told| told.began).fold(f64::INFINITY, f64::min);
        let mut lanes = 0;
        for told in all {
            let later = told.began - first;
            self.report.spans.extend(told.spans.into_iter().map(|mut span| {
                span.thread += lanes;
                span.begin_milliseconds += later;
                span.end_milliseconds += later;
                span
            }));
            lanes += told.threads;
        }
        self.report.spans.sort_by(|a, b| a.begin_milliseconds.total_cmp(&b.begin_milliseconds));
    }

    /// What comes in for the first of this stage's blocks: the samples, or what the stage before sends.
    fn asked_rows(&self, m: usize, x: &[f32]) -> Vec<f32> {
        if self.link.is_first() {
            return x.to_vec();
        }
        let mut rows = vec![0.0; m * self.inputs[self.blocks().start]];
        self.link.receive(self.link.stage() - 1, ASKED, &mut rows);
        rows
    }

    /// Passes on what comes out; the last stage keeps it, the others get numbers in its place.
    fn passed_on(&self, outputs: Vec<f32>, count: usize) -> Vec<f32> {
        if self.link.is_last() {
            return outputs;
        }
        self.link.send(self.link.stage() + 1, ASKED, &outputs);
        stand_ins(count)
    }

    /// The outputs of the network in evaluation mode.
    fn outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
        let rows = self.asked_rows(m, x);
        let (outputs, _) = self.session.infer_blocks(self.blocks(), m, &rows, false);
        self.passed_on(outputs, m * self.units())
    }

    /// The features of all blocks in evaluation mode: each stage adds its own, row by row, to those that come in.
    fn all_features(&self, m: usize, x: &[f32]) -> Vec<f32> {
        let (rows, own) = (self.asked_rows(m, x), self.blocks());
        let (outputs, features) = self.session.infer_blocks(own.clone(), m, &rows, true);
        let before: usize = self.session.block_columns()[..own.start].iter().sum();
        let mut earlier = vec![0.0; m * before];
        if !self.link.is_first() {
            self.link.receive(self.link.stage() - 1, FEATURES, &mut earlier);
        }
        let width = features.len() / m.max(1);
        let row = |row: usize| [&earlier[row * before..][..before], &features[row * width..][..width]].concat();
        let joined: Vec<f32> = (0..m).flat_map(row).collect();
        if self.link.is_last() {
            return joined;
        }
        self.link.send(self.link.stage() + 1, ASKED, &outputs);
        self.link.send(self.link.stage() + 1, FEATURES, &joined);
        stand_ins(m * self.feature_columns(true))
    }
}

/// Numbers in [0, 1) that nobody looks at: what is fitted to them comes to an end too.
fn stand_ins(count: usize) -> Vec<f32> {
    (0..count as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0).collect()
}

impl Inference for Stage<'_> {
    fn inputs(&self) -> usize {
        self.session.inputs()
    }

    fn units(&self) -> usize {
        self.session.units()
    }

    fn block_parameters(&self) -> Vec<usize> {
        self.session.block_parameters()
    }

    fn feature_columns(&self, all: bool) -> usize {
        self.session.feature_columns(all)
    }

    fn block_columns(&self) -> Vec<usize> {
        self.session.block_columns()
    }

    fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32> {
        if all { self.all_features(m, x) } else { self.outputs(m, x) }
    }

    fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        // What stages train has a unit a column.
        self.outputs(m, x)
    }

    fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
        let outputs = self.session.batch_outputs_of(self.blocks(), m, &self.asked_rows(m, x));
        self.passed_on(outputs, m * self.units())
    }

    fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.batch_outputs(m, x)
    }
}

impl Session for Stage<'_> {
    fn plan(&mut self, steps: u64) {
        self.session.plan(steps);
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<&StepReport, StepError> {
        let (link, own, m) = (self.link, self.blocks(), batch.rows());
        if link.is_first() {
            // The same for all stages, whenever they come to this step.
            self.last_step.store(self.asked.load(Ordering::Relaxed), Ordering::Relaxed);
        } else {
            self.incoming.resize(m * self.inputs[own.start] + 1, 0.0);
            link.receive(link.stage() - 1, OUTPUTS, &mut self.incoming);
            let last = self.incoming.pop().is_some_and(|mark| mark != 0.0);
            self.last_step.store(last, Ordering::Relaxed);
        }
        // What was waited for is no part of the step.
        let began = now();
        let input = if link.is_first() { &batch.x[..] } else { &self.incoming[..] };
        let mark = f32::from(u8::from(self.last_step.load(Ordering::Relaxed)));
        let outgoing = &mut self.outgoing;
        let mut relay = |z: &[f32], learn: &mut dyn FnMut()| {
            if link.is_last() {
                learn();
            } else {
                outgoing.clear();
                outgoing.extend_from_slice(z);
                outgoing.push(mark);
                link.send_while(link.stage() + 1, OUTPUTS, outgoing, learn);
            }
            Ok(())
        };
        let report = self.session.step_of(batch, (own, input), learning_rate, &mut relay)?;
        self.report.signals.clone_from(&report.signals);
        self.report.spans.clone_from(&report.spans);
        self.share(batch.step, began);
        Ok(&self.report)
    }

    fn learns_values(&self) -> bool {
        self.session.learns_values()
    }

    fn observe(&mut self, _batch: &Batch, _visit: &mut Visit<'_>) -> Result<Vec<f32>, StepError> {
        Err(StepError::Own("the monitor sees the blocks of one process alone: expected monitor-steps = 0".into()))
    }

    fn form_statistics(&mut self, batch: &Batch, earlier: usize) -> bool {
        if !self.session.has_statistics() {
            return false;
        }
        let m = batch.rows();
        let (own, x) = (self.blocks(), self.asked_rows(m, &batch.x));
        let x = self.session.form_statistics_of(own, m, &x, m as f64 / (m + earlier) as f64);
        if !self.link.is_last() {
            self.link.send(self.link.stage() + 1, ASKED, &x);
        }
        true
    }

    fn weights(&self) -> Vec<StoredTensor<'_, f32>> {
        self.session.weights()
    }

    fn state(&self) -> UpdateState {
        self.session.state()
    }

    fn restore(&mut self, weights: &[NamedTensor<f32>], state: UpdateState) -> Result<(), StateMismatch> {
        self.session.restore(weights, state)
    }

    fn diverged(&self) -> Option<usize> {
        // Blocks of other stages are as they were made.
        self.session.diverged()
    }
}
