//! Gradients that are shortened: all of them together under one loss, each block's by itself where blocks learn by themselves.

use hsic::{Approximation, Bottleneck};
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::engine::{Backprop, Local};
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::{Activation, Network, Norm};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::rule_options::Recompute;
use hsic_bottleneck::update::{Schedule, Update, UpdateOrder};

use crate::points;

const RATE: f64 = 0.5;
const BOUND: f64 = 1e-3;

fn network() -> Network {
    Network::mlp(6, &[8, 5], 3, Activation::Tanh, Norm::None, 3)
}

fn batch() -> Batch {
    let mut batch = Batch::default();
    batch.fill(&points().train, &(0..40).collect::<Vec<_>>()).unwrap();
    batch
}

/// What one step moves of each block, over the rate.
fn moved(update: &mut dyn Update) -> Vec<Vec<f64>> {
    let (mut after, before) = (network(), network());
    update.step(&mut after, &batch(), RATE).unwrap();
    let blocks = after.blocks().iter().zip(before.blocks());
    let of_block = |(after, before): (&[f32], &[f32])| {
        after.iter().zip(before).map(|(a, b)| (f64::from(*b) - f64::from(*a)) / RATE).collect()
    };
    blocks.map(|(after, before)| of_block((after.parameters(), before.parameters()))).collect()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Whether two gradients point the same way; their rounding is that of weights near 1 in f32.
fn parallel(a: &[f64], b: &[f64]) -> bool {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    dot / norm(a) / norm(b) > 1.0 - 1e-4
}

#[test]
fn under_one_loss_the_gradient_of_all_blocks_is_shortened_as_one() {
    let plain = moved(&mut Backprop::new(Optimizer::sgd()));
    for update in [
        &mut Backprop::new(Optimizer::sgd().clipped(BOUND)),
        &mut Backprop::new(Optimizer::sgd().clipped(BOUND)).recomputing(Recompute::Every(2)),
    ] {
        let clipped = moved(update);
        let (whole, all) = (clipped.concat(), plain.concat());
        assert!(norm(&all) > 10.0 * BOUND, "{}", norm(&all));
        assert!((norm(&whole) / BOUND - 1.0).abs() < 1e-3, "{}", norm(&whole));
        assert!(parallel(&whole, &all));
        // No block has the bound to itself.
        assert!(clipped.iter().all(|block| norm(block) < 0.999 * BOUND));
    }
    // A bound beyond the gradient changes no bit.
    assert_eq!(moved(&mut Backprop::new(Optimizer::sgd().clipped(1e6))), plain);
}

#[test]
fn where_blocks_learn_by_themselves_each_has_the_bound_to_itself() {
    for schedule in [Schedule::Sequential, Schedule::Parallel] {
        let local = |optimizer| {
            let objective = HsicObjective::approximate(Bottleneck::default(), Approximation::Exact, 7).unwrap();
            moved(&mut Local::new(objective, optimizer, UpdateOrder::Jacobi, schedule))
        };
        let (plain, clipped) = (local(Optimizer::sgd()), local(Optimizer::sgd().clipped(BOUND)));
        for (clipped, plain) in clipped.iter().zip(&plain) {
            assert!(norm(plain) > 10.0 * BOUND, "{}", norm(plain));
            assert!((norm(clipped) / BOUND - 1.0).abs() < 1e-3, "{}", norm(clipped));
            assert!(parallel(clipped, plain));
        }
    }
}
