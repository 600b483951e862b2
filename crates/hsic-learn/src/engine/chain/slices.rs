//! Batches in slices: what becomes of the gradient of one, and how those of all come together.

use hsic::Scalar;
use hsic::scalar::vectorize;

use crate::objective::Signal;

/// What becomes of a gradient.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// Each block's is applied at this rate as soon as it is there.
    Applied(f64),
    /// All are kept, to be clipped by their common norm; what is learned beside the network goes at this rate.
    Clipped(f64),
    /// It is that of a slice with this share of the batch's rows, and is added to those of the slices before it, if it is not the
    /// first.
    Added { share: f64, first: bool },
}

impl Fate {
    /// A loss is a mean over rows: that of a slice counts by its share of them, and so does its gradient.
    pub(super) fn weigh<T: Scalar>(self, signal: &mut Signal, dz: &mut [T]) {
        if let Self::Added { share, .. } = self {
            signal.loss *= share;
            let share = T::of(share);
            vectorize(
                #[inline(always)]
                || dz.iter_mut().for_each(|dz| *dz *= share),
            );
        }
    }
}

/// Adds a gradient to a sum of them.
pub(super) fn add<T: Scalar>(sum: &mut [T], gradient: &[T]) {
    vectorize(
        #[inline(always)]
        || sum.iter_mut().zip(gradient).for_each(|(sum, &gradient)| *sum += gradient),
    );
}

/// Slices of a batch of so many rows, where so many are asked for: none has a single row, which has no statistics.
pub(super) fn slices(asked: usize, rows: usize) -> usize {
    asked.min(rows / 2).max(1)
}

#[cfg(test)]
mod tests {
    use hsic_data::batch::Batch;
    use hsic_nn::network::models::with_classifier;
    use hsic_nn::network::{Activation, NETWORKS, Network, NetworkSettings, Norm, parse_widths};
    use hsic_nn::optimizer::Optimizer;

    use super::super::Backprop;
    use super::super::tests::{SGD, SHAPE, batch, network};
    use super::*;
    use crate::update::Update;

    /// Parameters after three steps with batches of 24, 24 and 11 rows in so many slices.
    fn sliced(name: &str, widths: &str, norm: Norm, optimizer: Optimizer, slices: usize, values: bool) -> Vec<f64> {
        let kind = NETWORKS.iter().find(|kind| kind.name == name).unwrap();
        let settings = NetworkSettings { widths: parse_widths(widths), outputs: None, classes: 4, side: 8 };
        let outputs = if values { 1 } else { 4 };
        let blocks = with_classifier((kind.blocks)(&settings), outputs);
        let mut network = Network::<f64>::build(SHAPE, &blocks, Activation::Tanh, norm, 1).unwrap();
        let mut update = Backprop::<f64>::new(optimizer).accumulating(slices);
        for step in 0..3 {
            let Batch { x, columns, mut labels, mut classes, step, .. } = batch(step);
            let mut told = Vec::new();
            if values {
                told = labels.drain(..).map(|label| label as f64 - 1.5).collect();
                classes = 0;
            }
            let x = x.into_iter().map(f64::from).collect();
            let batch = Batch { x, columns, labels, classes, values: told, smoothing: 0.1, step };
            update.step(&mut network, &batch, 0.05).unwrap();
        }
        network.blocks().iter().flat_map(|block| block.parameters().to_vec()).collect()
    }

    fn difference(one: &[f64], other: &[f64]) -> f64 {
        one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn gradients_of_slices_add_up_to_that_of_the_batch() {
        // Sums of some hundred terms of size 1 in another order: far below 1e-12 of f64.
        for (name, widths) in [("mlp", "16x2"), ("vgg", "4p,6,8")] {
            for optimizer in [SGD, Optimizer { bound: Some(0.05), ..SGD }] {
                for values in [false, true] {
                    let of = |slices| sliced(name, widths, Norm::None, optimizer, slices, values);
                    let whole = of(1);
                    assert!(whole.iter().all(|number| number.is_finite()));
                    // Slices of unequal sizes, and more than there are pairs of rows.
                    for slices in [2, 3, 5, 100] {
                        let found = difference(&of(slices), &whole);
                        assert!(found < 1e-12, "{name} {slices} slices, values {values}: {found}");
                    }
                }
            }
        }
    }

    #[test]
    fn statistics_are_those_of_slices() {
        let of = |slices| sliced("mlp", "16x2", Norm::Batch, SGD, slices, false);
        assert!(difference(&of(2), &of(1)) > 1e-6);
        // At a rate of 0 only running statistics move: as by a step on each half.
        let moved = |mut update: Backprop, batches: &[Batch]| {
            let mut network = network("mlp", "16x2", Norm::Batch, 0.0);
            for batch in batches {
                update.step(&mut network, batch, 0.0).unwrap();
            }
            network.tensors()
        };
        let half = |rows: std::ops::Range<usize>| {
            let mut half = Batch::default();
            half.take(&batch(0), rows);
            half
        };
        let halves = moved(Backprop::new(Optimizer::sgd()), &[half(0..12), half(12..24)]);
        assert!(moved(Backprop::new(Optimizer::sgd()).accumulating(2), &[batch(0)]) == halves);
    }

    #[test]
    fn slices_hold_the_activations_of_their_rows_and_tell_one_signal() {
        let stepped = |slices: usize| {
            let mut network = network("mlp", "16x4", Norm::None, 0.0);
            let mut update = Backprop::new(SGD).accumulating(slices);
            let signals = update.step(&mut network, &batch(0), 0.05).unwrap().signals.clone();
            (signals, update.pool.iter().map(|slot| slot.z.capacity()).max().unwrap())
        };
        let ((whole, most), (sliced, least)) = (stepped(1), stepped(4));
        assert!(least <= most / 3, "{least} of {most}");
        for (whole, sliced) in whole.iter().zip(&sliced) {
            // In f32, whose rounding is 6e-8 of values of size 1.
            assert!(
                (whole.loss - sliced.loss).abs() < 1e-5 && (whole.gradient_norm - sliced.gradient_norm).abs() < 1e-5
            );
        }
        assert_eq!(
            [(4, 24), (4, 7), (4, 3), (4, 1), (1, 24)].map(|(asked, rows)| slices(asked, rows)),
            [4, 3, 1, 1, 1]
        );
    }

    #[test]
    fn dropout_draws_anew_in_each_slice() {
        // The same rows twice: one mask for both would give the gradient of one half.
        let rows = batch(0);
        let mut half = Batch::default();
        half.take(&rows, 0..12);
        let mut twice = half.clone();
        twice.x.extend_from_slice(&half.x);
        twice.labels.extend_from_slice(&half.labels);
        let stepped = |slices: usize, batch: &Batch| {
            let mut network = network("mlp", "16x2", Norm::None, 0.5);
            Backprop::new(Optimizer::sgd()).accumulating(slices).step(&mut network, batch, 0.1).unwrap();
            network.tensors()
        };
        assert!(stepped(2, &twice) != stepped(1, &half));
        assert!(stepped(2, &twice) == stepped(2, &twice));
    }
}
