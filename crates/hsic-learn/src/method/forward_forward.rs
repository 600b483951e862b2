//! Forward-forward (Hinton 2022): no backward pass at all; two forward passes, on samples with right and wrong labels.
//!
//! A label is written over the first C values of a sample (its class 1, or `label_strength`, the others 0). Each block is
//! trained by itself to have high goodness g on positive rows, which carry their own label, and low goodness on negative
//! ones, the same samples with a wrong label:
//!
//! ```text
//! L = softplus(theta d - g_pos) + softplus(g_neg - theta d),   g = sum_j h_j^2 of the block's d units
//! ```
//!
//! (`goodness = square`: the mean of h_j^2, and theta in place of theta d). The row with its label, and each row between
//! blocks, is brought to a mean square of 1 (`input-norm = rms`, `between = rms`), so that neither the brightness of an image
//! nor the goodness of a block can be read off by the next.
//! Wrong labels are drawn anew in each step: `negatives = random` (each as likely), or `hard`: in proportion to what a
//! softmax layer takes for likely. That layer sees the first block's row for the sample with a neutral label (1/C for each
//! class) and learns along; it is for drawing only and costs one more forward pass of that block.
//! `peer` adds the variance over the units of their mean activity (0.03 in published code), against dead units: use
//! `activation = open-relu` with it, whose backward pass lets gradients into dead units.
//!
//! Classes are read in two ways. By goodness: each label is written over the sample, and the class is the one whose label
//! makes all blocks but the first most active; that takes C forward passes of the network, in each evaluation. By a softmax
//! layer trained afterwards on all blocks (format training, the default; `format_epochs = 0` leaves it out), for a sample
//! with the neutral label, in one pass. A summary has both, before and after format training.
//! The network has no output block: all its blocks are hidden ones. Samples need more than C values.
//!
//! theta sets how steep the loss is as much as where it stands: activity settles near it. Hinton's 1 for sums makes every
//! row's loss so steep that blocks stop learning after an epoch.
//!
//! Defaults: AdamW, rate 1e-3, theta 0.1 (0.02 with `--input-norm none`), hard negatives, no batch norm (it would mix
//! positive and negative rows), relu, input-norm = rms, between = rms. Small batches help (`--batch-size 128`), and from some
//! fifteen epochs on a smaller rate.
//! Expect: slower than back-propagation by the number of epochs (tens), not by the cost of one. Published: MNIST 98.6 after
//! 60 epochs of 4 x 2000, 99.3 with moved images (`--shift 1`). Here 98.7 after 40 epochs of 3 x 1000 with moved images,
//! `--learning-rate 3e-4` and `--input-norm none`, by either reading (means of three seeds; at 1e-3 98.4 and 98.2 by
//! goodness). It fails on convolutions: a label in the corner of an image does not reach their outputs.
//!
//! Source: Hinton, arXiv 2212.13345, sections 3.1 to 3.3; the public code that follows him (loeweX/Forward-Forward).
//! Differs:
//! - AdamW in place of SGD with momentum, and no weight decay (theirs 3e-4, and 3e-3 of the softmax layer).
//! - theta is a unit's and 0.1, not 1.
//! - Weights start uniform in +-1/sqrt(n), n the inputs of a unit, biases too; theirs are normal of variance 1/n, without
//!   biases: on held-out digits (9,000 images of MNIST, 200x3, 5 epochs) 26.5 % by goodness against 41.0 at theta 0.02, 63.8
//!   against 90.0 at 0.1.
//! - Hard negatives come from a layer on the first block's rows, since a block must not depend on later ones; Hinton's come
//!   from all blocks but the first. The public code draws wrong labels at random.
//! - `peer` is off (0.03 in published code), and its mean activity is that of the batch, not a running mean of momentum 0.9;
//!   relu lets no gradient into silent units unless `--activation open-relu` is given.
//! - The softmax layer sees all blocks, each column standardized; theirs all but the first, each row at a mean square of 1.

