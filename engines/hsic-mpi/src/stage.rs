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
use hsic_bottleneck::network::{Block, Cache, NamedTensor, Network, StoredTensor};
use hsic_bottleneck::session::{Session, Visit};
use hsic_bottleneck::stages::StagePart;
use hsic_bottleneck::step_error::StepError;
use hsic_bottleneck::update::{StepReport, Update, UpdateState};
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
    network: &'s mut Network,
    update: &'s mut dyn Update,
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
    steps: u64,
    caches: Vec<Cache<f32>>,
}

impl<'s> Stage<'s> {
    /// Of this process: its cut of `network`.
    pub(crate) fn new(
        (network, update): (&'s mut Network, &'s mut dyn Update),
        (link, cuts): (&'s Link, &'s [Range<usize>]),
        (asked, last_step): (&'s AtomicBool, &'s AtomicBool),
    ) -> Self {
        let blocks = network.blocks().len();
        Self {
            network,
            update,
            link,
            cuts,
            asked,
            last_step,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            report: StepReport::default(),
            names: Names::default(),
            terms: vec![[""; 2]; blocks],
            steps: 0,
            caches: Vec::new(),
        }
    }

    /// Its blocks.
    pub(crate) fn blocks(&self) -> Range<usize> {
        self.cuts[self.link.stage()].clone()
    }

    /// Its blocks, and where their tensors are among all.
    pub(crate) fn part(&self) -> StagePart {
        let tensors = |blocks: &[Box<dyn Block>]| -> usize { blocks.iter().map(|block| block.layout().len()).sum() };
        let blocks = self.blocks();
        let before = tensors(&self.network.blocks()[..blocks.start]);
        let own = tensors(&self.network.blocks()[blocks.clone()]);
        StagePart { blocks, tensors: before..before + own }
    }

    /// Brings the numbers of all blocks to the last stage, whose network is then the trained one.
    pub(crate) fn gather(&mut self) {
        if !self.link.is_last() {
            for block in &self.network.blocks()[self.blocks()] {
                let numbers = [block.parameters().to_vec(), block.statistics().concat()].concat();
                self.link.send(self.link.stages() - 1, WEIGHTS, &numbers);
            }
            return;
        }
        for (stage, blocks) in self.cuts[..self.link.stage()].iter().enumerate() {
            for block in &mut self.network.blocks_mut()[blocks.clone()] {
                let numbers: Vec<f32> = self.link.receive_any(stage, WEIGHTS);
                let (parameters, mut rest) = numbers.split_at(block.parameters().len());
                block.parameters_mut().copy_from_slice(parameters);
                for statistics in block.statistics_mut() {
                    let (own, after) = rest.split_at(statistics.len());
                    statistics.copy_from_slice(own);
                    rest = after;
                }
            }
        }
    }

    /// Tells the last stage of a step, or hears of it from all others.
    fn share(&mut self, step: u64, began: f64) {
        let timed = self.steps == 0 || is_timed(step);
        let (own, threads) = (self.blocks(), rayon::current_num_threads());
        if !self.link.is_last() {
            let last = self.link.stages() - 1;
            self.link.send(last, SIGNALS, &packed(&self.report.signals[own.clone()]));
            if timed {
                let names = self.report.signals[own].iter().map(|signal| signal.terms.map(|(name, _)| name.to_owned()));
                let told = Timed { names: names.collect(), spans: self.report.spans.clone(), began, threads };
                // Numbers and names are always told.
                let text = serde_json::to_vec(&told).unwrap_or_default();
                self.link.send(last, TIMES, &text);
            }
            return;
        }
        let mut times = Vec::new();
        for (stage, blocks) in self.cuts[..self.link.stage()].iter().enumerate() {
            let numbers: Vec<f64> = self.link.receive_any(stage, SIGNALS);
            if timed {
                let text: Vec<u8> = self.link.receive_any(stage, TIMES);
                if let Ok(told) = serde_json::from_slice::<Timed>(&text) {
                    for (terms, names) in self.terms[blocks.clone()].iter_mut().zip(&told.names) {
                        *terms = [0, 1].map(|index| self.names.kept(&names[index]));
                    }
                    times.push(told);
                }
            }
            unpack(&numbers, &self.terms[blocks.clone()], &mut self.report.signals[blocks.clone()]);
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
        let mut rows = vec![0.0; m * self.network.blocks()[self.blocks().start].inputs()];
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
        let (outputs, _) = self.network.infer_blocks(self.blocks(), m, &rows, false);
        self.passed_on(outputs, m * self.network.outputs())
    }

    /// The features of all blocks in evaluation mode: each stage adds its own, row by row, to those that come in.
    fn all_features(&self, m: usize, x: &[f32]) -> Vec<f32> {
        let (rows, own) = (self.asked_rows(m, x), self.blocks());
        let (outputs, features) = self.network.infer_blocks(own.clone(), m, &rows, true);
        let columns = |blocks: &[Box<dyn Block>]| -> usize {
            blocks.iter().map(|block| self.network.feature().columns(block.shape())).sum()
        };
        let before = columns(&self.network.blocks()[..own.start]);
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
        stand_ins(m * self.network.feature_columns(true))
    }
}

/// Numbers in [0, 1) that nobody looks at: what is fitted to them comes to an end too.
fn stand_ins(count: usize) -> Vec<f32> {
    (0..count as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0).collect()
}

impl Inference for Stage<'_> {
    fn inputs(&self) -> usize {
        self.network.inputs()
    }

