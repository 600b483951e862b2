//! Local losses by prediction and similarity matching (Nokland and Eidnes 2019).
//!
//! Beside each block stand a linear classifier V and a linear map g, both trained with it. With z the block's outputs,
//! pool(z) their average pooling and S the cosine of each pair of rows less their own means,
//!
//! ```text
//!     L_pred = CE(V pool(z) + b, y)
//!     L_sim  = mean_ij (S(g(z))_ij - S(Y)_ij)^2
//!     L      = (1 - w) L_pred + w L_sim,   w = 0.99
//! ```
//!
//! S(Y) is 1 for two samples of a class and -1/(C - 1) for others. L_sim is HSIC(Z, Z) - 2 HSIC(Z, Y) without centering
//! over the batch, which is why it shares its code with `phsic`. Of the published rules without gradients between blocks
//! this one reaches the best accuracies (MNIST 99.74, Fashion-MNIST 95.86, CIFAR-10 96.40, vgg nets, with cutout).
//!
//! `--local-loss pred`, `sim` or `both`; `--similarity-weight` is w; `--decoder-size` the most columns that V sees of a
//! map: as many fields a side are averaged as fit (1024 suits small images, 2048 and 4096 were used for CIFAR-10).
//! V starts at zero. g is a dense layer without bias, of a map a 3x3 convolution without bias; S then compares the
//! deviation over pixels of each channel (more than 3 channels) instead of all values. Losses see a block's outputs
//! before dropout. The last block is linear and learns by cross-entropy.
//!
//! Source: arXiv 1901.06656. Differs from the authors' code: losses see maps after max pooling, theirs before it
//! (`--pool-at entrance`: on 1,000 held-out images of Fashion-MNIST, 5,000 others, vgg 8p,16p, 3 epochs, seeds 1 and 2, 76.15
//! and 76.45 % against 75.95 and 76.95, in twice the time); dropout takes values, theirs channels of maps (`--dropout-by
//! channel`, there with `--pool-at entrance --dropout 0.2`: 74.05 and 75.75 against 75.65 and 77.05); fields differ by a line
//! where they do not divide a map; 1e-5 is added to a channel's variance.
//! Defaults: adamw 5e-4. The authors': batch 128, `--activation leaky-relu --norm batch-affine`, dropout 0.1 (mlp) or 0.2,
//! shifts of 2 pixels, 100 epochs for MNIST, 400 for CIFAR-10.
//! Pitfalls: batches much below 100 rows make S(Y) noisy; residual networks lose more than plain ones, since their first
//! blocks are made separable too soon.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::random::Stream;
use hsic::scalar::vectorize;
use hsic::sums::{grown, rows_are_equal, rows_of, write_rows};
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::{Activation, Conv, ConvSettings, Dense, Feature, Learner, Norm};

use super::{Method, Outputs, Recipe};
use crate::error::ObjectiveError;
use crate::objective::classifier::{classify, zero_classifier};
use crate::objective::similarity::{Moments, Pairs, Similarity, Targets};
use crate::objective::{Classified, Labels, Objective, Signal, Site};
use crate::options::LocalLoss;

