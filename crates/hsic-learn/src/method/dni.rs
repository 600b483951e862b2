//! Decoupled neural interfaces (Jaderberg et al. 2017): each block learns at once from a prediction of its gradient.
//!
//! Beside each block i but the last stands a small network M_i, which sees the block's outputs (with `conditioned` the
//! labels as well) and predicts the gradient of the loss with respect to them:
//!
//! ```text
//! h_i = f_i(h_{i-1}),   s_i = M_i(h_i [, y])
//! block i learns from s_i as if it were dL/dh_i;   the last block from the true gradient of the cross-entropy
//! M_i learns to predict t_i = s_{i+1} dh_{i+1}/dh_i, what block i + 1 passes down:   mean (m s_i - m t_i)^2
//! ```
//!
//! m is the batch's rows: the mean cross-entropy has gradients of order 1/m, whose squares a loss would not show.
//! M_i of a vector is a perceptron with batch norm and relu (`predictor-widths`), of a map three 5 x 5 convolutions; labels
//! are further inputs, on a map constant channels. Its last weights start at 0, so that blocks stand still until there is a
//! prediction. Predictors share the optimizer and the rate of the blocks.
//! `bp-lambda` mixes: block i learns from lambda t_i + (1 - lambda) s_i. 0 is the method; 1 is back-propagation, bit by bit,
//! and lets predictors learn beside it.
//!
//! Metrics: the predictors' losses, and the cosine of s_i with the true gradient every `angle-steps` steps; that is a
//! second forward and backward pass, 0 leaves it out.
//!
//! Defaults: AdamW, rate 1e-3, conditioned. Expect: slower than back-propagation; conditioned, near it on small networks;
//! without labels it falls behind as blocks are added (independent logs on CIFAR-10: 65 % where back-propagation has 86 %,
//! conditioned 84 %; here, MNIST after 3 epochs with three and five hidden blocks: 86 and 68 % where back-propagation has
//! 98, conditioned 97 and 94 %).
//! CIFAR-10, `--model vgg --widths 16p,32p,32p`, batches of 32, held-out data, one seed: 68 % conditioned after 12 epochs
//! and 70 % after 40, where back-propagation has 72 and 76 %. The first block's prediction has a cosine of 0.4 and 0.3 with
//! the true gradient at their ends: more epochs do not mend that.
//! Plain SGD is known not to converge.
//!
//! Source: arXiv 1608.05343, sections 2 and 3.1; supplement for BP(lambda). Differs: one rate for all; predictors' widths.

use std::time::Instant;

use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_data::fault::Faults;
use hsic_nn::network::learner::{StateMismatch, restore_learners};
use hsic_nn::network::{Activation, Block, Cache, Conv, ConvSettings, Dense, Learner, Network, Norm};
use hsic_nn::network::{Width, parse_widths};
use hsic_nn::optimizer::{Optimizer, OptimizerState};
use rayon::prelude::*;

use super::{Method, Outputs, Recipe, Stages};
use crate::engine::angle::cosine;
use crate::engine::clock::cleared;
use crate::engine::pass::{Pass, check_finite};
use crate::error::StepError;
use crate::objective::Signal;
use crate::objective::Told;
use crate::objective::cross_entropy::cross_entropy;
use crate::span::Work;
use crate::update::{StepReport, Update, UpdateState, restore_optimizers};

