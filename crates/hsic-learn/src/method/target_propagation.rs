//! Difference target propagation: every block has a target of its own, which learned inverses carry down.
//!
//!   t_L = h_L - beta (softmax(h_L) - y),   t_{i-1} = h_{i-1} + G_i(t_i) - G_i(h_i)
//!   block i minimizes (1/2m) sum |h_i - t_i|^2
//!   G_i(h) = V_i g_i(h) + c_i,   g_i'(f_i(a)) = f_i'(a)  (relu: g = relu; tanh: h - h^3/3 in [-1, 1]; ...)
//!
//! Targets are moved by the error of each sample, not by the batch's mean. G_i is a linear layer behind a function of the
//! activation f_i of block i, so that its Jacobian can be the transposed one of the block; the difference makes up for an
//! inverse that is none. `--inverse` says what G_i learns, n and n' being random signs of size `--inverse-noise`:
//!
//!   drl           -2 n.(G_i(f_i(h+n)) - G_i(f_i(h))) + |G_i(f_i(h) + n') - G_i(f_i(h))|^2, in units of n^2: pulls the
//! ```text
//!             Jacobian of G_i to the transposed one of f_i, and the updates to those of back-propagation
//! ```
//!   reconstruct   |G_i(f_i(h+n)) - (h+n)|^2
//!
//! Sources: Lee, Zhang, Fischer, Bengio, ECML 2015, arXiv 1412.7525 (reconstruct; there the last hidden block's target is
//! its own gradient step); Ernoult et al., ICML 2022, arXiv 2201.13415 (drl). Dense blocks only, with or without batch
//! norm, rms, dropout. Inverses learn by the optimizer and the rate of the blocks, `--inverse-steps` times a batch, before
//! the targets are formed.
//!
//! Defaults: AdamW, rate 1e-3, drl, one inverse step, noise 0.1, target rate 0.5. Expect nearly back-propagation's accuracy
//! (MNIST, `--widths 1024x3`, 5 epochs, 98.1 % of a validation part against 98.6) and, by drl, gradients at cosines of 0.86
//! to 0.99 to its own. Reconstruct learns less (96.6 against 97.8 % after 2 epochs). Pitfalls: units of relu that are off
//! lie on the kink of g, so that half of their targets pass; noise far beyond the activations' size teaches no Jacobian.
//!
//! Recorded: each block's own loss and `inverse_loss`; with `--angle-steps N` every N steps also `bp_cosine`, the cosine
//! of its gradient and back-propagation's.

mod inverse;

use std::sync::Mutex;
use std::time::Instant;

use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_nn::network::learner::{StateMismatch, restore_learners};
use hsic_nn::network::{Activation, Block, Cache, Dense, Learner, Network, Norm, class_names};
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
use crate::options::Inverse;
use crate::span::Span;
use crate::span::Work;
use crate::update::{StepReport, Update, UpdateState, restore_optimizers};
use inverse::{Lesson, Memory, activation_of_dense, shape};

/// The method `difference-target-propagation`.
pub static METHOD: Method = Method {
    name: "difference-target-propagation",
    summary: "targets for every block, carried down by learned inverses (dense networks)",
    reference: "Lee et al., ECML 2015, arXiv 1412.7525; Ernoult et al., ICML 2022, arXiv 2201.13415",
    cost: "2 to 4 times back-propagation with one inverse step a batch; memory of all activations and the weights twice",
    source: include_str!("target_propagation.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: false,
    parallel: false,
    reads: &["angle_steps", "inverse", "inverse_noise", "inverse_steps", "target_rate", "label_smoothing"],
    resolve: |options, faults| {
        options.adamw(1e-3);
        let rule = &mut *options.rule;
        let targets = TargetSettings {
            inverse: *rule.inverse.get_or_insert_default(),
            rate: *rule.target_rate.get_or_insert(TARGET_RATE),
            steps: *rule.inverse_steps.get_or_insert(INVERSE_STEPS),
            noise: *rule.inverse_noise.get_or_insert(INVERSE_NOISE),
        };
        let angle = rule.angle_steps();
        faults.positive("target-rate", targets.rate);
        faults.positive("inverse-noise", targets.noise);
        faults.check("inverse-steps", targets.steps, targets.steps >= 1, "a whole number >= 1");
        Recipe::new(move |settings| {
            Ok(Box::new(TargetPropagation::new(settings.optimizer, targets, settings.seed).with_angle(angle)))
        })
    },
};

const TARGET_RATE: f64 = 0.5;
const INVERSE_STEPS: u64 = 1;
const INVERSE_NOISE: f64 = 0.1;

/// The numbers of target propagation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetSettings {
    /// What inverses learn.
    pub inverse: Inverse,
    /// beta, the step from the outputs along their error that gives the last block's target, > 0.
    pub rate: f64,
    /// Steps of each inverse a batch.
    pub steps: u64,
    /// Size of the noise that inverses learn from, > 0.
    pub noise: f64,
}

