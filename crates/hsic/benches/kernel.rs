//! Gram matrices: the product and the exponential, the five kernels, and the normalized form (Cholesky and solves).
//!
//! Items are floating-point operations, or entries where the name says so. Runs on rayon's threads
//! (`RAYON_NUM_THREADS=1` for one).

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use faer::Mat;
use hsic::gram::{Factor, Gram, normalized_gram_into};
use hsic::random::Stream;
use hsic::{Bandwidth, Kernel, Scalar};

const SIZES: &[(usize, usize)] =
    &[(64, 10), (64, 12_544), (256, 64), (256, 784), (256, 12_544), (1024, 10), (1024, 784), (2048, 64)];
const ROWS: &[usize] = &[64, 256, 1024, 2048];

fn main() {
    Divan::default().max_time(Duration::from_millis(500)).config_with_args().main();
}

/// Products of the rows (half of a symmetric result, 2 operations an entry and column), then 2 to 20 operations an
/// entry that are not counted: exponential, copy to the upper half, sums.
#[divan::bench(types = [f32, f64], args = SIZES)]
fn gaussian<T: Scalar>(bencher: Bencher, (m, d): (usize, usize)) {
    let kernel = Kernel::gaussian(5.0).expect("5 is positive");
    fill::<T>(bencher.counter(ItemsCount::new(m * (m + 1) * d)), &kernel, m, d);
}

/// The product alone, nearly: no exponential.
#[divan::bench(types = [f32, f64], args = SIZES)]
fn linear<T: Scalar>(bencher: Bencher, (m, d): (usize, usize)) {
    fill::<T>(bencher.counter(ItemsCount::new(m * (m + 1) * d)), &Kernel::Linear, m, d);
}

/// One column, so that the exponential and the passes over the matrix are all there is; items are entries of the half.
#[divan::bench(types = [f32, f64], args = ROWS)]
fn exponential_entries<T: Scalar>(bencher: Bencher, m: usize) {
    let kernel = Kernel::gaussian(0.5).expect("0.5 is positive");
    fill::<T>(bencher.counter(ItemsCount::new(m * (m + 1) / 2)), &kernel, m, 1);
}

/// As [`exponential_entries`], with the search for the median distance.
#[divan::bench(types = [f32, f64], args = ROWS)]
fn median_entries<T: Scalar>(bencher: Bencher, m: usize) {
    fill::<T>(bencher.counter(ItemsCount::new(m * (m + 1) / 2)), &Kernel::gaussian_median(), m, 1);
}

/// Differences, magnitudes and sums: 3 operations an entry of the half and column.
#[divan::bench(types = [f32, f64], args = [(64, 10), (256, 784), (1024, 64)])]
fn laplacian<T: Scalar>(bencher: Bencher, (m, d): (usize, usize)) {
    let kernel = Kernel::Laplacian { bandwidth: Bandwidth::scaled(5.0).expect("5 is positive") };
    fill::<T>(bencher.counter(ItemsCount::new(3 * m * (m + 1) / 2 * d)), &kernel, m, d);
}

#[divan::bench(types = [f32, f64], args = [(64, 10), (256, 784), (1024, 64)])]
fn cosine<T: Scalar>(bencher: Bencher, (m, d): (usize, usize)) {
    fill::<T>(bencher.counter(ItemsCount::new(m * (m + 1) * d)), &Kernel::Cosine, m, d);
}

/// A Cholesky factor and 2 m triangular solves: 7/3 m^3.
#[divan::bench(types = [f32, f64], args = ROWS)]
fn normalized<T: Scalar>(bencher: Bencher, m: usize) {
    let kernel = Kernel::gaussian(1.0).expect("1 is positive");
    let gram = Gram::new(sample::<T>(m, 10).as_ref(), &kernel).expect("a finite table");
    let (mut out, mut factor) = (Mat::zeros(m, m), Factor::default());
    bencher.counter(ItemsCount::new(7 * m * m * m / 3)).bench_local(|| {
        normalized_gram_into(out.as_mut(), &gram, 1e-3, &mut factor).expect("a ridge above rounding");
    });
}

fn fill<T: Scalar>(bencher: Bencher, kernel: &Kernel, m: usize, d: usize) {
    let x = sample::<T>(m, d);
    let mut gram = Gram::default();
    bencher.bench_local(|| gram.fill(x.as_ref(), kernel).expect("a finite table"));
}

fn sample<T: Scalar>(m: usize, d: usize) -> Mat<T> {
    let mut stream = Stream::new(1, "bench", 0);
    Mat::from_fn(m, d, |_, _| T::of(stream.normal()))
}
