//! Greedy layer-wise training with auxiliary networks (Belilovsky, Eickenberg, Oyallon 2019).
//!
//! Beside block i stands an auxiliary network A_i of `--auxiliary` K layers: K - 1 like the block (dense, or 3x3
//! convolutions of a map, with batch norm and relu, of `--auxiliary-width` units or channels), then 2 x 2 average pooling
//! of a map and a linear classifier. Block and auxiliary network learn by
//!
//! ```text
//!     L_i = CE(A_i(z_i), y)
//! ```
//!
//! and inside A_i, which is part of block i's own training, gradients travel as in back-propagation. With K = 1 only the
//! classifier is left (see `mono-forward`); with K as deep as the rest of the network the first block learns exactly as
//! by back-propagation. The deeper A_i, the less a block must be separable by itself.
//!
//! Blocks are trained one after another: the training's steps are shared evenly among the blocks before the last, and block
//! i learns in the i-th share. The last block is linear, learns by cross-entropy and does so in the last share, beside the
//! block before it. A block that has learned gives its outputs as in evaluation (by the running statistics of its batch
//! norm, which stay, and without dropout) to those that come after it; one that has not begun changes nothing of itself.
//! Losses of blocks that do not learn are told as they are. In each share the learning rate falls as half a cosine, times
//! the course of `--decay` (default here: constant).
//! `--decoupled true` trains all blocks at once in all steps (decoupled greedy learning, Belilovsky 2020, arXiv
//! 1901.08164), by default with the usual cosine, which costs no accuracy and, for the same epochs, often wins: each block
//! then has all of them.
//!
//! Source: arXiv 1812.11446 and the authors' code (eugenium/layerCNN). Differs: classes are read from the linear output
//! block behind the last block, whatever K is, and auxiliary networks are dropped; the authors read the auxiliary network of
//! their last block, so that their accuracies by K (CIFAR-10, 4 blocks of 128 channels: 88.3 with K = 1, 90.4 with 2, 91.7
//! with 3) are those of networks K - 1 layers deeper, and only that of K = 1 is comparable. Max pooling in place of the
//! invertible downsampling; adamw; a block's share ends where its steps do, not after 50 epochs.
//! Defaults: K = 2, adamw 1e-3. Give one after another as many epochs as it has blocks times what one needs.

use faer::{MatMut, MatRef};
use hsic::Scalar;
use hsic::random::Stream;
use hsic::sums::{grown, rows_are_equal, rows_of, write_rows};
use hsic_data::batch::Batch;
use hsic_data::dataset::Shape;
use hsic_nn::network::{Activation, Block, Conv, ConvSettings, Dense, Feature, Learner, Norm};
use hsic_nn::optimizer::{Decay, LearningRate};

use super::{Method, Outputs, Recipe};
use crate::error::ObjectiveError;
use crate::objective::classifier::{classifier, classify};
use crate::objective::{Classified, Labels, Objective, Pace, Signal, Site};

/// The method `greedy`.
pub static METHOD: Method = Method {
    name: "greedy",
    summary: "every block learns by an auxiliary network of its own, block after block (--decoupled true: all at once)",
    reference: "Belilovsky, Eickenberg, Oyallon, ICML 2019, arXiv 1812.11446",
    cost: "one block's forward and backward pass a step (--decoupled: all), and those of auxiliary networks as wide",
    source: include_str!("greedy.rs"),
    outputs: Outputs::Classes,
    takes_capsules: false,
    values: false,
    local: true,
    parallel: false,
    reads: &["auxiliary", "auxiliary_width", "decoupled", "label_smoothing"],
    resolve: |options, faults| {
        options.adamw(1e-3);
        let rule = &mut *options.rule;
        let decoupled = *rule.decoupled.get_or_insert(false);
        if !decoupled {
            options.optimizer.decay.get_or_insert(Decay::Constant);
        }
        let layers = *rule.auxiliary.get_or_insert(LAYERS);
        faults.check("auxiliary", layers, layers >= 1, "a whole number >= 1");
        let width = rule.auxiliary_width;
        faults.check("auxiliary-width", 0, width != Some(0), "a whole number >= 1");
        let recipe = Recipe::new(move |settings| {
            let (classes, seed) = (settings.classes, settings.seed);
            settings.local(Classified(Greedy { layers, width, decoupled, classes, seed, plan: None }))
        });
        recipe.with_blocks_at_once(decoupled)
    },
};