/// Memory of one thread.
struct Scratch<T: Scalar> {
    lesson: Memory<T>,
    dz: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Scalar> Default for Scratch<T> {
    fn default() -> Self {
        Self { lesson: Memory::default(), dz: Vec::new(), gradient: Vec::new() }
    }
}

/// What a block has of its own.
struct Slot<T: Scalar> {
    activation: Activation,
    cache: Cache<T>,
    optimizer: OptimizerState<T>,
    /// G; none for the first block.
    inverse: Vec<Learner<T>>,
    inverse_loss: f64,
}

/// Trains every block towards a target that inverses bring down from the one above.
pub struct TargetPropagation<T: Scalar = f32> {
    optimizer: Optimizer,
    settings: TargetSettings,
    seed: u64,
    slots: Vec<Slot<T>>,
    /// Activations of each block, and their targets.
    outputs: Vec<Vec<T>>,
    targets: Vec<Vec<T>>,
    /// Of the pass of targets: what an inverse sees and gives of targets and activations, one below the other.
    rows: Vec<T>,
    inverted: Vec<T>,
    cache: Cache<T>,
    angle: Angle<T>,
    scratches: Pool<Scratch<T>>,
    report: StepReport,
}

impl<T: Scalar> TargetPropagation<T> {
    /// With one optimizer a block; inverses start from weights drawn from `seed`.
    #[must_use]
    pub fn new(optimizer: Optimizer, settings: TargetSettings, seed: u64) -> Self {
        Self {
            optimizer,
            settings,
            seed,
            slots: Vec::new(),
            outputs: Vec::new(),
            targets: Vec::new(),
            rows: Vec::new(),
            inverted: Vec::new(),
            cache: Cache::shared(),
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

    /// Makes the inverses of a network that was not seen before, as far as its blocks are dense.
    ///
    /// # Errors
    /// `Method` with the first block that is not.
    fn meet(&mut self, network: &Network<T>) -> Result<(), StepError> {
        let blocks = network.blocks();
        if self.slots.len() == blocks.len() {
            return Ok(());
        }
        let slot = |(index, block): (usize, &dyn Block<T>)| {
            let activation = activation_of_dense(block).ok_or_else(|| {
                let found = format!("block {index} ({})", class_names(block));
                StepError::Method { method: METHOD.name, found, expected: "dense blocks" }
            })?;
            let inverse = || {
                let mut stream = Stream::new(self.seed, "inverse", index as u64);
                let (inputs, outputs) = (block.outputs(), block.inputs());
                Learner::new(Box::new(Dense::new(inputs, outputs, Activation::Identity, Norm::None, &mut stream)))
            };
            Ok(Slot {
                activation,
                cache: Cache::shared(),
                optimizer: OptimizerState::default(),
                inverse: (index > 0).then(inverse).into_iter().collect(),
                inverse_loss: 0.0,
            })
        };
        let blocks = blocks.iter().map(|block| &**block);
        self.slots = blocks.enumerate().map(slot).collect::<Result<_, StepError>>()?;
        Ok(())
    }

    /// The targets of all blocks, from the last one's.
    fn carry_down(&mut self, m: usize) {
        for index in (1..self.slots.len()).rev() {
            let Slot { activation, inverse, .. } = &self.slots[index];
            let (below, above) = self.targets.split_at_mut(index);
            let (h, t, from) = (&self.outputs[index - 1], &mut below[index - 1], &above[0]);
            t.resize(h.len(), T::ZERO);
            let rows = grown(&mut self.rows, 2 * from.len());
            let inverted = grown(&mut self.inverted, 2 * h.len());
            shape(*activation, from, &mut rows[..from.len()]);
            shape(*activation, &self.outputs[index], &mut rows[from.len()..]);
            for inverse in inverse {
                inverse.block().forward(2 * m, rows, inverted, &mut self.cache);
            }
            let (of_target, of_output) = inverted.split_at(h.len());
            for (((t, &h), &of_target), &of_output) in t.iter_mut().zip(h).zip(of_target).zip(of_output) {
                *t = h + (of_target - of_output);
            }
        }
    }
}

impl<T: Scalar> Update<T> for TargetPropagation<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let (Pass { m, clock, .. }, classes) = (pass, network.outputs());
        self.meet(network)?;
        StepError::check_scores(network.blocks(), batch.classes)?;
        self.angle.measure(network, batch, pass);
        let blocks = network.blocks_mut();
        let count = blocks.len();
        self.outputs.resize_with(count, Vec::new);
        self.targets.resize_with(count, Vec::new);
        self.report.signals.resize(count, Signal::default());
        cleared(&mut self.report.spans, count);
        for (index, (block, slot)) in blocks.iter_mut().zip(&mut self.slots).enumerate() {
            let (before, rest) = self.outputs.split_at_mut(index);
            let (x, z) = (before.last().unwrap_or(&batch.x), pass.room(&**block, &mut rest[0]));
            self.report.spans.push(pass.train(index, &mut **block, x, z, &mut slot.cache)?);
        }

        let (optimizer, settings, seed, outputs) = (self.optimizer, self.settings, self.seed, &self.outputs);
        let spans: Mutex<&mut Vec<Span>> = Mutex::new(&mut self.report.spans);
        let scratches = &self.scratches;
        let inverses = blocks.par_iter().zip(&mut self.slots).enumerate().with_max_len(1);
        inverses.for_each(|(index, (block, slot))| {
            let begin = Instant::now();
            let Some(inverse) = slot.inverse.first_mut() else { return };
            let mut scratch = scratches.take();
            let (h, z) = (&outputs[index - 1][..], &outputs[index][..]);
            let lesson = Lesson { block: &**block, activation: slot.activation, m, draw: batch.step, h, z };
            for step in 0..settings.steps {
                // No network has 2^20 blocks, no training 2^44 steps of inverses.
                let draw = ((batch.step * settings.steps + step) << 20) | index as u64;
                let mut stream = Stream::new(seed, "inverse noise", draw);
                slot.inverse_loss =
                    lesson.teach(settings.inverse, settings.noise, &mut stream, inverse, &mut scratch.lesson);
                inverse.step(optimizer, learning_rate);
            }
            scratches.give(scratch);
            let span = clock.span(Work::Block, index, begin);
            lock(&spans).push(span);
        });

        let begin = Instant::now();
        let last = &outputs[count - 1];
        let target = &mut self.targets[count - 1];
        target.resize(last.len(), T::ZERO);
        let loss = cross_entropy(last, Told::of(batch), classes, target);
        // The gradient is that of the batch's mean.
        let step = T::of(-settings.rate * m as f64);
        target.iter_mut().zip(last).for_each(|(target, &h)| *target = step.mul_add(*target, h));
        self.carry_down(m);
        self.report.spans.push(clock.span(Work::Operator, 0, begin));

        let (outputs, targets, angle, scratches) = (&self.outputs, &self.targets, &self.angle, &self.scratches);
        let spans: Mutex<&mut Vec<Span>> = Mutex::new(&mut self.report.spans);
        let work = blocks.par_iter_mut().zip(&mut self.slots).zip(&mut self.report.signals).enumerate();
        work.with_max_len(1).for_each(|(index, ((block, slot), signal))| {
            let begin = Instant::now();
            let mut scratch = scratches.take();
            let x = index.checked_sub(1).map_or(&batch.x, |before| &outputs[before]);
            let z = &outputs[index];
            let dz = grown(&mut scratch.dz, z.len());
            let (share, mut own) = (T::of(1.0 / m as f64), 0.0);
            for ((dz, &z), &t) in dz.iter_mut().zip(z).zip(&targets[index]) {
                own += (z - t).to_f64() * (z - t).to_f64();
                *dz = share * (z - t);
            }
            let gradient = grown(&mut scratch.gradient, block.parameters().len());
            block.gradient(m, x, z, dz, &mut slot.cache, gradient, None);
            let loss = if index + 1 == count { loss } else { 0.5 * own / m as f64 };
            let terms = [("inverse_loss", slot.inverse_loss), angle.term(index, gradient)];
            *signal = Signal { loss, terms, gradient_norm: norm(gradient), dead: false };
            optimizer.step(learning_rate, block.groups(), (block.parameters_mut(), gradient), &mut slot.optimizer);
            scratches.give(scratch);
            let span = clock.span(Work::Block, index, begin);
            lock(&spans).push(span);
        });
        in_order(&mut self.report.spans);
        Ok(&self.report)
    }

