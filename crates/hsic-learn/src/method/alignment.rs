//! Kernel alignment, block by block: samples of a class point the same way, all others are orthogonal.
//!
//! With u_i a sample's outputs at a block over their length, K_ij = u_i . u_j and T_ij = 1 for two samples of a class and 0
//! for others, each block before the last minimizes
//!
//! ```text
//!     L = -sum_{i<j} K_ij T_ij / (|K| |T|),   |A|^2 = sum_{i<j} A_ij^2
//! ```
//!
//! the negative cosine between both matrices over pairs of samples, neither centered. It is -1 where classes are tight and
//! orthogonal; with centering and the diagonal kept it would be -CKA(Z, Y). The last block is linear and learns by
//! cross-entropy.
//!
//! Source: the objective is that of Duan, Yu, Principe, TNNLS 2021, arXiv 2005.05541 (michaelshiyu/kerNET), who train the
//! whole body of a network by it with back-propagation, and only the head apart (CIFAR-10 93.96, ResNet-18). Here each
//! block has it for itself, which nobody has published figures for.
//! Defaults: adamw 1e-3. Meant for outputs >= 0 (relu), where K is, too. Of a map `--feature` is what is compared.
//! Pitfall: with many classes and few rows no two samples of a class meet; the signal is then 0.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::sums::{grown, rows_are_equal, rows_of, write_rows};
use hsic_data::batch::Batch;
use hsic_nn::network::Learner;

use super::{Method, Outputs, Recipe};
use crate::error::ObjectiveError;
use crate::objective::similarity::{Moments, Pairs, Similarity, Targets};
use crate::objective::{Classified, Objective, Signal, Site};

/// The method `alignment`.
pub static METHOD: Method = Method {
    name: "alignment",
    summary: "every block makes samples of a class point the same way and all others orthogonal",
    reference: "Duan, Yu, Principe, TNNLS 2021, arXiv 2005.05541 (the objective)",
    cost: "no backward chain; 4 m^2 d beside a block, m rows and d columns; memory of one block in turn",
    source: include_str!("alignment.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: true,
    parallel: true,
    reads: &["label_smoothing"],
    resolve: |options, _| {
        options.adamw(1e-3);
        Recipe::new(|settings| settings.local(Classified(Alignment)))
    },
};

const COSINE: Similarity = Similarity::Cosine { centered: false };

/// The rule, for blocks before the last.
#[derive(Clone, Copy, Debug)]
pub struct Alignment;

/// Memory of one thread.
#[derive(Debug, Default)]
pub struct AlignmentScratch<T> {
    z: Vec<T>,
    dz: Vec<T>,
    pairs: Pairs<T>,
}

impl<T: Scalar> Objective<T> for Alignment {
    type Shared = Targets<T>;
    type Scratch = AlignmentScratch<T>;

    fn reads_input(&self) -> bool {
        false
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        _scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError> {
        let mut targets = earlier.unwrap_or_default();
        targets.fill(&batch.labels, 0.0)?;
        Ok(targets)
    }

    fn signal(
        &self,
        targets: &Self::Shared,
        _site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        _learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let (m, columns) = (z.nrows(), z.ncols());
        let AlignmentScratch { z: rows, dz: gradient, pairs } = scratch;
        let z: &[T] = rows_of(z, rows)?;
        let gradient = grown(gradient, z.len());
        pairs.form(COSINE, m, z);
        // Sums over all pairs of two different samples, each twice; T has a diagonal of 1.
        let Moments { square, product, .. } = pairs.moments(targets);
        let diagonal = pairs.matrix().iter().step_by(m + 1).map(|s| s.to_f64());
        let (trace, traced) = diagonal.fold((0.0, 0.0), |(sum, squares), s| (sum + s, s.mul_add(s, squares)));
        let all = (m * m) as f64;
        let (together, own) = (product * all - trace, square * all - traced);
        let labels = targets.square() * all - m as f64;
        // Fewer than one pair of each kind: nothing to align.
        if own < 1e-12 * all || labels < 0.5 {
            gradient.fill(T::ZERO);
            write_rows(gradient, dz);
            return Ok(Signal { dead: rows_are_equal(z, columns), ..Signal::default() });
        }
        let loss = -together / (own * labels).sqrt();
        // dL/dK = -(T / (|K| |T|) + L K / |K|^2); what falls on the diagonal is along u and leaves no trace.
        let by = [-loss / own, -1.0 / (own * labels).sqrt(), 0.0];
        pairs.backward(COSINE, targets, by, gradient);
        write_rows(gradient, dz);
        Ok(Signal { loss, dead: rows_are_equal(z, columns), ..Signal::default() })
    }
}

#[cfg(test)]
mod tests {
    use hsic_data::dataset::Shape;

    use super::*;
    use crate::objective::testing::Bench;

    const LABELS: [usize; 6] = [0, 1, 2, 1, 0, 0];

    fn bench(channels: usize) -> Bench<Alignment> {
        Bench::new(Alignment, Shape { channels, height: 1, width: 1 }, &LABELS, 3)
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        bench(5).check_gradients(1e-7);
    }

    #[test]
    fn tight_and_orthogonal_classes_are_aligned() {
        let mut bench = bench(4);
        // Lengths do not count.
        let row = |(i, &label): (usize, &usize)| (0..4).map(move |c| if c == label { 1.0 + i as f64 } else { 0.0 });
        bench.z = LABELS.iter().enumerate().flat_map(row).collect();
        let (signal, dz) = bench.signal();
        assert!((signal.loss + 1.0).abs() < 1e-7 && dz.iter().all(|dz| dz.abs() < 1e-7), "{signal:?}");
    }

    #[test]
    fn it_is_the_cosine_over_pairs() {
        let mut bench = bench(5);
        let unit: Vec<Vec<f64>> = bench
            .z
            .chunks(5)
            .map(|row| {
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter().map(|x| x / length).collect()
            })
            .collect();
        let (mut together, mut own, mut labels) = (0.0, 0.0, 0.0);
        for i in 0..6 {
            for j in 0..i {
                let k: f64 = unit[i].iter().zip(&unit[j]).map(|(a, b)| a * b).sum();
                let t = f64::from(u8::from(LABELS[i] == LABELS[j]));
                (together, own, labels) = (together + k * t, own + k * k, labels + t);
            }
        }
        assert!((bench.signal().0.loss + together / f64::sqrt(own * labels)).abs() < 1e-7);
    }

    #[test]
    fn without_two_samples_of_a_class_there_is_no_signal() {
        let mut bench = Bench::new(Alignment, Shape { channels: 4, height: 1, width: 1 }, &[0, 1, 2], 3);
        let (signal, dz) = bench.signal();
        assert!(signal.loss == 0.0 && dz.iter().all(|&dz| dz == 0.0));
    }
}
