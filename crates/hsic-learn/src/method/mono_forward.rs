//! Mono-Forward (Gong et al. 2025): every block learns by a linear classifier of its own.
//!
//! Beside block i stands a matrix M_i with a row a class. The block and its matrix learn by one loss,
//!
//! ```text
//!     G_i = a_i M_i' + b_i,   L_i = CE(softmax(G_i), y)   (mean over the batch),
//! ```
//!
//! and nothing flows from a block to the one before it. The last block is linear and names the classes: it is the
//! classifier of the block before it, so a network with one hidden block learns by exactly the numbers of
//! back-propagation, bit for bit. The matrices serve training only; the trained network is a plain one.
//!
//! The same rule is known as layer-wise cross-entropy, as `predsim` with `--local-loss pred` (which pools maps first and
//! starts its classifier at zero) and as `greedy` with one auxiliary layer.
//!
//! Source: Gong, Li, Abdulla, arXiv 2501.09238; measured again by Spyra and Dzwinel 2025. Differs from the paper: the
//! classifiers have a bias, and the network's own norm stays (`--norm none` for the paper's).
//! Defaults: adamw 1e-3. `--dropout 0.1` helps on small images: the classifiers see activations before it.
//! Of a map the whole map is classified; `--feature pool:4` sees means of fields, with far fewer weights.
//! Pitfall: a block is as good as a linear reading of it, so early blocks separate classes sooner than deep networks
//! should; nets of many thin blocks lose more than wide ones of three or four.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::{grown, rows_are_equal, rows_of, write_rows};
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::{Feature, Learner};

use super::{Method, Outputs, Recipe};
use crate::error::ObjectiveError;
use crate::objective::classifier::{classifier, classify};
use crate::objective::{Classified, Labels, Objective, Signal, Site};

/// The method `mono-forward`.
pub static METHOD: Method = Method {
    name: "mono-forward",
    summary: "every block learns by the cross-entropy of a linear classifier of its own",
    reference: "Gong, Li, Abdulla 2025, arXiv 2501.09238",
    cost: "no backward chain; 6 m d C beside a block for its classifier; memory of one block in turn",
    source: include_str!("mono_forward.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: true,
    parallel: true,
    reads: &["label_smoothing"],
    resolve: |options, _| {
        options.adamw(1e-3);
        options.network.feature.get_or_insert(Feature::Flat);
        Recipe::new(|settings| {
            settings.local(Classified(MonoForward { classes: settings.classes, seed: settings.seed }))
        })
    },
};

/// The rule, for blocks before the last.
#[derive(Clone, Copy, Debug)]
pub struct MonoForward {
    /// Classes of the data.
    pub classes: usize,
    /// Seed of the classifiers' first weights.
    pub seed: u64,
}

/// Memory of one thread.
#[derive(Debug, Default)]
pub struct MonoForwardScratch<T> {
    z: Vec<T>,
    dz: Vec<T>,
    scores: Vec<T>,
}

impl<T: Scalar> Objective<T> for MonoForward {
    type Shared = Labels;
    type Scratch = MonoForwardScratch<T>;

    fn reads_input(&self) -> bool {
        false
    }

    fn learners(&self, block: usize, _last: bool, shape: Shape) -> Vec<Learner<T>> {
        let mut stream = Stream::new(self.seed, "mono-forward", block as u64);
        vec![classifier(shape.columns(), self.classes, &mut stream)]
    }

    fn prepare(
        &self,
        batch: &Batch<T>,
        earlier: Option<Self::Shared>,
        _scratch: &mut Self::Scratch,
    ) -> Result<Self::Shared, ObjectiveError> {
        Ok(Labels::of(batch, earlier))
    }

    fn signal(
        &self,
        labels: &Self::Shared,
        _site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let columns = z.ncols();
        let z = rows_of(z, &mut scratch.z)?;
        let gradient = grown(&mut scratch.dz, z.len());
        let loss = classify(&mut learners[0], z, labels.told(), 1.0, &mut scratch.scores, gradient);
        write_rows(gradient, dz);
        Ok(Signal { loss, dead: rows_are_equal(z, columns), ..Signal::default() })
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, LearnerState, Network, Norm};
    use hsic_nn::optimizer::{Optimizer, OptimizerState};

    use super::*;
    use crate::engine::Backprop;
    use crate::engine::Local;
    use crate::objective::testing::Bench;
    use crate::update::{Schedule, Update, UpdateOrder, UpdateState};

    #[test]
    fn gradients_agree_with_central_differences() {
        let shape = Shape { channels: 5, height: 1, width: 1 };
        Bench::new(MonoForward { classes: 3, seed: 1 }, shape, &[0, 1, 2, 1], 3).check_gradients(1e-8);
    }

    /// A batch of 24 rows of 6 numbers in 4 classes.
    fn batch(step: u64) -> Batch<f32> {
        let mut stream = Stream::new(2, "batch", step);
        let x = (0..24 * 6).map(|_| stream.normal() as f32).collect();
        Batch {
            x,
            columns: 6,
            labels: (0..24).map(|i| i % 4).collect(),
            classes: 4,
            values: Vec::new(),
            smoothing: 0.0,
            step,
        }
    }

    #[test]
    fn one_hidden_block_learns_bit_for_bit_as_by_back_propagation() {
        let adamw = Optimizer::adamw().decayed(1e-4);
        for optimizer in [adamw, Optimizer::momentum(0.9).decayed(1e-4)] {
            for norm in [Norm::None, Norm::Batch] {
                let network = || {
                    let mut stream = Stream::new(3, "init", 0);
                    let hidden = hsic_nn::network::Dense::new(6, 17, Activation::Relu, norm, &mut stream);
                    let output = hsic_nn::network::Dense::new(17, 4, Activation::Identity, Norm::None, &mut stream);
                    Network::<f32>::new(vec![Box::new(hidden), Box::new(output)])
                };
                let (mut own, mut rival) = (network(), network());
                let rule = Classified(MonoForward { classes: 4, seed: 1 });
                let mut local = Local::new(rule, optimizer, UpdateOrder::Jacobi, Schedule::Parallel);
                let m = LearnerState { parameters: own.blocks()[1].parameters().to_vec(), ..LearnerState::default() };
                let optimizers = vec![OptimizerState::default(); 2];
                local
                    .restore(
                        &own,
                        UpdateState { optimizers, learners: vec![vec![m], Vec::new()], ..UpdateState::default() },
                    )
                    .unwrap();
                let mut backprop = Backprop::new(optimizer);
                let start = own.tensors();
                for step in 0..10 {
                    let losses: Vec<f64> = {
                        let report = local.step(&mut own, &batch(step), 0.05).unwrap();
                        report.signals.iter().map(|signal| signal.loss).collect()
                    };
                    let report = backprop.step(&mut rival, &batch(step), 0.05).unwrap();
                    assert_eq!(losses, [report.signals[0].loss; 2]);
                }
                assert!(own.tensors() == rival.tensors() && own.tensors() != start, "{norm:?} {optimizer:?}");
            }
        }
    }
}
