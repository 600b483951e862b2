//! Estimators of dependence from Gram matrices, and the tests of independence.
//!
//! Runs on rayon's threads (`RAYON_NUM_THREADS=1` for one).

use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use faer::Mat;
use hsic::random::Stream;
use hsic::{Estimator, Gram, Kernel, Scalar, gamma_test, permutation_test};

const ROWS: &[usize] = &[64, 256, 1024, 2048];
const PERMUTATIONS: usize = 199;

fn main() {
    Divan::default().max_time(Duration::from_millis(500)).config_with_args().main();
}

/// Items are entries of the half that is read, m (m + 1) / 2.
#[divan::bench(types = [f32, f64], args = ROWS)]
fn hsic_biased<T: Scalar>(bencher: Bencher, m: usize) {
    measure::<T>(bencher.counter(ItemsCount::new(m * (m + 1) / 2)), "hsic-biased", m);
}

#[divan::bench(types = [f32, f64], args = ROWS)]
fn hsic_unbiased<T: Scalar>(bencher: Bencher, m: usize) {
    measure::<T>(bencher.counter(ItemsCount::new(m * (m + 1) / 2)), "hsic-unbiased", m);
}

#[divan::bench(types = [f32, f64], args = ROWS)]
fn cka<T: Scalar>(bencher: Bencher, m: usize) {
    measure::<T>(bencher.counter(ItemsCount::new(m * (m + 1) / 2)), "cka", m);
}

#[divan::bench(types = [f32, f64], args = ROWS)]
fn cka_debiased<T: Scalar>(bencher: Bencher, m: usize) {
    measure::<T>(bencher.counter(ItemsCount::new(m * (m + 1) / 2)), "cka-debiased", m);
}

/// Items are operations: two normalized Gram matrices, 14/3 m^3.
#[divan::bench(types = [f32, f64], args = ROWS)]
fn nhsic<T: Scalar>(bencher: Bencher, m: usize) {
    measure::<T>(bencher.counter(ItemsCount::new(14 * m * m * m / 3)), "nhsic", m);
}

/// With both Gram matrices, of 20 columns and median bandwidths; items are gathers, m^2 / 2 a permutation.
#[divan::bench(types = [f32, f64], args = ROWS)]
fn permutations<T: Scalar>(bencher: Bencher, m: usize) {
    let (x, y, kernel) = (sample::<T>(m, 20, 0), sample::<T>(m, 20, 1), Kernel::gaussian_median());
    bencher.counter(ItemsCount::new(m * m / 2 * PERMUTATIONS)).bench_local(|| {
        permutation_test(x.as_ref(), y.as_ref(), &kernel, &kernel, PERMUTATIONS, 1).expect("finite tables")
    });
}

/// With both Gram matrices; items are their entries, m^2 each.
#[divan::bench(types = [f32, f64], args = ROWS)]
fn gamma<T: Scalar>(bencher: Bencher, m: usize) {
    let (x, y, kernel) = (sample::<T>(m, 20, 0), sample::<T>(m, 20, 1), Kernel::gaussian_median());
    bencher
        .counter(ItemsCount::new(2 * m * m))
        .bench_local(|| gamma_test(x.as_ref(), y.as_ref(), &kernel, &kernel).expect("finite tables"));
}

fn measure<T: Scalar>(bencher: Bencher, name: &str, m: usize) {
    let kernel = Kernel::gaussian(0.5).expect("0.5 is positive");
    let estimator = match Estimator::from_name(name).expect("a name of an estimator") {
        // The paper's ridge is below rounding in single precision at these sizes.
        Estimator::Nhsic { .. } => Estimator::Nhsic { epsilon: 1e-3 },
        other => other,
    };
    let [k, l] = [0, 1].map(|index| Gram::new(sample::<T>(m, 20, index).as_ref(), &kernel).expect("a finite table"));
    bencher.bench_local(|| estimator.of_grams(&k, &l).expect("rows that differ"));
}

fn sample<T: Scalar>(m: usize, d: usize, index: u64) -> Mat<T> {
    let mut stream = Stream::new(1, "bench", index);
    Mat::from_fn(m, d, |_, _| T::of(stream.normal()))
}
