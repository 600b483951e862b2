//! Direct feedback alignment: the output error reaches every block at once, through fixed random matrices.
//!
//!   e = softmax(h_L) - y,   delta_i = (e B_i) o f'(a_i),   dW_i = delta_i' h_{i-1}
//!
//! B_i (classes x d_i, d_i the values of block i's output) is drawn once, uniform in +-1/sqrt(d_i), and never learned. The
//! last block, linear, has delta_L = e. No gradient passes from block to block and no block waits for another: once e is
//! known, all blocks are updated in parallel. The forward weights learn to align with the feedback: the angle to
//! back-propagation's gradient falls below 90 degrees within a few hundred steps.
//!
//! `--angle-steps N` measures that: every N steps the true gradient is computed as well (a step of back-propagation more),
//! and its cosine with the block's own recorded as the term `bp_cosine`; an epoch's mean is over the measured steps.
//!
//! B_i follows from the seed and is in no checkpoint. Batch norm's backward pass is part of f'.
//!
//! Source: Nokland, NIPS 2016, arXiv 1609.01596 (there: RMSprop, rate 1e-4, batch 64, 300 epochs, no batch norm).
//! Defaults: AdamW, rate 1e-3. Expect a few tenths of a percent less than back-propagation of dense networks: MNIST,
//! `--widths 1024x3`, 20 epochs, 98.4 % of a validation part (one seed). Keep relu with batch norm: after 3 epochs 97.8 %,
//! tanh with batch norm 96.0, without (rate 5e-4) 94.4. Pitfalls: convolutions hardly align, so expect far less of `vgg`.

use std::sync::Mutex;
use std::time::Instant;

use faer::{Accum, MatMut, MatRef};
use hsic::Scalar;
use hsic::product::product;
use hsic::random::Stream;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Block, Cache, Network};
use hsic_nn::optimizer::{Optimizer, OptimizerState};
use rayon::prelude::*;

use super::{Method, Outputs, Recipe};
use crate::engine::angle::Angle;
use crate::engine::clock::{cleared, in_order};
use crate::engine::pass::Pass;
use crate::engine::pool::{Pool, lock};
use crate::error::StepError;
use crate::objective::Signal;
use crate::objective::Told;
use crate::objective::cross_entropy::cross_entropy;
use crate::span::Span;
use crate::span::Work;
use crate::update::{StepReport, Update, UpdateState, restore_optimizers};

/// The method `dfa`.
pub static METHOD: Method = Method {
    name: "dfa",
    summary: "direct feedback alignment: fixed random matrices bring the output error to every block at once",
    reference: "Nokland, NIPS 2016, arXiv 1609.01596",
    cost: "2/3 of back-propagation's products, all blocks at once after the forward pass; memory of all activations",
    source: include_str!("direct_feedback.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: false,
    parallel: true,
    reads: &["angle_steps", "label_smoothing"],
    resolve: |options, _| {
        options.adamw(1e-3);
        let angle = options.rule.angle_steps();
        Recipe::new(move |settings| {
            Ok(Box::new(DirectFeedback::new(settings.optimizer, settings.seed).with_angle(angle)))
        })
    },
};

/// Memory of one thread.
struct Scratch<T> {
    dz: Vec<T>,
    gradient: Vec<T>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self { dz: Vec::new(), gradient: Vec::new() }
    }
}

/// What a block has of its own.
struct Slot<T> {
    cache: Cache<T>,
    optimizer: OptimizerState<T>,
    /// B, classes x outputs; empty for the last block.
    feedback: Vec<T>,
}

/// Trains every block by the output error behind a random matrix.
pub struct DirectFeedback<T: Scalar = f32> {
    optimizer: Optimizer,
    seed: u64,
    slots: Vec<Slot<T>>,
    /// Activations of each block.
    outputs: Vec<Vec<T>>,
    error: Vec<T>,
    angle: Angle<T>,
    scratches: Pool<Scratch<T>>,
    report: StepReport,
}

impl<T: Scalar> DirectFeedback<T> {
    /// With one optimizer a block, and feedback drawn from `seed`.
    #[must_use]
    pub fn new(optimizer: Optimizer, seed: u64) -> Self {
        Self {
            optimizer,
            seed,
            slots: Vec::new(),
            outputs: Vec::new(),
            error: Vec::new(),
            angle: Angle::new(0),
            scratches: Pool::default(),
            report: StepReport::default(),
        }
    }

    /// Compares the gradients with back-propagation's every so many steps; never if that is 0.
    #[must_use]
    pub fn with_angle(mut self, every: u64) -> Self {
        self.angle = Angle::new(every);
        self
    }

    /// Takes these matrices, by block, in place of random ones; none for the last block.
    #[cfg(test)]
    pub(crate) fn set_feedback(&mut self, network: &Network<T>, feedback: Vec<Vec<T>>) {
        self.meet(network);
        self.slots.iter_mut().zip(feedback).for_each(|(slot, feedback)| slot.feedback = feedback);
    }