/// The method `dni`.
pub static METHOD: Method = Method {
    name: "dni",
    summary: "synthetic gradients: each block learns at once from a predicted gradient",
    reference: "Jaderberg et al., ICML 2017, arXiv 1608.05343",
    cost: "back-propagation and a forward and backward pass of a predictor a block; memory of all activations",
    source: include_str!("dni.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: false,
    parallel: true,
    reads: &["conditioned", "predictor_widths", "bp_lambda", "angle_steps", "label_smoothing"],
    resolve: |options, faults| {
        let rule = rule(options, faults);
        Recipe::new(move |settings| {
            Ok(Box::new(Dni::new(rule.clone(), settings.optimizer, settings.classes, settings.seed)))
        })
    },
};

/// Hidden widths of a predictor of vectors, and hidden channels of one of maps, if none are given. On MNIST (256x3, 3
/// epochs) 256, 256x2 and 1024x2 reach 96.7, 96.8 and 96.9 %.
const DENSE_WIDTHS: &[Width] = &[Width { outputs: 256, pool: false }];
const CONV_WIDTHS: &[Width] = &[Width { outputs: 32, pool: false }; 2];

/// Steps between comparisons with the true gradient, if not told.
const ANGLE_STEPS: u64 = 50;

/// Side of a predictor's convolutions.
const KERNEL: usize = 5;

/// The options of the method.
#[derive(Clone, Debug, PartialEq)]
pub struct DniRule {
    /// Whether predictors see the labels.
    pub conditioned: bool,
    /// Hidden widths of the predictors, of maps their channels; `None` for those of a vector and of a map.
    pub widths: Option<Vec<Width>>,
    /// Share of the gradient from above in what a block learns from, in [0, 1].
    pub lambda: f64,
    /// Steps between comparisons with the true gradient; 0 for none.
    pub angle_steps: u64,
}

/// Defaults and ranges of these options.
fn rule(options: &mut Stages<'_>, faults: &mut Faults) -> DniRule {
    options.adamw(1e-3);
    let rule = &mut *options.rule;
    let conditioned = *rule.conditioned.get_or_insert(true);
    let angle_steps = *rule.angle_steps.get_or_insert(ANGLE_STEPS);
    let lambda = *rule.bp_lambda.get_or_insert(0.0);
    faults.check("bp-lambda", lambda, (0.0..=1.0).contains(&lambda), "a number in [0, 1]");
    let widths = rule.predictor_widths.as_deref().map(|text| {
        let widths = parse_widths(text).filter(|widths| widths.iter().all(|width| !width.pool));
        faults.check("predictor-widths", text, widths.is_some(), "positive widths as 256,128 or 256x2");
        widths.unwrap_or_default()
    });
    DniRule { conditioned, widths, lambda, angle_steps }
}

/// A network that predicts the gradient with respect to a block's outputs, times the rows of the batch. One without layers
/// stands beside the last block, which needs none.
struct GradientPredictor<T: Scalar> {
    layers: Vec<Learner<T>>,
    /// Sizes of what it predicts the gradient of.
    map: Shape,
    /// Classes whose labels it sees; 0 for none.
    classes: usize,
    input: Vec<T>,
    /// What flows back, in two turns.
    backward: [Vec<T>; 2],
    /// The squared error of the last prediction, a mean over its entries.
    loss: f64,
}

impl<T: Scalar> GradientPredictor<T> {
    /// For outputs of sizes `map`, with hidden layers of `widths`.
    fn new(map: Shape, classes: usize, widths: Option<&[Width]>, stream: &mut Stream) -> Self {
        let vector = map.height * map.width == 1;
        let own = if vector { DENSE_WIDTHS } else { CONV_WIDTHS };
        let widths = widths.unwrap_or(own);
        let mut from = Shape { channels: map.channels + classes, ..map };
        let sizes = widths.iter().map(|width| (width.outputs, Activation::Relu, Norm::Batch));
        let mut layers = Vec::new();
        for (outputs, activation, norm) in sizes.chain([(map.channels, Activation::Identity, Norm::None)]) {
            let block: Box<dyn Block<T>> = if vector {
                Box::new(Dense::new(from.channels, outputs, activation, norm, stream))
            } else {
                let (kernel, padding) = (KERNEL, KERNEL / 2);
                let settings = ConvSettings { outputs, kernel, stride: 1, padding, pool: 1, activation, norm };
                Box::new(Conv::new(from, false, settings, stream))
            };
            layers.push(Learner::new(block));
            from.channels = outputs;
        }
        if let Some(last) = layers.last_mut() {
            last.block_mut().parameters_mut().fill(T::ZERO);
        }
        Self { layers, ..Self::none(map, classes) }
    }

    fn none(map: Shape, classes: usize) -> Self {
        Self { layers: Vec::new(), map, classes, input: Vec::new(), backward: [Vec::new(), Vec::new()], loss: 0.0 }
    }

    /// The predictions (m x d) for outputs `z` of samples of these labels, times m.
    fn predict(&mut self, z: &[T], labels: &[usize]) -> &[T] {
        let (m, channels, classes) = (labels.len(), self.map.channels, self.classes);
        let pixels = self.map.height * self.map.width;
        let input = grown(&mut self.input, m * pixels * (channels + classes));
        let places = input.chunks_exact_mut(channels + classes).zip(z.chunks_exact(channels));
        for (index, (place, z)) in places.enumerate() {
            let (own, label) = place.split_at_mut(channels);
            own.copy_from_slice(z);
            label.fill(T::ZERO);
            if classes > 0 {
                label[labels[index / pixels]] = T::ONE;
            }
        }
        let mut x: &[T] = input;
        for layer in &mut self.layers {
            x = layer.forward(m, x);
        }
        x
    }

    /// The last predictions, m rows of them.
    fn predictions(&self, m: usize) -> &[T] {
        self.layers.last().map_or(&[], |layer| layer.outputs(m))
    }

    /// A step towards the gradients `target` (m x d, not yet times m) of the rows of the last prediction.
    fn learn(&mut self, m: usize, target: &[T], optimizer: Optimizer, rate: f64) {
        let [dy, dx] = &mut self.backward;
        let rows = T::of(m as f64);
        let error = grown(dy, target.len());
        let predictions = self.layers.last().map_or(&[][..], |layer| layer.outputs(m));
        for ((error, &prediction), &target) in error.iter_mut().zip(predictions).zip(target) {
            *error = prediction - rows * target;
        }
        self.loss = norm(error).powi(2) / target.len() as f64;
        let scale = T::of(2.0 / target.len() as f64);
        error.iter_mut().for_each(|error| *error *= scale);
        for index in (0..self.layers.len()).rev() {
            let (before, rest) = self.layers.split_at_mut(index);
            let layer = &mut rest[0];
            let (outputs, inputs) = (m * layer.block().outputs(), m * layer.block().inputs());
            let x = before.last().map_or_else(|| &self.input[..inputs], |layer| layer.outputs(m));
            let down = (index > 0).then(|| &mut *grown(dx, inputs));
            layer.backward(m, x, &mut dy[..outputs], down);
            std::mem::swap(dy, dx);
        }
        self.layers.iter_mut().for_each(|layer| layer.step(optimizer, rate));
    }
}

/// What belongs to one block between and within steps.
struct Slot<T: Scalar> {
    z: Vec<T>,
    cache: Cache<T>,
    optimizer: OptimizerState<T>,
    predictor: GradientPredictor<T>,
    /// What the block above passes down.
    target: Vec<T>,
    /// The true gradient with respect to `z`, in steps that look at it.
    truth: Vec<T>,
}

/// Trains blocks by predicted gradients.
pub struct Dni<T: Scalar = f32> {
    optimizer: Optimizer,
    rule: DniRule,
    classes: usize,
    seed: u64,
    slots: Vec<Slot<T>>,
    dz: Vec<T>,
    gradient: Vec<T>,
    report: StepReport,
}

impl<T: Scalar> Dni<T> {
    /// With these options and one optimizer for blocks and predictors, for data of so many classes; predictors start from
    /// weights drawn from `seed`.
    #[must_use]
    pub fn new(rule: DniRule, optimizer: Optimizer, classes: usize, seed: u64) -> Self {
        Self {
            optimizer,
            rule,
            classes,
            seed,
            slots: Vec::new(),
            dz: Vec::new(),
            gradient: Vec::new(),
            report: StepReport::default(),
        }
    }

    /// Makes the slots of a network that was not seen before.
    fn meet(&mut self, network: &Network<T>) {
        let blocks = network.blocks();
        if self.slots.len() == blocks.len() {
            return;
        }
        let classes = if self.rule.conditioned { self.classes } else { 0 };
        let slot = |index: usize| {
            let block = &*blocks[index];
            let mut stream = Stream::new(self.seed, "predictor", index as u64);
            let predictor = match index + 1 < blocks.len() {
                true => GradientPredictor::new(block.shape(), classes, self.rule.widths.as_deref(), &mut stream),
                false => GradientPredictor::none(block.shape(), classes),
            };
            Slot {
                z: Vec::new(),
                cache: Cache::shared(),
                optimizer: OptimizerState::default(),
                predictor,
                target: Vec::new(),
                truth: Vec::new(),
            }
        };
        self.slots = (0..blocks.len()).map(slot).collect();
    }

    /// All blocks' outputs for the batch.
    fn forward(&mut self, network: &Network<T>, batch: &Batch<T>, pass: Pass) -> Result<(), StepError> {
        let mut x: &[T] = &batch.x;
        for (index, (block, slot)) in network.blocks().iter().zip(&mut self.slots).enumerate() {
            let z = pass.room(&**block, &mut slot.z);
            pass.forward(index, &**block, x, z, &mut slot.cache);
            check_finite(index, z)?;
            x = z;
        }
        Ok(())
    }

    /// The true gradients with respect to all blocks' outputs, `self.dz` being that of the last; the forward pass has to
    /// be done again afterwards.
    fn true_gradients(&mut self, network: &Network<T>, batch: &Batch<T>) {
        let m = batch.rows();
        let last = self.slots.len() - 1;
        self.slots[last].truth.clone_from(&self.dz);
        for index in (1..=last).rev() {
            let block = &network.blocks()[index];
            let (before, rest) = self.slots.split_at_mut(index);
            let below = &mut before[index - 1];
            let Slot { z, cache, truth, .. } = &mut rest[0];
            let gradient = grown(&mut self.gradient, block.parameters().len());
            below.truth.resize(below.z.len(), T::ZERO);
            // A block uses up what flows into it.
            let dz = grown(&mut below.target, z.len());
            dz.copy_from_slice(truth);
            block.gradient(m, &below.z, z, dz, cache, gradient, Some(&mut below.truth));
        }
    }
}

/// lambda t + (1 - lambda) s into `s`, which holds m s.
fn mix<T: Scalar>(lambda: f64, m: usize, target: &[T], predictions: &[T], s: &mut [T]) {
    if lambda == 1.0 {
        return s.copy_from_slice(target);
    }
    let (own, passed) = (T::of((1.0 - lambda) / m as f64), T::of(lambda));
    for ((s, &t), &prediction) in s.iter_mut().zip(target).zip(predictions) {
        *s = if lambda == 0.0 { own * prediction } else { passed.mul_add(t, own * prediction) };
    }
}

impl<T: Scalar> Update<T> for Dni<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let (Pass { m, clock, .. }, last) = (pass, network.blocks().len() - 1);
        StepError::check_scores(network.blocks(), batch.classes)?;
        self.meet(network);
        self.report.signals.resize(last + 1, Signal::default());
        cleared(&mut self.report.spans, last + 1);
        let begin = Instant::now();
        self.forward(network, batch, pass)?;
        let classes = network.outputs();
        self.dz.resize(m * classes, T::ZERO);
        let loss = cross_entropy(&self.slots[last].z, Told::of(batch), classes, &mut self.dz);
        let looks = self.rule.angle_steps > 0 && batch.step.is_multiple_of(self.rule.angle_steps);
        if looks {
            self.true_gradients(network, batch);
            self.forward(network, batch, pass)?;
        }
        for (block, slot) in network.blocks_mut().iter_mut().zip(&mut self.slots) {
            block.absorb_statistics(m, &mut slot.cache);
        }
        self.report.spans.push(clock.span(Work::Forward, 0, begin));

        let begin = Instant::now();
        // The last slot has no predictor.
        self.slots[..last].par_iter_mut().for_each(|slot| {
            slot.predictor.predict(&slot.z, &batch.labels);
        });
        self.report.spans.push(clock.span(Work::Operator, 0, begin));
        for index in (0..=last).rev() {
            let begin = Instant::now();
            let block = &mut network.blocks_mut()[index];
            let (before, rest) = self.slots.split_at_mut(index);
            let Slot { z, cache, optimizer, .. } = &mut rest[0];
            let gradient = grown(&mut self.gradient, block.parameters().len());
            let (x, dx) = match before.last_mut() {
                Some(Slot { z, target, .. }) => {
                    target.resize(z.len(), T::ZERO);
                    (&z[..], Some(&mut target[..]))
                }
                None => (&batch.x[..], None),
            };
            let dz = &mut self.dz[..z.len()];
            block.gradient(m, x, z, dz, cache, gradient, dx);
            self.report.signals[index].gradient_norm = norm(gradient);
            self.optimizer.step(learning_rate, block.groups(), (block.parameters_mut(), gradient), optimizer);
            if let Some(Slot { z, target, predictor, .. }) = before.last() {
                mix(self.rule.lambda, m, target, predictor.predictions(m), grown(&mut self.dz, z.len()));
            }
            self.report.spans.push(clock.span(Work::Block, index, begin));
        }
        let (optimizer, angle_steps) = (self.optimizer, self.rule.angle_steps);
        let signals = &mut self.report.signals;
        signals.iter_mut().for_each(|signal| signal.loss = loss);
        self.slots[..last].par_iter_mut().zip(signals).for_each(|(slot, signal)| {
            let Slot { predictor, target, truth, .. } = slot;
            let angle = if looks { cosine(predictor.predictions(m), truth) } else { f64::NAN };
            predictor.learn(m, target, optimizer, learning_rate);
            let name = if angle_steps > 0 { "cosine" } else { "" };
            signal.terms = [(name, angle), ("predictor_loss", predictor.loss)];
        });
        Ok(&self.report)
    }

    fn state(&self) -> UpdateState<T> {
        UpdateState::of(self.slots.iter().map(|slot| &slot.optimizer))
            .with_learners(self.slots.iter().map(|slot| &slot.predictor.layers[..]))
    }

    fn restore(&mut self, network: &Network<T>, record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.slots.clear();
        self.meet(network);
        restore_learners(self.slots.iter_mut().map(|slot| &mut slot.predictor.layers), record.learners)?;
        restore_optimizers(self.slots.iter_mut().map(|slot| &mut slot.optimizer), record.optimizers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::BlockSpec;
    use hsic_nn::network::models::with_classifier;

    use super::*;
    use crate::engine::Backprop;

    const INPUT: Shape = Shape { channels: 2, height: 7, width: 6 };
    const ADAMW: Optimizer = Optimizer::adamw().decayed(1e-3);

    fn network() -> Network<f64> {
        let blocks = vec![BlockSpec::conv(3, 3, 1, 0, 2), BlockSpec::dense(6), BlockSpec::dense(5)];
        let blocks = with_classifier(blocks, 3);
        Network::build(INPUT, &blocks, Activation::Tanh, Norm::BatchAffine, 1).unwrap()
    }

    fn batch(step: u64) -> Batch<f64> {
        let mut stream = Stream::new(1, "dni", step);
        let labels: Vec<usize> = (0..9).map(|row| row % 3).collect();
        let x = (0..9 * INPUT.columns()).map(|_| stream.normal()).collect();
        Batch { x, columns: INPUT.columns(), labels, classes: 3, values: Vec::new(), smoothing: 0.0, step }
    }

    fn dni(lambda: f64, angle_steps: u64) -> Dni<f64> {
        let widths = parse_widths("8");
        Dni::new(DniRule { conditioned: true, widths, lambda, angle_steps }, ADAMW, 3, 4)
    }

    fn parameters(network: &Network<f64>) -> Vec<Vec<f64>> {
        network.blocks().iter().map(|block| block.parameters().to_vec()).collect()
    }

    #[test]
    fn with_the_true_gradient_for_a_prediction_it_is_back_propagation_bit_by_bit() {
        for angle_steps in [0, 2] {
            let (mut one, mut other) = (network(), network());
            let (mut backprop, mut dni) = (Backprop::new(ADAMW), dni(1.0, angle_steps));
            for step in 0..5 {
                let expected = backprop.step(&mut one, &batch(step), 0.01).unwrap().signals.clone();
                let found = &dni.step(&mut other, &batch(step), 0.01).unwrap().signals;
                for (expected, found) in expected.iter().zip(found) {
                    assert_eq!((expected.loss, expected.gradient_norm), (found.loss, found.gradient_norm));
                }
                if angle_steps > 0 && step.is_multiple_of(angle_steps) {
                    let slots = &dni.slots;
                    slots[..3].iter().for_each(|slot| assert_eq!(slot.truth, slot.target, "what BP passes down"));
                }
            }
            assert_eq!(one.tensors(), other.tensors());
        }
    }

    #[test]
    fn blocks_stand_still_until_there_is_a_prediction_but_for_the_last() {
        let (before, mut after) = (parameters(&network()), network());
        let mut dni = dni(0.0, 1);
        let no_decay = Optimizer::sgd();
        dni.optimizer = no_decay;
        dni.step(&mut after, &batch(0), 0.1).unwrap();
        let first = parameters(&after);
        assert_eq!(first[..3], before[..3]);
        assert_ne!(first[3], before[3]);
        // The predictor of the third block has seen a target by now.
        dni.step(&mut after, &batch(1), 0.1).unwrap();
        assert_eq!(parameters(&after)[..2], before[..2]);
        assert_ne!(parameters(&after)[2], before[2]);
    }

    #[test]
    fn what_a_predictor_is_taught_does_not_reach_the_blocks() {
        let after = |rate_of_predictors: f64| {
            let (mut network, mut dni) = (network(), dni(0.0, 0));
            dni.step(&mut network, &batch(0), 0.1).unwrap();
            let target = vec![rate_of_predictors; dni.slots[1].z.len()];
            dni.slots[1].predictor.learn(9, &target, ADAMW, 0.1);
            parameters(&network)
        };
        assert_eq!(after(0.0), after(100.0));
    }

    #[test]
    fn a_state_has_a_predictor_for_each_block_but_the_last_and_is_taken_up() {
        let (mut network, mut first) = (network(), dni(0.0, 0));
        for step in 0..2 {
            first.step(&mut network, &batch(step), 0.1).unwrap();
        }
        let record = first.state();
        // A hidden layer and an output layer each.
        assert_eq!(record.learners.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 0]);
        let (mut other, mut second) = (self::network(), dni(0.0, 0));
        other.set_tensors(&network.tensors());
        second.restore(&other, record).unwrap();
        first.step(&mut network, &batch(2), 0.1).unwrap();
        second.step(&mut other, &batch(2), 0.1).unwrap();
        assert_eq!(network.tensors(), other.tensors());
    }

    #[test]
    fn a_predictors_gradient_agrees_with_central_differences() {
        for map in [Shape { channels: 4, height: 1, width: 1 }, Shape { channels: 2, height: 4, width: 3 }] {
            let mut stream = Stream::new(6, "predictor", 0);
            let mut predictor = GradientPredictor::<f64>::new(map, 3, parse_widths("5").as_deref(), &mut stream);
            let last = predictor.layers.last_mut().unwrap().block_mut();
            last.parameters_mut().iter_mut().for_each(|w| *w = 0.3 * stream.normal());
            let labels = [0, 2, 1, 1, 0, 2];
            let m = labels.len();
            let z: Vec<f64> = (0..m * map.columns()).map(|_| stream.normal()).collect();
            let target: Vec<f64> = z.iter().map(|_| stream.normal() / m as f64).collect();
            let still = Optimizer::sgd();
            let loss = |predictor: &mut GradientPredictor<f64>| {
                predictor.predict(&z, &labels);
                predictor.learn(m, &target, still, 0.0);
                predictor.loss
            };
            loss(&mut predictor);
            for layer in 0..predictor.layers.len() {
                let gradient = predictor.layers[layer].gradient().to_vec();
                for (i, expected) in gradient.into_iter().enumerate() {
                    let h = 1e-6;
                    let mut moved = |by: f64| {
                        predictor.layers[layer].block_mut().parameters_mut()[i] += by;
                        loss(&mut predictor)
                    };
                    let (up, down) = (moved(h), moved(-2.0 * h));
                    moved(h);
                    // Cancellation 1e-16 |L| / h, truncation h^2; relu has no kink within h of these entries.
                    assert!((expected - (up - down) / (2.0 * h)).abs() < 1e-7, "{map} layer {layer} {i}");
                }
            }
        }
    }

    #[test]
    fn a_linear_gradient_is_learned() {
        let map = Shape { channels: 6, height: 1, width: 1 };
        let mut stream = Stream::new(6, "predictor", 1);
        let mut predictor = GradientPredictor::<f64>::new(map, 0, parse_widths("32").as_deref(), &mut stream);
        let (m, mut losses) = (64, Vec::new());
        for _ in 0..600 {
            let z: Vec<f64> = (0..m * 6).map(|_| stream.normal()).collect();
            let row = |z: &[f64]| (0..6).map(|j| (z[j] - 0.5 * z[(j + 1) % 6]) / m as f64).collect::<Vec<f64>>();
            let target: Vec<f64> = z.chunks(6).flat_map(row).collect();
            predictor.predict(&z, &vec![0; m]);
            predictor.learn(m, &target, ADAMW, 0.01);
            losses.push(predictor.loss);
        }
        assert!((losses[0] - 1.25).abs() < 0.3 && losses[599] < 0.05, "{} -> {}", losses[0], losses[599]);
    }
}