use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_data::fault::Faults;
use hsic_nn::network::WrittenLabel;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Activation, Between, Block, Cache, Dense, InputNorm, LabelStyle, Learner, Network, Norm};
use hsic_nn::optimizer::Optimizer;

use super::{Method, MethodSettings, Outputs, Recipe, Stages, check_room};
use crate::engine::Local;
use crate::engine::pass::Pass;
use crate::error::StepError;
use crate::objective::cross_entropy::cross_entropy;
use crate::objective::goodness::Contrast;
use crate::options::Goodness;
use crate::options::Negatives;
use crate::update::{StepReport, Update, UpdateState};

/// The method `forward-forward`.
pub static METHOD: Method = Method {
    name: "forward-forward",
    summary: "forward-forward: high activity on samples with the right label written in, low with a wrong one",
    reference: "Hinton 2022, arXiv 2212.13345",
    cost: "two forward passes and two weight gradients a batch (hard negatives: and one pass of the first block); no backward chain",
    source: include_str!("forward_forward.rs"),
    outputs: Outputs::Labels,
    takes_capsules: false,
    values: false,
    local: true,
    parallel: true,
    reads: &["goodness", "theta", "negatives", "label_strength", "peer"],
    resolve: |options, faults| {
        let rule = rule(options, faults);
        Recipe::new(move |settings| Ok(Box::new(ForwardForward::new(rule, settings)))).with_label(rule.label)
    },
};

/// Theta if none is given. A sum over d units makes the loss d times as steep as a mean, and a row's activity settles near
/// theta: on MNIST (3 x 1000, 3 epochs, 10 % of the training data held out) theta 1, 0.1, 0.03, 0.01, 0.003 of sums gave
/// 95.3, 97.1, 97.7, 97.8, 94.7 %; of means theta 2, 1, 0.1 gave 94.7, 95.1, 94.4 %. (Wrong labels came from a layer on all
/// blocks then; random ones gave 97.1 and 97.5 % at theta 0.1 and 0.01.)
const RAW_THETA: f64 = 0.02;
/// Theta of sums where the input is brought to a mean square of 1, which that of MNIST is a tenth of. On 9,000 images of
/// MNIST (200x3, 5 epochs, 1,000 held out, seeds 1 and 2) 0.1 of such inputs gives 89.99 and 91.89 % by goodness and 92.09 and
/// 92.99 by the softmax layer, where inputs as they are give 90.09 and 91.89, 91.09 and 91.79 at 0.02 (at 0.1 87.39 and
/// 88.29, 91.99 and 91.19); such inputs give 87.59 and 88.29, 91.29 and 92.49 at 0.3, and 41.04 and 60.26 by goodness at 0.02.
const SUM_THETA: f64 = 0.1;
const SQUARE_THETA: f64 = 1.0;

/// The options of the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardForwardRule {
    /// Theta and what goodness is.
    pub contrast: Contrast,
    /// Where the wrong label of a negative row comes from.
    pub negatives: Negatives,
    /// How a label is written over a sample.
    pub label: LabelStyle,
}

/// Defaults and ranges of these options.
fn rule(options: &mut Stages<'_>, faults: &mut Faults) -> ForwardForwardRule {
    options.adamw(1e-3);
    options.network.norm.get_or_insert(Norm::None);
    options.network.between.get_or_insert(Between::Rms);
    let sum_theta = match options.network.input_norm.get_or_insert(InputNorm::Rms) {
        InputNorm::Rms => SUM_THETA,
        InputNorm::None => RAW_THETA,
    };
    let rule = &mut *options.rule;
    let goodness = *rule.goodness.get_or_insert(Goodness::Sum);
    faults.check("goodness", goodness, goodness != Goodness::Mean, "sum or square for forward-forward");
    let mean = goodness == Goodness::Square;
    let theta = *rule.theta.get_or_insert(if mean { SQUARE_THETA } else { sum_theta });
    faults.positive("theta", theta);
    let negatives = *rule.negatives.get_or_insert(Negatives::Hard);
    let strength = *rule.label_strength.get_or_insert(1.0);
    faults.positive("label-strength", strength);
    let peer = *rule.peer.get_or_insert(0.0);
    faults.not_negative("peer", peer);
    let (contrast, label) = (Contrast { mean, theta, peer }, LabelStyle { strength, mean });
    ForwardForwardRule { contrast, negatives, label }
}

