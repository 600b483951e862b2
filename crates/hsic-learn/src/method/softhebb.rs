//! SoftHebb: each block finds the kinds of inputs that there are, without labels, by a Hebbian rule with soft competition.
//!
//! ```text
//! u = W (x - mean x),   y = softmax(t u) over the units,   s_k = 1 for the unit with the largest u, -1 for the others
//! dw_k = sum over rows of s_k y_k (x - mean x - u_k w_k),   w_k += rate sqrt(| |w_k| - 1 |) dw_k / max |dw|
//! ```
//!
//! The mean is that of the batch, which batch norm behind the map takes out as well; without that, one unit that lies
//! along the mean wins every row.
//! t is the inverse temperature: large, the winner takes all; small, all units learn the same. The winner moves towards
//! the input, the others away from it, in proportion to how much they took it for theirs. A weight vector stops
//! where its length is 1, so the rate of a unit falls with its distance from there: units start far outside (length 25)
//! and come in one by one. In a convolutional block every position of the map is a row, and units are channels.
//! Nothing needs a label, a gradient or an optimizer state: what a block learns is fixed as soon as its input is there.
//!
//! Recorded: the loss is the mean distance of the lengths from 1, which says how far training is; the term `confidence` is
//! the mean y of winners, `winners` the share of units that won a row of the batch (the others are dead to it).
//!
//! The network has no output block: a softmax layer trained afterwards (format training) on all blocks names classes.
//! Blocks are what the network makes of them: u is taken before norm and activation, which form what the next block and
//! the softmax layer see. Biases are 0.
//!
//! Defaults: rate 0.2, inverse temperature 3, first length 25, batch norm and relu behind u. Small batches, since a step
//! moves a unit only so far: `--batch-size 16`, one epoch. `--decay` and `--warmup-steps` work as elsewhere; there is no
//! momentum and no weight decay. At 1 too many units learn the same (MNIST, 300 units: 89 % where 3 gives 96).
//! Expect: far better features than random ones of narrow blocks, none better of wide ones. MNIST, one block, softmax layer,
//! a tenth of the training data held out: 300 units 96.0 % (random weights 93.6), 2000 units 97.1 % (97.3).
//!
//! Source: Moraitis, Toichkin, Journe, Chua, Guo 2022, arXiv 2107.05747; Journe, Garcia Rodriguez, Guo, Moraitis, ICLR
//! 2023, arXiv 2209.11883 (batch 10, rates 0.08, 0.005, 0.01 and inverse temperatures 1, 0.65, 0.25 by layer; batch norm
//! before a layer and a power of relu(u - mean over channels) behind it, where here batch norm and relu stand behind).

use std::time::Instant;

use hsic::Scalar;
use hsic::scalar::vectorize;
use hsic::sums::{grown, norm};
use hsic_data::batch::Batch;
use hsic_data::fault::Faults;
use hsic_nn::network::learner::StateMismatch;
use hsic_nn::network::{Block, Cache, Linear, Network, class_names};
use hsic_nn::optimizer::OptimizerName;
use hsic_nn::optimizer::OptimizerState;

use super::{Method, Outputs, Recipe, Stages};
use crate::engine::clock::cleared;
use crate::engine::pass::{Pass, check_finite};
use crate::error::StepError;
use crate::objective::Signal;
use crate::span::Work;
use crate::update::{StepReport, Update, UpdateOrder, UpdateState};

/// The method `softhebb`.
pub static METHOD: Method = Method {
    name: "softhebb",
    summary: "SoftHebb: Hebbian learning with soft winners, without labels; a softmax layer reads the features",
    reference: "Moraitis et al. 2022, arXiv 2107.05747; Journe et al., ICLR 2023, arXiv 2209.11883",
    cost: "two forward products and a weight gradient a block, no backward chain; memory of two blocks' activations",
    source: include_str!("softhebb.rs"),
    outputs: Outputs::Features,
    takes_capsules: false,
    values: false,
    local: true,
    parallel: true,
    reads: &["inverse_temperature", "start_length"],
    resolve: |options, faults| {
        let rule = rule(options, faults);
        Recipe::new(move |settings| Ok(Box::new(SoftHebb::new(rule, settings.order))))
    },
};

const RATE: f64 = 0.2;
const INVERSE_TEMPERATURE: f64 = 3.0;

const START_LENGTH: f64 = 25.0;

