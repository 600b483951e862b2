//! From outputs to classes: counting samples by their largest output, and the assignment of classes to units.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use hsic::random::Stream;
use hsic_bottleneck::judge::assignment::{Assignment, Confusion};

fn main() {
    Divan::default().max_time(Duration::from_millis(500)).config_with_args().main();
}

/// Samples and units; items are outputs.
#[divan::bench(args = [(64, 10), (2048, 10), (2048, 100), (60_000, 10)])]
fn count(bencher: Bencher, (m, units): (usize, usize)) {
    let (labels, outputs) = sample(m, units);
    let mut table = Confusion::new(units, units);
    bencher.counter(ItemsCount::new(m * units)).bench_local(|| table.add(&labels, &outputs, units));
}

/// Classes and units.
#[divan::bench(args = [(10, 10), (10, 64), (100, 100), (200, 512)])]
fn assign(bencher: Bencher, (classes, units): (usize, usize)) {
    let (labels, outputs) = sample(2048, units);
    let labels: Vec<usize> = labels.iter().map(|label| label % classes).collect();
    let mut table = Confusion::new(classes, units);
    table.add(&labels, &outputs, units);
    bencher.bench_local(|| Assignment::fit(&table));
}

/// Labels, and outputs of which the class's own is somewhat larger.
fn sample(m: usize, units: usize) -> (Vec<usize>, Vec<f32>) {
    let mut stream = Stream::new(1, "bench", 0);
    let labels: Vec<usize> = (0..m).map(|row| row * 7 % units).collect();
    let mut outputs: Vec<f32> = (0..m * units).map(|_| stream.normal() as f32).collect();
    for (row, &label) in outputs.chunks_exact_mut(units).zip(&labels) {
        row[label] += 2.0;
    }
    (labels, outputs)
}
