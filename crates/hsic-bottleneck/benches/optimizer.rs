//! One step of an optimizer on the parameters of one block; items are parameters.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use hsic::Scalar;
use hsic_bottleneck::optimizer::{Groups, Optimizer, OptimizerState};

/// A dense block of 64 x 10, 256 x 256 and 12,544 x 256.
const PARAMETERS: &[usize] = &[650, 65_792, 3_211_520];

fn main() {
    Divan::default().max_time(Duration::from_millis(500)).config_with_args().main();
}

#[divan::bench(types = [f32, f64], args = PARAMETERS)]
fn sgd<T: Scalar>(bencher: Bencher, parameters: usize) {
    step::<T>(bencher, parameters, Optimizer::sgd());
}

#[divan::bench(types = [f32, f64], args = PARAMETERS)]
fn momentum<T: Scalar>(bencher: Bencher, parameters: usize) {
    step::<T>(bencher, parameters, Optimizer::momentum(0.9).decayed(1e-4));
}

#[divan::bench(types = [f32, f64], args = PARAMETERS)]
fn adamw<T: Scalar>(bencher: Bencher, parameters: usize) {
    let optimizer = Optimizer::adamw().decayed(1e-2);
    step::<T>(bencher, parameters, optimizer);
}

fn step<T: Scalar>(bencher: Bencher, parameters: usize, optimizer: Optimizer) {
    let (mut weights, gradient) = (vec![T::ONE; parameters], vec![T::ONE; parameters]);
    let mut state = OptimizerState::default();
    bencher.counter(ItemsCount::new(parameters)).bench_local(|| {
        // A rate so small that the weights stay in range however often this runs.
        optimizer.step(1e-12, Groups::default(), (&mut weights, &gradient), &mut state);
    });
}