/// The options of the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftHebbRule {
    /// Inverse temperature of the competition, > 0.
    pub inverse_temperature: f64,
    /// Length of a unit's weights at the start, > 0.
    pub start_length: f64,
}

/// Defaults and ranges of these options.
fn rule(options: &mut Stages<'_>, faults: &mut Faults) -> SoftHebbRule {
    let optimizer = &mut *options.optimizer;
    let name = *optimizer.optimizer.get_or_insert(OptimizerName::Sgd);
    faults.check("optimizer", name.name(), name == OptimizerName::Sgd, "sgd: the rule of softhebb is its own");
    for (key, value) in [("momentum", optimizer.momentum), ("weight-decay", optimizer.weight_decay)] {
        let value = value.unwrap_or(0.0);
        faults.check(key, value, value == 0.0, "0: softhebb has none");
    }
    optimizer.learning_rate.get_or_insert(RATE);
    let inverse_temperature = *options.rule.inverse_temperature.get_or_insert(INVERSE_TEMPERATURE);
    let start_length = *options.rule.start_length.get_or_insert(START_LENGTH);
    faults.positive("inverse-temperature", inverse_temperature);
    faults.positive("start-length", start_length);
    SoftHebbRule { inverse_temperature, start_length }
}

/// What a block has of its own.
struct Slot<T: Scalar> {
    linear: Linear<T>,
    /// Of the linear map, and of the whole block.
    caches: [Cache<T>; 2],
}

/// Trains every block by the Hebbian rule with soft winners.
pub struct SoftHebb<T: Scalar = f32> {
    inverse_temperature: f64,
    start_length: f64,
    order: UpdateOrder,
    /// Whether weights were brought to their first length.
    started: bool,
    slots: Vec<Slot<T>>,
    x: Vec<T>,
    z: Vec<T>,
    scratch: Scratch<T>,
    report: StepReport,
}

/// What one block after another uses.
struct Scratch<T> {
    u: Vec<T>,
    delta: Vec<T>,
    change: Vec<T>,
    /// Sum over rows of delta_k u_k, by unit.
    pulls: Vec<T>,
    rates: Vec<T>,
    lengths: Vec<f64>,
    won: Vec<bool>,
}

impl<T: Scalar> SoftHebb<T> {
    /// With these options; under `order` a block sees old or new weights of the blocks before it.
    #[must_use]
    pub fn new(rule: SoftHebbRule, order: UpdateOrder) -> Self {
        Self {
            inverse_temperature: rule.inverse_temperature,
            start_length: rule.start_length,
            order,
            started: false,
            slots: Vec::new(),
            x: Vec::new(),
            z: Vec::new(),
            scratch: Scratch {
                u: Vec::new(),
                delta: Vec::new(),
                change: Vec::new(),
                pulls: Vec::new(),
                rates: Vec::new(),
                lengths: Vec::new(),
                won: Vec::new(),
            },
            report: StepReport::default(),
        }
    }

    /// Takes the linear maps of a network that was not seen before; weights that no one trained yet get their first length.
    fn meet(&mut self, network: &mut Network<T>) -> Result<(), StepError> {
        if self.slots.len() == network.blocks().len() {
            return Ok(());
        }
        self.slots.clear();
        for (index, block) in network.blocks_mut().iter_mut().enumerate() {
            let Some(mut linear) = Linear::of(&**block) else {
                let found = format!("block {index} ({})", class_names(&**block));
                return Err(StepError::Method {
                    method: METHOD.name,
                    found,
                    expected: "blocks of one linear map each",
                });
            };
            if !self.started {
                // Uniform in +-1/sqrt(n), n the inputs of a unit: of length 1/sqrt(3) but for chance.
                let factor = T::of(self.start_length * 3f64.sqrt());
                linear.for_each_mut(|_, _, w| *w *= factor);
            }
            give_back(&linear, &mut **block);
            self.slots.push(Slot { linear, caches: [Cache::shared(), Cache::shared()] });
        }
        self.started = true;
        Ok(())
    }
}

/// Copies the parameters of a linear map into the block that it is of, which has them first.
fn give_back<T: Scalar>(linear: &Linear<T>, block: &mut dyn Block<T>) {
    let learned = linear.block.parameters();
    block.parameters_mut()[..learned.len()].copy_from_slice(learned);
}

