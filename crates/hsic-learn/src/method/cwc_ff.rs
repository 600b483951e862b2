//! Channel-wise competition (Papachristodoulou et al. 2024): forward-forward without negative samples.
//!
//! The units of a block (of a map: its channels) are cut into C groups, one a class. The goodness of a class is the mean
//! square of its group, of a map over all pixels, and the goodnesses are the block's class scores:
//!
//! ```text
//! g_c = mean over group c of h^2,   L = CE(softmax(g), y)
//! ```
//!
//! `goodness = mean`: g_c = mean over group c of h itself (DeeperForward, Sun et al. 2025), which still moves units that relu
//! has silenced only as far as relu lets gradients through, but does not fade as activity falls. Where C does not divide the
//! units, some groups have one more; a block needs at least C of them.
//! The output block is linear and learns by cross-entropy from the block before it; no gradient passes between blocks.
//!
//! Defaults: AdamW, rate 1e-3, goodness square, batch norm, relu. Works on dense and convolutional blocks; wide blocks do
//! better, as a class has only a C-th of the units. Published (4 convolutional blocks, grouped in turns): MNIST 99.4,
//! Fashion-MNIST 92.3, CIFAR-10 78.1; with mean goodness and deeper networks CIFAR-10 86.2.
//!
//! Source: AAAI 2024, arXiv 2312.12668; DeeperForward: ICLR 2025. Differs: batch norm before relu, no grouped convolutions,
//! all blocks at once, classes read from an output block.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic::sums::{grown, rows_of, write_rows};
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::entrance::for_each_group;
use hsic_nn::network::{Feature, Learner};

use super::{Method, Outputs, Recipe};
use crate::error::{ObjectiveError, StepError};
use crate::objective::cross_entropy::cross_entropy;
use crate::objective::{Classified, Labels, Objective, Signal, Site};
use crate::options::Goodness;

/// The method `cwc-ff`.
pub static METHOD: Method = Method {
    name: "cwc-ff",
    summary: "channel-wise competition: each class has a group of a block's units, whose activity is its score",
    reference: "Papachristodoulou et al., AAAI 2024, arXiv 2312.12668",
    cost: "no backward chain; the objective costs next to nothing; memory of one block in turn",
    source: include_str!("cwc_ff.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: true,
    parallel: true,
    reads: &["goodness", "label_smoothing"],
    resolve: |options, faults| {
        options.adamw(1e-3);
        let goodness = *options.rule.goodness.get_or_insert(Goodness::Square);
        faults.check("goodness", goodness, goodness != Goodness::Sum, "square or mean for cwc-ff");
        let mean = goodness == Goodness::Mean;
        Recipe::new(move |settings| settings.local(Classified(Competition { classes: settings.classes, mean })))
    },
};

/// Groups of units that compete, one a class.
#[derive(Clone, Copy, Debug)]
pub struct Competition {
    /// Groups.
    pub classes: usize,
    /// Whether goodness is the mean activity; else the mean square.
    pub mean: bool,
}

/// Memory of one thread.
pub struct CompetitionScratch<T> {
    rows: Vec<T>,
    scores: Vec<T>,
    gradient: Vec<T>,
    /// A value a channel.
    channel: Vec<T>,
}

impl<T> Default for CompetitionScratch<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), scores: Vec::new(), gradient: Vec::new(), channel: Vec::new() }
    }
}

impl Competition {
    /// Goodness of each class (m x C) of `rows`, each a list of pixels of as many values as `sums` has room for.
    fn score<T: Scalar>(&self, rows: &[T], columns: usize, sums: &mut [T], scores: &mut [T]) {
        let (channels, mean) = (sums.len(), self.mean);
        for (row, scores) in rows.chunks_exact(columns).zip(scores.chunks_exact_mut(self.classes)) {
            vectorize(
                #[inline(always)]
                || {
                    sums.fill(T::ZERO);
                    for pixel in row.chunks_exact(channels) {
                        for (sum, &h) in sums.iter_mut().zip(pixel) {
                            *sum = if mean { *sum + h } else { h.mul_add(h, *sum) };
                        }
                    }
                },
            );
            let mut scores = scores.iter_mut();
            for_each_group(channels, self.classes, |group| {
                let share = T::of(channels as f64 / (columns * group.len()) as f64);
                if let Some(score) = scores.next() {
                    *score = share * sums[group].iter().copied().sum::<T>();
                }
            });
        }
    }

    /// From dL/dscores to dL/drows, in the place of the rows; `slopes` has room for a value a channel.
    fn score_backward<T: Scalar>(&self, rows: &mut [T], columns: usize, gradient: &[T], slopes: &mut [T]) {
        let (channels, mean) = (slopes.len(), self.mean);
        let power = if mean { 1.0 } else { 2.0 };
        for (row, gradient) in rows.chunks_exact_mut(columns).zip(gradient.chunks_exact(self.classes)) {
            let mut gradient = gradient.iter();
            for_each_group(channels, self.classes, |group| {
                let share = T::of(power * channels as f64 / (columns * group.len()) as f64);
                if let Some(&own) = gradient.next() {
                    slopes[group].fill(share * own);
                }
            });
            vectorize(
                #[inline(always)]
                || {
                    for pixel in row.chunks_exact_mut(channels) {
                        for (h, &slope) in pixel.iter_mut().zip(&*slopes) {
                            *h = if mean { slope } else { *h * slope };
                        }
                    }
                },
            );
        }
    }
}

