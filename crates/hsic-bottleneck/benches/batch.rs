//! Preparation of batches from pixels, with and without random changes; items are values.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use hsic::random::Stream;
use hsic_bottleneck::augment::{Augmentation, Flip, Scratch};
use hsic_bottleneck::batch::{Batch, epoch_order};
use hsic_bottleneck::dataset::{Dataset, Normalization, Samples, Shape, Targets};

const ROWS: usize = 4096;
/// Rows of the batch, channels, side.
const SIZES: &[(usize, usize, usize)] = &[(64, 1, 28), (256, 1, 28), (256, 3, 32), (1024, 3, 32)];

fn main() {
    Divan::default().max_time(Duration::from_millis(500)).config_with_args().main();
}

/// Of all the images.
fn normalization(dataset: &Dataset) -> Option<Normalization> {
    let Samples::Bytes(bytes) = &dataset.samples else { return None };
    Some(Normalization::of(bytes, dataset.shape))
}

/// Values from 0 to 1.
#[divan::bench(args = SIZES)]
fn plain(bencher: Bencher, (m, channels, side): (usize, usize, usize)) {
    fill(bencher, m, &dataset(channels, side));
}

/// Mean 0 and deviation 1 by channel.
#[divan::bench(args = SIZES)]
fn normalized(bencher: Bencher, (m, channels, side): (usize, usize, usize)) {
    let mut dataset = dataset(channels, side);
    dataset.normalization = normalization(&dataset);
    fill(bencher, m, &dataset);
}

/// Mirrored, moved by up to 4, with a square of 8 cut out, and normalized.
#[divan::bench(args = SIZES)]
fn augmented(bencher: Bencher, (m, channels, side): (usize, usize, usize)) {
    let mut dataset = dataset(channels, side);
    dataset.normalization = normalization(&dataset);
    let augmentation = Augmentation { flip: Flip::Random, shift: 4, cutout: 8, ..Augmentation::default() };
    let (columns, order) = (dataset.columns(), epoch_order(ROWS, 1, 0));
    let (mut x, mut scratch) = (vec![0.0; m * columns], Scratch::default());
    bencher.counter(ItemsCount::new(m * columns)).bench_local(|| {
        augmentation.fill_rows(&dataset, (1, 0), &order[..m], &mut x, &mut scratch).expect("samples in memory");
    });
}

/// The order of an epoch; items are rows.
#[divan::bench(args = [1024, 60_000])]
fn order(bencher: Bencher, rows: usize) {
    bencher.counter(ItemsCount::new(rows)).bench(|| epoch_order(rows, 1, 0));
}

fn fill(bencher: Bencher, m: usize, dataset: &Dataset) {
    let (mut batch, order) = (Batch::default(), epoch_order(ROWS, 1, 0));
    bencher.counter(ItemsCount::new(m * dataset.columns())).bench_local(|| batch.fill(dataset, &order[..m]).is_ok());
}

fn dataset(channels: usize, side: usize) -> Dataset {
    let shape = Shape { channels, height: side, width: side };
    let mut stream = Stream::new(1, "bench", 0);
    Dataset {
        name: "random".to_owned(),
        samples: Samples::Bytes((0..ROWS * shape.columns()).map(|_| stream.below(256) as u8).collect()),
        shape,
        targets: Targets::classes(
            (0..ROWS).map(|row| (row % 10) as u16).collect(),
            (0..10).map(|class| class.to_string()).collect(),
        ),
        normalization: None,
    }
}