/// Takes the mean over rows out of every column.
fn center<T: Scalar>(values: &mut [T], means: &mut [T]) {
    let share = T::of(means.len() as f64 / values.len() as f64);
    means.fill(T::ZERO);
    vectorize(
        #[inline(always)]
        || {
            for row in values.chunks_exact(means.len()) {
                means.iter_mut().zip(row).for_each(|(mean, &value)| *mean += value);
            }
            means.iter_mut().for_each(|mean| *mean *= share);
            for row in values.chunks_exact_mut(means.len()) {
                row.iter_mut().zip(&*means).for_each(|(value, &mean)| *value -= mean);
            }
        },
    );
}

/// y into `delta` (rows x units) with the sign of the rule; sums delta_k u_k into `pulls` and marks who `won`. Gives the
/// mean y of winners.
fn compete<T: Scalar>(u: &[T], inverse_temperature: f64, delta: &mut [T], pulls: &mut [T], won: &mut [bool]) -> f64 {
    let (units, t) = (pulls.len(), T::of(inverse_temperature));
    pulls.fill(T::ZERO);
    won.fill(false);
    let mut confidence = 0.0;
    for (u, delta) in u.chunks_exact(units).zip(delta.chunks_exact_mut(units)) {
        let mut winner = 0;
        for (unit, value) in u.iter().enumerate() {
            if *value > u[winner] {
                winner = unit;
            }
        }
        let largest = u[winner];
        vectorize(
            #[inline(always)]
            || {
                let mut sum = T::ZERO;
                for (delta, &u) in delta.iter_mut().zip(u) {
                    *delta = Scalar::exp(t * (u - largest));
                    sum += *delta;
                }
                let share = T::ONE / sum;
                delta.iter_mut().for_each(|delta| *delta *= -share);
                delta[winner] = -delta[winner];
                for ((pull, &delta), &u) in pulls.iter_mut().zip(&*delta).zip(u) {
                    *pull = delta.mul_add(u, *pull);
                }
            },
        );
        confidence += delta[winner].to_f64();
        won[winner] = true;
    }
    confidence * units as f64 / u.len() as f64
}

impl<T: Scalar> Scratch<T> {
    /// One step of the rule on the linear map of block `index`, for the rows `x`; `t` and `rate` are the rule's numbers.
    fn learn(
        &mut self,
        index: usize,
        slot: &mut Slot<T>,
        pass: Pass,
        x: &[T],
        (t, rate): (f64, f64),
    ) -> Result<Signal, StepError> {
        let Slot { linear, caches: [cache, _] } = slot;
        let (m, units) = (pass.m, linear.units);
        let u = grown(&mut self.u, m * linear.block.outputs());
        pass.forward(index, &*linear.block, x, u, cache);
        check_finite(index, u)?;
        let delta = grown(&mut self.delta, u.len());
        let pulls = grown(&mut self.pulls, units);
        center(u, pulls);
        self.won.resize(units, false);
        let confidence = compete(u, t, delta, pulls, &mut self.won);
        // sum delta (x - mean x) = sum (delta - mean delta) x.
        center(delta, grown(&mut self.rates, units));
        let change = grown(&mut self.change, linear.block.parameters().len());
        linear.block.gradient(m, x, u, delta, cache, change, None);
        let lengths = linear.lengths(&mut self.lengths);
        let loss = lengths.iter().map(|length| (length - 1.0).abs()).sum::<f64>() / units as f64;
        let change = &mut change[..linear.weights()];
        linear.for_each(
            #[inline(always)]
            |index, unit, w| change[index] = w.mul_add(-pulls[unit], change[index]),
        );
        let largest = change.iter().fold(T::ZERO, |largest, change| Scalar::max(largest, change.abs()));
        let gradient_norm = norm(change);
        if !gradient_norm.is_finite() {
            return Err(StepError::Diverged { block: index });
        }
        // An input of zeros moves nothing.
        if largest > T::ZERO {
            let rates = grown(&mut self.rates, units);
            let scale = rate / largest.to_f64();
            rates.iter_mut().zip(lengths).for_each(|(to, &length)| *to = T::of(scale * (length - 1.0).abs().sqrt()));
            linear.for_each_mut(
                #[inline(always)]
                |index, unit, w| *w = change[index].mul_add(rates[unit], *w),
            );
        }
        let winners = self.won.iter().filter(|&&won| won).count() as f64 / units as f64;
        let terms = [("confidence", confidence), ("winners", winners)];
        Ok(Signal { loss, terms, gradient_norm, dead: largest <= T::ZERO })
    }
}