/// Trains the blocks of a network by pairs of positive and negative rows.
pub struct ForwardForward<T: Scalar = f32> {
    local: Local<Contrast, T>,
    optimizer: Optimizer,
    negatives: Negatives,
    label: WrittenLabel,
    seed: u64,
    reader: Option<Reader<T>>,
    /// Positive rows, then the negative row of each.
    pairs: Batch<T>,
}

impl<T: Scalar> ForwardForward<T> {
    /// With these options, in a training of these settings.
    #[must_use]
    pub fn new(rule: ForwardForwardRule, settings: &MethodSettings) -> Self {
        Self {
            local: Local::new(rule.contrast, settings.optimizer, settings.order, settings.schedule),
            optimizer: settings.optimizer,
            negatives: rule.negatives,
            label: rule.label.of(settings.classes),
            seed: settings.seed,
            reader: None,
            pairs: Batch::default(),
        }
    }

    /// Makes the reader of a network that was not seen before.
    fn meet(&mut self, network: &Network<T>, classes: usize) {
        if self.negatives == Negatives::Hard && self.reader.is_none() {
            self.reader = Some(Reader::new(network, classes, self.seed));
        }
    }

    /// Positive and negative rows of a batch.
    fn pair(&mut self, network: &Network<T>, batch: &Batch<T>, rate: f64) -> Result<(), StepError> {
        let (m, columns, classes) = (batch.rows(), batch.columns, batch.classes);
        let Batch { x, labels, .. } = &mut self.pairs;
        x.clear();
        x.extend_from_slice(&batch.x);
        x.extend_from_slice(&batch.x);
        labels.clear();
        labels.extend_from_slice(&batch.labels);
        let mut stream = Stream::new(self.seed, "negative", batch.step);
        match &mut self.reader {
            None => labels.extend(batch.labels.iter().map(|&label| {
                let wrong = stream.below(classes as u64 - 1) as usize;
                wrong + usize::from(wrong >= label)
            })),
            Some(reader) => {
                x[..m * columns].chunks_exact_mut(columns).for_each(|row| self.label.neutral(row));
                let shares = reader.learn(network, &x[..m * columns], batch, self.optimizer, rate)?;
                labels.extend(
                    batch.labels.iter().zip(shares.chunks_exact(classes)).map(|(&l, row)| wrong(l, row, &mut stream)),
                );
            }
        }
        for (row, &label) in x.chunks_exact_mut(columns).zip(&*labels) {
            self.label.write(row, label);
        }
        (self.pairs.columns, self.pairs.classes, self.pairs.step) = (columns, classes, batch.step);
        Ok(())
    }
}

/// A wrong label in proportion to what `shares` (probabilities of the classes) has for it.
fn wrong<T: Scalar>(label: usize, shares: &[T], stream: &mut Stream) -> usize {
    // None is out of the question, however sure the layer is of another.
    let share = |class: usize| if class == label { 0.0 } else { shares[class].to_f64() + 1e-6 };
    let mut left = stream.uniform() * (0..shares.len()).map(share).sum::<f64>();
    for class in (0..shares.len()).filter(|&class| class != label) {
        left -= share(class);
        if left < 0.0 {
            return class;
        }
    }
    // Rounding: the last wrong one.
    shares.len() - 1 - usize::from(label + 1 == shares.len())
}

