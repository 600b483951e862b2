//! Node perturbation: a step is what noise on the activations did to each sample's loss; nothing is sent back.
//!
//! ```text
//! clean pass:   h_i = f_i(h_{i-1}),                     loss L_s of sample s
//! noisy pass:   n_i = f_i(n_{i-1}) + sigma xi_i,        loss L'_s
//! dL/dh_i of sample s  ~  (L'_s - L_s) / sigma * xi_i
//! ```
//!
//! xi are normal, drawn for each sample, value, block and step. Every block has noise at once, the last one too, so two forward
//! passes are a step whatever the depth. A block's own weights learn from that estimate at the inputs of the clean pass,
//! through its own nonlinearity and norm: of a linear block dW = (L' - L) / sigma^2 * noise * input', a mean over samples.
//! What travels is one number a sample.
//!
//! For a small sigma the estimate is right on the average, and as noisy as there are values: its variance grows with all
//! values of all blocks that have noise. Batch norm lets a sample's noise move the others' losses, which the estimate leaves
//! out; that is of order 1/m.
//!
//! `--perturbation` is sigma. `--angle-steps N` records the cosine with back-propagation's gradient every N steps.
//!
//! Source: Williams 1992 and Fiete and Seung 2006 (doi 10.1103/PhysRevLett.97.048104) for noise on nodes; of several layers
//! Hiratani et al. 2022 (arXiv 2209.06968), Dalm et al. 2023 (arXiv 2310.00965), whose comparison with the loss of a clean
//! pass this is. Defaults: AdamW, rate 1e-3, sigma 0.01. Pitfalls: below about 1e-4 sigma the losses' difference is rounding;
//! wide or deep networks learn slowly.

use std::sync::Mutex;
use std::time::Instant;

use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_data::fault::Faults;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Cache, Network};
use hsic_nn::optimizer::{Optimizer, OptimizerState};
use rayon::prelude::*;

use super::{Method, Outputs, Recipe, Stages};
use crate::engine::angle::Angle;
use crate::engine::clock::{cleared, in_order};
use crate::engine::pass::{Pass, check_finite};
use crate::engine::pool::{Pool, lock};
use crate::error::StepError;
use crate::objective::Signal;
use crate::objective::Told;
use crate::objective::cross_entropy::row_losses;
use crate::span::{Span, Work};
use crate::update::{StepReport, Update, UpdateState, restore_optimizers};

/// The method `node-perturbation`.
pub static METHOD: Method = Method {
    name: "node-perturbation",
    summary: "node perturbation: each block learns by what noise on all activations did to the loss of a sample",
    reference: "Dalm et al. 2023, arXiv 2310.00965; Fiete and Seung 2006",
    cost: "two forward passes, a normal number a value, and 1/3 of back-propagation's products; memory of all activations",
    source: include_str!("node_perturbation.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: false,
    parallel: true,
    reads: &["perturbation", "angle_steps", "label_smoothing"],
    resolve: |options, faults| {
        let sigma = sigma(options, faults);
        let angle = options.rule.angle_steps();
        Recipe::new(move |settings| {
            let update = NodePerturbation::new(settings.optimizer, sigma, settings.seed);
            Ok(Box::new(update.with_angle(angle)))
        })
    },
};

/// Deviation of the noise, if not told.
const SIGMA: f64 = 0.01;

/// Defaults and range of the option.
fn sigma(options: &mut Stages<'_>, faults: &mut Faults) -> f64 {
    options.adamw(1e-3);
    let sigma = *options.rule.perturbation.get_or_insert(SIGMA);
    faults.positive("perturbation", sigma);
    sigma
}

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
    /// Its outputs in the noisy pass, and the noise in them over sigma.
    noisy: Vec<T>,
    noise: Vec<T>,
    noisy_cache: Cache<T>,
    optimizer: OptimizerState<T>,
}

impl<T: Scalar> Default for Slot<T> {
    fn default() -> Self {
        Self {
            cache: Cache::shared(),
            noisy: Vec::new(),
            noise: Vec::new(),
            noisy_cache: Cache::shared(),
            optimizer: OptimizerState::default(),
        }
    }
}

/// Trains every block by what noise does to the loss.
pub struct NodePerturbation<T: Scalar = f32> {
    optimizer: Optimizer,
    sigma: f64,
    seed: u64,
    slots: Vec<Slot<T>>,
    /// Activations of each block in the clean pass.
    outputs: Vec<Vec<T>>,
    /// Losses of each sample without and with noise.
    clean: Vec<f64>,
    noisy: Vec<f64>,
    angle: Angle<T>,
    scratches: Pool<Scratch<T>>,
    report: StepReport,
}