const LAYERS: usize = 2;

/// Fields on a side that the classifier sees of a map.
const POOL: Feature = Feature::Pool(2);

/// The rule, for blocks before the last.
#[derive(Clone, Copy, Debug)]
pub struct Greedy {
    /// Layers of an auxiliary network, >= 1.
    pub layers: usize,
    /// Units or channels of all but the last; `None` for the block's.
    pub width: Option<usize>,
    /// Whether all blocks learn at once.
    pub decoupled: bool,
    /// Classes of the data.
    pub classes: usize,
    /// Seed of the auxiliary networks' first weights.
    pub seed: u64,
    /// Blocks before the last, and steps in all, once they are known: until then all blocks learn at once.
    pub plan: Option<(u64, u64)>,
}

/// Memory of one thread.
#[derive(Debug, Default)]
pub struct GreedyScratch<T> {
    /// The block's outputs, then those of the auxiliary layers.
    activations: Vec<Vec<T>>,
    pooled: Vec<T>,
    d_pooled: Vec<T>,
    scores: Vec<T>,
    gradient: Vec<T>,
    gradient_back: Vec<T>,
}

impl Greedy {
    /// What a block does in a step.
    fn course(&self, step: u64, block: usize, last: bool) -> Pace {
        let Some((blocks, steps)) = self.plan.filter(|_| !self.decoupled) else { return Pace::Learns(1.0) };
        // The last block learns beside the one before it.
        let index = if last { blocks - 1 } else { block as u64 };
        let (start, end) = (steps * index / blocks, steps * (index + 1) / blocks);
        let rate = LearningRate { peak: 1.0, decay: Decay::Cosine, warmup_steps: 0 };
        if step < start {
            Pace::Waits
        } else if step < end {
            Pace::Learns(rate.at(step - start, end - start))
        } else {
            Pace::Done
        }
    }
}

impl<T: Scalar> Objective<T> for Greedy {
    type Shared = Labels;
    type Scratch = GreedyScratch<T>;

    fn reads_input(&self) -> bool {
        false
    }

    fn feature(&self, _chosen: Feature) -> Feature {
        Feature::Flat
    }

    fn learners(&self, block: usize, _last: bool, shape: Shape) -> Vec<Learner<T>> {
        let mut stream = Stream::new(self.seed, "greedy", block as u64);
        let mut learners = Vec::with_capacity(self.layers);
        let mut map = shape;
        for _ in 1..self.layers {
            let outputs = self.width.unwrap_or(map.channels);
            let layer: Box<dyn Block<T>> = if map.height * map.width == 1 {
                Box::new(Dense::new(map.channels, outputs, Activation::Relu, Norm::Batch, &mut stream))
            } else {
                let settings = ConvSettings {
                    outputs,
                    kernel: 3,
                    stride: 1,
                    padding: 1,
                    pool: 1,
                    activation: Activation::Relu,
                    norm: Norm::Batch,
                };
                Box::new(Conv::new(map, false, settings, &mut stream))
            };
            map = layer.shape();
            learners.push(Learner::new(layer));
        }
        learners.push(classifier(POOL.columns(map), self.classes, &mut stream));
        learners
    }

    fn plan(&mut self, blocks: usize, steps: u64) {
        self.plan = Some(((blocks as u64 - 1).max(1), steps));
    }

