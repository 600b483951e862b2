//! Blocks that learn together: a gradient within a unit and none from outside.

use hsic::Bottleneck;
use hsic::random::Stream;
use hsic_bottleneck::batch::Batch;
use hsic_bottleneck::engine::Local;
use hsic_bottleneck::method::bottleneck::HsicObjective;
use hsic_bottleneck::network::{Activation, Network, Norm};
use hsic_bottleneck::optimizer::Optimizer;
use hsic_bottleneck::rule_options::InputTerm;
use hsic_bottleneck::update::{Schedule, UnitLength, Update, UpdateOrder};

const UNITS: [UnitLength; 4] = [UnitLength::Blocks(1), UnitLength::Blocks(2), UnitLength::Blocks(3), UnitLength::All];

fn batch(rows: usize, index: u64) -> Batch<f64> {
    let mut stream = Stream::new(4, "batch", index);
    let labels: Vec<usize> = (0..rows).map(|_| stream.below(3) as usize).collect();
    let x = labels.iter().flat_map(|&k| (0..6).map(move |j| f64::from(u8::from(k == j % 3))));
    let x = x.map(|signal| signal + stream.normal()).collect();
    Batch { x, columns: 6, labels, classes: 3, values: Vec::new(), smoothing: 0.0, step: 0 }
}

fn network() -> Network<f64> {
    Network::mlp(6, &[5, 4, 5, 4], 3, Activation::Tanh, Norm::Batch, 7)
}

fn local(unit: UnitLength, order: UpdateOrder, schedule: Schedule, optimizer: Optimizer) -> Local<HsicObjective, f64> {
    let options = Bottleneck { sigma: 1.0, sigma_labels: 1.0, epsilon: 1e-2, beta: 3.0, ..Bottleneck::default() };
    // X is a unit's own input, which its weights do not move.
    let objective = HsicObjective::new(options).unwrap().comparing(InputTerm::Block).classifying(0.5, 3);
    Local::new(objective, optimizer, order, schedule).in_units(unit)
}

#[test]
fn units_hold_all_blocks_once_and_the_output_block_alone() {
    let units = |length: UnitLength, blocks| length.units(blocks);
    assert_eq!(units(UnitLength::Blocks(1), 3), [0..1, 1..2, 2..3]);
    assert_eq!(units(UnitLength::Blocks(2), 6), [0..2, 2..4, 4..5, 5..6]);
    assert_eq!(units(UnitLength::Blocks(usize::MAX), 4), [0..3, 3..4]);
    assert_eq!(units(UnitLength::All, 4), [0..3, 3..4]);
    for length in UNITS {
        assert_eq!((units(length, 1).len(), units(length, 2)), (1, vec![0..1, 1..2]), "{length}");
        assert_eq!(length.to_string().parse(), Ok(length));
    }
    assert!("0".parse::<UnitLength>().is_err() && "two".parse::<UnitLength>().is_err());
}

/// The objective of a block (with a classifier that is still 0 after no step) at these weights.
fn loss(unit: UnitLength, network: &mut Network<f64>, block: usize) -> f64 {
    let mut update = local(unit, UpdateOrder::Jacobi, Schedule::Parallel, Optimizer::sgd());
    update.step(network, &batch(12, 0), 0.0).unwrap().signals[block].loss
}

#[test]
fn every_block_of_a_unit_descends_the_objective_of_its_last() {
    // Central differences of the loss in f64 with h = 1e-5: their error is h^2 times a third derivative, and 1e-16 / h of
    // rounding, both under 1e-8 of a loss of order 1.
    const RATE: f64 = 1.0;
    const H: f64 = 1e-5;
    for unit in UNITS {
        let (mut after, before) = (network(), network());
        let mut update = local(unit, UpdateOrder::Jacobi, Schedule::Parallel, Optimizer::sgd());
        let told = update.step(&mut after, &batch(12, 0), RATE).unwrap().signals.clone();
        for blocks in unit.units(5) {
            let end = blocks.end - 1;
            for block in blocks {
                let (new, old) = (after.blocks()[block].parameters(), before.blocks()[block].parameters());
                let mut squares = 0.0;
                for index in 0..old.len() {
                    let moved = |by: f64| {
                        let mut moved = network();
                        moved.blocks_mut()[block].parameters_mut()[index] += by;
                        loss(unit, &mut moved, end)
                    };
                    let expected = (moved(H) - moved(-H)) / (2.0 * H);
                    let found = (old[index] - new[index]) / RATE;
                    assert!((found - expected).abs() < 1e-7, "unit {unit}, block {block}, {index}: {found} {expected}");
                    squares += found * found;
                }
                assert!((told[block].gradient_norm - squares.sqrt()).abs() < 1e-9, "unit {unit}, block {block}");
                assert_eq!(told[block].loss, told[end].loss);
            }
        }
    }
}

