//! Forward-forward (Hinton 2022): no backward pass at all; two forward passes, on samples with right and wrong labels.
//!
//! A label is written over the first C values of a sample (its class 1, or `label_strength`, the others 0). Each block is
//! trained by itself to have high goodness g on positive rows, which carry their own label, and low goodness on negative
//! ones, the same samples with a wrong label:
//!
//!     L = softplus(theta d - g_pos) + softplus(g_neg - theta d),   g = sum_j h_j^2 of the block's d units
//!
//! (`goodness = square`: the mean of h_j^2, and theta in place of theta d). Between blocks each row is brought to a mean
//! square of 1 (`between = rms`), so that a block cannot read off the goodness of the one before it.
//! Wrong labels are drawn anew in each step: `negatives = random` (each as likely), or `hard`: in proportion to what a
//! softmax layer takes for likely. That layer sees all blocks' rows for the sample with a neutral label (1/C for each
//! class) and learns along; it is for drawing only and costs one more forward pass.
//! `peer` adds the variance over the units of their mean activity (0.03 in published code), against dead units: use
//! `activation = open-relu` with it, whose backward pass lets gradients into dead units.
//!
//! Evaluation writes the neutral label; a softmax layer trained afterwards (format training) on all blocks reads it. The
//! network has no output block: all its blocks are hidden ones. Samples need more than C values.
//!
//! Defaults: AdamW, rate 1e-3, no batch norm (it would mix positive and negative rows), relu, between = rms.
//! Expect: slower than back-propagation by the number of epochs (tens), not by the cost of one. Published: MNIST 98.6 after
//! 60 epochs of 4 x 2000, 99.3 with moved images (`--shift 1`). It fails on convolutions: a label in the corner of an image
//! does not reach their outputs.
//!
//! Source: Hinton, arXiv 2212.13345, sections 3.1 to 3.3. Differs: Adam; theta is a unit's.

use hsic::Scalar;
use hsic::random::Stream;
use serde::{Deserialize, Serialize};

use super::{ADAMW_RATES, Local, Method, MethodSettings, Outputs, StepReport, Update, UpdateRecord, adamw};
use crate::batch::Batch;
use crate::config::{Faults, TrainOptions};
use crate::error::Error;
use crate::network::learner::RecordMismatch;
use crate::network::{Activation, Between, Cache, Dense, Learner, Network, Norm};
use crate::objective::cross_entropy::cross_entropy;
use crate::objective::goodness::{Contrast, Goodness};
use crate::objective::grown;
use crate::optimizer::Optimizer;

/// The method `forward-forward`.
pub static METHOD: Method = Method {
    name: "forward-forward",
    summary: "forward-forward: high activity on samples with the right label written in, low with a wrong one",
    reference: "Hinton 2022, arXiv 2212.13345",
    cost: "two forward passes and two weight gradients a batch (hard negatives: one more pass); no backward chain",
    source: include_str!("forward_forward.rs"),
    outputs: Outputs::Features,
    local: true,
    parallel: true,
    rates: ADAMW_RATES,
    reads: &["goodness", "theta", "negatives", "label_strength", "peer"],
    settle,
    build: |settings| Ok(Box::new(ForwardForward::new(settings))),
};

fn settle(options: &mut TrainOptions, faults: &mut Faults) {
    adamw(options, 1e-3);
    options.network.norm.get_or_insert(Norm::None);
    options.network.between.get_or_insert(Between::Rms);
    let rule = &mut options.rule;
    let goodness = *rule.goodness.get_or_insert(Goodness::Sum);
    faults.check("goodness", goodness, goodness != Goodness::Mean, "sum or square for forward-forward");
    faults.positive("theta", *rule.theta.get_or_insert(1.0));
    rule.negatives.get_or_insert(Negatives::Hard);
    faults.positive("label-strength", *rule.label_strength.get_or_insert(1.0));
    faults.not_negative("peer", *rule.peer.get_or_insert(0.0));
}

/// Where the wrong label of a negative row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Negatives {
    /// Each wrong label as likely as the others.
    Random,
    /// In proportion to the probability that a softmax layer on the blocks gives them.
    Hard,
}

/// Whether a sample of so many values has room for the label of so many classes.
///
/// # Errors
/// `Method` if nothing of the sample would be left.
pub(crate) fn check_room(columns: usize, classes: usize) -> Result<(), Error> {
    if columns > classes {
        return Ok(());
    }
    let found = format!("samples of {columns} values and {classes} classes");
    Err(Error::Method {
        method: METHOD.name,
        found,
        expected: "more values than classes, whose label is written there",
    })
}

/// Trains the blocks of a network by pairs of positive and negative rows.
pub struct ForwardForward<T: Scalar = f32> {
    local: Local<Contrast, T>,
    optimizer: Optimizer,
    negatives: Negatives,
    strength: f64,
    seed: u64,
    reader: Option<Reader<T>>,
    /// Positive rows, then the negative row of each.
    pairs: Batch<T>,
}