    fn pace(&self, step: u64, block: usize, last: bool) -> Pace {
        self.course(step, block, last)
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
        labels: &Labels,
        site: Site<'_, T>,
        z: MatRef<'_, T>,
        dz: MatMut<'_, T>,
        learners: &mut [Learner<T>],
        scratch: &mut Self::Scratch,
    ) -> Result<Signal, ObjectiveError> {
        let (m, columns) = (z.nrows(), z.ncols());
        let GreedyScratch { activations, pooled, d_pooled, scores, gradient, gradient_back } = scratch;
        let Some((classifier, layers)) = learners.split_last_mut() else { return Ok(Signal::default()) };
        activations.resize_with((layers.len() + 1).max(activations.len()), Vec::new);
        rows_of(z, &mut activations[0])?;
        let dead = rows_are_equal(&activations[0][..m * columns], columns);
        let mut map = site.shape;
        for (index, layer) in layers.iter_mut().enumerate() {
            let (before, after) = activations.split_at_mut(index + 1);
            let y = layer.forward(m, &before[index][..m * map.columns()]);
            grown(&mut after[0], y.len()).copy_from_slice(y);
            map = layer.block().shape();
        }
        let top = &activations[layers.len()][..m * map.columns()];
        let d_top = grown(gradient, top.len());
        let loss = if POOL.is_whole(map) {
            classify(classifier, top, labels.told(), 1.0, scores, d_top)
        } else {
            let size = m * POOL.columns(map);
            let (pooled, d_pooled) = (grown(pooled, size), grown(d_pooled, size));
            POOL.extract(map, top, pooled);
            let loss = classify(classifier, pooled, labels.told(), 1.0, scores, d_pooled);
            POOL.spread(map, top, pooled, d_pooled, d_top);
            loss
        };
        for (index, layer) in layers.iter_mut().enumerate().rev() {
            let inputs = m * layer.block().inputs();
            let outputs = m * layer.block().outputs();
            let dx = grown(gradient_back, inputs);
            layer.backward(m, &activations[index][..inputs], &mut gradient[..outputs], Some(dx));
            std::mem::swap(gradient, gradient_back);
        }
        write_rows(&gradient[..m * columns], dz);
        Ok(Signal { loss, dead, ..Signal::default() })
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{LearnerState, Network};
    use hsic_nn::optimizer::{Optimizer, OptimizerState};

    use super::*;
    use crate::engine::Backprop;
    use crate::engine::Local;
    use crate::objective::testing::Bench;
    use crate::update::{Schedule, Update, UpdateOrder, UpdateState};

    const SGD: Optimizer = Optimizer::momentum(0.9).decayed(1e-4);

    fn rule(layers: usize) -> Greedy {
        Greedy { layers, width: Some(5), decoupled: false, classes: 4, seed: 1, plan: None }
    }

    #[test]
    fn gradients_agree_with_central_differences() {
        let vector = Shape { channels: 6, height: 1, width: 1 };
        let map = Shape { channels: 2, height: 3, width: 4 };
        for shape in [vector, map] {
            for layers in 1..4 {
                Bench::new(rule(layers), shape, &[0, 1, 3, 2, 1, 1], 4).check_gradients(1e-6);
            }
        }
    }

    fn dense(inputs: usize, outputs: usize, activation: Activation, norm: Norm, index: u64) -> Box<Dense<f32>> {
        Box::new(Dense::new(inputs, outputs, activation, norm, &mut Stream::new(3, "init", index)))
    }

    /// 6 - 5 - 5 - 4.
    fn network() -> Network<f32> {
        let hidden = |inputs, index| dense(inputs, 5, Activation::Relu, Norm::Batch, index);
        Network::new(vec![hidden(6, 0), hidden(5, 1), dense(5, 4, Activation::Identity, Norm::None, 2)])
    }

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

    fn local(rule: Greedy) -> Local<Classified<Greedy>> {
        Local::new(Classified(rule), SGD, UpdateOrder::Jacobi, Schedule::Parallel)
    }

    #[test]
    fn an_auxiliary_network_as_deep_as_the_rest_is_back_propagation() {
        let (mut own, mut rival) = (network(), network());
        let rest = |block: usize| LearnerState {
            parameters: own.blocks()[block].parameters().to_vec(),
            statistics: own.blocks()[block].statistics().concat(),
            ..LearnerState::default()
        };
        let mut update = local(rule(2));
        let mut backprop = Backprop::new(SGD);
        let second = Objective::<f32>::learners(&rule(2), 1, false, own.blocks()[1].shape());
        let second = second.iter().map(Learner::state).collect();
        let learners = vec![vec![rest(1), rest(2)], second, Vec::new()];
        update
            .restore(
                &own,
                UpdateState { optimizers: vec![OptimizerState::default(); 3], learners, ..UpdateState::default() },
            )
            .unwrap();
        for step in 0..10 {
            update.step(&mut own, &batch(step), 0.05).unwrap();
            backprop.step(&mut rival, &batch(step), 0.05).unwrap();
            assert_eq!(own.blocks()[0].parameters(), rival.blocks()[0].parameters(), "step {step}");
        }
        assert_ne!(own.blocks()[0].parameters(), network().blocks()[0].parameters());
    }

    #[test]
    fn blocks_learn_in_their_own_share_of_the_steps() {
        let mut network = network();
        let mut update = local(rule(2));
        update.plan(&network, 20);
        for step in 0..20 {
            let before: Vec<Vec<f32>> = network.blocks().iter().map(|block| block.parameters().to_vec()).collect();
            update.step(&mut network, &batch(step), 0.05).unwrap();
            let moved: Vec<bool> =
                network.blocks().iter().zip(&before).map(|(block, before)| block.parameters() != before).collect();
            assert_eq!(moved, [step < 10, step >= 10, step >= 10], "step {step}");
        }
    }

    #[test]
    fn each_share_has_a_falling_rate_and_all_steps_are_shared_out() {
        let planned = Greedy { plan: Some((3, 100)), ..rule(1) };
        for (block, (start, end)) in [(0, 33), (33, 66), (66, 100)].into_iter().enumerate() {
            assert_eq!(planned.course(start, block, false), Pace::Learns(1.0));
            let Pace::Learns(pace) = planned.course(end - 1, block, false) else { panic!("it learns to the end") };
            assert!(pace > 0.0 && pace < 0.01);
            assert_eq!(planned.course(start + 7, 3, true) != Pace::Waits, block == 2);
            let before = start.checked_sub(1).map(|step| planned.course(step, block, false));
            assert!(before.is_none_or(|pace| pace == Pace::Waits));
            assert_eq!(planned.course(end, block, false), Pace::Done);
        }
        assert_eq!(Greedy { decoupled: true, ..planned }.course(80, 0, false), Pace::Learns(1.0));
    }

    #[test]
    fn a_block_at_rest_keeps_its_statistics_and_shows_what_it_gives_in_evaluation() {
        for (order, schedule) in [
            (UpdateOrder::Jacobi, Schedule::Parallel),
            (UpdateOrder::Jacobi, Schedule::Sequential),
            (UpdateOrder::GaussSeidel, Schedule::Sequential),
        ] {
            // Two blocks in turn; the running means of the first are moved when it has learned, or not.
            let trained = |moved: f32| {
                let (mut network, mut update) = (network(), Local::new(Classified(rule(2)), SGD, order, schedule));
                update.plan(&network, 20);
                let statistics = |network: &Network<f32>, block: usize| network.blocks()[block].statistics().concat();
                let start = [0, 1].map(|block| statistics(&network, block));
                for step in 0..10 {
                    update.step(&mut network, &batch(step), 0.05).unwrap();
                }
                assert_eq!(statistics(&network, 1), start[1], "a block that waits");
                assert_ne!(statistics(&network, 0), start[0]);
                network.blocks_mut()[0].statistics_mut()[0][0] += moved;
                let kept = statistics(&network, 0);
                for step in 10..20 {
                    update.step(&mut network, &batch(step), 0.05).unwrap();
                }
                assert_eq!(statistics(&network, 0), kept, "a block that has learned");
                assert_ne!(statistics(&network, 1), start[1]);
                network.blocks()[1].parameters().to_vec()
            };
            // Of the statistics of a batch the second block would see nothing of that.
            assert!(trained(0.0) != trained(0.5), "{order:?} {schedule:?}");
        }
    }

    #[test]
    fn a_record_taken_in_the_middle_of_a_share_goes_on_in_it() {
        let run = |network: &mut Network<f32>, update: &mut Local<Classified<Greedy>>, steps: std::ops::Range<u64>| {
            update.plan(network, 12);
            steps.for_each(|step| {
                update.step(network, &batch(step), 0.05).unwrap();
            });
        };
        let (mut whole, mut update) = (network(), local(rule(3)));
        run(&mut whole, &mut update, 0..12);
        let (mut first, mut earlier) = (network(), local(rule(3)));
        run(&mut first, &mut earlier, 0..8);
        let mut later = local(rule(3));
        later.restore(&first, earlier.state()).unwrap();
        run(&mut first, &mut later, 8..12);
        assert!(first.tensors() == whole.tensors() && later.state() == update.state());
    }
}