impl<T: Scalar> NodePerturbation<T> {
    /// With one optimizer a block, by noise of deviation `sigma` > 0 that is drawn from `seed`.
    #[must_use]
    pub fn new(optimizer: Optimizer, sigma: f64, seed: u64) -> Self {
        Self {
            optimizer,
            sigma,
            seed,
            slots: Vec::new(),
            outputs: Vec::new(),
            clean: Vec::new(),
            noisy: Vec::new(),
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
}

impl<T: Scalar> Update<T> for NodePerturbation<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let (Pass { m, clock, .. }, classes) = (pass, network.outputs());
        StepError::check_scores(network.blocks(), batch.classes)?;
        self.angle.measure(network, batch, pass);
        let blocks = network.blocks_mut();
        let Self { optimizer, sigma, seed, slots, outputs, clean, noisy, angle, scratches, report } = self;
        slots.resize_with(blocks.len(), Slot::default);
        outputs.resize_with(blocks.len(), Vec::new);
        report.signals.resize(blocks.len(), Signal::default());
        cleared(&mut report.spans, blocks.len());
        let (size, count) = (T::of(*sigma), blocks.len() as u64);
        for (index, block) in blocks.iter_mut().enumerate() {
            let (before, rest) = slots.split_at_mut(index);
            let slot = &mut rest[0];
            let (clean_before, clean_rest) = outputs.split_at_mut(index);
            let x = clean_before.last().unwrap_or(&batch.x);
            let z = pass.room(&**block, &mut clean_rest[0]);
            report.spans.push(pass.train(index, &mut **block, x, z, &mut slot.cache)?);
            let x = before.last().map_or(&batch.x, |slot| &slot.noisy);
            let z = pass.room(&**block, &mut slot.noisy);
            pass.forward(index, &**block, x, z, &mut slot.noisy_cache);
            let mut stream = Stream::new(*seed, "node perturbation", batch.step * count + index as u64);
            slot.noise.resize(z.len(), T::ZERO);
            for (z, noise) in z.iter_mut().zip(&mut slot.noise) {
                *noise = T::of(stream.normal());
                *z = size.mul_add(*noise, *z);
            }
        }
        let begin = Instant::now();
        let last = slots.len() - 1;
        check_finite(last, &slots[last].noisy)?;
        let loss = row_losses(&outputs[last], Told::of(batch), classes, clean);
        row_losses(&slots[last].noisy, Told::of(batch), classes, noisy);
        // What the noise of a sample did, over sigma, as a share of the batch.
        let share = 1.0 / (*sigma * m as f64);
        noisy.iter_mut().zip(&*clean).for_each(|(noisy, clean)| *noisy = share * (*noisy - clean));
        report.spans.push(clock.span(Work::Operator, 0, begin));
        let (found, outputs, angle, scratches) = (&noisy[..], &*outputs, &*angle, &*scratches);
        let spans: Mutex<&mut Vec<Span>> = Mutex::new(&mut report.spans);
        let work = blocks.par_iter_mut().zip(slots).zip(&mut report.signals).enumerate().with_max_len(1);
        work.for_each(|(index, ((block, slot), signal))| {
            let begin = Instant::now();
            let mut scratch = scratches.take();
            let Slot { cache, noise, optimizer: state, .. } = slot;
            let x = index.checked_sub(1).map_or(&batch.x, |before| &outputs[before]);
            let z = &outputs[index];
            let (dz, d) = (grown(&mut scratch.dz, z.len()), block.outputs());
            for ((dz, noise), &found) in dz.chunks_exact_mut(d).zip(noise.chunks_exact(d)).zip(found) {
                let found = T::of(found);
                dz.iter_mut().zip(noise).for_each(|(dz, &noise)| *dz = found * noise);
            }
            let gradient = grown(&mut scratch.gradient, block.parameters().len());
            block.gradient(m, x, z, dz, cache, gradient, None);
            let terms = [angle.term(index, gradient), ("", 0.0)];
            *signal = Signal { loss, terms, gradient_norm: norm(gradient), dead: false };
            optimizer.step(learning_rate, block.groups(), (block.parameters_mut(), gradient), state);
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
        self.slots.resize_with(network.blocks().len(), Slot::default);
        restore_optimizers(self.slots.iter_mut().map(|slot| &mut slot.optimizer), record.optimizers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, Block, Dense, Norm};

    use super::*;
    use crate::engine::Backprop;

    const SGD: Optimizer = Optimizer::sgd();
    const M: usize = 6;

    fn network(widths: &[usize]) -> Network<f64> {
        let mut blocks: Vec<Box<dyn Block<f64>>> = Vec::new();
        let mut inputs = 4;
        for (index, &outputs) in widths.iter().enumerate() {
            let mut stream = Stream::new(3, "init", index as u64);
            let activation = if index + 1 == widths.len() { Activation::Identity } else { Activation::Tanh };
            blocks.push(Box::new(Dense::new(inputs, outputs, activation, Norm::None, &mut stream)));
            inputs = outputs;
        }
        Network::new(blocks)
    }

    fn batch(step: u64) -> Batch<f64> {
        let mut stream = Stream::new(4, "batch", 0);
        let x = (0..M * 4).map(|_| stream.normal()).collect();
        let labels = (0..M).map(|row| row % 3).collect();
        Batch { x, columns: 4, labels, classes: 3, values: Vec::new(), smoothing: 0.1, step }
    }

    /// What one step at rate 1 takes off each parameter.
    fn moved(update: &mut dyn Update<f64>, widths: &[usize], step: u64) -> Vec<f64> {
        let (mut after, before) = (network(widths), network(widths));
        update.step(&mut after, &batch(step), 1.0).unwrap();
        let blocks = after.blocks().iter().zip(before.blocks());
        blocks
            .flat_map(|(a, b)| b.parameters().iter().zip(a.parameters()).map(|(b, a)| b - a).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn of_a_linear_block_it_is_the_published_rule() {
        const SIGMA: f64 = 1e-3;
        let found = moved(&mut NodePerturbation::new(SGD, SIGMA, 9), &[3], 5);
        // The same in plain loops: dW = (L' - L) / sigma^2 * noise * input', a mean over samples.
        let (network, batch) = (network(&[3]), batch(5));
        let weights = network.blocks()[0].parameters();
        let mut stream = Stream::new(9, "node perturbation", 5);
        let mut expected = vec![0.0; weights.len()];
        for (x, &label) in batch.x.chunks(4).zip(&batch.labels) {
            let noise: Vec<f64> = (0..3).map(|_| SIGMA * stream.normal()).collect();
            let loss = |noise: &[f64]| {
                let score =
                    |k: usize| (0..4).map(|j| weights[4 * k + j] * x[j]).sum::<f64>() + weights[12 + k] + noise[k];
                let scores: Vec<f64> = (0..3).map(score).collect();
                let log_sum = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
                let told = |k: usize| 0.1 / 3.0 + if k == label { 0.9 } else { 0.0 };
                (0..3).map(|k| told(k) * (log_sum - scores[k])).sum::<f64>()
            };
            let found = (loss(&noise) - loss(&[0.0; 3])) / (SIGMA * SIGMA * M as f64);
            for k in 0..3 {
                (0..4).for_each(|j| expected[4 * k + j] += found * noise[k] * x[j]);
                expected[12 + k] += found * noise[k];
            }
        }
        // Losses near 1 differ by about 1e-3 and round at 1e-16: 1e-13 of their difference over sigma.
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-11, "{found} {expected}");
        }
    }

    #[test]
    fn the_mean_of_many_steps_is_the_gradient_of_back_propagation() {
        const DRAWS: u64 = 4000;
        let widths = [5, 3];
        let expected = moved(&mut Backprop::new(SGD), &widths, 0);
        let (mut sum, mut squares) = (vec![0.0; expected.len()], vec![0.0; expected.len()]);
        for step in 0..DRAWS {
            let found = moved(&mut NodePerturbation::new(SGD, 1e-4, 1), &widths, step);
            for ((sum, square), found) in sum.iter_mut().zip(&mut squares).zip(found) {
                *sum += found;
                *square += found * found;
            }
        }
        let draws = DRAWS as f64;
        let mut largest = 0.0f64;
        for ((sum, square), expected) in sum.iter().zip(&squares).zip(&expected) {
            let mean = sum / draws;
            let error = ((square / draws - mean * mean) / draws).sqrt();
            // Of 43 means none lies five standard errors off but once in 40,000 times; the draws are fixed.
            assert!((mean - expected).abs() < 5.0 * error, "{mean} +- {error}, expected {expected}");
            largest = largest.max(expected.abs() / error);
        }
        // The gradients stand out of that noise, so that a wrong factor would not pass.
        assert!(largest > 20.0, "{largest}");
    }
}