impl<T: Scalar> ForwardForward<T> {
    /// With the numbers of `settings`, defaults where they lack one.
    #[must_use]
    pub fn new(settings: &MethodSettings) -> Self {
        let rule = &settings.rule;
        let contrast = Contrast {
            mean: rule.goodness == Some(Goodness::Square),
            theta: rule.theta.unwrap_or(1.0),
            peer: rule.peer.unwrap_or(0.0),
        };
        Self {
            local: Local::new(contrast, settings.optimizer, settings.order, settings.schedule),
            optimizer: settings.optimizer,
            negatives: rule.negatives.unwrap_or(Negatives::Hard),
            strength: rule.label_strength.unwrap_or(1.0),
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
    fn pair(&mut self, network: &Network<T>, batch: &Batch<T>, rate: f64) -> Result<(), Error> {
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
                let neutral = self.strength / classes as f64;
                x[..m * columns].chunks_exact_mut(columns).for_each(|row| row[..classes].fill(T::of(neutral)));
                let shares = reader.learn(network, &x[..m * columns], batch, self.optimizer, rate)?;
                labels.extend(
                    batch.labels.iter().zip(shares.chunks_exact(classes)).map(|(&l, row)| wrong(l, row, &mut stream)),
                );
            }
        }
        for (row, &label) in x.chunks_exact_mut(columns).zip(&*labels) {
            row[..classes].fill(T::ZERO);
            row[label] = T::of(self.strength);
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

/// A softmax layer on all blocks' rows (each brought to a mean square of 1) that learns along and says which wrong labels
/// are likely.
struct Reader<T: Scalar> {
    layer: Learner<T>,
    caches: Vec<Cache<T>>,
    z: [Vec<T>; 2],
    features: Vec<T>,
    gradient: Vec<T>,
}

impl<T: Scalar> Reader<T> {
    fn new(network: &Network<T>, classes: usize, seed: u64) -> Self {
        let columns = network.blocks().iter().map(|block| block.outputs()).sum();
        let mut stream = Stream::new(seed, "reader", 0);
        let mut layer = Dense::new(columns, classes, Activation::Identity, Norm::None, &mut stream);
        crate::network::Block::parameters_mut(&mut layer).fill(T::ZERO);
        Self {
            layer: Learner::new(Box::new(layer)),
            caches: Vec::new(),
            z: [Vec::new(), Vec::new()],
            features: Vec::new(),
            gradient: Vec::new(),
        }
    }

    /// The probabilities (m x classes) of the classes of the rows `x`, after which the layer makes a step.
    fn learn(
        &mut self,
        network: &Network<T>,
        x: &[T],
        batch: &Batch<T>,
        optimizer: Optimizer,
        rate: f64,
    ) -> Result<&[T], Error> {
        let (m, columns) = (batch.rows(), self.layer.block().inputs());
        let features = grown(&mut self.features, m * columns);
        self.caches.resize_with(network.blocks().len(), Cache::shared);
        let [from, to] = &mut self.z;
        from.clear();
        from.extend_from_slice(x);
        let mut start = 0;
        for (index, (block, cache)) in network.blocks().iter().zip(&mut self.caches).enumerate() {
            let width = block.outputs();
            let z = grown(to, m * width);
            cache.set_draw(batch.step);
            block.forward(m, &from[..m * block.inputs()], z, cache);
            for (row, features) in z.chunks_exact(width).zip(features.chunks_exact_mut(columns)) {
                let length = crate::objective::norm(row);
                if !length.is_finite() {
                    return Err(Error::Diverged { block: index });
                }
                let factor = T::of((width as f64).sqrt() / (length + 1e-8));
                features[start..start + width].iter_mut().zip(row).for_each(|(own, &h)| *own = h * factor);
            }
            start += width;
            std::mem::swap(from, to);
        }
        let scores = self.layer.forward(m, features);
        let gradient = grown(&mut self.gradient, m * batch.classes);
        cross_entropy(scores, &batch.labels, batch.classes, gradient);
        let probabilities = grown(to, m * batch.classes);
        probabilities.copy_from_slice(gradient);
        self.layer.backward(m, features, gradient, None);
        self.layer.step(optimizer, rate);
        // cross_entropy leaves (p - one-hot) / m: back to p where it is asked for, which is not at the label.
        let rows = T::of(m as f64);
        probabilities.iter_mut().for_each(|p| *p *= rows);
        Ok(probabilities)
    }
}

impl<T: Scalar> Update<T> for ForwardForward<T> {
    fn step(&mut self, network: &mut Network<T>, batch: &Batch<T>, learning_rate: f64) -> Result<&StepReport, Error> {
        check_room(batch.columns, batch.classes)?;
        self.meet(network, batch.classes);
        self.pair(network, batch, learning_rate)?;
        self.local.step(network, &self.pairs, learning_rate)
    }

    fn record(&self) -> UpdateRecord<T> {
        let mut record = self.local.record();
        if let (Some(reader), Some(last)) = (&self.reader, record.learners.last_mut()) {
            last.push(reader.layer.record());
        }
        record
    }

    fn load(&mut self, network: &Network<T>, mut record: UpdateRecord<T>) -> Result<(), RecordMismatch> {
        self.reader = None;
        let last = record.learners.last_mut();
        if let Some(layer) = last.and_then(Vec::pop) {
            let block = network.blocks().len() - 1;
            let columns: usize = network.blocks().iter().map(|block| block.outputs()).sum();
            // Its classes follow from its size: a weight a column and a bias each.
            self.meet(network, layer.parameters.len() / (columns + 1));
            if let Some(reader) = &mut self.reader {
                reader.layer.load(block, layer)?;
            }
        }
        self.local.load(network, record)
    }
}