impl<T: Scalar> Objective<T> for Competition {
    type Shared = Labels;
    type Scratch = CompetitionScratch<T>;

    fn reads_input(&self) -> bool {
        false
    }

    fn feature(&self, _chosen: Feature) -> Feature {
        Feature::Flat
    }

    fn check(&self, block: usize, _last: bool, shape: Shape) -> Result<(), StepError> {
        if shape.channels >= self.classes {
            return Ok(());
        }
        let found = format!("block {block} of {} units (channels) for {} classes", shape.channels, self.classes);
        Err(StepError::Method { method: METHOD.name, found, expected: "at least one unit a class in every block" })
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Labels>,
        _: &mut Self::Scratch,
    ) -> Result<Labels, ObjectiveError> {
        Ok(Labels::of(batch, earlier))
    }

    fn signal(
        &self,
        labels: &Labels,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        _learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let (told, labels) = (labels.told(), &labels.of_rows[..]);
        let (m, columns, channels) = (z.nrows(), z.ncols(), site.shape.channels);
        let rows = rows_of(z, &mut scratch.rows)?;
        let scores = grown(&mut scratch.scores, m * self.classes);
        let channel = grown(&mut scratch.channel, channels);
        self.score(rows, columns, channel, scores);
        let gradient = grown(&mut scratch.gradient, m * self.classes);
        let loss = cross_entropy(scores, told, self.classes, gradient);
        let is_right = |&(row, &label): &(&[T], &usize)| row.iter().all(|&score| score <= row[label]);
        let right = scores.chunks_exact(self.classes).zip(labels).filter(is_right).count();
        let dead = rows.iter().all(|&h| h == T::ZERO);
        self.score_backward(rows, columns, gradient, channel);
        write_rows(rows, dz);
        let terms = [("accuracy", right as f64 / m as f64), ("", 0.0)];
        Ok(Signal { loss, terms, gradient_norm: 0.0, dead })
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;

    use super::*;

    const MAP: Shape = Shape { channels: 7, height: 2, width: 3 };
    const M: usize = 4;

    fn maps() -> Vec<f64> {
        let mut stream = Stream::new(3, "cwc", 0);
        (0..M * MAP.columns()).map(|_| stream.normal()).collect()
    }

    fn signal(mean: bool, classes: usize, map: Shape, z: &[f64]) -> (Signal, Vec<f64>) {
        let (competition, columns) = (Competition { classes, mean }, map.columns());
        let mut dz = vec![0.0; z.len()];
        let x = MatRef::from_row_major_slice(&[0.0; M], M, 1);
        let site = Site { block: 0, last: false, shape: map, x };
        let view = MatRef::from_row_major_slice(z, M, columns);
        let to = MatMut::from_row_major_slice_mut(&mut dz, M, columns);
        let labels = Labels { of_rows: vec![0, 2, 1, 2], classes, values: Vec::new(), smoothing: 0.0 };
        let signal = competition.signal(&labels, site, view, to, &mut [], &mut CompetitionScratch::default());
        (signal.unwrap(), dz)
    }

    #[test]
    fn with_a_channel_a_class_it_is_softmax_regression_on_channel_energy() {
        let map = Shape { channels: 3, height: 1, width: 2 };
        let z = &maps()[..M * 6];
        let energies: Vec<f64> = z
            .chunks(6)
            .flat_map(|row| (0..3).map(|c| 0.5 * (row[c] * row[c] + row[c + 3] * row[c + 3])).collect::<Vec<_>>())
            .collect();
        let mut gradient = vec![0.0; 3 * M];
        let expected = cross_entropy(&energies, &[0, 2, 1, 2][..], 3, &mut gradient);
        let (signal, dz) = signal(false, 3, map, z);
        assert!((signal.loss - expected).abs() < 1e-15);
        for (i, (dz, z)) in dz.iter().zip(z).enumerate() {
            // d energy / dz = z.
            assert!((dz - gradient[i / 6 * 3 + i % 3] * z).abs() < 1e-15);
        }
    }

    #[test]
    fn gradients_agree_with_central_differences_for_groups_of_unequal_size() {
        for mean in [false, true] {
            let mut z = maps();
            let (_, dz) = signal(mean, 3, MAP, &z);
            for i in 0..z.len() {
                let (kept, h) = (z[i], 1e-6);
                z[i] = kept + h;
                let up = signal(mean, 3, MAP, &z).0.loss;
                z[i] = kept - h;
                let down = signal(mean, 3, MAP, &z).0.loss;
                z[i] = kept;
                // Cancellation 1e-16 / h, truncation h^2.
                assert!((dz[i] - (up - down) / (2.0 * h)).abs() < 1e-9, "{mean} {i}");
            }
        }
    }

    #[test]
    fn a_block_of_fewer_units_than_classes_is_named() {
        let competition = Competition { classes: 10, mean: false };
        let check = |channels| Objective::<f32>::check(&competition, 2, false, Shape { channels, height: 4, width: 4 });
        assert!(check(10).is_ok());
        let message = check(9).unwrap_err().to_string();
        let expected = "cwc-ff cannot train block 2 of 9 units (channels) for 10 classes: expected at least one unit a class in every block";
        assert_eq!(message, expected);
    }
}