    fn units(&self) -> usize {
        self.network.units()
    }

    fn block_parameters(&self) -> Vec<usize> {
        self.network.block_parameters()
    }

    fn feature_columns(&self, all: bool) -> usize {
        self.network.feature_columns(all)
    }

    fn block_columns(&self) -> Vec<usize> {
        self.network.block_columns()
    }

    fn features(&self, m: usize, x: &[f32], all: bool) -> Vec<f32> {
        if all { self.all_features(m, x) } else { self.outputs(m, x) }
    }

    fn class_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.network.scores(self.outputs(m, x))
    }

    fn batch_outputs(&self, m: usize, x: &[f32]) -> Vec<f32> {
        let mut from = self.asked_rows(m, x);
        for block in &self.network.blocks()[self.blocks()] {
            let mut to = vec![0.0; m * block.outputs()];
            block.forward(m, &from, &mut to, &mut Cache::shared());
            from = to;
        }
        self.passed_on(from, m * self.network.outputs())
    }

    fn batch_scores(&self, m: usize, x: &[f32]) -> Vec<f32> {
        self.network.scores(self.batch_outputs(m, x))
    }
}

impl Session for Stage<'_> {
    fn plan(&mut self, steps: u64) {
        self.update.plan(self.network, steps);
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<&StepReport, StepError> {
        let (link, own, m) = (self.link, self.blocks(), batch.rows());
        if link.is_first() {
            // The same for all stages, whenever they come to this step.
            self.last_step.store(self.asked.load(Ordering::Relaxed), Ordering::Relaxed);
        } else {
            self.incoming.resize(m * self.network.blocks()[own.start].inputs() + 1, 0.0);
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
        let unfit = || StepError::Own("a method whose blocks need more than their input and the batch".into());
        let staged = self.update.staged().ok_or_else(unfit)?;
        let report = staged.step_of(self.network, batch, (own, input), learning_rate, &mut relay)?;
        self.report.signals.clone_from(&report.signals);
        self.report.spans.clone_from(&report.spans);
        self.share(batch.step, began);
        self.steps += 1;
        Ok(&self.report)
    }

    fn learns_values(&self) -> bool {
        self.update.learns_values()
    }

    fn observe(&mut self, _batch: &Batch, _visit: &mut Visit<'_>) -> Result<Vec<f32>, StepError> {
        Err(StepError::Own("the monitor sees the blocks of one process alone: expected monitor-steps = 0".into()))
    }

    fn form_statistics(&mut self, batch: &Batch, earlier: usize) -> bool {
        if self.network.blocks().iter().all(|block| block.statistics().is_empty()) {
            return false;
        }
        let (m, own) = (batch.rows(), self.blocks());
        let share = Some(m as f64 / (m + earlier) as f64);
        let entered = self.network.entered(&batch.x);
        let mut x = self.asked_rows(m, &entered);
        self.caches.resize_with(own.len(), Cache::shared);
        for (block, cache) in self.network.blocks_mut()[own].iter_mut().zip(&mut self.caches) {
            let mut z = vec![0.0; m * block.outputs()];
            block.forward(m, &x, &mut z, cache);
            cache.set_share(share);
            block.absorb_statistics(m, cache);
            x = z;
        }
        if !self.link.is_last() {
            self.link.send(self.link.stage() + 1, ASKED, &x);
        }
        true
    }

    fn weights(&self) -> Vec<StoredTensor<'_, f32>> {
        self.network.stored_tensors()
    }

    fn state(&self) -> UpdateState {
        self.update.state()
    }

    fn restore(&mut self, weights: &[NamedTensor<f32>], state: UpdateState) -> Result<(), StateMismatch> {
        self.network.set_tensors(weights);
        self.update.restore(self.network, state)
    }

    fn diverged(&self) -> Option<usize> {
        let finite = |block: &dyn Block| {
            let statistics = block.statistics().into_iter().flatten();
            block.parameters().iter().chain(statistics).all(|value| value.is_finite())
        };
        let own = self.blocks();
        own.clone().zip(&self.network.blocks()[own]).find(|(_, block)| !finite(&***block)).map(|(index, _)| index)
    }
}