/// The method `predsim`.
pub static METHOD: Method = Method {
    name: "predsim",
    summary: "every block learns by a classifier of its own and by making samples of a class alike",
    reference: "Nokland, Eidnes, ICML 2019, arXiv 1901.06656",
    cost: "no backward chain; a map as large as the block for g, and 4 m^2 d, beside each block; memory of one in turn",
    source: include_str!("predsim.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: true,
    parallel: true,
    reads: &["local_loss", "similarity_weight", "decoder_size", "label_smoothing"],
    resolve: |options, faults| {
        options.adamw(5e-4);
        let rule = &mut *options.rule;
        let loss = *rule.local_loss.get_or_insert(LocalLoss::Both);
        let weight = *rule.similarity_weight.get_or_insert(WEIGHT);
        faults.check("similarity-weight", weight, (0.0..=1.0).contains(&weight), "a number in [0, 1]");
        let decoder_size = *rule.decoder_size.get_or_insert(DECODER_SIZE);
        faults.check("decoder-size", decoder_size, decoder_size >= 1, "a whole number >= 1");
        Recipe::new(move |settings| {
            let (classes, seed) = (settings.classes, settings.seed);
            settings.local(Classified(PredSim { loss, weight, decoder_size, classes, seed }))
        })
    },
};

const WEIGHT: f64 = 0.99;
const DECODER_SIZE: usize = 1024;

const COSINE: Similarity = Similarity::Cosine { centered: true };

/// The rule, for blocks before the last.
#[derive(Clone, Copy, Debug)]
pub struct PredSim {
    /// Which losses.
    pub loss: LocalLoss,
    /// Weight of the second beside the first, in [0, 1].
    pub weight: f64,
    /// Most columns that the classifier sees of a map, >= 1; a field a channel at the least.
    pub decoder_size: usize,
    /// Classes of the data.
    pub classes: usize,
    /// Seed of the first weights of g.
    pub seed: u64,
}

/// Memory of one thread.
#[derive(Debug, Default)]
pub struct PredSimScratch<T> {
    z: Vec<T>,
    dz: Vec<T>,
    pooled: Vec<T>,
    d_pooled: Vec<T>,
    scores: Vec<T>,
    d_sim: Vec<T>,
    matching: Matching<T>,
}

/// Memory of the second loss.
#[derive(Debug, Default)]
struct Matching<T> {
    /// Mean and deviation of each channel.
    channels: Vec<T>,
    d_channels: Vec<T>,
    /// The deviations alone.
    deviations: Vec<T>,
    dy: Vec<T>,
    pairs: Pairs<T>,
}

impl PredSim {
    /// The weights of both losses; `None` for one that is left out.
    fn weights(&self) -> (Option<f64>, Option<f64>) {
        match self.loss {
            LocalLoss::Pred => (Some(1.0), None),
            LocalLoss::Sim => (None, Some(1.0)),
            LocalLoss::Both => (Some(1.0 - self.weight), Some(self.weight)),
        }
    }

    /// What the classifier sees of a map: as many fields as its size allows.
    fn pooling(&self, map: Shape) -> Feature {
        let sides = (1..=map.height.max(map.width)).rev().map(Feature::Pool);
        sides.into_iter().find(|pool| pool.columns(map) <= self.decoder_size).unwrap_or(Feature::Pool(1))
    }
}

/// Whether similarities of a map are those of its channels' deviations.
fn by_channels(map: Shape) -> bool {
    map.channels > 3 && map.height * map.width > 1
}

impl<T: Scalar> Objective<T> for PredSim {
    type Shared = (Targets<T>, Labels);
    type Scratch = PredSimScratch<T>;

    fn reads_input(&self) -> bool {
        false
    }

    fn feature(&self, _chosen: Feature) -> Feature {
        Feature::Flat
    }

    fn learners(&self, block: usize, _last: bool, map: Shape) -> Vec<Learner<T>> {
        let (pred, sim) = self.weights();
        let g = |_| {
            let mut stream = Stream::new(self.seed, "predsim", block as u64);
            if map.height * map.width == 1 {
                let d = map.channels;
                let dense = Dense::new(d, d, Activation::Identity, Norm::None, &mut stream);
                return Learner::new(Box::new(dense.without_bias()));
            }
            let settings = ConvSettings {
                outputs: map.channels,
                kernel: 3,
                stride: 1,
                padding: 1,
                pool: 1,
                activation: Activation::Identity,
                norm: Norm::None,
            };
            Learner::new(Box::new(Conv::new(map, false, settings, &mut stream).without_bias()))
        };
        let v = pred.map(|_| zero_classifier(self.pooling(map).columns(map), self.classes));
        v.into_iter().chain(sim.map(g)).collect()
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        _scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError> {
        let (mut targets, labels) = earlier.unwrap_or_default();
        targets.fill(&batch.labels, Targets::<T>::centered(batch.classes))?;
        Ok((targets, Labels::of(batch, Some(labels))))
    }

    fn signal(
        &self,
        (targets, labels): &Self::Shared,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let (m, columns, map) = (z.nrows(), z.ncols(), site.shape);
        let PredSimScratch { z: rows, dz: gradient, pooled, d_pooled, scores, d_sim, matching } = scratch;
        let z: &[T] = rows_of(z, rows)?;
        let gradient = grown(gradient, z.len());
        let (v, g) = learners.split_at_mut(usize::from(self.loss != LocalLoss::Sim));
        let (mut cross_entropy, mut similarity) = (0.0, 0.0);
        let (pred, sim) = self.weights();
        if let Some((weight, v)) = pred.zip(v.first_mut()) {
            let pool = self.pooling(map);
            if pool.is_whole(map) {
                cross_entropy = classify(v, z, labels.told(), weight, scores, gradient);
            } else {
                let (pooled, d_pooled) = (grown(pooled, m * pool.columns(map)), grown(d_pooled, m * pool.columns(map)));
                pool.extract(map, z, pooled);
                cross_entropy = classify(v, pooled, labels.told(), weight, scores, d_pooled);
                pool.spread(map, z, pooled, d_pooled, gradient);
            }
        }
        if let Some((weight, g)) = sim.zip(g.first_mut()) {
            let d_sim = grown(d_sim, z.len());
            similarity = match_similarities(g, map, z, targets, weight, matching, d_sim);
            if pred.is_some() {
                vectorize(
                    #[inline(always)]
                    || gradient.iter_mut().zip(&*d_sim).for_each(|(sum, &own)| *sum += own),
                );
            } else {
                gradient.copy_from_slice(d_sim);
            }
        }
        write_rows(gradient, dz);
        Ok(Signal {
            loss: pred.unwrap_or(0.0) * cross_entropy + sim.unwrap_or(0.0) * similarity,
            terms: [("cross_entropy", cross_entropy), ("similarity", similarity)],
            gradient_norm: 0.0,
            dead: rows_are_equal(z, columns),
        })
    }
}

/// L_sim of the maps `z`; `weight` times its gradient is left in `g` and written into `dz`.
fn match_similarities<T: Scalar>(
    g: &mut Learner<T>,
    map: Shape,
    z: &[T],
    targets: &Targets<T>,
    weight: f64,
    memory: &mut Matching<T>,
    dz: &mut [T],
) -> f64 {
    let Matching { channels, d_channels, deviations, dy, pairs } = memory;
    let (m, c) = (targets.labels().len(), map.channels);
    let y = g.forward(m, z);
    let dy = grown(dy, y.len());
    let shown = by_channels(map);
    if shown {
        // Mean and deviation of each channel, of which the latter counts.
        let channels = grown(channels, 2 * m * c);
        Feature::Channels.extract(map, y, channels);
        let deviations = grown(deviations, m * c);
        for (own, both) in deviations.chunks_exact_mut(c).zip(channels.chunks_exact(2 * c)) {
            own.copy_from_slice(&both[c..]);
        }
        pairs.form(COSINE, m, deviations);
    } else {
        pairs.form(COSINE, m, y);
    }
    // mean (S - T)^2
    let Moments { square, product, .. } = pairs.moments(targets);
    let loss = square - 2.0 * product + targets.square();
    let slope = 2.0 * weight / (m * m) as f64;
    let by = [slope, -slope, 0.0];
    if shown {
        let deviations = grown(deviations, m * c);
        pairs.backward(COSINE, targets, by, deviations);
        let d_channels = grown(d_channels, 2 * m * c);
        for (both, own) in d_channels.chunks_exact_mut(2 * c).zip(deviations.chunks_exact(c)) {
            both[..c].fill(T::ZERO);
            both[c..].copy_from_slice(own);
        }
        Feature::Channels.spread(map, y, &channels[..2 * m * c], d_channels, dy);
    } else {
        pairs.backward(COSINE, targets, by, dy);
    }
    g.backward(m, z, dy, Some(dz));
    loss
}

#[cfg(test)]
mod tests {
    use super::super::mono_forward::MonoForward;
    use super::*;
    use crate::objective::testing::Bench;

    const VECTOR: Shape = Shape { channels: 7, height: 1, width: 1 };
    const LABELS: [usize; 6] = [0, 1, 2, 1, 0, 0];

    fn rule(loss: LocalLoss) -> PredSim {
        PredSim { loss, weight: 0.7, decoder_size: 8, classes: 3, seed: 1 }
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        let small = Shape { channels: 2, height: 4, width: 3 };
        let large = Shape { channels: 5, height: 3, width: 3 };
        for loss in [LocalLoss::Pred, LocalLoss::Sim, LocalLoss::Both] {
            for shape in [VECTOR, small, large] {
                Bench::new(rule(loss), shape, &LABELS, 3).check_gradients(1e-7);
            }
        }
    }

    #[test]
    fn its_classifier_alone_is_the_mono_forward_rule() {
        let mut own = Bench::new(rule(LocalLoss::Pred), VECTOR, &LABELS, 3);
        let mut other = Bench::new(MonoForward { classes: 3, seed: 1 }, VECTOR, &LABELS, 3);
        let weights = own.learners[0].block().parameters().to_vec();
        other.learners[0].block_mut().parameters_mut().copy_from_slice(&weights);
        let ((signal, dz), (expected, d_expected)) = (own.signal(), other.signal());
        assert_eq!((signal.loss, dz), (expected.loss, d_expected));
        assert_eq!(own.learners[0].gradient(), other.learners[0].gradient());
    }

    #[test]
    fn a_block_that_is_its_labels_matches_them() {
        // g = 1 and z one-hot: S(g(z)) = S(Y), so that nothing is left to learn.
        let shape = Shape { channels: 3, height: 1, width: 1 };
        let mut bench = Bench::new(rule(LocalLoss::Sim), shape, &LABELS, 3);
        bench.z = LABELS.iter().flat_map(|&label| (0..3).map(move |c| f64::from(u8::from(c == label)))).collect();
        let weights = bench.learners[0].block_mut().parameters_mut();
        weights.iter_mut().enumerate().for_each(|(i, w)| *w = f64::from(u8::from(i < 9 && i % 4 == 0)));
        let (signal, dz) = bench.signal();
        assert!(signal.loss < 1e-14 && dz.iter().all(|dz| dz.abs() < 1e-7), "{signal:?}");
    }

    #[test]
    fn maps_are_pooled_until_they_fit() {
        let rule = PredSim { decoder_size: 1024, ..rule(LocalLoss::Both) };
        let map = |channels, side| Shape { channels, height: side, width: side };
        // 28 x 28 x 32: 5 x 5 fields are 800, 6 x 6 are 1152.
        assert_eq!(rule.pooling(map(32, 28)), Feature::Pool(5));
        assert_eq!(rule.pooling(map(4, 16)), Feature::Pool(16));
        assert_eq!(rule.pooling(map(2048, 4)), Feature::Pool(1));
    }

    #[test]
    fn the_bias_of_g_stays_zero() {
        for shape in [VECTOR, Shape { channels: 5, height: 3, width: 3 }] {
            let mut bench = Bench::new(rule(LocalLoss::Sim), shape, &LABELS, 3);
            bench.signal();
            let c = shape.channels;
            let gradient = bench.learners[0].gradient();
            assert!(gradient[gradient.len() - c..].iter().all(|&g| g == 0.0) && gradient.iter().any(|&g| g != 0.0));
            assert!(bench.learners[0].block().parameters()[gradient.len() - c..].iter().all(|&b| b == 0.0));
        }
    }
}