impl<T: Scalar> Update<T> for SoftHebb<T> {
    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let pass = Pass::start(batch);
        let Pass { m, clock, .. } = pass;
        self.meet(network)?;
        let blocks = network.blocks_mut();
        cleared(&mut self.report.spans, blocks.len());
        self.report.signals.clear();
        self.x.clear();
        self.x.extend_from_slice(&batch.x);
        for (index, (block, slot)) in blocks.iter_mut().zip(&mut self.slots).enumerate() {
            let (inputs, outputs) = (m * block.inputs(), m * block.outputs());
            let (x, z) = (&self.x[..inputs], grown(&mut self.z, outputs));
            let begin = Instant::now();
            let rule = (self.inverse_temperature, learning_rate);
            self.report.signals.push(self.scratch.learn(index, slot, pass, x, rule)?);
            if self.order == UpdateOrder::GaussSeidel {
                give_back(&slot.linear, &mut **block);
            }
            self.report.spans.push(clock.span(Work::Block, index, begin));
            let forward = pass.absorb(index, &mut **block, x, z, &mut slot.caches[1]);
            give_back(&slot.linear, &mut **block);
            self.report.spans.push(forward);
            std::mem::swap(&mut self.x, &mut self.z);
        }
        Ok(&self.report)
    }

    fn state(&self) -> UpdateState<T> {
        // The rule keeps nothing between steps.
        UpdateState { optimizers: vec![OptimizerState::default(); self.slots.len()], ..UpdateState::default() }
    }

    fn restore(&mut self, network: &Network<T>, _record: UpdateState<T>) -> Result<(), StateMismatch> {
        self.slots.clear();
        self.report.signals.resize(network.blocks().len(), Signal::default());
        self.started = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic::random::Stream;
    use hsic_data::dataset::Shape;
    use hsic_nn::network::{Activation, BlockSpec, Norm};

    use super::*;

    const M: usize = 8;

    fn rule(inverse_temperature: f64) -> SoftHebb<f64> {
        SoftHebb::new(SoftHebbRule { inverse_temperature, start_length: START_LENGTH }, UpdateOrder::Jacobi)
    }

    /// A rule that takes weights as they are.
    fn started(inverse_temperature: f64) -> SoftHebb<f64> {
        SoftHebb { started: true, ..rule(inverse_temperature) }
    }

    fn batch(columns: usize, step: u64) -> Batch<f64> {
        let mut stream = Stream::new(4, "batch", step);
        let x = (0..M * columns).map(|_| stream.normal()).collect();
        Batch {
            x,
            columns,
            labels: (0..M).map(|row| row % 3).collect(),
            classes: 3,
            values: Vec::new(),
            smoothing: 0.0,
            step,
        }
    }

    /// The rule as it is written, from rows (windows) and weights (units x inputs).
    fn naive(rows: &[Vec<f64>], weights: &[Vec<f64>], t: f64, rate: f64) -> Vec<Vec<f64>> {
        let mut changes = vec![vec![0.0; rows[0].len()]; weights.len()];
        let mean = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64;
        let means: Vec<f64> = (0..rows[0].len()).map(mean).collect();
        for row in rows {
            let x: &Vec<f64> = &row.iter().zip(&means).map(|(x, mean)| x - mean).collect();
            let dot = |w: &Vec<f64>| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
            let u: Vec<f64> = weights.iter().map(dot).collect();
            let total: f64 = u.iter().map(|u| (t * u).exp()).sum();
            let largest = u.iter().copied().fold(f64::MIN, f64::max);
            for ((change, w), &u) in changes.iter_mut().zip(weights).zip(&u) {
                let y = if u == largest { 1.0 } else { -1.0 } * (t * u).exp() / total;
                change.iter_mut().zip(w).zip(x).for_each(|((change, w), x)| *change += y * (x - u * w));
            }
        }
        let largest = changes.iter().flatten().fold(0.0f64, |largest, change| largest.max(change.abs()));
        let moved = |(w, change): (&Vec<f64>, &Vec<f64>)| {
            let length = w.iter().map(|w| w * w).sum::<f64>().sqrt();
            let rate = rate * (length - 1.0).abs().sqrt() / largest;
            w.iter().zip(change).map(|(w, change)| w + rate * change).collect()
        };
        weights.iter().zip(&changes).map(moved).collect()
    }

    #[test]
    fn a_dense_step_is_the_rule_written_out() {
        let mut network = Network::<f64>::mlp(5, &[], 4, Activation::Relu, Norm::Batch, 2);
        let batch = batch(5, 0);
        let rows: Vec<Vec<f64>> = batch.x.chunks(5).map(<[f64]>::to_vec).collect();
        let weights: Vec<Vec<f64>> = network.blocks()[0].parameters()[..20].chunks(5).map(<[f64]>::to_vec).collect();
        let expected = naive(&rows, &weights, 1.7, 0.3).concat();
        let report = started(1.7).step(&mut network, &batch, 0.3).unwrap().signals[0];
        let (found, biases) = network.blocks()[0].parameters().split_at(20);
        // Sums of 8 products in another order; divided by the largest of them.
        found.iter().zip(&expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-14, "{a} {b}"));
        assert_eq!(biases[..4], [0.0; 4]);
        let lengths = weights.iter().map(|w| w.iter().map(|w| w * w).sum::<f64>().sqrt());
        let distance = lengths.map(|length| (length - 1.0).abs()).sum::<f64>() / 4.0;
        assert!((report.loss - distance).abs() < 1e-15);
        assert!(report.terms[0].1 > 0.25 && report.terms[0].1 < 1.0 && report.terms[1].1 > 0.0);
    }

    #[test]
    fn a_block_learns_from_what_the_one_before_gave() {
        let mut network = Network::<f64>::mlp(5, &[6], 4, Activation::Relu, Norm::Batch, 2);
        let batch = batch(5, 0);
        let mut z = vec![0.0; M * 6];
        network.blocks()[0].forward(M, &batch.x, &mut z, &mut Cache::shared());
        let rows: Vec<Vec<f64>> = z.chunks(6).map(<[f64]>::to_vec).collect();
        let weights: Vec<Vec<f64>> = network.blocks()[1].parameters()[..24].chunks(6).map(<[f64]>::to_vec).collect();
        let expected = naive(&rows, &weights, 1.7, 0.3).concat();
        started(1.7).step(&mut network, &batch, 0.3).unwrap();
        // Sums of 8 products in another order; divided by the largest of them.
        let found = network.blocks()[1].parameters()[..24].iter().zip(&expected);
        found.for_each(|(a, b)| assert!((a - b).abs() < 1e-14, "{a} {b}"));
    }

    #[test]
    fn a_convolution_learns_from_every_window() {
        let input = Shape { channels: 2, height: 5, width: 4 };
        let blocks = [BlockSpec::conv(3, 3, 1, 0, 2)];
        let mut network = Network::<f64>::build(input, &blocks, Activation::Relu, Norm::Batch, 1).unwrap();
        let batch = batch(40, 0);
        // Windows of 3 x 3 with their channels innermost, from images that lie channel by channel.
        let mut rows = Vec::new();
        for image in batch.x.chunks(40) {
            for (y, x) in (0..3).flat_map(|y| (0..2).map(move |x| (y, x))) {
                let taps = (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
                let window = taps.flat_map(|(i, j)| (0..2).map(move |c| image[c * 20 + (y + i) * 4 + x + j]));
                rows.push(window.collect());
            }
        }
        let own = network.blocks()[0].parameters().to_vec();
        let weights: Vec<Vec<f64>> = (0..3).map(|k| (0..18).map(|i| own[i * 3 + k]).collect()).collect();
        let expected = naive(&rows, &weights, 0.8, 0.2);
        started(0.8).step(&mut network, &batch, 0.2).unwrap();
        let found = network.blocks()[0].parameters();
        for (k, expected) in expected.iter().enumerate() {
            // Sums of 48 products in another order.
            expected.iter().enumerate().for_each(|(i, w)| assert!((found[i * 3 + k] - w).abs() < 1e-13));
        }
    }

    #[test]
    fn a_high_inverse_temperature_lets_the_winner_learn_alone() {
        let mut network = Network::<f64>::mlp(5, &[], 4, Activation::Relu, Norm::None, 2);
        // A row and its opposite, whose mean is 0.
        let row = batch(5, 0).x[..5].to_vec();
        let x = row.iter().copied().chain(row.iter().map(|x| -x)).collect();
        let batch = Batch { x, labels: vec![0, 1], ..batch(5, 0) };
        let before = network.blocks()[0].parameters()[..20].to_vec();
        let report = started(1e6).step(&mut network, &batch, 0.1).unwrap().signals[0];
        assert_eq!(report.terms, [("confidence", 1.0), ("winners", 0.5)]);
        let after = network.blocks()[0].parameters();
        let moved: Vec<usize> = (0..4).filter(|k| after[k * 5..][..5] != before[k * 5..][..5]).collect();
        let dot = |k: usize| before[k * 5..][..5].iter().zip(&row).map(|(w, x)| w * x).sum::<f64>();
        let mut order: Vec<usize> = (0..4).collect();
        order.sort_by(|&a, &b| dot(a).total_cmp(&dot(b)));
        let mut winners = vec![order[0], order[3]];
        winners.sort_unstable();
        assert_eq!(moved, winners);
    }

    #[test]
    fn lengths_come_to_rest_at_one_and_directions_at_the_inputs() {
        // Two kinds of inputs and two units that win one each: w_k goes to how its kind deviates from the mean of both.
        let (e, f) = ([0.9, 0.8, 0.0], [0.1, -0.6, 0.8]);
        let deviation = [0.4, 0.7, -0.4];
        let mut network = Network::<f64>::mlp(3, &[], 2, Activation::Relu, Norm::None, 2);
        let start = [1.5, 1.0, 0.2, 0.1, -1.0, 1.6];
        network.blocks_mut()[0].parameters_mut()[..6].copy_from_slice(&start);
        let x = [e, f, e, f].concat();
        let mut rule = started(20.0);
        let mut losses = Vec::new();
        for step in 0..4000 {
            let batch = Batch {
                x: x.clone(),
                columns: 3,
                labels: vec![0, 1, 0, 1],
                classes: 2,
                values: Vec::new(),
                smoothing: 0.0,
                step,
            };
            losses.push(rule.step(&mut network, &batch, 0.02).unwrap().signals[0].loss);
        }
        let found = &network.blocks()[0].parameters()[..6];
        // The change is divided by its largest entry, so steps shrink with the distance from 1 alone.
        for (w, sign) in found.chunks(3).zip([1.0, -1.0]) {
            // The deviation has the length 0.9.
            w.iter().zip(deviation).for_each(|(w, x)| assert!((w - sign * x / 0.9).abs() < 0.02, "{found:?}"));
        }
        assert!(losses[0] > 0.5 && losses[3999] < 1e-2, "{} {}", losses[0], losses[3999]);
        let lengths: Vec<f64> = found.chunks(3).map(|w| w.iter().map(|w| w * w).sum::<f64>().sqrt()).collect();
        assert!(lengths.iter().all(|length| (length - 1.0).abs() < 1e-2), "{lengths:?}");
    }

    #[test]
    fn weights_start_far_out_and_a_record_goes_on_where_it_was() {
        let mut network = Network::<f64>::mlp(300, &[], 40, Activation::Relu, Norm::Batch, 2);
        let mut rule = rule(1.0);
        let loss = rule.step(&mut network, &batch(300, 0), 0.0).unwrap().signals[0].loss;
        // Lengths of 300 uniform numbers scatter by 2.6 %, their mean over 40 units by 0.4 %.
        assert!((loss - 24.0).abs() < 0.5, "{loss}");
        let kept = network.blocks()[0].parameters().to_vec();
        rule.restore(&network, UpdateState::default()).unwrap();
        rule.step(&mut network, &batch(300, 1), 0.0).unwrap();
        assert_eq!(network.blocks()[0].parameters(), kept);
    }

    #[test]
    fn what_the_rule_cannot_train_or_does_not_have_is_told() {
        let input = Shape { channels: 1, height: 5, width: 5 };
        let blocks = [
            BlockSpec::PrimaryCapsules { outputs: 2, dimensions: 4, kernel: 3, stride: 2, padding: 0 },
            BlockSpec::Capsules { outputs: 3, dimensions: 5, rounds: 3, bias: false },
        ];
        let mut network = Network::<f64>::build(input, &blocks, Activation::Relu, Norm::None, 1).unwrap();
        let error = rule(1.0).step(&mut network, &batch(25, 0), 0.1).unwrap_err();
        let expected = "softhebb cannot train block 0 (Conv2d-Squash): expected blocks of one linear map each";
        assert_eq!(error.to_string(), expected);
    }
}
