//! Weights that look ahead (Zhang et al. 2019, by the schedule of Jordan 2024), whatever trains them.
//!
//! An average of the weights and running statistics is kept beside them. Every five steps it moves towards them, keeping
//! 0.95^5 (t / T)^3 of itself after step t of T, and they take its values; after the last step they take them once more. So at
//! the start the average is nothing but the weights, and at the end it changes slowly.

use hsic::Scalar;
use hsic_data::batch::Batch;
use hsic_nn::network::Network;
use hsic_nn::network::learner::StateMismatch;

use crate::error::StepError;
use crate::update::{StepReport, Update, UpdateState};

/// Steps between two exchanges.
const EVERY: u64 = 5;

/// What the average keeps of itself in an exchange at the end, by step.
const KEPT: f64 = 0.95;

/// A method whose weights look ahead.
pub struct Lookahead<T: Scalar = f32> {
    inner: Box<dyn Update<T>>,
    /// Steps of the whole training.
    total: u64,
    /// Parameters, then statistics, of each block; empty before the first step.
    average: Vec<Vec<T>>,
}

impl<T: Scalar> Lookahead<T> {
    /// What the average keeps of itself in the exchange after `done` steps of `total`, in [0, 1); `None` where none is due.
    #[must_use]
    pub fn kept(done: u64, total: u64) -> Option<f64> {
        let share = done as f64 / total.max(done) as f64;
        done.is_multiple_of(EVERY).then(|| KEPT.powi(EVERY as i32) * share.powi(3))
    }

    /// The weights that `inner` trains.
    #[must_use]
    pub fn new(inner: Box<dyn Update<T>>) -> Self {
        Self { inner, total: 0, average: Vec::new() }
    }
}

/// Calls `each` with every number of a network and its average.
fn for_each_pair<T: Scalar>(network: &mut Network<T>, average: &mut [Vec<T>], mut each: impl FnMut(&mut T, &mut T)) {
    for (block, average) in network.blocks_mut().iter_mut().zip(average) {
        let mut average = average.iter_mut();
        block.parameters_mut().iter_mut().zip(&mut average).for_each(|(own, average)| each(own, average));
        for statistics in block.statistics_mut() {
            statistics.iter_mut().zip(&mut average).for_each(|(own, average)| each(own, average));
        }
    }
}

/// The numbers of a network, by block.
fn numbers<T: Scalar>(network: &Network<T>) -> Vec<Vec<T>> {
    let of = |block: &dyn hsic_nn::network::Block<T>| [vec![block.parameters()], block.statistics()].concat().concat();
    network.blocks().iter().map(|block| of(&**block)).collect()
}

impl<T: Scalar> Update<T> for Lookahead<T> {
    fn plan(&mut self, network: &Network<T>, steps: u64) {
        self.total = steps;
        self.inner.plan(network, steps);
    }

    fn step(
        &mut self,
        network: &mut Network<T>,
        batch: &Batch<T>,
        learning_rate: f64,
    ) -> Result<&StepReport, StepError> {
        let Self { inner, total, average } = self;
        if average.is_empty() {
            *average = numbers(network);
        }
        let report = inner.step(network, batch, learning_rate)?;
        let done = batch.step + 1;
        if let Some(kept) = Self::kept(done, *total) {
            let new = T::of(1.0 - kept);
            for_each_pair(network, average, |own, average| {
                *average = new.mul_add(*own - *average, *average);
                *own = *average;
            });
        }
        if done == *total {
            for_each_pair(network, average, |own, average| *own = *average);
        }
        Ok(report)
    }

    fn learns_values(&self) -> bool {
        self.inner.learns_values()
    }

    fn products(&self, network: &Network<T>, rows: &[usize]) -> Option<u64> {
        self.inner.products(network, rows)
    }

    fn state(&self) -> UpdateState<T> {
        UpdateState { average: self.average.clone(), ..self.inner.state() }
    }

    fn restore(&mut self, network: &Network<T>, mut record: UpdateState<T>) -> Result<(), StateMismatch> {
        let average = std::mem::take(&mut record.average);
        // Before the first step there is none.
        if !average.is_empty() {
            let own = numbers(network);
            let (what, found, expected) = ("the list of averages", average.len(), own.len());
            if found != expected {
                return Err(StateMismatch { what, block: 0, found, expected });
            }
            for (block, (average, own)) in average.iter().zip(&own).enumerate() {
                let (what, found, expected) = ("average", average.len(), own.len());
                if found != expected {
                    return Err(StateMismatch { what, block, found, expected });
                }
            }
        }
        self.inner.restore(network, record)?;
        self.average = average;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hsic_nn::network::{Activation, Norm};
    use hsic_nn::optimizer::Optimizer;

    use super::*;
    use crate::engine::Backprop;

    fn batch(step: u64) -> Batch<f64> {
        let x = (0..24).map(|i| (i as f64 * 0.7 + step as f64).sin()).collect();
        let labels = (0..8).map(|row| row % 2).collect();
        Batch { x, columns: 3, labels, classes: 2, values: Vec::new(), smoothing: 0.0, step }
    }

    fn network() -> Network<f64> {
        Network::mlp(3, &[4], 2, Activation::Tanh, Norm::Batch, 1)
    }

    fn update() -> Box<dyn Update<f64>> {
        Box::new(Backprop::new(Optimizer::momentum(0.9)))
    }

    #[test]
    fn exchanges_are_those_of_the_rule() {
        // The rule by hand, on a copy that the inner method trains: between exchanges both take the same steps.
        let (mut network, mut by_hand, mut inner) = (network(), network(), update());
        let mut ahead = Lookahead::new(update());
        ahead.plan(&network, 12);
        let mut average = numbers(&by_hand);
        for step in 0..12 {
            ahead.step(&mut network, &batch(step), 0.1).unwrap();
            inner.step(&mut by_hand, &batch(step), 0.1).unwrap();
            let done = step + 1;
            if done % 5 == 0 {
                let keep = 0.95f64.powi(5) * (done as f64 / 12.0).powi(3);
                for_each_pair(&mut by_hand, &mut average, |own, average| {
                    *average = keep * *average + (1.0 - keep) * *own;
                    *own = *average;
                });
            }
        }
        // After the last of 12 steps the weights are the average of step 10.
        for (found, expected) in numbers(&network).concat().iter().zip(average.concat()) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_ne!(numbers(&network), numbers(&by_hand));
    }

    #[test]
    fn a_record_goes_on_with_the_same_bits_and_a_foreign_one_is_told() {
        let (mut network, mut ahead) = (network(), Lookahead::new(update()));
        ahead.plan(&network, 12);
        (0..7).for_each(|step| drop(ahead.step(&mut network, &batch(step), 0.1).unwrap().clone()));
        let (mut other, mut again) = (self::network(), Lookahead::new(update()));
        other.set_tensors(&network.tensors());
        again.plan(&other, 12);
        again.restore(&other, ahead.state()).unwrap();
        for step in 7..12 {
            ahead.step(&mut network, &batch(step), 0.1).unwrap();
            again.step(&mut other, &batch(step), 0.1).unwrap();
        }
        assert_eq!((network.tensors(), ahead.state()), (other.tensors(), again.state()));
        let mut short = ahead.state();
        short.average[1].pop();
        let error = again.restore(&other, short).unwrap_err().to_string();
        assert_eq!(error, "average of block 1 has 13 numbers, expected 14");
    }
}