/// Weights and state after some steps, the last batch a short one.
fn trained(unit: UnitLength, order: UpdateOrder, schedule: Schedule, threads: usize, stop: bool) -> Vec<u64> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let optimizer = Optimizer::momentum(0.9).clipped(0.5);
        let (mut network, mut update) = (network(), local(unit, order, schedule, optimizer));
        for index in 0..8 {
            if stop && index == 5 {
                let state = update.state();
                update = local(unit, order, schedule, optimizer);
                update.restore(&network, state).unwrap();
            }
            update.step(&mut network, &batch(if index == 7 { 9 } else { 14 }, index), 1e-2).unwrap();
        }
        let learned = update.state().learners.into_iter().flatten().flat_map(|learner| learner.parameters);
        let weights = network.tensors().into_iter().flat_map(|tensor| tensor.values);
        weights.chain(learned).map(f64::to_bits).collect()
    })
}

#[test]
fn threads_schedules_and_stops_change_no_bit_of_units() {
    let mut seen = Vec::new();
    for unit in UNITS {
        let expected = trained(unit, UpdateOrder::Jacobi, Schedule::Sequential, 1, false);
        for threads in [1, 3] {
            assert!(trained(unit, UpdateOrder::Jacobi, Schedule::Parallel, threads, false) == expected, "{unit}");
        }
        assert!(trained(unit, UpdateOrder::Jacobi, Schedule::Parallel, 2, true) == expected, "{unit}");
        let in_turn = trained(unit, UpdateOrder::GaussSeidel, Schedule::Sequential, 1, false);
        assert!(in_turn != expected, "{unit}");
        assert!(!seen.contains(&expected), "units of {unit} train as others do");
        seen.extend([expected, in_turn]);
        // Two units that are the whole of the hidden blocks are the same.
        if unit == UnitLength::All {
            assert!(seen.contains(&trained(UnitLength::Blocks(4), UpdateOrder::Jacobi, Schedule::Parallel, 2, false)));
        }
    }
}

#[test]
fn the_gradient_of_a_unit_is_shortened_as_one() {
    const BOUND: f64 = 1e-3;
    let moved = |optimizer| {
        let (mut after, before) = (network(), network());
        local(UnitLength::Blocks(2), UpdateOrder::Jacobi, Schedule::Parallel, optimizer)
            .step(&mut after, &batch(12, 0), 1.0)
            .unwrap();
        let blocks = after.blocks().iter().zip(before.blocks());
        let squares = |(a, b): (&f64, &f64)| (a - b) * (a - b);
        let norm = |(a, b): (&[f64], &[f64])| a.iter().zip(b).map(squares).sum::<f64>();
        blocks.map(|(a, b)| norm((a.parameters(), b.parameters()))).collect::<Vec<f64>>()
    };
    let (plain, clipped) = (moved(Optimizer::sgd()), moved(Optimizer::sgd().clipped(BOUND)));
    for unit in [0..2, 2..4, 4..5] {
        let whole = clipped[unit.clone()].iter().sum::<f64>().sqrt();
        assert!((whole / BOUND - 1.0).abs() < 1e-6, "{unit:?}: {whole}");
        let share = |of: &[f64]| of[unit.start] / of[unit.clone()].iter().sum::<f64>();
        assert!((share(&plain) - share(&clipped)).abs() < 1e-6, "{unit:?}");
    }
}