/// A softmax layer on the first block's rows (each brought to a mean square of 1) that learns along and says which wrong
/// labels are likely. It sees no later block, or what a block learns would depend on blocks after it.
struct Reader<T: Scalar> {
    layer: Learner<T>,
    cache: Cache<T>,
    features: Vec<T>,
    probabilities: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Scalar> Reader<T> {
    fn new(network: &Network<T>, classes: usize, seed: u64) -> Self {
        let mut stream = Stream::new(seed, "reader", 0);
        let columns = network.blocks()[0].outputs();
        let mut layer = Dense::new(columns, classes, Activation::Identity, Norm::None, &mut stream);
        layer.parameters_mut().fill(T::ZERO);
        Self {
            layer: Learner::new(Box::new(layer)),
            cache: Cache::shared(),
            features: Vec::new(),
            probabilities: Vec::new(),
            gradient: Vec::new(),
        }
    }

    /// The probabilities (m x classes) of the wrong classes of the rows `x`, after which the layer makes a step.
    fn learn(
        &mut self,
        network: &Network<T>,
        x: &[T],
        batch: &Batch<T>,
        optimizer: Optimizer,
        rate: f64,
    ) -> Result<&[T], StepError> {
        let (pass, columns) = (Pass::start(batch), self.layer.block().inputs());
        let m = pass.m;
        let features = grown(&mut self.features, m * columns);
        pass.forward(0, &*network.blocks()[0], x, features, &mut self.cache);
        for row in features.chunks_exact_mut(columns) {
            let length = norm(row);
            if !length.is_finite() {
                return Err(StepError::Diverged { block: 0 });
            }
            let factor = T::of((columns as f64).sqrt() / (length + 1e-8));
            row.iter_mut().for_each(|h| *h *= factor);
        }
        let scores = self.layer.forward(m, features);
        let gradient = grown(&mut self.gradient, m * batch.classes);
        cross_entropy(scores, &batch.labels[..], batch.classes, gradient);
        // (p - one-hot) / m: p where it is asked for, which is not at the label.
        let probabilities = grown(&mut self.probabilities, m * batch.classes);
        let rows = T::of(m as f64);
        probabilities.iter_mut().zip(&*gradient).for_each(|(p, &g)| *p = rows * g);
        self.layer.backward(m, features, gradient, None);
        self.layer.step(optimizer, rate);
        Ok(probabilities)
    }
}

impl<T: Scalar> Update<T> for ForwardForward<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        check_room(METHOD.name, batch.columns, batch.classes)?;
        self.meet(network, batch.classes);
        self.pair(network, batch, learning_rate)?;
        self.local.step(network, &self.pairs, learning_rate)
    }

    fn state(&self) -> UpdateState<T> {
        let mut record = self.local.state();
        if let (Some(reader), Some(first)) = (&self.reader, record.learners.first_mut()) {
            first.push(reader.layer.state());
        }
        record
    }

    fn restore(&mut self, network: &Network<T>, mut record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.reader = None;
        let first = record.learners.first_mut();
        if let Some(layer) = first.and_then(Vec::pop) {
            let columns = network.blocks()[0].outputs();
            // Its classes follow from its size: a weight a column and a bias each.
            self.meet(network, layer.parameters.len() / (columns + 1));
            if let Some(reader) = &mut self.reader {
                reader.layer.restore(0, layer)?;
            }
        }
        self.local.restore(network, record)
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::HeadStart;

    use super::*;
    use crate::update::{Schedule, UnitLength, UpdateOrder};

    fn update(negatives: Negatives) -> ForwardForward<f64> {
        let contrast = Contrast { mean: false, theta: RAW_THETA, peer: 0.0 };
        let label = LabelStyle { strength: 1.0, mean: false };
        let settings = MethodSettings {
            bottleneck: hsic::Bottleneck::default(),
            approximation: hsic::Approximation::Exact,
            classes: 3,
            seed: 5,
            optimizer: Optimizer::adamw(),
            order: UpdateOrder::Jacobi,
            schedule: Schedule::Parallel,
            unit: UnitLength::default(),
            head_start: HeadStart::Uniform,
        };
        ForwardForward::new(ForwardForwardRule { contrast, negatives, label }, &settings)
    }

    fn network() -> Network<f64> {
        Network::mlp(8, &[6], 5, Activation::Relu, Norm::None, 2)
    }

    fn batch(step: u64) -> Batch<f64> {
        let mut stream = Stream::new(7, "forward-forward", step);
        let x = (0..30 * 8).map(|_| stream.normal()).collect();
        Batch {
            x,
            columns: 8,
            labels: (0..30).map(|row| row % 3).collect(),
            classes: 3,
            values: Vec::new(),
            smoothing: 0.0,
            step,
        }
    }

    #[test]
    fn a_pair_is_one_sample_with_its_own_and_with_a_wrong_label() {
        for negatives in [Negatives::Random, Negatives::Hard] {
            let (mut update, mut network) = (update(negatives), network());
            let mut drawn = [0; 3];
            for step in 0..40 {
                let batch = batch(step);
                update.step(&mut network, &batch, 1e-3).unwrap();
                let pairs = &update.pairs;
                assert_eq!(pairs.labels[..30], batch.labels);
                for (index, (row, &label)) in pairs.x.chunks(8).zip(&pairs.labels).enumerate() {
                    let own = &batch.x[index % 30 * 8..][..8];
                    assert_eq!(row[3..], own[3..]);
                    assert!((0..3).all(|class| row[class] == f64::from(u8::from(class == label))));
                    assert_eq!(index < 30, label == batch.labels[index % 30]);
                    drawn[label] += u32::from(index >= 30);
                }
            }
            // 1200 draws, 400 of each if they are as likely; the layer has little to say of noise.
            assert!(drawn.iter().all(|&count| count > 300), "{negatives:?} {drawn:?}");
        }
    }

    #[test]
    fn hard_negatives_are_what_the_layer_takes_for_likely() {
        let mut stream = Stream::new(1, "negative", 0);
        let mut drawn = [0; 4];
        for _ in 0..1000 {
            drawn[wrong(1, &[0.6, -0.4, 0.1, 0.3f64], &mut stream)] += 1;
        }
        // Binomial(1000, p): standard deviations below 16; five of them.
        assert_eq!(drawn[1], 0);
        assert!((520..680).contains(&drawn[0]) && (50..150).contains(&drawn[2]), "{drawn:?}");
        assert_eq!(wrong(1, &[0.0, 1.0f64], &mut stream), 0);
        // Of shares that are no numbers none is passed, and the last wrong one remains.
        let last = [0, 1, 2, 3].map(|label| wrong(label, &[f64::NAN; 4], &mut stream));
        assert_eq!(last, [3, 3, 3, 2]);
    }

    #[test]
    fn hard_negatives_do_not_depend_on_later_blocks() {
        let drawn = |disturbed: bool| {
            let (mut update, mut network) = (update(Negatives::Hard), network());
            if disturbed {
                network.blocks_mut()[1].parameters_mut().iter_mut().for_each(|w| *w = 1.0 - *w);
            }
            let mut labels = Vec::new();
            for step in 0..30 {
                update.step(&mut network, &batch(step), 1e-2).unwrap();
                labels.extend_from_slice(&update.pairs.labels);
            }
            (labels, network.blocks()[0].parameters().to_vec())
        };
        assert!(drawn(false) == drawn(true));
    }

    #[test]
    fn the_length_of_a_blocks_inputs_does_not_reach_it() {
        let entrance = hsic_nn::network::Entrance { between: Between::Rms, ..hsic_nn::network::Entrance::default() };
        let outputs = |factor: f64| {
            let mut network = network();
            network.blocks_mut()[0].parameters_mut().iter_mut().for_each(|w| *w *= factor);
            network.with_entrances(entrance, 0).infer(30, &batch(0).x)
        };
        // 1e-8 stands inside the root of the mean square, which is of order 0.1.
        outputs(1.0).iter().zip(outputs(3.0)).for_each(|(one, other)| assert!((one - other).abs() < 1e-6));
    }
}
