//! The HSIC-bottleneck objective on one thread: the batch's operator, and value and gradient of a block.
//!
//! Items are floating-point operations of the leading terms; the passes over m x m memory (exponential, centering) are
//! not counted. The inverse Cholesky factor (2/3 m^3) is most of `label_operations` where d is small beside m.

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use faer::{Mat, MatRef};
use hsic::random::Stream;
use hsic::{BatchOperator, Bottleneck, Scalar, Workspace};

const CLASSES: usize = 10;
const INPUT_COLUMNS: usize = 784;
const SIZES: &[(usize, usize)] =
    &[(64, 10), (64, 12_544), (256, 10), (256, 256), (256, 12_544), (1024, 256), (2048, 10)];

fn main() {
    Divan::default().max_time(Duration::from_millis(500)).config_with_args().main();
}

/// What all blocks share: p m^2 for the input's kernel, 5/3 m^3 for its normalized factor.
#[divan::bench(types = [f32, f64], args = [(64, 784), (256, 784), (256, 3072), (1024, 784), (2048, 784)])]
fn operator<T: Scalar>(bencher: Bencher, (m, p): (usize, usize)) {
    let (x, labels) = (sample::<T>(m, p, 0), labels(m));
    let x = MatRef::from_row_major_slice(&x, m, p);
    let mut operator = BatchOperator::new(x, &labels, CLASSES, Bottleneck::default()).expect("a finite batch");
    let mut workspace = Workspace::default();
    bencher.counter(ItemsCount::new(p * m * m + 5 * m * m * m / 3)).bench_local(|| {
        operator.fill(x, &labels, CLASSES, &mut workspace).expect("a finite batch");
    });
}

/// Both terms: to those of [`evaluate_labels`] the products of three pairs of triangles, 1/3 + 2/3 + 1 m^3.
#[divan::bench(types = [f32, f64], args = SIZES)]
fn evaluate<T: Scalar>(bencher: Bencher, (m, d): (usize, usize)) {
    run::<T>(bencher.counter(ItemsCount::new(label_operations(m, d) + 2 * m * m * m)), m, d, 1.0);
}

/// Without the term of the input.
#[divan::bench(types = [f32, f64], args = SIZES)]
fn evaluate_labels<T: Scalar>(bencher: Bencher, (m, d): (usize, usize)) {
    run::<T>(bencher.counter(ItemsCount::new(label_operations(m, d))), m, d, 0.0);
}

/// The kernel's product (m^2 d, half of it symmetric), the inverse factor (2/3 m^3), two triangular products with the
/// labels' factor and their outer product (3 m^2 C), the gradient's product (2 m^2 d).
fn label_operations(m: usize, d: usize) -> usize {
    3 * m * m * d + 2 * m * m * m / 3 + 3 * m * m * CLASSES
}

fn run<T: Scalar>(bencher: Bencher, m: usize, d: usize, x_weight: f64) {
    let (x, z) = (sample::<T>(m, INPUT_COLUMNS, 0), sample::<T>(m, d, 1));
    let (x, z) = (MatRef::from_row_major_slice(&x, m, INPUT_COLUMNS), MatRef::from_row_major_slice(&z, m, d));
    let options = Bottleneck { x_weight, ..Bottleneck::default() };
    let operator = BatchOperator::new(x, &labels(m), CLASSES, options).expect("a finite batch");
    // Row-major, as the trainer's.
    let (mut gradient, mut workspace) = (Mat::zeros(d, m), Workspace::default());
    bencher.bench_local(|| {
        operator.evaluate_into(gradient.as_mut().transpose_mut(), z, &mut workspace).expect("a finite block")
    });
}

fn labels(m: usize) -> Vec<usize> {
    (0..m).map(|row| row * 7 % CLASSES).collect()
}

/// m x d, row-major.
fn sample<T: Scalar>(m: usize, d: usize, index: u64) -> Vec<T> {
    let mut stream = Stream::new(1, "bench", index);
    (0..m * d).map(|_| T::of(stream.normal())).collect()
}