    fn state(&self) -> UpdateState<T> {
        UpdateState::of(self.slots.iter().map(|slot| &slot.optimizer))
            .with_learners(self.slots.iter().map(|slot| &slot.inverse[..]))
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.slots.clear();
        // A network that the method cannot train is told by the next step.
        if self.meet(network).is_err() {
            return Ok(());
        }
        restore_learners(self.slots.iter_mut().map(|slot| &mut slot.inverse), record.learners)?;
        restore_optimizers(self.slots.iter_mut().map(|slot| &mut slot.optimizer), record.optimizers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::Shape;
    use hsic_nn::network::BlockSpec;
    use hsic_nn::network::models::with_classifier;

    use super::*;
    use crate::engine::Backprop;

    const SGD: Optimizer = Optimizer::sgd();
    const SHAPE: Shape = Shape { channels: 1, height: 1, width: 6 };
    const M: usize = 12;

    fn settings(rate: f64, steps: u64) -> TargetSettings {
        TargetSettings { inverse: Inverse::Drl, rate, steps, noise: 0.1 }
    }

    fn network(widths: &[usize], activation: Activation, norm: Norm) -> Network<f64> {
        let blocks = widths.iter().map(|&width| BlockSpec::dense(width)).collect();
        Network::build(SHAPE, &with_classifier(blocks, 3), activation, norm, 1).unwrap()
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

    fn parameters(network: &Network<f64>) -> Vec<Vec<f64>> {
        network.blocks().iter().map(|block| block.parameters().to_vec()).collect()
    }

    /// Makes every inverse the transposed weights of its block.
    fn tie(update: &mut TargetPropagation<f64>, network: &Network<f64>) {
        update.meet(network).unwrap();
        for (slot, block) in update.slots.iter_mut().zip(network.blocks()).skip(1) {
            let (p, d) = (block.inputs(), block.outputs());
            let own = slot.inverse[0].block_mut().parameters_mut();
            (0..p * d).for_each(|i| own[i] = block.parameters()[i % d * p + i / d]);
        }
    }

    #[test]
    fn tied_inverses_and_a_small_step_give_the_update_of_back_propagation() {
        for (activation, rate, tolerance) in [
            // A linear network has no error of linearization: rounding alone, 1e-16 beside targets near 1, over the rate.
            (Activation::Identity, 0.5, 1e-14),
            // Targets are curved by about the rate; rounding is 1e-16 over it.
            (Activation::Tanh, 1e-7, 1e-6),
            (Activation::LeakyRelu, 1e-7, 1e-6),
            (Activation::Elu, 1e-7, 1e-6),
        ] {
            let start = network(&[8, 7, 5], activation, Norm::None);
            let (mut found, mut expected) = (network(&[8, 7, 5], activation, Norm::None), start);
            let before = parameters(&expected);
            let mut update = TargetPropagation::new(SGD, settings(rate, 0), 1);
            tie(&mut update, &found);
            update.step(&mut found, &batch(0), 1.0 / rate).unwrap();
            Backprop::new(SGD).step(&mut expected, &batch(0), 1.0).unwrap();
            for ((found, expected), before) in parameters(&found).iter().zip(parameters(&expected)).zip(before) {
                let moved: Vec<f64> =
                    expected.iter().zip(&before).map(|(expected, before)| expected - before).collect();
                let largest = moved.iter().fold(0.0f64, |largest, moved| largest.max(moved.abs()));
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() < tolerance * (1.0 + largest),
                        "{activation:?} {found} {expected}"
                    );
                }
                assert!(largest > 1e-3);
            }
        }
    }

    #[test]
    fn targets_pass_layers_that_do_nothing_unchanged() {
        let mut network = network(&[3, 3, 3], Activation::Identity, Norm::None);
        for block in &mut network.blocks_mut()[1..] {
            block.parameters_mut().fill(0.0);
            (0..3).for_each(|i| block.parameters_mut()[4 * i] = 1.0);
        }
        let mut update = TargetPropagation::new(SGD, settings(0.5, 0), 1);
        tie(&mut update, &network);
        update.step(&mut network, &batch(0), 0.1).unwrap();
        let (last, hidden) = update.targets.split_last().unwrap();
        for targets in hidden {
            // h + (t - h) is t but for one rounding of numbers below 4.
            assert!(targets.iter().zip(last).all(|(t, top)| (t - top).abs() < 1e-15));
        }
        assert!(hidden.len() == 2 && last.iter().zip(&update.outputs[2]).any(|(t, h)| (t - h).abs() > 0.1));
    }

    #[test]
    fn learned_inverses_bring_the_gradient_of_back_propagation() {
        let mut network = network(&[16, 16], Activation::Tanh, Norm::Batch);
        let update = TargetPropagation::new(Optimizer::adamw(), settings(0.1, 1), 1);
        let mut update = update.with_angle(1);
        let mut cosines = Vec::new();
        for step in 0..600 {
            let report = update.step(&mut network, &Batch { step, ..batch(step % 4) }, 3e-3).unwrap();
            cosines.push(report.signals.iter().map(|signal| signal.terms[1].1).collect::<Vec<_>>());
        }
        assert!(cosines[0][..2].iter().all(|cosine| cosine.abs() < 0.6), "{:?}", cosines[0]);
        assert!(cosines[300].iter().all(|&cosine| cosine > 0.9), "{:?}", cosines[300]);
        assert_eq!(update.report.signals[0].terms[0].0, "inverse_loss");
    }

    #[test]
    fn a_state_has_the_inverses_and_the_optimizers_and_is_taken_up() {
        let made = || network(&[8, 7], Activation::Tanh, Norm::Batch);
        let update = || TargetPropagation::new(Optimizer::momentum(0.9), settings(0.1, 1), 5);
        let (mut network, mut first) = (made(), update());
        for step in 0..2 {
            first.step(&mut network, &batch(step), 0.1).unwrap();
        }
        let record = first.state();
        let counts = (record.optimizers.len(), record.learners.iter().map(Vec::len).collect::<Vec<_>>());
        // The first block passes no target on.
        assert_eq!(counts, (3, vec![0, 1, 1]));
        let (mut other, mut second) = (made(), update());
        other.set_tensors(&network.tensors());
        second.restore(&other, record).unwrap();
        first.step(&mut network, &batch(2), 0.1).unwrap();
        second.step(&mut other, &batch(2), 0.1).unwrap();
        assert_eq!(network.tensors(), other.tensors());
    }

    #[test]
    fn a_block_that_is_not_dense_is_told_by_its_number_and_modules() {
        let input = Shape { channels: 1, height: 6, width: 6 };
        let blocks = with_classifier(vec![BlockSpec::conv(2, 3, 1, 1, 1), BlockSpec::dense(4)], 3);
        let mut network = Network::<f64>::build(input, &blocks, Activation::Relu, Norm::Batch, 1).unwrap();
        let batch = Batch { x: vec![0.5; M * 36], columns: 36, ..batch(0) };
        let error = TargetPropagation::new(SGD, settings(0.5, 1), 1).step(&mut network, &batch, 0.1).unwrap_err();
        let expected =
            "difference-target-propagation cannot train block 0 (Conv2d-BatchNorm2d-ReLU): expected dense blocks";
        assert_eq!(error.to_string(), expected);
    }
}