    /// Draws the feedback of a network that was not seen before.
    fn meet(&mut self, network: &Network<T>) {
        let (blocks, classes) = (network.blocks(), network.outputs());
        if self.slots.len() == blocks.len() {
            return;
        }
        let slot = |(index, block): (usize, &dyn Block<T>)| {
            let (d, mut stream) = (block.outputs(), Stream::new(self.seed, "direct feedback", index as u64));
            let bound = 1.0 / (d as f64).sqrt();
            let entries = if index + 1 == blocks.len() { 0 } else { classes * d };
            let feedback = (0..entries).map(|_| T::of(stream.between(-bound, bound))).collect();
            Slot { cache: Cache::shared(), optimizer: OptimizerState::default(), feedback }
        };
        self.slots = blocks.iter().map(|block| &**block).enumerate().map(slot).collect();
    }
}

impl<T: Scalar> Update<T> for DirectFeedback<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let (Pass { m, clock, .. }, classes) = (pass, network.outputs());
        StepError::check_scores(network.blocks(), batch.classes)?;
        self.meet(network);
        self.angle.measure(network, batch, pass);
        let blocks = network.blocks_mut();
        let Self { optimizer, slots, outputs, error, angle, scratches, report, .. } = self;
        outputs.resize_with(blocks.len(), Vec::new);
        report.signals.resize(blocks.len(), Signal::default());
        cleared(&mut report.spans, blocks.len());
        for (index, (block, slot)) in blocks.iter_mut().zip(&mut *slots).enumerate() {
            let (before, rest) = outputs.split_at_mut(index);
            let (x, z) = (before.last().unwrap_or(&batch.x), pass.room(&**block, &mut rest[0]));
            report.spans.push(pass.train(index, &mut **block, x, z, &mut slot.cache)?);
        }
        let begin = Instant::now();
        error.resize(m * classes, T::ZERO);
        let loss = cross_entropy(&outputs[blocks.len() - 1], Told::of(batch), classes, error);
        report.spans.push(clock.span(Work::Operator, 0, begin));
        let (outputs, error, angle, scratches) = (&*outputs, &error[..], &*angle, &*scratches);
        let spans: Mutex<&mut Vec<Span>> = Mutex::new(&mut report.spans);
        let work = blocks.par_iter_mut().zip(slots).zip(&mut report.signals).enumerate().with_max_len(1);
        work.for_each(|(index, ((block, slot), signal))| {
            let begin = Instant::now();
            let mut scratch = scratches.take();
            let x = index.checked_sub(1).map_or(&batch.x, |before| &outputs[before]);
            let z = &outputs[index];
            let dz = grown(&mut scratch.dz, z.len());
            if slot.feedback.is_empty() {
                dz.copy_from_slice(error);
            } else {
                let d = block.outputs();
                let b = MatRef::from_row_major_slice(&slot.feedback, classes, d);
                let e = MatRef::from_row_major_slice(error, m, classes);
                product(MatMut::from_row_major_slice_mut(dz, m, d), Accum::Replace, e, b, T::ONE);
            }
            let gradient = grown(&mut scratch.gradient, block.parameters().len());
            block.gradient(m, x, z, dz, &mut slot.cache, gradient, None);
            let terms = [angle.term(index, gradient), ("", 0.0)];
            *signal = Signal { loss, terms, gradient_norm: norm(gradient), dead: false };
            optimizer.step(learning_rate, block.groups(), (block.parameters_mut(), gradient), &mut slot.optimizer);
            scratches.give(scratch);
            let span = clock.span(Work::Block, index, begin);
            lock(&spans).push(span);
        });
        in_order(&mut report.spans);
        Ok(report)
    }

    fn state(&self) -> UpdateState<T> {
        UpdateState::of(self.slots.iter().map(|slot| &slot.optimizer))
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.slots.clear();
        self.meet(network);
        restore_optimizers(self.slots.iter_mut().map(|slot| &mut slot.optimizer), record.optimizers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, Dense, Norm};

    use super::*;
    use crate::engine::Backprop;

    const SGD: Optimizer = Optimizer::sgd();
    const M: usize = 12;

    fn network(widths: &[usize], activation: Activation, norm: Norm) -> Network<f64> {
        let mut blocks: Vec<Box<dyn Block<f64>>> = Vec::new();
        let mut inputs = 6;
        for (index, &outputs) in widths.iter().enumerate() {
            let mut stream = Stream::new(3, "init", index as u64);
            let last = index + 1 == widths.len();
            let (activation, norm) = if last { (Activation::Identity, Norm::None) } else { (activation, norm) };
            blocks.push(Box::new(Dense::new(inputs, outputs, activation, norm, &mut stream)));
            inputs = outputs;
        }
        Network::new(blocks)
    }

    fn batch(step: u64) -> Batch<f64> {
        let mut stream = Stream::new(4, "batch", step);
        let x = (0..M * 6).map(|_| stream.normal()).collect();
        Batch {
            x,
            columns: 6,
            labels: (0..M).map(|row| row % 3).collect(),
            classes: 3,
            values: Vec::new(),
            smoothing: 0.0,
            step,
        }
    }

    /// Largest difference between the parameters of two networks.
    fn difference(a: &Network<f64>, b: &Network<f64>) -> f64 {
        let parameters = |network: &Network<f64>| -> Vec<f64> {
            network.blocks().iter().flat_map(|block| block.parameters().to_vec()).collect()
        };
        parameters(a).iter().zip(parameters(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn feedback_through_the_weights_above_is_back_propagation_of_a_linear_network() {
        let linear = || network(&[5, 4, 3], Activation::Identity, Norm::None);
        let (mut direct, mut chained) = (linear(), linear());
        let mut update = DirectFeedback::new(SGD, 1);
        // B_1 = W_2 (classes x 4), B_0 = W_2 W_1 (classes x 5).
        let (w1, w2) = (&direct.blocks()[1].parameters()[..20], &direct.blocks()[2].parameters()[..12]);
        let product = (0..15).map(|i| (0..4).map(|k| w2[i / 5 * 4 + k] * w1[k * 5 + i % 5]).sum()).collect();
        update.set_feedback(&direct, vec![product, w2.to_vec(), Vec::new()]);
        update.step(&mut direct, &batch(0), 0.5).unwrap();
        Backprop::new(SGD).step(&mut chained, &batch(0), 0.5).unwrap();
        // Sums of at most 12 products of numbers near 1, in another order: some units in the last place.
        let found = difference(&direct, &chained);
        assert!(found < 1e-15, "{found}");
        assert!(difference(&direct, &linear()) > 1e-2);
    }

    #[test]
    fn the_true_feedback_of_one_hidden_block_gives_the_bits_of_back_propagation() {
        for norm in [Norm::None, Norm::Batch, Norm::BatchAffine] {
            let mut direct = network(&[5, 3], Activation::Tanh, norm);
            let mut chained = network(&[5, 3], Activation::Tanh, norm);
            let mut update = DirectFeedback::new(SGD, 1).with_angle(1);
            let weights = direct.blocks()[1].parameters()[..15].to_vec();
            update.set_feedback(&direct, vec![weights, Vec::new()]);
            let report = update.step(&mut direct, &batch(0), 0.5).unwrap().clone();
            let expected = Backprop::new(SGD).step(&mut chained, &batch(0), 0.5).unwrap().clone();
            assert_eq!(difference(&direct, &chained), 0.0, "{norm:?}");
            for (found, expected) in report.signals.iter().zip(&expected.signals) {
                assert_eq!((found.loss, found.gradient_norm), (expected.loss, expected.gradient_norm));
                assert!((found.terms[0].1 - 1.0).abs() < 1e-12 && found.terms[0].0 == "bp_cosine");
            }
        }
    }

    #[test]
    fn gradients_turn_towards_those_of_back_propagation() {
        let mut network = network(&[32, 32, 3], Activation::Tanh, Norm::None);
        let mut update = DirectFeedback::new(SGD, 1).with_angle(50);
        let mut cosines = Vec::new();
        for step in 0..=300 {
            let terms = update.step(&mut network, &Batch { step, ..batch(step % 4) }, 0.3).unwrap().signals.iter();
            cosines.push(terms.map(|signal| signal.terms[0].1).collect::<Vec<f64>>());
        }
        assert!(cosines[1].iter().all(|cosine| cosine.is_nan()), "between measurements there is no value");
        let (first, last) = (&cosines[0], &cosines[300]);
        assert!(first[..2].iter().all(|cosine| cosine.abs() < 0.35), "at first they have nothing in common: {first:?}");
        assert!(last[..2].iter().all(|&cosine| cosine > 0.4), "{last:?}");
        assert!((first[2] - 1.0).abs() < 1e-12 && (last[2] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn feedback_is_of_the_size_of_the_output_and_follows_from_the_seed() {
        let network = network(&[100, 7, 3], Activation::Tanh, Norm::Batch);
        let feedback = |seed| {
            let mut update = DirectFeedback::new(SGD, seed);
            update.meet(&network);
            update.slots.into_iter().map(|slot| slot.feedback).collect::<Vec<_>>()
        };
        let found = feedback(5);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [300, 21, 0]);
        let largest = found[0].iter().fold(0.0f64, |largest, b| largest.max(b.abs()));
        assert!(largest <= 0.1 && largest > 0.099, "uniform in +-1/sqrt(100): {largest}");
        assert_eq!(found, feedback(5));
        assert_ne!(found, feedback(6));
    }
}
